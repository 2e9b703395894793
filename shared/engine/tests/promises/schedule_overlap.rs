//! What happens when it is time and the last action still runs, and what one run hands on to the next.

use crate::schedule_stage::check;

#[test]
fn rule_46_skip_leaves_out_what_comes_while_one_runs() {
    check(
        "
        > create every=1h overlap=skip
        created, token 1
        > wait 1h
        starts 01-01T01:00:00
        > wait 2h
        > describe
        1 taken, 2 skipped, runs 01-01T01:00:00
        > done 01-01T01:00:00
        > describe
        1 taken, 2 skipped
        > wait 1h
        starts 01-01T04:00:00
        ",
    );
}

#[test]
fn rule_46_buffer_one_lets_the_first_wait_and_leaves_out_the_others() {
    check(
        "
        > create every=1h overlap=buffer-one
        created, token 1
        > wait 4h
        starts 01-01T01:00:00
        > describe
        1 taken, 2 skipped, 1 waiting, runs 01-01T01:00:00
        > done 01-01T01:00:00
        starts 01-01T02:00:00
        > describe
        2 taken, 2 skipped, runs 01-01T02:00:00
        ",
    );
}

#[test]
fn rule_46_buffer_all_lets_all_wait_in_a_row() {
    check(
        "
        > create every=1h overlap=buffer-all
        created, token 1
        > wait 3h
        starts 01-01T01:00:00
        > describe
        1 taken, 2 waiting, runs 01-01T01:00:00
        > crash
        > done 01-01T01:00:00
        starts 01-01T02:00:00
        > fail 01-01T02:00:00 oops
        starts 01-01T03:00:00
        > done 01-01T03:00:00
        > describe
        3 taken
        ",
    );
}

#[test]
fn rule_46_allow_all_starts_beside_whatever_runs_and_counts_none_as_running() {
    check(
        "
        > create every=1h overlap=all
        created, token 1
        > wait 3h
        starts 01-01T01:00:00
        starts 01-01T02:00:00
        starts 01-01T03:00:00
        > describe
        3 taken
        > done 01-01T02:00:00 1
        > recent
        01-01T01:00:00 Running
        01-01T02:00:00 Completed
        01-01T03:00:00 Running
        > wait 1h
        starts 01-01T04:00:00
        > handed 01-01T04:00:00
        result nothing, failure none
        by \"s\" at \"2026-01-01T04:00:00Z\"
        from temporal-scheduler-default-s as sched-1767225600000000-4
        ",
    );
}

#[test]
fn an_update_of_the_policy_holds_for_what_waits() {
    check(
        "
        > create every=1h overlap=buffer-all
        created, token 1
        > wait 4h
        starts 01-01T01:00:00
        > update every=1h overlap=all
        starts 01-01T02:00:00
        starts 01-01T03:00:00
        starts 01-01T04:00:00
        > describe
        4 taken, runs 01-01T01:00:00
        ",
    );
}

#[test]
fn an_action_whose_workflow_runs_already_is_left_out() {
    check(
        "
        > create every=1h overlap=all keep-id
        created, token 1
        > wait 2h
        starts w
        > describe
        1 taken, 1 skipped
        > done w
        > wait 1h
        starts w
        > describe
        2 taken, 1 skipped
        ",
    );
}

#[test]
fn rule_46_the_last_result_goes_to_the_next_run_and_stays_when_one_fails() {
    check(
        "
        > create every=1h
        created, token 1
        > wait 1h
        starts 01-01T01:00:00
        > done 01-01T01:00:00 17
        > wait 1h
        starts 01-01T02:00:00
        > handed 01-01T02:00:00
        result 17, failure none
        by \"s\" at \"2026-01-01T02:00:00Z\"
        from temporal-scheduler-default-s as sched-1767225600000000-2
        > crash
        > fail 01-01T02:00:00 oops
        > wait 1h
        starts 01-01T03:00:00
        > handed 01-01T03:00:00
        result 17, failure oops
        by \"s\" at \"2026-01-01T03:00:00Z\"
        from temporal-scheduler-default-s as sched-1767225600000000-3
        > done 01-01T03:00:00 18
        > wait 1h
        starts 01-01T04:00:00
        > handed 01-01T04:00:00
        result 18, failure none
        by \"s\" at \"2026-01-01T04:00:00Z\"
        from temporal-scheduler-default-s as sched-1767225600000000-4
        ",
    );
}
