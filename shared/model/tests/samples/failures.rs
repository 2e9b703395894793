//! Failures, and why things did not happen.

use std::time::Duration;

use tidegate_model::event::{
    ExternalWorkflowFailedCause, StartChildFailedCause, UpdateOutcome, WorkflowTaskFailedCause,
};
use tidegate_model::payload::{Failure, FailureInfo, Payload, RetryPolicy, RetryState, TimeoutType};

use super::events::{execution, payloads};
use super::{Sample, cbor, of, one_of_each};

/// How many causes the first release knew; their list keeps the bytes it had.
const CAUSES_OF_THE_FIRST_RELEASE: usize = 13;

pub(super) fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    samples.extend(failure_infos().iter().map(|(name, info)| cbor(format!("failure_info-{name}"), info)));
    samples.extend(
        [("application_whole", benign()), ("activity_whole", with_identity())]
            .iter()
            .map(|(name, info)| cbor(format!("failure_info-{name}"), info)),
    );
    samples.push(cbor("failure-caused".into(), &caused()));
    samples.push(cbor("payload-bare".into(), &Payload::default()));
    samples.push(cbor("retry_policy-default".into(), &RetryPolicy::default()));
    samples.push(cbor("retry_state-all".into(), &of(retry_states())));
    samples.push(cbor("timeout_type-all".into(), &of(timeout_types())));
    let mut causes = of(causes());
    let later = causes.split_off(CAUSES_OF_THE_FIRST_RELEASE);
    samples.push(cbor("workflow_task_failed_cause-all".into(), &causes));
    samples.push(cbor("workflow_task_failed_cause-later".into(), &later));
    samples.push(cbor("external_workflow_failed_cause-all".into(), &of(external_causes())));
    samples.push(cbor("start_child_failed_cause-all".into(), &of(child_causes())));
    samples.push(cbor("update_outcome-all".into(), &of(outcomes())));
    samples
}

pub(super) fn caused() -> Failure {
    let root = Failure::timeout("no answer in 5 s", TimeoutType::StartToClose);
    let middle =
        Failure { cause: Some(Box::new(root)), ..Failure::application("gave up", "Unreachable", true) };
    Failure {
        stack_trace: "at ward::alarm".into(),
        encoded_attributes: Some(Payload::json("\"sealed\"")),
        cause: Some(Box::new(middle)),
        ..Failure::application("the alarm was not delivered", "AlarmFailed", false)
    }
}

fn failure_infos() -> Vec<(&'static str, FailureInfo)> {
    one_of_each!(FailureInfo {
        "application": FailureInfo::Application { .. } => FailureInfo::Application {
            kind: "Unreachable".into(),
            non_retryable: true,
            details: payloads(),
            next_retry_delay: Some(Duration::from_millis(1_500)),
            benign: false,
        },
        "timeout": FailureInfo::Timeout { .. } => FailureInfo::Timeout {
            timeout_type: TimeoutType::Heartbeat,
            last_heartbeat_details: payloads(),
        },
        "server": FailureInfo::Server { .. } => FailureInfo::Server { non_retryable: false },
        "activity": FailureInfo::Activity { .. } => FailureInfo::Activity {
            scheduled_event_id: 5,
            started_event_id: 6,
            activity_type: "http_post".into(),
            activity_id: "1".into(),
            retry_state: RetryState::MaximumAttemptsReached,
            identity: String::new(),
        },
        "canceled": FailureInfo::Canceled { .. } => FailureInfo::Canceled { details: payloads() },
        "terminated": FailureInfo::Terminated => FailureInfo::Terminated,
        "reset_workflow": FailureInfo::ResetWorkflow { .. } =>
            FailureInfo::ResetWorkflow { last_heartbeat_details: payloads() },
        "child_workflow": FailureInfo::ChildWorkflow { .. } => FailureInfo::ChildWorkflow {
            child: Box::new(execution()),
            workflow_type: "escalate".into(),
            initiated_event_id: 5,
            started_event_id: 6,
            retry_state: RetryState::RetryPolicyNotSet,
        },
    })
}

fn retry_states() -> Vec<(&'static str, RetryState)> {
    one_of_each!(RetryState {
        "in_progress": RetryState::InProgress => RetryState::InProgress,
        "non_retryable_failure": RetryState::NonRetryableFailure => RetryState::NonRetryableFailure,
        "timeout": RetryState::Timeout => RetryState::Timeout,
        "maximum_attempts_reached": RetryState::MaximumAttemptsReached => RetryState::MaximumAttemptsReached,
        "retry_policy_not_set": RetryState::RetryPolicyNotSet => RetryState::RetryPolicyNotSet,
        "internal_server_error": RetryState::InternalServerError => RetryState::InternalServerError,
        "cancel_requested": RetryState::CancelRequested => RetryState::CancelRequested,
    })
}

fn timeout_types() -> Vec<(&'static str, TimeoutType)> {
    one_of_each!(TimeoutType {
        "start_to_close": TimeoutType::StartToClose => TimeoutType::StartToClose,
        "schedule_to_start": TimeoutType::ScheduleToStart => TimeoutType::ScheduleToStart,
        "schedule_to_close": TimeoutType::ScheduleToClose => TimeoutType::ScheduleToClose,
        "heartbeat": TimeoutType::Heartbeat => TimeoutType::Heartbeat,
    })
}

fn causes() -> Vec<(&'static str, WorkflowTaskFailedCause)> {
    use WorkflowTaskFailedCause as Cause;
    one_of_each!(WorkflowTaskFailedCause {
        "unhandled_command": Cause::UnhandledCommand => Cause::UnhandledCommand,
        "bad_schedule_activity": Cause::BadScheduleActivityAttributes => Cause::BadScheduleActivityAttributes,
        "bad_start_timer": Cause::BadStartTimerAttributes => Cause::BadStartTimerAttributes,
        "bad_cancel_timer": Cause::BadCancelTimerAttributes => Cause::BadCancelTimerAttributes,
        "bad_complete": Cause::BadCompleteWorkflowExecutionAttributes =>
            Cause::BadCompleteWorkflowExecutionAttributes,
        "bad_fail": Cause::BadFailWorkflowExecutionAttributes => Cause::BadFailWorkflowExecutionAttributes,
        "timer_duplicate": Cause::StartTimerDuplicateId => Cause::StartTimerDuplicateId,
        "activity_duplicate": Cause::ScheduleActivityDuplicateId => Cause::ScheduleActivityDuplicateId,
        "unhandled_failure": Cause::WorkflowWorkerUnhandledFailure => Cause::WorkflowWorkerUnhandledFailure,
        "non_deterministic": Cause::NonDeterministicError => Cause::NonDeterministicError,
        "force_close": Cause::ForceCloseCommand => Cause::ForceCloseCommand,
        "too_many_activities": Cause::PendingActivitiesLimitExceeded => Cause::PendingActivitiesLimitExceeded,
        "too_many_timers": Cause::PendingTimersLimitExceeded => Cause::PendingTimersLimitExceeded,
        "bad_cancel_activity": Cause::BadRequestCancelActivityAttributes =>
            Cause::BadRequestCancelActivityAttributes,
        "bad_marker": Cause::BadRecordMarkerAttributes => Cause::BadRecordMarkerAttributes,
        "bad_cancel": Cause::BadCancelWorkflowExecutionAttributes =>
            Cause::BadCancelWorkflowExecutionAttributes,
        "bad_cancel_external": Cause::BadRequestCancelExternalWorkflowExecutionAttributes =>
            Cause::BadRequestCancelExternalWorkflowExecutionAttributes,
        "bad_continue_as_new": Cause::BadContinueAsNewAttributes => Cause::BadContinueAsNewAttributes,
        "reset_sticky": Cause::ResetStickyTaskQueue => Cause::ResetStickyTaskQueue,
        "bad_signal": Cause::BadSignalWorkflowExecutionAttributes =>
            Cause::BadSignalWorkflowExecutionAttributes,
        "bad_child": Cause::BadStartChildExecutionAttributes => Cause::BadStartChildExecutionAttributes,
        "reset": Cause::ResetWorkflow => Cause::ResetWorkflow,
        "bad_binary": Cause::BadBinary => Cause::BadBinary,
        "bad_search_attributes": Cause::BadSearchAttributes => Cause::BadSearchAttributes,
        "bad_memo": Cause::BadModifyWorkflowPropertiesAttributes =>
            Cause::BadModifyWorkflowPropertiesAttributes,
        "too_many_children": Cause::PendingChildWorkflowsLimitExceeded =>
            Cause::PendingChildWorkflowsLimitExceeded,
        "too_many_signals": Cause::PendingSignalsLimitExceeded => Cause::PendingSignalsLimitExceeded,
        "too_many_cancels": Cause::PendingRequestCancelLimitExceeded =>
            Cause::PendingRequestCancelLimitExceeded,
        "bad_update_message": Cause::BadUpdateWorkflowExecutionMessage =>
            Cause::BadUpdateWorkflowExecutionMessage,
        "unhandled_update": Cause::UnhandledUpdate => Cause::UnhandledUpdate,
        "message_too_large": Cause::GrpcMessageTooLarge => Cause::GrpcMessageTooLarge,
        "payloads_too_large": Cause::PayloadsTooLarge => Cause::PayloadsTooLarge,
    })
}

fn benign() -> FailureInfo {
    FailureInfo::Application {
        kind: "Away".into(),
        non_retryable: false,
        details: Vec::new(),
        next_retry_delay: None,
        benign: true,
    }
}

fn with_identity() -> FailureInfo {
    FailureInfo::Activity {
        scheduled_event_id: 5,
        started_event_id: 6,
        activity_type: "http_post".into(),
        activity_id: "1".into(),
        retry_state: RetryState::Timeout,
        identity: "worker@gw-1".into(),
    }
}

fn external_causes() -> Vec<(&'static str, ExternalWorkflowFailedCause)> {
    use ExternalWorkflowFailedCause as Cause;
    one_of_each!(ExternalWorkflowFailedCause {
        "not_found": Cause::NotFound => Cause::NotFound,
        "namespace_not_found": Cause::NamespaceNotFound => Cause::NamespaceNotFound,
        "too_many_signals": Cause::SignalCountLimitExceeded => Cause::SignalCountLimitExceeded,
    })
}

fn child_causes() -> Vec<(&'static str, StartChildFailedCause)> {
    use StartChildFailedCause as Cause;
    one_of_each!(StartChildFailedCause {
        "already_exists": Cause::WorkflowAlreadyExists => Cause::WorkflowAlreadyExists,
        "namespace_not_found": Cause::NamespaceNotFound => Cause::NamespaceNotFound,
    })
}

fn outcomes() -> Vec<(&'static str, UpdateOutcome)> {
    one_of_each!(UpdateOutcome {
        "success": UpdateOutcome::Success(_) => UpdateOutcome::Success(payloads()),
        "failure": UpdateOutcome::Failure(_) => UpdateOutcome::Failure(caused()),
    })
}
