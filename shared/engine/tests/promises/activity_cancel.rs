//! Cancellation of activities: asked by the workflow, heard of by heartbeat.

use crate::script::check;

#[test]
fn rule_20_an_activity_that_no_worker_has_is_cancelled_at_once_and_the_workflow_sees_it() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a; activity b
        ok
        > signal w stop
        signaled, event 7
        > poll q
        alice: task of w, attempt 1, whole 1-9
        > signal w more
        signaled, waits
        > complete w: unask 5; timer t 1m
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a), 6 ActivityTaskScheduled(b)
        7 WorkflowExecutionSignaled(stop), 8 WorkflowTaskScheduled(q)
        9 WorkflowTaskStarted
        10 WorkflowTaskCompleted, 11 ActivityTaskCancelRequested(5), 12 TimerStarted(t), 13 WorkflowExecutionSignaled(more), 14 ActivityTaskCanceled(5, 0, 11), 15 WorkflowTaskScheduled(q)
        > poll activity q
        alice: activity b of w, attempt 1
        > deadline
        in 30s: an attempt of an activity times out
        ",
    );
}

#[test]
fn an_activity_in_its_back_off_is_cancelled_at_once() {
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
        > failed a once
        ok
        > signal w stop
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > complete w: unask 5
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 WorkflowExecutionSignaled(stop), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskCompleted, 10 ActivityTaskCancelRequested(5), 11 ActivityTaskCanceled(5, 0, 10), 12 WorkflowTaskScheduled(q)
        > describe w
        Running, 12 events, 0 activities, 0 timers, task attempt 1
        ",
    );
}

#[test]
fn rule_20_a_worker_learns_of_a_cancellation_from_its_heartbeat_and_nowhere_else() {
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
        > beat a
        go on
        > canceled a
        invalid: unable to mark activity as canceled without activity being request canceled first
        > signal w stop
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > complete w: unask 5
        ok
        > describe w
        Running, 10 events, 1 activities, 0 timers, task attempt 0
        > crash
        > beat a
        cancel
        > canceled a size=3
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 WorkflowExecutionSignaled(stop), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskCompleted, 10 ActivityTaskCancelRequested(5)
        11 ActivityTaskStarted(5, attempt 1), 12 ActivityTaskCanceled(5, 11, 10), 13 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn an_activity_that_is_to_be_cancelled_may_still_complete() {
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
        > signal w stop
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > complete w: unask 5
        ok
        > done a
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 WorkflowExecutionSignaled(stop), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskCompleted, 10 ActivityTaskCancelRequested(5)
        11 ActivityTaskStarted(5, attempt 1), 12 ActivityTaskCompleted(5, 11), 13 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn rule_20_what_is_to_be_cancelled_is_not_tried_again() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a; activity b timeout=3s
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > poll activity q
        alice: activity b of w, attempt 1
        > signal w stop
        signaled, event 7
        > poll q
        alice: task of w, attempt 1, whole 1-9
        > complete w: unask 5; unask 6
        ok
        > failed a stopped
        ok
        > wait 3s
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a), 6 ActivityTaskScheduled(b)
        7 WorkflowExecutionSignaled(stop), 8 WorkflowTaskScheduled(q)
        9 WorkflowTaskStarted
        10 WorkflowTaskCompleted, 11 ActivityTaskCancelRequested(5), 12 ActivityTaskCancelRequested(6)
        13 ActivityTaskStarted(5, attempt 1), 14 ActivityTaskFailed(5, 13, CancelRequested), 15 WorkflowTaskScheduled(q)
        16 ActivityTaskStarted(6, attempt 1), 17 ActivityTaskTimedOut(6, 16, CancelRequested)
        ",
    );
}

#[test]
fn an_activity_that_has_ended_unseen_is_asked_all_the_same() {
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
        > signal w stop
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > done a
        ok
        > complete w: unask 5
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 WorkflowExecutionSignaled(stop), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskCompleted, 10 ActivityTaskCancelRequested(5), 11 ActivityTaskStarted(5, attempt 1), 12 ActivityTaskCompleted(5, 11), 13 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn an_activity_can_be_asked_for_and_cancelled_in_one_task() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a; unask 5; activity a
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a), 6 ActivityTaskCancelRequested(5), 7 ActivityTaskScheduled(a), 8 ActivityTaskCanceled(5, 0, 6), 9 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn a_run_may_close_over_activities_it_cancels() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a
        ok
        > signal w stop
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > complete w: unask 5; finish
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 WorkflowExecutionSignaled(stop), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskCompleted, 10 ActivityTaskCancelRequested(5), 11 WorkflowExecutionCompleted
        ",
    );
}

#[test]
fn cancelling_what_is_not_there_or_twice_fails_the_task() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a; unask 6
        invalid: BadRequestCancelActivityAttributes: no activity 6 is open
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(BadRequestCancelActivityAttributes)
        > start v queue=r
        started
        > poll r
        alice: task of v, attempt 1, whole 1-3
        > complete v: activity a; unask 5; unask 5
        invalid: BadRequestCancelActivityAttributes: activity 5 was asked to cancel before
        ",
    );
}

#[test]
fn a_cancellation_that_is_too_large_fails_the_activity() {
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
        > signal w stop
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > complete w: unask 5
        ok
        > canceled a size=524289
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 WorkflowExecutionSignaled(stop), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskCompleted, 10 ActivityTaskCancelRequested(5)
        11 ActivityTaskStarted(5, attempt 1), 12 ActivityTaskFailed(5, 11, CancelRequested), 13 WorkflowTaskScheduled(q)
        ",
    );
}
