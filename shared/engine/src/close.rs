//! The end of a run.

use tidegate_model::codec;
use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::id::RunId;
use tidegate_model::payload::{Failure, Payloads};

use crate::bounds;
use crate::closed::ClosedRun;
use crate::engine::{Engine, Step};
use crate::plan::{BadCommand, Draft};
use crate::request::RunSummary;
use crate::run::Run;

/// Who ends a run, or a workflow task, where nobody asked for it by name: Temporal's name for the part that does so.
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
        let as_started = self.as_started();
        ClosedRun {
            summary,
            as_started,
            previous_started_event_id: self.workflow_tasks.previous_started_event_id(),
            updates: self.updates.into_closed(),
            start_request_id: self.head.start_request_id,
            attached: self.attached,
            cancel_requested: self.cancellation.is_some(),
            reset: self.reset,
        }
    }
}

impl Draft<'_> {
    pub(crate) fn complete_run(&mut self, result: Payloads) -> Result<Event, BadCommand> {
        bounds::payloads("result", &result, self.settings).map_err(|reason| {
            BadCommand::too_large(WorkflowTaskFailedCause::BadCompleteWorkflowExecutionAttributes, reason)
        })?;
        self.successor = self.run.after_success(self.now, self.chance.run_id(self.now), &result);
        Ok(Event::WorkflowExecutionCompleted {
            result,
            workflow_task_completed_event_id: self.completed_event_id,
            new_execution_run_id: self.successor.as_ref().map(|successor| successor.run_id),
        })
    }

    pub(crate) fn fail_run(&mut self, failure: Failure) -> Result<Event, BadCommand> {
        let bytes = codec::to_cbor(&failure).len();
        bounds::blob("failure", bytes, self.settings).map_err(|reason| {
            BadCommand::too_large(WorkflowTaskFailedCause::BadFailWorkflowExecutionAttributes, reason)
        })?;
        let (retry_state, successor) =
            self.run.after_failure(self.now, self.chance.run_id(self.now), &failure);
        self.successor = successor;
        Ok(Event::WorkflowExecutionFailed {
            failure,
            retry_state,
            workflow_task_completed_event_id: self.completed_event_id,
            new_execution_run_id: self.successor.as_ref().map(|successor| successor.run_id),
        })
    }
}

impl Engine {
    /// Ends a run whose history has reached a limit: the workflow should have continued as new.
    pub(crate) fn end_at_history_limit(&mut self, step: &mut Step<'_>, run_id: RunId, limit: &str) {
        let reason = format!("limit {limit} is reached: the workflow should have continued as new");
        self.terminate_run(step, run_id, reason, Payloads::new(), ENGINE_IDENTITY.to_owned());
    }
}
