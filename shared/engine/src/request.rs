//! What can be asked of the engine and what it answers: Temporal's WorkflowService, without the wire.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::event::{Event, HistoryBatch, WorkflowTaskFailedCause};
use tidegate_model::id::{EventId, Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, Header, Payload, Payloads};
use tidegate_model::time::Timestamp;

use crate::command::Command;

/// Ties a reply to its request. The host draws them; the engine gives them back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Starts a run. Refused with [`Refusal::AlreadyStarted`] while one of the id is open; the same `request_id`
    /// gives the same run again.
    StartWorkflowExecution(StartWorkflow),
    /// Signals the open run of an execution, or the run named. The same `request_id` is applied once.
    SignalWorkflowExecution {
        /// Namespace of the execution.
        namespace: Namespace,
        /// The execution.
        workflow_id: WorkflowId,
        /// A run of it; `None` is the one that is open.
        run_id: Option<RunId>,
        /// The signal's name.
        signal_name: String,
        /// Its arguments.
        input: Payloads,
        /// Who sends it.
        identity: String,
        /// The caller's idempotency key; empty for none.
        request_id: String,
        /// The caller's context.
        header: Header,
    },
    /// Waits for a workflow task on a queue, normal or sticky. Answered with `None` after
    /// `POLL_SECONDS_MAX`.
    PollWorkflowTaskQueue {
        /// Namespace of the queue.
        namespace: Namespace,
        /// The queue.
        task_queue: TaskQueue,
        /// Who polls.
        identity: String,
    },
    /// Answers a workflow task with commands.
    RespondWorkflowTaskCompleted {
        /// From the task.
        token: WorkflowTaskToken,
        /// In order. A closing command must be the last.
        commands: Vec<Command>,
        /// Who answers.
        identity: String,
        /// Where the next task should go, with only the new events.
        sticky: Option<StickyAttributes>,
        /// Kept in the event, as it is.
        sdk_metadata: Option<Payload>,
    },
    /// Answers a workflow task with a failure of the worker's own.
    RespondWorkflowTaskFailed {
        /// From the task.
        token: WorkflowTaskToken,
        /// Whose fault.
        cause: WorkflowTaskFailedCause,
        /// In words.
        failure: Failure,
        /// Who answers.
        identity: String,
    },
    /// Waits for an activity task on a queue. Answered with `None` after `POLL_SECONDS_MAX`.
    PollActivityTaskQueue {
        /// Namespace of the queue.
        namespace: Namespace,
        /// The queue.
        task_queue: TaskQueue,
        /// Who polls.
        identity: String,
    },
    /// Answers an activity task with a result.
    RespondActivityTaskCompleted {
        /// From the task.
        token: ActivityTaskToken,
        /// What the activity returned.
        result: Payloads,
        /// Who answers.
        identity: String,
    },
    /// Answers an activity task with a failure; the retry policy decides what follows.
    RespondActivityTaskFailed {
        /// From the task.
        token: ActivityTaskToken,
        /// How it failed.
        failure: Failure,
        /// Who answers.
        identity: String,
    },
    /// A worker is gone, or begins anew under the same identity: its leases end as if timed out, its polls are
    /// answered empty, its sticky queue falls back to the normal one.
    ShutdownWorker {
        /// Whose.
        identity: String,
    },
    /// What the engine knows of an execution.
    DescribeWorkflowExecution {
        /// Namespace of the execution.
        namespace: Namespace,
        /// The execution.
        workflow_id: WorkflowId,
        /// A run of it; `None` is the latest.
        run_id: Option<RunId>,
    },
    /// Open runs and those closed most recently, the newest first.
    ListWorkflowExecutions {
        /// At most so many.
        limit: usize,
    },
}

/// What to start.
#[derive(Debug, Clone, PartialEq)]
pub struct StartWorkflow {
    /// Namespace of the execution.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// Which workflow function.
    pub workflow_type: String,
    /// Where its workers poll.
    pub task_queue: TaskQueue,
    /// Its arguments.
    pub input: Payloads,
    /// How long one workflow task may take; `None` is the default of 10 s.
    pub workflow_task_timeout: Option<Duration>,
    /// Who starts it.
    pub identity: String,
    /// The caller's idempotency key.
    pub request_id: String,
    /// The caller's context.
    pub header: Header,
    /// What the caller wants remembered.
    pub memo: Header,
    /// What the caller wants to be found by.
    pub search_attributes: Header,
}

/// Where the next workflow task of a run should go first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StickyAttributes {
    /// The worker's own queue.
    pub task_queue: TaskQueue,
    /// After this without a poll it goes to the normal queue, with the whole history.
    pub schedule_to_start_timeout: Duration,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To a start.
    Started {
        /// The run.
        run_id: RunId,
        /// `false` when an earlier request with the same id had started it.
        fresh: bool,
    },
    /// To a signal.
    Signaled {
        /// The run.
        run_id: RunId,
        /// The event; `None` while it waits for the outstanding workflow task, or was applied before.
        event_id: Option<EventId>,
        /// `false` when an earlier request with the same id had been applied.
        fresh: bool,
    },
    /// To a workflow task poll; `None` when there was nothing in time.
    WorkflowTask(Option<Box<WorkflowTask>>),
    /// To an activity task poll; `None` when there was nothing in time.
    ActivityTask(Option<Box<ActivityTask>>),
    /// To an answer that was taken.
    Done,
    /// To a describe.
    Described(Box<RunSummary>),
    /// To a list.
    Listed(Vec<RunSummary>),
}

/// Why not: Temporal's error kinds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `ALREADY_EXISTS`.
    #[error("a run of this workflow id is open: {run_id}")]
    AlreadyStarted {
        /// The open run.
        run_id: RunId,
        /// What it was started with.
        start_request_id: String,
    },
    /// `NOT_FOUND`.
    #[error("{0}")]
    NotFound(String),
    /// `INVALID_ARGUMENT`.
    #[error("{0}")]
    InvalidArgument(String),
    /// `RESOURCE_EXHAUSTED`: a limit, by its name.
    #[error("limit {limit} is reached: {message}")]
    ResourceExhausted {
        /// Name in `tidegate_model::limits`.
        limit: &'static str,
        /// In words.
        message: String,
    },
}

/// What a worker needs to go on with a run.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowTask {
    /// To be given back.
    pub token: WorkflowTaskToken,
    /// Namespace of the execution.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// Which workflow function.
    pub workflow_type: String,
    /// The normal queue, also where the task came over a sticky one.
    pub task_queue: TaskQueue,
    /// The started event of the last completed workflow task; 0 for the first.
    pub previous_started_event_id: EventId,
    /// The started event of this one: the last event of the history given.
    pub started_event_id: EventId,
    /// From 1.
    pub attempt: u32,
    /// The events.
    pub history: HistoryPart,
    /// Events of this attempt that are not in the log: the scheduled and started pair of an attempt after the first.
    /// They follow the history given.
    pub transient: Vec<Event>,
    /// When this attempt was started: the workflow's own time.
    pub started_time: Timestamp,
    /// When it was scheduled.
    pub scheduled_time: Timestamp,
}

/// Which events a workflow task comes with.
#[derive(Debug, Clone, PartialEq)]
pub enum HistoryPart {
    /// All, from event 1: the host reads them from the log.
    Whole,
    /// Those after `previous_started_event_id`: the worker has the rest.
    Since(Vec<HistoryBatch>),
}

/// Identifies one attempt of a workflow task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowTaskToken {
    /// The run.
    pub run_id: RunId,
    /// The scheduled event.
    pub scheduled_event_id: EventId,
    /// The started event.
    pub started_event_id: EventId,
    /// From 1.
    pub attempt: u32,
}

/// What a worker needs to run an activity.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityTask {
    /// To be given back.
    pub token: ActivityTaskToken,
    /// Namespace of the execution.
    pub namespace: Namespace,
    /// The execution it is for.
    pub workflow_id: WorkflowId,
    /// Its workflow function.
    pub workflow_type: String,
    /// The workflow's name for the activity.
    pub activity_id: String,
    /// Which activity function.
    pub activity_type: String,
    /// Its arguments.
    pub input: Payloads,
    /// The workflow's context.
    pub header: Header,
    /// From 1.
    pub attempt: u32,
    /// How long this attempt may take.
    pub start_to_close_timeout: Duration,
    /// When the first attempt was scheduled.
    pub scheduled_time: Timestamp,
    /// When this attempt was started.
    pub started_time: Timestamp,
}

/// Identifies one attempt of an activity. Also what the activity tells the outside world as its identity, so that
/// the outside can recognise a repetition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityTaskToken {
    /// The run.
    pub run_id: RunId,
    /// The scheduled event.
    pub scheduled_event_id: EventId,
    /// From 1.
    pub attempt: u32,
}

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
}

impl RunStatus {
    /// As Temporal's command line prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
        }
    }
}
