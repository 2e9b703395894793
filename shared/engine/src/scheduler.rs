//! Schedules at work: what is due, what it starts, and what a client can do to a schedule.
//!
//! A schedule is state of its own beside the runs. Its times are the calendar's (`clock`); when one has come, its action
//! waits until the overlap policy lets it go (`overlap`), and then a run is started as any client would start it. That
//! what it started has closed it hears from the runs' own records, so nothing is watched and nothing can be missed.
//!
//! After a long time without power many times have come at once. They are dealt with in portions, a second apart: an
//! outage of a month is never one commit.

mod state;
mod clock;
mod overlap;
mod look;
mod act;
mod verbs;
mod shown;

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::event::Event;
use tidegate_model::id::{Namespace, RunId, ScheduleId};
use tidegate_model::time::{Stamp, Timestamp};

use crate::record::{NamespaceRecord, ScheduleChange, ScheduleChangeKind};
use crate::request::{NamespaceState, RunStatus};

use clock::{CalendarTime, ClockView};
use state::Attention;
pub(crate) use state::{ChainEnd, Scheduled};

/// Which schedule.
pub(crate) type Key = (Namespace, ScheduleId);

/// All schedules, and what follows from them.
#[derive(Debug, Default)]
pub(crate) struct Schedules {
    by_key: BTreeMap<Key, Scheduled>,
    /// Those that need to be looked at whatever the calendar shows: engine time.
    attention: BTreeSet<(Timestamp, Key)>,
    /// Those for which the calendar brings something: calendar time.
    due: BTreeSet<(Timestamp, Key)>,
    /// Which schedule wants to hear of a chain of runs.
    watched: BTreeMap<RunId, Key>,
    /// Volatile, as is what follows.
    clock: ClockView,
    /// The calendar may show less than it did: schedules that are ahead of it by much are set back.
    may_be_ahead: bool,
}

impl Schedules {
    /// Takes a record into the state.
    pub(crate) fn apply(&mut self, change: &ScheduleChange) {
        let key = (change.namespace.clone(), change.schedule_id.clone());
        match &change.change {
            ScheduleChangeKind::Created { .. } => {
                if let Some(scheduled) = Scheduled::create(change) {
                    self.insert(key, scheduled);
                }
            }
            ScheduleChangeKind::Deleted => drop(self.remove(&key)),
            ScheduleChangeKind::Updated { .. }
            | ScheduleChangeKind::Patched { .. }
            | ScheduleChangeKind::RunsClosed
            | ScheduleChangeKind::TimesCame { .. }
            | ScheduleChangeKind::Acted { .. } => {
                let mut scheduled = self.remove(&key).expect("a change is of a schedule that there is");
                scheduled.apply(change);
                self.insert(key, scheduled);
            }
        }
    }

    /// A run began in the chain that `first` began: one that had closed may go on after all.
    pub(crate) fn hear_of_start(&mut self, first: RunId) {
        self.hear_of(first, None);
    }

    /// A run of the chain that `first` began closed with this event.
    pub(crate) fn hear_of_close(&mut self, first: RunId, event: Option<&Event>) {
        if let Some(end) = event.and_then(chain_end) {
            self.hear_of(first, Some(&end));
        }
    }

    fn hear_of(&mut self, first: RunId, end: Option<&ChainEnd>) {
        let Some(key) = self.watched.get(&first).cloned() else { return };
        let Some(mut scheduled) = self.remove(&key) else { return };
        scheduled.hear_of(first, end);
        self.insert(key, scheduled);
    }

    /// The schedules of a namespace go with it.
    pub(crate) fn hear_of_namespace(&mut self, record: &NamespaceRecord) {
        let NamespaceRecord::Saved(info) = record else { return };
        if info.state == NamespaceState::Deleted {
            let gone: Vec<Key> = self.by_key.keys().filter(|(of, _)| *of == info.name).cloned().collect();
            for key in gone {
                self.remove(&key);
            }
        }
    }

    /// What a snapshot has of it.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Scheduled> {
        self.by_key.values()
    }

    /// A schedule as a snapshot had it.
    pub(crate) fn restore(&mut self, scheduled: Scheduled) {
        let scheduled = scheduled.restored();
        self.insert((scheduled.namespace.clone(), scheduled.schedule_id.clone()), scheduled);
    }

    /// Notes how the calendar stands to the engine's time.
    pub(crate) fn look_at_clock(&mut self, now: Timestamp, stamp: &Stamp) {
        self.may_be_ahead |= self.clock.look(now, stamp);
    }

    /// When there is something to do next, by the engine's time.
    pub(crate) fn next_deadline(&self) -> Option<(Timestamp, &'static str)> {
        let attention = self.attention.first().map(|(at, _)| *at);
        let due = self.due.first().map(|(at, _)| self.clock.engine_time(*at));
        attention.into_iter().chain(due).min().map(|at| (at, "a schedule acts"))
    }

    fn len(&self) -> usize {
        self.by_key.len()
    }

    fn next_due(&self, now: Timestamp, calendar: CalendarTime) -> Option<Key> {
        let attention = self.attention.first().filter(|(at, _)| *at <= now);
        let due = self.due.first().filter(|(at, _)| calendar.is_set && *at <= calendar.now);
        attention.or(due).map(|(_, key)| key.clone())
    }

    fn get(&self, key: &Key) -> Option<&Scheduled> {
        self.by_key.get(key)
    }

    fn insert(&mut self, key: Key, scheduled: Scheduled) {
        for run_id in scheduled.watched() {
            self.watched.insert(run_id, key.clone());
        }
        let (attention, due) = entries(&scheduled);
        self.attention.extend(attention.map(|at| (at, key.clone())));
        self.due.extend(due.map(|at| (at, key.clone())));
        self.by_key.insert(key, scheduled);
    }

    fn remove(&mut self, key: &Key) -> Option<Scheduled> {
        let scheduled = self.by_key.remove(key)?;
        for run_id in scheduled.watched() {
            self.watched.remove(&run_id);
        }
        let (attention, due) = entries(&scheduled);
        if let Some(at) = attention {
            self.attention.remove(&(at, key.clone()));
        }
        if let Some(at) = due {
            self.due.remove(&(at, key.clone()));
        }
        Some(scheduled)
    }
}

fn entries(scheduled: &Scheduled) -> (Option<Timestamp>, Option<Timestamp>) {
    let attention = scheduled.attention.map(|attention| match attention {
        Attention::Now => Timestamp::EPOCH,
        Attention::At(at) => at,
    });
    (attention, scheduled.calendar_due())
}

/// How a chain of runs ends with this event; `None` when another run follows, or nothing has closed.
fn chain_end(event: &Event) -> Option<ChainEnd> {
    let end = |status| ChainEnd { status, result: Vec::new(), failure: None };
    if let Event::WorkflowExecutionCompleted { result, new_execution_run_id: None, .. } = event {
        Some(ChainEnd { result: result.clone(), ..end(RunStatus::Completed) })
    } else if let Event::WorkflowExecutionFailed { failure, new_execution_run_id: None, .. } = event {
        Some(ChainEnd { failure: Some(failure.clone()), ..end(RunStatus::Failed) })
    } else if let Event::WorkflowExecutionTimedOut { new_execution_run_id: None, .. } = event {
        Some(end(RunStatus::TimedOut))
    } else if let Event::WorkflowExecutionCanceled { .. } = event {
        Some(end(RunStatus::Canceled))
    } else if let Event::WorkflowExecutionTerminated { .. } = event {
        Some(end(RunStatus::Terminated))
    } else {
        None
    }
}
