//! What runs have to do to other runs: the engine's outbox.
//!
//! Like all of the index it follows from the runs. An errand stands here from the record that makes it necessary to
//! the record that says it is done, so a crash in between loses none and repeats none. The step that brings errands
//! works them off itself; what is too much for one step is due at once.

use std::collections::BTreeSet;

use tidegate_model::codec;
use tidegate_model::id::{EventId, RunId};
use tidegate_model::limits::{ERRANDS_PER_STEP_MAX, GROUP_COMMIT_BYTES_MAX};
use tidegate_model::time::Timestamp;

use crate::engine::{Engine, Step};

/// Something a run has to do to another. The order is the one they are done in: by the age of the run, then as its
/// workflow asked for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Errand {
    /// Whose it is.
    pub(crate) run_id: RunId,
    /// The event that asked for it; 0 for what needs none.
    pub(crate) event_id: EventId,
    pub(crate) what: What,
}

/// See [`Errand`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// An open run starts a child.
    StartChild,
    /// An open run signals another.
    Signal,
    /// An open run asks another to cancel.
    Cancel,
    /// A closed run tells its parent how it ended.
    TellParent,
    /// A closed run does to a child what its parent close policy says.
    LeaveChild,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Outbox(BTreeSet<Errand>);

impl Outbox {
    pub(crate) fn put(&mut self, errand: Errand) {
        let fresh = self.0.insert(errand);
        debug_assert!(fresh, "an errand is put once");
    }

    pub(crate) fn take(&mut self, errand: Errand) {
        let found = self.0.remove(&errand);
        debug_assert!(found, "an errand that is taken was put");
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Due at once, whatever time it is.
    pub(crate) fn next_deadline(&self) -> Option<(Timestamp, &'static str)> {
        (!self.is_empty()).then_some((Timestamp::EPOCH, "a run has something to do to another"))
    }
}

impl Engine {
    /// Does what is in the outbox, up to what a step takes; and ends the runs that grow too long by that, or were
    /// before. Errands bring errands: a tree of runs is taken down here, without recursion.
    pub(crate) fn work_off_outbox(&mut self, step: &mut Step<'_>, before: usize) {
        let mut grown_since = before;
        let mut bytes = 0;
        for done in 0.. {
            self.end_grown_runs(step, grown_since);
            grown_since = step.records.len();
            let Some(errand) = self.index.outbox.0.first().copied() else { return };
            if done == ERRANDS_PER_STEP_MAX || bytes >= GROUP_COMMIT_BYTES_MAX {
                return;
            }
            self.run_errand(step, errand);
            debug_assert!(
                !self.index.outbox.0.contains(&errand),
                "an errand ends with a record that says so"
            );
            bytes +=
                step.records[grown_since..].iter().map(|record| codec::to_cbor(record).len()).sum::<usize>();
        }
    }

    fn run_errand(&mut self, step: &mut Step<'_>, Errand { run_id, event_id, what }: Errand) {
        match what {
            What::StartChild => self.start_child(step, run_id, event_id),
            What::Signal => self.signal_other(step, run_id, event_id),
            What::Cancel => self.cancel_other(step, run_id, event_id),
            What::TellParent => self.tell_parent(step, run_id),
            What::LeaveChild => self.leave_child(step, run_id, event_id),
        }
    }
}
