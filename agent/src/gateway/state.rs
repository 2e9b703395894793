//! The state of a gateway, and the one way it changes: [`Gateway::apply`], live and replayed alike.

use std::collections::{BTreeMap, VecDeque};
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tidegate_engine::{Engine, StateChange};
use tidegate_log::{Append, CorruptRecord, Deadline, Machine, Record, TrimPolicy, Turn};
use tidegate_model::codec;
use tidegate_model::id::RunId;
use tidegate_model::lane::{Lane, LaneRecord};
use tidegate_model::limits;
use tidegate_model::reading::DeadLetter;
use tidegate_model::time::{Stamp, Timestamp};

use super::input::{Answer, Effect, Input, LaneStatus, PipelineStatus, PipelineText, Status};
use crate::link::{Link, LinkRecord};
use crate::pipeline::{Definition, Windows};
use crate::samples::Samples;

/// The machine. `Token` is how the broker's client recognises a message; the gateway only hands it back.
#[derive(Debug)]
pub struct Gateway<Token> {
    pub(super) engine: Engine,
    pub(super) samples: Samples,
    pub(super) windows: Windows,
    pub(super) link: Link,
    pub(super) pipelines: BTreeMap<String, InUse>,
    pub(super) dead_letters: DeadLetters,
    pub(super) readings: u64,
    pub(super) anchor: Option<Stamp>,
    /// Since the process began; not part of what is recovered.
    pub(super) duplicates: u64,
    /// Bytes of disk beyond which rows that the bridge holds give way; a setting, not part of what is recovered.
    quota_bytes: u64,
    /// Limits of workflows; a setting, too.
    engine_settings: tidegate_engine::Settings,
    /// Whether there is a bridge at all; a setting, too.
    replicated: bool,
    token: PhantomData<fn() -> Token>,
}

/// A pipeline in use: its text is in the log, so that a window is computed alike when it is replayed.
#[derive(Debug, Clone)]
pub(super) struct InUse {
    pub(super) source: PipelineText,
    pub(super) definition: Definition,
}

/// The latest dead letters, and how many there ever were.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct DeadLetters {
    pub(super) total: u64,
    pub(super) latest: VecDeque<DeadLetter>,
}

/// Records that stay on this machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every record is the engine's: a box would cost an allocation each"
)]
pub(super) enum LocalRecord {
    /// The engine's state that is not history.
    Engine(StateChange),
    /// How far the bridge is, and which signals were recorded.
    Link(LinkRecord),
    /// A pipeline is in use from here on.
    PipelineEnabled {
        /// Where it came from.
        file: String,
        /// What it says.
        text: String,
    },
    /// A pipeline is out of use from here on.
    PipelineDisabled {
        /// Its name.
        name: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    engine: ByteBuf,
    samples: Samples,
    windows: Windows,
    link: Link,
    pipelines: Vec<(String, String)>,
    dead_letters: DeadLetters,
    readings: u64,
    anchor: Option<Stamp>,
}

impl<Token> Gateway<Token> {
    /// A gateway with nothing in it. Rows that the bridge holds give way when the store takes more than
    /// `quota_bytes` of the disk.
    ///
    /// Before anything else is said it is taken to have a bridge: see [`Gateway::without_bridge`].
    #[must_use]
    pub fn new(quota_bytes: u64) -> Self {
        Self {
            engine: Engine::new(),
            samples: Samples::default(),
            windows: Windows::default(),
            link: Link::default(),
            pipelines: BTreeMap::new(),
            dead_letters: DeadLetters::default(),
            readings: 0,
            anchor: None,
            duplicates: 0,
            quota_bytes,
            engine_settings: tidegate_engine::Settings::default(),
            replicated: true,
            token: PhantomData,
        }
    }
}

impl<Token: Send + 'static> Machine for Gateway<Token> {
    type Input = Input<Token>;
    type Effect = Effect<Token>;

    fn handle(&mut self, turn: &mut Turn<'_, Effect<Token>>, input: Input<Token>) {
        match input {
            Input::Messages(messages) => self.on_messages(turn, messages),
            Input::Engine(input) => self.on_engine(turn, *input),
            Input::Acked { lane, item, chain } => self.on_acked(turn, lane, item, chain),
            Input::Downlink { ticket, signals } => self.on_downlink(turn, ticket, signals),
            Input::BeginEpoch { ticket, epoch } => self.on_begin_epoch(turn, ticket, epoch),
            Input::Pipelines(wanted) => self.on_pipelines(turn, wanted),
            Input::Anchor(stamp) => {
                if self.anchor != Some(stamp) {
                    self.append_lane(turn, LaneRecord::Anchor(stamp), None);
                }
            }
            Input::Inspect { ticket } => {
                let answer = Answer::Status(Box::new(self.status(turn)));
                turn.effect(Effect::Answer { ticket, answer });
            }
        }
        self.close_due_windows(turn);
    }

    fn next_deadline(&self) -> Option<Deadline> {
        let engine = self.engine.next_deadline().map(|(at, why)| Deadline { at, why });
        let windows = self.windows.next_deadline().map(|at| Deadline { at, why: "a window closes" });
        engine.into_iter().chain(windows).min_by_key(|deadline| deadline.at)
    }

    fn handle_deadline(&mut self, turn: &mut Turn<'_, Effect<Token>>) {
        self.close_due_windows(turn);
        self.on_engine_deadline(turn);
    }

    fn apply(&mut self, record: &Record<'_>) -> Result<(), CorruptRecord> {
        let corrupt = |error: codec::DecodeError| CorruptRecord(format!("row {}: {error}", record.row));
        if record.lane.is_some() {
            let decoded: LaneRecord = codec::from_cbor(record.bytes).map_err(corrupt)?;
            if let LaneRecord::History(batch) = decoded {
                self.engine.apply(&tidegate_engine::Record::History(batch));
            } else {
                self.apply_lane(&decoded, record.time);
            }
            return Ok(());
        }
        let local: LocalRecord = codec::from_cbor(record.bytes).map_err(corrupt)?;
        if let LocalRecord::Engine(change) = local {
            self.engine.apply(&tidegate_engine::Record::State(change));
        } else {
            self.apply_local(local);
        }
        Ok(())
    }

    fn trim(&self) -> Option<TrimPolicy> {
        let acked = Lane::ALL.map(|lane| if self.replicated { self.link.acked(lane).0 } else { u64::MAX });
        Some(TrimPolicy { quota_bytes: self.quota_bytes, acked })
    }

    fn is_open(&self, key: u128) -> bool {
        self.engine.is_open(RunId::from_u128(key))
    }

    fn snapshot(&self) -> Vec<u8> {
        codec::to_cbor(&Snapshot {
            engine: ByteBuf::from(self.engine.snapshot()),
            samples: self.samples.clone(),
            windows: self.windows.clone(),
            link: self.link.clone(),
            pipelines: self
                .pipelines
                .values()
                .map(|in_use| (in_use.source.file.clone(), in_use.source.text.clone()))
                .collect(),
            dead_letters: self.dead_letters.clone(),
            readings: self.readings,
            anchor: self.anchor,
        })
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), CorruptRecord> {
        let corrupt = |error: codec::DecodeError| CorruptRecord(format!("snapshot: {error}"));
        let snapshot: Snapshot = codec::from_cbor(snapshot).map_err(corrupt)?;
        let engine_settings = self.engine_settings.clone();
        *self = Self {
            engine: Engine::restore(&snapshot.engine)
                .map_err(corrupt)?
                .with_settings(engine_settings.clone()),
            engine_settings,
            samples: snapshot.samples,
            windows: snapshot.windows,
            link: snapshot.link,
            dead_letters: snapshot.dead_letters,
            readings: snapshot.readings,
            anchor: snapshot.anchor,
            replicated: self.replicated,
            ..Self::new(self.quota_bytes)
        };
        self.samples.restored();
        for (file, text) in snapshot.pipelines {
            self.enable(PipelineText { file, text });
        }
        Ok(())
    }
}

impl<Token> Gateway<Token> {
    /// A gateway that is replicated to nobody: beyond the quota the oldest rows give way although no bridge has them.
    /// A bridge that is configured later is told of the gap.
    #[must_use]
    pub fn without_bridge(self) -> Self {
        Self { replicated: false, ..self }
    }

    /// A gateway whose workflows have these limits.
    #[must_use]
    pub fn with_engine_settings(self, settings: tidegate_engine::Settings) -> Self {
        Self { engine: self.engine.with_settings(settings.clone()), engine_settings: settings, ..self }
    }

    /// Appends a record of a lane and takes it into the state.
    pub(super) fn append_lane(
        &mut self,
        turn: &mut Turn<'_, Effect<Token>>,
        record: LaneRecord,
        key: Option<u128>,
    ) {
        let now = turn.now();
        turn.append(&Append {
            lane: Some(record.lane()),
            items: record.items(),
            key,
            bytes: codec::to_cbor(&record),
            at_leisure: false,
        });
        turn.effect(Effect::Replicate);
        self.apply_lane(&record, now);
    }

    /// Appends a record that stays here and takes it into the state.
    pub(super) fn append_local(
        &mut self,
        turn: &mut Turn<'_, Effect<Token>>,
        record: LocalRecord,
        at_leisure: bool,
    ) {
        turn.append(&Append { lane: None, items: 0, key: None, bytes: codec::to_cbor(&record), at_leisure });
        self.apply_local(record);
    }

    fn apply_lane(&mut self, record: &LaneRecord, now: Timestamp) {
        match record {
            LaneRecord::Readings(block) => {
                self.readings += block.readings.len() as u64;
                self.samples.apply(block);
                self.windows.apply_readings(block, now);
            }
            LaneRecord::Window(summary) => self.windows.apply_closed(summary),
            LaneRecord::DeadLetter(letter) => {
                self.dead_letters.total += 1;
                self.dead_letters.latest.push_back(letter.clone());
                if self.dead_letters.latest.len() > limits::DEAD_LETTERS_KEPT_MAX {
                    self.dead_letters.latest.pop_front();
                }
            }
            LaneRecord::Anchor(stamp) => self.anchor = Some(*stamp),
            // The engine takes in what it appends while it decides; a receipt is for the bridge alone.
            LaneRecord::History(_) | LaneRecord::Receipt(_) => {}
        }
    }

    fn apply_local(&mut self, record: LocalRecord) {
        match record {
            LocalRecord::Engine(_) => {}
            LocalRecord::Link(record) => self.link.apply(&record),
            LocalRecord::PipelineEnabled { file, text } => self.enable(PipelineText { file, text }),
            LocalRecord::PipelineDisabled { name } => {
                self.windows.disable(&name);
                self.pipelines.remove(&name);
            }
        }
    }

    /// A text that this release no longer understands is left out: its windows end, its runs carry their own copy.
    fn enable(&mut self, source: PipelineText) {
        if let Ok(definition) = Definition::parse(&source.file, &source.text) {
            self.windows.enable(&definition);
            self.pipelines.insert(definition.name().to_owned(), InUse { source, definition });
        }
    }

    fn status(&self, turn: &Turn<'_, Effect<Token>>) -> Status {
        Status {
            epoch: turn.epoch(),
            stamp: turn.stamp(),
            readings: self.readings,
            duplicates: self.duplicates,
            dead_letters: self.dead_letters.total,
            dead_letters_kept: self.dead_letters.latest.iter().cloned().collect(),
            pipelines: self
                .pipelines
                .iter()
                .map(|(name, in_use)| PipelineStatus {
                    name: name.clone(),
                    definition: in_use.definition.digest().to_owned(),
                    file: in_use.source.file.clone(),
                })
                .collect(),
            open_windows: self.windows.open(),
            open_runs: self.engine.open_runs(),
            dedup_sessions: self.samples.sessions(),
            lanes: Lane::ALL
                .into_iter()
                .map(|lane| LaneStatus {
                    lane: lane.name(),
                    last: turn.next_item(lane) - 1,
                    acked: self.link.acked(lane).0,
                })
                .collect(),
            downlink_cursor: self.link.cursor(),
        }
    }
}
