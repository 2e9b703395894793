//! Answers workflow tasks: finds the run in memory or makes it anew from its history, and keeps it for the next task.
//! Lives on one plain thread that has entered no runtime, so that workflow code finds none.

use std::collections::BTreeMap;

use tidegate_engine::{Command, HistoryPart, WorkflowTask};
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::RunId;

use super::fault::{self, Fault};
use super::replay::{Entry, Replay, entries};
use super::workflow::Registry;

/// Runs and their code.
pub(super) struct Executor {
    registry: Registry,
    cache: Cache,
    shadow: bool,
}

/// What became of a workflow task.
#[derive(Debug)]
pub(super) enum Answer {
    /// The code asks for these.
    Commands(Vec<Command>),
    /// The code and the history do not go together.
    Fault(Fault),
    /// The run is not in memory: give the task again with its whole history.
    NeedsHistory,
}

impl Executor {
    /// `cached_max` runs are kept warm. With `shadow`, each turn is repeated from the beginning of the history and
    /// compared; that wants the whole history with each task.
    pub(super) fn new(registry: Registry, cached_max: usize, shadow: bool) -> Self {
        Self { registry, cache: Cache::new(cached_max), shadow }
    }

    /// Answers one task. `whole` is the run's history from the log, where it was asked for.
    pub(super) fn answer(&mut self, task: &WorkflowTask, whole: Option<Vec<HistoryBatch>>) -> Answer {
        match self.try_answer(task, whole) {
            Ok(Some(commands)) => Answer::Commands(commands),
            Ok(None) => Answer::NeedsHistory,
            // What is in memory is in an unknown state: the next attempt begins anew.
            Err(fault) => Answer::Fault(fault),
        }
    }

    /// Forgets a run whose answer was not taken: what it asked for is not in its history.
    pub(super) fn forget(&mut self, run_id: RunId) {
        self.cache.take(run_id);
    }

    fn try_answer(
        &mut self,
        task: &WorkflowTask,
        whole: Option<Vec<HistoryBatch>>,
    ) -> Result<Option<Vec<Command>>, Fault> {
        let run_id = task.token.run_id;
        if self.shadow && whole.is_none() {
            return Ok(None);
        }
        let warm = self.cache.take(run_id).and_then(|run| goes_on(run, task));
        let (mut run, events) = match (warm, &whole) {
            (Some((run, events)), _) => (run, events),
            (None, Some(whole)) => self.begin(task, whole)?,
            (None, None) => return Ok(None),
        };
        let commands = run.feed(events)?;
        if let Some(whole) = whole.filter(|_| self.shadow) {
            let (mut twin, events) = self.begin(task, &whole)?;
            fault::check_shadow(&commands, &twin.feed(events)?)?;
        }
        if !run.is_closed() {
            self.cache.put(run_id, run);
        }
        Ok(Some(commands))
    }

    fn begin(&self, task: &WorkflowTask, whole: &[HistoryBatch]) -> Result<(Replay, Vec<Entry>), Fault> {
        // The log may have gone on, with the end of this very task; the transient pair is not in it.
        let mut events = entries(whole.to_vec());
        events.retain(|entry| entry.id <= task.started_event_id);
        append_transient(&mut events, task);
        if events.last().is_none_or(|last| last.id != task.started_event_id) {
            return Err(Fault::BadHistory(format!(
                "the history ends at event {}, and the task is of event {}",
                events.last().map_or(0, |last| last.id),
                task.started_event_id
            )));
        }
        let run = Replay::begin(&self.registry, &task.workflow_id, task.token.run_id, events.first())?;
        Ok((run, events))
    }
}

/// The new events for a run in memory; `None` when they do not follow what it knows.
fn goes_on(run: Replay, task: &WorkflowTask) -> Option<(Replay, Vec<Entry>)> {
    let HistoryPart::Since(batches) = &task.history else { return None };
    let mut events = entries(batches.clone());
    append_transient(&mut events, task);
    let first = events.first()?;
    // A run in memory waits for the trace of its last answer. Anything else means that the answer was not taken.
    (first.id == run.next_event() && matches!(first.event, Event::WorkflowTaskCompleted { .. }))
        .then_some((run, events))
}

fn append_transient(events: &mut Vec<Entry>, task: &WorkflowTask) {
    let next = events.last().map_or(1, |last| last.id + 1);
    let transient = (next..).zip(&task.transient).map(|(id, event)| Entry {
        id,
        time: task.started_time,
        event: event.clone(),
    });
    events.extend(transient);
}

/// Runs in memory; the one idle longest gives way.
struct Cache {
    max: usize,
    clock: u64,
    runs: BTreeMap<RunId, (u64, Replay)>,
    by_use: BTreeMap<u64, RunId>,
}

impl Cache {
    fn new(max: usize) -> Self {
        Self { max, clock: 0, runs: BTreeMap::new(), by_use: BTreeMap::new() }
    }

    fn take(&mut self, run_id: RunId) -> Option<Replay> {
        let (used, run) = self.runs.remove(&run_id)?;
        self.by_use.remove(&used);
        Some(run)
    }

    fn put(&mut self, run_id: RunId, run: Replay) {
        self.clock += 1;
        self.by_use.insert(self.clock, run_id);
        self.runs.insert(run_id, (self.clock, run));
        while self.runs.len() > self.max {
            let (_, idle) = self.by_use.pop_first().expect("each run has its place in the order of use");
            self.runs.remove(&idle);
        }
    }
}
