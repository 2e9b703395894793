package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const patience = time.Minute

// Driver is what every step needs: starting workflows under ids of this run, and calls that outlast a server that is
// away. What goes wrong is a panic, which ends the program with its reason.
type Driver struct {
	client    client.Client
	namespace string
	run       string
	taskQueue string
	gateway   *Gateway
	started   map[string]bool
}

// Nothing is logged: activities that fail are part of the plan.
var silence = log.NewStructuredLogger(slog.New(slog.DiscardHandler))

func connect(address, namespace string) *Driver {
	options := client.Options{HostPort: address, Namespace: namespace, Logger: silence}
	run := "go-" + uuid.NewString()[:8]
	return &Driver{
		client:    must(ask(func() (client.Client, error) { return client.Dial(options) })),
		namespace: namespace,
		run:       run,
		taskQueue: "sdk-" + run,
		gateway:   &Gateway{},
		started:   map[string]bool{},
	}
}

func (d *Driver) id(name string) string {
	return d.run + "-" + name
}

// startWorker gives the function that stops it.
func (d *Driver) startWorker(taskQueue string) (stop func()) {
	w := worker.New(d.client, taskQueue, worker.Options{
		// By default a heartbeat waits for most of its timeout, and so does the news of a cancellation.
		MaxHeartbeatThrottleInterval: 200 * time.Millisecond,
	})
	for _, each := range allWorkflows {
		w.RegisterWorkflow(each)
	}
	w.RegisterActivity(d.gateway)
	check(w.Start())
	return w.Stop
}

// options of a workflow of this run. Where it has been started by a call whose answer was lost, that one counts: the
// client takes up a workflow that runs already.
func (d *Driver) options(name string) client.StartWorkflowOptions {
	d.started[d.id(name)] = true
	return client.StartWorkflowOptions{ID: d.id(name), TaskQueue: d.taskQueue}
}

func (d *Driver) start(name string, workflow any, arguments ...any) client.WorkflowRun {
	return d.startWith(d.options(name), workflow, arguments...)
}

func (d *Driver) startWith(options client.StartWorkflowOptions, workflow any, arguments ...any) client.WorkflowRun {
	return must(ask(func() (client.WorkflowRun, error) {
		return d.client.ExecuteWorkflow(context.Background(), options, workflow, arguments...)
	}))
}

func (d *Driver) signal(run client.WorkflowRun, name string, argument any) {
	check(d.trySignal(run, name, argument))
}

func (d *Driver) trySignal(run client.WorkflowRun, name string, argument any) error {
	return tell(func() error {
		return d.client.SignalWorkflow(context.Background(), run.GetID(), "", name, argument)
	})
}

func (d *Driver) cancel(run client.WorkflowRun) {
	check(tell(func() error { return d.client.CancelWorkflow(context.Background(), run.GetID(), "") }))
}

// update sends an update under an id of its own and waits for its outcome.
func update[T any](d *Driver, run client.WorkflowRun, id, name string, argument any) (outcome T, err error) {
	err = tell(func() error {
		handle, err := d.client.UpdateWorkflow(context.Background(), client.UpdateWorkflowOptions{
			WorkflowID:   run.GetID(),
			UpdateID:     id,
			UpdateName:   name,
			Args:         []any{argument},
			WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err != nil {
			return err
		}
		return handle.Get(context.Background(), &outcome)
	})
	return
}

func query[T any](d *Driver, run client.WorkflowRun, name string) T {
	answer, err := tryQuery[T](d, run, name)
	return must(answer, err)
}

func tryQuery[T any](d *Driver, run client.WorkflowRun, name string) (answer T, err error) {
	err = tell(func() error {
		value, err := d.client.QueryWorkflow(context.Background(), run.GetID(), run.GetRunID(), name)
		if err != nil {
			return err
		}
		return value.Get(&answer)
	})
	return
}

func (d *Driver) describe(id, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return ask(func() (*workflowservice.DescribeWorkflowExecutionResponse, error) {
		return d.client.DescribeWorkflowExecution(context.Background(), id, runID)
	})
}

func (d *Driver) list(query string) []*workflowpb.WorkflowExecutionInfo {
	var found []*workflowpb.WorkflowExecutionInfo
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: query}
	for {
		page := must(ask(func() (*workflowservice.ListWorkflowExecutionsResponse, error) {
			return d.client.ListWorkflow(context.Background(), request)
		}))
		found = append(found, page.Executions...)
		if len(page.NextPageToken) == 0 {
			return found
		}
		request.NextPageToken = page.NextPageToken
	}
}

func (d *Driver) listIDs(query string) []string {
	var ids []string
	for _, each := range d.list(query) {
		ids = append(ids, each.Execution.WorkflowId)
	}
	return ids
}

// result waits for the result of a workflow that must succeed.
func result[T any](run client.WorkflowRun) T {
	outcome, err := tryResult[T](run)
	return must(outcome, err)
}

func tryResult[T any](run client.WorkflowRun) (outcome T, err error) {
	err = tell(func() error { return run.Get(context.Background(), &outcome) })
	return
}

// failsWith waits for the failure of a workflow, which must have this kind of cause.
func failsWith[E error](run client.WorkflowRun) (cause E) {
	_, err := tryResult[any](run)
	if !errors.As(err, &cause) {
		panic(fmt.Errorf("%s was to fail with %T: %w", run.GetID(), cause, err))
	}
	return
}

// ask calls until the server answers. The client repeats calls by itself for a while only.
func ask[T any](call func() (T, error)) (T, error) {
	giveUp := time.Now().Add(patience)
	for {
		answer, err := call()
		if err == nil || !isAway(err) || time.Now().After(giveUp) {
			return answer, err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func tell(call func() error) error {
	_, err := ask(func() (struct{}, error) { return struct{}{}, call() })
	return err
}

func isAway(err error) bool {
	var unavailable *serviceerror.Unavailable
	var deadline *serviceerror.DeadlineExceeded
	var timeout *client.WorkflowUpdateServiceTimeoutOrCanceledError
	return errors.As(err, &unavailable) || errors.As(err, &deadline) || errors.As(err, &timeout) ||
		errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.Unavailable
}

// until waits until something is true.
func until(what string, check func() bool) {
	giveUp := time.Now().Add(patience)
	for !check() {
		if time.Now().After(giveUp) {
			panic("waited in vain until " + what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		// Some errors of the API have no text of their own.
		panic(fmt.Sprintf("%T: %v", err, err))
	}
}

func expect(found, wanted any) {
	if !reflect.DeepEqual(found, wanted) {
		panic(fmt.Sprintf("found %#v, and not %#v", found, wanted))
	}
}
