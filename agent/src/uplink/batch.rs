//! What a lane sends next: rows of the log, put into an envelope as they are, and how much of them at once.

use serde_bytes::ByteBuf;
use tidegate_log::{LaneSlice, Reader};
use tidegate_model::codec::{self, FLAG_ZSTD, Kind};
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::limits::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX};
use tidegate_model::replication::{Batch, BatchRecord, Gap, GapReason};
use tidegate_model::time::Stamp;

/// zstd level: the lowest costs least time, and a higher one saves 4 % on the wire.
const PACK_LEVEL: i32 = 1;
/// A batch is not made smaller than this, so that a slow link does not pay a round trip for each reading.
const SIZE_BYTES_MIN: usize = 4 * 1024;

/// A batch that is ready to go. It goes as often as it must, the same bytes each time.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The last item, and the chain after it: where the lane stands once it is acknowledged.
    pub(super) last: u64,
    pub(super) chain: Chain,
    pub(super) records: usize,
    /// It is as large as it may be: more waits behind it.
    pub(super) full: bool,
    pub(super) sealed: Vec<u8>,
}

/// Makes batches of one lane. Costs a megabyte while it lives, so an idle lane has none.
pub(super) struct Packer {
    reader: Reader,
    lane: Lane,
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("lane", &self.lane).finish_non_exhaustive()
    }
}

impl Packer {
    pub(super) fn new(reader: Reader, lane: Lane) -> Self {
        // Without memory for a compressor batches go as they are: larger, and as good.
        Self { reader, lane, zstd: zstd::bulk::Compressor::new(PACK_LEVEL).ok() }
    }

    /// The batch after item `acked`; `None` when there is nothing. Blocks on the disk.
    pub(super) fn next(
        &mut self,
        acked: u64,
        size: Size,
        sent: Stamp,
    ) -> Result<Option<Outgoing>, tidegate_log::Error> {
        let wanted = acked + 1;
        let slice = match self.reader.lane(self.lane, wanted, size.bytes, size.records)? {
            Some(slice) => slice,
            None => {
                let head = self.reader.lane_head(self.lane)?;
                if head.next <= wanted {
                    return Ok(None);
                }
                // All that was to be sent is trimmed; what is left to say is that.
                LaneSlice {
                    first: head.next,
                    chain_before: head.chain,
                    records: Vec::new(),
                    chain_after: head.chain,
                }
            }
        };
        Ok(Some(self.pack(wanted, slice, size, sent)))
    }

    fn pack(&mut self, wanted: u64, slice: LaneSlice, size: Size, sent: Stamp) -> Outgoing {
        // Only what was acknowledged is trimmed. Where it is wanted again, the bridge was put back.
        let gap = (slice.first > wanted).then(|| Gap {
            from: wanted,
            to: slice.first - 1,
            reason: GapReason::TrimmedAfterAck,
        });
        let last = slice.next() - 1;
        let bytes: usize = slice.records.iter().map(|(_, bytes)| bytes.len()).sum();
        let records: Vec<BatchRecord> = slice
            .records
            .into_iter()
            .map(|(items, bytes)| BatchRecord { items, bytes: ByteBuf::from(bytes) })
            .collect();
        let batch = Batch {
            first: slice.first,
            chain_before: slice.chain_before,
            gap,
            records,
            chain_after: slice.chain_after,
            sent,
        };
        Outgoing {
            last,
            chain: slice.chain_after,
            records: batch.records.len(),
            full: batch.records.len() >= size.records || bytes >= size.bytes / 4 * 3,
            sealed: self.seal(&batch),
        }
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
