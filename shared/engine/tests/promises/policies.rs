//! What a start makes of a run that is there already, and of what it is told about time.

use std::time::Duration;

use tidegate_engine::Request;
use tidegate_model::event::Event;
use tidegate_model::limits::DURATION_SECONDS_MAX;

use crate::script::{Stage, check};

#[test]
fn rule_28_the_reuse_policy_decides_after_the_last_run_has_closed() {
    check(
        "
        > start w request=first
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: finish
        ok
        > start w reuse=never
        already started by \"first\"
        > start w reuse=failed
        already started by \"first\"
        > start w request=second
        started
        > terminate w
        ok
        > start w reuse=never
        already started by \"second\"
        > crash
        > start w reuse=failed
        started
        > list
        w Running, w Terminated, w Completed
        ",
    );
}

#[test]
fn rule_28_the_conflict_policy_decides_while_a_run_is_open() {
    check(
        "
        > start w request=first
        started
        > start w request=second
        already started by \"first\"
        > start w request=second reuse=never
        already started by \"first\"
        > start w request=second conflict=use
        exists
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        > start w reuse=never conflict=terminate
        invalid: workflow_id_reuse_policy RejectDuplicate cannot be used together with workflow_id_conflict_policy TerminateExisting
        ",
    );
}

/// The old run ends and the new one begins in one step.
#[test]
fn rule_28_a_start_that_terminates_the_open_run_leaves_no_time_without_one() {
    let mut stage = Stage::new();
    stage.run("start w request=first");
    stage.run("wait 2s");
    stage.run("poll q");
    stage.run("signal w go");
    let before = stage.world.records.len();
    assert_eq!(stage.run("name old w"), ["Running"]);
    assert_eq!(stage.run("start w request=second conflict=terminate"), ["started"]);
    assert_eq!(stage.world.records[before..].len(), 2, "the end of one run and the beginning of the other");
    assert_eq!(
        stage.run("history old").last().map(String::as_str),
        Some(
            "4 WorkflowTaskFailed(ForceCloseCommand), 5 WorkflowExecutionSignaled(go), \
             6 WorkflowExecutionTerminated"
        )
    );
    assert_eq!(stage.run("list"), ["w Running, w Terminated"]);
    assert_eq!(stage.run("start w request=second conflict=terminate"), ["started before"]);
}

#[test]
fn rule_28_a_restart_within_a_second_is_refused_as_busy() {
    check(
        "
        > start w request=first
        started
        > wait 1s
        > start w request=second conflict=terminate
        busy: Too many restarts for workflow w. Time since last start: 1000 ms
        > start w request=first conflict=terminate
        started before
        > list
        w Running
        > wait 1ms
        > start w request=second conflict=terminate
        started
        ",
    );
}

#[test]
fn rule_29_a_request_that_was_content_with_a_run_is_known_when_it_is_repeated() {
    check(
        "
        > start w request=first
        started
        > start w request=second conflict=use attach
        exists
        > start w request=second conflict=use attach
        exists
        > start w request=second
        exists
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowExecutionOptionsUpdated
        > poll q
        alice: task of w, attempt 1, whole 1-4
        > start w request=third conflict=use attach
        exists
        > crash
        > start w request=third
        exists
        > complete w: finish
        invalid: UnhandledCommand
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > complete w: finish
        ok
        > start w request=third
        exists
        > start w request=first
        started before
        > list
        w Completed
        ",
    );
}

#[test]
fn an_attached_request_wakes_nobody() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > start w request=second conflict=use attach
        exists
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowExecutionOptionsUpdated
        > poll q
        > deadline
        in 60s: a poll has waited long enough
        ",
    );
}

#[test]
fn rule_30_a_signal_with_start_is_one_transition() {
    check(
        "
        > sws w go request=r
        started
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowExecutionSignaled(go), 3 WorkflowTaskScheduled(q)
        > sws w go request=r
        exists
        > crash
        > sws w go request=r
        exists
        > start w request=r
        started before
        > signal w go request=r
        signaled before
        > sws w go request=s
        signaled
        > poll q
        alice: task of w, attempt 1, whole 1-5
        > sws w again request=t
        signaled
        > sws w again request=t
        exists
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowExecutionSignaled(go), 3 WorkflowTaskScheduled(q)
        4 WorkflowExecutionSignaled(go)
        5 WorkflowTaskStarted
        ",
    );
}

/// And rule 30.
#[test]
fn rule_28_a_signal_with_start_minds_the_policies_of_its_start() {
    check(
        "
        > sws w go request=r
        started
        > poll q
        alice: task of w, attempt 1, whole 1-4
        > complete w: finish
        ok
        > sws w go request=r
        exists
        > sws w go request=s reuse=never
        already started by \"r\"
        > sws w go request=s
        started
        > sws w go request=t conflict=terminate
        busy: Too many restarts for workflow w. Time since last start: 0 ms
        > wait 2s
        > sws w go request=t conflict=terminate
        started
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowExecutionSignaled(go), 3 WorkflowTaskScheduled(q)
        > list
        w Running, w Terminated, w Completed
        ",
    );
}

#[test]
fn rule_25_a_signal_does_not_cut_the_wait_before_the_first_task_short() {
    check(
        "
        > start w delay=10s
        started
        > began w
        backoff 10s
        > signal w early
        signaled, event 2
        > poll q
        > crash
        > deadline
        in 10s: a run's first workflow task is due
        > wait 10s
        > history w
        1 WorkflowExecutionStarted
        2 WorkflowExecutionSignaled(early)
        3 WorkflowTaskScheduled(q)
        > signal w late
        signaled, event 4
        > poll q
        alice: task of w, attempt 1, whole 1-5
        ",
    );
}

#[test]
fn rule_25_a_signal_with_start_and_a_cancel_cut_the_wait_before_the_first_task_short() {
    check(
        "
        > start w delay=10s
        started
        > sws w go
        signaled
        > history w
        1 WorkflowExecutionStarted
        2 WorkflowExecutionSignaled(go), 3 WorkflowTaskScheduled(q)
        > deadline
        nothing
        > start v delay=10s queue=r
        started
        > ask-cancel v
        ok
        > poll r
        alice: task of v, attempt 1, whole 1-4
        ",
    );
}

#[test]
fn a_start_with_a_signal_waits_as_the_start_says() {
    check(
        "
        > sws w go delay=10s
        started
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowExecutionSignaled(go)
        > wait 10s
        > poll q
        alice: task of w, attempt 1, whole 1-4
        ",
    );
}

#[test]
fn time_outs_are_completed_from_each_other() {
    check(
        "
        > start a execution-timeout=60s
        started
        > began a
        run 60s, execution 60s, left 60s
        > wait 1ms
        > start b run-timeout=90s execution-timeout=60s
        started
        > began b
        run 60s, execution 60s, left 60s
        > wait 1ms
        > start c run-timeout=5s task-timeout=20s
        started
        > began c
        run 5s, task 5s
        > wait 1ms
        > start d task-timeout=500s
        started
        > began d
        task 120s
        > wait 1ms
        > start e run-timeout=0s execution-timeout=0s delay=0s task-timeout=0s
        started
        > began e
        plainly
        > wait 1ms
        > start f delay=20s run-timeout=5s
        started
        > wait 24s
        > list
        f Running, e Running, d Running, b Running, a Running, c TimedOut
        > wait 1s
        > list
        e Running, d Running, b Running, a Running, f TimedOut, c TimedOut
        ",
    );
}

#[test]
fn no_time_out_is_longer_than_the_longest() {
    let mut stage = Stage::new();
    stage.run("start w run-timeout=99999999d execution-timeout=99999999d delay=99999999d");
    let Event::WorkflowExecutionStarted(started) = &stage.world.histories[&stage.run_id("w")][0].events[0]
    else {
        panic!("a history begins with its beginning");
    };
    let longest = Duration::from_secs(DURATION_SECONDS_MAX);
    assert_eq!(started.workflow_run_timeout, Some(longest));
    assert_eq!(started.workflow_execution_timeout, Some(longest));
    assert_eq!(started.first_workflow_task_backoff, longest);
}

#[test]
fn a_start_that_contradicts_itself_is_refused_with_the_field() {
    check(
        "
        > start w cron=0_12_*_*_* delay=5s
        invalid: cron_schedule and workflow_start_delay may not be used together
        > start w cron=never
        invalid: cron_schedule \"never\": 1 fields; it needs 5: minute, hour, day of month, month, day of week
        > start w times=0.5
        invalid: the retry policy's coefficient is 0.5; it must be at least 1
        > start w first=10s longest=5s
        invalid: the retry policy's longest interval 5s is shorter than its first 10s
        > deadline
        nothing
        ",
    );
}

/// What is remembered with a run, and found, is there from its first moment on.
#[test]
fn a_description_says_how_a_run_was_started_and_what_became_of_it() {
    let mut stage = Stage::new();
    stage.run("start w run-timeout=9s execution-timeout=30s memo=m request=r");
    stage.run("ask-cancel w");
    let describe = |stage: &mut Stage| {
        let request = Request::DescribeWorkflowExecution {
            namespace: stage.world.histories[&stage.run_id("w")][0].namespace.clone(),
            workflow_id: stage.world.histories[&stage.run_id("w")][0].workflow_id.clone(),
            run_id: Some(stage.run_id("w")),
        };
        let (_, mut replies) = stage.world.request(request);
        match replies.pop() {
            Some((_, Ok(tidegate_engine::Reply::Described(described)))) => *described,
            other => panic!("a description, not {other:?}"),
        }
    };
    let open = describe(&mut stage);
    let start = open.summary.start_time;
    assert_eq!(open.run_expiration_time, Some(start + Duration::from_secs(9)));
    assert_eq!(open.execution_expiration_time, Some(start + Duration::from_secs(30)));
    assert!(open.cancel_requested);
    assert_eq!(open.start_request_id, "r");
    assert!(open.summary.memo.contains_key("m"));
    stage.run("terminate w");
    let closed = describe(&mut stage);
    assert_eq!(closed.run_expiration_time, open.run_expiration_time);
    assert!(closed.cancel_requested);
    assert_eq!(closed.start_request_id, "r");
    assert_eq!(closed.reset_run_id, None);
}
