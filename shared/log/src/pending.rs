//! The row being written: what turns have appended since the last commit, already applied, not yet on disk.

use serde_bytes::Bytes;
use tidegate_model::codec;
use tidegate_model::codec::Kind;
use tidegate_model::id::Epoch;
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::time::{Stamp, Timestamp};

use crate::machine::Append;
use crate::row::{Entry, Heads, LaneMark, Packer, RowHash, RowHead, Section};

/// What turns have appended since the last commit.
#[derive(Debug)]
pub(crate) struct Pending {
    row: u64,
    epoch: Epoch,
    /// Where the lanes stood before this row.
    before: Heads,
    /// Where they stand with it.
    heads: Heads,
    turns: Vec<PendingTurn>,
    record_bytes: usize,
    /// Something in it may not wait.
    urgent: bool,
    /// Something is asked of the world in this turn that may rest on what is in it.
    demanded: bool,
}

#[derive(Debug)]
struct PendingTurn {
    epoch: Epoch,
    time: Timestamp,
    stamp: Stamp,
    appended: Vec<Append>,
}

/// A row ready to be committed, and what is true once it is.
#[derive(Debug)]
pub(crate) struct SealedRow {
    pub(crate) number: u64,
    pub(crate) stored: Vec<u8>,
    pub(crate) hash: RowHash,
    pub(crate) heads: Heads,
    pub(crate) epoch: Epoch,
    pub(crate) time: Timestamp,
    pub(crate) keys: Vec<u128>,
    pub(crate) record_bytes: usize,
    /// What whoever reads it has to unpack.
    pub(crate) unpacked_bytes: usize,
}

impl Pending {
    /// Nothing yet, for row `row`.
    pub(crate) fn new(row: u64, epoch: Epoch, heads: Heads) -> Self {
        Self {
            row,
            epoch,
            before: heads,
            heads,
            turns: Vec::new(),
            record_bytes: 0,
            urgent: false,
            demanded: false,
        }
    }

    pub(crate) fn row(&self) -> u64 {
        self.row
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn next_item(&self, lane: Lane) -> u64 {
        self.heads[usize::from(lane.number())].next
    }

    /// Bytes of records so far.
    pub(crate) fn record_bytes(&self) -> usize {
        self.record_bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent || self.demanded
    }

    pub(crate) fn demand(&mut self) {
        self.demanded = true;
    }

    /// The turn's effects are released.
    pub(crate) fn released(&mut self) {
        self.demanded = false;
    }

    /// Engine time of the oldest turn in it.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.turns.first().map(|turn| turn.time)
    }

    /// Takes a record; gives the number of its first item and the chain after it.
    pub(crate) fn append(&mut self, time: Timestamp, stamp: Stamp, append: &Append) -> (Option<u64>, Chain) {
        let placed = match append.lane {
            Some(lane) => {
                let head = &mut self.heads[usize::from(lane.number())];
                let first = head.next;
                head.next += u64::from(append.items);
                head.chain = head.chain.after(append.items, &append.bytes);
                (Some(first), head.chain)
            }
            None => (None, Chain::START),
        };
        self.record_bytes += append.bytes.len();
        self.urgent |= !append.at_leisure;
        self.turn(time, stamp).appended.push(append.clone());
        placed
    }

    /// This row and all later ones bear `epoch`.
    pub(crate) fn begin_epoch(&mut self, time: Timestamp, stamp: Stamp, epoch: Epoch) {
        self.epoch = epoch;
        self.urgent = true;
        self.turn(time, stamp);
    }

    /// The section that records of this turn go to; a new one where the turn or the epoch is another.
    fn turn(&mut self, time: Timestamp, stamp: Stamp) -> &mut PendingTurn {
        let epoch = self.epoch;
        let goes_on = self
            .turns
            .last()
            .is_some_and(|turn| turn.epoch == epoch && turn.time == time && turn.stamp == stamp);
        if !goes_on {
            self.turns.push(PendingTurn { epoch, time, stamp, appended: Vec::new() });
        }
        self.turns.last_mut().expect("one was pushed if there was none")
    }

    /// The row as it is to be stored. `previous` is the hash of the row before it.
    ///
    /// # Panics
    /// When nothing is in it.
    pub(crate) fn seal(&self, previous: RowHash, packer: &mut Packer) -> SealedRow {
        let time = self.turns.last().expect("only a row with something in it is sealed").time;
        let sections: Vec<Section<'_>> = self
            .turns
            .iter()
            .map(|turn| Section {
                epoch: turn.epoch,
                time: turn.time,
                stamp: turn.stamp,
                entries: turn
                    .appended
                    .iter()
                    .map(|a| Entry(a.lane, a.items, a.key.map(Into::into), Bytes::new(&a.bytes)))
                    .collect(),
            })
            .collect();
        let plain = codec::to_cbor(&sections);
        let head = RowHead {
            number: self.row,
            previous,
            epoch: self.epoch,
            time,
            lanes: Lane::ALL.into_iter().map(|lane| self.mark(lane)).collect(),
            unpacked_bytes: u32::try_from(plain.len()).expect("a row is capped far below 4 GiB"),
        };
        let stored = packer.seal(Kind::Row, &head, &plain);
        let mut keys: Vec<u128> =
            self.turns.iter().flat_map(|turn| &turn.appended).filter_map(|append| append.key).collect();
        keys.sort_unstable();
        keys.dedup();
        SealedRow {
            number: self.row,
            hash: RowHash::of(&stored),
            stored,
            heads: self.heads,
            epoch: self.epoch,
            time,
            keys,
            record_bytes: self.record_bytes,
            unpacked_bytes: plain.len(),
        }
    }

    fn mark(&self, lane: Lane) -> LaneMark {
        let at = usize::from(lane.number());
        let before = self.before[at];
        LaneMark(lane, before.next, (before.next != self.heads[at].next).then_some(before.chain))
    }
}
