//! What random workers and operators do to activities besides completing and failing them.

use std::time::Duration;

use proptest::prelude::*;
use tidegate_engine::{
    ActivityOptionsChange, ActivityRef, ActivityTarget, ActivityTaskToken, Command, PauseActivity, Request,
    ResetActivity, ScheduleActivity, UnpauseActivity, UpdateActivityOptions, WhichActivities,
};
use tidegate_model::event::Priority;
use tidegate_model::payload::{Failure, Payload, RetryPolicy};

use super::{Asked, Happening, Token, identity, namespace, task_queue, token, workflow_id};

/// See the module.
#[derive(Debug, Clone)]
pub(super) enum Done {
    Beat { token: Token, size: usize },
    Canceled { token: Token },
    ById { workflow: u8, id: u8, how: u8 },
    Operated { workflow: u8, id: u8, how: u8 },
    Retired { worker: u8, sticky: u8 },
}

pub(super) fn done() -> impl Strategy<Value = Done> {
    prop_oneof![
        3 => (token(), 0..9_usize).prop_map(|(token, size)| Done::Beat { token, size }),
        4 => token().prop_map(|token| Done::Canceled { token }),
        2 => (0..2_u8, 0..3_u8, 0..4_u8).prop_map(|(workflow, id, how)| Done::ById { workflow, id, how }),
        6 => (0..2_u8, 0..4_u8, 0..6_u8)
            .prop_map(|(workflow, id, how)| Done::Operated { workflow, id, how }),
        1 => (0..2_u8, 1..3_u8).prop_map(|(worker, sticky)| Done::Retired { worker, sticky }),
    ]
}

/// An activity to be asked for: which time-outs it has, and how it is tried.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    id: u8,
    attempts: u32,
    how: u8,
}

pub(super) fn wanted() -> impl Strategy<Value = Wanted> {
    (0..3_u8, 0..3_u32, 0..16_u8).prop_map(|(id, attempts, how)| Wanted { id, attempts, how })
}

/// An answer that asks for two.
pub(super) fn begin(token: Token) -> Happening {
    let wanted = |id| Asked::Activity(Wanted { id, attempts: 0, how: 0 });
    Happening::Complete {
        token,
        commands: vec![wanted(0), wanted(1)],
        says: Vec::new(),
        next: 0,
        sticky: None,
        worker: 0,
    }
}

impl Wanted {
    pub(super) fn command(&self) -> Command {
        let if_bit = |bit: u8, seconds: u64| Duration::from_secs(seconds * u64::from(self.how >> bit & 1));
        Command::ScheduleActivityTask(ScheduleActivity {
            retry_policy: Some(RetryPolicy { maximum_attempts: self.attempts, ..RetryPolicy::default() }),
            schedule_to_close_timeout: if_bit(0, 9),
            schedule_to_start_timeout: if_bit(1, 4),
            heartbeat_timeout: if_bit(2, 2),
            priority: (self.how & 8 != 0)
                .then(|| Priority { priority_key: u32::from(self.id) * 2 + 1, ..Priority::default() }),
            ..ScheduleActivity::new(format!("a{}", self.id), "random", Duration::from_secs(5))
        })
    }
}

impl Done {
    pub(super) fn request(&self, activities: &[ActivityTaskToken]) -> Option<Request> {
        let by_token = |token: &Token| Some(ActivityRef::from(token.of(activities)?.clone()));
        Some(match self {
            Self::Beat { token, size } => beat(by_token(token)?, *size),
            Self::Canceled { token } => canceled(by_token(token)?),
            Self::ById { workflow, id, how } => {
                let task = ActivityRef::Id {
                    namespace: namespace(),
                    workflow_id: workflow_id(*workflow),
                    run_id: None,
                    activity_id: format!("a{id}"),
                };
                match how {
                    0 => Request::RespondActivityTaskCompleted {
                        task,
                        result: Vec::new(),
                        identity: identity(0),
                    },
                    1 => Request::RespondActivityTaskFailed {
                        task,
                        failure: Failure::application("no", "No", false),
                        last_heartbeat_details: Some(payload(3)),
                        identity: identity(0),
                    },
                    2 => beat(task, 1),
                    _ => canceled(task),
                }
            }
            Self::Operated { workflow, id, how } => operated(*workflow, *id, *how),
            Self::Retired { worker, sticky } => Request::ShutdownWorkerInstance {
                namespace: namespace(),
                sticky_task_queue: Some(task_queue(*sticky)),
                worker_instance_key: identity(*worker),
            },
        })
    }
}

fn payload(size: usize) -> Vec<Payload> {
    vec![Payload { data: vec![b'x'; size].into(), ..Payload::default() }]
}

fn beat(task: ActivityRef, size: usize) -> Request {
    Request::RecordActivityTaskHeartbeat { task, details: payload(size), identity: identity(0) }
}

fn canceled(task: ActivityRef) -> Request {
    Request::RespondActivityTaskCanceled { task, details: Vec::new(), identity: identity(0) }
}

/// 0 is one, the others are all.
fn operated(workflow: u8, id: u8, how: u8) -> Request {
    let target = ActivityTarget {
        namespace: namespace(),
        workflow_id: workflow_id(workflow),
        run_id: None,
        which: if id > 0 { WhichActivities::All } else { WhichActivities::Id(format!("a{id}")) },
    };
    match how {
        0 | 1 => Request::PauseActivity(PauseActivity {
            target,
            reason: String::new(),
            identity: identity(0),
            request_id: String::new(),
        }),
        2 => Request::UnpauseActivity(UnpauseActivity {
            target,
            reset_attempts: id.is_multiple_of(2),
            reset_heartbeat: id < 2,
            jitter: Duration::from_secs(u64::from(id)),
        }),
        3 => Request::ResetActivity(ResetActivity {
            target,
            reset_heartbeat: id < 2,
            keep_paused: id.is_multiple_of(2),
            restore_original_options: id == 1,
            jitter: Duration::ZERO,
        }),
        _ => Request::UpdateActivityOptions(Box::new(UpdateActivityOptions {
            target,
            change: if how == 4 {
                ActivityOptionsChange {
                    start_to_close_timeout: Some(Duration::from_secs(u64::from(id) + 1)),
                    initial_interval: Some(Duration::from_secs(2)),
                    ..ActivityOptionsChange::default()
                }
            } else {
                ActivityOptionsChange::default()
            },
            restore_original: how == 5,
        })),
    }
}
