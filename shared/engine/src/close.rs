//! The end of a run.

use tidegate_model::codec;
use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::id::RunId;
use tidegate_model::payload::{Failure, FailureInfo, Payloads, RetryState};

use crate::bounds;
use crate::closed::ClosedRun;
use crate::engine::{Engine, Step};
use crate::plan::{BadCommand, Draft};
use crate::request::RunSummary;
use crate::run::Run;

/// Who terminates a run at a limit: Temporal's name for the part of it that does so.
pub(crate) const ENGINE_IDENTITY: &str = "history-service";

impl Run {
    /// What is remembered once it has closed.
    pub(crate) fn into_closed(self) -> ClosedRun {
        let summary = RunSummary {
            pending_activities: 0,
            pending_timers: 0,
            workflow_task_attempt: 0,
            ..self.summary()
        };
        ClosedRun {
            summary,
            start_request_id: self.head.start_request_id,
            previous_started_event_id: self.workflow_tasks.previous_started_event_id(),
            updates: self.updates.into_closed(),
            as_started: self.shown.as_started,
        }
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
