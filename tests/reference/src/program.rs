//! Programs: what can be asked, in words so small that they meet each other often.
//!
//! Each program speaks mostly of a few subjects, so that it goes deep into these; over many programs every subject meets
//! every other.

mod words;
mod start;
mod command;
mod workflow;
mod activity;
mod talk;
mod look;
mod namespace;
mod schedule;
pub mod planted;

use tidegate_engine::Request;
use tidegate_model::chance::Chance;

use crate::host::Crash;
use crate::seen::Seen;
use words::{below, pick};

/// One thing that happens.
#[derive(Debug, Clone)]
pub enum Op {
    /// Something is asked.
    Ask(Asked),
    /// Something is asked, and the process dies between the decision and the commit.
    Lost(Asked),
    /// Somebody who waits has gone.
    Abandon {
        /// Who.
        waiting: Pick,
    },
    /// Time passes.
    Wait {
        /// So much.
        seconds: u64,
    },
    /// Time passes without power.
    PowerOff {
        /// So much.
        seconds: u64,
    },
    /// The process dies, and another begins.
    Crash(Crash),
}

/// One of those there are by then: counted from the last.
#[derive(Debug, Clone, Copy)]
pub struct Pick(u8);

impl Pick {
    pub(crate) fn of<T>(self, all: &[T]) -> Option<&T> {
        let at = all.len().checked_sub(1 + usize::from(self.0) % all.len().max(1))?;
        all.get(at)
    }
}

/// A task that was handed out.
#[derive(Debug, Clone, Copy)]
pub enum Token {
    /// One that nobody has answered.
    Fresh(Pick),
    /// Any.
    Any(Pick),
}

impl Token {
    /// One of all, of which these have not been answered.
    fn of<T>(self, out: &crate::seen::HandedOut<T>) -> Option<&T> {
        match self {
            Self::Fresh(pick) => pick.of(&out.unanswered).and_then(|at| out.all.get(*at)),
            Self::Any(pick) => pick.of(&out.all),
        }
    }
}

/// Something that is asked of the engine, by subject.
#[derive(Debug, Clone)]
pub enum Asked {
    /// Workflows and their tasks.
    Workflow(workflow::Asked),
    /// Activities.
    Activity(activity::Asked),
    /// Queries and updates.
    Talk(talk::Asked),
    /// What is to be seen of runs and queues.
    Look(look::Asked),
    /// Namespaces.
    Namespace(namespace::Asked),
    /// Schedules.
    Schedule(schedule::Asked),
}

impl Asked {
    /// The request it is by now; `None` where there is nothing it could be about.
    pub(crate) fn request(&self, seen: &Seen) -> Option<Request> {
        match self {
            Self::Workflow(asked) => asked.request(seen),
            Self::Activity(asked) => asked.request(seen),
            Self::Talk(asked) => asked.request(seen),
            Self::Look(asked) => asked.request(seen),
            Self::Namespace(asked) => asked.request(seen),
            Self::Schedule(asked) => asked.request(seen),
        }
    }
}

/// How much a program speaks of each subject.
struct Interests {
    activity: u64,
    talk: u64,
    look: u64,
    namespace: u64,
    schedule: u64,
}

const WORKFLOWS: u64 = 10;

impl Interests {
    fn random(chance: &mut Chance) -> Self {
        let much = |chance: &mut Chance, most| [0, most / 4, most][below(chance, 3)];
        Self {
            activity: much(chance, 8),
            talk: much(chance, 12),
            look: much(chance, 4),
            namespace: much(chance, 4),
            schedule: much(chance, 8),
        }
    }

    fn asked(&self, chance: &mut Chance) -> Asked {
        let Self { activity, talk, look, namespace, schedule } = self;
        let mut at = chance.below(WORKFLOWS + activity + talk + look + namespace + schedule);
        for (much, subject) in [(activity, 0), (talk, 1), (look, 2), (namespace, 3), (schedule, 4)] {
            if at < *much {
                return match subject {
                    0 => Asked::Activity(activity::random(chance)),
                    1 => Asked::Talk(talk::random(chance)),
                    2 => Asked::Look(look::random(chance)),
                    3 => Asked::Namespace(namespace::random(chance)),
                    _ => Asked::Schedule(schedule::random(chance)),
                };
            }
            at -= much;
        }
        Asked::Workflow(workflow::random(chance, *talk > 0))
    }
}

/// A random program.
#[must_use]
pub fn random(chance: &mut Chance, length: usize) -> Vec<Op> {
    let interests = Interests::random(chance);
    let mut program: Vec<Op> =
        (0..3).map(|n| Op::Ask(Asked::Workflow(workflow::Asked::Start(start::of(chance, n))))).collect();
    if interests.namespace > 0 {
        program.push(Op::Ask(Asked::Namespace(namespace::Asked::Register { namespace: 1, retention: None })));
    }
    while program.len() < length {
        match chance.below(12) {
            0..=3 => program.extend(workflow::turn(chance, interests.talk > 0).map(of_workflow)),
            4 | 5 if interests.activity > 0 => program.extend(activity::turn(chance).map(of_activity)),
            7 if interests.activity > 0 && chance.below(3) == 0 => {
                let [pause, unpause] = activity::interruption(chance).map(of_activity);
                program.extend([pause, op(chance, &interests), unpause]);
            }
            6 if interests.talk > 0 => {
                program.push(Op::Ask(Asked::Talk(talk::update(chance))));
                program.extend(workflow::turn(chance, true).map(of_workflow));
            }
            _ => program.push(op(chance, &interests)),
        }
    }
    program
}

fn of_workflow(asked: workflow::Asked) -> Op {
    Op::Ask(Asked::Workflow(asked))
}

fn of_activity(asked: activity::Asked) -> Op {
    Op::Ask(Asked::Activity(asked))
}

fn op(chance: &mut Chance, interests: &Interests) -> Op {
    match chance.below(60) {
        0..=48 => Op::Ask(interests.asked(chance)),
        49 | 50 => Op::Lost(interests.asked(chance)),
        51 => Op::Abandon { waiting: pick(chance) },
        52..=55 => Op::Wait { seconds: [0, 1, 1, 2, 2, 5, 11, 31, 70][below(chance, 9)] },
        56 => Op::PowerOff { seconds: [1, 1, 30, 7_200, 8 * 3_600][below(chance, 5)] },
        57 => Op::Crash(Crash::Records),
        58 => Op::Crash(Crash::Snapshot),
        59.. => Op::Crash(Crash::OlderSnapshot),
    }
}
