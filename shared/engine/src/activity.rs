//! Activities: what the workflow asked for, and the attempts at it, which history does not hold.
//!
//! Four time-outs, of which the one that comes first stands in the index: all attempts together, the wait for a worker,
//! one attempt, and its silence. Heartbeats are recorded at leisure, so a crash may lose the last of them. What they
//! said is lost then, which an activity that may run again must bear anyhow; but silence is counted from the start of
//! the process at the earliest, so that an attempt whose heartbeat was lost is not timed out for it.

mod ask;
mod answer;
mod attempt;
mod operate;
mod describe;

use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) use operate::Wanted;
use serde::{Deserialize, Serialize};
use tidegate_model::event::{ActivityTaskScheduled, Priority};
use tidegate_model::id::{EventId, TaskQueue};
use tidegate_model::payload::{Failure, Payloads, RetryPolicy, TimeoutType};
use tidegate_model::time::Timestamp;

use crate::deadlines::Due;
use crate::index::{Entry, Index, Silence};
use crate::queue::{self, QueueKey, QueueKind, Ready, What};
use crate::request::{ActivityOptions, ActivityPause};
use crate::run::Head;
use crate::workers::Held;

/// The open activities of a run, by their scheduled event.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Activities(BTreeMap<EventId, Activity>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Activity {
    scheduled: Box<ActivityTaskScheduled>,
    scheduled_time: Timestamp,
    /// The one that waits or is out, from 1.
    attempt: u32,
    state: AttemptState,
    /// How the attempt before ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_failure: Option<Box<Failure>>,
    /// When the attempt before began and ended, and who had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_attempt: Option<Box<LastAttempt>>,
    /// The last progress reported, of whichever attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heartbeat: Option<Box<Heartbeat>>,
    /// The event that asked for it to be cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancel_requested_event_id: Option<EventId>,
    /// How it is tried, where that is no longer as scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    options: Option<Box<ActivityOptions>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pause: Option<Box<ActivityPause>>,
    /// The attempt that is out was asked to begin anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reset: Option<Reset>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AttemptState {
    /// For a worker, from then on.
    Waiting { from: Timestamp },
    /// A worker has it.
    Started {
        time: Timestamp,
        identity: String,
        /// The poll's own id.
        request_id: String,
        /// From when on it waited for the worker.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waited_from: Option<Timestamp>,
        /// The number it went out with, where attempts have been counted anew since.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        numbered: Option<u32>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LastAttempt {
    started: Timestamp,
    completed: Timestamp,
    identity: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Heartbeat {
    time: Timestamp,
    #[serde(default, skip_serializing_if = "Payloads::is_empty")]
    details: Payloads,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Reset {
    /// And to forget what it reported.
    heartbeat: bool,
}

impl Activity {
    fn task_queue(&self) -> &TaskQueue {
        self.options.as_ref().map_or(&self.scheduled.task_queue, |options| &options.task_queue)
    }

    fn retry_policy(&self) -> &RetryPolicy {
        self.options.as_ref().map_or(&self.scheduled.retry_policy, |options| &options.retry_policy)
    }

    fn priority(&self) -> Option<&Priority> {
        match &self.options {
            Some(options) => options.priority.as_ref(),
            None => self.scheduled.priority.as_ref(),
        }
    }

    fn schedule_to_close_timeout(&self) -> Option<Duration> {
        match &self.options {
            Some(options) => options.schedule_to_close_timeout,
            None => self.scheduled.schedule_to_close_timeout,
        }
    }

    fn schedule_to_start_timeout(&self) -> Option<Duration> {
        match &self.options {
            Some(options) => options.schedule_to_start_timeout,
            None => self.scheduled.schedule_to_start_timeout,
        }
    }

    fn start_to_close_timeout(&self) -> Duration {
        match &self.options {
            Some(options) => options.start_to_close_timeout,
            None => self
                .scheduled
                .start_to_close_timeout
                .expect("no activity is scheduled without; see schedule_activity"),
        }
    }

    fn heartbeat_timeout(&self) -> Option<Duration> {
        match &self.options {
            Some(options) => options.heartbeat_timeout,
            None => self.scheduled.heartbeat_timeout,
        }
    }

    /// When all attempts together have taken too long.
    fn expires(&self) -> Option<Timestamp> {
        self.schedule_to_close_timeout().map(|timeout| self.scheduled_time + timeout)
    }

    /// The time-outs that run, with their times. What is paused has none.
    fn timeouts(&self, awake_since: Option<Timestamp>) -> impl Iterator<Item = (Timestamp, TimeoutType)> {
        let of_all = self.expires().map(|at| (at, TimeoutType::ScheduleToClose));
        let of_attempt = match &self.state {
            AttemptState::Waiting { from } => self
                .schedule_to_start_timeout()
                .map(|timeout| (*from + timeout, TimeoutType::ScheduleToStart)),
            AttemptState::Started { time, .. } => {
                Some((*time + self.start_to_close_timeout(), TimeoutType::StartToClose))
            }
        };
        let silence = self.silence().map(|silence| (silence.ends(awake_since), TimeoutType::Heartbeat));
        [of_all, of_attempt, silence].into_iter().flatten().filter(|_| self.pause.is_none())
    }

    /// How long the attempt that is out has been silent, where it must report.
    fn silence(&self) -> Option<Silence> {
        let AttemptState::Started { time, .. } = self.state else { return None };
        let timeout = self.heartbeat_timeout()?;
        let since = self.heartbeat.as_ref().map_or(time, |heartbeat| heartbeat.time.max(time));
        Some(Silence { since, timeout })
    }

    fn is_started(&self) -> bool {
        matches!(self.state, AttemptState::Started { .. })
    }

    fn entries(&self, head: &Head, scheduled_event_id: EventId) -> impl Iterator<Item = Entry> + use<> {
        let due = self
            .timeouts(None)
            .filter(|(_, timeout_type)| *timeout_type != TimeoutType::Heartbeat)
            .min()
            .map(|(at, _)| Entry::Due(at, head.run_id, Due::Activity(scheduled_event_id)));
        let place = match &self.state {
            AttemptState::Waiting { from } => self.pause.is_none().then(|| {
                let key = QueueKey {
                    kind: QueueKind::ActivityTasks,
                    namespace: head.namespace.clone(),
                    name: self.task_queue().clone(),
                };
                let priority = queue::level(self.priority(), head.priority.as_ref());
                let what = What::Activity(scheduled_event_id);
                Entry::Ready(key, Ready { priority, at: *from, run_id: head.run_id, what })
            }),
            AttemptState::Started { identity, .. } => {
                Some(Entry::Held(identity.clone(), head.run_id, Held::Activity(scheduled_event_id)))
            }
        };
        [due, self.silence_entry(head, scheduled_event_id), place].into_iter().flatten()
    }

    fn silence_entry(&self, head: &Head, scheduled_event_id: EventId) -> Option<Entry> {
        let silence = self.silence().filter(|_| self.pause.is_none())?;
        Some(Entry::Silence(silence, head.run_id, scheduled_event_id))
    }
}

impl Activities {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the activity of this scheduled event is open.
    pub(crate) fn is_open(&self, scheduled_event_id: EventId) -> bool {
        self.0.contains_key(&scheduled_event_id)
    }

    pub(crate) fn entries(&self, head: &Head) -> impl Iterator<Item = Entry> {
        self.0.iter().flat_map(|(id, activity)| activity.entries(head, *id))
    }

    /// Those of the entries that depend on when the process began.
    pub(crate) fn silences(&self, head: &Head) -> impl Iterator<Item = Entry> {
        self.0.iter().filter_map(|(id, activity)| activity.silence_entry(head, *id))
    }

    /// What the workflow calls them.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|activity| activity.scheduled.activity_id.as_str())
    }

    /// The time-outs that have come, with their times.
    pub(crate) fn expired(
        &self,
        now: Timestamp,
        awake_since: Option<Timestamp>,
    ) -> impl Iterator<Item = (Timestamp, EventId, TimeoutType)> {
        self.0.iter().filter_map(move |(id, activity)| {
            let (at, timeout_type) = activity.timeouts(awake_since).min()?;
            (at <= now).then_some((at, *id, timeout_type))
        })
    }

    pub(crate) fn scheduled(
        &mut self,
        head: &Head,
        scheduled_event_id: EventId,
        now: Timestamp,
        scheduled: &ActivityTaskScheduled,
        index: &mut Index,
    ) {
        let activity = Activity {
            scheduled: Box::new(scheduled.clone()),
            scheduled_time: now,
            attempt: 1,
            state: AttemptState::Waiting { from: now },
            last_failure: None,
            last_attempt: None,
            heartbeat: None,
            cancel_requested_event_id: None,
            options: None,
            pause: None,
            reset: None,
        };
        index.put(activity.entries(head, scheduled_event_id));
        self.0.insert(scheduled_event_id, activity);
    }

    pub(crate) fn started(
        &mut self,
        head: &Head,
        scheduled_event_id: EventId,
        time: Timestamp,
        identity: &str,
        request_id: &str,
        index: &mut Index,
    ) {
        self.change(head, scheduled_event_id, index, |activity| {
            let waited_from = match activity.state {
                AttemptState::Waiting { from } => Some(from),
                AttemptState::Started { waited_from, .. } => waited_from,
            };
            activity.state = AttemptState::Started {
                time,
                identity: identity.to_owned(),
                request_id: request_id.to_owned(),
                waited_from,
                numbered: None,
            };
        });
    }

    pub(crate) fn heard(
        &mut self,
        head: &Head,
        scheduled_event_id: EventId,
        time: Timestamp,
        details: &Payloads,
        index: &mut Index,
    ) {
        self.change(head, scheduled_event_id, index, |activity| {
            activity.heartbeat = Some(Box::new(Heartbeat { time, details: details.clone() }));
        });
    }

    pub(crate) fn retried(
        &mut self,
        head: &Head,
        scheduled_event_id: EventId,
        time: Option<Timestamp>,
        due: Timestamp,
        failure: &Failure,
        index: &mut Index,
    ) {
        self.change(head, scheduled_event_id, index, |activity| {
            activity.attempt = activity.attempt.saturating_add(1);
            let before = std::mem::replace(&mut activity.state, AttemptState::Waiting { from: due });
            if let AttemptState::Started { time: started, identity, .. } = before {
                let completed = time.unwrap_or(due);
                activity.last_attempt = Some(Box::new(LastAttempt { started, completed, identity }));
            }
            activity.last_failure = Some(Box::new(failure.clone()));
            if activity.reset.take().is_some_and(|reset| reset.heartbeat) {
                activity.heartbeat = None;
            }
        });
    }

    /// Somebody asked for it to be cancelled; one that has ended meanwhile is not open, and nothing changes.
    pub(crate) fn cancel_requested(&mut self, scheduled_event_id: EventId, event_id: EventId) {
        if let Some(activity) = self.0.get_mut(&scheduled_event_id) {
            activity.cancel_requested_event_id = Some(event_id);
        }
    }

    pub(crate) fn ended(&mut self, head: &Head, scheduled_event_id: EventId, index: &mut Index) {
        let ended = self.0.remove(&scheduled_event_id).expect("an activity that ends is open, and ends once");
        index.take(ended.entries(head, scheduled_event_id));
    }

    /// In a fork all that wait for their first attempt are scheduled anew.
    pub(crate) fn begin_anew(&mut self, head: &Head, now: Timestamp, index: &mut Index) {
        let all: Vec<EventId> = self.0.keys().copied().collect();
        for scheduled_event_id in all {
            self.change(head, scheduled_event_id, index, |activity| {
                activity.scheduled_time = now;
                activity.state = AttemptState::Waiting { from: now };
            });
        }
    }

    fn change(
        &mut self,
        head: &Head,
        scheduled_event_id: EventId,
        index: &mut Index,
        change: impl FnOnce(&mut Activity),
    ) {
        let activity = self.0.get_mut(&scheduled_event_id).expect("an activity with attempts is open");
        index.take(activity.entries(head, scheduled_event_id));
        change(activity);
        index.put(activity.entries(head, scheduled_event_id));
    }
}
