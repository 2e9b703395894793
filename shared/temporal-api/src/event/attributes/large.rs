//! The events that carry most: how a run, an activity or a child begins, and how a run goes on in another.

use tidegate_model::event::{
    ActivityTaskScheduled, ContinuedAsNew, StartChildWorkflowInitiated, WorkflowExecutionStarted,
    WorkflowParent,
};

use crate::convert::outward;
use crate::proto::common::WorkflowExecution;
use crate::proto::history::{
    ActivityTaskScheduledEventAttributes, StartChildWorkflowExecutionInitiatedEventAttributes,
    WorkflowExecutionContinuedAsNewEventAttributes, WorkflowExecutionStartedEventAttributes,
};

pub(super) fn parent_execution(parent: &WorkflowParent) -> WorkflowExecution {
    WorkflowExecution { workflow_id: parent.workflow_id.to_string(), run_id: parent.run_id.to_string() }
}

pub(super) fn started(
    started: WorkflowExecutionStarted,
    execution: &str,
) -> WorkflowExecutionStartedEventAttributes {
    let parent = started.parent.as_deref();
    let root = started.root.map(|root| *root);
    WorkflowExecutionStartedEventAttributes {
        workflow_type: outward::workflow_type(started.workflow_type),
        parent_workflow_namespace: parent.map(|parent| parent.namespace.to_string()).unwrap_or_default(),
        parent_workflow_execution: parent.map(parent_execution),
        parent_initiated_event_id: parent.map_or(0, |parent| outward::id(parent.initiated_event_id)),
        task_queue: outward::task_queue(&started.task_queue),
        input: outward::payloads(started.input),
        // Left out where there is none: SDKs tell workflow code what it says here.
        workflow_execution_timeout: started.workflow_execution_timeout.map(outward::duration),
        workflow_run_timeout: started.workflow_run_timeout.map(outward::duration),
        workflow_task_timeout: Some(outward::duration(started.workflow_task_timeout)),
        continued_execution_run_id: outward::run_id(started.continued_execution_run_id),
        initiator: started.initiator.map_or(0, |initiator| outward::initiator(initiator).into()),
        continued_failure: started.continued_failure.map(outward::failure),
        last_completion_result: outward::payloads(started.last_completion_result),
        original_execution_run_id: started.original_execution_run_id.to_string(),
        identity: started.identity,
        first_execution_run_id: started.first_execution_run_id.to_string(),
        retry_policy: started.retry_policy.map(outward::retry_policy),
        attempt: outward::int(started.attempt),
        workflow_execution_expiration_time: started
            .workflow_execution_expiration_time
            .map(outward::timestamp),
        cron_schedule: started.cron_schedule,
        first_workflow_task_backoff: Some(outward::duration(started.first_workflow_task_backoff)),
        memo: outward::memo(started.memo),
        search_attributes: outward::search_attributes(started.search_attributes),
        header: outward::header(started.header),
        workflow_id: execution.to_owned(),
        root_workflow_execution: root.and_then(outward::execution),
        priority: outward::priority(started.priority),
        ..Default::default()
    }
}

pub(super) fn activity_scheduled(scheduled: ActivityTaskScheduled) -> ActivityTaskScheduledEventAttributes {
    ActivityTaskScheduledEventAttributes {
        activity_id: scheduled.activity_id,
        activity_type: outward::activity_type(scheduled.activity_type),
        task_queue: outward::task_queue(&scheduled.task_queue),
        header: outward::header(scheduled.header),
        input: outward::payloads(scheduled.input),
        schedule_to_close_timeout: outward::or_zero(scheduled.schedule_to_close_timeout),
        schedule_to_start_timeout: outward::or_zero(scheduled.schedule_to_start_timeout),
        start_to_close_timeout: outward::or_zero(scheduled.start_to_close_timeout),
        heartbeat_timeout: outward::or_zero(scheduled.heartbeat_timeout),
        workflow_task_completed_event_id: outward::id(scheduled.workflow_task_completed_event_id),
        retry_policy: Some(outward::retry_policy(scheduled.retry_policy)),
        priority: outward::priority(scheduled.priority),
        ..Default::default()
    }
}

pub(super) fn continued_as_new(continued: ContinuedAsNew) -> WorkflowExecutionContinuedAsNewEventAttributes {
    WorkflowExecutionContinuedAsNewEventAttributes {
        new_execution_run_id: continued.new_execution_run_id.to_string(),
        workflow_type: outward::workflow_type(continued.workflow_type),
        task_queue: outward::task_queue(&continued.task_queue),
        input: outward::payloads(continued.input),
        workflow_run_timeout: outward::or_zero(continued.workflow_run_timeout),
        workflow_task_timeout: Some(outward::duration(continued.workflow_task_timeout)),
        workflow_task_completed_event_id: outward::id(continued.workflow_task_completed_event_id),
        backoff_start_interval: Some(outward::duration(continued.backoff_start_interval)),
        initiator: outward::initiator(continued.initiator).into(),
        failure: continued.failure.map(outward::failure),
        last_completion_result: outward::payloads(continued.last_completion_result),
        header: outward::header(continued.header),
        memo: outward::memo(continued.memo),
        search_attributes: outward::search_attributes(continued.search_attributes),
        ..Default::default()
    }
}

pub(super) fn child_initiated(
    initiated: StartChildWorkflowInitiated,
) -> StartChildWorkflowExecutionInitiatedEventAttributes {
    StartChildWorkflowExecutionInitiatedEventAttributes {
        namespace: initiated.namespace.to_string(),
        workflow_id: initiated.workflow_id.to_string(),
        workflow_type: outward::workflow_type(initiated.workflow_type),
        task_queue: outward::task_queue(&initiated.task_queue),
        input: outward::payloads(initiated.input),
        workflow_execution_timeout: outward::or_zero(initiated.workflow_execution_timeout),
        workflow_run_timeout: outward::or_zero(initiated.workflow_run_timeout),
        workflow_task_timeout: Some(outward::duration(initiated.workflow_task_timeout)),
        parent_close_policy: outward::parent_close_policy(initiated.parent_close_policy).into(),
        control: initiated.control,
        workflow_task_completed_event_id: outward::id(initiated.workflow_task_completed_event_id),
        workflow_id_reuse_policy: outward::reuse_policy(initiated.workflow_id_reuse_policy).into(),
        retry_policy: initiated.retry_policy.map(outward::retry_policy),
        cron_schedule: initiated.cron_schedule,
        header: outward::header(initiated.header),
        memo: outward::memo(initiated.memo),
        search_attributes: outward::search_attributes(initiated.search_attributes),
        priority: outward::priority(initiated.priority),
        ..Default::default()
    }
}
