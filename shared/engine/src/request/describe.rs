//! What the engine knows, for a person to see.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::event::{Execution, ParentClosePolicy, UserMetadata, WorkflowParent};
use tidegate_model::id::{EventId, Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, Header, Payloads};
use tidegate_model::time::Timestamp;

use super::activity::{ActivityOptions, ActivityPause};

/// What the engine knows of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Namespace of the execution.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// Which workflow function.
    pub workflow_type: String,
    /// Where its workers poll.
    pub task_queue: TaskQueue,
    /// Whether it goes on.
    pub status: RunStatus,
    /// When it began.
    pub start_time: Timestamp,
    /// When its first workflow task was to run: the start, and the back-off or delay behind it.
    pub execution_time: Timestamp,
    /// When it closed.
    pub close_time: Option<Timestamp>,
    /// Events so far.
    pub history_length: u64,
    /// Bytes of history so far.
    pub history_size_bytes: u64,
    /// Activities open.
    pub pending_activities: u32,
    /// Timers open.
    pub pending_timers: u32,
    /// Attempt of the open workflow task; 0 for none. Above 1 something is wrong with the workflow's code.
    pub workflow_task_attempt: u32,
    /// First run of its chain.
    pub first_run_id: RunId,
    /// The run it is a child of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Box<WorkflowParent>>,
    /// The topmost run of its tree; `None` is itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Box<Execution>>,
    /// What is remembered with it.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub memo: Header,
    /// What it is found by.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub search_attributes: Header,
    /// Transitions so far: each change of its state, whether or not it left events.
    #[serde(default)]
    pub state_transitions: u64,
}

/// More of a run: what it waits for.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDescription {
    /// What a list shows of it.
    pub summary: RunSummary,
    /// As it was started.
    pub workflow_execution_timeout: Option<Duration>,
    /// As it was started.
    pub workflow_run_timeout: Option<Duration>,
    /// As it was started.
    pub workflow_task_timeout: Duration,
    /// When the run times out.
    pub run_expiration_time: Option<Timestamp>,
    /// When its chain times out.
    pub execution_expiration_time: Option<Timestamp>,
    /// Somebody asked for it to be cancelled.
    pub cancel_requested: bool,
    /// The request that started it.
    pub start_request_id: String,
    /// For a person, as it was started.
    pub user_metadata: Option<Box<UserMetadata>>,
    /// The run this one was reset to.
    pub reset_run_id: Option<RunId>,
    /// Its open activities.
    pub pending_activities: Vec<PendingActivity>,
    /// Its open children.
    pub pending_children: Vec<ChildDescription>,
    /// When its open workflow task was scheduled, and when it was started.
    pub pending_workflow_task: Option<(Timestamp, Option<Timestamp>)>,
}

/// Temporal's `PendingActivityState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingActivityState {
    /// Waits for a worker, or for its back-off.
    Scheduled,
    /// A worker has it.
    Started,
    /// A worker has it and is to give it up.
    CancelRequested,
    /// Waits until somebody lets it go on.
    Paused,
    /// A worker has it and is to give it up until somebody lets it go on.
    PauseRequested,
}

/// An open activity.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingActivity {
    /// The workflow's name for it.
    pub activity_id: String,
    /// Which activity function.
    pub activity_type: String,
    /// How far it is.
    pub state: PendingActivityState,
    /// From 1.
    pub attempt: u32,
    /// Attempts in all; 0 is no limit.
    pub maximum_attempts: u32,
    /// When its attempt could be taken, or can.
    pub scheduled_time: Timestamp,
    /// When all attempts together are over.
    pub expiration_time: Option<Timestamp>,
    /// When the attempt that is out was taken, or the last one that was.
    pub last_started_time: Option<Timestamp>,
    /// When the next attempt may be taken, while it waits for that.
    pub next_attempt_schedule_time: Option<Timestamp>,
    /// How the attempt before ended.
    pub last_failure: Option<Failure>,
    /// Who had the last attempt.
    pub last_worker_identity: String,
    /// What the last attempt reported, and when.
    pub heartbeat: Option<(Timestamp, Payloads)>,
    /// When the last attempt ended that is over.
    pub last_attempt_complete_time: Option<Timestamp>,
    /// How it is tried.
    pub options: ActivityOptions,
    /// Who paused it.
    pub pause: Option<ActivityPause>,
}

/// An open child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildDescription {
    /// The child; no run before it runs.
    pub child: Execution,
    /// Its workflow function.
    pub workflow_type: String,
    /// The event that asked for it.
    pub initiated_event_id: EventId,
    /// What becomes of it when the parent closes.
    pub parent_close_policy: ParentClosePolicy,
}

/// Which runs to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListWorkflows {
    /// Of this namespace; `None` for all there are.
    pub namespace: Option<Namespace>,
    /// Temporal's filter grammar; empty for all.
    pub query: String,
    /// At most so many, at least 1.
    pub page_size: usize,
    /// From the reply before.
    pub page_token: Option<ListToken>,
}

/// Where a page of a list begins: behind this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListToken {
    /// Its close time; `None` for an open run.
    pub close_time: Option<Timestamp>,
    /// Its start time.
    pub start_time: Timestamp,
    /// The run.
    pub run_id: RunId,
}

/// One group of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountGroup {
    /// The runs with this status.
    pub status: RunStatus,
    /// So many.
    pub count: u64,
}

/// Temporal's `TaskQueueType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskQueueKind {
    /// Workflow tasks.
    Workflow,
    /// Activity tasks.
    Activity,
}

/// What waits on a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskQueueDescription {
    /// Who polled in the last minutes, the latest first.
    pub pollers: Vec<PollerDescription>,
    /// Tasks that wait and could be taken.
    pub backlog_count: u64,
    /// How long the oldest of them has waited.
    pub backlog_age: Duration,
    /// Tasks added a second, over the last half minute.
    pub tasks_add_rate: f64,
    /// Tasks handed out a second, over the last half minute.
    pub tasks_dispatch_rate: f64,
}

/// A worker that polls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollerDescription {
    /// Who.
    pub identity: String,
    /// When it last came.
    pub last_access_time: Timestamp,
}

/// Temporal's `WorkflowExecutionStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Open.
    Running,
    /// Returned.
    Completed,
    /// Failed.
    Failed,
    /// Ended as cancelled.
    Canceled,
    /// Ended by somebody else.
    Terminated,
    /// Goes on in a new run.
    ContinuedAsNew,
    /// Took too long.
    TimedOut,
}

impl RunStatus {
    /// As Temporal's command line prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
            Self::Terminated => "Terminated",
            Self::ContinuedAsNew => "ContinuedAsNew",
            Self::TimedOut => "TimedOut",
        }
    }
}
