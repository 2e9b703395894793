//! What workflow code can wait for by itself: time, signals, cancellation, and conditions of its own.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tidegate_model::payload::{Failure, Payloads, TimeoutType};

use super::state::Shared;
use super::workflow::from_payloads;

/// Waits for a time to pass.
#[derive(Debug)]
#[must_use = "a timer that is dropped is cancelled"]
pub struct Timer {
    shared: Rc<RefCell<Shared>>,
    id: String,
}

impl Timer {
    pub(super) fn start(shared: &Rc<RefCell<Shared>>, duration: Duration) -> Self {
        let id = shared.borrow_mut().start_timer(duration);
        Self { shared: Rc::clone(shared), id }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let fired = self.shared.borrow_mut().poll_timer(&self.id, cx);
        if fired { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.shared.borrow_mut().leave_timer(&self.id);
    }
}

/// Signals of one name.
#[derive(Debug, Clone)]
pub struct Signal<T> {
    shared: Rc<RefCell<Shared>>,
    name: Rc<str>,
    value: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Signal<T> {
    pub(super) fn of(shared: &Rc<RefCell<Shared>>, name: &str) -> Self {
        Self { shared: Rc::clone(shared), name: name.into(), value: PhantomData }
    }

    /// Waits for the next one. Of several that wait for one name, the one polled first gets it.
    ///
    /// A signal that is not a `T` in JSON comes as a failure of kind `UndecodableSignal`, for the workflow to judge: its
    /// sender is to blame.
    pub fn recv(&self) -> Recv<T> {
        let receiver = self.shared.borrow_mut().begin_receiver();
        Recv {
            signal: Signal {
                shared: Rc::clone(&self.shared),
                name: Rc::clone(&self.name),
                value: PhantomData,
            },
            receiver,
        }
    }

    /// The next one that is there already. Called until there is none, it gives every signal the history had when the
    /// present turn began: what a run should do before it goes on as a new one.
    #[must_use]
    pub fn try_recv(&self) -> Option<Result<T, Failure>> {
        let payloads = self.shared.borrow_mut().take_signal(&self.name)?;
        Some(decode_signal(&self.name, &payloads))
    }
}

/// Waits for a signal.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Recv<T> {
    signal: Signal<T>,
    receiver: u64,
}

impl<T: DeserializeOwned> Future for Recv<T> {
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let mut shared = self.signal.shared.borrow_mut();
        match shared.poll_signal(&self.signal.name, self.receiver, cx) {
            Some(payloads) => Poll::Ready(decode_signal(&self.signal.name, &payloads)),
            None => Poll::Pending,
        }
    }
}

impl<T> Drop for Recv<T> {
    fn drop(&mut self) {
        self.signal.shared.borrow_mut().leave_signal(&self.signal.name, self.receiver);
    }
}

fn decode_signal<T: DeserializeOwned>(name: &str, payloads: &Payloads) -> Result<T, Failure> {
    from_payloads(payloads).map_err(|reason| {
        Failure::application(
            format!("signal {name:?} is not what was expected: {reason}"),
            "UndecodableSignal",
            true,
        )
    })
}

/// Waits for a request to cancel the run.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Cancelled {
    shared: Rc<RefCell<Shared>>,
    receiver: u64,
}

impl Cancelled {
    pub(super) fn of(shared: &Rc<RefCell<Shared>>) -> Self {
        let receiver = shared.borrow_mut().begin_receiver();
        Self { shared: Rc::clone(shared), receiver }
    }
}

impl Future for Cancelled {
    type Output = String;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<String> {
        match self.shared.borrow_mut().poll_cancelled(self.receiver, cx) {
            Some(reason) => Poll::Ready(reason),
            None => Poll::Pending,
        }
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.shared.borrow_mut().leave_cancelled(self.receiver);
    }
}

/// Waits for a condition.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Until<F> {
    shared: Rc<RefCell<Shared>>,
    receiver: u64,
    condition: F,
}

impl<F> Until<F> {
    pub(super) fn of(shared: &Rc<RefCell<Shared>>, condition: F) -> Self {
        let receiver = shared.borrow_mut().begin_receiver();
        Self { shared: Rc::clone(shared), receiver, condition }
    }
}

impl<F> fmt::Debug for Until<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Until").field("receiver", &self.receiver).finish_non_exhaustive()
    }
}

impl<F: FnMut() -> bool + Unpin> Future for Until<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        // The condition may use the context, so nothing is borrowed while it is looked at.
        let holds = (self.condition)();
        let mut shared = self.shared.borrow_mut();
        if holds {
            shared.progress = true;
            return Poll::Ready(());
        }
        shared.await_condition(self.receiver, cx);
        Poll::Pending
    }
}

impl<F> Drop for Until<F> {
    fn drop(&mut self) {
        self.shared.borrow_mut().leave_condition(self.receiver);
    }
}

/// The time given was over first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed(
    /// The time given.
    pub Duration,
);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing came within {:?}", self.0)
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for Failure {
    fn from(elapsed: Elapsed) -> Self {
        Self::timeout(elapsed.to_string(), TimeoutType::StartToClose)
    }
}
