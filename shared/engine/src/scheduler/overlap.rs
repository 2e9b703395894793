//! Which of the actions that wait are taken, left out or go on waiting, given that one runs or not.

use std::collections::BTreeSet;

use tidegate_model::limits::SCHEDULE_WAITING_MAX;

use crate::record::WaitingAction;
use crate::request::OverlapPolicy;

/// What becomes of actions that wait.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// To be started beside whatever runs.
    pub(super) beside: Vec<WaitingAction>,
    /// To be started now, for nothing runs.
    pub(super) next: Option<WaitingAction>,
    /// Go on waiting.
    pub(super) waiting: Vec<WaitingAction>,
    /// Left out.
    pub(super) skipped: Vec<WaitingAction>,
    /// What runs is to be ended like this.
    pub(super) end_running: Option<End>,
}

/// How one that runs makes way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Cancel,
    Terminate,
}

/// Decides. `own` is the schedule's policy, for actions that have none of their own. Temporal's `ProcessBuffer`.
pub(super) fn verdict(actions: &[WaitingAction], is_running: bool, own: OverlapPolicy) -> Verdict {
    let mut verdict = Verdict::default();
    for action in actions {
        let policy = action.overlap_policy.unwrap_or(own);
        let is_free = !is_running && verdict.next.is_none();
        match policy {
            OverlapPolicy::AllowAll => verdict.beside.push(*action),
            // Whatever the policy, it overlaps with nothing.
            _ if is_free => verdict.next = Some(*action),
            OverlapPolicy::Skip => verdict.skipped.push(*action),
            OverlapPolicy::BufferOne if verdict.waiting.is_empty() => verdict.waiting.push(*action),
            OverlapPolicy::BufferOne => verdict.skipped.push(*action),
            OverlapPolicy::BufferAll => verdict.waiting.push(*action),
            OverlapPolicy::CancelOther => verdict.make_way(*action, is_running, End::Cancel),
            OverlapPolicy::TerminateOther => verdict.make_way(*action, is_running, End::Terminate),
        }
    }
    verdict
}

impl Verdict {
    /// Takes out what is too much to wait, the newest first, but nothing that has been waiting: what has a number
    /// below `first_new`.
    pub(super) fn drop_surplus(&mut self, first_new: u64) -> BTreeSet<u64> {
        let surplus = (self.waiting.len() + self.beside.len()).saturating_sub(SCHEDULE_WAITING_MAX);
        let new = self.waiting.iter().chain(&self.beside).map(|action| action.number);
        let mut dropped: BTreeSet<u64> = new.filter(|number| *number >= first_new).collect();
        while dropped.len() > surplus {
            dropped.pop_first();
        }
        self.waiting.retain(|action| !dropped.contains(&action.number));
        self.beside.retain(|action| !dropped.contains(&action.number));
        dropped
    }

    fn make_way(&mut self, action: WaitingAction, is_running: bool, end: End) {
        if is_running {
            // It starts when the other has closed.
            self.end_running = self.end_running.max(Some(end));
            self.waiting.push(action);
        } else if let Some(not_yet_started) = self.next.replace(action) {
            self.skipped.push(not_yet_started);
        }
    }
}
