//! The workflow task: one lease, attempts, refusals.

use crate::script::check;

#[test]
fn rule_11_there_is_one_workflow_task_at_a_time() {
    check(
        "
        > start w
        started
        > signal w a
        signaled, event 3
        > poll q as alice
        alice: task of w, attempt 1, whole 1-4
        > signal w b
        signaled, waits
        > poll q as bob
        > complete w:
        ok
        bob: task of w, attempt 1, whole 1-8
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowExecutionSignaled(a)
        4 WorkflowTaskStarted
        5 WorkflowTaskCompleted, 6 WorkflowExecutionSignaled(b), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        ",
    );
}

#[test]
fn the_events_of_commands_follow_the_completion_in_command_order() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer b 9s; activity a; timer c 8s; cancel b; activity d
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(b), 6 ActivityTaskScheduled(a), 7 TimerStarted(c), 8 TimerCanceled(b, 5), 9 ActivityTaskScheduled(d)
        > describe w
        Running, 9 events, 2 activities, 1 timers, task attempt 0
        ",
    );
}

#[test]
fn rule_9_a_stale_completion_is_not_found() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > wait 10s
        > complete w: finish
        not found: Workflow task not found.
        > poll q as bob
        bob: task of w, attempt 2, whole 1-6, transient
        > complete w~1: finish
        not found: Workflow task not found.
        > complete w: finish
        ok
        > complete w: finish
        not found: workflow execution already completed
        ",
    );
}

#[test]
fn a_second_completion_changes_nothing() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 9s
        ok
        > complete w: timer t 9s
        not found: Workflow task not found.
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(t)
        ",
    );
}

#[test]
fn a_task_without_an_answer_times_out_after_ten_seconds_and_is_handed_out_again() {
    check(
        "
        > start w
        started
        > poll q as alice
        alice: task of w, attempt 1, whole 1-3
        > deadline
        in 10s: a workflow task times out
        > poll q as bob
        > wait 10s
        bob: task of w, attempt 2, whole 1-6, transient
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskTimedOut(StartToClose)
        ",
    );
}

#[test]
fn rule_1_the_time_out_of_a_task_is_the_workflows_own_up_to_two_minutes() {
    check(
        "
        > start w task-timeout=3s
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > deadline
        in 3s: a workflow task times out
        > start long task-timeout=5m queue=other
        started
        > wait 3s
        > poll other
        alice: task of long, attempt 1, whole 1-3
        > deadline
        in 120s: a workflow task times out
        ",
    );
}

#[test]
fn a_lease_survives_a_crash_and_can_be_answered_after_it() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > wait 4s
        > crash
        > deadline
        in 6s: a workflow task times out
        > signal w go
        signaled, waits
        > crash
        > complete w:
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 WorkflowExecutionSignaled(go), 6 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn rule_2_attempts_after_the_first_leave_nothing_in_history_until_one_succeeds() {
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
        > wait 10s
        > poll q
        alice: task of w, attempt 3, whole 1-6, transient
        > crash
        > describe w
        Running, 4 events, 0 activities, 0 timers, task attempt 3
        > complete w: timer t 5s
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(WorkflowWorkerUnhandledFailure)
        5 WorkflowTaskScheduled(q, attempt 3), 6 WorkflowTaskStarted
        7 WorkflowTaskCompleted, 8 TimerStarted(t)
        > describe w
        Running, 8 events, 0 activities, 1 timers, task attempt 0
        ",
    );
}

#[test]
fn the_workflows_own_time_is_the_same_at_replay_as_it_was_in_a_transient_attempt() {
    let mut stage = crate::script::Stage::new();
    for line in ["start w", "poll q", "fail w", "wait 2s", "poll q"] {
        stage.run(line);
    }
    let told = stage.world.now;
    for line in ["wait 3s", "complete w: finish"] {
        stage.run(line);
    }
    let histories = &stage.world.histories[&stage.run_id("w")];
    let pair = histories.iter().find(|batch| batch.first_event_id == 5).expect("the pair is a batch");
    assert_eq!((pair.event_time, pair.events.len()), (told, 2));
}

#[test]
fn rule_2_a_new_event_turns_a_transient_task_into_a_normal_first_attempt() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > fail w
        ok
        > signal w fresh
        signaled, event 5
        > poll q
        alice: task of w, attempt 1, whole 1-7
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(WorkflowWorkerUnhandledFailure)
        5 WorkflowExecutionSignaled(fresh), 6 WorkflowTaskScheduled(q)
        7 WorkflowTaskStarted
        ",
    );
}

#[test]
fn an_event_that_arrives_during_a_transient_attempt_makes_the_next_one_a_first() {
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
        > poll q as bob
        > wait 10s
        bob: task of w, attempt 1, whole 1-7
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(WorkflowWorkerUnhandledFailure)
        5 WorkflowExecutionSignaled(go), 6 WorkflowTaskScheduled(q)
        7 WorkflowTaskStarted
        ",
    );
}

#[test]
fn rule_4_a_failed_transient_attempt_waits_for_its_time_out_and_that_grows_from_the_third_on() {
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
        > fail w
        ok
        > deadline
        in 10s: a workflow task times out
        > wait 10s
        > poll q
        alice: task of w, attempt 3, whole 1-6, transient
        > complete w: timer t 0s; timer t 0s
        invalid: StartTimerDuplicateId: a timer \"t\" is open
        > deadline
        in 15s: a workflow task times out
        > wait 15s
        > poll q
        alice: task of w, attempt 4, whole 1-6, transient
        > deadline
        in 20s: a workflow task times out
        > wait 20s
        > poll q
        alice: task of w, attempt 5, whole 1-6, transient
        > deadline
        in 30s: a workflow task times out
        ",
    );
}

#[test]
fn rule_7_bad_commands_fail_the_task_with_their_cause_and_tell_the_worker() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a timeout=0s
        invalid: BadScheduleActivityAttributes: a start-to-close or a schedule-to-close time-out must be given
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(BadScheduleActivityAttributes)
        > start x queue=other
        started
        > poll other
        alice: task of x, attempt 1, whole 1-3
        > complete x: activity a first=10s longest=5s
        invalid: BadScheduleActivityAttributes: the retry policy's longest interval 5s is shorter than its first 10s
        ",
    );
}

#[test]
fn no_command_of_a_task_has_an_effect_when_one_is_bad() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 1s; activity a; cancel nothing
        invalid: BadCancelTimerAttributes: no timer \"nothing\" is open
        > describe w
        Running, 4 events, 0 activities, 0 timers, task attempt 2
        > deadline
        nothing
        ",
    );
}

#[test]
fn rule_6_a_closing_command_must_be_the_last() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: finish; timer t 1s
        invalid: BadCompleteWorkflowExecutionAttributes: a command that closes the run must be the last
        > list
        w Running
        ",
    );
}

#[test]
fn rule_5_a_run_does_not_close_over_events_its_workflow_has_not_seen() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > signal w wait-for-me
        signaled, waits
        > complete w: timer t 1s; finish
        invalid: UnhandledCommand
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(UnhandledCommand), 5 WorkflowExecutionSignaled(wait-for-me), 6 WorkflowTaskScheduled(q)
        > poll q
        alice: task of w, attempt 1, whole 1-7
        > complete w: finish
        ok
        ",
    );
}

#[test]
fn an_unhandled_command_of_a_transient_attempt_is_not_left_to_time_out() {
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
        > complete w: finish
        invalid: UnhandledCommand
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(WorkflowWorkerUnhandledFailure)
        5 WorkflowExecutionSignaled(go), 6 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn rule_8_a_workflow_whose_code_no_longer_matches_stays_open_and_is_tried_again() {
    let mut stage = crate::script::Stage::new();
    for line in ["start w", "poll q", "fail w", "poll q", "fail w"] {
        stage.run(line);
    }
    for attempt in 3..9 {
        stage.run("wait 10m");
        let task = stage.run("poll q");
        assert_eq!(task, [format!("alice: task of w, attempt {attempt}, whole 1-6, transient")]);
        assert_eq!(stage.run("fail w"), ["ok"]);
    }
    assert_eq!(stage.run("list"), ["w Running"]);
    assert_eq!(stage.run("history w").len(), 3, "attempts after the first leave nothing");
}
