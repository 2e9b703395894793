//! Conversations as text: each line is something that happens, `->`, and what must come of it.
//!
//! ```text
//! hello e1 [samples=3] [cursor=7]        the device says hello; lanes it does not name have 1000 items
//! write e1 samples 3                     the device writes 3 blocks of one reading
//! write e1 samples [4]                   … one block of 4 readings
//! write e1 run A 1..3 [end]              … events 1 to 3 of run A, the last of them its end
//! write e1 junk histories 2              … two items that are no record at all
//! write e1 stray samples                 … a record that belongs to another lane
//! write e1 miscounted samples            … a block of one reading that says it has two
//! write e1 misnumbered samples           … a block that says it stands elsewhere
//! write e1 letter                        … a message it could not decode
//! write e1 receipt S applied             … what became of signal S
//! send e1 samples 1..3 [gap 1..2] [tampered]
//! signal S [for 10s] [saying X]          an operator sends a signal
//! poll 0                                 the device asks for signals after a cursor
//! wait 10s                               time passes
//! copy / put back                        the bridge's folder is copied; the copy is put in its place
//! show samples e1 / show S / show runs [e1]
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use serde_bytes::ByteBuf;
use tidegate_model::codec;
use tidegate_model::event::{Event, HistoryBatch, WorkflowExecutionStarted};
use tidegate_model::id::{BootId, DeviceId, Epoch, RunId};
use tidegate_model::lane::{Chain, Lane, LaneRecord};
use tidegate_model::payload::Payload;
use tidegate_model::reading::{DeadLetter, Quality, Reading, ReadingBlock, Value};
use tidegate_model::replication::{Batch, BatchRecord, Gap, GapReason, Hello, LaneOffer, Refusal};
use tidegate_model::signal::{SignalOutcome, SignalReceipt};
use tidegate_model::time::{ClockState, Stamp, Timestamp};

use super::super::{Answer, Fact, Fleet, Request, RunsWanted, SignalOrder};

/// Runs a conversation. At its end the facts, replayed from their bytes, must come to the same state.
#[track_caller]
pub(super) fn check(script: &str) {
    let mut world = World::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (said, expected) = line.split_once("->").map_or((line, ""), |(said, expected)| (said, expected));
        let answered = world.play(said.trim());
        assert_eq!(answered, expected.trim(), "after: {said}");
    }
    world.check_replay();
}

/// A fleet, the devices' own logs, and the time.
pub(super) struct World {
    pub(super) fleet: Fleet,
    pub(super) facts: Vec<(Timestamp, Vec<u8>)>,
    now: Timestamp,
    written: BTreeMap<(Epoch, Lane), Vec<BatchRecord>>,
    copy: Option<(Fleet, usize)>,
}

pub(super) fn device() -> DeviceId {
    "gw-1".parse().expect("a device id")
}

fn epoch(text: &str) -> Epoch {
    Epoch::from_u128(text.strip_prefix('e').and_then(|n| n.parse().ok()).expect("an epoch is e and a number"))
}

fn lane(text: &str) -> Lane {
    Lane::ALL.into_iter().find(|lane| lane.name() == text).expect("a lane's name")
}

fn run_id(text: &str) -> RunId {
    RunId::from_u128(u128::from(text.as_bytes()[0]))
}

fn range(text: &str) -> (u64, u64) {
    let (from, to) = text.split_once("..").expect("a range is from..to");
    (from.parse().expect("a number"), to.parse().expect("a number"))
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs(
        text.strip_suffix('s').and_then(|n| n.parse().ok()).expect("seconds are a number and s"),
    )
}

pub(super) fn stamp() -> Stamp {
    Stamp {
        boot: BootId::from_u128(1),
        boottime_ns: 5_000_000_000,
        wall: Timestamp::from_micros(1_000_000),
        state: ClockState::Holdover,
        error_us: None,
    }
}

/// A look at the clocks of a boot, so many milliseconds after it. A batch's stamp is at 5 s of boot 1.
fn sent_by(boot: u64, at_ms: u64) -> Stamp {
    Stamp { boot: BootId::from_u128(boot.into()), boottime_ns: at_ms * 1_000_000, ..stamp() }
}

pub(super) fn block(first: u64, readings: u64) -> LaneRecord {
    let reading = |number: u64| Reading {
        source: "bed-12".parse().expect("a source"),
        channel: "HR".parse().expect("a channel"),
        value: Value::Int(i64::try_from(number).expect("a small number")),
        unit: String::new(),
        source_stamp: None,
        identity: None,
        received_ns: 0,
        quality: Quality::Good,
    };
    LaneRecord::Readings(ReadingBlock {
        first,
        stamp: stamp(),
        readings: (first..first + readings).map(reading).collect(),
    })
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            fleet: Fleet::default(),
            facts: Vec::new(),
            now: Timestamp::from_micros(1_000_000),
            written: BTreeMap::new(),
            copy: None,
        }
    }

    pub(super) fn play(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["hello", at, rest @ ..] => self.hello(epoch(at), rest),
            ["write", at, what @ ..] => {
                self.write(epoch(at), what);
                String::new()
            }
            ["send", at, on, items, rest @ ..] => self.send(epoch(at), lane(on), range(items), rest),
            ["signal", id, rest @ ..] => self.signal(id, rest),
            ["poll", cursor] => self.poll(cursor.parse().expect("a cursor")),
            ["wait", time] => {
                self.now = self.now + seconds(time);
                if self.fleet.next_deadline().is_some_and(|at| at <= self.now) {
                    let (facts, _) = self.fleet.handle_deadline(self.now);
                    self.keep(facts);
                }
                String::new()
            }
            ["copy"] => {
                self.copy = Some((self.fleet.clone(), self.facts.len()));
                String::new()
            }
            ["put", "back"] => {
                let (fleet, facts) = self.copy.take().expect("a copy was made");
                self.fleet = fleet;
                self.facts.truncate(facts);
                String::new()
            }
            ["show", "runs"] => self.show_runs(None),
            ["show", "runs", at] => self.show_runs(Some(epoch(at))),
            ["show", what, at] => self.show_lane(lane(what), epoch(at)),
            ["show", signal] => self.show_signal(signal),
            other => panic!("not a line of a conversation: {other:?}"),
        }
    }

    fn ask(&mut self, request: Request) -> Answer {
        let step = self.fleet.handle(self.now, request);
        self.keep(step.facts);
        step.answer
    }

    fn keep(&mut self, facts: Vec<Fact>) {
        let records = facts.iter().map(|fact| (self.now, fact.append().bytes));
        self.facts.extend(records);
    }

    fn hello(&mut self, epoch: Epoch, rest: &[&str]) -> String {
        let said = |key: &str| {
            let word = rest.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
            word.map(|number| number.parse::<u64>().expect("a number"))
        };
        let lanes = Lane::ALL
            .into_iter()
            .map(|lane| LaneOffer { lane, first: 1, last: said(lane.name()).unwrap_or(1_000) })
            .collect();
        let hello = Hello {
            epoch,
            boot: BootId::from_u128(said("boot").unwrap_or(1).into()),
            lanes,
            downlink_cursor: said("cursor").unwrap_or(0),
            agent_version: "0.1.0".to_owned(),
            sent: sent_by(said("boot").unwrap_or(1), said("at").unwrap_or(9_000)),
        };
        let Answer::Hello(answer) = self.ask(Request::Hello { device: device(), hello }) else {
            panic!("a hello is answered as one");
        };
        match answer {
            Ok(reply) => {
                let acks: Vec<String> = reply.lanes.iter().map(|lane| lane.ack.to_string()).collect();
                let pending = if reply.downlink_pending { ", signals wait" } else { "" };
                format!("{:?}, {}{pending}", reply.epoch_state, acks.join(" ")).to_lowercase()
            }
            Err(refusal) => refused(&refusal),
        }
    }

    fn write(&mut self, epoch: Epoch, what: &[&str]) {
        match what {
            ["samples", one] if one.starts_with('[') => {
                let readings = one.trim_matches(['[', ']']).parse().expect("a number");
                let first = self.next(epoch, Lane::Samples);
                self.put(epoch, Lane::Samples, &block(first, readings));
            }
            ["samples", count] => {
                for _ in 0..count.parse::<u64>().expect("a number") {
                    let first = self.next(epoch, Lane::Samples);
                    self.put(epoch, Lane::Samples, &block(first, 1));
                }
            }
            ["run", run, events, rest @ ..] => {
                let (from, to) = range(events);
                let batch = history(run_id(run), from, to, rest.contains(&"end"));
                self.put(epoch, Lane::Histories, &LaneRecord::History(batch));
            }
            ["junk", on, items] => {
                let items = items.parse().expect("a number");
                self.put_bytes(epoch, lane(on), items, b"junk".to_vec());
            }
            ["stray", on] => self.put_bytes(epoch, lane(on), 1, codec::to_cbor(&LaneRecord::Anchor(stamp()))),
            ["miscounted", "samples"] => {
                let first = self.next(epoch, Lane::Samples);
                self.put_bytes(epoch, Lane::Samples, 2, codec::to_cbor(&block(first, 1)));
            }
            ["misnumbered", "samples"] => self.put(epoch, Lane::Samples, &block(700, 1)),
            ["letter"] => {
                let letter = DeadLetter {
                    topic: "ward/x".to_owned(),
                    reason: "not JSON".to_owned(),
                    payload: ByteBuf::from(b"{".to_vec()),
                    payload_bytes: 1,
                    received: stamp(),
                };
                self.put(epoch, Lane::Control, &LaneRecord::DeadLetter(letter));
            }
            ["receipt", id, outcome] => {
                let outcome = match *outcome {
                    "applied" => SignalOutcome::Applied { run_id: run_id("A"), event_id: Some(4) },
                    "duplicate" => SignalOutcome::Duplicate,
                    "missing" => SignalOutcome::NotFound { reason: "no such workflow".to_owned() },
                    "expired" => SignalOutcome::Expired,
                    other => panic!("no such outcome: {other}"),
                };
                let signal_id = id.parse().expect("a signal id");
                self.put(
                    epoch,
                    Lane::Control,
                    &LaneRecord::Receipt(SignalReceipt { seq: 1, signal_id, outcome }),
                );
            }
            other => panic!("not something a device writes: {other:?}"),
        }
    }

    fn next(&self, epoch: Epoch, lane: Lane) -> u64 {
        let written = self.written.get(&(epoch, lane)).into_iter().flatten();
        1 + written.map(|record| u64::from(record.items)).sum::<u64>()
    }

    pub(super) fn put(&mut self, epoch: Epoch, lane: Lane, record: &LaneRecord) {
        self.put_bytes(epoch, lane, record.items(), codec::to_cbor(record));
    }

    fn put_bytes(&mut self, epoch: Epoch, lane: Lane, items: u32, bytes: Vec<u8>) {
        let record = BatchRecord { items, bytes: ByteBuf::from(bytes) };
        self.written.entry((epoch, lane)).or_default().push(record);
    }

    /// The batch a device would make of items it wrote.
    pub(super) fn batch(
        &self,
        epoch: Epoch,
        lane: Lane,
        items: (u64, u64),
        gap: Option<(u64, u64)>,
    ) -> Batch {
        let (from, to) = items;
        let mut chain_before = Chain::START;
        let mut first = 1;
        let mut records = Vec::new();
        for record in self.written.get(&(epoch, lane)).into_iter().flatten() {
            let last = first + u64::from(record.items) - 1;
            if last < from {
                chain_before = chain_before.after(record.items, &record.bytes);
            } else if last <= to {
                records.push(record.clone());
            }
            first = last + 1;
        }
        let after = |chain: Chain, record: &BatchRecord| chain.after(record.items, &record.bytes);
        let chain_after = records.iter().fold(chain_before, after);
        let gap = gap.map(|(from, to)| Gap { from, to, reason: GapReason::DroppedForSpace });
        Batch { first: from, chain_before, gap, records, chain_after, sent: stamp() }
    }

    fn send(&mut self, epoch: Epoch, lane: Lane, items: (u64, u64), rest: &[&str]) -> String {
        let gap = rest.iter().position(|word| *word == "gap").map(|at| range(rest[at + 1]));
        let mut batch = self.batch(epoch, lane, items, gap);
        if rest.contains(&"tampered") {
            batch.records[0].bytes.push(0);
            let after = |chain: Chain, record: &BatchRecord| chain.after(record.items, &record.bytes);
            batch.chain_after = batch.records.iter().fold(batch.chain_before, after);
        }
        if rest.contains(&"broken") {
            batch.chain_after = Chain::START;
        }
        self.send_batch(epoch, lane, batch)
    }

    pub(super) fn send_batch(&mut self, epoch: Epoch, lane: Lane, batch: Batch) -> String {
        let Answer::Batch(answer) = self.ask(Request::Batch { device: device(), epoch, lane, batch }) else {
            panic!("a batch is answered as one");
        };
        match answer {
            Ok(reply) if reply.dead_lettered.is_empty() => format!("ack {}", reply.ack.ack),
            Ok(reply) => format!("ack {}, set aside {:?}", reply.ack.ack, reply.dead_lettered),
            Err(refusal) => refused(&refusal),
        }
    }

    fn signal(&mut self, id: &str, rest: &[&str]) -> String {
        let said = |key: &str| rest.iter().position(|word| *word == key).map(|at| rest[at + 1]);
        let order = SignalOrder {
            signal_id: id.parse().expect("a signal id"),
            namespace: "default".parse().expect("a namespace"),
            workflow_id: "patrol".parse().expect("a workflow id"),
            run_id: None,
            signal_name: "go".to_owned(),
            input: vec![Payload::json(said("saying").unwrap_or("1"))],
            issued_by: "operator".to_owned(),
            expires_after: said("for").map(seconds),
        };
        let Answer::Send(answer) = self.ask(Request::Send { device: device(), order }) else {
            panic!("a signal is answered as one");
        };
        match answer {
            Ok(true) => "taken".to_owned(),
            Ok(false) => "taken before".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    fn poll(&mut self, cursor: u64) -> String {
        let Answer::Poll(answer) = self.ask(Request::Poll { device: device(), after: cursor }) else {
            panic!("a poll is answered as one");
        };
        match answer {
            Ok(downlink) => {
                let signals: Vec<String> = downlink
                    .signals
                    .iter()
                    .map(|signal| format!("{}@{}", signal.signal_id, signal.seq))
                    .collect();
                if signals.is_empty() { "nothing".to_owned() } else { signals.join(" ") }
            }
            Err(refusal) => refused(&refusal),
        }
    }

    fn show_lane(&self, lane: Lane, epoch: Epoch) -> String {
        let detail = self.fleet.device(&device()).expect("the device is known");
        let state = detail.epochs.iter().find(|state| state.epoch == epoch).expect("the epoch is known");
        let shown = state.lanes.iter().find(|shown| shown.lane == lane.name()).expect("every lane is shown");
        let gaps: String = shown.gaps.iter().map(|gap| format!(", gap {}..{}", gap.from, gap.to)).collect();
        format!(
            "through {}: {} archived, {} set aside, {} gone, {} again{gaps}",
            shown.complete_through, shown.archived, shown.set_aside, shown.gone, shown.duplicates_skipped
        )
    }

    fn show_runs(&self, epoch: Option<Epoch>) -> String {
        let wanted = RunsWanted { epoch, status: None, workflow_id: None, limit: 10 };
        let runs = self.fleet.runs(&device(), &wanted).expect("the device is known").runs;
        let lines: Vec<String> = runs
            .iter()
            .map(|run| {
                let missing = if run.missing_events == 0 {
                    String::new()
                } else {
                    format!(" ({} missing)", run.missing_events)
                };
                format!("{} {} events{missing}, {}", run.status, run.events, run.last_event)
            })
            .collect();
        lines.join("; ")
    }

    fn show_signal(&self, id: &str) -> String {
        let id = id.parse().expect("a signal id");
        self.fleet
            .signal(&device(), &id)
            .map_or_else(|| "unknown".to_owned(), |view| view.state.name().to_owned())
    }

    /// The last item the bridge accounts for.
    pub(super) fn ack(&self, epoch: Epoch, lane: Lane) -> u64 {
        let detail = self.fleet.device(&device()).expect("the device is known");
        let state = detail.epochs.iter().find(|state| state.epoch == epoch).expect("the epoch is known");
        state.lanes.iter().find(|shown| shown.lane == lane.name()).map_or(0, |shown| shown.complete_through)
    }

    pub(super) fn check_replay(&self) {
        let mut replayed = Fleet::default();
        for (time, bytes) in &self.facts {
            let fact = Fact::from_record(bytes).expect("what was written is understood");
            replayed.apply(*time, &fact).expect("what was decided can be applied");
        }
        assert!(
            codec::to_cbor(&replayed) == codec::to_cbor(&self.fleet),
            "replayed facts come to another state"
        );
        let restored: Fleet =
            codec::from_cbor(&codec::to_cbor(&self.fleet)).expect("a snapshot is understood");
        assert!(
            codec::to_cbor(&restored) == codec::to_cbor(&self.fleet),
            "a snapshot comes back as another state"
        );
    }
}

fn history(run: RunId, from: u64, to: u64, ends: bool) -> HistoryBatch {
    let event = |id: u64| match id {
        1 => Event::WorkflowExecutionStarted(Box::new(WorkflowExecutionStarted::new(
            "pipeline",
            "pipelines".parse().expect("a task queue"),
            run,
        ))),
        id if id == to && ends => Event::WorkflowExecutionCompleted {
            result: vec![Payload::json("42")],
            workflow_task_completed_event_id: 1,
            new_execution_run_id: None,
        },
        _ => Event::TimerFired { timer_id: "t".to_owned(), started_event_id: 1 },
    };
    HistoryBatch {
        namespace: "default".parse().expect("a namespace"),
        workflow_id: "patrol".parse().expect("a workflow id"),
        run_id: run,
        first_event_id: from,
        event_time: Timestamp::from_micros(2_000_000),
        stamp: stamp(),
        events: (from..=to).map(event).collect(),
    }
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::OutOfOrder { expected } => format!("out of order, has {}", expected.ack),
        Refusal::UnknownEpoch => "unknown epoch".to_owned(),
        Refusal::Stale => "stale".to_owned(),
        Refusal::BrokenChain { expected } => format!("broken chain, has {}", expected.ack),
        Refusal::TooLarge { limit_bytes } => format!("larger than {limit_bytes}"),
        Refusal::Busy { .. } => "busy".to_owned(),
        Refusal::Malformed { reason } => reason.clone(),
    }
}
