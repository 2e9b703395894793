//! What somebody outside does to open activities: they wait, go on, begin anew, or are tried in another way.

use std::time::Duration;

use tidegate_engine::{
    ActivityOptions, ActivityOptionsChange, ActivityPause, ActivityTarget, PauseActivity, Refusal, Reply,
    ResetActivity, UnpauseActivity, UpdateActivityOptions, WhichActivities,
};
use tidegate_model::event::ActivityTaskScheduled;
use tidegate_model::id::{EventId, RunId};
use tidegate_model::payload::RetryPolicy;

use super::Reference;
use super::run::Attempt;
use super::start::with_defaults;
use super::successor::backoff;

impl Attempt {
    /// How it is tried: as the workflow asked for, or as it was changed.
    pub(super) fn tried_as(&self, scheduled: &ActivityTaskScheduled) -> ActivityOptions {
        self.options.clone().unwrap_or_else(|| original(scheduled))
    }

    /// Attempts count from 1 again. One that is out keeps the number by which its worker knows it.
    fn count_anew(&mut self) {
        self.number = 1;
        if self.out.is_none() {
            self.last_failure = None;
        }
    }
}

fn original(scheduled: &ActivityTaskScheduled) -> ActivityOptions {
    ActivityOptions {
        task_queue: scheduled.task_queue.clone(),
        schedule_to_close_timeout: scheduled.schedule_to_close_timeout,
        schedule_to_start_timeout: scheduled.schedule_to_start_timeout,
        start_to_close_timeout: scheduled.start_to_close_timeout.unwrap_or_default(),
        heartbeat_timeout: scheduled.heartbeat_timeout,
        retry_policy: scheduled.retry_policy.clone(),
        priority: scheduled.priority.clone(),
    }
}

/// The four time-outs with what was left out, of all attempts, of the wait, of one attempt, of silence: they follow from
/// each other and from the time the run has, and none is longer than that. `None` where too little is given.
pub(super) fn completed(asked: [Duration; 4], run: Option<Duration>) -> Option<[Option<Duration>; 4]> {
    let given = |timeout: Duration| (!timeout.is_zero()).then_some(timeout);
    let [of_all, wait, attempt, silence] = asked.map(given);
    if of_all.is_none() && attempt.is_none() {
        return None;
    }
    let least = |one: Option<Duration>, other: Option<Duration>| one.into_iter().chain(other).min();
    let attempt = least(least(attempt, of_all), run);
    // What is missing is as long as all attempts together, or else as the run.
    let longest = least(of_all, run);
    Some([longest, least(wait, longest), attempt, least(silence, attempt.filter(|_| silence.is_some()))])
}

impl Reference {
    /// The run, and those of its activities that are meant.
    fn activities_meant(&self, target: &ActivityTarget) -> Result<(RunId, Vec<EventId>), Refusal> {
        let run_id = self.meant_open(&target.namespace, &target.workflow_id, target.run_id)?;
        let is_meant = |activity: &ActivityTaskScheduled| match &target.which {
            WhichActivities::Id(id) => activity.activity_id == *id,
            WhichActivities::Type(kind) => activity.activity_type == *kind,
            WhichActivities::All => true,
        };
        let open = self.run(run_id).activities();
        let meant: Vec<EventId> =
            open.into_iter().filter(|(_, activity)| is_meant(activity)).map(|(id, _)| id).collect();
        if meant.is_empty() {
            return Err(Refusal::NotFound(String::from("no such activity")));
        }
        Ok((run_id, meant))
    }

    fn change(&mut self, run_id: RunId, id: EventId, change: impl FnOnce(&mut Attempt)) {
        change(self.run_mut(run_id).attempts.get_mut(&id).expect("it was found open"));
    }

    pub(super) fn pause_activity(&mut self, pause: PauseActivity) -> Result<Reply, Refusal> {
        let (run_id, all) = self.activities_meant(&pause.target)?;
        let by = ActivityPause {
            time: self.now,
            identity: pause.identity,
            reason: pause.reason,
            request_id: pause.request_id,
        };
        let earlier = |id: &EventId| self.run(run_id).attempts[id].pause.as_ref();
        let by_another =
            |earlier: &ActivityPause| by.request_id.is_empty() || earlier.request_id != by.request_id;
        if all.iter().filter_map(earlier).any(by_another) {
            return Err(Refusal::FailedPrecondition(String::from("activity is already paused")));
        }
        for id in all {
            self.change(run_id, id, |attempt| attempt.pause = attempt.pause.take().or(Some(by.clone())));
        }
        Ok(Reply::Done)
    }

    pub(super) fn unpause_activity(&mut self, unpause: &UnpauseActivity) -> Result<Reply, Refusal> {
        let now = self.now;
        let (run_id, all) = self.activities_meant(&unpause.target)?;
        for id in all {
            self.change(run_id, id, |attempt| {
                if attempt.pause.take().is_none() {
                    return;
                }
                if unpause.reset_attempts {
                    attempt.count_anew();
                }
                if unpause.reset_heartbeat {
                    attempt.heartbeat = None;
                }
                if attempt.out.is_none() {
                    attempt.waits_from = now;
                }
            });
        }
        Ok(Reply::Done)
    }

    pub(super) fn reset_activity(&mut self, reset: &ResetActivity) -> Result<Reply, Refusal> {
        let now = self.now;
        let (run_id, all) = self.activities_meant(&reset.target)?;
        for id in all {
            self.change(run_id, id, |attempt| {
                attempt.count_anew();
                if reset.restore_original_options {
                    attempt.options = None;
                }
                if !reset.keep_paused {
                    attempt.pause = None;
                }
                if attempt.out.is_some() {
                    attempt.reset = Some(attempt.reset == Some(true) || reset.reset_heartbeat);
                    return;
                }
                if reset.reset_heartbeat {
                    attempt.heartbeat = None;
                }
                if attempt.pause.is_none() {
                    attempt.waits_from = now;
                }
            });
        }
        Ok(Reply::Done)
    }

    pub(super) fn update_activity_options(
        &mut self,
        update: UpdateActivityOptions,
    ) -> Result<Reply, Refusal> {
        let UpdateActivityOptions { target, change, restore_original } = update;
        let invalid = || Refusal::InvalidArgument(String::new());
        if restore_original && change != ActivityOptionsChange::default() {
            return Err(invalid());
        }
        let (run_id, all) = self.activities_meant(&target)?;
        let mut changed = Vec::new();
        for id in all {
            let run = self.run(run_id);
            let scheduled = run.activities()[&id];
            let options = if restore_original {
                original(scheduled)
            } else {
                changed_options(run.attempts[&id].tried_as(scheduled), &change).ok_or_else(invalid)?
            };
            changed.push((id, options, original(scheduled)));
        }
        let last = changed.last().map(|(_, options, _)| options.clone()).expect("there is one at least");
        for (id, options, original) in changed {
            self.change(run_id, id, |attempt| {
                if let (Some((_, ended, _)), None) = (&attempt.last, &attempt.out)
                    && attempt.number > 1
                {
                    attempt.waits_from = *ended + backoff(&options.retry_policy, attempt.number - 1);
                }
                attempt.options = Some(options).filter(|options| *options != original);
            });
        }
        Ok(Reply::ActivityOptions(Box::new(last)))
    }
}

fn changed_options(before: ActivityOptions, change: &ActivityOptionsChange) -> Option<ActivityOptions> {
    let or = |changed: Option<Duration>, before: Option<Duration>| changed.or(before).unwrap_or_default();
    let asked = [
        or(change.schedule_to_close_timeout, before.schedule_to_close_timeout),
        or(change.schedule_to_start_timeout, before.schedule_to_start_timeout),
        or(change.start_to_close_timeout, Some(before.start_to_close_timeout)),
        or(change.heartbeat_timeout, before.heartbeat_timeout),
    ];
    let [schedule_to_close_timeout, schedule_to_start_timeout, start_to_close, heartbeat_timeout] =
        completed(asked, None)?;
    let policy = before.retry_policy;
    let retry_policy = with_defaults(RetryPolicy {
        initial_interval: change.initial_interval.unwrap_or(policy.initial_interval),
        backoff_coefficient: change.backoff_coefficient.unwrap_or(policy.backoff_coefficient),
        maximum_interval: change.maximum_interval.unwrap_or(policy.maximum_interval),
        maximum_attempts: change.maximum_attempts.unwrap_or(policy.maximum_attempts),
        non_retryable_error_types: policy.non_retryable_error_types,
    });
    if retry_policy.backoff_coefficient < 1.0 || retry_policy.maximum_interval < retry_policy.initial_interval
    {
        return None;
    }
    Some(ActivityOptions {
        task_queue: change.task_queue.clone().unwrap_or(before.task_queue),
        schedule_to_close_timeout,
        schedule_to_start_timeout,
        start_to_close_timeout: start_to_close?,
        heartbeat_timeout,
        retry_policy,
        priority: before.priority,
    })
}
