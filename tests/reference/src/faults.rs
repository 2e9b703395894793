//! Faults, as they show when a process comes back: what is wrong with the records that it reads. Each takes the records
//! in order, all of them or one after the other, and gives those that the process sees.

use std::time::Duration;

use tidegate_engine::{Record, ScheduleChangeKind, StateChange};
use tidegate_model::event::{Event, HistoryBatch, UpdateOutcome};
use tidegate_model::id::RunId;

/// See the module.
pub type Fault = fn(Vec<Record>) -> Vec<Record>;

/// Changes the history that comes back from the disk.
fn events(mut records: Vec<Record>, change: impl Fn(&mut Event)) -> Vec<Record> {
    for record in &mut records {
        if let Record::History(HistoryBatch { events, .. }) = record {
            events.iter_mut().for_each(&change);
        }
    }
    records
}

fn without(records: Vec<Record>, is_lost: impl Fn(&Record) -> bool) -> Vec<Record> {
    records.into_iter().filter(|record| !is_lost(record)).collect()
}

/// A timer has no row: it does not fire.
#[must_use]
pub fn timers_are_dropped(records: Vec<Record>) -> Vec<Record> {
    events(records, |event| {
        if let Event::TimerStarted { start_to_fire_timeout, .. } = event {
            *start_to_fire_timeout = Duration::from_secs(1_000_000);
        }
    })
}

/// The id of a signal is not remembered: the same one counts again.
#[must_use]
pub fn signals_are_not_recognised(records: Vec<Record>) -> Vec<Record> {
    events(records, |event| {
        if let Event::WorkflowExecutionSignaled { request_id, .. } = event {
            request_id.clear();
        }
    })
}

/// The id of a start is not remembered: the same one starts again.
#[must_use]
pub fn starts_are_not_recognised(records: Vec<Record>) -> Vec<Record> {
    events(records, |event| {
        if let Event::WorkflowExecutionStarted(started) = event {
            started.request_id.clear();
        }
    })
}

/// What came of an update is forgotten.
#[must_use]
pub fn outcomes_are_forgotten(records: Vec<Record>) -> Vec<Record> {
    events(records, |event| {
        if let Event::WorkflowExecutionUpdateCompleted { outcome, .. } = event {
            *outcome = UpdateOutcome::Success(Vec::new());
        }
    })
}

/// That the times of a schedule are dealt with is forgotten: it acts on them again.
#[must_use]
pub fn schedules_act_twice(mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        if let Record::State(StateChange::Schedule(change)) = record
            && let ScheduleChangeKind::TimesCame { to, waiting, .. } = &mut change.change
            && let Some(first) = waiting.first()
        {
            *to = first.nominal - Duration::from_secs(1);
        }
    }
    records
}

/// What an activity has reported is forgotten.
#[must_use]
pub fn heartbeats_are_forgotten(records: Vec<Record>) -> Vec<Record> {
    without(records, |record| matches!(record, Record::State(StateChange::ActivityHeartbeat { .. })))
}

/// That a worker took an attempt is forgotten.
#[must_use]
pub fn attempts_are_forgotten(records: Vec<Record>) -> Vec<Record> {
    without(records, |record| matches!(record, Record::State(StateChange::ActivityStarted { .. })))
}

/// When closed runs are forgotten, so is the run that began last before that, although it is open.
#[must_use]
pub fn retention_takes_an_open_run(records: Vec<Record>) -> Vec<Record> {
    let forgets = |record: &Record| matches!(record, Record::State(StateChange::RunsForgotten { .. }));
    let Some(at) = records.iter().position(forgets) else { return records };
    let batches = |records: &[Record]| -> Vec<HistoryBatch> {
        let batch = |record: &Record| match record {
            Record::History(batch) => Some(batch.clone()),
            Record::State(_) => None,
        };
        records.iter().filter_map(batch).collect()
    };
    let all = batches(&records);
    let is_open = |run_id: RunId| {
        let last =
            all.iter().rev().find(|batch| batch.run_id == run_id).and_then(|batch| batch.events.last());
        last.is_some_and(|event| !ends_a_run(event))
    };
    let before = batches(&records[..at]);
    let taken = before.iter().rev().map(|batch| batch.run_id).find(|run_id| is_open(*run_id));
    without(records, |record| match record {
        Record::History(batch) => Some(batch.run_id) == taken,
        Record::State(change) => taken.is_some() && change.run_id() == taken,
    })
}

fn ends_a_run(event: &Event) -> bool {
    matches!(
        event,
        Event::WorkflowExecutionCompleted { .. }
            | Event::WorkflowExecutionFailed { .. }
            | Event::WorkflowExecutionTimedOut { .. }
            | Event::WorkflowExecutionCanceled { .. }
            | Event::WorkflowExecutionTerminated { .. }
            | Event::WorkflowExecutionContinuedAsNew(_)
    )
}

/// A workflow task that waits is forgotten.
#[must_use]
pub fn workflow_tasks_are_forgotten(mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        if let Record::History(batch) = record {
            batch.events.retain(|event| !matches!(event, Event::WorkflowTaskScheduled { .. }));
        }
    }
    records
}

/// Loses the batches with an event of a kind.
fn without_event(records: Vec<Record>, is_it: impl Fn(&Event) -> bool) -> Vec<Record> {
    without(records, |record| matches!(record, Record::History(batch) if batch.events.iter().any(&is_it)))
}

/// That a child was started is forgotten: it is started again.
#[must_use]
pub fn children_are_started_twice(records: Vec<Record>) -> Vec<Record> {
    without_event(records, |event| matches!(event, Event::ChildWorkflowExecutionStarted { .. }))
}

/// That a child has ended is forgotten.
#[must_use]
pub fn parents_are_never_told(records: Vec<Record>) -> Vec<Record> {
    without_event(records, |event| matches!(event, Event::ChildWorkflowExecutionTerminated { .. }))
}
