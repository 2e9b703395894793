//! Handing a workflow task to a poll: the start is recorded before the reply is released.

use tidegate_model::event::Event;
use tidegate_model::id::RunId;

use super::WorkflowTask;
use crate::engine::{Effect, Engine, Step};
use crate::queue::Poll;
use crate::record::{Record, StateChange};
use crate::request::{HistoryPart, Reply, WorkflowTask as Task, WorkflowTaskToken};
use crate::run::Run;

impl Engine {
    pub(crate) fn hand_out_workflow_task(&mut self, step: &mut Step<'_>, run_id: RunId, poll: Poll) {
        let task = self.start_workflow_task(step, run_id, poll.identity);
        let reply = Reply::WorkflowTask(Some(Box::new(task)));
        step.effects.push(Effect::Reply { ticket: poll.ticket, reply: Ok(reply) });
    }

    /// A worker takes the task that waits.
    pub(super) fn start_workflow_task(
        &mut self,
        step: &mut Step<'_>,
        run_id: RunId,
        identity: String,
    ) -> Task {
        let request_id = format!("{:016x}", step.chance.next_u64());
        let run = self.run(run_id);
        let task = run.workflow_tasks.current().expect("what stands in a queue is scheduled");
        if task.is_transient() {
            let change = StateChange::TransientTaskStarted {
                run_id,
                time: step.now,
                identity,
                request_id,
                suggest_continue_as_new: run.is_long(&self.settings),
            };
            self.commit(step, Record::State(change));
        } else {
            let started = Event::WorkflowTaskStarted {
                scheduled_event_id: task.scheduled_event_id,
                request_id,
                identity,
                suggest_continue_as_new: run.is_long(&self.settings),
                history_size_bytes: run.history_bytes,
            };
            self.write(step, run_id, vec![started]);
        }
        let run = self.run(run_id);
        let task = run.workflow_tasks.current().expect("it was started a moment ago");
        let mut task = run.shown(task, run.transient_pair());
        self.take_along(&mut task);
        task
    }

    /// What goes along with a task that is handed out: queries to be answered, updates to be handled.
    pub(super) fn take_along(&mut self, task: &mut Task) {
        task.queries = self.queries_for_task(task.token.run_id);
        task.messages = self.messages_for_task(task.token.run_id, task.started_event_id);
    }
}

impl Run {
    /// A task that is out, as its worker sees it, with events of it that are not in history.
    pub(super) fn shown(&self, task: &WorkflowTask, transient: Vec<Event>) -> Task {
        let lease = task.lease().expect("called for a task that was just started");
        let history = match &self.sticky {
            Some(sticky) if task.sticky_until.is_some() => sticky.history(),
            Some(_) | None => HistoryPart::Whole,
        };
        Task {
            token: WorkflowTaskToken {
                run_id: self.head.run_id,
                scheduled_event_id: task.scheduled_event_id,
                started_event_id: lease.started_event_id,
                attempt: task.attempt,
                request_id: lease.request_id.clone(),
            },
            namespace: self.head.namespace.clone(),
            workflow_id: self.head.workflow_id.clone(),
            workflow_type: self.head.workflow_type.clone(),
            task_queue: self.head.task_queue.clone(),
            previous_started_event_id: self.workflow_tasks.previous_started_event_id,
            started_event_id: lease.started_event_id,
            attempt: task.attempt,
            history,
            transient,
            started_time: lease.time,
            scheduled_time: task.scheduled_time,
            messages: Vec::new(),
            query: None,
            queries: std::collections::BTreeMap::new(),
        }
    }

    /// The events of the attempt that is out, when it is a transient one: what the worker is shown, and what becomes
    /// history when it succeeds. Nothing they say changes in between.
    pub(super) fn transient_pair(&self) -> Vec<Event> {
        let Some(task) = self.workflow_tasks.current().filter(|task| task.is_transient()) else {
            return Vec::new();
        };
        let Some(lease) = task.lease() else { return Vec::new() };
        vec![
            Event::WorkflowTaskScheduled {
                task_queue: task.queue.clone(),
                start_to_close_timeout: task.start_to_close,
                attempt: task.attempt,
            },
            Event::WorkflowTaskStarted {
                scheduled_event_id: task.scheduled_event_id,
                request_id: lease.request_id.clone(),
                identity: lease.identity.clone(),
                suggest_continue_as_new: lease.suggest_continue_as_new,
                history_size_bytes: self.history_bytes,
            },
        ]
    }
}
