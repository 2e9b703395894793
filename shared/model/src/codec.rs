//! The one envelope around everything stored and sent: magic, format version, kind, size, checksum; CBOR inside.
//!
//! ```text
//! offset 0  2 bytes  magic "TG"
//!        2  1 byte   format version, 1
//!        3  1 byte   kind of content (see Kind)
//!        4  1 byte   flags (bit 0: the body is a zstd frame, packed and unpacked by the layer above)
//!        5  3 bytes  reserved, 0
//!        8  4 bytes  length of the body, little-endian
//!       12  4 bytes  CRC-32 (IEEE) of bytes 0..12 and of the body, little-endian
//!       16           body
//! ```
//! A decoder is given the most it may take. What it allocates is bounded by what it is given
//! ([`DECODE_BYTES_PER_INPUT_BYTE_MAX`], [`DECODE_BYTES_BASE_MAX`]), never by what the bytes say of themselves, and it
//! does not go deeper than [`PAYLOAD_DEPTH_MAX`](crate::limits::PAYLOAD_DEPTH_MAX).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::DECODE_REASON_BYTES_MAX;
#[cfg(doc)]
use crate::limits::{DECODE_BYTES_BASE_MAX, DECODE_BYTES_PER_INPUT_BYTE_MAX};

/// Bytes of the envelope before the body.
pub const HEADER_BYTES: usize = 16;
/// Bit 0 of the flags: the body is a zstd frame.
pub const FLAG_ZSTD: u8 = 1;
const MAGIC: [u8; 2] = *b"TG";
const VERSION: u8 = 1;

/// What an envelope holds. Numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A row of the log.
    Row = 1,
    /// A snapshot of the machines' state.
    Snapshot = 2,
    /// [`crate::replication::Hello`].
    Hello = 16,
    /// [`crate::replication::HelloReply`].
    HelloReply = 17,
    /// [`crate::replication::Batch`].
    Batch = 18,
    /// [`crate::replication::BatchReply`].
    BatchReply = 19,
    /// [`crate::replication::Downlink`].
    Downlink = 20,
    /// [`crate::replication::Refusal`].
    Refusal = 21,
    /// What a caller of the API is given to bring back.
    ApiToken = 32,
}

/// Why bytes were not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// Larger than the reader takes.
    TooLarge {
        /// Bytes there are.
        bytes: usize,
        /// Bytes taken at most.
        cap: usize,
    },
    /// Cut short, or not an envelope at all.
    NotAnEnvelope,
    /// Written by a release this one does not know.
    UnknownVersion(u8),
    /// Something else is in it.
    WrongKind {
        /// What it says it is.
        found: u8,
        /// What was expected.
        expected: u8,
    },
    /// The checksum does not match: torn, or rotten.
    BadChecksum,
    /// The envelope is whole, but the CBOR in it is not what it should be.
    BadBody(String),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, cap } => write!(f, "{bytes} bytes where at most {cap} are taken"),
            Self::NotAnEnvelope => f.write_str("not a Tidegate envelope, or cut short"),
            Self::UnknownVersion(version) => {
                write!(f, "format version {version}, this release reads version {VERSION}")
            }
            Self::WrongKind { found, expected } => write!(f, "content kind {found} where {expected} belongs"),
            Self::BadChecksum => f.write_str("the checksum does not match"),
            Self::BadBody(reason) => write!(f, "the content is not understood: {reason}"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// A value in its envelope.
///
/// # Panics
/// When the value cannot be CBOR. The model's types all can: maps have text keys, and lengths are known.
#[must_use]
pub fn encode<T: Serialize>(kind: Kind, value: &T) -> Vec<u8> {
    seal(kind, 0, &to_cbor(value))
}

/// A body in its envelope. `flags` are the caller's.
///
/// # Panics
/// When the body has 4 GiB or more; every cap is far below.
#[must_use]
pub fn seal(kind: Kind, flags: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("bodies are capped far below 4 GiB");
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[VERSION, kind as u8, flags, 0, 0, 0]);
    bytes.extend_from_slice(&length.to_le_bytes());
    let crc = checksum(&bytes, body);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Checks an envelope and gives its flags and body.
///
/// # Errors
/// All of [`DecodeError`] but `BadBody`.
pub fn open(kind: Kind, bytes: &[u8], cap: usize) -> Result<(u8, &[u8]), DecodeError> {
    if bytes.len() > cap {
        return Err(DecodeError::TooLarge { bytes: bytes.len(), cap });
    }
    let (header, body) = bytes.split_at_checked(HEADER_BYTES).ok_or(DecodeError::NotAnEnvelope)?;
    if header[0..2] != MAGIC {
        return Err(DecodeError::NotAnEnvelope);
    }
    if header[2] != VERSION {
        return Err(DecodeError::UnknownVersion(header[2]));
    }
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if usize::try_from(number(8)) != Ok(body.len()) {
        return Err(DecodeError::NotAnEnvelope);
    }
    if checksum(&header[0..12], body) != number(12) {
        return Err(DecodeError::BadChecksum);
    }
    if header[3] != kind as u8 {
        return Err(DecodeError::WrongKind { found: header[3], expected: kind as u8 });
    }
    Ok((header[4], body))
}

/// The value in an envelope.
///
/// # Errors
/// All of [`DecodeError`].
pub fn decode<T: DeserializeOwned>(kind: Kind, bytes: &[u8], cap: usize) -> Result<T, DecodeError> {
    let (_, body) = open(kind, bytes, cap)?;
    from_cbor(body)
}

/// A value in CBOR, without an envelope: for records inside an enveloped row or batch.
///
/// # Panics
/// See [`encode`].
#[must_use]
pub fn to_cbor<T: Serialize>(value: &T) -> Vec<u8> {
    serde_cbor::to_vec(value).expect("the model's types have a CBOR form")
}

/// A value from CBOR. The slice must end where the value does. Keys that this release does not know are passed over.
///
/// # Errors
/// [`DecodeError::BadBody`], with the beginning of the decoder's reason.
pub fn from_cbor<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    serde_cbor::from_slice(bytes).map_err(|error| {
        let mut reason = error.to_string();
        reason.truncate(reason.floor_char_boundary(DECODE_REASON_BYTES_MAX));
        DecodeError::BadBody(reason)
    })
}

fn checksum(header: &[u8], body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(header);
    crc.update(body);
    crc.finalize()
}
