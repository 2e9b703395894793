//! From what is on disk to the state after the last row: newest usable snapshot, then the tail, each row checked.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use redb::Database;
use tidegate_model::codec::DecodeError;
use tidegate_model::lane::{Chain, Lane};

use super::error::Error;
use super::tables::{self, Tables, View};
use super::upkeep::Upkept;
use super::{Recovered, Shared, Store, Tail};
use crate::machine::{CorruptRecord, Machine, Record};
use crate::metrics::Metrics;
use crate::reader::Position;
use crate::row::{self, Packer, Places, RowHash};
use crate::snapshot::{self, Standing};

/// Brings `machine` to the state after the last row of `database`.
pub(super) fn recover<M: Machine>(
    path: PathBuf,
    file: Option<File>,
    database: Database,
    machine: &mut M,
) -> Result<(Store, Recovered), Error> {
    let meta = tables::meta(&database, &path)?;
    let tables = Tables::new(database);
    let view = tables.view(&path)?;
    let first_row = view.first_row(&path)?.unwrap_or(1);
    let last_row = view.last_row(&path)?.unwrap_or(0);
    let snapshot_rows = view.snapshot_rows(&path)?;

    let (from, state_bytes) = match restore(&path, &view, &snapshot_rows, first_row, machine)? {
        Some(found) => found,
        None if first_row == 1 => (Standing::start(meta.first_epoch), 0),
        None => return Err(Error::NoSnapshot { path, first_row }),
    };
    let mut upkept = Upkept::found(first_row, snapshot_rows, state_bytes, meta.settled, meta.row_bytes);
    let mut unsettled = BTreeMap::new();
    let mut standing = from;
    while standing.row < last_row {
        let replayed = replay(&path, &view, &standing, machine)?;
        upkept.replayed(replayed.standing.row, replayed.stored_bytes, replayed.record_bytes);
        if replayed.standing.row > meta.settled {
            note_keys(&mut unsettled, replayed.standing.row, replayed.keys);
        }
        standing = replayed.standing;
    }
    drop(view);

    let tail = Tail { epoch: standing.epoch, last_row, heads: standing.heads, unsettled };
    let metrics = Metrics { last_row, held_row_bytes: upkept.held_row_bytes(), ..Metrics::default() };
    let shared = Shared {
        path,
        tables,
        tail: RwLock::new(tail),
        positions: Mutex::new([Position::START; Lane::ALL.len()]),
        metrics: Mutex::new(metrics),
    };
    let store = Store {
        shared: Arc::new(shared),
        file,
        packer: Packer::new(),
        last_hash: standing.hash,
        last_time: standing.time,
        upkept,
    };
    let rows_replayed = last_row - from.row;
    Ok((store, Recovered { created: false, snapshot_row: from.row, rows_replayed }))
}

/// Restores the newest snapshot that can be used; says where the log stood, and how many bytes the state has.
fn restore<M: Machine>(
    path: &Path,
    view: &View,
    rows: &[u64],
    first_row: u64,
    machine: &mut M,
) -> Result<Option<(Standing, usize)>, Error> {
    for &row in rows {
        match usable(path, view, row, first_row)? {
            Ok((standing, state)) => match machine.restore(&state) {
                Ok(()) => return Ok(Some((standing, state.len()))),
                Err(error) => tracing::warn!(row, %error, "snapshot not understood, using an older one"),
            },
            Err(reason) => tracing::warn!(row, reason, "snapshot does not check out, using an older one"),
        }
    }
    Ok(None)
}

/// A snapshot and its state, or why it is of no use here.
fn usable(
    path: &Path,
    view: &View,
    row: u64,
    first_row: u64,
) -> Result<Result<(Standing, Vec<u8>), String>, Error> {
    let Some(opened) = view.snapshot(path, row, snapshot::open)? else {
        return Ok(Err("it is gone".to_owned()));
    };
    let (standing, state) = match opened {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error.to_string())),
    };
    if standing.row != row {
        return Ok(Err(format!("it says it is of row {}", standing.row)));
    }
    if row < first_row {
        return Ok(Err(format!("the log begins at row {first_row}, after it")));
    }
    match view.row(path, row, RowHash::of)? {
        Some(hash) if hash == standing.hash => Ok(Ok((standing, state))),
        Some(_) => Ok(Err("the row it was taken at is another one".to_owned())),
        None => Ok(Err("the row it was taken at is not in the log".to_owned())),
    }
}

struct Replayed {
    standing: Standing,
    keys: Vec<u128>,
    stored_bytes: usize,
    record_bytes: usize,
}

/// Why a row is not taken.
enum Unfit {
    /// It does not check out.
    Corrupt(String),
    /// It does, and the machine refuses a record in it.
    NotUnderstood(CorruptRecord),
}

impl From<&str> for Unfit {
    fn from(reason: &str) -> Self {
        Self::Corrupt(reason.to_owned())
    }
}

impl From<DecodeError> for Unfit {
    fn from(error: DecodeError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// Checks the row after `before` and applies it.
fn replay<M: Machine>(
    path: &Path,
    view: &View,
    before: &Standing,
    machine: &mut M,
) -> Result<Replayed, Error> {
    let number = before.row + 1;
    let unfit = match view.row(path, number, |stored| apply(before, number, stored, machine))? {
        Some(Ok(replayed)) => return Ok(replayed),
        Some(Err(unfit)) => unfit,
        None => Unfit::Corrupt("it is missing".to_owned()),
    };
    let path = path.to_path_buf();
    Err(match unfit {
        Unfit::Corrupt(reason) => Error::CorruptRow { path, row: number, reason },
        Unfit::NotUnderstood(source) => Error::NotUnderstood { path, row: number, source },
    })
}

fn apply<M: Machine>(
    before: &Standing,
    number: u64,
    stored: &[u8],
    machine: &mut M,
) -> Result<Replayed, Unfit> {
    let (head, plain) = row::read_row(stored)?;
    if head.number != number {
        return Err(Unfit::Corrupt(format!("it says it is row {}", head.number)));
    }
    if head.previous != before.hash {
        return Err("it does not follow the row before it".into());
    }
    if head.time < before.time {
        return Err("its time is before that of the row before it".into());
    }
    let mut after = Standing {
        row: number,
        hash: RowHash::of(stored),
        epoch: head.epoch,
        time: head.time,
        heads: before.heads,
    };
    let mut keys = Vec::new();
    let mut record_bytes = 0;
    let mut places = Places::before(&head);
    for section in row::sections(&plain)? {
        for entry in &section.entries {
            let place = places.next(entry)?;
            let mut chain = Chain::START;
            if let Some((lane, first, items)) = place {
                let lane_head = &mut after.heads[usize::from(lane.number())];
                lane_head.next = first + u64::from(items);
                lane_head.chain = lane_head.chain.after(items, entry.3);
                chain = lane_head.chain;
            }
            keys.extend(entry.2.map(u128::from));
            record_bytes += entry.3.len();
            let record = Record {
                row: number,
                epoch: section.epoch,
                time: section.time,
                stamp: section.stamp,
                lane: place,
                chain,
                bytes: entry.3,
            };
            machine.apply(&record).map_err(Unfit::NotUnderstood)?;
        }
    }
    for lane in Lane::ALL {
        let at = usize::from(lane.number());
        let (stood, stands) = (before.heads[at], after.heads[at]);
        let chain = (stood.next != stands.next).then_some(stood.chain);
        if head.first(lane) != stood.next || head.chain_before(lane) != chain {
            return Err(Unfit::Corrupt(format!("lane {} does not go on where it stood", lane.name())));
        }
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(Replayed { standing: after, keys, stored_bytes: stored.len(), record_bytes })
}

fn note_keys(unsettled: &mut BTreeMap<u128, Vec<u64>>, row: u64, keys: Vec<u128>) {
    for key in keys {
        unsettled.entry(key).or_default().push(row);
    }
}
