//! Workflow tasks that a worker asks for with its answer to the one before.

use crate::script::{Stage, check};

#[test]
fn the_next_task_comes_with_the_reply_where_there_is_one() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w return sticky=s: timer t 1m
        ok
        > signal w a
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > signal w b
        signaled, waits
        > poll s as alice
        > complete w return sticky=s:
        ok, next task of w, attempt 1, since 9-12
        > abandon alice
        > complete w return sticky=s: finish
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(t)
        6 WorkflowExecutionSignaled(a), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskCompleted, 10 WorkflowExecutionSignaled(b), 11 WorkflowTaskScheduled(s)
        12 WorkflowTaskStarted
        13 WorkflowTaskCompleted, 14 WorkflowExecutionCompleted
        ",
    );
}

#[test]
fn without_a_sticky_queue_it_comes_whole() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > signal w a
        signaled, waits
        > poll q as bob
        > complete w return:
        ok, next task of w, attempt 1, whole 1-7
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 WorkflowExecutionSignaled(a), 6 WorkflowTaskScheduled(q)
        7 WorkflowTaskStarted
        ",
    );
}

#[test]
fn a_task_is_made_without_events_for_a_worker_that_asks_for_time() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > wait 8s
        > complete w force:
        ok
        > poll q
        alice: task of w, attempt 1, whole 1-6
        > complete w force return sticky=s:
        ok, next task of w, attempt 1, since 7-9
        > deadline
        in 10s: a workflow task times out
        > complete w force: finish
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 WorkflowTaskScheduled(q)
        6 WorkflowTaskStarted
        7 WorkflowTaskCompleted, 8 WorkflowTaskScheduled(s)
        9 WorkflowTaskStarted
        10 WorkflowTaskCompleted, 11 WorkflowExecutionCompleted
        ",
    );
}

#[test]
fn rule_10_a_worker_that_asks_for_time_and_does_nothing_else_is_timed_out_after_half_an_hour() {
    let mut stage = Stage::new();
    for line in ["start w", "poll q"] {
        stage.run(line);
    }
    let mut beats = 0;
    loop {
        stage.run("wait 9s");
        let reply = stage.run("complete w force return sticky=s:");
        if !reply[0].starts_with("ok, next task of w") {
            assert_eq!(reply, ["not found: workflow task heartbeat timeout"]);
            break;
        }
        beats += 1;
    }
    assert_eq!(beats, 1_800 / 9);
    let history = stage.run("history w");
    let end = history.last().expect("there is the end");
    assert!(
        end.contains("WorkflowTaskTimedOut(StartToClose)") && end.contains("WorkflowTaskScheduled(q)"),
        "{end}"
    );
    assert_eq!(stage.run("poll q as bob").len(), 1, "another worker may try");
}

#[test]
fn the_half_hour_begins_again_with_whatever_a_worker_does() {
    let mut stage = Stage::new();
    for line in ["start w", "poll q"] {
        stage.run(line);
    }
    for beat in 0..500 {
        stage.run("wait 9s");
        let commands = if beat % 100 == 0 { format!("timer t{beat} 90d") } else { String::new() };
        let reply = stage.run(&format!("complete w force return sticky=s: {commands}"));
        assert!(reply[0].starts_with("ok, next task of w"), "{reply:?}");
        if beat % 50 == 0 {
            stage.run("crash");
        }
    }
}
