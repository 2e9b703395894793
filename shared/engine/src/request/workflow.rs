//! What can be done to a run from outside.

use tidegate_model::event::HistoryBatch;
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::payload::Payloads;

/// A request to cancel.
#[derive(Debug, Clone, PartialEq)]
pub struct CancelWorkflow {
    /// Namespace of the execution.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// A run of it; `None` is the latest.
    pub run_id: Option<RunId>,
    /// Only in the chain that this run began.
    pub first_execution_run_id: Option<RunId>,
    /// Why, in words.
    pub reason: String,
    /// Who asks.
    pub identity: String,
    /// The caller's idempotency key; empty for none.
    pub request_id: String,
}

/// A request to terminate.
#[derive(Debug, Clone, PartialEq)]
pub struct TerminateWorkflow {
    /// Namespace of the execution.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// A run of it; `None` is the one that is open.
    pub run_id: Option<RunId>,
    /// Only in the chain that this run began.
    pub first_execution_run_id: Option<RunId>,
    /// Why, in words.
    pub reason: String,
    /// Whatever the caller attaches.
    pub details: Payloads,
    /// Who asks.
    pub identity: String,
}

/// A request to fork a run.
#[derive(Debug, Clone, PartialEq)]
pub struct ResetWorkflow {
    /// Namespace of the execution.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// The run whose history is forked. Whoever asks has resolved it.
    pub run_id: RunId,
    /// Why, in words.
    pub reason: String,
    /// The event at which a workflow task ended (completed, failed, timed out) or started: what is before it stays.
    pub workflow_task_finish_event_id: EventId,
    /// The caller's idempotency key.
    pub request_id: String,
    /// Who asks.
    pub identity: String,
    /// What of what came after the point is not asked anew.
    pub reapply_exclude: ReapplyExclude,
    /// The run's whole history as the log has it: the engine does not keep it. Behind it, one after the other, those of
    /// the runs that continued it as new, as far as there are any: what reached them is asked of the fork too. One that
    /// is shorter than its run by now is refused with [`Refusal::Stale`](super::Refusal::Stale); whoever asks reads
    /// again, as [`WorkflowService::reset`](crate::WorkflowService::reset) does.
    pub history: Vec<HistoryBatch>,
}

/// What a reset leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReapplyExclude {
    /// Signals.
    pub signals: bool,
    /// Updates.
    pub updates: bool,
    /// Requests to cancel. Temporal's protocol has it, and its server leaves them behind in any case: who resets a run
    /// wants it to go on. So does the engine.
    pub cancel_requests: bool,
}

/// A question about how far a history goes.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitForHistory {
    /// Namespace of the execution.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// A run of it; `None` is the latest.
    pub run_id: Option<RunId>,
    /// Answered at once when the run has an event after this one, or has closed; otherwise when it does, or after
    /// `HISTORY_WAIT_SECONDS_MAX`. `None` answers at once.
    pub wait_beyond: Option<EventId>,
    /// Wait for the close alone.
    pub until_closed: bool,
}
