//! Namespaces and their search attributes, as a caller sees them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::id::{Namespace, NamespaceId};
use tidegate_model::time::Timestamp;

use super::Request;

/// Which namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceRef {
    /// The one of that name.
    Name(Namespace),
    /// The one that was registered with that id.
    Id(NamespaceId),
}

/// What is known of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceInfo {
    /// What requests call it.
    pub name: Namespace,
    /// What it is, even when another comes by its name.
    pub id: NamespaceId,
    /// Whether it is in use.
    pub state: NamespaceState,
    /// For a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whom to ask.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner_email: String,
    /// Whatever its users keep with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
    /// How long a closed run is kept, from its close; `None` is what the host is set to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Duration>,
    /// Bytes a payload may have, as the host is set: said in replies, and never stored.
    #[serde(skip)]
    pub payload_bytes_max: Option<usize>,
    /// When it was registered; the beginning of time for `default`.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// Temporal's `NamespaceState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamespaceState {
    /// In use.
    Registered,
    /// Its owner wants it used no more; it works as before.
    Deprecated,
    /// Its executions are being removed; to everybody it is gone.
    Deleted,
}

/// What somebody wants a namespace to be, at registration or later. What is not said stays as it is, or becomes the
/// default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamespaceChange {
    /// For a person.
    pub description: Option<String>,
    /// Whom to ask.
    pub owner_email: Option<String>,
    /// Laid over what is there.
    pub data: BTreeMap<String, String>,
    /// How long a closed run is kept.
    pub retention: Option<Duration>,
    /// Only from registered to deprecated; deleting is a request of its own.
    pub state: Option<NamespaceState>,
}

/// Temporal's `IndexedValueType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexedValueType {
    /// Found by any word of it.
    Text,
    /// Found as a whole, by its beginning, and by order.
    Keyword,
    /// 64 bits with a sign.
    Int,
    /// A double.
    Double,
    /// True or false.
    Bool,
    /// A point in time.
    Datetime,
    /// Several keywords, found by any of them.
    KeywordList,
}

impl IndexedValueType {
    /// All there are.
    pub const ALL: [Self; 7] =
        [Self::Text, Self::Keyword, Self::Int, Self::Double, Self::Bool, Self::Datetime, Self::KeywordList];

    /// As Temporal's tools print it, and as it stands in a payload's metadata under `type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Keyword => "Keyword",
            Self::Int => "Int",
            Self::Double => "Double",
            Self::Bool => "Bool",
            Self::Datetime => "Datetime",
            Self::KeywordList => "KeywordList",
        }
    }

    /// The number of `temporal.api.enums.v1.IndexedValueType`.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Text => 1,
            Self::Keyword => 2,
            Self::Int => 3,
            Self::Double => 4,
            Self::Bool => 5,
            Self::Datetime => 6,
            Self::KeywordList => 7,
        }
    }

    /// The type of that number.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

impl Request {
    /// The namespace it is about, which must exist; `None` where it says none, or is about namespaces themselves.
    #[must_use]
    pub fn namespace(&self) -> Option<&Namespace> {
        match self {
            Self::StartWorkflowExecution(start) => Some(&start.namespace),
            Self::SignalWithStartWorkflowExecution(both) => Some(&both.start.namespace),
            Self::UpdateWithStartWorkflowExecution { start, .. } => Some(&start.namespace),
            Self::RequestCancelWorkflowExecution(cancel) => Some(&cancel.namespace),
            Self::TerminateWorkflowExecution(terminate) => Some(&terminate.namespace),
            Self::ResetWorkflowExecution(reset) => Some(&reset.namespace),
            Self::QueryWorkflow(query) => Some(&query.namespace),
            Self::UpdateWorkflowExecution(update) => Some(&update.namespace),
            Self::WaitForHistory(wait) => Some(&wait.namespace),
            Self::ListWorkflowExecutions(list) => list.namespace.as_ref(),
            Self::PauseActivity(pause) => Some(&pause.target.namespace),
            Self::UnpauseActivity(unpause) => Some(&unpause.target.namespace),
            Self::ResetActivity(reset) => Some(&reset.target.namespace),
            Self::UpdateActivityOptions(update) => Some(&update.target.namespace),
            Self::CreateSchedule(create) => Some(&create.namespace),
            Self::UpdateSchedule(update) => Some(&update.namespace),
            Self::PatchSchedule(patch) => Some(&patch.namespace),
            Self::ListSchedules(list) => Some(&list.namespace),
            Self::SignalWorkflowExecution { namespace, .. }
            | Self::DeleteWorkflowExecution { namespace, .. }
            | Self::PollWorkflowExecutionUpdate { namespace, .. }
            | Self::PollWorkflowTaskQueue { namespace, .. }
            | Self::PollActivityTaskQueue { namespace, .. }
            | Self::ShutdownWorkerInstance { namespace, .. }
            | Self::DescribeWorkflowExecution { namespace, .. }
            | Self::CountWorkflowExecutions { namespace, .. }
            | Self::DescribeTaskQueue { namespace, .. }
            | Self::DescribeSchedule { namespace, .. }
            | Self::DeleteSchedule { namespace, .. }
            | Self::CountSchedules { namespace, .. }
            | Self::ListScheduleMatchingTimes { namespace, .. }
            | Self::AddSearchAttributes { namespace, .. }
            | Self::RemoveSearchAttributes { namespace, .. }
            | Self::ListSearchAttributes { namespace } => Some(namespace),
            // What a token was given for exists, or the token is of no use.
            Self::RespondQueryTaskCompleted { .. }
            | Self::RespondWorkflowTaskCompleted(_)
            | Self::RespondWorkflowTaskFailed { .. }
            | Self::RespondActivityTaskCompleted { .. }
            | Self::RespondActivityTaskFailed { .. }
            | Self::RespondActivityTaskCanceled { .. }
            | Self::RecordActivityTaskHeartbeat { .. }
            | Self::ShutdownWorker { .. }
            | Self::RegisterNamespace { .. }
            | Self::DescribeNamespace(_)
            | Self::ListNamespaces { .. }
            | Self::UpdateNamespace { .. }
            | Self::DeleteNamespace(_) => None,
        }
    }
}
