//! What a worker is hosted by: the engine behind a durable log, or behind nothing in a test.

use tidegate_engine::{Refusal, Reply, Request};
use tidegate_model::event::HistoryBatch;
use tidegate_model::id::RunId;

/// The engine, as a worker sees it.
pub trait WorkflowService: Send + Sync + 'static {
    /// Asks the engine. The reply comes after whatever it rests on is durable. Dropping the future of a poll
    /// abandons the poll.
    ///
    /// # Errors
    /// [`ServiceError`].
    fn call(&self, request: Request) -> impl Future<Output = Result<Reply, ServiceError>> + Send;

    /// The history of a run, from its first event, as it is on disk.
    ///
    /// # Errors
    /// [`ServiceError`].
    fn history(&self, run: RunId) -> impl Future<Output = Result<Vec<HistoryBatch>, ServiceError>> + Send;
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The engine says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The host is about to end; so should the worker.
    #[error("the host of the engine has stopped")]
    Stopped,
    /// The history could not be read.
    #[error("the history of the run could not be read")]
    History(#[source] Box<dyn std::error::Error + Send + Sync>),
}
