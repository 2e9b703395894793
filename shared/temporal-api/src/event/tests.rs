//! One event of each kind, as the model's golden files have them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use prost::Message as _;
use tidegate_model::codec::from_cbor;
use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::time::Timestamp;

use super::numbered;
use crate::convert::cause;
use crate::proto::enums::EventType;
use crate::proto::history::HistoryEvent;

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden")
}

fn bytes(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(golden().join(name)).expect("a golden file");
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(text, 16).expect("hexadecimal")
    };
    digits.chunks(2).map(byte).collect()
}

/// The golden files whose names begin so.
fn files(beginning: &str) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(golden()).expect("the model's golden files");
    let names = files.map(|file| file.expect("readable").file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(beginning)).collect();
    names.sort();
    names.iter().map(|name| bytes(name)).collect()
}

fn events() -> Vec<Event> {
    files("event-").iter().map(|bytes| from_cbor(bytes).expect("an event")).collect()
}

#[test]
fn every_event_carries_its_own_attributes_under_its_own_number() {
    let mut seen = BTreeSet::new();
    for event in events() {
        let (number, name) = (event.type_number(), event.type_name());
        let sent = numbered(7, Timestamp::from_micros(1_500_000), event, "order-1");
        assert_eq!((sent.event_id, sent.event_type), (7, i32::try_from(number).expect("small")), "{name}");
        let kind = EventType::try_from(sent.event_type).expect("one of Temporal's");
        assert_eq!(format!("{kind:?}"), name);
        let attributes = format!("{:?}", sent.attributes.as_ref().expect("every event has them"));
        assert!(attributes.starts_with(&format!("{name}EventAttributes(")), "{attributes}");
        let time = sent.event_time.expect("every event has one");
        assert_eq!((time.seconds, time.nanos), (1, 500_000_000));
        let received = HistoryEvent::decode(sent.encode_to_vec().as_slice()).expect("as it was sent");
        assert_eq!(received, sent);
        seen.insert(number);
    }
    // 42, 44 and 45 no server writes; the rest of Temporal's are of features that are not here.
    let written: BTreeSet<u32> = (1..=41).chain([43, 46, 47, 55]).collect();
    assert_eq!(seen, written);
}

#[test]
fn only_what_is_nothing_to_workflow_code_may_be_ignored_by_it() {
    for event in events() {
        let is_options = event.type_number() == 55;
        let name = event.type_name();
        let sent = numbered(1, Timestamp::EPOCH, event, "order-1");
        assert_eq!(sent.worker_may_ignore, is_options, "{name}");
    }
}

#[test]
fn a_cause_keeps_its_name_and_a_worker_can_say_its_own() {
    let causes: Vec<WorkflowTaskFailedCause> = files("workflow_task_failed_cause-")
        .iter()
        .flat_map(|bytes| from_cbor::<Vec<WorkflowTaskFailedCause>>(bytes).expect("causes"))
        .collect();
    assert!(causes.len() > 20);
    for ours in causes {
        let theirs = cause::of_workflow_task(ours);
        if ours != WorkflowTaskFailedCause::PendingTimersLimitExceeded {
            assert_eq!(format!("{theirs:?}"), format!("{ours:?}"));
        }
    }
    for own in [WorkflowTaskFailedCause::NonDeterministicError, WorkflowTaskFailedCause::PayloadsTooLarge] {
        assert_eq!(cause::by_worker(cause::of_workflow_task(own).into()), own);
    }
    let unhandled = WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure;
    assert_eq!(
        cause::by_worker(cause::of_workflow_task(WorkflowTaskFailedCause::BadBinary).into()),
        unhandled
    );
    assert_eq!(cause::by_worker(12_345), unhandled);
}
