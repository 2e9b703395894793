//! Heartbeats: what an attempt reports, and who learns of it.

use std::time::Duration;

use tidegate_engine::{Engine, Record, StateChange};

use crate::script::{Stage, check};
use crate::world::decided;

#[test]
fn rule_19_what_was_reported_last_reaches_the_next_attempt() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a first=1s beat=30s
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > beat a size=5
        go on
        > beat a size=9
        go on
        > failed a broken
        ok
        > wait 1s
        > poll activity q
        alice: activity a of w, attempt 2, told 9 bytes
        > failed a again progress=4
        ok
        > wait 2s
        > poll activity q
        alice: activity a of w, attempt 3, told 4 bytes
        > crash
        > activities w
        a Started, attempt 3, after again, heard 2s ago: 4 bytes
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        ",
    );
}

#[test]
fn a_heartbeat_of_an_older_attempt_is_not_found() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a timeout=5s first=1s
        ok
        > beat w/a
        not found: invalid activityID or activity already timed out or invoking workflow is completed
        > poll activity q
        alice: activity a of w, attempt 1
        > wait 6s
        > poll activity q
        alice: activity a of w, attempt 2
        > beat a~1
        not found: invalid activityID or activity already timed out or invoking workflow is completed
        > beat a
        go on
        > done a
        ok
        > beat a
        not found: invalid activityID or activity already timed out or invoking workflow is completed
        ",
    );
}

#[test]
fn silence_counts_from_the_last_heartbeat_or_the_start_of_the_process() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a timeout=60s beat=10s
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > wait 4s
        > beat a
        go on
        > deadline
        in 10s: an activity must be heard of
        > off 7s
        > deadline
        in 3s: an activity must be heard of
        > wait 5s
        > beat a
        go on
        > deadline
        in 10s: an activity must be heard of
        > wait 10s
        > activities w
        a Scheduled, attempt 2, again in 1s, after activity Heartbeat timeout, heard 10s ago: 0 bytes
        ",
    );
}

#[test]
fn a_lost_heartbeat_does_not_cost_the_attempt() {
    let mut stage = Stage::new();
    for line in
        ["start w", "poll q", "complete w: activity a timeout=5m beat=10s", "poll activity q", "wait 9s"]
    {
        stage.run(line);
    }
    let on_disk = stage.world.engine.snapshot();
    assert_eq!(stage.run("beat a size=3"), ["go on"]);
    // The process ends before the heartbeat is on disk; without it the attempt has been silent for too long.
    let mut engine = Engine::restore(&on_disk).expect("an engine reads its own snapshot");
    let back = stage.world.now + Duration::from_secs(2);
    assert!(engine.next_deadline().is_some_and(|(at, _)| at <= back));
    let woken = decided(&mut engine, back, &mut stage.world.chance, Engine::handle_deadline);
    assert_eq!((woken.records, woken.effects), (vec![], vec![]));
    let expected = (back + Duration::from_secs(10), "an activity must be heard of");
    assert_eq!(engine.next_deadline(), Some(expected));
    let late = back + Duration::from_secs(10);
    let silent = decided(&mut engine, late, &mut stage.world.chance, Engine::handle_deadline);
    assert!(matches!(silent.records[..], [Record::State(StateChange::ActivityRetried { .. })]));
}

#[test]
fn only_heartbeats_are_at_leisure() {
    let mut stage = Stage::new();
    for line in [
        "start w",
        "poll q",
        "complete w sticky=s: activity a beat=9s",
        "poll activity q",
        "beat a",
        "pause w a",
        "unpause w a",
        "failed a once",
    ] {
        stage.run(line);
    }
    let leisurely = stage.world.records.iter().filter_map(|record| match record {
        Record::State(change) if change.is_at_leisure() => Some(change),
        Record::State(_) | Record::History(_) => None,
    });
    let all: Vec<&StateChange> = leisurely.collect();
    assert!(matches!(all[..], [StateChange::ActivityHeartbeat { .. }]), "{all:?}");
}

#[test]
fn a_heartbeat_that_is_too_large_fails_the_activity_and_stops_the_worker() {
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
        > beat a size=524289
        cancel
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 ActivityTaskStarted(5, attempt 1), 7 ActivityTaskFailed(5, 6, NonRetryableFailure), 8 WorkflowTaskScheduled(q)
        ",
    );
}
