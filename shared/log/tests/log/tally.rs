//! The machine these tests run: does as it is told, and remembers every record it has applied.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_log::{
    Append, Core, CorruptRecord, Deadline, Machine, Options, Record, Store, TrimPolicy, Turn,
};
use tidegate_model::codec;
use tidegate_model::id::{BootId, Epoch};
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::time::{ClockState, Stamp, Timestamp};

/// What a test asks for.
#[derive(Debug, Clone)]
pub(crate) enum Do {
    /// Append this.
    Append(Append),
    /// Ask the world for this.
    Effect(u32),
    EffectAtLeisure(u32),
    /// Be woken after this long, and append a record then.
    Wake(Duration),
    /// Another epoch.
    BeginEpoch(Epoch),
    /// All of these in one input.
    All(Vec<Do>),
    /// Break a promise.
    Panic,
}

/// A record as it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Applied {
    pub(crate) row: u64,
    pub(crate) epoch: Epoch,
    pub(crate) time: Timestamp,
    pub(crate) boottime_ns: u64,
    pub(crate) lane: Option<(Lane, u64, u32)>,
    pub(crate) chain: Chain,
    #[serde(with = "serde_bytes")]
    pub(crate) bytes: Vec<u8>,
}

/// What may be trimmed, set by the test while the machine runs.
#[derive(Debug, Default)]
pub(crate) struct Forgetting {
    pub(crate) policy: Option<TrimPolicy>,
    pub(crate) open_keys: Vec<u128>,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) applied: Vec<Applied>,
    pub(crate) wake_at: Option<Timestamp>,
    /// Does not understand the record `poison`.
    pub(crate) poisoned: bool,
    pub(crate) forgetting: Arc<Mutex<Forgetting>>,
}

impl Tally {
    fn act(&mut self, turn: &mut Turn<'_, u32>, input: Do) {
        match input {
            Do::Append(append) => self.append(turn, &append),
            Do::Effect(number) => turn.effect(number),
            Do::EffectAtLeisure(number) => turn.effect_at_leisure(number),
            Do::Wake(after) => self.wake_at = Some(turn.now() + after),
            Do::BeginEpoch(epoch) => turn.begin_epoch(epoch),
            Do::All(all) => all.into_iter().for_each(|one| self.act(turn, one)),
            Do::Panic => panic!("told to"),
        }
    }

    fn append(&mut self, turn: &mut Turn<'_, u32>, append: &Append) {
        let next = append.lane.map(|lane| turn.next_item(lane));
        let record = turn.append(append);
        assert_eq!(record.lane.map(|(_, first, _)| first), next, "the number foretold is the number given");
        self.apply(&record).expect("the tally takes every record");
    }
}

impl Machine for Tally {
    type Input = Do;
    type Effect = u32;

    fn handle(&mut self, turn: &mut Turn<'_, u32>, input: Do) {
        self.act(turn, input);
    }

    fn next_deadline(&self) -> Option<Deadline> {
        self.wake_at.map(|at| Deadline { at, why: "the test asked to be woken" })
    }

    fn handle_deadline(&mut self, turn: &mut Turn<'_, u32>) {
        self.wake_at = None;
        self.append(turn, &urgent(b"woken"));
        turn.effect(WOKEN);
    }

    fn apply(&mut self, record: &Record<'_>) -> Result<(), CorruptRecord> {
        if self.poisoned && record.bytes == b"poison" {
            return Err(CorruptRecord("poison".to_owned()));
        }
        self.applied.push(Applied {
            row: record.row,
            epoch: record.epoch,
            time: record.time,
            boottime_ns: record.stamp.boottime_ns,
            lane: record.lane,
            chain: record.chain,
            bytes: record.bytes.to_vec(),
        });
        Ok(())
    }

    fn snapshot(&self) -> Vec<u8> {
        codec::to_cbor(&self.applied)
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), CorruptRecord> {
        self.applied = codec::from_cbor(snapshot).map_err(|error| CorruptRecord(error.to_string()))?;
        Ok(())
    }

    fn trim(&self) -> Option<TrimPolicy> {
        self.forgetting.lock().expect("nobody panics with it").policy
    }

    fn is_open(&self, key: u128) -> bool {
        self.forgetting.lock().expect("nobody panics with it").open_keys.contains(&key)
    }
}

/// The effect of a deadline.
pub(crate) const WOKEN: u32 = u32::MAX;

/// A record without a lane that must not wait.
pub(crate) fn urgent(bytes: &[u8]) -> Append {
    Append { lane: None, items: 0, key: None, bytes: bytes.to_vec(), at_leisure: false }
}

/// A record without a lane that may wait.
pub(crate) fn leisurely(bytes: &[u8]) -> Append {
    Append { at_leisure: true, ..urgent(bytes) }
}

/// A record of a lane.
pub(crate) fn in_lane(lane: Lane, items: u32, bytes: &[u8]) -> Append {
    Append { lane: Some(lane), items, ..urgent(bytes) }
}

/// A record that can be looked up.
pub(crate) fn keyed(key: u128, bytes: &[u8]) -> Append {
    Append { key: Some(key), ..urgent(bytes) }
}

pub(crate) const EPOCH: Epoch = Epoch::from_u128(0xe90c);

pub(crate) fn options() -> Options {
    Options { cache_bytes: 4 * 1024 * 1024, preallocate_bytes: 0, new_epoch: EPOCH }
}

/// The clocks so many milliseconds after boot, on a day in 2027.
pub(crate) fn at(millis: u64) -> Stamp {
    Stamp {
        boot: BootId::from_u128(1),
        boottime_ns: millis * 1_000_000,
        wall: Timestamp::from_micros(
            1_800_000_000_000_000 + i64::try_from(millis).expect("a test is short") * 1_000,
        ),
        state: ClockState::Synchronised,
        error_us: Some(500),
    }
}

/// The real store on memory.
pub(crate) fn on_memory() -> Core<Tally> {
    let mut tally = Tally::default();
    let backend = redb::backends::InMemoryBackend::new();
    let (store, _) = Store::open_on_backend(backend, &options(), &mut tally).expect("memory is a good disk");
    Core::new(store, tally, 7)
}

/// The real store in a file; what is in it already is recovered.
pub(crate) fn in_file(path: &std::path::Path) -> Core<Tally> {
    let mut tally = Tally::default();
    let (store, _) = Store::open(path, &options(), &mut tally).expect("a store that was left in order");
    Core::new(store, tally, 7)
}

/// One group of inputs.
pub(crate) fn group(core: &mut Core<Tally>, millis: u64, inputs: Vec<Do>) -> Vec<u32> {
    core.turn(at(millis), &mut inputs.into_iter()).expect("the disk is good")
}
