//! Events: one arm for each type, in the order of Temporal's numbers.

use serde_json::{Map, Value, json};
use tidegate_model::event::{
    ActivityTaskScheduled, ContinuedAsNew, Event, Execution, HistoryBatch, StartChildWorkflowInitiated,
    UpdateOutcome, UpdateRequest, UserMetadata, WorkflowExecutionStarted, WorkflowTaskFailedCause,
};
use tidegate_model::id::RunId;
use tidegate_model::payload::Payload;

use super::failure::failure;
use super::{
    Message, duration, execution, list, name, parent_execution, priority, retry_policy, task_queue,
    user_metadata,
};

/// The events of a batch.
pub(super) fn events(batch: &HistoryBatch) -> impl Iterator<Item = Value> + '_ {
    batch.numbered().map(|(id, event)| {
        let type_name = event.type_name();
        let mut attributes = type_name.to_owned();
        attributes[..1].make_ascii_lowercase();
        let mut message = Map::new();
        message.insert("eventId".to_owned(), json!(id.to_string()));
        message.insert("eventTime".to_owned(), json!(batch.event_time.to_string()));
        message.insert("eventType".to_owned(), json!(format!("EVENT_TYPE_{}", screaming(type_name))));
        if let Some(metadata) = metadata(event) {
            message.insert("userMetadata".to_owned(), user_metadata(metadata));
        }
        // An event without attributes would be one of no type.
        message
            .insert(format!("{attributes}EventAttributes"), Value::Object(self::attributes(batch, event).0));
        Value::Object(message)
    })
}

/// `WorkflowTaskScheduled` as `WORKFLOW_TASK_SCHEDULED`.
fn screaming(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

fn metadata(event: &Event) -> Option<&UserMetadata> {
    if let Event::WorkflowExecutionStarted(started) = event {
        return started.user_metadata.as_deref();
    }
    if let Event::ActivityTaskScheduled(scheduled) = event {
        return scheduled.user_metadata.as_deref();
    }
    if let Event::StartChildWorkflowExecutionInitiated(initiated) = event {
        return initiated.user_metadata.as_deref();
    }
    if let Event::TimerStarted { user_metadata, .. } | Event::MarkerRecorded { user_metadata, .. } = event {
        return user_metadata.as_deref();
    }
    None
}

fn named(name: &str) -> Value {
    json!({ "name": name })
}

fn run(run_id: &Option<RunId>) -> Value {
    run_id.map_or(Value::Null, |run_id| json!(run_id.to_string()))
}

/// What all events of a child have.
fn of_child(child: &Execution, workflow_type: &str, initiated: u64, started: u64) -> Message {
    Message::default()
        .text("namespace", &child.namespace)
        .with("workflowExecution", execution(child))
        .with("workflowType", named(workflow_type))
        .number("initiatedEventId", initiated)
        .number("startedEventId", started)
}

/// What all events about another execution have.
fn of_target(target: &Execution) -> Message {
    Message::default().text("namespace", &target.namespace).with("workflowExecution", execution(target))
}

#[expect(clippy::too_many_lines, reason = "a table: one arm for each type of event")]
fn attributes(batch: &HistoryBatch, event: &Event) -> Message {
    const COMPLETED: &str = "workflowTaskCompletedEventId";
    let empty = Message::default();
    match event {
        Event::WorkflowExecutionStarted(started) => self::started(batch, started),
        Event::WorkflowExecutionCompleted {
            result,
            workflow_task_completed_event_id,
            new_execution_run_id,
        } => empty
            .payloads("result", result)
            .number(COMPLETED, *workflow_task_completed_event_id)
            .with("newExecutionRunId", run(new_execution_run_id)),
        Event::WorkflowExecutionFailed {
            failure: how,
            retry_state,
            workflow_task_completed_event_id,
            new_execution_run_id,
        } => empty
            .with("failure", failure(how))
            .with("retryState", name("RETRY_STATE", retry_state))
            .number(COMPLETED, *workflow_task_completed_event_id)
            .with("newExecutionRunId", run(new_execution_run_id)),
        Event::WorkflowExecutionTimedOut { retry_state, new_execution_run_id } => empty
            .with("retryState", name("RETRY_STATE", retry_state))
            .with("newExecutionRunId", run(new_execution_run_id)),
        Event::WorkflowTaskScheduled { task_queue: queue, start_to_close_timeout, attempt } => empty
            .with("taskQueue", task_queue(queue))
            .with("startToCloseTimeout", duration(*start_to_close_timeout))
            .with("attempt", *attempt),
        Event::WorkflowTaskStarted {
            scheduled_event_id,
            request_id,
            identity,
            suggest_continue_as_new,
            history_size_bytes,
        } => empty
            .number("scheduledEventId", *scheduled_event_id)
            .text("identity", identity)
            .text("requestId", request_id)
            .with("suggestContinueAsNew", *suggest_continue_as_new)
            .number("historySizeBytes", *history_size_bytes),
        Event::WorkflowTaskCompleted { scheduled_event_id, started_event_id, identity, sdk_metadata } => {
            empty
                .number("scheduledEventId", *scheduled_event_id)
                .number("startedEventId", *started_event_id)
                .text("identity", identity)
                .some("sdkMetadata", sdk_metadata.as_ref().and_then(self::sdk_metadata), |value| value)
        }
        Event::WorkflowTaskTimedOut { scheduled_event_id, started_event_id, timeout_type } => empty
            .number("scheduledEventId", *scheduled_event_id)
            .number("startedEventId", *started_event_id)
            .with("timeoutType", name("TIMEOUT_TYPE", timeout_type)),
        Event::WorkflowTaskFailed {
            scheduled_event_id,
            started_event_id,
            cause,
            failure: how,
            identity,
            reset,
        } => {
            let message = empty
                .number("scheduledEventId", *scheduled_event_id)
                .number("startedEventId", *started_event_id)
                .with("cause", self::cause(*cause))
                .with("failure", failure(how))
                .text("identity", identity);
            match reset {
                None => message,
                Some(runs) => message.text("baseRunId", &runs.base_run_id).text("newRunId", &runs.new_run_id),
            }
        }
        Event::ActivityTaskScheduled(scheduled) => self::scheduled(scheduled),
        Event::ActivityTaskStarted { scheduled_event_id, identity, request_id, attempt, last_failure } => {
            empty
                .number("scheduledEventId", *scheduled_event_id)
                .text("identity", identity)
                .text("requestId", request_id)
                .with("attempt", *attempt)
                .some("lastFailure", last_failure.as_ref(), failure)
        }
        Event::ActivityTaskCompleted { result, scheduled_event_id, started_event_id, identity } => empty
            .payloads("result", result)
            .number("scheduledEventId", *scheduled_event_id)
            .number("startedEventId", *started_event_id)
            .text("identity", identity),
        Event::ActivityTaskFailed {
            failure: how,
            scheduled_event_id,
            started_event_id,
            identity,
            retry_state,
        } => empty
            .with("failure", failure(how))
            .number("scheduledEventId", *scheduled_event_id)
            .number("startedEventId", *started_event_id)
            .text("identity", identity)
            .with("retryState", name("RETRY_STATE", retry_state)),
        Event::ActivityTaskTimedOut { failure: how, scheduled_event_id, started_event_id, retry_state } => {
            empty
                .with("failure", failure(how))
                .number("scheduledEventId", *scheduled_event_id)
                .number("startedEventId", *started_event_id)
                .with("retryState", name("RETRY_STATE", retry_state))
        }
        Event::ActivityTaskCancelRequested { scheduled_event_id, workflow_task_completed_event_id } => empty
            .number("scheduledEventId", *scheduled_event_id)
            .number(COMPLETED, *workflow_task_completed_event_id),
        Event::ActivityTaskCanceled {
            details,
            latest_cancel_requested_event_id,
            scheduled_event_id,
            started_event_id,
            identity,
        } => empty
            .payloads("details", details)
            .number("latestCancelRequestedEventId", *latest_cancel_requested_event_id)
            .number("scheduledEventId", *scheduled_event_id)
            .number("startedEventId", *started_event_id)
            .text("identity", identity),
        Event::TimerStarted {
            timer_id,
            start_to_fire_timeout,
            workflow_task_completed_event_id,
            user_metadata: _,
        } => empty
            .text("timerId", timer_id)
            .with("startToFireTimeout", duration(*start_to_fire_timeout))
            .number(COMPLETED, *workflow_task_completed_event_id),
        Event::TimerFired { timer_id, started_event_id } => {
            empty.text("timerId", timer_id).number("startedEventId", *started_event_id)
        }
        Event::TimerCanceled { timer_id, started_event_id, workflow_task_completed_event_id, identity } => {
            empty
                .text("timerId", timer_id)
                .number("startedEventId", *started_event_id)
                .number(COMPLETED, *workflow_task_completed_event_id)
                .text("identity", identity)
        }
        Event::WorkflowExecutionCancelRequested { cause, identity, request_id: _, external } => empty
            .text("cause", cause)
            .text("identity", identity)
            .some("externalWorkflowExecution", external.as_deref(), parent_execution)
            .number(
                "externalInitiatedEventId",
                external.as_ref().map_or(0, |external| external.initiated_event_id),
            ),
        Event::WorkflowExecutionCanceled { details, workflow_task_completed_event_id } => {
            empty.payloads("details", details).number(COMPLETED, *workflow_task_completed_event_id)
        }
        Event::RequestCancelExternalWorkflowExecutionInitiated {
            workflow_task_completed_event_id,
            target,
            control,
            child_workflow_only,
            reason,
        } => of_target(target)
            .number(COMPLETED, *workflow_task_completed_event_id)
            .text("control", control)
            .with("childWorkflowOnly", *child_workflow_only)
            .text("reason", reason),
        Event::RequestCancelExternalWorkflowExecutionFailed {
            cause,
            target,
            initiated_event_id,
            workflow_task_completed_event_id,
            control,
        } => of_target(target)
            .with("cause", external_cause("CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE", cause))
            .number("initiatedEventId", *initiated_event_id)
            .number(COMPLETED, *workflow_task_completed_event_id)
            .text("control", control),
        Event::ExternalWorkflowExecutionCancelRequested { initiated_event_id, target } => {
            of_target(target).number("initiatedEventId", *initiated_event_id)
        }
        Event::MarkerRecorded {
            marker_name,
            details,
            workflow_task_completed_event_id,
            header,
            failure: how,
            user_metadata: _,
        } => {
            let details: Map<String, Value> =
                details.iter().map(|(key, payloads)| (key.clone(), list(payloads))).collect();
            empty
                .text("markerName", marker_name)
                .with("details", details)
                .number(COMPLETED, *workflow_task_completed_event_id)
                .header("header", "fields", header)
                .some("failure", how.as_ref(), failure)
        }
        Event::WorkflowExecutionSignaled {
            signal_name,
            input,
            identity,
            request_id: _,
            header,
            external,
        } => empty
            .text("signalName", signal_name)
            .payloads("input", input)
            .text("identity", identity)
            .header("header", "fields", header)
            .some("externalWorkflowExecution", external.as_deref(), execution),
        Event::WorkflowExecutionTerminated { reason, details, identity } => {
            empty.text("reason", reason).payloads("details", details).text("identity", identity)
        }
        Event::WorkflowExecutionContinuedAsNew(continued) => self::continued(continued),
        Event::StartChildWorkflowExecutionInitiated(initiated) => self::child(initiated),
        Event::StartChildWorkflowExecutionFailed {
            cause,
            namespace,
            workflow_id,
            workflow_type,
            initiated_event_id,
            workflow_task_completed_event_id,
            control,
        } => empty
            .text("namespace", namespace)
            .text("workflowId", workflow_id)
            .with("workflowType", named(workflow_type))
            .with("cause", name("START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE", cause))
            .text("control", control)
            .number("initiatedEventId", *initiated_event_id)
            .number(COMPLETED, *workflow_task_completed_event_id),
        Event::ChildWorkflowExecutionStarted { child, workflow_type, initiated_event_id, header } => {
            of_child(child, workflow_type, *initiated_event_id, 0).header("header", "fields", header)
        }
        Event::ChildWorkflowExecutionCompleted {
            result,
            child,
            workflow_type,
            initiated_event_id,
            started_event_id,
        } => {
            of_child(child, workflow_type, *initiated_event_id, *started_event_id).payloads("result", result)
        }
        Event::ChildWorkflowExecutionFailed {
            failure: how,
            retry_state,
            child,
            workflow_type,
            initiated_event_id,
            started_event_id,
        } => of_child(child, workflow_type, *initiated_event_id, *started_event_id)
            .with("failure", failure(how))
            .with("retryState", name("RETRY_STATE", retry_state)),
        Event::ChildWorkflowExecutionCanceled {
            details,
            child,
            workflow_type,
            initiated_event_id,
            started_event_id,
        } => of_child(child, workflow_type, *initiated_event_id, *started_event_id)
            .payloads("details", details),
        Event::ChildWorkflowExecutionTimedOut {
            retry_state,
            child,
            workflow_type,
            initiated_event_id,
            started_event_id,
        } => of_child(child, workflow_type, *initiated_event_id, *started_event_id)
            .with("retryState", name("RETRY_STATE", retry_state)),
        Event::ChildWorkflowExecutionTerminated {
            child,
            workflow_type,
            initiated_event_id,
            started_event_id,
        } => of_child(child, workflow_type, *initiated_event_id, *started_event_id),
        Event::SignalExternalWorkflowExecutionInitiated {
            workflow_task_completed_event_id,
            target,
            signal_name,
            input,
            control,
            child_workflow_only,
            header,
        } => of_target(target)
            .number(COMPLETED, *workflow_task_completed_event_id)
            .text("signalName", signal_name)
            .payloads("input", input)
            .text("control", control)
            .with("childWorkflowOnly", *child_workflow_only)
            .header("header", "fields", header),
        Event::SignalExternalWorkflowExecutionFailed {
            cause,
            target,
            initiated_event_id,
            workflow_task_completed_event_id,
            control,
        } => of_target(target)
            .with("cause", external_cause("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE", cause))
            .number("initiatedEventId", *initiated_event_id)
            .number(COMPLETED, *workflow_task_completed_event_id)
            .text("control", control),
        Event::ExternalWorkflowExecutionSignaled { initiated_event_id, target, control } => {
            of_target(target).number("initiatedEventId", *initiated_event_id).text("control", control)
        }
        Event::UpsertWorkflowSearchAttributes { workflow_task_completed_event_id, search_attributes } => {
            empty.number(COMPLETED, *workflow_task_completed_event_id).header(
                "searchAttributes",
                "indexedFields",
                search_attributes,
            )
        }
        Event::WorkflowExecutionUpdateAccepted {
            protocol_instance_id,
            accepted_request_message_id,
            accepted_request_sequencing_event_id,
            accepted_request,
        } => empty
            .text("protocolInstanceId", protocol_instance_id)
            .text("acceptedRequestMessageId", accepted_request_message_id)
            .number("acceptedRequestSequencingEventId", *accepted_request_sequencing_event_id)
            .some("acceptedRequest", accepted_request.as_deref(), update_request),
        Event::WorkflowExecutionUpdateCompleted { update_id, identity, outcome, accepted_event_id } => empty
            .with("meta", Message::default().text("updateId", update_id).text("identity", identity))
            .number("acceptedEventId", *accepted_event_id)
            .with("outcome", update_outcome(outcome)),
        Event::WorkflowPropertiesModified { workflow_task_completed_event_id, upserted_memo } => empty
            .number(COMPLETED, *workflow_task_completed_event_id)
            .header("upsertedMemo", "fields", upserted_memo),
        Event::WorkflowExecutionUpdateAdmitted { request } => empty
            .with("request", update_request(request))
            .with("origin", "UPDATE_ADMITTED_EVENT_ORIGIN_REAPPLY"),
        Event::WorkflowExecutionOptionsUpdated { attached_request_id, identity } => {
            empty.text("attachedRequestId", attached_request_id).text("identity", identity)
        }
    }
}

/// What an SDK wrote is in JSON; what is not, another kind of worker wrote.
fn sdk_metadata(written: &Payload) -> Option<Value> {
    serde_json::from_slice(&written.data).ok()
}

/// Ours has one cause that Temporal does not.
fn cause(cause: WorkflowTaskFailedCause) -> Value {
    if cause == WorkflowTaskFailedCause::PendingTimersLimitExceeded {
        return json!("WORKFLOW_TASK_FAILED_CAUSE_UNSPECIFIED");
    }
    name("WORKFLOW_TASK_FAILED_CAUSE", &cause)
}

fn external_cause(prefix: &str, cause: &tidegate_model::event::ExternalWorkflowFailedCause) -> Value {
    use tidegate_model::event::ExternalWorkflowFailedCause::{
        NamespaceNotFound, NotFound, SignalCountLimitExceeded,
    };
    json!(match cause {
        NotFound => format!("{prefix}_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND"),
        NamespaceNotFound => format!("{prefix}_NAMESPACE_NOT_FOUND"),
        SignalCountLimitExceeded => format!("{prefix}_SIGNAL_COUNT_LIMIT_EXCEEDED"),
    })
}

fn update_request(request: &UpdateRequest) -> Value {
    Message::default()
        .with(
            "meta",
            Message::default().text("updateId", &request.update_id).text("identity", &request.identity),
        )
        .with(
            "input",
            Message::default()
                .header("header", "fields", &request.header)
                .text("name", &request.name)
                .payloads("args", &request.args),
        )
        .into()
}

fn update_outcome(outcome: &UpdateOutcome) -> Value {
    match outcome {
        UpdateOutcome::Success(result) => json!({ "success": list(result) }),
        UpdateOutcome::Failure(how) => json!({ "failure": failure(how) }),
    }
}

fn started(batch: &HistoryBatch, started: &WorkflowExecutionStarted) -> Message {
    let WorkflowExecutionStarted {
        workflow_type,
        task_queue: queue,
        input,
        workflow_task_timeout,
        workflow_run_timeout,
        workflow_execution_timeout,
        workflow_execution_expiration_time,
        first_execution_run_id,
        original_execution_run_id,
        continued_execution_run_id,
        initiator,
        continued_failure,
        last_completion_result,
        attempt,
        retry_policy: policy,
        cron_schedule,
        first_workflow_task_backoff,
        parent,
        root,
        identity,
        request_id: _,
        header,
        memo,
        search_attributes,
        priority: first,
        user_metadata: _,
    } = started;
    let message = Message::default()
        .with("workflowType", named(workflow_type))
        .text("workflowId", &batch.workflow_id)
        .with("taskQueue", task_queue(queue))
        .payloads("input", input)
        .some("workflowExecutionTimeout", *workflow_execution_timeout, duration)
        .some("workflowRunTimeout", *workflow_run_timeout, duration)
        .with("workflowTaskTimeout", duration(*workflow_task_timeout))
        .with("continuedExecutionRunId", run(continued_execution_run_id))
        .some("initiator", initiator.as_ref(), |why| name("CONTINUE_AS_NEW_INITIATOR", why))
        .some("continuedFailure", continued_failure.as_ref(), failure)
        .payloads("lastCompletionResult", last_completion_result)
        .text("originalExecutionRunId", original_execution_run_id)
        .text("identity", identity)
        .text("firstExecutionRunId", first_execution_run_id)
        .some("retryPolicy", policy.as_ref(), retry_policy)
        .with("attempt", *attempt)
        .some("workflowExecutionExpirationTime", *workflow_execution_expiration_time, |time| {
            json!(time.to_string())
        })
        .text("cronSchedule", cron_schedule)
        .with("firstWorkflowTaskBackoff", duration(*first_workflow_task_backoff))
        .header("memo", "fields", memo)
        .header("searchAttributes", "indexedFields", search_attributes)
        .header("header", "fields", header)
        .some("rootWorkflowExecution", root.as_deref(), execution)
        .some("priority", first.as_ref(), priority);
    match parent {
        None => message,
        Some(parent) => message
            .text("parentWorkflowNamespace", &parent.namespace)
            .with("parentWorkflowExecution", parent_execution(parent))
            .number("parentInitiatedEventId", parent.initiated_event_id),
    }
}

fn scheduled(scheduled: &ActivityTaskScheduled) -> Message {
    Message::default()
        .text("activityId", &scheduled.activity_id)
        .with("activityType", named(&scheduled.activity_type))
        .with("taskQueue", task_queue(&scheduled.task_queue))
        .header("header", "fields", &scheduled.header)
        .payloads("input", &scheduled.input)
        .some("scheduleToCloseTimeout", scheduled.schedule_to_close_timeout, duration)
        .some("scheduleToStartTimeout", scheduled.schedule_to_start_timeout, duration)
        .some("startToCloseTimeout", scheduled.start_to_close_timeout, duration)
        .some("heartbeatTimeout", scheduled.heartbeat_timeout, duration)
        .number("workflowTaskCompletedEventId", scheduled.workflow_task_completed_event_id)
        .with("retryPolicy", retry_policy(&scheduled.retry_policy))
        .some("priority", scheduled.priority.as_ref(), priority)
}

fn continued(continued: &ContinuedAsNew) -> Message {
    Message::default()
        .text("newExecutionRunId", &continued.new_execution_run_id)
        .with("workflowType", named(&continued.workflow_type))
        .with("taskQueue", task_queue(&continued.task_queue))
        .payloads("input", &continued.input)
        .some("workflowRunTimeout", continued.workflow_run_timeout, duration)
        .with("workflowTaskTimeout", duration(continued.workflow_task_timeout))
        .number("workflowTaskCompletedEventId", continued.workflow_task_completed_event_id)
        .with("backoffStartInterval", duration(continued.backoff_start_interval))
        .with("initiator", name("CONTINUE_AS_NEW_INITIATOR", &continued.initiator))
        .some("failure", continued.failure.as_ref(), failure)
        .payloads("lastCompletionResult", &continued.last_completion_result)
        .header("header", "fields", &continued.header)
        .header("memo", "fields", &continued.memo)
        .header("searchAttributes", "indexedFields", &continued.search_attributes)
}

fn child(child: &StartChildWorkflowInitiated) -> Message {
    Message::default()
        .text("namespace", &child.namespace)
        .text("workflowId", &child.workflow_id)
        .with("workflowType", named(&child.workflow_type))
        .with("taskQueue", task_queue(&child.task_queue))
        .payloads("input", &child.input)
        .some("workflowExecutionTimeout", child.workflow_execution_timeout, duration)
        .some("workflowRunTimeout", child.workflow_run_timeout, duration)
        .with("workflowTaskTimeout", duration(child.workflow_task_timeout))
        .with("parentClosePolicy", name("PARENT_CLOSE_POLICY", &child.parent_close_policy))
        .text("control", &child.control)
        .number("workflowTaskCompletedEventId", child.workflow_task_completed_event_id)
        .with("workflowIdReusePolicy", name("WORKFLOW_ID_REUSE_POLICY", &child.workflow_id_reuse_policy))
        .some("retryPolicy", child.retry_policy.as_ref(), retry_policy)
        .text("cronSchedule", &child.cron_schedule)
        .header("header", "fields", &child.header)
        .header("memo", "fields", &child.memo)
        .header("searchAttributes", "indexedFields", &child.search_attributes)
        .some("priority", child.priority.as_ref(), priority)
}
