//! From the model to Temporal's messages: everything it holds.

use std::time::Duration;

use tidegate_engine::RunStatus;
use tidegate_model::event::{
    ContinueAsNewInitiator, Execution, ParentClosePolicy, Priority, UpdateOutcome, UpdateRequest,
    UserMetadata, WorkflowIdReusePolicy,
};
use tidegate_model::id::{EventId, RunId, TaskQueue};
use tidegate_model::payload::{
    Failure, FailureInfo, Header, Payload, Payloads, RetryPolicy, RetryState, TimeoutType,
};
use tidegate_model::time::Timestamp;

use crate::proto::failure::failure::FailureInfo as Info;
use crate::proto::{common, enums, failure as proto, query, sdk, taskqueue, update};

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what Temporal's clients can read.
const SECONDS_MIN: i64 = -62_135_596_800;
const SECONDS_MAX: i64 = 253_402_300_799;

/// A moment; one that no calendar of a client holds is its nearest end.
pub(crate) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let micros = at.as_micros();
    let seconds = micros.div_euclid(1_000_000).clamp(SECONDS_MIN, SECONDS_MAX);
    let nanos = i32::try_from(micros.rem_euclid(1_000_000)).expect("below a million") * 1_000;
    prost_types::Timestamp { seconds, nanos }
}

/// A length of time.
pub(crate) fn duration(duration: Duration) -> prost_types::Duration {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let nanos = i32::try_from(duration.subsec_nanos()).expect("below a milliard");
    prost_types::Duration { seconds, nanos }
}

/// A length of time that is left out where there is none. SDKs want it said as zero.
pub(crate) fn or_zero(limit: Option<Duration>) -> Option<prost_types::Duration> {
    Some(duration(limit.unwrap_or_default()))
}

/// An event's id, or a number of events.
pub(crate) fn id(id: EventId) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

/// A small number.
pub(crate) fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A run's id; empty for none.
pub(crate) fn run_id(run: Option<RunId>) -> String {
    run.map_or_else(String::new, |run| run.to_string())
}

pub(crate) fn workflow_type(name: String) -> Option<common::WorkflowType> {
    Some(common::WorkflowType { name })
}

pub(crate) fn activity_type(name: String) -> Option<common::ActivityType> {
    Some(common::ActivityType { name })
}

/// A queue that is nobody's own.
pub(crate) fn task_queue(queue: &TaskQueue) -> Option<taskqueue::TaskQueue> {
    Some(taskqueue::TaskQueue {
        name: queue.to_string(),
        kind: enums::TaskQueueKind::Normal.into(),
        normal_name: String::new(),
    })
}

/// An execution, without its namespace.
pub(crate) fn execution(execution: Execution) -> Option<common::WorkflowExecution> {
    Some(common::WorkflowExecution {
        workflow_id: execution.workflow_id.to_string(),
        run_id: run_id(execution.run_id),
    })
}

pub(crate) fn payload(payload: Payload) -> common::Payload {
    common::Payload {
        metadata: payload.metadata.into_iter().map(|(key, value)| (key, value.into_vec())).collect(),
        data: payload.data.into_vec(),
        external_payloads: Vec::new(),
    }
}

/// `None` where there are none.
pub(crate) fn payloads(payloads: Payloads) -> Option<common::Payloads> {
    (!payloads.is_empty()).then(|| all_payloads(payloads))
}

pub(crate) fn all_payloads(payloads: Payloads) -> common::Payloads {
    common::Payloads { payloads: payloads.into_iter().map(payload).collect() }
}

fn fields(header: Header) -> std::collections::BTreeMap<String, common::Payload> {
    header.into_iter().map(|(key, value)| (key, payload(value))).collect()
}

pub(crate) fn header(header: Header) -> Option<common::Header> {
    (!header.is_empty()).then(|| common::Header { fields: fields(header) })
}

pub(crate) fn memo(memo: Header) -> Option<common::Memo> {
    (!memo.is_empty()).then(|| common::Memo { fields: fields(memo) })
}

pub(crate) fn search_attributes(attributes: Header) -> Option<common::SearchAttributes> {
    (!attributes.is_empty()).then(|| common::SearchAttributes { indexed_fields: fields(attributes) })
}

pub(crate) fn user_metadata(metadata: Option<Box<UserMetadata>>) -> Option<sdk::UserMetadata> {
    metadata.map(|metadata| sdk::UserMetadata {
        summary: metadata.summary.map(payload),
        details: metadata.details.map(payload),
    })
}

pub(crate) fn priority(priority: Option<Priority>) -> Option<common::Priority> {
    priority.map(|priority| common::Priority {
        priority_key: int(priority.priority_key),
        fairness_key: priority.fairness_key,
        fairness_weight: priority.fairness_weight,
    })
}

pub(crate) fn retry_policy(policy: RetryPolicy) -> common::RetryPolicy {
    common::RetryPolicy {
        initial_interval: Some(duration(policy.initial_interval)),
        backoff_coefficient: policy.backoff_coefficient,
        maximum_interval: Some(duration(policy.maximum_interval)),
        maximum_attempts: int(policy.maximum_attempts),
        non_retryable_error_types: policy.non_retryable_error_types,
    }
}

/// A failure and its causes.
pub(crate) fn failure(failure: Failure) -> proto::Failure {
    // From the innermost cause outwards: no depth of ours.
    let mut chain = Vec::new();
    let mut next = Some(Box::new(failure));
    while let Some(mut failure) = next {
        next = failure.cause.take();
        chain.push(failure);
    }
    let mut converted = None;
    for failure in chain.into_iter().rev() {
        converted = Some(proto::Failure {
            message: failure.message,
            source: failure.source,
            stack_trace: failure.stack_trace,
            encoded_attributes: failure.encoded_attributes.map(payload),
            cause: converted.map(Box::new),
            failure_info: Some(failure_info(failure.info)),
        });
    }
    converted.expect("the chain has at least the failure itself")
}

fn failure_info(info: FailureInfo) -> Info {
    match info {
        FailureInfo::Application { kind, non_retryable, details, next_retry_delay, benign } => {
            let category = if benign {
                enums::ApplicationErrorCategory::Benign
            } else {
                enums::ApplicationErrorCategory::Unspecified
            };
            Info::ApplicationFailureInfo(proto::ApplicationFailureInfo {
                r#type: kind,
                non_retryable,
                details: payloads(details),
                next_retry_delay: next_retry_delay.map(duration),
                category: category.into(),
            })
        }
        FailureInfo::Timeout { timeout_type: kind, last_heartbeat_details } => {
            Info::TimeoutFailureInfo(proto::TimeoutFailureInfo {
                timeout_type: timeout_type(kind).into(),
                last_heartbeat_details: payloads(last_heartbeat_details),
            })
        }
        FailureInfo::Server { non_retryable } => {
            Info::ServerFailureInfo(proto::ServerFailureInfo { non_retryable })
        }
        FailureInfo::Canceled { details } => Info::CanceledFailureInfo(proto::CanceledFailureInfo {
            details: payloads(details),
            identity: String::new(),
        }),
        FailureInfo::Terminated => {
            Info::TerminatedFailureInfo(proto::TerminatedFailureInfo { identity: String::new() })
        }
        FailureInfo::ResetWorkflow { last_heartbeat_details } => {
            Info::ResetWorkflowFailureInfo(proto::ResetWorkflowFailureInfo {
                last_heartbeat_details: payloads(last_heartbeat_details),
            })
        }
        FailureInfo::ChildWorkflow {
            child,
            workflow_type: kind,
            initiated_event_id,
            started_event_id,
            retry_state: state,
        } => Info::ChildWorkflowExecutionFailureInfo(proto::ChildWorkflowExecutionFailureInfo {
            namespace: child.namespace.to_string(),
            workflow_execution: execution(*child),
            workflow_type: workflow_type(kind),
            initiated_event_id: id(initiated_event_id),
            started_event_id: id(started_event_id),
            retry_state: retry_state(state).into(),
        }),
        FailureInfo::Activity {
            scheduled_event_id,
            started_event_id,
            activity_type: kind,
            activity_id,
            retry_state: state,
            identity,
        } => Info::ActivityFailureInfo(proto::ActivityFailureInfo {
            scheduled_event_id: id(scheduled_event_id),
            started_event_id: id(started_event_id),
            identity,
            activity_type: activity_type(kind),
            activity_id,
            retry_state: retry_state(state).into(),
        }),
    }
}

pub(crate) fn timeout_type(kind: TimeoutType) -> enums::TimeoutType {
    match kind {
        TimeoutType::StartToClose => enums::TimeoutType::StartToClose,
        TimeoutType::ScheduleToStart => enums::TimeoutType::ScheduleToStart,
        TimeoutType::ScheduleToClose => enums::TimeoutType::ScheduleToClose,
        TimeoutType::Heartbeat => enums::TimeoutType::Heartbeat,
    }
}

pub(crate) fn retry_state(state: RetryState) -> enums::RetryState {
    match state {
        RetryState::InProgress => enums::RetryState::InProgress,
        RetryState::NonRetryableFailure => enums::RetryState::NonRetryableFailure,
        RetryState::Timeout => enums::RetryState::Timeout,
        RetryState::MaximumAttemptsReached => enums::RetryState::MaximumAttemptsReached,
        RetryState::RetryPolicyNotSet => enums::RetryState::RetryPolicyNotSet,
        RetryState::InternalServerError => enums::RetryState::InternalServerError,
        RetryState::CancelRequested => enums::RetryState::CancelRequested,
    }
}

pub(crate) fn initiator(initiator: ContinueAsNewInitiator) -> enums::ContinueAsNewInitiator {
    match initiator {
        ContinueAsNewInitiator::Workflow => enums::ContinueAsNewInitiator::Workflow,
        ContinueAsNewInitiator::Retry => enums::ContinueAsNewInitiator::Retry,
        ContinueAsNewInitiator::CronSchedule => enums::ContinueAsNewInitiator::CronSchedule,
    }
}

pub(crate) fn parent_close_policy(policy: ParentClosePolicy) -> enums::ParentClosePolicy {
    match policy {
        ParentClosePolicy::Terminate => enums::ParentClosePolicy::Terminate,
        ParentClosePolicy::Abandon => enums::ParentClosePolicy::Abandon,
        ParentClosePolicy::RequestCancel => enums::ParentClosePolicy::RequestCancel,
    }
}

pub(crate) fn reuse_policy(policy: WorkflowIdReusePolicy) -> enums::WorkflowIdReusePolicy {
    match policy {
        WorkflowIdReusePolicy::AllowDuplicate => enums::WorkflowIdReusePolicy::AllowDuplicate,
        WorkflowIdReusePolicy::AllowDuplicateFailedOnly => {
            enums::WorkflowIdReusePolicy::AllowDuplicateFailedOnly
        }
        WorkflowIdReusePolicy::RejectDuplicate => enums::WorkflowIdReusePolicy::RejectDuplicate,
    }
}

pub(crate) fn status(status: RunStatus) -> enums::WorkflowExecutionStatus {
    match status {
        RunStatus::Running => enums::WorkflowExecutionStatus::Running,
        RunStatus::Completed => enums::WorkflowExecutionStatus::Completed,
        RunStatus::Failed => enums::WorkflowExecutionStatus::Failed,
        RunStatus::Canceled => enums::WorkflowExecutionStatus::Canceled,
        RunStatus::Terminated => enums::WorkflowExecutionStatus::Terminated,
        RunStatus::ContinuedAsNew => enums::WorkflowExecutionStatus::ContinuedAsNew,
        RunStatus::TimedOut => enums::WorkflowExecutionStatus::TimedOut,
    }
}

pub(crate) fn update_request(request: UpdateRequest) -> update::Request {
    update::Request {
        meta: Some(update::Meta { update_id: request.update_id, identity: request.identity }),
        input: Some(update::Input {
            header: header(request.header),
            name: request.name,
            args: payloads(request.args),
        }),
        request_id: String::new(),
        completion_callbacks: Vec::new(),
        links: Vec::new(),
    }
}

pub(crate) fn update_outcome(outcome: UpdateOutcome) -> update::Outcome {
    let value = match outcome {
        UpdateOutcome::Success(result) => update::outcome::Value::Success(all_payloads(result)),
        UpdateOutcome::Failure(found) => update::outcome::Value::Failure(failure(found)),
    };
    update::Outcome { value: Some(value) }
}

pub(crate) fn workflow_query(query: tidegate_engine::WorkflowQuery) -> query::WorkflowQuery {
    query::WorkflowQuery {
        query_type: query.query_type,
        query_args: payloads(query.args),
        header: header(query.header),
    }
}
