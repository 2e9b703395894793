//! What a workflow asks for, now and then what it may not.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_engine::{Command, ContinueAsNew, ScheduleActivity, StartChildWorkflow};
use tidegate_model::chance::Chance;
use tidegate_model::event::{
    ContinueAsNewInitiator, Event, Execution, HistoryBatch, ParentClosePolicy, WorkflowIdReusePolicy,
};
use tidegate_model::id::{EventId, RunId};
use tidegate_model::payload::{Header, Payloads, RetryPolicy};

use super::Pick;
use super::words::{
    below, child, execution, failure, flip, header, huge, keywords, maybe_pick, name, namespace, pick,
    retry_policy, said, seldom, small, task_queue, workflow,
};
use crate::seen::Seen;

/// See the module.
#[derive(Debug, Clone)]
pub enum Wanted {
    Activity {
        id: u8,
        attempts: u32,
        time_outs: [u64; 4],
        elsewhere: bool,
        is_careful: bool,
    },
    CancelActivity {
        pick: Pick,
        is_careful: bool,
    },
    Timer {
        id: u8,
        seconds: u64,
        is_careful: bool,
    },
    CancelTimer {
        pick: Pick,
        is_careful: bool,
    },
    Child {
        workflow: u8,
        policy: ParentClosePolicy,
        reuse: WorkflowIdReusePolicy,
        attempts: Option<u32>,
        nowhere: bool,
    },
    Signal {
        workflow: u8,
        own: bool,
        nowhere: bool,
        run: Option<Pick>,
    },
    Cancel {
        workflow: u8,
        own: bool,
        nowhere: bool,
        run: Option<Pick>,
    },
    Marker,
    Attribute {
        is_known: bool,
    },
    Memo {
        is_empty: bool,
    },
    /// Says where the n-th message belongs.
    Message {
        at: u8,
        is_careful: bool,
    },
    /// A command of which the engine understands nothing.
    Nonsense(Nonsense),
    Finish,
    Fail {
        is_final: bool,
    },
    EndCanceled,
    Again {
        attempts: Option<u32>,
    },
}

/// Commands that are wrong in themselves.
#[derive(Debug, Clone, Copy)]
pub enum Nonsense {
    ActivityWithoutTimeOut,
    NamelessTimer,
    NamelessMarker,
    NamelessSignal,
    ChildWithoutType,
    UnendingRetries,
    CronThatIsNone,
    /// Too large a result: that ends the run.
    HugeResult,
}

const NONSENSE: [Nonsense; 8] = [
    Nonsense::ActivityWithoutTimeOut,
    Nonsense::NamelessTimer,
    Nonsense::NamelessMarker,
    Nonsense::NamelessSignal,
    Nonsense::ChildWithoutType,
    Nonsense::UnendingRetries,
    Nonsense::CronThatIsNone,
    Nonsense::HugeResult,
];

pub(super) fn random(chance: &mut Chance) -> Vec<Wanted> {
    let mut commands: Vec<Wanted> = (0..chance.below(4)).map(|_| one(chance)).collect();
    match chance.below(24) {
        0 | 1 => commands.push(Wanted::Finish),
        2 => commands.push(Wanted::Fail { is_final: flip(chance) }),
        3 => commands.push(Wanted::EndCanceled),
        4 => commands.push(Wanted::Again { attempts: [None, Some(3)][below(chance, 2)] }),
        5 => {
            // Something behind the end, now and then.
            let end = match chance.below(4) {
                0 => Wanted::Finish,
                1 => Wanted::Fail { is_final: true },
                2 => Wanted::EndCanceled,
                _ => Wanted::Again { attempts: None },
            };
            commands.insert(0, end);
        }
        _ => {}
    }
    commands
}

fn one(chance: &mut Chance) -> Wanted {
    use ParentClosePolicy as Close;
    use WorkflowIdReusePolicy as Reuse;
    match chance.below(48) {
        0..=11 => Wanted::Activity {
            id: small(chance, 4),
            attempts: [0, 1, 2][below(chance, 3)],
            // Of all attempts, of the wait, of one attempt, of silence.
            time_outs: [[0, 0, 5, 0], [0, 0, 5, 0], [0, 0, 9, 2], [30, 0, 0, 3], [12, 4, 6, 0], [0, 3, 5, 9]]
                [below(chance, 6)],
            elsewhere: seldom(chance, 8),
            is_careful: !seldom(chance, 8),
        },
        12..=15 => Wanted::CancelActivity { pick: pick(chance), is_careful: !seldom(chance, 8) },
        16..=20 => Wanted::Timer {
            id: small(chance, 4),
            seconds: [0, 1, 4, 30, 60][below(chance, 5)],
            is_careful: !seldom(chance, 3),
        },
        21 | 22 => Wanted::CancelTimer { pick: pick(chance), is_careful: !seldom(chance, 8) },
        23..=29 => Wanted::Child {
            workflow: child(chance),
            policy: [Close::Terminate, Close::Abandon, Close::RequestCancel][below(chance, 3)],
            reuse: [Reuse::AllowDuplicate, Reuse::AllowDuplicateFailedOnly, Reuse::RejectDuplicate]
                [below(chance, 3)],
            attempts: [None, None, Some(2)][below(chance, 3)],
            nowhere: seldom(chance, 12),
        },
        30..=35 => Wanted::Signal {
            workflow: workflow(chance),
            own: seldom(chance, 4),
            nowhere: seldom(chance, 12),
            run: maybe_pick(chance),
        },
        36..=39 => Wanted::Cancel {
            workflow: workflow(chance),
            own: seldom(chance, 4),
            nowhere: seldom(chance, 12),
            run: maybe_pick(chance),
        },
        40 | 41 => Wanted::Marker,
        42 | 43 => Wanted::Attribute { is_known: !seldom(chance, 4) },
        44 | 45 => Wanted::Memo { is_empty: seldom(chance, 6) },
        46 => Wanted::Message { at: small(chance, 2), is_careful: !seldom(chance, 8) },
        47.. => Wanted::Nonsense(NONSENSE[below(chance, 8)]),
    }
}

impl Wanted {
    /// The command, in the answer to a task of this run.
    pub(super) fn command(&self, seen: &Seen, run_id: RunId, messages: usize) -> Option<Command> {
        let open = Open::of(seen, run_id);
        let run_of = |workflow: u8, run: Option<Pick>| super::words::run_of(seen, workflow, run);
        Some(match self {
            Self::Activity { is_careful: true, id, .. } if !open.has_room_for_activity(&name('a', *id)) => {
                return None;
            }
            Self::Activity { id, attempts, time_outs, elsewhere, .. } => {
                let [schedule_to_close, schedule_to_start, start_to_close, heartbeat] =
                    time_outs.map(Duration::from_secs);
                Command::ScheduleActivityTask(ScheduleActivity {
                    retry_policy: (*attempts > 0).then(|| retry_policy(*attempts)),
                    schedule_to_close_timeout: schedule_to_close,
                    schedule_to_start_timeout: schedule_to_start,
                    heartbeat_timeout: heartbeat,
                    task_queue: elsewhere.then(|| task_queue(3)),
                    ..ScheduleActivity::new(name('a', *id), name('k', *id % 2), start_to_close)
                })
            }
            Self::CancelActivity { pick, is_careful } => {
                let scheduled_event_id = pick.of(&open.activities).map(|(id, _)| *id);
                let scheduled_event_id = scheduled_event_id.or((!is_careful).then_some(3))?;
                Command::RequestCancelActivityTask { scheduled_event_id }
            }
            Self::Timer { is_careful: true, id, .. } if !open.has_room_for_timer(&name('t', *id)) => {
                return None;
            }
            Self::Timer { id, seconds, .. } => timer(name('t', *id), *seconds),
            Self::CancelTimer { pick, is_careful } => {
                let timer_id = pick.of(&open.timers).cloned().or((!is_careful).then(|| name('t', 0)))?;
                Command::CancelTimer { timer_id }
            }
            Self::Child { workflow, policy, reuse, attempts, nowhere } => {
                Command::StartChildWorkflowExecution(Box::new(StartChildWorkflow {
                    namespace: nowhere.then(|| namespace(2)),
                    parent_close_policy: *policy,
                    workflow_id_reuse_policy: *reuse,
                    retry_policy: attempts.map(retry_policy),
                    ..plain_child(*workflow)
                }))
            }
            Self::Signal { workflow, own, nowhere, run } => Command::SignalExternalWorkflowExecution {
                target: target(*workflow, *nowhere, run_of(*workflow, *run)),
                signal_name: String::from("told"),
                input: said("told"),
                control: String::from("8"),
                child_workflow_only: *own,
                header: Header::new(),
            },
            Self::Cancel { workflow, own, nowhere, run } => Command::RequestCancelExternalWorkflowExecution {
                target: target(*workflow, *nowhere, run_of(*workflow, *run)),
                control: String::from("9"),
                child_workflow_only: *own,
                reason: String::from("told"),
            },
            Self::Marker => marker("m"),
            Self::Attribute { is_known } => Command::UpsertWorkflowSearchAttributes {
                search_attributes: keywords(if *is_known { "BuildIds" } else { "Unknown" }, "x"),
            },
            Self::Memo { is_empty } => Command::ModifyWorkflowProperties {
                upserted_memo: if *is_empty { Header::new() } else { header("note", 3) },
            },
            Self::Message { at, is_careful: true } if usize::from(*at) >= messages => return None,
            Self::Message { at, .. } => Command::ProtocolMessage { message_id: name('m', *at) },
            Self::Nonsense(nonsense) => nonsense.command(),
            Self::Finish => Command::CompleteWorkflowExecution { result: said("done") },
            Self::Fail { is_final } => Command::FailWorkflowExecution { failure: failure(*is_final) },
            Self::EndCanceled => Command::CancelWorkflowExecution { details: said("cancelled") },
            Self::Again { attempts } => again(attempts.map(retry_policy), ""),
        })
    }
}

impl Nonsense {
    fn command(self) -> Command {
        match self {
            Self::ActivityWithoutTimeOut => {
                Command::ScheduleActivityTask(ScheduleActivity::new("a0", "k0", Duration::ZERO))
            }
            Self::NamelessTimer => timer(String::new(), 1),
            Self::NamelessMarker => marker(""),
            Self::NamelessSignal => Command::SignalExternalWorkflowExecution {
                target: target(0, false, None),
                signal_name: String::new(),
                input: Payloads::new(),
                control: String::new(),
                child_workflow_only: false,
                header: Header::new(),
            },
            Self::ChildWithoutType => Command::StartChildWorkflowExecution(Box::new(StartChildWorkflow {
                workflow_type: String::new(),
                ..plain_child(7)
            })),
            Self::UnendingRetries => {
                again(Some(RetryPolicy { backoff_coefficient: 0.5, ..RetryPolicy::default() }), "")
            }
            Self::CronThatIsNone => again(None, "now and then"),
            Self::HugeResult => Command::CompleteWorkflowExecution { result: huge() },
        }
    }
}

/// What a run has open, as far as its history says.
struct Open {
    activities: Vec<(EventId, String)>,
    timers: Vec<String>,
}

impl Open {
    fn of(seen: &Seen, run_id: RunId) -> Self {
        let batches = seen.histories.get(&run_id).into_iter().flatten();
        let (mut activities, mut timers) = (Vec::new(), Vec::new());
        for (id, event) in batches.flat_map(HistoryBatch::numbered) {
            match event {
                Event::ActivityTaskScheduled(scheduled) => {
                    activities.push((id, scheduled.activity_id.clone()))
                }
                Event::ActivityTaskCompleted { scheduled_event_id: of, .. }
                | Event::ActivityTaskFailed { scheduled_event_id: of, .. }
                | Event::ActivityTaskTimedOut { scheduled_event_id: of, .. }
                | Event::ActivityTaskCancelRequested { scheduled_event_id: of, .. }
                | Event::ActivityTaskCanceled { scheduled_event_id: of, .. } => {
                    activities.retain(|(id, _)| id != of);
                }
                Event::TimerStarted { timer_id, .. } => timers.push(timer_id.clone()),
                Event::TimerFired { timer_id, .. } | Event::TimerCanceled { timer_id, .. } => {
                    timers.retain(|id| id != timer_id);
                }
                _ => {}
            }
        }
        Self { activities, timers }
    }

    fn has_room_for_activity(&self, name: &str) -> bool {
        self.activities.len() < 2 && self.activities.iter().all(|(_, open)| open != name)
    }

    fn has_room_for_timer(&self, name: &str) -> bool {
        self.timers.len() < 2 && self.timers.iter().all(|open| open != name)
    }
}

fn timer(timer_id: String, seconds: u64) -> Command {
    Command::StartTimer { timer_id, start_to_fire_timeout: Duration::from_secs(seconds), user_metadata: None }
}

fn marker(name: &str) -> Command {
    Command::RecordMarker {
        marker_name: name.to_owned(),
        details: BTreeMap::from([(String::from("data"), said("marker"))]),
        header: Header::new(),
        failure: None,
        user_metadata: None,
    }
}

fn plain_child(workflow: u8) -> StartChildWorkflow {
    StartChildWorkflow {
        namespace: None,
        workflow_id: execution(workflow).1,
        workflow_type: String::from("child"),
        task_queue: None,
        input: said("child"),
        workflow_execution_timeout: None,
        workflow_run_timeout: Some(Duration::from_secs(25)),
        workflow_task_timeout: None,
        parent_close_policy: ParentClosePolicy::Terminate,
        control: String::from("7"),
        workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicate,
        retry_policy: None,
        cron_schedule: String::new(),
        header: header("trace", 2),
        memo: Header::new(),
        search_attributes: Header::new(),
        priority: None,
        user_metadata: None,
    }
}

fn again(retry_policy: Option<RetryPolicy>, cron: &str) -> Command {
    Command::ContinueAsNewWorkflowExecution(Box::new(ContinueAsNew {
        workflow_type: String::new(),
        task_queue: None,
        input: said("again"),
        workflow_run_timeout: None,
        workflow_task_timeout: None,
        backoff_start_interval: Duration::ZERO,
        initiator: ContinueAsNewInitiator::Workflow,
        retry_policy,
        cron_schedule: cron.to_owned(),
        failure: None,
        last_completion_result: Payloads::new(),
        header: Header::new(),
        memo: Header::new(),
        search_attributes: Header::new(),
    }))
}

fn target(workflow: u8, nowhere: bool, run_id: Option<RunId>) -> Execution {
    let (there, workflow_id) = execution(workflow);
    Execution { namespace: if nowhere { namespace(2) } else { there }, workflow_id, run_id }
}
