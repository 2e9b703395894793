//! Open activities, for a person to see.

use tidegate_model::time::Timestamp;

use super::{Activities, Activity, AttemptState};
use crate::request::{PendingActivity, PendingActivityState};

impl Activities {
    /// In the order the workflow asked for them.
    pub(crate) fn describe(&self, now: Timestamp) -> Vec<PendingActivity> {
        self.0.values().map(|activity| activity.describe(now)).collect()
    }
}

impl Activity {
    fn describe(&self, now: Timestamp) -> PendingActivity {
        let (started, identity) = match &self.state {
            AttemptState::Waiting { .. } => (None, None),
            AttemptState::Started { time, identity, .. } => (Some(*time), Some(identity)),
        };
        let last = self.last_attempt.as_deref();
        let waits = self.waited_from();
        PendingActivity {
            activity_id: self.scheduled.activity_id.clone(),
            activity_type: self.scheduled.activity_type.clone(),
            state: self.pending_state(),
            attempt: self.attempt,
            maximum_attempts: self.retry_policy().maximum_attempts,
            scheduled_time: waits,
            expiration_time: self.expires(),
            last_started_time: started.or(last.map(|last| last.started)),
            next_attempt_schedule_time: (!self.is_started() && self.pause.is_none() && waits > now)
                .then_some(waits),
            last_failure: self.last_failure.as_deref().cloned(),
            last_worker_identity: identity.or(last.map(|last| &last.identity)).cloned().unwrap_or_default(),
            heartbeat: self.heartbeat.as_deref().map(|heartbeat| (heartbeat.time, heartbeat.details.clone())),
            last_attempt_complete_time: last.map(|last| last.completed),
            options: self.effective_options(),
            pause: self.pause.as_deref().cloned(),
        }
    }

    fn pending_state(&self) -> PendingActivityState {
        if self.cancel_requested_event_id.is_some() {
            return PendingActivityState::CancelRequested;
        }
        match (self.is_started(), self.pause.is_some()) {
            (false, false) => PendingActivityState::Scheduled,
            (true, false) => PendingActivityState::Started,
            (false, true) => PendingActivityState::Paused,
            (true, true) => PendingActivityState::PauseRequested,
        }
    }
}
