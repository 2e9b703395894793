//! Why not.

use tidegate_model::id::{Namespace, RunId, ScheduleId};
use tidegate_model::payload::Failure;

/// Why not: Temporal's error kinds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `ALREADY_EXISTS`.
    #[error("{message}")]
    AlreadyStarted {
        /// The run that is in the way: an open one, or one that closed where the reuse policy minds it.
        run_id: RunId,
        /// What it was started with.
        start_request_id: String,
        /// In words.
        message: String,
    },
    /// `NOT_FOUND`.
    #[error("{0}")]
    NotFound(String),
    /// `INVALID_ARGUMENT`.
    #[error("{0}")]
    InvalidArgument(String),
    /// `RESOURCE_EXHAUSTED`: a limit, by its name.
    #[error("limit {limit} is reached: {message}")]
    ResourceExhausted {
        /// Name in `tidegate_model::limits`.
        limit: &'static str,
        /// In words.
        message: String,
    },
    /// `NOT_FOUND`, of a namespace.
    #[error("namespace {0} is not found")]
    NamespaceNotFound(Namespace),
    /// `ALREADY_EXISTS`, of a namespace.
    #[error("namespace {0} exists already")]
    NamespaceAlreadyExists(Namespace),
    /// `ALREADY_EXISTS`, of anything else.
    #[error("{0}")]
    AlreadyExists(String),
    /// `ALREADY_EXISTS`, of a schedule; to SDKs as if a workflow were started already.
    #[error("schedule \"{0}\" is already registered")]
    ScheduleAlreadyExists(ScheduleId),
    /// `FAILED_PRECONDITION`.
    #[error("{0}")]
    FailedPrecondition(String),
    /// `FAILED_PRECONDITION`: the workflow's code does not get through its tasks.
    #[error("{0}")]
    WorkflowNotReady(String),
    /// `INVALID_ARGUMENT`: the workflow has no answer to a query.
    #[error("{message}")]
    QueryFailed {
        /// Why, in words.
        message: String,
        /// Why, as the worker's SDK says it.
        failure: Option<Box<Failure>>,
    },
    /// `RESOURCE_EXHAUSTED`, cause `BUSY_WORKFLOW`: the same again in a second.
    #[error("{0}")]
    BusyWorkflow(String),
    /// Of the two halves of a start with an update, this one was refused; the other was not tried, or was undone.
    #[error("{refusal}")]
    MultiOperation {
        /// The start, and not the update.
        is_start: bool,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// The history given is no longer the run's: whoever asks reads it again.
    #[error("the history given is not the run's as it is now")]
    Stale,
    /// `UNIMPLEMENTED`.
    #[error("{0} is not supported")]
    Unimplemented(&'static str),
}
