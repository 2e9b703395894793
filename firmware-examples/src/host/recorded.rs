//! Recordings: one MQTT message a line, `{"offset_s": 0, "topic": "ward/bed-12/HR", "payload": {…}}`.
//!
//! The topic's last level is the channel, the levels before it the source. In the payload the value is the member
//! `value`, or else the only one that is neither the time (`time`, `date`) nor the `unit`. The recorded time travels
//! untouched as the source's stamp.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::time::Duration;
use std::vec::{self, Vec};
use std::{format, vec as list};

use anyhow::{Context, anyhow, ensure};
use serde::Deserialize;
use tidegate_model::id::{Channel, SourceId};
use tidegate_model::reading::{SourceStamp, Value};

use crate::station::{Point, Sample};
use crate::tasks::Driver;

use super::pace::Pace;

/// The recorded messages of one source, in order.
#[derive(Debug)]
pub(super) struct Recording {
    pace: Pace,
    messages: vec::IntoIter<(Duration, Sample)>,
}

impl Driver for Recording {
    async fn next(&mut self) -> Option<(Duration, Sample)> {
        let (due, sample) = self.messages.next()?;
        let now = self.pace.until(due).await?;
        Some((now, sample))
    }
}

/// Reads a file, or every `.jsonl` file of a folder, and sorts the messages by source.
pub(super) fn open(
    path: &Path,
    speed: f64,
    pace: &Pace,
) -> anyhow::Result<Vec<(SourceId, Vec<Point>, Recording)>> {
    let mut sources: BTreeMap<SourceId, Source> = BTreeMap::new();
    for file in files(path)? {
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read recording {}", file.display()))?;
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let message = parse(line).with_context(|| format!("{}:{number}", file.display()))?;
            sources.entry(message.source.clone()).or_default().take(message, speed);
        }
    }
    Ok(sources
        .into_iter()
        .map(|(name, mut source)| {
            // Stable, so that messages of one moment keep their order; files of one folder interleave by offset.
            source.messages.sort_by_key(|(due, _)| *due);
            let recording = Recording { pace: pace.clone(), messages: source.messages.into_iter() };
            (name, source.points, recording)
        })
        .collect())
}

fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(list![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
        let file = entry.with_context(|| format!("cannot list {}", path.display()))?.path();
        if file.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(file);
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "{} holds no .jsonl file", path.display());
    Ok(files)
}

#[derive(Debug, Default)]
struct Source {
    points: Vec<Point>,
    messages: Vec<(Duration, Sample)>,
}

impl Source {
    fn take(&mut self, message: Message, speed: f64) {
        let known = self.points.iter().position(|point| point.channel == message.channel);
        let point = known.unwrap_or_else(|| {
            self.points.push(Point { channel: message.channel, unit: message.unit });
            self.points.len() - 1
        });
        let due = message.offset.div_f64(speed);
        self.messages.push((due, Sample { point, value: message.value, stamp: message.stamp }));
    }
}

#[derive(Debug, PartialEq)]
struct Message {
    offset: Duration,
    source: SourceId,
    channel: Channel,
    unit: String,
    value: Value,
    stamp: Option<SourceStamp>,
}

#[derive(Debug, Deserialize)]
struct Line {
    offset_s: f64,
    topic: String,
    payload: serde_json::Map<String, serde_json::Value>,
}

fn parse(line: &str) -> anyhow::Result<Message> {
    let Line { offset_s, topic, mut payload } =
        serde_json::from_str(line).context("not a recorded message")?;
    let (source, channel) = topic
        .rsplit_once('/')
        .ok_or_else(|| anyhow!("topic {topic:?} has one level; a source and a channel are needed"))?;
    let stamp = payload.remove("time").or_else(|| payload.remove("date"));
    let unit = payload.remove("unit");
    let value = payload.remove("value").or_else(|| {
        let mut rest = payload.values();
        rest.next().filter(|_| rest.next().is_none()).cloned()
    });
    let value = value
        .ok_or_else(|| anyhow!("the payload has no member \"value\", nor one alone that could be it"))?;
    Ok(Message {
        offset: Duration::try_from_secs_f64(offset_s).with_context(|| format!("offset_s is {offset_s}"))?,
        source: source.parse().map_err(|error| anyhow!("topic {topic:?}: {error}"))?,
        channel: channel.parse().map_err(|error| anyhow!("topic {topic:?}: {error}"))?,
        unit: unit.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_string(),
        value: serde_json::from_value(value).context("the value is of no kind a reading can have")?,
        stamp: stamp
            .map(serde_json::from_value)
            .transpose()
            .context("the time is neither number nor text")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_message_becomes_source_channel_value_and_stamp() {
        let line = r#"{"offset_s": 60, "topic": "ward/bed-12/HR", "payload": {"time": "2896-10-10T00:31:25.894Z", "value": 0.0, "unit": "bpm"}}"#;
        let message = parse(line).expect("a recorded message");
        assert_eq!(message.source.as_str(), "ward/bed-12");
        assert_eq!(message.channel.as_str(), "HR");
        assert_eq!(message.offset, Duration::from_secs(60));
        assert_eq!((message.value, message.unit.as_str()), (Value::Number(0.0), "bpm"));
        assert_eq!(message.stamp, Some(SourceStamp::Text("2896-10-10T00:31:25.894Z".to_string())));
    }

    #[test]
    fn the_only_other_member_is_the_value() {
        let line = r#"{"offset_s": 0, "topic": "home/outdoor/temperature", "payload": {"temp": 47.8, "unit": "[degF]", "date": "2010/01/01 00:00:00"}}"#;
        let message = parse(line).expect("a recorded message");
        assert_eq!(message.value, Value::Number(47.8));
        assert_eq!(message.stamp, Some(SourceStamp::Text("2010/01/01 00:00:00".to_string())));
    }

    #[test]
    fn a_recorded_gap_stays_a_gap() {
        let line = r#"{"offset_s": 0, "topic": "ward/bed-12/HR", "payload": {"value": null}}"#;
        assert_eq!(parse(line).expect("a recorded message").value, Value::Missing);
    }

    #[test]
    fn a_line_that_is_no_message_says_why() {
        let check = |line: &str, reason: &str| {
            let error = format!("{:#}", parse(line).expect_err(line));
            assert!(error.contains(reason), "{error}");
        };
        check("[te] {}", "not a recorded message");
        check(r#"{"offset_s": 0, "topic": "HR", "payload": {"value": 1}}"#, "one level");
        check(r#"{"offset_s": 0, "topic": "a/b", "payload": {"x": 1, "y": 2}}"#, "no member");
        check(r#"{"offset_s": -1, "topic": "a/b", "payload": {"value": 2}}"#, "offset_s is -1");
    }
}
