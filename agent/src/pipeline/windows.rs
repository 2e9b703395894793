//! Windows over readings, as a deterministic machine: fed with what was stored, it names the windows that must close.
//! Time is an argument; what is computed live is computed alike in a replay.
//!
//! A window belongs to a pipeline, a source and a channel, and begins at a multiple of its length. It ends when a reading
//! of a later window comes, or when the gateway's clock says that none is to be expected. A reading that comes after the
//! window it belongs to is *late*: it is stored and counted, and in no window.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::id::{Channel, SourceId};
use tidegate_model::limits::{
    LATE_READINGS_IN_A_ROW_MAX, OPEN_WINDOWS_MAX, WINDOW_KEYS_MAX, WINDOWS_CLOSED_AT_ONCE_MAX,
};
use tidegate_model::reading::{Quality, Reading, ReadingBlock, WindowSummary};
use tidegate_model::time::Timestamp;

use super::definition::{Definition, WindowSpec};
use super::time::{self, TimeOf};

/// All windows of a gateway.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Windows {
    /// Definitions in use. Not part of what is kept: the host enables them again.
    pipelines: BTreeMap<String, Definition>,
    keys: BTreeMap<Arc<Key>, Progress>,
    /// Ended, but not yet closed: their summaries are final.
    ended: VecDeque<WindowSummary>,
    counts: BTreeMap<String, Counts>,
    /// Follows from the keys: when which open window closes by the gateway's clock.
    deadlines: BTreeSet<(Timestamp, Arc<Key>)>,
    /// Follows from the definitions: which pipelines a source and channel go to.
    routes: BTreeMap<(SourceId, Channel), Arc<[String]>>,
}

/// What was remarkable about a pipeline's readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Readings that came after their window.
    pub late: u64,
    /// Readings without a stamp that says when, in a pipeline that counts by the source's time.
    pub undated: u64,
    /// Times a source's clock was taken as set back.
    pub set_back: u64,
    /// Windows closed before their time.
    pub cut_short: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key {
    pipeline: String,
    source: SourceId,
    channel: Channel,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Progress {
    /// Readings before this are late.
    closed_until: Option<Timestamp>,
    late_in_a_row: u32,
    /// Late ones that no summary has told of yet.
    late: u64,
    last_reading: u64,
    open: Option<Open>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Open {
    definition: String,
    start: Timestamp,
    end: Timestamp,
    /// When it closes by the gateway's clock.
    deadline: Timestamp,
    first_reading: u64,
    last_reading: u64,
    missing: u64,
    aggregate: Aggregate,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Aggregate {
    count: u64,
    min: f64,
    max: f64,
    mean: f64,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    keys: Vec<(Key, Progress)>,
    ended: Vec<WindowSummary>,
    counts: Vec<(String, Counts)>,
}

impl From<Stored> for Windows {
    fn from(stored: Stored) -> Self {
        let keys: BTreeMap<Arc<Key>, Progress> =
            stored.keys.into_iter().map(|(key, progress)| (Arc::new(key), progress)).collect();
        let deadlines = keys
            .iter()
            .filter_map(|(key, progress)| Some((progress.open.as_ref()?.deadline, Arc::clone(key))))
            .collect();
        let counts = stored.counts.into_iter().collect();
        Self { keys, ended: stored.ended.into(), counts, deadlines, ..Self::default() }
    }
}

impl From<Windows> for Stored {
    fn from(windows: Windows) -> Self {
        Self {
            keys: windows.keys.into_iter().map(|(key, progress)| (Key::clone(&key), progress)).collect(),
            ended: windows.ended.into(),
            counts: windows.counts.into_iter().collect(),
        }
    }
}

impl Windows {
    /// Takes a definition into use; one of the same name gives way. Windows that are open go on where the new definition
    /// has the same window, and are cut short where it has another.
    pub fn enable(&mut self, definition: &Definition) {
        self.routes.clear();
        let name = definition.name();
        let same_window = self.pipelines.get(name).is_some_and(|old| old.window() == definition.window());
        let keys: Vec<Arc<Key>> = self.keys.keys().filter(|key| key.pipeline == name).cloned().collect();
        for key in keys {
            let progress = self.keys.get_mut(&key).expect("listed just now");
            let Some(open) = progress.open.as_mut().filter(|open| open.definition != definition.digest())
            else {
                continue;
            };
            if same_window {
                definition.digest().clone_into(&mut open.definition);
            } else {
                self.end(&key, true);
                // The windows of another length begin at other times.
                self.keys.get_mut(&key).expect("listed just now").closed_until = None;
            }
        }
        self.pipelines.insert(name.to_owned(), definition.clone());
    }

    /// Takes a definition out of use. Its open windows go; the readings in them are stored like all others.
    pub fn disable(&mut self, name: &str) {
        self.routes.clear();
        self.pipelines.remove(name);
        self.counts.remove(name);
        self.keys.retain(|key, _| key.pipeline != name);
        self.deadlines.retain(|(_, key)| key.pipeline != name);
        self.ended.retain(|summary| summary.pipeline != name);
    }

    /// Takes in readings that were stored at `now`.
    pub fn apply_readings(&mut self, block: &ReadingBlock, now: Timestamp) {
        for (number, reading) in (block.first..).zip(&block.readings) {
            let arrival = shifted(now, reading.received_ns);
            for name in self.route(&reading.source, &reading.channel).iter() {
                let Some(definition) = self.pipelines.get(name) else { continue };
                let Some(spec) = definition.window().copied() else { continue };
                let time = match spec.time {
                    TimeOf::Gateway => Some(arrival),
                    TimeOf::Source { unit, zone } => {
                        reading.source_stamp.as_ref().and_then(|stamp| time::read(stamp, unit, zone))
                    }
                };
                let digest = definition.digest().to_owned();
                match time {
                    Some(time) => self.place(name, digest, spec, Placed { time, arrival, number, reading }),
                    None => self.counts.entry(name.clone()).or_default().undated += 1,
                }
            }
        }
    }

    /// The windows that must close now, the condition of each evaluated; at most [`WINDOWS_CLOSED_AT_ONCE_MAX`], the rest
    /// is due still. Nothing changes before [`Windows::apply_closed`].
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<WindowSummary> {
        let timed_out = self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now).map(|(_, key)| {
            let progress = self.keys.get(key).expect("a deadline belongs to a key");
            let open = progress.open.as_ref().expect("a deadline belongs to an open window");
            self.summary(key, open, progress.late, false)
        });
        self.ended.iter().cloned().chain(timed_out).take(WINDOWS_CLOSED_AT_ONCE_MAX).collect()
    }

    /// Takes in that a window was closed.
    pub fn apply_closed(&mut self, summary: &WindowSummary) {
        let same = |other: &WindowSummary| {
            (&other.pipeline, &other.source, &other.channel, other.start, other.first_reading)
                == (
                    &summary.pipeline,
                    &summary.source,
                    &summary.channel,
                    summary.start,
                    summary.first_reading,
                )
        };
        if let Some(at) = self.ended.iter().position(same) {
            self.ended.remove(at);
            return;
        }
        let key = Key {
            pipeline: summary.pipeline.clone(),
            source: summary.source.clone(),
            channel: summary.channel.clone(),
        };
        let Some((key, progress)) = self.keys.get_key_value(&key) else { return };
        let key = Arc::clone(key);
        if progress.open.as_ref().is_some_and(|open| open.start == summary.start) {
            self.take_open(&key);
        }
    }

    /// When something is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if !self.ended.is_empty() {
            return Some(Timestamp::EPOCH);
        }
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Windows open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.deadlines.len()
    }

    /// What was remarkable, by pipeline.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<String, Counts> {
        &self.counts
    }

    fn route(&mut self, source: &SourceId, channel: &Channel) -> Arc<[String]> {
        let key = (source.clone(), channel.clone());
        if let Some(route) = self.routes.get(&key) {
            return Arc::clone(route);
        }
        let takers = self.pipelines.values().filter(|definition| definition.takes(source, channel));
        let route: Arc<[String]> = takers.map(|definition| definition.name().to_owned()).collect();
        // Only a memory of what is cheap to find out again.
        if self.routes.len() >= WINDOW_KEYS_MAX {
            self.routes.clear();
        }
        self.routes.insert(key, Arc::clone(&route));
        route
    }

    /// Puts a reading into its window, which may end another.
    fn place(&mut self, name: &str, digest: String, spec: WindowSpec, placed: Placed<'_>) {
        let key = self.key(name, placed.reading, placed.number);
        let start = floor(placed.time, spec.length);
        let progress = self.keys.get_mut(&key).expect("made just now");
        progress.last_reading = placed.number;
        if let Some(open) = progress.open.as_mut().filter(|open| open.start == start) {
            progress.late_in_a_row = 0;
            open.add(&placed);
            return;
        }
        let late_before = progress.open.as_ref().map(|open| open.start).or(progress.closed_until);
        let is_late = late_before.is_some_and(|before| start < before);
        if is_late {
            let counts = self.counts.entry(name.to_owned()).or_default();
            counts.late += 1;
            progress.late_in_a_row += 1;
            progress.late += 1;
            if progress.late_in_a_row < LATE_READINGS_IN_A_ROW_MAX {
                return;
            }
            // This many in a row are no stragglers: the source's clock was set back, and its time goes on from here. The
            // reading that tells is in the window it opens.
            counts.set_back += 1;
            progress.late -= 1;
        }
        progress.late_in_a_row = 0;
        self.end(&key, is_late);
        let deadline = match spec.time {
            TimeOf::Gateway => start + spec.length + spec.grace,
            TimeOf::Source { .. } => placed.arrival + spec.length + spec.grace,
        };
        let mut open = Open {
            definition: digest,
            start,
            end: start + spec.length,
            deadline,
            first_reading: placed.number,
            last_reading: placed.number,
            missing: 0,
            aggregate: Aggregate::default(),
        };
        open.add(&placed);
        self.deadlines.insert((deadline, Arc::clone(&key)));
        self.keys.get_mut(&key).expect("made just now").open = Some(open);
        if self.deadlines.len() > OPEN_WINDOWS_MAX {
            let (_, oldest) = self.deadlines.first().cloned().expect("there are more than the limit");
            self.end(&oldest, true);
        }
    }

    /// The key of a reading, with its progress in the table.
    fn key(&mut self, name: &str, reading: &Reading, number: u64) -> Arc<Key> {
        let key = Key {
            pipeline: name.to_owned(),
            source: reading.source.clone(),
            channel: reading.channel.clone(),
        };
        if let Some((key, _)) = self.keys.get_key_value(&key) {
            return Arc::clone(key);
        }
        if self.keys.len() >= WINDOW_KEYS_MAX {
            let idle = self.keys.iter().filter(|(_, progress)| progress.open.is_none());
            let silent =
                idle.min_by_key(|(_, progress)| progress.last_reading).map(|(key, _)| Arc::clone(key));
            self.keys.remove(&silent.expect("fewer windows are open than keys are kept"));
        }
        let key = Arc::new(key);
        self.keys.insert(Arc::clone(&key), Progress { last_reading: number, ..Progress::default() });
        key
    }

    /// Ends the open window of a key, if there is one: its summary is final.
    fn end(&mut self, key: &Arc<Key>, cut_short: bool) {
        let late = self.keys.get(key).map_or(0, |progress| progress.late);
        let Some(open) = self.take_open(key) else { return };
        let summary = self.summary(key, &open, late, cut_short);
        if cut_short {
            self.counts.entry(key.pipeline.clone()).or_default().cut_short += 1;
        }
        self.ended.push_back(summary);
    }

    fn take_open(&mut self, key: &Arc<Key>) -> Option<Open> {
        let progress = self.keys.get_mut(key)?;
        let open = progress.open.take()?;
        progress.closed_until = Some(open.end);
        progress.late = 0;
        self.deadlines.remove(&(open.deadline, Arc::clone(key)));
        Some(open)
    }

    fn summary(&self, key: &Key, open: &Open, late: u64, cut_short: bool) -> WindowSummary {
        let Aggregate { count, min, max, mean } = open.aggregate;
        let value = |value: f64| (count > 0).then_some(value);
        let mut summary = WindowSummary {
            pipeline: key.pipeline.clone(),
            definition: open.definition.clone(),
            source: key.source.clone(),
            channel: key.channel.clone(),
            start: open.start,
            end: open.end,
            count,
            missing: open.missing,
            min: value(min),
            max: value(max),
            // Rounding may carry a mean of equal values past them by their last bit.
            mean: value(mean.clamp(min, max)),
            first_reading: open.first_reading,
            last_reading: open.last_reading,
            condition: None,
            condition_error: None,
            late,
            cut_short,
        };
        let definition = self.pipelines.get(&key.pipeline);
        let answer = match definition.filter(|definition| definition.digest() == open.definition) {
            Some(definition) => {
                definition.condition().map_or(Ok(true), |condition| condition.evaluate(&summary))
            }
            None => Err("the pipeline is not in use any more".to_owned()),
        };
        match answer {
            Ok(holds) => summary.condition = Some(holds),
            Err(reason) => summary.condition_error = Some(reason),
        }
        summary
    }
}

/// A reading on its way into a window.
#[derive(Clone, Copy)]
struct Placed<'r> {
    time: Timestamp,
    arrival: Timestamp,
    number: u64,
    reading: &'r Reading,
}

impl Open {
    fn add(&mut self, placed: &Placed<'_>) {
        self.last_reading = placed.number;
        let good = placed.reading.quality != Quality::Bad;
        match placed.reading.value.as_number().filter(|value| good && value.is_finite()) {
            Some(value) => self.aggregate.add(value),
            None => self.missing += 1,
        }
    }
}

impl Aggregate {
    /// A running mean (Welford 1962), with the division before the subtraction, so that it cannot overflow between the
    /// largest and the smallest number there are. The order of the readings is that of the log, so a replay has the same
    /// bits.
    fn add(&mut self, value: f64) {
        self.count += 1;
        if self.count == 1 {
            (self.min, self.max, self.mean) = (value, value, value);
            return;
        }
        if value < self.min {
            self.min = value;
        }
        if value > self.max {
            self.max = value;
        }
        #[expect(clippy::cast_precision_loss, reason = "a window has fewer than 2^53 readings")]
        let count = self.count as f64;
        self.mean += value / count - self.mean / count;
    }
}

/// The latest multiple of `length` not after `time`.
fn floor(time: Timestamp, length: Duration) -> Timestamp {
    let length = i64::try_from(length.as_micros()).expect("a window is at most a year").max(1);
    Timestamp::from_micros(time.as_micros().saturating_sub(time.as_micros().rem_euclid(length)))
}

fn shifted(time: Timestamp, ns: i64) -> Timestamp {
    Timestamp::from_micros(time.as_micros().saturating_add(ns.div_euclid(1_000)))
}

#[cfg(test)]
pub(super) mod tests;
