//! Resets.

use crate::script::{Stage, check};

#[test]
fn rule_38_a_reset_run_goes_on_as_a_fork_and_the_old_one_is_terminated() {
    check(
        "
        > start w run-timeout=100s execution-timeout=200s request=r
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a; timer t 50s
        ok
        > signal w one request=1
        signaled, event 7
        > poll q
        alice: task of w, attempt 1, whole 1-9
        > ask-cancel w
        ok
        > signal w two
        signaled, waits
        > wait 5s
        > name old w
        Running
        > reset w 4
        reset
        > history old
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a), 6 TimerStarted(t)
        7 WorkflowExecutionSignaled(one), 8 WorkflowTaskScheduled(q)
        9 WorkflowTaskStarted
        10 WorkflowTaskFailed(ForceCloseCommand), 11 WorkflowExecutionCancelRequested, 12 WorkflowExecutionSignaled(two), 13 WorkflowExecutionTerminated
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(ResetWorkflow), 5 WorkflowExecutionSignaled(one), 6 WorkflowExecutionSignaled(two), 7 WorkflowTaskScheduled(q)
        > began w
        first old, original old, run 100s, execution 200s, left 200s
        > crash
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > complete w: finish
        ok
        > list
        w Completed, w Terminated
        ",
    );
}

#[test]
fn rule_38_only_where_a_workflow_task_is_pending_can_a_run_be_reset() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 50s; timer u 60s
        ok
        > signal w go
        signaled, event 7
        > reset w 1
        invalid: Workflow task finish ID must be > 1 && <= workflow last event ID.
        > reset w 2
        invalid: StateRebuilder unable to Rebuild mutable state to event ID: 1, version: 0, this event must be at the boundary
        > reset w 5
        invalid: StateRebuilder unable to Rebuild mutable state to event ID: 4, version: 0, this event must be at the boundary
        > reset w 7
        invalid: Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]: 7
        > reset w 9
        invalid: Workflow task finish ID must be > 1 && <= workflow last event ID.
        > list
        w Running
        ",
    );
}

#[test]
fn rule_38_a_run_can_be_reset_at_every_kind_of_end_of_a_workflow_task_and_at_its_start() {
    check(
        "
        > start w task-timeout=4s
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > signal w a
        signaled, event 5
        > poll q
        alice: task of w, attempt 1, whole 1-7
        > fail w
        ok
        > signal w b
        signaled, event 9
        > poll q
        alice: task of w, attempt 1, whole 1-11
        > wait 4s
        > signal w c
        signaled, event 13
        > name old w
        Running
        > reset w 3 run=old request=1
        reset
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted, 4 WorkflowTaskFailed(ResetWorkflow), 5 WorkflowExecutionSignaled(a), 6 WorkflowExecutionSignaled(b), 7 WorkflowExecutionSignaled(c), 8 WorkflowTaskScheduled(q)
        > wait 1ms
        > reset w 4 run=old request=2
        reset
        > wait 1ms
        > reset w 8 run=old request=3
        reset
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowExecutionSignaled(a), 6 WorkflowTaskScheduled(q)
        7 WorkflowTaskStarted
        8 WorkflowTaskFailed(ResetWorkflow), 9 WorkflowExecutionSignaled(b), 10 WorkflowExecutionSignaled(c), 11 WorkflowTaskScheduled(q)
        > wait 1ms
        > reset w 12 run=old request=4
        reset
        > poll q
        alice: task of w, attempt 1, whole 1-15
        > complete w: finish
        ok
        > list
        w Completed, w Terminated, w Terminated, w Terminated, w Terminated
        ",
    );
}

#[test]
fn rule_38_the_same_request_resets_once() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: finish
        ok
        > name old w
        Completed
        > reset w 4 run=old request=r
        reset
        > name fork w
        Running
        > crash
        > reset w 4 run=old request=r
        reset
        > list
        w Running, w Completed
        > reset w 4 run=old request=s
        reset
        > list
        w Running, w Terminated, w Completed
        ",
    );
}

#[test]
fn rule_38_a_closed_run_can_be_reset_and_says_where_it_went_on() {
    let mut stage = Stage::new();
    for line in ["start w", "poll q", "complete w: finish", "name old w", "reset w 4 run=old"] {
        stage.run(line);
    }
    assert_eq!(stage.run("list"), ["w Running, w Completed"]);
    let described = |stage: &mut Stage| {
        let old = &stage.world.histories[&stage.run_id("old")][0];
        let request = tidegate_engine::Request::DescribeWorkflowExecution {
            namespace: old.namespace.clone(),
            workflow_id: old.workflow_id.clone(),
            run_id: Some(old.run_id),
        };
        match stage.world.request(request).1.pop() {
            Some((_, Ok(tidegate_engine::Reply::Described(described)))) => described.reset_run_id,
            other => panic!("a description, not {other:?}"),
        }
    };
    assert_eq!(described(&mut stage), Some(stage.run_id("w")));
    stage.run("crash");
    assert_eq!(described(&mut stage), Some(stage.run_id("w")));
}

#[test]
fn rule_38_a_reset_along_with_a_newer_run_of_the_execution_ends_that_one() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: finish
        ok
        > name old w
        Completed
        > start w
        started
        > name newer w
        Running
        > reset w 4 run=old
        reset
        > history newer
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowExecutionTerminated
        > list
        w Running, w Terminated, w Completed
        ",
    );
}

#[test]
fn rule_38_what_reached_the_runs_that_continued_it_as_new_is_asked_of_the_fork_too() {
    check(
        "
        > start w
        started
        > wait 2s
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > signal w a request=a
        signaled, event 5
        > poll q
        alice: task of w, attempt 1, whole 1-7
        > complete w: again
        ok
        > name first w
        Running
        > signal w b request=b
        signaled, event 3
        > signal w a request=a
        signaled, event 4
        > poll q
        alice: task of w, attempt 1, whole 1-5
        > signal w c
        signaled, waits
        > reset w 4 run=w
        reset
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(ResetWorkflow), 5 WorkflowExecutionSignaled(a), 6 WorkflowExecutionSignaled(b), 7 WorkflowExecutionSignaled(c), 8 WorkflowTaskScheduled(q)
        > list
        w Running, w Terminated, w ContinuedAsNew
        ",
    );
}

#[test]
fn rule_38_signals_can_be_left_behind() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > signal w a
        signaled, event 5
        > reset w 4 without=signals
        reset
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(ResetWorkflow), 5 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn rule_38_a_history_that_is_behind_the_run_is_refused_as_stale() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > signal w a
        signaled, event 5
        > reset w 4 short
        stale
        > list
        w Running
        ",
    );
}

#[test]
fn rule_38_timers_of_a_fork_fire_when_they_would_have_and_its_activities_begin_anew() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a attempts=5; timer t 60s
        ok
        > poll activity q as bob
        bob: activity a of w, attempt 1
        > failed a oops
        ok
        > signal w wake
        signaled, event 7
        > poll q
        alice: task of w, attempt 1, whole 1-9
        > complete w: timer u 9s
        ok
        > wait 5s
        > reset w 10
        reset
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a), 6 TimerStarted(t)
        7 WorkflowExecutionSignaled(wake), 8 WorkflowTaskScheduled(q)
        9 WorkflowTaskStarted
        10 WorkflowTaskFailed(ResetWorkflow), 11 WorkflowTaskScheduled(q)
        > poll activity q as bob
        bob: activity a of w, attempt 1
        > done a
        ok
        > done a~1
        not found: workflow execution already completed
        > poll q
        alice: task of w, attempt 1, whole 1-14
        > complete w:
        ok
        > deadline
        in 55s: a timer fires
        ",
    );
}

#[test]
fn rule_38_the_time_of_a_fork_counts_from_its_reset() {
    check(
        "
        > start w run-timeout=10s
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 1s
        ok
        > wait 10s
        > name old w
        TimedOut
        > reset w 4 run=old
        reset
        > deadline
        in 10s: a run times out
        > wait 10s
        > list
        w TimedOut, w TimedOut
        ",
    );
}

#[test]
fn rule_38_a_fork_can_be_reset_again() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 1s
        ok
        > reset w 4 request=1
        reset
        > poll q
        alice: task of w, attempt 1, whole 1-6
        > complete w: timer u 1s
        ok
        > reset w 7 request=2
        reset
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(ResetWorkflow), 5 WorkflowTaskScheduled(q)
        6 WorkflowTaskStarted
        7 WorkflowTaskFailed(ResetWorkflow), 8 WorkflowTaskScheduled(q)
        > reset w 4 request=3
        reset
        > poll q
        alice: task of w, attempt 1, whole 1-6
        ",
    );
}

#[test]
fn rule_38_a_reset_of_what_is_not_there_is_not_found() {
    check(
        "
        > start w
        started
        > start other queue=r
        started
        > reset w 3 run=other
        not found: workflow execution not found: w, run of other
        ",
    );
}
