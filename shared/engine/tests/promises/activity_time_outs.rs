//! The four time-outs of an activity, and what of them is tried again.

use std::time::Duration;

use tidegate_model::event::Event;
use tidegate_model::payload::{FailureInfo, RetryState, TimeoutType};

use crate::script::{Stage, check};

/// The four time-outs of each activity a run has scheduled, in seconds, as they are recorded.
fn recorded(start: &str, commands: &str) -> Vec<[Option<u64>; 4]> {
    let mut stage = Stage::new();
    for line in [start, "poll q", &format!("complete w: {commands}")] {
        stage.run(line);
    }
    let seconds = |timeout: Option<Duration>| timeout.map(|timeout| timeout.as_secs());
    let events = stage.world.histories[&stage.run_id("w")].iter().flat_map(|batch| &batch.events);
    events
        .filter_map(|event| {
            let Event::ActivityTaskScheduled(scheduled) = event else { return None };
            Some([
                seconds(scheduled.schedule_to_close_timeout),
                seconds(scheduled.schedule_to_start_timeout),
                seconds(scheduled.start_to_close_timeout),
                seconds(scheduled.heartbeat_timeout),
            ])
        })
        .collect()
}

/// How the only activity of `w` ended: the failure's time-out, what it reported last, its cause's message, and why
/// there was no further attempt.
fn end(stage: &Stage) -> (TimeoutType, usize, Option<String>, RetryState) {
    let events = stage.world.histories[&stage.run_id("w")].iter().flat_map(|batch| &batch.events);
    let mut timed_out = events.filter_map(|event| {
        let Event::ActivityTaskTimedOut { failure, retry_state, .. } = event else { return None };
        Some((failure, *retry_state))
    });
    let (failure, retry_state) = timed_out.next().expect("it timed out");
    let FailureInfo::Timeout { timeout_type, last_heartbeat_details } = &failure.info else {
        panic!("a time-out says which, not {failure:?}");
    };
    let bytes = last_heartbeat_details.iter().map(|payload| payload.data.len()).sum();
    (*timeout_type, bytes, failure.cause.as_ref().map(|cause| cause.message.clone()), retry_state)
}

#[test]
fn rule_16_time_outs_that_are_left_out_are_derived_and_recorded() {
    let recorded = recorded(
        "start w",
        "activity a timeout=5s; activity b timeout=0s all=9s; activity c timeout=7s all=9s start=2s beat=8s",
    );
    assert_eq!(
        recorded,
        [
            [None, None, Some(5), None],
            [Some(9), Some(9), Some(9), None],
            [Some(9), Some(2), Some(7), Some(7)],
        ]
    );
}

#[test]
fn rule_16_no_time_out_is_longer_than_the_runs_own() {
    let recorded = recorded(
        "start w run-timeout=1m",
        "activity a timeout=5s; activity b timeout=5m all=9m start=7m beat=3m",
    );
    assert_eq!(recorded, [[Some(60), Some(60), Some(5), None], [Some(60), Some(60), Some(60), Some(60)],]);
}

#[test]
fn one_of_the_closing_time_outs_must_be_set() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a timeout=0s start=9s
        invalid: BadScheduleActivityAttributes: a start-to-close or a schedule-to-close time-out must be given
        ",
    );
}

#[test]
fn rule_17_a_wait_for_a_worker_that_is_too_long_is_not_tried_again() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a start=5s
        ok
        > deadline
        in 5s: an attempt of an activity times out
        > wait 5s
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 ActivityTaskTimedOut(5, 0, Timeout), 7 WorkflowTaskScheduled(q)
        > poll activity q
        ",
    );
}

#[test]
fn the_wait_for_a_worker_counts_anew_for_each_attempt() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a start=5s first=10s
        ok
        > wait 4s
        > poll activity q
        alice: activity a of w, attempt 1
        > failed a once
        ok
        > wait 14s
        > poll activity q
        alice: activity a of w, attempt 2
        > failed a twice
        ok
        > deadline
        in 25s: an attempt of an activity times out
        > wait 25s
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 ActivityTaskTimedOut(5, 0, Timeout), 7 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn an_attempt_that_takes_too_long_or_falls_silent_is_tried_again() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a timeout=20s beat=6s first=1s
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > deadline
        in 6s: an activity must be heard of
        > poll activity q
        > wait 7s
        alice: activity a of w, attempt 2
        > beat a
        go on
        > wait 5s
        > beat a
        go on
        > wait 5s
        > beat a
        go on
        > wait 5s
        > beat a
        go on
        > poll activity q
        > wait 6s
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        ",
    );
}

#[test]
fn the_time_for_all_attempts_ends_whatever_is_under_way() {
    let mut stage = Stage::new();
    for line in [
        "start w",
        "poll q",
        "complete w: activity a all=30s first=1s",
        "poll activity q",
        "failed a once",
        "wait 1s",
    ] {
        stage.run(line);
    }
    assert_eq!(stage.run("poll activity q"), ["alice: activity a of w, attempt 2"]);
    assert_eq!(stage.run("deadline"), ["in 29s: an attempt of an activity times out"]);
    stage.run("wait 29s");
    let cause = Some(String::from("once"));
    assert_eq!(end(&stage), (TimeoutType::ScheduleToClose, 0, cause, RetryState::Timeout));
}

#[test]
fn rule_17_a_time_out_that_leaves_no_time_for_the_next_attempt_is_of_all_of_them() {
    let mut stage = Stage::new();
    for line in ["start w", "poll q", "complete w: activity a timeout=8s all=10s first=3s", "poll activity q"]
    {
        stage.run(line);
    }
    stage.run("wait 8s");
    assert_eq!(end(&stage), (TimeoutType::ScheduleToClose, 0, None, RetryState::Timeout));
}

#[test]
fn a_failure_that_leaves_no_time_for_the_next_attempt_is_the_last_and_stays_a_failure() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a timeout=8s all=10s first=3s
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > wait 7s
        > failed a in-time
        ok
        > poll activity q
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        > start v queue=r
        started
        > poll r
        alice: task of v, attempt 1, whole 1-3
        > complete v: activity b timeout=8s all=10s first=3s
        ok
        > poll activity r
        alice: activity b of v, attempt 1
        > wait 8s
        > failed b too-late
        not found: invalid activityID or activity already timed out or invoking workflow is completed
        > history v
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(r)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(b)
        6 ActivityTaskStarted(5, attempt 1), 7 ActivityTaskTimedOut(5, 6, Timeout), 8 WorkflowTaskScheduled(r)
        ",
    );
}

#[test]
fn a_time_out_says_what_was_reported_last_and_how_the_attempt_before_ended() {
    let mut stage = Stage::new();
    for line in [
        "start w",
        "poll q",
        "complete w: activity a timeout=5s attempts=2 first=1s",
        "poll activity q",
        "failed a first progress=11",
        "wait 1s",
        "poll activity q",
        "beat a size=7",
        "wait 5s",
    ] {
        stage.run(line);
    }
    let cause = Some(String::from("first"));
    assert_eq!(end(&stage), (TimeoutType::StartToClose, 7, cause, RetryState::MaximumAttemptsReached));
}

#[test]
fn an_attempt_that_fell_silent_at_its_last_chance_says_so() {
    let mut stage = Stage::new();
    for line in
        ["start w", "poll q", "complete w: activity a beat=2s attempts=1", "poll activity q", "wait 2s"]
    {
        stage.run(line);
    }
    assert_eq!(end(&stage), (TimeoutType::Heartbeat, 0, None, RetryState::MaximumAttemptsReached));
}

#[test]
fn after_a_month_without_power_each_activity_is_timed_out_or_tried_again_once() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a timeout=5s all=60s; activity b timeout=5s; activity c start=5s; activity d
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > poll activity q
        alice: activity b of w, attempt 1
        > off 30d
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a), 6 ActivityTaskScheduled(b), 7 ActivityTaskScheduled(c), 8 ActivityTaskScheduled(d)
        9 ActivityTaskStarted(5, attempt 1), 10 ActivityTaskTimedOut(5, 9, Timeout), 11 ActivityTaskTimedOut(7, 0, Timeout), 12 WorkflowTaskScheduled(q)
        > activities w
        b Scheduled, attempt 2, again in 1s, after activity StartToClose timeout
        d Scheduled, attempt 1
        ",
    );
}
