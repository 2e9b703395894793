//! Where questions to the fleet are handed in and answers handed out, from the asynchronous side.
//!
//! A question goes into the commit loop; the answer comes out of it as an effect, when whatever it rests on is on
//! disk, and finds whoever waits by its ticket.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_log::{LogHandle, LogStopped};
use tidegate_model::id::{DeviceId, Epoch, SignalId};
use tidegate_model::lane::Lane;
use tidegate_model::replication::{Batch, BatchReply, Downlink, Hello, HelloReply, Refusal};
use tidegate_model::signal::SignalSeq;
use tokio::sync::{Notify, oneshot};

use crate::api::SignalView;
use crate::fleet::{Answer, Effect, Fleet, Input, Look, Release, Request, SendError, SignalOrder, Ticket};

/// Asks the fleet. Cheap to clone; the commit loop ends when the last clone is gone.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    log: LogHandle<Input>,
    waiting: Arc<Waiting>,
}

/// Who waits, for an answer or for a device's signals to change.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    next: AtomicU64,
    answers: Mutex<BTreeMap<Ticket, oneshot::Sender<Answer>>>,
    bells: Mutex<BTreeMap<DeviceId, Arc<Notify>>>,
    closing: AtomicBool,
}

impl Waiting {
    /// Performs what the fleet wants done, on the commit loop's thread. Never blocks.
    pub(crate) fn perform(&self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Answer { ticket, answer } => {
                    let waiter = locked(&self.answers).remove(&ticket);
                    if let Some(waiter) = waiter {
                        // Whoever asked may have gone away; the facts stand all the same.
                        drop(waiter.send(answer));
                    }
                }
                Effect::Show(Release(release)) => release(),
                Effect::Ring(device) => {
                    let bell = locked(&self.bells).get(&device).cloned();
                    if let Some(bell) = bell {
                        bell.notify_waiters();
                    }
                }
            }
        }
    }

    /// Answers every held poll now, and holds none from here on.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        locked(&self.bells).values().for_each(|bell| bell.notify_waiters());
    }

    /// Nobody will be answered any more.
    pub(crate) fn give_up(&self) {
        self.close();
        locked(&self.answers).clear();
    }

    fn bell(&self, device: &DeviceId) -> Arc<Notify> {
        Arc::clone(locked(&self.bells).entry(device.clone()).or_default())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the locks guard is whole at every step; a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    pub(crate) fn new(log: LogHandle<Input>, waiting: Arc<Waiting>) -> Self {
        Self { log, waiting }
    }

    pub(crate) async fn hello(
        &self,
        device: DeviceId,
        hello: Hello,
    ) -> Result<Result<HelloReply, Refusal>, LogStopped> {
        let Answer::Hello(reply) = self.ask(Request::Hello { device, hello }).await? else {
            unreachable!("a hello is answered as one");
        };
        Ok(reply)
    }

    pub(crate) async fn batch(
        &self,
        device: DeviceId,
        epoch: Epoch,
        lane: Lane,
        batch: Batch,
    ) -> Result<Result<BatchReply, Refusal>, LogStopped> {
        let Answer::Batch(reply) = self.ask(Request::Batch { device, epoch, lane, batch }).await? else {
            unreachable!("a batch is answered as one");
        };
        Ok(reply)
    }

    /// Takes a signal. The answer says whether it was taken just now.
    pub(crate) async fn send(
        &self,
        device: DeviceId,
        order: SignalOrder,
    ) -> Result<Result<bool, SendError>, LogStopped> {
        let Answer::Send(reply) = self.ask(Request::Send { device, order }).await? else {
            unreachable!("a signal is answered as one");
        };
        Ok(reply)
    }

    /// Signals after `after`; waits up to `wait` for the first.
    pub(crate) async fn poll(
        &self,
        device: DeviceId,
        after: SignalSeq,
        wait: Duration,
    ) -> Result<Result<Downlink, Refusal>, LogStopped> {
        let worth =
            |reply: &Result<Downlink, Refusal>| reply.as_ref().map_or(true, |it| !it.signals.is_empty());
        // Asked once before the bell is hung up, so that a stranger's name leaves nothing behind.
        let reply = self.poll_once(&device, after).await?;
        if worth(&reply) || wait.is_zero() {
            return Ok(reply);
        }
        let bell = self.waiting.bell(&device);
        let held = async {
            loop {
                let mut rung = pin!(bell.notified());
                rung.as_mut().enable();
                let reply = self.poll_once(&device, after).await?;
                if worth(&reply) || self.waiting.closing.load(Ordering::SeqCst) {
                    return Ok(reply);
                }
                rung.await;
            }
        };
        tokio::time::timeout(wait, held).await.unwrap_or(Ok(reply))
    }

    /// What is known of a signal; waits up to `wait` for its outcome. `None` when there is no such signal.
    pub(crate) async fn signal(
        &self,
        device: DeviceId,
        signal_id: SignalId,
        wait: Duration,
    ) -> Result<Option<SignalView>, LogStopped> {
        let worth = |view: &Option<SignalView>| view.as_ref().is_none_or(|view| !view.state.is_open());
        let view = self.signal_once(&device, &signal_id).await?;
        if worth(&view) || wait.is_zero() {
            return Ok(view);
        }
        let bell = self.waiting.bell(&device);
        let held = async {
            loop {
                let mut rung = pin!(bell.notified());
                rung.as_mut().enable();
                let view = self.signal_once(&device, &signal_id).await?;
                if worth(&view) || self.waiting.closing.load(Ordering::SeqCst) {
                    return Ok(view);
                }
                rung.await;
            }
        };
        match tokio::time::timeout(wait, held).await {
            Ok(view) => view,
            Err(_) => self.signal_once(&device, &signal_id).await,
        }
    }

    /// Looks at the fleet as it is on disk.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Fleet) -> T + Send + 'static,
    ) -> Result<T, LogStopped> {
        let (sender, receiver) = oneshot::channel();
        let look = Look(Box::new(move |fleet| {
            let seen = look(fleet);
            Release(Box::new(move || drop(sender.send(seen))))
        }));
        self.log.send(Input::Look(look)).await?;
        receiver.await.map_err(|_| LogStopped)
    }

    /// The log's own counts.
    pub(crate) fn log(&self) -> &LogHandle<Input> {
        &self.log
    }

    async fn poll_once(
        &self,
        device: &DeviceId,
        after: SignalSeq,
    ) -> Result<Result<Downlink, Refusal>, LogStopped> {
        let Answer::Poll(reply) = self.ask(Request::Poll { device: device.clone(), after }).await? else {
            unreachable!("a poll is answered as one");
        };
        Ok(reply)
    }

    async fn signal_once(
        &self,
        device: &DeviceId,
        signal_id: &SignalId,
    ) -> Result<Option<SignalView>, LogStopped> {
        let (device, signal_id) = (device.clone(), signal_id.clone());
        self.look(move |fleet| fleet.signal(&device, &signal_id)).await
    }

    async fn ask(&self, request: Request) -> Result<Answer, LogStopped> {
        let ticket = Ticket(self.waiting.next.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        locked(&self.waiting.answers).insert(ticket, sender);
        let sent = self.log.send(Input::Request { ticket, request: Box::new(request) }).await;
        if sent.is_err() {
            locked(&self.waiting.answers).remove(&ticket);
        }
        sent?;
        receiver.await.map_err(|_| LogStopped)
    }
}
