//! The one commit loop: a thread that drains inputs, lets the machine decide, commits one row, releases effects.

use tidegate_model::time::Stamp;

use crate::machine::Machine;
use crate::store::{Error, Store};

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
    inputs: tokio::sync::mpsc::Sender<Input>,
}

impl<Input> Clone for LogHandle<Input> {
    fn clone(&self) -> Self {
        Self { inputs: self.inputs.clone() }
    }
}

/// The loop has ended; the process is about to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log has stopped")]
pub struct LogStopped;

impl<Input: Send + 'static> LogHandle<Input> {
    /// Hands an input to the loop; waits while its queue is full.
    ///
    /// # Errors
    /// [`LogStopped`].
    pub async fn send(&self, input: Input) -> Result<(), LogStopped> {
        self.inputs.send(input).await.map_err(|_| LogStopped)
    }

    /// The same from a thread that may block.
    ///
    /// # Errors
    /// [`LogStopped`].
    pub fn send_blocking(&self, input: Input) -> Result<(), LogStopped> {
        self.inputs.blocking_send(input).map_err(|_| LogStopped)
    }
}

/// Counts for telemetry, read at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Group commits.
    pub commits: u64,
    /// Inputs decided.
    pub inputs: u64,
    /// Bytes of rows as stored.
    pub row_bytes: u64,
    /// Bytes of records before compression.
    pub record_bytes: u64,
    /// Microseconds spent committing.
    pub commit_micros: u64,
    /// Snapshots taken.
    pub snapshots: u64,
    /// Rows trimmed.
    pub rows_trimmed: u64,
    /// Inputs waiting at the last look.
    pub queue_inputs: u64,
    /// The last row.
    pub last_row: u64,
}

/// Starts the loop on a thread of its own. It ends when every handle is gone (snapshot taken, file closed).
#[must_use]
pub fn spawn<M: Machine>(store: Store, machine: M, runtime: Runtime<M::Effect>) -> LogHandle<M::Input> {
    let _ = (store, machine, runtime);
    todo!()
}
