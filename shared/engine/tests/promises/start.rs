//! Starting a run.

use crate::script::check;

#[test]
fn a_start_is_history_and_a_workflow_task() {
    check(
        "
        > start w
        started
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        > poll q as alice
        alice: task of w, attempt 1, whole 1-3
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        ",
    );
}

#[test]
fn one_run_of_a_workflow_id_is_open_at_a_time() {
    check(
        "
        > start w request=first
        started
        > start w request=second
        already started by \"first\"
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: finish
        ok
        > start w request=second
        started
        > list
        w Running, w Completed
        ",
    );
}

#[test]
fn the_same_request_id_starts_one_run_even_after_it_closed() {
    check(
        "
        > start w request=r
        started
        > start w request=r
        started before
        > crash
        > start w request=r
        started before
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: finish
        ok
        > start w request=r
        started before
        > crash
        > start w request=r
        started before
        > list
        w Completed
        ",
    );
}

#[test]
fn a_start_without_a_request_id_is_never_taken_for_a_repetition() {
    check(
        "
        > start w
        started
        > start w
        already started by \"\"
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: finish
        ok
        > start w
        started
        ",
    );
}

#[test]
fn a_run_goes_all_the_way_from_start_to_end() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > done a
        ok
        > poll q
        alice: task of w, attempt 1, whole 1-9
        > complete w: timer t 10s
        ok
        > poll q
        > wait 10s
        alice: task of w, attempt 1, whole 1-14
        > complete w:
        ok
        > signal w go
        signaled, event 16
        > poll q
        alice: task of w, attempt 1, whole 1-18
        > complete w: finish
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 ActivityTaskStarted(5, attempt 1), 7 ActivityTaskCompleted(5, 6), 8 WorkflowTaskScheduled(q)
        9 WorkflowTaskStarted
        10 WorkflowTaskCompleted, 11 TimerStarted(t)
        12 TimerFired(t, 11), 13 WorkflowTaskScheduled(q)
        14 WorkflowTaskStarted
        15 WorkflowTaskCompleted
        16 WorkflowExecutionSignaled(go), 17 WorkflowTaskScheduled(q)
        18 WorkflowTaskStarted
        19 WorkflowTaskCompleted, 20 WorkflowExecutionCompleted
        > deadline
        nothing
        ",
    );
}

#[test]
fn a_workflow_can_fail() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a; timer t 5s; fail oops
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a), 6 TimerStarted(t), 7 WorkflowExecutionFailed
        > list
        w Failed
        > deadline
        nothing
        > poll activity q as bob
        > deadline
        in 60s: a poll has waited long enough
        ",
    );
}
