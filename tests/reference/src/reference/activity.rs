//! Activities: attempts at what the workflow asked for, which history does not hold.

use tidegate_engine::{ActivityRef, ActivityTask, ActivityTaskToken, Refusal, Reply};
use tidegate_model::event::{ActivityTaskScheduled, Event};
use tidegate_model::id::{EventId, RunId};
use tidegate_model::payload::{Failure, FailureInfo, Payload, Payloads, RetryState, TimeoutType};
use tidegate_model::time::Timestamp;

use super::Reference;
use super::polls::Poll;
use super::run::{Attempt, Out, Run};
use super::successor::{is_retryable, retried};

/// Who is asked for an answer that only the one who has the attempt can give.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    Started,
    Open,
}

impl Attempt {
    fn heartbeat_details(&self) -> Payloads {
        self.heartbeat.as_ref().map(|(_, details)| details.clone()).unwrap_or_default()
    }
}

impl Run {
    /// The time-outs of an activity that run, with their times. What is paused has none; silence counts from the
    /// beginning of the process at the earliest.
    pub(super) fn timeouts(
        &self,
        id: EventId,
        scheduled: &ActivityTaskScheduled,
        awake_since: Option<Timestamp>,
    ) -> Option<(Timestamp, TimeoutType)> {
        let attempt = &self.attempts[&id];
        let options = attempt.tried_as(scheduled);
        let mut all = Vec::new();
        if let Some(timeout) = options.schedule_to_close_timeout {
            all.push((attempt.scheduled + timeout, TimeoutType::ScheduleToClose));
        }
        match &attempt.out {
            None => all.extend(
                options
                    .schedule_to_start_timeout
                    .map(|timeout| (attempt.waits_from + timeout, TimeoutType::ScheduleToStart)),
            ),
            Some(out) => {
                all.push((out.since + options.start_to_close_timeout, TimeoutType::StartToClose));
                if let Some(timeout) = options.heartbeat_timeout {
                    let heard = attempt.heartbeat.as_ref().map_or(out.since, |(at, _)| (*at).max(out.since));
                    let since = awake_since.map_or(heard, |awake| awake.max(heard));
                    all.push((since + timeout, TimeoutType::Heartbeat));
                }
            }
        }
        all.into_iter().min().filter(|_| attempt.pause.is_none())
    }

    pub(super) fn activity_of_name(&self, name: &str) -> Option<EventId> {
        self.activities().into_iter().find(|(_, activity)| activity.activity_id == name).map(|(id, _)| id)
    }
}

impl Reference {
    /// Activities that history has just begun have a first attempt.
    pub(super) fn remember_attempts(&mut self, run_id: RunId) {
        let run = self.run_mut(run_id);
        let times: Vec<(EventId, Timestamp)> =
            run.activities().keys().map(|id| (*id, run.history[*id as usize - 1].0)).collect();
        for (id, time) in times {
            run.attempts.entry(id).or_insert(Attempt {
                scheduled: time,
                number: 1,
                waits_from: time,
                out: None,
                last_failure: None,
                last: None,
                heartbeat: None,
                options: None,
                pause: None,
                reset: None,
            });
        }
        let open: Vec<EventId> = run.activities().keys().copied().collect();
        run.attempts.retain(|id, _| open.contains(id));
    }

    /// The activities that wait on a queue and could be taken: since when.
    pub(super) fn activities_waiting(&self, key: &super::polls::Key) -> Vec<(Timestamp, RunId, EventId)> {
        let mut waiting = Vec::new();
        for run in self.runs.values().filter(|run| run.is_open() && run.namespace == key.namespace) {
            for (id, scheduled) in run.activities() {
                let attempt = &run.attempts[&id];
                let waits = attempt.out.is_none() && attempt.pause.is_none();
                let is_ready = waits && attempt.waits_from <= self.now;
                if is_ready && attempt.tried_as(scheduled).task_queue == key.queue {
                    waiting.push((attempt.waits_from, run.run_id, id));
                }
            }
        }
        waiting.sort();
        waiting
    }

    pub(super) fn hand_out_activity(&mut self, run_id: RunId, id: EventId, poll: &Poll) {
        let now = self.now;
        let attempt = self.run_mut(run_id).attempts.get_mut(&id).expect("it was found a moment ago");
        attempt.out = Some(Out { identity: poll.identity.clone(), since: now, number: attempt.number });
        let attempt = attempt.clone();
        let run = self.run(run_id);
        let scheduled = run.activities()[&id].clone();
        let options = attempt.tried_as(&scheduled);
        let task = ActivityTask {
            token: ActivityTaskToken { run_id, scheduled_event_id: id, attempt: attempt.number },
            namespace: run.namespace.clone(),
            workflow_id: run.workflow_id.clone(),
            workflow_type: run.started().workflow_type.clone(),
            activity_id: scheduled.activity_id,
            activity_type: scheduled.activity_type,
            input: scheduled.input,
            header: scheduled.header,
            attempt: attempt.number,
            heartbeat_details: attempt.heartbeat_details(),
            schedule_to_close_timeout: options.schedule_to_close_timeout.unwrap_or_default(),
            start_to_close_timeout: options.start_to_close_timeout,
            heartbeat_timeout: options.heartbeat_timeout.unwrap_or_default(),
            retry_policy: options.retry_policy,
            priority: options.priority.or_else(|| run.started().priority.clone()),
            scheduled_time: attempt.scheduled,
            current_attempt_scheduled_time: attempt.waits_from,
            started_time: now,
        };
        self.reply(poll.ticket, Ok(Reply::ActivityTask(Some(Box::new(task)))));
    }

    /// The activity that an answer is about; a token is good for the very attempt it came with.
    fn activity_meant(&self, task: &ActivityRef, wants: Wants) -> Result<(RunId, EventId), Refusal> {
        let not_found = |words: &str| Refusal::NotFound(words.to_owned());
        let (run_id, id) = match task {
            ActivityRef::Token(token) => {
                let run =
                    self.runs.get(&token.run_id).ok_or_else(|| not_found("workflow execution not found"))?;
                if !run.is_open() {
                    return Err(not_found("workflow execution already completed"));
                }
                let id = token.scheduled_event_id;
                let out = run.attempts.get(&id).and_then(|attempt| attempt.out.as_ref());
                if !run.activities().contains_key(&id) || out.is_none_or(|out| out.number != token.attempt) {
                    return Err(not_found("invalid activityID"));
                }
                (run.run_id, id)
            }
            ActivityRef::Id { namespace, workflow_id, run_id, activity_id } => {
                let run_id = self.meant_open(namespace, workflow_id, *run_id)?;
                let id = self.run(run_id).activity_of_name(activity_id);
                (run_id, id.ok_or_else(|| not_found("cannot find pending activity"))?)
            }
        };
        if wants == Wants::Started && self.run(run_id).attempts[&id].out.is_none() {
            return Err(not_found("invalid activityID"));
        }
        Ok((run_id, id))
    }

    fn is_too_large(&self, payloads: &Payloads) -> bool {
        payloads.iter().map(Payload::size).sum::<usize>() > self.settings.payload_bytes_max
    }

    pub(super) fn take_activity_result(
        &mut self,
        task: &ActivityRef,
        result: Payloads,
        identity: String,
    ) -> Result<Reply, Refusal> {
        let (run_id, id) = self.activity_meant(task, Wants::Open)?;
        if self.is_too_large(&result) {
            self.fail_for_size(run_id, id, identity);
            return Ok(Reply::Done);
        }
        // One that no worker has was begun by whoever knows the result.
        let attempt = self.run(run_id).attempts[&id].clone();
        let unstarted = attempt.out.is_none().then(|| Event::ActivityTaskStarted {
            scheduled_event_id: id,
            identity: identity.clone(),
            request_id: String::new(),
            attempt: attempt.number,
            last_failure: attempt.last_failure.clone(),
        });
        let end =
            Event::ActivityTaskCompleted { result, scheduled_event_id: id, started_event_id: 0, identity };
        let events = unstarted.into_iter().chain(self.end_of_activity(run_id, id, end)).collect();
        self.arrive(run_id, events, true);
        Ok(Reply::Done)
    }

    pub(super) fn take_activity_failure(
        &mut self,
        task: &ActivityRef,
        failure: Failure,
        reported: Option<Payloads>,
        identity: String,
    ) -> Result<Reply, Refusal> {
        let (run_id, id) = self.activity_meant(task, Wants::Started)?;
        if let Some(details) = reported.filter(|details| !self.is_too_large(details)) {
            self.hear(run_id, id, details);
        }
        self.fail_activity(run_id, id, failure, identity);
        Ok(Reply::Done)
    }

    pub(super) fn take_activity_cancellation(
        &mut self,
        task: &ActivityRef,
        details: Payloads,
        identity: String,
    ) -> Result<Reply, Refusal> {
        let (run_id, id) = self.activity_meant(task, Wants::Started)?;
        let Some(latest_cancel_requested_event_id) = self.run(run_id).cancel_of_activity(id) else {
            return Err(Refusal::InvalidArgument(String::from("nobody asked for it")));
        };
        let canceled = Event::ActivityTaskCanceled {
            details,
            latest_cancel_requested_event_id,
            scheduled_event_id: id,
            started_event_id: 0,
            identity,
        };
        let events = self.end_of_activity(run_id, id, canceled);
        self.arrive(run_id, events, true);
        Ok(Reply::Done)
    }

    /// By the answer alone a worker learns that its activity is wanted no longer.
    pub(super) fn take_heartbeat(
        &mut self,
        task: &ActivityRef,
        details: Payloads,
        identity: String,
    ) -> Result<Reply, Refusal> {
        let (run_id, id) = self.activity_meant(task, Wants::Started)?;
        if self.is_too_large(&details) {
            self.fail_for_size(run_id, id, identity);
            return Ok(Reply::Heartbeat { cancel_requested: true, paused: false, reset: false });
        }
        let run = self.run(run_id);
        let attempt = &run.attempts[&id];
        let reply = Reply::Heartbeat {
            cancel_requested: run.cancel_of_activity(id).is_some(),
            paused: attempt.pause.is_some(),
            reset: attempt.reset.is_some(),
        };
        self.hear(run_id, id, details);
        Ok(reply)
    }

    fn hear(&mut self, run_id: RunId, id: EventId, details: Payloads) {
        let now = self.now;
        let attempt = self.run_mut(run_id).attempts.get_mut(&id).expect("it is open");
        attempt.heartbeat = Some((now, details));
    }

    fn fail_activity(&mut self, run_id: RunId, id: EventId, failure: Failure, identity: String) {
        let events =
            self.attempt_failed(run_id, id, failure, |failure, retry_state| Event::ActivityTaskFailed {
                failure,
                scheduled_event_id: id,
                started_event_id: 0,
                identity,
                retry_state,
            });
        self.arrive(run_id, events, true);
    }

    /// What a worker sends is too large: the workflow is to learn of it.
    fn fail_for_size(&mut self, run_id: RunId, id: EventId, identity: String) {
        let info = FailureInfo::Server { non_retryable: true };
        self.fail_activity(run_id, id, Failure { info, ..Failure::application("", "", true) }, identity);
    }

    pub(super) fn attempt_timed_out(
        &mut self,
        run_id: RunId,
        id: EventId,
        timeout_type: TimeoutType,
    ) -> Vec<Event> {
        let failure = Failure::timeout("", timeout_type);
        let attempt = &self.run(run_id).attempts[&id];
        let cause = attempt.last_failure.clone().map(Box::new);
        let last_heartbeat_details = attempt.heartbeat_details();
        self.attempt_failed(run_id, id, failure, |failure, retry_state| {
            // Where there is no time for another attempt, it is the time for all of them that is over.
            let is_of_all =
                retry_state == RetryState::Timeout && timeout_type != TimeoutType::ScheduleToStart;
            let timeout_type = if is_of_all { TimeoutType::ScheduleToClose } else { timeout_type };
            let info = FailureInfo::Timeout { timeout_type, last_heartbeat_details };
            Event::ActivityTaskTimedOut {
                failure: Failure { cause, info, ..failure },
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
        let started = attempt.out.map(|out| Event::ActivityTaskStarted {
            scheduled_event_id: id,
            identity: out.identity,
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
        let run = self.run(run_id);
        let is_asked_to_cancel = run.cancel_of_activity(id).is_some();
        let options = run.attempts[&id].tried_as(run.activities()[&id]);
        let is_over_for_all = matches!(
            failure.info,
            FailureInfo::Timeout {
                timeout_type: TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose,
                ..
            }
        );
        let attempt = self.run_mut(run_id).attempts.get_mut(&id).expect("it is open");
        let end = options.schedule_to_close_timeout.map(|timeout| attempt.scheduled + timeout);
        let verdict = if is_asked_to_cancel {
            Err(RetryState::CancelRequested)
        } else if is_over_for_all {
            Err(RetryState::Timeout)
        } else if attempt.pause.is_some() && is_retryable(&options.retry_policy, &failure) {
            // However often it was tried: it waits for somebody to let it go on.
            Ok(std::time::Duration::ZERO)
        } else {
            retried(&options.retry_policy, attempt.number, &failure).and_then(|wait| {
                if end.is_some_and(|end| now + wait > end) { Err(RetryState::Timeout) } else { Ok(wait) }
            })
        };
        match verdict {
            Ok(wait) => {
                attempt.number += 1;
                attempt.waits_from = now + wait;
                attempt.last_failure = Some(failure);
                if let Some(out) = attempt.out.take() {
                    attempt.last = Some((out.since, now, out.identity));
                }
                if attempt.reset.take() == Some(true) {
                    attempt.heartbeat = None;
                }
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
            .filter(|id| run.attempts[id].out.as_ref().is_some_and(|out| out.identity == identity))
            .collect();
        let mut arrived = Vec::new();
        for id in theirs {
            arrived.extend(self.attempt_timed_out(run_id, id, TimeoutType::StartToClose));
        }
        self.arrive(run_id, arrived, true);
        if self.run(run_id).speculative.as_ref().is_some_and(|task| task.is_had_by(identity)) {
            self.run_mut(run_id).speculative = None;
        }
        if self.run(run_id).task.as_ref().is_some_and(|task| task.is_had_by(identity)) {
            self.time_out_task(run_id, TimeoutType::StartToClose);
        }
        let run = self.run_mut(run_id);
        if run.sticky.as_ref().is_some_and(|sticky| sticky.identity == identity) {
            if run.task.as_ref().is_some_and(super::run::Task::waits_sticky) {
                self.time_out_task(run_id, TimeoutType::ScheduleToStart);
            } else {
                run.sticky = None;
            }
        }
        self.speculate_if_wanted(run_id);
    }
}
