//! The speculative workflow task: it brings updates to a run that has nothing else to do, and leaves no record unless
//! something comes of it.
//!
//! Only this process knows of it. Its scheduled and started events are shown to its worker under the ids they would
//! have; they become history, under these very ids, when an update is accepted or an event arrives. A task that is given
//! up before leaves nothing: its updates go with the next one. Temporal also ends one that nobody fetches with a
//! recorded time-out, because there the task itself can be lost on its way; here it goes to the normal queue and waits.

use tidegate_model::event::Event;
use tidegate_model::id::{Namespace, RunId};
use tidegate_model::payload::TimeoutType;
use tidegate_model::time::Timestamp;

use super::{Lease, WorkflowTask};
use crate::alarms::Alarm;
use crate::engine::{Effect, Engine, Step};
use crate::index::Entry;
use crate::queue::{self, Level, Poll, QueueKey, QueueKind, Ready, What};
use crate::request::{Reply, WorkflowTaskToken};
use crate::run::Run;
use crate::workers::Held;

/// See the module.
#[derive(Debug)]
pub(crate) struct Speculative {
    namespace: Namespace,
    priority: Level,
    task: WorkflowTask,
    /// What its worker was shown.
    pair: Vec<Event>,
}

impl Speculative {
    fn lease(&self) -> Option<&Lease> {
        self.task.lease.as_ref()
    }

    /// When it leaves the sticky queue, or has taken too long.
    fn alarm(&self) -> Option<Timestamp> {
        match self.lease() {
            Some(lease) => Some(lease.time + self.task.start_to_close),
            None => self.task.sticky_until,
        }
    }

    fn entry(&self, run_id: RunId) -> Entry {
        if let Some(lease) = self.lease() {
            return Entry::Held(lease.identity.clone(), run_id, Held::WorkflowTask);
        }
        let key = QueueKey {
            kind: QueueKind::WorkflowTasks,
            namespace: self.namespace.clone(),
            name: self.task.queue.clone(),
        };
        Entry::Ready(
            key,
            Ready {
                priority: self.priority,
                at: self.task.scheduled_time,
                run_id,
                what: What::SpeculativeTask,
            },
        )
    }

    /// Whether the ids it would get are still free, and it is where its worker looks.
    fn holds(&self, run: &Run) -> bool {
        let sticky = run.sticky.as_ref().map(|sticky| &sticky.attributes.task_queue);
        let is_stranded = self.task.sticky_until.is_some() && self.lease().is_none();
        run.workflow_tasks.current.is_none()
            && run.next_event_id == self.task.scheduled_event_id
            && (!is_stranded || sticky == Some(&self.task.queue))
    }
}

impl Engine {
    /// A run with updates to be handled gets a task that brings them, where there is none.
    pub(crate) fn speculate(&mut self, now: Timestamp, run_id: RunId) {
        let run = self.run(run_id);
        if run.workflow_tasks.current.is_some() || self.has_speculative_task(run_id) {
            return;
        }
        let queue = self.queue_for_task(now, run);
        let sticky = run.sticky.as_ref().filter(|sticky| sticky.attributes.task_queue == queue);
        let task = WorkflowTask {
            scheduled_event_id: run.next_event_id,
            scheduled_time: now,
            attempt: 1,
            start_to_close: run.workflow_tasks.timeout,
            sticky_until: sticky.map(|sticky| now + sticky.attributes.schedule_to_start_timeout),
            queue,
            lease: None,
            beating_since: None,
        };
        let namespace = run.head.namespace.clone();
        let priority = queue::level(None, run.head.priority.as_ref());
        self.put_speculative(run_id, Speculative { namespace, priority, task, pair: Vec::new() });
    }

    /// Whether one waits or is out: as much a workflow task as any, for who asks whether there is one.
    pub(crate) fn has_speculative_task(&self, run_id: RunId) -> bool {
        self.speculative.contains_key(&run_id)
    }

    pub(crate) fn hand_out_speculative_task(&mut self, step: &mut Step<'_>, run_id: RunId, poll: Poll) {
        let request_id = format!("{:016x}", step.chance.next_u64());
        let mut speculative = self.take_speculative(run_id).expect("what stands in a queue is there");
        let run = self.run(run_id);
        let task = &mut speculative.task;
        let lease = Lease {
            started_event_id: task.scheduled_event_id + 1,
            time: step.now,
            identity: poll.identity,
            request_id,
            suggest_continue_as_new: run.is_long(&self.settings),
        };
        let scheduled = Event::WorkflowTaskScheduled {
            task_queue: task.queue.clone(),
            start_to_close_timeout: task.start_to_close,
            attempt: task.attempt,
        };
        let started = Event::WorkflowTaskStarted {
            scheduled_event_id: task.scheduled_event_id,
            request_id: lease.request_id.clone(),
            identity: lease.identity.clone(),
            suggest_continue_as_new: lease.suggest_continue_as_new,
            history_size_bytes: run.history_bytes,
        };
        task.lease = Some(lease);
        speculative.pair = vec![scheduled, started];
        let mut shown = run.shown(&speculative.task, speculative.pair.clone());
        self.put_speculative(run_id, speculative);
        self.take_along(&mut shown);
        let reply = Reply::WorkflowTask(Some(Box::new(shown)));
        step.effects.push(Effect::Reply { ticket: poll.ticket, reply: Ok(reply) });
    }

    /// Whether a token is that of the speculative task that is out.
    pub(crate) fn is_speculative(&self, token: &WorkflowTaskToken) -> bool {
        self.speculative.get(&token.run_id).is_some_and(|speculative| speculative.task.is_out_under(token))
    }

    /// Something is about to happen to a run: a speculative task that is out becomes a real one, under the ids its
    /// worker knows; one that waits gives way.
    pub(crate) fn firm_up(&mut self, step: &mut Step<'_>, run_id: RunId) {
        let Some(speculative) = self.take_speculative(run_id) else { return };
        if let Some(lease) = speculative.lease().filter(|_| speculative.holds(self.run(run_id))) {
            // The started event's time is the workflow's own time, which the worker has been told.
            self.write_at(step, run_id, lease.time, speculative.pair.clone());
        }
    }

    /// It has waited on its sticky queue, or has been out, for long enough. That a worker does not answer is for the
    /// workflow's author to see.
    pub(crate) fn give_up_speculative(&mut self, step: &mut Step<'_>, run_id: RunId) {
        let Some(speculative) = self.speculative.get(&run_id) else { return };
        if speculative.lease().is_some() {
            self.firm_up(step, run_id);
            if self.run(run_id).has_lease() {
                self.time_out_workflow_task(step, run_id, TimeoutType::StartToClose);
            }
        } else {
            self.move_speculative(run_id);
        }
    }

    /// One that waits on its sticky queue goes to the normal one.
    pub(crate) fn move_speculative(&mut self, run_id: RunId) {
        let waits_there = |speculative: &Speculative| speculative.task.is_waiting_sticky();
        if !self.speculative.get(&run_id).is_some_and(waits_there) {
            return;
        }
        let mut speculative = self.take_speculative(run_id).expect("found above");
        speculative.task.queue = self.run(run_id).head.task_queue.clone();
        speculative.task.sticky_until = None;
        self.put_speculative(run_id, speculative);
    }

    /// The run has gone on without it.
    pub(crate) fn drop_stale_speculative(&mut self, run_id: RunId) {
        let is_stale = self
            .speculative
            .get(&run_id)
            .is_some_and(|speculative| self.run_if_open(run_id).is_none_or(|run| !speculative.holds(run)));
        if is_stale {
            drop(self.take_speculative(run_id));
        }
    }

    /// Drops one without a trace.
    pub(crate) fn drop_speculative(&mut self, run_id: RunId) {
        drop(self.take_speculative(run_id));
    }

    /// Whether a worker, by its identity, has the speculative task of a run.
    pub(crate) fn holds_speculative(&self, run_id: RunId, identity: &str) -> bool {
        let lease = self.speculative.get(&run_id).and_then(Speculative::lease);
        lease.is_some_and(|lease| lease.identity == identity)
    }

    fn put_speculative(&mut self, run_id: RunId, speculative: Speculative) {
        self.index.put([speculative.entry(run_id)]);
        if let Some(at) = speculative.alarm() {
            self.alarms.put(at, Alarm::SpeculativeTask(run_id));
        }
        self.speculative.insert(run_id, speculative);
    }

    fn take_speculative(&mut self, run_id: RunId) -> Option<Speculative> {
        let speculative = self.speculative.remove(&run_id)?;
        self.index.take([speculative.entry(run_id)]);
        if let Some(at) = speculative.alarm() {
            self.alarms.take(at, Alarm::SpeculativeTask(run_id));
        }
        Some(speculative)
    }
}
