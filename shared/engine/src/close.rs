//! The end of a run, and what is remembered of it.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use tidegate_model::codec;
use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::id::{Namespace, RunId, WorkflowId};
use tidegate_model::limits::CLOSED_RUNS_KEPT_MAX;
use tidegate_model::payload::{Failure, FailureInfo, Payloads, RetryState};

use crate::bounds;
use crate::engine::{Engine, Step};
use crate::plan::{BadCommand, Draft};
use crate::request::RunSummary;
use crate::run::Run;

/// Who terminates a run at a limit: Temporal's name for the part of it that does so.
pub(crate) const ENGINE_IDENTITY: &str = "history-service";

/// A run that has closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClosedRun {
    pub(crate) summary: RunSummary,
    pub(crate) start_request_id: String,
}

/// The runs that closed most recently.
#[derive(Debug, Default)]
pub(crate) struct ClosedRuns {
    runs: BTreeMap<RunId, ClosedRun>,
    /// In the order they closed.
    order: VecDeque<RunId>,
    /// The last to close of each execution.
    latest: BTreeMap<Namespace, BTreeMap<WorkflowId, RunId>>,
}

impl ClosedRuns {
    pub(crate) fn push(&mut self, closed: ClosedRun) {
        let RunSummary { namespace, workflow_id, run_id, .. } = &closed.summary;
        self.latest.entry(namespace.clone()).or_default().insert(workflow_id.clone(), *run_id);
        self.order.push_back(*run_id);
        self.runs.insert(*run_id, closed);
        while self.order.len() > CLOSED_RUNS_KEPT_MAX {
            self.forget_oldest();
        }
    }

    pub(crate) fn get(&self, run_id: RunId) -> Option<&ClosedRun> {
        self.runs.get(&run_id)
    }

    pub(crate) fn latest(&self, namespace: &Namespace, workflow_id: &WorkflowId) -> Option<&ClosedRun> {
        self.runs.get(self.latest.get(namespace)?.get(workflow_id)?)
    }

    /// The last to close first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &ClosedRun> {
        self.oldest_first().rev()
    }

    /// The first to close first.
    pub(crate) fn oldest_first(&self) -> impl DoubleEndedIterator<Item = &ClosedRun> {
        self.order.iter().map(|run_id| self.runs.get(run_id).expect("what is in the order is in the map"))
    }

    fn forget_oldest(&mut self) {
        let Some(closed) = self.order.pop_front().and_then(|run_id| self.runs.remove(&run_id)) else {
            return;
        };
        let RunSummary { namespace, workflow_id, run_id, .. } = &closed.summary;
        if let Some(latest) = self.latest.get_mut(namespace) {
            if latest.get(workflow_id) == Some(run_id) {
                latest.remove(workflow_id);
            }
            if latest.is_empty() {
                self.latest.remove(namespace);
            }
        }
    }
}

impl Run {
    /// What is remembered once it has closed.
    pub(crate) fn into_closed(self) -> ClosedRun {
        let summary = RunSummary {
            pending_activities: 0,
            pending_timers: 0,
            workflow_task_attempt: 0,
            ..self.summary()
        };
        ClosedRun { summary, start_request_id: self.head.start_request_id }
    }
}

impl Draft<'_> {
    pub(crate) fn complete_run(&mut self, result: Payloads) -> Result<Event, BadCommand> {
        bounds::payloads("result", &result, self.settings).map_err(|reason| {
            BadCommand::new(WorkflowTaskFailedCause::BadCompleteWorkflowExecutionAttributes, reason)
        })?;
        Ok(Event::WorkflowExecutionCompleted {
            result,
            workflow_task_completed_event_id: self.completed_event_id,
            new_execution_run_id: None,
        })
    }

    pub(crate) fn fail_run(&mut self, failure: Failure) -> Result<Event, BadCommand> {
        let bytes = codec::to_cbor(&failure).len();
        bounds::blob("failure", bytes, self.settings).map_err(|reason| {
            BadCommand::new(WorkflowTaskFailedCause::BadFailWorkflowExecutionAttributes, reason)
        })?;
        Ok(Event::WorkflowExecutionFailed {
            failure,
            retry_state: RetryState::RetryPolicyNotSet,
            workflow_task_completed_event_id: self.completed_event_id,
            new_execution_run_id: None,
        })
    }
}

impl Engine {
    /// Ends a run whose history has reached a limit, as Temporal does: it is terminated. A task that is out is given up,
    /// what waits for it is lost.
    pub(crate) fn end_at_history_limit(&mut self, step: &mut Step<'_>, run_id: RunId, limit: &str) {
        let run = self.run(run_id);
        let reason = format!("limit {limit} is reached: the workflow should have continued as new");
        let failure = Failure {
            info: FailureInfo::Server { non_retryable: true },
            ..Failure::application(reason.clone(), "", true)
        };
        let task = run.workflow_tasks.current().filter(|task| !task.is_transient());
        let given_up = task.and_then(|task| task.lease().map(|lease| (task, lease))).map(|(task, lease)| {
            Event::WorkflowTaskFailed {
                scheduled_event_id: task.scheduled_event_id(),
                started_event_id: lease.started_event_id,
                cause: WorkflowTaskFailedCause::ForceCloseCommand,
                failure,
                identity: String::new(),
                reset: None,
            }
        });
        let terminated = Event::WorkflowExecutionTerminated {
            reason,
            details: Payloads::new(),
            identity: String::from(ENGINE_IDENTITY),
        };
        self.write(step, run_id, given_up.into_iter().chain([terminated]).collect());
    }
}
