//! What happens to a schedule. History knows nothing of schedules, so all of it is state.

use serde::{Deserialize, Serialize};
use tidegate_model::id::{Namespace, RunId, ScheduleId, WorkflowId};
use tidegate_model::payload::Header;
use tidegate_model::time::Timestamp;

use crate::request::{Backfill, OverlapPolicy, Schedule};

/// A change of one schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleChange {
    /// Its namespace.
    #[serde(rename = "ns")]
    pub namespace: Namespace,
    /// Its id.
    #[serde(rename = "id")]
    pub schedule_id: ScheduleId,
    /// What the calendar showed.
    #[serde(rename = "t")]
    pub time: Timestamp,
    /// What changed.
    #[serde(rename = "c")]
    pub change: ScheduleChangeKind,
}

/// See [`ScheduleChange`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleChangeKind {
    /// It was created.
    Created {
        /// As it is kept: canonical, with its defaults.
        schedule: Box<Schedule>,
        /// What is remembered with it.
        #[serde(default, skip_serializing_if = "Header::is_empty")]
        memo: Header,
        /// What it is found by.
        #[serde(default, skip_serializing_if = "Header::is_empty")]
        search_attributes: Header,
        /// The caller's idempotency key.
        request_id: String,
    },
    /// It was replaced.
    Updated {
        /// As it is kept: canonical, with its defaults.
        schedule: Box<Schedule>,
        /// What is remembered with it, if that was replaced.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memo: Option<Header>,
        /// What it is found by, if that was replaced.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        search_attributes: Option<Header>,
        /// The caller's idempotency key; empty for none.
        request_id: String,
    },
    /// It was triggered, backfilled, paused or unpaused.
    Patched {
        /// An action to take at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trigger: Option<WaitingAction>,
        /// Stretches of time whose actions to take. `start_time` itself is not in them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        backfills: Vec<Backfill>,
        /// Whether it is paused from here on, and the notes to that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pause: Option<(bool, String)>,
        /// The caller's idempotency key; empty for none.
        request_id: String,
    },
    /// What its actions had started and has closed since was taken into account.
    RunsClosed,
    /// Times have come: their actions wait, or are left out.
    TimesCame {
        /// Times up to this one are dealt with.
        to: Timestamp,
        /// How far the first backfill is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backfill: Option<BackfillProgress>,
        /// Actions that wait from here on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        waiting: Vec<WaitingAction>,
        /// Actions that waited and are left out: numbers from the first to the second of each pair.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left_out: Vec<(u64, u64)>,
        /// The number of the next action.
        next_number: u64,
        /// Left out because of the overlap policy.
        #[serde(default, skip_serializing_if = "is_zero")]
        overlap_skipped: u64,
        /// Left out because they were too late.
        #[serde(default, skip_serializing_if = "is_zero")]
        missed_catchup_window: u64,
        /// Left out because too many waited.
        #[serde(default, skip_serializing_if = "is_zero")]
        buffer_dropped: u64,
    },
    /// Actions that waited were taken, or could not be.
    Acted {
        /// What they started.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        started: Vec<StartedAction>,
        /// Numbers of those that are not taken: the schedule was paused meanwhile, or the start was refused.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left_out: Vec<u64>,
        /// Of these, because a run of the id was open or had been.
        #[serde(default, skip_serializing_if = "is_zero")]
        overlap_skipped: u64,
        /// Of these, because they were too late when they could not be started.
        #[serde(default, skip_serializing_if = "is_zero")]
        missed_catchup_window: u64,
        /// Of these, because the start was refused for good.
        #[serde(default, skip_serializing_if = "is_zero")]
        buffer_dropped: u64,
        /// When the schedule is looked at again although no time has come: engine time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<Timestamp>,
    },
    /// It is no more.
    Deleted,
}

/// How far a backfill is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackfillProgress {
    /// Dealt with up to this time.
    Reached(Timestamp),
    /// All of it is dealt with.
    Done,
}

/// An action whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingAction {
    /// Counts the actions of the schedule; makes the start request's id.
    #[serde(rename = "n")]
    pub number: u64,
    /// The spec's time: the workflow id has it.
    #[serde(rename = "t")]
    pub nominal: Timestamp,
    /// With its jitter; `None` is the same.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<Timestamp>,
    /// `None` is the schedule's own, whatever it is when the action is taken.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub overlap_policy: Option<OverlapPolicy>,
    /// Asked for by hand: neither a pause nor the number of actions left holds it up, and it is never too late.
    #[serde(rename = "m", default, skip_serializing_if = "std::ops::Not::not")]
    pub manual: bool,
}

impl WaitingAction {
    /// When it was due.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        self.actual.unwrap_or(self.nominal)
    }
}

/// An action taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedAction {
    /// Which one.
    #[serde(rename = "n")]
    pub number: u64,
    /// What it started.
    #[serde(rename = "w")]
    pub workflow_id: WorkflowId,
    /// The first run of that.
    #[serde(rename = "r")]
    pub run_id: RunId,
    /// Beside whatever else runs: later actions do not wait for it, and its outcome is not handed on.
    #[serde(rename = "b", default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
