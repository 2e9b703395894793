//! A pipeline's file, read and found right.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tidegate_model::id::{Channel, SourceId};
use tidegate_model::limits;
use toml::de::{DeTable, DeValue};

use super::condition::Condition;
use super::diagnostic::{Diagnostic, nearest};
use super::reader::{At, Reader, Section};
use super::steps::{self, Step};
use super::time::{TimeOf, TimeUnit, ZoneOffset};
use crate::decode::{Format, Pointer, Rule, Template, Unit};

/// A pipeline.
#[derive(Debug, Clone)]
pub struct Definition {
    name: String,
    digest: String,
    description: String,
    sources: Vec<Source>,
    window: Option<WindowSpec>,
    condition: Option<Condition>,
    steps: Vec<Step>,
}

/// How readings are gathered before anything is decided of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSpec {
    /// From the start of a window to its end; starts are multiples of it since 1970.
    pub length: Duration,
    /// Whose time counts.
    pub time: TimeOf,
    /// How long a window stays open for stragglers by the gateway's clock.
    pub grace: Duration,
}

/// Where readings come from.
#[derive(Debug, Clone)]
struct Source {
    /// How foreign messages become readings; none for Tidegate's own topics, which need no rule.
    rule: Option<Rule>,
    source: Pattern,
    channel: Pattern,
}

impl Definition {
    /// Reads a pipeline. `file` is what messages call it.
    ///
    /// # Errors
    /// Every mistake that can be seen at once, in the order of the file; at least one.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let reader = Reader::new(file, text);
        if text.len() > limits::PIPELINE_BYTES_MAX {
            let wrong = format!("the file has {} bytes", text.len());
            let remedy =
                format!("at most {} (PIPELINE_BYTES_MAX): make two of it", limits::PIPELINE_BYTES_MAX);
            reader.report(0..0, "", wrong, remedy);
            return Err(reader.finish());
        }
        let document = reader.document();
        if !reader.is_clean() {
            return Err(reader.finish());
        }
        let definition = read(&reader, document.get_ref(), text);
        match definition {
            Some(definition) if reader.is_clean() => Ok(definition),
            Some(_) | None => Err(reader.finish()),
        }
    }

    /// Its name, unique on a gateway.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which definition of the name this is: the first 16 hexadecimal digits of the SHA-256 of its text.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What it is for, in its author's words.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// How messages become readings.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        self.sources.iter().filter_map(|source| source.rule.clone()).collect()
    }

    /// Its window; `None` when it only collects.
    #[must_use]
    pub fn window(&self) -> Option<&WindowSpec> {
        self.window.as_ref()
    }

    /// Whether its window counts readings of this source and channel.
    #[must_use]
    pub fn takes(&self, source: &SourceId, channel: &Channel) -> bool {
        self.sources
            .iter()
            .any(|wanted| wanted.source.matches(source.as_str()) && wanted.channel.matches(channel.as_str()))
    }

    pub(super) fn condition(&self) -> Option<&Condition> {
        self.condition.as_ref()
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }
}

fn read(reader: &Reader<'_>, document: &DeTable<'_>, text: &str) -> Option<Definition> {
    let known = ["name", "description", "source", "window", "condition", "step"];
    let file = Section::new(reader, String::new(), document, 0..0, &known);
    let name = file.need_text("name", "\"ward-heart-rate\"");
    let name = name.filter(|name| {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        let right = plain && (1..=limits::PIPELINE_NAME_BYTES_MAX).contains(&name.len());
        if !right {
            let remedy = "1 to 64 letters, digits, '-', '_' and '.', as in \"ward-heart-rate\"";
            file.wrong("name", format!("{name:?} is not a pipeline's name"), remedy);
        }
        right
    });
    let description = file.text("description").unwrap_or_default();

    let tables = file.tables("source", limits::PIPELINE_SOURCES_MAX);
    if !file.has("source") {
        file.missing(
            "source",
            "…: begin one with [[source]], below it its topic, as in topic = \"ward/+/HR\"",
        );
    }
    let sources: Vec<Source> = tables.iter().filter_map(|table| source(reader, table)).collect();

    let window = window(&file);
    let condition = condition(&file);
    let steps = steps::read(reader, &file);
    if !file.has("window") {
        for key in ["condition", "step"].into_iter().filter(|key| file.has(key)) {
            file.wrong(key, "there is no window it could be about", "add [window] with length = \"60s\"");
        }
    }
    if let Some(WindowSpec { time: TimeOf::Source { .. }, .. }) = window {
        for (number, source) in (1..).zip(&sources) {
            if source.rule.as_ref().is_some_and(|rule| rule.time.is_none()) {
                let wrong =
                    format!("the window counts by the sources' time, and source {number} says nothing of it");
                file.wrong(
                    "window",
                    wrong,
                    "write time = \"/time\" in the source, or time = \"gateway\" in the window",
                );
            }
        }
    }
    Some(Definition { name: name?, digest: digest(text), description, sources, window, condition, steps })
}

fn digest(text: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn window(file: &Section<'_, '_>) -> Option<WindowSpec> {
    let section = file.table("window", &["length", "time", "time_unit", "zone_offset", "grace"])?;
    let seconds = Duration::from_secs;
    let (min, max) = (seconds(limits::WINDOW_SECONDS_MIN), seconds(limits::WINDOW_SECONDS_MAX));
    if !section.has("length") {
        section.missing("length", "\"60s\"");
    }
    let length = section.duration("length", min, max);
    let units = [("s", TimeUnit::Seconds), ("ms", TimeUnit::Milliseconds)];
    let unit = section.choice("time_unit", &units);
    let zone = section.parsed::<ZoneOffset>("zone_offset", "\"-08:00\"");
    let of_source = section.choice("time", &[("source", true), ("gateway", false)]);
    if !section.has("time") {
        section.missing("time", "\"source\" or \"gateway\"");
    }
    if of_source == Some(false) {
        for key in ["time_unit", "zone_offset"].into_iter().filter(|key| section.has(key)) {
            section.wrong(
                key,
                "the gateway's own time needs none",
                "leave it out, or write time = \"source\"",
            );
        }
    }
    let grace = section.duration("grace", Duration::ZERO, max);
    let grace = grace.unwrap_or(seconds(limits::WINDOW_GRACE_SECONDS));
    let time = if of_source? { TimeOf::Source { unit, zone } } else { TimeOf::Gateway };
    Some(WindowSpec { length: length?, time, grace })
}

fn condition(file: &Section<'_, '_>) -> Option<Condition> {
    let section = file.table("condition", &["when"])?;
    let text = section.need_text("when", "\"mean > 120 && count >= 3\"")?;
    match Condition::compile(&text) {
        Ok(condition) => Some(condition),
        Err(error) => {
            section.wrong("when", error.wrong, error.remedy);
            None
        }
    }
}

const SOURCE: [&str; 9] =
    ["topic", "source", "channel", "format", "value", "time", "unit", "session", "sequence"];

fn source(
    reader: &Reader<'_>,
    At { value: (path, table), span }: &At<(String, &DeTable<'_>)>,
) -> Option<Source> {
    let section = Section::new(reader, path.clone(), table, span.clone(), &SOURCE);
    if !section.has("topic") {
        return own_source(&section);
    }
    let topic = section.text("topic")?;
    let Topic { filter, levels } = Topic::read(&section, &topic)?;
    let named = |key: &str, example: &str| {
        let text = section.need_text(key, example)?;
        let text = levels.fill(&section, key, &text)?;
        let template: Template = text
            .parse()
            .map_err(|error: crate::decode::InvalidTemplate| {
                section.wrong(key, error.to_string(), format!("as in {key} = {example}"));
            })
            .ok()?;
        Some((template, Pattern::of_template(&text, &filter)))
    };
    let source = named("source", "\"{1}/{2}\"");
    let channel = named("channel", "\"{3}\"");
    let formats = [("json", Format::Json), ("cbor", Format::Cbor)];
    let format = section.choice("format", &formats).unwrap_or(Format::Json);
    let value = pointer(&section, "value");
    if !section.has("value") {
        section.missing("value", "\"/value\" (a JSON pointer; \"\" is the whole payload)");
    }
    let (time, session, sequence) =
        (pointer(&section, "time"), pointer(&section, "session"), pointer(&section, "sequence"));
    let unit = unit(&section);
    let ((source, source_pattern), (channel, channel_pattern)) = (source?, channel?);
    let rule = Rule { filter, source, channel, format, value: value?, time, unit, session, sequence };
    if let Err(wrong) = rule.check() {
        section.wrong("topic", wrong, "mend whichever of them is wrong");
        return None;
    }
    Some(Source { rule: Some(rule), source: source_pattern, channel: channel_pattern })
}

/// A source without a topic: readings that arrive on Tidegate's own topics.
fn own_source(section: &Section<'_, '_>) -> Option<Source> {
    // What only a message has to be read for says that the topic was forgotten.
    if SOURCE.into_iter().any(|key| !matches!(key, "source" | "channel") && section.has(key)) {
        section.missing("topic", "\"ward/+/HR\"");
        return None;
    }
    let source = section.need_text("source", "\"ward/+\" (or begin with topic = \"ward/+/HR\")")?;
    let channel = section.need_text("channel", "\"HR\"")?;
    let pattern = |key: &str, filter: &str| {
        if !tidegate_model::topic::is_filter(filter) {
            let remedy = "'+' stands for one level, '#' for all that follow and only last, as in \"ward/+\"";
            section.wrong(key, format!("{filter:?} is not a filter"), remedy);
            return None;
        }
        Some(Pattern::of_filter(filter))
    };
    let (source, channel) = (pattern("source", &source), pattern("channel", &channel));
    Some(Source { rule: None, source: source?, channel: channel? })
}

fn pointer(section: &Section<'_, '_>, key: &str) -> Option<Pointer> {
    section.parsed(key, &format!("\"/{key}\""))
}

fn unit(section: &Section<'_, '_>) -> Option<Unit> {
    match section.value("unit")? {
        DeValue::String(text) if !text.starts_with('/') => {
            let remedy = format!("a pointer is written \"/unit\", a fixed unit {{ fixed = {text:?} }}");
            section.wrong("unit", format!("{text:?} is not a JSON pointer"), remedy);
            None
        }
        DeValue::Table(_) => {
            section.table("unit", &["fixed"])?.need_text("fixed", "\"bpm\"").map(Unit::Fixed)
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => pointer(section, "unit").map(Unit::Pointer),
    }
}

/// A topic as a file writes it: an MQTT filter in which a level may have a name, `ward/{bed}/HR`.
struct Topic {
    filter: String,
    levels: LevelNames,
}

/// Which level has which name, from 1.
#[derive(Default)]
struct LevelNames {
    numbers: BTreeMap<String, usize>,
}

impl Topic {
    fn read(section: &Section<'_, '_>, text: &str) -> Option<Self> {
        let mut levels = LevelNames::default();
        let mut filter: Vec<&str> = Vec::new();
        for (number, level) in (1..).zip(text.split('/')) {
            match level.strip_prefix('{').and_then(|level| level.strip_suffix('}')) {
                Some(name) => {
                    let again = levels.numbers.insert(name.to_owned(), number).is_some();
                    if again || name.is_empty() || name.parse::<usize>().is_ok() || name.contains(['{', '}'])
                    {
                        let remedy = "give each named level a name of its own, as in \"ward/{bed}/HR\"";
                        section.wrong("topic", format!("{level:?} does not name a level"), remedy);
                        return None;
                    }
                    filter.push("+");
                }
                None => filter.push(level),
            }
        }
        let filter = filter.join("/");
        if !tidegate_model::topic::is_filter(&filter) || filter.contains(['{', '}']) {
            let remedy =
                "'+' or a name in braces stands for one level, '#' for all that follow and only last";
            section.wrong("topic", format!("{text:?} is not an MQTT topic filter"), remedy);
            return None;
        }
        Some(Self { filter, levels })
    }
}

impl LevelNames {
    /// The text with the numbers of the levels in place of their names.
    fn fill(&self, section: &Section<'_, '_>, key: &str, text: &str) -> Option<String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            filled.push_str(before);
            match self.numbers.get(name).copied().or_else(|| name.parse().ok()) {
                Some(number) => filled.push_str(&format!("{{{number}}}")),
                None => {
                    let known: Vec<&str> = self.numbers.keys().map(String::as_str).collect();
                    let remedy = match nearest(name, known) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "name one, as in topic = \"ward/{bed}/HR\", or write its number, as in {1}"
                            .to_owned(),
                    };
                    section.wrong(key, format!("there is no level `{name}`"), remedy);
                    return None;
                }
            }
            rest = after;
        }
        filled.push_str(rest);
        Some(filled)
    }
}

/// Which sources or channels are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// Anything within one level.
    Level,
    /// Anything at all.
    Rest,
}

impl Pattern {
    /// What a name template makes of the topics a filter takes in.
    fn of_template(template: &str, filter: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (level, after) = after.split_once('}').unwrap_or((after, ""));
            parts.push(Part::Literal(before.to_owned()));
            let level =
                level.parse::<usize>().ok().and_then(|level| filter.split('/').nth(level.wrapping_sub(1)));
            parts.push(match level {
                Some(level) if level != "+" && level != "#" => Part::Literal(level.to_owned()),
                Some(_) | None => Part::Level,
            });
            rest = after;
        }
        parts.push(Part::Literal(rest.to_owned()));
        Self { parts }
    }

    /// What an MQTT filter takes in.
    fn of_filter(filter: &str) -> Self {
        let mut parts = Vec::new();
        for (at, level) in filter.split('/').enumerate() {
            if at > 0 {
                parts.push(Part::Literal("/".to_owned()));
            }
            parts.push(match level {
                "+" => Part::Level,
                "#" => Part::Rest,
                literal => Part::Literal(literal.to_owned()),
            });
        }
        Self { parts }
    }

    /// Follows all ways to match at once, so that no pattern takes more than its length times that of the text.
    fn matches(&self, text: &str) -> bool {
        let mut reached = BTreeSet::from([0]);
        for part in &self.parts {
            reached = match part {
                Part::Rest => return !reached.is_empty(),
                Part::Literal(literal) => reached
                    .into_iter()
                    .filter(|at| text[*at..].starts_with(literal.as_str()))
                    .map(|at| at + literal.len())
                    .collect(),
                Part::Level => reached
                    .into_iter()
                    .flat_map(|at| {
                        let rest = &text[at..];
                        let level = rest.find('/').unwrap_or(rest.len());
                        let ends = rest[..level].char_indices().map(|(end, _)| end).chain([level]);
                        ends.map(move |end| at + end)
                    })
                    .collect(),
            };
        }
        reached.contains(&text.len())
    }
}

#[cfg(test)]
mod tests;
