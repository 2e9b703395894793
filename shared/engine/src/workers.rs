//! Workers: what each holds, by its identity, and what becomes of it when the worker is gone.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::id::{EventId, Namespace, RunId, TaskQueue};
use tidegate_model::payload::TimeoutType;

use crate::bounds;
use crate::engine::{Effect, Engine, Step};
use crate::queue::{Poll, QueueKey, QueueKind};
use crate::record::{Record, StateChange};
use crate::request::{Refusal, Reply};

/// What a worker can hold of a run. In the order it is taken back: what activities leave behind is in the run before
/// its workflow task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Held {
    /// An attempt of the activity of this scheduled event.
    Activity(EventId),
    /// The workflow task.
    WorkflowTask,
    /// The promise of the next workflow task.
    Sticky,
}

/// Who holds what.
#[derive(Debug, Default)]
pub(crate) struct Workers(BTreeMap<String, BTreeSet<(RunId, Held)>>);

impl Workers {
    pub(crate) fn put(&mut self, identity: String, run_id: RunId, held: Held) {
        let fresh = self.0.entry(identity).or_default().insert((run_id, held));
        debug_assert!(fresh, "a thing is held once");
    }

    pub(crate) fn take(&mut self, identity: &str, run_id: RunId, held: Held) {
        let Some(all) = self.0.get_mut(identity) else {
            debug_assert!(false, "a thing that is taken back was held");
            return;
        };
        all.remove(&(run_id, held));
        if all.is_empty() {
            self.0.remove(identity);
        }
    }

    fn held_by(&self, identity: &str) -> BTreeMap<RunId, Vec<Held>> {
        let mut runs = BTreeMap::<RunId, Vec<Held>>::new();
        for (run_id, held) in self.0.get(identity).into_iter().flatten() {
            runs.entry(*run_id).or_default().push(*held);
        }
        runs
    }
}

impl Engine {
    /// Takes back all a worker holds, and lets go of its polls.
    ///
    /// An attempt of an activity counts as timed out and is retried after its policy's back-off, not at once: a worker
    /// that dies of its activity must not spin.
    pub(crate) fn shut_down_worker(&mut self, step: &mut Step<'_>, identity: &str) -> Result<Reply, Refusal> {
        bounds::id("identity", identity)?;
        for (ticket, kind) in self.index.queues.abandon_all(step.now, |_, poll| poll.identity == identity) {
            step.effects.push(Effect::Reply { ticket, reply: Ok(kind.nothing()) });
        }
        for (run_id, all) in self.index.workers.held_by(identity) {
            let mut arrived = Vec::new();
            for held in all {
                if let Held::Activity(scheduled_event_id) = held {
                    let timeout = TimeoutType::StartToClose;
                    arrived.extend(self.time_out_activity(step, run_id, scheduled_event_id, timeout));
                }
            }
            // Activities come first in the order of `Held`, so the run has their ends before its task ends.
            self.arrive(step, run_id, arrived);
            self.take_back_workflow_task(step, run_id, identity);
        }
        self.ask_others(step, identity);
        Ok(Reply::Done)
    }

    /// One worker of a process ends in good order: it polls no more, and what waits on its sticky queue goes to the
    /// normal one. Runs that are tied to it stay so, but their next tasks find that queue deserted.
    pub(crate) fn shut_down_worker_instance(
        &mut self,
        step: &mut Step<'_>,
        namespace: Namespace,
        sticky_task_queue: Option<TaskQueue>,
        worker_instance_key: &str,
    ) -> Result<Reply, Refusal> {
        bounds::id("worker instance key", worker_instance_key)?;
        let sticky = sticky_task_queue.map(|name| QueueKey {
            kind: QueueKind::WorkflowTasks,
            namespace: namespace.clone(),
            name,
        });
        self.index.retired.put(step.now, namespace.clone(), worker_instance_key);
        let is_its = |key: &QueueKey, poll: &Poll| {
            key.namespace == namespace
                && (!worker_instance_key.is_empty() && poll.worker_instance_key == worker_instance_key
                    || sticky.as_ref() == Some(key))
        };
        for (ticket, kind) in self.index.queues.abandon_all(step.now, is_its) {
            step.effects.push(Effect::Reply { ticket, reply: Ok(kind.nothing()) });
        }
        for run_id in sticky.map(|key| self.index.queues.desert(&key)).unwrap_or_default() {
            let task = self.run_if_open(run_id).and_then(|run| run.workflow_tasks.current());
            if task.is_some_and(|task| task.is_waiting_sticky()) {
                self.time_out_workflow_task(step, run_id, TimeoutType::ScheduleToStart);
            }
            self.move_speculative(run_id);
            self.move_sticky_queries(step, run_id);
        }
        Ok(Reply::Done)
    }

    fn take_back_workflow_task(&mut self, step: &mut Step<'_>, run_id: RunId, identity: &str) {
        if self.holds_speculative(run_id, identity) {
            self.drop_speculative(run_id);
        }
        let run = self.run(run_id);
        let task = run.workflow_tasks.current();
        if task.is_some_and(|task| task.lease().is_some_and(|lease| lease.identity == identity)) {
            self.time_out_workflow_task(step, run_id, TimeoutType::StartToClose);
        }
        let run = self.run(run_id);
        if run.sticky.as_ref().is_some_and(|sticky| sticky.identity == identity) {
            let waits_there = run.workflow_tasks.current().is_some_and(|task| task.is_waiting_sticky());
            if waits_there {
                self.time_out_workflow_task(step, run_id, TimeoutType::ScheduleToStart);
            } else {
                self.commit(step, Record::State(StateChange::StickyReleased { run_id }));
            }
        }
        self.deliver_updates(step.now, run_id);
    }
}

impl QueueKind {
    /// The answer to a poll for which there is nothing.
    pub(crate) const fn nothing(self) -> Reply {
        match self {
            Self::WorkflowTasks => Reply::WorkflowTask(None),
            Self::ActivityTasks => Reply::ActivityTask(None),
        }
    }
}
