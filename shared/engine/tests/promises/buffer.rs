//! What arrives while the workflow task is out.

use crate::script::{Stage, check};

#[test]
fn rule_11_ends_of_activities_are_flushed_after_everything_else_that_waited() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a; activity b; timer t 10s
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > poll activity q
        alice: activity b of w, attempt 1
        > signal w wake
        signaled, event 8
        > poll q
        alice: task of w, attempt 1, whole 1-10
        > done b
        ok
        > signal w go
        signaled, waits
        > done a
        ok
        > wait 5s
        > crash
        > complete w: timer u 1m
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a), 6 ActivityTaskScheduled(b), 7 TimerStarted(t)
        8 WorkflowExecutionSignaled(wake), 9 WorkflowTaskScheduled(q)
        10 WorkflowTaskStarted
        11 WorkflowTaskCompleted, 12 TimerStarted(u), 13 ActivityTaskStarted(6, attempt 1), 14 WorkflowExecutionSignaled(go), 15 ActivityTaskStarted(5, attempt 1), 16 ActivityTaskCompleted(6, 13), 17 ActivityTaskCompleted(5, 15), 18 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn an_answer_that_waits_in_the_buffer_is_not_taken_twice() {
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
        > signal w wake
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > done a
        ok
        > done a
        not found: invalid activityID or activity already timed out or invoking workflow is completed
        > describe w
        Running, 8 events, 0 activities, 0 timers, task attempt 1
        ",
    );
}

#[test]
fn rule_12_cancelling_a_timer_takes_back_the_fired_event_that_waits() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 2s
        ok
        > signal w wake
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > wait 3s
        > crash
        > complete w: cancel t; finish
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(t)
        6 WorkflowExecutionSignaled(wake), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskCompleted, 10 TimerCanceled(t, 5), 11 WorkflowExecutionCompleted
        ",
    );
}

#[test]
fn a_timer_that_fired_unseen_is_cancelled_once_and_its_name_is_free() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 2s
        ok
        > signal w wake
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > wait 3s
        > complete w: timer t 5s; cancel t; cancel t; timer t 7s
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(t)
        6 WorkflowExecutionSignaled(wake), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskCompleted, 10 TimerStarted(t), 11 TimerCanceled(t, 10), 12 TimerCanceled(t, 5), 13 TimerStarted(t)
        > deadline
        in 7s: a timer fires
        ",
    );
}

#[test]
fn a_fired_event_that_waits_does_not_end_a_younger_timer_of_the_same_name() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 2s
        ok
        > signal w wake
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > wait 3s
        > complete w: timer t 5s
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(t)
        6 WorkflowExecutionSignaled(wake), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskCompleted, 10 TimerStarted(t), 11 TimerFired(t, 5), 12 WorkflowTaskScheduled(q)
        > describe w
        Running, 12 events, 0 activities, 1 timers, task attempt 1
        > deadline
        in 5s: a timer fires
        ",
    );
}

#[test]
fn rule_11_a_full_buffer_fails_the_task_to_make_room() {
    let mut stage = Stage::new();
    for line in ["start w", "poll q"] {
        stage.run(line);
    }
    for _ in 0..99 {
        assert_eq!(stage.run("signal w s"), ["signaled, waits"]);
    }
    assert_eq!(stage.run("history w").len(), 2);
    stage.run("signal w s");
    let history = stage.run("history w");
    assert!(
        history[2].starts_with("4 WorkflowTaskFailed(ForceCloseCommand), 5 WorkflowExecutionSignaled(s), 6 ")
    );
    assert!(history[2].ends_with("104 WorkflowExecutionSignaled(s), 105 WorkflowTaskScheduled(q)"));
}

#[test]
fn a_buffer_of_many_bytes_fails_the_task_to_make_room() {
    let mut stage = Stage::new();
    for line in ["start w", "poll q", "signal w s size=500000", "signal w s size=500000"] {
        stage.run(line);
    }
    assert_eq!(stage.run("history w").len(), 2);
    stage.run("signal w s size=500000");
    assert!(stage.run("history w")[2].starts_with("4 WorkflowTaskFailed(ForceCloseCommand), 5 "));
}
