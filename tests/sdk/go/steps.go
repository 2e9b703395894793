package main

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
)

// The steps: each uses one feature through the client and checks what came of it.

type step struct {
	name string
	do   func(*Driver)
}

var steps = []step{
	{"activity", activityStep},
	{"retry", retryStep},
	{"heartbeat", heartbeatStep},
	{"activity-cancel", activityCancelStep},
	{"async-completion", asyncCompletionStep},
	{"local-activity", localActivityStep},
	{"timer", timerStep},
	{"signal", signalStep},
	{"signal-with-start", signalWithStartStep},
	{"query", queryStep},
	{"update", updateStep},
	{"update-with-start", updateWithStartStep},
	{"child", childStep},
	{"parent-close-policy", parentClosePolicyStep},
	{"continue-as-new", continueAsNewStep},
	{"cancel", cancelStep},
	{"terminate", terminateStep},
	{"failure", failureStep},
	{"workflow-retry", workflowRetryStep},
	{"timeout", timeoutStep},
	{"start-rules", startRulesStep},
	{"patch", patchStep},
	{"search-attributes", searchAttributesStep},
	{"list", listStep},
	{"schedule", scheduleStep},
	{"new-worker", newWorkerStep},
}

func activityStep(d *Driver) {
	expect(result[string](d.start("activity", ReadSensor, "bed-12")), "bed-12 reads 21.5")
}

func retryStep(d *Driver) {
	outcome := result[string](d.start("retry", ReadBadSensors, 2))
	expect(outcome, "answer at attempt 3, then BrokenSensor: the wire is cut (bed-12)")
}

func heartbeatStep(d *Driver) {
	expect(result[string](d.start("heartbeat", UpdateFirmware, 6)), "attempt 3 went on at block 5 of 6")
}

func activityCancelStep(d *Driver) {
	run := d.start("activity-cancel", WatchBed, "bed-12")
	until("the activity has sent a heartbeat", func() bool {
		activity := startedActivity(d, run)
		return activity != nil && activity.HeartbeatDetails != nil
	})
	d.signal(run, "stop", nil)
	expect(result[string](run), "nobody watches bed-12")
}

func asyncCompletionStep(d *Driver) {
	run := d.start("async-completion", AskNurse, "is bed-12 free?")
	until("the question is asked", func() bool { return startedActivity(d, run) != nil })
	check(tell(func() error {
		ctx := context.Background()
		return d.client.CompleteActivityByID(ctx, d.namespace, run.GetID(), "", "question", "it is", nil)
	}))
	expect(result[string](run), "it is")
}

func startedActivity(d *Driver, run client.WorkflowRun) *workflowpb.PendingActivityInfo {
	for _, each := range must(d.describe(run.GetID(), "")).PendingActivities {
		if each.State == enums.PENDING_ACTIVITY_STATE_STARTED {
			return each
		}
	}
	return nil
}

func localActivityStep(d *Driver) {
	expect(result[float64](d.start("local-activity", ConvertReading, 21.5)), 294.65)
}

func timerStep(d *Driver) {
	expect(result[float64](d.start("timer", Pause, []float64{0.2, 1})) >= 1, true)
}

func signalStep(d *Driver) {
	run := d.start("signal", CollectReadings)
	for number, text := range []string{"reading 1", "reading 2", "reading 3"} {
		d.signal(run, "add", Reading{number, text})
	}
	d.signal(run, "close", nil)
	expect(result[[]string](run), []string{"reading 1", "reading 2", "reading 3"})
	var notFound *serviceerror.NotFound
	expect(errors.As(d.trySignal(run, "close", nil), &notFound), true)
}

func signalWithStartStep(d *Driver) {
	send := func(reading Reading) client.WorkflowRun {
		options := d.options("signal-with-start")
		return must(ask(func() (client.WorkflowRun, error) {
			ctx := context.Background()
			return d.client.SignalWithStartWorkflow(ctx, options.ID, "add", reading, options, CollectReadings)
		}))
	}
	first := send(Reading{1, "reading 1"})
	second := send(Reading{2, "reading 2"})
	expect(second.GetRunID(), first.GetRunID())
	d.signal(first, "close", nil)
	expect(result[[]string](first), []string{"reading 1", "reading 2"})
}

func queryStep(d *Driver) {
	run := d.start("query", CollectReadings)
	d.signal(run, "add", Reading{1, "open"})
	expect(query[[]string](d, run, "readingsSoFar"), []string{"open"})
	_, err := tryQuery[any](d, run, "somethingElse")
	var failed *serviceerror.QueryFailed
	expect(errors.As(err, &failed), true)
	d.signal(run, "close", nil)
	result[[]string](run)
	expect(query[[]string](d, run, "readingsSoFar"), []string{"open"})
}

func updateStep(d *Driver) {
	run := d.start("update", Thermostat)
	expect(must(update[int](d, run, "set-to-22", "setTarget", 22)), 20)
	// The same id: the second call gets the outcome of the first.
	expect(must(update[int](d, run, "set-to-22", "setTarget", 22)), 20)
	waiting := acceptedUpdate(d, run, "wait-for-25", "waitForTarget", 25)
	_, err := update[int](d, run, "set-to-99", "setTarget", 99)
	var refused *temporal.ApplicationError
	expect(errors.As(err, &refused), true)
	expect(refused.Type()+": "+refused.Message(), "OutOfRange: 99 degrees are not for people")
	expect(must(update[int](d, run, "set-to-25", "setTarget", 25)), 22)
	expect(outcome[string](waiting), "25 degrees are reached")
	d.signal(run, "switchOff", nil)
	expect(result[int](run), 25)
	var accepted []string
	for _, event := range d.history(run.GetID(), run.GetRunID()).Events {
		if attributes := event.GetWorkflowExecutionUpdateAcceptedEventAttributes(); attributes != nil {
			accepted = append(accepted, attributes.ProtocolInstanceId)
		}
	}
	expect(accepted, []string{"set-to-22", "wait-for-25", "set-to-25"})
}

// acceptedUpdate sends an update and waits until the workflow has taken it.
func acceptedUpdate(d *Driver, run client.WorkflowRun, id, name string, argument any) client.WorkflowUpdateHandle {
	return must(ask(func() (client.WorkflowUpdateHandle, error) {
		return d.client.UpdateWorkflow(context.Background(), client.UpdateWorkflowOptions{
			WorkflowID:   run.GetID(),
			UpdateID:     id,
			UpdateName:   name,
			Args:         []any{argument},
			WaitForStage: client.WorkflowUpdateStageAccepted,
		})
	}))
}

func outcome[T any](handle client.WorkflowUpdateHandle) (value T) {
	check(tell(func() error { return handle.Get(context.Background(), &value) }))
	return
}

func updateWithStartStep(d *Driver) {
	options := d.options("update-with-start")
	options.WorkflowIDConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	set := func(id string, degrees int) int {
		return outcome[int](must(ask(func() (client.WorkflowUpdateHandle, error) {
			return d.client.UpdateWithStartWorkflow(context.Background(), client.UpdateWithStartWorkflowOptions{
				StartWorkflowOperation: d.client.NewWithStartWorkflowOperation(options, Thermostat),
				UpdateOptions: client.UpdateWorkflowOptions{
					WorkflowID:   options.ID,
					UpdateID:     id,
					UpdateName:   "setTarget",
					Args:         []any{degrees},
					WaitForStage: client.WorkflowUpdateStageCompleted,
				},
			})
		})))
	}
	expect(set("set-to-18", 18), 20)
	expect(set("set-to-19", 19), 18)
	run := d.client.GetWorkflow(context.Background(), options.ID, "")
	d.signal(run, "switchOff", nil)
	expect(result[int](run), 19)
}

func childStep(d *Driver) {
	woken := result[[]string](d.start("child", Ward, []string{"bed-1", "bed-2"}))
	expect(woken, []string{
		"bed-1 is awake", "bed-2 is awake", "BrokenBed: a bed broke down", "asleep is cancelled: true",
	})
}

func parentClosePolicyStep(d *Driver) {
	result[any](d.start("night", NightShift))
	failsWith[*temporal.CanceledError](d.client.GetWorkflow(context.Background(), d.id("night-stopped"), ""))
	left := d.client.GetWorkflow(context.Background(), d.id("night-left"), "")
	d.signal(left, "wake", nil)
	expect(result[string](left), "left is awake")
}

func continueAsNewStep(d *Driver) {
	options := d.options("continue-as-new")
	options.Memo = map[string]any{"ward": "west"}
	run := d.startWith(options, Rounds, 3, []string{})
	firstRun := run.GetRunID()
	expect(result[[]string](run), []string{"round 1", "round 2", "round 3"})
	first := must(d.describe(run.GetID(), firstRun)).WorkflowExecutionInfo
	expect(first.Status, enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW)
	last := must(d.describe(run.GetID(), "")).WorkflowExecutionInfo
	expect(last.Status, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	expect(memo[string](last, "ward"), "west")
}

func memo[T any](info *workflowpb.WorkflowExecutionInfo, name string) (value T) {
	check(converter.GetDefaultDataConverter().FromPayload(info.Memo.Fields[name], &value))
	return
}

func cancelStep(d *Driver) {
	run := d.start("cancel", Patrol, "west")
	expect(query[[]string](d, run, "whatWasDone"), []string{})
	d.cancel(run)
	failsWith[*temporal.CanceledError](run)
	expect(query[[]string](d, run, "whatWasDone"), []string{"lights of west are off"})
	// Nothing happens to a workflow that is closed.
	d.cancel(run)
}

func terminateStep(d *Driver) {
	run := d.start("terminate", StayForever)
	check(tell(func() error {
		return d.client.TerminateWorkflow(context.Background(), run.GetID(), "", "the ward is closed")
	}))
	failsWith[*temporal.TerminatedError](run)
	events := d.history(run.GetID(), run.GetRunID()).Events
	last := events[len(events)-1].GetWorkflowExecutionTerminatedEventAttributes()
	expect(last.GetReason(), "the ward is closed")
}

func failureStep(d *Driver) {
	cause := failsWith[*temporal.ApplicationError](d.start("failure", GiveUp, 1))
	var attempt int
	check(cause.Details(&attempt))
	expect([]any{cause.Type(), cause.Message(), attempt}, []any{"GivenUp", "it cannot be done", 1})
}

func workflowRetryStep(d *Driver) {
	options := d.options("workflow-retry")
	options.RetryPolicy = &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumAttempts: 3}
	expect(result[string](d.startWith(options, GiveUp, 1)), "done at attempt 2")
}

func timeoutStep(d *Driver) {
	options := d.options("timeout")
	options.WorkflowRunTimeout = time.Second
	failsWith[*temporal.TimeoutError](d.startWith(options, StayForever))
}

// There is one open workflow per id.
func startRulesStep(d *Driver) {
	first := d.start("start-rules", CollectReadings)
	options := d.options("start-rules")
	options.WorkflowExecutionErrorWhenAlreadyStarted = true
	_, err := ask(func() (client.WorkflowRun, error) {
		return d.client.ExecuteWorkflow(context.Background(), options, CollectReadings)
	})
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	expect(errors.As(err, &started), true)
	expect(started.RunId, first.GetRunID())
	options.WorkflowIDConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	same := d.startWith(options, CollectReadings)
	expect(same.GetRunID(), first.GetRunID())
	d.signal(first, "close", nil)
	result[[]string](first)
}

func patchStep(d *Driver) {
	run := d.start("patch", ChooseNumbers)
	numbers := result[[]string](run)
	expect(numbers[1:], []string{"fixed", "new way"})
	expect(query[[]string](d, run, "chosen"), numbers[:2])
}

func searchAttributesStep(d *Driver) {
	west := d.id("west")
	options := d.options("search-attributes")
	options.Memo = map[string]any{"floor": 3}
	options.TypedSearchAttributes = temporal.NewSearchAttributes(wardKey.ValueSet(west))
	run := d.startWith(options, LabelWard, int64(12))
	result[any](run)
	described := must(ask(func() (*client.WorkflowExecutionDescription, error) {
		return d.client.DescribeWorkflow(context.Background(), run.GetID(), "")
	}))
	ward, _ := described.TypedSearchAttributes.GetKeyword(wardKey)
	beds, _ := described.TypedSearchAttributes.GetInt64(bedsKey)
	expect([]any{ward, beds}, []any{west, int64(12)})
	info := must(d.describe(run.GetID(), "")).WorkflowExecutionInfo
	expect([]any{memo[int](info, "floor"), memo[string](info, "note")}, []any{3, "labelled"})
	until("the workflow is found by its labels", func() bool {
		found := d.listIDs("SdkWard = '" + west + "' AND SdkBeds > 10")
		return len(found) == 1 && found[0] == run.GetID()
	})
}

// Both may be there from a run before.
func registerSearchAttributes(d *Driver) {
	request := &operatorservice.AddSearchAttributesRequest{
		Namespace: d.namespace,
		SearchAttributes: map[string]enums.IndexedValueType{
			wardKey.GetName(): enums.INDEXED_VALUE_TYPE_KEYWORD,
			bedsKey.GetName(): enums.INDEXED_VALUE_TYPE_INT,
		},
	}
	err := tell(func() error {
		_, err := d.client.OperatorService().AddSearchAttributes(context.Background(), request)
		return err
	})
	var exists *serviceerror.AlreadyExists
	if !errors.As(err, &exists) {
		check(err)
	}
}

func listStep(d *Driver) {
	open := d.start("list", CollectReadings)
	here := "TaskQueue = '" + d.taskQueue + "'"
	until("the list has the one that is open", func() bool {
		found := d.listIDs(here + " AND ExecutionStatus = 'Running' AND WorkflowType = 'CollectReadings'")
		return len(found) == 1 && found[0] == open.GetID()
	})
	until("the counts by status add up", func() bool {
		request := &workflowservice.CountWorkflowExecutionsRequest{Query: here + " GROUP BY ExecutionStatus"}
		counted := must(ask(func() (*workflowservice.CountWorkflowExecutionsResponse, error) {
			return d.client.CountWorkflow(context.Background(), request)
		}))
		byStatus := map[string]int64{}
		sum := int64(0)
		for _, group := range counted.Groups {
			var status string
			check(converter.GetDefaultDataConverter().FromPayload(group.GroupValues[0], &status))
			byStatus[status] = group.Count
			sum += group.Count
		}
		return byStatus["Running"] == 1 && byStatus["Terminated"] == 1 && sum == counted.Count
	})
	expect(len(d.listIDs("WorkflowId STARTS_WITH '"+d.id("child")+"'")), 5)
	d.signal(open, "close", nil)
	result[[]string](open)
}

func scheduleStep(d *Driver) {
	ctx := context.Background()
	handle := createSchedule(d, "schedule", time.Hour)
	check(tell(func() error { return handle.Trigger(ctx, client.ScheduleTriggerOptions{}) }))
	hasActions := func(wanted int) func() bool {
		return func() bool { return len(describeSchedule(handle).Info.RecentActions) >= wanted }
	}
	until("the triggered workflow is known", hasActions(1))
	triggered := describeSchedule(handle).Info.RecentActions[0].StartWorkflowResult
	expect(result[string](d.client.GetWorkflow(ctx, triggered.WorkflowID, "")), "bed-12 reads 21.5")

	pause := client.SchedulePauseOptions{Note: "the ward is closed"}
	check(tell(func() error { return handle.Pause(ctx, pause) }))
	state := describeSchedule(handle).Schedule.State
	expect([]any{state.Paused, state.Note}, []any{true, "the ward is closed"})
	check(tell(func() error { return handle.Unpause(ctx, client.ScheduleUnpauseOptions{Note: "open again"}) }))

	moreOften := func(input client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		schedule := input.Description.Schedule
		schedule.Spec = &client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: time.Second}}}
		return &client.ScheduleUpdate{Schedule: &schedule}, nil
	}
	check(tell(func() error { return handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: moreOften}) }))
	until("the schedule has started two by itself", hasActions(3))
	expect(describeSchedule(handle).Schedule.State.Paused, false)
	until("the schedule is listed", func() bool {
		schedules := must(ask(func() (client.ScheduleListIterator, error) {
			return d.client.ScheduleClient().List(ctx, client.ScheduleListOptions{})
		}))
		for schedules.HasNext() {
			if must(schedules.Next()).ID == handle.GetID() {
				return true
			}
		}
		return false
	})
	deleteSchedule(handle)
}

// createSchedule makes a schedule that reads a sensor.
func createSchedule(d *Driver, name string, every time.Duration) client.ScheduleHandle {
	ctx := context.Background()
	handle, err := ask(func() (client.ScheduleHandle, error) {
		return d.client.ScheduleClient().Create(ctx, client.ScheduleOptions{
			ID:   d.id(name),
			Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}},
			Action: &client.ScheduleWorkflowAction{
				ID:        d.id(name + "-run"),
				Workflow:  ReadSensor,
				Args:      []any{"bed-12"},
				TaskQueue: d.taskQueue,
			},
			Note: "reads a sensor",
		})
	})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return d.client.ScheduleClient().GetHandle(ctx, d.id(name))
	}
	return must(handle, err)
}

func describeSchedule(handle client.ScheduleHandle) *client.ScheduleDescription {
	return must(ask(func() (*client.ScheduleDescription, error) { return handle.Describe(context.Background()) }))
}

func deleteSchedule(handle client.ScheduleHandle) {
	ctx := context.Background()
	var notFound *serviceerror.NotFound
	check(tell(func() error { return handle.Delete(ctx) }))
	until("the schedule is gone", func() bool {
		_, err := ask(func() (*client.ScheduleDescription, error) { return handle.Describe(ctx) })
		return errors.As(err, &notFound)
	})
}

// A worker that has never seen the workflow goes on with it.
func newWorkerStep(d *Driver) {
	options := d.options("new-worker")
	options.TaskQueue = d.taskQueue + "-handover"
	stop := d.startWorker(options.TaskQueue)
	run := d.startWith(options, CollectReadings)
	d.signal(run, "add", Reading{1, "before"})
	expect(query[[]string](d, run, "readingsSoFar"), []string{"before"})
	stop()
	stop = d.startWorker(options.TaskQueue)
	d.signal(run, "add", Reading{2, "after"})
	d.signal(run, "close", nil)
	expect(result[[]string](run), []string{"before", "after"})
	stop()
}
