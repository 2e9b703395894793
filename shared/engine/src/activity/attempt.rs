//! Attempts at an activity: handed out, retried, ended.

use tidegate_model::event::Event;
use tidegate_model::id::{EventId, RunId};
use tidegate_model::payload::{Failure, Payloads, RetryState, TimeoutType};

use super::{Activity, AttemptState};
use crate::engine::{Effect, Engine, Step};
use crate::failure;
use crate::queue::Poll;
use crate::record::{Record, StateChange};
use crate::request::{ActivityTask, ActivityTaskToken, Reply};
use crate::retry::{self, Verdict};

impl Engine {
    pub(crate) fn hand_out_activity(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        scheduled_event_id: EventId,
        poll: Poll,
    ) {
        let request_id = format!("{:016x}", step.chance.next_u64());
        let change = StateChange::ActivityStarted {
            run_id,
            scheduled_event_id,
            time: step.now,
            identity: poll.identity,
            request_id,
        };
        self.commit(step, Record::State(change));
        let run = self.run(run_id);
        let activity = self.activity(run_id, scheduled_event_id);
        let scheduled = &activity.scheduled;
        let task = ActivityTask {
            token: ActivityTaskToken { run_id, scheduled_event_id, attempt: activity.attempt },
            namespace: run.head.namespace.clone(),
            workflow_id: run.head.workflow_id.clone(),
            workflow_type: run.head.workflow_type.clone(),
            activity_id: scheduled.activity_id.clone(),
            activity_type: scheduled.activity_type.clone(),
            input: scheduled.input.clone(),
            header: scheduled.header.clone(),
            attempt: activity.attempt,
            heartbeat_details: Payloads::new(),
            schedule_to_close_timeout: scheduled.schedule_to_close_timeout.unwrap_or_default(),
            start_to_close_timeout: activity.start_to_close_timeout(),
            heartbeat_timeout: scheduled.heartbeat_timeout.unwrap_or_default(),
            retry_policy: scheduled.retry_policy.clone(),
            priority: scheduled.priority.clone(),
            current_attempt_scheduled_time: activity.scheduled_time,
            scheduled_time: activity.scheduled_time,
            started_time: step.now,
        };
        let reply = Ok(Reply::ActivityTask(Some(Box::new(task))));
        step.effects.push(Effect::Reply { ticket: poll.ticket, reply });
    }

    /// The attempt that is out has taken too long. Gives the events this ends the activity with, none if it is
    /// tried again.
    pub(crate) fn time_out_activity(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        scheduled_event_id: EventId,
    ) -> Vec<Event> {
        let failure = Failure::timeout("activity StartToClose timeout", TimeoutType::StartToClose);
        self.end_attempt(step, run_id, scheduled_event_id, failure, |failure, retry_state| {
            Event::ActivityTaskTimedOut { failure, scheduled_event_id, started_event_id: 0, retry_state }
        })
    }

    /// The attempt that is out failed. As above.
    pub(super) fn fail_activity(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        scheduled_event_id: EventId,
        failure: Failure,
        identity: String,
    ) -> Vec<Event> {
        self.end_attempt(step, run_id, scheduled_event_id, failure, |failure, retry_state| {
            Event::ActivityTaskFailed {
                failure,
                scheduled_event_id,
                started_event_id: 0,
                identity,
                retry_state,
            }
        })
    }

    /// The attempt that is out brought a result: the events that end the activity.
    pub(super) fn complete_activity(
        &self,
        run_id: RunId,
        scheduled_event_id: EventId,
        result: Payloads,
        identity: String,
    ) -> Vec<Event> {
        let started = self.activity(run_id, scheduled_event_id).started_event(scheduled_event_id);
        vec![
            started,
            Event::ActivityTaskCompleted { result, scheduled_event_id, started_event_id: 0, identity },
        ]
    }

    fn end_attempt(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        scheduled_event_id: EventId,
        failure: Failure,
        last: impl FnOnce(Failure, RetryState) -> Event,
    ) -> Vec<Event> {
        let activity = self.activity(run_id, scheduled_event_id);
        match retry::verdict(&activity.scheduled.retry_policy, activity.attempt, &failure) {
            Verdict::Again(wait) => {
                let change = StateChange::ActivityRetried {
                    run_id,
                    scheduled_event_id,
                    due: step.now + wait,
                    failure: failure::cut(&failure),
                };
                self.commit(step, Record::State(change));
                Vec::new()
            }
            Verdict::Over(retry_state) => {
                vec![
                    activity.started_event(scheduled_event_id),
                    last(failure::bounded(failure, &self.settings), retry_state),
                ]
            }
        }
    }

    fn activity(&self, run_id: RunId, scheduled_event_id: EventId) -> &Activity {
        self.run(run_id)
            .activities
            .0
            .get(&scheduled_event_id)
            .expect("an attempt belongs to an open activity")
    }
}

impl Activity {
    /// The event of the attempt that is out: written only with its end, because attempts that are retried leave
    /// nothing in history.
    fn started_event(&self, scheduled_event_id: EventId) -> Event {
        match &self.state {
            AttemptState::Started { identity, request_id, .. } => Event::ActivityTaskStarted {
                scheduled_event_id,
                identity: identity.clone(),
                request_id: request_id.clone(),
                attempt: self.attempt,
                last_failure: self.last_failure.clone(),
            },
            AttemptState::Waiting { .. } => unreachable!("an attempt that ends is out"),
        }
    }
}
