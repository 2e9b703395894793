//! The reference: Temporal's semantics once more, as simply as they can be written.
//!
//! A run is the list of its events, what waits for its workflow task, and the little that history does not hold. Every
//! question is answered by reading all of that from the beginning; whatever is due is found by looking everywhere. It
//! shares nothing with the engine but the vocabulary. Ids that are drawn by chance it is told.

mod run;
mod updates;
mod start;
mod successor;
mod tasks;
mod completion;
mod commands;
mod speculative;
mod activity;
mod operate;
mod others;
mod reset;
mod due;
mod requests;
mod polls;
mod queries;
mod conversation;
mod follow;
mod look;
mod filter;
mod namespaces;
mod retention;
mod schedules;
mod schedule_times;
mod schedule_requests;

use std::collections::{BTreeMap, BTreeSet};

use tidegate_engine::{QueryToken, Record, Refusal, Reply, Settings, Ticket, WorkflowQuery, WorkflowTask};
use tidegate_model::event::Event;
use tidegate_model::id::{EventId, Namespace, RunId, ScheduleId, WorkflowId};
use tidegate_model::payload::Payloads;
use tidegate_model::time::Timestamp;

use crate::{Answer, settings};

pub(crate) use run::Run;

/// See the module.
#[derive(Clone)]
pub struct Reference {
    now: Timestamp,
    settings: Settings,
    /// All that are remembered.
    pub(crate) runs: BTreeMap<RunId, Run>,
    /// Those that are not: nobody finds them, but what they owe others they still do.
    forgotten: BTreeMap<RunId, Run>,
    namespaces: BTreeMap<Namespace, namespaces::Known>,
    schedules: BTreeMap<(Namespace, ScheduleId), schedules::Schedule>,
    answers: Vec<Answer>,
    /// The runs that were written in this step, in order.
    written: Vec<RunId>,
    names: Names,
    /// Gone with the process.
    volatile: Volatile,
}

/// What only a process knows.
#[derive(Clone, Default)]
struct Volatile {
    /// When it took its first decision.
    awake_since: Option<Timestamp>,
    /// Whoever waits for a task, in the order they came.
    polls: Vec<polls::Poll>,
    ended: Vec<polls::Ended>,
    queues: BTreeMap<polls::Key, polls::Queue>,
    /// In the order they were asked.
    queries: Vec<queries::Query>,
    /// Updates that no workflow has let in, in the order they came.
    admitted: BTreeMap<RunId, Vec<conversation::Admitted>>,
    update_waits: Vec<conversation::Wait>,
    history_waits: Vec<follow::Wait>,
}

/// The ids that the engine drew.
#[derive(Clone, Default)]
struct Names {
    /// Of runs, in the order in which the runs of each execution began.
    runs: BTreeMap<(Namespace, WorkflowId), Vec<RunId>>,
    used: BTreeSet<RunId>,
    /// For runs that the engine did not begin: the comparison will tell.
    missing: u128,
    /// Of workflow tasks, by the request that got them.
    tasks: BTreeMap<Ticket, String>,
    queries: Vec<(WorkflowQuery, u64)>,
}

impl Reference {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            now,
            settings: settings(),
            runs: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            namespaces: namespaces::at_the_beginning(),
            schedules: BTreeMap::new(),
            answers: Vec::new(),
            written: Vec::new(),
            names: Names::default(),
            volatile: Volatile::default(),
        }
    }

    /// What the engine has just recorded: only which ids it drew is taken from that.
    pub(crate) fn learn_names(&mut self, records: &[Record]) {
        for record in records {
            if let Record::History(batch) = record
                && batch.first_event_id == 1
            {
                let execution = (batch.namespace.clone(), batch.workflow_id.clone());
                self.names.runs.entry(execution).or_default().push(batch.run_id);
            }
        }
    }

    /// The same of what the engine has just said.
    pub(crate) fn learn_ids(&mut self, (ticket, answer): &Answer) {
        if let Ok(Reply::WorkflowTask(Some(task)) | Reply::WorkflowTaskCompleted { next: Some(task), .. }) =
            answer
        {
            let WorkflowTask { token, query, queries, .. } = task.as_ref();
            self.names.tasks.insert(*ticket, token.request_id.clone());
            if let Some((QueryToken { query_id, .. }, query)) = query {
                self.learn_query(query, *query_id);
            }
            for (id, query) in queries {
                self.learn_query(query, u64::from_str_radix(id, 16).unwrap_or_default());
            }
        }
    }

    /// Each query of a program asks something else.
    fn learn_query(&mut self, asked: &WorkflowQuery, id: u64) {
        self.names.queries.push((asked.clone(), id));
    }

    fn id_of_query(&self, asked: &WorkflowQuery) -> Option<u64> {
        self.names.queries.iter().find(|(query, _)| query == asked).map(|(_, id)| *id)
    }

    /// A process decides: if it has not before, it begins here.
    pub(crate) fn wake(&mut self, now: Timestamp) {
        self.volatile.awake_since.get_or_insert(now);
        self.now = now;
    }

    /// The process is gone, and with it all who waited.
    pub(crate) fn crash(&mut self) {
        self.volatile = Volatile::default();
        for run in self.runs.values_mut() {
            run.speculative = None;
        }
    }

    /// The answers there are by now.
    pub(crate) fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }

    fn reply(&mut self, ticket: Ticket, answer: Result<Reply, Refusal>) {
        self.answers.push((ticket, answer));
    }

    /// A run, remembered or not.
    pub(crate) fn any_run(&self, run_id: RunId) -> Option<&Run> {
        self.runs.get(&run_id).or_else(|| self.forgotten.get(&run_id))
    }

    pub(crate) fn is_open(&self, run_id: RunId) -> bool {
        self.runs.get(&run_id).is_some_and(Run::is_open)
    }

    /// The id of the next run of an execution.
    fn next_run_id(&mut self, namespace: &Namespace, workflow_id: &WorkflowId) -> RunId {
        let drawn = self.names.runs.get(&(namespace.clone(), workflow_id.clone()));
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
        self.runs.get_mut(&run_id).expect("whoever changes a run has found it")
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
        let all = self.runs.values().chain(self.forgotten.values());
        let number = all.filter_map(|run| run.closed_as_number).max().unwrap_or(0) + 1;
        self.written.push(run_id);
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
            self.schedules_hear_of_close(run_id);
        }
    }

    /// Something reaches a run from outside: it waits while a worker has the workflow task; else it is history, and a
    /// workflow task will see it.
    fn arrive(&mut self, run_id: RunId, events: Vec<Event>, wakes: bool) {
        if events.is_empty() {
            return;
        }
        self.firm_up(run_id);
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
        self.end_long_runs();
        while self.do_something_for_others() {
            self.end_long_runs();
        }
        self.settle_updates();
        self.settle_queries();
        while self.hand_something_out() {}
        self.settle_follows();
        self.written.clear();
    }

    /// What was written may have made a run too long: it should have continued as new.
    fn end_long_runs(&mut self) {
        for run_id in std::mem::take(&mut self.written) {
            let events = self.runs.get(&run_id).map_or(0, |run| run.history.len() as u64);
            if self.is_open(run_id) && events >= self.settings.history_events_max {
                let identity = String::from("history-service");
                self.terminate(run_id, String::new(), Payloads::new(), identity);
            }
        }
    }
}

/// The events of a run with their ids.
fn numbered(history: &[(Timestamp, Event)]) -> impl DoubleEndedIterator<Item = (EventId, &Event)> {
    history.iter().enumerate().map(|(at, (_, event))| (at as EventId + 1, event))
}
