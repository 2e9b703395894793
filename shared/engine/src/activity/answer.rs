//! A worker's answer to an activity task.

use tidegate_model::payload::{Failure, FailureInfo, Payloads};

use super::AttemptState;
use crate::bounds;
use crate::engine::{Engine, Step};
use crate::request::{ActivityRef, ActivityTaskToken, Refusal, Reply};

impl Engine {
    pub(crate) fn take_activity_result(
        &mut self,
        step: &mut Step<'_>,
        task: &ActivityRef,
        result: Payloads,
        identity: String,
    ) -> Result<Reply, Refusal> {
        bounds::id("identity", &identity)?;
        let token = self.attempt_meant(task)?;
        let ActivityTaskToken { run_id, scheduled_event_id, attempt: _ } = token;
        let events = match bounds::payloads("activity result", &result, &self.settings) {
            Ok(()) => self.complete_activity(run_id, scheduled_event_id, result, identity),
            // The worker has done its work and cannot do better: the workflow must learn of it, not the worker.
            Err(bounds::Wrong(reason)) => {
                let info = FailureInfo::Server { non_retryable: true };
                let failure = Failure { info, ..Failure::application(reason, "", true) };
                self.fail_activity(step, run_id, scheduled_event_id, failure, identity)
            }
        };
        self.arrive(step, run_id, events);
        Ok(Reply::Done)
    }

    pub(crate) fn take_activity_failure(
        &mut self,
        step: &mut Step<'_>,
        task: &ActivityRef,
        failure: Failure,
        identity: String,
    ) -> Result<Reply, Refusal> {
        bounds::id("identity", &identity)?;
        let token = self.attempt_meant(task)?;
        let events = self.fail_activity(step, token.run_id, token.scheduled_event_id, failure, identity);
        self.arrive(step, token.run_id, events);
        Ok(Reply::Done)
    }

    /// The attempt that an answer is about.
    fn attempt_meant(&self, task: &ActivityRef) -> Result<ActivityTaskToken, Refusal> {
        match task {
            ActivityRef::Token(token) => {
                self.check_started(token)?;
                Ok(token.clone())
            }
            ActivityRef::Id { .. } => Err(Refusal::Unimplemented("completion by id")),
        }
    }

    /// Whether this very attempt is out.
    fn check_started(&self, token: &ActivityTaskToken) -> Result<(), Refusal> {
        let activity = self.open_run(token.run_id)?.activities.0.get(&token.scheduled_event_id);
        let is_theirs = activity.is_some_and(|activity| {
            activity.attempt == token.attempt && matches!(activity.state, AttemptState::Started { .. })
        });
        if is_theirs {
            Ok(())
        } else {
            // Temporal's words (`consts.ErrActivityTaskNotFound`).
            let message =
                "invalid activityID or activity already timed out or invoking workflow is completed";
            Err(Refusal::NotFound(String::from(message)))
        }
    }
}
