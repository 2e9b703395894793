//! Signals.

use crate::script::check;

#[test]
fn a_signal_with_a_request_id_is_applied_once() {
    check(
        "
        > start w
        started
        > signal w go request=r
        signaled, event 3
        > signal w go request=r
        signaled before
        > crash
        > signal w go request=r
        signaled before
        > signal w go request=s
        signaled, event 4
        > signal w go
        signaled, event 5
        > signal w go
        signaled, event 6
        ",
    );
}

#[test]
fn a_signal_that_waits_in_the_buffer_is_not_applied_again() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > signal w go request=r
        signaled, waits
        > signal w go request=r
        signaled before
        > crash
        > complete w:
        ok
        > signal w go request=r
        signaled before
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 WorkflowExecutionSignaled(go), 6 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn a_signal_to_a_run_that_is_not_open_is_not_found_and_says_which() {
    check(
        "
        > signal w go
        not found: workflow execution not found: w
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: finish
        ok
        > signal w go
        not found: workflow execution already completed
        > signal w go run=w
        not found: workflow execution already completed
        ",
    );
}

#[test]
fn a_signal_to_a_named_run_does_not_reach_another_of_the_same_id() {
    check(
        "
        > start w
        started
        > start other queue=elsewhere
        started
        > signal w go run=w
        signaled, event 3
        > poll q
        alice: task of w, attempt 1, whole 1-4
        > complete w: finish
        ok
        > signal other go run=w
        not found: workflow execution not found: other, run of w
        ",
    );
}

#[test]
fn signals_before_the_first_task_are_seen_by_it() {
    check(
        "
        > start w
        started
        > signal w a
        signaled, event 3
        > signal w b
        signaled, event 4
        > poll q
        alice: task of w, attempt 1, whole 1-5
        ",
    );
}
