//! Signals and requests to cancel from one workflow to another, and markers.

use tidegate_model::limits::{PENDING_CANCEL_REQUESTS_MAX, PENDING_SIGNALS_MAX, SIGNALS_PER_RUN_MAX};

use crate::script::{Stage, check};

#[test]
fn rule_34_a_target_that_is_not_there_is_an_outcome_and_no_error() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: tell nobody go; stop nobody; tell p go; stop p; tell w go in=nowhere; stop w in=nowhere
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 SignalExternalWorkflowExecutionInitiated(nobody), 6 RequestCancelExternalWorkflowExecutionInitiated(nobody), 7 SignalExternalWorkflowExecutionInitiated(p), 8 RequestCancelExternalWorkflowExecutionInitiated(p), 9 SignalExternalWorkflowExecutionInitiated(w), 10 RequestCancelExternalWorkflowExecutionInitiated(w)
        11 SignalExternalWorkflowExecutionFailed(5, NotFound), 12 WorkflowTaskScheduled(q)
        13 RequestCancelExternalWorkflowExecutionFailed(6, NotFound)
        14 SignalExternalWorkflowExecutionFailed(7, NotFound)
        15 RequestCancelExternalWorkflowExecutionFailed(8, NotFound)
        16 SignalExternalWorkflowExecutionFailed(9, NamespaceNotFound)
        17 RequestCancelExternalWorkflowExecutionFailed(10, NamespaceNotFound)
        ",
    );
}

#[test]
fn rule_34_another_execution_is_signalled_and_asked_to_cancel_and_the_workflow_learns_of_it() {
    check(
        "
        > start other queue=o
        started
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: tell other go; stop other
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 SignalExternalWorkflowExecutionInitiated(other), 6 RequestCancelExternalWorkflowExecutionInitiated(other)
        7 ExternalWorkflowExecutionSignaled(5), 8 WorkflowTaskScheduled(q)
        9 ExternalWorkflowExecutionCancelRequested(6)
        > history other
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(o)
        3 WorkflowExecutionSignaled(go by p)
        4 WorkflowExecutionCancelRequested(by p)
        > poll o
        alice: task of other, attempt 1, whole 1-5
        ",
    );
}

#[test]
fn rule_34_what_reaches_a_run_whose_task_is_out_waits_there_and_its_outcome_does_not() {
    check(
        "
        > start other queue=o
        started
        > poll o
        alice: task of other, attempt 1, whole 1-3
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: tell other go; stop other
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 SignalExternalWorkflowExecutionInitiated(other), 6 RequestCancelExternalWorkflowExecutionInitiated(other)
        7 ExternalWorkflowExecutionSignaled(5), 8 WorkflowTaskScheduled(q)
        9 ExternalWorkflowExecutionCancelRequested(6)
        > complete other: finish
        invalid: UnhandledCommand
        > history other
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(o)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(UnhandledCommand), 5 WorkflowExecutionSignaled(go by p), 6 WorkflowExecutionCancelRequested(by p), 7 WorkflowTaskScheduled(o)
        ",
    );
}

#[test]
fn rule_34_a_run_that_has_closed_cannot_be_signalled_but_to_cancel_it_is_no_failure() {
    check(
        "
        > start other
        started
        > poll q
        alice: task of other, attempt 1, whole 1-3
        > complete other: finish
        ok
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: tell other go; stop other; tell other go run=other; stop other run=other
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 SignalExternalWorkflowExecutionInitiated(other), 6 RequestCancelExternalWorkflowExecutionInitiated(other), 7 SignalExternalWorkflowExecutionInitiated(other), 8 RequestCancelExternalWorkflowExecutionInitiated(other)
        9 SignalExternalWorkflowExecutionFailed(5, NotFound), 10 WorkflowTaskScheduled(q)
        11 ExternalWorkflowExecutionCancelRequested(6)
        12 SignalExternalWorkflowExecutionFailed(7, NotFound)
        13 ExternalWorkflowExecutionCancelRequested(8)
        ",
    );
}

#[test]
fn rule_34_a_run_that_was_asked_to_cancel_before_is_not_asked_again() {
    check(
        "
        > start other queue=o
        started
        > ask-cancel other
        ok
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: stop other; stop other
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 RequestCancelExternalWorkflowExecutionInitiated(other), 6 RequestCancelExternalWorkflowExecutionInitiated(other)
        7 ExternalWorkflowExecutionCancelRequested(5), 8 WorkflowTaskScheduled(q)
        9 ExternalWorkflowExecutionCancelRequested(6)
        > history other
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(o)
        3 WorkflowExecutionCancelRequested
        ",
    );
}

#[test]
fn rule_34_the_run_that_is_named_is_reached_and_no_other() {
    check(
        "
        > start other queue=o
        started
        > poll o
        alice: task of other, attempt 1, whole 1-3
        > complete other: again
        ok
        > name second other
        Running
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: tell other go run=other; tell other go run=second; stop other run=second
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 SignalExternalWorkflowExecutionInitiated(other), 6 SignalExternalWorkflowExecutionInitiated(other), 7 RequestCancelExternalWorkflowExecutionInitiated(other)
        8 SignalExternalWorkflowExecutionFailed(5, NotFound), 9 WorkflowTaskScheduled(q)
        10 ExternalWorkflowExecutionSignaled(6)
        11 ExternalWorkflowExecutionCancelRequested(7)
        > history second
        1 WorkflowExecutionStarted
        2 WorkflowExecutionSignaled(go by p)
        3 WorkflowExecutionCancelRequested(by p), 4 WorkflowTaskScheduled(o)
        ",
    );
}

#[test]
fn rule_34_what_is_for_a_child_reaches_nobody_else() {
    check(
        "
        > start other queue=o
        started
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child c queue=cq
        ok
        > poll q
        alice: task of p, attempt 1, whole 1-8
        > complete p: tell other go own; stop other own; tell c go own; stop c own
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(c)
        6 ChildWorkflowExecutionStarted(c, 5), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskCompleted, 10 SignalExternalWorkflowExecutionInitiated(other), 11 RequestCancelExternalWorkflowExecutionInitiated(other), 12 SignalExternalWorkflowExecutionInitiated(c), 13 RequestCancelExternalWorkflowExecutionInitiated(c)
        14 SignalExternalWorkflowExecutionFailed(10, NotFound), 15 WorkflowTaskScheduled(q)
        16 RequestCancelExternalWorkflowExecutionFailed(11, NotFound)
        17 ExternalWorkflowExecutionSignaled(12)
        18 ExternalWorkflowExecutionCancelRequested(13)
        > name c c
        Running
        > history c
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(cq)
        3 WorkflowExecutionSignaled(go by p)
        4 WorkflowExecutionCancelRequested(by p)
        ",
    );
}

#[test]
fn a_fork_of_the_parent_reaches_its_child() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child c queue=cq
        ok
        > poll q
        alice: task of p, attempt 1, whole 1-8
        > complete p: timer t 9s
        ok
        > reset p 9
        reset
        > poll q
        alice: task of p, attempt 1, whole 1-11
        > complete p: tell c go own; stop c own
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(c)
        6 ChildWorkflowExecutionStarted(c, 5), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskFailed(ResetWorkflow), 10 WorkflowTaskScheduled(q)
        11 WorkflowTaskStarted
        12 WorkflowTaskCompleted, 13 SignalExternalWorkflowExecutionInitiated(c), 14 RequestCancelExternalWorkflowExecutionInitiated(c)
        15 ExternalWorkflowExecutionSignaled(13), 16 WorkflowTaskScheduled(q)
        17 ExternalWorkflowExecutionCancelRequested(14)
        > name c c
        Running
        > history c
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(cq)
        3 WorkflowExecutionSignaled(go by p)
        4 WorkflowExecutionCancelRequested(by p)
        ",
    );
}

#[test]
fn a_signal_to_a_run_that_waits_for_its_first_task_starts_none() {
    check(
        "
        > start other queue=o delay=60s
        started
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: tell other go
        ok
        > history other
        1 WorkflowExecutionStarted
        2 WorkflowExecutionSignaled(go by p)
        ",
    );
}

#[test]
fn a_child_is_not_begun_and_cancelled_by_one_task() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child c; stop c
        invalid: BadRequestCancelExternalWorkflowExecutionAttributes: a child is not begun and cancelled by one task: c
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(BadRequestCancelExternalWorkflowExecutionAttributes)
        ",
    );
}

#[test]
fn a_workflow_that_ends_with_the_task_that_asks_sends_nothing() {
    check(
        "
        > start other queue=o
        started
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: tell other go; stop other; finish
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 SignalExternalWorkflowExecutionInitiated(other), 6 RequestCancelExternalWorkflowExecutionInitiated(other), 7 WorkflowExecutionCompleted
        > history other
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(o)
        ",
    );
}

#[test]
fn rule_7_a_signal_or_a_marker_that_says_too_little_or_too_much_fails_the_task_and_not_the_workflow() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: tell other go size=3000000
        invalid: BadSignalWorkflowExecutionAttributes: signal input has 3000000 bytes; PAYLOAD_BYTES_MAX is 524288
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(BadSignalWorkflowExecutionAttributes)
        > poll q
        alice: task of p, attempt 2, whole 1-6, transient
        > complete p: marker m size=3000000
        invalid: BadRecordMarkerAttributes: details of a marker has 3000004 bytes; PAYLOAD_BYTES_MAX is 524288
        > wait 10s
        > poll q
        alice: task of p, attempt 3, whole 1-6, transient
        > complete p: marker m
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(BadSignalWorkflowExecutionAttributes)
        5 WorkflowTaskScheduled(q, attempt 3), 6 WorkflowTaskStarted
        7 WorkflowTaskCompleted, 8 MarkerRecorded(m)
        ",
    );
}

#[test]
fn a_run_has_only_so_many_signals_and_requests_to_cancel_on_their_way() {
    for (command, limit, name, cause) in [
        ("tell other go; ", PENDING_SIGNALS_MAX, "PENDING_SIGNALS_MAX", "PendingSignalsLimitExceeded"),
        (
            "stop other; ",
            PENDING_CANCEL_REQUESTS_MAX,
            "PENDING_CANCEL_REQUESTS_MAX",
            "PendingRequestCancelLimitExceeded",
        ),
    ] {
        let mut stage = Stage::new();
        stage.run("start p");
        stage.run("poll q");
        let lines = stage.run(&format!("complete p: {}", command.repeat(limit + 1)));
        assert_eq!(lines, [format!("invalid: {cause}: {name} is {limit}")]);
        assert_eq!(stage.run("history p").last(), Some(&format!("4 WorkflowTaskFailed({cause})")));
    }
}

#[test]
fn rule_34_a_target_that_has_had_all_the_signals_it_may_is_an_outcome_too() {
    let mut stage = Stage::new();
    stage.world.is_crowded = true;
    stage.run("start other queue=o");
    for _ in 0..SIGNALS_PER_RUN_MAX {
        stage.run("signal other go");
    }
    stage.run("start p");
    stage.run("poll q");
    assert_eq!(stage.run("complete p: tell other go"), ["ok"]);
    assert_eq!(
        stage.run("history p").last().map(String::as_str),
        Some(
            "6 SignalExternalWorkflowExecutionFailed(5, SignalCountLimitExceeded), 7 WorkflowTaskScheduled(q)"
        )
    );
}
