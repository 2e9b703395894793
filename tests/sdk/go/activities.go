package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// Gateway has the activities of a ward's gateway. Some misbehave on purpose: they fail, fall silent, or go on until
// they are cancelled. Its fields belong to the activities that are under way while the server is killed.
type Gateway struct {
	outageIsOver   atomic.Bool
	failedAttempts atomic.Int32
	heartbeats     atomic.Int32
}

func (*Gateway) ReadSensor(_ context.Context, sensor string) (string, error) {
	return sensor + " reads 21.5", nil
}

// ReadFlakySensor fails as often as it is told, then gives the attempt that succeeded.
func (*Gateway) ReadFlakySensor(ctx context.Context, failures int) (int, error) {
	attempt := int(activity.GetInfo(ctx).Attempt)
	if attempt <= failures {
		return 0, temporal.NewApplicationError(fmt.Sprintf("no answer at attempt %d", attempt), "NoAnswer")
	}
	return attempt, nil
}

func (*Gateway) ReadBrokenSensor(context.Context) error {
	return temporal.NewApplicationError("the wire is cut", "BrokenSensor", "bed-12")
}

// UploadFirmware goes on where the last attempt came to. The first one fails halfway, the second falls silent.
func (*Gateway) UploadFirmware(ctx context.Context, blocks int) (string, error) {
	attempt := int(activity.GetInfo(ctx).Attempt)
	resumedAt := 0
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &resumedAt); err != nil {
			return "", err
		}
	}
	for done := resumedAt + 1; done <= blocks; done++ {
		activity.RecordHeartbeat(ctx, done)
		if attempt == 1 && done == 3 {
			return "", temporal.NewApplicationError("the link broke", "LinkBroke")
		}
		if attempt == 2 && done == 5 {
			<-ctx.Done()
			return "", ctx.Err()
		}
	}
	return fmt.Sprintf("attempt %d went on at block %d of %d", attempt, resumedAt, blocks), nil
}

// WatchBed watches until it is cancelled, which it can only learn by its heartbeat.
func (*Gateway) WatchBed(ctx context.Context, bed string) error {
	for {
		activity.RecordHeartbeat(ctx, bed)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (*Gateway) ToKelvin(ctx context.Context, celsius float64) (float64, error) {
	if activity.GetInfo(ctx).Attempt == 1 {
		return 0, temporal.NewApplicationError("the table is being loaded", "NotReady")
	}
	return celsius + 273.15, nil
}

func (*Gateway) SwitchLightsOff(_ context.Context, ward string) (string, error) {
	return "lights of " + ward + " are off", nil
}

// AskNurse is completed by somebody else, by its id.
func (*Gateway) AskNurse(context.Context, string) (string, error) {
	return "", activity.ErrResultPending
}

// ReportToCentre fails until the outage is over; it gives the attempt that got through.
func (g *Gateway) ReportToCentre(ctx context.Context) (int, error) {
	attempt := int(activity.GetInfo(ctx).Attempt)
	if !g.outageIsOver.Load() {
		g.failedAttempts.Store(int32(attempt))
		return 0, temporal.NewApplicationError("the centre cannot be reached", "Unreachable")
	}
	return attempt, nil
}

// HoldLine is one long attempt with heartbeats; it gives its number.
func (g *Gateway) HoldLine(ctx context.Context) (int, error) {
	for !g.outageIsOver.Load() {
		activity.RecordHeartbeat(ctx, g.heartbeats.Add(1))
		time.Sleep(200 * time.Millisecond)
	}
	return int(activity.GetInfo(ctx).Attempt), nil
}
