//! Asking the gateway and waiting for its answer, from the asynchronous side.
//!
//! A question goes into the commit loop with a ticket; the answer comes out as an effect, after whatever it rests on
//! is on disk, and finds whoever waits by that ticket.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tidegate_engine::{Input as EngineInput, Reply, Request, Ticket};
use tidegate_log::{LogHandle, Reader};
use tidegate_model::codec;
use tidegate_model::event::HistoryBatch;
use tidegate_model::id::{Epoch, RunId};
use tidegate_model::lane::LaneRecord;
use tidegate_model::signal::{DownlinkSignal, SignalSeq};
use tokio::sync::oneshot;

use crate::gateway::{Answer, Input, Status};
use crate::worker::{ServiceError as Error, WorkflowService};

/// Asks the gateway. Cheap to clone.
#[derive(Debug)]
pub struct Client<Token> {
    log: LogHandle<Input<Token>>,
    reader: Reader,
    waiting: Arc<Waiting>,
}

/// Who waits for which ticket.
#[derive(Debug)]
pub struct Waiting {
    next: AtomicU64,
    tickets: Mutex<BTreeMap<Ticket, oneshot::Sender<Answer>>>,
}

impl Default for Waiting {
    fn default() -> Self {
        // Ticket 0 is nobody's.
        Self { next: AtomicU64::new(1), tickets: Mutex::default() }
    }
}

impl Waiting {
    /// Hands an answer to whoever holds the ticket; nobody may be left to want it.
    pub fn answer(&self, ticket: Ticket, answer: Answer) {
        let waiter = self.tickets.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket);
        if let Some(waiter) = waiter {
            // The other end may have given up in this very moment.
            drop(waiter.send(answer));
        }
    }

    /// The log has stopped: nobody who waits is answered any more, and each is told so. Whoever asks from now on learns
    /// it from the log.
    pub fn close(&self) {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn enter(&self) -> (Ticket, oneshot::Receiver<Answer>) {
        let ticket = Ticket(self.next.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner).insert(ticket, sender);
        (ticket, receiver)
    }

    fn leave(&self, ticket: Ticket) -> bool {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket).is_some()
    }
}

impl<Token> Clone for Client<Token> {
    fn clone(&self) -> Self {
        Self { log: self.log.clone(), reader: self.reader.clone(), waiting: Arc::clone(&self.waiting) }
    }
}

/// Tells the engine when whoever asked has gone, so that no task is handed to nobody.
struct Abandon<Token: Send + 'static> {
    ticket: Ticket,
    client: Client<Token>,
    armed: bool,
}

impl<Token: Send + 'static> Drop for Abandon<Token> {
    fn drop(&mut self) {
        if self.armed && self.client.waiting.leave(self.ticket) {
            // A full queue loses this hint: the poll then ends by itself, and a task handed to it times out.
            let hint = Input::Engine(Box::new(EngineInput::Abandon { ticket: self.ticket }));
            if self.client.log.try_send(hint).is_err() {
                tracing::debug!(ticket = self.ticket.0, "a poll that nobody waits for ends by itself");
            }
        }
    }
}

/// Takes a ticket back that nobody waits for any more.
struct Leave<'a> {
    waiting: &'a Waiting,
    ticket: Ticket,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.waiting.leave(self.ticket);
    }
}

impl<Token: Send + 'static> Client<Token> {
    /// A client of the gateway behind `log`.
    #[must_use]
    pub fn new(log: LogHandle<Input<Token>>, reader: Reader, waiting: Arc<Waiting>) -> Self {
        Self { log, reader, waiting }
    }

    /// Asks the engine. Dropping the future abandons a poll.
    ///
    /// # Errors
    /// The engine's refusal, or that the agent is stopping.
    pub async fn call(&self, request: Request) -> Result<Reply, Error> {
        let (ticket, answer) = self.waiting.enter();
        let mut abandon = Abandon { ticket, client: self.clone(), armed: true };
        let answer =
            self.ask(Input::Engine(Box::new(EngineInput::Request { ticket, request })), answer).await;
        abandon.armed = false;
        match answer? {
            Answer::Engine(reply) => Ok(reply?),
            Answer::Recorded(_) | Answer::EpochBegun(_) | Answer::Status(_) => Err(Error::Stopped),
        }
    }

    /// Hands down signals of the bridge; gives the cursor once they are recorded.
    ///
    /// # Errors
    /// The agent is stopping.
    pub async fn downlink(&self, signals: Vec<DownlinkSignal>) -> Result<SignalSeq, Error> {
        match self.question(|ticket| Input::Downlink { ticket, signals }).await? {
            Answer::Recorded(cursor) => Ok(cursor),
            Answer::Engine(_) | Answer::EpochBegun(_) | Answer::Status(_) => Err(Error::Stopped),
        }
    }

    /// Goes on under another epoch.
    ///
    /// # Errors
    /// The agent is stopping.
    pub async fn begin_epoch(&self, epoch: Epoch) -> Result<Epoch, Error> {
        match self.question(|ticket| Input::BeginEpoch { ticket, epoch }).await? {
            Answer::EpochBegun(epoch) => Ok(epoch),
            Answer::Engine(_) | Answer::Recorded(_) | Answer::Status(_) => Err(Error::Stopped),
        }
    }

    /// What a person sees.
    ///
    /// # Errors
    /// The agent is stopping.
    pub async fn status(&self) -> Result<Status, Error> {
        match self.question(|ticket| Input::Inspect { ticket }).await? {
            Answer::Status(status) => Ok(*status),
            Answer::Engine(_) | Answer::Recorded(_) | Answer::EpochBegun(_) => Err(Error::Stopped),
        }
    }

    /// The history of a run, as it is on disk.
    ///
    /// # Errors
    /// [`ServiceError::History`](Error::History).
    pub async fn history(&self, run_id: RunId) -> Result<Vec<HistoryBatch>, Error> {
        let reader = self.reader.clone();
        // The store reads from disk; the reactor must not wait for it.
        tokio::task::spawn_blocking(move || read_history(&reader, run_id))
            .await
            .map_err(|error| Error::History(Box::new(error)))?
    }

    /// Hands in an input that has no answer.
    ///
    /// # Errors
    /// The agent is stopping.
    pub async fn send(&self, input: Input<Token>) -> Result<(), Error> {
        self.log.send(input).await.map_err(|_| Error::Stopped)
    }

    /// A reader of what is committed.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// A question that is answered at once; whoever gives up before leaves nothing behind.
    async fn question(&self, input: impl FnOnce(Ticket) -> Input<Token>) -> Result<Answer, Error> {
        let (ticket, answer) = self.waiting.enter();
        let _leave = Leave { waiting: &self.waiting, ticket };
        self.ask(input(ticket), answer).await
    }

    async fn ask(&self, input: Input<Token>, answer: oneshot::Receiver<Answer>) -> Result<Answer, Error> {
        self.log.send(input).await.map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)
    }
}

/// The built-in worker asks as any other does.
impl<Token: Send + 'static> WorkflowService for Client<Token> {
    async fn call(&self, request: Request) -> Result<Reply, Error> {
        Client::call(self, request).await
    }

    async fn history(&self, run: RunId) -> Result<Vec<HistoryBatch>, Error> {
        Client::history(self, run).await
    }
}

fn read_history(reader: &Reader, run_id: RunId) -> Result<Vec<HistoryBatch>, Error> {
    let records = reader.by_key(run_id.as_u128()).map_err(|error| Error::History(Box::new(error)))?;
    let mut batches = Vec::with_capacity(records.len());
    for record in records {
        let decoded = codec::from_cbor(&record.bytes).map_err(|error| Error::History(Box::new(error)))?;
        if let LaneRecord::History(batch) = decoded {
            batches.push(batch);
        }
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Gateway;
    use std::pin::pin;
    use std::task::{Context, Waker};
    use tidegate_log::{Options, Runtime, Store};
    use tidegate_model::id::BootId;
    use tidegate_model::time::{ClockState, Stamp, Timestamp};

    /// A client of a gateway whose effects become of this.
    fn client(
        folder: &std::path::Path,
        perform: impl FnMut(Vec<crate::gateway::Effect<u8>>) + Send + 'static,
    ) -> Client<u8> {
        let mut gateway = Gateway::new(u64::MAX);
        let options = Options { cache_bytes: 1 << 20, preallocate_bytes: 0, new_epoch: Epoch::from_u128(1) };
        let (store, _) = Store::open(&folder.join("store"), &options, &mut gateway).expect("it is made");
        let reader = store.reader();
        let waiting = Arc::new(Waiting::default());
        let stamp = Stamp {
            boot: BootId::from_u128(1),
            boottime_ns: 0,
            wall: Timestamp::EPOCH,
            state: ClockState::Unset,
            error_us: None,
        };
        let runtime = Runtime {
            clock: Box::new(move || stamp),
            seed: 7,
            perform: Box::new(perform),
            stopped: Box::new({
                let waiting = Arc::clone(&waiting);
                move |_| waiting.close()
            }),
        };
        Client::new(tidegate_log::spawn(store, gateway, runtime), reader, waiting)
    }

    /// Begins to wait, and gives up.
    fn once<T>(future: impl Future<Output = T>) {
        let polled = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "nobody answers");
    }

    #[test]
    fn a_question_that_is_given_up_leaves_no_ticket_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let client = client(folder.path(), drop);
        once(client.status());
        once(client.downlink(Vec::new()));
        once(client.begin_epoch(Epoch::from_u128(2)));
        once(client.call(Request::DescribeWorkflowExecution {
            namespace: "default".parse().expect("a namespace"),
            workflow_id: "w".parse().expect("an id"),
            run_id: None,
        }));
        assert!(client.waiting.tickets.lock().expect("nobody panics with it").is_empty());
    }
    #[tokio::test]
    async fn whoever_waits_when_the_log_stops_is_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // As when a commit fails: what was asked is not answered.
        let client = client(folder.path(), |_| panic!("told to"));
        assert!(matches!(client.status().await, Err(Error::Stopped)));
        assert!(matches!(client.status().await, Err(Error::Stopped)), "and whoever asks later");
    }
}
