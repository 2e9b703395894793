//! Promises of the fleet, told as conversations.

mod script;
mod road;

use tidegate_model::id::Epoch;
use tidegate_model::lane::Lane;
use tidegate_model::limits::{DOWNLINK_WAITING_MAX, SIGNALS_SETTLED_LISTED_MAX};

use script::{World, block, check, device};

#[test]
fn a_lane_goes_on_from_batch_to_batch_and_each_lane_by_itself() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 samples 5
        write e1 run A 1..2
        send e1 samples 1..3        -> ack 3
        send e1 histories 1..2      -> ack 2
        send e1 samples 4..5        -> ack 5
        hello e1                    -> current, 0 2 5
        show samples e1             -> through 5: 5 archived, 0 set aside, 0 gone, 0 again
        show control e1             -> through 0: 0 archived, 0 set aside, 0 gone, 0 again
        ",
    );
}

#[test]
fn the_same_bytes_again_change_nothing_and_are_answered_alike() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 samples 3
        send e1 samples 1..3        -> ack 3
        send e1 samples 1..3        -> ack 3
        send e1 samples 1..2        -> ack 3
        show samples e1             -> through 3: 3 archived, 0 set aside, 0 gone, 5 again
        ",
    );
}

#[test]
fn a_batch_that_overlaps_adds_only_what_is_new() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 samples 2
        write e1 samples [3]
        write e1 samples 1
        send e1 samples 1..5        -> ack 5
        send e1 samples 2..6        -> ack 6
        show samples e1             -> through 6: 6 archived, 0 set aside, 0 gone, 4 again
        ",
    );
}

#[test]
fn batches_out_of_order_are_refused_until_the_first_has_come() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 samples 6
        send e1 samples 3..4        -> out of order, has 0
        send e1 samples 1..2        -> ack 2
        send e1 samples 5..6        -> out of order, has 2
        send e1 samples 3..4        -> ack 4
        send e1 samples 5..6        -> ack 6
        show samples e1             -> through 6: 6 archived, 0 set aside, 0 gone, 0 again
        ",
    );
}

#[test]
fn a_declared_gap_is_recorded_and_the_lane_goes_on_behind_it() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 samples 9
        send e1 samples 1..2        -> ack 2
        send e1 samples 6..7 gap 3..5 -> ack 7
        send e1 samples 6..7 gap 3..5 -> ack 7
        send e1 samples 8..9        -> ack 9
        show samples e1             -> through 9: 6 archived, 0 set aside, 3 gone, 2 again, gap 3..5
        ",
    );
}

#[test]
fn a_gap_that_does_not_cover_what_is_missing_is_refused() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 samples 9
        send e1 samples 6..7 gap 3..5 -> out of order, has 0
        send e1 samples 6..7 gap 1..4 -> the batch is not right: its gap does not run up to the item before its first
        send e1 samples 6..7 gap 1..5 -> ack 7
        show samples e1             -> through 7: 2 archived, 0 set aside, 5 gone, 0 again, gap 1..5
        ",
    );
}

#[test]
fn a_gap_over_what_is_held_takes_nothing_away() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 samples 9
        send e1 samples 1..4        -> ack 4
        send e1 samples 7..8 gap 1..6 -> ack 8
        show samples e1             -> through 8: 6 archived, 0 set aside, 2 gone, 0 again, gap 5..6
        ",
    );
}

#[test]
fn other_bytes_under_the_same_numbers_park_the_epoch() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 samples 5
        send e1 samples 1..3        -> ack 3
        send e1 samples 3..4 tampered -> broken chain, has 3
        send e1 samples 4..5        -> unknown epoch
        hello e1                    -> diverged, 0 0 3
        hello e2                    -> new, 0 0 0
        write e2 samples 2
        send e2 samples 1..2        -> ack 2
        send e1 samples 4..5        -> unknown epoch
        show samples e1             -> through 3: 3 archived, 0 set aside, 0 gone, 0 again
        ",
    );
}

#[test]
fn a_batch_that_contradicts_itself_parks_nothing() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 samples 2
        send e1 samples 1..2 broken -> the batch is not right: its chain_after does not follow from its chain_before and its records
        send e1 samples 0..2        -> the batch is not right: items are numbered from 1, and it begins at 0
        send e1 samples 3..2        -> the batch is not right: it has neither records nor a gap
        send e1 samples 1..2        -> ack 2
        ",
    );
}

#[test]
fn records_cut_in_other_places_are_other_bytes() {
    let (epoch, lane) = (Epoch::from_u128(1), Lane::Samples);
    let mut world = World::new();
    world.play("hello e1");
    world.put(epoch, lane, &block(1, 2));
    assert_eq!(world.play("send e1 samples 1..2"), "ack 2");
    let mut other = World::new();
    other.put(epoch, lane, &block(1, 3));
    let batch = other.batch(epoch, lane, (1, 3), None);
    assert_eq!(world.send_batch(epoch, lane, batch), "broken chain, has 2");
}

#[test]
fn a_poisoned_record_is_set_aside_and_the_lane_goes_on() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 samples 1
        write e1 junk samples 2
        write e1 stray samples
        write e1 miscounted samples
        write e1 misnumbered samples
        write e1 samples 1
        send e1 samples 1..8        -> ack 8, set aside [2, 4, 5, 7]
        send e1 samples 1..8        -> ack 8
        show samples e1             -> through 8: 2 archived, 6 set aside, 0 gone, 8 again
        ",
    );
}

#[test]
fn a_history_is_followed_to_its_end() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 run A 1..3
        write e1 run B 1..1
        write e1 run A 4..6 end
        send e1 histories 1..4      -> ack 4
        show runs e1                -> running 1 events, WorkflowExecutionStarted; running 3 events, TimerFired
        send e1 histories 5..7      -> ack 7
        show runs e1                -> running 1 events, WorkflowExecutionStarted; completed 6 events, WorkflowExecutionCompleted
        ",
    );
}

#[test]
fn a_history_that_does_not_continue_its_run_is_set_aside() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 run A 1..2
        write e1 run A 4..5
        write e1 run B 2..2
        send e1 histories 1..2      -> ack 2
        send e1 histories 3..4      -> ack 4, set aside [3]
        show runs e1                -> running 2 events, TimerFired
        write e1 run A 1..1
        write e1 run A 3..4 end
        write e1 run A 5..5
        send e1 histories 5..5      -> ack 5
        send e1 histories 6..9      -> ack 9, set aside [6, 9]
        ",
    );
}

#[test]
fn after_a_hole_a_run_goes_on_and_is_known_to_be_incomplete() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 run A 1..2
        write e1 run A 3..5
        write e1 run A 6..7
        send e1 histories 1..2      -> ack 2
        send e1 histories 6..7 gap 3..5 -> ack 7
        show runs e1                -> running 7 events (3 missing), TimerFired
        ",
    );
}

#[test]
fn a_bridge_put_back_from_an_old_copy_is_sent_again_what_it_lost() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 samples 6
        write e1 run A 1..4
        send e1 samples 1..2        -> ack 2
        copy
        send e1 samples 3..4        -> ack 4
        send e1 histories 1..4      -> ack 4
        put back
        send e1 samples 5..6        -> out of order, has 2
        hello e1                    -> current, 0 0 2
        send e1 samples 3..6        -> ack 6
        send e1 histories 1..4      -> ack 4
        show samples e1             -> through 6: 6 archived, 0 set aside, 0 gone, 0 again
        ",
    );
}

#[test]
fn what_the_device_trimmed_before_the_bridge_was_put_back_is_a_declared_gap() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 samples 6
        send e1 samples 1..2        -> ack 2
        copy
        send e1 samples 3..5        -> ack 5
        put back
        send e1 samples 5..6 gap 1..4 -> ack 6
        show samples e1             -> through 6: 4 archived, 0 set aside, 2 gone, 0 again, gap 3..4
        ",
    );
}

#[test]
fn a_hello_that_strayed_and_comes_late_does_not_look_like_a_store_that_was_put_back() {
    check(
        "
        hello e1 samples=0                  -> new, 0 0 0
        write e1 samples 3
        send e1 samples 1..3                -> ack 3
        hello e1 samples=0 at=4000          -> stale
        hello e1 boot=2 samples=3 at=1      -> current, 0 0 3
        hello e1 boot=1 samples=0 at=9000   -> stale
        hello e1 boot=2 samples=3 at=2      -> current, 0 0 3
        ",
    );
}

#[test]
fn a_device_put_back_from_an_old_image_must_open_another_epoch() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 samples 4
        send e1 samples 1..4        -> ack 4
        hello e1 samples=4          -> current, 0 0 4
        hello e1 samples=3          -> diverged, 0 0 4
        send e1 samples 1..4        -> unknown epoch
        hello e1 samples=9          -> diverged, 0 0 4
        hello e2 samples=3          -> new, 0 0 0
        ",
    );
}

#[test]
fn a_new_store_supersedes_the_one_before_it() {
    check(
        "
        hello e1                    -> new, 0 0 0
        write e1 samples 2
        send e1 samples 1..2        -> ack 2
        hello e2                    -> new, 0 0 0
        send e1 samples 1..2        -> unknown epoch
        hello e1                    -> diverged, 0 0 2
        write e2 samples 1
        send e2 samples 1..1        -> ack 1
        ",
    );
}

#[test]
fn a_run_that_goes_on_in_another_epoch_is_shown_once() {
    let mut world = World::new();
    for line in [
        "hello e1",
        "write e1 run A 1..2",
        "send e1 histories 1..2",
        "hello e2",
        "write e2 run A 1..3 end",
        "send e2 histories 1..3",
    ] {
        world.play(line);
    }
    assert_eq!(world.play("show runs"), "completed 3 events, WorkflowExecutionCompleted");
    assert_eq!(world.play("show runs e1"), "running 2 events, TimerFired");
}

#[test]
fn a_stranger_must_say_hello_first() {
    check(
        "
        write e1 samples 1
        send e1 samples 1..1        -> unknown epoch
        poll 0                      -> unknown epoch
        signal S                    -> no device of this name has ever said hello
        ",
    );
}

#[test]
fn a_signal_is_offered_until_its_receipt_has_come() {
    check(
        "
        hello e1                    -> new, 0 0 0
        poll 0                      -> nothing
        signal S                    -> taken
        signal T                    -> taken
        poll 0                      -> S@1000 T@1001
        poll 0                      -> S@1000 T@1001
        show S                      -> waiting
        poll 1000                   -> T@1001
        show S                      -> recorded
        hello e1 cursor=1000        -> current, 0 0 0, signals wait
        write e1 receipt S applied
        send e1 control 1..1        -> ack 1
        show S                      -> applied
        poll 1001                   -> nothing
        show T                      -> recorded
        write e1 receipt T missing
        send e1 control 2..2        -> ack 2
        show T                      -> not found
        ",
    );
}

#[test]
fn the_same_signal_id_is_taken_once_and_stands_for_one_thing() {
    check(
        "
        hello e1                    -> new, 0 0 0
        signal S saying 1           -> taken
        signal S saying 1           -> taken before
        signal S saying 2           -> signal id S was used before, for another signal
        write e1 receipt S applied
        send e1 control 1..1        -> ack 1
        signal S saying 1           -> taken before
        poll 0                      -> nothing
        ",
    );
}

#[test]
fn a_new_epoch_is_offered_only_signals_without_a_receipt() {
    check(
        "
        hello e1                    -> new, 0 0 0
        signal S                    -> taken
        signal T                    -> taken
        write e1 receipt S applied
        send e1 control 1..1        -> ack 1
        hello e2                    -> new, 0 0 0, signals wait
        poll 0                      -> T@1001
        ",
    );
}

#[test]
fn a_signal_expires_when_no_receipt_came_in_time() {
    check(
        "
        hello e1                    -> new, 0 0 0
        signal S for 10s            -> taken
        signal T for 20s            -> taken
        wait 9s
        poll 0                      -> S@1000 T@1001
        wait 1s
        poll 0                      -> T@1001
        show S                      -> expired
        write e1 receipt T applied
        send e1 control 1..1        -> ack 1
        wait 10s
        show T                      -> applied
        ",
    );
}

#[test]
fn what_has_an_outcome_does_not_wake_the_fleet_to_expire_it() {
    let mut world = World::new();
    for line in ["hello e1", "signal S for 10s", "write e1 receipt S applied"] {
        world.play(line);
    }
    assert!(world.fleet.next_deadline().is_some());
    world.play("send e1 control 1..1");
    assert_eq!(world.fleet.next_deadline(), None);
}

#[test]
fn a_receipt_that_comes_after_the_expiry_counts() {
    check(
        "
        hello e1                    -> new, 0 0 0
        signal S for 10s            -> taken
        poll 0                      -> S@1000
        wait 10s
        show S                      -> expired
        write e1 receipt S applied
        send e1 control 1..1        -> ack 1
        show S                      -> applied
        ",
    );
}

#[test]
fn what_happened_first_is_not_hidden_by_a_later_duplicate() {
    check(
        "
        hello e1                    -> new, 0 0 0
        signal S                    -> taken
        write e1 receipt S duplicate
        write e1 receipt S applied
        write e1 receipt S duplicate
        send e1 control 1..1        -> ack 1
        show S                      -> duplicate
        send e1 control 2..3        -> ack 3
        show S                      -> applied
        ",
    );
}

#[test]
fn a_bridge_put_back_gives_out_no_number_a_device_has_passed() {
    check(
        "
        hello e1                    -> new, 0 0 0
        copy
        signal S                    -> taken
        wait 1s
        poll 0                      -> S@1000
        put back
        signal T                    -> taken
        poll 1000                   -> T@2000
        write e1 receipt S applied
        send e1 control 1..1        -> ack 1
        show S                      -> unknown
        ",
    );
}

#[test]
fn what_the_device_or_the_bridge_could_not_use_is_listed() {
    let mut world = World::new();
    for line in [
        "hello e1",
        "write e1 letter",
        "send e1 control 1..1",
        "write e1 junk samples 2",
        "send e1 samples 1..2",
    ] {
        world.play(line);
    }
    let letters = world.fleet.dead_letters(&device()).expect("the device is known");
    let found: Vec<(&str, &str, u64)> = letters
        .dead_letters
        .iter()
        .map(|letter| (letter.found_by.as_str(), letter.lane.as_str(), letter.item))
        .collect();
    assert_eq!(found, [("bridge", "samples", 1), ("device", "control", 1)]);
    assert_eq!(letters.total, 2);
}

#[test]
fn as_many_signals_wait_as_may_and_no_more() {
    let mut world = World::new();
    world.play("hello e1");
    for n in 0..DOWNLINK_WAITING_MAX {
        assert_eq!(world.play(&format!("signal S{n}")), "taken");
    }
    assert_eq!(world.play("signal one-more"), "10000 signals are waiting for this device already");
    assert_eq!(world.play("signal S7"), "taken before");
}

#[test]
fn the_oldest_outcomes_are_forgotten_and_signals_that_wait_never() {
    let mut world = World::new();
    world.play("hello e1");
    world.play("signal waits");
    for n in 0..=SIGNALS_SETTLED_LISTED_MAX {
        world.play(&format!("signal S{n}"));
        world.play(&format!("write e1 receipt S{n} applied"));
        assert_eq!(world.play(&format!("send e1 control {0}..{0}", n + 1)), format!("ack {}", n + 1));
    }
    assert_eq!(world.play("show waits"), "waiting");
    assert_eq!(world.play("show S0"), "unknown");
    assert_eq!(world.play("show S1"), "applied");
    world.check_replay();
}
