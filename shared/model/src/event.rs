//! The vocabulary of history: what happened in a workflow run, in Temporal's words, order and numbering.
//!
//! Ids are dense per run, from 1, and given when events are flushed; a batch is what one transition flushed. Only the
//! engine makes events; everyone else carries them.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{EventId, Namespace, RunId, TaskQueue, WorkflowId};
use crate::payload::{Failure, Header, Payload, Payloads, RetryPolicy, RetryState, TimeoutType};
use crate::time::{Stamp, Timestamp};

/// Events of one run that one transition flushed together: the unit that is stored, replicated and never split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryBatch {
    /// The namespace of the execution.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// The run of it.
    pub run_id: RunId,
    /// Id of the first event; the others follow densely. From a device it may be any number: the arithmetic on it
    /// saturates, and whoever applies the batch compares it with what he expects.
    pub first_event_id: EventId,
    /// The engine's time of the transition: never goes back within a run.
    pub event_time: Timestamp,
    /// The clocks as they stood.
    pub stamp: Stamp,
    /// At least one.
    pub events: Vec<Event>,
}

impl HistoryBatch {
    /// Id of the last event.
    #[must_use]
    pub fn last_event_id(&self) -> EventId {
        self.next_event_id().saturating_sub(1)
    }

    /// Id of the event after the last.
    #[must_use]
    pub fn next_event_id(&self) -> EventId {
        self.first_event_id.saturating_add(self.events.len() as u64)
    }

    /// The events with their ids.
    pub fn numbered(&self) -> impl Iterator<Item = (EventId, &Event)> {
        (0..).zip(&self.events).map(|(at, event)| (self.first_event_id.saturating_add(at), event))
    }
}

/// What happened. The doc line of each variant gives Temporal's `EventType` number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// 1. The run began.
    WorkflowExecutionStarted(WorkflowExecutionStarted),
    /// 2. The workflow function returned.
    WorkflowExecutionCompleted {
        /// What it returned.
        result: Payloads,
        /// The workflow task that said so.
        workflow_task_completed_event_id: EventId,
    },
    /// 3. The workflow function failed.
    WorkflowExecutionFailed {
        /// How.
        failure: Failure,
        /// Why it is not tried again.
        retry_state: RetryState,
        /// The workflow task that said so.
        workflow_task_completed_event_id: EventId,
    },
    /// 5. A worker is wanted.
    WorkflowTaskScheduled {
        /// Where.
        task_queue: TaskQueue,
        /// How long it may take.
        start_to_close_timeout: Duration,
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// 6. A worker took it.
    WorkflowTaskStarted {
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The poll's own id.
        request_id: String,
        /// Who took it.
        identity: String,
        /// The history is long enough that the workflow should continue as new.
        suggest_continue_as_new: bool,
        /// Bytes of history so far.
        history_size_bytes: u64,
    },
    /// 7. The worker answered with commands.
    WorkflowTaskCompleted {
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The starting event.
        started_event_id: EventId,
        /// Who answered.
        identity: String,
        /// What the worker's SDK asked to remember, as it wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sdk_metadata: Option<Payload>,
    },
    /// 8. No answer in time.
    WorkflowTaskTimedOut {
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The starting event; 0 when nobody took it.
        started_event_id: EventId,
        /// Start-to-close, or schedule-to-start of a sticky task.
        timeout_type: TimeoutType,
    },
    /// 9. The worker, or the engine, refused the answer.
    WorkflowTaskFailed {
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The starting event.
        started_event_id: EventId,
        /// Whose fault.
        cause: WorkflowTaskFailedCause,
        /// In words.
        failure: Failure,
        /// Who answered.
        identity: String,
    },
    /// 10. The workflow asked for an activity.
    ActivityTaskScheduled(ActivityTaskScheduled),
    /// 11. A worker took the attempt that ended it. Written together with the end.
    ActivityTaskStarted {
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// Who took it.
        identity: String,
        /// The poll's own id.
        request_id: String,
        /// Which attempt, from 1.
        attempt: u32,
        /// How the attempt before it failed.
        last_failure: Option<Failure>,
    },
    /// 12. The activity returned.
    ActivityTaskCompleted {
        /// What it returned.
        result: Payloads,
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The starting event.
        started_event_id: EventId,
        /// Who says so.
        identity: String,
    },
    /// 13. The activity failed for the last time.
    ActivityTaskFailed {
        /// How.
        failure: Failure,
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The starting event.
        started_event_id: EventId,
        /// Who says so.
        identity: String,
        /// Why it is not tried again.
        retry_state: RetryState,
    },
    /// 14. The activity took too long for the last time.
    ActivityTaskTimedOut {
        /// Which time-out, in a failure.
        failure: Failure,
        /// The scheduling event.
        scheduled_event_id: EventId,
        /// The starting event.
        started_event_id: EventId,
        /// Why it is not tried again.
        retry_state: RetryState,
    },
    /// 17. The workflow asked for a timer.
    TimerStarted {
        /// The workflow's name for it, unique among the open ones.
        timer_id: String,
        /// How long from this event.
        start_to_fire_timeout: Duration,
        /// The workflow task that asked.
        workflow_task_completed_event_id: EventId,
    },
    /// 18. Its time came.
    TimerFired {
        /// The workflow's name for it.
        timer_id: String,
        /// The event that started it.
        started_event_id: EventId,
    },
    /// 19. The workflow no longer wants it.
    TimerCanceled {
        /// The workflow's name for it.
        timer_id: String,
        /// The event that started it.
        started_event_id: EventId,
        /// The workflow task that said so.
        workflow_task_completed_event_id: EventId,
        /// Who said so.
        identity: String,
    },
    /// 26. A signal arrived.
    WorkflowExecutionSignaled {
        /// The signal's name.
        signal_name: String,
        /// Its arguments.
        input: Payloads,
        /// Who sent it.
        identity: String,
        /// The caller's idempotency key; empty for none. In history, so that whoever replays the run or replicates it
        /// knows a repetition.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        request_id: String,
        /// The caller's context.
        #[serde(default, skip_serializing_if = "Header::is_empty")]
        header: Header,
    },
}

impl Event {
    /// The number of this event's type in `temporal.api.enums.v1.EventType`.
    #[must_use]
    pub fn type_number(&self) -> u32 {
        self.kind().0
    }

    /// The name of this event's type, as Temporal's command line prints it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.kind().1
    }

    fn kind(&self) -> (u32, &'static str) {
        match self {
            Self::WorkflowExecutionStarted(_) => (1, "WorkflowExecutionStarted"),
            Self::WorkflowExecutionCompleted { .. } => (2, "WorkflowExecutionCompleted"),
            Self::WorkflowExecutionFailed { .. } => (3, "WorkflowExecutionFailed"),
            Self::WorkflowTaskScheduled { .. } => (5, "WorkflowTaskScheduled"),
            Self::WorkflowTaskStarted { .. } => (6, "WorkflowTaskStarted"),
            Self::WorkflowTaskCompleted { .. } => (7, "WorkflowTaskCompleted"),
            Self::WorkflowTaskTimedOut { .. } => (8, "WorkflowTaskTimedOut"),
            Self::WorkflowTaskFailed { .. } => (9, "WorkflowTaskFailed"),
            Self::ActivityTaskScheduled(_) => (10, "ActivityTaskScheduled"),
            Self::ActivityTaskStarted { .. } => (11, "ActivityTaskStarted"),
            Self::ActivityTaskCompleted { .. } => (12, "ActivityTaskCompleted"),
            Self::ActivityTaskFailed { .. } => (13, "ActivityTaskFailed"),
            Self::ActivityTaskTimedOut { .. } => (14, "ActivityTaskTimedOut"),
            Self::TimerStarted { .. } => (17, "TimerStarted"),
            Self::TimerFired { .. } => (18, "TimerFired"),
            Self::TimerCanceled { .. } => (19, "TimerCanceled"),
            Self::WorkflowExecutionSignaled { .. } => (26, "WorkflowExecutionSignaled"),
        }
    }
}

/// Attributes of event 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowExecutionStarted {
    /// Which workflow function.
    pub workflow_type: String,
    /// Where its workers poll.
    pub task_queue: TaskQueue,
    /// Its arguments.
    pub input: Payloads,
    /// How long one workflow task may take.
    pub workflow_task_timeout: Duration,
    /// How long the run may take; `None` is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_run_timeout: Option<Duration>,
    /// How long all runs of the chain may take; `None` is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_execution_timeout: Option<Duration>,
    /// First run of the chain this one belongs to.
    pub first_execution_run_id: RunId,
    /// The run id this run began with; SDKs seed their randomness with it.
    pub original_execution_run_id: RunId,
    /// The run this one continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued_execution_run_id: Option<RunId>,
    /// Which attempt of a retried workflow, from 1.
    pub attempt: u32,
    /// How a failed run is tried again; `None` is not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
    /// Who started it.
    pub identity: String,
    /// The caller's idempotency key: the same one starts one run.
    pub request_id: String,
    /// The caller's context.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub header: Header,
    /// What the caller wants remembered.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub memo: Header,
    /// What the caller wants to be found by.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub search_attributes: Header,
}

/// Attributes of event 10. Time-outs and retry policy are as the engine completed them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityTaskScheduled {
    /// The workflow's name for it, unique among the open ones.
    pub activity_id: String,
    /// Which activity function.
    pub activity_type: String,
    /// Where its workers poll.
    pub task_queue: TaskQueue,
    /// Its arguments.
    pub input: Payloads,
    /// How long all attempts together may take.
    pub schedule_to_close_timeout: Option<Duration>,
    /// How long it may wait for a worker.
    pub schedule_to_start_timeout: Option<Duration>,
    /// How long an attempt may take.
    pub start_to_close_timeout: Option<Duration>,
    /// How long an attempt may stay silent.
    pub heartbeat_timeout: Option<Duration>,
    /// How it is tried again. The server fills in its defaults, so there always is one.
    pub retry_policy: RetryPolicy,
    /// The workflow task that asked.
    pub workflow_task_completed_event_id: EventId,
    /// The caller's context.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub header: Header,
}

/// Temporal's `WorkflowTaskFailedCause`, those the engine or a worker can give so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowTaskFailedCause {
    /// A closing command while events were waiting.
    UnhandledCommand,
    /// An activity command that says too little or too much.
    BadScheduleActivityAttributes,
    /// A timer command that says too little or too much.
    BadStartTimerAttributes,
    /// Cancelling a timer that is not there.
    BadCancelTimerAttributes,
    /// A complete command with a result that is too large.
    BadCompleteWorkflowExecutionAttributes,
    /// A fail command without a failure.
    BadFailWorkflowExecutionAttributes,
    /// A second timer of the same name.
    StartTimerDuplicateId,
    /// A second activity of the same name.
    ScheduleActivityDuplicateId,
    /// The worker's own failure: a panic in workflow code.
    WorkflowWorkerUnhandledFailure,
    /// The code no longer matches the history.
    NonDeterministicError,
    /// Too many events waited; the task was failed to make room.
    ForceCloseCommand,
    /// The run has as many activities open as it may.
    PendingActivitiesLimitExceeded,
    /// The run has as many timers open as it may.
    PendingTimersLimitExceeded,
}
