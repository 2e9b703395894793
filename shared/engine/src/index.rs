//! What follows from the runs, kept so that nothing has to be searched: what is due, what is ready, who holds what.
//!
//! Never stored. Each part of a run says which entries it has; whoever changes the part takes the old entries out and
//! puts the new ones in, so that the index is always the one a restored engine would build.

use tidegate_model::id::RunId;
use tidegate_model::time::Timestamp;

use crate::deadlines::{Deadlines, Due};
use crate::queue::{QueueKey, Queues, Ready};
use crate::workers::{Held, Workers};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) deadlines: Deadlines,
    pub(crate) queues: Queues,
    pub(crate) workers: Workers,
}

/// One thing that follows from a run.
#[derive(Debug)]
pub(crate) enum Entry {
    /// Something happens by itself at this time.
    Due(Timestamp, RunId, Due),
    /// A task waits for a worker.
    Ready(QueueKey, Ready),
    /// A worker, by its identity, holds something of the run.
    Held(String, RunId, Held),
}

impl Index {
    pub(crate) fn put(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            match entry {
                Entry::Due(at, run_id, due) => self.deadlines.put(at, run_id, due),
                Entry::Ready(key, ready) => self.queues.put(key, ready),
                Entry::Held(identity, run_id, held) => self.workers.put(identity, run_id, held),
            }
        }
    }

    pub(crate) fn take(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            match entry {
                Entry::Due(at, run_id, due) => self.deadlines.take(at, run_id, due),
                Entry::Ready(key, ready) => self.queues.take(key, ready),
                Entry::Held(identity, run_id, held) => self.workers.take(&identity, run_id, held),
            }
        }
    }
}
