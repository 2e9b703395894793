//! Releases of different age understand each other: what is added is passed over, what is missing has a default.

use tidegate_model::codec::{self, DecodeError, HEADER_BYTES};
use tidegate_model::lane::LaneRecord;
use tidegate_model::payload::{Failure, FailureInfo};
use tidegate_model::reading::{Quality, Reading, Value};
use tidegate_model::replication::Batch;
use tidegate_model::signal::SignalOutcome;

use crate::samples;

/// The key `zz` with a nested value, as a later release might add it.
const ADDED: &[u8] = b"\x62zz\x82\x01\xa1\x61n\xf6";

#[test]
fn a_key_added_by_a_later_release_is_passed_over() {
    let mut tried = 0;
    for sample in samples::all() {
        let body = match sample.kind {
            Some(_) => &sample.bytes[HEADER_BYTES..],
            None => &sample.bytes[..],
        };
        // A struct stands bare, or as the one value of a map that names its variant.
        let bare = body[0] & 0xe0 == 0xa0 && !is_variant(&sample.name);
        let at = if bare { Some(0) } else { struct_of_variant(body) };
        let Some(extended) = at.map(|at| with_added_key(body, at)) else {
            continue;
        };
        let extended = match sample.kind {
            Some(kind) => codec::seal(kind, 0, &extended),
            None => extended,
        };
        assert_eq!((sample.reread)(&extended), Ok(sample.bytes), "{}", sample.name);
        tried += 1;
    }
    assert!(tried > 40, "only {tried} forms were found to be structs");
}

#[test]
fn a_reading_of_three_keys_is_a_reading() {
    let reading: Reading =
        codec::from_cbor(b"\xa3\x61s\x61a\x61c\x61b\x61v\xf6").expect("s, c and v are enough");
    assert_eq!(reading.value, Value::Missing);
    assert_eq!(reading.quality, Quality::Good);
    assert_eq!(
        (reading.unit.as_str(), reading.source_stamp, reading.identity, reading.received_ns),
        ("", None, None, 0)
    );
}

#[test]
fn an_option_that_an_earlier_release_did_not_write_is_none() {
    let batch = samples::all().into_iter().find(|sample| sample.name == "batch").expect("there is one");
    let batch: Batch = codec::from_cbor(&batch.bytes[HEADER_BYTES..]).expect("a batch");
    assert_eq!(batch.gap, None);

    let outcome: SignalOutcome =
        codec::from_cbor(b"\xa1\x67applied\xa1\x66run_id\x50sixteen.bytes.id").expect("run_id is enough");
    assert!(matches!(outcome, SignalOutcome::Applied { event_id: None, .. }), "{outcome:?}");
}

#[test]
fn a_record_of_a_later_kind_is_refused_with_its_name() {
    let unknown = codec::from_cbor::<LaneRecord>(b"\xa1\x67weather\xa0");
    let Err(DecodeError::BadBody(reason)) = unknown else { panic!("{unknown:?}") };
    assert!(reason.contains("weather"), "{reason}");
}

#[test]
fn causes_beyond_the_limit_are_cut_and_never_refused() {
    let deep = |depth: usize| {
        (0..depth).fold(Failure::application("root", "", false), |cause, at| Failure {
            cause: Some(Box::new(cause)),
            ..Failure::application(format!("wrapped {at}"), "", false)
        })
    };
    let depth =
        |failure: &Failure| std::iter::successors(failure.cause.as_deref(), |f| f.cause.as_deref()).count();
    for (written, read) in [(0, 0), (1, 1), (32, 32), (33, 32), (500, 32)] {
        let failure = deep(written);
        let back: Failure = codec::from_cbor(&codec::to_cbor(&failure)).expect("any depth is readable");
        assert_eq!(depth(&back), read);
        assert_eq!(back.message, failure.message);
    }
    let back: Failure = codec::from_cbor(&codec::to_cbor(&deep(3))).expect("readable");
    assert_eq!(back, deep(3));
}

#[test]
fn a_complaint_does_not_repeat_a_large_input() {
    let mut bytes = b"\xa1\x7a\x00\x0f\x42\x40".to_vec();
    bytes.extend(std::iter::repeat_n(b'x', 1_000_000));
    bytes.push(0xf6);
    let Err(DecodeError::BadBody(reason)) = codec::from_cbor::<FailureInfo>(&bytes) else {
        panic!("a megabyte is no kind of failure");
    };
    assert!(reason.len() <= tidegate_model::limits::DECODE_REASON_BYTES_MAX);
}

/// Samples of enums whose variants are maps of one key: a second key there is another thing.
fn is_variant(name: &str) -> bool {
    ["event-", "lane_record-", "signal_outcome-", "failure_info-", "refusal-"]
        .iter()
        .any(|kind| name.starts_with(kind))
}

/// Where the struct of `{"variant": {…}}` begins.
fn struct_of_variant(body: &[u8]) -> Option<usize> {
    let [0xa1, text, ..] = body else { return None };
    let at = match text {
        0x60..=0x77 => 2 + usize::from(text & 0x1f),
        0x78 => 3 + usize::from(*body.get(2)?),
        0x00..=0x5f | 0x79..=0xff => return None,
    };
    (body.get(at)? & 0xe0 == 0xa0).then_some(at)
}

/// The map at `at`, which ends where the bytes end, with one more key.
fn with_added_key(body: &[u8], at: usize) -> Vec<u8> {
    let mut extended = body.to_vec();
    assert!((0xa0..0xb7).contains(&extended[at]), "a map of fewer than 23 keys");
    extended[at] += 1;
    extended.extend_from_slice(ADDED);
    extended
}
