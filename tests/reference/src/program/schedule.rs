//! Schedules: created, changed, triggered, and left to themselves. Their times are at equal distances; what calendars
//! and zones mean has tests of its own in the engine.

use std::time::Duration;

use tidegate_engine::{
    Backfill, CreateSchedule, IntervalSpec, ListSchedules, OverlapPolicy, PatchSchedule, Request, Schedule,
    SchedulePatch, SchedulePolicies, ScheduleSpec, ScheduleState, ScheduledWorkflow, TriggerImmediately,
    UpdateSchedule,
};
use tidegate_model::chance::Chance;
use tidegate_model::id::ScheduleId;
use tidegate_model::payload::Header;
use tidegate_model::time::Timestamp;

use super::words::{
    any_namespace, below, execution, flip, header, name, namespace, said, seldom, small, task_queue,
};
use crate::seen::Seen;

/// See the module.
#[derive(Debug, Clone)]
pub enum Asked {
    Create { schedule: u8, plan: Plan, request: u8, patch: Option<Patch> },
    Describe { schedule: u8 },
    Update { schedule: u8, plan: Plan, request: u8, checks: bool },
    Patch { schedule: u8, patch: Patch, request: u8 },
    Delete { schedule: u8 },
    List { namespace: u8, size: u8, after: Option<u8>, query: usize },
    Count { namespace: u8, query: usize },
    Times { schedule: u8, ahead: u64 },
}

/// What a schedule is.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub(super) every: u64,
    pub(super) phase: Option<u64>,
    pub(super) overlap: OverlapPolicy,
    pub(super) window: Option<u64>,
    pub(super) pauses_on_failure: bool,
    pub(super) keeps_id: bool,
    pub(super) paused: bool,
    pub(super) left: Option<u64>,
    pub(super) ends: bool,
    pub(super) run_timeout: Option<u64>,
}

/// What is done to it.
#[derive(Debug, Clone, Copy)]
pub enum Patch {
    Trigger(Option<OverlapPolicy>),
    Backfill {
        ago: u64,
        long: u64,
        overlap: Option<OverlapPolicy>,
    },
    /// It would end before it begins.
    Backwards,
    Pause,
    Unpause,
}

const POLICIES: [OverlapPolicy; 6] = [
    OverlapPolicy::Skip,
    OverlapPolicy::BufferOne,
    OverlapPolicy::BufferAll,
    OverlapPolicy::CancelOther,
    OverlapPolicy::TerminateOther,
    OverlapPolicy::AllowAll,
];

/// What lists of schedules are asked for.
pub(crate) const QUERIES: [&str; 4] =
    ["", "TemporalSchedulePaused = true", "ScheduleId = 's1'", "TemporalSchedulePaused ="];

pub(super) fn random(chance: &mut Chance) -> Asked {
    let schedule = if seldom(chance, 10) { 100 } else { small(chance, 2) };
    match chance.below(20) {
        0..=5 => Asked::Create {
            schedule,
            plan: plan(chance),
            request: small(chance, 3),
            patch: seldom(chance, 3).then(|| patch(chance)),
        },
        6..=9 => Asked::Describe { schedule },
        10 | 11 => {
            Asked::Update { schedule, plan: plan(chance), request: small(chance, 3), checks: flip(chance) }
        }
        12..=15 => Asked::Patch { schedule, patch: patch(chance), request: small(chance, 6) },
        16 => Asked::Delete { schedule },
        17 => Asked::List {
            namespace: any_namespace(chance),
            size: 1 + small(chance, 2),
            after: seldom(chance, 3).then_some(0),
            query: below(chance, 4),
        },
        18 => Asked::Count { namespace: any_namespace(chance), query: below(chance, 4) },
        19.. => Asked::Times { schedule, ahead: [5, 100, 5_000][below(chance, 3)] },
    }
}

fn plan(chance: &mut Chance) -> Plan {
    Plan {
        every: [7, 7, 60, 3_600][below(chance, 4)],
        phase: [None, Some(3)][below(chance, 2)],
        overlap: POLICIES[below(chance, 6)],
        window: [None, Some(1), Some(120), Some(3_600)][below(chance, 4)],
        pauses_on_failure: flip(chance),
        keeps_id: seldom(chance, 4),
        paused: seldom(chance, 6),
        left: seldom(chance, 3).then(|| 1 + chance.below(3)),
        ends: seldom(chance, 8),
        run_timeout: seldom(chance, 3).then_some(5),
    }
}

fn patch(chance: &mut Chance) -> Patch {
    let overlap = |chance: &mut Chance| flip(chance).then(|| POLICIES[below(chance, 6)]);
    match chance.below(8) {
        0..=2 => Patch::Trigger(overlap(chance)),
        3 | 4 => Patch::Backfill {
            ago: [10, 100][below(chance, 2)],
            long: [5, 60][below(chance, 2)],
            overlap: overlap(chance),
        },
        5 => Patch::Backwards,
        6 => Patch::Pause,
        _ => Patch::Unpause,
    }
}

impl Plan {
    fn schedule(self, schedule: u8) -> Schedule {
        let (_, workflow_id) = execution(schedule % 2);
        Schedule {
            spec: ScheduleSpec {
                interval: vec![IntervalSpec {
                    interval: Duration::from_secs(self.every),
                    phase: self.phase.map(Duration::from_secs),
                }],
                end_time: self.ends.then_some(Timestamp::from_micros(1_796_083_210_000_000)),
                ..ScheduleSpec::default()
            },
            action: Box::new(ScheduledWorkflow {
                input: said("scheduled"),
                memo: header("note", 5),
                workflow_run_timeout: self.run_timeout.map(Duration::from_secs),
                ..ScheduledWorkflow::new(workflow_id, "scheduled", task_queue(0))
            }),
            policies: SchedulePolicies {
                overlap_policy: self.overlap,
                catchup_window: self.window.map(Duration::from_secs),
                pause_on_failure: self.pauses_on_failure,
                keep_original_workflow_id: self.keeps_id,
            },
            state: ScheduleState {
                notes: String::from("as made"),
                paused: self.paused,
                limited_actions: self.left.is_some(),
                remaining_actions: self.left.unwrap_or_default(),
            },
        }
    }
}

impl Patch {
    /// Times are counted back from the last thing that was seen.
    fn of(self, seen: &Seen) -> SchedulePatch {
        let nothing = SchedulePatch::default();
        let now = seen.latest();
        let backfill = |ago, long, overlap_policy| {
            let start_time = now - Duration::from_secs(ago);
            vec![Backfill { start_time, end_time: start_time + Duration::from_secs(long), overlap_policy }]
        };
        match self {
            Self::Trigger(overlap_policy) => SchedulePatch {
                trigger_immediately: Some(TriggerImmediately { overlap_policy, scheduled_time: None }),
                ..nothing
            },
            Self::Backfill { ago, long, overlap } => {
                SchedulePatch { backfill_request: backfill(ago, long, overlap), ..nothing }
            }
            Self::Backwards => {
                let end_time = now - Duration::from_secs(1);
                let backfill = Backfill { start_time: now, end_time, overlap_policy: None };
                SchedulePatch { backfill_request: vec![backfill], ..nothing }
            }
            Self::Pause => SchedulePatch { pause: String::from("stop"), ..nothing },
            Self::Unpause => SchedulePatch { unpause: String::from("go on"), ..nothing },
        }
    }
}

/// A schedule, and where it is.
fn id(schedule: u8) -> (tidegate_model::id::Namespace, ScheduleId) {
    let schedule_id = ScheduleId::new(name('s', schedule % 100)).expect("a schedule id");
    (namespace(u8::from(schedule >= 100)), schedule_id)
}

impl Asked {
    pub(super) fn request(&self, seen: &Seen) -> Option<Request> {
        let identity = String::from("caller");
        Some(match self {
            Self::Create { schedule, plan, request, patch } => {
                let (namespace, schedule_id) = id(*schedule);
                Request::CreateSchedule(Box::new(CreateSchedule {
                    namespace,
                    schedule_id,
                    schedule: plan.schedule(*schedule),
                    initial_patch: patch.map(|patch| patch.of(seen)),
                    identity,
                    request_id: name('r', *request),
                    memo: header("about", 6),
                    search_attributes: Header::new(),
                }))
            }
            Self::Describe { schedule } => {
                let (namespace, schedule_id) = id(*schedule);
                Request::DescribeSchedule { namespace, schedule_id }
            }
            Self::Update { schedule, plan, request, checks } => {
                let (namespace, schedule_id) = id(*schedule);
                Request::UpdateSchedule(Box::new(UpdateSchedule {
                    namespace,
                    schedule_id,
                    schedule: plan.schedule(*schedule),
                    conflict_token: checks.then_some(seen.conflict_token),
                    identity,
                    request_id: name('r', *request),
                    search_attributes: None,
                    memo: checks.then(|| header("about", 7)),
                }))
            }
            Self::Patch { schedule, patch, request } => {
                let (namespace, schedule_id) = id(*schedule);
                Request::PatchSchedule(Box::new(PatchSchedule {
                    namespace,
                    schedule_id,
                    patch: patch.of(seen),
                    identity,
                    request_id: name('r', *request),
                }))
            }
            Self::Delete { schedule } => {
                let (namespace, schedule_id) = id(*schedule);
                Request::DeleteSchedule { namespace, schedule_id, identity }
            }
            Self::List { namespace: there, size, after, query } => Request::ListSchedules(ListSchedules {
                namespace: namespace(*there),
                query: QUERIES[*query].to_owned(),
                page_size: usize::from(*size),
                after: after.map(|after| id(after).1),
            }),
            Self::Count { namespace: there, query } => {
                Request::CountSchedules { namespace: namespace(*there), query: QUERIES[*query].to_owned() }
            }
            Self::Times { schedule, ahead } => {
                let (namespace, schedule_id) = id(*schedule);
                let start_time = seen.latest();
                let end_time = start_time + Duration::from_secs(*ahead);
                Request::ListScheduleMatchingTimes { namespace, schedule_id, start_time, end_time }
            }
        })
    }
}
