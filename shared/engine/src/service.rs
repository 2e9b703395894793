//! The engine as whoever asks sees it: behind a durable log in a host, or behind nothing in a test.

use tidegate_model::event::HistoryBatch;
use tidegate_model::id::{EventId, RunId};

use crate::request::{Refusal, Reply, Request};

/// Temporal's WorkflowService, without the wire.
pub trait WorkflowService: Send + Sync + 'static {
    /// Asks the engine. The reply comes after whatever it rests on is durable. Dropping the future of a poll, or of
    /// anything else that waits, abandons it.
    ///
    /// # Errors
    /// [`ServiceError`].
    fn call(&self, request: Request) -> impl Future<Output = Result<Reply, ServiceError>> + Send;

    /// The history of a run, from its first event, as it is on disk.
    ///
    /// # Errors
    /// [`ServiceError`].
    fn history(&self, run: RunId) -> impl Future<Output = Result<Vec<HistoryBatch>, ServiceError>> + Send;

    /// The batches of a run from the one that holds event `first` on, until they have `events_max` events together.
    ///
    /// # Errors
    /// [`ServiceError`].
    fn history_page(
        &self,
        run: RunId,
        first: EventId,
        events_max: usize,
    ) -> impl Future<Output = Result<Vec<HistoryBatch>, ServiceError>> + Send {
        async move {
            let mut taken = 0;
            let mut page = Vec::new();
            for batch in self.history(run).await? {
                if batch.last_event_id() < first {
                    continue;
                }
                if taken >= events_max {
                    break;
                }
                taken += batch.events.len();
                page.push(batch);
            }
            Ok(page)
        }
    }
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The engine says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The host is about to end; so should whoever asks.
    #[error("the host of the engine has stopped")]
    Stopped,
    /// The history could not be read.
    #[error("the history of the run could not be read")]
    History(#[source] Box<dyn std::error::Error + Send + Sync>),
}
