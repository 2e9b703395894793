//! Activities: attempts outside of history.

use std::time::Duration;

use tidegate_model::event::Event;
use tidegate_model::limits::FAILURE_BYTES_MAX;
use tidegate_model::payload::RetryPolicy;

use crate::script::{Stage, check};

#[test]
fn rule_15_failed_attempts_stay_out_of_history() {
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
        > failed a first
        ok
        > poll activity q
        > wait 999ms
        > wait 1ms
        alice: activity a of w, attempt 2
        > failed a second
        ok
        > crash
        > poll activity q
        > wait 2s
        alice: activity a of w, attempt 3
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        > done a
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 ActivityTaskStarted(5, attempt 3), 7 ActivityTaskCompleted(5, 6), 8 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn rule_21_the_completion_of_an_older_attempt_is_not_found() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a timeout=5s
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > poll activity q as bob
        > wait 6s
        bob: activity a of w, attempt 2
        > done a~1
        not found: invalid activityID or activity already timed out or invoking workflow is completed
        > done a as bob
        ok
        > done a as bob
        not found: invalid activityID or activity already timed out or invoking workflow is completed
        ",
    );
}

#[test]
fn the_last_attempt_the_policy_allows_ends_the_activity() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a attempts=2 first=3s
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > failed a once
        ok
        > poll activity q
        > wait 3s
        alice: activity a of w, attempt 2
        > failed a twice
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 ActivityTaskStarted(5, attempt 2), 7 ActivityTaskFailed(5, 6, MaximumAttemptsReached), 8 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn rule_18_a_failure_that_says_never_or_is_of_a_listed_kind_is_the_last() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a; activity b never=Overheated
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > poll activity q
        alice: activity b of w, attempt 1
        > failed a no final
        ok
        > failed b hot kind=Overheated
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a), 6 ActivityTaskScheduled(b)
        7 ActivityTaskStarted(5, attempt 1), 8 ActivityTaskFailed(5, 7, NonRetryableFailure), 9 WorkflowTaskScheduled(q)
        10 ActivityTaskStarted(6, attempt 1), 11 ActivityTaskFailed(6, 10, NonRetryableFailure)
        ",
    );
}

#[test]
fn rule_18_a_failure_can_say_when_the_next_attempt_is_due() {
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
        > failed a later after=20s
        ok
        > poll activity q
        > deadline
        in 20s: a task is ready for a waiting poll
        > wait 20s
        alice: activity a of w, attempt 2
        ",
    );
}

#[test]
fn an_attempt_without_an_answer_times_out_and_is_retried() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a timeout=5s attempts=2 first=1s
        ok
        > wait 1m
        > poll activity q
        alice: activity a of w, attempt 1
        > deadline
        in 5s: an attempt of an activity times out
        > wait 5s
        > poll activity q
        > wait 1s
        alice: activity a of w, attempt 2
        > wait 5s
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 ActivityTaskStarted(5, attempt 2), 7 ActivityTaskTimedOut(5, 6, MaximumAttemptsReached), 8 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn time_outs_can_be_listed_as_final() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a timeout=5s never=TemporalTimeout:StartToClose
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > wait 5s
        > describe w
        Running, 8 events, 0 activities, 0 timers, task attempt 1
        ",
    );
}

#[test]
fn an_activity_goes_to_its_own_queue_or_the_workflows() {
    check(
        "
        > start w
        started
        > poll activity gpu as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a; activity b queue=gpu
        ok
        bob: activity b of w, attempt 1
        > poll activity q
        alice: activity a of w, attempt 1
        ",
    );
}

#[test]
fn a_second_activity_of_the_same_name_fails_the_task() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a
        ok
        > signal w go
        signaled, event 6
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > complete w: activity a
        invalid: ScheduleActivityDuplicateId: an activity \"a\" is open
        > start x queue=other
        started
        > poll other
        alice: task of x, attempt 1, whole 1-3
        > complete x: activity b; activity b
        invalid: ScheduleActivityDuplicateId: an activity \"b\" is open
        ",
    );
}

#[test]
fn rule_14_a_retry_policy_is_filled_in_and_time_outs_are_capped_in_the_event() {
    let mut stage = Stage::new();
    for line in ["start w", "poll q", "complete w: activity a timeout=99999d; activity b first=3s attempts=4"]
    {
        stage.run(line);
    }
    let scheduled: Vec<_> = stage.world.histories[&stage.run_id("w")]
        .iter()
        .flat_map(|batch| &batch.events)
        .filter_map(
            |event| if let Event::ActivityTaskScheduled(scheduled) = event { Some(scheduled) } else { None },
        )
        .collect();
    assert_eq!(scheduled[0].start_to_close_timeout, Some(Duration::from_secs(100 * 365 * 86_400)));
    assert_eq!(scheduled[0].retry_policy, RetryPolicy::default());
    let expected = RetryPolicy {
        initial_interval: Duration::from_secs(3),
        maximum_interval: Duration::from_secs(300),
        maximum_attempts: 4,
        ..RetryPolicy::default()
    };
    assert_eq!(scheduled[1].retry_policy, expected);
}

#[test]
fn a_long_failure_of_an_attempt_is_cut_in_the_state_and_whole_in_history() {
    let mut stage = Stage::new();
    for line in ["start w", "poll q", "complete w: activity a attempts=2 first=1s", "poll activity q"] {
        stage.run(line);
    }
    for line in ["failed a size=300000", "wait 1s", "poll activity q", "failed a size=300000"] {
        stage.run(line);
    }
    let batch = stage.world.histories[&stage.run_id("w")].last().expect("there is the end").clone();
    let Event::ActivityTaskStarted { last_failure: Some(last), .. } = &batch.events[0] else {
        panic!("the start says how the attempt before ended, not {:?}", batch.events[0]);
    };
    let cut = last.cause.as_ref().expect("what is left of it");
    assert_eq!(
        (last.message.as_str(), cut.message.len()),
        ("Failure exceeds size limit.", FAILURE_BYTES_MAX)
    );
    let Event::ActivityTaskFailed { failure, .. } = &batch.events[1] else { panic!("it failed") };
    assert_eq!(failure.message.len(), 300_000);
}

#[test]
fn an_answer_after_the_run_has_closed_is_not_found() {
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
        > complete w: finish
        ok
        > done a
        not found: workflow execution already completed
        > deadline
        nothing
        ",
    );
}
