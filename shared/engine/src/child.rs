//! Child workflows: what a run has begun, and what becomes of it.
//!
//! A command asks for a child; the engine starts it behind the command, as an errand; the close of the last run of the
//! child's chain comes back as an event. When the parent closes first, each child is left as its policy says.

mod leave;
mod start;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidegate_model::event::{Event, Execution, StartChildWorkflowInitiated, WorkflowTaskFailedCause};
use tidegate_model::id::{EventId, RunId};
use tidegate_model::payload::{Header, Payloads};

pub(crate) use leave::{Closing, Closings};

use crate::bounds::{self, Wrong};
use crate::command::StartChildWorkflow;
use crate::cron::CronSchedule;
use crate::index::{Entry, Index};
use crate::outbox::{Errand, What};
use crate::plan::{BadCommand, Draft};
use crate::request::ChildDescription;
use crate::retry;
use crate::run::Head;
use crate::start::{completed_run_timeout, completed_task_timeout};

/// The children of a run that are not over, by the events that asked for them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Children(BTreeMap<EventId, Child>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Child {
    /// What the workflow asked for; without what only the start needs, once the child is started.
    initiated: Box<StartChildWorkflowInitiated>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<Started>,
}

/// The child runs, or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Started {
    /// The first run of its chain.
    run_id: RunId,
    /// The event that says so; 0 while that waits in the buffer.
    event_id: EventId,
}

impl Child {
    /// The child, as events name it; with this run of it.
    fn execution(&self, run_id: Option<RunId>) -> Execution {
        Execution {
            namespace: self.initiated.namespace.clone(),
            workflow_id: self.initiated.workflow_id.clone(),
            run_id,
        }
    }
}

impl Children {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn entries(&self, head: &Head) -> impl Iterator<Item = Entry> {
        let waiting = self.0.iter().filter(|(_, child)| child.started.is_none());
        waiting.map(|(id, _)| start_errand(head, *id))
    }

    pub(crate) fn describe(&self) -> Vec<ChildDescription> {
        let described = |(id, child): (&EventId, &Child)| ChildDescription {
            child: child.execution(child.started.map(|started| started.run_id)),
            workflow_type: child.initiated.workflow_type.clone(),
            initiated_event_id: *id,
            parent_close_policy: child.initiated.parent_close_policy,
        };
        self.0.iter().map(described).collect()
    }

    pub(crate) fn initiated(
        &mut self,
        head: &Head,
        id: EventId,
        initiated: &StartChildWorkflowInitiated,
        index: &mut Index,
    ) {
        index.put([start_errand(head, id)]);
        self.0.insert(id, Child { initiated: Box::new(initiated.clone()), started: None });
    }

    /// The child runs, under this run id; history does not know it before the flush.
    pub(crate) fn started(
        &mut self,
        head: &Head,
        initiated_event_id: EventId,
        run_id: Option<RunId>,
        index: &mut Index,
    ) {
        let child = self.0.get_mut(&initiated_event_id).expect("a child that starts was asked for");
        index.take([start_errand(head, initiated_event_id)]);
        let run_id = run_id.expect("a child that starts has a run");
        child.started = Some(Started { run_id, event_id: 0 });
        let initiated = child.initiated.as_mut();
        initiated.input = Payloads::new();
        initiated.header = Header::new();
        initiated.memo = Header::new();
        initiated.search_attributes = Header::new();
    }

    /// History knows that it runs, by this event.
    pub(crate) fn start_flushed(&mut self, initiated_event_id: EventId, event_id: EventId) {
        // It may have ended while both events waited.
        if let Some(started) = self.0.get_mut(&initiated_event_id).and_then(|child| child.started.as_mut()) {
            started.event_id = event_id;
        }
    }

    /// It is over, or never was.
    pub(crate) fn ended(&mut self, head: &Head, initiated_event_id: EventId, index: &mut Index) {
        let child =
            self.0.remove(&initiated_event_id).expect("a child that ends was asked for, and ends once");
        if child.started.is_none() {
            index.take([start_errand(head, initiated_event_id)]);
        }
    }
}

fn start_errand(head: &Head, event_id: EventId) -> Entry {
    Entry::Errand(Errand { run_id: head.run_id, event_id, what: What::StartChild })
}

impl Draft<'_> {
    pub(crate) fn start_child(&mut self, wanted: StartChildWorkflow) -> Result<Event, BadCommand> {
        let bad = |reason| BadCommand::new(WorkflowTaskFailedCause::BadStartChildExecutionAttributes, reason);
        bounds::required_name("workflow type", &wanted.workflow_type).map_err(bad)?;
        bounds::blob("control", wanted.control.len(), self.settings).map_err(bad)?;
        bounds::payloads("workflow input", &wanted.input, self.settings).map_err(bad)?;
        bounds::header("header", &wanted.header, self.settings).map_err(bad)?;
        bounds::header("memo", &wanted.memo, self.settings).map_err(bad)?;
        let retry_policy = wanted.retry_policy.map(|policy| retry::completed(Some(policy))).transpose();
        let retry_policy = retry_policy.map_err(|reason| bad(Wrong(reason)))?;
        if !wanted.cron_schedule.is_empty() {
            CronSchedule::new(self.now, &wanted.cron_schedule)
                .map_err(|error| bad(Wrong(error.to_string())))?;
        }
        let head = &self.run.head;
        let namespace = wanted.namespace.unwrap_or_else(|| head.namespace.clone());
        // What a namespace does not know is found out when there is one: a child of none fails to start.
        let search_attributes = match self.namespaces.get(&namespace) {
            Ok(entry) => entry
                .attributes
                .check(&wanted.search_attributes)
                .map_err(|reason| BadCommand::new(WorkflowTaskFailedCause::BadSearchAttributes, reason))?,
            Err(_) => wanted.search_attributes,
        };
        self.check_room_for_child()?;
        self.outgoing.children += 1;
        self.outgoing.room -= 1;
        self.outgoing.begun.insert(wanted.workflow_id.clone());
        let run_timeout =
            completed_run_timeout(wanted.workflow_run_timeout, wanted.workflow_execution_timeout);
        Ok(Event::StartChildWorkflowExecutionInitiated(Box::new(StartChildWorkflowInitiated {
            namespace,
            workflow_id: wanted.workflow_id,
            workflow_type: wanted.workflow_type,
            task_queue: wanted.task_queue.unwrap_or_else(|| head.task_queue.clone()),
            input: wanted.input,
            workflow_execution_timeout: wanted.workflow_execution_timeout,
            workflow_run_timeout: run_timeout,
            workflow_task_timeout: completed_task_timeout(wanted.workflow_task_timeout, run_timeout),
            parent_close_policy: wanted.parent_close_policy,
            control: wanted.control,
            workflow_task_completed_event_id: self.completed_event_id,
            workflow_id_reuse_policy: wanted.workflow_id_reuse_policy,
            retry_policy,
            cron_schedule: wanted.cron_schedule,
            header: wanted.header,
            memo: wanted.memo,
            search_attributes,
            priority: wanted.priority,
            user_metadata: wanted.user_metadata,
        })))
    }

    /// Whether there may be a child more. A host that is full holds the workflow up; it does not fail it.
    fn check_room_for_child(&self) -> Result<(), BadCommand> {
        let too_many = |reason: String| {
            Err(BadCommand::new(WorkflowTaskFailedCause::PendingChildWorkflowsLimitExceeded, reason))
        };
        if self.outgoing.children >= self.settings.pending_children_max {
            return too_many(format!("PENDING_CHILDREN_MAX is {}", self.settings.pending_children_max));
        }
        if self.outgoing.room == 0 {
            return too_many(format!("OPEN_RUNS_MAX is {}", self.settings.open_runs_max));
        }
        Ok(())
    }
}
