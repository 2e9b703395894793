//! Faults planted around a sound engine, to see that the comparison notices them.

use tidegate_engine::Record;
use tidegate_model::event::{Event, HistoryBatch};

use tidegate_reference::{Crash, InMemory, Op, Sides, planted};

type Fault = fn(Vec<Record>) -> Vec<Record>;

/// The program is sound without the fault, and found out with it.
#[track_caller]
fn notices(program: &[Op], fault: Fault) {
    let run = |mut sides: Sides<InMemory>| program.iter().try_for_each(|op| sides.run(op));
    assert_eq!(run(Sides::new(InMemory::default())), Ok(()), "the program is sound");
    let mut sides = Sides::new(InMemory::default());
    sides.host.on_recovery = Some(fault);
    assert!(run(sides).is_err(), "nobody notices");
}

/// Changes the history that comes back from the disk.
fn batches(records: Vec<Record>, change: impl Fn(&mut HistoryBatch)) -> Vec<Record> {
    let changed = |mut record: Record| {
        if let Record::History(batch) = &mut record {
            change(batch);
        }
        record
    };
    records.into_iter().map(changed).collect()
}

#[test]
fn an_answer_that_is_given_before_the_commit_is_noticed() {
    let program = [Op::Lost(planted::start_asked(0))];
    let run = |mut sides: Sides<InMemory>| program.iter().try_for_each(|op| sides.run(op));
    assert_eq!(run(Sides::new(InMemory::default())), Ok(()));
    let mut sides = Sides::new(InMemory::default());
    sides.answers_too_early = true;
    assert!(run(sides).is_err(), "nobody notices");
}

#[test]
fn a_timer_that_is_lost_is_noticed() {
    let program = [
        planted::start(0),
        planted::poll(),
        planted::timer(4),
        Op::Crash(Crash::Records),
        Op::Wait { seconds: 5 },
    ];
    notices(&program, |records| {
        batches(records, |batch| {
            for event in &mut batch.events {
                if let Event::TimerStarted { start_to_fire_timeout, .. } = event {
                    *start_to_fire_timeout = std::time::Duration::from_secs(1_000);
                }
            }
        })
    });
}

#[test]
fn a_signal_whose_id_is_forgotten_is_noticed() {
    let program = [planted::start(0), planted::signal(0), Op::Crash(Crash::Records), planted::signal(0)];
    notices(&program, |records| {
        batches(records, |batch| {
            for event in &mut batch.events {
                if let Event::WorkflowExecutionSignaled { request_id, .. } = event {
                    request_id.clear();
                }
            }
        })
    });
}

#[test]
fn a_start_whose_id_is_forgotten_is_noticed() {
    let program = [planted::start(0), Op::Crash(Crash::Records), planted::start(0)];
    notices(&program, |records| {
        batches(records, |batch| {
            for event in &mut batch.events {
                if let Event::WorkflowExecutionStarted(started) = event {
                    started.request_id.clear();
                }
            }
        })
    });
}

#[test]
fn a_workflow_task_that_is_lost_is_noticed() {
    let program = [planted::start(0), Op::Crash(Crash::Records), planted::poll(), Op::Wait { seconds: 1 }];
    notices(&program, |records| {
        batches(records, |batch| {
            batch.events.retain(|event| !matches!(event, Event::WorkflowTaskScheduled { .. }));
        })
    });
}

#[test]
fn a_child_that_is_started_twice_is_noticed() {
    let program = [planted::start(0), planted::poll(), planted::child(5), Op::Crash(Crash::Records)];
    // What says that it was started is lost: the engine starts it again.
    notices(&program, |records| {
        let says_so = |record: &Record| {
            matches!(record, Record::History(batch) if batch.events.iter().any(|event| {
                matches!(event, Event::ChildWorkflowExecutionStarted { .. })
            }))
        };
        records.into_iter().filter(|record| !says_so(record)).collect()
    });
}

#[test]
fn a_parent_that_is_never_told_is_noticed() {
    let program = [
        planted::start(0),
        planted::poll(),
        planted::child(5),
        planted::terminate(5),
        Op::Crash(Crash::Records),
        planted::poll(),
    ];
    notices(&program, |records| {
        let tells = |record: &Record| {
            matches!(record, Record::History(batch) if batch.events.iter().any(|event| {
                matches!(event, Event::ChildWorkflowExecutionTerminated { .. })
            }))
        };
        records.into_iter().filter(|record| !tells(record)).collect()
    });
}

#[test]
fn an_attempt_that_is_forgotten_is_noticed() {
    let program = [
        planted::start(0),
        planted::poll(),
        planted::activity(1),
        planted::poll_activity(),
        Op::Crash(Crash::Records),
        Op::Wait { seconds: 1 },
        planted::activity_done(),
    ];
    notices(&program, |records| {
        let is_start = |record: &Record| {
            matches!(record, Record::State(tidegate_engine::StateChange::ActivityStarted { .. }))
        };
        records.into_iter().filter(|record| !is_start(record)).collect()
    });
}
