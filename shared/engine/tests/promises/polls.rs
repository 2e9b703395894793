//! Polls that wait.

use crate::script::check;

#[test]
fn a_poll_with_nothing_in_time_is_answered_empty() {
    check(
        "
        > poll q as alice
        > wait 10s
        > poll activity q as bob
        > deadline
        in 50s: a poll has waited long enough
        > wait 50s
        alice: nothing
        > wait 10s
        bob: nothing
        > deadline
        nothing
        ",
    );
}

#[test]
fn polls_are_served_first_come_first_served() {
    check(
        "
        > poll q as alice
        > poll q as bob
        > start v
        started
        alice: task of v, attempt 1, whole 1-3
        > poll q as alice
        > start w
        started
        bob: task of w, attempt 1, whole 1-3
        ",
    );
}

#[test]
fn tasks_are_handed_out_by_age_before_and_after_a_crash() {
    check(
        "
        > start v
        started
        > wait 1s
        > start w
        started
        > wait 1s
        > start x
        started
        > poll q
        alice: task of v, attempt 1, whole 1-3
        > crash
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll q
        alice: task of x, attempt 1, whole 1-3
        ",
    );
}

#[test]
fn a_poll_that_was_abandoned_gets_no_task() {
    check(
        "
        > poll q as alice
        > poll q as bob
        > abandon alice
        > start w
        started
        bob: task of w, attempt 1, whole 1-3
        ",
    );
}

#[test]
fn a_poll_waits_at_its_queue_its_kind_and_nowhere_else() {
    check(
        "
        > poll other as alice
        > poll activity q as bob
        > start w
        started
        > poll q as carol
        carol: task of w, attempt 1, whole 1-3
        ",
    );
}

#[test]
fn polls_are_not_part_of_the_snapshot() {
    check(
        "
        > poll q as alice
        > crash
        > start w
        started
        > deadline
        nothing
        ",
    );
}
