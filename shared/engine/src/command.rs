//! What workflow code can ask for: Temporal's commands.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_model::event::{
    ContinueAsNewInitiator, Execution, ParentClosePolicy, Priority, UserMetadata, WorkflowIdReusePolicy,
};
use tidegate_model::id::{EventId, Namespace, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, Header, Payloads, RetryPolicy};

/// A command. Each becomes one event right behind the workflow task's completion, in order; a message becomes what it
/// says of its update.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// 1. → `ActivityTaskScheduled`.
    ScheduleActivityTask(ScheduleActivity),
    /// 2. → `ActivityTaskCancelRequested`; and `ActivityTaskCanceled` where no worker has it.
    RequestCancelActivityTask {
        /// The event that scheduled it.
        scheduled_event_id: EventId,
    },
    /// 3. → `TimerStarted`.
    StartTimer {
        /// Unique among the run's open timers.
        timer_id: String,
        /// From the event on; zero fires at once.
        start_to_fire_timeout: Duration,
        /// For a person.
        user_metadata: Option<Box<UserMetadata>>,
    },
    /// 4. → `WorkflowExecutionCompleted`. Closes the run.
    CompleteWorkflowExecution {
        /// What the workflow function returned.
        result: Payloads,
    },
    /// 5. → `WorkflowExecutionFailed`. Closes the run.
    FailWorkflowExecution {
        /// How.
        failure: Failure,
    },
    /// 6. → `TimerCanceled`; a fired event that still waits is taken back.
    CancelTimer {
        /// An open timer.
        timer_id: String,
    },
    /// 7. → `WorkflowExecutionCanceled`. Closes the run.
    CancelWorkflowExecution {
        /// What the workflow says of it.
        details: Payloads,
    },
    /// 8. → `RequestCancelExternalWorkflowExecutionInitiated`, and its outcome later.
    RequestCancelExternalWorkflowExecution {
        /// Which one.
        target: Execution,
        /// The worker's own mark, handed back with the outcome.
        control: String,
        /// Only if it is a child of this run.
        child_workflow_only: bool,
        /// Why, in words.
        reason: String,
    },
    /// 9. → `MarkerRecorded`.
    RecordMarker {
        /// What kind; the SDKs' own names.
        marker_name: String,
        /// Whatever the SDK keeps there.
        details: BTreeMap<String, Payloads>,
        /// The workflow's context.
        header: Header,
        /// How a local activity failed.
        failure: Option<Failure>,
        /// For a person.
        user_metadata: Option<Box<UserMetadata>>,
    },
    /// 10. → `WorkflowExecutionContinuedAsNew`, and a new run. Closes the run.
    ContinueAsNewWorkflowExecution(Box<ContinueAsNew>),
    /// 11. → `StartChildWorkflowExecutionInitiated`, and its outcome later.
    StartChildWorkflowExecution(Box<StartChildWorkflow>),
    /// 12. → `SignalExternalWorkflowExecutionInitiated`, and its outcome later.
    SignalExternalWorkflowExecution {
        /// Which one.
        target: Execution,
        /// The signal's name.
        signal_name: String,
        /// Its arguments.
        input: Payloads,
        /// The worker's own mark, handed back with the outcome.
        control: String,
        /// Only if it is a child of this run.
        child_workflow_only: bool,
        /// The workflow's context.
        header: Header,
    },
    /// 13. → `UpsertWorkflowSearchAttributes`.
    UpsertWorkflowSearchAttributes {
        /// What changes; an empty value takes an attribute away.
        search_attributes: Header,
    },
    /// 14. Says where among the commands a message about an update belongs.
    ProtocolMessage {
        /// The message's id.
        message_id: String,
    },
    /// 16. → `WorkflowPropertiesModified`.
    ModifyWorkflowProperties {
        /// What changes; an empty value takes an entry away.
        upserted_memo: Header,
    },
}

/// Attributes of [`Command::ScheduleActivityTask`].
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleActivity {
    /// Unique among the run's open activities.
    pub activity_id: String,
    /// Which activity function.
    pub activity_type: String,
    /// Where its workers poll; `None` is the workflow's own queue.
    pub task_queue: Option<TaskQueue>,
    /// Its arguments.
    pub input: Payloads,
    /// How long all attempts together may take; zero is left out.
    pub schedule_to_close_timeout: Duration,
    /// How long it may wait for a worker; zero is left out.
    pub schedule_to_start_timeout: Duration,
    /// How long an attempt may take; zero is left out. This or schedule-to-close must be given.
    pub start_to_close_timeout: Duration,
    /// How long an attempt may stay silent; zero is left out.
    pub heartbeat_timeout: Duration,
    /// `None` is the server's default policy.
    pub retry_policy: Option<RetryPolicy>,
    /// The workflow's context.
    pub header: Header,
    /// Whether it goes first; `None` is as the workflow.
    pub priority: Option<Priority>,
    /// For a person.
    pub user_metadata: Option<Box<UserMetadata>>,
}

impl ScheduleActivity {
    /// An activity with a start-to-close time-out and nothing else said.
    #[must_use]
    pub fn new(
        activity_id: impl Into<String>,
        activity_type: impl Into<String>,
        start_to_close_timeout: Duration,
    ) -> Self {
        Self {
            activity_id: activity_id.into(),
            activity_type: activity_type.into(),
            task_queue: None,
            input: Payloads::new(),
            schedule_to_close_timeout: Duration::ZERO,
            schedule_to_start_timeout: Duration::ZERO,
            start_to_close_timeout,
            heartbeat_timeout: Duration::ZERO,
            retry_policy: None,
            header: Header::new(),
            priority: None,
            user_metadata: None,
        }
    }
}

/// Attributes of [`Command::ContinueAsNewWorkflowExecution`]. What is left out is as in this run.
#[derive(Debug, Clone, PartialEq)]
pub struct ContinueAsNew {
    /// Which workflow function; empty for the same.
    pub workflow_type: String,
    /// Where its workers poll.
    pub task_queue: Option<TaskQueue>,
    /// Its arguments.
    pub input: Payloads,
    /// How long the new run may take.
    pub workflow_run_timeout: Option<Duration>,
    /// How long one workflow task of it may take.
    pub workflow_task_timeout: Option<Duration>,
    /// How long its first workflow task waits.
    pub backoff_start_interval: Duration,
    /// Why.
    pub initiator: ContinueAsNewInitiator,
    /// How it is tried again.
    pub retry_policy: Option<RetryPolicy>,
    /// When it runs again after it closed; empty for never.
    pub cron_schedule: String,
    /// How this run failed.
    pub failure: Option<Failure>,
    /// What this run returned.
    pub last_completion_result: Payloads,
    /// The workflow's context.
    pub header: Header,
    /// What is remembered with it.
    pub memo: Header,
    /// What it is found by.
    pub search_attributes: Header,
}

/// Attributes of [`Command::StartChildWorkflowExecution`].
#[derive(Debug, Clone, PartialEq)]
pub struct StartChildWorkflow {
    /// Namespace of the child; `None` is the parent's.
    pub namespace: Option<Namespace>,
    /// Its workflow id.
    pub workflow_id: WorkflowId,
    /// Its workflow function.
    pub workflow_type: String,
    /// Where its workers poll; `None` is the parent's queue.
    pub task_queue: Option<TaskQueue>,
    /// Its arguments.
    pub input: Payloads,
    /// How long its chain may take.
    pub workflow_execution_timeout: Option<Duration>,
    /// How long a run of it may take.
    pub workflow_run_timeout: Option<Duration>,
    /// How long one workflow task of it may take.
    pub workflow_task_timeout: Option<Duration>,
    /// What becomes of it when this run closes.
    pub parent_close_policy: ParentClosePolicy,
    /// The worker's own mark, handed back with the outcome.
    pub control: String,
    /// Whether the id may have been used before.
    pub workflow_id_reuse_policy: WorkflowIdReusePolicy,
    /// How it is tried again; `None` is not at all.
    pub retry_policy: Option<RetryPolicy>,
    /// When it runs again after it closed; empty for never.
    pub cron_schedule: String,
    /// The workflow's context.
    pub header: Header,
    /// What is remembered with it.
    pub memo: Header,
    /// What it is found by.
    pub search_attributes: Header,
    /// Which of its tasks go first; `None` is as the parent.
    pub priority: Option<Priority>,
    /// For a person.
    pub user_metadata: Option<Box<UserMetadata>>,
}
