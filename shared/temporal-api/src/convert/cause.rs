//! Why something did not happen, in Temporal's numbers and back.

use tidegate_model::event::{
    ExternalWorkflowFailedCause, StartChildFailedCause, WorkflowTaskFailedCause as Cause,
};

use crate::proto::enums::{
    CancelExternalWorkflowExecutionFailedCause, SignalExternalWorkflowExecutionFailedCause,
    StartChildWorkflowExecutionFailedCause, WorkflowTaskFailedCause,
};

pub(crate) fn of_workflow_task(cause: Cause) -> WorkflowTaskFailedCause {
    match cause {
        Cause::UnhandledCommand => WorkflowTaskFailedCause::UnhandledCommand,
        Cause::BadScheduleActivityAttributes => WorkflowTaskFailedCause::BadScheduleActivityAttributes,
        Cause::BadRequestCancelActivityAttributes => {
            WorkflowTaskFailedCause::BadRequestCancelActivityAttributes
        }
        // The limit on timers is ours alone.
        Cause::BadStartTimerAttributes | Cause::PendingTimersLimitExceeded => {
            WorkflowTaskFailedCause::BadStartTimerAttributes
        }
        Cause::BadCancelTimerAttributes => WorkflowTaskFailedCause::BadCancelTimerAttributes,
        Cause::BadRecordMarkerAttributes => WorkflowTaskFailedCause::BadRecordMarkerAttributes,
        Cause::BadCompleteWorkflowExecutionAttributes => {
            WorkflowTaskFailedCause::BadCompleteWorkflowExecutionAttributes
        }
        Cause::BadFailWorkflowExecutionAttributes => {
            WorkflowTaskFailedCause::BadFailWorkflowExecutionAttributes
        }
        Cause::BadCancelWorkflowExecutionAttributes => {
            WorkflowTaskFailedCause::BadCancelWorkflowExecutionAttributes
        }
        Cause::BadRequestCancelExternalWorkflowExecutionAttributes => {
            WorkflowTaskFailedCause::BadRequestCancelExternalWorkflowExecutionAttributes
        }
        Cause::BadContinueAsNewAttributes => WorkflowTaskFailedCause::BadContinueAsNewAttributes,
        Cause::StartTimerDuplicateId => WorkflowTaskFailedCause::StartTimerDuplicateId,
        Cause::ResetStickyTaskQueue => WorkflowTaskFailedCause::ResetStickyTaskQueue,
        Cause::WorkflowWorkerUnhandledFailure => WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure,
        Cause::BadSignalWorkflowExecutionAttributes => {
            WorkflowTaskFailedCause::BadSignalWorkflowExecutionAttributes
        }
        Cause::BadStartChildExecutionAttributes => WorkflowTaskFailedCause::BadStartChildExecutionAttributes,
        Cause::ForceCloseCommand => WorkflowTaskFailedCause::ForceCloseCommand,
        Cause::ResetWorkflow => WorkflowTaskFailedCause::ResetWorkflow,
        Cause::BadBinary => WorkflowTaskFailedCause::BadBinary,
        Cause::ScheduleActivityDuplicateId => WorkflowTaskFailedCause::ScheduleActivityDuplicateId,
        Cause::BadSearchAttributes => WorkflowTaskFailedCause::BadSearchAttributes,
        Cause::NonDeterministicError => WorkflowTaskFailedCause::NonDeterministicError,
        Cause::BadModifyWorkflowPropertiesAttributes => {
            WorkflowTaskFailedCause::BadModifyWorkflowPropertiesAttributes
        }
        Cause::PendingChildWorkflowsLimitExceeded => {
            WorkflowTaskFailedCause::PendingChildWorkflowsLimitExceeded
        }
        Cause::PendingActivitiesLimitExceeded => WorkflowTaskFailedCause::PendingActivitiesLimitExceeded,
        Cause::PendingSignalsLimitExceeded => WorkflowTaskFailedCause::PendingSignalsLimitExceeded,
        Cause::PendingRequestCancelLimitExceeded => {
            WorkflowTaskFailedCause::PendingRequestCancelLimitExceeded
        }
        Cause::BadUpdateWorkflowExecutionMessage => {
            WorkflowTaskFailedCause::BadUpdateWorkflowExecutionMessage
        }
        Cause::UnhandledUpdate => WorkflowTaskFailedCause::UnhandledUpdate,
        Cause::GrpcMessageTooLarge => WorkflowTaskFailedCause::GrpcMessageTooLarge,
        Cause::PayloadsTooLarge => WorkflowTaskFailedCause::PayloadsTooLarge,
    }
}

pub(crate) fn of_cancel(cause: ExternalWorkflowFailedCause) -> CancelExternalWorkflowExecutionFailedCause {
    match cause {
        // Only a signal is counted.
        ExternalWorkflowFailedCause::NotFound | ExternalWorkflowFailedCause::SignalCountLimitExceeded => {
            CancelExternalWorkflowExecutionFailedCause::ExternalWorkflowExecutionNotFound
        }
        ExternalWorkflowFailedCause::NamespaceNotFound => {
            CancelExternalWorkflowExecutionFailedCause::NamespaceNotFound
        }
    }
}

pub(crate) fn of_signal(cause: ExternalWorkflowFailedCause) -> SignalExternalWorkflowExecutionFailedCause {
    match cause {
        ExternalWorkflowFailedCause::NotFound => {
            SignalExternalWorkflowExecutionFailedCause::ExternalWorkflowExecutionNotFound
        }
        ExternalWorkflowFailedCause::NamespaceNotFound => {
            SignalExternalWorkflowExecutionFailedCause::NamespaceNotFound
        }
        ExternalWorkflowFailedCause::SignalCountLimitExceeded => {
            SignalExternalWorkflowExecutionFailedCause::SignalCountLimitExceeded
        }
    }
}

pub(crate) fn of_child(cause: StartChildFailedCause) -> StartChildWorkflowExecutionFailedCause {
    match cause {
        StartChildFailedCause::WorkflowAlreadyExists => {
            StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists
        }
        StartChildFailedCause::NamespaceNotFound => StartChildWorkflowExecutionFailedCause::NamespaceNotFound,
    }
}

/// What a worker says of its own failure. A cause that is the engine's to give, or that we do not know, is the worker's
/// unhandled failure.
pub(crate) fn by_worker(number: i32) -> Cause {
    match WorkflowTaskFailedCause::try_from(number) {
        Ok(WorkflowTaskFailedCause::NonDeterministicError) => Cause::NonDeterministicError,
        Ok(WorkflowTaskFailedCause::ResetStickyTaskQueue) => Cause::ResetStickyTaskQueue,
        Ok(WorkflowTaskFailedCause::GrpcMessageTooLarge | WorkflowTaskFailedCause::RequestTooLarge) => {
            Cause::GrpcMessageTooLarge
        }
        Ok(WorkflowTaskFailedCause::PayloadsTooLarge) => Cause::PayloadsTooLarge,
        Ok(
            WorkflowTaskFailedCause::Unspecified
            | WorkflowTaskFailedCause::UnhandledCommand
            | WorkflowTaskFailedCause::BadScheduleActivityAttributes
            | WorkflowTaskFailedCause::BadRequestCancelActivityAttributes
            | WorkflowTaskFailedCause::BadStartTimerAttributes
            | WorkflowTaskFailedCause::BadCancelTimerAttributes
            | WorkflowTaskFailedCause::BadRecordMarkerAttributes
            | WorkflowTaskFailedCause::BadCompleteWorkflowExecutionAttributes
            | WorkflowTaskFailedCause::BadFailWorkflowExecutionAttributes
            | WorkflowTaskFailedCause::BadCancelWorkflowExecutionAttributes
            | WorkflowTaskFailedCause::BadRequestCancelExternalWorkflowExecutionAttributes
            | WorkflowTaskFailedCause::BadContinueAsNewAttributes
            | WorkflowTaskFailedCause::StartTimerDuplicateId
            | WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure
            | WorkflowTaskFailedCause::BadSignalWorkflowExecutionAttributes
            | WorkflowTaskFailedCause::BadStartChildExecutionAttributes
            | WorkflowTaskFailedCause::ForceCloseCommand
            | WorkflowTaskFailedCause::FailoverCloseCommand
            | WorkflowTaskFailedCause::BadSignalInputSize
            | WorkflowTaskFailedCause::ResetWorkflow
            | WorkflowTaskFailedCause::BadBinary
            | WorkflowTaskFailedCause::ScheduleActivityDuplicateId
            | WorkflowTaskFailedCause::BadSearchAttributes
            | WorkflowTaskFailedCause::BadModifyWorkflowPropertiesAttributes
            | WorkflowTaskFailedCause::PendingChildWorkflowsLimitExceeded
            | WorkflowTaskFailedCause::PendingActivitiesLimitExceeded
            | WorkflowTaskFailedCause::PendingSignalsLimitExceeded
            | WorkflowTaskFailedCause::PendingRequestCancelLimitExceeded
            | WorkflowTaskFailedCause::BadUpdateWorkflowExecutionMessage
            | WorkflowTaskFailedCause::UnhandledUpdate
            | WorkflowTaskFailedCause::BadScheduleNexusOperationAttributes
            | WorkflowTaskFailedCause::PendingNexusOperationsLimitExceeded
            | WorkflowTaskFailedCause::BadRequestCancelNexusOperationAttributes
            | WorkflowTaskFailedCause::FeatureDisabled
            | WorkflowTaskFailedCause::ExternalStorageFailure
            | WorkflowTaskFailedCause::WorkflowPauseRequestedBeforeTaskStarted,
        )
        | Err(_) => Cause::WorkflowWorkerUnhandledFailure,
    }
}
