//! How a worker is: what it has answered, and which runs wait for better code.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_model::id::{RunId, WorkflowId};
use tidegate_model::limits::{BLOCKED_RUNS_MAX, WORKFLOW_TASK_RETRY_SECONDS_MAX};
use tokio::time::Instant;

use super::fault::Fault;

/// A blocked run's task comes again within the longest pause between attempts. Of one that did not come in twice that
/// time somebody else has taken care: it was terminated, or another worker has it.
const FORGOTTEN: Duration = Duration::from_secs(2 * WORKFLOW_TASK_RETRY_SECONDS_MAX);

/// A run that waits for better code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The execution.
    pub workflow_id: WorkflowId,
    /// Which workflow function.
    pub workflow_type: String,
    /// What kind of fault: `NonDeterminism`, `Panic`, `PotentialDeadlock`, `UnusableCode`, `RefusedCommand`, `BadHistory`.
    pub kind: &'static str,
    /// The fault, in words.
    pub message: String,
    /// Which attempt of the workflow task met it, from 1.
    pub attempt: u32,
}

/// What a worker has done since it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Workflow tasks answered with what the code says.
    pub turns: u64,
    /// Turns that were repeated from the beginning of their history, and compared.
    pub shadow_replays: u64,
    /// Workflow tasks answered with a fault, by its kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Runs that wait for better code.
    pub blocked_runs: u64,
    /// Threads whose workflow code does not come back.
    pub stuck_threads: u64,
}

/// A worker's health, for whoever asks while it works.
#[derive(Debug, Default)]
pub struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    blocked: BTreeMap<RunId, (Instant, Blocked)>,
}

impl Health {
    /// What keeps a run; `None` for one that goes on, or that this worker has not seen.
    #[must_use]
    pub fn blocked(&self, run_id: RunId) -> Option<Blocked> {
        self.state().blocked.get(&run_id).map(|(_, blocked)| blocked.clone())
    }

    /// What was done so far, and how it stands.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut state = self.state();
        let now = now();
        state.blocked.retain(|_, (seen, _)| now.saturating_duration_since(*seen) < FORGOTTEN);
        Counts { blocked_runs: state.blocked.len() as u64, ..state.counts.clone() }
    }

    pub(super) fn note_turn(&self, run_id: RunId) {
        let mut state = self.state();
        state.counts.turns += 1;
        state.blocked.remove(&run_id);
    }

    pub(super) fn note_shadow_replay(&self) {
        self.state().counts.shadow_replays += 1;
    }

    pub(super) fn note_fault(
        &self,
        run_id: RunId,
        workflow_id: &WorkflowId,
        workflow_type: &str,
        attempt: u32,
        fault: &Fault,
    ) {
        let blocked = Blocked {
            workflow_id: workflow_id.clone(),
            workflow_type: workflow_type.to_owned(),
            kind: fault.kind(),
            message: fault.to_string(),
            attempt,
        };
        let mut state = self.state();
        *state.counts.faults.entry(blocked.kind).or_default() += 1;
        state.blocked.insert(run_id, (now(), blocked));
        if state.blocked.len() > BLOCKED_RUNS_MAX {
            let oldest = state.blocked.iter().min_by_key(|(_, (seen, _))| *seen).map(|(run_id, _)| *run_id);
            oldest.and_then(|run_id| state.blocked.remove(&run_id));
        }
    }

    pub(super) fn note_stuck_threads(&self, threads: usize) {
        self.state().counts.stuck_threads = threads as u64;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long ago a fault was seen: shown to people, decides nothing"
    )]
    Instant::now()
}
