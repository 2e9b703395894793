//! What the engine appends: history, and the state that history does not hold.

use std::collections::{BTreeMap, BTreeSet};

mod schedule;

use serde::{Deserialize, Serialize};
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::{EventId, Namespace, RunId};
use tidegate_model::payload::{Failure, Payloads};
use tidegate_model::time::Timestamp;

use crate::request::{ActivityOptions, ActivityPause, IndexedValueType, NamespaceInfo, StickyAttributes};

pub use schedule::{BackfillProgress, ScheduleChange, ScheduleChangeKind, StartedAction, WaitingAction};

/// A record of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// Events of one run: stored, replicated, replayed.
    History(HistoryBatch),
    /// What recovery needs and history does not hold: attempts, leases, what waits in the buffer. Stays here.
    State(StateChange),
}

/// See [`Record::State`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateChange {
    /// A worker took an attempt of a workflow task that has no events: one after the first.
    TransientTaskStarted {
        /// The run.
        run_id: RunId,
        /// When: the workflow's own time for this attempt.
        time: Timestamp,
        /// Who took it.
        identity: String,
        /// The poll's own id.
        request_id: String,
        /// Whether it was told that the history is long.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        suggest_continue_as_new: bool,
    },
    /// Such an attempt failed or timed out; the next is scheduled.
    TransientTaskEnded {
        /// The run.
        run_id: RunId,
        /// When.
        time: Timestamp,
    },
    /// Events arrived while a workflow task was out. They have no ids; references among them are 0 until the flush.
    Buffered {
        /// The run.
        run_id: RunId,
        /// In order of arrival.
        events: Vec<Event>,
    },
    /// A worker asked to be given the next workflow tasks of a run, with the new events only.
    StickyBound {
        /// The run.
        run_id: RunId,
        /// Where it wants them.
        sticky: StickyAttributes,
        /// Who asked.
        identity: String,
    },
    /// The next workflow task goes to the normal queue again.
    StickyReleased {
        /// The run.
        run_id: RunId,
    },
    /// An update that a reset carried over was not let in. Any other leaves no trace.
    UpdateRejected {
        /// The run.
        run_id: RunId,
        /// Which update.
        update_id: String,
    },
    /// A worker took an attempt of an activity.
    ActivityStarted {
        /// The run.
        run_id: RunId,
        /// Which activity.
        scheduled_event_id: EventId,
        /// When.
        time: Timestamp,
        /// Who took it.
        identity: String,
        /// The poll's own id.
        request_id: String,
    },
    /// An attempt of an activity ended without success, and there is a further one.
    ActivityRetried {
        /// The run.
        run_id: RunId,
        /// Which activity.
        scheduled_event_id: EventId,
        /// When it ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time: Option<Timestamp>,
        /// When the next attempt may be taken.
        due: Timestamp,
        /// How the attempt ended, cut to `FAILURE_BYTES_MAX`.
        failure: Failure,
    },
    /// An attempt of an activity reported progress.
    ActivityHeartbeat {
        /// The run.
        run_id: RunId,
        /// Which activity.
        scheduled_event_id: EventId,
        /// When.
        time: Timestamp,
        /// What it reported, for the next attempt.
        #[serde(default, skip_serializing_if = "Payloads::is_empty")]
        details: Payloads,
    },
    /// An activity waits until somebody lets it go on.
    ActivityPaused {
        /// The run.
        run_id: RunId,
        /// Which activity.
        scheduled_event_id: EventId,
        /// Who did it, when and why.
        pause: ActivityPause,
    },
    /// A paused activity goes on.
    ActivityUnpaused {
        /// The run.
        run_id: RunId,
        /// Which activity.
        scheduled_event_id: EventId,
        /// When the attempt that waits may be taken.
        due: Timestamp,
        /// Attempts count from 1 again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        reset_attempts: bool,
        /// What was reported is forgotten.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        reset_heartbeat: bool,
    },
    /// Attempts at an activity count from 1 again.
    ActivityReset {
        /// The run.
        run_id: RunId,
        /// Which activity.
        scheduled_event_id: EventId,
        /// When the attempt that waits may be taken.
        due: Timestamp,
        /// What was reported is forgotten.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        reset_heartbeat: bool,
        /// It stays paused, if it is.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keep_paused: bool,
        /// It is tried as the workflow asked for again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        restore_options: bool,
    },
    /// An activity is tried in another way.
    ActivityOptionsUpdated {
        /// The run.
        run_id: RunId,
        /// Which activity.
        scheduled_event_id: EventId,
        /// When the attempt that waits may be taken.
        due: Timestamp,
        /// How.
        options: Box<ActivityOptions>,
    },
    /// A closed run has told its parent how it ended, or the parent is gone too.
    ParentTold {
        /// The run.
        run_id: RunId,
    },
    /// A closed run has left a child as its parent close policy says, or the child is gone too.
    ChildLeft {
        /// The run.
        run_id: RunId,
        /// The event that asked for the child.
        initiated_event_id: EventId,
    },
    /// Closed runs are remembered no more: their time is over, there are too many, or somebody wants it so.
    RunsForgotten {
        /// Which.
        runs: Vec<RunId>,
    },
    /// A namespace came, changed or went.
    Namespace(NamespaceRecord),
    /// A schedule changed.
    Schedule(Box<ScheduleChange>),
    /// A run is left for a fork of it. The records that follow begin the fork.
    WorkflowReset {
        /// The run that is left, open or closed.
        run_id: RunId,
        /// The fork.
        new_run_id: RunId,
        /// When: the fork begins here, whatever its first events say.
        time: Timestamp,
        /// The caller's idempotency key.
        request_id: String,
    },
}

/// A change of the registry of namespaces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamespaceRecord {
    /// A namespace is, from now on, this.
    Saved(NamespaceInfo),
    /// Nothing is left of a namespace that was deleted.
    Forgotten {
        /// Its name.
        name: Namespace,
    },
    /// A namespace has search attributes more.
    AttributesAdded {
        /// Its name.
        namespace: Namespace,
        /// The names and types.
        attributes: BTreeMap<String, IndexedValueType>,
    },
    /// A namespace has search attributes fewer.
    AttributesRemoved {
        /// Its name.
        namespace: Namespace,
        /// The names.
        names: BTreeSet<String>,
    },
}

impl StateChange {
    /// The open run it belongs to; `None` where it belongs to none.
    #[must_use]
    pub fn run_id(&self) -> Option<RunId> {
        match self {
            Self::TransientTaskStarted { run_id, .. }
            | Self::TransientTaskEnded { run_id, .. }
            | Self::Buffered { run_id, .. }
            | Self::StickyBound { run_id, .. }
            | Self::StickyReleased { run_id }
            | Self::UpdateRejected { run_id, .. }
            | Self::ActivityStarted { run_id, .. }
            | Self::ActivityRetried { run_id, .. }
            | Self::ActivityHeartbeat { run_id, .. }
            | Self::ActivityPaused { run_id, .. }
            | Self::ActivityUnpaused { run_id, .. }
            | Self::ActivityReset { run_id, .. }
            | Self::ActivityOptionsUpdated { run_id, .. }
            | Self::WorkflowReset { run_id, .. } => Some(*run_id),
            Self::ParentTold { .. }
            | Self::ChildLeft { .. }
            | Self::RunsForgotten { .. }
            | Self::Namespace(_)
            | Self::Schedule(_) => None,
        }
    }

    /// Whether the host may append it at leisure, and release the reply before it is on disk: recovery does without.
    ///
    /// A heartbeat that is lost costs what it reported, which an activity that may run again has to bear anyhow. It
    /// does not cost the attempt: silence is counted anew from the start of a process.
    #[must_use]
    pub fn is_at_leisure(&self) -> bool {
        match self {
            Self::ActivityHeartbeat { .. } => true,
            Self::TransientTaskStarted { .. }
            | Self::TransientTaskEnded { .. }
            | Self::Buffered { .. }
            | Self::StickyBound { .. }
            | Self::StickyReleased { .. }
            | Self::ActivityStarted { .. }
            | Self::ActivityRetried { .. }
            | Self::ActivityPaused { .. }
            | Self::ActivityUnpaused { .. }
            | Self::ActivityReset { .. }
            | Self::ActivityOptionsUpdated { .. }
            | Self::UpdateRejected { .. }
            | Self::ParentTold { .. }
            | Self::ChildLeft { .. }
            | Self::RunsForgotten { .. }
            | Self::Namespace(_)
            | Self::WorkflowReset { .. }
            | Self::Schedule(_) => false,
        }
    }
}
