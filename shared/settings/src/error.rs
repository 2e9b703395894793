//! What is wrong with a settings file, in words.

use std::fmt;
use std::io;
use std::path::Path;

use crate::document::Place;
use crate::{PROGRAMS, overrides};

/// Why settings could not be read. The text names the place, the key and what would be right.
#[derive(Debug)]
pub struct SettingsError {
    message: String,
    source: Option<io::Error>,
}

impl SettingsError {
    /// For what only the program can check, in the words of this crate: the file, the key, what is wrong and what
    /// would be right.
    #[must_use]
    pub fn refused(path: &Path, key: &str, reason: &str) -> Self {
        Self { message: format!("{}: `{key}`: {reason}", path.display()), source: None }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SettingsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

pub(crate) fn unreadable(path: &Path, prefix: &str, source: io::Error) -> SettingsError {
    let path = path.display();
    let message = if source.kind() == io::ErrorKind::NotFound {
        let example =
            PROGRAMS.iter().find(|(known, _)| *known == prefix).map_or("the example", |(_, example)| example);
        format!(
            "{path}: there is no such file; copy {example} there, in which every key is explained, and edit it"
        )
    } else {
        format!("{path}: cannot be read; check its owner and mode")
    };
    SettingsError { message, source: Some(source) }
}

pub(crate) fn not_text(variable: &str) -> SettingsError {
    SettingsError { message: format!("{variable}: its value is not UTF-8 text"), source: None }
}

/// An error on its way from where it was found to the face, gathering its place and its key.
#[derive(Debug)]
pub(crate) struct Fault {
    place: Option<Place>,
    /// Outermost first.
    key: Vec<String>,
    problem: Problem,
}

#[derive(Debug)]
pub(crate) enum Problem {
    Syntax(String),
    UnknownKey { expected: &'static [&'static str] },
    UnknownChoice { found: String, expected: &'static [&'static str] },
    Missing,
    Wrong { found: String, expected: String },
    Said(String),
}

impl Fault {
    pub(crate) fn new(problem: Problem) -> Self {
        Self { place: None, key: Vec::new(), problem }
    }

    pub(crate) fn at(place: Place, problem: Problem) -> Self {
        Self { place: Some(place), key: Vec::new(), problem }
    }

    /// States the place, unless a closer one is known.
    pub(crate) fn or_at(mut self, place: &Place) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    /// The fault is in what stands under `key`.
    pub(crate) fn under(mut self, key: &str) -> Self {
        self.key.insert(0, key.to_owned());
        self
    }

    pub(crate) fn in_file(self, path: &Path, prefix: &str) -> SettingsError {
        let file = path.display();
        let place = match &self.place {
            Some(Place::File { line, column }) => format!("{file}:{line}:{column}"),
            Some(Place::Variable(name)) => name.clone(),
            None => file.to_string(),
        };
        let in_environment = matches!(self.place, Some(Place::Variable(_)));
        let key = path_text(&self.key);
        let message = match &self.problem {
            Problem::Syntax(reason) => format!("{place}: not TOML: {reason}"),
            Problem::UnknownKey { expected } => {
                let nearest = nearest(self.key.last().map_or("", String::as_str), expected).map(|near| {
                    let mut right = self.key.clone();
                    right.pop();
                    right.push(near.to_owned());
                    if in_environment { overrides::name(prefix, &right) } else { path_text(&right) }
                });
                let remedy = match nearest {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known here: {}", expected.join(", ")),
                };
                format!("{place}: there is no key `{key}`; {remedy}")
            }
            Problem::UnknownChoice { found, expected } => {
                let choices = expected.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", ");
                let remedy = match nearest(found, expected) {
                    Some(near) => format!("did you mean {near:?}? It can be {choices}"),
                    None => format!("it can be {choices}"),
                };
                format!("{place}: `{key}` is {found:?}; {remedy}")
            }
            Problem::Missing => {
                format!(
                    "{place}: `{key}` is missing; set it there, or by {}",
                    overrides::name(prefix, &self.key)
                )
            }
            Problem::Wrong { found, expected } => {
                format!("{place}: `{key}` is {found}; expected {}", in_words(expected))
            }
            Problem::Said(reason) if key.is_empty() => format!("{place}: {reason}"),
            Problem::Said(reason) => format!("{place}: `{key}`: {reason}"),
        };
        SettingsError { message, source: None }
    }
}

/// `sources[2].filter`
fn path_text(key: &[String]) -> String {
    key.join(".").replace(".[", "[")
}

/// What serde calls a Rust type, for someone who does not write Rust.
fn in_words(expected: &str) -> String {
    let whole = |low: &str, high: &str| format!("a whole number from {low} to {high}");
    match expected {
        "u8" => whole("0", "255"),
        "u16" => whole("0", "65535"),
        "u32" => whole("0", "4294967295"),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i8" => whole("-128", "127"),
        "i16" => whole("-32768", "32767"),
        "i32" => whole("-2147483648", "2147483647"),
        "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a nonzero u8" => whole("1", "255"),
        "a nonzero u16" => whole("1", "65535"),
        "a nonzero u32" => whole("1", "4294967295"),
        "a nonzero u64" | "a nonzero usize" => "a whole number, 1 or more".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "path string" => "text in quotes".to_owned(),
        "a sequence" => "a list, as in [\"a\", \"b\"]".to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}

/// The choice a person most likely meant, if one is near enough to say so.
fn nearest(wrong: &str, choices: &[&'static str]) -> Option<&'static str> {
    let similar = |choice: &&'static str| {
        let closeness = strsim::jaro_winkler(wrong, choice);
        (closeness > 0.75).then_some((closeness, *choice))
    };
    choices.iter().filter_map(similar).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, choice)| choice)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.problem, self.key)
    }
}

impl std::error::Error for Fault {}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Problem::Said(message.to_string()))
    }

    fn invalid_type(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new(Problem::Wrong { found: found_in_words(&found), expected: expected.to_string() })
    }

    fn invalid_value(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownChoice { found: variant.to_owned(), expected })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownKey { expected }).under(field)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Problem::Missing).under(field)
    }
}

fn found_in_words(found: &serde::de::Unexpected<'_>) -> String {
    use serde::de::Unexpected;
    match found {
        Unexpected::Str(text) => format!("{text:?}"),
        Unexpected::Bool(bool) => bool.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        Unexpected::Char(_)
        | Unexpected::Bytes(_)
        | Unexpected::Unit
        | Unexpected::Option
        | Unexpected::NewtypeStruct
        | Unexpected::Enum
        | Unexpected::UnitVariant
        | Unexpected::NewtypeVariant
        | Unexpected::TupleVariant
        | Unexpected::StructVariant
        | Unexpected::Other(_) => found.to_string(),
    }
}
