//! Payload and rule to reading. The payload is hostile until proven otherwise: nothing here panics, and memory is
//! bounded by the payload's own size. A payload that is no reading is data too: the fault says why, for a person.

mod fault;
mod pointer;
mod template;
mod tree;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tidegate_model::limits;
use tidegate_model::reading::{Identity, Quality, Reading, ReadingPayload, SourceStamp, Value};
use tidegate_model::topic::{self, Topic};

pub use fault::{DecodeFault, Field};
pub use pointer::{InvalidPointer, Pointer};
pub use template::{InvalidTemplate, Template};
use tree::Tree;

/// How messages of a topic filter become readings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Which topics, as MQTT filters them.
    pub filter: String,
    /// The reading's source, made from the topic.
    pub source: Template,
    /// The reading's channel, made from the topic.
    pub channel: Template,
    /// What the payload is written in.
    pub format: Format,
    /// Where the value is.
    pub value: Pointer,
    /// Where the source's stamp is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Pointer>,
    /// What the unit is, or where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Where the source's session (its boot) is: a whole number, or a text that is different for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Pointer>,
    /// Where the number within the session is. By both together a redelivery is recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Pointer>,
}

/// What a payload is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// RFC 8259.
    Json,
    /// RFC 8949. Pointers find text keys and whole-number keys alike; tags are looked through.
    Cbor,
}

/// What the unit of a rule's readings is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Always this.
    Fixed(String),
    /// As the payload says here.
    Pointer(Pointer),
}

impl Rule {
    /// Whether the parts fit each other.
    ///
    /// # Errors
    /// In words: what is wrong and what would be right.
    pub fn check(&self) -> Result<(), String> {
        if !topic::is_filter(&self.filter) {
            return Err(format!(
                "{:?} is not an MQTT topic filter; '+' stands for one level, '#' for all that follow and only last",
                self.filter
            ));
        }
        let levels = self.filter.split('/').count();
        let open = self.filter.ends_with('#');
        for template in [&self.source, &self.channel] {
            if let Some(level) = template.last_level().filter(|&level| level > levels && !open) {
                return Err(format!("{template} asks for level {level}, but {} has {levels}", self.filter));
            }
        }
        if self.session.is_some() && self.sequence.is_none() {
            return Err("a session without a sequence identifies nothing; add the sequence".to_owned());
        }
        Ok(())
    }
}

/// The reading in a message that `rule` takes. Its `received_ns` is 0: the caller knows when it arrived.
///
/// # Errors
/// [`DecodeFault`] when the payload is not what the rule says.
pub fn decode(rule: &Rule, topic: &str, payload: &[u8]) -> Result<Reading, DecodeFault> {
    let tree: Tree = match rule.format {
        Format::Json => tree::parse_json(payload),
        Format::Cbor => tree::parse_cbor(payload),
    }?;
    let unit = match &rule.unit {
        None => String::new(),
        Some(Unit::Fixed(unit)) => unit.clone(),
        Some(Unit::Pointer(pointer)) => unit_at(&tree, pointer)?,
    };
    let reading = Reading {
        source: rule.source.fill(topic)?,
        channel: rule.channel.fill(topic)?,
        value: value_at(&tree, &rule.value)?,
        unit,
        source_stamp: rule.time.as_ref().map(|pointer| stamp_at(&tree, pointer)).transpose()?.flatten(),
        identity: identity(rule, &tree)?,
        received_ns: 0,
        quality: Quality::Good,
    };
    bounded(reading)
}

/// The reading in a message on a topic of ours, `tidegate/<device>/reading/<source>/<channel>`. The payload is a
/// [`ReadingPayload`]: JSON when its first byte is `{`, else CBOR. Its `received_ns` is 0, as in [`decode`].
///
/// # Errors
/// [`DecodeFault`] when topic or payload are not of that form.
pub fn decode_ours(topic: &str, payload: &[u8]) -> Result<Reading, DecodeFault> {
    let (source, channel) = match topic.parse() {
        Ok(Topic::Reading { source, channel, .. }) => (source, channel),
        Ok(Topic::Acknowledgement { .. } | Topic::Status { .. }) => {
            return Err(DecodeFault::Topic { reason: format!("{topic:?} is not a topic for readings") });
        }
        Err(error) => return Err(DecodeFault::Topic { reason: error.to_string() }),
    };
    let said: ReadingPayload = match payload.trim_ascii_start().first() {
        Some(b'{') => tree::parse_json(payload),
        Some(_) | None => tree::parse_cbor(payload),
    }?;
    let ReadingPayload { value, unit, source_stamp, identity } = said;
    let reading = Reading {
        source,
        channel,
        value,
        unit,
        source_stamp,
        identity,
        received_ns: 0,
        quality: Quality::Good,
    };
    bounded(reading)
}

fn value_at(tree: &Tree, pointer: &Pointer) -> Result<Value, DecodeFault> {
    let wrong = |found: &Tree| {
        DecodeFault::wrong(Field::Value, pointer, found, "a number, true, false, text or a list")
    };
    match find(tree, Field::Value, pointer)? {
        Tree::Null => Ok(Value::Missing),
        Tree::Bool(bool) => Ok(Value::Bool(*bool)),
        Tree::Int(int) => Ok(Value::Int(*int)),
        Tree::Number(number) => Ok(Value::Number(*number)),
        Tree::Text(text) => Ok(Value::Text(text.clone())),
        Tree::Array(items) => {
            let number = |item: &Tree| {
                item.as_number()
                    .ok_or_else(|| DecodeFault::wrong(Field::Value, pointer, item, "a list of numbers"))
            };
            items.iter().map(number).collect::<Result<_, _>>().map(Value::Vector)
        }
        found @ (Tree::Map(_) | Tree::Bytes) => Err(wrong(found)),
    }
}

fn unit_at(tree: &Tree, pointer: &Pointer) -> Result<String, DecodeFault> {
    match find(tree, Field::Unit, pointer)? {
        Tree::Text(text) => Ok(text.clone()),
        Tree::Null => Ok(String::new()),
        found @ (Tree::Bool(_)
        | Tree::Int(_)
        | Tree::Number(_)
        | Tree::Bytes
        | Tree::Array(_)
        | Tree::Map(_)) => Err(DecodeFault::wrong(Field::Unit, pointer, found, "text")),
    }
}

/// A stamp in the form the source gave it; none where it says `null`.
fn stamp_at(tree: &Tree, pointer: &Pointer) -> Result<Option<SourceStamp>, DecodeFault> {
    match find(tree, Field::Time, pointer)? {
        Tree::Null => Ok(None),
        Tree::Int(int) => Ok(Some(SourceStamp::Int(*int))),
        Tree::Number(number) => Ok(Some(SourceStamp::Number(*number))),
        Tree::Text(text) => Ok(Some(SourceStamp::Text(text.clone()))),
        found @ (Tree::Bool(_) | Tree::Bytes | Tree::Array(_) | Tree::Map(_)) => {
            Err(DecodeFault::wrong(Field::Time, pointer, found, "a number or text"))
        }
    }
}

fn identity(rule: &Rule, tree: &Tree) -> Result<Option<Identity>, DecodeFault> {
    let Some(sequence) = &rule.sequence else { return Ok(None) };
    let session = match &rule.session {
        Some(pointer) => session_at(tree, pointer)?,
        None => 0,
    };
    let found = find(tree, Field::Sequence, sequence)?;
    let seq = found
        .as_count()
        .ok_or_else(|| DecodeFault::wrong(Field::Sequence, sequence, found, "a whole number, 0 or more"))?;
    Ok(Some(Identity { session, seq }))
}

/// A number is the session; of a text (a boot id), the first 64 bits of its SHA-256 are.
fn session_at(tree: &Tree, pointer: &Pointer) -> Result<u64, DecodeFault> {
    let found = find(tree, Field::Session, pointer)?;
    match found {
        Tree::Text(text) => {
            let digest = Sha256::digest(text.as_bytes());
            Ok(digest.iter().take(8).fold(0, |number, &byte| (number << 8) | u64::from(byte)))
        }
        Tree::Null
        | Tree::Bool(_)
        | Tree::Int(_)
        | Tree::Number(_)
        | Tree::Bytes
        | Tree::Array(_)
        | Tree::Map(_) => found.as_count().ok_or_else(|| {
            DecodeFault::wrong(Field::Session, pointer, found, "a whole number, 0 or more, or text")
        }),
    }
}

fn find<'t>(tree: &'t Tree, field: Field, pointer: &Pointer) -> Result<&'t Tree, DecodeFault> {
    tree.at(pointer).ok_or_else(|| DecodeFault::NothingThere { field, pointer: pointer.to_string() })
}

/// Refuses what a reading cannot carry, whichever way it was decoded.
fn bounded(reading: Reading) -> Result<Reading, DecodeFault> {
    match &reading.value {
        Value::Number(number) => finite(Field::Value, *number)?,
        Value::Vector(values) => {
            if values.len() > limits::READING_VALUES_MAX {
                return Err(DecodeFault::TooManyValues { values: values.len() });
            }
            values.iter().try_for_each(|&number| finite(Field::Value, number))?;
        }
        Value::Text(text) => short(Field::Value, text)?,
        Value::Bool(_) | Value::Int(_) | Value::Missing => {}
    }
    match &reading.source_stamp {
        Some(SourceStamp::Number(number)) => finite(Field::Time, *number)?,
        Some(SourceStamp::Text(text)) => short(Field::Time, text)?,
        Some(SourceStamp::Int(_)) | None => {}
    }
    short(Field::Unit, &reading.unit)?;
    Ok(reading)
}

fn finite(field: Field, number: f64) -> Result<(), DecodeFault> {
    if number.is_finite() { Ok(()) } else { Err(DecodeFault::NotFinite { field, number }) }
}

fn short(field: Field, text: &str) -> Result<(), DecodeFault> {
    if text.len() <= limits::READING_TEXT_BYTES_MAX {
        Ok(())
    } else {
        Err(DecodeFault::TextTooLong { field, bytes: text.len() })
    }
}

#[cfg(test)]
mod tests;
