//! Reads the tables of a TOML file key by key and collects every mistake with its place, instead of ending at the first.

use std::cell::RefCell;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use tidegate_model::limits;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, did_you_mean, list};

/// Where in the text something stands, in bytes.
pub(super) type Span = Range<usize>;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// One file being read.
pub(super) struct Reader<'t> {
    file: &'t str,
    text: &'t str,
    mistakes: RefCell<Vec<Diagnostic>>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, mistakes: RefCell::default() }
    }

    /// The file's table. What is not TOML at all is reported, and the rest is read as far as it goes.
    pub(super) fn document(&self) -> Spanned<DeTable<'t>> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            self.report(
                error.span().unwrap_or(0..0),
                "",
                format!("not TOML: {}", error.message()),
                "mend the line",
            );
        }
        document
    }

    pub(super) fn report(&self, span: Span, key: &str, wrong: impl Into<String>, remedy: impl Into<String>) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        self.mistakes.borrow_mut().push(Diagnostic {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            key: key.to_owned(),
            wrong: wrong.into(),
            remedy: remedy.into(),
        });
    }

    /// Whether anything was wrong so far.
    pub(super) fn is_clean(&self) -> bool {
        self.mistakes.borrow().is_empty()
    }

    /// What was wrong, from the top of the file down.
    pub(super) fn finish(self) -> Vec<Diagnostic> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
        mistakes.truncate(limits::DIAGNOSTICS_MAX);
        mistakes
    }
}

/// One table of the file, of which the right keys are known.
pub(super) struct Section<'r, 't> {
    reader: &'r Reader<'t>,
    /// The keys above, with a dot at the end; empty for the file itself.
    path: String,
    table: &'r DeTable<'t>,
    span: Span,
}

impl<'r, 't> Section<'r, 't> {
    /// Reports the keys that are not among `known`.
    pub(super) fn new(
        reader: &'r Reader<'t>,
        path: String,
        table: &'r DeTable<'t>,
        span: Span,
        known: &[&str],
    ) -> Self {
        let section = Self::unjudged(reader, path, table, span);
        for (key, _) in table {
            if !known.contains(&key.get_ref().as_ref()) {
                let name = section.key(key.get_ref());
                reader.report(key.span(), &name, "there is no such key", did_you_mean(key.get_ref(), known));
            }
        }
        section
    }

    /// Reports nothing of its keys: which are right is not known yet.
    pub(super) fn unjudged(reader: &'r Reader<'t>, path: String, table: &'r DeTable<'t>, span: Span) -> Self {
        Self { reader, path, table, span }
    }

    /// The full name of a key.
    pub(super) fn key(&self, key: &str) -> String {
        format!("{}{key}", self.path)
    }

    /// Reports a mistake in the value of a key.
    pub(super) fn wrong(&self, key: &str, wrong: impl Into<String>, remedy: impl Into<String>) {
        let span = self.table.get(key).map_or_else(|| self.span.clone(), Spanned::span);
        self.reader.report(span, &self.key(key), wrong, remedy);
    }

    /// Whether the key is there at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Reports that a key is missing; `example` is what it could be.
    pub(super) fn missing(&self, key: &str, example: &str) {
        self.wrong(key, "it is missing", format!("write {key} = {example}"));
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let value = self.value(key)?;
        let DeValue::String(text) = value else { return self.mistyped(key, value, "text in quotes") };
        Some(text.to_string())
    }

    /// A text that has to be there.
    pub(super) fn need_text(&self, key: &str, example: &str) -> Option<String> {
        if !self.has(key) {
            self.missing(key, example);
        }
        self.text(key)
    }

    /// A text that reads as a `T`.
    pub(super) fn parsed<T>(&self, key: &str, example: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let text = self.text(key)?;
        match text.parse() {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.wrong(key, format!("{error}"), format!("as in {key} = {example}"));
                None
            }
        }
    }

    /// A length of time within bounds.
    pub(super) fn duration(&self, key: &str, min: Duration, max: Duration) -> Option<Duration> {
        let text = self.text(key)?;
        let show =
            |duration: Duration| tidegate_settings::Duration::from_millis(millis(duration)).to_string();
        match text.parse::<tidegate_settings::Duration>() {
            Ok(duration) if (min..=max).contains(&duration.get()) => Some(duration.get()),
            Ok(_) => {
                let remedy = format!("between {} and {}", show(min), show(max));
                self.wrong(key, format!("{text:?} is out of bounds"), remedy);
                None
            }
            Err(_) => {
                let remedy = "write whole numbers with ms, s, m, h or d, as in \"60s\" or \"1h 30m\"";
                self.wrong(key, format!("{text:?} is not a length of time"), remedy);
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let chosen = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        if chosen.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            self.wrong(key, format!("it cannot be {text:?}"), did_you_mean(&text, &words));
        }
        chosen
    }

    /// A whole number within bounds.
    pub(super) fn integer(&self, key: &str, bounds: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let value = self.table.get(key)?;
        let DeValue::Integer(integer) = value.get_ref() else {
            return self.mistyped(key, value.get_ref(), "a whole number");
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| bounds.contains(number));
        if number.is_none() {
            self.wrong(
                key,
                format!("{integer} is out of bounds"),
                format!("from {} to {}", bounds.start(), bounds.end()),
            );
        }
        number
    }

    /// A number within bounds, whole or not.
    pub(super) fn number(&self, key: &str, bounds: std::ops::RangeInclusive<f64>) -> Option<f64> {
        let value = self.value(key)?;
        let text = if let DeValue::Integer(integer) = value
            && integer.radix() == 10
        {
            integer.as_str()
        } else if let DeValue::Float(float) = value {
            float.as_str()
        } else {
            return self.mistyped(key, value, "a number");
        };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        if number.is_none() {
            self.wrong(
                key,
                format!("{text} is out of bounds"),
                format!("from {} to {}", bounds.start(), bounds.end()),
            );
        }
        number
    }

    /// True or false.
    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        let DeValue::Boolean(flag) = value else { return self.mistyped(key, value, "true or false") };
        Some(*flag)
    }

    /// A value of any type.
    pub(super) fn value(&self, key: &str) -> Option<&'r DeValue<'t>> {
        Some(self.table.get(key)?.get_ref())
    }

    /// A table within this one.
    pub(super) fn table(&self, key: &str, known: &[&str]) -> Option<Section<'r, 't>> {
        let value = self.table.get(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            return self.mistyped(key, value.get_ref(), &format!("a table, [{}]", self.key(key)));
        };
        Some(Section::new(self.reader, format!("{}.", self.key(key)), table, value.span(), known))
    }

    /// An array of tables, with whatever keys; the path of each ends with its number, from 1.
    pub(super) fn tables(&self, key: &str, max: usize) -> Vec<At<(String, &'r DeTable<'t>)>> {
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let heading = format!("a list of tables, each begun with [[{}]]", self.key(key));
        let DeValue::Array(array) = value.get_ref() else {
            self.mistyped::<()>(key, value.get_ref(), &heading);
            return Vec::new();
        };
        if array.len() > max {
            self.wrong(
                key,
                format!("there are {} of them", array.len()),
                format!("at most {max}: make another pipeline"),
            );
        }
        let mut tables = Vec::new();
        for (number, element) in (1..=max).zip(array.iter()) {
            if let DeValue::Table(table) = element.get_ref() {
                let path = format!("{}[{number}].", self.key(key));
                tables.push(At { value: (path, table), span: element.span() });
            } else {
                self.mistyped::<()>(key, element.get_ref(), &heading);
            }
        }
        tables
    }

    /// The texts of a table whose keys are the writer's own, as a list of pairs.
    pub(super) fn texts(&self, key: &str) -> Vec<(String, String)> {
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let DeValue::Table(table) = value.get_ref() else {
            self.mistyped::<()>(key, value.get_ref(), "a table of texts");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (name, value) in table {
            if let DeValue::String(text) = value.get_ref() {
                texts.push((name.get_ref().to_string(), text.to_string()));
            } else {
                let key = self.key(&format!("{key}.{}", name.get_ref()));
                let wrong = format!("it is {}", kind(value.get_ref()));
                self.reader.report(value.span(), &key, wrong, "it should be text in quotes");
            }
        }
        texts
    }

    fn mistyped<T>(&self, key: &str, found: &DeValue<'_>, wanted: &str) -> Option<T> {
        self.wrong(key, format!("it is {}", kind(found)), format!("it should be {wanted}"));
        None
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date (put it in quotes if it is meant as text)",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// For the message that a word is not among those known.
pub(super) fn unknown(what: &str, word: &str, known: &[&str]) -> (String, String) {
    let remedy = match super::diagnostic::nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? There are {}", list(known)),
        None => format!("there are {}", list(known)),
    };
    (format!("there is no {what} `{word}`"), remedy)
}
