//! Workflow runs as the bridge knows them: what their replicated histories add up to. Decides nothing for them.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::limits::{CLOSED_RUNS_LISTED_MAX, RUN_OUTCOME_CHARS_MAX};
use tidegate_model::payload::Payloads;
use tidegate_model::time::Timestamp;

/// The runs of one epoch: all open ones, and the latest closed ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Runs {
    runs: BTreeMap<RunId, Run>,
    /// Closed runs in the order in which they closed.
    closed: VecDeque<RunId>,
    /// Closed runs ever.
    pub(crate) closed_total: u64,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) namespace: Namespace,
    pub(crate) workflow_id: WorkflowId,
    /// Absent when its first event is missing.
    pub(crate) workflow_type: Option<String>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) status: RunStatus,
    pub(crate) closed_at: Option<Timestamp>,
    /// Result or failure, cut short.
    pub(crate) outcome: Option<String>,
    /// Id the next event must have.
    pub(crate) next_event_id: EventId,
    /// Events that fell into a hole of the lane.
    pub(crate) missing_events: u64,
    pub(crate) last_event: String,
    pub(crate) last_event_at: Timestamp,
    /// Where in the histories lane its last event stands.
    pub(crate) last_item: u64,
}

/// Whether a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunStatus {
    /// It has not ended, as far as is known here.
    Running,
    /// Its workflow returned.
    Completed,
    /// Its workflow failed.
    Failed,
    /// Its workflow ended as cancelled.
    Canceled,
    /// Somebody, or a limit, ended it.
    Terminated,
    /// It goes on in a new run.
    ContinuedAsNew,
    /// It took too long.
    TimedOut,
}

impl Runs {
    /// Whether events continue their run; if not, why.
    ///
    /// A run may go on later than it should where something is missing from the lane since its last event
    /// (`last_hole`): the run is then known to be incomplete, which is better than losing the rest of it too.
    pub(crate) fn check(&self, batch: &HistoryBatch, last_hole: u64) -> Result<(), String> {
        let (expected, last_item) = match self.runs.get(&batch.run_id) {
            Some(run) if run.status != RunStatus::Running => {
                return Err(format!("run {} has ended; nothing can follow", batch.run_id));
            }
            Some(run) if run.workflow_id != batch.workflow_id => {
                return Err(format!("run {} is one of another workflow, {}", batch.run_id, run.workflow_id));
            }
            Some(run) => (run.next_event_id, run.last_item),
            None => (1, 0),
        };
        let excused = batch.first_event_id > expected && last_hole > last_item;
        if batch.first_event_id == expected || excused {
            Ok(())
        } else {
            Err(format!(
                "event {} of run {} where event {expected} would follow",
                batch.first_event_id, batch.run_id
            ))
        }
    }

    /// Takes in events that [`Runs::check`] found right. `last_item` is where the last of them stands in the lane.
    pub(crate) fn take(&mut self, batch: &HistoryBatch, last_item: u64) {
        let run = self.runs.entry(batch.run_id).or_insert_with(|| Run::unknown(batch));
        run.take(batch, last_item);
        if run.status == RunStatus::Running {
            return;
        }
        self.closed_total += 1;
        self.closed.push_back(batch.run_id);
        if self.closed.len() > CLOSED_RUNS_LISTED_MAX
            && let Some(oldest) = self.closed.pop_front()
        {
            self.runs.remove(&oldest);
        }
    }

    /// Runs listed, the latest started first: run ids sort by their start.
    pub(crate) fn latest(&self) -> impl Iterator<Item = (RunId, &Run)> {
        self.runs.iter().rev().map(|(id, run)| (*id, run))
    }

    pub(crate) fn get(&self, run: RunId) -> Option<&Run> {
        self.runs.get(&run)
    }

    /// Runs that have not ended.
    pub(crate) fn open(&self) -> usize {
        self.runs.len() - self.closed.len()
    }
}

impl Run {
    fn unknown(batch: &HistoryBatch) -> Self {
        Self {
            namespace: batch.namespace.clone(),
            workflow_id: batch.workflow_id.clone(),
            workflow_type: None,
            started_at: None,
            status: RunStatus::Running,
            closed_at: None,
            outcome: None,
            next_event_id: 1,
            missing_events: 0,
            last_event: String::new(),
            last_event_at: batch.event_time,
            last_item: 0,
        }
    }

    /// A run as its whole history says, for one that is no longer listed.
    pub(crate) fn of_history<'a>(history: impl IntoIterator<Item = &'a HistoryBatch>) -> Option<Self> {
        let mut batches = history.into_iter().peekable();
        let mut run = Self::unknown(batches.peek()?);
        batches.for_each(|batch| run.take(batch, 0));
        Some(run)
    }

    fn take(&mut self, batch: &HistoryBatch, last_item: u64) {
        self.missing_events += batch.first_event_id.saturating_sub(self.next_event_id);
        self.next_event_id = batch.next_event_id();
        self.last_event_at = batch.event_time;
        self.last_item = last_item;
        for event in &batch.events {
            self.fold(event, batch.event_time);
        }
        if let Some(event) = batch.events.last() {
            event.type_name().clone_into(&mut self.last_event);
        }
    }

    fn fold(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::WorkflowExecutionStarted(started) => {
                self.workflow_type = Some(started.workflow_type.clone());
                self.started_at = Some(at);
            }
            Event::WorkflowExecutionCompleted { result, .. } => {
                self.close(RunStatus::Completed, at, summary(result));
            }
            Event::WorkflowExecutionFailed { failure, .. } => {
                self.close(RunStatus::Failed, at, Some(failure.message.clone()));
            }
            Event::WorkflowExecutionTimedOut { .. } => self.close(RunStatus::TimedOut, at, None),
            Event::WorkflowExecutionCanceled { details, .. } => {
                self.close(RunStatus::Canceled, at, summary(details));
            }
            Event::WorkflowExecutionTerminated { reason, .. } => {
                self.close(RunStatus::Terminated, at, Some(reason.clone()));
            }
            Event::WorkflowExecutionContinuedAsNew(_) => self.close(RunStatus::ContinuedAsNew, at, None),
            Event::ActivityTaskCancelRequested { .. }
            | Event::MarkerRecorded { .. }
            | Event::RequestCancelExternalWorkflowExecutionInitiated { .. }
            | Event::SignalExternalWorkflowExecutionInitiated { .. }
            | Event::StartChildWorkflowExecutionInitiated(_)
            | Event::UpsertWorkflowSearchAttributes { .. }
            | Event::WorkflowPropertiesModified { .. }
            | Event::WorkflowExecutionUpdateAccepted { .. }
            | Event::WorkflowExecutionUpdateCompleted { .. }
            | Event::ActivityTaskCanceled { .. }
            | Event::WorkflowExecutionCancelRequested { .. }
            | Event::RequestCancelExternalWorkflowExecutionFailed { .. }
            | Event::ExternalWorkflowExecutionCancelRequested { .. }
            | Event::SignalExternalWorkflowExecutionFailed { .. }
            | Event::ExternalWorkflowExecutionSignaled { .. }
            | Event::StartChildWorkflowExecutionFailed { .. }
            | Event::ChildWorkflowExecutionStarted { .. }
            | Event::ChildWorkflowExecutionCompleted { .. }
            | Event::ChildWorkflowExecutionFailed { .. }
            | Event::ChildWorkflowExecutionCanceled { .. }
            | Event::ChildWorkflowExecutionTimedOut { .. }
            | Event::ChildWorkflowExecutionTerminated { .. }
            | Event::WorkflowExecutionUpdateAdmitted { .. }
            | Event::WorkflowExecutionOptionsUpdated { .. }
            | Event::WorkflowTaskScheduled { .. }
            | Event::WorkflowTaskStarted { .. }
            | Event::WorkflowTaskCompleted { .. }
            | Event::WorkflowTaskTimedOut { .. }
            | Event::WorkflowTaskFailed { .. }
            | Event::ActivityTaskScheduled(_)
            | Event::ActivityTaskStarted { .. }
            | Event::ActivityTaskCompleted { .. }
            | Event::ActivityTaskFailed { .. }
            | Event::ActivityTaskTimedOut { .. }
            | Event::TimerStarted { .. }
            | Event::TimerFired { .. }
            | Event::TimerCanceled { .. }
            | Event::WorkflowExecutionSignaled { .. } => {}
        }
    }

    fn close(&mut self, status: RunStatus, at: Timestamp, outcome: Option<String>) {
        self.status = status;
        self.closed_at = Some(at);
        self.outcome = outcome.map(|text| {
            let short: String = text.chars().take(RUN_OUTCOME_CHARS_MAX).collect();
            if short.len() < text.len() { format!("{short}…") } else { short }
        });
    }
}

/// A result in one line: JSON as it is, anything else by its size.
fn summary(result: &Payloads) -> Option<String> {
    let texts: Vec<String> = result
        .iter()
        .map(|payload| match std::str::from_utf8(&payload.data) {
            Ok(text) => text.to_owned(),
            Err(_) => format!("{} bytes", payload.data.len()),
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}
