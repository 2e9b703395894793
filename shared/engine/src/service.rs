//! The engine as whoever asks sees it: behind a durable log in a host, or behind nothing in a test.

use tidegate_model::codec;
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::{EventId, RunId};
use tidegate_model::limits::{RESET_BYTES_MAX, RESET_READS_MAX};

use crate::request::{Refusal, Reply, Request, ResetWorkflow};

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

    /// Forks a run: reads its history, and those of the runs that continued it as new, into the request, and again
    /// while they go on in the meantime. What `reset.history` holds is of no account.
    ///
    /// # Errors
    /// [`ServiceError`]; [`Refusal::BusyWorkflow`] when the run went on at every one of `RESET_READS_MAX` readings.
    fn reset(&self, reset: ResetWorkflow) -> impl Future<Output = Result<Reply, ServiceError>> + Send {
        async move {
            for _ in 0..RESET_READS_MAX {
                let history = self.history_of_chain(reset.run_id).await?;
                let request = ResetWorkflow { history, ..reset.clone() };
                match self.call(Request::ResetWorkflowExecution(Box::new(request))).await {
                    Err(ServiceError::Refused(Refusal::Stale)) => {}
                    other => return other,
                }
            }
            let why = "the run goes on faster than its history can be read; try again".to_owned();
            Err(Refusal::BusyWorkflow(why).into())
        }
    }

    /// The history of a run, and behind it those of the runs that continued it as new: until there is more of it than
    /// a reset takes.
    ///
    /// # Errors
    /// [`ServiceError`].
    fn history_of_chain(
        &self,
        run: RunId,
    ) -> impl Future<Output = Result<Vec<HistoryBatch>, ServiceError>> + Send {
        async move {
            let mut chain = Vec::new();
            let mut next = Some(run);
            let mut bytes = 0;
            while let Some(run) = next.filter(|_| bytes <= RESET_BYTES_MAX) {
                let history = self.history(run).await?;
                next = match history.last().and_then(|batch| batch.events.last()) {
                    Some(Event::WorkflowExecutionContinuedAsNew(as_new)) => Some(as_new.new_execution_run_id),
                    Some(_) | None => None,
                };
                bytes += history.iter().map(|batch| codec::to_cbor(batch).len()).sum::<usize>();
                chain.extend(history);
            }
            Ok(chain)
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Waker};

    use tidegate_model::id::{Namespace, WorkflowId};

    use super::*;
    use crate::request::ReapplyExclude;

    /// A run that goes on whenever its history has been read.
    #[derive(Default)]
    struct Restless {
        readings: AtomicUsize,
    }

    impl WorkflowService for Restless {
        async fn call(&self, _request: Request) -> Result<Reply, ServiceError> {
            Err(Refusal::Stale.into())
        }

        async fn history(&self, _run: RunId) -> Result<Vec<HistoryBatch>, ServiceError> {
            self.readings.fetch_add(1, Ordering::Relaxed);
            Ok(Vec::new())
        }
    }

    #[test]
    fn a_reset_of_a_run_that_never_rests_ends_as_busy() {
        let service = Restless::default();
        let reset = ResetWorkflow {
            namespace: Namespace::new("default").expect("a fine name"),
            workflow_id: WorkflowId::new("restless").expect("a fine id"),
            run_id: RunId::from_u128(7),
            reason: String::new(),
            workflow_task_finish_event_id: 4,
            request_id: "reset-1".to_owned(),
            identity: "operator".to_owned(),
            reapply_exclude: ReapplyExclude::default(),
            history: Vec::new(),
        };
        let answer = std::pin::pin!(service.reset(reset)).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Err(ServiceError::Refused(Refusal::BusyWorkflow(why)))) = answer else {
            panic!("{answer:?}");
        };
        assert!(why.contains("try again"), "{why}");
        assert_eq!(service.readings.load(Ordering::Relaxed), RESET_READS_MAX);
    }
}
