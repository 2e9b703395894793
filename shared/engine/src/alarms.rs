//! When those who wait have waited long enough. Gone with the process, as they are: what must happen after a restart too
//! is a deadline (`deadlines`).

use std::collections::BTreeSet;

use tidegate_model::id::RunId;
use tidegate_model::time::Timestamp;

use crate::request::Ticket;

/// Who has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    /// A wait for history.
    HistoryWait(Ticket),
    /// A query, by its id.
    Query(u64),
    /// A query that the worker with the run in its cache should have answered, by its id.
    StickyQuery(u64),
    /// A wait for a stage of an update.
    UpdateWait(Ticket),
    /// The speculative workflow task of a run.
    SpeculativeTask(RunId),
}

impl Alarm {
    const fn why(self) -> &'static str {
        match self {
            Self::HistoryWait(_) => "a wait for history is over",
            Self::Query(_) => "a query has waited long enough",
            Self::StickyQuery(_) => "a sticky query goes to the normal queue",
            Self::UpdateWait(_) => "a wait for an update is over",
            Self::SpeculativeTask(_) => "a speculative workflow task has waited or been out for too long",
        }
    }
}

/// All of them, ordered by when.
#[derive(Debug, Default)]
pub(crate) struct Alarms(BTreeSet<(Timestamp, Alarm)>);

impl Alarms {
    pub(crate) fn put(&mut self, at: Timestamp, alarm: Alarm) {
        let fresh = self.0.insert((at, alarm));
        debug_assert!(fresh, "an alarm is put once");
    }

    pub(crate) fn take(&mut self, at: Timestamp, alarm: Alarm) {
        let found = self.0.remove(&(at, alarm));
        debug_assert!(found, "an alarm that is taken was put");
    }

    /// The next one, and why.
    pub(crate) fn next(&self) -> Option<(Timestamp, &'static str)> {
        self.0.first().map(|(at, alarm)| (*at, alarm.why()))
    }

    /// The first one whose time has come. Whoever answers it takes it.
    pub(crate) fn next_due(&self, now: Timestamp) -> Option<Alarm> {
        self.0.first().filter(|(at, _)| *at <= now).map(|(_, alarm)| *alarm)
    }
}
