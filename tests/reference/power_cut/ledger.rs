//! The machine on the bad disk: its state is a digest of all it has applied, so that nothing can be missing unseen.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::Disk;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tidegate_log::{Append, CorruptRecord, Deadline, Machine, Record, TrimPolicy, Turn};
use tidegate_model::codec;
use tidegate_model::id::Epoch;
use tidegate_model::lane::Lane;

/// What is wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The disk says it has synced, and has not.
    LyingSync,
    /// Effects are performed when they are decided.
    EffectBeforeCommit,
    /// The machine changes its state without a record of it.
    StateBesideRecords,
    /// The machine lets records go that are still wanted.
    ForgottenTooEarly,
}

/// What the ledger is told.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// Append this; ask for an effect of it or not.
    Append(Append, bool),
    /// Another epoch.
    BeginEpoch(Epoch),
}

/// An effect: performed because of what is in this row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BecauseOf(pub(crate) u64);

/// Items of a lane that stay, whatever is acknowledged.
pub(crate) const WANTED_ITEMS: u64 = 15;
/// First byte of a record that opens its key.
pub(crate) const OPENS: u8 = 1;
/// First byte of a record that closes its key.
pub(crate) const CLOSES: u8 = 2;

/// What a run of a ledger leaves outside of it, for the checks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Witness {
    /// Every record appended.
    pub(crate) records: Vec<Witnessed>,
    /// What the world was told, and when.
    pub(crate) promises: Vec<Promise>,
}

/// From a moment on, this row must be on the disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promise {
    pub(crate) moment: usize,
    pub(crate) row: u64,
    /// What was done with it.
    pub(crate) how: &'static str,
}

/// A record when it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Witnessed {
    pub(crate) row: u64,
    pub(crate) lane: Option<(Lane, u64, u32)>,
    pub(crate) key: Option<u128>,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) state: State,
    witness: Arc<Mutex<Witness>>,
    disk: Disk,
    fault: Fault,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    digest: [u8; 32],
    records: u64,
    last_items: [u64; 3],
    pub(crate) open_keys: BTreeSet<[u8; 16]>,
}

impl State {
    /// The last item of each lane that may go.
    pub(crate) fn acked(&self) -> [u64; 3] {
        self.last_items.map(|last| last.saturating_sub(WANTED_ITEMS))
    }
}

impl Ledger {
    pub(crate) fn new(disk: Disk, witness: Arc<Mutex<Witness>>, fault: Fault) -> Self {
        Self { state: State::default(), witness, disk, fault }
    }

    fn witness(&self) -> MutexGuard<'_, Witness> {
        self.witness.lock().expect("nothing panics with it in hand")
    }

    fn append(&mut self, turn: &mut Turn<'_, BecauseOf>, append: &Append, wants_effect: bool) {
        let record = turn.append(append);
        self.witness().records.push(Witnessed {
            row: record.row,
            lane: record.lane,
            key: append.key,
            bytes: append.bytes.clone(),
        });
        self.apply(&record).expect("the ledger takes every record");
        if let Some(key) = append.key {
            // Keys are opened and closed in the record's bytes alone, so that a replay knows them too.
            assert_eq!(append.bytes.get(1..17), Some(&key.to_be_bytes()[..]), "the key is in the record");
        }
        if !wants_effect {
            return;
        }
        if self.fault == Fault::EffectBeforeCommit {
            let moment = self.disk.moment();
            self.witness().promises.push(Promise { moment, row: record.row, how: "had effects" });
        }
        turn.effect(BecauseOf(record.row));
    }
}

impl Machine for Ledger {
    type Input = Entry;
    type Effect = BecauseOf;

    fn handle(&mut self, turn: &mut Turn<'_, BecauseOf>, input: Entry) {
        if self.fault == Fault::StateBesideRecords {
            self.state.records += 1;
        }
        match input {
            Entry::Append(append, wants_effect) => self.append(turn, &append, wants_effect),
            Entry::BeginEpoch(epoch) => turn.begin_epoch(epoch),
        }
    }

    fn next_deadline(&self) -> Option<Deadline> {
        None
    }

    fn handle_deadline(&mut self, _turn: &mut Turn<'_, BecauseOf>) {
        unreachable!("the ledger names no deadline");
    }

    fn apply(&mut self, record: &Record<'_>) -> Result<(), CorruptRecord> {
        let mut digest = Sha256::new();
        digest.update(self.state.digest);
        digest.update(record.row.to_be_bytes());
        digest.update(record.epoch.as_u128().to_be_bytes());
        digest.update(record.time.as_micros().to_be_bytes());
        digest.update(record.stamp.boottime_ns.to_be_bytes());
        if let Some((lane, first, items)) = record.lane {
            digest.update([lane.number()]);
            digest.update(first.to_be_bytes());
            digest.update(items.to_be_bytes());
            self.state.last_items[usize::from(lane.number())] = first + u64::from(items) - 1;
        }
        digest.update(record.chain.as_bytes());
        digest.update(record.bytes);
        self.state.digest = digest.finalize().into();
        self.state.records += 1;
        let key = record.bytes.get(1..).and_then(|rest| rest.first_chunk());
        match record.bytes.first().zip(key) {
            Some((&OPENS, key)) => {
                self.state.open_keys.insert(*key);
            }
            Some((&CLOSES, key)) => {
                self.state.open_keys.remove(key);
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    fn snapshot(&self) -> Vec<u8> {
        codec::to_cbor(&self.state)
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), CorruptRecord> {
        self.state = codec::from_cbor(snapshot).map_err(|error| CorruptRecord(error.to_string()))?;
        Ok(())
    }

    fn trim(&self) -> Option<TrimPolicy> {
        let acked =
            if self.fault == Fault::ForgottenTooEarly { self.state.last_items } else { self.state.acked() };
        Some(TrimPolicy { quota_bytes: 0, acked })
    }

    fn is_open(&self, key: u128) -> bool {
        self.state.open_keys.contains(&key.to_be_bytes())
    }
}
