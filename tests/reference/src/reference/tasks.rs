//! Workflow tasks: scheduled, handed out, answered, and tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_engine::{
    HistoryPart, Refusal, Reply, Ticket, WorkflowTask, WorkflowTaskCompletion, WorkflowTaskToken,
};
use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::id::{RunId, TaskQueue};
use tidegate_model::payload::{Failure, FailureInfo, Payloads, TimeoutType};

use super::Reference;
use super::commands::{Bad, Planned};
use super::polls::Key;
use super::run::{Lease, Run, Sticky, Task};

const DEFAULT_STICKY_TIMEOUT: Duration = Duration::from_secs(10);
/// For so long a worker may do nothing but ask for the next task.
const LONGEST_BEATING: Duration = Duration::from_secs(1_800);

impl Reference {
    /// A new workflow task, of the first attempt: where the run's worker polls, else in the normal queue.
    pub(super) fn schedule_task(&mut self, run_id: RunId) {
        let queue = self.queue_for_task(run_id);
        self.schedule_task_on(run_id, queue);
    }

    pub(super) fn queue_for_task(&self, run_id: RunId) -> TaskQueue {
        let run = self.run(run_id);
        let sticky = run.sticky.as_ref().map(|sticky| sticky.attributes.task_queue.clone());
        let is_polled = |queue: &TaskQueue| self.was_polled(&Key::of_workflows(&run.namespace, queue));
        sticky.filter(is_polled).unwrap_or_else(|| run.started().task_queue.clone())
    }

    pub(super) fn schedule_task_on(&mut self, run_id: RunId, queue: TaskQueue) {
        let now = self.now;
        let run = self.run_mut(run_id);
        let timeout = run.started().workflow_task_timeout;
        let scheduled_time = now.max(run.last_time());
        run.next_attempt = 1;
        run.task = Some(run.new_task(queue.clone(), scheduled_time));
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
        let task = run.new_task(run.started().task_queue.clone(), now);
        run.task = Some(Task { attempt, timeout: task.timeout + added, sticky_until: None, ..task });
    }

    pub(super) fn hand_out_task(&mut self, run_id: RunId, ticket: Ticket, identity: String) -> WorkflowTask {
        let is_long = self.is_long(run_id);
        let (now, request_id) = (self.now, self.names.tasks.get(&ticket).cloned().unwrap_or_default());
        let run = self.run_mut(run_id);
        let mut task = run.task.clone().expect("it was found a moment ago");
        if task.sticky_until.is_none() {
            run.sticky = None;
        }
        let is_transient = task.attempt > 1;
        let started_event_id = run.next_event_id() + u64::from(is_transient);
        task.lease = Some(Lease { identity, since: now, started_event_id, request_id, is_long });
        run.task = Some(task.clone());
        let transient = if is_transient { pair(&task) } else { Vec::new() };
        if !is_transient {
            self.write(run_id, vec![started(&task)]);
        }
        self.shown(run_id, &task, transient)
    }

    /// A task that is out, as its worker sees it, with all that goes along.
    pub(super) fn shown(&mut self, run_id: RunId, task: &Task, transient: Vec<Event>) -> WorkflowTask {
        let lease = task.lease.clone().expect("called for a task that is out");
        let messages = self.messages_for_task(run_id, lease.started_event_id);
        let queries = self.queries_for_task(run_id);
        let run = self.run(run_id);
        WorkflowTask {
            token: WorkflowTaskToken {
                run_id,
                scheduled_event_id: task.scheduled_event_id,
                started_event_id: lease.started_event_id,
                attempt: task.attempt,
                request_id: lease.request_id,
            },
            namespace: run.namespace.clone(),
            workflow_id: run.workflow_id.clone(),
            workflow_type: run.started().workflow_type.clone(),
            task_queue: run.started().task_queue.clone(),
            previous_started_event_id: run.previous_started(),
            started_event_id: lease.started_event_id,
            attempt: task.attempt,
            // The harness reads the history from the host's log, as a host does.
            history: HistoryPart::Whole,
            transient,
            started_time: lease.since,
            scheduled_time: task.scheduled_time,
            messages,
            query: None,
            queries,
        }
    }

    /// Whether a workflow is told to continue as new.
    pub(super) fn is_long(&self, run_id: RunId) -> bool {
        let run = self.run(run_id);
        let settings = &self.settings;
        run.history.len() as u64 >= settings.history_events_suggest
            || run.updates().len() * 10 >= settings.updates_per_run_max * 9
    }

    /// The run whose workflow task is out under this very token.
    fn leased(&mut self, token: &WorkflowTaskToken) -> Result<RunId, Refusal> {
        if self.is_speculative(token) {
            self.firm_up(token.run_id);
        }
        let not_found = |words: &str| Err(Refusal::NotFound(words.to_owned()));
        let Some(run) = self.runs.get(&token.run_id) else {
            return not_found("workflow execution not found");
        };
        if !run.is_open() {
            return not_found("workflow execution already completed");
        }
        if run.task.as_ref().is_some_and(|task| is_under(task, token)) {
            Ok(run.run_id)
        } else {
            not_found("Workflow task not found.")
        }
    }

    pub(super) fn complete_task(
        &mut self,
        ticket: Ticket,
        completion: WorkflowTaskCompletion,
    ) -> Result<Reply, Refusal> {
        if self.came_to_nothing(&completion) {
            return Ok(self.forget_task(completion));
        }
        let run_id = self.leased(&completion.token)?;
        let task = self.run(run_id).task.clone().expect("it is leased");
        let asks_for_time = completion.force_create_new_workflow_task;
        let only_beats = asks_for_time && completion.commands.is_empty() && completion.messages.is_empty();
        let beating_since = task.beating_since.unwrap_or(task.scheduled_time);
        if only_beats && self.now > beating_since + LONGEST_BEATING {
            self.time_out_task(run_id, TimeoutType::StartToClose);
            return Err(Refusal::NotFound(String::from("workflow task heartbeat timeout")));
        }
        match self.plan(run_id, &completion) {
            Ok(planned) => {
                let rejected = planned.rejected.clone();
                let is_next = self.carry_out(run_id, &task, planned, &completion);
                self.settle_messages(run_id, rejected, asks_for_time);
                self.take_query_results(run_id, completion.query_results);
                if !completion.return_new_workflow_task {
                    return Ok(Reply::Done);
                }
                let next = is_next.then(|| Box::new(self.hand_out_task(run_id, ticket, completion.identity)));
                Ok(Reply::WorkflowTaskCompleted { next, reset_history_event_id: None })
            }
            Err(Bad { cause, words, is_end }) => {
                self.refuse_sent_updates(run_id);
                let is_unhandled = cause == WorkflowTaskFailedCause::UnhandledCommand;
                if completion.token.attempt == 1 || is_unhandled {
                    let failure = Failure::application(words.clone(), "", true);
                    if is_end {
                        self.fail_run_with_task(run_id, cause, failure, completion.identity);
                    } else {
                        self.fail_task(run_id, cause, failure, completion.identity);
                    }
                }
                Err(Refusal::InvalidArgument(words))
            }
        }
    }

    /// The completion, what the commands become, what waited, and a task to see that. Whether there is one.
    fn carry_out(
        &mut self,
        run_id: RunId,
        task: &Task,
        planned: Planned,
        completion: &WorkflowTaskCompletion,
    ) -> bool {
        if task.attempt > 1 {
            let since = task.lease.as_ref().expect("it is leased").since;
            self.write_at(since, run_id, pair(task));
        }
        let mut waited = self.flushed_without(run_id, &planned.taken_back);
        waited.extend(planned.arrived);
        let run = self.run_mut(run_id);
        run.buffer.clear();
        run.task = None;
        run.next_attempt = 1;
        run.sticky = sticky_of(run, completion);
        let completed = Event::WorkflowTaskCompleted {
            scheduled_event_id: completion.token.scheduled_event_id,
            started_event_id: completion.token.started_event_id,
            identity: completion.identity.clone(),
            sdk_metadata: completion.sdk_metadata.clone(),
        };
        let asks_for_time = completion.force_create_new_workflow_task;
        let is_next = !waited.is_empty() || asks_for_time && !planned.closes;
        let only_beats = planned.events.is_empty() && waited.is_empty();
        self.write(run_id, std::iter::once(completed).chain(planned.events).chain(waited).collect());
        self.remember_attempts(run_id);
        if is_next {
            let run = self.run(run_id);
            let sticky = run.sticky.as_ref().map(|sticky| sticky.attributes.task_queue.clone());
            if completion.return_new_workflow_task {
                let queue = sticky.unwrap_or_else(|| run.started().task_queue.clone());
                self.schedule_task_on(run_id, queue);
            } else {
                self.schedule_task(run_id);
            }
            if let Some(next) = self.run_mut(run_id).task.as_mut().filter(|_| only_beats) {
                next.beating_since = Some(task.beating_since.unwrap_or(task.scheduled_time));
            }
        }
        if let Some(successor) = planned.successor {
            self.begin_successor(successor);
        }
        is_next
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

    fn task_failed(
        &self,
        run_id: RunId,
        cause: WorkflowTaskFailedCause,
        failure: Failure,
        identity: String,
    ) -> Event {
        let task = self.run(run_id).task.as_ref().expect("a task that fails is out");
        Event::WorkflowTaskFailed {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: task.lease.as_ref().expect("a task that fails is out").started_event_id,
            cause,
            failure,
            identity,
            reset: None,
        }
    }

    fn fail_task(
        &mut self,
        run_id: RunId,
        cause: WorkflowTaskFailedCause,
        failure: Failure,
        identity: String,
    ) {
        let failed = self.task_failed(run_id, cause, failure, identity);
        self.end_task(run_id, failed);
    }

    /// What is too large now is too large at every attempt.
    fn fail_run_with_task(
        &mut self,
        run_id: RunId,
        cause: WorkflowTaskFailedCause,
        failure: Failure,
        identity: String,
    ) {
        let failed = self.task_failed(run_id, cause, failure, identity);
        let terminated = Event::WorkflowExecutionTerminated {
            reason: String::new(),
            details: Payloads::new(),
            identity: String::from("history-service"),
        };
        let waited = self.run(run_id).flushed();
        self.write(run_id, std::iter::once(failed).chain(waited).chain([terminated]).collect());
    }

    pub(super) fn time_out_task(&mut self, run_id: RunId, timeout_type: TimeoutType) {
        let task = self.run(run_id).task.clone().expect("a task that times out exists");
        let timed_out = Event::WorkflowTaskTimedOut {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: task.lease.map_or(0, |lease| lease.started_event_id),
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
            Some(Event::WorkflowTaskFailed {
                scheduled_event_id: task.scheduled_event_id,
                started_event_id: task.lease?.started_event_id,
                cause: WorkflowTaskFailedCause::ForceCloseCommand,
                failure: Failure {
                    info: FailureInfo::Server { non_retryable: false },
                    ..Failure::application("", "", false)
                },
                identity: String::from("history-service"),
                reset: None,
            })
        });
        self.write(run_id, given_up.into_iter().chain(waited).collect());
    }

    pub(super) fn queries_for_task(&self, run_id: RunId) -> BTreeMap<String, tidegate_engine::WorkflowQuery> {
        let buffered =
            self.volatile.queries.iter().filter(|query| query.run_id == run_id && query.is_buffered());
        buffered.map(|query| (query.ticket.0.to_string(), query.asked.clone())).collect()
    }
}

impl Run {
    /// A task of the first attempt, with its id if it is the next to come.
    pub(super) fn new_task(&self, queue: TaskQueue, scheduled_time: tidegate_model::time::Timestamp) -> Task {
        let sticky = self.sticky.as_ref().filter(|sticky| sticky.attributes.task_queue == queue);
        Task {
            scheduled_event_id: self.next_event_id(),
            scheduled_time,
            attempt: 1,
            timeout: self.started().workflow_task_timeout,
            lease: None,
            sticky_until: sticky.map(|sticky| scheduled_time + sticky.attributes.schedule_to_start_timeout),
            beating_since: None,
            queue,
        }
    }
}

/// Whether a task is out under this very token.
pub(super) fn is_under(task: &Task, token: &WorkflowTaskToken) -> bool {
    let lease = task.lease.as_ref();
    task.scheduled_event_id == token.scheduled_event_id
        && lease.is_some_and(|lease| {
            lease.started_event_id == token.started_event_id && lease.request_id == token.request_id
        })
        && task.attempt == token.attempt
}

/// Where the worker wants the next task: not on the normal queue, which others poll too.
fn sticky_of(run: &Run, completion: &WorkflowTaskCompletion) -> Option<Sticky> {
    let mut attributes = completion.sticky.clone()?;
    if attributes.task_queue == run.started().task_queue {
        return None;
    }
    if attributes.schedule_to_start_timeout.is_zero() {
        attributes.schedule_to_start_timeout = DEFAULT_STICKY_TIMEOUT;
    }
    Some(Sticky { attributes, identity: completion.identity.clone() })
}

fn started(task: &Task) -> Event {
    let lease = task.lease.clone().expect("called for a task that is out");
    Event::WorkflowTaskStarted {
        scheduled_event_id: task.scheduled_event_id,
        request_id: lease.request_id,
        identity: lease.identity,
        suggest_continue_as_new: lease.is_long,
        history_size_bytes: 0,
    }
}

/// The two events of an attempt that has none in history, as its worker sees them, and as they are written when something
/// comes of it.
pub(super) fn pair(task: &Task) -> Vec<Event> {
    let scheduled = Event::WorkflowTaskScheduled {
        task_queue: task.queue.clone(),
        start_to_close_timeout: task.timeout,
        attempt: task.attempt,
    };
    vec![scheduled, started(task)]
}
