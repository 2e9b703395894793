//! What can be asked of the engine and what it answers: Temporal's WorkflowService, without the wire.

mod activity;
mod describe;
mod namespace;
mod refusal;
mod reply;
mod schedule;
mod start;
mod task;
mod update;
mod workflow;

use std::collections::BTreeMap;

use tidegate_model::event::WorkflowTaskFailedCause;
use tidegate_model::id::{Namespace, RunId, ScheduleId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, Header, Payloads};
use tidegate_model::time::Timestamp;

pub use activity::{
    ActivityOptions, ActivityOptionsChange, ActivityPause, ActivityTarget, PauseActivity, ResetActivity,
    UnpauseActivity, UpdateActivityOptions, WhichActivities,
};
pub use describe::{
    ChildDescription, CountGroup, ListToken, ListWorkflows, PendingActivity, PendingActivityState,
    PollerDescription, RunDescription, RunStatus, RunSummary, TaskQueueDescription, TaskQueueKind,
};
pub use namespace::{IndexedValueType, NamespaceChange, NamespaceInfo, NamespaceRef, NamespaceState};
pub use refusal::Refusal;
pub use reply::{HistoryStanding, Reply};
pub use schedule::{
    Backfill, CreateSchedule, ListSchedules, OverlapPolicy, PatchSchedule, Schedule, ScheduleActionResult,
    ScheduleDescription, ScheduleInfo, ScheduleListEntry, SchedulePatch, SchedulePolicies, ScheduleState,
    ScheduledWorkflow, TriggerImmediately, UpdateSchedule,
};
pub use start::{SignalWithStart, StartWorkflow};
pub use task::{
    ActivityRef, ActivityTask, ActivityTaskToken, HistoryPart, QueryToken, StickyAttributes, WorkflowQuery,
    WorkflowTask, WorkflowTaskCompletion, WorkflowTaskToken,
};
pub use update::{
    QueryAnswer, QueryRejectCondition, QueryWorkflow, UpdateMessage, UpdateStage, UpdateWorkflow,
    WorkerMessage, WorkerMessageBody,
};
pub use workflow::{CancelWorkflow, ReapplyExclude, ResetWorkflow, TerminateWorkflow, WaitForHistory};

/// Ties a reply to its request. The host draws them; the engine gives them back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A request.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a request is taken apart where it arrives: it is moved a few times"
)]
pub enum Request {
    /// Starts a run. Refused with [`Refusal::AlreadyStarted`] where its policies say so; the same `request_id` gives
    /// the same run again.
    StartWorkflowExecution(StartWorkflow),
    /// Starts a run unless one is open, and signals it, in one transition.
    SignalWithStartWorkflowExecution(Box<SignalWithStart>),
    /// Starts a run unless the conflict policy is content with an open one, and updates it.
    UpdateWithStartWorkflowExecution {
        /// What to start.
        start: Box<StartWorkflow>,
        /// The update; its execution is that of the start.
        update: Box<UpdateWorkflow>,
    },
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
    /// Asks the workflow to cancel itself. Success on a closed run, and the second time.
    RequestCancelWorkflowExecution(CancelWorkflow),
    /// Ends a run, whatever it is doing.
    TerminateWorkflowExecution(TerminateWorkflow),
    /// Terminates a run if it is open, and forgets it.
    DeleteWorkflowExecution {
        /// Namespace of the execution.
        namespace: Namespace,
        /// The execution.
        workflow_id: WorkflowId,
        /// A run of it; `None` is the latest.
        run_id: Option<RunId>,
    },
    /// Forks a run at a workflow task of its history; the fork goes on instead of it.
    ResetWorkflowExecution(Box<ResetWorkflow>),
    /// Asks workflow code something that changes nothing.
    QueryWorkflow(Box<QueryWorkflow>),
    /// Answers a query that came as a task of its own.
    RespondQueryTaskCompleted {
        /// From the task.
        token: QueryToken,
        /// What the workflow says.
        answer: QueryAnswer,
    },
    /// Asks workflow code something that may change it. Answered when the stage waited for is reached, or after
    /// `UPDATE_WAIT_SECONDS_MAX` with the stage reached by then.
    UpdateWorkflowExecution(Box<UpdateWorkflow>),
    /// Waits for a stage of an update, as above.
    PollWorkflowExecutionUpdate {
        /// Namespace of the execution.
        namespace: Namespace,
        /// The execution.
        workflow_id: WorkflowId,
        /// A run of it; `None` is the latest.
        run_id: Option<RunId>,
        /// Which update.
        update_id: String,
        /// What to wait for; `None` answers at once.
        wait: Option<UpdateStage>,
    },
    /// How far a run's history goes; waits for it to go on, or to close.
    WaitForHistory(WaitForHistory),
    /// Waits for a workflow task on a queue, normal or sticky. Answered with `None` after
    /// `POLL_SECONDS_MAX`.
    PollWorkflowTaskQueue {
        /// Namespace of the queue.
        namespace: Namespace,
        /// The queue.
        task_queue: TaskQueue,
        /// Who polls.
        identity: String,
        /// Which worker of that process: [`Request::ShutdownWorkerInstance`] ends its polls. Empty for none.
        worker_instance_key: String,
    },
    /// Answers a workflow task with commands.
    RespondWorkflowTaskCompleted(Box<WorkflowTaskCompletion>),
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
        /// As for workflow tasks.
        worker_instance_key: String,
    },
    /// Answers an activity task with a result.
    RespondActivityTaskCompleted {
        /// Which one.
        task: ActivityRef,
        /// What the activity returned.
        result: Payloads,
        /// Who answers.
        identity: String,
    },
    /// Answers an activity task with a failure; the retry policy decides what follows.
    RespondActivityTaskFailed {
        /// Which one.
        task: ActivityRef,
        /// How it failed.
        failure: Failure,
        /// The last progress, where it was not reported before.
        last_heartbeat_details: Option<Payloads>,
        /// Who answers.
        identity: String,
    },
    /// Answers an activity task whose cancellation was asked for.
    RespondActivityTaskCanceled {
        /// Which one.
        task: ActivityRef,
        /// What the activity says of it.
        details: Payloads,
        /// Who answers.
        identity: String,
    },
    /// Progress of an activity. The reply says whether to go on.
    RecordActivityTaskHeartbeat {
        /// Which one.
        task: ActivityRef,
        /// Kept for the next attempt.
        details: Payloads,
        /// Who reports.
        identity: String,
    },
    /// Lets activities of a run wait.
    PauseActivity(PauseActivity),
    /// Lets them go on.
    UnpauseActivity(UnpauseActivity),
    /// Lets them begin anew.
    ResetActivity(ResetActivity),
    /// Changes how they are tried.
    UpdateActivityOptions(Box<UpdateActivityOptions>),
    /// A worker is gone, or begins anew under the same identity: its leases end as if timed out, its polls are
    /// answered empty, its sticky queue falls back to the normal one.
    ShutdownWorker {
        /// Whose.
        identity: String,
    },
    /// One worker of a process ends in good order, as Temporal's `ShutdownWorker` says it: its polls are answered
    /// empty, those that come late too, and what waits on its sticky queue goes to the normal one. What it holds it
    /// will answer.
    ShutdownWorkerInstance {
        /// Namespace of its queues.
        namespace: Namespace,
        /// Its sticky queue, where it has one.
        sticky_task_queue: Option<TaskQueue>,
        /// As in its polls.
        worker_instance_key: String,
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
    /// Runs that a filter lets through: open ones first, the newest first in both.
    ListWorkflowExecutions(ListWorkflows),
    /// How many there are.
    CountWorkflowExecutions {
        /// Of this namespace.
        namespace: Namespace,
        /// Temporal's filter grammar, with `GROUP BY ExecutionStatus`; empty for all.
        query: String,
    },
    /// What waits on a queue, and who polls it.
    DescribeTaskQueue {
        /// Namespace of the queue.
        namespace: Namespace,
        /// The queue.
        task_queue: TaskQueue,
        /// Which of its tasks.
        kind: TaskQueueKind,
    },
    /// Creates a schedule. The same `request_id` again is content with the schedule there is.
    CreateSchedule(Box<CreateSchedule>),
    /// All that is known of a schedule.
    DescribeSchedule {
        /// Its namespace.
        namespace: Namespace,
        /// Its id.
        schedule_id: ScheduleId,
    },
    /// Replaces a schedule. What it has started goes on.
    UpdateSchedule(Box<UpdateSchedule>),
    /// Triggers, backfills, pauses or unpauses a schedule.
    PatchSchedule(Box<PatchSchedule>),
    /// Ends a schedule. What it has started goes on.
    DeleteSchedule {
        /// Its namespace.
        namespace: Namespace,
        /// Its id.
        schedule_id: ScheduleId,
        /// Who asks.
        identity: String,
    },
    /// Schedules that a filter lets through.
    ListSchedules(ListSchedules),
    /// How many there are.
    CountSchedules {
        /// Of this namespace.
        namespace: Namespace,
        /// As for a list.
        query: String,
    },
    /// The times of a schedule in a stretch, with their jitter: at most `SCHEDULE_MATCHING_TIMES_MAX`.
    ListScheduleMatchingTimes {
        /// Its namespace.
        namespace: Namespace,
        /// Its id.
        schedule_id: ScheduleId,
        /// After this …
        start_time: Timestamp,
        /// … and up to this.
        end_time: Timestamp,
    },
    /// Makes a namespace.
    RegisterNamespace {
        /// Its name.
        name: Namespace,
        /// What is known of it.
        wanted: NamespaceChange,
    },
    /// What is known of a namespace.
    DescribeNamespace(NamespaceRef),
    /// All namespaces, by name.
    ListNamespaces {
        /// At most so many, at least 1.
        page_size: usize,
        /// Behind this one, from the reply before.
        after: Option<Namespace>,
    },
    /// Changes what is known of a namespace.
    UpdateNamespace {
        /// Its name.
        name: Namespace,
        /// What changes.
        change: NamespaceChange,
    },
    /// Ends a namespace: to everybody it is gone at once, while its open runs are terminated and its closed ones
    /// forgotten, little by little. Its name is free when that is done.
    DeleteNamespace(NamespaceRef),
    /// Gives a namespace search attributes; those it has with that type already are passed over.
    AddSearchAttributes {
        /// The namespace.
        namespace: Namespace,
        /// Their names and types.
        attributes: BTreeMap<String, IndexedValueType>,
    },
    /// Takes search attributes from a namespace; those it does not have are passed over. Runs keep their values, and
    /// are found by them again when an attribute comes back with its type.
    RemoveSearchAttributes {
        /// The namespace.
        namespace: Namespace,
        /// Their names.
        names: Vec<String>,
    },
    /// The search attributes of a namespace.
    ListSearchAttributes {
        /// The namespace.
        namespace: Namespace,
    },
}
