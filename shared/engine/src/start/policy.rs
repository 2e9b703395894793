//! What a start comes upon, and what its policies make of that.

use std::collections::BTreeSet;
use std::time::Duration;

use tidegate_model::event::{WorkflowIdConflictPolicy, WorkflowIdReusePolicy};
use tidegate_model::id::RunId;
use tidegate_model::limits::WORKFLOW_ID_REUSE_MILLIS_MIN;
use tidegate_model::payload::Payload;
use tidegate_model::time::Timestamp;

use crate::close::ENGINE_IDENTITY;
use crate::closed::ClosedRun;
use crate::engine::{Engine, Step};
use crate::request::{Refusal, RunStatus, StartWorkflow};
use crate::run::Run;

/// What a start comes upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing that is in its way.
    Vacant,
    /// Itself: the request was made before. `started` when it started this run, rather than being content with it.
    Repeated { run_id: RunId, started: bool },
    /// An open run, with which it is content.
    Content { run_id: RunId },
    /// An open run, which gives way.
    Replaced { run_id: RunId },
}

impl Engine {
    /// The conflict policy decides about an open run, the reuse policy about the last one that closed
    /// (`ResolveDuplicateWorkflowID`). A request that was made before is known before either.
    pub(crate) fn met(&self, now: Timestamp, start: &StartWorkflow) -> Result<Standing, Refusal> {
        let StartWorkflow { namespace, workflow_id, request_id, .. } = start;
        if let Some(run) = self.current(namespace, workflow_id) {
            let repeated = repeated(request_id, &run.head.start_request_id, &run.attached);
            return match repeated {
                Some(started) => Ok(Standing::Repeated { run_id: run.head.run_id, started }),
                None => meets_open(now, start, run),
            };
        }
        let Some(closed) = self.closed.latest(namespace, workflow_id) else { return Ok(Standing::Vacant) };
        match repeated(request_id, &closed.start_request_id, &closed.attached) {
            Some(started) => Ok(Standing::Repeated { run_id: closed.summary.run_id, started }),
            None => meets_closed(start, closed),
        }
    }

    pub(super) fn terminate_to_restart(&mut self, step: &mut Step<'_>, run_id: RunId, new_run_id: RunId) {
        let reason = String::from("TerminateIfRunning WorkflowIdReusePolicy");
        let details = vec![Payload::json(format!("\"terminated by new runID: {new_run_id}\""))];
        self.terminate_run(step, run_id, reason, details, ENGINE_IDENTITY.to_owned());
    }
}

/// Whether a request was made before; if so, whether it started the run.
fn repeated(request_id: &str, start_request_id: &str, attached: &BTreeSet<String>) -> Option<bool> {
    if request_id.is_empty() {
        None
    } else if request_id == start_request_id {
        Some(true)
    } else {
        attached.contains(request_id).then_some(false)
    }
}

fn meets_open(now: Timestamp, start: &StartWorkflow, run: &Run) -> Result<Standing, Refusal> {
    let run_id = run.head.run_id;
    match start.workflow_id_conflict_policy {
        WorkflowIdConflictPolicy::Fail => Err(Refusal::AlreadyStarted {
            run_id,
            start_request_id: run.head.start_request_id.clone(),
            message: format!(
                "Workflow execution is already running. WorkflowId: {}, RunId: {run_id}.",
                start.workflow_id
            ),
        }),
        WorkflowIdConflictPolicy::UseExisting => Ok(Standing::Content { run_id }),
        WorkflowIdConflictPolicy::TerminateExisting => {
            let since = now.saturating_since(run.head.start_time);
            if since > Duration::from_millis(WORKFLOW_ID_REUSE_MILLIS_MIN) {
                return Ok(Standing::Replaced { run_id });
            }
            Err(Refusal::BusyWorkflow(format!(
                "Too many restarts for workflow {}. Time since last start: {} ms",
                start.workflow_id,
                since.as_millis()
            )))
        }
    }
}

fn meets_closed(start: &StartWorkflow, closed: &ClosedRun) -> Result<Standing, Refusal> {
    let refused = |why: &str| {
        let run_id = closed.summary.run_id;
        let start_request_id = closed.start_request_id.clone();
        let message = format!("{why}. WorkflowId: {}, RunId: {run_id}.", start.workflow_id);
        Err(Refusal::AlreadyStarted { run_id, start_request_id, message })
    };
    match start.workflow_id_reuse_policy {
        WorkflowIdReusePolicy::AllowDuplicateFailedOnly if !has_failed(closed.summary.status) => {
            refused("The reuse policy is AllowDuplicateFailedOnly and the last run did not fail")
        }
        WorkflowIdReusePolicy::RejectDuplicate => {
            refused("The reuse policy is RejectDuplicate and a run has finished")
        }
        WorkflowIdReusePolicy::AllowDuplicate | WorkflowIdReusePolicy::AllowDuplicateFailedOnly => {
            Ok(Standing::Vacant)
        }
    }
}

/// Temporal's `FailedWorkflowStatuses`.
fn has_failed(status: RunStatus) -> bool {
    match status {
        RunStatus::Failed | RunStatus::Canceled | RunStatus::Terminated | RunStatus::TimedOut => true,
        RunStatus::Running | RunStatus::Completed | RunStatus::ContinuedAsNew => false,
    }
}
