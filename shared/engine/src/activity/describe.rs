//! Open activities, for a person to see.

use crate::request::{ActivityOptions, PendingActivity, PendingActivityState};

use super::{Activities, Activity, AttemptState};

impl Activities {
    pub(crate) fn describe(&self) -> Vec<PendingActivity> {
        self.0.values().map(Activity::describe).collect()
    }
}

impl Activity {
    fn describe(&self) -> PendingActivity {
        let (state, next, started, worker) = match &self.state {
            AttemptState::Waiting { from } => {
                let next = (self.attempt > 1).then_some(*from);
                (PendingActivityState::Scheduled, next, None, String::new())
            }
            AttemptState::Started { time, identity, .. } => {
                (PendingActivityState::Started, None, Some(*time), identity.clone())
            }
        };
        PendingActivity {
            activity_id: self.scheduled.activity_id.clone(),
            activity_type: self.scheduled.activity_type.clone(),
            state,
            attempt: self.attempt,
            maximum_attempts: self.scheduled.retry_policy.maximum_attempts,
            scheduled_time: self.scheduled_time,
            expiration_time: None,
            last_started_time: started,
            next_attempt_schedule_time: next,
            last_failure: self.last_failure.clone(),
            last_worker_identity: worker,
            heartbeat: None,
            last_attempt_complete_time: None,
            options: ActivityOptions {
                task_queue: self.scheduled.task_queue.clone(),
                schedule_to_close_timeout: self.scheduled.schedule_to_close_timeout,
                schedule_to_start_timeout: self.scheduled.schedule_to_start_timeout,
                start_to_close_timeout: self.start_to_close_timeout(),
                heartbeat_timeout: self.scheduled.heartbeat_timeout,
                retry_policy: self.scheduled.retry_policy.clone(),
                priority: self.scheduled.priority.clone(),
            },
            pause: None,
        }
    }
}
