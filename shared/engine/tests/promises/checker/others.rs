//! The rules between a run and others: its children, those it signals or asks to cancel, and its parent.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::event::{Event, Execution, HistoryBatch, ParentClosePolicy, StartChildWorkflowInitiated};
use tidegate_model::id::{EventId, RunId};

use super::chain::Chains;
use super::{Broken, Seen};

/// What a run has to do with others.
#[derive(Default)]
pub(super) struct Others {
    /// Its children that are not over, by the events that asked for them.
    children: BTreeMap<EventId, Child>,
    /// The events that say that children run, by those that asked for them.
    starts: BTreeMap<EventId, EventId>,
    /// Signals and requests to cancel that have no outcome yet.
    sent: BTreeSet<EventId>,
    cancel_requested: bool,
    left_for_fork: bool,
}

struct Child {
    execution: Execution,
    policy: ParentClosePolicy,
    /// The first run of its chain.
    run: Option<RunId>,
}

/// The children that have begun, by who asked for them: each begins once.
#[derive(Default)]
pub(super) struct Begun(BTreeSet<(RunId, EventId)>);

impl Begun {
    pub(super) fn take(&mut self, batch: &HistoryBatch, is_copy: bool) -> Result<(), Broken> {
        let Some(Event::WorkflowExecutionStarted(started)) = batch.events.first() else { return Ok(()) };
        let follows = started.continued_execution_run_id.is_some() || is_copy;
        let Some(parent) = started.parent.as_ref().filter(|_| !follows) else { return Ok(()) };
        let is_new = self.0.insert((parent.run_id, parent.initiated_event_id));
        must!(is_new, "event {} of {} starts a second child", parent.initiated_event_id, parent.run_id);
        must!(started.root.is_some(), "the child {} has no root", batch.workflow_id);
        Ok(())
    }
}

impl Others {
    /// An event that a command became.
    pub(super) fn asked(&mut self, id: EventId, event: &Event) {
        if let Event::StartChildWorkflowExecutionInitiated(initiated) = event {
            let StartChildWorkflowInitiated { namespace, workflow_id, parent_close_policy, .. } =
                initiated.as_ref();
            let execution =
                Execution { namespace: namespace.clone(), workflow_id: workflow_id.clone(), run_id: None };
            self.children.insert(id, Child { execution, policy: *parent_close_policy, run: None });
        } else if matches!(
            event,
            Event::SignalExternalWorkflowExecutionInitiated { .. }
                | Event::RequestCancelExternalWorkflowExecutionInitiated { .. }
        ) {
            self.sent.insert(id);
        } else if let Event::WorkflowExecutionTerminated { identity, .. } = event {
            self.left_for_fork = identity == "history-resetter";
        }
    }

    /// An event from outside, when it comes: into the buffer or into history.
    pub(super) fn arrived(&mut self, event: &Event) -> Result<(), Broken> {
        if let Event::ChildWorkflowExecutionStarted { child, initiated_event_id: asked, .. } = event {
            let awaited = self.children.get_mut(asked).filter(|child| child.run.is_none());
            let awaited =
                awaited.ok_or(format!("the child of {asked} is started, but nobody waits for it"))?;
            awaited.run = child.run_id;
        } else if let Event::StartChildWorkflowExecutionFailed { initiated_event_id: asked, .. } = event {
            let child = self.children.remove(asked);
            must!(
                child.is_some_and(|child| child.run.is_none()),
                "the child of {asked} fails to start, and runs"
            );
        } else if let Some((asked, _)) = end_of_child(event) {
            let child = self.children.remove(&asked);
            must!(
                child.is_some_and(|child| child.run.is_some()),
                "the child of {asked} ends, and did not run"
            );
        } else if let Event::SignalExternalWorkflowExecutionFailed { initiated_event_id: asked, .. }
        | Event::ExternalWorkflowExecutionSignaled { initiated_event_id: asked, .. }
        | Event::RequestCancelExternalWorkflowExecutionFailed {
            initiated_event_id: asked, ..
        }
        | Event::ExternalWorkflowExecutionCancelRequested { initiated_event_id: asked, .. } = event
        {
            must!(self.sent.remove(asked), "{asked} has an outcome, but is not on its way");
        } else if let Event::WorkflowExecutionCancelRequested { .. } = event {
            must!(!self.cancel_requested, "a run is asked to cancel twice");
            self.cancel_requested = true;
        }
        Ok(())
    }

    /// An event from outside, when it has an id.
    pub(super) fn flushed(&mut self, id: EventId, event: &Event) -> Result<(), Broken> {
        if let Event::ChildWorkflowExecutionStarted { initiated_event_id, .. } = event {
            self.starts.insert(*initiated_event_id, id);
        } else if let Some((asked, started)) = end_of_child(event) {
            let start = self.starts.get(&asked);
            must!(
                start == Some(&started),
                "the end of child {asked} refers to {started}, not its start {start:?}"
            );
        }
        Ok(())
    }
}

/// At the end of a step nothing is left on the way from one run to another.
pub(super) fn settled(runs: &BTreeMap<RunId, Seen>, chains: &Chains) -> Result<(), Broken> {
    for (run_id, Seen { others, closed, .. }) in runs {
        must!(*closed || others.sent.is_empty(), "run {run_id}: nobody carried out {:?}", others.sent);
        for (asked, child) in &others.children {
            let open = chains.open(&child.execution).filter(|open| chains.first(*open) == child.run);
            if !closed {
                must!(child.run.is_some(), "run {run_id}: the child of {asked} is not started");
                must!(open.is_some(), "run {run_id}: the child of {asked} is over, and it does not know");
            } else if let Some(open) = open.filter(|_| !others.left_for_fork) {
                let is_right = match child.policy {
                    ParentClosePolicy::Terminate => false,
                    ParentClosePolicy::RequestCancel => {
                        runs.get(&open).is_some_and(|child| child.others.cancel_requested)
                    }
                    ParentClosePolicy::Abandon => true,
                };
                must!(is_right, "run {run_id} is closed, and left the child of {asked} as it was");
            }
        }
    }
    Ok(())
}

/// For the end of a child that ran: the event that asked for it, and the one that said it runs.
pub(super) fn end_of_child(event: &Event) -> Option<(EventId, EventId)> {
    if let Event::ChildWorkflowExecutionCompleted { initiated_event_id, started_event_id, .. }
    | Event::ChildWorkflowExecutionFailed { initiated_event_id, started_event_id, .. }
    | Event::ChildWorkflowExecutionCanceled { initiated_event_id, started_event_id, .. }
    | Event::ChildWorkflowExecutionTimedOut { initiated_event_id, started_event_id, .. }
    | Event::ChildWorkflowExecutionTerminated { initiated_event_id, started_event_id, .. } = event
    {
        Some((*initiated_event_id, *started_event_id))
    } else {
        None
    }
}

/// As it was before it knew of the child's start.
pub(super) fn forget_start(event: &mut Event) {
    if let Event::ChildWorkflowExecutionCompleted { started_event_id, .. }
    | Event::ChildWorkflowExecutionFailed { started_event_id, .. }
    | Event::ChildWorkflowExecutionCanceled { started_event_id, .. }
    | Event::ChildWorkflowExecutionTimedOut { started_event_id, .. }
    | Event::ChildWorkflowExecutionTerminated { started_event_id, .. } = event
    {
        *started_event_id = 0;
    }
}

/// Whether an event is about others and comes from outside.
pub(super) fn is_outcome(event: &Event) -> bool {
    let is_answer = matches!(
        event,
        Event::StartChildWorkflowExecutionFailed { .. }
            | Event::ChildWorkflowExecutionStarted { .. }
            | Event::SignalExternalWorkflowExecutionFailed { .. }
            | Event::ExternalWorkflowExecutionSignaled { .. }
            | Event::RequestCancelExternalWorkflowExecutionFailed { .. }
            | Event::ExternalWorkflowExecutionCancelRequested { .. }
    );
    is_answer || end_of_child(event).is_some()
}

/// The workflow task whose command an event about others comes from.
pub(super) fn asked_by(event: &Event) -> Option<EventId> {
    if let Event::StartChildWorkflowExecutionInitiated(initiated) = event {
        Some(initiated.workflow_task_completed_event_id)
    } else if let Event::SignalExternalWorkflowExecutionInitiated {
        workflow_task_completed_event_id, ..
    }
    | Event::RequestCancelExternalWorkflowExecutionInitiated {
        workflow_task_completed_event_id,
        ..
    }
    | Event::MarkerRecorded { workflow_task_completed_event_id, .. }
    | Event::UpsertWorkflowSearchAttributes { workflow_task_completed_event_id, .. }
    | Event::WorkflowPropertiesModified { workflow_task_completed_event_id, .. } = event
    {
        Some(*workflow_task_completed_event_id)
    } else {
        None
    }
}
