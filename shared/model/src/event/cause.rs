//! Why something did not happen: the causes that events name.

use serde::{Deserialize, Serialize};

/// Temporal's `WorkflowTaskFailedCause`: those an engine or a worker can give, under Temporal's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowTaskFailedCause {
    /// A closing command while events were waiting.
    UnhandledCommand,
    /// An activity command that says too little or too much.
    BadScheduleActivityAttributes,
    /// Cancelling an activity that is not there.
    BadRequestCancelActivityAttributes,
    /// A timer command that says too little or too much.
    BadStartTimerAttributes,
    /// Cancelling a timer that is not there.
    BadCancelTimerAttributes,
    /// A marker without a name, or too large.
    BadRecordMarkerAttributes,
    /// A complete command with a result that is too large.
    BadCompleteWorkflowExecutionAttributes,
    /// A fail command without a failure.
    BadFailWorkflowExecutionAttributes,
    /// A cancel command with details that are too large.
    BadCancelWorkflowExecutionAttributes,
    /// A cancel of another execution that says too little or too much.
    BadRequestCancelExternalWorkflowExecutionAttributes,
    /// A continue-as-new command that says too little or too much.
    BadContinueAsNewAttributes,
    /// A second timer of the same name.
    StartTimerDuplicateId,
    /// The worker threw its sticky cache away.
    ResetStickyTaskQueue,
    /// The worker's own failure: a panic in workflow code.
    WorkflowWorkerUnhandledFailure,
    /// A signal of another execution that says too little or too much.
    BadSignalWorkflowExecutionAttributes,
    /// A child command that says too little or too much.
    BadStartChildExecutionAttributes,
    /// Too much arrived; the task was failed to make room, or the run to end.
    ForceCloseCommand,
    /// The workflow was reset at this task.
    ResetWorkflow,
    /// A binary known to be bad answered.
    BadBinary,
    /// A second activity of the same name.
    ScheduleActivityDuplicateId,
    /// Search attributes that are not registered, or of the wrong type.
    BadSearchAttributes,
    /// The code no longer matches the history.
    NonDeterministicError,
    /// A memo that is too large.
    BadModifyWorkflowPropertiesAttributes,
    /// The run has as many children open as it may.
    PendingChildWorkflowsLimitExceeded,
    /// The run has as many activities open as it may.
    PendingActivitiesLimitExceeded,
    /// The run has as many timers open as it may. Ours: Temporal has no such limit and no such cause.
    PendingTimersLimitExceeded,
    /// The run has as many signals to others on their way as it may.
    PendingSignalsLimitExceeded,
    /// The run has as many cancels of others on their way as it may.
    PendingRequestCancelLimitExceeded,
    /// An update message that does not fit its update.
    BadUpdateWorkflowExecutionMessage,
    /// An update that nobody answered.
    UnhandledUpdate,
    /// The worker reports that the message it was given is too large for it.
    GrpcMessageTooLarge,
    /// The worker reports payloads it could not send.
    PayloadsTooLarge,
}

/// Why another execution could not be signalled or cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExternalWorkflowFailedCause {
    /// No open run of that id, or not that run.
    NotFound,
    /// No such namespace.
    NamespaceNotFound,
    /// It has had as many signals as it may.
    SignalCountLimitExceeded,
}

/// Why a child could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartChildFailedCause {
    /// The reuse policy forbids it.
    WorkflowAlreadyExists,
    /// No such namespace.
    NamespaceNotFound,
}
