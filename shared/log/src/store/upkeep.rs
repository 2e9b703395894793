//! Off the commit path: settle the index, take a snapshot, trim. Each step is bounded, and a transaction of its own.
//!
//! These commit as durably as rows do. A non-durable commit would be lost or kept with the next row, which is as
//! good; but it would leave a file whose last durable commit is older than what readers have seen, for no gain that
//! matters at one such commit for thousands of rows.

use std::sync::PoisonError;

use super::error::Error;
use super::tables::{INDEX, LOG, META, META_ROW_BYTES, META_SETTLED, SNAPSHOT, View};
use super::{Store, backend};
use crate::machine::{Machine, TrimPolicy};
use crate::pending::SealedRow;
use crate::row::{self, Places};
use crate::snapshot::{self, Standing};

/// What replaying a row costs beside its records: fetching, checking and hashing it is worth this many bytes of them.
const ROW_WEIGHT_BYTES: u64 = 2 * 1024;
/// Bytes of records after the newest snapshot at which another is taken when there is nothing else to do. This, and
/// the loading of the state, bounds the time from a power cut to serving: the longest tail of ordinary events
/// is replayed in some 25 ms on a shared x86 core (examples/commit_bench.rs), and the budget is 300 ms on a gateway's.
const TAIL_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// A large state is not written again before the tail weighs this many times as much: flash wear stays in proportion.
const TAIL_PER_STATE: u64 = 2;
/// Under steady load the tail may grow this many times beyond what is due at leisure; then the snapshot comes first.
const TAIL_OVERDUE: u64 = 2;
/// Snapshots kept. The second is there in case the first does not check out.
const SNAPSHOTS_KEPT: usize = 2;
/// Rows trimmed in one step.
const TRIM_ROWS_MAX: usize = 256;
/// After a step that found nothing to trim, this many rows are committed before the next look.
const TRIM_RETRY_ROWS: u64 = 64;

/// How far what is derived has come.
#[derive(Debug)]
pub(super) struct Upkept {
    first_row: u64,
    /// Rows with a snapshot, the newest first.
    snapshot_rows: Vec<u64>,
    /// Bytes of the newest one's state.
    state_bytes: u64,
    /// The index is complete up to this row.
    settled: u64,
    /// Bytes of the rows held up to `settled`, and after it.
    settled_row_bytes: u64,
    tail_row_bytes: u64,
    /// What replaying the rows after the newest snapshot costs.
    tail_weight: u64,
    /// No look at trimming before this row.
    trim_from_row: u64,
}

impl Upkept {
    pub(super) fn found(
        first_row: u64,
        snapshot_rows: Vec<u64>,
        state_bytes: usize,
        settled: u64,
        settled_row_bytes: u64,
    ) -> Self {
        Self {
            first_row,
            snapshot_rows,
            state_bytes: state_bytes as u64,
            settled,
            settled_row_bytes,
            tail_row_bytes: 0,
            tail_weight: 0,
            trim_from_row: 0,
        }
    }

    pub(super) fn replayed(&mut self, row: u64, stored_bytes: usize, record_bytes: usize) {
        self.tail_weight += record_bytes as u64 + ROW_WEIGHT_BYTES;
        if row > self.settled {
            self.tail_row_bytes += stored_bytes as u64;
        }
    }

    pub(super) fn committed(&mut self, row: &SealedRow) {
        self.replayed(row.number, row.stored.len(), row.record_bytes);
    }

    pub(super) fn held_row_bytes(&self) -> u64 {
        self.settled_row_bytes + self.tail_row_bytes
    }
}

impl Store {
    /// Whether the tail after the newest snapshot is long enough for another: at leisure, or before anything else.
    pub(crate) fn snapshot_due(&self, idle: bool) -> bool {
        let due = TAIL_BYTES_MAX.max(self.upkept.state_bytes.saturating_mul(TAIL_PER_STATE));
        self.upkept.tail_weight >= if idle { due } else { due.saturating_mul(TAIL_OVERDUE) }
    }

    /// Whether any row has come after the newest snapshot.
    pub(crate) fn has_tail(&self) -> bool {
        self.upkept.tail_weight > 0
    }

    /// Completes the index and takes a snapshot, both as of the last row. `machine` must be in the state after it.
    pub(crate) fn settle<M: Machine>(&mut self, machine: &M) -> Result<(), Error> {
        let state = machine.snapshot();
        let standing = self.tail(|tail| Standing {
            row: tail.last_row,
            hash: self.last_hash,
            epoch: tail.epoch,
            time: self.last_time,
            heads: tail.heads,
        });
        let stored = snapshot::seal(&standing, &state, &mut self.packer);
        let mut kept = self.upkept.snapshot_rows.clone();
        kept.retain(|&row| row != standing.row);
        kept.insert(0, standing.row);
        let dropped = kept.split_off(kept.len().min(SNAPSHOTS_KEPT));
        let shared = &self.shared;
        let row_bytes = self.upkept.held_row_bytes();
        let tail = shared.tail.read().unwrap_or_else(PoisonError::into_inner);
        shared.tables.write(&shared.path, "take a snapshot", |transaction| {
            let mut index = transaction.open_table(INDEX)?;
            for (&key, rows) in &tail.unsettled {
                for &row in rows {
                    index.insert((key, row), ())?;
                }
            }
            let mut snapshots = transaction.open_table(SNAPSHOT)?;
            snapshots.insert(standing.row, stored.as_slice())?;
            for &row in &dropped {
                snapshots.remove(row)?;
            }
            let mut meta = transaction.open_table(META)?;
            meta.insert(META_SETTLED, u128::from(standing.row))?;
            meta.insert(META_ROW_BYTES, u128::from(row_bytes))?;
            Ok(())
        })?;
        drop(tail);
        shared.tail.write().unwrap_or_else(PoisonError::into_inner).unsettled.clear();
        let mut metrics = shared.metrics();
        metrics.snapshots += 1;
        metrics.snapshot_bytes += stored.len() as u64;
        metrics.held_row_bytes = row_bytes;
        drop(metrics);
        self.upkept = Upkept {
            snapshot_rows: kept,
            state_bytes: state.len() as u64,
            settled: standing.row,
            settled_row_bytes: row_bytes,
            tail_row_bytes: 0,
            tail_weight: 0,
            ..self.upkept
        };
        Ok(())
    }

    /// Trims a few of the oldest rows if the machine lets them go; says whether it did.
    pub(crate) fn trim<M: Machine>(&mut self, machine: &M) -> Result<bool, Error> {
        let last_row = self.last_row();
        let Some(policy) = machine.trim() else { return Ok(false) };
        let Some(&oldest_snapshot) = self.upkept.snapshot_rows.last() else { return Ok(false) };
        if last_row < self.upkept.trim_from_row || !self.over_quota(&policy)? {
            return Ok(false);
        }
        let view = self.shared.view()?;
        let mut forgotten = Vec::new();
        let mut freed = 0;
        // The row of the oldest snapshot stays: it proves that snapshot and log belong together.
        let candidates = (self.upkept.first_row..oldest_snapshot).take(TRIM_ROWS_MAX);
        for row in candidates {
            if self.upkept.held_row_bytes() - freed <= policy.quota_bytes / 2 {
                break;
            }
            let forgettable = match self.forgettable(&view, row, &policy, machine) {
                Ok(Some(forgettable)) => forgettable,
                Ok(None) => break,
                // It is older than the snapshots, so nothing but trimming needs it; a process that stopped for it
                // would stop for it again and again.
                Err(error @ Error::CorruptRow { .. }) => {
                    tracing::error!(%error, "the log cannot be trimmed beyond this row");
                    break;
                }
                Err(error) => return Err(error),
            };
            freed += forgettable.stored_bytes;
            forgotten.push(forgettable);
        }
        drop(view);
        if forgotten.is_empty() {
            self.upkept.trim_from_row = last_row + TRIM_RETRY_ROWS;
            return Ok(false);
        }
        self.forget(&forgotten, freed)?;
        Ok(true)
    }

    fn over_quota(&self, policy: &TrimPolicy) -> Result<bool, Error> {
        if self.upkept.held_row_bytes() <= policy.quota_bytes / 2 {
            return Ok(false);
        }
        match &self.file {
            Some(file) => backend::allocated_bytes(file)
                .map(|bytes| bytes > policy.quota_bytes)
                .map_err(|error| Error::io(&self.shared.path, "see how much space it takes", error)),
            None => Ok(true),
        }
    }

    /// The keys and size of a row if nobody needs it.
    fn forgettable<M: Machine>(
        &self,
        view: &View,
        row: u64,
        policy: &TrimPolicy,
        machine: &M,
    ) -> Result<Option<Forgettable>, Error> {
        let path = &self.shared.path;
        let corrupt = |reason: String| Error::CorruptRow { path: path.clone(), row, reason };
        let looked = view.row(path, row, |stored| -> Result<_, tidegate_model::codec::DecodeError> {
            let (head, plain) = row::read_row(stored)?;
            let mut places = Places::before(&head);
            let mut keys = Vec::new();
            for section in row::sections(&plain)? {
                for entry in &section.entries {
                    let acked = places.next(entry)?.is_none_or(|(lane, first, items)| {
                        first + u64::from(items) - 1 <= policy.acked[usize::from(lane.number())]
                    });
                    let key = entry.2.map(u128::from);
                    if !acked || key.is_some_and(|key| machine.is_open(key)) {
                        return Ok(None);
                    }
                    keys.extend(key);
                }
            }
            Ok(Some(Forgettable { row, keys, stored_bytes: stored.len() as u64 }))
        })?;
        match looked {
            Some(forgettable) => forgettable.map_err(|error| corrupt(error.to_string())),
            None => Err(corrupt("it is missing".to_owned())),
        }
    }

    fn forget(&mut self, forgotten: &[Forgettable], freed: u64) -> Result<(), Error> {
        let shared = &self.shared;
        let left = self.upkept.settled_row_bytes.saturating_sub(freed);
        shared.tables.write(&shared.path, "trim the log", |transaction| {
            let mut log = transaction.open_table(LOG)?;
            let mut index = transaction.open_table(INDEX)?;
            for forgettable in forgotten {
                log.remove(forgettable.row)?;
                for &key in &forgettable.keys {
                    index.remove((key, forgettable.row))?;
                }
            }
            transaction.open_table(META)?.insert(META_ROW_BYTES, u128::from(left))?;
            Ok(())
        })?;
        self.upkept.settled_row_bytes = left;
        self.upkept.first_row += forgotten.len() as u64;
        let mut metrics = shared.metrics();
        metrics.rows_trimmed += forgotten.len() as u64;
        metrics.held_row_bytes = self.upkept.held_row_bytes();
        Ok(())
    }
}

/// A row that nobody needs.
struct Forgettable {
    row: u64,
    keys: Vec<u128>,
    stored_bytes: u64,
}
