//! The rules of runs among each other: one is open, one follows another without a gap, a fork begins as a copy.

use std::collections::BTreeMap;

use tidegate_model::event::{Event, Execution, HistoryBatch, WorkflowExecutionStarted};
use tidegate_model::id::{Namespace, RunId, WorkflowId};

use super::Broken;

/// See the module.
#[derive(Default)]
pub(super) struct Chains {
    runs: BTreeMap<RunId, Link>,
    open: BTreeMap<(Namespace, WorkflowId), RunId>,
    /// Runs that were announced by the end of another and have not begun.
    announced: BTreeMap<RunId, RunId>,
    /// Forks that are being copied, and from which run.
    forks: BTreeMap<RunId, RunId>,
}

struct Link {
    first: RunId,
    batches: Vec<HistoryBatch>,
}

impl Chains {
    pub(super) fn fork(&mut self, base: RunId, fork: RunId) -> Result<(), Broken> {
        must!(self.runs.contains_key(&base), "run {base} is reset, but never was");
        self.forks.insert(fork, base);
        Ok(())
    }

    pub(super) fn take(&mut self, batch: &HistoryBatch) -> Result<(), Broken> {
        let run = batch.run_id;
        let key = (batch.namespace.clone(), batch.workflow_id.clone());
        if let Some(Event::WorkflowExecutionStarted(started)) = batch.events.first() {
            if !self.forks.contains_key(&run) {
                self.begin(run, started)?;
            }
            let other = self.open.insert(key.clone(), run);
            must!(other.is_none(), "run {run} begins while another of {} is open", batch.workflow_id);
            let first = started.first_execution_run_id;
            self.runs.insert(run, Link { first, batches: Vec::new() });
        }
        self.copy(batch)?;
        for event in &batch.events {
            if let Some(follower) = end(event) {
                self.open.remove(&key);
                if let Some(follower) = follower {
                    self.announced.insert(follower, run);
                }
            }
        }
        let link = self.runs.get_mut(&run).ok_or(format!("run {run} goes on, but never began"))?;
        link.batches.push(batch.clone());
        Ok(())
    }

    fn begin(&mut self, run: RunId, started: &WorkflowExecutionStarted) -> Result<(), Broken> {
        must!(started.original_execution_run_id == run, "run {run} begins under another id");
        let announced_by = self.announced.remove(&run);
        must!(
            announced_by == started.continued_execution_run_id,
            "run {run} continues {:?}, but was announced by {announced_by:?}",
            started.continued_execution_run_id
        );
        let first = announced_by.and_then(|before| self.runs.get(&before)).map_or(run, |before| before.first);
        must!(started.first_execution_run_id == first, "run {run} belongs to another chain");
        Ok(())
    }

    /// Until the task at which it was forked has failed, a fork is a copy.
    fn copy(&mut self, batch: &HistoryBatch) -> Result<(), Broken> {
        let run = batch.run_id;
        let Some(base) = self.forks.get(&run) else { return Ok(()) };
        if batch.events.iter().any(|event| is_forked_at(event, run)) {
            self.forks.remove(&run);
            return Ok(());
        }
        let original =
            self.runs[base].batches.iter().find(|copied| copied.first_event_id == batch.first_event_id);
        let copy = original.map(|original| HistoryBatch { run_id: run, ..original.clone() });
        must!(copy.as_ref() == Some(batch), "the fork {run} is no copy of {base}");
        Ok(())
    }

    /// Whether a run is being copied from another.
    pub(super) fn is_copy(&self, run: RunId) -> bool {
        self.forks.contains_key(&run)
    }

    /// The open run of an execution.
    pub(super) fn open(&self, execution: &Execution) -> Option<RunId> {
        self.open.get(&(execution.namespace.clone(), execution.workflow_id.clone())).copied()
    }

    /// The first run of the chain a run belongs to.
    pub(super) fn first(&self, run: RunId) -> Option<RunId> {
        self.runs.get(&run).map(|link| link.first)
    }

    pub(super) fn settled(&self) -> Result<(), Broken> {
        must!(self.announced.is_empty(), "runs are announced and do not begin: {:?}", self.announced);
        must!(self.forks.is_empty(), "forks are left half done: {:?}", self.forks);
        Ok(())
    }
}

/// Whether this is where a fork begins to be another run.
pub(super) fn is_forked_at(event: &Event, run: RunId) -> bool {
    matches!(event, Event::WorkflowTaskFailed { reset: Some(reset), .. } if reset.new_run_id == run)
}

/// For the end of a run: the run that follows.
fn end(event: &Event) -> Option<Option<RunId>> {
    if let Event::WorkflowExecutionCompleted { new_execution_run_id, .. }
    | Event::WorkflowExecutionFailed { new_execution_run_id, .. }
    | Event::WorkflowExecutionTimedOut { new_execution_run_id, .. } = event
    {
        Some(*new_execution_run_id)
    } else if let Event::WorkflowExecutionContinuedAsNew(as_new) = event {
        Some(Some(as_new.new_execution_run_id))
    } else {
        let is_end = matches!(
            event,
            Event::WorkflowExecutionCanceled { .. } | Event::WorkflowExecutionTerminated { .. }
        );
        is_end.then_some(None)
    }
}
