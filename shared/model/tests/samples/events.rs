//! The vocabulary of history, and the enums within it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_bytes::ByteBuf;
use tidegate_model::event::{
    ActivityTaskScheduled, ContinueAsNewInitiator, ContinuedAsNew, Event, Execution,
    ExternalWorkflowFailedCause, HistoryBatch, ParentClosePolicy, Priority, ResetRuns, StartChildFailedCause,
    StartChildWorkflowInitiated, UpdateOutcome, UpdateRequest, UserMetadata, WorkflowExecutionStarted,
    WorkflowIdReusePolicy, WorkflowParent, WorkflowTaskFailedCause,
};
use tidegate_model::id::{Namespace, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, Header, Payload, RetryPolicy, RetryState, TimeoutType};
use tidegate_model::time::Timestamp;

use super::failures::caused;
use super::{Sample, cbor, of, one_of_each, run, stamp};

/// How many kinds of event the first release knew; what holds one of each keeps the bytes it had.
const EVENTS_OF_THE_FIRST_RELEASE: usize = 17;

pub(super) fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    samples.extend(events().iter().map(|(name, event)| cbor(format!("event-{name}"), event)));
    samples.extend(whole().iter().map(|(name, event)| cbor(format!("event-{name}_whole"), event)));
    samples
}

pub(super) fn history() -> HistoryBatch {
    HistoryBatch {
        namespace: namespace(),
        workflow_id: workflow_id(),
        run_id: run(),
        first_event_id: 1,
        event_time: Timestamp::from_micros(1_795_459_231_000_000),
        stamp: stamp(),
        events: of(events()).into_iter().take(EVENTS_OF_THE_FIRST_RELEASE).collect(),
    }
}

pub(super) fn workflow_id() -> WorkflowId {
    WorkflowId::new("pipeline/ward/bed-12/HR/2026-11-23T18:40:00Z").expect("printable")
}

pub(super) fn payloads() -> Vec<Payload> {
    vec![
        Payload::json("{\"bpm\":61.5}"),
        Payload { metadata: BTreeMap::new(), data: ByteBuf::from([0, 255]) },
    ]
}

pub(super) fn execution() -> Execution {
    Execution { namespace: namespace(), workflow_id: workflow_id(), run_id: Some(run()) }
}

fn parent() -> WorkflowParent {
    WorkflowParent {
        namespace: namespace(),
        workflow_id: workflow_id(),
        run_id: run(),
        initiated_event_id: 5,
    }
}

fn namespace() -> Namespace {
    Namespace::new("default").expect("a plain name")
}

fn priority() -> Priority {
    Priority { priority_key: 1, fairness_key: "ward-3".into(), fairness_weight: 1.5 }
}

fn user_metadata() -> Option<Box<UserMetadata>> {
    Some(Box::new(UserMetadata {
        summary: Some(Payload::json("\"wake somebody\"")),
        details: Some(Payload::json("\"bed 12, twice\"")),
    }))
}

fn queue() -> TaskQueue {
    TaskQueue::new("pipelines").expect("printable")
}

fn events() -> Vec<(&'static str, Event)> {
    let header = BTreeMap::from([("trace".to_owned(), Payload::json("\"00-ab-cd-01\""))]);
    one_of_each!(Event {
        "workflow_execution_started": Event::WorkflowExecutionStarted(_) =>
            Event::WorkflowExecutionStarted(Box::new(WorkflowExecutionStarted {
                input: payloads(),
                workflow_run_timeout: Some(Duration::from_secs(3_600)),
                workflow_execution_timeout: Some(Duration::new(86_400, 999_999_999)),
                continued_execution_run_id: Some(run()),
                retry_policy: Some(RetryPolicy {
                    non_retryable_error_types: vec!["Fatal".into()],
                    ..RetryPolicy::default()
                }),
                identity: "tidegate@gw-1".into(),
                request_id: "window/42".into(),
                header: header.clone(),
                memo: header.clone(),
                search_attributes: header.clone(),
                ..WorkflowExecutionStarted::new("pipeline", queue(), run())
            })),
        "workflow_execution_completed": Event::WorkflowExecutionCompleted { .. } =>
            Event::WorkflowExecutionCompleted {
                result: payloads(),
                workflow_task_completed_event_id: 4,
                new_execution_run_id: None,
            },
        "workflow_execution_failed": Event::WorkflowExecutionFailed { .. } => Event::WorkflowExecutionFailed {
            failure: caused(),
            retry_state: RetryState::RetryPolicyNotSet,
            workflow_task_completed_event_id: 4,
            new_execution_run_id: None,
        },
        "workflow_task_scheduled": Event::WorkflowTaskScheduled { .. } => Event::WorkflowTaskScheduled {
            task_queue: queue(),
            start_to_close_timeout: Duration::from_secs(10),
            attempt: 1,
        },
        "workflow_task_started": Event::WorkflowTaskStarted { .. } => Event::WorkflowTaskStarted {
            scheduled_event_id: 2,
            request_id: "poll-7".into(),
            identity: "worker@gw-1".into(),
            suggest_continue_as_new: false,
            history_size_bytes: 1_234,
        },
        "workflow_task_completed": Event::WorkflowTaskCompleted { .. } => Event::WorkflowTaskCompleted {
            scheduled_event_id: 2,
            started_event_id: 3,
            identity: "worker@gw-1".into(),
            sdk_metadata: Some(Payload::json("{}")),
        },
        "workflow_task_timed_out": Event::WorkflowTaskTimedOut { .. } => Event::WorkflowTaskTimedOut {
            scheduled_event_id: 2,
            started_event_id: 0,
            timeout_type: TimeoutType::ScheduleToStart,
        },
        "workflow_task_failed": Event::WorkflowTaskFailed { .. } => Event::WorkflowTaskFailed {
            scheduled_event_id: 2,
            started_event_id: 3,
            cause: WorkflowTaskFailedCause::NonDeterministicError,
            failure: Failure::application("history has a timer where the code asks for an activity", "", false),
            identity: "worker@gw-1".into(),
            reset: None,
        },
        "activity_task_scheduled": Event::ActivityTaskScheduled(_) =>
            Event::ActivityTaskScheduled(Box::new(ActivityTaskScheduled {
                activity_id: "1".into(),
                activity_type: "http_post".into(),
                task_queue: queue(),
                input: payloads(),
                schedule_to_close_timeout: Some(Duration::from_secs(300)),
                schedule_to_start_timeout: None,
                start_to_close_timeout: Some(Duration::from_secs(30)),
                heartbeat_timeout: None,
                retry_policy: RetryPolicy::default(),
                workflow_task_completed_event_id: 4,
                header: header.clone(),
                priority: None,
                user_metadata: None,
            })),
        "activity_task_started": Event::ActivityTaskStarted { .. } => Event::ActivityTaskStarted {
            scheduled_event_id: 5,
            identity: "worker@gw-1".into(),
            request_id: "poll-8".into(),
            attempt: 3,
            last_failure: Some(caused()),
        },
        "activity_task_completed": Event::ActivityTaskCompleted { .. } => Event::ActivityTaskCompleted {
            result: payloads(),
            scheduled_event_id: 5,
            started_event_id: 6,
            identity: "worker@gw-1".into(),
        },
        "activity_task_failed": Event::ActivityTaskFailed { .. } => Event::ActivityTaskFailed {
            failure: caused(),
            scheduled_event_id: 5,
            started_event_id: 6,
            identity: "worker@gw-1".into(),
            retry_state: RetryState::MaximumAttemptsReached,
        },
        "activity_task_timed_out": Event::ActivityTaskTimedOut { .. } => Event::ActivityTaskTimedOut {
            failure: Failure::timeout("no answer in 30 s", TimeoutType::StartToClose),
            scheduled_event_id: 5,
            started_event_id: 6,
            retry_state: RetryState::Timeout,
        },
        "timer_started": Event::TimerStarted { .. } => Event::TimerStarted {
            timer_id: "7".into(),
            start_to_fire_timeout: Duration::from_millis(2_500),
            workflow_task_completed_event_id: 4,
            user_metadata: None,
        },
        "timer_fired": Event::TimerFired { .. } =>
            Event::TimerFired { timer_id: "7".into(), started_event_id: 5 },
        "timer_canceled": Event::TimerCanceled { .. } => Event::TimerCanceled {
            timer_id: "7".into(),
            started_event_id: 5,
            workflow_task_completed_event_id: 9,
            identity: "worker@gw-1".into(),
        },
        "workflow_execution_signaled": Event::WorkflowExecutionSignaled { .. } =>
            Event::WorkflowExecutionSignaled {
                signal_name: "acknowledge".into(),
                input: payloads(),
                identity: "nurse@desk-3".into(),
                request_id: String::new(),
                header: BTreeMap::new(),
                external: None,
            },
        "workflow_execution_timed_out": Event::WorkflowExecutionTimedOut { .. } =>
            Event::WorkflowExecutionTimedOut {
                retry_state: RetryState::InProgress,
                new_execution_run_id: Some(run()),
            },
        "activity_task_cancel_requested": Event::ActivityTaskCancelRequested { .. } =>
            Event::ActivityTaskCancelRequested { scheduled_event_id: 5, workflow_task_completed_event_id: 9 },
        "activity_task_canceled": Event::ActivityTaskCanceled { .. } => Event::ActivityTaskCanceled {
            details: payloads(),
            latest_cancel_requested_event_id: 10,
            scheduled_event_id: 5,
            started_event_id: 0,
            identity: "worker@gw-1".into(),
        },
        "workflow_execution_cancel_requested": Event::WorkflowExecutionCancelRequested { .. } =>
            Event::WorkflowExecutionCancelRequested {
                cause: "the ward was closed".into(),
                identity: "nurse@desk-3".into(),
                request_id: "cancel-1".into(),
                external: Some(Box::new(parent())),
            },
        "workflow_execution_canceled": Event::WorkflowExecutionCanceled { .. } =>
            Event::WorkflowExecutionCanceled { details: payloads(), workflow_task_completed_event_id: 4 },
        "request_cancel_external_initiated": Event::RequestCancelExternalWorkflowExecutionInitiated { .. } =>
            Event::RequestCancelExternalWorkflowExecutionInitiated {
                workflow_task_completed_event_id: 4,
                target: Box::new(execution()),
                control: "7".into(),
                child_workflow_only: true,
                reason: "no longer wanted".into(),
            },
        "request_cancel_external_failed": Event::RequestCancelExternalWorkflowExecutionFailed { .. } =>
            Event::RequestCancelExternalWorkflowExecutionFailed {
                cause: ExternalWorkflowFailedCause::NotFound,
                target: Box::new(execution()),
                initiated_event_id: 5,
                workflow_task_completed_event_id: 4,
                control: "7".into(),
            },
        "external_cancel_requested": Event::ExternalWorkflowExecutionCancelRequested { .. } =>
            Event::ExternalWorkflowExecutionCancelRequested {
                initiated_event_id: 5,
                target: Box::new(execution()),
            },
        "marker_recorded": Event::MarkerRecorded { .. } => Event::MarkerRecorded {
            marker_name: "core_local_activity".into(),
            details: BTreeMap::from([("result".to_owned(), payloads())]),
            workflow_task_completed_event_id: 4,
            header: header.clone(),
            failure: Some(caused()),
            user_metadata: user_metadata(),
        },
        "workflow_execution_terminated": Event::WorkflowExecutionTerminated { .. } =>
            Event::WorkflowExecutionTerminated {
                reason: "by hand".into(),
                details: payloads(),
                identity: "nurse@desk-3".into(),
            },
        "workflow_execution_continued_as_new": Event::WorkflowExecutionContinuedAsNew(_) =>
            Event::WorkflowExecutionContinuedAsNew(Box::new(ContinuedAsNew {
                new_execution_run_id: run(),
                workflow_type: "pipeline".into(),
                task_queue: queue(),
                input: payloads(),
                workflow_run_timeout: Some(Duration::from_secs(3_600)),
                workflow_task_timeout: Duration::from_secs(10),
                workflow_task_completed_event_id: 4,
                backoff_start_interval: Duration::from_secs(1),
                initiator: ContinueAsNewInitiator::Workflow,
                failure: Some(caused()),
                last_completion_result: payloads(),
                header: header.clone(),
                memo: header.clone(),
                search_attributes: header.clone(),
            })),
        "start_child_initiated": Event::StartChildWorkflowExecutionInitiated(_) =>
            Event::StartChildWorkflowExecutionInitiated(Box::new(StartChildWorkflowInitiated {
                namespace: namespace(),
                workflow_id: workflow_id(),
                workflow_type: "escalate".into(),
                task_queue: queue(),
                input: payloads(),
                workflow_execution_timeout: Some(Duration::from_secs(86_400)),
                workflow_run_timeout: Some(Duration::from_secs(3_600)),
                workflow_task_timeout: Duration::from_secs(10),
                parent_close_policy: ParentClosePolicy::RequestCancel,
                control: "7".into(),
                workflow_task_completed_event_id: 4,
                workflow_id_reuse_policy: WorkflowIdReusePolicy::RejectDuplicate,
                retry_policy: Some(RetryPolicy::default()),
                cron_schedule: "0 8 * * MON".into(),
                header: header.clone(),
                memo: header.clone(),
                search_attributes: header.clone(),
                priority: Some(priority()),
                user_metadata: user_metadata(),
            })),
        "start_child_failed": Event::StartChildWorkflowExecutionFailed { .. } =>
            Event::StartChildWorkflowExecutionFailed {
                cause: StartChildFailedCause::WorkflowAlreadyExists,
                namespace: namespace(),
                workflow_id: workflow_id(),
                workflow_type: "escalate".into(),
                initiated_event_id: 5,
                workflow_task_completed_event_id: 4,
                control: "7".into(),
            },
        "child_started": Event::ChildWorkflowExecutionStarted { .. } => Event::ChildWorkflowExecutionStarted {
            child: Box::new(execution()),
            workflow_type: "escalate".into(),
            initiated_event_id: 5,
            header: header.clone(),
        },
        "child_completed": Event::ChildWorkflowExecutionCompleted { .. } =>
            Event::ChildWorkflowExecutionCompleted {
                result: payloads(),
                child: Box::new(execution()),
                workflow_type: "escalate".into(),
                initiated_event_id: 5,
                started_event_id: 6,
            },
        "child_failed": Event::ChildWorkflowExecutionFailed { .. } => Event::ChildWorkflowExecutionFailed {
            failure: caused(),
            retry_state: RetryState::NonRetryableFailure,
            child: Box::new(execution()),
            workflow_type: "escalate".into(),
            initiated_event_id: 5,
            started_event_id: 6,
        },
        "child_canceled": Event::ChildWorkflowExecutionCanceled { .. } =>
            Event::ChildWorkflowExecutionCanceled {
                details: payloads(),
                child: Box::new(execution()),
                workflow_type: "escalate".into(),
                initiated_event_id: 5,
                started_event_id: 6,
            },
        "child_timed_out": Event::ChildWorkflowExecutionTimedOut { .. } =>
            Event::ChildWorkflowExecutionTimedOut {
                retry_state: RetryState::Timeout,
                child: Box::new(execution()),
                workflow_type: "escalate".into(),
                initiated_event_id: 5,
                started_event_id: 6,
            },
        "child_terminated": Event::ChildWorkflowExecutionTerminated { .. } =>
            Event::ChildWorkflowExecutionTerminated {
                child: Box::new(execution()),
                workflow_type: "escalate".into(),
                initiated_event_id: 5,
                started_event_id: 6,
            },
        "signal_external_initiated": Event::SignalExternalWorkflowExecutionInitiated { .. } =>
            Event::SignalExternalWorkflowExecutionInitiated {
                workflow_task_completed_event_id: 4,
                target: Box::new(execution()),
                signal_name: "acknowledge".into(),
                input: payloads(),
                control: "7".into(),
                child_workflow_only: false,
                header: header.clone(),
            },
        "signal_external_failed": Event::SignalExternalWorkflowExecutionFailed { .. } =>
            Event::SignalExternalWorkflowExecutionFailed {
                cause: ExternalWorkflowFailedCause::SignalCountLimitExceeded,
                target: Box::new(execution()),
                initiated_event_id: 5,
                workflow_task_completed_event_id: 4,
                control: "7".into(),
            },
        "external_signaled": Event::ExternalWorkflowExecutionSignaled { .. } =>
            Event::ExternalWorkflowExecutionSignaled {
                initiated_event_id: 5,
                target: Box::new(execution()),
                control: "7".into(),
            },
        "upsert_search_attributes": Event::UpsertWorkflowSearchAttributes { .. } =>
            Event::UpsertWorkflowSearchAttributes {
                workflow_task_completed_event_id: 4,
                search_attributes: header.clone(),
            },
        "update_accepted": Event::WorkflowExecutionUpdateAccepted { .. } =>
            Event::WorkflowExecutionUpdateAccepted {
                protocol_instance_id: "raise-limit-1".into(),
                accepted_request_message_id: "raise-limit-1/request".into(),
                accepted_request_sequencing_event_id: 6,
                accepted_request: Some(Box::new(update())),
            },
        "update_completed": Event::WorkflowExecutionUpdateCompleted { .. } =>
            Event::WorkflowExecutionUpdateCompleted {
                update_id: "raise-limit-1".into(),
                identity: "nurse@desk-3".into(),
                outcome: UpdateOutcome::Success(payloads()),
                accepted_event_id: 8,
            },
        "properties_modified": Event::WorkflowPropertiesModified { .. } => Event::WorkflowPropertiesModified {
            workflow_task_completed_event_id: 4,
            upserted_memo: header.clone(),
        },
        "update_admitted": Event::WorkflowExecutionUpdateAdmitted { .. } =>
            Event::WorkflowExecutionUpdateAdmitted { request: Box::new(update()) },
        "options_updated": Event::WorkflowExecutionOptionsUpdated { .. } =>
            Event::WorkflowExecutionOptionsUpdated {
                attached_request_id: "window/43".into(),
                identity: "tidegate@gw-1".into(),
            },
    })
}

/// Events that grew since the first release, with what they grew.
fn whole() -> Vec<(&'static str, Event)> {
    vec![
        (
            "workflow_execution_started",
            Event::WorkflowExecutionStarted(Box::new(WorkflowExecutionStarted {
                workflow_execution_expiration_time: Some(Timestamp::from_micros(1_795_545_631_000_000)),
                initiator: Some(ContinueAsNewInitiator::Retry),
                continued_failure: Some(caused()),
                last_completion_result: payloads(),
                attempt: 2,
                cron_schedule: "@every 30s".into(),
                first_workflow_task_backoff: Duration::from_millis(1_500),
                parent: Some(Box::new(parent())),
                root: Some(Box::new(execution())),
                priority: Some(priority()),
                user_metadata: user_metadata(),
                ..WorkflowExecutionStarted::new("pipeline", queue(), run())
            })),
        ),
        (
            "workflow_execution_completed",
            Event::WorkflowExecutionCompleted {
                result: payloads(),
                workflow_task_completed_event_id: 4,
                new_execution_run_id: Some(run()),
            },
        ),
        (
            "workflow_execution_failed",
            Event::WorkflowExecutionFailed {
                failure: caused(),
                retry_state: RetryState::InProgress,
                workflow_task_completed_event_id: 4,
                new_execution_run_id: Some(run()),
            },
        ),
        (
            "workflow_task_failed",
            Event::WorkflowTaskFailed {
                scheduled_event_id: 2,
                started_event_id: 3,
                cause: WorkflowTaskFailedCause::ResetWorkflow,
                failure: Failure::application("reset by hand", "", false),
                identity: "nurse@desk-3".into(),
                reset: Some(Box::new(ResetRuns { base_run_id: run(), new_run_id: run() })),
            },
        ),
        (
            "activity_task_scheduled",
            Event::ActivityTaskScheduled(Box::new(ActivityTaskScheduled {
                activity_id: "1".into(),
                activity_type: "http_post".into(),
                task_queue: queue(),
                input: Vec::new(),
                schedule_to_close_timeout: None,
                schedule_to_start_timeout: Some(Duration::from_secs(5)),
                start_to_close_timeout: Some(Duration::from_secs(30)),
                heartbeat_timeout: Some(Duration::from_secs(3)),
                retry_policy: RetryPolicy::default(),
                workflow_task_completed_event_id: 4,
                header: Header::new(),
                priority: Some(priority()),
                user_metadata: user_metadata(),
            })),
        ),
        (
            "timer_started",
            Event::TimerStarted {
                timer_id: "7".into(),
                start_to_fire_timeout: Duration::from_millis(2_500),
                workflow_task_completed_event_id: 4,
                user_metadata: user_metadata(),
            },
        ),
        (
            "workflow_execution_signaled",
            Event::WorkflowExecutionSignaled {
                signal_name: "acknowledge".into(),
                input: payloads(),
                identity: "history-service".into(),
                request_id: "run/5".into(),
                header: Header::new(),
                external: Some(Box::new(execution())),
            },
        ),
    ]
}

fn update() -> UpdateRequest {
    UpdateRequest {
        update_id: "raise-limit-1".into(),
        identity: "nurse@desk-3".into(),
        name: "raise_limit".into(),
        args: payloads(),
        header: BTreeMap::from([("trace".to_owned(), Payload::json("\"00-ab-cd-02\""))]),
    }
}
