//! What happens by itself, ordered by when. Nothing here sleeps.

use std::collections::BTreeSet;

use tidegate_model::id::{EventId, RunId};
use tidegate_model::time::Timestamp;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// The timer of this started event fires.
    Timer(EventId),
    /// The activity of this scheduled event, an attempt at it or its wait for a worker has taken too long.
    Activity(EventId),
    /// An attempt at the activity of this scheduled event has been silent for too long.
    Silence(EventId),
    /// The worker has had the workflow task for too long.
    WorkflowTask,
    /// No worker fetched the workflow task from its sticky queue.
    StickyTask,
    /// The back-off before the first workflow task is over.
    FirstTask,
    /// The run, or its chain, has taken too long.
    Expiry,
}

impl Due {
    const fn why(self) -> &'static str {
        match self {
            Self::Timer(_) => "a timer fires",
            Self::Activity(_) => "an attempt of an activity times out",
            Self::Silence(_) => "an activity must be heard of",
            Self::WorkflowTask => "a workflow task times out",
            Self::StickyTask => "a sticky workflow task goes to the normal queue",
            Self::FirstTask => "a run's first workflow task is due",
            Self::Expiry => "a run times out",
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(BTreeSet<(Timestamp, RunId, Due)>);

impl Deadlines {
    pub(crate) fn put(&mut self, at: Timestamp, run_id: RunId, due: Due) {
        let fresh = self.0.insert((at, run_id, due));
        debug_assert!(fresh, "a deadline is put once");
    }

    pub(crate) fn take(&mut self, at: Timestamp, run_id: RunId, due: Due) {
        let found = self.0.remove(&(at, run_id, due));
        debug_assert!(found, "a deadline that is taken was put");
    }

    /// The next one, and why.
    pub(crate) fn next(&self) -> Option<(Timestamp, &'static str)> {
        self.0.first().map(|(at, _, due)| (*at, due.why()))
    }

    /// The run whose deadline came first, when it has come.
    pub(crate) fn next_due_run(&self, now: Timestamp) -> Option<RunId> {
        self.0.first().filter(|(at, _, _)| *at <= now).map(|(_, run_id, _)| *run_id)
    }
}
