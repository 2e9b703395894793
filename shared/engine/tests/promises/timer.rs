//! Timers.

use crate::script::check;

#[test]
fn rule_22_all_timers_that_are_due_fire_in_one_transition_and_one_task_sees_them() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer a 3m; timer b 1m; timer c 2m
        ok
        > off 30d
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(a), 6 TimerStarted(b), 7 TimerStarted(c)
        8 TimerFired(b, 6), 9 TimerFired(c, 7), 10 TimerFired(a, 5), 11 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn timers_and_time_outs_that_were_due_without_power_come_in_the_order_they_were_due() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer late 3m; activity a timeout=2m attempts=1; timer early 1m
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > off 30d
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(late), 6 ActivityTaskScheduled(a), 7 TimerStarted(early)
        8 TimerFired(early, 7), 9 ActivityTaskStarted(6, attempt 1), 10 ActivityTaskTimedOut(6, 9, MaximumAttemptsReached), 11 TimerFired(late, 5), 12 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn what_fired_while_the_task_was_out_without_power_is_flushed_when_its_lease_ends() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer a 1m
        ok
        > signal w go
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > off 1d
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(a)
        6 WorkflowExecutionSignaled(go), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskTimedOut(StartToClose), 10 TimerFired(a, 5), 11 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn rule_22_a_timer_of_zero_fires_at_once() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll q
        > complete w: timer t 0s
        ok
        alice: task of w, attempt 1, whole 1-8
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(t)
        6 TimerFired(t, 5), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        ",
    );
}

#[test]
fn a_timer_keeps_its_time_through_a_crash_and_fires_once() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 10s
        ok
        > wait 4s
        > crash
        > deadline
        in 6s: a timer fires
        > wait 6s
        > crash
        > deadline
        nothing
        > describe w
        Running, 7 events, 0 activities, 0 timers, task attempt 1
        ",
    );
}

#[test]
fn a_cancelled_timer_does_not_fire_and_its_name_is_free_again() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 10s
        ok
        > signal w go
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > complete w: cancel t; timer t 20s
        ok
        > deadline
        in 20s: a timer fires
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(t)
        6 WorkflowExecutionSignaled(go), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskCompleted, 10 TimerCanceled(t, 5), 11 TimerStarted(t)
        ",
    );
}

#[test]
fn a_second_timer_of_the_same_name_fails_the_task() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 1m
        ok
        > signal w go
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > complete w: timer t 2m
        invalid: StartTimerDuplicateId: a timer \"t\" is open
        ",
    );
}

#[test]
fn a_timer_is_capped_at_a_hundred_years() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 99999d
        ok
        > deadline
        in 3153600000s: a timer fires
        ",
    );
}
