//! What a workflow asks of activities: to be done, and to be cancelled.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use tidegate_model::event::{ActivityTaskScheduled, Event, Priority, WorkflowTaskFailedCause};
use tidegate_model::id::EventId;
use tidegate_model::limits::{DURATION_SECONDS_MAX, FAIRNESS_KEY_BYTES_MAX};
use tidegate_model::payload::Payload;

use crate::bounds::{self, Wrong};
use crate::command::ScheduleActivity;
use crate::plan::{BadCommand, Draft};
use crate::retry;

/// What an activity that no worker had says of its end: Temporal's words.
const NOT_STARTED: &str = "\"ACTIVITY_ID_NOT_STARTED\"";
const DURATION_MAX: Duration = Duration::from_secs(DURATION_SECONDS_MAX);

/// The four time-outs of an activity; zero is left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeOuts {
    pub(super) schedule_to_close: Duration,
    pub(super) schedule_to_start: Duration,
    pub(super) start_to_close: Duration,
    pub(super) heartbeat: Duration,
}

impl TimeOuts {
    /// As they are recorded: what was left out follows from the others and from the time the run has, and none is
    /// longer than that (`chasm/lib/activity/validator.go`, `validateAndNormalizeTimeouts`).
    pub(super) fn completed(self, run_timeout: Option<Duration>) -> Result<Self, Wrong> {
        let run = run_timeout.unwrap_or_default();
        let or = |asked: Duration, other: Duration| if asked.is_zero() { other } else { asked };
        let (schedule_to_close, schedule_to_start, start_to_close) = if !self.schedule_to_close.is_zero() {
            let most = self.schedule_to_close;
            (most, or(self.schedule_to_start, most).min(most), or(self.start_to_close, most).min(most))
        } else if !self.start_to_close.is_zero() {
            (run, or(self.schedule_to_start, run), self.start_to_close)
        } else {
            let reason = "a start-to-close or a schedule-to-close time-out must be given";
            return Err(Wrong(String::from(reason)));
        };
        let most = if run.is_zero() { DURATION_MAX } else { run.min(DURATION_MAX) };
        let start_to_close = start_to_close.min(most);
        Ok(Self {
            schedule_to_close: schedule_to_close.min(most),
            schedule_to_start: schedule_to_start.min(most),
            start_to_close,
            heartbeat: self.heartbeat.min(start_to_close),
        })
    }
}

/// Zero is no time-out.
pub(super) fn given(timeout: Duration) -> Option<Duration> {
    (!timeout.is_zero()).then_some(timeout)
}

pub(super) fn check_priority(priority: Option<&Priority>) -> Result<(), Wrong> {
    let Some(priority) = priority else { return Ok(()) };
    let bytes = priority.fairness_key.len();
    bounds::within("fairness key", bytes, "FAIRNESS_KEY_BYTES_MAX", FAIRNESS_KEY_BYTES_MAX)?;
    let weight = priority.fairness_weight;
    if weight >= 0.0 && weight.is_finite() {
        Ok(())
    } else {
        Err(Wrong(format!("the fairness weight is {weight}; it must not be below zero")))
    }
}

impl Draft<'_> {
    pub(crate) fn schedule_activity(&mut self, wanted: ScheduleActivity) -> Result<Event, BadCommand> {
        const CAUSE: WorkflowTaskFailedCause = WorkflowTaskFailedCause::BadScheduleActivityAttributes;
        let bad = |reason| BadCommand::new(CAUSE, reason);
        bounds::required_id("activity id", &wanted.activity_id).map_err(bad)?;
        bounds::required_name("activity type", &wanted.activity_type).map_err(bad)?;
        let too_large = |reason| BadCommand::too_large(CAUSE, reason);
        bounds::payloads("activity input", &wanted.input, self.settings).map_err(too_large)?;
        bounds::header("activity header", &wanted.header, self.settings).map_err(too_large)?;
        let asked = TimeOuts {
            schedule_to_close: wanted.schedule_to_close_timeout,
            schedule_to_start: wanted.schedule_to_start_timeout,
            start_to_close: wanted.start_to_close_timeout,
            heartbeat: wanted.heartbeat_timeout,
        };
        let time_outs = asked.completed(self.run.started.workflow_run_timeout).map_err(bad)?;
        let retry_policy = retry::completed(wanted.retry_policy).map_err(|reason| bad(Wrong(reason)))?;
        check_priority(wanted.priority.as_ref()).map_err(bad)?;
        self.take_activity_name(&wanted.activity_id)?;
        Ok(Event::ActivityTaskScheduled(Box::new(ActivityTaskScheduled {
            activity_id: wanted.activity_id,
            activity_type: wanted.activity_type,
            task_queue: wanted.task_queue.unwrap_or_else(|| self.run.head.task_queue.clone()),
            input: wanted.input,
            schedule_to_close_timeout: given(time_outs.schedule_to_close),
            schedule_to_start_timeout: given(time_outs.schedule_to_start),
            start_to_close_timeout: Some(time_outs.start_to_close),
            heartbeat_timeout: given(time_outs.heartbeat),
            retry_policy,
            workflow_task_completed_event_id: self.completed_event_id,
            header: wanted.header,
            priority: wanted.priority,
            user_metadata: wanted.user_metadata,
        })))
    }

    fn take_activity_name(&mut self, activity_id: &str) -> Result<(), BadCommand> {
        let most = self.settings.pending_activities_max;
        let open = self.open_activities();
        if open.contains(activity_id) {
            let reason = format!("an activity {activity_id:?} is open");
            return Err(BadCommand::new(WorkflowTaskFailedCause::ScheduleActivityDuplicateId, reason));
        }
        if open.len() >= most {
            let reason = format!("PENDING_ACTIVITIES_MAX is {most}");
            return Err(BadCommand::new(WorkflowTaskFailedCause::PendingActivitiesLimitExceeded, reason));
        }
        open.insert(Cow::Owned(activity_id.to_owned()));
        Ok(())
    }

    /// One that no worker has is cancelled at once, behind the events of the commands and of what waited; a worker that
    /// has it learns of it when it next reports.
    pub(crate) fn request_cancel_activity(
        &mut self,
        scheduled_event_id: EventId,
    ) -> Result<Event, BadCommand> {
        let bad = |reason: String| {
            BadCommand::new(WorkflowTaskFailedCause::BadRequestCancelActivityAttributes, reason)
        };
        let open = self.run.activities.0.get(&scheduled_event_id);
        let asked_before = open.is_some_and(|activity| activity.cancel_requested_event_id.is_some());
        if asked_before || !self.asked_to_cancel.insert(scheduled_event_id) {
            return Err(bad(format!("activity {scheduled_event_id} was asked to cancel before")));
        }
        let unstarted = match open {
            Some(activity) => (!activity.is_started()).then_some(&activity.scheduled.activity_id),
            None => match self.event(scheduled_event_id) {
                Some(Event::ActivityTaskScheduled(scheduled)) => Some(&scheduled.activity_id),
                // It has ended, and the workflow has not seen that.
                Some(_) | None if self.run.buffer.has_end_of_activity(scheduled_event_id) => None,
                Some(_) | None => return Err(bad(format!("no activity {scheduled_event_id} is open"))),
            },
        };
        if let Some(activity_id) = unstarted.cloned() {
            self.open_activities().remove(activity_id.as_str());
            self.arrived.push(Event::ActivityTaskCanceled {
                details: vec![Payload::json(NOT_STARTED)],
                latest_cancel_requested_event_id: self.next_event_id(),
                scheduled_event_id,
                started_event_id: 0,
                identity: self.identity.to_owned(),
            });
        }
        Ok(Event::ActivityTaskCancelRequested {
            scheduled_event_id,
            workflow_task_completed_event_id: self.completed_event_id,
        })
    }
}

impl<'a> Draft<'a> {
    /// Names of the activities that are open after the commands so far.
    fn open_activities(&mut self) -> &mut BTreeSet<Cow<'a, str>> {
        let run = self.run;
        self.activities.get_or_insert_with(|| run.activities.names().map(Cow::Borrowed).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(asked: [u64; 4], run: u64) -> [u64; 4] {
        let [schedule_to_close, schedule_to_start, start_to_close, heartbeat] =
            asked.map(Duration::from_secs);
        let asked = TimeOuts { schedule_to_close, schedule_to_start, start_to_close, heartbeat };
        let done = asked.completed(given(Duration::from_secs(run))).expect("enough is given");
        [done.schedule_to_close, done.schedule_to_start, done.start_to_close, done.heartbeat]
            .map(|timeout| timeout.as_secs())
    }

    #[test]
    fn time_outs_that_are_left_out_follow_from_the_others_and_the_runs() {
        assert_eq!(completed([9, 0, 0, 0], 0), [9, 9, 9, 0]);
        assert_eq!(completed([9, 20, 30, 40], 0), [9, 9, 9, 9]);
        assert_eq!(completed([9, 2, 3, 1], 0), [9, 2, 3, 1]);
        assert_eq!(completed([0, 0, 5, 7], 0), [0, 0, 5, 5]);
        assert_eq!(completed([0, 0, 5, 0], 60), [60, 60, 5, 0]);
        assert_eq!(completed([0, 70, 80, 90], 60), [60, 60, 60, 60]);
        assert_eq!(completed([90, 0, 80, 2], 60), [60, 60, 60, 2]);
    }

    #[test]
    fn one_of_the_closing_time_outs_must_be_given() {
        let none = TimeOuts {
            schedule_to_close: Duration::ZERO,
            schedule_to_start: Duration::from_secs(1),
            start_to_close: Duration::ZERO,
            heartbeat: Duration::from_secs(1),
        };
        let Wrong(reason) = none.completed(Some(Duration::from_secs(60))).expect_err("too little is given");
        assert_eq!(reason, "a start-to-close or a schedule-to-close time-out must be given");
    }
}
