//! A payload as a tree, the same for JSON and CBOR. Sized by the payload: no length in it is believed.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tidegate_model::limits;

use super::fault::DecodeFault;
use super::pointer::Pointer;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    Number(f64),
    Text(String),
    /// CBOR's byte strings, which no part of a reading is.
    Bytes,
    Array(Vec<Tree>),
    /// In the order of the payload; where a key is there twice, the last holds.
    Map(Vec<(Key, Tree)>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Key {
    Text(String),
    Int(i64),
    /// CBOR can use anything as a key; no pointer reaches these.
    Other,
}

/// One JSON text and nothing after it.
pub(super) fn parse_json<T: DeserializeOwned>(payload: &[u8]) -> Result<T, DecodeFault> {
    let text = std::str::from_utf8(sized(payload)?)
        .map_err(|error| DecodeFault::NotUtf8 { at: error.valid_up_to() })?;
    serde_json::from_str(text).map_err(|error| malformed("JSON", error.to_string()))
}

/// One CBOR item and nothing after it.
pub(super) fn parse_cbor<T: DeserializeOwned>(payload: &[u8]) -> Result<T, DecodeFault> {
    serde_cbor::from_slice(sized(payload)?).map_err(|error| malformed("CBOR", error.to_string()))
}

fn sized(payload: &[u8]) -> Result<&[u8], DecodeFault> {
    match payload.len() {
        0 => Err(DecodeFault::Empty),
        bytes if bytes > limits::MQTT_PAYLOAD_BYTES_MAX => Err(DecodeFault::TooLarge),
        _ => Ok(payload),
    }
}

fn malformed(format: &'static str, reason: String) -> DecodeFault {
    // Both parsers stop at `PAYLOAD_DEPTH_MAX` by themselves, and say so only in words.
    if reason.to_ascii_lowercase().starts_with("recursion limit exceeded") {
        DecodeFault::TooDeep
    } else {
        DecodeFault::Malformed { format, reason }
    }
}

impl Tree {
    /// What a pointer finds.
    pub(super) fn at(&self, pointer: &Pointer) -> Option<&Self> {
        pointer.tokens().iter().try_fold(self, |tree, token| tree.child(token))
    }

    fn child(&self, token: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().rev().find(|(key, _)| key.is(token)).map(|(_, value)| value),
            Self::Array(items) => items.get(index(token)?),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Number(_) | Self::Text(_) | Self::Bytes => None,
        }
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "an axis above 2^53 loses its last bits")]
            Self::Int(int) => Some(*int as f64),
            Self::Null | Self::Bool(_) | Self::Text(_) | Self::Bytes | Self::Array(_) | Self::Map(_) => None,
        }
    }

    pub(super) fn as_count(&self) -> Option<u64> {
        match self {
            Self::Int(int) => u64::try_from(*int).ok(),
            Self::Null
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::Bytes
            | Self::Array(_)
            | Self::Map(_) => None,
        }
    }

    pub(super) fn in_words(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::Bytes => "bytes",
            Self::Array(_) => "a list",
            Self::Map(_) => "an object",
        }
    }
}

impl Key {
    fn is(&self, token: &str) -> bool {
        match self {
            Self::Text(text) => text == token,
            Self::Int(int) => token.parse() == Ok(*int),
            Self::Other => false,
        }
    }
}

/// RFC 6901 §4: digits without leading zeros.
fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || (!token.starts_with(['0', '+']) && !token.is_empty());
    plain.then(|| token.parse().ok()).flatten()
}

fn integer(wide: i128) -> Tree {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a source that counts beyond 2^63 keeps its first 53 bits"
    )]
    i64::try_from(wide).map_or_else(|_| Tree::Number(wide as f64), Tree::Int)
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(integer(i128::from(value)))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Tree, E> {
        Ok(integer(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Text(value))
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Tree, E> {
        Ok(Tree::Bytes)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, value: &str) -> Result<Key, E> {
        Ok(Key::Text(value.to_owned()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Key, E> {
        Ok(Key::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Key, E> {
        Ok(i64::try_from(value).map_or(Key::Other, Key::Int))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Key, E> {
        Ok(Key::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Key, E> {
        Ok(Key::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Key, E> {
        Ok(Key::Other)
    }

    fn visit_unit<E>(self) -> Result<Key, E> {
        Ok(Key::Other)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Key, E> {
        Ok(Key::Other)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Key, A::Error> {
        while access.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Key::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Key, A::Error> {
        while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Key::Other)
    }
}
