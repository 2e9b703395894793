//! What workflow code can ask for: Temporal's commands.

use std::time::Duration;

use tidegate_model::id::TaskQueue;
use tidegate_model::payload::{Failure, Header, Payloads, RetryPolicy};

/// A command. Each becomes one event right behind the workflow task's completion, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// 1. → `ActivityTaskScheduled`.
    ScheduleActivityTask(ScheduleActivity),
    /// 3. → `TimerStarted`.
    StartTimer {
        /// Unique among the run's open timers.
        timer_id: String,
        /// From the event on; zero fires at once.
        start_to_fire_timeout: Duration,
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
    /// How long an attempt may take. Required, above zero.
    pub start_to_close_timeout: Duration,
    /// `None` is the server's default policy.
    pub retry_policy: Option<RetryPolicy>,
    /// The workflow's context.
    pub header: Header,
}
