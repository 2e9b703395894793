//! Cancellation of a run: it is asked once, and decides itself what it makes of it.

use serde::{Deserialize, Serialize};
use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::payload::Payloads;

use crate::bounds;
use crate::engine::{Engine, Step};
use crate::plan::{BadCommand, Draft};
use crate::request::{CancelWorkflow, Refusal, Reply};

/// A run was asked to cancel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cancellation {
    /// Of the request that asked; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) request_id: String,
}

impl Engine {
    /// On a closed run, and on one that was asked before, there is nothing to do; that is no error
    /// (`requestcancelworkflow/api.go`).
    pub(crate) fn request_cancel(
        &mut self,
        step: &mut Step<'_>,
        cancel: CancelWorkflow,
    ) -> Result<Reply, Refusal> {
        let CancelWorkflow {
            namespace,
            workflow_id,
            run_id,
            first_execution_run_id,
            reason,
            identity,
            request_id,
        } = cancel;
        bounds::id("identity", &identity)?;
        bounds::id("request id", &request_id)?;
        bounds::blob("reason", reason.len(), &self.settings)?;
        let Some(run) = self.meant(&namespace, &workflow_id, run_id, first_execution_run_id)? else {
            return Ok(Reply::Done);
        };
        let run_id = run.head.run_id;
        if run.cancellation.is_none() {
            let requested = Event::WorkflowExecutionCancelRequested {
                cause: reason,
                identity,
                request_id,
                external: None,
            };
            // It does not wait for the first task's time, as a signal does.
            self.arrive(step, run_id, vec![requested]);
        }
        Ok(Reply::Done)
    }
}

impl Draft<'_> {
    /// The end that the workflow gives itself when it was asked to cancel. Neither tried again nor followed by the
    /// next time of a cron schedule.
    pub(crate) fn cancel_run(&mut self, details: Payloads) -> Result<Event, BadCommand> {
        bounds::payloads("details", &details, self.settings).map_err(|reason| {
            BadCommand::too_large(WorkflowTaskFailedCause::BadCancelWorkflowExecutionAttributes, reason)
        })?;
        Ok(Event::WorkflowExecutionCanceled {
            details,
            workflow_task_completed_event_id: self.completed_event_id,
        })
    }
}
