//! Reading what is committed, from any thread, beside the commit loop. Never sees what is not on disk.

use tidegate_model::id::Epoch;
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::time::{Stamp, Timestamp};

use crate::row::LaneHead;
use crate::store::Error;

/// A reader of committed rows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    _private: (),
}

/// A record as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// The row it is in.
    pub row: u64,
    /// Engine time of the row.
    pub time: Timestamp,
    /// The clocks of the row.
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

impl Reader {
    /// The store's epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        todo!()
    }

    /// Where a lane stands: the next item and the chain, as committed.
    ///
    /// # Errors
    /// [`Error`].
    pub fn lane_head(&self, lane: Lane) -> Result<LaneHead, Error> {
        let _ = lane;
        todo!()
    }

    /// First item of a lane that is still held; equal to `lane_head(lane).next` when none is.
    ///
    /// # Errors
    /// [`Error`].
    pub fn lane_first(&self, lane: Lane) -> Result<u64, Error> {
        let _ = lane;
        todo!()
    }

    /// Whole records of a lane from item `from` on, up to about `bytes_max` bytes and `records_max` records (always
    /// at least one when there is one). `None` when there is nothing from there on. `from` must be the first item of
    /// a record, or be trimmed.
    ///
    /// # Errors
    /// [`Error`].
    pub fn lane(&self, lane: Lane, from: u64, bytes_max: usize, records_max: usize) -> Result<Option<LaneSlice>, Error> {
        let _ = (lane, from, bytes_max, records_max);
        todo!()
    }

    /// The chain of a lane after item `item` (which must be the last of a record, or 0); `None` when that is trimmed
    /// or not there.
    ///
    /// # Errors
    /// [`Error`].
    pub fn chain_after(&self, lane: Lane, item: u64) -> Result<Option<Chain>, Error> {
        let _ = (lane, item);
        todo!()
    }

    /// All records appended with `key`, in order.
    ///
    /// # Errors
    /// [`Error`].
    pub fn by_key(&self, key: u128) -> Result<Vec<StoredRecord>, Error> {
        let _ = key;
        todo!()
    }

    /// Committed records of rows after `row`, in order, up to about `bytes_max` bytes.
    ///
    /// # Errors
    /// [`Error`].
    pub fn rows_after(&self, row: u64, bytes_max: usize) -> Result<Vec<StoredRecord>, Error> {
        let _ = (row, bytes_max);
        todo!()
    }
}
