//! Waits for history.

use tidegate_model::limits::HISTORY_WAITS_MAX;

use crate::script::{Stage, check};

#[test]
fn a_wait_for_history_is_answered_when_there_is_more() {
    check(
        "
        > start w
        started
        > follow w beyond=2 as bob
        > follow w beyond=3 as carol
        > signal w go
        signaled, event 3
        bob: 3 events, open
        > poll q
        alice: task of w, attempt 1, whole 1-4
        carol: 4 events, open
        ",
    );
}

#[test]
fn what_is_there_already_is_answered_at_once() {
    check(
        "
        > start w
        started
        > follow w as bob
        bob: 2 events, open
        > follow w beyond=1 as bob
        bob: 2 events, open
        > follow nobody beyond=1 as bob
        bob: not found: workflow execution not found: nobody
        ",
    );
}

#[test]
fn events_that_wait_for_the_workflow_task_are_not_history_yet() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > follow w beyond=3 as bob
        > signal w go
        signaled, waits
        > complete w:
        ok
        bob: 6 events, open
        ",
    );
}

#[test]
fn a_wait_for_the_close_is_answered_by_the_close_alone() {
    check(
        "
        > start w
        started
        > follow w beyond=0 closed as bob
        > signal w go
        signaled, event 3
        > poll q
        alice: task of w, attempt 1, whole 1-4
        > complete w: finish
        ok
        bob: 6 events, closed
        > follow w beyond=99 as carol
        carol: 6 events, closed
        ",
    );
}

#[test]
fn a_wait_for_history_is_over_after_twenty_seconds() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > follow w beyond=4 as bob
        > deadline
        in 20s: a wait for history is over
        > wait 20s
        bob: 4 events, open
        > deadline
        nothing
        ",
    );
}

#[test]
fn a_wait_that_was_abandoned_is_forgotten() {
    check(
        "
        > start w
        started
        > follow w beyond=2 as bob
        > abandon bob
        > deadline
        nothing
        > signal w go
        signaled, event 3
        ",
    );
}

#[test]
fn a_wait_for_a_run_is_not_answered_by_another_of_the_same_id() {
    check(
        "
        > start w request=one
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > follow w run=w beyond=3 closed as bob
        > complete w: finish
        ok
        bob: 5 events, closed
        > follow w run=w beyond=5 as bob
        bob: 5 events, closed
        > start w request=two
        started
        > follow w as bob
        bob: 2 events, open
        ",
    );
}

#[test]
fn waits_for_history_are_bounded() {
    let mut stage = Stage::new();
    stage.world.is_crowded = true;
    stage.run("start w");
    for _ in 0..HISTORY_WAITS_MAX {
        assert_eq!(stage.run("follow w beyond=2 as bob"), Vec::<String>::new());
    }
    assert_eq!(stage.run("follow w beyond=2 as carol"), ["carol: exhausted: HISTORY_WAITS_MAX"]);
    stage.run("abandon bob");
    assert_eq!(stage.run("follow w beyond=2 as carol"), Vec::<String>::new());
}
