//! The vocabulary of history, and the enums within it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_bytes::ByteBuf;
use tidegate_model::event::{
    ActivityTaskScheduled, Event, HistoryBatch, WorkflowExecutionStarted, WorkflowTaskFailedCause,
};
use tidegate_model::id::{Namespace, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, FailureInfo, Payload, RetryPolicy, RetryState, TimeoutType};
use tidegate_model::time::Timestamp;

use super::{Sample, cbor, one_of_each, run, stamp};

pub(super) fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    samples.extend(events().iter().map(|(name, event)| cbor(format!("event-{name}"), event)));
    samples.extend(failure_infos().iter().map(|(name, info)| cbor(format!("failure_info-{name}"), info)));
    samples.push(cbor("failure-caused".into(), &caused()));
    samples.push(cbor("payload-bare".into(), &Payload::default()));
    samples.push(cbor("retry_policy-default".into(), &RetryPolicy::default()));
    samples.push(cbor("retry_state-all".into(), &of(retry_states())));
    samples.push(cbor("timeout_type-all".into(), &of(timeout_types())));
    samples.push(cbor("workflow_task_failed_cause-all".into(), &of(causes())));
    samples
}

pub(super) fn history() -> HistoryBatch {
    HistoryBatch {
        namespace: Namespace::new("default").expect("a plain name"),
        workflow_id: workflow_id(),
        run_id: run(),
        first_event_id: 1,
        event_time: Timestamp::from_micros(1_795_459_231_000_000),
        stamp: stamp(),
        events: of(events()),
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

fn of<T>(named: Vec<(&'static str, T)>) -> Vec<T> {
    named.into_iter().map(|(_, value)| value).collect()
}

fn queue() -> TaskQueue {
    TaskQueue::new("pipelines").expect("printable")
}

fn caused() -> Failure {
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
    })
}

fn events() -> Vec<(&'static str, Event)> {
    let header = BTreeMap::from([("trace".to_owned(), Payload::json("\"00-ab-cd-01\""))]);
    one_of_each!(Event {
        "workflow_execution_started": Event::WorkflowExecutionStarted(_) =>
            Event::WorkflowExecutionStarted(Box::new(WorkflowExecutionStarted {
                workflow_type: "pipeline".into(),
                task_queue: queue(),
                input: payloads(),
                workflow_task_timeout: Duration::from_secs(10),
                workflow_run_timeout: Some(Duration::from_secs(3_600)),
                workflow_execution_timeout: Some(Duration::new(86_400, 999_999_999)),
                first_execution_run_id: run(),
                original_execution_run_id: run(),
                continued_execution_run_id: Some(run()),
                attempt: 1,
                retry_policy: Some(RetryPolicy {
                    non_retryable_error_types: vec!["Fatal".into()],
                    ..RetryPolicy::default()
                }),
                identity: "tidegate@gw-1".into(),
                request_id: "window/42".into(),
                header: header.clone(),
                memo: header.clone(),
                search_attributes: header.clone(),
            })),
        "workflow_execution_completed": Event::WorkflowExecutionCompleted { .. } =>
            Event::WorkflowExecutionCompleted { result: payloads(), workflow_task_completed_event_id: 4 },
        "workflow_execution_failed": Event::WorkflowExecutionFailed { .. } => Event::WorkflowExecutionFailed {
            failure: caused(),
            retry_state: RetryState::RetryPolicyNotSet,
            workflow_task_completed_event_id: 4,
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
                header,
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
            },
    })
}
