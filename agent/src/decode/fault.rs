//! Why a payload is no reading, in words for whoever looks at the dead letter.

use std::fmt;

use tidegate_model::limits;

use super::pointer::Pointer;
use super::tree::Tree;

/// A part of a reading, as a pipeline file names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// What was measured.
    Value,
    /// The source's stamp.
    Time,
    /// The unit.
    Unit,
    /// The source's session.
    Session,
    /// The number within the session.
    Sequence,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value => "value",
            Self::Time => "time",
            Self::Unit => "unit",
            Self::Session => "session",
            Self::Sequence => "sequence",
        })
    }
}

/// Why a message could not become a reading.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DecodeFault {
    /// A payload of 0 bytes: on a retained topic, the way to clear it.
    #[error("the payload is empty")]
    Empty,
    /// Beyond [`limits::MQTT_PAYLOAD_BYTES_MAX`].
    #[error("the payload has more than {} bytes; send less at a time", limits::MQTT_PAYLOAD_BYTES_MAX)]
    TooLarge,
    /// JSON is UTF-8.
    #[error("the payload is not UTF-8 text: byte {at} is wrong; is it CBOR?")]
    NotUtf8 {
        /// Where, from 0.
        at: usize,
    },
    /// Beyond [`limits::PAYLOAD_DEPTH_MAX`].
    #[error("the payload is nested deeper than {} levels", limits::PAYLOAD_DEPTH_MAX)]
    TooDeep,
    /// Not the format at all, or not the form of our own payload.
    #[error("the payload is not understood as {format}: {reason}")]
    Malformed {
        /// JSON or CBOR.
        format: &'static str,
        /// The parser's reason.
        reason: String,
    },
    /// A pointer leads nowhere.
    #[error("{field}: there is nothing at {pointer:?} in the payload")]
    NothingThere {
        /// Which part.
        field: Field,
        /// Where it was looked for.
        pointer: String,
    },
    /// A pointer leads to something else.
    #[error("{field}: at {pointer:?} is {found}, expected {expected}")]
    WrongType {
        /// Which part.
        field: Field,
        /// Where.
        pointer: String,
        /// What is there.
        found: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// NaN or infinite, which CBOR can say.
    #[error("{field}: {number} is not a finite number; a source without a value sends null")]
    NotFinite {
        /// Which part.
        field: Field,
        /// What it is.
        number: f64,
    },
    /// Beyond [`limits::READING_TEXT_BYTES_MAX`].
    #[error("{field}: the text has {bytes} bytes, at most {} are kept", limits::READING_TEXT_BYTES_MAX)]
    TextTooLong {
        /// Which part.
        field: Field,
        /// How many.
        bytes: usize,
    },
    /// Beyond [`limits::READING_VALUES_MAX`].
    #[error("value: the list has {values} numbers, at most {} make one reading", limits::READING_VALUES_MAX)]
    TooManyValues {
        /// How many.
        values: usize,
    },
    /// The topic names no source or channel.
    #[error("the topic does not name a reading: {reason}")]
    Topic {
        /// In words.
        reason: String,
    },
}

impl DecodeFault {
    pub(super) fn wrong(field: Field, pointer: &Pointer, found: &Tree, expected: &'static str) -> Self {
        Self::WrongType { field, pointer: pointer.to_string(), found: found.in_words(), expected }
    }
}
