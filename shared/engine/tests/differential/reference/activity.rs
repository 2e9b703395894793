//! Activities: attempts at what the workflow asked for, which history does not hold.

use tidegate_engine::{ActivityRef, ActivityTask, ActivityTaskToken, Refusal, Reply};
use tidegate_model::event::Event;
use tidegate_model::id::{EventId, RunId};
use tidegate_model::payload::{Failure, FailureInfo, Payloads, RetryState, TimeoutType};

use super::run::Attempt;
use super::successor::retried;
use super::{Poll, Reference};

impl Reference {
    /// Activities that history has just begun have a first attempt.
    pub(super) fn remember_attempts(&mut self, run_id: RunId) {
        let run = self.run_mut(run_id);
        let times: Vec<(EventId, tidegate_model::time::Timestamp)> =
            run.activities().keys().map(|id| (*id, run.history[*id as usize - 1].0)).collect();
        for (id, time) in times {
            run.attempts.entry(id).or_insert(Attempt {
                scheduled: time,
                number: 1,
                waits_from: time,
                out: None,
                last_failure: None,
            });
        }
    }

    pub(super) fn oldest_activity(&self, poll: &Poll) -> Option<(RunId, Option<EventId>)> {
        let mut waiting = Vec::new();
        for run in self.runs.values().filter(|run| run.is_open() && run.namespace == poll.namespace) {
            for (id, scheduled) in run.activities() {
                let attempt = &run.attempts[&id];
                let is_ready = attempt.out.is_none() && attempt.waits_from <= self.now;
                if is_ready && scheduled.task_queue == poll.queue {
                    waiting.push((attempt.waits_from, run.run_id, id));
                }
            }
        }
        waiting.into_iter().min().map(|(_, run_id, id)| (run_id, Some(id)))
    }

    pub(super) fn hand_out_activity(&mut self, run_id: RunId, id: EventId, poll: Poll) {
        let now = self.now;
        let attempt = self.run_mut(run_id).attempts.get_mut(&id).expect("it was found a moment ago");
        attempt.out = Some((poll.identity.clone(), now));
        let (number, scheduled_time, waited_from) = (attempt.number, attempt.scheduled, attempt.waits_from);
        let run = self.run(run_id);
        let scheduled = run.activities()[&id].clone();
        let task = ActivityTask {
            token: ActivityTaskToken { run_id, scheduled_event_id: id, attempt: number },
            namespace: run.namespace.clone(),
            workflow_id: run.workflow_id.clone(),
            workflow_type: run.started().workflow_type.clone(),
            activity_id: scheduled.activity_id,
            activity_type: scheduled.activity_type,
            input: scheduled.input,
            header: scheduled.header,
            attempt: number,
            heartbeat_details: Payloads::new(),
            schedule_to_close_timeout: scheduled.schedule_to_close_timeout.unwrap_or_default(),
            start_to_close_timeout: scheduled.start_to_close_timeout.unwrap_or_default(),
            heartbeat_timeout: scheduled.heartbeat_timeout.unwrap_or_default(),
            retry_policy: scheduled.retry_policy,
            priority: scheduled.priority,
            scheduled_time,
            current_attempt_scheduled_time: waited_from,
            started_time: now,
        };
        self.replies.push((poll.ticket, Ok(Reply::ActivityTask(Some(Box::new(task))))));
    }

    /// The activity whose very attempt is out.
    fn attempt_meant(&self, task: &ActivityRef) -> Result<(RunId, EventId), Refusal> {
        let ActivityRef::Token(token) = task else { panic!("the reference has not learned {task:?}") };
        let not_found = |words: &str| Err(Refusal::NotFound(words.to_owned()));
        let Some(run) = self.runs.get(&token.run_id) else {
            return not_found("workflow execution not found");
        };
        if !run.is_open() {
            return not_found("workflow execution already completed");
        }
        let is_theirs = run.activities().contains_key(&token.scheduled_event_id)
            && run
                .attempts
                .get(&token.scheduled_event_id)
                .is_some_and(|attempt| attempt.number == token.attempt && attempt.out.is_some());
        if is_theirs { Ok((run.run_id, token.scheduled_event_id)) } else { not_found("invalid activityID") }
    }

    pub(super) fn take_activity_result(
        &mut self,
        task: &ActivityRef,
        result: Payloads,
        identity: String,
    ) -> Result<Reply, Refusal> {
        let (run_id, id) = self.attempt_meant(task)?;
        let end =
            Event::ActivityTaskCompleted { result, scheduled_event_id: id, started_event_id: 0, identity };
        let events = self.end_of_activity(run_id, id, end);
        self.arrive(run_id, events, true);
        Ok(Reply::Done)
    }

    pub(super) fn take_activity_failure(
        &mut self,
        task: &ActivityRef,
        failure: Failure,
        identity: String,
    ) -> Result<Reply, Refusal> {
        let (run_id, id) = self.attempt_meant(task)?;
        let events =
            self.attempt_failed(run_id, id, failure, |failure, retry_state| Event::ActivityTaskFailed {
                failure,
                scheduled_event_id: id,
                started_event_id: 0,
                identity,
                retry_state,
            });
        self.arrive(run_id, events, true);
        Ok(Reply::Done)
    }

    pub(super) fn attempt_timed_out(
        &mut self,
        run_id: RunId,
        id: EventId,
        timeout_type: TimeoutType,
    ) -> Vec<Event> {
        let failure = Failure::timeout("", timeout_type);
        let cause = self.run(run_id).attempts[&id].last_failure.clone().map(Box::new);
        self.attempt_failed(run_id, id, failure, |failure, retry_state| {
            // Where there is no time for another attempt, it is the time for all of them that is over.
            let is_of_all =
                retry_state == RetryState::Timeout && timeout_type != TimeoutType::ScheduleToStart;
            let failure =
                if is_of_all { Failure::timeout("", TimeoutType::ScheduleToClose) } else { failure };
            Event::ActivityTaskTimedOut {
                failure: Failure { cause, ..failure },
                scheduled_event_id: id,
                started_event_id: 0,
                retry_state,
            }
        })
    }

    /// The start of the attempt that ended it, and the end.
    fn end_of_activity(&mut self, run_id: RunId, id: EventId, end: Event) -> Vec<Event> {
        let attempt = self.run_mut(run_id).attempts.remove(&id).expect("it is open");
        let (number, last_failure) = (attempt.number, attempt.last_failure);
        let started = attempt.out.map(|(identity, _)| Event::ActivityTaskStarted {
            scheduled_event_id: id,
            identity,
            request_id: String::new(),
            attempt: number,
            last_failure,
        });
        started.into_iter().chain([end]).collect()
    }

    fn attempt_failed(
        &mut self,
        run_id: RunId,
        id: EventId,
        failure: Failure,
        last: impl FnOnce(Failure, RetryState) -> Event,
    ) -> Vec<Event> {
        let now = self.now;
        let scheduled = self.run(run_id).activities()[&id].clone();
        let is_over_for_all = matches!(
            failure.info,
            FailureInfo::Timeout {
                timeout_type: TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose,
                ..
            }
        );
        let attempt = self.run_mut(run_id).attempts.get_mut(&id).expect("it is open");
        let end = scheduled.schedule_to_close_timeout.map(|timeout| attempt.scheduled + timeout);
        let verdict = if is_over_for_all {
            Err(RetryState::Timeout)
        } else {
            retried(&scheduled.retry_policy, attempt.number, &failure).and_then(|wait| {
                if end.is_some_and(|end| now + wait > end) { Err(RetryState::Timeout) } else { Ok(wait) }
            })
        };
        match verdict {
            Ok(wait) => {
                *attempt = Attempt {
                    scheduled: attempt.scheduled,
                    number: attempt.number + 1,
                    waits_from: now + wait,
                    out: None,
                    last_failure: Some(failure),
                };
                Vec::new()
            }
            Err(state) => {
                let end = last(failure, state);
                self.end_of_activity(run_id, id, end)
            }
        }
    }

    /// A worker is gone: what it had of a run.
    pub(super) fn take_back(&mut self, run_id: RunId, identity: &str) {
        let run = self.run(run_id);
        let open: Vec<EventId> = run.activities().keys().copied().collect();
        let theirs: Vec<EventId> = open
            .into_iter()
            .filter(|id| run.attempts[id].out.as_ref().is_some_and(|(who, _)| who == identity))
            .collect();
        let mut arrived = Vec::new();
        for id in theirs {
            arrived.extend(self.attempt_timed_out(run_id, id, TimeoutType::StartToClose));
        }
        self.arrive(run_id, arrived, true);
        let has_task = self
            .run(run_id)
            .task
            .as_ref()
            .is_some_and(|task| task.lease.as_ref().is_some_and(|(who, _, _)| who == identity));
        if has_task {
            self.time_out_task(run_id, TimeoutType::StartToClose);
        }
        let run = self.run_mut(run_id);
        if run.sticky.as_ref().is_some_and(|sticky| sticky.identity == identity) {
            let waits_there =
                run.task.as_ref().is_some_and(|task| task.lease.is_none() && task.sticky_until.is_some());
            if waits_there {
                self.time_out_task(run_id, TimeoutType::ScheduleToStart);
            } else {
                run.sticky = None;
            }
        }
    }
}
