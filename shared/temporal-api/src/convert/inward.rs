//! From Temporal's messages to the model, checked. `field` is always the path a caller would look for.

use std::str::FromStr;
use std::time::Duration;

use serde_bytes::ByteBuf;
use tidegate_engine::{QueryAnswer, QueryRejectCondition, UpdateStage};
use tidegate_model::event::{
    ContinueAsNewInitiator, Execution, ParentClosePolicy, Priority, UpdateOutcome, UpdateRequest,
    UserMetadata, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};
use tidegate_model::id::{EventId, Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::limits::{DURATION_SECONDS_MAX, FAILURE_CAUSES_MAX, ID_BYTES_MAX};
use tidegate_model::payload::{
    Failure, FailureInfo, Header, Payload, Payloads, RetryPolicy, RetryState, TimeoutType,
};
use tidegate_model::time::Timestamp;

use super::Invalid;
use crate::proto::failure::failure::FailureInfo as Info;
use crate::proto::{common, enums, failure as proto, query, sdk, taskqueue, update};

/// What a check gives.
pub(crate) type Checked<T> = Result<T, Invalid>;

/// A namespace. Every request names one. A name that none can have is that of a namespace which is not there: whoever
/// asks learns the same of it as of any other.
pub(crate) fn namespace(text: &str) -> Checked<Namespace> {
    if text.is_empty() {
        return new_namespace(text);
    }
    text.parse().map_err(|_| Invalid::NoSuchNamespace(text.to_owned()))
}

/// The name of a namespace that does not exist yet.
pub(crate) fn new_namespace(text: &str) -> Checked<Namespace> {
    parse("namespace", text)
}

/// A workflow id.
pub(crate) fn workflow_id(field: &str, text: &str) -> Checked<WorkflowId> {
    parse(field, text)
}

/// A run, or none where the text is empty.
pub(crate) fn run_id(field: &str, text: &str) -> Checked<Option<RunId>> {
    if text.is_empty() { Ok(None) } else { parse(field, text).map(Some) }
}

/// An execution that a request is about.
pub(crate) fn execution(
    field: &str,
    execution: Option<common::WorkflowExecution>,
) -> Checked<(WorkflowId, Option<RunId>)> {
    let execution = execution.ok_or_else(|| Invalid::new(field, "an execution must be named"))?;
    Ok((
        workflow_id(&format!("{field}.workflow_id"), &execution.workflow_id)?,
        run_id(&format!("{field}.run_id"), &execution.run_id)?,
    ))
}

/// A queue that must be named.
pub(crate) fn task_queue(field: &str, queue: Option<taskqueue::TaskQueue>) -> Checked<TaskQueue> {
    let name = queue.map(|queue| queue.name).unwrap_or_default();
    parse(&format!("{field}.name"), &name)
}

/// A queue, or none where its name is empty.
pub(crate) fn maybe_task_queue(
    field: &str,
    queue: Option<taskqueue::TaskQueue>,
) -> Checked<Option<TaskQueue>> {
    match queue {
        Some(queue) if !queue.name.is_empty() => task_queue(field, Some(queue)).map(Some),
        Some(_) | None => Ok(None),
    }
}

fn parse<T: FromStr>(field: &str, text: &str) -> Checked<T>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| Invalid::new(field, error))
}

/// The name of a workflow function.
pub(crate) fn workflow_type(field: &str, named: Option<common::WorkflowType>) -> Checked<String> {
    name(&format!("{field}.name"), named.map(|named| named.name).unwrap_or_default())
}

/// The name of an activity function.
pub(crate) fn activity_type(field: &str, named: Option<common::ActivityType>) -> Checked<String> {
    name(&format!("{field}.name"), named.map(|named| named.name).unwrap_or_default())
}

/// A name that must be given.
pub(crate) fn name(field: &str, text: String) -> Checked<String> {
    match text.len() {
        1..=ID_BYTES_MAX => Ok(text),
        bytes => Err(Invalid::new(field, format_args!("a name has 1 to {ID_BYTES_MAX} bytes, not {bytes}"))),
    }
}

/// An event's id; none is below 0.
pub(crate) fn event_id(field: &str, id: i64) -> Checked<EventId> {
    u64::try_from(id)
        .map_err(|_| Invalid::new(field, format_args!("an event id is not negative, unlike {id}")))
}

/// A number that is not negative.
pub(crate) fn count(field: &str, number: i32) -> Checked<u32> {
    u32::try_from(number)
        .map_err(|_| Invalid::new(field, format_args!("a number of at least 0, unlike {number}")))
}

/// A length of time. More than a hundred years is a hundred years, as on Temporal.
pub(crate) fn duration(field: &str, duration: Option<prost_types::Duration>) -> Checked<Option<Duration>> {
    let Some(duration) = duration else { return Ok(None) };
    let wrong = || {
        let prost_types::Duration { seconds, nanos } = duration;
        Invalid::new(field, format_args!("a duration is not negative, unlike {seconds} s and {nanos} ns"))
    };
    let seconds = u64::try_from(duration.seconds).map_err(|_| wrong())?;
    let nanos =
        u32::try_from(duration.nanos).ok().filter(|nanos| *nanos < 1_000_000_000).ok_or_else(wrong)?;
    Ok(Some(
        Duration::new(seconds.min(DURATION_SECONDS_MAX), nanos)
            .min(Duration::from_secs(DURATION_SECONDS_MAX)),
    ))
}

/// A limit on time: zero is as if it had not been given.
pub(crate) fn timeout(field: &str, limit: Option<prost_types::Duration>) -> Checked<Option<Duration>> {
    Ok(duration(field, limit)?.filter(|limit| !limit.is_zero()))
}

/// A length of time that is zero when it is not given.
pub(crate) fn or_zero(field: &str, limit: Option<prost_types::Duration>) -> Checked<Duration> {
    Ok(duration(field, limit)?.unwrap_or_default())
}

/// A moment.
pub(crate) fn timestamp(field: &str, at: Option<prost_types::Timestamp>) -> Checked<Option<Timestamp>> {
    let Some(prost_types::Timestamp { seconds, nanos }) = at else { return Ok(None) };
    let micros = || {
        let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        seconds.checked_mul(1_000_000)?.checked_add(i64::from(nanos / 1_000))
    };
    let wrong = || Invalid::new(field, format_args!("{seconds} s and {nanos} ns are no moment"));
    micros().map(|micros| Some(Timestamp::from_micros(micros))).ok_or_else(wrong)
}

pub(crate) fn payload(payload: common::Payload) -> Payload {
    Payload {
        metadata: payload.metadata.into_iter().map(|(key, value)| (key, ByteBuf::from(value))).collect(),
        data: ByteBuf::from(payload.data),
    }
}

pub(crate) fn payloads(payloads: Option<common::Payloads>) -> Payloads {
    payloads.map(|payloads| payloads.payloads.into_iter().map(payload).collect()).unwrap_or_default()
}

fn fields(fields: std::collections::BTreeMap<String, common::Payload>) -> Header {
    fields.into_iter().map(|(key, value)| (key, payload(value))).collect()
}

pub(crate) fn header(header: Option<common::Header>) -> Header {
    header.map(|header| fields(header.fields)).unwrap_or_default()
}

pub(crate) fn memo(memo: Option<common::Memo>) -> Header {
    memo.map(|memo| fields(memo.fields)).unwrap_or_default()
}

pub(crate) fn search_attributes(attributes: Option<common::SearchAttributes>) -> Header {
    attributes.map(|attributes| fields(attributes.indexed_fields)).unwrap_or_default()
}

/// `None` where it says nothing.
pub(crate) fn user_metadata(metadata: Option<sdk::UserMetadata>) -> Option<Box<UserMetadata>> {
    let metadata = metadata?;
    let (summary, details) = (metadata.summary.map(payload), metadata.details.map(payload));
    (summary.is_some() || details.is_some()).then(|| Box::new(UserMetadata { summary, details }))
}

pub(crate) fn priority(field: &str, priority: Option<common::Priority>) -> Checked<Option<Priority>> {
    let Some(priority) = priority else { return Ok(None) };
    let weight = priority.fairness_weight;
    if !weight.is_finite() || weight < 0.0 {
        let why = format_args!("a weight is a number of at least 0, unlike {weight}");
        return Err(Invalid::new(format_args!("{field}.fairness_weight"), why));
    }
    let priority = Priority {
        priority_key: count(&format!("{field}.priority_key"), priority.priority_key)?,
        fairness_key: priority.fairness_key,
        fairness_weight: weight,
    };
    Ok((priority != Priority::default()).then_some(priority))
}

/// A retry policy, with Temporal's defaults where it says nothing (`common/retrypolicy/retry_policy.go`).
pub(crate) fn retry_policy(field: &str, policy: Option<common::RetryPolicy>) -> Checked<Option<RetryPolicy>> {
    let Some(policy) = policy else { return Ok(None) };
    let default = RetryPolicy::default();
    let path = |name: &str| format!("{field}.{name}");
    let initial_interval =
        timeout(&path("initial_interval"), policy.initial_interval)?.unwrap_or(default.initial_interval);
    let maximum_interval = timeout(&path("maximum_interval"), policy.maximum_interval)?
        .unwrap_or_else(|| initial_interval.saturating_mul(MAXIMUM_INTERVAL_FACTOR));
    let backoff_coefficient = match policy.backoff_coefficient {
        0.0 => default.backoff_coefficient,
        coefficient => coefficient,
    };
    if !(backoff_coefficient.is_finite() && backoff_coefficient >= 1.0) {
        let why = format_args!("a number of at least 1, unlike {backoff_coefficient}");
        return Err(Invalid::new(path("backoff_coefficient"), why));
    }
    let maximum_attempts = count(&path("maximum_attempts"), policy.maximum_attempts)?;
    // One attempt is no retry: what the intervals say does not matter.
    if maximum_attempts != 1 && maximum_interval < initial_interval {
        return Err(Invalid::new(path("maximum_interval"), "it must not be less than initial_interval"));
    }
    if policy.non_retryable_error_types.iter().any(String::is_empty) {
        return Err(Invalid::new(path("non_retryable_error_types"), "a type must have a name"));
    }
    Ok(Some(RetryPolicy {
        initial_interval,
        backoff_coefficient,
        maximum_interval,
        maximum_attempts,
        non_retryable_error_types: policy.non_retryable_error_types,
    }))
}

/// The longest wait between two attempts, in initial intervals, where a policy does not say it.
const MAXIMUM_INTERVAL_FACTOR: u32 = 100;

/// A failure that must be given.
pub(crate) fn failure(field: &str, failure: Option<proto::Failure>) -> Checked<Failure> {
    maybe_failure(field, failure)?.ok_or_else(|| Invalid::new(field, "a failure must be given"))
}

/// A failure and its causes; those beyond `FAILURE_CAUSES_MAX` are cut off.
pub(crate) fn maybe_failure(field: &str, failure: Option<proto::Failure>) -> Checked<Option<Failure>> {
    let mut chain = Vec::new();
    let mut next = failure.map(Box::new);
    while let Some(mut failure) = next.filter(|_| chain.len() <= FAILURE_CAUSES_MAX) {
        next = failure.cause.take();
        chain.push(failure);
    }
    let mut converted: Option<Failure> = None;
    for failure in chain.into_iter().rev() {
        converted = Some(Failure {
            message: failure.message,
            source: failure.source,
            stack_trace: failure.stack_trace,
            encoded_attributes: failure.encoded_attributes.map(payload),
            info: failure_info(field, failure.failure_info)?,
            cause: converted.map(Box::new),
        });
    }
    Ok(converted)
}

fn failure_info(field: &str, info: Option<Info>) -> Checked<FailureInfo> {
    let path = |name: &str| format!("{field}.failure_info.{name}");
    match info {
        Some(Info::ApplicationFailureInfo(info)) => Ok(FailureInfo::Application {
            kind: info.r#type,
            non_retryable: info.non_retryable,
            details: payloads(info.details),
            next_retry_delay: duration(&path("next_retry_delay"), info.next_retry_delay)?,
            benign: info.category == i32::from(enums::ApplicationErrorCategory::Benign),
        }),
        Some(Info::TimeoutFailureInfo(info)) => Ok(FailureInfo::Timeout {
            timeout_type: timeout_type(&path("timeout_type"), info.timeout_type)?,
            last_heartbeat_details: payloads(info.last_heartbeat_details),
        }),
        Some(Info::CanceledFailureInfo(info)) => {
            Ok(FailureInfo::Canceled { details: payloads(info.details) })
        }
        Some(Info::TerminatedFailureInfo(_)) => Ok(FailureInfo::Terminated),
        Some(Info::ServerFailureInfo(info)) => Ok(FailureInfo::Server { non_retryable: info.non_retryable }),
        Some(Info::ResetWorkflowFailureInfo(info)) => {
            Ok(FailureInfo::ResetWorkflow { last_heartbeat_details: payloads(info.last_heartbeat_details) })
        }
        Some(Info::ActivityFailureInfo(info)) => Ok(FailureInfo::Activity {
            scheduled_event_id: event_id(&path("scheduled_event_id"), info.scheduled_event_id)?,
            started_event_id: event_id(&path("started_event_id"), info.started_event_id)?,
            activity_type: info.activity_type.map(|kind| kind.name).unwrap_or_default(),
            activity_id: info.activity_id,
            retry_state: retry_state(&path("retry_state"), info.retry_state)?,
            identity: info.identity,
        }),
        Some(Info::ChildWorkflowExecutionFailureInfo(info)) => {
            let (workflow_id, run_id) = execution(&path("workflow_execution"), info.workflow_execution)?;
            let namespace = parse(&path("namespace"), &info.namespace)?;
            Ok(FailureInfo::ChildWorkflow {
                child: Box::new(Execution { namespace, workflow_id, run_id }),
                workflow_type: info.workflow_type.map(|kind| kind.name).unwrap_or_default(),
                initiated_event_id: event_id(&path("initiated_event_id"), info.initiated_event_id)?,
                started_event_id: event_id(&path("started_event_id"), info.started_event_id)?,
                retry_state: retry_state(&path("retry_state"), info.retry_state)?,
            })
        }
        // A failure of a kind we do not have is retried like one without a kind: as a server's.
        Some(Info::NexusOperationExecutionFailureInfo(_) | Info::NexusHandlerFailureInfo(_)) | None => {
            Ok(FailureInfo::Server { non_retryable: false })
        }
    }
}

fn unknown(field: &str, number: i32) -> Invalid {
    Invalid::new(field, format_args!("there is no kind {number}"))
}

fn timeout_type(field: &str, number: i32) -> Checked<TimeoutType> {
    match enums::TimeoutType::try_from(number) {
        Ok(enums::TimeoutType::StartToClose) => Ok(TimeoutType::StartToClose),
        Ok(enums::TimeoutType::ScheduleToStart) => Ok(TimeoutType::ScheduleToStart),
        Ok(enums::TimeoutType::ScheduleToClose) => Ok(TimeoutType::ScheduleToClose),
        Ok(enums::TimeoutType::Heartbeat) => Ok(TimeoutType::Heartbeat),
        Ok(enums::TimeoutType::Unspecified) | Err(_) => Err(unknown(field, number)),
    }
}

/// SDKs that make an activity's failure themselves leave this open: then there was no policy to speak of.
fn retry_state(field: &str, number: i32) -> Checked<RetryState> {
    match enums::RetryState::try_from(number) {
        Ok(enums::RetryState::InProgress) => Ok(RetryState::InProgress),
        Ok(enums::RetryState::NonRetryableFailure) => Ok(RetryState::NonRetryableFailure),
        Ok(enums::RetryState::Timeout) => Ok(RetryState::Timeout),
        Ok(enums::RetryState::MaximumAttemptsReached) => Ok(RetryState::MaximumAttemptsReached),
        Ok(enums::RetryState::RetryPolicyNotSet | enums::RetryState::Unspecified) => {
            Ok(RetryState::RetryPolicyNotSet)
        }
        Ok(enums::RetryState::InternalServerError) => Ok(RetryState::InternalServerError),
        Ok(enums::RetryState::CancelRequested) => Ok(RetryState::CancelRequested),
        Err(_) => Err(unknown(field, number)),
    }
}

pub(crate) fn initiator(field: &str, number: i32) -> Checked<ContinueAsNewInitiator> {
    match enums::ContinueAsNewInitiator::try_from(number) {
        Ok(enums::ContinueAsNewInitiator::Unspecified | enums::ContinueAsNewInitiator::Workflow) => {
            Ok(ContinueAsNewInitiator::Workflow)
        }
        Ok(enums::ContinueAsNewInitiator::Retry) => Ok(ContinueAsNewInitiator::Retry),
        Ok(enums::ContinueAsNewInitiator::CronSchedule) => Ok(ContinueAsNewInitiator::CronSchedule),
        Err(_) => Err(unknown(field, number)),
    }
}

pub(crate) fn parent_close_policy(field: &str, number: i32) -> Checked<ParentClosePolicy> {
    match enums::ParentClosePolicy::try_from(number) {
        Ok(enums::ParentClosePolicy::Unspecified | enums::ParentClosePolicy::Terminate) => {
            Ok(ParentClosePolicy::Terminate)
        }
        Ok(enums::ParentClosePolicy::Abandon) => Ok(ParentClosePolicy::Abandon),
        Ok(enums::ParentClosePolicy::RequestCancel) => Ok(ParentClosePolicy::RequestCancel),
        Err(_) => Err(unknown(field, number)),
    }
}

/// Both policies of a workflow id. The older `TERMINATE_IF_RUNNING` of the one is `TERMINATE_EXISTING` of the other.
pub(crate) fn id_policies(
    reuse: i32,
    conflict: i32,
) -> Checked<(WorkflowIdReusePolicy, WorkflowIdConflictPolicy)> {
    let conflicting = match enums::WorkflowIdConflictPolicy::try_from(conflict) {
        Ok(enums::WorkflowIdConflictPolicy::Unspecified) => None,
        Ok(enums::WorkflowIdConflictPolicy::Fail) => Some(WorkflowIdConflictPolicy::Fail),
        Ok(enums::WorkflowIdConflictPolicy::UseExisting) => Some(WorkflowIdConflictPolicy::UseExisting),
        Ok(enums::WorkflowIdConflictPolicy::TerminateExisting) => {
            Some(WorkflowIdConflictPolicy::TerminateExisting)
        }
        Err(_) => return Err(unknown("workflow_id_conflict_policy", conflict)),
    };
    let reusing = match enums::WorkflowIdReusePolicy::try_from(reuse) {
        Ok(enums::WorkflowIdReusePolicy::Unspecified | enums::WorkflowIdReusePolicy::AllowDuplicate) => {
            WorkflowIdReusePolicy::AllowDuplicate
        }
        Ok(enums::WorkflowIdReusePolicy::AllowDuplicateFailedOnly) => {
            WorkflowIdReusePolicy::AllowDuplicateFailedOnly
        }
        Ok(enums::WorkflowIdReusePolicy::RejectDuplicate) => WorkflowIdReusePolicy::RejectDuplicate,
        Ok(enums::WorkflowIdReusePolicy::TerminateIfRunning) => {
            if conflicting.is_some() {
                return Err(Invalid::new(
                    "workflow_id_conflict_policy",
                    "it cannot be given together with the reuse policy TERMINATE_IF_RUNNING",
                ));
            }
            let terminate = WorkflowIdConflictPolicy::TerminateExisting;
            return Ok((WorkflowIdReusePolicy::AllowDuplicate, terminate));
        }
        Err(_) => return Err(unknown("workflow_id_reuse_policy", reuse)),
    };
    if reusing == WorkflowIdReusePolicy::RejectDuplicate
        && conflicting == Some(WorkflowIdConflictPolicy::TerminateExisting)
    {
        return Err(Invalid::new(
            "workflow_id_conflict_policy",
            "TERMINATE_EXISTING cannot be given together with the reuse policy REJECT_DUPLICATE",
        ));
    }
    Ok((reusing, conflicting.unwrap_or_default()))
}

pub(crate) fn reject_condition(number: i32) -> Checked<QueryRejectCondition> {
    match enums::QueryRejectCondition::try_from(number) {
        Ok(enums::QueryRejectCondition::Unspecified | enums::QueryRejectCondition::None) => {
            Ok(QueryRejectCondition::None)
        }
        Ok(enums::QueryRejectCondition::NotOpen) => Ok(QueryRejectCondition::NotOpen),
        Ok(enums::QueryRejectCondition::NotCompletedCleanly) => Ok(QueryRejectCondition::NotCompletedCleanly),
        Err(_) => Err(unknown("query_reject_condition", number)),
    }
}

/// A stage to wait for; `None` where none is said.
pub(crate) fn update_stage(policy: Option<update::WaitPolicy>) -> Checked<Option<UpdateStage>> {
    let number = policy.map(|policy| policy.lifecycle_stage).unwrap_or_default();
    match enums::UpdateWorkflowExecutionLifecycleStage::try_from(number) {
        Ok(enums::UpdateWorkflowExecutionLifecycleStage::Unspecified) => Ok(None),
        Ok(enums::UpdateWorkflowExecutionLifecycleStage::Admitted) => Ok(Some(UpdateStage::Admitted)),
        Ok(enums::UpdateWorkflowExecutionLifecycleStage::Accepted) => Ok(Some(UpdateStage::Accepted)),
        Ok(enums::UpdateWorkflowExecutionLifecycleStage::Completed) => Ok(Some(UpdateStage::Completed)),
        Err(_) => Err(unknown("wait_policy.lifecycle_stage", number)),
    }
}

pub(crate) fn update_request(field: &str, request: Option<update::Request>) -> Checked<UpdateRequest> {
    let request = request.ok_or_else(|| Invalid::new(field, "a request must be given"))?;
    let input = request.input.unwrap_or_default();
    let meta = request.meta.unwrap_or_default();
    Ok(UpdateRequest {
        update_id: meta.update_id,
        identity: meta.identity,
        name: name(&format!("{field}.input.name"), input.name)?,
        args: payloads(input.args),
        header: header(input.header),
    })
}

pub(crate) fn update_outcome(field: &str, outcome: Option<update::Outcome>) -> Checked<UpdateOutcome> {
    match outcome.and_then(|outcome| outcome.value) {
        Some(update::outcome::Value::Success(result)) => Ok(UpdateOutcome::Success(payloads(Some(result)))),
        Some(update::outcome::Value::Failure(found)) => {
            failure(&format!("{field}.failure"), Some(found)).map(UpdateOutcome::Failure)
        }
        None => Err(Invalid::new(field, "an outcome must be given")),
    }
}

pub(crate) fn query_result(field: &str, result: query::WorkflowQueryResult) -> Checked<QueryAnswer> {
    query_answer(field, result.result_type, result.answer, result.error_message, result.failure)
}

/// What a worker says to a query, in whichever message.
pub(crate) fn query_answer(
    field: &str,
    kind: i32,
    answer: Option<common::Payloads>,
    message: String,
    found: Option<proto::Failure>,
) -> Checked<QueryAnswer> {
    match enums::QueryResultType::try_from(kind) {
        Ok(enums::QueryResultType::Answered) => Ok(QueryAnswer::Answered(payloads(answer))),
        Ok(enums::QueryResultType::Failed) => Ok(QueryAnswer::Failed {
            message,
            failure: maybe_failure(&format!("{field}.failure"), found)?.map(Box::new),
        }),
        Ok(enums::QueryResultType::Unspecified) | Err(_) => Err(unknown(field, kind)),
    }
}
