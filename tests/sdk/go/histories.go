package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// The histories of this run: each is written down as JSON, read back, and replayed against the code that made it.

// save writes one file per run, named by workflow and run; it gives their number.
func save(d *Driver, folder string) int {
	check(os.MkdirAll(folder, 0o755))
	var runs []*workflowpb.WorkflowExecutionInfo
	// What was started here must be among them, and nothing must be open.
	until("all workflows are listed and closed", func() bool {
		runs = d.list("TaskQueue = '" + d.taskQueue + "' OR TaskQueue = '" + d.taskQueue + "-handover'")
		listed := map[string]bool{}
		for _, each := range runs {
			if each.CloseTime == nil {
				return false
			}
			listed[each.Execution.WorkflowId] = true
		}
		for id := range d.started {
			if !listed[id] {
				return false
			}
		}
		return true
	})
	for _, each := range runs {
		id, runID := each.Execution.WorkflowId, each.Execution.RunId
		text := must(temporalproto.CustomJSONMarshalOptions{Indent: "  "}.Marshal(d.history(id, runID)))
		check(os.WriteFile(filepath.Join(folder, id+"."+runID+".json"), text, 0o644))
	}
	return len(runs)
}

// replay replays every file; the first that does not fit is an error. It gives their number.
func replay(folder string) int {
	replayer := worker.NewWorkflowReplayer()
	for _, each := range allWorkflows {
		replayer.RegisterWorkflow(each)
	}
	files := must(filepath.Glob(filepath.Join(folder, "*.json")))
	for _, path := range files {
		file := must(os.Open(path))
		history := must(client.HistoryFromJSON(file, client.HistoryJSONOptions{}))
		check(file.Close())
		parts := strings.Split(filepath.Base(path), ".")
		// Ids of children are made from the workflow's own.
		original := workflow.Execution{ID: parts[0], RunID: parts[1]}
		check(replayer.ReplayWorkflowHistoryWithOptions(silence, history, worker.ReplayWorkflowHistoryOptions{
			OriginalExecution: original,
		}))
	}
	return len(files)
}

func (d *Driver) history(id, runID string) *historypb.History {
	return must(ask(func() (*historypb.History, error) {
		history := &historypb.History{}
		const all = enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT
		events := d.client.GetWorkflowHistory(context.Background(), id, runID, false, all)
		for events.HasNext() {
			event, err := events.Next()
			if err != nil {
				return nil, err
			}
			history.Events = append(history.Events, event)
		}
		return history, nil
	}))
}
