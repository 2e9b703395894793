//! What a lane sends next: rows of the log, put into an envelope as they are, and how much of them at once.

use std::collections::VecDeque;

use serde_bytes::ByteBuf;
use tidegate_log::{LaneSlice, Reader};
use tidegate_model::codec::{self, FLAG_ZSTD, Kind};
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::limits::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, GROUP_COMMIT_BYTES_MAX};
use tidegate_model::replication::{Batch, BatchRecord, Gap, GapReason};
use tidegate_model::time::Stamp;

/// zstd level: the lowest costs least time, and a higher one saves 4 % on the wire.
const PACK_LEVEL: i32 = 1;
/// A batch is not made smaller than this, so that a slow link does not pay a round trip for each reading.
const SIZE_BYTES_MIN: usize = 4 * 1024;
/// Records read at once, at most; of bytes it is as many as a row has at most.
const STOCK_RECORDS_MAX: usize = 4 * BATCH_RECORDS_MAX;

/// A batch that is ready to go. It goes as often as it must, the same bytes each time.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The last item, and the chain after it: where the lane stands once it is acknowledged.
    pub(super) last: u64,
    pub(super) chain: Chain,
    pub(super) records: usize,
    /// More waits behind it.
    pub(super) full: bool,
    pub(super) sealed: Vec<u8>,
}

/// Makes batches of one lane. Costs two megabytes while it lives, so an idle lane has none.
pub(super) struct Packer {
    reader: Reader,
    lane: Lane,
    stock: Stock,
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

/// Records that were read and are not sent yet. A row of the log can hold several batches, and unpacking it is most of
/// the work.
#[derive(Debug)]
struct Stock {
    /// Number of the first item, and the chain before it.
    first: u64,
    chain: Chain,
    records: VecDeque<(u32, Vec<u8>)>,
    /// Number of the item behind the last, and the chain before that.
    end: u64,
    end_chain: Chain,
    bytes: usize,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("lane", &self.lane).finish_non_exhaustive()
    }
}

impl Packer {
    pub(super) fn new(reader: Reader, lane: Lane) -> Self {
        // Without memory for a compressor batches go as they are: larger, and as good.
        let zstd = zstd::bulk::Compressor::new(PACK_LEVEL).ok();
        Self { reader, lane, stock: Stock::empty(1, Chain::START), zstd }
    }

    /// The batch after item `acked`; `None` when there is nothing. Blocks on the disk.
    pub(super) fn next(
        &mut self,
        acked: u64,
        size: Size,
        sent: Stamp,
    ) -> Result<Option<Outgoing>, tidegate_log::Error> {
        let wanted = acked + 1;
        if self.stock.first != wanted || self.stock.records.is_empty() {
            self.stock = match self.read(wanted)? {
                Some(slice) => Stock::of(slice),
                None => {
                    let head = self.reader.lane_head(self.lane)?;
                    if head.next <= wanted {
                        return Ok(None);
                    }
                    // All that was to be sent is trimmed; what is left to say is that.
                    Stock::empty(head.next, head.chain)
                }
            };
        }
        while !self.stock.fills(size) {
            match self.read(self.stock.end)? {
                Some(more) if more.first == self.stock.end => self.stock.extend(more),
                Some(_) | None => break,
            }
        }
        let batch = self.take(wanted, size, sent);
        Ok(Some(Outgoing {
            last: self.stock.first - 1,
            chain: batch.chain_after,
            records: batch.records.len(),
            full: !self.stock.records.is_empty(),
            sealed: self.seal(&batch),
        }))
    }

    fn read(&self, from: u64) -> Result<Option<LaneSlice>, tidegate_log::Error> {
        self.reader.lane(self.lane, from, GROUP_COMMIT_BYTES_MAX, STOCK_RECORDS_MAX)
    }

    fn take(&mut self, wanted: u64, size: Size, sent: Stamp) -> Batch {
        let Stock { first, chain: chain_before, .. } = self.stock;
        // Only what was acknowledged is trimmed. Where it is wanted again, the bridge was put back.
        let gap =
            (first > wanted).then(|| Gap { from: wanted, to: first - 1, reason: GapReason::TrimmedAfterAck });
        let mut records = Vec::new();
        let mut bytes = 0;
        while let Some((items, record)) = self.stock.take(|record| {
            records.is_empty() || (records.len() < size.records && bytes + record.len() <= size.bytes)
        }) {
            bytes += record.len();
            records.push(BatchRecord { items, bytes: ByteBuf::from(record) });
        }
        Batch { first, chain_before, gap, records, chain_after: self.stock.chain, sent }
    }

    fn seal(&mut self, batch: &Batch) -> Vec<u8> {
        let plain = codec::to_cbor(batch);
        let packed = self.zstd.as_mut().and_then(|zstd| zstd.compress(&plain).ok());
        match packed.filter(|packed| packed.len() < plain.len()) {
            Some(packed) => codec::seal(Kind::Batch, FLAG_ZSTD, &packed),
            None => codec::seal(Kind::Batch, 0, &plain),
        }
    }
}

impl Stock {
    fn empty(first: u64, chain: Chain) -> Self {
        Self { first, chain, records: VecDeque::new(), end: first, end_chain: chain, bytes: 0 }
    }

    fn of(slice: LaneSlice) -> Self {
        let mut stock = Self::empty(slice.first, slice.chain_before);
        stock.extend(slice);
        stock
    }

    fn extend(&mut self, slice: LaneSlice) {
        self.end = slice.next();
        self.end_chain = slice.chain_after;
        self.bytes += slice.records.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        self.records.extend(slice.records);
    }

    /// Whether a batch of this size leaves something.
    fn fills(&self, size: Size) -> bool {
        self.bytes > size.bytes || self.records.len() > size.records
    }

    /// The first record, if it fits.
    fn take(&mut self, fits: impl FnOnce(&[u8]) -> bool) -> Option<(u32, Vec<u8>)> {
        self.records.front().filter(|(_, bytes)| fits(bytes))?;
        let (items, bytes) = self.records.pop_front()?;
        self.first += u64::from(items);
        self.bytes -= bytes.len();
        self.chain = self.chain.after(items, &bytes);
        if self.records.is_empty() {
            assert_eq!(
                (self.first, self.chain),
                (self.end, self.end_chain),
                "the log says the same of its records"
            );
        }
        Some((items, bytes))
    }
}

/// How much goes into a batch: less after what was too much, more after what went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    bytes: usize,
    records: usize,
}

impl Size {
    pub(super) const MAX: Self = Self { bytes: BATCH_BYTES_MAX, records: BATCH_RECORDS_MAX };

    /// This batch was too large, took too long, or has something in it that is not right: half of it next time.
    pub(super) fn halve(&mut self, batch: &Outgoing) {
        self.bytes = (self.bytes / 2).max(SIZE_BYTES_MIN);
        self.records = (batch.records / 2).max(1);
    }

    /// It went well.
    pub(super) fn grow(&mut self) {
        self.bytes = (self.bytes * 2).min(BATCH_BYTES_MAX);
        self.records = (self.records * 2).min(BATCH_RECORDS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_shrinks_to_one_record_and_grows_back() {
        let mut size = Size::MAX;
        let batch =
            |records| Outgoing { last: 0, chain: Chain::START, records, full: true, sealed: Vec::new() };
        size.halve(&batch(7));
        assert_eq!(size.records, 3);
        for _ in 0..20 {
            size.halve(&batch(size.records));
        }
        assert_eq!(size, Size { bytes: SIZE_BYTES_MIN, records: 1 });
        for _ in 0..20 {
            size.grow();
        }
        assert_eq!(size, Size::MAX);
    }
}
