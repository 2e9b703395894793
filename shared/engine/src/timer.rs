//! Timers: started and cancelled by the workflow, fired by time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::event::{Event, UserMetadata, WorkflowTaskFailedCause};
use tidegate_model::id::EventId;
use tidegate_model::limits::DURATION_SECONDS_MAX;
use tidegate_model::time::Timestamp;

use crate::bounds;
use crate::deadlines::Due;
use crate::index::{Entry, Index};
use crate::plan::{BadCommand, Draft};
use crate::run::Head;

/// The open timers of a run, by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Timers(BTreeMap<String, Timer>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Timer {
    started_event_id: EventId,
    due: Timestamp,
}

impl Timer {
    fn entry(&self, head: &Head) -> Entry {
        Entry::Due(self.due, head.run_id, Due::Timer(self.started_event_id))
    }
}

impl Timers {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn entries(&self, head: &Head) -> impl Iterator<Item = Entry> {
        self.0.values().map(|timer| timer.entry(head))
    }

    /// The timers whose time has come: that time, the event that started each, and its name.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = (Timestamp, EventId, &str)> {
        self.0
            .iter()
            .filter(move |(_, timer)| timer.due <= now)
            .map(|(timer_id, timer)| (timer.due, timer.started_event_id, timer_id.as_str()))
    }

    pub(crate) fn started(
        &mut self,
        head: &Head,
        timer_id: &str,
        started_event_id: EventId,
        due: Timestamp,
        index: &mut Index,
    ) {
        let timer = Timer { started_event_id, due };
        index.put([timer.entry(head)]);
        let before = self.0.insert(timer_id.to_owned(), timer);
        assert!(before.is_none(), "no two open timers of a run have one name");
    }

    /// A timer fired or was cancelled. One of the same name that was started since stays.
    pub(crate) fn ended(
        &mut self,
        head: &Head,
        timer_id: &str,
        started_event_id: EventId,
        index: &mut Index,
    ) {
        if self.0.get(timer_id).is_some_and(|timer| timer.started_event_id == started_event_id) {
            index.take(self.0.remove(timer_id).map(|timer| timer.entry(head)));
        }
    }
}

impl Draft<'_> {
    pub(crate) fn start_timer(
        &mut self,
        timer_id: String,
        wanted: Duration,
        user_metadata: Option<Box<UserMetadata>>,
    ) -> Result<Event, BadCommand> {
        let bad = |reason| BadCommand::new(WorkflowTaskFailedCause::BadStartTimerAttributes, reason);
        bounds::required_id("timer id", &timer_id).map_err(bad)?;
        if self.open_timer(&timer_id).is_some() {
            let reason = format!("a timer {timer_id:?} is open");
            return Err(BadCommand::new(WorkflowTaskFailedCause::StartTimerDuplicateId, reason));
        }
        if self.open_timers >= self.settings.pending_timers_max {
            let reason = format!("PENDING_TIMERS_MAX is {}", self.settings.pending_timers_max);
            return Err(BadCommand::new(WorkflowTaskFailedCause::PendingTimersLimitExceeded, reason));
        }
        self.timers.insert(timer_id.clone(), Some(self.next_event_id()));
        self.open_timers += 1;
        Ok(Event::TimerStarted {
            timer_id,
            start_to_fire_timeout: wanted.min(Duration::from_secs(DURATION_SECONDS_MAX)),
            workflow_task_completed_event_id: self.completed_event_id,
            user_metadata,
        })
    }

    pub(crate) fn cancel_timer(&mut self, timer_id: String) -> Result<Event, BadCommand> {
        let started_event_id = if let Some(open) = self.open_timer(&timer_id) {
            self.timers.insert(timer_id.clone(), None);
            self.open_timers -= 1;
            open
        } else if let Some(fired) = self.waiting_fired(&timer_id) {
            // The workflow has not seen it fire: for the workflow it never does.
            self.unfired.insert(fired);
            fired
        } else {
            let reason = format!("no timer {timer_id:?} is open");
            return Err(BadCommand::new(WorkflowTaskFailedCause::BadCancelTimerAttributes, reason));
        };
        Ok(Event::TimerCanceled {
            timer_id,
            started_event_id,
            workflow_task_completed_event_id: self.completed_event_id,
            identity: self.identity.to_owned(),
        })
    }

    /// The event that started a timer which is open after the commands so far.
    fn open_timer(&self, timer_id: &str) -> Option<EventId> {
        match self.timers.get(timer_id) {
            Some(touched) => *touched,
            None => self.run.timers.0.get(timer_id).map(|timer| timer.started_event_id),
        }
    }

    fn waiting_fired(&self, timer_id: &str) -> Option<EventId> {
        self.run.buffer.fired(timer_id).filter(|fired| !self.unfired.contains(fired))
    }
}
