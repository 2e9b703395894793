//! What a schedule makes of a time without power: as much as its window lets through, and never all at once.

use tidegate_engine::{Engine, Record, Settings};

use crate::schedule_stage::{Stage, check};

#[test]
fn rule_46_what_is_within_the_catch_up_window_is_made_up_for_and_the_rest_counted() {
    check(
        "
        > create every=1h overlap=all catch-up=150m
        created, token 1
        > off 10h
        starts 01-01T08:00:00
        starts 01-01T09:00:00
        starts 01-01T10:00:00
        > describe
        3 taken, 7 missed
        > wait 1h
        starts 01-01T11:00:00
        > describe
        4 taken, 7 missed
        ",
    );
}

#[test]
fn rule_46_after_a_year_without_power_a_schedule_that_skips_starts_one_run() {
    check(
        "
        > create every=1m
        created, token 1
        > off 30d
        starts 01-01T00:01:00
        > describe
        1 taken, 9999 skipped, runs 01-01T00:01:00
        > wait 1s
        > describe
        1 taken, 19999 skipped, runs 01-01T00:01:00
        > wait 10s
        > describe
        1 taken, 43199 skipped, runs 01-01T00:01:00
        > done 01-01T00:01:00
        > wait 1m
        starts 01-31T00:01:00
        ",
    );
}

#[test]
fn rule_46_after_a_month_without_power_actions_beside_each_other_come_ten_a_second() {
    let mut stage = Stage::new();
    stage.play("create every=1m overlap=all");
    assert_eq!(stage.play("off 30d").len(), 10);
    for _ in 0..5 {
        assert_eq!(stage.play("wait 1s").len(), 10);
    }
    stage.play("crash");
    assert_eq!(stage.play("wait 1s").len(), 10);
    assert_eq!(stage.play("describe"), ["70 taken"]);
}

#[test]
fn no_step_after_an_outage_is_larger_than_a_handful_of_starts() {
    let mut stage = Stage::new();
    stage.play("create every=1m overlap=buffer-all");
    let before = stage.world.records.len();
    stage.play("off 30d");
    let starts = stage.world.records[before..].iter().filter(|record| matches!(record, Record::History(_)));
    assert_eq!(starts.count(), 1);
    // What does not fit the row of those that wait is counted, not forgotten.
    stage.play("wait 10s");
    assert_eq!(
        stage.play("describe"),
        ["1 taken, 42199 dropped, 1000 waiting, runs 01-01T00:01:00"],
        "43,200 minutes"
    );
}

#[test]
fn rule_46_jitter_puts_an_action_off_and_not_its_name() {
    check(
        "
        > create every=1h jitter=30m overlap=all
        created, token 1
        > wait 70m
        > future
        01-01T01:28:51.290
        01-01T02:16:20.095
        01-01T03:21:41.642
        01-01T04:26:52.164
        01-01T05:07:42.440
        01-01T06:14:13.833
        01-01T07:06:50.437
        01-01T08:10:33.049
        01-01T09:04:59.728
        01-01T10:13:45.077
        > wait 20m
        starts 01-01T01:00:00
        > off 3h
        starts 01-01T02:00:00
        starts 01-01T03:00:00
        starts 01-01T04:00:00
        ",
    );
}

#[test]
fn a_start_for_which_there_is_no_room_is_tried_again_until_it_is_too_late() {
    let mut stage = Stage::new();
    stage.world.engine = Engine::new().with_settings(Settings { open_runs_max: 1, ..Settings::default() });
    let check = |stage: &mut Stage, line: &str, expected: &[&str]| {
        assert_eq!(stage.play(line), expected, "after > {line}");
    };
    check(&mut stage, "create every=1h overlap=all catch-up=30s", &["created, token 1"]);
    check(&mut stage, "wait 1h", &["starts 01-01T01:00:00"]);
    check(&mut stage, "wait 1h", &[]);
    check(&mut stage, "describe", &["1 taken, 1 waiting"]);
    check(&mut stage, "wait 15s", &[]);
    check(&mut stage, "done 01-01T01:00:00", &[]);
    check(&mut stage, "wait 4s", &[]);
    check(&mut stage, "wait 1s", &["starts 01-01T02:00:00"]);
    check(&mut stage, "wait 1h", &[]);
    check(&mut stage, "describe", &["2 taken, 1 waiting"]);
    check(&mut stage, "wait 30s", &[]);
    check(&mut stage, "describe", &["2 taken, 1 missed"]);
    check(&mut stage, "done 01-01T02:00:00", &[]);
    check(&mut stage, "wait 1h", &["starts 01-01T04:00:00"]);
}
