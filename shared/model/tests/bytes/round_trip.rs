//! Every value comes back as it went: in CBOR whatever it holds, in JSON where JSON can say it.

mod events;

use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;
use tidegate_model::codec::{self, DecodeError, Kind};
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::{BootId, Channel, Epoch, Namespace, RunId, SignalId, SourceId, WorkflowId};
use tidegate_model::lane::{Chain, Lane, LaneRecord};
use tidegate_model::limits::{BATCH_RECORDS_MAX, DOWNLINK_SIGNALS_MAX, WIRE_BYTES_MAX};
use tidegate_model::payload::{Payload, RetryPolicy, RetryState};
use tidegate_model::reading::{
    DeadLetter, Identity, Quality, Reading, ReadingBlock, SourceStamp, Value, WindowSummary,
};
use tidegate_model::replication::{
    Batch, BatchRecord, BatchReply, Downlink, EpochState, Gap, GapReason, Hello, HelloReply, LaneAck,
    LaneOffer, Refusal,
};
use tidegate_model::signal::{DownlinkSignal, SignalOutcome, SignalReceipt};
use tidegate_model::time::{ClockState, Stamp, Timestamp};

use crate::samples;
use events::{event, failure};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn lane_records_come_back(record in lane_record()) {
        check(&record)?;
    }

    #[test]
    fn values_come_back_to_the_last_bit(value in value()) {
        let bytes = codec::to_cbor(&value);
        let back: Value = codec::from_cbor(&bytes).expect("readable");
        prop_assert_eq!(bits(&back), bits(&value));
    }

    #[test]
    fn failures_come_back(failure in failure()) {
        check(&failure)?;
    }

    #[test]
    fn retry_policies_come_back(policy in retry_policy()) {
        check(&policy)?;
    }

    #[test]
    fn the_conversation_comes_back(
        hello in hello(), reply in hello_reply(), batch in batch(), acknowledged in batch_reply(),
        signals in vec(downlink_signal(), 0..4), refusal in refusal(),
    ) {
        check_sent(Kind::Hello, &hello)?;
        check_sent(Kind::HelloReply, &reply)?;
        check_sent(Kind::Batch, &batch)?;
        check_sent(Kind::BatchReply, &acknowledged)?;
        check_sent(Kind::Downlink, &Downlink { signals })?;
        check_sent(Kind::Refusal, &refusal)?;
    }

    #[test]
    fn ids_come_back_as_text_and_as_bytes(number in any::<u128>()) {
        let run = RunId::from_u128(number);
        prop_assert_eq!(run.to_string().parse::<RunId>(), Ok(run));
        check(&run)?;
        check(&Epoch::from_u128(number))?;
        check(&BootId::from_u128(number))?;
    }

    #[test]
    fn a_flipped_bit_does_not_pass_the_checksum(body in vec(any::<u8>(), 0..200), at in any::<usize>(), bit in 0..8u32) {
        let mut bytes = codec::seal(Kind::Row, 0, &body);
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert!(codec::open(Kind::Row, &bytes, WIRE_BYTES_MAX).is_err());
    }
}

#[test]
fn a_duration_that_overflows_is_refused() {
    // {"secs": u64::MAX, "nanos": u32::MAX}
    let bytes = b"\xa2\x64secs\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x65nanos\x1a\xff\xff\xff\xff";
    assert!(matches!(codec::from_cbor::<Duration>(bytes), Err(DecodeError::BadBody(_))));
    let largest = Duration::MAX;
    assert_eq!(codec::from_cbor::<Duration>(&codec::to_cbor(&largest)), Ok(largest));
}

#[test]
fn a_batch_of_too_many_records_and_a_downlink_of_too_many_signals_are_refused() {
    let batch = |records| Batch {
        first: 1,
        chain_before: Chain::START,
        gap: None,
        records: vec![BatchRecord { items: 1, bytes: ByteBuf::new() }; records],
        chain_after: Chain::START,
        sent: Stamp {
            boot: BootId::from_u128(1),
            boottime_ns: 0,
            wall: Timestamp::EPOCH,
            state: ClockState::Unset,
            error_us: None,
        },
    };
    let reread = |batch: Batch| codec::from_cbor::<Batch>(&codec::to_cbor(&batch));
    assert!(reread(batch(BATCH_RECORDS_MAX)).is_ok());
    let Err(DecodeError::BadBody(reason)) = reread(batch(BATCH_RECORDS_MAX + 1)) else { panic!("too many") };
    assert!(reason.contains("at most 500"), "{reason}");

    let sample = samples::all().into_iter().find(|sample| sample.name == "downlink").expect("there is one");
    let one: Downlink = codec::decode(Kind::Downlink, &sample.bytes, WIRE_BYTES_MAX).expect("a downlink");
    let reread = |count: usize| {
        let signals = one.signals.iter().cycle().take(count).cloned().collect();
        codec::from_cbor::<Downlink>(&codec::to_cbor(&Downlink { signals }))
    };
    assert!(reread(DOWNLINK_SIGNALS_MAX).is_ok());
    assert!(matches!(reread(DOWNLINK_SIGNALS_MAX + 1), Err(DecodeError::BadBody(_))));
}

#[test]
fn a_batch_that_claims_the_end_of_numbers_is_counted_without_overflow() {
    let batch = HistoryBatch {
        namespace: Namespace::new("default").expect("plain"),
        workflow_id: WorkflowId::new("w").expect("printable"),
        run_id: RunId::from_u128(1),
        first_event_id: u64::MAX,
        event_time: Timestamp::MAX,
        stamp: Stamp {
            boot: BootId::from_u128(1),
            boottime_ns: u64::MAX,
            wall: Timestamp::MAX,
            state: ClockState::Unset,
            error_us: None,
        },
        events: vec![Event::TimerFired { timer_id: "1".into(), started_event_id: 1 }; 3],
    };
    assert_eq!(batch.next_event_id(), u64::MAX);
    assert_eq!(batch.numbered().count(), 3);
    let empty = HistoryBatch { first_event_id: 0, events: Vec::new(), ..batch };
    assert_eq!((empty.next_event_id(), empty.last_event_id()), (0, 0));
}

#[test]
fn years_far_from_now_are_ordinary() {
    for (micros, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (29_246_977_885_894_000, "2896-10-18T16:31:25.894Z"),
        (i64::MIN, "-290308-12-21T19:59:05.224Z"),
        (i64::MAX, "294247-01-10T04:00:54.775Z"),
    ] {
        let time = Timestamp::from_micros(micros);
        assert_eq!(time.to_string(), text);
        assert_eq!(codec::from_cbor::<Timestamp>(&codec::to_cbor(&time)), Ok(time));
    }
}

#[test]
fn what_is_no_number_survives_the_codec_for_someone_else_to_refuse() {
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let back: Value = codec::from_cbor(&codec::to_cbor(&Value::Number(odd))).expect("CBOR can say it");
        assert!(matches!(back, Value::Number(number) if !number.is_finite()));
    }
}

fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    value: &T,
) -> Result<(), TestCaseError> {
    let bytes = codec::to_cbor(value);
    let back: T = codec::from_cbor(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&back, value);
    prop_assert_eq!(codec::to_cbor(&back), bytes);
    Ok(())
}

fn check_sent<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    kind: Kind,
    value: &T,
) -> Result<(), TestCaseError> {
    let bytes = codec::encode(kind, value);
    let back: T = codec::decode(kind, &bytes, WIRE_BYTES_MAX)
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&back, value);
    Ok(())
}

/// A value with its floats as bits, so that `-0.0` is not `0.0`.
fn bits(value: &Value) -> (String, Vec<u64>) {
    match value {
        Value::Number(number) => ("number".into(), vec![number.to_bits()]),
        Value::Vector(numbers) => ("vector".into(), numbers.iter().map(|number| number.to_bits()).collect()),
        Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Missing => {
            (format!("{value:?}"), Vec::new())
        }
    }
}

// What the values are drawn from.

fn number() -> impl Strategy<Value = f64> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    prop_oneof![
        4 => POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO,
        1 => prop::sample::select(vec![f64::MAX, f64::MIN, f64::MIN_POSITIVE, f64::EPSILON, -0.0, 0.1, 1.5]),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z]{0,8}"]
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_micros)
}

fn clock_state() -> impl Strategy<Value = ClockState> {
    prop::sample::select(vec![ClockState::Unset, ClockState::Holdover, ClockState::Synchronised])
}

fn stamp() -> impl Strategy<Value = Stamp> {
    (any::<u128>(), any::<u64>(), time(), clock_state(), any::<Option<u32>>()).prop_map(
        |(boot, boottime_ns, wall, state, error_us)| Stamp {
            boot: BootId::from_u128(boot),
            boottime_ns,
            wall,
            state,
            error_us,
        },
    )
}

fn duration() -> impl Strategy<Value = Duration> {
    (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

fn bytes() -> impl Strategy<Value = ByteBuf> {
    vec(any::<u8>(), 0..40).prop_map(ByteBuf::from)
}

fn payload() -> impl Strategy<Value = Payload> {
    (btree_map(text(), bytes(), 0..3), bytes()).prop_map(|(metadata, data)| Payload { metadata, data })
}

fn payloads() -> impl Strategy<Value = Vec<Payload>> {
    vec(payload(), 0..3)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        number().prop_map(Value::Number),
        text().prop_map(Value::Text),
        vec(number(), 0..20).prop_map(Value::Vector),
        Just(Value::Missing),
    ]
}

fn reading() -> impl Strategy<Value = Reading> {
    let source_stamp = prop_oneof![
        any::<i64>().prop_map(SourceStamp::Int),
        number().prop_map(SourceStamp::Number),
        text().prop_map(SourceStamp::Text),
    ];
    let identity = (any::<u64>(), any::<u64>()).prop_map(|(session, seq)| Identity { session, seq });
    let quality = prop::sample::select(vec![Quality::Good, Quality::Uncertain, Quality::Bad]);
    let rest = (text(), option::of(source_stamp), option::of(identity), any::<i64>(), quality);
    ("[a-z]{1,9}(/[a-z]{1,9}){0,2}", "[A-Za-z0-9]{1,9}", value(), rest).prop_map(
        |(source, channel, value, rest)| {
            let (unit, source_stamp, identity, received_ns, quality) = rest;
            Reading {
                source: SourceId::new(source).expect("topic levels"),
                channel: Channel::new(channel).expect("a topic level"),
                value,
                unit,
                source_stamp,
                identity,
                received_ns,
                quality,
            }
        },
    )
}

fn retry_state() -> impl Strategy<Value = RetryState> {
    prop::sample::select(vec![RetryState::InProgress, RetryState::Timeout, RetryState::CancelRequested])
}

fn retry_policy() -> impl Strategy<Value = RetryPolicy> {
    (duration(), number(), duration(), any::<u32>(), vec(text(), 0..3)).prop_map(
        |(initial_interval, backoff_coefficient, maximum_interval, maximum_attempts, types)| RetryPolicy {
            initial_interval,
            backoff_coefficient,
            maximum_interval,
            maximum_attempts,
            non_retryable_error_types: types,
        },
    )
}

fn outcome() -> impl Strategy<Value = SignalOutcome> {
    prop_oneof![
        (any::<u128>(), any::<Option<u64>>())
            .prop_map(|(run, event_id)| SignalOutcome::Applied { run_id: RunId::from_u128(run), event_id }),
        Just(SignalOutcome::Duplicate),
        text().prop_map(|reason| SignalOutcome::NotFound { reason }),
        Just(SignalOutcome::Expired),
        text().prop_map(|reason| SignalOutcome::Refused { reason }),
    ]
}

fn signal_id() -> impl Strategy<Value = SignalId> {
    "[ -~]{1,30}".prop_map(|text| SignalId::new(text).expect("printable"))
}

fn lane_record() -> impl Strategy<Value = LaneRecord> {
    let window = (
        (text(), text(), time(), time()),
        (any::<u64>(), any::<u64>(), option::of(number()), option::of(number()), option::of(number())),
        (any::<u64>(), any::<u64>(), any::<Option<bool>>(), option::of(text())),
    )
        .prop_map(|((pipeline, definition, start, end), (count, missing, min, max, mean), rest)| {
            WindowSummary {
                pipeline,
                definition,
                source: SourceId::new("ward/bed-12").expect("topic levels"),
                channel: Channel::new("HR").expect("a topic level"),
                start,
                end,
                count,
                missing,
                min,
                max,
                mean,
                first_reading: rest.0,
                last_reading: rest.1,
                condition: rest.2,
                condition_error: rest.3,
                late: rest.0 / 2,
                cut_short: rest.2 == Some(true),
            }
        });
    let history = (any::<u128>(), any::<u64>(), time(), stamp(), vec(event(), 1..5)).prop_map(
        |(run, first_event_id, event_time, stamp, events)| HistoryBatch {
            namespace: Namespace::new("default").expect("a plain name"),
            workflow_id: WorkflowId::new("ward/bed-12").expect("printable"),
            run_id: RunId::from_u128(run),
            first_event_id,
            event_time,
            stamp,
            events,
        },
    );
    prop_oneof![
        (any::<u64>(), signal_id(), outcome()).prop_map(|(seq, signal_id, outcome)| LaneRecord::Receipt(
            SignalReceipt { seq, signal_id, outcome }
        )),
        stamp().prop_map(LaneRecord::Anchor),
        window.prop_map(LaneRecord::Window),
        (text(), text(), bytes(), any::<u64>(), stamp()).prop_map(
            |(topic, reason, payload, payload_bytes, received)| {
                LaneRecord::DeadLetter(DeadLetter { topic, reason, payload, payload_bytes, received })
            }
        ),
        history.prop_map(LaneRecord::History),
        (any::<u64>(), stamp(), vec(reading(), 1..8)).prop_map(|(first, stamp, readings)| {
            LaneRecord::Readings(ReadingBlock { first, stamp, readings })
        }),
    ]
}

fn lane() -> impl Strategy<Value = Lane> {
    prop::sample::select(Lane::ALL.to_vec())
}

fn chain() -> impl Strategy<Value = Chain> {
    any::<[u8; 32]>().prop_map(Chain::from_bytes)
}

fn lane_ack() -> impl Strategy<Value = LaneAck> {
    (lane(), any::<u64>(), chain()).prop_map(|(lane, ack, chain)| LaneAck { lane, ack, chain })
}

fn hello() -> impl Strategy<Value = Hello> {
    let offer =
        (lane(), any::<u64>(), any::<u64>()).prop_map(|(lane, first, last)| LaneOffer { lane, first, last });
    (any::<u128>(), any::<u128>(), vec(offer, 0..4), any::<u64>(), text(), stamp()).prop_map(
        |(epoch, boot, lanes, downlink_cursor, agent_version, sent)| Hello {
            epoch: Epoch::from_u128(epoch),
            boot: BootId::from_u128(boot),
            lanes,
            downlink_cursor,
            agent_version,
            sent,
        },
    )
}

fn hello_reply() -> impl Strategy<Value = HelloReply> {
    let state = prop::sample::select(vec![EpochState::New, EpochState::Current, EpochState::Diverged]);
    (vec(lane_ack(), 0..4), state, any::<bool>()).prop_map(|(lanes, epoch_state, downlink_pending)| {
        HelloReply { lanes, epoch_state, downlink_pending }
    })
}

fn batch() -> impl Strategy<Value = Batch> {
    let reason = prop::sample::select(vec![GapReason::TrimmedAfterAck, GapReason::DroppedForSpace]);
    let gap = (any::<u64>(), any::<u64>(), reason).prop_map(|(from, to, reason)| Gap { from, to, reason });
    let record = (any::<u32>(), bytes()).prop_map(|(items, bytes)| BatchRecord { items, bytes });
    (any::<u64>(), chain(), option::of(gap), vec(record, 0..5), chain(), stamp()).prop_map(
        |(first, chain_before, gap, records, chain_after, sent)| Batch {
            first,
            chain_before,
            gap,
            records,
            chain_after,
            sent,
        },
    )
}

fn batch_reply() -> impl Strategy<Value = BatchReply> {
    (lane_ack(), any::<u64>(), vec(any::<u64>(), 0..4), any::<bool>()).prop_map(
        |(ack, pause_ms, dead_lettered, downlink_pending)| BatchReply {
            ack,
            pause_ms,
            dead_lettered,
            downlink_pending,
        },
    )
}

fn downlink_signal() -> impl Strategy<Value = DownlinkSignal> {
    let whom = (any::<u64>(), signal_id(), any::<Option<u128>>());
    (whom, text(), payloads(), text(), time(), option::of(time())).prop_map(
        |((seq, signal_id, run), signal_name, input, issued_by, issued_at, expires_at)| DownlinkSignal {
            seq,
            signal_id,
            namespace: Namespace::new("default").expect("a plain name"),
            workflow_id: WorkflowId::new("ward").expect("printable"),
            run_id: run.map(RunId::from_u128),
            signal_name,
            input,
            issued_by,
            issued_at,
            expires_at,
        },
    )
}

fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        lane_ack().prop_map(|expected| Refusal::OutOfOrder { expected }),
        Just(Refusal::UnknownEpoch),
        lane_ack().prop_map(|expected| Refusal::BrokenChain { expected }),
        any::<u64>().prop_map(|limit_bytes| Refusal::TooLarge { limit_bytes }),
        any::<u64>().prop_map(|retry_after_ms| Refusal::Busy { retry_after_ms }),
        text().prop_map(|reason| Refusal::Malformed { reason }),
    ]
}
