//! A settings file as a tree in which every key and value knows where it was written.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::error::{Fault, Problem};

/// Where a key or a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the file; both count from 1, columns in characters.
    File { line: usize, column: usize },
    /// In the environment.
    Variable(String),
}

/// A value and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Table(Table),
    Array(Vec<Node>),
    Text(String),
    Integer(i64),
    Number(f64),
    Bool(bool),
    /// A TOML date or time, which no setting is.
    Date,
    /// The text of an environment variable; what it is depends on what is asked for.
    Variable(String),
}

/// Keys in order, each with the place of the key itself.
pub(crate) type Table = BTreeMap<String, (Place, Node)>;

/// The tree of a TOML document.
pub(crate) fn read(text: &str) -> Result<Node, Fault> {
    let lines = Lines { text };
    let document = DeTable::parse(text).map_err(|error| syntax(&error, |at| lines.place(at)))?;
    node(&DeValue::Table(document.into_inner()), 0, &|at| lines.place(at))
}

/// The tree of one TOML value written in an environment variable.
pub(crate) fn read_variable(text: &str, place: &Place) -> Result<Node, Fault> {
    let value = DeValue::parse(text).map_err(|error| syntax(&error, |_| place.clone()))?;
    node(value.get_ref(), 0, &|_| place.clone())
}

fn syntax(error: &toml::de::Error, place: impl Fn(usize) -> Place) -> Fault {
    let at = place(error.span().map_or(0, |span| span.start));
    Fault::at(at, Problem::Syntax(error.message().to_owned()))
}

fn node(value: &DeValue<'_>, at: usize, place: &dyn Fn(usize) -> Place) -> Result<Node, Fault> {
    let value = match value {
        DeValue::Table(table) => {
            let mut entries = Table::new();
            for (key, value) in table {
                let entry = node(value.get_ref(), value.span().start, place)?;
                entries.insert(key.get_ref().to_string(), (place(key.span().start), entry));
            }
            Value::Table(entries)
        }
        DeValue::Array(array) => {
            let nodes = array.iter().map(|value| node(value.get_ref(), value.span().start, place));
            Value::Array(nodes.collect::<Result<_, _>>()?)
        }
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| {
                Fault::at(
                    place(at),
                    Problem::Said(format!("{integer} is beyond the numbers a computer counts with")),
                )
            })?;
            Value::Integer(number)
        }
        DeValue::Float(number) => Value::Number(
            number
                .as_str()
                .parse()
                .map_err(|_| Fault::at(place(at), Problem::Said(format!("{number} is not a number"))))?,
        ),
        DeValue::Boolean(bool) => Value::Bool(*bool),
        DeValue::Datetime(_) => Value::Date,
    };
    Ok(Node { place: place(at), value })
}

struct Lines<'a> {
    text: &'a str,
}

impl Lines<'_> {
    fn place(&self, at: usize) -> Place {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place::File {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
        }
    }
}
