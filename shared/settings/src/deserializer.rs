//! From the tree to a struct. Each fault gets the place of the nearest node and the keys above it.

use std::collections::btree_map;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::document::{self, Node, Place, Table, Value};
use crate::error::{Fault, Problem};

/// Reads a struct from the tree of its file.
pub(crate) fn read<T: DeserializeOwned>(document: &Node) -> Result<T, Fault> {
    T::deserialize(document)
}

impl Node {
    fn unexpected(&self) -> Unexpected<'_> {
        match &self.value {
            Value::Table(_) => Unexpected::Map,
            Value::Array(_) => Unexpected::Seq,
            Value::Text(text) | Value::Variable(text) => Unexpected::Str(text),
            Value::Integer(number) => Unexpected::Signed(*number),
            Value::Number(number) => Unexpected::Float(*number),
            Value::Bool(bool) => Unexpected::Bool(*bool),
            Value::Date => Unexpected::Other("a date; put it in quotes if it is meant as text"),
        }
    }

    fn wrong<T>(&self, expected: &dyn serde::de::Expected) -> Result<T, Fault> {
        Err(Fault::invalid_type(self.unexpected(), expected).or_at(&self.place))
    }

    /// The node itself, or what its variable's text says as TOML.
    fn structured(&self) -> Result<Option<Self>, Fault> {
        match &self.value {
            Value::Variable(text) => document::read_variable(text, &self.place).map(Some),
            Value::Table(_)
            | Value::Array(_)
            | Value::Text(_)
            | Value::Integer(_)
            | Value::Number(_)
            | Value::Bool(_)
            | Value::Date => Ok(None),
        }
    }
}

macro_rules! parsed_from_variables {
    ($($method:ident $parsed:ty => $visit:ident,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            if let Value::Variable(text) = &self.value {
                return match text.trim().parse::<$parsed>() {
                    Ok(parsed) => visitor.$visit(parsed).map_err(|fault: Fault| fault.or_at(&self.place)),
                    Err(_) => self.wrong(&visitor),
                };
            }
            self.deserialize_any(visitor)
        }
    )*};
}

// Nothing is borrowed from the tree, so that a tree made on the way, from a variable's text, can be read like any other.
impl<'de> Deserializer<'de> for &Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Table(table) => visitor.visit_map(Entries::new(table)),
            Value::Array(array) => visitor.visit_seq(Elements { rest: array.iter().enumerate() }),
            Value::Text(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Number(number) => visitor.visit_f64(*number),
            Value::Bool(bool) => visitor.visit_bool(*bool),
            Value::Date => self.wrong(&visitor),
            // Nothing says what is wanted: what reads as TOML is that, the rest is text.
            Value::Variable(text) => match document::read_variable(text, &self.place) {
                Ok(node) => (&node).deserialize_any(visitor),
                Err(_) => visitor.visit_str(text),
            },
        }
        .map_err(|fault: Fault| fault.or_at(&self.place))
    }

    parsed_from_variables! {
        deserialize_bool bool => visit_bool,
        deserialize_i8 i64 => visit_i64,
        deserialize_i16 i64 => visit_i64,
        deserialize_i32 i64 => visit_i64,
        deserialize_i64 i64 => visit_i64,
        deserialize_u8 i64 => visit_i64,
        deserialize_u16 i64 => visit_i64,
        deserialize_u32 i64 => visit_i64,
        deserialize_u64 i64 => visit_i64,
        deserialize_f32 f64 => visit_f64,
        deserialize_f64 f64 => visit_f64,
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Variable(text) => visitor.visit_str(text).map_err(|fault: Fault| fault.or_at(&self.place)),
            Value::Table(_)
            | Value::Array(_)
            | Value::Text(_)
            | Value::Integer(_)
            | Value::Number(_)
            | Value::Bool(_)
            | Value::Date => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self).map_err(|fault: Fault| fault.or_at(&self.place))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.structured()? {
            Some(node) => (&node).deserialize_any(visitor),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if let Some(node) = self.structured()? {
            return (&node).deserialize_struct(name, fields, visitor);
        }
        if let Value::Table(table) = &self.value
            && let Some((key, (place, _))) = table.iter().find(|(key, _)| !fields.contains(&key.as_str()))
        {
            return Err(Fault::at(place.clone(), Problem::UnknownKey { expected: fields }).under(key));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Variable(text) => match document::read_variable(text, &self.place) {
                Ok(node) if matches!(node.value, Value::Table(_)) => {
                    (&node).deserialize_enum(name, variants, visitor)
                }
                Ok(_) | Err(_) => visitor.visit_enum(text.as_str().into_deserializer()),
            },
            Value::Table(table) => match table.first_key_value() {
                Some((key, (place, node))) if table.len() == 1 => {
                    visitor.visit_enum(Variant { key, place, node })
                }
                Some(_) | None => self.wrong(&"a table with exactly one key"),
            },
            Value::Array(_) | Value::Integer(_) | Value::Number(_) | Value::Bool(_) | Value::Date => {
                self.wrong(&visitor)
            }
        }
        .map_err(|fault: Fault| fault.or_at(&self.place))
    }

    forward_to_deserialize_any! {
        char bytes byte_buf unit unit_struct identifier ignored_any
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }
}

struct Entries<'n> {
    rest: btree_map::Iter<'n, String, (Place, Node)>,
    value: Option<(&'n String, &'n Node)>,
}

impl<'n> Entries<'n> {
    fn new(table: &'n Table) -> Self {
        Self { rest: table.iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, (place, node))) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some((key, node));
        let key: StrDeserializer<'_, Fault> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|fault| fault.or_at(place))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let (key, node) = self.value.take().expect("serde asks for a key before its value");
        seed.deserialize(node).map_err(|fault| fault.or_at(&node.place).under(key))
    }
}

struct Elements<'n> {
    rest: std::iter::Enumerate<std::slice::Iter<'n, Node>>,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some((at, node)) = self.rest.next() else {
            return Ok(None);
        };
        // Elements count from 1 for people.
        let of = |fault: Fault| fault.or_at(&node.place).under(&format!("[{}]", at + 1));
        seed.deserialize(node).map(Some).map_err(of)
    }
}

/// An enum's variant with content: a table with one key.
struct Variant<'n> {
    key: &'n str,
    place: &'n Place,
    node: &'n Node,
}

impl<'de, 'n> EnumAccess<'de> for Variant<'n> {
    type Error = Fault;
    type Variant = Content<'n>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content<'n>), Fault> {
        let key: StrDeserializer<'_, Fault> = self.key.into_deserializer();
        let variant = seed.deserialize(key).map_err(|fault| fault.or_at(self.place))?;
        Ok((variant, Content { key: self.key, node: self.node }))
    }
}

struct Content<'n> {
    key: &'n str,
    node: &'n Node,
}

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Err(Fault::at(self.node.place.clone(), Problem::Said("takes no content".to_owned())).under(self.key))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(self.node).map_err(|fault| fault.or_at(&self.node.place).under(self.key))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.node.deserialize_seq(visitor).map_err(|fault| fault.under(self.key))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.node.deserialize_struct("", fields, visitor).map_err(|fault| fault.under(self.key))
    }
}
