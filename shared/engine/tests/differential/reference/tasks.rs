//! Workflow tasks: scheduled, handed out, answered, and tried again.

use std::time::Duration;

use tidegate_engine::{
    Command, HistoryPart, Refusal, Reply, WorkflowTask, WorkflowTaskCompletion, WorkflowTaskToken,
};
use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::id::{RunId, TaskQueue};
use tidegate_model::payload::{Failure, TimeoutType};

use super::run::{Run, Sticky, Task};
use super::{Kind, Reference};

const STICKY_UNPOLLED: Duration = Duration::from_secs(10);
const DEFAULT_STICKY_TIMEOUT: Duration = Duration::from_secs(10);

impl Reference {
    /// A new workflow task, of the first attempt: where the run's worker polls, else in the normal queue.
    pub(super) fn schedule_task(&mut self, run_id: RunId) {
        let run = self.run(run_id);
        let normal = run.started().task_queue.clone();
        let sticky = run.sticky.as_ref().map(|sticky| sticky.attributes.task_queue.clone());
        let queue = sticky.filter(|queue| self.is_polled(run, queue)).unwrap_or(normal);
        self.schedule_task_on(run_id, queue);
    }

    fn is_polled(&self, run: &Run, queue: &TaskQueue) -> bool {
        let waits = self.polls.iter().any(|poll| {
            poll.kind == Kind::Workflow && poll.namespace == run.namespace && poll.queue == *queue
        });
        let seen = self.polled.get(&(run.namespace.clone(), queue.clone()));
        waits || seen.is_some_and(|seen| self.now.saturating_since(*seen) < STICKY_UNPOLLED)
    }

    pub(super) fn schedule_task_on(&mut self, run_id: RunId, queue: TaskQueue) {
        let now = self.now;
        let run = self.run_mut(run_id);
        let timeout = run.started().workflow_task_timeout;
        let sticky = run.sticky.as_ref().filter(|sticky| sticky.attributes.task_queue == queue);
        let task = Task {
            queue: queue.clone(),
            scheduled_event_id: run.next_event_id(),
            scheduled_time: now.max(run.last_time()),
            attempt: 1,
            timeout,
            lease: None,
            sticky_until: sticky
                .map(|sticky| now.max(run.last_time()) + sticky.attributes.schedule_to_start_timeout),
        };
        run.next_attempt = 1;
        run.task = Some(task);
        let scheduled =
            Event::WorkflowTaskScheduled { task_queue: queue, start_to_close_timeout: timeout, attempt: 1 };
        self.write(run_id, vec![scheduled]);
    }

    /// After a failure with nothing new the task is tried again, and leaves no events until it succeeds.
    fn schedule_transient(&mut self, run_id: RunId) {
        let now = self.now;
        let run = self.run_mut(run_id);
        let attempt = run.next_attempt;
        let added = Duration::from_secs(match attempt {
            0..=2 => 0,
            3.. => 5_u64.saturating_mul(1_u64.checked_shl(attempt - 3).unwrap_or(u64::MAX)).min(600),
        });
        run.task = Some(Task {
            queue: run.started().task_queue.clone(),
            scheduled_event_id: run.next_event_id(),
            scheduled_time: now,
            attempt,
            timeout: run.started().workflow_task_timeout + added,
            lease: None,
            sticky_until: None,
        });
    }

    /// Gives the oldest task of a queue to whoever has waited there for longest. Whether there was any.
    pub(super) fn hand_something_out(&mut self) -> bool {
        for at in 0..self.polls.len() {
            let poll = &self.polls[at];
            let found = match poll.kind {
                Kind::Workflow => self.oldest_task(poll),
                Kind::Activity => self.oldest_activity(poll),
            };
            if let Some((run_id, activity)) = found {
                let poll = self.polls.remove(at);
                match activity {
                    None => self.hand_out_task(run_id, poll),
                    Some(scheduled_event_id) => self.hand_out_activity(run_id, scheduled_event_id, poll),
                }
                return true;
            }
        }
        false
    }

    fn oldest_task(&self, poll: &super::Poll) -> Option<(RunId, Option<u64>)> {
        let waiting = self.runs.values().filter_map(|run| {
            let task = run.task.as_ref().filter(|task| task.lease.is_none())?;
            let is_there = run.namespace == poll.namespace && task.queue == poll.queue;
            is_there.then_some((task.scheduled_time, run.run_id))
        });
        waiting.min().map(|(_, run_id)| (run_id, None))
    }

    fn hand_out_task(&mut self, run_id: RunId, poll: super::Poll) {
        let now = self.now;
        self.polled.insert((poll.namespace.clone(), poll.queue.clone()), now);
        let previous_started_event_id = self.run(run_id).previous_started();
        let run = self.run_mut(run_id);
        let mut task = run.task.clone().expect("it was found a moment ago");
        let is_sticky = task.sticky_until.is_some();
        if !is_sticky {
            run.sticky = None;
        }
        let is_transient = task.attempt > 1;
        let started_event_id = run.next_event_id() + u64::from(is_transient);
        task.lease = Some((poll.identity.clone(), now, started_event_id));
        run.task = Some(task.clone());
        let transient = if is_transient { transient_pair(&task) } else { Vec::new() };
        if !is_transient {
            self.write(run_id, vec![started(&task)]);
        }
        let run = self.run(run_id);
        let reply = WorkflowTask {
            token: WorkflowTaskToken {
                run_id,
                scheduled_event_id: task.scheduled_event_id,
                started_event_id,
                attempt: task.attempt,
                request_id: String::new(),
            },
            namespace: run.namespace.clone(),
            workflow_id: run.workflow_id.clone(),
            workflow_type: run.started().workflow_type.clone(),
            task_queue: run.started().task_queue.clone(),
            previous_started_event_id,
            started_event_id,
            attempt: task.attempt,
            // The harness reads the history from the host's log, as a host does.
            history: if is_sticky { HistoryPart::Since(Vec::new()) } else { HistoryPart::Whole },
            transient,
            started_time: now,
            scheduled_time: task.scheduled_time,
            messages: Vec::new(),
            query: None,
            queries: std::collections::BTreeMap::new(),
        };
        self.replies.push((poll.ticket, Ok(Reply::WorkflowTask(Some(Box::new(reply))))));
    }

    /// The run whose workflow task is out under this very token.
    fn leased(&self, token: &WorkflowTaskToken) -> Result<RunId, Refusal> {
        let not_found = |words: &str| Err(Refusal::NotFound(words.to_owned()));
        let Some(run) = self.runs.get(&token.run_id) else {
            return not_found("workflow execution not found");
        };
        if !run.is_open() {
            return not_found("workflow execution already completed");
        }
        let is_theirs = run.task.as_ref().is_some_and(|task| {
            let started = task.lease.as_ref().map(|(_, _, id)| *id);
            task.scheduled_event_id == token.scheduled_event_id
                && started == Some(token.started_event_id)
                && task.attempt == token.attempt
        });
        if is_theirs { Ok(run.run_id) } else { not_found("Workflow task not found.") }
    }

    pub(super) fn complete_task(&mut self, completion: WorkflowTaskCompletion) -> Result<Reply, Refusal> {
        let run_id = self.leased(&completion.token)?;
        match self.events_of_commands(run_id, &completion) {
            Ok(planned) => {
                let task = self.run(run_id).task.clone().expect("it is leased");
                if task.attempt > 1 {
                    let (_, since, _) = task.lease.clone().expect("it is leased");
                    self.write_at(since, run_id, transient_pair(&task));
                }
                let waited = self.flushed_without(run_id, &planned.taken_back);
                let run = self.run_mut(run_id);
                run.buffer.clear();
                run.task = None;
                run.next_attempt = 1;
                run.sticky = sticky_of(run, &completion);
                let completed = Event::WorkflowTaskCompleted {
                    scheduled_event_id: completion.token.scheduled_event_id,
                    started_event_id: completion.token.started_event_id,
                    identity: completion.identity.clone(),
                    sdk_metadata: completion.sdk_metadata.clone(),
                };
                let has_waited = !waited.is_empty();
                self.write(run_id, std::iter::once(completed).chain(planned.events).chain(waited).collect());
                self.remember_attempts(run_id);
                if has_waited {
                    self.schedule_task(run_id);
                }
                if let Some(successor) = planned.successor {
                    self.begin_successor(successor);
                }
                Ok(Reply::Done)
            }
            Err((cause, message)) => {
                let is_unhandled = cause == WorkflowTaskFailedCause::UnhandledCommand;
                if completion.token.attempt == 1 || is_unhandled {
                    let failure = Failure::application(message.clone(), "", true);
                    self.fail_task(run_id, cause, failure, completion.identity);
                }
                Err(Refusal::InvalidArgument(message))
            }
        }
    }

    pub(super) fn take_task_failure(
        &mut self,
        token: &WorkflowTaskToken,
        cause: WorkflowTaskFailedCause,
        failure: Failure,
        identity: String,
    ) -> Result<Reply, Refusal> {
        let run_id = self.leased(token)?;
        // A further attempt that fails is not answered but left to time out: that is its back-off.
        if token.attempt == 1 {
            self.fail_task(run_id, cause, failure, identity);
        }
        Ok(Reply::Done)
    }

    pub(super) fn fail_task(
        &mut self,
        run_id: RunId,
        cause: WorkflowTaskFailedCause,
        failure: Failure,
        identity: String,
    ) {
        let task = self.run(run_id).task.clone().expect("a task that fails is out");
        let (_, _, started_event_id) = task.lease.expect("a task that fails is out");
        let failed = Event::WorkflowTaskFailed {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id,
            cause,
            failure,
            identity,
            reset: None,
        };
        self.end_task(run_id, failed);
    }

    pub(super) fn time_out_task(&mut self, run_id: RunId, timeout_type: TimeoutType) {
        let task = self.run(run_id).task.clone().expect("a task that times out exists");
        let timed_out = Event::WorkflowTaskTimedOut {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: task.lease.map_or(0, |(_, _, started_event_id)| started_event_id),
            timeout_type,
        };
        self.end_task(run_id, timed_out);
    }

    /// What waited is flushed; a worker with the run in its cache loses it, and the attempt counts anew; else the next
    /// attempt is one more, and transient unless there is something new.
    fn end_task(&mut self, run_id: RunId, end: Event) {
        let run = self.run_mut(run_id);
        let was_transient = run.task.as_ref().is_some_and(|task| task.attempt > 1);
        let waited = run.flushed();
        run.buffer.clear();
        run.task = None;
        let was_sticky = run.sticky.take().is_some();
        if !was_sticky {
            run.next_attempt += 1;
        }
        let is_new = !waited.is_empty();
        let end = (!was_transient).then_some(end);
        self.write(run_id, end.into_iter().chain(waited).collect());
        if was_sticky || is_new {
            let queue = self.run(run_id).started().task_queue.clone();
            self.schedule_task_on(run_id, queue);
        } else {
            self.schedule_transient(run_id);
        }
    }

    /// What a closing run leaves of its workflow task: nobody will answer it.
    pub(super) fn give_up_task(&mut self, run_id: RunId) {
        let run = self.run_mut(run_id);
        let waited = run.flushed();
        run.buffer.clear();
        let task = run.task.take();
        let given_up = task.filter(|task| task.attempt == 1).and_then(|task| {
            let (_, _, started_event_id) = task.lease?;
            Some(Event::WorkflowTaskFailed {
                scheduled_event_id: task.scheduled_event_id,
                started_event_id,
                cause: WorkflowTaskFailedCause::ForceCloseCommand,
                failure: Failure {
                    info: tidegate_model::payload::FailureInfo::Server { non_retryable: false },
                    ..Failure::application("", "", false)
                },
                identity: String::from("history-service"),
                reset: None,
            })
        });
        self.write(run_id, given_up.into_iter().chain(waited).collect());
    }
}

/// Where the worker wants the next task: not on the normal queue, which others poll too.
fn sticky_of(run: &Run, completion: &WorkflowTaskCompletion) -> Option<Sticky> {
    let wanted = completion.sticky.clone()?;
    if wanted.task_queue == run.started().task_queue {
        return None;
    }
    let mut attributes = wanted;
    if attributes.schedule_to_start_timeout.is_zero() {
        attributes.schedule_to_start_timeout = DEFAULT_STICKY_TIMEOUT;
    }
    Some(Sticky { attributes, identity: completion.identity.clone() })
}

fn started(task: &Task) -> Event {
    let (identity, _, _) = task.lease.clone().expect("called for a task that is out");
    Event::WorkflowTaskStarted {
        scheduled_event_id: task.scheduled_event_id,
        request_id: String::new(),
        identity,
        suggest_continue_as_new: false,
        history_size_bytes: 0,
    }
}

/// The two events of an attempt after the first, as its worker sees them, and as they are written when it succeeds.
fn transient_pair(task: &Task) -> Vec<Event> {
    let scheduled = Event::WorkflowTaskScheduled {
        task_queue: task.queue.clone(),
        start_to_close_timeout: task.timeout,
        attempt: task.attempt,
    };
    vec![scheduled, started(task)]
}

/// What the commands of a task become.
pub(super) struct Planned {
    pub(super) events: Vec<Event>,
    /// Started events of the timers whose fired events wait and are taken back.
    pub(super) taken_back: Vec<u64>,
    pub(super) successor: Option<super::successor::Successor>,
}

/// Whether a command ends the run.
pub(super) fn closes(command: &Command) -> bool {
    matches!(
        command,
        Command::CompleteWorkflowExecution { .. }
            | Command::FailWorkflowExecution { .. }
            | Command::CancelWorkflowExecution { .. }
            | Command::ContinueAsNewWorkflowExecution(_)
    )
}
