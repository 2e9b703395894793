//! What follows from the runs, kept so that nothing has to be searched: what is due, what is ready, who holds what,
//! what is to be done to others.
//!
//! Never stored. Each part of a run says which entries it has; whoever changes the part takes the old entries out and
//! puts the new ones in, so that the index is always the one a restored engine would build.

use std::time::Duration;

use tidegate_model::id::{EventId, RunId};
use tidegate_model::time::Timestamp;

use crate::deadlines::{Deadlines, Due};
use crate::outbox::{Errand, Outbox};
use crate::queue::{QueueKey, Queues, Ready};
use crate::retired::Retired;
use crate::workers::{Held, Workers};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) deadlines: Deadlines,
    pub(crate) queues: Queues,
    pub(crate) workers: Workers,
    pub(crate) retired: Retired,
    /// When the process took its first decision; `None` before that. Not derived: it is the process's own.
    awake_since: Option<Timestamp>,
    pub(crate) outbox: Outbox,
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
    /// An attempt of the activity of this scheduled event must be heard of again in time.
    Silence(Silence, RunId, EventId),
    /// A run has something to do to another.
    Errand(Errand),
}

/// Since when nothing was heard, and for how long that may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Silence {
    pub(crate) since: Timestamp,
    pub(crate) timeout: Duration,
}

impl Silence {
    /// When it has lasted too long for a process that began at `awake_since`. What was heard shortly before that may
    /// not have reached the disk, so silence counts from then at the earliest.
    pub(crate) fn ends(self, awake_since: Option<Timestamp>) -> Timestamp {
        awake_since.map_or(self.since, |awake| awake.max(self.since)) + self.timeout
    }
}

impl Index {
    pub(crate) fn awake_since(&self) -> Option<Timestamp> {
        self.awake_since
    }

    /// The process begins to decide. `silences` gives all there are, as often as asked.
    pub(crate) fn wake<Silences: Iterator<Item = Entry>>(
        &mut self,
        now: Timestamp,
        silences: impl Fn() -> Silences,
    ) {
        if self.awake_since.is_none() {
            self.take(silences());
            self.awake_since = Some(now);
            self.put(silences());
        }
    }

    pub(crate) fn put(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            match entry {
                Entry::Due(at, run_id, due) => self.deadlines.put(at, run_id, due),
                Entry::Ready(key, ready) => self.queues.put(key, ready),
                Entry::Held(identity, run_id, held) => self.workers.put(identity, run_id, held),
                Entry::Silence(silence, run_id, id) => {
                    self.deadlines.put(silence.ends(self.awake_since), run_id, Due::Silence(id));
                }
                Entry::Errand(errand) => self.outbox.put(errand),
            }
        }
    }

    pub(crate) fn take(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            match entry {
                Entry::Due(at, run_id, due) => self.deadlines.take(at, run_id, due),
                Entry::Ready(key, ready) => self.queues.take(key, ready),
                Entry::Held(identity, run_id, held) => self.workers.take(&identity, run_id, held),
                Entry::Silence(silence, run_id, id) => {
                    self.deadlines.take(silence.ends(self.awake_since), run_id, Due::Silence(id));
                }
                Entry::Errand(errand) => self.outbox.take(errand),
            }
        }
    }
}
