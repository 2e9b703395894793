//! A run, and all that can be asked of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidegate_engine::{ActivityOptions, ActivityPause, RunStatus, StickyAttributes};
use tidegate_model::event::{
    ActivityTaskScheduled, Event, Execution, StartChildWorkflowInitiated, WorkflowExecutionStarted,
};
use tidegate_model::id::{EventId, Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, Payloads};
use tidegate_model::time::Timestamp;

use super::numbered;

/// See the module.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) namespace: Namespace,
    pub(crate) workflow_id: WorkflowId,
    pub(crate) run_id: RunId,
    /// When it began; for a fork, when it was reset.
    pub(super) began: Timestamp,
    pub(crate) history: Vec<(Timestamp, Event)>,
    /// What came while a worker had the workflow task.
    pub(super) buffer: Vec<Event>,
    pub(super) task: Option<Task>,
    /// A workflow task that only this process knows of.
    pub(super) speculative: Option<Task>,
    /// Which attempt the next workflow task is.
    pub(super) next_attempt: u32,
    pub(super) sticky: Option<Sticky>,
    /// The attempt at each open activity, by its scheduled event.
    pub(super) attempts: BTreeMap<EventId, Attempt>,
    /// Updates that a reset carried over and that were not let in.
    pub(super) rejected: BTreeSet<String>,
    /// Where it was reset to, and by which request.
    pub(super) reset: Option<(RunId, String)>,
    /// How many runs had closed when it did, and itself.
    pub(super) closed_as_number: Option<u64>,
    /// It has closed, and its parent has not been told.
    pub(super) is_to_tell: bool,
    /// It has closed, and these children have not been left as they should be.
    pub(super) to_leave: BTreeSet<EventId>,
}

/// The workflow task that waits or is out.
#[derive(Clone)]
pub(super) struct Task {
    pub(super) queue: TaskQueue,
    pub(super) scheduled_event_id: EventId,
    pub(super) scheduled_time: Timestamp,
    pub(super) attempt: u32,
    pub(super) timeout: Duration,
    pub(super) lease: Option<Lease>,
    /// When it leaves the sticky queue.
    pub(super) sticky_until: Option<Timestamp>,
    /// Since when workers have done nothing but ask for the next; `None` where this is the first.
    pub(super) beating_since: Option<Timestamp>,
}

/// Who has a workflow task.
#[derive(Clone)]
pub(super) struct Lease {
    pub(super) identity: String,
    pub(super) since: Timestamp,
    pub(super) started_event_id: EventId,
    pub(super) request_id: String,
    /// Whether the worker was told that the history is long.
    pub(super) is_long: bool,
}

impl Task {
    /// When it has taken too long, or has waited for long enough on the sticky queue.
    pub(super) fn due(&self) -> Option<Timestamp> {
        match &self.lease {
            Some(lease) => Some(lease.since + self.timeout),
            None => self.sticky_until,
        }
    }

    pub(super) fn waits_sticky(&self) -> bool {
        self.lease.is_none() && self.sticky_until.is_some()
    }

    pub(super) fn is_had_by(&self, identity: &str) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.identity == identity)
    }
}

#[derive(Clone)]
pub(super) struct Sticky {
    pub(super) attributes: StickyAttributes,
    pub(super) identity: String,
}

/// An open activity's attempts.
#[derive(Clone)]
pub(super) struct Attempt {
    /// When the activity was scheduled; in a fork, when it was forked.
    pub(super) scheduled: Timestamp,
    pub(super) number: u32,
    /// For a worker, from then on.
    pub(super) waits_from: Timestamp,
    pub(super) out: Option<Out>,
    pub(super) last_failure: Option<Failure>,
    /// When the one before began and ended, and who had it.
    pub(super) last: Option<(Timestamp, Timestamp, String)>,
    /// What was reported last, and when.
    pub(super) heartbeat: Option<(Timestamp, Payloads)>,
    /// How it is tried, where that is no longer as the workflow asked for.
    pub(super) options: Option<ActivityOptions>,
    pub(super) pause: Option<ActivityPause>,
    /// It was reset while it was out, and is to forget what it reported, or not.
    pub(super) reset: Option<bool>,
}

/// Who has an attempt.
#[derive(Clone)]
pub(super) struct Out {
    pub(super) identity: String,
    pub(super) since: Timestamp,
    /// The number it went out with.
    pub(super) number: u32,
}

/// A child that is not over.
pub(super) struct Child<'a> {
    pub(super) initiated: &'a StartChildWorkflowInitiated,
    /// The first run of its chain.
    pub(super) run_id: Option<RunId>,
}

impl Run {
    pub(super) fn new(
        namespace: Namespace,
        workflow_id: WorkflowId,
        run_id: RunId,
        began: Timestamp,
    ) -> Self {
        Self {
            namespace,
            workflow_id,
            run_id,
            began,
            history: Vec::new(),
            buffer: Vec::new(),
            task: None,
            speculative: None,
            next_attempt: 1,
            sticky: None,
            attempts: BTreeMap::new(),
            rejected: BTreeSet::new(),
            reset: None,
            closed_as_number: None,
            is_to_tell: false,
            to_leave: BTreeSet::new(),
        }
    }

    pub(super) fn execution(&self) -> Execution {
        Execution {
            namespace: self.namespace.clone(),
            workflow_id: self.workflow_id.clone(),
            run_id: Some(self.run_id),
        }
    }

    pub(super) fn started(&self) -> &WorkflowExecutionStarted {
        match &self.history[0].1 {
            Event::WorkflowExecutionStarted(started) => started,
            other => panic!("a history begins with its beginning, not with {}", other.type_name()),
        }
    }

    /// All that has reached it, in order.
    pub(super) fn known(&self) -> impl Iterator<Item = &Event> {
        self.history.iter().map(|(_, event)| event).chain(&self.buffer)
    }

    pub(super) fn next_event_id(&self) -> EventId {
        self.history.len() as EventId + 1
    }

    pub(super) fn last_time(&self) -> Timestamp {
        self.history.last().map_or(self.began, |(time, _)| *time)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.status() == RunStatus::Running
    }

    pub(crate) fn status(&self) -> RunStatus {
        match self.history.last().map(|(_, event)| event) {
            Some(Event::WorkflowExecutionCompleted { .. }) => RunStatus::Completed,
            Some(Event::WorkflowExecutionFailed { .. }) => RunStatus::Failed,
            Some(Event::WorkflowExecutionCanceled { .. }) => RunStatus::Canceled,
            Some(Event::WorkflowExecutionTerminated { .. }) => RunStatus::Terminated,
            Some(Event::WorkflowExecutionContinuedAsNew(_)) => RunStatus::ContinuedAsNew,
            Some(Event::WorkflowExecutionTimedOut { .. }) => RunStatus::TimedOut,
            Some(_) | None => RunStatus::Running,
        }
    }

    /// Whether a worker has the workflow task.
    pub(super) fn is_out(&self) -> bool {
        self.task.as_ref().is_some_and(|task| task.lease.is_some())
    }

    /// Whether a workflow task waits or is out, and if only this process knows of it.
    pub(super) fn has_task(&self) -> bool {
        self.task.is_some() || self.speculative.is_some()
    }

    /// The started event of the last workflow task that was completed; 0 for none.
    pub(super) fn previous_started(&self) -> EventId {
        let completed = self.history.iter().rev().find_map(|(_, event)| match event {
            Event::WorkflowTaskCompleted { started_event_id, .. } => Some(*started_event_id),
            _ => None,
        });
        completed.unwrap_or(0)
    }

    /// When its first workflow task is due, while there was none.
    pub(super) fn first_task_due(&self) -> Option<Timestamp> {
        let backoff = self.started().first_workflow_task_backoff;
        let has_had =
            self.history.iter().any(|(_, event)| matches!(event, Event::WorkflowTaskScheduled { .. }));
        (!backoff.is_zero() && !has_had).then(|| self.began + backoff)
    }

    pub(super) fn execution_time(&self) -> Timestamp {
        self.began + self.started().first_workflow_task_backoff
    }

    /// When its chain has taken too long. A fork has all its time again.
    pub(super) fn execution_expires(&self) -> Option<Timestamp> {
        if self.is_fork() {
            self.started().workflow_execution_timeout.map(|timeout| self.began + timeout)
        } else {
            self.started().workflow_execution_expiration_time
        }
    }

    /// When the run has; never later than its chain.
    pub(super) fn run_expires(&self) -> Option<Timestamp> {
        let backoff =
            if self.is_fork() { Duration::ZERO } else { self.started().first_workflow_task_backoff };
        let run = self.started().workflow_run_timeout.map(|timeout| self.began + backoff + timeout)?;
        Some(self.execution_expires().map_or(run, |chain| chain.min(run)))
    }

    /// When the run has, or its chain.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        self.run_expires().into_iter().chain(self.execution_expires()).min()
    }

    pub(super) fn is_fork(&self) -> bool {
        self.history.iter().any(|(_, event)| {
            matches!(event, Event::WorkflowTaskFailed { reset: Some(reset), .. } if reset.new_run_id == self.run_id)
        })
    }

    pub(super) fn is_asked_to_cancel(&self) -> bool {
        self.known().any(|event| matches!(event, Event::WorkflowExecutionCancelRequested { .. }))
    }

    pub(super) fn has_had_signal(&self, request: &str) -> bool {
        !request.is_empty()
            && self.known().any(|event| {
                matches!(event, Event::WorkflowExecutionSignaled { request_id, .. } if request_id == request)
            })
    }

    pub(super) fn signals(&self) -> usize {
        self.known().filter(|event| matches!(event, Event::WorkflowExecutionSignaled { .. })).count()
    }

    /// The event that asked for an activity to be cancelled.
    pub(super) fn cancel_of_activity(&self, scheduled: EventId) -> Option<EventId> {
        let asks = |event: &Event| {
            matches!(event, Event::ActivityTaskCancelRequested { scheduled_event_id, .. }
                if *scheduled_event_id == scheduled)
        };
        numbered(&self.history).rev().find(|(_, event)| asks(event)).map(|(id, _)| id)
    }

    /// The open timers, by their started event: name, and when they fire.
    pub(super) fn timers(&self) -> BTreeMap<EventId, (String, Timestamp)> {
        let mut timers = BTreeMap::new();
        for (at, (time, event)) in self.history.iter().enumerate() {
            if let Event::TimerStarted { timer_id, start_to_fire_timeout, .. } = event {
                timers.insert(at as EventId + 1, (timer_id.clone(), *time + *start_to_fire_timeout));
            }
        }
        for event in self.known() {
            if let Event::TimerFired { started_event_id, .. }
            | Event::TimerCanceled { started_event_id, .. } = event
            {
                timers.remove(started_event_id);
            }
        }
        timers
    }

    /// The open activities, by their scheduled event.
    pub(super) fn activities(&self) -> BTreeMap<EventId, &ActivityTaskScheduled> {
        let mut activities = BTreeMap::new();
        for (id, event) in numbered(&self.history) {
            if let Event::ActivityTaskScheduled(scheduled) = event {
                activities.insert(id, scheduled.as_ref());
            }
        }
        for event in self.known() {
            if let Event::ActivityTaskCompleted { scheduled_event_id, .. }
            | Event::ActivityTaskFailed { scheduled_event_id, .. }
            | Event::ActivityTaskTimedOut { scheduled_event_id, .. }
            | Event::ActivityTaskCanceled { scheduled_event_id, .. } = event
            {
                activities.remove(scheduled_event_id);
            }
        }
        activities
    }

    /// The children that are not over, by the events that asked for them.
    pub(super) fn children(&self) -> BTreeMap<EventId, Child<'_>> {
        let mut children = BTreeMap::new();
        for (id, event) in numbered(&self.history) {
            if let Event::StartChildWorkflowExecutionInitiated(initiated) = event {
                children.insert(id, Child { initiated, run_id: None });
            }
        }
        for event in self.known() {
            if let Event::ChildWorkflowExecutionStarted { initiated_event_id, child, .. } = event {
                if let Some(waiting) = children.get_mut(initiated_event_id) {
                    waiting.run_id = child.run_id;
                }
            } else if let Event::StartChildWorkflowExecutionFailed { initiated_event_id, .. } = event {
                children.remove(initiated_event_id);
            } else if let Some((initiated_event_id, _)) = end_of_child(event) {
                children.remove(&initiated_event_id);
            }
        }
        children
    }

    /// What it has sent to others and knows no outcome of.
    pub(super) fn sent(&self) -> BTreeMap<EventId, &Event> {
        let mut sent = BTreeMap::new();
        for (id, event) in numbered(&self.history) {
            if let Event::SignalExternalWorkflowExecutionInitiated { .. }
            | Event::RequestCancelExternalWorkflowExecutionInitiated { .. } = event
            {
                sent.insert(id, event);
            }
        }
        for event in self.known() {
            if let Event::SignalExternalWorkflowExecutionFailed { initiated_event_id, .. }
            | Event::ExternalWorkflowExecutionSignaled { initiated_event_id, .. }
            | Event::RequestCancelExternalWorkflowExecutionFailed { initiated_event_id, .. }
            | Event::ExternalWorkflowExecutionCancelRequested { initiated_event_id, .. } = event
            {
                sent.remove(initiated_event_id);
            }
        }
        sent
    }

    /// The requests that were content with this run.
    pub(super) fn is_attached(&self, request: &str) -> bool {
        self.known().any(|event| {
            matches!(event, Event::WorkflowExecutionOptionsUpdated { attached_request_id, .. }
                if attached_request_id == request)
        })
    }

    /// What waits, as it is flushed: the ends of activities and children after everything else.
    pub(super) fn flushed(&self) -> Vec<Event> {
        let is_end = |event: &Event| {
            end_of_child(event).is_some()
                || matches!(
                    event,
                    Event::ActivityTaskCompleted { .. }
                        | Event::ActivityTaskFailed { .. }
                        | Event::ActivityTaskTimedOut { .. }
                        | Event::ActivityTaskCanceled { .. }
                )
        };
        let ends = self.buffer.iter().filter(|event| is_end(event));
        self.buffer.iter().filter(|event| !is_end(event)).chain(ends).cloned().collect()
    }

    /// An event with the references that are known only once the events before it have ids.
    pub(super) fn with_ids(&self, mut event: Event) -> Event {
        if let Event::ActivityTaskCompleted { scheduled_event_id, started_event_id, .. }
        | Event::ActivityTaskFailed { scheduled_event_id, started_event_id, .. }
        | Event::ActivityTaskTimedOut { scheduled_event_id, started_event_id, .. }
        | Event::ActivityTaskCanceled { scheduled_event_id, started_event_id, .. } = &mut event
        {
            *started_event_id = self.id_of(|event| {
                matches!(event, Event::ActivityTaskStarted { scheduled_event_id: of, .. } if of == scheduled_event_id)
            });
        }
        if let Event::ChildWorkflowExecutionCompleted { initiated_event_id, started_event_id, .. }
        | Event::ChildWorkflowExecutionFailed { initiated_event_id, started_event_id, .. }
        | Event::ChildWorkflowExecutionCanceled { initiated_event_id, started_event_id, .. }
        | Event::ChildWorkflowExecutionTimedOut { initiated_event_id, started_event_id, .. }
        | Event::ChildWorkflowExecutionTerminated { initiated_event_id, started_event_id, .. } = &mut event
        {
            *started_event_id = self.id_of(|event| {
                matches!(event, Event::ChildWorkflowExecutionStarted { initiated_event_id: of, .. }
                    if of == initiated_event_id)
            });
        }
        event
    }

    fn id_of(&self, is_it: impl Fn(&Event) -> bool) -> EventId {
        numbered(&self.history).find(|(_, event)| is_it(event)).map_or(0, |(id, _)| id)
    }
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
