//! Failures.

use tidegate_model::payload::{Failure, FailureInfo, RetryState};

use super::{Fields, ReadError};
use tidegate_model::id::Namespace;

/// A failure that must be there.
pub(super) fn failure(fields: &Fields<'_>, name: &str, namespace: &Namespace) -> Result<Failure, ReadError> {
    let failure = maybe_failure(fields, name, namespace)?;
    fields.required(name, failure)
}

/// A failure with its causes.
pub(super) fn maybe_failure(
    fields: &Fields<'_>,
    name: &str,
    namespace: &Namespace,
) -> Result<Option<Failure>, ReadError> {
    let Some(object) = fields.object(name)? else { return Ok(None) };
    Ok(Some(Failure {
        message: object.text("message")?,
        source: object.text("source")?,
        stack_trace: object.text("stackTrace")?,
        encoded_attributes: object.maybe_payload("encodedAttributes")?,
        info: info(&object, namespace)?,
        cause: maybe_failure(&object, "cause", namespace)?.map(Box::new),
    }))
}

fn info(failure: &Fields<'_>, namespace: &Namespace) -> Result<FailureInfo, ReadError> {
    if let Some(info) = failure.object("applicationFailureInfo")? {
        return Ok(FailureInfo::Application {
            kind: info.text("type")?,
            non_retryable: info.flag("nonRetryable")?,
            details: info.payloads("details")?,
            next_retry_delay: info.maybe_duration("nextRetryDelay")?,
            benign: info.text("category")? == "APPLICATION_ERROR_CATEGORY_BENIGN",
        });
    }
    if let Some(info) = failure.object("timeoutFailureInfo")? {
        return Ok(FailureInfo::Timeout {
            timeout_type: info.chosen("timeoutType", "TIMEOUT_TYPE")?,
            last_heartbeat_details: info.payloads("lastHeartbeatDetails")?,
        });
    }
    if let Some(info) = failure.object("canceledFailureInfo")? {
        return Ok(FailureInfo::Canceled { details: info.payloads("details")? });
    }
    if failure.object("terminatedFailureInfo")?.is_some() {
        return Ok(FailureInfo::Terminated);
    }
    if let Some(info) = failure.object("serverFailureInfo")? {
        return Ok(FailureInfo::Server { non_retryable: info.flag("nonRetryable")? });
    }
    if let Some(info) = failure.object("resetWorkflowFailureInfo")? {
        return Ok(FailureInfo::ResetWorkflow {
            last_heartbeat_details: info.payloads("lastHeartbeatDetails")?,
        });
    }
    if let Some(info) = failure.object("activityFailureInfo")? {
        return Ok(FailureInfo::Activity {
            scheduled_event_id: info.number("scheduledEventId")?,
            started_event_id: info.number("startedEventId")?,
            activity_type: info.named("activityType")?,
            activity_id: info.text("activityId")?,
            retry_state: retry_state(&info)?,
            identity: info.text("identity")?,
        });
    }
    if let Some(info) = failure.object("childWorkflowExecutionFailureInfo")? {
        let of = info.maybe_parsed("namespace")?.unwrap_or_else(|| namespace.clone());
        let child = info.execution("workflowExecution", &of)?;
        return Ok(FailureInfo::ChildWorkflow {
            child: Box::new(info.required("workflowExecution", child)?),
            workflow_type: info.named("workflowType")?,
            initiated_event_id: info.number("initiatedEventId")?,
            started_event_id: info.number("startedEventId")?,
            retry_state: retry_state(&info)?,
        });
    }
    // A failure of no kind is an application's, as Temporal's SDKs read it.
    Ok(FailureInfo::Application {
        kind: String::new(),
        non_retryable: false,
        details: Vec::new(),
        next_retry_delay: None,
        benign: false,
    })
}

pub(super) fn retry_state(fields: &Fields<'_>) -> Result<RetryState, ReadError> {
    fields.chosen("retryState", "RETRY_STATE")
}
