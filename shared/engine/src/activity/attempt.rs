//! Attempts at an activity: handed out, retried, ended.

use std::time::Duration;

use tidegate_model::event::Event;
use tidegate_model::id::{EventId, RunId};
use tidegate_model::payload::{Failure, FailureInfo, Payloads, RetryState, TimeoutType};
use tidegate_model::time::Timestamp;

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
            heartbeat_details: activity.heartbeat_details().clone(),
            schedule_to_close_timeout: activity.schedule_to_close_timeout().unwrap_or_default(),
            start_to_close_timeout: activity.start_to_close_timeout(),
            heartbeat_timeout: activity.heartbeat_timeout().unwrap_or_default(),
            retry_policy: activity.retry_policy().clone(),
            priority: activity.priority().or(run.head.priority.as_ref()).cloned(),
            scheduled_time: activity.scheduled_time,
            current_attempt_scheduled_time: activity.waited_from(),
            started_time: step.now,
        };
        let reply = Ok(Reply::ActivityTask(Some(Box::new(task))));
        step.effects.push(Effect::Reply { ticket: poll.ticket, reply });
    }

    /// Something took too long. Gives the events this ends the activity with, none if it is tried again.
    pub(crate) fn time_out_activity(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        scheduled_event_id: EventId,
        timeout_type: TimeoutType,
    ) -> Vec<Event> {
        // Temporal's words; people search for them.
        let message = format!("activity {timeout_type:?} timeout");
        let failure = Failure::timeout(message, timeout_type);
        self.end_attempt(step, run_id, scheduled_event_id, failure, |activity, failure, retry_state| {
            Event::ActivityTaskTimedOut {
                failure: activity.timed_out(failure, timeout_type, retry_state),
                scheduled_event_id,
                started_event_id: 0,
                retry_state,
            }
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
        let failure = failure::bounded(failure, &self.settings);
        self.end_attempt(step, run_id, scheduled_event_id, failure, |_, failure, retry_state| {
            Event::ActivityTaskFailed {
                failure,
                scheduled_event_id,
                started_event_id: 0,
                identity,
                retry_state,
            }
        })
    }

    /// There is a result: the events that end the activity. One that no worker has was begun by whoever gives it.
    pub(super) fn complete_activity(
        &self,
        run_id: RunId,
        scheduled_event_id: EventId,
        result: Payloads,
        identity: String,
    ) -> Vec<Event> {
        let activity = self.activity(run_id, scheduled_event_id);
        let started =
            activity.started_event(scheduled_event_id).unwrap_or_else(|| Event::ActivityTaskStarted {
                scheduled_event_id,
                identity: identity.clone(),
                request_id: String::new(),
                attempt: activity.attempt,
                last_failure: activity.last_failure.as_deref().cloned(),
            });
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
        last: impl FnOnce(&Activity, Failure, RetryState) -> Event,
    ) -> Vec<Event> {
        let activity = self.activity(run_id, scheduled_event_id);
        match activity.verdict(step.now, &failure) {
            Verdict::Again(wait) => {
                let change = StateChange::ActivityRetried {
                    run_id,
                    scheduled_event_id,
                    time: Some(step.now),
                    due: step.now + wait,
                    failure: failure::kept(failure),
                };
                self.commit(step, Record::State(change));
                Vec::new()
            }
            Verdict::Over(retry_state) => {
                let end = last(activity, failure, retry_state);
                activity.started_event(scheduled_event_id).into_iter().chain([end]).collect()
            }
        }
    }

    pub(super) fn activity(&self, run_id: RunId, scheduled_event_id: EventId) -> &Activity {
        self.run(run_id)
            .activities
            .0
            .get(&scheduled_event_id)
            .expect("an attempt belongs to an open activity")
    }
}

impl Activity {
    /// What follows when the attempt ends so, at `now`.
    fn verdict(&self, now: Timestamp, failure: &Failure) -> Verdict {
        if self.cancel_requested_event_id.is_some() {
            return Verdict::Over(RetryState::CancelRequested);
        }
        match &failure.info {
            // The engine's own bounds on all attempts: not one of them failed.
            FailureInfo::Timeout {
                timeout_type: TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose,
                ..
            } => return Verdict::Over(RetryState::Timeout),
            FailureInfo::Timeout {
                timeout_type: TimeoutType::StartToClose | TimeoutType::Heartbeat, ..
            }
            | FailureInfo::Application { .. }
            | FailureInfo::Server { .. }
            | FailureInfo::Canceled { .. }
            | FailureInfo::Terminated
            | FailureInfo::ResetWorkflow { .. }
            | FailureInfo::ChildWorkflow { .. }
            | FailureInfo::Activity { .. } => {}
        }
        // What is paused is tried again whenever it goes on, however often it was tried.
        if self.pause.is_some() && retry::is_retryable(self.retry_policy(), failure) {
            return Verdict::Again(Duration::ZERO);
        }
        retry::verdict(self.retry_policy(), self.attempt, failure).before(now, self.expires())
    }

    /// The failure of the event that ends it by time-out. Where there is no time for a further attempt it is the time
    /// for all of them that is over, whatever the last attempt took too long for
    /// (`timer_queue_active_task_executor.go`, `processSingleActivityTimeoutTask`).
    fn timed_out(&self, failure: Failure, timeout_type: TimeoutType, retry_state: RetryState) -> Failure {
        let is_of_all = retry_state == RetryState::Timeout && timeout_type != TimeoutType::ScheduleToStart;
        let failure = if is_of_all {
            let message = "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up \
                           retrying";
            Failure::timeout(message, TimeoutType::ScheduleToClose)
        } else {
            failure
        };
        let timeout_type = if is_of_all { TimeoutType::ScheduleToClose } else { timeout_type };
        Failure {
            info: FailureInfo::Timeout {
                timeout_type,
                last_heartbeat_details: self.heartbeat_details().clone(),
            },
            cause: self.last_failure.clone(),
            ..failure
        }
    }

    /// The event of the attempt that is out: written only with its end, because attempts that are retried leave
    /// nothing in history. `None` when no worker has it.
    pub(super) fn started_event(&self, scheduled_event_id: EventId) -> Option<Event> {
        match &self.state {
            AttemptState::Started { identity, request_id, .. } => Some(Event::ActivityTaskStarted {
                scheduled_event_id,
                identity: identity.clone(),
                request_id: request_id.clone(),
                attempt: self.attempt,
                last_failure: self.last_failure.as_deref().cloned(),
            }),
            AttemptState::Waiting { .. } => None,
        }
    }

    fn heartbeat_details(&self) -> &Payloads {
        const NONE: &Payloads = &Payloads::new();
        self.heartbeat.as_ref().map_or(NONE, |heartbeat| &heartbeat.details)
    }

    /// From when on the attempt that waits, or is out, could be taken.
    pub(super) fn waited_from(&self) -> Timestamp {
        match &self.state {
            AttemptState::Waiting { from } => *from,
            AttemptState::Started { waited_from, .. } => waited_from.unwrap_or(self.scheduled_time),
        }
    }
}
