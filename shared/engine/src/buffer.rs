//! The buffer: what comes from outside while a worker has the workflow task. It has no ids until it is flushed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tidegate_model::codec;
use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::id::{EventId, RunId};
use tidegate_model::limits::{BUFFERED_BYTES_MAX, BUFFERED_EVENTS_MAX};
use tidegate_model::payload::Failure;

use crate::engine::{Engine, Step};
use crate::record::{Record, StateChange};

/// See the module.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Buffer {
    events: Vec<Event>,
    bytes: usize,
}

impl Buffer {
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(crate) fn push(&mut self, event: Event) {
        self.bytes += codec::to_cbor(&event).len();
        self.events.push(event);
    }

    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.bytes = 0;
    }

    /// The limit it has reached.
    fn limit(&self) -> Option<&'static str> {
        if self.events.len() >= BUFFERED_EVENTS_MAX {
            Some("BUFFERED_EVENTS_MAX")
        } else if self.bytes >= BUFFERED_BYTES_MAX {
            Some("BUFFERED_BYTES_MAX")
        } else {
            None
        }
    }

    /// The timer's fired event that waits, by the event that started the timer.
    pub(crate) fn fired(&self, timer_id: &str) -> Option<EventId> {
        self.events.iter().find_map(|event| match fired(event) {
            Some((id, started_event_id)) if id == timer_id => Some(started_event_id),
            Some(_) | None => None,
        })
    }

    /// Whether the end of an activity, given by its scheduled event, waits.
    pub(crate) fn has_end_of_activity(&self, scheduled_event_id: EventId) -> bool {
        self.events.iter().any(|event| end_of_activity(event) == Some(scheduled_event_id))
    }

    /// Whether anything waits besides the fired events of the timers of `unfired`, given by their started events.
    pub(crate) fn has_news(&self, unfired: &BTreeSet<EventId>) -> bool {
        self.events.iter().any(|event| !is_taken_back(event, unfired))
    }

    /// What waits, in the order it is flushed: ends of activities and children after everything else, as Temporal has
    /// it (`EventStore.reorderBuffer`), so that a signal sent before an activity ended is seen first. Without the fired
    /// events of the timers of `unfired`.
    pub(crate) fn ordered(&self, unfired: &BTreeSet<EventId>) -> Vec<Event> {
        let (ends, mut others): (Vec<Event>, Vec<Event>) =
            self.events.iter().filter(|event| !is_taken_back(event, unfired)).cloned().partition(is_end);
        others.extend(ends);
        others
    }
}

fn is_taken_back(event: &Event, unfired: &BTreeSet<EventId>) -> bool {
    fired(event).is_some_and(|(_, started)| unfired.contains(&started))
}

fn fired(event: &Event) -> Option<(&str, EventId)> {
    if let Event::TimerFired { timer_id, started_event_id } = event {
        Some((timer_id, *started_event_id))
    } else {
        None
    }
}

fn is_end(event: &Event) -> bool {
    end_of_activity(event).is_some()
        || matches!(
            event,
            Event::ChildWorkflowExecutionCompleted { .. }
                | Event::ChildWorkflowExecutionFailed { .. }
                | Event::ChildWorkflowExecutionCanceled { .. }
                | Event::ChildWorkflowExecutionTimedOut { .. }
                | Event::ChildWorkflowExecutionTerminated { .. }
        )
}

/// For the end of an activity: its scheduled event.
fn end_of_activity(event: &Event) -> Option<EventId> {
    if let Event::ActivityTaskCompleted { scheduled_event_id, .. }
    | Event::ActivityTaskFailed { scheduled_event_id, .. }
    | Event::ActivityTaskTimedOut { scheduled_event_id, .. }
    | Event::ActivityTaskCanceled { scheduled_event_id, .. } = event
    {
        Some(*scheduled_event_id)
    } else {
        None
    }
}

/// For the end of an activity or a child: the event that asked for it, and where its started event's id belongs.
fn started_of_end(event: &mut Event) -> Option<(EventId, &mut EventId)> {
    if let Event::ActivityTaskCompleted { scheduled_event_id: asked_by, started_event_id, .. }
    | Event::ActivityTaskFailed { scheduled_event_id: asked_by, started_event_id, .. }
    | Event::ActivityTaskTimedOut { scheduled_event_id: asked_by, started_event_id, .. }
    | Event::ActivityTaskCanceled { scheduled_event_id: asked_by, started_event_id, .. }
    | Event::ChildWorkflowExecutionCompleted { initiated_event_id: asked_by, started_event_id, .. }
    | Event::ChildWorkflowExecutionFailed { initiated_event_id: asked_by, started_event_id, .. }
    | Event::ChildWorkflowExecutionCanceled { initiated_event_id: asked_by, started_event_id, .. }
    | Event::ChildWorkflowExecutionTimedOut { initiated_event_id: asked_by, started_event_id, .. }
    | Event::ChildWorkflowExecutionTerminated {
        initiated_event_id: asked_by, started_event_id, ..
    } = event
    {
        Some((*asked_by, started_event_id))
    } else {
        None
    }
}

/// Writes the ids that references among events have, once the first event's is known. The end of an activity arrives
/// with its start and is flushed behind it, or has none because no worker had it; a child's start may wait in the
/// buffer together with its end.
pub(crate) fn wire(first_event_id: EventId, events: &mut [Event]) {
    let mut started = BTreeMap::new();
    for (id, event) in (first_event_id..).zip(events) {
        if let Event::ActivityTaskStarted { scheduled_event_id: asked_by, .. }
        | Event::ChildWorkflowExecutionStarted { initiated_event_id: asked_by, .. } = event
        {
            started.insert(*asked_by, id);
        } else if let Some((asked_by, started_event_id)) = started_of_end(event)
            && let Some(id) = started.get(&asked_by)
        {
            *started_event_id = *id;
        }
    }
}

impl Engine {
    /// Takes events from outside into a run: into history, with a workflow task to see them; or, while a worker has
    /// the task, into the buffer. Gives the first event's id when it has one.
    pub(crate) fn arrive(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        events: Vec<Event>,
    ) -> Option<EventId> {
        self.take_in(step, run_id, events, true)
    }

    /// The same without a workflow task where none is under way: for what no workflow code waits for, or what is to
    /// wait until the run's first task is due.
    pub(crate) fn arrive_quietly(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        events: Vec<Event>,
    ) -> Option<EventId> {
        self.take_in(step, run_id, events, false)
    }

    fn take_in(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        mut events: Vec<Event>,
        wakes: bool,
    ) -> Option<EventId> {
        if events.is_empty() {
            return None;
        }
        self.firm_up(step, run_id);
        let run = self.run(run_id);
        if run.has_lease() {
            self.commit(step, Record::State(StateChange::Buffered { run_id, events }));
            if let Some(limit) = self.run(run_id).buffer.limit() {
                self.make_room(step, run_id, limit);
            }
            return None;
        }
        let first = run.next_event_id;
        // A task without events, from the second attempt on, gives way to a normal one: it will see something new.
        if run.workflow_tasks.current().map_or(wakes, |task| task.is_transient()) {
            events.push(self.task_scheduled(step.now, run));
        }
        self.write(step, run_id, events);
        Some(first)
    }

    fn make_room(&mut self, step: &mut Step<'_>, run_id: RunId, limit: &'static str) {
        let message = format!("limit {limit} is reached: too much arrived while the workflow task was out");
        let failure = Failure::application(message, "ForceCloseCommand", false);
        self.fail_workflow_task(
            step,
            run_id,
            WorkflowTaskFailedCause::ForceCloseCommand,
            failure,
            String::new(),
        );
    }
}
