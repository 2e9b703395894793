//! The runs that have closed: what is remembered of them, in the order they closed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::event::UserMetadata;
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::time::Timestamp;

use crate::request::RunSummary;
use crate::update::ClosedUpdates;

/// A run that has closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClosedRun {
    pub(crate) summary: RunSummary,
    pub(crate) start_request_id: String,
    /// Of the last completed workflow task; 0 where none was: then nobody can be asked about the run.
    #[serde(default)]
    pub(crate) previous_started_event_id: EventId,
    #[serde(default, skip_serializing_if = "ClosedUpdates::is_empty")]
    pub(crate) updates: ClosedUpdates,
    /// The requests that wanted to start the execution and were content with this run, by their ids.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) attached: BTreeSet<String>,
    /// It was asked to cancel before it closed.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) cancel_requested: bool,
    /// Where it was reset to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reset: Option<ResetMark>,
    pub(crate) as_started: AsStarted,
}

/// A run was reset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResetMark {
    /// The fork.
    pub(crate) run_id: RunId,
    /// Of the request: the same one resets once.
    pub(crate) request_id: String,
}

/// What a description says of how a run was started, as long as the run is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AsStarted {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run_timeout: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) execution_timeout: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run_expiration_time: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) execution_expiration_time: Option<Timestamp>,
    pub(crate) task_timeout: Duration,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_metadata: Option<Box<UserMetadata>>,
}

/// The runs that have closed and are not forgotten.
#[derive(Debug, Default)]
pub(crate) struct ClosedRuns {
    runs: BTreeMap<RunId, Kept>,
    /// By number.
    order: BTreeMap<u64, RunId>,
    /// The runs of each execution, in the order they closed.
    executions: BTreeMap<Namespace, BTreeMap<WorkflowId, Vec<RunId>>>,
    next_number: u64,
}

#[derive(Debug)]
struct Kept {
    closed: ClosedRun,
    /// How many had closed before it: two runs may close at the same time.
    number: u64,
}

impl ClosedRuns {
    pub(crate) fn push(&mut self, closed: ClosedRun) {
        let RunSummary { namespace, workflow_id, run_id, .. } = &closed.summary;
        let executions = self.executions.entry(namespace.clone()).or_default();
        executions.entry(workflow_id.clone()).or_default().push(*run_id);
        let number = self.next_number;
        self.next_number += 1;
        self.order.insert(number, *run_id);
        self.runs.insert(*run_id, Kept { closed, number });
    }

    pub(crate) fn get(&self, run_id: RunId) -> Option<&ClosedRun> {
        self.runs.get(&run_id).map(|kept| &kept.closed)
    }

    pub(crate) fn get_mut(&mut self, run_id: RunId) -> Option<&mut ClosedRun> {
        self.runs.get_mut(&run_id).map(|kept| &mut kept.closed)
    }

    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// The runs of an execution, the last to close first.
    pub(crate) fn of<'a>(
        &'a self,
        namespace: &Namespace,
        workflow_id: &WorkflowId,
    ) -> impl Iterator<Item = &'a ClosedRun> {
        let runs = self.executions.get(namespace).and_then(|executions| executions.get(workflow_id));
        runs.into_iter().flatten().rev().filter_map(|run_id| self.get(*run_id))
    }

    /// The last to close of an execution.
    pub(crate) fn latest(&self, namespace: &Namespace, workflow_id: &WorkflowId) -> Option<&ClosedRun> {
        self.of(namespace, workflow_id).next()
    }

    /// The first to close first.
    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = &ClosedRun> {
        self.order.values().map(|run_id| self.get(*run_id).expect("what is in the order is in the map"))
    }

    pub(crate) fn forget(&mut self, run_id: RunId) -> Option<ClosedRun> {
        let Kept { closed, number } = self.runs.remove(&run_id)?;
        self.order.remove(&number);
        let RunSummary { namespace, workflow_id, .. } = &closed.summary;
        if let Some(executions) = self.executions.get_mut(namespace) {
            if let Some(runs) = executions.get_mut(workflow_id) {
                runs.retain(|id| *id != run_id);
                if runs.is_empty() {
                    executions.remove(workflow_id);
                }
            }
            if executions.is_empty() {
                self.executions.remove(namespace);
            }
        }
        Some(closed)
    }
}
