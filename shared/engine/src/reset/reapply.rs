//! What reached a run after the point it is reset to, and is asked of the fork anew.
//!
//! Signals, updates that were let in, and requests that were content with the run; and what became of the children that
//! the fork still has. A request to cancel is not among them: who resets a run wants it to go on (`reapplyEvents`).

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::codec;
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::EventId;
use tidegate_model::limits::BUFFERED_BYTES_MAX;

use crate::request::ReapplyExclude;

/// See the module.
pub(super) struct Reapplied {
    exclude: ReapplyExclude,
    events: Vec<Event>,
    /// Of the signals that the fork has: each is applied once.
    signals: BTreeSet<String>,
    /// The fork's children, by the events that asked for them.
    children: BTreeMap<EventId, ChildStart>,
}

/// The event that says a child runs.
#[derive(Clone, Copy)]
enum ChildStart {
    Missing,
    /// Among those that the fork has as copies.
    Copied(EventId),
    /// Among those that are asked anew, in this place.
    Anew(u64),
}

impl Reapplied {
    /// For a fork that has copies of these batches.
    pub(super) fn new(exclude: ReapplyExclude, kept: &[HistoryBatch]) -> Self {
        let mut reapplied =
            Self { exclude, events: Vec::new(), signals: BTreeSet::new(), children: BTreeMap::new() };
        for (id, event) in kept.iter().flat_map(HistoryBatch::numbered) {
            if let Event::WorkflowExecutionSignaled { request_id, .. } = event {
                reapplied.signals.insert(request_id.clone());
            } else if let Event::StartChildWorkflowExecutionInitiated(_) = event {
                reapplied.children.insert(id, ChildStart::Missing);
            } else if let Event::ChildWorkflowExecutionStarted { initiated_event_id, .. } = event {
                reapplied.children.insert(*initiated_event_id, ChildStart::Copied(id));
            } else if let Some(initiated_event_id) = end_of_child(event) {
                reapplied.children.remove(&initiated_event_id);
            }
        }
        reapplied
    }

    /// Takes what came after the point in the run that is reset.
    pub(super) fn take_base(&mut self, left: &[HistoryBatch]) {
        for event in left.iter().flat_map(|batch| &batch.events) {
            self.take(event);
            self.take_child(event);
        }
    }

    /// Takes what came in a run that continued it as new.
    pub(super) fn take_following(&mut self, run: &[HistoryBatch]) {
        run.iter().flat_map(|batch| &batch.events).for_each(|event| self.take(event));
    }

    /// Takes what waits for a workflow task of the last of those runs.
    pub(super) fn take_waiting(&mut self, is_base: bool, waiting: &[Event]) {
        for event in waiting {
            self.take(event);
            if is_base {
                self.take_child(event);
            }
        }
    }

    fn take(&mut self, event: &Event) {
        if let Event::WorkflowExecutionSignaled { request_id, .. } = event {
            let is_new = request_id.is_empty() || self.signals.insert(request_id.clone());
            if is_new && !self.exclude.signals {
                self.events.push(event.clone());
            }
        } else if let Event::WorkflowExecutionUpdateAdmitted { .. } = event {
            if !self.exclude.updates {
                self.events.push(event.clone());
            }
        } else if let Event::WorkflowExecutionUpdateAccepted { accepted_request: Some(request), .. } = event {
            // One that was admitted by an event has its request there, and not here.
            if !self.exclude.updates {
                let request = request.clone();
                self.events.push(Event::WorkflowExecutionUpdateAdmitted { request });
            }
        } else if let Event::WorkflowExecutionOptionsUpdated { .. } = event {
            self.events.push(event.clone());
        }
    }

    fn take_child(&mut self, event: &Event) {
        let place = self.events.len() as u64;
        if let Event::ChildWorkflowExecutionStarted { initiated_event_id, .. } = event {
            if let Some(start @ ChildStart::Missing) = self.children.get_mut(initiated_event_id) {
                *start = ChildStart::Anew(place);
                self.events.push(event.clone());
            }
        } else if let Some(initiated_event_id) = end_of_child(event) {
            let has_it = match self.children.get(&initiated_event_id) {
                Some(ChildStart::Missing) => matches!(event, Event::StartChildWorkflowExecutionFailed { .. }),
                Some(ChildStart::Copied(_) | ChildStart::Anew(_)) => true,
                None => false,
            };
            if has_it {
                self.events.push(event.clone());
            }
        }
    }

    /// The events under the ids from `first` on, in batches that fit.
    pub(super) fn into_batches(self, first: EventId) -> Vec<Vec<Event>> {
        let mut batches = Vec::new();
        let mut bytes = BUFFERED_BYTES_MAX;
        for mut event in self.events {
            if let Some((initiated_event_id, started_event_id)) = started_of_child(&mut event) {
                *started_event_id = match self.children.get(&initiated_event_id) {
                    Some(ChildStart::Copied(id)) => *id,
                    Some(ChildStart::Anew(place)) => first + place,
                    Some(ChildStart::Missing) | None => 0,
                };
            }
            if bytes >= BUFFERED_BYTES_MAX {
                batches.push(Vec::new());
                bytes = 0;
            }
            bytes += codec::to_cbor(&event).len();
            batches.last_mut().expect("one was begun").push(event);
        }
        batches
    }
}

/// The event that asked for a child, where this event says that the child is over or never was.
fn end_of_child(event: &Event) -> Option<EventId> {
    if let Event::StartChildWorkflowExecutionFailed { initiated_event_id, .. }
    | Event::ChildWorkflowExecutionCompleted { initiated_event_id, .. }
    | Event::ChildWorkflowExecutionFailed { initiated_event_id, .. }
    | Event::ChildWorkflowExecutionCanceled { initiated_event_id, .. }
    | Event::ChildWorkflowExecutionTimedOut { initiated_event_id, .. }
    | Event::ChildWorkflowExecutionTerminated { initiated_event_id, .. } = event
    {
        Some(*initiated_event_id)
    } else {
        None
    }
}

/// For the end of a child that ran: which one, and where its started event's id belongs.
fn started_of_child(event: &mut Event) -> Option<(EventId, &mut EventId)> {
    if let Event::ChildWorkflowExecutionCompleted { initiated_event_id, started_event_id, .. }
    | Event::ChildWorkflowExecutionFailed { initiated_event_id, started_event_id, .. }
    | Event::ChildWorkflowExecutionCanceled { initiated_event_id, started_event_id, .. }
    | Event::ChildWorkflowExecutionTimedOut { initiated_event_id, started_event_id, .. }
    | Event::ChildWorkflowExecutionTerminated { initiated_event_id, started_event_id, .. } = event
    {
        Some((*initiated_event_id, started_event_id))
    } else {
        None
    }
}
