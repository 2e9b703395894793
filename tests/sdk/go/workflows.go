package main

import (
	"errors"
	"fmt"
	"math/rand"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// The workflows of a ward's gateway, each there for one thing that a server must do right.

var (
	gateway *Gateway // Names its activities; nothing is called on it.

	often = &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 1}

	wardKey = temporal.NewSearchAttributeKeyKeyword("SdkWard")
	bedsKey = temporal.NewSearchAttributeKeyInt64("SdkBeds")
)

func quickly(ctx workflow.Context, policy *temporal.RetryPolicy) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 10 * time.Second,
		RetryPolicy:         policy,
	})
}

func ReadSensor(ctx workflow.Context, sensor string) (reading string, err error) {
	err = workflow.ExecuteActivity(quickly(ctx, nil), gateway.ReadSensor, sensor).Get(ctx, &reading)
	return
}

// ReadBadSensors reads two: one answers in the end, the other is not even asked again.
func ReadBadSensors(ctx workflow.Context, failures int) (string, error) {
	var attempt int
	err := workflow.ExecuteActivity(quickly(ctx, often), gateway.ReadFlakySensor, failures).Get(ctx, &attempt)
	if err != nil {
		return "", err
	}
	once := &temporal.RetryPolicy{NonRetryableErrorTypes: []string{"BrokenSensor"}}
	err = workflow.ExecuteActivity(quickly(ctx, once), gateway.ReadBrokenSensor).Get(ctx, nil)
	var cause *temporal.ApplicationError
	if !errors.As(err, &cause) {
		return "the broken sensor answered", err
	}
	var sensor string
	if err := cause.Details(&sensor); err != nil {
		return "", err
	}
	return fmt.Sprintf("answer at attempt %d, then %s: %s (%s)", attempt, cause.Type(), cause.Message(), sensor), nil
}

func UpdateFirmware(ctx workflow.Context, blocks int) (outcome string, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute,
		HeartbeatTimeout:    2 * time.Second,
		RetryPolicy:         often,
	})
	err = workflow.ExecuteActivity(ctx, gateway.UploadFirmware, blocks).Get(ctx, &outcome)
	return
}

// WatchBed cancels its activity when it is told to, and waits until the activity has seen it.
func WatchBed(ctx workflow.Context, bed string) (string, error) {
	watching, cancel := workflow.WithCancel(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout:    10 * time.Second,
		WaitForCancellation: true,
	}))
	watch := workflow.ExecuteActivity(watching, gateway.WatchBed, bed)
	workflow.GetSignalChannel(ctx, "stop").Receive(ctx, nil)
	cancel()
	if err := watch.Get(ctx, nil); !temporal.IsCanceledError(err) {
		return "the watch went on", err
	}
	return "nobody watches " + bed, nil
}

func AskNurse(ctx workflow.Context, question string) (answer string, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		ActivityID:          "question",
		StartToCloseTimeout: 5 * time.Minute,
	})
	err = workflow.ExecuteActivity(ctx, gateway.AskNurse, question).Get(ctx, &answer)
	return
}

func ConvertReading(ctx workflow.Context, celsius float64) (kelvin float64, err error) {
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: 10 * time.Second,
		RetryPolicy:         often,
	})
	err = workflow.ExecuteLocalActivity(ctx, gateway.ToKelvin, celsius).Get(ctx, &kelvin)
	return
}

// Pause waits for timers side by side, and starts another that is not waited for.
func Pause(ctx workflow.Context, seconds []float64) (float64, error) {
	begun := workflow.Now(ctx)
	never, cancel := workflow.WithCancel(ctx)
	workflow.NewTimer(never, time.Hour)
	var timers []workflow.Future
	for _, each := range seconds {
		timers = append(timers, workflow.NewTimer(ctx, time.Duration(each*float64(time.Second))))
	}
	for _, timer := range timers {
		if err := timer.Get(ctx, nil); err != nil {
			return 0, err
		}
	}
	cancel()
	return workflow.Now(ctx).Sub(begun).Seconds(), nil
}

type Reading struct {
	Number int
	Text   string
}

// CollectReadings takes each reading once, however often it comes, until it is told that this was all.
func CollectReadings(ctx workflow.Context) ([]string, error) {
	readings := []string{}
	seen := map[int]bool{}
	err := workflow.SetQueryHandler(ctx, "readingsSoFar", func() ([]string, error) { return readings, nil })
	if err != nil {
		return nil, err
	}
	take := func(reading Reading) {
		if !seen[reading.Number] {
			seen[reading.Number] = true
			readings = append(readings, reading.Text)
		}
	}
	added := workflow.GetSignalChannel(ctx, "add")
	complete := false
	selector := workflow.NewSelector(ctx)
	selector.AddReceive(added, func(channel workflow.ReceiveChannel, _ bool) {
		var reading Reading
		channel.Receive(ctx, &reading)
		take(reading)
	})
	selector.AddReceive(workflow.GetSignalChannel(ctx, "close"), func(channel workflow.ReceiveChannel, _ bool) {
		channel.Receive(ctx, nil)
		complete = true
	})
	for !complete {
		selector.Select(ctx)
	}
	// Signals of different names have no order among each other: some may still wait in the channel.
	for reading := (Reading{}); added.ReceiveAsync(&reading); reading = (Reading{}) {
		take(reading)
	}
	return readings, nil
}

func Thermostat(ctx workflow.Context) (int, error) {
	target := 20
	set := func(ctx workflow.Context, degrees int) (int, error) {
		before := target
		target = degrees
		return before, workflow.ExecuteActivity(quickly(ctx, nil), gateway.ReadSensor, "thermostat").Get(ctx, nil)
	}
	validate := func(degrees int) error {
		if degrees < 5 || degrees > 30 {
			return temporal.NewApplicationError(fmt.Sprintf("%d degrees are not for people", degrees), "OutOfRange")
		}
		return nil
	}
	wait := func(ctx workflow.Context, degrees int) (string, error) {
		err := workflow.Await(ctx, func() bool { return target >= degrees })
		return fmt.Sprintf("%d degrees are reached", degrees), err
	}
	options := workflow.UpdateHandlerOptions{Validator: validate}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, "setTarget", set, options); err != nil {
		return 0, err
	}
	if err := workflow.SetUpdateHandler(ctx, "waitForTarget", wait); err != nil {
		return 0, err
	}
	workflow.GetSignalChannel(ctx, "switchOff").Receive(ctx, nil)
	err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
	return target, err
}

// Bed is a child: it waits to be woken.
func Bed(ctx workflow.Context, name string) (string, error) {
	if name == "broken" {
		return "", temporal.NewApplicationError("a bed broke down", "BrokenBed")
	}
	awake := workflow.GetSignalChannel(ctx, "wake")
	selector := workflow.NewSelector(ctx)
	selector.AddReceive(awake, func(workflow.ReceiveChannel, bool) {})
	selector.AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {})
	selector.Select(ctx)
	return name + " is awake", ctx.Err()
}

func bedOf(ctx workflow.Context, name string) workflow.Context {
	id := workflow.GetInfo(ctx).WorkflowExecution.ID + "-" + name
	return workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: id})
}

// Ward wakes its beds by signals; one of them has broken down, and one is cancelled.
func Ward(ctx workflow.Context, beds []string) ([]string, error) {
	var children []workflow.ChildWorkflowFuture
	for _, bed := range beds {
		child := workflow.ExecuteChildWorkflow(bedOf(ctx, bed), Bed, bed)
		if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
			return nil, err
		}
		children = append(children, child)
	}
	for _, child := range children {
		if err := child.SignalChildWorkflow(ctx, "wake", nil).Get(ctx, nil); err != nil {
			return nil, err
		}
	}
	var results []string
	for _, child := range children {
		var result string
		if err := child.Get(ctx, &result); err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	err := workflow.ExecuteChildWorkflow(bedOf(ctx, "broken"), Bed, "broken").Get(ctx, nil)
	var cause *temporal.ApplicationError
	if errors.As(err, &cause) {
		results = append(results, cause.Type()+": "+cause.Message())
	}
	sleeping, cancel := workflow.WithCancel(bedOf(ctx, "asleep"))
	asleep := workflow.ExecuteChildWorkflow(sleeping, Bed, "asleep")
	if err := asleep.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return nil, err
	}
	cancel()
	isCancelled := temporal.IsCanceledError(asleep.Get(ctx, nil))
	return append(results, fmt.Sprintf("asleep is cancelled: %t", isCancelled)), nil
}

// NightShift leaves two children behind: one is asked to stop, the other is left alone.
func NightShift(ctx workflow.Context) error {
	leave := func(bed string, policy enums.ParentClosePolicy) error {
		id := workflow.GetInfo(ctx).WorkflowExecution.ID + "-" + bed
		options := workflow.ChildWorkflowOptions{WorkflowID: id, ParentClosePolicy: policy}
		child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), Bed, bed)
		return child.GetChildWorkflowExecution().Get(ctx, nil)
	}
	return errors.Join(
		leave("left", enums.PARENT_CLOSE_POLICY_ABANDON),
		leave("stopped", enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL),
	)
}

// WaitForBed is a parent whose child is woken by somebody else.
func WaitForBed(ctx workflow.Context) (result string, err error) {
	err = workflow.ExecuteChildWorkflow(bedOf(ctx, "guest"), Bed, "guest").Get(ctx, &result)
	return
}

// Rounds takes one run per round; each hands over what it saw to the next.
func Rounds(ctx workflow.Context, left int, seen []string) ([]string, error) {
	if err := workflow.Sleep(ctx, 200*time.Millisecond); err != nil {
		return nil, err
	}
	seen = append(seen, fmt.Sprintf("round %d", len(seen)+1))
	if left > 1 {
		return nil, workflow.NewContinueAsNewError(ctx, Rounds, left-1, seen)
	}
	return seen, nil
}

// Patrol walks until it is cancelled, and leaves nothing switched on.
func Patrol(ctx workflow.Context, ward string) error {
	done := []string{}
	err := workflow.SetQueryHandler(ctx, "whatWasDone", func() ([]string, error) { return done, nil })
	if err != nil {
		return err
	}
	err = workflow.Sleep(ctx, time.Hour)
	if temporal.IsCanceledError(err) {
		cleanup, _ := workflow.NewDisconnectedContext(ctx)
		var lights string
		off := workflow.ExecuteActivity(quickly(cleanup, nil), gateway.SwitchLightsOff, ward)
		if err := off.Get(cleanup, &lights); err != nil {
			return err
		}
		done = append(done, lights)
	}
	return err
}

// ChooseNumbers chooses what only chance decides; it must come out the same at every replay.
func ChooseNumbers(ctx workflow.Context) ([]string, error) {
	var number int
	err := workflow.SideEffect(ctx, func(workflow.Context) any { return rand.Intn(1_000_000) }).Get(&number)
	if err != nil {
		return nil, err
	}
	numbers := []string{fmt.Sprint(number)}
	err = workflow.SetQueryHandler(ctx, "chosen", func() ([]string, error) { return numbers, nil })
	if err != nil {
		return nil, err
	}
	same := func(a, b any) bool { return a == b }
	fixed := workflow.MutableSideEffect(ctx, "setting", func(workflow.Context) any { return "fixed" }, same)
	var setting string
	if err := fixed.Get(&setting); err != nil {
		return nil, err
	}
	numbers = append(numbers, setting)
	if err := workflow.Sleep(ctx, 100*time.Millisecond); err != nil {
		return nil, err
	}
	if workflow.GetVersion(ctx, "count-differently", workflow.DefaultVersion, 1) == 1 {
		return append(numbers, "new way"), nil
	}
	return append(numbers, "old way"), nil
}

func LabelWard(ctx workflow.Context, beds int64) error {
	return errors.Join(
		workflow.UpsertTypedSearchAttributes(ctx, bedsKey.ValueSet(beds)),
		workflow.UpsertMemo(ctx, map[string]any{"note": "labelled"}),
	)
}

func GiveUp(ctx workflow.Context, attemptsThatFail int) (string, error) {
	attempt := int(workflow.GetInfo(ctx).Attempt)
	if attempt <= attemptsThatFail {
		return "", temporal.NewApplicationError("it cannot be done", "GivenUp", attempt)
	}
	return fmt.Sprintf("done at attempt %d", attempt), nil
}

func StayForever(ctx workflow.Context) error {
	return workflow.Await(ctx, func() bool { return false })
}

// KeepReporting has an activity that fails for as long as the outage lasts.
func KeepReporting(ctx workflow.Context) (attempt int, err error) {
	policy := &temporal.RetryPolicy{InitialInterval: 300 * time.Millisecond, BackoffCoefficient: 1}
	err = workflow.ExecuteActivity(quickly(ctx, policy), gateway.ReportToCentre).Get(ctx, &attempt)
	return
}

// KeepLine has an activity that goes on through the outage.
func KeepLine(ctx workflow.Context) (attempt int, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout:    30 * time.Second,
	})
	err = workflow.ExecuteActivity(ctx, gateway.HoldLine).Get(ctx, &attempt)
	return
}

var allWorkflows = []any{
	ReadSensor, ReadBadSensors, UpdateFirmware, WatchBed, AskNurse, ConvertReading, Pause, CollectReadings, Thermostat,
	Bed, Ward, NightShift, WaitForBed, Rounds, Patrol, ChooseNumbers, LabelWard, GiveUp, StayForever, KeepReporting,
	KeepLine,
}
