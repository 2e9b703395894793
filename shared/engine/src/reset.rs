//! Reset: a run is left, and a fork of it goes on from an earlier workflow task.
//!
//! The fork has copies of the batches before the point, under its own run id, and then the failure of the task that was
//! pending there. From its records alone it is a run like any other. What reached the run after the point is asked of
//! the fork anew.

mod point;
mod reapply;

use std::collections::BTreeSet;

use tidegate_model::codec;
use tidegate_model::event::{Event, HistoryBatch, ResetRuns, WorkflowTaskFailedCause};
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::limits::RESET_BYTES_MAX;
use tidegate_model::payload::{Failure, FailureInfo, Payloads};
use tidegate_model::time::Timestamp;

use crate::bounds::{self, Wrong};
use crate::close::ENGINE_IDENTITY;
use crate::closed::ResetMark;
use crate::engine::{Engine, Step};
use crate::index::Index;
use crate::record::{Record, StateChange};
use crate::request::{Refusal, Reply, ResetWorkflow};
use crate::run::Run;
use crate::visibility::not_found;

/// Who terminates a run that is left: Temporal's `IdentityResetter`.
pub(crate) const RESETTER_IDENTITY: &str = "history-resetter";

/// A run that begins as a copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fork {
    pub(crate) run_id: RunId,
    /// When it was forked.
    pub(crate) time: Timestamp,
}

impl Engine {
    pub(crate) fn reset(&mut self, step: &mut Step<'_>, reset: ResetWorkflow) -> Result<Reply, Refusal> {
        bounds::required_id("request id", &reset.request_id)?;
        bounds::id("identity", &reset.identity)?;
        bounds::blob("reason", reset.reason.len(), &self.settings)?;
        let base = reset.run_id;
        let (last_event_id, mark) = self.base(&reset)?;
        if let Some(mark) = mark.filter(|mark| mark.request_id == reset.request_id) {
            return Ok(Reply::Reset { run_id: mark.run_id });
        }
        let finish = reset.workflow_task_finish_event_id;
        if finish <= 1 || finish > last_event_id {
            let message = "Workflow task finish ID must be > 1 && <= workflow last event ID.";
            return Err(Wrong(message.to_owned()).into());
        }
        let runs = self.chain_given(base, &reset.history)?;
        let bytes: usize = reset.history.iter().map(|batch| codec::to_cbor(batch).len()).sum();
        bounds::within("the history to be reset", bytes, "RESET_BYTES_MAX", RESET_BYTES_MAX)?;
        let (kept, left) = point::split(runs[0], finish)?;
        let started = point::task_at(kept, finish)?;
        let current = self.current(&reset.namespace, &reset.workflow_id).map(|run| run.head.run_id);
        if current.is_none() && self.open_runs() >= self.settings.open_runs_max {
            let message = format!("{} runs are open", self.settings.open_runs_max);
            return Err(Refusal::ResourceExhausted { limit: "OPEN_RUNS_MAX", message });
        }
        let mut reapplied = reapply::Reapplied::new(reset.reapply_exclude, kept);
        reapplied.take_base(left);
        runs[1..].iter().for_each(|run| reapplied.take_following(run));
        if let Some(open) = current.filter(|open| runs.last().is_some_and(|run| run[0].run_id == *open)) {
            let waiting = self.run(open).buffer.ordered(&BTreeSet::new());
            reapplied.take_waiting(open == base, &waiting);
        }

        let new_run_id = step.chance.run_id(step.now);
        let change = StateChange::WorkflowReset {
            run_id: base,
            new_run_id,
            time: step.now,
            request_id: reset.request_id,
        };
        self.commit(step, Record::State(change));
        if let Some(current) = current {
            let identity = RESETTER_IDENTITY.to_owned();
            self.terminate_run(step, current, reset.reason.clone(), Payloads::new(), identity);
        }
        for batch in kept {
            self.commit(step, Record::History(HistoryBatch { run_id: new_run_id, ..batch.clone() }));
        }
        let runs = ResetRuns { base_run_id: base, new_run_id };
        self.go_on_in_fork(step, runs, started, reset.reason, reapplied);
        Ok(Reply::Reset { run_id: new_run_id })
    }

    /// The last event of the run to be reset, and where it was reset to before.
    fn base(&self, reset: &ResetWorkflow) -> Result<(EventId, Option<&ResetMark>), Refusal> {
        let is_theirs = |namespace: &Namespace, workflow_id: &WorkflowId| {
            *namespace == reset.namespace && *workflow_id == reset.workflow_id
        };
        if let Some(run) = self.run_if_open(reset.run_id) {
            if is_theirs(&run.head.namespace, &run.head.workflow_id) {
                return Ok((run.history_length(), run.reset.as_ref()));
            }
        } else if let Some(closed) = self.closed.get(reset.run_id) {
            let summary = &closed.summary;
            if is_theirs(&summary.namespace, &summary.workflow_id) {
                return Ok((summary.history_length, closed.reset.as_ref()));
            }
        }
        Err(not_found(&reset.workflow_id, Some(reset.run_id)))
    }

    /// The histories given, a slice for each run: of the run to be reset, and of those that continued it as new, as far
    /// as they are given. Each whole, and as long as it is by now.
    fn chain_given<'a>(
        &self,
        base: RunId,
        history: &'a [HistoryBatch],
    ) -> Result<Vec<&'a [HistoryBatch]>, Refusal> {
        let mut runs = Vec::new();
        let mut expected = Some(base);
        let mut rest = history;
        while let Some((run_id, first)) = expected.zip(rest.first()).filter(|(id, first)| first.run_id == *id)
        {
            let length = rest.iter().take_while(|batch| batch.run_id == first.run_id).count();
            let (batches, others) = rest.split_at(length);
            let is_dense = batches.windows(2).all(|pair| pair[0].next_event_id() == pair[1].first_event_id);
            let last = batches.last().expect("its first is there");
            let is_whole = self.last_event_of(run_id).is_none_or(|known| known == last.last_event_id());
            if first.first_event_id != 1 || !is_dense || !is_whole {
                return Err(Refusal::Stale);
            }
            expected = match last.events.last() {
                Some(Event::WorkflowExecutionContinuedAsNew(as_new)) => Some(as_new.new_execution_run_id),
                Some(_) | None => None,
            };
            runs.push(batches);
            rest = others;
        }
        if runs.is_empty() { Err(Refusal::Stale) } else { Ok(runs) }
    }

    fn last_event_of(&self, run_id: RunId) -> Option<EventId> {
        match self.run_if_open(run_id) {
            Some(run) => Some(run.history_length()),
            None => self.closed.get(run_id).map(|closed| closed.summary.history_length),
        }
    }

    /// What is new in the fork: the end of the task that was pending where it was forked, what is asked of it anew, and
    /// a task to see that.
    fn go_on_in_fork(
        &mut self,
        step: &mut Step<'_>,
        runs: ResetRuns,
        task: point::PendingTask,
        reason: String,
        reapplied: reapply::Reapplied,
    ) {
        let run_id = runs.new_run_id;
        let run = self.run(run_id);
        let mut events = Vec::new();
        let started_event_id = task.started_event_id.unwrap_or_else(|| {
            events.push(Event::WorkflowTaskStarted {
                scheduled_event_id: task.scheduled_event_id,
                request_id: format!("{:016x}", step.chance.next_u64()),
                identity: ENGINE_IDENTITY.to_owned(),
                suggest_continue_as_new: false,
                history_size_bytes: run.history_bytes,
            });
            run.next_event_id
        });
        let info = FailureInfo::ResetWorkflow { last_heartbeat_details: Payloads::new() };
        events.push(Event::WorkflowTaskFailed {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id,
            cause: WorkflowTaskFailedCause::ResetWorkflow,
            failure: Failure { info, ..Failure::application(reason, "", false) },
            identity: ENGINE_IDENTITY.to_owned(),
            reset: Some(Box::new(runs)),
        });
        let first = run.next_event_id + events.len() as u64;
        for (at, batch) in reapplied.into_batches(first).into_iter().enumerate() {
            if at > 0 {
                self.write(step, run_id, std::mem::take(&mut events));
            }
            events.extend(batch);
        }
        events.push(self.task_scheduled(step.now, self.run(run_id)));
        self.write(step, run_id, events);
    }
}

impl Run {
    /// The fork begins: its time-outs and those of its activities count from now on, its timers fire when they would
    /// have, and its task is a first attempt.
    pub(crate) fn go_on_after_reset(&mut self, now: Timestamp, index: &mut Index) {
        self.times.begin_anew(&self.head, now, &self.started, index);
        self.activities.begin_anew(&self.head, now, index);
        self.workflow_tasks.forget_failures();
    }
}
