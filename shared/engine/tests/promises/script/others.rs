//! The commands by which a workflow reaches other executions, and the events that come of them.

use std::collections::BTreeMap;

use tidegate_engine::{Command, StartChildWorkflow};
use tidegate_model::event::{Event, Execution, ParentClosePolicy, WorkflowIdReusePolicy};
use tidegate_model::id::{Namespace, RunId};
use tidegate_model::payload::Header;

use super::{Words, duration, payloads, queue, retry_policy, workflow_id};

/// ```text
/// child c [type=t] [queue=q] [policy=abandon|cancel] [reuse=failed|never] [in=ns] [size=n] [execution-timeout=9s]
///       [run-timeout=9s] [cron=…], and a retry policy as an activity's
/// tell w name [own] [run=v] [in=ns] [size=n]     signals another, or its own child only
/// stop w [own] [run=v] [in=ns]                   asks another to cancel
/// marker m [size=n]
/// ```
pub(super) fn command(words: &Words<'_>, runs: &BTreeMap<String, RunId>) -> Option<Command> {
    Some(match words.verb() {
        "child" => Command::StartChildWorkflowExecution(Box::new(child(words))),
        "tell" => Command::SignalExternalWorkflowExecution {
            target: target(words, runs),
            signal_name: words.at(2).to_owned(),
            input: payloads(words.value("size")),
            control: String::from("7"),
            child_workflow_only: words.has("own"),
            header: Header::new(),
        },
        "stop" => Command::RequestCancelExternalWorkflowExecution {
            target: target(words, runs),
            control: String::from("7"),
            child_workflow_only: words.has("own"),
            reason: String::from("enough"),
        },
        "marker" => Command::RecordMarker {
            marker_name: words.at(1).to_owned(),
            details: BTreeMap::from([(String::from("data"), payloads(words.value("size")))]),
            header: Header::new(),
            failure: None,
            user_metadata: None,
        },
        _ => return None,
    })
}

fn child(words: &Words<'_>) -> StartChildWorkflow {
    StartChildWorkflow {
        namespace: words.value("in").map(namespace),
        workflow_id: workflow_id(words.at(1)),
        workflow_type: words.value("type").unwrap_or("greet").to_owned(),
        task_queue: words.value("queue").map(queue),
        input: payloads(words.value("size")),
        workflow_execution_timeout: words.value("execution-timeout").map(duration),
        workflow_run_timeout: words.value("run-timeout").map(duration),
        workflow_task_timeout: None,
        parent_close_policy: match words.value("policy") {
            None => ParentClosePolicy::default(),
            Some("abandon") => ParentClosePolicy::Abandon,
            Some("cancel") => ParentClosePolicy::RequestCancel,
            Some(other) => panic!("there is no parent close policy {other:?}"),
        },
        control: String::from("7"),
        workflow_id_reuse_policy: match words.value("reuse") {
            None => WorkflowIdReusePolicy::AllowDuplicate,
            Some("failed") => WorkflowIdReusePolicy::AllowDuplicateFailedOnly,
            Some("never") => WorkflowIdReusePolicy::RejectDuplicate,
            Some(other) => panic!("there is no reuse policy {other:?}"),
        },
        retry_policy: retry_policy(words),
        cron_schedule: words.value("cron").unwrap_or_default().replace('_', " "),
        header: Header::new(),
        memo: Header::new(),
        search_attributes: Header::new(),
        priority: None,
        user_metadata: None,
    }
}

fn target(words: &Words<'_>, runs: &BTreeMap<String, RunId>) -> Execution {
    Execution {
        namespace: namespace(words.value("in").unwrap_or("default")),
        workflow_id: workflow_id(words.at(1)),
        run_id: words.value("run").map(|name| *runs.get(name).expect("a run that was named")),
    }
}

fn namespace(name: &str) -> Namespace {
    Namespace::new(name).expect("a namespace")
}

/// What tells an event from others of its kind.
pub(super) fn mark(event: &Event) -> Option<String> {
    Some(if let Event::StartChildWorkflowExecutionInitiated(initiated) = event {
        format!("({})", initiated.workflow_id)
    } else if let Event::StartChildWorkflowExecutionFailed {
        cause, workflow_id, initiated_event_id, ..
    } = event
    {
        format!("({workflow_id}, {initiated_event_id}, {cause:?})")
    } else if let Event::ChildWorkflowExecutionStarted { child, initiated_event_id, .. } = event {
        format!("({}, {initiated_event_id})", child.workflow_id)
    } else if let Event::ChildWorkflowExecutionFailed {
        child,
        initiated_event_id,
        started_event_id,
        retry_state,
        ..
    }
    | Event::ChildWorkflowExecutionTimedOut {
        child,
        initiated_event_id,
        started_event_id,
        retry_state,
        ..
    } = event
    {
        format!("({}, {initiated_event_id}, {started_event_id}, {retry_state:?})", child.workflow_id)
    } else if let Event::ChildWorkflowExecutionCompleted {
        child, initiated_event_id, started_event_id, ..
    }
    | Event::ChildWorkflowExecutionCanceled {
        child, initiated_event_id, started_event_id, ..
    }
    | Event::ChildWorkflowExecutionTerminated {
        child,
        initiated_event_id,
        started_event_id,
        ..
    } = event
    {
        format!("({}, {initiated_event_id}, {started_event_id})", child.workflow_id)
    } else if let Event::SignalExternalWorkflowExecutionInitiated { target, .. }
    | Event::RequestCancelExternalWorkflowExecutionInitiated { target, .. } = event
    {
        format!("({})", target.workflow_id)
    } else if let Event::SignalExternalWorkflowExecutionFailed { cause, initiated_event_id, .. }
    | Event::RequestCancelExternalWorkflowExecutionFailed { cause, initiated_event_id, .. } = event
    {
        format!("({initiated_event_id}, {cause:?})")
    } else if let Event::ExternalWorkflowExecutionSignaled { initiated_event_id, .. }
    | Event::ExternalWorkflowExecutionCancelRequested { initiated_event_id, .. } = event
    {
        format!("({initiated_event_id})")
    } else if let Event::WorkflowExecutionCancelRequested { external: Some(by), .. } = event {
        format!("(by {})", by.workflow_id)
    } else if let Event::WorkflowExecutionSignaled { signal_name, external: Some(by), .. } = event {
        format!("({signal_name} by {})", by.workflow_id)
    } else if let Event::MarkerRecorded { marker_name, .. } = event {
        format!("({marker_name})")
    } else {
        return None;
    })
}
