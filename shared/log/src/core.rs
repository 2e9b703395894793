//! Decide, commit, release: the synchronous heart that the commit loop and the simulators share. Reads no clock.

use std::time::Duration;

use tidegate_model::chance::Chance;
use tidegate_model::limits::{
    DEADLINES_PER_GROUP_MAX, GROUP_COMMIT_BYTES_MAX, GROUP_COMMIT_INPUTS_MAX, LEISURE_MILLIS_MAX,
};
use tidegate_model::time::{Stamp, SteadyClock, Timestamp};

use crate::machine::{Deadline, Machine, Turn};
use crate::pending::Pending;
use crate::reader::Reader;
use crate::store::{Error, Store};

/// 2026-11-01T00:00:00Z. No release that reads this is older, so a clock that shows less is wrong.
pub const ENGINE_TIME_FLOOR: Timestamp = Timestamp::from_micros(1_793_491_200_000_000);

/// A machine on its store. Each group of inputs becomes one row, and its effects come out after that row is on disk.
///
/// An error leaves what is on disk unknown: nothing more can be done with this core, and the machine's state is ahead
/// of the disk. Open the store again.
#[derive(Debug)]
pub struct Core<M: Machine> {
    store: Store,
    machine: M,
    clock: SteadyClock,
    chance: Chance,
    /// Applied, not on disk: empty unless all of it is at leisure.
    pending: Pending,
    failed: bool,
}

/// When upkeep is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// Nothing waits: do what is due.
    Idle,
    /// Inputs wait: do only what is overdue.
    Loaded,
    /// Do it although it is not due: before a planned end, or to see what happens.
    Now,
}

impl<M: Machine> Core<M> {
    /// A machine that [`Store::open`] has brought to the state after the last row. The same seed draws the same
    /// chance.
    #[must_use]
    pub fn new(store: Store, machine: M, seed: u64) -> Self {
        let clock = SteadyClock::new(store.last_time().max(ENGINE_TIME_FLOOR));
        let pending = store.next_row();
        Self { store, machine, clock, chance: Chance::new(seed), pending, failed: false }
    }

    /// The machine, to look at.
    #[must_use]
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The store, to look at.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A reader of what is committed.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// Decides one group: deadlines that have come, then inputs until there are no more, or the group is full
    /// ([`GROUP_COMMIT_INPUTS_MAX`], [`GROUP_COMMIT_BYTES_MAX`]), then deadlines that these have brought. Inputs that
    /// do not fit stay in the iterator.
    ///
    /// What was appended is one row and is on disk when this returns, unless all of it is at leisure and nothing is
    /// wanted of the world. The effects returned may be performed.
    ///
    /// # Errors
    /// [`Error`], after which what is on disk is unknown and no effect may be performed.
    pub fn turn<I>(&mut self, stamp: Stamp, inputs: &mut I) -> Result<Vec<M::Effect>, Error>
    where
        I: Iterator<Item = M::Input>,
    {
        self.check()?;
        let now = self.clock.at(&stamp);
        let mut effects = Vec::new();
        self.fire_deadlines(now, stamp, &mut effects);
        let mut decided = 0;
        while decided < GROUP_COMMIT_INPUTS_MAX && self.pending.record_bytes() < GROUP_COMMIT_BYTES_MAX {
            let Some(input) = inputs.next() else { break };
            self.machine
                .handle(&mut turn(now, stamp, &mut self.chance, &mut self.pending, &mut effects), input);
            decided += 1;
        }
        self.fire_deadlines(now, stamp, &mut effects);
        if decided > 0 {
            self.store.shared().metrics().decided(decided);
        }
        if self.must_commit(now) {
            self.commit()?;
        }
        self.pending.released();
        Ok(effects)
    }

    /// When [`Core::turn`] is next wanted although there is no input, and why.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Deadline> {
        let leisure = self.pending.since().map(|since| Deadline {
            at: since + Duration::from_millis(LEISURE_MILLIS_MAX),
            why: "records at leisure have waited long enough",
        });
        self.machine.next_deadline().into_iter().chain(leisure).min_by_key(|deadline| deadline.at)
    }

    /// How long to wait for an input before [`Core::turn`] is wanted anyhow; `None` is for ever.
    pub fn patience(&mut self, stamp: &Stamp) -> Option<Duration> {
        let now = self.clock.at(stamp);
        self.next_deadline().map(|deadline| deadline.at.saturating_since(now))
    }

    /// Does one bounded step of what can wait: a snapshot with the index settled, or a few rows trimmed. Says whether
    /// there was anything to do.
    ///
    /// # Errors
    /// [`Error`], as in [`Core::turn`].
    pub fn upkeep(&mut self, when: Upkeep) -> Result<bool, Error> {
        self.check()?;
        // What may be forgotten is for the state on disk to say: one that a kill would take back could let go of rows
        // that are wanted again after it.
        let on_disk = self.pending.is_empty();
        let (settles, trims) = match when {
            Upkeep::Idle => (self.store.snapshot_due(true), on_disk),
            Upkeep::Loaded => (self.store.snapshot_due(false), false),
            Upkeep::Now => (self.store.has_tail() || !on_disk, on_disk),
        };
        let done = if settles {
            self.settle().map(|()| true)
        } else if trims {
            self.store.trim(&self.machine)
        } else {
            Ok(false)
        };
        self.failing(done)
    }

    /// Puts on disk what waits at leisure, takes a snapshot if any row has come after the last one, and closes the
    /// file. The machine is given back in its last state.
    ///
    /// # Errors
    /// [`Error`], as in [`Core::turn`].
    pub fn close(mut self) -> Result<M, Error> {
        self.check()?;
        if !self.pending.is_empty() {
            self.commit()?;
        }
        if self.store.has_tail() {
            self.settle()?;
        }
        self.store.close()?;
        Ok(self.machine)
    }

    fn fire_deadlines(&mut self, now: Timestamp, stamp: Stamp, effects: &mut Vec<M::Effect>) {
        for _ in 0..DEADLINES_PER_GROUP_MAX {
            let due = self.machine.next_deadline().is_some_and(|deadline| deadline.at <= now);
            if !due || self.pending.record_bytes() >= GROUP_COMMIT_BYTES_MAX {
                return;
            }
            self.machine.handle_deadline(&mut turn(now, stamp, &mut self.chance, &mut self.pending, effects));
        }
    }

    fn must_commit(&self, now: Timestamp) -> bool {
        let waited = self
            .pending
            .since()
            .is_some_and(|since| now.saturating_since(since) >= Duration::from_millis(LEISURE_MILLIS_MAX));
        let full = self.pending.record_bytes() >= GROUP_COMMIT_BYTES_MAX;
        !self.pending.is_empty() && (self.pending.is_urgent() || waited || full)
    }

    fn commit(&mut self) -> Result<(), Error> {
        let committed = self.store.commit(&self.pending);
        self.failing(committed)?;
        self.pending = self.store.next_row();
        Ok(())
    }

    /// A snapshot is of what is on disk, so what waits at leisure goes first.
    fn settle(&mut self) -> Result<(), Error> {
        if !self.pending.is_empty() {
            self.commit()?;
        }
        let settled = self.store.settle(&self.machine);
        self.failing(settled)
    }

    fn check(&self) -> Result<(), Error> {
        if self.failed { Err(Error::Stopped { path: self.store.path().to_path_buf() }) } else { Ok(()) }
    }

    fn failing<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.failed |= result.is_err();
        result
    }
}

fn turn<'a, Effect>(
    time: Timestamp,
    stamp: Stamp,
    chance: &'a mut Chance,
    pending: &'a mut Pending,
    effects: &'a mut Vec<Effect>,
) -> Turn<'a, Effect> {
    Turn { time, stamp, chance, pending, effects }
}
