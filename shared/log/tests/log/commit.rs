//! Groups become rows, and effects come after them.

use std::time::Duration;

use tidegate_log::Upkeep;
use tidegate_model::id::Epoch;
use tidegate_model::lane::Lane;
use tidegate_model::limits::{GROUP_COMMIT_BYTES_MAX, GROUP_COMMIT_INPUTS_MAX, LEISURE_MILLIS_MAX};

use crate::tally::{Do, EPOCH, WOKEN, at, group, in_lane, leisurely, on_memory, urgent};

#[test]
fn all_inputs_of_a_group_become_one_row() {
    let mut core = on_memory();
    group(&mut core, 0, (0..50).map(|n| Do::Append(urgent(&[n]))).collect());
    assert_eq!(core.store().last_row(), 1);
    assert_eq!(core.reader().rows_after(0, usize::MAX).expect("readable").len(), 50);
}

#[test]
fn a_group_that_appends_nothing_writes_nothing() {
    let mut core = on_memory();
    assert_eq!(group(&mut core, 0, vec![Do::Effect(1)]), [1]);
    assert_eq!(core.store().last_row(), 0);
}

#[test]
fn an_effect_comes_out_after_its_record_is_on_disk() {
    let mut core = on_memory();
    let reader = core.reader();
    let effects = group(&mut core, 0, vec![Do::Append(urgent(b"cause")), Do::Effect(1)]);
    assert_eq!(effects, [1]);
    assert_eq!(reader.rows_after(0, usize::MAX).expect("readable")[0].bytes, b"cause");
}

#[test]
fn a_full_group_closes_and_leaves_the_rest_where_it_was() {
    let mut core = on_memory();
    let mut inputs = (0..GROUP_COMMIT_INPUTS_MAX + 10).map(Do::from_number);
    core.turn(at(0), &mut inputs).expect("the disk is good");
    assert_eq!(inputs.len(), 10, "the count of inputs closes a group");

    let half = vec![0; GROUP_COMMIT_BYTES_MAX / 2];
    let mut inputs = (0..5).map(|_| Do::Append(urgent(&half)));
    core.turn(at(0), &mut inputs).expect("the disk is good");
    assert_eq!(inputs.len(), 3, "the bytes of its records close a group");
}

#[test]
fn records_at_leisure_wait_for_a_group_to_ride_along_with() {
    let mut core = on_memory();
    group(&mut core, 0, vec![Do::Append(leisurely(b"slow"))]);
    assert_eq!(core.store().last_row(), 0, "nothing forces it yet");
    group(&mut core, 10, vec![Do::Append(urgent(b"fast"))]);
    let records = core.reader().rows_after(0, usize::MAX).expect("readable");
    let rows: Vec<_> = records.iter().map(|record| (record.row, record.bytes.as_slice())).collect();
    assert_eq!(rows, [(1, &b"slow"[..]), (1, &b"fast"[..])]);
    let waited = records[1].time.saturating_since(records[0].time);
    assert_eq!(waited, Duration::from_millis(10), "each record keeps the time at which it was decided");
}

#[test]
fn an_effect_ends_the_waiting_of_records_at_leisure() {
    let mut core = on_memory();
    group(&mut core, 0, vec![Do::Append(leisurely(b"slow"))]);
    assert_eq!(group(&mut core, 1, vec![Do::Effect(1)]), [1]);
    assert_eq!(core.store().last_row(), 1, "what the effect may rest on is on disk before it");
}

#[test]
fn an_effect_at_leisure_is_released_at_once_and_forces_nothing() {
    let mut core = on_memory();
    let both = vec![Do::Append(leisurely(b"slow")), Do::EffectAtLeisure(1)];
    assert_eq!(group(&mut core, 0, both), [1]);
    assert_eq!(core.store().last_row(), 0, "it rests on nothing that must be kept");
    group(&mut core, 1, vec![Do::EffectAtLeisure(2), Do::Append(urgent(b"fast"))]);
    assert_eq!(core.store().last_row(), 1);
    assert_eq!(group(&mut core, 2, vec![Do::Effect(3)]), [3]);
    group(&mut core, 3, vec![Do::Append(leisurely(b"slow"))]);
    assert_eq!(core.store().last_row(), 1, "an effect that was released asks for nothing later");
}

#[test]
fn records_at_leisure_wait_no_longer_than_the_limit() {
    let mut core = on_memory();
    group(&mut core, 0, vec![Do::Append(leisurely(b"slow"))]);
    let patience = core.patience(&at(1)).expect("something waits");
    assert_eq!(patience, Duration::from_millis(LEISURE_MILLIS_MAX - 1));
    group(&mut core, LEISURE_MILLIS_MAX, vec![]);
    assert_eq!(core.store().last_row(), 1);
}

#[test]
fn a_deadline_fires_when_its_time_has_come_and_not_before() {
    let mut core = on_memory();
    group(&mut core, 0, vec![Do::Wake(Duration::from_secs(60))]);
    assert_eq!(core.patience(&at(1_000)), Some(Duration::from_secs(59)));
    assert_eq!(group(&mut core, 59_999, vec![]), Vec::<u32>::new());
    assert_eq!(group(&mut core, 60_000, vec![]), [WOKEN]);
    assert_eq!(core.patience(&at(60_000)), None);
}

#[test]
fn a_new_epoch_is_on_every_later_row_and_lanes_go_on() {
    let mut core = on_memory();
    let reader = core.reader();
    let other = Epoch::from_u128(0x0b0e);
    group(&mut core, 0, vec![Do::Append(in_lane(Lane::Samples, 3, b"before"))]);
    assert_eq!(reader.epoch(), EPOCH);
    let both = vec![Do::BeginEpoch(other), Do::Append(in_lane(Lane::Samples, 2, b"after"))];
    group(&mut core, 1, both);
    assert_eq!((reader.epoch(), core.store().epoch()), (other, other));
    let epochs: Vec<_> = core.machine().applied.iter().map(|applied| (applied.epoch, applied.lane)).collect();
    assert_eq!(epochs, [(EPOCH, Some((Lane::Samples, 1, 3))), (other, Some((Lane::Samples, 4, 2)))]);
    let slice = reader.lane(Lane::Samples, 1, usize::MAX, usize::MAX).expect("readable").expect("there");
    assert_eq!(slice.records.len(), 2, "a lane is one sequence across epochs");
}

#[test]
fn a_new_epoch_is_durable_although_nothing_else_is_appended() {
    let mut core = on_memory();
    group(&mut core, 0, vec![Do::BeginEpoch(Epoch::from_u128(2))]);
    assert_eq!(core.store().last_row(), 1);
    assert_eq!(core.reader().epoch(), Epoch::from_u128(2));
}

#[test]
fn upkeep_of_a_short_log_is_nothing() {
    let mut core = on_memory();
    group(&mut core, 0, vec![Do::Append(urgent(b"one"))]);
    assert!(!core.upkeep(Upkeep::Idle).expect("the disk is good"));
}

#[test]
fn under_steady_load_a_snapshot_waits_longer_but_not_for_ever() {
    let rows_until_snapshot = |when| {
        let mut core = on_memory();
        let bulk = vec![0; 500_000];
        while !core.upkeep(when).expect("the disk is good") {
            group(&mut core, 0, vec![Do::Append(urgent(&bulk))]);
        }
        core.store().last_row()
    };
    let (idle, loaded) = (rows_until_snapshot(Upkeep::Idle), rows_until_snapshot(Upkeep::Loaded));
    assert!(idle < loaded && loaded <= 2 * idle, "{idle} rows when idle, {loaded} under load");
}

#[test]
fn a_snapshot_of_a_log_with_records_at_leisure_takes_them_along() {
    let mut core = on_memory();
    group(&mut core, 0, vec![Do::Append(urgent(b"one"))]);
    group(&mut core, 1, vec![Do::Append(leisurely(b"two"))]);
    assert!(core.upkeep(Upkeep::Now).expect("the disk is good"));
    assert_eq!(core.reader().rows_after(0, usize::MAX).expect("readable").len(), 2);
}

impl Do {
    fn from_number(number: usize) -> Self {
        Self::Append(urgent(number.to_string().as_bytes()))
    }
}
