//! What can be done to the open activities of a run from outside.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::event::Priority;
use tidegate_model::id::{Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::RetryPolicy;
use tidegate_model::time::Timestamp;

/// Open activities of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityTarget {
    /// Namespace of the execution.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// A run of it; `None` is the one that is open.
    pub run_id: Option<RunId>,
    /// Which of them.
    pub which: WhichActivities,
}

/// See [`ActivityTarget`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichActivities {
    /// The one that the workflow calls so.
    Id(String),
    /// Those of this activity function.
    Type(String),
    /// All.
    All,
}

/// A request to pause: no further attempt begins and no time-out runs until the activity goes on. An attempt that is
/// out learns of it from its next heartbeat, and may end as it likes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseActivity {
    /// Which.
    pub target: ActivityTarget,
    /// Why, in words.
    pub reason: String,
    /// Who asks.
    pub identity: String,
    /// The caller's idempotency key; empty for none.
    pub request_id: String,
}

/// A request to go on. Those that are not paused are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpauseActivity {
    /// Which.
    pub target: ActivityTarget,
    /// Count attempts from 1 again.
    pub reset_attempts: bool,
    /// Forget what was reported.
    pub reset_heartbeat: bool,
    /// The next attempt waits up to this long, by chance.
    pub jitter: Duration,
}

/// A request to begin anew: attempts count from 1 again, and the next one begins at once. An attempt that is out
/// learns of it from its next heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetActivity {
    /// Which.
    pub target: ActivityTarget,
    /// Forget what was reported; of an attempt that is out, when it ends.
    pub reset_heartbeat: bool,
    /// What is paused stays paused.
    pub keep_paused: bool,
    /// Forget what [`UpdateActivityOptions`] changed.
    pub restore_original_options: bool,
    /// The next attempt waits up to this long, by chance.
    pub jitter: Duration,
}

/// A request to change how activities are tried. Time-outs are completed and capped as in the command, and hold for the
/// attempt that is out, too.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateActivityOptions {
    /// Which.
    pub target: ActivityTarget,
    /// What changes.
    pub change: ActivityOptionsChange,
    /// Back to what the workflow asked for; nothing else may change then.
    pub restore_original: bool,
}

/// Temporal's update mask and what it picks: what is `None` stays as it is. A duration of zero is left out, as in the
/// command.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ActivityOptionsChange {
    /// Where its workers poll.
    pub task_queue: Option<TaskQueue>,
    /// How long all attempts together may take.
    pub schedule_to_close_timeout: Option<Duration>,
    /// How long it may wait for a worker.
    pub schedule_to_start_timeout: Option<Duration>,
    /// How long an attempt may take.
    pub start_to_close_timeout: Option<Duration>,
    /// How long an attempt may stay silent.
    pub heartbeat_timeout: Option<Duration>,
    /// Wait before the second attempt.
    pub initial_interval: Option<Duration>,
    /// Each further wait is this many times the last.
    pub backoff_coefficient: Option<f64>,
    /// No wait is longer.
    pub maximum_interval: Option<Duration>,
    /// Attempts in all; 0 is no limit.
    pub maximum_attempts: Option<u32>,
    /// From 1, the most urgent; 0 is the workflow's.
    pub priority_key: Option<u32>,
    /// Kept and handed on.
    pub fairness_key: Option<String>,
    /// Kept and handed on.
    pub fairness_weight: Option<f32>,
}

/// How an activity is tried: Temporal's `ActivityOptions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityOptions {
    /// Where its workers poll.
    pub task_queue: TaskQueue,
    /// How long all attempts together may take; `None` is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_to_close_timeout: Option<Duration>,
    /// How long it may wait for a worker; `None` is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_to_start_timeout: Option<Duration>,
    /// How long an attempt may take.
    pub start_to_close_timeout: Duration,
    /// How long an attempt may stay silent; `None` is as long as it likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_timeout: Option<Duration>,
    /// How it is tried again.
    pub retry_policy: RetryPolicy,
    /// Whether it goes first; `None` is as the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

/// Who paused an activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityPause {
    /// When.
    pub time: Timestamp,
    /// Who.
    pub identity: String,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The caller's idempotency key; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
}
