//! The face a deterministic machine shows the log, and the turn it decides in.

use tidegate_model::chance::Chance;
use tidegate_model::id::Epoch;
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::time::{Stamp, Timestamp};

use crate::pending::Pending;

/// The deterministic half of a process. It reads no clock, draws no random number of its own and does no I/O: time,
/// chance and inputs come with the [`Turn`], and whatever it wants done to the world it returns as effects, which are
/// released only after the turn's records are on disk.
///
/// State changes in `apply` alone, live and replayed alike: after `turn.append(…)` the machine calls its own `apply`
/// on what it has appended before it decides further.
pub trait Machine: Send + 'static {
    /// What can make it move.
    type Input: Send + 'static;
    /// What it can ask for.
    type Effect: Send + 'static;

    /// Decides on one input.
    fn handle(&mut self, turn: &mut Turn<'_, Self::Effect>, input: Self::Input);

    /// The next moment at which it wants to be woken, and why.
    fn next_deadline(&self) -> Option<Deadline>;

    /// Called when [`Machine::next_deadline`] has come.
    fn handle_deadline(&mut self, turn: &mut Turn<'_, Self::Effect>);

    /// Takes one appended record into the state. Must depend on nothing but the state and the record.
    ///
    /// # Errors
    /// [`CorruptRecord`] when the record's bytes are not understood; the store does not open then.
    fn apply(&mut self, record: &Record<'_>) -> Result<(), CorruptRecord>;

    /// The whole state, to start from next time.
    fn snapshot(&self) -> Vec<u8>;

    /// Puts back a state that [`Machine::snapshot`] gave.
    ///
    /// # Errors
    /// [`CorruptRecord`] when the bytes are not understood; the state must then be as it was before. The log falls
    /// back to the snapshot before, or replays from the beginning, if it still can.
    fn restore(&mut self, snapshot: &[u8]) -> Result<(), CorruptRecord>;

    /// What of the log may be forgotten; `None`, the default, is nothing. Asked now and then, off the commit path.
    fn trim(&self) -> Option<TrimPolicy> {
        None
    }

    /// Whether records with this key are still wanted: a run that is open. Asked of rows that [`Machine::trim`] would
    /// let go; the first row that holds a wanted key ends the trimming.
    fn is_open(&self, key: u128) -> bool {
        let _ = key;
        true
    }
}

/// What of the log may be forgotten: the oldest rows, beyond a quota, all of whose items are acknowledged, which hold
/// no key that [`Machine::is_open`]. Rows that a snapshot may still need are never among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrimPolicy {
    /// Rows go only while the file takes more than this on disk, in bytes of allocated blocks. Held rows may then
    /// take half of it: the other half is what copy-on-write, snapshots and the index need to work in.
    pub quota_bytes: u64,
    /// The last item of each lane, by lane number, that may go; 0 for none.
    pub acked: [u64; Lane::ALL.len()],
}

/// When to wake a machine, and why, for the log of a person who wonders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// Engine time.
    pub at: Timestamp,
    /// In words.
    pub why: &'static str,
}

/// What a machine appends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The lane it travels in; `None` stays on this machine.
    pub lane: Option<Lane>,
    /// How many items of the lane it carries; 0 without a lane, at least 1 with one.
    pub items: u32,
    /// What it can be looked up by afterwards: a run.
    pub key: Option<u128>,
    /// The record. Hashed, stored and sent as it is.
    pub bytes: Vec<u8>,
    /// Whether it may wait for other records to ride along with ([`LEISURE_MILLIS_MAX`]). An effect ends the
    /// waiting, unless it is at leisure itself.
    ///
    /// [`LEISURE_MILLIS_MAX`]: tidegate_model::limits::LEISURE_MILLIS_MAX
    pub at_leisure: bool,
}

/// A record as a machine's `apply` sees it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The row it is in.
    pub row: u64,
    /// The store's epoch.
    pub epoch: Epoch,
    /// Engine time of the turn.
    pub time: Timestamp,
    /// The clocks of the turn.
    pub stamp: Stamp,
    /// The lane, the number of its first item there, and how many it has.
    pub lane: Option<(Lane, u64, u32)>,
    /// The chain of the lane after this record; the start where there is no lane.
    pub chain: Chain,
    /// The record.
    pub bytes: &'a [u8],
}

/// Bytes in the store that the machine does not understand, although their checksum holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CorruptRecord(pub String);

/// One turn of the commit loop: what time it is, what chance brings, and where decisions go.
#[derive(Debug)]
pub struct Turn<'a, Effect> {
    pub(crate) time: Timestamp,
    pub(crate) stamp: Stamp,
    pub(crate) chance: &'a mut Chance,
    pub(crate) pending: &'a mut Pending,
    pub(crate) effects: &'a mut Vec<Effect>,
}

impl<Effect> Turn<'_, Effect> {
    /// Engine time: never goes back, never leaps. The same for all records of a turn.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.time
    }

    /// The clocks as they stand.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The store's epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.pending.epoch()
    }

    /// Where chance comes from.
    pub fn chance(&mut self) -> &mut Chance {
        self.chance
    }

    /// Number the next item of a lane will get.
    #[must_use]
    pub fn next_item(&self, lane: Lane) -> u64 {
        self.pending.next_item(lane)
    }

    /// Appends a record to the row of this turn. The caller applies what is returned before it decides further.
    ///
    /// # Panics
    /// When the count of items does not fit the lane: none without a lane, at least one with it.
    pub fn append<'r>(&mut self, append: &'r Append) -> Record<'r> {
        assert_eq!(append.lane.is_some(), append.items > 0, "items are counted in lanes, and only there");
        let (first, chain) = self.pending.append(self.time, self.stamp, append);
        Record {
            row: self.pending.row(),
            epoch: self.pending.epoch(),
            time: self.time,
            stamp: self.stamp,
            lane: append.lane.zip(first).map(|(lane, first)| (lane, first, append.items)),
            chain,
            bytes: &append.bytes,
        }
    }

    /// Gives the store another identity: the row being written and all later ones bear `epoch`. Numbers and chains of
    /// the lanes go on. For a store whose past the other side no longer agrees with.
    pub fn begin_epoch(&mut self, epoch: Epoch) {
        self.pending.begin_epoch(self.time, self.stamp, epoch);
    }

    /// Asks for something to be done once this turn's records are on disk.
    pub fn effect(&mut self, effect: Effect) {
        self.pending.demand();
        self.effects.push(effect);
    }

    /// Asks for something to be done that rests on nothing but what may be lost: it does not end the waiting of records
    /// at leisure, and may come before they are on disk.
    pub fn effect_at_leisure(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}
