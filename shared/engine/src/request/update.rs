//! Queries and updates: questions to workflow code, and the messages they travel in.

use tidegate_model::event::{UpdateOutcome, UpdateRequest};
use tidegate_model::id::{EventId, Namespace, RunId, WorkflowId};
use tidegate_model::payload::{Failure, Payloads};

use super::task::WorkflowQuery;

/// A query, and to whom.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryWorkflow {
    /// Namespace of the execution.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// A run of it; `None` is the latest.
    pub run_id: Option<RunId>,
    /// What is asked.
    pub query: WorkflowQuery,
    /// In which states of the run the caller wants no answer.
    pub reject_condition: QueryRejectCondition,
}

/// Temporal's `QueryRejectCondition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueryRejectCondition {
    /// In none.
    #[default]
    None,
    /// When it has closed.
    NotOpen,
    /// When it has closed otherwise than by completing.
    NotCompletedCleanly,
}

/// What workflow code says to a query.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryAnswer {
    /// This.
    Answered(Payloads),
    /// It has no answer.
    Failed {
        /// Why, in words.
        message: String,
        /// Why, as the worker's SDK says it.
        failure: Option<Box<Failure>>,
    },
}

/// Temporal's `UpdateWorkflowExecutionLifecycleStage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UpdateStage {
    /// Known to the engine. Does not survive the process.
    Admitted,
    /// The workflow's validator let it in; in history.
    Accepted,
    /// There is an outcome.
    Completed,
}

/// An update, and to whom.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateWorkflow {
    /// Namespace of the execution.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// A run of it; `None` is the one that is open.
    pub run_id: Option<RunId>,
    /// Only in the chain that this run began.
    pub first_execution_run_id: Option<RunId>,
    /// What to wait for.
    pub wait: UpdateStage,
    /// What is asked.
    pub request: UpdateRequest,
}

/// An update on its way to workflow code.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateMessage {
    /// The message's own id, unique within the run.
    pub id: String,
    /// It is to be handled after this event.
    pub sequencing_event_id: EventId,
    /// What is asked; its id names the conversation.
    pub request: UpdateRequest,
}

/// What workflow code says to an update.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerMessage {
    /// The message's own id; a [`Command::ProtocolMessage`](crate::Command::ProtocolMessage) names it, to say where
    /// among the commands it belongs.
    pub id: String,
    /// The update's id.
    pub update_id: String,
    /// What is said.
    pub body: WorkerMessageBody,
}

/// See [`WorkerMessage`].
#[derive(Debug, Clone, PartialEq)]
pub enum WorkerMessageBody {
    /// The validator lets it in.
    Acceptance {
        /// The message it came in.
        accepted_request_message_id: String,
        /// The event it was to be handled after.
        accepted_request_sequencing_event_id: EventId,
        /// What was asked, as the worker was given it: an engine that lost the update in a restart takes it from here.
        accepted_request: Option<Box<UpdateRequest>>,
    },
    /// The validator does not.
    Rejection {
        /// Why.
        failure: Failure,
    },
    /// The handler is done.
    Response {
        /// What came of it.
        outcome: UpdateOutcome,
    },
}
