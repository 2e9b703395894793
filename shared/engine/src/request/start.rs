//! What to start.

use std::time::Duration;

use tidegate_model::event::{Priority, UserMetadata, WorkflowIdConflictPolicy, WorkflowIdReusePolicy};
use tidegate_model::id::{Namespace, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, Header, Payloads, RetryPolicy};

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
    /// How long all runs of the chain may take; `None` is no limit.
    pub workflow_execution_timeout: Option<Duration>,
    /// How long one run may take; `None` is no limit but the above.
    pub workflow_run_timeout: Option<Duration>,
    /// Whether the id may have been used before.
    pub workflow_id_reuse_policy: WorkflowIdReusePolicy,
    /// What happens while a run of the id is open.
    pub workflow_id_conflict_policy: WorkflowIdConflictPolicy,
    /// With `UseExisting`: whether the open run's history notes this request.
    pub on_conflict_attach_request_id: bool,
    /// How a failed run is tried again; `None` is not at all.
    pub retry_policy: Option<RetryPolicy>,
    /// When it runs again after it closed, in Temporal's cron format; empty for never.
    pub cron_schedule: String,
    /// How long the first workflow task waits. Not together with a cron schedule.
    pub workflow_start_delay: Option<Duration>,
    /// Which of its tasks go first.
    pub priority: Option<Priority>,
    /// For a person.
    pub user_metadata: Option<Box<UserMetadata>>,
    /// Handed to the workflow as the result of the run before: a schedule's last.
    pub last_completion_result: Payloads,
    /// Handed to the workflow as the failure of the run before: a schedule's last.
    pub continued_failure: Option<Failure>,
}

impl StartWorkflow {
    /// A start that says only what it must; the rest is Temporal's default.
    #[must_use]
    pub fn new(
        namespace: Namespace,
        workflow_id: WorkflowId,
        workflow_type: impl Into<String>,
        task_queue: TaskQueue,
    ) -> Self {
        Self {
            namespace,
            workflow_id,
            workflow_type: workflow_type.into(),
            task_queue,
            input: Payloads::new(),
            workflow_task_timeout: None,
            identity: String::new(),
            request_id: String::new(),
            header: Header::new(),
            memo: Header::new(),
            search_attributes: Header::new(),
            workflow_execution_timeout: None,
            workflow_run_timeout: None,
            workflow_id_reuse_policy: WorkflowIdReusePolicy::default(),
            workflow_id_conflict_policy: WorkflowIdConflictPolicy::default(),
            on_conflict_attach_request_id: false,
            retry_policy: None,
            cron_schedule: String::new(),
            workflow_start_delay: None,
            priority: None,
            user_metadata: None,
            last_completion_result: Payloads::new(),
            continued_failure: None,
        }
    }
}

/// A start and a signal in one.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalWithStart {
    /// What to start when no run is open. Its conflict policy is content with an open run whether it says
    /// [`Fail`](WorkflowIdConflictPolicy::Fail) or [`UseExisting`](WorkflowIdConflictPolicy::UseExisting). Its identity,
    /// header and request id are the signal's as well.
    pub start: StartWorkflow,
    /// The signal's name.
    pub signal_name: String,
    /// Its arguments.
    pub signal_input: Payloads,
}
