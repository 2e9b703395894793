//! What a name in a query means: a fact the engine knows of every run, or an attribute that runs carry.

use crate::request::IndexedValueType;
use crate::search_attributes::{AttributeTypes, RESERVED_PREFIX, SCHEDULED_BY_ID, meant};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Column {
    WorkflowId,
    RunId,
    WorkflowType,
    TaskQueue,
    ExecutionStatus,
    StartTime,
    ExecutionTime,
    CloseTime,
    ExecutionDuration,
    HistoryLength,
    HistorySizeBytes,
    StateTransitionCount,
    ParentWorkflowId,
    ParentRunId,
    RootWorkflowId,
    RootRunId,
    Carried(String, IndexedValueType),
}

/// A name of the system's own.
const KNOWN: [(&str, Column); 16] = [
    ("WorkflowId", Column::WorkflowId),
    ("RunId", Column::RunId),
    ("WorkflowType", Column::WorkflowType),
    ("TaskQueue", Column::TaskQueue),
    ("ExecutionStatus", Column::ExecutionStatus),
    ("StartTime", Column::StartTime),
    ("ExecutionTime", Column::ExecutionTime),
    ("CloseTime", Column::CloseTime),
    ("ExecutionDuration", Column::ExecutionDuration),
    ("HistoryLength", Column::HistoryLength),
    ("HistorySizeBytes", Column::HistorySizeBytes),
    ("StateTransitionCount", Column::StateTransitionCount),
    ("ParentWorkflowId", Column::ParentWorkflowId),
    ("ParentRunId", Column::ParentRunId),
    ("RootWorkflowId", Column::RootWorkflowId),
    ("RootRunId", Column::RootRunId),
];

/// What Temporal lets one write for the schedule that started a workflow.
const SCHEDULE_ID: &str = "ScheduleId";

impl Column {
    /// The column of that name. The prefix `Temporal` may be left out or put before, as on Temporal.
    ///
    /// # Errors
    /// That there is none, with the one probably meant.
    pub(super) fn named(name: &str, types: &AttributeTypes) -> Result<Self, String> {
        let exactly = |name: &str| {
            let known = KNOWN.iter().find(|(known, _)| *known == name).map(|(_, column)| column.clone());
            known.or_else(|| Some(Self::Carried(name.to_owned(), types.carried(name)?)))
        };
        let bare = name.strip_prefix(RESERVED_PREFIX);
        let aliased = || match bare {
            _ if bare.unwrap_or(name) == SCHEDULE_ID => exactly(SCHEDULED_BY_ID),
            Some(bare) => exactly(bare),
            None => exactly(&format!("{RESERVED_PREFIX}{name}")),
        };
        exactly(name).or_else(aliased).ok_or_else(|| {
            let system = AttributeTypes::system().map(|(known, _)| known);
            let known = types.custom().keys().map(String::as_str).chain(system).chain([SCHEDULE_ID]);
            format!("column name '{name}' is not a valid search attribute{}", meant(name, known))
        })
    }

    pub(super) fn kind(&self) -> IndexedValueType {
        match self {
            Self::WorkflowId
            | Self::RunId
            | Self::WorkflowType
            | Self::TaskQueue
            | Self::ExecutionStatus
            | Self::ParentWorkflowId
            | Self::ParentRunId
            | Self::RootWorkflowId
            | Self::RootRunId => IndexedValueType::Keyword,
            Self::StartTime | Self::ExecutionTime | Self::CloseTime => IndexedValueType::Datetime,
            Self::ExecutionDuration
            | Self::HistoryLength
            | Self::HistorySizeBytes
            | Self::StateTransitionCount => IndexedValueType::Int,
            Self::Carried(_, kind) => *kind,
        }
    }
}
