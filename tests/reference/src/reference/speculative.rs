//! The speculative workflow task: it brings updates to a run that has nothing else to do, and leaves no trace unless
//! something comes of it.

use tidegate_engine::{
    Refusal, Reply, Ticket, WorkerMessageBody, WorkflowTask, WorkflowTaskCompletion, WorkflowTaskToken,
};
use tidegate_model::id::RunId;
use tidegate_model::payload::{Failure, TimeoutType};

use super::Reference;
use super::completion::is_rejection;
use super::run::{Lease, Run, Task};
use super::tasks::{is_under, pair};

/// A task that showed its worker more events than this is kept, so that they are not shown again and again.
const SHOWN_MAX: u64 = 10;

impl Run {
    /// Whether a speculative task's ids are still free, and it is where its worker looks.
    fn holds(&self, task: &Task) -> bool {
        let sticky = self.sticky.as_ref().map(|sticky| &sticky.attributes.task_queue);
        self.task.is_none()
            && self.next_event_id() == task.scheduled_event_id
            && (!task.waits_sticky() || sticky == Some(&task.queue))
    }
}

impl Reference {
    /// A run with updates that no workflow has let in gets a task that brings them, where there is none.
    pub(super) fn speculate_if_wanted(&mut self, run_id: RunId) {
        let has_updates = self.volatile.admitted.get(&run_id).is_some_and(|all| !all.is_empty());
        let is_without = self.runs.get(&run_id).is_some_and(|run| run.is_open() && !run.has_task());
        if has_updates && is_without {
            let queue = self.queue_for_task(run_id);
            let now = self.now;
            let run = self.run_mut(run_id);
            run.speculative = Some(run.new_task(queue, now));
        }
    }

    /// The run has gone on without it.
    pub(super) fn drop_stale_speculative(&mut self, run_id: RunId) {
        let Some(run) = self.runs.get_mut(&run_id) else { return };
        let is_stale = run.speculative.as_ref().is_some_and(|task| !run.is_open() || !run.holds(task));
        if is_stale {
            run.speculative = None;
        }
    }

    pub(super) fn hand_out_speculative(
        &mut self,
        run_id: RunId,
        ticket: Ticket,
        identity: String,
    ) -> WorkflowTask {
        let is_long = self.is_long(run_id);
        let (now, request_id) = (self.now, self.names.tasks.get(&ticket).cloned().unwrap_or_default());
        let run = self.run_mut(run_id);
        let task = run.speculative.as_mut().expect("it was found a moment ago");
        let started_event_id = task.scheduled_event_id + 1;
        task.lease = Some(Lease { identity, since: now, started_event_id, request_id, is_long });
        let task = task.clone();
        self.shown(run_id, &task, pair(&task))
    }

    pub(super) fn is_speculative(&self, token: &WorkflowTaskToken) -> bool {
        let run = self.runs.get(&token.run_id);
        run.and_then(|run| run.speculative.as_ref()).is_some_and(|task| is_under(task, token))
    }

    /// Something is about to happen to a run: a task that is out becomes a real one, under the ids its worker knows; one
    /// that waits gives way.
    pub(super) fn firm_up(&mut self, run_id: RunId) {
        let run = self.run_mut(run_id);
        let Some(task) = run.speculative.take() else { return };
        let Some(since) = task.lease.as_ref().map(|lease| lease.since).filter(|_| run.holds(&task)) else {
            return;
        };
        let real = run.new_task(task.queue.clone(), since.max(run.last_time()));
        if real.sticky_until.is_none() {
            run.sticky = None;
        }
        run.next_attempt = 1;
        run.task = Some(Task { lease: task.lease.clone(), ..real });
        self.write_at(since, run_id, pair(&task));
    }

    /// It has waited on its sticky queue, or has been out, for long enough.
    pub(super) fn give_up_speculative(&mut self, run_id: RunId) {
        let Some(task) = self.run(run_id).speculative.clone() else { return };
        if task.lease.is_none() {
            self.move_speculative(run_id);
            return;
        }
        self.firm_up(run_id);
        if self.run(run_id).is_out() {
            self.time_out_task(run_id, TimeoutType::StartToClose);
        }
    }

    /// One that waits on its sticky queue goes to the normal one.
    pub(super) fn move_speculative(&mut self, run_id: RunId) {
        let run = self.run_mut(run_id);
        let normal = run.started().task_queue.clone();
        if let Some(task) = run.speculative.as_mut().filter(|task| task.waits_sticky()) {
            task.queue = normal;
            task.sticky_until = None;
        }
    }

    /// Whether nothing came of a task that left no trace, so that it has never been.
    pub(super) fn came_to_nothing(&self, completion: &WorkflowTaskCompletion) -> bool {
        self.is_speculative(&completion.token)
            && completion.commands.is_empty()
            && !completion.force_create_new_workflow_task
            && completion.messages.iter().all(is_rejection)
            && self
                .runs
                .get(&completion.token.run_id)
                .filter(|run| run.is_open())
                .is_some_and(|run| run.next_event_id() - run.previous_started() <= SHOWN_MAX + 2)
    }

    pub(super) fn forget_task(&mut self, completion: WorkflowTaskCompletion) -> Reply {
        let run_id = completion.token.run_id;
        self.run_mut(run_id).speculative = None;
        let mut rejected: Vec<(String, Failure)> = Vec::new();
        for message in completion.messages {
            if let WorkerMessageBody::Rejection { failure } = message.body {
                rejected.push((message.update_id, failure));
            }
        }
        self.settle_messages(run_id, rejected, false);
        self.take_query_results(run_id, completion.query_results);
        self.speculate_if_wanted(run_id);
        self.settle_queries();
        let before = self.run(run_id).previous_started();
        Reply::WorkflowTaskCompleted { next: None, reset_history_event_id: Some(before) }
    }

    /// The worker's answer cannot be carried out: whoever waits for the updates it was given has to ask again.
    pub(super) fn refuse_sent_updates(&mut self, run_id: RunId) {
        for update_id in self.sent_updates(run_id) {
            self.dismiss(run_id, &update_id);
            for wait in self.end_waits_for(run_id, &update_id) {
                let refusal = wait.origin.refusal(Refusal::WorkflowNotReady(String::new()));
                self.reply(wait.ticket, Err(refusal));
            }
        }
    }
}
