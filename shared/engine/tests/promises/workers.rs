//! Workers that are gone.

use crate::script::check;

#[test]
fn a_worker_that_shuts_down_loses_its_workflow_task_at_once() {
    check(
        "
        > start w
        started
        > poll q as alice
        alice: task of w, attempt 1, whole 1-3
        > signal w go
        signaled, waits
        > poll q as bob
        > shutdown alice
        ok
        bob: task of w, attempt 1, whole 1-7
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskTimedOut(StartToClose), 5 WorkflowExecutionSignaled(go), 6 WorkflowTaskScheduled(q)
        7 WorkflowTaskStarted
        ",
    );
}

#[test]
fn a_worker_that_shuts_down_loses_a_transient_attempt_too() {
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
        > crash
        > shutdown alice
        ok
        > poll q
        alice: task of w, attempt 3, whole 1-6, transient
        > complete w~1: finish
        not found: Workflow task not found.
        ",
    );
}

#[test]
fn a_worker_that_shuts_down_gets_its_polls_back_empty_and_nobody_elses() {
    check(
        "
        > poll q as alice
        > poll activity q as alice
        > poll q as bob
        > shutdown alice
        ok
        alice: nothing
        alice: nothing
        > start w
        started
        bob: task of w, attempt 1, whole 1-3
        > describe w
        Running, 3 events, 0 activities, 0 timers, task attempt 1
        ",
    );
}

#[test]
fn an_attempt_of_a_worker_that_shuts_down_counts_and_is_retried_after_its_back_off() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a first=2s; activity b attempts=1; activity c
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > poll activity q
        alice: activity b of w, attempt 1
        > poll activity q as bob
        bob: activity c of w, attempt 1
        > crash
        > shutdown alice
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a), 6 ActivityTaskScheduled(b), 7 ActivityTaskScheduled(c)
        8 ActivityTaskStarted(6, attempt 1), 9 ActivityTaskTimedOut(6, 8, MaximumAttemptsReached), 10 WorkflowTaskScheduled(q)
        > poll activity q as alice
        > wait 2s
        alice: activity a of w, attempt 2
        > done c as bob
        ok
        ",
    );
}

#[test]
fn runs_tied_to_a_worker_that_shuts_down_go_to_the_normal_queue_with_the_whole_history() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w sticky=s:
        ok
        > crash
        > shutdown alice
        ok
        > poll s as alice
        > signal w go
        signaled, event 5
        > poll q as bob
        bob: task of w, attempt 1, whole 1-7
        ",
    );
}

#[test]
fn a_task_that_waits_on_the_sticky_queue_of_a_worker_that_shuts_down_is_moved_at_once() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll s as alice
        > complete w sticky=s:
        ok
        > abandon alice
        > signal w go
        signaled, event 5
        > poll q as bob
        > shutdown alice
        ok
        bob: task of w, attempt 1, whole 1-9
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowExecutionSignaled(go), 6 WorkflowTaskScheduled(s)
        7 WorkflowTaskTimedOut(ScheduleToStart), 8 WorkflowTaskScheduled(q)
        9 WorkflowTaskStarted
        ",
    );
}

#[test]
fn a_worker_that_begins_anew_can_work_at_once() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w sticky=s: activity a first=1s
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > signal w go
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > off 5s
        > shutdown alice
        ok
        > poll activity q
        > wait 1s
        alice: activity a of w, attempt 2
        > poll q
        alice: task of w, attempt 2, whole 1-11, transient
        ",
    );
}

#[test]
fn one_worker_of_a_process_ends_and_the_others_go_on() {
    check(
        "
        > start w
        started
        > poll q key=one
        alice: task of w, attempt 1, whole 1-3
        > complete w sticky=s:
        ok
        > poll s key=one as alice
        > poll q key=one as bob
        > poll q key=two as carol
        > poll activity q key=one as dave
        > retire one
        ok
        bob: nothing
        alice: nothing
        dave: nothing
        > signal w go
        signaled, event 5
        > retire three sticky=s
        ok
        carol: task of w, attempt 1, whole 1-9
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowExecutionSignaled(go), 6 WorkflowTaskScheduled(s)
        7 WorkflowTaskTimedOut(ScheduleToStart), 8 WorkflowTaskScheduled(q)
        9 WorkflowTaskStarted
        > deadline
        in 10s: a workflow task times out
        ",
    );
}

#[test]
fn what_waits_on_the_sticky_queue_of_a_worker_that_ends_goes_to_the_normal_one_at_once() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w sticky=s:
        ok
        > poll s key=one as alice
        > abandon alice
        > signal w go
        signaled, event 5
        > retire one sticky=s
        ok
        > poll q as bob
        bob: task of w, attempt 1, whole 1-9
        > complete w sticky=s as alice:
        ok
        > signal w again
        signaled, event 11
        > poll s
        > poll q
        alice: task of w, attempt 1, whole 1-13
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowExecutionSignaled(go), 6 WorkflowTaskScheduled(s)
        7 WorkflowTaskTimedOut(ScheduleToStart), 8 WorkflowTaskScheduled(q)
        9 WorkflowTaskStarted
        10 WorkflowTaskCompleted
        11 WorkflowExecutionSignaled(again), 12 WorkflowTaskScheduled(q)
        13 WorkflowTaskStarted
        ",
    );
}

#[test]
fn polls_of_a_worker_that_has_ended_are_answered_empty_for_a_while() {
    check(
        "
        > retire one sticky=s
        ok
        > start w
        started
        > poll q key=one
        alice: nothing
        > poll activity q key=one as bob
        bob: nothing
        > poll q key=two as carol
        carol: task of w, attempt 1, whole 1-3
        > wait 29s
        > poll activity q key=one as bob
        bob: nothing
        > wait 1s
        > poll activity q key=one as bob
        ",
    );
}
