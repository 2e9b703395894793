//! Activities: what the workflow asked for, and the attempts at it, which history does not hold.

mod answer;
mod attempt;
mod describe;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::event::{ActivityTaskScheduled, Event, WorkflowTaskFailedCause};
use tidegate_model::id::EventId;
use tidegate_model::limits::DURATION_SECONDS_MAX;
use tidegate_model::payload::Failure;
use tidegate_model::time::Timestamp;

use crate::bounds;
use crate::command::ScheduleActivity;
use crate::deadlines::Due;
use crate::index::{Entry, Index};
use crate::plan::{BadCommand, Draft};
use crate::queue::{QueueKey, QueueKind, Ready, What};
use crate::retry;
use crate::run::Head;
use crate::workers::Held;

/// The open activities of a run, by their scheduled event.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Activities(BTreeMap<EventId, Activity>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Activity {
    scheduled: ActivityTaskScheduled,
    scheduled_time: Timestamp,
    /// The one that waits or is out, from 1.
    attempt: u32,
    state: AttemptState,
    /// How the attempt before ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_failure: Option<Failure>,
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
    },
}

impl Activity {
    fn start_to_close_timeout(&self) -> Duration {
        self.scheduled
            .start_to_close_timeout
            .expect("no activity is scheduled without; see schedule_activity")
    }

    /// When the attempt that is out has taken too long.
    fn expires(&self) -> Option<Timestamp> {
        match &self.state {
            AttemptState::Waiting { .. } => None,
            AttemptState::Started { time, .. } => Some(*time + self.start_to_close_timeout()),
        }
    }

    fn entries(&self, head: &Head, scheduled_event_id: EventId) -> [Option<Entry>; 2] {
        match &self.state {
            AttemptState::Waiting { from } => {
                let key = QueueKey {
                    kind: QueueKind::ActivityTasks,
                    namespace: head.namespace.clone(),
                    name: self.scheduled.task_queue.clone(),
                };
                let what = What::Activity(scheduled_event_id);
                let ready = Ready { at: *from, run_id: head.run_id, what };
                [Some(Entry::Ready(key, ready)), None]
            }
            AttemptState::Started { time, identity, .. } => [
                Some(Entry::Due(
                    *time + self.start_to_close_timeout(),
                    head.run_id,
                    Due::Activity(scheduled_event_id),
                )),
                Some(Entry::Held(identity.clone(), head.run_id, Held::Activity(scheduled_event_id))),
            ],
        }
    }
}

impl Activities {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn entries(&self, head: &Head) -> impl Iterator<Item = Entry> {
        self.0.iter().flat_map(|(id, activity)| activity.entries(head, *id).into_iter().flatten())
    }

    /// What the workflow calls them.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|activity| activity.scheduled.activity_id.as_str())
    }

    /// The attempts that have taken too long, with the time from which they did.
    pub(crate) fn expired(&self, now: Timestamp) -> impl Iterator<Item = (Timestamp, EventId)> {
        self.0.iter().filter_map(move |(id, activity)| {
            activity.expires().filter(|expires| *expires <= now).map(|expires| (expires, *id))
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
            scheduled: scheduled.clone(),
            scheduled_time: now,
            attempt: 1,
            state: AttemptState::Waiting { from: now },
            last_failure: None,
        };
        index.put(activity.entries(head, scheduled_event_id).into_iter().flatten());
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
            activity.state = AttemptState::Started {
                time,
                identity: identity.to_owned(),
                request_id: request_id.to_owned(),
            };
        });
    }

    pub(crate) fn retried(
        &mut self,
        head: &Head,
        scheduled_event_id: EventId,
        due: Timestamp,
        failure: &Failure,
        index: &mut Index,
    ) {
        self.change(head, scheduled_event_id, index, |activity| {
            activity.attempt = activity.attempt.saturating_add(1);
            activity.state = AttemptState::Waiting { from: due };
            activity.last_failure = Some(failure.clone());
        });
    }

    pub(crate) fn ended(&mut self, head: &Head, scheduled_event_id: EventId, index: &mut Index) {
        let ended = self.0.remove(&scheduled_event_id).expect("an activity that ends is open, and ends once");
        index.take(ended.entries(head, scheduled_event_id).into_iter().flatten());
    }

    fn change(
        &mut self,
        head: &Head,
        scheduled_event_id: EventId,
        index: &mut Index,
        change: impl FnOnce(&mut Activity),
    ) {
        let activity = self.0.get_mut(&scheduled_event_id).expect("an activity with attempts is open");
        index.take(activity.entries(head, scheduled_event_id).into_iter().flatten());
        change(activity);
        index.put(activity.entries(head, scheduled_event_id).into_iter().flatten());
    }
}

impl Draft<'_> {
    pub(crate) fn schedule_activity(&mut self, wanted: ScheduleActivity) -> Result<Event, BadCommand> {
        let bad = |reason| BadCommand::new(WorkflowTaskFailedCause::BadScheduleActivityAttributes, reason);
        bounds::required_id("activity id", &wanted.activity_id).map_err(bad)?;
        bounds::required_name("activity type", &wanted.activity_type).map_err(bad)?;
        bounds::payloads("activity input", &wanted.input, self.settings).map_err(bad)?;
        bounds::header("activity header", &wanted.header, self.settings).map_err(bad)?;
        if wanted.start_to_close_timeout.is_zero() {
            return Err(bad(bounds::Wrong(String::from("the start-to-close time-out must be above zero"))));
        }
        let retry_policy =
            retry::completed(wanted.retry_policy).map_err(|reason| bad(bounds::Wrong(reason)))?;
        let activity_id = &wanted.activity_id;
        let run = self.run;
        let open = self.activities.get_or_insert_with(|| run.activities.names().map(Cow::Borrowed).collect());
        if open.contains(activity_id.as_str()) {
            let reason = format!("an activity {activity_id:?} is open");
            return Err(BadCommand::new(WorkflowTaskFailedCause::ScheduleActivityDuplicateId, reason));
        }
        if open.len() >= self.settings.pending_activities_max {
            let reason = format!("PENDING_ACTIVITIES_MAX is {}", self.settings.pending_activities_max);
            return Err(BadCommand::new(WorkflowTaskFailedCause::PendingActivitiesLimitExceeded, reason));
        }
        open.insert(Cow::Owned(activity_id.clone()));
        let longest = Duration::from_secs(DURATION_SECONDS_MAX);
        Ok(Event::ActivityTaskScheduled(Box::new(ActivityTaskScheduled {
            activity_id: wanted.activity_id,
            activity_type: wanted.activity_type,
            task_queue: wanted.task_queue.unwrap_or_else(|| self.run.head.task_queue.clone()),
            input: wanted.input,
            schedule_to_close_timeout: None,
            schedule_to_start_timeout: None,
            start_to_close_timeout: Some(wanted.start_to_close_timeout.min(longest)),
            heartbeat_timeout: None,
            retry_policy,
            workflow_task_completed_event_id: self.completed_event_id,
            header: wanted.header,
            priority: wanted.priority,
            user_metadata: wanted.user_metadata,
        })))
    }
}
