package main

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
)

// outlast has everything under way when the server is killed, and everything completed when it is back. `kill` gives
// the word, and returns when the server has been killed and started again.
func outlast(d *Driver, kill func(), ok func(string)) {
	pause := d.start("outage-timer", Pause, []float64{1, 5})
	reporting := d.start("outage-retry", KeepReporting)
	holding := d.start("outage-heartbeat", KeepLine)
	collecting := d.start("outage-signal", CollectReadings)
	d.signal(collecting, "add", Reading{1, "before"})
	waiting := d.start("outage-child", WaitForBed)
	thermostat := d.start("outage-update", Thermostat)
	accepted := acceptedUpdate(d, thermostat, "wait-for-23", "waitForTarget", 23)
	rounds := d.start("outage-continue-as-new", Rounds, 5, []string{})
	patrol := d.start("outage-cancel", Patrol, "east")
	expect(query[[]string](d, patrol, "whatWasDone"), []string{})
	schedule := createSchedule(d, "outage-schedule", time.Second)
	actions := func() int { return describeSchedule(schedule).Info.NumActions }
	guest := d.client.GetWorkflow(context.Background(), d.id("outage-child-guest"), "")

	until("all of it is under way", func() bool {
		activitiesAre := d.gateway.failedAttempts.Load() >= 2 && d.gateway.heartbeats.Load() >= 2
		return activitiesAre && actions() >= 1 && hasBegun(d, guest.GetID())
	})
	attemptsBefore, actionsBefore := int(d.gateway.failedAttempts.Load()), actions()
	// This call waits while the server is killed under it.
	type paused struct {
		seconds float64
		err     error
	}
	pauseIsOver := make(chan paused)
	go func() {
		seconds, err := tryResult[float64](pause)
		pauseIsOver <- paused{seconds, err}
	}()

	kill()

	over := <-pauseIsOver
	expect(must(over.seconds, over.err) >= 5, true)
	ok("outage-timer")

	d.gateway.outageIsOver.Store(true)
	expect(result[int](reporting) > attemptsBefore, true)
	ok("outage-retry")

	expect(result[int](holding), 1)
	ok("outage-heartbeat")

	expect(query[[]string](d, collecting, "readingsSoFar"), []string{"before"})
	d.signal(collecting, "add", Reading{2, "after"})
	d.signal(collecting, "close", nil)
	expect(result[[]string](collecting), []string{"before", "after"})
	ok("outage-signal")

	d.signal(guest, "wake", nil)
	expect(result[string](waiting), "guest is awake")
	ok("outage-child")

	expect(must(update[int](d, thermostat, "set-to-23", "setTarget", 23)), 20)
	expect(outcome[string](accepted), "23 degrees are reached")
	d.signal(thermostat, "switchOff", nil)
	expect(result[int](thermostat), 23)
	ok("outage-update")

	expect(result[[]string](rounds), []string{"round 1", "round 2", "round 3", "round 4", "round 5"})
	ok("outage-continue-as-new")

	d.cancel(patrol)
	failsWith[*temporal.CanceledError](patrol)
	expect(query[[]string](d, patrol, "whatWasDone"), []string{"lights of east are off"})
	ok("outage-cancel")

	until("the schedule goes on", func() bool { return actions() > actionsBefore })
	deleteSchedule(schedule)
	ok("outage-schedule")
}

func hasBegun(d *Driver, id string) bool {
	_, err := d.describe(id, "")
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return false
	}
	check(err)
	return true
}
