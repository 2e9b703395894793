//! Local activities in virtual time: the workflow tasks that are held open for them, and what is due of them when.

use std::collections::BTreeMap;

use tidegate_engine::{ActivityTask, Reply, WorkflowTask};
use tidegate_model::payload::{Failure, Payloads};
use tidegate_model::time::Timestamp;

use super::{Attempt, World};
use crate::worker::executor::Answer;
use crate::worker::local_state::LocalTask;
use crate::worker::local_work::{Next, Work};

/// A workflow task that waits for local activities.
pub(super) struct Held {
    task: WorkflowTask,
    /// When it is to be answered nevertheless.
    beat_at: Timestamp,
    at_work: BTreeMap<String, AtWork>,
}

/// A local activity under way.
pub(super) struct AtWork {
    local: LocalTask,
    attempt: u32,
    stage: Stage,
}

/// Where it stands.
enum Stage {
    /// An attempt begins then.
    Begins(Timestamp),
    /// The script is at it.
    Scripted,
    /// The script has fallen silent: the attempt is over then.
    Silent(Timestamp),
}

impl AtWork {
    fn due(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Begins(at) | Stage::Silent(at) => Some(at),
            Stage::Scripted => None,
        }
    }
}

impl World {
    /// Holds a task open. What was under way before goes on; what is not wanted any more is dropped.
    pub(super) fn hold(&mut self, task: &WorkflowTask, work: Work, mut former: BTreeMap<String, AtWork>) {
        self.hold_until(task, self.now + work.heartbeat, work.tasks, &mut former);
    }

    fn hold_until(
        &mut self,
        task: &WorkflowTask,
        beat_at: Timestamp,
        tasks: Vec<LocalTask>,
        former: &mut BTreeMap<String, AtWork>,
    ) {
        let now = self.now;
        let at_work = tasks.into_iter().map(|local| {
            let id = local.id.clone();
            let begins = AtWork { attempt: local.attempt, local, stage: Stage::Begins(now) };
            let at_work = former.remove(&id).unwrap_or(begins);
            (id, at_work)
        });
        let at_work = at_work.collect();
        self.held.push(Held { task: task.clone(), beat_at, at_work });
    }

    /// Does the next thing that is due of local activities; `false` when there is none.
    pub(super) fn work_locally(&mut self) -> bool {
        if self.beat() {
            return true;
        }
        let now = self.now;
        let due = self.held.iter().enumerate().find_map(|(at, held)| {
            let of = held.at_work.iter().find(|(_, work)| work.due().is_some_and(|due| due <= now));
            of.map(|(id, _)| (at, id.clone()))
        });
        let Some((at, id)) = due else { return false };
        let held = &mut self.held[at];
        let (task, work) = (held.task.clone(), held.at_work.get_mut(&id).expect("it was found there"));
        let local = work.local.clone();
        match std::mem::replace(&mut work.stage, Stage::Scripted) {
            Stage::Silent(_) => self.end_attempt(&task, &local, None),
            Stage::Begins(_) | Stage::Scripted => {
                let activity = local.activity_task(&task, work.attempt, now);
                self.begin_attempt(&task, &local, &activity);
            }
        }
        true
    }

    /// When something is due of local activities.
    pub(super) fn next_local(&self) -> Option<Timestamp> {
        let works = self.held.iter().flat_map(|held| held.at_work.values()).filter_map(AtWork::due);
        works.chain(self.next_beat()).min()
    }

    /// When a task is to be answered for its time-out.
    pub(super) fn next_beat(&self) -> Option<Timestamp> {
        self.held.iter().map(|held| held.beat_at).min()
    }

    /// Answers a task that would time out, and takes the one that follows it.
    pub(super) fn beat(&mut self) -> bool {
        let Some(at) = self.held.iter().position(|held| held.beat_at <= self.now) else { return false };
        let Held { task, at_work, .. } = self.held.remove(at);
        let answer = self.executor.go_on(&task, None);
        if let Some(Reply::WorkflowTaskCompleted { next: Some(next), .. }) = self.tell(&task, answer, true) {
            self.answer_holding(&next, at_work);
        }
        true
    }

    fn begin_attempt(&mut self, task: &WorkflowTask, local: &LocalTask, activity: &ActivityTask) {
        let began = self.now;
        let left = local.time_left(began);
        let outcome = match self.activities.remove_entry(local.activity_type.as_str()) {
            None => Some(Err(Failure::application("no script for it", "UnknownActivity", true))),
            Some((activity_type, mut script)) => {
                let outcome = script(&mut Attempt::of(self, activity));
                self.activities.entry(activity_type).or_insert(script);
                outcome
            }
        };
        if outcome.is_some() || self.now.saturating_since(began) >= left {
            let outcome = outcome.filter(|_| self.now.saturating_since(began) < left);
            return self.end_attempt(task, local, outcome);
        }
        // The task may have been answered meanwhile, and the activity given up with it.
        if let Some(work) = self.held_work(task, local) {
            work.stage = Stage::Silent(began + left);
        }
    }

    fn held_work(&mut self, task: &WorkflowTask, local: &LocalTask) -> Option<&mut AtWork> {
        let held = self.held.iter_mut().find(|held| held.task.token.run_id == task.token.run_id)?;
        held.at_work.get_mut(&local.id)
    }

    /// An attempt has come to its end; without an outcome its time is over.
    fn end_attempt(
        &mut self,
        task: &WorkflowTask,
        local: &LocalTask,
        outcome: Option<Result<Payloads, Failure>>,
    ) {
        let now = self.now;
        let Some(work) = self.held_work(task, local) else { return };
        let ended = match local.judge(work.attempt, outcome, now) {
            Next::Again(wait) => {
                work.attempt += 1;
                work.stage = Stage::Begins(now + wait);
                return;
            }
            Next::Ended(ended) => ended,
        };
        let at = self.held.iter().position(|held| held.task.token.run_id == task.token.run_id);
        let Held { task, beat_at, mut at_work } = self.held.remove(at.expect("it was found there"));
        at_work.remove(&local.id);
        match self.executor.go_on(&task, Some(*ended)) {
            Answer::Working(work) => self.hold_until(&task, beat_at, work.tasks, &mut at_work),
            answer @ (Answer::Turn(..) | Answer::Query(_) | Answer::Fault(_) | Answer::NeedsHistory) => {
                drop(self.tell(&task, answer, false));
            }
        }
    }
}
