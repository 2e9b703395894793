//! Describe and list.

use crate::script::check;

#[test]
fn open_runs_are_listed_before_closed_ones_the_newest_first() {
    check(
        "
        > start a
        started
        > wait 1s
        > start b
        started
        > wait 1s
        > start c
        started
        > wait 1s
        > start d
        started
        > poll q
        alice: task of a, attempt 1, whole 1-3
        > poll q
        alice: task of b, attempt 1, whole 1-3
        > complete b: finish
        ok
        > wait 1s
        > complete a: fail oops
        ok
        > list
        d Running, c Running, a Failed, b Completed
        > crash
        > list
        d Running, c Running, a Failed, b Completed
        > list 3
        d Running, c Running, a Failed
        ",
    );
}

#[test]
fn a_run_is_described_open_and_closed() {
    check(
        "
        > describe w
        not found: workflow execution not found: w
        > start w
        started
        > describe w
        Running, 2 events, 0 activities, 0 timers, task attempt 1
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a; timer t 1m
        ok
        > describe w
        Running, 6 events, 1 activities, 1 timers, task attempt 0
        > signal w stop
        signaled, event 7
        > poll q
        alice: task of w, attempt 1, whole 1-9
        > complete w: finish
        ok
        > describe w
        Completed, 11 events, 0 activities, 0 timers, task attempt 0
        ",
    );
}
