//! Stickiness: the worker that has a run in its cache.

use crate::script::{Stage, check};

#[test]
fn a_sticky_worker_gets_only_the_new_events_and_its_normal_queue_is_told() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll alice-sticky as alice
        > complete w sticky=alice-sticky: activity a
        ok
        > poll activity q as bob
        bob: activity a of w, attempt 1
        > done a
        ok
        alice: task of w, attempt 1, since 4-9
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 ActivityTaskStarted(5, attempt 1), 7 ActivityTaskCompleted(5, 6), 8 WorkflowTaskScheduled(alice-sticky)
        9 WorkflowTaskStarted
        > poll alice-sticky as alice
        > complete w sticky=alice-sticky:
        ok
        > signal w go
        signaled, event 11
        alice: task of w, attempt 1, since 10-13
        ",
    );
}

#[test]
fn a_sticky_queue_nobody_polls_is_passed_over() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll alice-sticky as alice
        > complete w sticky=alice-sticky:
        ok
        > abandon alice
        > wait 10s
        > signal w go
        signaled, event 5
        > poll q as bob
        bob: task of w, attempt 1, whole 1-7
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowExecutionSignaled(go), 6 WorkflowTaskScheduled(q)
        7 WorkflowTaskStarted
        ",
    );
}

#[test]
fn a_sticky_task_nobody_fetches_goes_to_the_normal_queue_with_the_whole_history() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll alice-sticky as alice
        > complete w sticky=alice-sticky sticky-timeout=4s:
        ok
        > abandon alice
        > signal w go
        signaled, event 5
        > poll q as bob
        > deadline
        in 4s: a sticky workflow task goes to the normal queue
        > wait 4s
        bob: task of w, attempt 1, whole 1-9
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowExecutionSignaled(go), 6 WorkflowTaskScheduled(alice-sticky)
        7 WorkflowTaskTimedOut(ScheduleToStart), 8 WorkflowTaskScheduled(q)
        9 WorkflowTaskStarted
        ",
    );
}

#[test]
fn a_sticky_task_waits_ten_seconds_where_the_worker_does_not_say() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll alice-sticky
        > complete w sticky=alice-sticky:
        ok
        > abandon alice
        > signal w go
        signaled, event 5
        > crash
        > deadline
        in 10s: a sticky workflow task goes to the normal queue
        ",
    );
}

#[test]
fn rule_3_a_failure_on_a_sticky_worker_unties_the_run_and_does_not_raise_the_attempt() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll alice-sticky
        > complete w sticky=alice-sticky:
        ok
        > signal w go
        signaled, event 5
        alice: task of w, attempt 1, since 4-7
        > fail w
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowExecutionSignaled(go), 6 WorkflowTaskScheduled(alice-sticky)
        7 WorkflowTaskStarted
        8 WorkflowTaskFailed(WorkflowWorkerUnhandledFailure), 9 WorkflowTaskScheduled(q)
        > poll alice-sticky
        > poll q as bob
        bob: task of w, attempt 1, whole 1-10
        > fail w as bob
        ok
        > describe w
        Running, 11 events, 0 activities, 0 timers, task attempt 2
        ",
    );
}

#[test]
fn a_worker_that_takes_the_task_from_the_normal_queue_gets_all_and_unties_the_run() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w sticky=alice-sticky:
        ok
        > signal w go
        signaled, event 5
        > poll q as bob
        bob: task of w, attempt 1, whole 1-7
        > poll alice-sticky
        > complete w as bob:
        ok
        > signal w again
        signaled, event 9
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowExecutionSignaled(go), 6 WorkflowTaskScheduled(q)
        7 WorkflowTaskStarted
        8 WorkflowTaskCompleted
        9 WorkflowExecutionSignaled(again), 10 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn a_completion_that_does_not_ask_for_stickiness_ends_it() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll alice-sticky
        > complete w sticky=alice-sticky:
        ok
        > signal w go
        signaled, event 5
        alice: task of w, attempt 1, since 4-7
        > poll alice-sticky
        > complete w:
        ok
        > signal w again
        signaled, event 9
        > poll q as bob
        bob: task of w, attempt 1, whole 1-11
        ",
    );
}

#[test]
fn stickiness_survives_a_crash_with_the_events_that_are_new() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w sticky=alice-sticky: timer t 5s
        ok
        > crash
        > poll alice-sticky
        > wait 5s
        alice: task of w, attempt 1, since 4-8
        ",
    );
}

#[test]
fn a_sticky_worker_that_missed_too_much_gets_the_whole_history() {
    let mut stage = Stage::new();
    for line in
        ["start w", "poll q", "poll s", "complete w sticky=s:", "abandon alice", "signal w a size=500000"]
    {
        stage.run(line);
    }
    for line in ["signal w b size=500000", "signal w c size=500000"] {
        stage.run(line);
    }
    assert_eq!(stage.run("poll s"), ["alice: task of w, attempt 1, whole 1-9"]);
}

#[test]
fn the_normal_queue_is_nobodys_sticky_queue() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w sticky=q:
        ok
        > signal w go
        signaled, event 5
        > poll q as bob
        bob: task of w, attempt 1, whole 1-7
        ",
    );
}
