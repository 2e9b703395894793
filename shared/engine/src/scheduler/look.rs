//! A look at a schedule: which of its times have come, and what becomes of the actions that wait. Decides, changes
//! nothing.

use std::collections::BTreeSet;

use tidegate_model::limits::{SCHEDULE_TIMES_AT_ONCE_MAX, SCHEDULE_WAITING_MAX};
use tidegate_model::time::Timestamp;

use crate::record::{BackfillProgress, ScheduleChangeKind, WaitingAction};
use crate::request::OverlapPolicy;
use crate::schedule::{SpecTime, SpecTimes};

use super::clock::CalendarTime;
use super::overlap::{End, Verdict, verdict};
use super::state::Scheduled;

/// What a look finds.
#[derive(Debug)]
pub(super) struct Look {
    /// What has to be recorded before anything is started.
    pub(super) times_came: Option<ScheduleChangeKind>,
    /// To be started, in order, and whether beside whatever runs.
    pub(super) starts: Vec<(WaitingAction, bool)>,
    /// To be left out, because the schedule may not act any more.
    pub(super) left_out: Vec<u64>,
    /// How what runs is to be ended.
    pub(super) end_running: Option<End>,
    /// There is more than one look deals with.
    pub(super) has_more: bool,
}

/// Times that have come and are not recorded yet.
#[derive(Debug)]
struct Came {
    to: Timestamp,
    backfill: Option<BackfillProgress>,
    actions: Vec<WaitingAction>,
    next_number: u64,
    missed: u64,
    has_more: bool,
}

impl Came {
    fn push(&mut self, time: SpecTime, overlap_policy: Option<OverlapPolicy>, manual: bool) {
        let SpecTime { nominal, actual } = time;
        let actual = (actual != nominal).then_some(actual);
        self.actions.push(WaitingAction {
            number: self.next_number,
            nominal,
            actual,
            overlap_policy,
            manual,
        });
        self.next_number += 1;
    }
}

impl Scheduled {
    /// Looks, and lets at most `starts_max` actions start beside others.
    pub(super) fn look(&self, calendar: CalendarTime, starts_max: usize) -> Look {
        let mut came = Came {
            to: self.dealt_with,
            backfill: None,
            actions: Vec::new(),
            next_number: self.next_number,
            missed: 0,
            has_more: false,
        };
        let beside = self
            .waiting
            .iter()
            .filter(|action| self.policy(action.overlap_policy) == OverlapPolicy::AllowAll);
        let beside_max = starts_max.saturating_sub(beside.count());
        if let Some(times) = &self.outlook.times {
            if calendar.is_set && self.can_act() {
                self.take_times(times, calendar.now, beside_max, &mut came);
            }
            let beside_max = beside_max.saturating_sub(came.actions.len());
            self.take_backfill(times, beside_max, &mut came);
        }
        let mut all: Vec<WaitingAction> = self.waiting.iter().chain(&came.actions).copied().collect();
        let mut left_out = Vec::new();
        // In the place of one that may not start any more goes the next.
        let (verdict, dropped, starts, has_more) = loop {
            let mut verdict = verdict(&all, self.is_running(), self.policy(None));
            let has_more = came.has_more || verdict.beside.len() > starts_max;
            let dropped = verdict.drop_surplus(self.next_number);
            verdict.beside.truncate(starts_max);
            let (starts, refused) = self.permitted(&verdict);
            if refused.is_empty() {
                break (verdict, dropped, starts, has_more);
            }
            all.retain(|action| !refused.contains(&action.number));
            left_out.extend(refused);
        };
        let times_came = self.times_came(came, &verdict, &dropped);
        Look { times_came, starts, left_out, end_running: verdict.end_running, has_more }
    }

    fn policy(&self, of_action: Option<OverlapPolicy>) -> OverlapPolicy {
        of_action.unwrap_or(self.schedule.policies.overlap_policy)
    }

    /// The spec's times up to the present.
    fn take_times(&self, times: &SpecTimes, now: Timestamp, beside_max: usize, came: &mut Came) {
        if self.outlook.next.is_none_or(|next| next.actual > now) {
            return;
        }
        let actions_max = match self.policy(None) {
            OverlapPolicy::AllowAll => beside_max,
            OverlapPolicy::Skip
            | OverlapPolicy::BufferOne
            | OverlapPolicy::BufferAll
            | OverlapPolicy::CancelOther
            | OverlapPolicy::TerminateOther => SCHEDULE_TIMES_AT_ONCE_MAX,
        };
        for (count, time) in times.after(&self.outlook.seed, self.dealt_with).enumerate() {
            // Short of the limit of a search the rest is for the next look.
            let Some(time) =
                time.ok().filter(|_| count < SCHEDULE_TIMES_AT_ONCE_MAX && came.actions.len() < actions_max)
            else {
                came.has_more = true;
                return;
            };
            if time.actual > now {
                return;
            }
            came.to = time.actual;
            // What was due under the schedule as it was before an update is not due under the new one.
            if self.update_time.is_some_and(|updated| updated > time.actual) {
                continue;
            }
            if now.saturating_since(time.actual) > self.catch_up_window() {
                came.missed += 1;
            } else {
                came.push(time, None, false);
            }
        }
    }

    /// The times of the first stretch that somebody wants made up for.
    fn take_backfill(&self, times: &SpecTimes, beside_max: usize, came: &mut Came) {
        let Some(backfill) = self.backfills.front() else { return };
        // Half of the places are for the times that come by themselves.
        let places = (SCHEDULE_WAITING_MAX / 2).saturating_sub(self.waiting.len() + came.actions.len());
        let actions_max = match self.policy(backfill.overlap_policy) {
            OverlapPolicy::AllowAll => {
                came.has_more |= beside_max == 0;
                beside_max.min(places)
            }
            OverlapPolicy::Skip
            | OverlapPolicy::BufferOne
            | OverlapPolicy::BufferAll
            | OverlapPolicy::CancelOther
            | OverlapPolicy::TerminateOther => places,
        };
        // Without a place it goes on when one that runs has closed.
        if actions_max == 0 {
            return;
        }
        let before = came.actions.len();
        let mut reached = backfill.start_time;
        for time in times.after(&self.outlook.seed, backfill.start_time).map_while(Result::ok) {
            if time.actual > backfill.end_time {
                break;
            }
            if came.actions.len() - before == actions_max {
                came.backfill = Some(BackfillProgress::Reached(reached));
                came.has_more = true;
                return;
            }
            reached = time.actual;
            came.push(time, backfill.overlap_policy, true);
        }
        came.backfill = Some(BackfillProgress::Done);
        came.has_more |= self.backfills.len() > 1;
    }

    /// What may be started, and what is left out because the schedule was paused or has no actions left.
    fn permitted(&self, verdict: &Verdict) -> (Vec<(WaitingAction, bool)>, Vec<u64>) {
        let state = &self.schedule.state;
        let mut left = match (state.paused, state.limited_actions) {
            (true, _) => 0,
            (false, true) => state.remaining_actions,
            (false, false) => u64::MAX,
        };
        let (mut starts, mut left_out) = (Vec::new(), Vec::new());
        let beside = verdict.beside.iter().map(|action| (*action, true));
        for (action, beside) in beside.chain(verdict.next.map(|action| (action, false))) {
            if action.manual {
                starts.push((action, beside));
            } else if left > 0 {
                left -= 1;
                starts.push((action, beside));
            } else {
                left_out.push(action.number);
            }
        }
        (starts, left_out)
    }

    fn times_came(
        &self,
        came: Came,
        verdict: &Verdict,
        dropped: &BTreeSet<u64>,
    ) -> Option<ScheduleChangeKind> {
        let skipped: BTreeSet<u64> = verdict.skipped.iter().map(|action| action.number).collect();
        let waited = self.waiting.iter().map(|action| action.number);
        let left_out = ranges(waited.filter(|number| skipped.contains(number)));
        let waiting: Vec<WaitingAction> = came
            .actions
            .into_iter()
            .filter(|action| !skipped.contains(&action.number) && !dropped.contains(&action.number))
            .collect();
        let is_news = came.to != self.dealt_with || came.next_number != self.next_number;
        if !is_news && came.backfill.is_none() && skipped.is_empty() {
            return None;
        }
        Some(ScheduleChangeKind::TimesCame {
            to: came.to,
            backfill: came.backfill,
            waiting,
            left_out,
            next_number: came.next_number,
            overlap_skipped: skipped.len() as u64,
            missed_catchup_window: came.missed,
            buffer_dropped: dropped.len() as u64,
        })
    }
}

/// Numbers in order, as stretches of numbers that follow each other.
fn ranges(numbers: impl Iterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            Some(_) | None => ranges.push((number, number)),
        }
    }
    ranges
}
