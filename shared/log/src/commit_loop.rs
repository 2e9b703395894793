//! The one commit loop: a thread that drains inputs, lets the machine decide, commits one row, releases effects.
//!
//! Group commit forms by itself: while one row is being committed inputs gather, and the next row takes them all. A
//! lone input waits for nothing.

use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use tidegate_model::limits::COMMIT_QUEUE_INPUTS_MAX;
use tidegate_model::time::Stamp;
use tokio::sync::mpsc;

use crate::core::{Core, Upkeep};
use crate::machine::Machine;
use crate::metrics::Metrics;
use crate::store::{Error, Shared, Store, panic_text};

/// The longest sleep before the clock is looked at again. A parked thread counts time on a clock that stands still
/// while the machine is suspended, and boot time does not: a deadline is late by this much at most.
const SLEEP_MAX: Duration = Duration::from_secs(2);

/// What the loop needs of the outside.
pub struct Runtime<Effect> {
    /// Looks at the clocks.
    pub clock: Box<dyn FnMut() -> Stamp + Send>,
    /// Draws a seed, once.
    pub seed: u64,
    /// Performs effects, in order, after their records are on disk. Must not block for long.
    pub perform: Box<dyn FnMut(Vec<Effect>) + Send>,
    /// Called once when the loop stops: `None` after an orderly end, the error after a failed commit. The process
    /// must end then: a failed commit is unknown, and only the disk can tell.
    pub stopped: Box<dyn FnOnce(Option<Error>) + Send>,
}

impl<Effect> std::fmt::Debug for Runtime<Effect> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// Sends inputs to the loop. Cheap to clone.
#[derive(Debug)]
pub struct LogHandle<Input> {
    /// `None` is the end.
    inputs: mpsc::Sender<Option<Input>>,
    shared: Arc<Shared>,
}

impl<Input> Clone for LogHandle<Input> {
    fn clone(&self) -> Self {
        Self { inputs: self.inputs.clone(), shared: Arc::clone(&self.shared) }
    }
}

/// The loop has ended; the process is about to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log has stopped")]
pub struct LogStopped;

impl<Input: Send + 'static> LogHandle<Input> {
    /// Hands an input to the loop; waits while its queue is full ([`COMMIT_QUEUE_INPUTS_MAX`]).
    ///
    /// # Errors
    /// [`LogStopped`].
    pub async fn send(&self, input: Input) -> Result<(), LogStopped> {
        self.inputs.send(Some(input)).await.map_err(|_| LogStopped)
    }

    /// The same from a thread that may block.
    ///
    /// # Errors
    /// [`LogStopped`].
    pub fn send_blocking(&self, input: Input) -> Result<(), LogStopped> {
        self.inputs.blocking_send(Some(input)).map_err(|_| LogStopped)
    }

    /// Hands an input to the loop if there is room; for hints that may be lost.
    ///
    /// # Errors
    /// [`LogStopped`], also when the queue is full.
    pub fn try_send(&self, input: Input) -> Result<(), LogStopped> {
        self.inputs.try_send(Some(input)).map_err(|_| LogStopped)
    }

    /// Ends the loop in good order once it has decided what was handed to it before, whoever else still holds a
    /// handle; what they hand in from now on is not decided. Ending it twice is ending it once.
    pub async fn end(&self) {
        // An error says that it has ended.
        drop(self.inputs.send(None).await);
    }

    /// Counts so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let queued = self.inputs.max_capacity() - self.inputs.capacity();
        Metrics { queue_inputs: queued as u64, ..self.shared.metrics().clone() }
    }
}

/// Starts the loop on a thread of its own. It ends when it is told to or every handle is gone (snapshot taken, file
/// closed), or at the first error.
///
/// # Panics
/// When the operating system gives no thread: there is no agent without one.
#[must_use]
pub fn spawn<M: Machine>(store: Store, machine: M, runtime: Runtime<M::Effect>) -> LogHandle<M::Input> {
    let (sender, receiver) = mpsc::channel(COMMIT_QUEUE_INPUTS_MAX);
    let shared = Arc::clone(store.shared());
    let handle = LogHandle { inputs: sender, shared: Arc::clone(&shared) };
    let run = move || {
        let Runtime { clock, seed, perform, stopped } = runtime;
        let core = Core::new(store, machine, seed);
        // A broken promise in a machine must stop the process as an error does, not leave it running without a log.
        let ended = catch_unwind(AssertUnwindSafe(|| run(core, receiver, clock, perform)));
        stopped(match ended {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(panic) => {
                Some(Error::Panicked { path: shared.path.clone(), reason: panic_text(panic.as_ref()) })
            }
        });
    };
    thread::Builder::new().name("commit".to_owned()).spawn(run).expect("a process can have one more thread");
    handle
}

fn run<M: Machine>(
    mut core: Core<M>,
    mut inputs: mpsc::Receiver<Option<M::Input>>,
    mut clock: Box<dyn FnMut() -> Stamp + Send>,
    mut perform: Box<dyn FnMut(Vec<M::Effect>) + Send>,
) -> Result<(), Error> {
    // An input that was waited for. It stays here when deadlines fill the group before it.
    let mut first = None;
    let mut ending = false;
    while !ending {
        if first.is_none() {
            let patience = core.patience(&clock());
            match wait(&mut inputs, patience) {
                Waited::Input(input) => first = Some(input),
                Waited::Enough => {}
                Waited::Ended => break,
            }
        }
        let mut group = iter::from_fn(|| {
            first.take().or_else(|| {
                let next = inputs.try_recv().ok()?;
                ending |= next.is_none();
                next
            })
        });
        let effects = core.turn(clock(), &mut group)?;
        if !effects.is_empty() {
            perform(effects);
        }
        let idle = || first.is_none() && inputs.is_empty();
        while core.upkeep(if idle() { Upkeep::Idle } else { Upkeep::Loaded })? {}
    }
    core.close()?;
    Ok(())
}

enum Waited<Input> {
    Input(Input),
    Enough,
    Ended,
}

/// Waits for an input, but not longer than `patience`, nor than [`SLEEP_MAX`] where there is a deadline at all.
fn wait<Input>(inputs: &mut mpsc::Receiver<Option<Input>>, patience: Option<Duration>) -> Waited<Input> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut patience = patience.map(|patience| patience.min(SLEEP_MAX));
    loop {
        match inputs.poll_recv(&mut context) {
            Poll::Ready(Some(Some(input))) => return Waited::Input(input),
            Poll::Ready(Some(None) | None) => return Waited::Ended,
            Poll::Pending => match patience {
                None => thread::park(),
                Some(Duration::ZERO) => return Waited::Enough,
                Some(left) => {
                    thread::park_timeout(left);
                    // Whatever woke us, one more look at the queue; the caller then looks at the clock.
                    patience = Some(Duration::ZERO);
                }
            },
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
