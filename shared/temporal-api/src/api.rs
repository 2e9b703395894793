//! What every handler has at hand: the engine, and how long a caller waits.

use std::sync::Arc;
use std::time::Duration;

use tidegate_engine::{Reply, Request, ResetWorkflow, ServiceError, WorkflowService};
use tidegate_model::event::HistoryBatch;
use tidegate_model::id::{EventId, RunId};
use tidegate_model::limits::{
    API_ANSWER_BEFORE_DEADLINE_MILLIS, API_TIMEOUT_DIGITS_MAX, API_WORKERS_ENDED_MAX, POLL_SECONDS_MAX,
};
use tokio::sync::{broadcast, watch};
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::batches::Batches;
use crate::refusal;

/// The engine behind the API.
pub(crate) struct Api<S> {
    service: Arc<S>,
    closing: watch::Receiver<bool>,
    ended: broadcast::Sender<String>,
    batches: Batches,
}

impl<S> Clone for Api<S> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            closing: self.closing.clone(),
            ended: self.ended.clone(),
            batches: self.batches.clone(),
        }
    }
}

impl<S: WorkflowService> Api<S> {
    /// `closing` becomes true when waiting has no more sense.
    pub(crate) fn new(service: Arc<S>, closing: watch::Receiver<bool>) -> Self {
        let (ended, _) = broadcast::channel(API_WORKERS_ENDED_MAX);
        Self { service, closing, ended, batches: Batches::default() }
    }

    /// The batches under way, and those that were.
    pub(crate) fn batches(&self) -> &Batches {
        &self.batches
    }

    /// Whether the server is about to end.
    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Asks the engine, and is told its refusal as it is.
    pub(crate) async fn call(&self, request: Request) -> Result<Reply, ServiceError> {
        self.service.call(request).await
    }

    /// Asks the engine something that it answers without being waited for.
    pub(crate) async fn ask(&self, request: Request) -> Result<Reply, Status> {
        self.call(request).await.map_err(refusal::of_service)
    }

    /// Asks the engine something that it may answer late. `None` when the caller's patience, or the server, ends first:
    /// then there is still time to say so.
    pub(crate) async fn wait(&self, patience: Patience, request: Request) -> Result<Option<Reply>, Status> {
        let mut closing = self.closing.clone();
        tokio::select! {
            // What has been answered is given, even at the last moment: a task that nobody takes is lost for a while.
            biased;
            reply = self.service.call(request) => reply.map(Some).map_err(refusal::of_service),
            () = patience.ends() => Ok(None),
            closing = closing.wait_for(|closing| *closing) => {
                drop(closing);
                Ok(None)
            }
        }
    }

    /// Forks a run by its history as it is on disk.
    pub(crate) async fn reset(&self, reset: ResetWorkflow) -> Result<Reply, Status> {
        self.service.reset(reset).await.map_err(refusal::of_service)
    }

    /// The worker with this instance key has ended: what waits for it at [`Self::idle`] is let go.
    pub(crate) fn worker_ended(&self, worker_instance_key: String) {
        // Nobody may be waiting.
        drop(self.ended.send(worker_instance_key));
    }

    /// Waits for what never comes: until a poll is over, the worker has ended, or the caller's patience or the server
    /// does.
    pub(crate) async fn idle(&self, patience: Patience, worker_instance_key: &str) {
        let (mut closing, mut ended) = (self.closing.clone(), self.ended.subscribe());
        let has_ended = async {
            // Whoever misses some of those that ended may have missed its own, and is let go for that.
            while ended.recv().await.is_ok_and(|key| key != worker_instance_key) {}
        };
        tokio::select! {
            () = patience.ends() => {}
            () = Patience::of_a_poll().ends() => {}
            () = has_ended => {}
            closing = closing.wait_for(|closing| *closing) => drop(closing),
        }
    }

    /// The batches of a run from the one that holds event `first` on, some `events_max` events of them.
    pub(crate) async fn history(
        &self,
        run: RunId,
        first: EventId,
        events_max: usize,
    ) -> Result<Vec<HistoryBatch>, Status> {
        self.service.history_page(run, first, events_max).await.map_err(refusal::of_service)
    }

    /// The whole history of a run.
    pub(crate) async fn whole_history(&self, run: RunId) -> Result<Vec<HistoryBatch>, Status> {
        self.service.history(run).await.map_err(refusal::of_service)
    }
}

/// The engine's reply is not one to the question: a fault of ours, which must not take the connection with it.
pub(crate) fn unexpected() -> Status {
    tracing::error!("the engine answered something else than it was asked");
    Status::internal("the engine answered something else than it was asked")
}

/// How long a caller waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience(Option<Duration>);

impl Patience {
    /// For as long as the engine takes.
    pub(crate) const fn endless() -> Self {
        Self(None)
    }

    /// For as long as a poll is held open.
    pub(crate) const fn of_a_poll() -> Self {
        Self(Some(Duration::from_secs(POLL_SECONDS_MAX)))
    }

    /// From the caller's `grpc-timeout`, less what the answer needs to reach him in time. Without one he waits for as
    /// long as the engine does.
    pub(crate) fn of(metadata: &MetadataMap) -> Self {
        let timeout = metadata.get("grpc-timeout").and_then(|value| parse_timeout(value.to_str().ok()?));
        Self(timeout.map(|timeout| {
            let tail = Duration::from_millis(API_ANSWER_BEFORE_DEADLINE_MILLIS).min(timeout / 4);
            timeout - tail
        }))
    }

    async fn ends(self) {
        match self.0 {
            #[expect(clippy::disallowed_methods, reason = "the caller's own deadline")]
            Some(patience) => tokio::time::sleep(patience).await,
            None => std::future::pending().await,
        }
    }
}

/// `TimeoutValue TimeoutUnit` of gRPC over HTTP/2: at most eight digits, and H, M, S, m, u or n.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > API_TIMEOUT_DIGITS_MAX || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3_600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl WorkflowService for Nobody {
        async fn call(&self, _: Request) -> Result<Reply, ServiceError> {
            Err(ServiceError::Stopped)
        }

        async fn history(&self, _: RunId) -> Result<Vec<HistoryBatch>, ServiceError> {
            Err(ServiceError::Stopped)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_what_never_comes_is_let_go_when_his_worker_ends_and_after_a_poll() {
        let (close, closing) = watch::channel(false);
        let api = Api::new(Arc::new(Nobody), closing);
        #[expect(clippy::disallowed_methods, reason = "the clock is paused")]
        let start = tokio::time::Instant::now();
        let seconds = || start.elapsed().as_secs();
        tokio::join!(api.idle(Patience::endless(), "key"), async { api.worker_ended("key".to_owned()) });
        assert_eq!(seconds(), 0);
        tokio::join!(api.idle(Patience::endless(), "key"), async { api.worker_ended("another".to_owned()) });
        assert_eq!(seconds(), POLL_SECONDS_MAX);
        tokio::join!(api.idle(Patience(Some(Duration::from_secs(5))), "key"));
        assert_eq!(seconds(), POLL_SECONDS_MAX + 5);
        tokio::join!(api.idle(Patience::endless(), "key"), async {
            close.send(true).expect("it is listened to");
        });
        assert_eq!(seconds(), POLL_SECONDS_MAX + 5);
    }

    #[test]
    fn a_caller_is_answered_before_he_gives_up() {
        let check = |timeout: &str, patience: Option<u64>| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", timeout.parse().expect("ASCII"));
            assert_eq!(Patience::of(&metadata), Patience(patience.map(Duration::from_millis)), "{timeout}");
        };
        check("70S", Some(69_000));
        check("2S", Some(1_500));
        check("400m", Some(300));
        check("1H", Some(3_599_000));
        check("2M", Some(119_000));
        for wrong in ["", "S", "70", "70s", "123456789S", "-1S", "+1S", "7 S", "9ü"] {
            if let Ok(value) = wrong.parse() {
                let mut metadata = MetadataMap::new();
                metadata.insert("grpc-timeout", value);
                assert_eq!(Patience::of(&metadata), Patience(None), "{wrong}");
            }
        }
        assert_eq!(Patience::of(&MetadataMap::new()), Patience(None));
    }
}
