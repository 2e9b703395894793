//! What the engine answers.

use std::collections::BTreeMap;

use tidegate_model::event::UpdateOutcome;
use tidegate_model::id::{EventId, Namespace, RunId, ScheduleId};
use tidegate_model::time::Timestamp;

use super::activity::ActivityOptions;
use super::describe::{CountGroup, ListToken, RunDescription, RunStatus, RunSummary, TaskQueueDescription};
use super::namespace::{IndexedValueType, NamespaceInfo};
use super::schedule::{ScheduleDescription, ScheduleListEntry};
use super::task::{ActivityTask, WorkflowTask};
use super::update::{QueryAnswer, UpdateStage};

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To a start, with a signal or without.
    Started {
        /// The run.
        run_id: RunId,
        /// `false` when nothing was done: an earlier request with the same id had been carried out, or the conflict
        /// policy is content with an open run.
        fresh: bool,
        /// Whether the run was started by this request, or by an earlier one with the same id.
        started: bool,
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
    /// To a workflow task's answer that asked for the next task.
    WorkflowTaskCompleted {
        /// The next task, where there is one for this worker.
        next: Option<Box<WorkflowTask>>,
        /// The worker's copy of the run must go back to the workflow task started by this event: what it was told of
        /// since is no more.
        reset_history_event_id: Option<EventId>,
    },
    /// To a heartbeat.
    Heartbeat {
        /// Cancellation was asked for.
        cancel_requested: bool,
        /// The activity was paused: this attempt is to end.
        paused: bool,
        /// The activity was reset: this attempt is to end.
        reset: bool,
    },
    /// To an update of activity options: those of the last activity that was changed.
    ActivityOptions(Box<ActivityOptions>),
    /// To a reset.
    Reset {
        /// The run that goes on.
        run_id: RunId,
    },
    /// To a query.
    Query(QueryAnswer),
    /// To a query that the run's state rules out.
    QueryRejected {
        /// That state.
        status: RunStatus,
    },
    /// To an update, or a poll of one.
    Update {
        /// The run.
        run_id: RunId,
        /// How far it is.
        stage: UpdateStage,
        /// What came of it, when it is completed.
        outcome: Option<UpdateOutcome>,
        /// With a start: whether that started a run.
        started: Option<bool>,
    },
    /// To a wait for history.
    History(HistoryStanding),
    /// To a describe.
    Described(Box<RunDescription>),
    /// To a list.
    Listed {
        /// The page.
        runs: Vec<RunSummary>,
        /// Where the next begins.
        next: Option<ListToken>,
    },
    /// To a count.
    Counted {
        /// All together.
        count: u64,
        /// Of each group, where groups were asked for.
        groups: Vec<CountGroup>,
    },
    /// To whatever makes, changes or describes a namespace. Its retention is said even where it is the host's.
    Namespace(Box<NamespaceInfo>),
    /// To a list of namespaces.
    Namespaces {
        /// The page.
        namespaces: Vec<NamespaceInfo>,
        /// Where the next begins: behind this one.
        next: Option<Namespace>,
    },
    /// To a list of search attributes.
    SearchAttributes {
        /// Those of the namespace.
        custom: BTreeMap<String, IndexedValueType>,
        /// Those that every namespace has.
        system: BTreeMap<String, IndexedValueType>,
    },
    /// To a describe of a queue.
    TaskQueueDescribed(Box<TaskQueueDescription>),
    /// To the creation of a schedule.
    ScheduleCreated {
        /// For an update that wants nothing to have changed in between.
        conflict_token: u64,
    },
    /// To a describe of a schedule.
    ScheduleDescribed(Box<ScheduleDescription>),
    /// To a list of schedules.
    SchedulesListed {
        /// The page.
        schedules: Vec<ScheduleListEntry>,
        /// The last of them, if others follow.
        next: Option<ScheduleId>,
    },
    /// To a list of a schedule's times.
    ScheduleTimes(Vec<Timestamp>),
}

/// How far a run's history goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryStanding {
    /// The run.
    pub run_id: RunId,
    /// Id of its last event.
    pub last_event_id: EventId,
    /// Whether more can come.
    pub is_open: bool,
}
