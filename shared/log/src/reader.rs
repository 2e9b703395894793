//! Reading what is committed, from any thread, beside the commit loop. Never sees what is not on disk.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use tidegate_model::codec::DecodeError;
use tidegate_model::id::Epoch;
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::time::{Stamp, Timestamp};

use crate::row::{self, LaneHead, Places, RowHead, Section};
use crate::store::{Error, Shared, Tail, View};

/// A reader of committed rows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

/// A record as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// The row it is in.
    pub row: u64,
    /// Engine time of the turn.
    pub time: Timestamp,
    /// The clocks of the turn.
    pub stamp: Stamp,
    /// The lane, the number of its first item there, and how many it has.
    pub lane: Option<(Lane, u64, u32)>,
    /// What it can be looked up by.
    pub key: Option<u128>,
    /// The record.
    pub bytes: Vec<u8>,
}

/// Consecutive records of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneSlice {
    /// First item of the first record. Later than what was asked for when that is trimmed.
    pub first: u64,
    /// The chain before the first record.
    pub chain_before: Chain,
    /// Items and bytes of each record.
    pub records: Vec<(u32, Vec<u8>)>,
    /// The chain after the last record.
    pub chain_after: Chain,
}

/// An item of a lane and a row that begins no later than it: where a search may start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    item: u64,
    row: u64,
}

impl Position {
    pub(crate) const START: Self = Self { item: 0, row: 0 };
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The store's epoch, as of the last committed row.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.tail(|tail| tail.epoch)
    }

    /// Number of the last committed row; 0 when there is none yet.
    #[must_use]
    pub fn last_row(&self) -> u64 {
        self.tail(|tail| tail.last_row)
    }

    /// Number of the first row that is still held; 1 when there is none yet.
    ///
    /// # Errors
    /// [`Error`].
    pub fn first_row(&self) -> Result<u64, Error> {
        Ok(self.look()?.rows.map_or(1, |(first_row, _)| first_row))
    }

    /// Where a lane stands: the next item and the chain, as committed.
    ///
    /// # Errors
    /// [`Error`]; none at present, because the answer is in memory.
    pub fn lane_head(&self, lane: Lane) -> Result<LaneHead, Error> {
        Ok(self.tail(|tail| tail.heads[usize::from(lane.number())]))
    }

    /// First item of a lane that is still held; equal to `lane_head(lane).next` when none is.
    ///
    /// # Errors
    /// [`Error`].
    pub fn lane_first(&self, lane: Lane) -> Result<u64, Error> {
        let look = self.look()?;
        match look.rows {
            Some((first_row, _)) => Ok(look.head(first_row)?.first(lane)),
            None => Ok(LaneHead::START.next),
        }
    }

    /// Whole records of a lane from item `from` on, up to about `bytes_max` bytes and `records_max` records (always
    /// at least one when there is one). `None` when there is nothing from there on. Where `from` is trimmed, from the
    /// first item held; where it is inside a record, from the beginning of that record.
    ///
    /// # Errors
    /// [`Error`].
    pub fn lane(
        &self,
        lane: Lane,
        from: u64,
        bytes_max: usize,
        records_max: usize,
    ) -> Result<Option<LaneSlice>, Error> {
        // What is before the end was on disk when the end was read, and is in a look taken after.
        let end = self.lane_head(lane)?.next;
        let look = self.look()?;
        let Some((first_row, last_row)) = look.rows else { return Ok(None) };
        let mut wanted = from.max(look.head(first_row)?.first(lane));
        let mut row = match self.position(lane, wanted).filter(|row| (first_row..=last_row).contains(row)) {
            Some(row) => row,
            None => look.row_of(lane, wanted, first_row, last_row)?,
        };
        let mut filling = Filling { bytes_max, records_max, bytes: 0, slice: None };
        while wanted < end {
            let full = look.each(row, |head, records| filling.take(lane, wanted, head, records))?;
            wanted = filling.slice.as_ref().map_or(wanted, LaneSlice::next);
            if full || row == last_row {
                break;
            }
            row = look.row_of(lane, wanted, row + 1, last_row)?;
        }
        self.positions()[usize::from(lane.number())] = Position { item: wanted, row };
        Ok(filling.slice)
    }

    /// The chain of a lane after item `item` (which must be the last of a record, or 0); `None` when that is trimmed
    /// or not there.
    ///
    /// # Errors
    /// [`Error`].
    pub fn chain_after(&self, lane: Lane, item: u64) -> Result<Option<Chain>, Error> {
        let head = self.lane_head(lane)?;
        let Some(next) = item.checked_add(1) else { return Ok(None) };
        if next >= head.next {
            return Ok((next == head.next).then_some(head.chain));
        }
        if item == 0 {
            return Ok(Some(Chain::START));
        }
        // The chain after an item is the chain before the next one, which the rows hold.
        let slice = self.lane(lane, next, 0, 1)?;
        Ok(slice.filter(|slice| slice.first == next).map(|slice| slice.chain_before))
    }

    /// All records appended with `key`, in order, as far as they are not trimmed.
    ///
    /// # Errors
    /// [`Error`].
    pub fn by_key(&self, key: u128) -> Result<Vec<StoredRecord>, Error> {
        // First what is not settled, then the look at the disk: rows settled in between are then named twice, never
        // not at all.
        let mut rows: BTreeSet<u64> =
            self.tail(|tail| tail.unsettled.get(&key).into_iter().flatten().copied().collect());
        let look = self.look()?;
        rows.extend(look.view.rows_of_key(&self.shared.path, key)?);
        let Some((first_row, _)) = look.rows else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for row in rows.range(first_row..) {
            look.each(*row, |_, records| {
                found.extend(records.iter().filter(|record| record.key == Some(key)).map(StoredRecord::from));
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// Committed records of whole rows after `row`, in order, until they have about `bytes_max` bytes; at least one
    /// row's when there is one.
    ///
    /// # Errors
    /// [`Error`].
    pub fn rows_after(&self, row: u64, bytes_max: usize) -> Result<Vec<StoredRecord>, Error> {
        let look = self.look()?;
        let Some((first_row, last_row)) = look.rows else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let mut bytes = 0;
        for row in row.saturating_add(1).max(first_row)..=last_row {
            look.each(row, |_, records| {
                bytes += records.iter().map(|record| record.bytes.len()).sum::<usize>();
                found.extend(records.iter().map(StoredRecord::from));
                Ok(())
            })?;
            if bytes >= bytes_max {
                break;
            }
        }
        Ok(found)
    }

    fn tail<T>(&self, look: impl FnOnce(&Tail) -> T) -> T {
        look(&self.shared.tail.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn look(&self) -> Result<Look<'_>, Error> {
        let view = self.shared.view()?;
        let path = &self.shared.path;
        let rows = view.first_row(path)?.zip(view.last_row(path)?);
        Ok(Look { shared: &self.shared, view, rows })
    }

    fn positions(&self) -> MutexGuard<'_, [Position; Lane::ALL.len()]> {
        self.shared.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A row to start the search for `item` at, if one is remembered.
    fn position(&self, lane: Lane, item: u64) -> Option<u64> {
        let position = self.positions()[usize::from(lane.number())];
        (position.item == item).then_some(position.row)
    }
}

impl LaneSlice {
    fn empty(first: u64, chain: Chain) -> Self {
        Self { first, chain_before: chain, records: Vec::new(), chain_after: chain }
    }

    /// The item after the last record.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.first + self.records.iter().map(|(items, _)| u64::from(*items)).sum::<u64>()
    }
}

/// One consistent look at the rows.
struct Look<'a> {
    shared: &'a Shared,
    view: View,
    /// The first and the last row held; all between are.
    rows: Option<(u64, u64)>,
}

/// A record while its row is being read.
struct Seen<'a> {
    row: u64,
    time: Timestamp,
    stamp: Stamp,
    lane: Option<(Lane, u64, u32)>,
    key: Option<u128>,
    bytes: &'a [u8],
}

impl From<&Seen<'_>> for StoredRecord {
    fn from(seen: &Seen<'_>) -> Self {
        Self {
            row: seen.row,
            time: seen.time,
            stamp: seen.stamp,
            lane: seen.lane,
            key: seen.key,
            bytes: seen.bytes.to_vec(),
        }
    }
}

impl Look<'_> {
    /// The head of a row, its records left packed.
    fn head(&self, row: u64) -> Result<RowHead, Error> {
        self.row(row, |stored| row::open_row(stored).map(|(head, _)| head))
    }

    /// What `look` makes of all records of a row.
    fn each<T>(
        &self,
        row: u64,
        look: impl FnOnce(&RowHead, &[Seen<'_>]) -> Result<T, DecodeError>,
    ) -> Result<T, Error> {
        self.row(row, |stored| {
            let (head, plain) = row::read_row(stored)?;
            let sections = row::sections(&plain)?;
            look(&head, &see(&head, &sections)?)
        })
    }

    fn row<T>(&self, row: u64, look: impl FnOnce(&[u8]) -> Result<T, DecodeError>) -> Result<T, Error> {
        let path = &self.shared.path;
        let corrupt = |reason: String| Error::CorruptRow { path: path.clone(), row, reason };
        match self.view.row(path, row, look)? {
            Some(seen) => seen.map_err(|error| corrupt(error.to_string())),
            None => Err(corrupt("it is missing".to_owned())),
        }
    }

    /// The last row from `low` to `high` before which the lane stood at or below `item`: the one that has the item,
    /// if any has. Before `low` it must have stood there.
    ///
    /// A row without records of the lane stands where the next one does, so of rows that stand alike the last one
    /// has the item.
    fn row_of(&self, lane: Lane, item: u64, low: u64, high: u64) -> Result<u64, Error> {
        // Whoever reads on finds the next item in the next row more often than not.
        let head = self.head(low)?;
        if head.first(lane) == item && head.chain_before(lane).is_some() {
            return Ok(low);
        }
        let (mut low, mut high) = (low, high);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if self.head(middle)?.first(lane) <= item {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        Ok(low)
    }
}

/// A slice being filled.
struct Filling {
    bytes_max: usize,
    records_max: usize,
    bytes: usize,
    slice: Option<LaneSlice>,
}

impl Filling {
    /// Takes the records of a row that have items from `wanted` on; says whether no more fit.
    fn take(
        &mut self,
        lane: Lane,
        wanted: u64,
        head: &RowHead,
        records: &[Seen<'_>],
    ) -> Result<bool, DecodeError> {
        let mut chain = head.chain_before(lane);
        for record in records {
            let Some((_, first, items)) = record.lane.filter(|place| place.0 == lane) else { continue };
            let before = chain.ok_or_else(|| DecodeError::BadBody("a lane without its chain".to_owned()))?;
            let after = before.after(items, record.bytes);
            chain = Some(after);
            if first + u64::from(items) <= wanted {
                continue;
            }
            let slice = self.slice.get_or_insert_with(|| LaneSlice::empty(first, before));
            let full =
                slice.records.len() >= self.records_max || self.bytes + record.bytes.len() > self.bytes_max;
            if full && !slice.records.is_empty() {
                return Ok(true);
            }
            self.bytes += record.bytes.len();
            slice.records.push((items, record.bytes.to_vec()));
            slice.chain_after = after;
        }
        Ok(false)
    }
}

fn see<'a>(head: &RowHead, sections: &[Section<'a>]) -> Result<Vec<Seen<'a>>, DecodeError> {
    let mut places = Places::before(head);
    let mut seen = Vec::with_capacity(sections.iter().map(|section| section.entries.len()).sum());
    for section in sections {
        for entry in &section.entries {
            seen.push(Seen {
                row: head.number,
                time: section.time,
                stamp: section.stamp,
                lane: places.next(entry)?,
                key: entry.2.map(u128::from),
                bytes: entry.3,
            });
        }
    }
    Ok(seen)
}
