//! Rows: what one group commit puts on disk, byte for byte as docs/storage.md says. Nothing here touches a disk.

use serde::{Deserialize, Serialize};
use serde_bytes::Bytes;
use sha2::{Digest, Sha256};
use tidegate_model::codec::{self, DecodeError, FLAG_ZSTD, Kind};
use tidegate_model::id::Epoch;
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::limits::ROW_BYTES_MAX;
use tidegate_model::time::{Stamp, Timestamp};

/// How far a lane has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneHead {
    /// Number of the next item; the first is 1.
    pub next: u64,
    /// The chain after the last record.
    pub chain: Chain,
}

impl LaneHead {
    /// A lane with nothing in it.
    pub const START: Self = Self { next: 1, chain: Chain::START };
}

/// Where all lanes stand, by lane number.
pub(crate) type Heads = [LaneHead; Lane::ALL.len()];

/// Shorter than this, a zstd frame is never smaller.
const PACK_BYTES_MIN: usize = 64;
/// zstd level. Level 3 is no smaller on rows and costs half as much time again.
const PACK_LEVEL: i32 = 1;

/// SHA-256 of the stored bytes of a row: what the next row points back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RowHash(#[serde(with = "serde_bytes")] [u8; 32]);

impl RowHash {
    /// What the first row points back to.
    pub(crate) const NONE: Self = Self([0; 32]);

    pub(crate) fn of(stored: &[u8]) -> Self {
        Self(Sha256::digest(stored).into())
    }
}

/// What can be known of a row without unpacking its records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RowHead {
    /// Its number, from 1, dense.
    #[serde(rename = "n")]
    pub(crate) number: u64,
    /// Hash of the row before it.
    #[serde(rename = "p")]
    pub(crate) previous: RowHash,
    /// The store's epoch after this row.
    #[serde(rename = "e")]
    pub(crate) epoch: Epoch,
    /// Engine time of its last turn.
    #[serde(rename = "t")]
    pub(crate) time: Timestamp,
    /// Where each lane stood before this row.
    #[serde(rename = "l")]
    pub(crate) lanes: Vec<LaneMark>,
    /// Bytes of the packed part, unpacked.
    #[serde(rename = "u")]
    pub(crate) unpacked_bytes: u32,
}

/// Where a lane stood before a row: the next item, and the chain if the row has records of the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LaneMark(pub(crate) Lane, pub(crate) u64, pub(crate) Option<Chain>);

impl RowHead {
    /// The next item of a lane before this row.
    pub(crate) fn first(&self, lane: Lane) -> u64 {
        self.mark(lane).map_or(LaneHead::START.next, |mark| mark.1)
    }

    /// The chain of a lane before this row, if the row has records of it.
    pub(crate) fn chain_before(&self, lane: Lane) -> Option<Chain> {
        self.mark(lane).and_then(|mark| mark.2)
    }

    fn mark(&self, lane: Lane) -> Option<&LaneMark> {
        self.lanes.iter().find(|mark| mark.0 == lane)
    }
}

/// What one turn appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Section<'a> {
    /// The store's epoch in this turn.
    #[serde(rename = "e")]
    pub(crate) epoch: Epoch,
    /// Engine time of the turn.
    #[serde(rename = "t")]
    pub(crate) time: Timestamp,
    /// The clocks of the turn.
    #[serde(rename = "s")]
    pub(crate) stamp: Stamp,
    /// Its records, in order.
    #[serde(rename = "x", borrow)]
    pub(crate) entries: Vec<Entry<'a>>,
}

/// One record: lane, items, key, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry<'a>(
    pub(crate) Option<Lane>,
    pub(crate) u32,
    pub(crate) Option<Key>,
    #[serde(borrow)] pub(crate) &'a Bytes,
);

/// A key as it is stored: 16 bytes, big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key(#[serde(with = "serde_bytes")] [u8; 16]);

impl From<u128> for Key {
    fn from(key: u128) -> Self {
        Self(key.to_be_bytes())
    }
}

impl From<Key> for u128 {
    fn from(key: Key) -> Self {
        Self::from_be_bytes(key.0)
    }
}

/// Turns values into stored bytes; keeps the compressor's memory between rows.
pub(crate) struct Packer {
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl Packer {
    pub(crate) fn new() -> Self {
        // Without memory for a compressor rows are stored as they are: larger, and as good.
        Self { zstd: zstd::bulk::Compressor::new(PACK_LEVEL).ok() }
    }

    /// A packer that leaves everything as it is: its bytes do not change with zstd's releases.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { zstd: None }
    }

    /// An envelope of `[head, packed]`, where `head` is told how many bytes the packed part has.
    pub(crate) fn seal<H: Serialize>(&mut self, kind: Kind, head: &H, plain: &[u8]) -> Vec<u8> {
        match self.smaller(plain) {
            Some(packed) => codec::seal(kind, FLAG_ZSTD, &codec::to_cbor(&(head, Bytes::new(&packed)))),
            None => codec::seal(kind, 0, &codec::to_cbor(&(head, Bytes::new(plain)))),
        }
    }

    fn smaller(&mut self, plain: &[u8]) -> Option<Vec<u8>> {
        if plain.len() < PACK_BYTES_MIN {
            return None;
        }
        let packed = self.zstd.as_mut()?.compress(plain).ok()?;
        (packed.len() < plain.len()).then_some(packed)
    }
}

/// The parts of an envelope made by [`Packer::seal`], checksum checked, the packed part still packed.
pub(crate) fn open<'a, H: Deserialize<'a>>(
    kind: Kind,
    stored: &'a [u8],
    cap: usize,
) -> Result<(H, Packed<'a>), DecodeError> {
    let (flags, body) = codec::open(kind, stored, cap)?;
    let (head, bytes): (H, &'a Bytes) =
        serde_cbor::from_slice(body).map_err(|error| DecodeError::BadBody(error.to_string()))?;
    match flags {
        0 => Ok((head, Packed { bytes, zstd: false })),
        FLAG_ZSTD => Ok((head, Packed { bytes, zstd: true })),
        other => Err(DecodeError::BadBody(format!("flags {other:#04x} are not known to this release"))),
    }
}

/// The second part of an envelope.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packed<'a> {
    bytes: &'a [u8],
    zstd: bool,
}

impl Packed<'_> {
    /// The plain bytes, which must be `expected` many and no more than `cap`.
    pub(crate) fn unpack(&self, expected: usize, cap: usize) -> Result<Vec<u8>, DecodeError> {
        if expected > cap {
            return Err(DecodeError::TooLarge { bytes: expected, cap });
        }
        let plain = if self.zstd {
            zstd::bulk::decompress(self.bytes, expected)
                .map_err(|error| DecodeError::BadBody(format!("it does not decompress: {error}")))?
        } else {
            self.bytes.to_vec()
        };
        if plain.len() == expected {
            Ok(plain)
        } else {
            Err(DecodeError::BadBody(format!("{} bytes where {expected} are announced", plain.len())))
        }
    }
}

/// A row's head and its packed records.
pub(crate) fn open_row(stored: &[u8]) -> Result<(RowHead, Packed<'_>), DecodeError> {
    open(Kind::Row, stored, ROW_BYTES_MAX)
}

/// A row's head and its plain records, for [`sections`].
pub(crate) fn read_row(stored: &[u8]) -> Result<(RowHead, Vec<u8>), DecodeError> {
    let (head, packed) = open_row(stored)?;
    let expected =
        usize::try_from(head.unpacked_bytes).expect("32 bits fit a usize on every target we build for");
    let plain = packed.unpack(expected, ROW_BYTES_MAX)?;
    Ok((head, plain))
}

/// What the turns of a row appended.
pub(crate) fn sections(plain: &[u8]) -> Result<Vec<Section<'_>>, DecodeError> {
    serde_cbor::from_slice(plain).map_err(|error| DecodeError::BadBody(error.to_string()))
}

/// Gives the records of a row their numbers in their lanes, in the order in which they stand in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places([u64; Lane::ALL.len()]);

impl Places {
    /// Before the first record of a row.
    pub(crate) fn before(head: &RowHead) -> Self {
        Self(Lane::ALL.map(|lane| head.first(lane)))
    }

    /// The lane of the next record, the number of its first item, and how many it has.
    pub(crate) fn next(&mut self, entry: &Entry<'_>) -> Result<Option<(Lane, u64, u32)>, DecodeError> {
        let refuse = |what: &str| Err(DecodeError::BadBody(what.to_owned()));
        match (entry.0, entry.1) {
            (None, 0) => Ok(None),
            (None, _) => refuse("a record counts items and has no lane"),
            (Some(_), 0) => refuse("a record of a lane has no items"),
            (Some(lane), items) => {
                let next = &mut self.0[usize::from(lane.number())];
                let first = *next;
                match first.checked_add(u64::from(items)) {
                    Some(after) => *next = after,
                    None => return refuse("a lane has more items than there are numbers"),
                }
                Ok(Some((lane, first, items)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
