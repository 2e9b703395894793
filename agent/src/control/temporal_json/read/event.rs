//! Events: one arm for each type, in the order of Temporal's numbers.

use std::collections::BTreeMap;

use tidegate_model::event::{
    ActivityTaskScheduled, ContinuedAsNew, Event, Execution, ExternalWorkflowFailedCause, ResetRuns,
    StartChildWorkflowInitiated, UpdateOutcome, UpdateRequest, WorkflowExecutionStarted, WorkflowParent,
    WorkflowTaskFailedCause,
};
use tidegate_model::id::{Namespace, RunId, WorkflowId};
use tidegate_model::payload::Payload;

use super::failure::{failure, maybe_failure, retry_state};
use super::{Fields, ReadError};

const COMPLETED: &str = "workflowTaskCompletedEventId";

/// `EVENT_TYPE_TIMER_FIRED` as `timerFired`.
fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for word in name.split('_') {
        let (first, rest) = word.split_at(word.len().min(1));
        out.push_str(&if out.is_empty() { first.to_ascii_lowercase() } else { first.to_owned() });
        out.push_str(&rest.to_ascii_lowercase());
    }
    out
}

/// Its kind, as `timerFired`, and its attributes.
fn attributes<'j>(event: &Fields<'j>) -> Result<(String, Fields<'j>), ReadError> {
    let name = event.text("eventType")?;
    let kind = camel(name.strip_prefix("EVENT_TYPE_").unwrap_or(&name));
    let field = format!("{kind}EventAttributes");
    let attributes = event.object(&field)?;
    let attributes = event.required(&field, attributes)?;
    Ok((kind, attributes))
}

/// The run whose history begins with this event.
pub(super) fn run_of(event: &Fields<'_>) -> Result<(WorkflowId, RunId), ReadError> {
    let (_, started) = attributes(event)?;
    let run_id = match started.maybe_parsed("originalExecutionRunId")? {
        Some(run_id) => run_id,
        None => started.parsed("firstExecutionRunId")?,
    };
    Ok((started.parsed("workflowId")?, run_id))
}

#[expect(clippy::too_many_lines, reason = "a table: one arm for each type of event")]
pub(super) fn read(event: &Fields<'_>, own: &Namespace) -> Result<Event, ReadError> {
    let unknown =
        |name: &str| event.wrong("eventType", &format!("is {name:?}, which this engine does not write"));
    let name = event.text("eventType")?;
    let (kind, a) = attributes(event)?;
    let completed = a.number(COMPLETED)?;
    let (initiated, started, scheduled) =
        (a.number("initiatedEventId")?, a.number("startedEventId")?, a.number("scheduledEventId")?);
    let identity = a.text("identity")?;
    Ok(match kind.as_str() {
        "workflowExecutionStarted" => {
            Event::WorkflowExecutionStarted(Box::new(self::started(event, &a, own)?))
        }
        "workflowExecutionCompleted" => Event::WorkflowExecutionCompleted {
            result: a.payloads("result")?,
            workflow_task_completed_event_id: completed,
            new_execution_run_id: a.maybe_parsed("newExecutionRunId")?,
        },
        "workflowExecutionFailed" => Event::WorkflowExecutionFailed {
            failure: failure(&a, "failure", own)?,
            retry_state: retry_state(&a)?,
            workflow_task_completed_event_id: completed,
            new_execution_run_id: a.maybe_parsed("newExecutionRunId")?,
        },
        "workflowExecutionTimedOut" => Event::WorkflowExecutionTimedOut {
            retry_state: retry_state(&a)?,
            new_execution_run_id: a.maybe_parsed("newExecutionRunId")?,
        },
        "workflowTaskScheduled" => Event::WorkflowTaskScheduled {
            task_queue: a.task_queue("taskQueue")?,
            start_to_close_timeout: a.duration("startToCloseTimeout")?,
            attempt: a.small("attempt")?,
        },
        "workflowTaskStarted" => Event::WorkflowTaskStarted {
            scheduled_event_id: scheduled,
            request_id: a.text("requestId")?,
            identity,
            suggest_continue_as_new: a.flag("suggestContinueAsNew")?,
            history_size_bytes: a.number("historySizeBytes")?,
        },
        "workflowTaskCompleted" => Event::WorkflowTaskCompleted {
            scheduled_event_id: scheduled,
            started_event_id: started,
            identity,
            sdk_metadata: a.value("sdkMetadata").map(|said| Payload::json(said.to_string())),
        },
        "workflowTaskTimedOut" => Event::WorkflowTaskTimedOut {
            scheduled_event_id: scheduled,
            started_event_id: started,
            timeout_type: a.chosen("timeoutType", "TIMEOUT_TYPE")?,
        },
        "workflowTaskFailed" => Event::WorkflowTaskFailed {
            scheduled_event_id: scheduled,
            started_event_id: started,
            cause: task_failed(&a)?,
            failure: failure(&a, "failure", own)?,
            identity,
            reset: match a.maybe_parsed("baseRunId")? {
                None => None,
                Some(base_run_id) => {
                    Some(Box::new(ResetRuns { base_run_id, new_run_id: a.parsed("newRunId")? }))
                }
            },
        },
        "activityTaskScheduled" => Event::ActivityTaskScheduled(Box::new(ActivityTaskScheduled {
            activity_id: a.text("activityId")?,
            activity_type: a.named("activityType")?,
            task_queue: a.task_queue("taskQueue")?,
            input: a.payloads("input")?,
            schedule_to_close_timeout: a.maybe_duration("scheduleToCloseTimeout")?,
            schedule_to_start_timeout: a.maybe_duration("scheduleToStartTimeout")?,
            start_to_close_timeout: a.maybe_duration("startToCloseTimeout")?,
            heartbeat_timeout: a.maybe_duration("heartbeatTimeout")?,
            retry_policy: a.maybe_retry_policy("retryPolicy")?.unwrap_or_default(),
            workflow_task_completed_event_id: completed,
            header: a.header("header", "fields")?,
            priority: a.maybe_priority()?,
            user_metadata: event.user_metadata()?,
        })),
        "activityTaskStarted" => Event::ActivityTaskStarted {
            scheduled_event_id: scheduled,
            identity,
            request_id: a.text("requestId")?,
            attempt: a.small("attempt")?,
            last_failure: maybe_failure(&a, "lastFailure", own)?,
        },
        "activityTaskCompleted" => Event::ActivityTaskCompleted {
            result: a.payloads("result")?,
            scheduled_event_id: scheduled,
            started_event_id: started,
            identity,
        },
        "activityTaskFailed" => Event::ActivityTaskFailed {
            failure: failure(&a, "failure", own)?,
            scheduled_event_id: scheduled,
            started_event_id: started,
            identity,
            retry_state: retry_state(&a)?,
        },
        "activityTaskTimedOut" => Event::ActivityTaskTimedOut {
            failure: failure(&a, "failure", own)?,
            scheduled_event_id: scheduled,
            started_event_id: started,
            retry_state: retry_state(&a)?,
        },
        "activityTaskCancelRequested" => Event::ActivityTaskCancelRequested {
            scheduled_event_id: scheduled,
            workflow_task_completed_event_id: completed,
        },
        "activityTaskCanceled" => Event::ActivityTaskCanceled {
            details: a.payloads("details")?,
            latest_cancel_requested_event_id: a.number("latestCancelRequestedEventId")?,
            scheduled_event_id: scheduled,
            started_event_id: started,
            identity,
        },
        "timerStarted" => Event::TimerStarted {
            timer_id: a.text("timerId")?,
            start_to_fire_timeout: a.duration("startToFireTimeout")?,
            workflow_task_completed_event_id: completed,
            user_metadata: event.user_metadata()?,
        },
        "timerFired" => Event::TimerFired { timer_id: a.text("timerId")?, started_event_id: started },
        "timerCanceled" => Event::TimerCanceled {
            timer_id: a.text("timerId")?,
            started_event_id: started,
            workflow_task_completed_event_id: completed,
            identity,
        },
        "workflowExecutionCancelRequested" => Event::WorkflowExecutionCancelRequested {
            cause: a.text("cause")?,
            identity,
            request_id: String::new(),
            external: parent(&a, "externalWorkflowExecution", own, "externalInitiatedEventId")?,
        },
        "workflowExecutionCanceled" => Event::WorkflowExecutionCanceled {
            details: a.payloads("details")?,
            workflow_task_completed_event_id: completed,
        },
        "requestCancelExternalWorkflowExecutionInitiated" => {
            Event::RequestCancelExternalWorkflowExecutionInitiated {
                workflow_task_completed_event_id: completed,
                target: target(&a, own)?,
                control: a.text("control")?,
                child_workflow_only: a.flag("childWorkflowOnly")?,
                reason: a.text("reason")?,
            }
        }
        "requestCancelExternalWorkflowExecutionFailed" => {
            Event::RequestCancelExternalWorkflowExecutionFailed {
                cause: external_failed(&a, "CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE")?,
                target: target(&a, own)?,
                initiated_event_id: initiated,
                workflow_task_completed_event_id: completed,
                control: a.text("control")?,
            }
        }
        "externalWorkflowExecutionCancelRequested" => Event::ExternalWorkflowExecutionCancelRequested {
            initiated_event_id: initiated,
            target: target(&a, own)?,
        },
        "markerRecorded" => {
            let mut details = BTreeMap::new();
            if let Some(said) = a.object("details")? {
                for key in said.map.keys() {
                    details.insert(key.clone(), said.payloads(key)?);
                }
            }
            Event::MarkerRecorded {
                marker_name: a.text("markerName")?,
                details,
                workflow_task_completed_event_id: completed,
                header: a.header("header", "fields")?,
                failure: maybe_failure(&a, "failure", own)?,
                user_metadata: event.user_metadata()?,
            }
        }
        "workflowExecutionSignaled" => Event::WorkflowExecutionSignaled {
            signal_name: a.text("signalName")?,
            input: a.payloads("input")?,
            identity,
            request_id: String::new(),
            header: a.header("header", "fields")?,
            external: a.execution("externalWorkflowExecution", own)?.map(Box::new),
        },
        "workflowExecutionTerminated" => Event::WorkflowExecutionTerminated {
            reason: a.text("reason")?,
            details: a.payloads("details")?,
            identity,
        },
        "workflowExecutionContinuedAsNew" => {
            Event::WorkflowExecutionContinuedAsNew(Box::new(ContinuedAsNew {
                new_execution_run_id: a.parsed("newExecutionRunId")?,
                workflow_type: a.named("workflowType")?,
                task_queue: a.task_queue("taskQueue")?,
                input: a.payloads("input")?,
                workflow_run_timeout: a.maybe_duration("workflowRunTimeout")?,
                workflow_task_timeout: a.duration("workflowTaskTimeout")?,
                workflow_task_completed_event_id: completed,
                backoff_start_interval: a.duration("backoffStartInterval")?,
                initiator: a.chosen("initiator", "CONTINUE_AS_NEW_INITIATOR")?,
                failure: maybe_failure(&a, "failure", own)?,
                last_completion_result: a.payloads("lastCompletionResult")?,
                header: a.header("header", "fields")?,
                memo: a.header("memo", "fields")?,
                search_attributes: a.header("searchAttributes", "indexedFields")?,
            }))
        }
        "startChildWorkflowExecutionInitiated" => {
            Event::StartChildWorkflowExecutionInitiated(Box::new(child_initiated(event, &a, own)?))
        }
        "startChildWorkflowExecutionFailed" => Event::StartChildWorkflowExecutionFailed {
            cause: a.chosen("cause", "START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE")?,
            namespace: namespace(&a, own)?,
            workflow_id: a.parsed("workflowId")?,
            workflow_type: a.named("workflowType")?,
            initiated_event_id: initiated,
            workflow_task_completed_event_id: completed,
            control: a.text("control")?,
        },
        "childWorkflowExecutionStarted" => Event::ChildWorkflowExecutionStarted {
            child: target(&a, own)?,
            workflow_type: a.named("workflowType")?,
            initiated_event_id: initiated,
            header: a.header("header", "fields")?,
        },
        "childWorkflowExecutionCompleted" => Event::ChildWorkflowExecutionCompleted {
            result: a.payloads("result")?,
            child: target(&a, own)?,
            workflow_type: a.named("workflowType")?,
            initiated_event_id: initiated,
            started_event_id: started,
        },
        "childWorkflowExecutionFailed" => Event::ChildWorkflowExecutionFailed {
            failure: failure(&a, "failure", own)?,
            retry_state: retry_state(&a)?,
            child: target(&a, own)?,
            workflow_type: a.named("workflowType")?,
            initiated_event_id: initiated,
            started_event_id: started,
        },
        "childWorkflowExecutionCanceled" => Event::ChildWorkflowExecutionCanceled {
            details: a.payloads("details")?,
            child: target(&a, own)?,
            workflow_type: a.named("workflowType")?,
            initiated_event_id: initiated,
            started_event_id: started,
        },
        "childWorkflowExecutionTimedOut" => Event::ChildWorkflowExecutionTimedOut {
            retry_state: retry_state(&a)?,
            child: target(&a, own)?,
            workflow_type: a.named("workflowType")?,
            initiated_event_id: initiated,
            started_event_id: started,
        },
        "childWorkflowExecutionTerminated" => Event::ChildWorkflowExecutionTerminated {
            child: target(&a, own)?,
            workflow_type: a.named("workflowType")?,
            initiated_event_id: initiated,
            started_event_id: started,
        },
        "signalExternalWorkflowExecutionInitiated" => Event::SignalExternalWorkflowExecutionInitiated {
            workflow_task_completed_event_id: completed,
            target: target(&a, own)?,
            signal_name: a.text("signalName")?,
            input: a.payloads("input")?,
            control: a.text("control")?,
            child_workflow_only: a.flag("childWorkflowOnly")?,
            header: a.header("header", "fields")?,
        },
        "signalExternalWorkflowExecutionFailed" => Event::SignalExternalWorkflowExecutionFailed {
            cause: external_failed(&a, "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE")?,
            target: target(&a, own)?,
            initiated_event_id: initiated,
            workflow_task_completed_event_id: completed,
            control: a.text("control")?,
        },
        "externalWorkflowExecutionSignaled" => Event::ExternalWorkflowExecutionSignaled {
            initiated_event_id: initiated,
            target: target(&a, own)?,
            control: a.text("control")?,
        },
        "upsertWorkflowSearchAttributes" => Event::UpsertWorkflowSearchAttributes {
            workflow_task_completed_event_id: completed,
            search_attributes: a.header("searchAttributes", "indexedFields")?,
        },
        "workflowExecutionUpdateAccepted" => Event::WorkflowExecutionUpdateAccepted {
            protocol_instance_id: a.text("protocolInstanceId")?,
            accepted_request_message_id: a.text("acceptedRequestMessageId")?,
            accepted_request_sequencing_event_id: a.number("acceptedRequestSequencingEventId")?,
            accepted_request: match a.object("acceptedRequest")? {
                None => None,
                Some(request) => Some(Box::new(update_request(&request)?)),
            },
        },
        "workflowExecutionUpdateCompleted" => {
            let meta = a.object("meta")?;
            let meta = a.required("meta", meta)?;
            let outcome = a.object("outcome")?;
            let outcome = a.required("outcome", outcome)?;
            Event::WorkflowExecutionUpdateCompleted {
                update_id: meta.text("updateId")?,
                identity: meta.text("identity")?,
                outcome: match maybe_failure(&outcome, "failure", own)? {
                    Some(failure) => UpdateOutcome::Failure(failure),
                    None => UpdateOutcome::Success(outcome.payloads("success")?),
                },
                accepted_event_id: a.number("acceptedEventId")?,
            }
        }
        "workflowPropertiesModified" => Event::WorkflowPropertiesModified {
            workflow_task_completed_event_id: completed,
            upserted_memo: a.header("upsertedMemo", "fields")?,
        },
        "workflowExecutionUpdateAdmitted" => {
            let request = a.object("request")?;
            let request = a.required("request", request)?;
            Event::WorkflowExecutionUpdateAdmitted { request: Box::new(update_request(&request)?) }
        }
        "workflowExecutionOptionsUpdated" => Event::WorkflowExecutionOptionsUpdated {
            attached_request_id: a.text("attachedRequestId")?,
            identity,
        },
        _ => return Err(unknown(&name)),
    })
}

fn started(
    event: &Fields<'_>,
    a: &Fields<'_>,
    own: &Namespace,
) -> Result<WorkflowExecutionStarted, ReadError> {
    let (_, run_id) = run_of(event)?;
    let of = a.maybe_parsed("parentWorkflowNamespace")?.unwrap_or_else(|| own.clone());
    Ok(WorkflowExecutionStarted {
        input: a.payloads("input")?,
        workflow_task_timeout: a.duration("workflowTaskTimeout")?,
        workflow_run_timeout: a.maybe_duration("workflowRunTimeout")?,
        workflow_execution_timeout: a.maybe_duration("workflowExecutionTimeout")?,
        workflow_execution_expiration_time: a.time("workflowExecutionExpirationTime")?,
        first_execution_run_id: a.maybe_parsed("firstExecutionRunId")?.unwrap_or(run_id),
        continued_execution_run_id: a.maybe_parsed("continuedExecutionRunId")?,
        initiator: a.maybe_chosen("initiator", "CONTINUE_AS_NEW_INITIATOR")?,
        continued_failure: maybe_failure(a, "continuedFailure", own)?,
        last_completion_result: a.payloads("lastCompletionResult")?,
        attempt: a.small("attempt")?,
        retry_policy: a.maybe_retry_policy("retryPolicy")?,
        cron_schedule: a.text("cronSchedule")?,
        first_workflow_task_backoff: a.duration("firstWorkflowTaskBackoff")?,
        parent: parent(a, "parentWorkflowExecution", &of, "parentInitiatedEventId")?,
        root: a.execution("rootWorkflowExecution", own)?.map(Box::new),
        identity: a.text("identity")?,
        header: a.header("header", "fields")?,
        memo: a.header("memo", "fields")?,
        search_attributes: a.header("searchAttributes", "indexedFields")?,
        priority: a.maybe_priority()?,
        user_metadata: event.user_metadata()?,
        ..WorkflowExecutionStarted::new(a.named("workflowType")?, a.task_queue("taskQueue")?, run_id)
    })
}

fn child_initiated(
    event: &Fields<'_>,
    a: &Fields<'_>,
    own: &Namespace,
) -> Result<StartChildWorkflowInitiated, ReadError> {
    Ok(StartChildWorkflowInitiated {
        namespace: namespace(a, own)?,
        workflow_id: a.parsed("workflowId")?,
        workflow_type: a.named("workflowType")?,
        task_queue: a.task_queue("taskQueue")?,
        input: a.payloads("input")?,
        workflow_execution_timeout: a.maybe_duration("workflowExecutionTimeout")?,
        workflow_run_timeout: a.maybe_duration("workflowRunTimeout")?,
        workflow_task_timeout: a.duration("workflowTaskTimeout")?,
        parent_close_policy: a.maybe_chosen("parentClosePolicy", "PARENT_CLOSE_POLICY")?.unwrap_or_default(),
        control: a.text("control")?,
        workflow_task_completed_event_id: a.number(COMPLETED)?,
        workflow_id_reuse_policy: a
            .maybe_chosen("workflowIdReusePolicy", "WORKFLOW_ID_REUSE_POLICY")?
            .unwrap_or_default(),
        retry_policy: a.maybe_retry_policy("retryPolicy")?,
        cron_schedule: a.text("cronSchedule")?,
        header: a.header("header", "fields")?,
        memo: a.header("memo", "fields")?,
        search_attributes: a.header("searchAttributes", "indexedFields")?,
        priority: a.maybe_priority()?,
        user_metadata: event.user_metadata()?,
    })
}

fn update_request(request: &Fields<'_>) -> Result<UpdateRequest, ReadError> {
    let meta = request.object("meta")?;
    let meta = request.required("meta", meta)?;
    let input = request.object("input")?;
    let input = request.required("input", input)?;
    Ok(UpdateRequest {
        update_id: meta.text("updateId")?,
        identity: meta.text("identity")?,
        name: input.text("name")?,
        args: input.payloads("args")?,
        header: input.header("header", "fields")?,
    })
}

fn namespace(a: &Fields<'_>, own: &Namespace) -> Result<Namespace, ReadError> {
    Ok(a.maybe_parsed("namespace")?.unwrap_or_else(|| own.clone()))
}

fn target(a: &Fields<'_>, own: &Namespace) -> Result<Box<Execution>, ReadError> {
    let target = a.execution("workflowExecution", &namespace(a, own)?)?;
    a.required("workflowExecution", target).map(Box::new)
}

fn parent(
    a: &Fields<'_>,
    name: &str,
    of: &Namespace,
    initiated: &str,
) -> Result<Option<Box<WorkflowParent>>, ReadError> {
    let Some(parent) = a.object(name)? else { return Ok(None) };
    Ok(Some(Box::new(WorkflowParent {
        namespace: of.clone(),
        workflow_id: parent.parsed("workflowId")?,
        run_id: parent.parsed("runId")?,
        initiated_event_id: a.number(initiated)?,
    })))
}

/// Ours has one cause that Temporal does not.
fn task_failed(a: &Fields<'_>) -> Result<WorkflowTaskFailedCause, ReadError> {
    const PREFIX: &str = "WORKFLOW_TASK_FAILED_CAUSE";
    if a.text("cause")? == format!("{PREFIX}_UNSPECIFIED") {
        return Ok(WorkflowTaskFailedCause::PendingTimersLimitExceeded);
    }
    a.chosen("cause", PREFIX)
}

fn external_failed(a: &Fields<'_>, prefix: &str) -> Result<ExternalWorkflowFailedCause, ReadError> {
    let text = a.text("cause")?;
    let cause = text.strip_prefix(prefix).unwrap_or(&text);
    match cause {
        "_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND" => Ok(ExternalWorkflowFailedCause::NotFound),
        "_NAMESPACE_NOT_FOUND" => Ok(ExternalWorkflowFailedCause::NamespaceNotFound),
        "_SIGNAL_COUNT_LIMIT_EXCEEDED" => Ok(ExternalWorkflowFailedCause::SignalCountLimitExceeded),
        _ => Err(a.wrong("cause", &format!("is {text:?}, which is no cause this engine has"))),
    }
}
