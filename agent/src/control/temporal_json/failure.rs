//! Failures.

use serde_json::{Value, json};
use tidegate_model::payload::{Failure, FailureInfo};

use super::{Message, duration, execution, list, name, payload};

/// A failure with its causes.
pub(super) fn failure(failure: &Failure) -> Value {
    let (kind, info) = info(&failure.info);
    Message::default()
        .text("message", &failure.message)
        .text("source", &failure.source)
        .text("stackTrace", &failure.stack_trace)
        .some("encodedAttributes", failure.encoded_attributes.as_ref(), payload)
        .some("cause", failure.cause.as_deref(), self::failure)
        .some(kind, Some(info), Value::from_message)
        .into()
}

/// An info that says nothing is there all the same: its name is what it says.
trait FromMessage {
    fn from_message(message: Message) -> Value;
}

impl FromMessage for Value {
    fn from_message(message: Message) -> Value {
        Value::Object(message.0)
    }
}

fn info(info: &FailureInfo) -> (&'static str, Message) {
    let empty = Message::default();
    match info {
        FailureInfo::Application { kind, non_retryable, details, next_retry_delay, benign } => (
            "applicationFailureInfo",
            empty
                .text("type", kind)
                .with("nonRetryable", *non_retryable)
                .payloads("details", details)
                .some("nextRetryDelay", *next_retry_delay, duration)
                .some("category", benign.then_some("APPLICATION_ERROR_CATEGORY_BENIGN"), |name| json!(name)),
        ),
        FailureInfo::Timeout { timeout_type, last_heartbeat_details } => (
            "timeoutFailureInfo",
            empty
                .with("timeoutType", name("TIMEOUT_TYPE", timeout_type))
                .payloads("lastHeartbeatDetails", last_heartbeat_details),
        ),
        FailureInfo::Canceled { details } => ("canceledFailureInfo", empty.payloads("details", details)),
        FailureInfo::Terminated => ("terminatedFailureInfo", empty),
        FailureInfo::Server { non_retryable } => {
            ("serverFailureInfo", empty.with("nonRetryable", *non_retryable))
        }
        FailureInfo::ResetWorkflow { last_heartbeat_details } => (
            "resetWorkflowFailureInfo",
            empty.some("lastHeartbeatDetails", Some(last_heartbeat_details), |details| list(details)),
        ),
        FailureInfo::ChildWorkflow {
            child,
            workflow_type,
            initiated_event_id,
            started_event_id,
            retry_state,
        } => (
            "childWorkflowExecutionFailureInfo",
            empty
                .text("namespace", &child.namespace)
                .with("workflowExecution", execution(child))
                .with("workflowType", json!({ "name": workflow_type }))
                .number("initiatedEventId", *initiated_event_id)
                .number("startedEventId", *started_event_id)
                .with("retryState", name("RETRY_STATE", retry_state)),
        ),
        FailureInfo::Activity {
            scheduled_event_id,
            started_event_id,
            activity_type,
            activity_id,
            retry_state,
            identity,
        } => (
            "activityFailureInfo",
            empty
                .number("scheduledEventId", *scheduled_event_id)
                .number("startedEventId", *started_event_id)
                .text("identity", identity)
                .with("activityType", json!({ "name": activity_type }))
                .text("activityId", activity_id)
                .with("retryState", name("RETRY_STATE", retry_state)),
        ),
    }
}
