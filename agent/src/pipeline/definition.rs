//! A pipeline's file, read and found right.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tidegate_model::id::{Channel, SourceId};
use tidegate_model::limits;
use toml::de::DeTable;

use super::condition::Condition;
use super::diagnostic::Diagnostic;
use super::reader::{Reader, Section};
use super::source::{self, Source};
use super::steps::{self, Step};
use super::time::{TimeOf, TimeUnit, ZoneOffset};
use crate::decode::Rule;

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
        self.sources.iter().any(|wanted| wanted.takes(source, channel))
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
    let sources: Vec<Source> = tables.iter().filter_map(|table| source::read(reader, table)).collect();

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

#[cfg(test)]
mod tests;
