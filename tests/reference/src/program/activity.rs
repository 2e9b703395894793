//! Activities: polled, answered by token and by name, reported on, and changed from outside.

use std::time::Duration;

use tidegate_engine::{
    ActivityOptionsChange, ActivityRef, ActivityTarget, PauseActivity, Request, ResetActivity,
    UnpauseActivity, UpdateActivityOptions, WhichActivities,
};
use tidegate_model::chance::Chance;

use super::words::{
    any_namespace, below, execution, failure, flip, huge, maybe_pick, name, namespace, pick, run_of, said,
    seldom, small, task_queue, token, workflow,
};
use super::{Pick, Token};
use crate::seen::Seen;

/// See the module.
#[derive(Debug, Clone)]
pub enum Asked {
    Poll { namespace: u8, queue: u8, worker: u8 },
    Complete { task: Task, is_huge: bool },
    Fail { task: Task, is_final: bool, reports: Option<u8> },
    Cancel { task: Task },
    Heartbeat { task: Task, said: u8 },
    Pause { target: Target, request: u8 },
    Unpause { target: Target, attempts: bool, heartbeat: bool },
    Reset { target: Target, heartbeat: bool, keep_paused: bool, options: bool },
    Change { target: Target, change: Change },
}

/// Which activity an answer is about.
#[derive(Debug, Clone, Copy)]
pub enum Task {
    ByToken(Token),
    ByName { workflow: u8, run: Option<Pick>, id: u8 },
}

/// Which activities are changed: of a workflow by its name, or of one that has scheduled some.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    workflow: u8,
    run: Option<Pick>,
    scheduled: Option<Pick>,
    which: Which,
}

#[derive(Debug, Clone, Copy)]
enum Which {
    Id(u8),
    Type(u8),
    All,
}

/// How an activity is to be tried from now on.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    Back,
    Queue(u8),
    TimeOuts {
        start_to_close: u64,
        heartbeat: u64,
    },
    Attempts(u32),
    Interval(u64),
    /// What cannot be: a time shorter at each attempt.
    Hasty,
    /// Back to the original, and something else.
    Both,
}

pub(super) fn random(chance: &mut Chance) -> Asked {
    match chance.below(18) {
        0..=4 => poll(chance),
        5..=10 => {
            let task = task(chance);
            answer(chance, task)
        }
        11 | 12 => Asked::Pause { target: target(chance), request: small(chance, 3) },
        13 | 14 => Asked::Unpause { target: target(chance), attempts: flip(chance), heartbeat: flip(chance) },
        15 => Asked::Reset {
            target: target(chance),
            heartbeat: flip(chance),
            keep_paused: flip(chance),
            options: flip(chance),
        },
        16.. => Asked::Change { target: target(chance), change: change(chance) },
    }
}

/// A worker polls, and answers what it is given.
pub(super) fn turn(chance: &mut Chance) -> [Asked; 2] {
    [poll(chance), answer(chance, Task::ByToken(Token::Fresh(Pick(0))))]
}

/// Somebody lets activities wait, and go on.
pub(super) fn interruption(chance: &mut Chance) -> [Asked; 2] {
    let target = Target { which: Which::All, scheduled: Some(pick(chance)), ..target(chance) };
    [
        Asked::Pause { target, request: small(chance, 3) },
        Asked::Unpause { target, attempts: flip(chance), heartbeat: flip(chance) },
    ]
}

fn poll(chance: &mut Chance) -> Asked {
    Asked::Poll {
        namespace: any_namespace(chance),
        queue: [0, 0, 0, 3][below(chance, 4)],
        worker: small(chance, 2),
    }
}

fn answer(chance: &mut Chance, task: Task) -> Asked {
    match chance.below(12) {
        0..=2 => Asked::Complete { task, is_huge: seldom(chance, 8) },
        3..=5 => Asked::Fail {
            task,
            is_final: seldom(chance, 3),
            reports: [None, Some(4), Some(5)][below(chance, 3)],
        },
        6 | 7 => Asked::Cancel { task },
        8.. => Asked::Heartbeat { task, said: small(chance, 6) },
    }
}

fn task(chance: &mut Chance) -> Task {
    if seldom(chance, 4) {
        Task::ByName { workflow: workflow(chance), run: maybe_pick(chance), id: small(chance, 4) }
    } else {
        Task::ByToken(token(chance))
    }
}

fn target(chance: &mut Chance) -> Target {
    let which = match chance.below(3) {
        0 => Which::Id(small(chance, 4)),
        1 => Which::Type(small(chance, 2)),
        _ => Which::All,
    };
    let scheduled = (!seldom(chance, 4)).then(|| pick(chance));
    Target { workflow: workflow(chance), run: maybe_pick(chance), scheduled, which }
}

fn change(chance: &mut Chance) -> Change {
    match chance.below(8) {
        0 | 1 => Change::Back,
        2 => Change::Queue(3),
        3 => Change::TimeOuts {
            start_to_close: [0, 3, 8][below(chance, 3)],
            heartbeat: [0, 2][below(chance, 2)],
        },
        4 => Change::Attempts([0, 1, 3][below(chance, 3)]),
        5 => Change::Interval([0, 4][below(chance, 2)]),
        6 => Change::Hasty,
        _ => Change::Both,
    }
}

impl Task {
    fn of(self, seen: &Seen) -> Option<ActivityRef> {
        match self {
            Self::ByToken(token) => token.of(&seen.activities).cloned().map(ActivityRef::Token),
            Self::ByName { workflow, run, id } => {
                let (namespace, workflow_id) = execution(workflow);
                let run_id = run_of(seen, workflow, run);
                Some(ActivityRef::Id { namespace, workflow_id, run_id, activity_id: name('a', id) })
            }
        }
    }
}

impl Target {
    fn of(self, seen: &Seen) -> ActivityTarget {
        let scheduled = self.scheduled.and_then(|pick| pick.of(&seen.activities_scheduled)).cloned();
        let is_by_name = scheduled.is_none();
        let (namespace, workflow_id) = scheduled.unwrap_or_else(|| execution(self.workflow));
        ActivityTarget {
            namespace,
            workflow_id,
            run_id: run_of(seen, self.workflow, self.run).filter(|_| is_by_name),
            which: match self.which {
                Which::Id(id) => WhichActivities::Id(name('a', id)),
                Which::Type(kind) => WhichActivities::Type(name('k', kind)),
                Which::All => WhichActivities::All,
            },
        }
    }
}

impl Change {
    fn of(self) -> ActivityOptionsChange {
        let nothing = ActivityOptionsChange::default();
        match self {
            Self::Back => nothing,
            Self::Queue(queue) => ActivityOptionsChange { task_queue: Some(task_queue(queue)), ..nothing },
            Self::TimeOuts { start_to_close, heartbeat } => ActivityOptionsChange {
                start_to_close_timeout: Some(Duration::from_secs(start_to_close)),
                heartbeat_timeout: Some(Duration::from_secs(heartbeat)),
                ..nothing
            },
            Self::Attempts(attempts) => ActivityOptionsChange { maximum_attempts: Some(attempts), ..nothing },
            Self::Interval(seconds) => ActivityOptionsChange {
                initial_interval: Some(Duration::from_secs(seconds)),
                maximum_interval: Some(Duration::from_secs(seconds * 3)),
                ..nothing
            },
            Self::Hasty | Self::Both => ActivityOptionsChange { backoff_coefficient: Some(0.25), ..nothing },
        }
    }
}

impl Asked {
    pub(super) fn request(&self, seen: &Seen) -> Option<Request> {
        let identity = String::from("w0");
        Some(match self {
            Self::Poll { namespace: there, queue, worker } => Request::PollActivityTaskQueue {
                namespace: namespace(*there),
                task_queue: task_queue(*queue),
                identity: name('w', *worker),
                worker_instance_key: name('i', *worker),
            },
            Self::Complete { task, is_huge } => Request::RespondActivityTaskCompleted {
                task: task.of(seen)?,
                result: if *is_huge { huge() } else { said("result") },
                identity,
            },
            Self::Fail { task, is_final, reports } => Request::RespondActivityTaskFailed {
                task: task.of(seen)?,
                failure: failure(*is_final),
                last_heartbeat_details: reports.map(|n| said(&format!("beat {n}"))),
                identity,
            },
            Self::Cancel { task } => Request::RespondActivityTaskCanceled {
                task: task.of(seen)?,
                details: said("given up"),
                identity,
            },
            Self::Heartbeat { task, said: n } => Request::RecordActivityTaskHeartbeat {
                task: task.of(seen)?,
                details: if *n == 0 { huge() } else { said(&format!("beat {n}")) },
                identity,
            },
            Self::Pause { target, request } => Request::PauseActivity(PauseActivity {
                target: target.of(seen),
                reason: String::from("wait"),
                identity: String::from("caller"),
                request_id: name('r', *request),
            }),
            Self::Unpause { target, attempts, heartbeat } => Request::UnpauseActivity(UnpauseActivity {
                target: target.of(seen),
                reset_attempts: *attempts,
                reset_heartbeat: *heartbeat,
                jitter: Duration::ZERO,
            }),
            Self::Reset { target, heartbeat, keep_paused, options } => {
                Request::ResetActivity(ResetActivity {
                    target: target.of(seen),
                    reset_heartbeat: *heartbeat,
                    keep_paused: *keep_paused,
                    restore_original_options: *options,
                    jitter: Duration::ZERO,
                })
            }
            Self::Change { target, change } => {
                Request::UpdateActivityOptions(Box::new(UpdateActivityOptions {
                    target: target.of(seen),
                    change: change.of(),
                    restore_original: matches!(change, Change::Back | Change::Both),
                }))
            }
        })
    }
}
