//! Where a pipeline's readings come from: messages of other people's topics, read by a rule, or readings on Tidegate's own
//! topics, which need none. And which sources and channels that makes, so that a window knows its readings.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::id::{Channel, SourceId};
use toml::de::{DeTable, DeValue};

use super::diagnostic::nearest;
use super::reader::{At, Reader, Section};
use crate::decode::{Format, Pointer, Rule, Template, Unit};

/// One `[[source]]`.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// How foreign messages become readings; none for Tidegate's own topics.
    pub(super) rule: Option<Rule>,
    source: Pattern,
    channel: Pattern,
}

impl Source {
    /// Whether readings of this source and channel are meant.
    pub(super) fn takes(&self, source: &SourceId, channel: &Channel) -> bool {
        self.source.matches(source.as_str()) && self.channel.matches(channel.as_str())
    }
}

const SOURCE: [&str; 9] =
    ["topic", "source", "channel", "format", "value", "time", "unit", "session", "sequence"];

/// Reads a source; its mistakes are reported.
pub(super) fn read(
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
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_takes_what_its_rules_make_and_nothing_else() {
        let check = |template: &str, filter: &str, text: &str, expected: bool| {
            assert_eq!(
                Pattern::of_template(template, filter).matches(text),
                expected,
                "{template} {filter} {text}"
            );
        };
        check("{1}/{2}", "ward/+/HR", "ward/bed-12", true);
        check("{1}/{2}", "ward/+/HR", "icu/bed-12", false);
        check("{1}/{2}", "ward/+/HR", "ward/bed/12", false);
        check("bed-{2}-{4}", "ward/#", "bed-a-b-c", true);
        check("{2}{2}{2}{2}{2}x", "a/+", &"y".repeat(255), false);
        check("HR", "ward/+/HR", "HR", true);
        check("é{2}", "a/+", "éü", true);
    }
}
