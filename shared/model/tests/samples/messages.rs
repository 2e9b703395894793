//! What travels in lanes, and the conversation between device and bridge.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;
use tidegate_model::codec::{self, Kind};
use tidegate_model::id::{Channel, Namespace, SignalId, SourceId};
use tidegate_model::lane::{Chain, Lane, LaneRecord};
use tidegate_model::reading::{
    DeadLetter, Identity, Quality, Reading, ReadingBlock, SourceStamp, Value, WindowSummary,
};
use tidegate_model::replication::{
    Batch, BatchRecord, BatchReply, Downlink, EpochState, Gap, GapReason, Hello, HelloReply, LaneAck,
    LaneOffer, Refusal,
};
use tidegate_model::signal::{DownlinkSignal, SignalOutcome, SignalReceipt};
use tidegate_model::time::{ClockState, Timestamp};

use super::events::{history, payloads, workflow_id};
use super::{Reread, Sample, WIRE_BYTES_MAX, boot, cbor, epoch, one_of_each, run, stamp};

pub(super) fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    samples.extend(lane_records().iter().map(|(name, record)| cbor(format!("lane_record-{name}"), record)));
    samples.extend(outcomes().iter().map(|(name, outcome)| cbor(format!("signal_outcome-{name}"), outcome)));
    samples.extend(values().iter().map(|(name, value)| cbor(format!("value-{name}"), value)));
    samples.extend(source_stamps().iter().map(|(name, stamp)| cbor(format!("source_stamp-{name}"), stamp)));
    samples.push(cbor("quality-all".into(), &[Quality::Good, Quality::Uncertain, Quality::Bad]));
    samples.push(cbor("lane-all".into(), &Lane::ALL));
    samples.extend(clock_states().iter().map(|(name, state)| cbor(format!("clock_state-{name}"), state)));
    samples.extend(kinds().iter().map(|(name, kind)| envelope(name, *kind)));
    samples.push(sent("hello", Kind::Hello, &hello()));
    samples.extend(
        epoch_states()
            .into_iter()
            .map(|(name, state)| sent(&format!("hello_reply-{name}"), Kind::HelloReply, &hello_reply(state))),
    );
    samples.push(sent("batch", Kind::Batch, &batch(None)));
    samples.extend(gap_reasons().into_iter().map(|(name, reason)| {
        let gap = Gap { from: 11, to: 40, reason };
        sent(&format!("batch-gap_{name}"), Kind::Batch, &batch(Some(gap)))
    }));
    samples.push(sent("batch_reply", Kind::BatchReply, &batch_reply()));
    samples.push(sent("downlink", Kind::Downlink, &downlink()));
    samples.extend(
        refusals().iter().map(|(name, refusal)| sent(&format!("refusal-{name}"), Kind::Refusal, refusal)),
    );
    samples
}

/// A message in its envelope.
fn sent<T: Serialize + DeserializeOwned>(name: &str, kind: Kind, value: &T) -> Sample {
    let reread: Reread = Box::new(move |bytes| {
        codec::decode::<T>(kind, bytes, WIRE_BYTES_MAX).map(|value| codec::encode(kind, &value))
    });
    Sample { name: name.to_owned(), bytes: codec::encode(kind, value), reread, kind: Some(kind) }
}

/// An envelope around something opaque, with a flag: the form of what is compressed.
fn envelope(name: &str, kind: Kind) -> Sample {
    let reread: Reread = Box::new(move |bytes| {
        codec::open(kind, bytes, WIRE_BYTES_MAX).map(|(flags, body)| codec::seal(kind, flags, body))
    });
    Sample { name: format!("envelope-{name}"), bytes: codec::seal(kind, 1, b"opaque"), reread, kind: None }
}

fn kinds() -> Vec<(&'static str, Kind)> {
    one_of_each!(Kind {
        "row": Kind::Row => Kind::Row,
        "snapshot": Kind::Snapshot => Kind::Snapshot,
        "hello": Kind::Hello => Kind::Hello,
        "hello_reply": Kind::HelloReply => Kind::HelloReply,
        "batch": Kind::Batch => Kind::Batch,
        "batch_reply": Kind::BatchReply => Kind::BatchReply,
        "downlink": Kind::Downlink => Kind::Downlink,
        "refusal": Kind::Refusal => Kind::Refusal,
        "api_token": Kind::ApiToken => Kind::ApiToken,
    })
}

fn source() -> SourceId {
    SourceId::new("ward/bed-12").expect("topic levels")
}

fn channel() -> Channel {
    Channel::new("HR").expect("a topic level")
}

fn signal_id() -> SignalId {
    SignalId::new("ack-2026-11-23-001").expect("printable")
}

fn chain() -> Chain {
    Chain::START.after(1, b"first")
}

fn values() -> Vec<(&'static str, Value)> {
    one_of_each!(Value {
        "bool": Value::Bool(_) => Value::Bool(true),
        "int": Value::Int(_) => Value::Int(-40),
        "number": Value::Number(_) => Value::Number(36.6),
        "text": Value::Text(_) => Value::Text("open".into()),
        "vector": Value::Vector(_) => Value::Vector(vec![0.5, -1.25, f64::MAX, f64::MIN_POSITIVE]),
        "missing": Value::Missing => Value::Missing,
    })
}

fn source_stamps() -> Vec<(&'static str, SourceStamp)> {
    one_of_each!(SourceStamp {
        "int": SourceStamp::Int(_) => SourceStamp::Int(29_246_977_885),
        "number": SourceStamp::Number(_) => SourceStamp::Number(1.5),
        "text": SourceStamp::Text(_) => SourceStamp::Text("2896-10-18T16:31:25.894Z".into()),
    })
}

fn clock_states() -> Vec<(&'static str, ClockState)> {
    one_of_each!(ClockState {
        "unset": ClockState::Unset => ClockState::Unset,
        "holdover": ClockState::Holdover => ClockState::Holdover,
        "synchronised": ClockState::Synchronised => ClockState::Synchronised,
    })
}

fn readings() -> Vec<Reading> {
    let bare = |value| Reading {
        source: source(),
        channel: channel(),
        value,
        unit: String::new(),
        source_stamp: None,
        identity: None,
        received_ns: 0,
        quality: Quality::Good,
    };
    let full = Reading {
        unit: "/min".into(),
        source_stamp: Some(SourceStamp::Int(1_795_459_231)),
        identity: Some(Identity { session: 3, seq: 17 }),
        received_ns: -2_500_000,
        quality: Quality::Uncertain,
        ..bare(Value::Number(61.5))
    };
    let mut readings = vec![full];
    readings.extend(values().into_iter().map(|(_, value)| bare(value)));
    readings.extend(source_stamps().into_iter().map(|(_, stamp)| Reading {
        source_stamp: Some(stamp),
        quality: Quality::Bad,
        ..bare(Value::Int(1))
    }));
    readings
}

fn lane_records() -> Vec<(&'static str, LaneRecord)> {
    one_of_each!(LaneRecord {
        "receipt": LaneRecord::Receipt(_) => LaneRecord::Receipt(SignalReceipt {
            seq: 4,
            signal_id: signal_id(),
            outcome: SignalOutcome::Applied { run_id: run(), event_id: Some(12) },
        }),
        "anchor": LaneRecord::Anchor(_) => LaneRecord::Anchor(stamp()),
        "window": LaneRecord::Window(_) => LaneRecord::Window(WindowSummary {
            pipeline: "ward".into(),
            definition: "0123456789abcdef".into(),
            source: source(),
            channel: channel(),
            start: Timestamp::from_micros(1_795_459_200_000_000),
            end: Timestamp::from_micros(1_795_459_260_000_000),
            count: 60,
            missing: 1,
            min: Some(58.0),
            max: Some(131.5),
            mean: Some(77.125),
            first_reading: 1_001,
            last_reading: 1_061,
            condition: Some(true),
            condition_error: Some("no such key: limit".into()),
            late: 2,
            cut_short: true,
        }),
        "dead_letter": LaneRecord::DeadLetter(_) => LaneRecord::DeadLetter(DeadLetter {
            topic: "ward/bed-12/HR".into(),
            reason: "not JSON: expected a value at line 1 column 1".into(),
            payload: ByteBuf::from(b"<xml>".to_vec()),
            payload_bytes: 10_000_000,
            received: stamp(),
        }),
        "history": LaneRecord::History(_) => LaneRecord::History(history()),
        "readings": LaneRecord::Readings(_) => LaneRecord::Readings(ReadingBlock {
            first: 1_001,
            stamp: stamp(),
            readings: readings(),
        }),
    })
}

fn outcomes() -> Vec<(&'static str, SignalOutcome)> {
    one_of_each!(SignalOutcome {
        "applied": SignalOutcome::Applied { .. } => SignalOutcome::Applied { run_id: run(), event_id: None },
        "duplicate": SignalOutcome::Duplicate => SignalOutcome::Duplicate,
        "not_found": SignalOutcome::NotFound { .. } =>
            SignalOutcome::NotFound { reason: "no open run of ward".into() },
        "expired": SignalOutcome::Expired => SignalOutcome::Expired,
        "refused": SignalOutcome::Refused { .. } =>
            SignalOutcome::Refused { reason: "10000 signals are the most a run takes".into() },
    })
}

fn epoch_states() -> Vec<(&'static str, EpochState)> {
    one_of_each!(EpochState {
        "new": EpochState::New => EpochState::New,
        "current": EpochState::Current => EpochState::Current,
        "diverged": EpochState::Diverged => EpochState::Diverged,
    })
}

fn gap_reasons() -> Vec<(&'static str, GapReason)> {
    one_of_each!(GapReason {
        "trimmed_after_ack": GapReason::TrimmedAfterAck => GapReason::TrimmedAfterAck,
        "dropped_for_space": GapReason::DroppedForSpace => GapReason::DroppedForSpace,
    })
}

fn hello() -> Hello {
    Hello {
        epoch: epoch(),
        boot: boot(),
        lanes: Lane::ALL.map(|lane| LaneOffer { lane, first: 1, last: 41 }).to_vec(),
        downlink_cursor: 3,
        agent_version: "0.1.0".into(),
        sent: stamp(),
    }
}

fn lane_ack() -> LaneAck {
    LaneAck { lane: Lane::Histories, ack: 40, chain: chain() }
}

fn hello_reply(epoch_state: EpochState) -> HelloReply {
    HelloReply { lanes: vec![lane_ack()], epoch_state, downlink_pending: true }
}

fn batch(gap: Option<Gap>) -> Batch {
    let record = codec::to_cbor(&LaneRecord::Anchor(stamp()));
    Batch {
        first: 41,
        chain_before: chain(),
        gap,
        chain_after: chain().after(1, &record),
        records: vec![BatchRecord { items: 1, bytes: ByteBuf::from(record) }],
        sent: stamp(),
    }
}

fn batch_reply() -> BatchReply {
    BatchReply { ack: lane_ack(), pause_ms: 250, dead_lettered: vec![41], downlink_pending: false }
}

fn downlink() -> Downlink {
    Downlink {
        signals: vec![DownlinkSignal {
            seq: 4,
            signal_id: signal_id(),
            namespace: Namespace::new("default").expect("a plain name"),
            workflow_id: workflow_id(),
            run_id: Some(run()),
            signal_name: "acknowledge".into(),
            input: payloads(),
            issued_by: "nurse@desk-3".into(),
            issued_at: Timestamp::from_micros(1_795_459_231_000_000),
            expires_at: Some(Timestamp::from_micros(1_795_462_831_000_000)),
        }],
    }
}

fn refusals() -> Vec<(&'static str, Refusal)> {
    one_of_each!(Refusal {
        "out_of_order": Refusal::OutOfOrder { .. } => Refusal::OutOfOrder { expected: lane_ack() },
        "unknown_epoch": Refusal::UnknownEpoch => Refusal::UnknownEpoch,
        "stale": Refusal::Stale => Refusal::Stale,
        "broken_chain": Refusal::BrokenChain { .. } => Refusal::BrokenChain { expected: lane_ack() },
        "too_large": Refusal::TooLarge { .. } => Refusal::TooLarge { limit_bytes: 262_144 },
        "busy": Refusal::Busy { .. } => Refusal::Busy { retry_after_ms: 5_000 },
        "malformed": Refusal::Malformed { .. } => Refusal::Malformed { reason: "not an envelope".into() },
    })
}
