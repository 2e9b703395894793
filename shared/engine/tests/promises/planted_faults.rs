//! Faults planted in the records of a sound engine, to see that the checker behind the other tests notices them.

use std::mem::discriminant;

use tidegate_engine::{Engine, Record, StateChange};
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::time::Timestamp;

use crate::checker::{Broken, Checker};
use crate::script::Stage;
use crate::world::replay;

/// The records of a program.
fn records_of(program: &[&str]) -> Vec<Record> {
    let mut stage = Stage::new();
    for line in program {
        stage.run(line);
    }
    stage.world.records
}

/// What the checker says of records. The ids of a run's batches are made dense again first, so that a fault is seen
/// for what it is and not by the gap it leaves.
fn verdict(mut records: Vec<Record>) -> Result<(), Broken> {
    let mut next = 1;
    for record in &mut records {
        if let Record::History(batch) = record {
            batch.first_event_id = next;
            next = batch.next_event_id();
        }
    }
    verdict_as_they_are(&records)
}

fn verdict_as_they_are(records: &[Record]) -> Result<(), Broken> {
    let mut checker = Checker::default();
    records.iter().try_for_each(|record| checker.take(record))?;
    checker.settled()
}

#[track_caller]
fn notices(records: Vec<Record>, complaint: &str) {
    let broken = verdict(records).expect_err("the checker notices the fault");
    assert!(broken.contains(complaint), "it says: {broken}");
}

fn batch(record: &mut Record) -> &mut HistoryBatch {
    match record {
        Record::History(batch) => batch,
        Record::State(change) => panic!("the program has history here, not {change:?}"),
    }
}

const SIGNAL_WHILE_OUT: [&str; 4] = ["start w", "poll q", "signal w go", "complete w: timer t 9s"];

#[test]
fn sound_records_pass() {
    assert_eq!(verdict(records_of(&SIGNAL_WHILE_OUT)), Ok(()));
    assert_eq!(verdict(records_of(&TWO_ENDS)), Ok(()));
}

#[test]
fn ids_given_at_arrival_are_noticed() {
    let mut records = records_of(&SIGNAL_WHILE_OUT);
    let completion = batch(&mut records[3]);
    let signaled = completion.events.remove(2);
    let mut arrival = completion.clone();
    arrival.events = vec![signaled];
    records[2] = Record::History(arrival);
    notices(records, "WorkflowExecutionSignaled while a workflow task is out");
}

#[test]
fn a_signal_that_is_applied_twice_is_noticed() {
    // An engine that does not compare request ids: it takes the second for another.
    let mut records = records_of(&["start w", "signal w go request=r", "signal w go request=other"]);
    let Event::WorkflowExecutionSignaled { request_id, .. } = &mut batch(&mut records[2]).events[0] else {
        panic!("the program signals twice");
    };
    *request_id = String::from("r");
    notices(records, "signal r is applied twice");
}

#[test]
fn an_event_that_is_lost_at_the_flush_is_noticed() {
    let mut records = records_of(&SIGNAL_WHILE_OUT);
    batch(&mut records[3]).events.remove(2);
    notices(records, "what waited is flushed, all of it and in order");
}

#[test]
fn an_event_between_a_task_and_its_commands_is_noticed() {
    let mut records = records_of(&SIGNAL_WHILE_OUT);
    batch(&mut records[3]).events.swap(1, 2);
    notices(records, "TimerStarted is not right behind its task");
}

#[test]
fn news_that_no_task_will_see_is_noticed() {
    let mut records = records_of(&SIGNAL_WHILE_OUT);
    batch(&mut records[3]).events.pop();
    notices(records, "no workflow task will see it");
}

const TWO_ENDS: [&str; 8] = [
    "start w",
    "poll q",
    "complete w: activity a",
    "poll activity q",
    "signal w wake",
    "poll q",
    "done a",
    "signal w go",
];

#[test]
fn ends_of_activities_before_other_events_are_noticed() {
    let mut records = records_of(&TWO_ENDS.iter().copied().chain(["complete w:"]).collect::<Vec<_>>());
    let flush = batch(records.last_mut().expect("the program ends with a flush"));
    // Completed, started, signaled, end, scheduled.
    flush.events.swap(2, 3);
    notices(records, "in order");
}

#[test]
fn a_run_that_closes_over_what_waits_is_noticed() {
    let program: Vec<&str> = TWO_ENDS.iter().copied().chain(["complete w: timer t 9s"]).collect();
    let mut records = records_of(&program);
    let flush = batch(records.last_mut().expect("the program ends with a flush"));
    flush.events.truncate(1);
    flush.events.push(Event::WorkflowExecutionCompleted {
        result: Vec::new(),
        workflow_task_completed_event_id: flush.first_event_id,
        new_execution_run_id: None,
    });
    notices(records, "what waited is flushed");
}

#[test]
fn an_activity_that_is_started_in_history_when_it_is_handed_out_is_noticed() {
    let mut records =
        records_of(&["start w", "poll q", "complete w: activity a", "poll activity q", "done a"]);
    let end = batch(&mut records[4]);
    let mut start = end.clone();
    start.events.truncate(1);
    end.events.remove(0);
    records.insert(4, Record::History(start));
    notices(records, "the end of activity 5 refers to 6, not its start");
}

#[test]
fn an_attempt_that_ends_twice_is_noticed() {
    let mut records =
        records_of(&["start w", "poll q", "complete w: activity a", "poll activity q", "done a"]);
    records.push(records[4].clone());
    notices(records, "activity 5 is started, but None");
}

#[test]
fn a_task_that_is_out_twice_is_noticed() {
    let mut records = records_of(&["start w", "poll q"]);
    records.push(records[1].clone());
    notices(records, "is started");
}

#[test]
fn a_second_task_is_noticed() {
    let mut records = records_of(&["start w", "signal w go"]);
    let scheduled = batch(&mut records[0]).events[1].clone();
    batch(&mut records[1]).events.push(scheduled);
    notices(records, "a second workflow task");
}

#[test]
fn a_cancelled_timer_that_fires_is_noticed() {
    let program = [
        "start w",
        "poll q",
        "complete w: timer t 2s",
        "signal w wake",
        "poll q",
        "wait 3s",
        "complete w: cancel t",
    ];
    let mut records = records_of(&program);
    let fired = Event::TimerFired { timer_id: String::from("t"), started_event_id: 5 };
    batch(records.last_mut().expect("the program ends with a flush")).events.push(fired);
    notices(records, "what waited is flushed");
}

#[test]
fn a_gap_in_the_ids_is_noticed() {
    let mut records = records_of(&["start w", "poll q"]);
    batch(&mut records[1]).first_event_id += 1;
    assert_eq!(verdict_as_they_are(&records), Err(String::from("4 follows 2")));
}

#[test]
fn time_that_goes_back_is_noticed() {
    let mut records = records_of(&["start w", "wait 2s", "poll q"]);
    batch(&mut records[1]).event_time = Timestamp::EPOCH;
    notices(records, "time goes back");
}

#[test]
fn a_change_of_state_that_is_not_recorded_is_noticed_in_the_step_it_happens_in() {
    let program = [
        "start w",
        "poll q",
        "fail w",
        "poll q",
        "signal w a",
        "wait 10s",
        "poll s",
        "poll q",
        "complete w sticky=s: activity a; timer t 20s",
        "poll activity q",
        "failed a once",
        "signal w b",
        "complete w:",
    ];
    let records = records_of(&program);
    let mut kinds = Vec::new();
    for (at, record) in records.iter().enumerate() {
        let Record::State(change) = record else { continue };
        kinds.push(discriminant(change));
        // What `World` compares after each step: the live state, and the one from the records.
        let live = replay(Engine::new(), &records[..=at]).snapshot();
        let without = replay(Engine::new(), &records[..at]).snapshot();
        assert!(live != without, "nobody notices that {change:?} is missing");
    }
    kinds.sort_by_key(|kind| format!("{kind:?}"));
    kinds.dedup();
    assert_eq!(kinds.len(), 7, "the program has changes of every kind");
}

#[test]
fn an_activity_that_is_handed_out_while_it_is_paused_is_noticed() {
    let mut records = records_of(&[
        "start w",
        "poll q",
        "complete w: activity a",
        "pause w a",
        "unpause w a",
        "poll activity q",
    ]);
    records.remove(4);
    notices(records, "activity 5 is handed out although it is paused");
}

const ASKED_TO_CANCEL: [&str; 7] = [
    "start w",
    "poll q",
    "complete w: activity a; activity b",
    "poll activity q",
    "signal w stop",
    "poll q",
    "complete w: unask 5; unask 6",
];

#[test]
fn a_cancellation_nobody_asked_for_is_noticed() {
    let mut records =
        records_of(&["start w", "poll q", "complete w: activity a", "poll activity q", "done a"]);
    let end = batch(records.last_mut().expect("the program ends with the activity"));
    end.events[1] = Event::ActivityTaskCanceled {
        details: Vec::new(),
        latest_cancel_requested_event_id: 4,
        scheduled_event_id: 5,
        started_event_id: 6,
        identity: String::new(),
    };
    notices(records, "activity 5 is cancelled for 4, not None");
}

#[test]
fn the_end_of_an_activity_that_was_cancelled_before_what_waited_is_noticed() {
    let program: Vec<&str> =
        ASKED_TO_CANCEL[..6].iter().copied().chain(["signal w go", ASKED_TO_CANCEL[6]]).collect();
    let mut records = records_of(&program);
    let flush = batch(records.last_mut().expect("the program ends with a flush"));
    // Completed, two requests, signaled, canceled, scheduled.
    flush.events.swap(3, 4);
    notices(records, "WorkflowExecutionSignaled after the end of an activity");
}

#[test]
fn an_attempt_after_the_request_to_cancel_is_noticed() {
    let program: Vec<&str> =
        ["start w", "poll q", "complete w: activity a first=1s", "poll activity q", "failed a once"].into();
    let mut records = records_of(&program);
    let retried = records.pop().expect("the program ends with a retry");
    let mut asked = records_of(&ASKED_TO_CANCEL);
    let Record::State(StateChange::ActivityRetried { due, failure, time, scheduled_event_id, .. }) = retried
    else {
        panic!("the program ends with a retry");
    };
    let Record::History(last) = &asked[asked.len() - 1] else { panic!("the program ends with history") };
    let run_id = last.run_id;
    asked.push(Record::State(StateChange::ActivityRetried {
        run_id,
        scheduled_event_id,
        time,
        due,
        failure,
    }));
    notices(asked, "activity 5 is tried again although it is to be cancelled");
}

#[test]
fn a_time_out_of_what_is_paused_is_noticed() {
    let mut records = records_of(&[
        "start w",
        "poll q",
        "complete w: activity a start=5s",
        "pause w a",
        "unpause w a",
        "wait 5s",
    ]);
    records.remove(4);
    notices(records, "activity 5 is paused");
}
