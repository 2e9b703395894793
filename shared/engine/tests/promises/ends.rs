//! Runs that are ended, or asked to end, from outside.

use crate::script::check;

#[test]
fn rule_31_a_cancel_is_seen_by_the_workflow_and_a_second_one_changes_nothing() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > ask-cancel w request=r
        ok
        > ask-cancel w request=s
        ok
        > crash
        > ask-cancel w
        ok
        > poll q
        alice: task of w, attempt 1, whole 1-7
        > complete w: end-cancelled
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowExecutionCancelRequested, 6 WorkflowTaskScheduled(q)
        7 WorkflowTaskStarted
        8 WorkflowTaskCompleted, 9 WorkflowExecutionCanceled
        ",
    );
}

#[test]
fn rule_31_a_cancel_waits_for_the_task_that_is_out_and_is_not_asked_twice_meanwhile() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > ask-cancel w
        ok
        > ask-cancel w
        ok
        > complete w: finish
        invalid: UnhandledCommand
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(UnhandledCommand), 5 WorkflowExecutionCancelRequested, 6 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn rule_31_a_cancel_on_a_closed_run_is_success_and_a_terminate_or_a_signal_is_not_found() {
    check(
        "
        > ask-cancel w
        not found: workflow execution not found: w
        > terminate w
        not found: workflow execution not found: w
        > start w
        started
        > terminate w
        ok
        > ask-cancel w
        ok
        > ask-cancel w run=w
        ok
        > terminate w
        not found: workflow execution already completed
        > signal w go
        not found: workflow execution already completed
        ",
    );
}

#[test]
fn rule_31_the_first_run_of_a_chain_guards_cancels_and_terminations_across_its_runs() {
    check(
        "
        > start w
        started
        > wait 2s
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: again
        ok
        > terminate w run=w
        not found: workflow execution already completed
        > ask-cancel w run=w
        ok
        > name second w
        Running
        > start other
        started
        > ask-cancel w first=other
        not found: workflow execution not found: w, run of other
        > terminate w first=other
        not found: workflow execution not found: w, run of other
        > ask-cancel w first=w
        ok
        > history second
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowExecutionCancelRequested
        > terminate w first=w run=other
        ok
        > history second
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowExecutionCancelRequested
        4 WorkflowExecutionTerminated
        ",
    );
}

/// What waited is not dropped: nobody will see it, but it is history, and a reset takes it from there.
#[test]
fn rule_40_a_termination_ends_a_run_whose_task_is_out_and_keeps_what_waited() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a; timer t 60s
        ok
        > poll activity q as bob
        bob: activity a of w, attempt 1
        > signal w wake
        signaled, event 7
        > poll q
        alice: task of w, attempt 1, whole 1-9
        > signal w go
        signaled, waits
        > done a
        ok
        > terminate w
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a), 6 TimerStarted(t)
        7 WorkflowExecutionSignaled(wake), 8 WorkflowTaskScheduled(q)
        9 WorkflowTaskStarted
        10 WorkflowTaskFailed(ForceCloseCommand), 11 WorkflowExecutionSignaled(go), 12 ActivityTaskStarted(5, attempt 1), 13 ActivityTaskCompleted(5, 12), 14 WorkflowExecutionTerminated
        > complete w: finish
        not found: workflow execution already completed
        ",
    );
}

#[test]
fn rule_40_a_termination_does_not_wait_for_a_task_without_events() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > fail w
        ok
        > poll q
        alice: task of w, attempt 2, whole 1-6, transient
        > signal w go
        signaled, waits
        > terminate w
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(WorkflowWorkerUnhandledFailure)
        5 WorkflowExecutionSignaled(go), 6 WorkflowExecutionTerminated
        > complete w: finish
        not found: workflow execution already completed
        ",
    );
}
