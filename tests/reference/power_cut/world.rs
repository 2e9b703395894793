//! A process at work on a disk, and what must be true when another one takes that disk over.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::Disk;
use tidegate_log::{Append, Core, Options, Reader, Store, StoredRecord, Upkeep};
use tidegate_model::chance::Chance;
use tidegate_model::id::{BootId, Epoch};
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::time::{ClockState, Stamp, Timestamp};

use crate::ledger::{CLOSES, Entry, Fault, Ledger, OPENS, Promise, State, WANTED_ITEMS, Witness, Witnessed};

/// Keys in use at a time; one after the other is opened, used and closed.
const KEYS: u64 = 6;

/// A process at work.
pub(crate) struct World {
    pub(crate) disk: Disk,
    core: Option<Core<Ledger>>,
    witness: Arc<Mutex<Witness>>,
    /// The state after each row, from row 0, where there is nothing.
    after_rows: Vec<(State, Epoch)>,
    fault: Fault,
    boot: u64,
    millis: u64,
    /// What became of the store in this run, so that a run shows that all of it was at risk.
    pub(crate) settled: bool,
    pub(crate) trimmed: bool,
}

/// What a later process needs to know of an earlier one.
#[derive(Clone)]
pub(crate) struct Past {
    after_rows: Vec<(State, Epoch)>,
    pub(crate) witness: Witness,
    boot: u64,
    fault: Fault,
}

impl Past {
    /// What was promised by `moment`: the last row, and how.
    pub(crate) fn promised(&self, moment: usize) -> Option<Promise> {
        let in_force = self.witness.promises.iter().filter(|promise| promise.moment <= moment);
        in_force.max_by_key(|promise| promise.row).copied()
    }
}

fn options() -> Options {
    Options { cache_bytes: 512 * 1024, preallocate_bytes: 0, new_epoch: Epoch::from_u128(1) }
}

impl World {
    /// A process on a new store. Its making is not cut: a file has its name only after that (`Store::open`).
    pub(crate) fn begin(fault: Fault, chance: &mut Chance) -> Self {
        let making = Disk::default();
        let mut ledger = Ledger::new(making.clone(), Arc::default(), Fault::None);
        let made =
            Store::open_on_backend(making.clone(), &options(), &mut ledger).expect("memory is a good disk");
        let disk = Disk::holding(making.image());
        drop(made);
        if fault == Fault::LyingSync {
            disk.lie(chance.next_u64(), 25);
        }
        let past = Past {
            after_rows: vec![(State::default(), Epoch::from_u128(1))],
            witness: Witness::default(),
            boot: 0,
            fault,
        };
        Self::take_over(disk, past).expect("a new store opens").0
    }

    /// Another process on what is left on a disk; the last row it finds. An error is a broken promise.
    pub(crate) fn take_over(disk: Disk, mut past: Past) -> Result<(Self, u64), String> {
        past.witness.promises.clear();
        let witness = Arc::new(Mutex::new(past.witness));
        let mut ledger = Ledger::new(disk.clone(), Arc::clone(&witness), past.fault);
        let (store, _) = Store::open_on_backend(disk.clone(), &options(), &mut ledger)
            .map_err(|error| format!("it does not open: {error}"))?;
        let core = Core::new(store, ledger, past.boot);
        let last = core.store().last_row();
        let mut world = Self {
            disk,
            core: Some(core),
            witness,
            after_rows: past.after_rows,
            fault: past.fault,
            boot: past.boot + 1,
            millis: 0,
            settled: false,
            trimmed: false,
        };
        world.check_state(last)?;
        world.after_rows.truncate(row_index(last) + 1);
        world.witnessed().records.retain(|record| record.row <= last);
        world.check_records(last)?;
        // Read from the disk after it was powered on again, so it is on the disk.
        world.witnessed().promises.push(Promise { moment: 0, row: last, how: "was recovered" });
        Ok((world, last))
    }

    pub(crate) fn past(&self) -> Past {
        Past {
            after_rows: self.after_rows.clone(),
            witness: self.witnessed().clone(),
            boot: self.boot,
            fault: self.fault,
        }
    }

    fn witnessed(&self) -> MutexGuard<'_, Witness> {
        self.witness.lock().expect("nothing panics with it in hand")
    }

    fn core(&mut self) -> &mut Core<Ledger> {
        self.core.as_mut().expect("only `end_and_begin_again` takes it, and puts one back")
    }

    /// One thing that a process does, of all it may do.
    pub(crate) fn work(&mut self, chance: &mut Chance) -> Result<(), String> {
        match chance.below(100) {
            0..66 => {
                let group = (0..=chance.below(4)).map(|_| self.entry(chance, false)).collect();
                self.turn(group)
            }
            66..78 => {
                let entry = self.entry(chance, true);
                self.turn(vec![entry])
            }
            78..90 => self.upkeep(),
            90..95 => self.turn(vec![Entry::BeginEpoch(Epoch::from_u128(u128::from(chance.next_u64())))]),
            _ => self.end_and_begin_again(),
        }
    }

    fn turn(&mut self, entries: Vec<Entry>) -> Result<(), String> {
        self.millis += 700;
        let millis = i64::try_from(self.millis).expect("a run is short");
        let stamp = Stamp {
            boot: BootId::from_u128(u128::from(self.boot)),
            boottime_ns: self.millis * 1_000_000,
            wall: Timestamp::from_micros(1_800_000_000_000_000 + millis * 1_000),
            state: ClockState::Holdover,
            error_us: None,
        };
        let effects = self.core().turn(stamp, &mut entries.into_iter()).map_err(|error| error.to_string())?;
        self.observe();
        let moment = self.disk.moment();
        let mut witness = self.witnessed();
        witness.promises.extend(effects.iter().map(|effect| Promise {
            moment,
            row: effect.0,
            how: "had effects",
        }));
        Ok(())
    }

    fn upkeep(&mut self) -> Result<(), String> {
        for _ in 0..3 {
            let before = self.core().store().metrics();
            let done = self.core().upkeep(Upkeep::Now).map_err(|error| error.to_string())?;
            let after = self.core().store().metrics();
            self.settled |= after.snapshots > before.snapshots;
            self.trimmed |= after.rows_trimmed > before.rows_trimmed;
            self.observe();
            if !done {
                break;
            }
        }
        Ok(())
    }

    fn end_and_begin_again(&mut self) -> Result<(), String> {
        let core = self.core.take().expect("it is always put back");
        let ended = core.close().map_err(|error| error.to_string())?;
        let mut ledger = Ledger::new(self.disk.clone(), Arc::clone(&self.witness), self.fault);
        let (store, recovered) = Store::open_on_backend(self.disk.clone(), &options(), &mut ledger)
            .map_err(|error| format!("it does not open after an orderly end: {error}"))?;
        if ledger.state != ended.state {
            return Err("another state after an orderly end".to_owned());
        }
        if recovered.rows_replayed > 0 {
            return Err("rows to replay after an orderly end".to_owned());
        }
        self.core = Some(Core::new(store, ledger, self.boot));
        self.boot += 1;
        self.observe();
        Ok(())
    }

    /// Notes what has become durable, as a process would tell the world.
    fn observe(&mut self) {
        let core = self.core.as_ref().expect("observed while it runs");
        let (last, state, epoch) =
            (core.store().last_row(), core.machine().state.clone(), core.store().epoch());
        if row_index(last) == self.after_rows.len() {
            self.after_rows.push((state, epoch));
        }
        assert!(row_index(last) < self.after_rows.len(), "one row at a time");
        let promise = Promise { moment: self.disk.moment(), row: last, how: "was committed" };
        self.witnessed().promises.push(promise);
    }

    fn entry(&self, chance: &mut Chance, at_leisure: bool) -> Entry {
        let size = match chance.below(100) {
            0..85 => chance.below(300),
            85..98 => chance.below(6_000),
            _ => chance.below(60_000),
        };
        let lane = Lane::try_from(u8::try_from(chance.below(4)).expect("below 4")).ok();
        let items = if lane.is_some() { 1 + u32::try_from(chance.below(5)).expect("below 5") } else { 0 };
        let key = (chance.below(3) == 0).then(|| self.key(chance));
        let mut bytes = vec![match chance.below(10) {
            0 => OPENS,
            1..5 => CLOSES,
            _ => 0,
        }];
        bytes.extend(key.unwrap_or(0).to_be_bytes());
        // Half of it is noise and half repeats, so that rows are stored both packed and plain.
        bytes
            .extend((0..size).map(|n| {
                if size % 2 == 0 { n.to_le_bytes()[0] } else { chance.next_u64().to_le_bytes()[0] }
            }));
        Entry::Append(Append { lane, items, key, bytes, at_leisure }, !at_leisure && chance.below(2) == 0)
    }

    /// A key that moves on with the rows, as runs of workflows do.
    fn key(&self, chance: &mut Chance) -> u128 {
        u128::from(self.after_rows.len() as u64 / 10 + chance.below(KEYS))
    }

    /// The state is the one after exactly `last` rows.
    fn check_state(&self, last: u64) -> Result<(), String> {
        let core = self.core.as_ref().expect("checked while it runs");
        let Some((state, epoch)) = self.after_rows.get(row_index(last)) else {
            return Err(format!("row {last} was never written"));
        };
        if core.machine().state != *state {
            return Err(format!("another state after row {last}"));
        }
        if core.store().epoch() != *epoch {
            return Err(format!("another epoch after row {last}"));
        }
        Ok(())
    }

    /// Rows, lanes and keys hold what was written, from one row on; what is not held was not wanted.
    fn check_records(&self, last: u64) -> Result<(), String> {
        let core = self.core.as_ref().expect("checked while it runs");
        let reader = core.reader();
        let failed = |error: tidegate_log::Error| format!("it cannot be read: {error}");
        let found = reader.rows_after(0, usize::MAX).map_err(failed)?;
        let witness = self.witnessed();
        let first_row = reader.first_row().map_err(failed)?;
        let (gone, held): (Vec<&Witnessed>, Vec<&Witnessed>) =
            witness.records.iter().partition(|record| record.row < first_row);
        if found.len() != held.len() || !found.iter().zip(&held).all(|(found, held)| same(found, held)) {
            return Err(format!("rows {first_row} to {last} hold other records than were written"));
        }
        let state = &core.machine().state;
        let acked = state.acked();
        for record in &gone {
            let row = record.row;
            let wanted = record.lane.is_some_and(|(lane, first, items)| {
                first + u64::from(items) - 1 > acked[usize::from(lane.number())]
            });
            if wanted {
                return Err(format!(
                    "row {row} is not held any more, and one of the last {WANTED_ITEMS} items was in it"
                ));
            }
        }
        for lane in Lane::ALL {
            check_lane(&reader, lane, &witness.records, first_row)?;
        }
        let keys: BTreeSet<u128> = witness.records.iter().filter_map(|record| record.key).collect();
        for key in keys {
            let found = reader.by_key(key).map_err(failed)?;
            let mut expected = held.iter().filter(|record| record.key == Some(key));
            let right = found.iter().all(|found| expected.next().is_some_and(|held| same(found, held)));
            if !right || expected.next().is_some() {
                return Err(format!("key {key} finds other records than were written"));
            }
        }
        Ok(())
    }
}

fn check_lane(reader: &Reader, lane: Lane, records: &[Witnessed], first_row: u64) -> Result<(), String> {
    let failed = |error: tidegate_log::Error| format!("lane {} cannot be read: {error}", lane.name());
    let mut chain = Chain::START;
    let mut next = 1;
    let mut held = Vec::new();
    for record in records.iter().filter(|record| record.lane.is_some_and(|place| place.0 == lane)) {
        let (_, first, items) = record.lane.expect("filtered");
        if first != next {
            return Err(format!("lane {} has a hole before item {first}", lane.name()));
        }
        let before = chain;
        chain = chain.after(items, &record.bytes);
        next = first + u64::from(items);
        if record.row >= first_row {
            held.push((first, before, items, &record.bytes));
        }
    }
    let head = reader.lane_head(lane).map_err(failed)?;
    if (head.next, head.chain) != (next, chain) {
        return Err(format!(
            "lane {} ends at item {}, not {next}, or on another chain",
            lane.name(),
            head.next
        ));
    }
    let first = held.first().map_or(next, |(first, ..)| *first);
    if reader.lane_first(lane).map_err(failed)? != first {
        return Err(format!("lane {} does not begin at item {first}", lane.name()));
    }
    let mut held = held.into_iter();
    let mut from = 1;
    while let Some(slice) = reader.lane(lane, from, 8_000, 40).map_err(failed)? {
        for (at, (items, bytes)) in slice.records.iter().enumerate() {
            let expected = held.next();
            let right = expected.is_some_and(|(first, before, expected_items, expected_bytes)| {
                (at > 0 || (slice.first, slice.chain_before) == (first, before))
                    && (*items, bytes) == (expected_items, expected_bytes)
            });
            if !right {
                return Err(format!("lane {} has another record from item {} on", lane.name(), slice.first));
            }
        }
        from = slice.next();
    }
    match held.next() {
        None => Ok(()),
        Some((first, ..)) => Err(format!("lane {} does not give item {first}", lane.name())),
    }
}

fn same(found: &StoredRecord, written: &Witnessed) -> bool {
    (found.row, found.lane, found.key, &found.bytes)
        == (written.row, written.lane, written.key, &written.bytes)
}

fn row_index(row: u64) -> usize {
    usize::try_from(row).expect("a run is short")
}
