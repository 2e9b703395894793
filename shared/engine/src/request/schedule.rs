//! Schedules as a client sees them: Temporal's messages, without the wire.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::event::{Priority, UserMetadata};
use tidegate_model::id::{Namespace, RunId, ScheduleId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Header, Payloads, RetryPolicy};
use tidegate_model::time::Timestamp;

use super::describe::RunStatus;
use crate::schedule::ScheduleSpec;

/// Times, what is done at each of them, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// When.
    pub spec: ScheduleSpec,
    /// What.
    pub action: Box<ScheduledWorkflow>,
    /// How.
    #[serde(default)]
    pub policies: SchedulePolicies,
    /// Whether, at present.
    #[serde(default)]
    pub state: ScheduleState,
}

/// The action of a schedule: a workflow to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduledWorkflow {
    /// The id; the nominal time is appended to it, as in `report-2026-11-23T02:30:00Z`.
    pub workflow_id: WorkflowId,
    /// Which workflow function.
    pub workflow_type: String,
    /// Where its workers poll.
    pub task_queue: TaskQueue,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input: Payloads,
    /// As of a start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_execution_timeout: Option<Duration>,
    /// As of a start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_run_timeout: Option<Duration>,
    /// As of a start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_task_timeout: Option<Duration>,
    /// As of a start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
    /// As of a start.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub memo: Header,
    /// As of a start; `TemporalScheduledStartTime` and `TemporalScheduledById` are added.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub search_attributes: Header,
    /// As of a start.
    #[serde(default, skip_serializing_if = "Header::is_empty")]
    pub header: Header,
    /// As of a start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_metadata: Option<Box<UserMetadata>>,
    /// As of a start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

impl ScheduledWorkflow {
    /// An action that says only what it must.
    #[must_use]
    pub fn new(workflow_id: WorkflowId, workflow_type: impl Into<String>, task_queue: TaskQueue) -> Self {
        Self {
            workflow_id,
            workflow_type: workflow_type.into(),
            task_queue,
            input: Payloads::new(),
            workflow_execution_timeout: None,
            workflow_run_timeout: None,
            workflow_task_timeout: None,
            retry_policy: None,
            memo: Header::new(),
            search_attributes: Header::new(),
            header: Header::new(),
            user_metadata: None,
            priority: None,
        }
    }
}

/// How the actions of a schedule meet each other, and what is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SchedulePolicies {
    /// What happens when it is time and the last action still runs.
    pub overlap_policy: OverlapPolicy,
    /// How late an action may be after a time without power; later, it is left out. `None` on input is
    /// `CATCH_UP_WINDOW_SECONDS`; what is kept and shown is never `None` nor less than `CATCH_UP_WINDOW_SECONDS_MIN`.
    pub catchup_window: Option<Duration>,
    /// A run that fails or times out, all its retries with it, pauses the schedule.
    pub pause_on_failure: bool,
    /// No time is appended to the workflow id. An action then waits for nothing but that no run of the id is open.
    pub keep_original_workflow_id: bool,
}

/// Temporal's `ScheduleOverlapPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlapPolicy {
    /// The action is left out.
    #[default]
    Skip,
    /// One action waits for the one that runs, further ones are left out.
    BufferOne,
    /// Actions wait in a row.
    BufferAll,
    /// The one that runs is asked to cancel itself, and waited for.
    CancelOther,
    /// The one that runs is terminated.
    TerminateOther,
    /// It is started beside the other.
    AllowAll,
}

impl OverlapPolicy {
    /// The number of `temporal.api.enums.v1.ScheduleOverlapPolicy`.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Skip => 1,
            Self::BufferOne => 2,
            Self::BufferAll => 3,
            Self::CancelOther => 4,
            Self::TerminateOther => 5,
            Self::AllowAll => 6,
        }
    }

    /// The policy of that number; `None` for 0, which is "unspecified", and for what there is not.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        use OverlapPolicy::{AllowAll, BufferAll, BufferOne, CancelOther, Skip, TerminateOther};
        [Skip, BufferOne, BufferAll, CancelOther, TerminateOther, AllowAll]
            .into_iter()
            .find(|policy| policy.number() == number)
    }
}

/// Whether a schedule does anything at present.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ScheduleState {
    /// For a person; overwritten when the schedule is paused or unpaused.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// Its times pass and nothing is done. What is asked for by hand is.
    pub paused: bool,
    /// Only `remaining_actions` are left to it.
    pub limited_actions: bool,
    /// See `limited_actions`; actions by hand and those left out do not count.
    pub remaining_actions: u64,
}

/// What can be done to a schedule besides replacing it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SchedulePatch {
    /// Does its action once, now.
    pub trigger_immediately: Option<TriggerImmediately>,
    /// Does its actions of times gone by, or to come.
    pub backfill_request: Vec<Backfill>,
    /// Pauses it, with these notes; empty for not.
    pub pause: String,
    /// Unpauses it, with these notes; empty for not.
    pub unpause: String,
}

/// One action, now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TriggerImmediately {
    /// `None` is the schedule's own policy.
    pub overlap_policy: Option<OverlapPolicy>,
    /// The time that the workflow's id names; `None` is the present.
    pub scheduled_time: Option<Timestamp>,
}

/// The times of a stretch, both ends in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// From here …
    pub start_time: Timestamp,
    /// … to here.
    pub end_time: Timestamp,
    /// `None` is the schedule's own policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_policy: Option<OverlapPolicy>,
}

/// A schedule to create.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateSchedule {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its id.
    pub schedule_id: ScheduleId,
    /// What it is.
    pub schedule: Schedule,
    /// What is done to it at once.
    pub initial_patch: Option<SchedulePatch>,
    /// Who asks.
    pub identity: String,
    /// The caller's idempotency key.
    pub request_id: String,
    /// What is remembered with it.
    pub memo: Header,
    /// What it is found by.
    pub search_attributes: Header,
}

/// A schedule to replace by another.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateSchedule {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its id.
    pub schedule_id: ScheduleId,
    /// What it is to be, all of it.
    pub schedule: Schedule,
    /// As it was described or created: refused if it has changed since. `None` replaces it as it is.
    pub conflict_token: Option<u64>,
    /// Who asks.
    pub identity: String,
    /// The caller's idempotency key; empty for none.
    pub request_id: String,
    /// What it is found by, all of it; `None` leaves it.
    pub search_attributes: Option<Header>,
    /// What is remembered with it, all of it; `None` leaves it.
    pub memo: Option<Header>,
}

/// Something to do to a schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchSchedule {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its id.
    pub schedule_id: ScheduleId,
    /// What.
    pub patch: SchedulePatch,
    /// Who asks.
    pub identity: String,
    /// The caller's idempotency key; empty for none.
    pub request_id: String,
}

/// Which schedules to list, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListSchedules {
    /// Of this namespace.
    pub namespace: Namespace,
    /// Temporal's filter grammar, over their search attributes; empty for all.
    pub query: String,
    /// At most so many, at least 1.
    pub page_size: usize,
    /// Behind this one: the last of the page before.
    pub after: Option<ScheduleId>,
}

/// All that is known of a schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleDescription {
    /// As it is: the spec in its canonical form, the policies with their defaults.
    pub schedule: Schedule,
    /// What it has done, and will.
    pub info: ScheduleInfo,
    /// What is remembered with it.
    pub memo: Header,
    /// What it is found by.
    pub search_attributes: Header,
    /// Goes up with every change of the schedule.
    pub conflict_token: u64,
}

/// What a schedule has done, and will.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScheduleInfo {
    /// Actions taken.
    pub action_count: u64,
    /// Actions left out because they were too late.
    pub missed_catchup_window: u64,
    /// Actions left out because another still ran.
    pub overlap_skipped: u64,
    /// Actions left out because too many waited, or because the start was refused.
    pub buffer_dropped: u64,
    /// Actions that wait.
    pub buffer_size: u64,
    /// What it has started that still runs, by the first run of each; not what was started beside others.
    pub running_workflows: Vec<(WorkflowId, RunId)>,
    /// The last `SCHEDULE_RECENT_ACTIONS_MAX`, the oldest first.
    pub recent_actions: Vec<ScheduleActionResult>,
    /// The next `SCHEDULE_FUTURE_ACTIONS_MAX`.
    pub future_action_times: Vec<Timestamp>,
    /// When it was created.
    pub create_time: Timestamp,
    /// When it was last updated.
    pub update_time: Option<Timestamp>,
    /// Why its spec, which was good once, cannot be followed: its zone is not in the database any more, or it excludes
    /// nearly all of its times. Empty for nothing.
    pub invalid_schedule_error: String,
    /// Bytes it takes.
    pub state_size_bytes: u64,
}

/// One action taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleActionResult {
    /// When it was due.
    pub schedule_time: Timestamp,
    /// When it was taken.
    pub actual_time: Timestamp,
    /// What it started.
    pub workflow_id: WorkflowId,
    /// The first run of that.
    pub run_id: RunId,
    /// What has become of it.
    pub status: RunStatus,
}

/// A schedule in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleListEntry {
    /// Its id.
    pub schedule_id: ScheduleId,
    /// What is remembered with it.
    pub memo: Header,
    /// What it is found by.
    pub search_attributes: Header,
    /// Its times: the first `SCHEDULE_LISTED_ENTRIES_MAX` of each kind, without the definition of its zone.
    pub spec: ScheduleSpec,
    /// What it starts.
    pub workflow_type: String,
    /// For a person.
    pub notes: String,
    /// Whether it is paused.
    pub paused: bool,
    /// The last `SCHEDULE_LISTED_ACTIONS_MAX`, the oldest first.
    pub recent_actions: Vec<ScheduleActionResult>,
    /// The next `SCHEDULE_LISTED_ACTIONS_MAX`.
    pub future_action_times: Vec<Timestamp>,
    /// Bytes it takes.
    pub state_size_bytes: u64,
}
