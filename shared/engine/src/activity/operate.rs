//! What somebody outside does to open activities: they wait, go on, begin anew, or are tried in another way.
//!
//! Nothing of it is history: the workflow sees the outcome alone. Follows `service/history/workflow/activity.go`, but
//! that the token of an attempt which is out stays good when attempts are counted anew.

use std::time::Duration;

use tidegate_model::event::Priority;
use tidegate_model::id::{EventId, RunId};
use tidegate_model::payload::RetryPolicy;
use tidegate_model::time::Timestamp;

use super::ask::{TimeOuts, check_priority, given};
use super::{Activities, Activity, AttemptState, Reset};
use crate::bounds::{self, Wrong};
use crate::engine::{Engine, Step};
use crate::index::Index;
use crate::record::{Record, StateChange};
use crate::request::{
    ActivityOptions, ActivityOptionsChange, ActivityPause, ActivityTarget, PauseActivity, Refusal, Reply,
    ResetActivity, UnpauseActivity, UpdateActivityOptions, WhichActivities,
};
use crate::retry;
use crate::run::Head;

impl Engine {
    pub(crate) fn pause_activity(
        &mut self,
        step: &mut Step<'_>,
        pause: PauseActivity,
    ) -> Result<Reply, Refusal> {
        let PauseActivity { target, reason, identity, request_id } = pause;
        bounds::id("identity", &identity)?;
        bounds::id("reason", &reason)?;
        bounds::id("request id", &request_id)?;
        let (run_id, all) = self.activities_meant(&target)?;
        let mut to_pause = Vec::with_capacity(all.len());
        for scheduled_event_id in all {
            match &self.activity(run_id, scheduled_event_id).pause {
                None => to_pause.push(scheduled_event_id),
                Some(earlier) if !request_id.is_empty() && earlier.request_id == request_id => {}
                // Temporal's words.
                Some(_) => {
                    return Err(Refusal::FailedPrecondition(String::from("activity is already paused")));
                }
            }
        }
        let pause = ActivityPause { time: step.now, identity, reason, request_id };
        for scheduled_event_id in to_pause {
            let change = StateChange::ActivityPaused { run_id, scheduled_event_id, pause: pause.clone() };
            self.commit(step, Record::State(change));
        }
        Ok(Reply::Done)
    }

    pub(crate) fn unpause_activity(
        &mut self,
        step: &mut Step<'_>,
        unpause: &UnpauseActivity,
    ) -> Result<Reply, Refusal> {
        let (run_id, all) = self.activities_meant(&unpause.target)?;
        for scheduled_event_id in all {
            if self.activity(run_id, scheduled_event_id).pause.is_some() {
                let change = StateChange::ActivityUnpaused {
                    run_id,
                    scheduled_event_id,
                    due: step.now + jittered(step, unpause.jitter),
                    reset_attempts: unpause.reset_attempts,
                    reset_heartbeat: unpause.reset_heartbeat,
                };
                self.commit(step, Record::State(change));
            }
        }
        Ok(Reply::Done)
    }

    pub(crate) fn reset_activity(
        &mut self,
        step: &mut Step<'_>,
        reset: &ResetActivity,
    ) -> Result<Reply, Refusal> {
        let (run_id, all) = self.activities_meant(&reset.target)?;
        for scheduled_event_id in all {
            let change = StateChange::ActivityReset {
                run_id,
                scheduled_event_id,
                due: step.now + jittered(step, reset.jitter),
                reset_heartbeat: reset.reset_heartbeat,
                keep_paused: reset.keep_paused,
                restore_options: reset.restore_original_options,
            };
            self.commit(step, Record::State(change));
        }
        Ok(Reply::Done)
    }

    pub(crate) fn update_activity_options(
        &mut self,
        step: &mut Step<'_>,
        update: UpdateActivityOptions,
    ) -> Result<Reply, Refusal> {
        let UpdateActivityOptions { target, change, restore_original } = update;
        if restore_original && change != ActivityOptionsChange::default() {
            let message = "the original options are to be restored and others to be set: one of the two";
            return Err(Refusal::InvalidArgument(String::from(message)));
        }
        let (run_id, all) = self.activities_meant(&target)?;
        let tuned: Result<Vec<(EventId, ActivityOptions)>, Wrong> = all
            .into_iter()
            .map(|scheduled_event_id| {
                let activity = self.activity(run_id, scheduled_event_id);
                let options =
                    if restore_original { activity.original_options() } else { activity.tuned(&change)? };
                Ok((scheduled_event_id, options))
            })
            .collect();
        let mut last = None;
        for (scheduled_event_id, options) in tuned? {
            let due = self.activity(run_id, scheduled_event_id).due_with(&options.retry_policy);
            let options = Box::new(options);
            last = Some(options.clone());
            let change = StateChange::ActivityOptionsUpdated { run_id, scheduled_event_id, due, options };
            self.commit(step, Record::State(change));
        }
        Ok(Reply::ActivityOptions(last.expect("none is not found; see activities_meant")))
    }

    /// The run, and those of its activities that are meant: one at least.
    fn activities_meant(&self, target: &ActivityTarget) -> Result<(RunId, Vec<EventId>), Refusal> {
        let run = self.find_open(&target.namespace, &target.workflow_id, target.run_id)?;
        let is_meant = |activity: &Activity| match &target.which {
            WhichActivities::Id(activity_id) => activity.scheduled.activity_id == *activity_id,
            WhichActivities::Type(activity_type) => activity.scheduled.activity_type == *activity_type,
            WhichActivities::All => true,
        };
        let meant: Vec<EventId> =
            run.activities.0.iter().filter(|(_, activity)| is_meant(activity)).map(|(id, _)| *id).collect();
        if meant.is_empty() {
            // Temporal's words (`consts.ErrActivityNotFound`).
            let message =
                "Can't find pending activity with such ID. Invalid activityID or activity already completed";
            return Err(Refusal::NotFound(String::from(message)));
        }
        Ok((run.head.run_id, meant))
    }
}

/// A wait up to this long.
fn jittered(step: &mut Step<'_>, jitter: Duration) -> Duration {
    let micros = u64::try_from(jitter.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(step.chance.below(micros))
}

impl Activity {
    fn original_options(&self) -> ActivityOptions {
        let scheduled = &self.scheduled;
        ActivityOptions {
            task_queue: scheduled.task_queue.clone(),
            schedule_to_close_timeout: scheduled.schedule_to_close_timeout,
            schedule_to_start_timeout: scheduled.schedule_to_start_timeout,
            start_to_close_timeout: scheduled
                .start_to_close_timeout
                .expect("no activity is scheduled without; see schedule_activity"),
            heartbeat_timeout: scheduled.heartbeat_timeout,
            retry_policy: scheduled.retry_policy.clone(),
            priority: scheduled.priority.clone(),
        }
    }

    /// How it is tried.
    pub(super) fn effective_options(&self) -> ActivityOptions {
        self.options.as_deref().cloned().unwrap_or_else(|| self.original_options())
    }

    /// How it is tried after a change.
    fn tuned(&self, change: &ActivityOptionsChange) -> Result<ActivityOptions, Wrong> {
        let ActivityOptions {
            task_queue,
            schedule_to_close_timeout,
            schedule_to_start_timeout,
            start_to_close_timeout,
            heartbeat_timeout,
            retry_policy,
            priority,
        } = self.effective_options();
        let or = |changed: Option<Duration>, before: Option<Duration>| changed.or(before).unwrap_or_default();
        let asked = TimeOuts {
            schedule_to_close: or(change.schedule_to_close_timeout, schedule_to_close_timeout),
            schedule_to_start: or(change.schedule_to_start_timeout, schedule_to_start_timeout),
            start_to_close: or(change.start_to_close_timeout, Some(start_to_close_timeout)),
            heartbeat: or(change.heartbeat_timeout, heartbeat_timeout),
        };
        let time_outs = asked.completed(None)?;
        let retry_policy = RetryPolicy {
            initial_interval: change.initial_interval.unwrap_or(retry_policy.initial_interval),
            backoff_coefficient: change.backoff_coefficient.unwrap_or(retry_policy.backoff_coefficient),
            maximum_interval: change.maximum_interval.unwrap_or(retry_policy.maximum_interval),
            maximum_attempts: change.maximum_attempts.unwrap_or(retry_policy.maximum_attempts),
            non_retryable_error_types: retry_policy.non_retryable_error_types,
        };
        let priority = reprioritised(priority, change);
        check_priority(priority.as_ref())?;
        Ok(ActivityOptions {
            task_queue: change.task_queue.clone().unwrap_or(task_queue),
            schedule_to_close_timeout: given(time_outs.schedule_to_close),
            schedule_to_start_timeout: given(time_outs.schedule_to_start),
            start_to_close_timeout: time_outs.start_to_close,
            heartbeat_timeout: given(time_outs.heartbeat),
            retry_policy: retry::completed(Some(retry_policy)).map_err(Wrong)?,
            priority,
        })
    }

    /// From when on the attempt that waits can be taken under this policy.
    fn due_with(&self, policy: &RetryPolicy) -> Timestamp {
        match &self.last_attempt {
            Some(last) if self.attempt > 1 => last.completed + retry::backoff(policy, self.attempt - 1),
            Some(_) | None => self.waited_from(),
        }
    }

    fn wait_from(&mut self, due: Timestamp) {
        if !self.is_started() {
            self.state = AttemptState::Waiting { from: due };
        }
    }

    /// Attempts count from 1 again. One that is out keeps the number by which its worker knows it.
    fn count_anew(&mut self) {
        let out_as = self.attempt;
        self.attempt = 1;
        match &mut self.state {
            AttemptState::Waiting { .. } => self.last_failure = None,
            AttemptState::Started { numbered, .. } => *numbered = Some(numbered.unwrap_or(out_as)),
        }
    }
}

fn reprioritised(priority: Option<Priority>, change: &ActivityOptionsChange) -> Option<Priority> {
    let ActivityOptionsChange { priority_key, fairness_key, fairness_weight, .. } = change;
    if priority_key.is_none() && fairness_key.is_none() && fairness_weight.is_none() {
        return priority;
    }
    let before = priority.unwrap_or_default();
    Some(Priority {
        priority_key: priority_key.unwrap_or(before.priority_key),
        fairness_key: fairness_key.clone().unwrap_or(before.fairness_key),
        fairness_weight: fairness_weight.unwrap_or(before.fairness_weight),
    })
}

impl Activities {
    pub(crate) fn paused(
        &mut self,
        head: &Head,
        scheduled_event_id: EventId,
        pause: &ActivityPause,
        index: &mut Index,
    ) {
        self.change(head, scheduled_event_id, index, |activity| {
            activity.pause = Some(Box::new(pause.clone()));
        });
    }

    pub(crate) fn unpaused(
        &mut self,
        head: &Head,
        scheduled_event_id: EventId,
        due: Timestamp,
        reset_attempts: bool,
        reset_heartbeat: bool,
        index: &mut Index,
    ) {
        self.change(head, scheduled_event_id, index, |activity| {
            activity.pause = None;
            if reset_attempts {
                activity.count_anew();
            }
            if reset_heartbeat {
                activity.heartbeat = None;
            }
            activity.wait_from(due);
        });
    }

    pub(crate) fn reset(
        &mut self,
        head: &Head,
        scheduled_event_id: EventId,
        due: Timestamp,
        wanted: Wanted,
        index: &mut Index,
    ) {
        self.change(head, scheduled_event_id, index, |activity| {
            activity.count_anew();
            if wanted.restore_options {
                activity.options = None;
            }
            if !wanted.keep_paused {
                activity.pause = None;
            }
            if activity.is_started() {
                let before = activity.reset.is_some_and(|reset| reset.heartbeat);
                activity.reset = Some(Reset { heartbeat: before || wanted.reset_heartbeat });
            } else if wanted.reset_heartbeat {
                activity.heartbeat = None;
            }
            if activity.pause.is_none() {
                activity.wait_from(due);
            }
        });
    }

    pub(crate) fn retuned(
        &mut self,
        head: &Head,
        scheduled_event_id: EventId,
        due: Timestamp,
        options: &ActivityOptions,
        index: &mut Index,
    ) {
        self.change(head, scheduled_event_id, index, |activity| {
            activity.options = (*options != activity.original_options()).then(|| Box::new(options.clone()));
            activity.wait_from(due);
        });
    }
}

/// What a reset is to do besides counting anew.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) reset_heartbeat: bool,
    pub(crate) keep_paused: bool,
    pub(crate) restore_options: bool,
}
