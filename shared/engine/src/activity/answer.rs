//! A worker's answer to an activity task, and what it reports meanwhile.

use tidegate_model::event::Event;
use tidegate_model::id::{EventId, RunId};
use tidegate_model::payload::{Failure, FailureInfo, Payloads};

use super::{Activity, AttemptState};
use crate::bounds::{self, Wrong};
use crate::engine::{Engine, Step};
use crate::record::{Record, StateChange};
use crate::request::{ActivityRef, ActivityTaskToken, Refusal, Reply};
use crate::run::Run;

/// Whether an answer makes sense although no worker has the activity.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    Started,
    /// Somebody who knows the result by other ways may give it.
    Open,
}

impl Engine {
    pub(crate) fn take_activity_result(
        &mut self,
        step: &mut Step<'_>,
        task: &ActivityRef,
        result: Payloads,
        identity: String,
    ) -> Result<Reply, Refusal> {
        bounds::id("identity", &identity)?;
        let (run_id, scheduled_event_id) = self.activity_meant(task, Wants::Open)?;
        let events = match bounds::payloads("activity result", &result, &self.settings) {
            Ok(()) => self.complete_activity(run_id, scheduled_event_id, result, identity),
            Err(wrong) => self.fail_for_size(step, run_id, scheduled_event_id, wrong, identity),
        };
        self.arrive(step, run_id, events);
        Ok(Reply::Done)
    }

    pub(crate) fn take_activity_failure(
        &mut self,
        step: &mut Step<'_>,
        task: &ActivityRef,
        failure: Failure,
        last_heartbeat_details: Option<Payloads>,
        identity: String,
    ) -> Result<Reply, Refusal> {
        bounds::id("identity", &identity)?;
        let (run_id, scheduled_event_id) = self.activity_meant(task, Wants::Started)?;
        // Details that are too large are left out: the failure itself is what the worker came for.
        let fits = |details: &Payloads| bounds::payloads("details", details, &self.settings).is_ok();
        if let Some(details) = last_heartbeat_details.filter(fits) {
            self.record_heartbeat(step, run_id, scheduled_event_id, details);
        }
        let events = self.fail_activity(step, run_id, scheduled_event_id, failure, identity);
        self.arrive(step, run_id, events);
        Ok(Reply::Done)
    }

    pub(crate) fn take_activity_cancellation(
        &mut self,
        step: &mut Step<'_>,
        task: &ActivityRef,
        details: Payloads,
        identity: String,
    ) -> Result<Reply, Refusal> {
        bounds::id("identity", &identity)?;
        let (run_id, scheduled_event_id) = self.activity_meant(task, Wants::Started)?;
        let activity = self.activity(run_id, scheduled_event_id);
        let Some(latest_cancel_requested_event_id) = activity.cancel_requested_event_id else {
            // Temporal's words (`consts.ErrActivityTaskNotCancelRequested`).
            let message = "unable to mark activity as canceled without activity being request canceled first";
            return Err(Refusal::InvalidArgument(String::from(message)));
        };
        let events = match bounds::payloads("cancellation details", &details, &self.settings) {
            Ok(()) => {
                let canceled = Event::ActivityTaskCanceled {
                    details,
                    latest_cancel_requested_event_id,
                    scheduled_event_id,
                    started_event_id: 0,
                    identity,
                };
                activity.started_event(scheduled_event_id).into_iter().chain([canceled]).collect()
            }
            Err(wrong) => self.fail_for_size(step, run_id, scheduled_event_id, wrong, identity),
        };
        self.arrive(step, run_id, events);
        Ok(Reply::Done)
    }

    /// The reply is the only way by which a worker learns that its activity is wanted no longer.
    pub(crate) fn take_heartbeat(
        &mut self,
        step: &mut Step<'_>,
        task: &ActivityRef,
        details: Payloads,
        identity: String,
    ) -> Result<Reply, Refusal> {
        bounds::id("identity", &identity)?;
        let (run_id, scheduled_event_id) = self.activity_meant(task, Wants::Started)?;
        if let Err(wrong) = bounds::payloads("heartbeat details", &details, &self.settings) {
            let events = self.fail_for_size(step, run_id, scheduled_event_id, wrong, identity);
            self.arrive(step, run_id, events);
            return Ok(Reply::Heartbeat { cancel_requested: true, paused: false, reset: false });
        }
        let activity = self.activity(run_id, scheduled_event_id);
        let reply = Reply::Heartbeat {
            cancel_requested: activity.cancel_requested_event_id.is_some(),
            paused: activity.pause.is_some(),
            reset: activity.reset.is_some(),
        };
        self.record_heartbeat(step, run_id, scheduled_event_id, details);
        Ok(reply)
    }

    fn record_heartbeat(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        scheduled_event_id: EventId,
        details: Payloads,
    ) {
        let change = StateChange::ActivityHeartbeat { run_id, scheduled_event_id, time: step.now, details };
        self.commit(step, Record::State(change));
    }

    /// The worker has done its work and cannot do better than send what is too large: the workflow must learn of it,
    /// not the worker.
    fn fail_for_size(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        scheduled_event_id: EventId,
        Wrong(reason): Wrong,
        identity: String,
    ) -> Vec<Event> {
        let info = FailureInfo::Server { non_retryable: true };
        let failure = Failure { info, ..Failure::application(reason, "", true) };
        self.fail_activity(step, run_id, scheduled_event_id, failure, identity)
    }

    /// The activity that an answer is about: a token names one attempt at it, and an older one is not found.
    fn activity_meant(&self, task: &ActivityRef, wants: Wants) -> Result<(RunId, EventId), Refusal> {
        let (run_id, scheduled_event_id, activity) = match task {
            ActivityRef::Token(token) => {
                let ActivityTaskToken { run_id, scheduled_event_id, attempt } = *token;
                let activity = self.open_run(run_id)?.activities.0.get(&scheduled_event_id);
                let theirs = activity.filter(|activity| activity.is_out_as(attempt));
                (run_id, scheduled_event_id, theirs.ok_or_else(task_not_found)?)
            }
            ActivityRef::Id { namespace, workflow_id, run_id, activity_id } => {
                bounds::required_id("activity id", activity_id)?;
                let run = self.find_open(namespace, workflow_id, *run_id)?;
                let (scheduled_event_id, activity) = run.activity_of_name(activity_id)?;
                (run.head.run_id, scheduled_event_id, activity)
            }
        };
        if wants == Wants::Started && !activity.is_started() {
            return Err(task_not_found());
        }
        Ok((run_id, scheduled_event_id))
    }
}

impl Activity {
    /// Whether this very attempt is out.
    fn is_out_as(&self, attempt: u32) -> bool {
        match self.state {
            AttemptState::Waiting { .. } => false,
            AttemptState::Started { numbered, .. } => numbered.unwrap_or(self.attempt) == attempt,
        }
    }
}

impl Run {
    fn activity_of_name(&self, activity_id: &str) -> Result<(EventId, &Activity), Refusal> {
        let found =
            self.activities.0.iter().find(|(_, activity)| activity.scheduled.activity_id == activity_id);
        found.map(|(scheduled_event_id, activity)| (*scheduled_event_id, activity)).ok_or_else(|| {
            // Temporal's words (`api.GetActivityScheduledEventID`).
            Refusal::NotFound(format!(
                "cannot find pending activity with ActivityID {activity_id}, check workflow execution history for \
                 more details"
            ))
        })
    }
}

/// Temporal's words (`consts.ErrActivityTaskNotFound`).
fn task_not_found() -> Refusal {
    let message = "invalid activityID or activity already timed out or invoking workflow is completed";
    Refusal::NotFound(String::from(message))
}
