//! What a schedule makes of a run that goes on in another, is ended from outside, or is reset: the chain counts.

use crate::schedule_stage::check;

#[test]
fn rule_46_a_run_that_continues_as_new_still_runs() {
    check(
        "
        > create every=1h overlap=buffer-one
        created, token 1
        > wait 2h
        starts 01-01T01:00:00
        > again 01-01T01:00:00
        starts 01-01T01:00:00
        > describe
        1 taken, 1 waiting, runs 01-01T01:00:00
        > crash
        > recent
        01-01T01:00:00 Running
        > wait 10s
        > done 01-01T01:00:00 17
        starts 01-01T02:00:00
        > handed 01-01T02:00:00
        result 17, failure none
        by \"s\" at \"2026-01-01T02:00:00Z\"
        from temporal-scheduler-default-s as sched-1767225600000000-2
        > recent
        01-01T01:00:00 Completed
        01-01T02:00:00 Running
        ",
    );
}

#[test]
fn rule_46_a_run_that_is_tried_again_pauses_only_when_all_tries_have_failed() {
    check(
        "
        > create every=1h attempts=2 pause-on-failure
        created, token 1
        > wait 1h
        starts 01-01T01:00:00
        > retry 01-01T01:00:00 oops
        starts 01-01T01:00:00
        > describe
        1 taken, runs 01-01T01:00:00
        > wait 10s
        > retry 01-01T01:00:00 again
        > describe
        1 taken, paused: paused due to workflow failure: w-2026-01-01T01:00:00Z: again
        ",
    );
}

#[test]
fn rule_46_a_run_that_times_out_pauses_a_schedule_that_wants_it() {
    check(
        "
        > create every=1h run-timeout=10m pause-on-failure overlap=buffer-one
        created, token 1
        > wait 70m
        starts 01-01T01:00:00
        > describe
        1 taken, paused: paused due to workflow timeout: w-2026-01-01T01:00:00Z
        > recent
        01-01T01:00:00 TimedOut
        ",
    );
}

#[test]
fn a_run_that_somebody_ends_or_cancels_pauses_nothing() {
    check(
        "
        > create every=1h pause-on-failure
        created, token 1
        > wait 1h
        starts 01-01T01:00:00
        > terminate 01-01T01:00:00
        ends 01-01T01:00:00
        > wait 1h
        starts 01-01T02:00:00
        > canceled 01-01T02:00:00
        > recent
        01-01T01:00:00 Terminated
        01-01T02:00:00 Canceled
        > describe
        2 taken
        ",
    );
}

#[test]
fn rule_46_terminate_other_ends_the_one_that_runs_and_starts_at_once() {
    check(
        "
        > create every=1h overlap=terminate
        created, token 1
        > wait 1h
        starts 01-01T01:00:00
        > wait 1h
        ends 01-01T01:00:00
        starts 01-01T02:00:00
        > recent
        01-01T01:00:00 Terminated
        01-01T02:00:00 Running
        > describe
        2 taken, runs 01-01T02:00:00
        > off 3h
        ends 01-01T02:00:00
        starts 01-01T05:00:00
        > describe
        3 taken, 2 skipped, runs 01-01T05:00:00
        ",
    );
}

#[test]
fn rule_46_cancel_other_asks_the_one_that_runs_and_starts_when_it_has_gone() {
    check(
        "
        > create every=1h overlap=cancel
        created, token 1
        > wait 1h
        starts 01-01T01:00:00
        > wait 1h
        cancels 01-01T01:00:00
        > describe
        1 taken, 1 waiting, runs 01-01T01:00:00
        > crash
        > wait 10m
        > canceled 01-01T01:00:00
        starts 01-01T02:00:00
        > recent
        01-01T01:00:00 Canceled
        01-01T02:00:00 Running
        ",
    );
}

#[test]
fn a_run_of_a_chain_that_goes_on_is_ended_as_one_of_it() {
    check(
        "
        > create every=1h overlap=terminate
        created, token 1
        > wait 1h
        starts 01-01T01:00:00
        > again 01-01T01:00:00
        starts 01-01T01:00:00
        > wait 1h
        ends 01-01T01:00:00
        starts 01-01T02:00:00
        ",
    );
}

#[test]
fn a_run_that_is_reset_goes_on_running() {
    check(
        "
        > create every=1h overlap=buffer-one
        created, token 1
        > wait 2h
        starts 01-01T01:00:00
        > reset 01-01T01:00:00
        ends 01-01T01:00:00
        starts 01-01T01:00:00
        > describe
        1 taken, 1 waiting, runs 01-01T01:00:00
        > done 01-01T01:00:00
        starts 01-01T02:00:00
        > recent
        01-01T01:00:00 Completed
        01-01T02:00:00 Running
        ",
    );
}

#[test]
fn rule_46_a_time_that_was_acted_on_is_not_acted_on_again() {
    check(
        "
        > create every=1h overlap=all
        created, token 1
        > wait 59m
        > trigger at=01-01T01:00
        starts 01-01T01:00:00
        > done 01-01T01:00:00
        > wait 1m
        > describe
        1 taken, 1 skipped
        > trigger at=01-01T01:00
        starts 01-01T01:00:00
        ",
    );
}
