//! Readings: what sensors said, when they said it, and when the gateway heard it.
//!
//! A reading keeps the stamps it came with; UTC is derived elsewhere. Readings travel and rest in blocks, one per
//! group commit, numbered densely in the samples lane: reading N of epoch E is one thing for ever.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::id::{Channel, SourceId};
use crate::limits::READING_VALUES_MAX;
use crate::time::{Stamp, Timestamp};

/// One reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// What it comes from.
    #[serde(rename = "s")]
    pub source: SourceId,
    /// Which quantity.
    #[serde(rename = "c")]
    pub channel: Channel,
    /// What was measured.
    #[serde(rename = "v")]
    pub value: Value,
    /// As the source wrote it (UCUM where the source knows better); empty when it said nothing.
    #[serde(rename = "u", default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// The source's own stamp, untouched.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub source_stamp: Option<SourceStamp>,
    /// The source's own identity for this reading, by which a redelivery is recognised.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Nanoseconds from the block's stamp to this reading's arrival (negative: earlier).
    #[serde(rename = "d", default)]
    pub received_ns: i64,
    /// How far to trust it.
    #[serde(rename = "k", default, skip_serializing_if = "Quality::is_good")]
    pub quality: Quality,
}

/// What was measured. A reading whose sensor is off is `Missing`, not absent and not zero.
///
/// Stored and sent bare: as the boolean, number, text, list or null it is. An integer beyond `i64` becomes a number.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A switch, a contact.
    Bool(bool),
    /// A count.
    Int(i64),
    /// A measure. Finite: `NaN` and infinities are refused where payloads are decoded.
    Number(f64),
    /// A state (`"open"`).
    Text(String),
    /// A waveform, or several axes.
    Vector(Vec<f64>),
    /// The source reported, and had no value (`null`).
    Missing,
}

impl Value {
    /// The value as a number, where it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            #[expect(
                clippy::cast_precision_loss,
                reason = "counts above 2^53 lose their last bits in a mean anyway"
            )]
            Self::Int(n) => Some(*n as f64),
            Self::Bool(b) => Some(f64::from(u8::from(*b))),
            Self::Text(_) | Self::Vector(_) | Self::Missing => None,
        }
    }
}

// By hand: what serde derives for an untagged enum first copies the input into a tree, where each level of a nested
// list may take a megabyte on its word.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;
        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a boolean, a number, a text, a list of numbers or null")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Int(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
                Ok(i64::try_from(value).map_or_else(|_| Value::Number(beyond_i64(value)), Value::Int))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
                Ok(Value::Number(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
                Ok(Value::Text(String::from(value)))
            }
            fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
                Ok(Value::Text(value))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
                Ok(Value::Missing)
            }
            fn visit_none<E: de::Error>(self) -> Result<Value, E> {
                Ok(Value::Missing)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
                let claimed = list.size_hint().unwrap_or(0);
                let mut values = Vec::with_capacity(claimed.min(READING_VALUES_MAX));
                while let Some(value) = list.next_element()? {
                    values.push(value);
                }
                Ok(Value::Vector(values))
            }
        }
        deserializer.deserialize_any(ValueVisitor)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a source that counts beyond 2^63 keeps its first 53 bits")]
fn beyond_i64(value: u64) -> f64 {
    value as f64
}

/// The stamp a source sent, in the form it sent it. Stored and sent bare, as [`Value`] is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SourceStamp {
    /// Seconds, milliseconds, ticks: whatever the source counts.
    Int(i64),
    /// Seconds with a fraction.
    Number(f64),
    /// A date and time in some form.
    Text(String),
}

impl<'de> Deserialize<'de> for SourceStamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StampVisitor;
        impl Visitor<'_> for StampVisitor {
            type Value = SourceStamp;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a text")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<SourceStamp, E> {
                Ok(SourceStamp::Int(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<SourceStamp, E> {
                Ok(i64::try_from(value)
                    .map_or_else(|_| SourceStamp::Number(beyond_i64(value)), SourceStamp::Int))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<SourceStamp, E> {
                Ok(SourceStamp::Number(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<SourceStamp, E> {
                Ok(SourceStamp::Text(String::from(value)))
            }
            fn visit_string<E: de::Error>(self, value: String) -> Result<SourceStamp, E> {
                Ok(SourceStamp::Text(value))
            }
        }
        deserializer.deserialize_any(StampVisitor)
    }
}

/// A source's identity for a reading: dense or not, it grows within a session (a boot of the sensor).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The source's boot or session; a restarted counter has another.
    #[serde(rename = "b")]
    pub session: u64,
    /// Position in the session.
    #[serde(rename = "n")]
    pub seq: u64,
}

/// What a source publishes on a reading topic ([`crate::topic::Topic::Reading`]), as JSON or as CBOR: the topic names
/// the source and the channel, the payload says the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadingPayload {
    /// What was measured; `null` when the source has no value.
    #[serde(rename = "v")]
    pub value: Value,
    /// Its unit, UCUM by preference; absent when the source says nothing.
    #[serde(rename = "u", default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// The source's own stamp, in whatever form it keeps.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub source_stamp: Option<SourceStamp>,
    /// By which a redelivery is recognised; a reading without one is taken as often as it arrives.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

/// What the gateway publishes on an acknowledgement topic ([`crate::topic::Topic::Acknowledgement`]), as JSON: every
/// reading of the channel's session from `first` to `seq` is on its disk. Numbers count for each channel. It says
/// nothing of the readings before `first`: a gateway whose store was replaced does not have them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The channel, of the source that the topic names.
    #[serde(rename = "c")]
    pub channel: Channel,
    /// Its [`Identity::session`].
    #[serde(rename = "b")]
    pub session: u64,
    /// The first [`Identity::seq`] of those without a hole between them.
    #[serde(rename = "f")]
    pub first: u64,
    /// The last.
    #[serde(rename = "n")]
    pub seq: u64,
}

/// How far to trust a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Nothing speaks against it.
    #[default]
    Good,
    /// The source marked it as doubtful.
    Uncertain,
    /// The source marked it as wrong.
    Bad,
}

impl Quality {
    /// Whether nothing speaks against it.
    #[must_use]
    pub fn is_good(&self) -> bool {
        *self == Self::Good
    }
}

/// Readings that became durable together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadingBlock {
    /// Number of the first reading in the samples lane; the others follow densely.
    pub first: u64,
    /// The clocks when the block was made.
    pub stamp: Stamp,
    /// At least one.
    pub readings: Vec<Reading>,
}

impl ReadingBlock {
    /// The clocks when reading `index` of this block arrived at the gateway.
    #[must_use]
    pub fn received(&self, index: usize) -> Option<Stamp> {
        self.readings.get(index).map(|reading| self.stamp.shifted(reading.received_ns))
    }
}

/// What a pipeline's window held when it closed. Refers to readings by number: those never change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowSummary {
    /// The pipeline's name.
    pub pipeline: String,
    /// Which definition of it: the first 16 hexadecimal digits of its SHA-256.
    pub definition: String,
    /// The source the window is of.
    pub source: SourceId,
    /// The channel the window is of.
    pub channel: Channel,
    /// Start of the window, in the time the pipeline counts by.
    pub start: Timestamp,
    /// End of the window, not part of it.
    pub end: Timestamp,
    /// Readings with a number.
    pub count: u64,
    /// Readings without one (`null`, text, bad quality).
    pub missing: u64,
    /// Smallest, absent when `count` is 0.
    pub min: Option<f64>,
    /// Largest, absent when `count` is 0.
    pub max: Option<f64>,
    /// Arithmetic mean, absent when `count` is 0.
    pub mean: Option<f64>,
    /// Number of the first reading in the samples lane.
    pub first_reading: u64,
    /// Number of the last.
    pub last_reading: u64,
    /// Whether the pipeline's condition held; absent where it could not be evaluated.
    pub condition: Option<bool>,
    /// Why the condition could not be evaluated; or, where it held, why no run came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition_error: Option<String>,
    /// Readings that came while the window was open, but with a stamp before it: stored, and counted in no window.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late: u64,
    /// It was closed before its time: too many were open, its pipeline changed, or the source's clock was set back.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cut_short: bool,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// A message that could not become a reading: kept, counted, never silently gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Where it arrived.
    pub topic: String,
    /// What is wrong with it, for a person.
    pub reason: String,
    /// Its first bytes.
    pub payload: serde_bytes::ByteBuf,
    /// How many it had.
    pub payload_bytes: u64,
    /// When it arrived.
    pub received: Stamp,
}
