//! What the larger events carry.

use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{EventId, Execution, Namespace, RunId, TaskQueue, WorkflowId};
use crate::limits::WORKFLOW_TASK_TIMEOUT_SECONDS;
use crate::payload::{Failure, Header, Payload, Payloads, RetryPolicy};
use crate::time::Timestamp;

/// The run on whose behalf something happened, and its event that asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowParent {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its workflow id.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// The event of that run which asked.
    pub initiated_event_id: EventId,
}

/// Temporal's `UserMetadata`: what a person reads beside an event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UserMetadata {
    /// One line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Payload>,
    /// Many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Payload>,
}

/// Temporal's `Priority`: which of the tasks of a queue goes first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Priority {
    /// From 1, the most urgent; 0 is the default of 3.
    #[serde(default)]
    pub priority_key: u32,
    /// Kept and handed on; tasks of one priority are handed out by age.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fairness_key: String,
    /// Kept and handed on.
    #[serde(default)]
    pub fairness_weight: f32,
}

/// Temporal's `ContinueAsNewInitiator`: why a run follows another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContinueAsNewInitiator {
    /// The workflow asked for it.
    Workflow,
    /// It failed and its retry policy tries again.
    Retry,
    /// Its cron schedule came round.
    CronSchedule,
}

/// Temporal's `ParentClosePolicy`: what becomes of a child when its parent closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParentClosePolicy {
    /// It is terminated.
    #[default]
    Terminate,
    /// It goes on.
    Abandon,
    /// It is asked to cancel.
    RequestCancel,
}

/// Temporal's `WorkflowIdReusePolicy`: whether an id may be used again after its run has closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowIdReusePolicy {
    /// It may.
    #[default]
    AllowDuplicate,
    /// Only if the last run did not complete.
    AllowDuplicateFailedOnly,
    /// It may not.
    RejectDuplicate,
}

/// Temporal's `WorkflowIdConflictPolicy`: what happens while a run of the id is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowIdConflictPolicy {
    /// The start is refused.
    #[default]
    Fail,
    /// The start gives the open run.
    UseExisting,
    /// The open run is terminated, and a new one started.
    TerminateExisting,
}

/// Temporal's `update.v1.Request`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateRequest {
    /// The caller's idempotency key within the run.
    pub update_id: String,
    /// Who asks.
    pub identity: String,
    /// The update's name.
    pub name: String,
    /// Its arguments.
    pub args: Payloads,
    /// The caller's context.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub header: Header,
}

/// Temporal's `update.v1.Outcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateOutcome {
    /// What the handler returned.
    Success(Payloads),
    /// How it failed, or why it was rejected.
    Failure(Failure),
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
    /// How long the run may take, from its first workflow task on; `None` is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_run_timeout: Option<Duration>,
    /// How long all runs of the chain may take; `None` is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_execution_timeout: Option<Duration>,
    /// When that is over, for every run of the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_execution_expiration_time: Option<Timestamp>,
    /// First run of the chain this one belongs to.
    pub first_execution_run_id: RunId,
    /// The run id this run began with; SDKs seed their randomness with it.
    pub original_execution_run_id: RunId,
    /// The run this one continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued_execution_run_id: Option<RunId>,
    /// Why it continues it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<ContinueAsNewInitiator>,
    /// How that run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued_failure: Option<Failure>,
    /// What the last successful run of the chain returned.
    #[serde(default, skip_serializing_if = "Payloads::is_empty")]
    pub last_completion_result: Payloads,
    /// Which attempt of a retried workflow, from 1.
    pub attempt: u32,
    /// How a failed run is tried again; `None` is not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
    /// When it runs again after it closed, in Temporal's cron format; empty for never.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cron_schedule: String,
    /// How long the first workflow task waits: a start delay, a back-off, a cron schedule.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub first_workflow_task_backoff: Duration,
    /// The run this one is a child of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Box<WorkflowParent>>,
    /// The topmost run of the tree; `None` is this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Box<Execution>>,
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
    /// Which of its tasks go first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// For a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_metadata: Option<Box<UserMetadata>>,
}

impl WorkflowExecutionStarted {
    /// The beginning of the first run of a chain that says only what it must.
    #[must_use]
    pub fn new(workflow_type: impl Into<String>, task_queue: TaskQueue, run_id: RunId) -> Self {
        Self {
            workflow_type: workflow_type.into(),
            task_queue,
            input: Payloads::new(),
            workflow_task_timeout: Duration::from_secs(WORKFLOW_TASK_TIMEOUT_SECONDS),
            workflow_run_timeout: None,
            workflow_execution_timeout: None,
            workflow_execution_expiration_time: None,
            first_execution_run_id: run_id,
            original_execution_run_id: run_id,
            continued_execution_run_id: None,
            initiator: None,
            continued_failure: None,
            last_completion_result: Payloads::new(),
            attempt: 1,
            retry_policy: None,
            cron_schedule: String::new(),
            first_workflow_task_backoff: Duration::ZERO,
            parent: None,
            root: None,
            identity: String::new(),
            request_id: String::new(),
            header: Header::new(),
            memo: Header::new(),
            search_attributes: Header::new(),
            priority: None,
            user_metadata: None,
        }
    }
}

fn is_zero(duration: &Duration) -> bool {
    duration.is_zero()
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
    /// Whether it goes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// For a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_metadata: Option<Box<UserMetadata>>,
}

/// Attributes of event 28.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContinuedAsNew {
    /// The run that follows.
    pub new_execution_run_id: RunId,
    /// Its workflow function.
    pub workflow_type: String,
    /// Where its workers poll.
    pub task_queue: TaskQueue,
    /// Its arguments.
    pub input: Payloads,
    /// How long it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_run_timeout: Option<Duration>,
    /// How long one workflow task of it may take.
    pub workflow_task_timeout: Duration,
    /// The workflow task that said so.
    pub workflow_task_completed_event_id: EventId,
    /// How long its first workflow task waits.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub backoff_start_interval: Duration,
    /// Why.
    pub initiator: ContinueAsNewInitiator,
    /// How this run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What the last successful run of the chain returned.
    #[serde(default, skip_serializing_if = "Payloads::is_empty")]
    pub last_completion_result: Payloads,
    /// The caller's context.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub header: Header,
    /// What is remembered with it.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub memo: Header,
    /// What it is found by.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub search_attributes: Header,
}

/// Attributes of event 29.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartChildWorkflowInitiated {
    /// Namespace of the child.
    pub namespace: Namespace,
    /// The child's workflow id.
    pub workflow_id: WorkflowId,
    /// Its workflow function.
    pub workflow_type: String,
    /// Where its workers poll.
    pub task_queue: TaskQueue,
    /// Its arguments.
    pub input: Payloads,
    /// How long its chain may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_execution_timeout: Option<Duration>,
    /// How long a run of it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_run_timeout: Option<Duration>,
    /// How long one workflow task of it may take.
    pub workflow_task_timeout: Duration,
    /// What becomes of it when this run closes.
    pub parent_close_policy: ParentClosePolicy,
    /// The worker's own mark, handed back with the outcome.
    pub control: String,
    /// The workflow task that asked.
    pub workflow_task_completed_event_id: EventId,
    /// Whether the id may have been used before.
    pub workflow_id_reuse_policy: WorkflowIdReusePolicy,
    /// How it is tried again; `None` is not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
    /// When it runs again after it closed; empty for never.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cron_schedule: String,
    /// The caller's context.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub header: Header,
    /// What is remembered with it.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub memo: Header,
    /// What it is found by.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub search_attributes: Header,
    /// Which of its tasks go first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// For a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_metadata: Option<Box<UserMetadata>>,
}
