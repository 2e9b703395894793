//! The reference: Temporal's semantics once more, as simply as they can be written.
//!
//! A run is the list of its events, what waits for its workflow task, and the little that history does not hold. Every
//! question is answered by reading all of that from the beginning; whatever is due is found by looking everywhere. It
//! shares nothing with the engine but the vocabulary. Run ids are drawn by chance, so it is told which ones the engine
//! drew; polls' own ids it does not know at all.

mod activity;
mod commands;
mod due;
mod others;
mod requests;
mod reset;
mod run;
mod start;
mod successor;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};

use tidegate_engine::{Record, Refusal, Reply, Ticket};
use tidegate_model::event::Event;
use tidegate_model::id::{EventId, Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::time::Timestamp;

pub(crate) use run::Run;

/// See the module.
#[derive(Default)]
pub(crate) struct Reference {
    pub(crate) now: Timestamp,
    pub(crate) runs: BTreeMap<RunId, Run>,
    /// Whoever waits for a task, in the order they came.
    polls: Vec<Poll>,
    /// When somebody was last seen at a queue of workflow tasks.
    polled: BTreeMap<(Namespace, TaskQueue), Timestamp>,
    replies: Vec<(Ticket, Result<Reply, Refusal>)>,
    names: Names,
}

/// The run ids that the engine drew, in the order in which the runs of each execution began.
#[derive(Default)]
struct Names {
    drawn: BTreeMap<(Namespace, WorkflowId), Vec<RunId>>,
    used: BTreeSet<RunId>,
    /// For runs that the engine did not begin: the comparison will tell.
    missing: u128,
}

struct Poll {
    ticket: Ticket,
    kind: Kind,
    namespace: Namespace,
    queue: TaskQueue,
    identity: String,
    until: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Workflow,
    Activity,
}

impl Reference {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { now, ..Self::default() }
    }

    /// What the engine has just recorded: only which ids it drew is taken from that.
    pub(crate) fn learn_names(&mut self, records: &[Record]) {
        for record in records {
            if let Record::History(batch) = record
                && batch.first_event_id == 1
            {
                let execution = (batch.namespace.clone(), batch.workflow_id.clone());
                self.names.drawn.entry(execution).or_default().push(batch.run_id);
            }
        }
    }

    /// The process is gone, and with it all who waited.
    pub(crate) fn crash(&mut self) {
        self.polls.clear();
        self.polled.clear();
    }

    /// The answers there are by now.
    pub(crate) fn take_replies(&mut self) -> Vec<(Ticket, Result<Reply, Refusal>)> {
        std::mem::take(&mut self.replies)
    }

    /// The id of the next run of an execution.
    fn next_run_id(&mut self, namespace: &Namespace, workflow_id: &WorkflowId) -> RunId {
        let drawn = self.names.drawn.get(&(namespace.clone(), workflow_id.clone()));
        let next = drawn.into_iter().flatten().copied().find(|run_id| !self.names.used.contains(run_id));
        let run_id = next.unwrap_or_else(|| {
            self.names.missing += 1;
            RunId::from_u128(self.names.missing)
        });
        self.names.used.insert(run_id);
        run_id
    }

    fn run(&self, run_id: RunId) -> &Run {
        &self.runs[&run_id]
    }

    fn run_mut(&mut self, run_id: RunId) -> &mut Run {
        self.runs.get_mut(&run_id).expect("runs are never forgotten")
    }

    /// The open run of an execution.
    fn open(&self, namespace: &Namespace, workflow_id: &WorkflowId) -> Option<RunId> {
        self.of(namespace, workflow_id).find(|run| run.is_open()).map(|run| run.run_id)
    }

    /// The run of an execution that closed last.
    fn last_closed(&self, namespace: &Namespace, workflow_id: &WorkflowId) -> Option<RunId> {
        let closed = self.of(namespace, workflow_id).filter(|run| !run.is_open());
        closed.max_by_key(|run| run.closed_as_number).map(|run| run.run_id)
    }

    fn of(&self, namespace: &Namespace, workflow_id: &WorkflowId) -> impl Iterator<Item = &Run> {
        self.runs.values().filter(move |run| run.namespace == *namespace && run.workflow_id == *workflow_id)
    }

    /// The run a caller means, and whether it is open; by id, or the open one, or the last to have closed.
    fn meant(
        &self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<RunId, Refusal> {
        let found = match run_id {
            Some(run_id) => self.of(namespace, workflow_id).map(|run| run.run_id).find(|id| *id == run_id),
            None => self.open(namespace, workflow_id).or_else(|| self.last_closed(namespace, workflow_id)),
        };
        found.ok_or_else(|| Refusal::NotFound(String::from("workflow execution not found")))
    }

    fn meant_open(
        &self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
        run_id: Option<RunId>,
    ) -> Result<RunId, Refusal> {
        let found = self.meant(namespace, workflow_id, run_id)?;
        if self.run(found).is_open() {
            Ok(found)
        } else {
            Err(Refusal::NotFound(String::from("workflow execution already completed")))
        }
    }

    /// Events become history. A run that closes by one has things to do afterwards.
    fn write(&mut self, run_id: RunId, events: Vec<Event>) {
        self.write_at(self.now, run_id, events);
    }

    fn write_at(&mut self, time: Timestamp, run_id: RunId, events: Vec<Event>) {
        let number = self.runs.values().filter_map(|run| run.closed_as_number).max().unwrap_or(0) + 1;
        let run = self.run_mut(run_id);
        let time = time.max(run.last_time());
        for event in events {
            let event = run.with_ids(event);
            run.history.push((time, event));
        }
        if !run.is_open() && run.closed_as_number.is_none() {
            run.closed_as_number = Some(number);
            run.task = None;
            run.buffer.clear();
            self.leave(run_id);
        }
    }

    /// Something reaches a run from outside: it waits while a worker has the workflow task; else it is history, and a
    /// workflow task will see it.
    fn arrive(&mut self, run_id: RunId, events: Vec<Event>, wakes: bool) {
        if events.is_empty() {
            return;
        }
        if self.run(run_id).is_out() {
            self.run_mut(run_id).buffer.extend(events);
            return;
        }
        self.write(run_id, events);
        let run = self.run(run_id);
        let needs_task = match &run.task {
            Some(task) => task.attempt > 1,
            None => wakes,
        };
        if needs_task {
            self.schedule_task(run_id);
        }
    }

    /// Everything that follows from what has just happened, until nothing does.
    fn settle(&mut self) {
        while self.do_something_for_others() {}
        while self.hand_something_out() {}
    }
}

/// The events of a run with their ids.
fn numbered(history: &[(Timestamp, Event)]) -> impl DoubleEndedIterator<Item = (EventId, &Event)> {
    history.iter().enumerate().map(|(at, (_, event))| (at as EventId + 1, event))
}
