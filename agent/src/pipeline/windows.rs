//! Windows over readings, as a deterministic machine: fed with what was stored, it names the windows that must close.
//! Time is an argument; what is computed live is computed alike in a replay.
//!
//! A window belongs to a pipeline, a source and a channel, and begins at a multiple of its length. It ends when a reading
//! of a later window comes, or when the gateway's clock says that none is to be expected. A reading that comes after the
//! window it belongs to is *late*: it is stored and counted, and in no window.

mod open;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::id::{Channel, SourceId};
use tidegate_model::limits::{
    LATE_READINGS_IN_A_ROW_MAX, OPEN_WINDOWS_MAX, WINDOW_KEYS_MAX, WINDOWS_CLOSED_AT_ONCE_MAX,
};
use tidegate_model::reading::{ReadingBlock, WindowSummary};
use tidegate_model::time::Timestamp;

use self::open::{Aggregate, Open, Placed};
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
    /// Follows from the definitions: which windows a source's and channel's readings go into.
    routes: BTreeMap<SourceId, BTreeMap<Channel, Route>>,
    /// Routes in that memory.
    routed: usize,
}

type Route = Arc<[Arc<Key>]>;

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
        self.forget_routes();
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
        self.forget_routes();
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
            for key in self.route(&reading.source, &reading.channel).iter() {
                let window = self.pipelines.get(&key.pipeline).and_then(Definition::window);
                let Some(spec) = window.copied() else { continue };
                let time = match spec.time {
                    TimeOf::Gateway => Some(arrival),
                    TimeOf::Source { unit, zone } => {
                        reading.source_stamp.as_ref().and_then(|stamp| time::read(stamp, unit, zone))
                    }
                };
                match time {
                    Some(time) => self.place(key, spec, Placed { time, arrival, number, reading }),
                    None => self.counts.entry(key.pipeline.clone()).or_default().undated += 1,
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

    fn route(&mut self, source: &SourceId, channel: &Channel) -> Route {
        if let Some(route) = self.routes.get(source).and_then(|channels| channels.get(channel)) {
            return Arc::clone(route);
        }
        let takers = self.pipelines.values().filter(|definition| definition.takes(source, channel));
        let key = |definition: &Definition| {
            let pipeline = definition.name().to_owned();
            Arc::new(Key { pipeline, source: source.clone(), channel: channel.clone() })
        };
        let route: Route = takers.map(key).collect();
        // Only a memory of what is cheap to find out again.
        if self.routed >= WINDOW_KEYS_MAX {
            self.forget_routes();
        }
        self.routed += 1;
        self.routes.entry(source.clone()).or_default().insert(channel.clone(), Arc::clone(&route));
        route
    }

    fn forget_routes(&mut self) {
        self.routes.clear();
        self.routed = 0;
    }

    /// Puts a reading into its window, which may end another.
    fn place(&mut self, key: &Arc<Key>, spec: WindowSpec, placed: Placed<'_>) {
        self.remember(key);
        let start = floor(placed.time, spec.length);
        let progress = self.keys.get_mut(key).expect("remembered just now");
        progress.last_reading = placed.number;
        if let Some(open) = progress.open.as_mut().filter(|open| open.start == start) {
            progress.late_in_a_row = 0;
            open.add(&placed);
            return;
        }
        let late_before = progress.open.as_ref().map(|open| open.start).or(progress.closed_until);
        let is_late = late_before.is_some_and(|before| start < before);
        if is_late {
            let counts = self.counts.entry(key.pipeline.clone()).or_default();
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
        self.end(key, is_late);
        let deadline = match spec.time {
            TimeOf::Gateway => start + spec.length + spec.grace,
            TimeOf::Source { .. } => placed.arrival + spec.length + spec.grace,
        };
        let definition = self.pipelines.get(&key.pipeline).map(Definition::digest).unwrap_or_default();
        let open = Open::new(definition, (start, start + spec.length), deadline, &placed);
        self.deadlines.insert((deadline, Arc::clone(key)));
        self.keys.get_mut(key).expect("remembered just now").open = Some(open);
        if self.deadlines.len() > OPEN_WINDOWS_MAX {
            let (_, oldest) = self.deadlines.first().cloned().expect("there are more than the limit");
            self.end(&oldest, true);
        }
    }

    /// Makes sure that a key has its progress in the table.
    fn remember(&mut self, key: &Arc<Key>) {
        if self.keys.contains_key(key) {
            return;
        }
        if self.keys.len() >= WINDOW_KEYS_MAX {
            let idle = self.keys.iter().filter(|(_, progress)| progress.open.is_none());
            let silent =
                idle.min_by_key(|(_, progress)| progress.last_reading).map(|(key, _)| Arc::clone(key));
            self.keys.remove(&silent.expect("fewer windows are open than keys are kept"));
        }
        self.keys.insert(Arc::clone(key), Progress::default());
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
