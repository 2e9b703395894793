//! Programs: what can be asked, in words so small that they meet each other often.

pub(crate) mod planted;

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_engine::{
    CancelWorkflow, Command, ContinueAsNew, ReapplyExclude, Request, ResetWorkflow, ScheduleActivity,
    SignalWithStart, StartChildWorkflow, StartWorkflow, StickyAttributes, TerminateWorkflow, WaitForHistory,
    WorkflowTaskCompletion,
};
use tidegate_model::chance::Chance;
use tidegate_model::event::{
    ContinueAsNewInitiator, Event, Execution, ParentClosePolicy, WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy, WorkflowTaskFailedCause,
};
use tidegate_model::id::{Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, Header, Payload, Payloads, RetryPolicy};

use crate::sides::Sides;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Ask(Asked),
    /// The process dies between the decision and the commit.
    Lost(Box<Op>),
    Abandon {
        poll: Pick,
    },
    Wait {
        seconds: u64,
    },
    PowerOff {
        seconds: u64,
    },
    Crash(Crash),
}

/// How the process comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// From a snapshot of this moment.
    Snapshot,
    /// From all records.
    Records,
    /// From an older snapshot and the records since.
    OlderSnapshot,
}

/// One of those there are by then: counted from the last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pick(u8);

/// A task that was handed out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Token {
    /// One that nobody has answered.
    Fresh(Pick),
    /// Any.
    Any(Pick),
}

impl Token {
    /// One of all, of which these have not been answered.
    fn of<T: Clone>(self, all: &[T], unanswered: &[usize]) -> Option<T> {
        match self {
            Self::Fresh(pick) => pick.of(unanswered).and_then(|at| all.get(*at)).cloned(),
            Self::Any(pick) => pick.of(all).cloned(),
        }
    }
}

impl Pick {
    pub(crate) fn of<T>(self, all: &[T]) -> Option<&T> {
        let at = all.len().checked_sub(1 + usize::from(self.0) % all.len().max(1))?;
        all.get(at)
    }
}

/// Something that is asked of the engine.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Start(Start),
    SignalWithStart(Start),
    Signal { workflow: u8, request: u8, run: Option<Pick> },
    Cancel { workflow: u8, request: u8, run: Option<Pick>, by_chain: bool },
    Terminate { workflow: u8, run: Option<Pick>, by_chain: bool },
    Reset { workflow: u8, run: Pick, event: u8, request: u8, without_signals: bool },
    PollWorkflow { queue: u8, worker: u8 },
    PollActivity { worker: u8 },
    Complete { token: Token, commands: Vec<Wanted>, sticky: Option<u8>, worker: u8 },
    FailTask { token: Token },
    ActivityDone { token: Token },
    ActivityFailed { token: Token, is_final: bool },
    Shutdown { worker: u8 },
    Follow { workflow: u8 },
}

/// How a run is started.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    workflow: u8,
    request: u8,
    reuse: WorkflowIdReusePolicy,
    conflict: WorkflowIdConflictPolicy,
    attach: bool,
    attempts: Option<u32>,
    cron: bool,
    delay: Option<u64>,
    run_timeout: Option<u64>,
    execution_timeout: Option<u64>,
}

/// What a workflow asks for.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    Activity {
        id: u8,
        attempts: u32,
    },
    Timer {
        id: u8,
        seconds: u64,
    },
    CancelTimer {
        id: u8,
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
    Memo,
    Finish,
    Fail {
        is_final: bool,
    },
    EndCanceled,
    Again {
        attempts: Option<u32>,
    },
}

const WORKFLOWS: u64 = 4;

/// A random program.
pub(crate) fn random(chance: &mut Chance, length: usize) -> Vec<Op> {
    let beginning = (0..3).map(|workflow| Op::Ask(Asked::Start(Start { workflow, ..start(chance) })));
    let beginning: Vec<Op> = beginning.collect();
    beginning.into_iter().chain((0..length).map(|_| op(chance))).collect()
}

fn op(chance: &mut Chance) -> Op {
    match chance.below(60) {
        0..=48 => Op::Ask(asked(chance)),
        49 | 50 => Op::Lost(Box::new(Op::Ask(asked(chance)))),
        51 => Op::Abandon { poll: pick(chance) },
        52..=55 => Op::Wait { seconds: [0, 1, 1, 2, 2, 5, 11, 31, 70][below(chance, 9)] },
        56 => Op::PowerOff { seconds: [1, 1, 30, 7_200][below(chance, 4)] },
        57 => Op::Crash(Crash::Records),
        58 => Op::Crash(Crash::Snapshot),
        59.. => Op::Crash(Crash::OlderSnapshot),
    }
}

fn asked(chance: &mut Chance) -> Asked {
    match chance.below(44) {
        0..=4 => Asked::Start(start(chance)),
        5 => Asked::SignalWithStart(start(chance)),
        6..=8 => {
            Asked::Signal { workflow: workflow(chance), request: small(chance, 4), run: maybe_pick(chance) }
        }
        9 => Asked::Cancel {
            workflow: workflow(chance),
            request: small(chance, 3),
            run: maybe_pick(chance),
            by_chain: flip(chance),
        },
        10 => {
            Asked::Terminate { workflow: workflow(chance), run: maybe_pick(chance), by_chain: flip(chance) }
        }
        11 | 12 => Asked::Reset {
            workflow: workflow(chance),
            run: pick(chance),
            event: small(chance, 20),
            request: small(chance, 3),
            without_signals: flip(chance),
        },
        13..=20 => {
            Asked::PollWorkflow { queue: [0, 0, 0, 0, 1, 2][below(chance, 6)], worker: small(chance, 2) }
        }
        21..=23 => Asked::PollActivity { worker: small(chance, 2) },
        24..=36 => Asked::Complete {
            token: token(chance),
            commands: commands(chance),
            sticky: [None, None, Some(1), Some(2)][below(chance, 4)],
            worker: small(chance, 2),
        },
        37 | 38 => Asked::FailTask { token: token(chance) },
        39 | 40 => Asked::ActivityDone { token: token(chance) },
        41 => Asked::ActivityFailed { token: token(chance), is_final: flip(chance) },
        42 => Asked::Shutdown { worker: small(chance, 2) },
        43.. => Asked::Follow { workflow: workflow(chance) },
    }
}

fn start(chance: &mut Chance) -> Start {
    use WorkflowIdConflictPolicy as Conflict;
    use WorkflowIdReusePolicy as Reuse;
    Start {
        workflow: workflow(chance),
        request: small(chance, 4),
        reuse: [
            Reuse::AllowDuplicate,
            Reuse::AllowDuplicate,
            Reuse::AllowDuplicateFailedOnly,
            Reuse::RejectDuplicate,
        ][below(chance, 4)],
        conflict: [Conflict::Fail, Conflict::Fail, Conflict::UseExisting, Conflict::TerminateExisting]
            [below(chance, 4)],
        attach: flip(chance),
        attempts: [None, None, None, Some(2)][below(chance, 4)],
        cron: chance.below(12) == 0,
        delay: [None, None, None, None, None, Some(3)][below(chance, 6)],
        run_timeout: [None, None, None, None, Some(20)][below(chance, 5)],
        execution_timeout: [None, None, None, None, None, Some(40)][below(chance, 6)],
    }
}

fn commands(chance: &mut Chance) -> Vec<Wanted> {
    let mut commands: Vec<Wanted> = (0..chance.below(4)).map(|_| command(chance)).collect();
    match chance.below(12) {
        0 | 1 => commands.push(Wanted::Finish),
        2 => commands.push(Wanted::Fail { is_final: flip(chance) }),
        3 => commands.push(Wanted::EndCanceled),
        4 => commands.push(Wanted::Again { attempts: [None, Some(3)][below(chance, 2)] }),
        5 => {
            // Something behind the end, now and then.
            commands.insert(0, Wanted::Finish);
        }
        _ => {}
    }
    commands
}

fn command(chance: &mut Chance) -> Wanted {
    use ParentClosePolicy as Close;
    use WorkflowIdReusePolicy as Reuse;
    match chance.below(20) {
        0..=3 => Wanted::Activity { id: small(chance, 3), attempts: [0, 1, 2][below(chance, 3)] },
        4..=6 => Wanted::Timer { id: small(chance, 3), seconds: [0, 1, 4, 30][below(chance, 4)] },
        7 => Wanted::CancelTimer { id: small(chance, 3) },
        8..=11 => Wanted::Child {
            // Some that nobody else starts.
            workflow: small(chance, WORKFLOWS + 4),
            policy: [Close::Terminate, Close::Abandon, Close::RequestCancel][below(chance, 3)],
            reuse: [Reuse::AllowDuplicate, Reuse::AllowDuplicateFailedOnly, Reuse::RejectDuplicate]
                [below(chance, 3)],
            attempts: [None, None, Some(2)][below(chance, 3)],
            nowhere: chance.below(12) == 0,
        },
        12..=14 => Wanted::Signal {
            workflow: workflow(chance),
            own: chance.below(4) == 0,
            nowhere: chance.below(12) == 0,
            run: maybe_pick(chance),
        },
        15 | 16 => Wanted::Cancel {
            workflow: workflow(chance),
            own: chance.below(4) == 0,
            nowhere: chance.below(12) == 0,
            run: maybe_pick(chance),
        },
        17 => Wanted::Marker,
        18 => Wanted::Attribute { is_known: chance.below(4) > 0 },
        19.. => Wanted::Memo,
    }
}

fn below(chance: &mut Chance, bound: u64) -> usize {
    usize::try_from(chance.below(bound)).expect("a small number")
}

fn small(chance: &mut Chance, bound: u64) -> u8 {
    u8::try_from(chance.below(bound)).expect("a small number")
}

fn workflow(chance: &mut Chance) -> u8 {
    small(chance, WORKFLOWS)
}

fn flip(chance: &mut Chance) -> bool {
    chance.below(2) == 0
}

fn pick(chance: &mut Chance) -> Pick {
    Pick(small(chance, 4))
}

fn maybe_pick(chance: &mut Chance) -> Option<Pick> {
    (chance.below(4) == 0).then(|| pick(chance))
}

/// Mostly one that is still wanted.
fn token(chance: &mut Chance) -> Token {
    if chance.below(8) == 0 { Token::Any(pick(chance)) } else { Token::Fresh(pick(chance)) }
}

impl Asked {
    pub(crate) fn is_poll(&self) -> bool {
        matches!(self, Self::PollWorkflow { .. } | Self::PollActivity { .. })
    }

    /// The request it is by now; `None` where there is nothing it could be about.
    pub(crate) fn request(&self, sides: &Sides) -> Option<Request> {
        let run_of = |workflow: &u8, run: &Option<Pick>| {
            run.and_then(|run| run.of(&sides.runs_of(workflow_id(*workflow).as_str())).copied())
        };
        let first_of = |workflow: &u8, run: &Option<Pick>, by_chain: &bool| {
            let run = run_of(workflow, run).filter(|_| *by_chain)?;
            match &sides.histories[&run][0].events[0] {
                Event::WorkflowExecutionStarted(started) => Some(started.first_execution_run_id),
                other => panic!("a history begins with its beginning, not with {}", other.type_name()),
            }
        };
        Some(match self {
            Self::Start(start) => Request::StartWorkflowExecution(start.request()),
            Self::SignalWithStart(start) => {
                Request::SignalWithStartWorkflowExecution(Box::new(SignalWithStart {
                    start: start.request(),
                    signal_name: String::from("go"),
                    signal_input: said("with start"),
                }))
            }
            Self::Signal { workflow, request, run } => Request::SignalWorkflowExecution {
                namespace: namespace(),
                workflow_id: workflow_id(*workflow),
                run_id: run_of(workflow, run),
                signal_name: String::from("go"),
                input: said("signal"),
                identity: String::from("caller"),
                request_id: name('r', *request),
                header: Header::new(),
            },
            Self::Cancel { workflow, request, run, by_chain } => {
                Request::RequestCancelWorkflowExecution(CancelWorkflow {
                    namespace: namespace(),
                    workflow_id: workflow_id(*workflow),
                    run_id: run_of(workflow, run),
                    first_execution_run_id: first_of(workflow, run, by_chain),
                    reason: String::from("enough"),
                    identity: String::from("caller"),
                    request_id: name('r', *request),
                })
            }
            Self::Terminate { workflow, run, by_chain } => {
                Request::TerminateWorkflowExecution(TerminateWorkflow {
                    namespace: namespace(),
                    workflow_id: workflow_id(*workflow),
                    run_id: run_of(workflow, run),
                    first_execution_run_id: first_of(workflow, run, by_chain),
                    reason: String::from("enough"),
                    details: said("details"),
                    identity: String::from("caller"),
                })
            }
            Self::Reset { workflow, run, event, request, without_signals } => {
                let run_id = *run.of(&sides.runs_of(workflow_id(*workflow).as_str()))?;
                Request::ResetWorkflowExecution(Box::new(ResetWorkflow {
                    namespace: namespace(),
                    workflow_id: workflow_id(*workflow),
                    run_id,
                    reason: String::from("again"),
                    workflow_task_finish_event_id: u64::from(*event),
                    request_id: format!("reset-{request}"),
                    identity: String::from("caller"),
                    reapply_exclude: ReapplyExclude {
                        signals: *without_signals,
                        ..ReapplyExclude::default()
                    },
                    history: chain(sides, run_id),
                }))
            }
            Self::PollWorkflow { queue, worker } => Request::PollWorkflowTaskQueue {
                namespace: namespace(),
                task_queue: task_queue(*queue),
                identity: name('w', *worker),
                worker_instance_key: String::new(),
            },
            Self::PollActivity { worker } => Request::PollActivityTaskQueue {
                namespace: namespace(),
                task_queue: task_queue(0),
                identity: name('w', *worker),
                worker_instance_key: String::new(),
            },
            Self::Complete { token, commands, sticky, worker } => {
                let token = token.of(&sides.workflow_tasks.all, &sides.workflow_tasks.unanswered)?;
                let commands = commands.iter().map(|wanted| wanted.command(&run_of)).collect();
                Request::RespondWorkflowTaskCompleted(Box::new(WorkflowTaskCompletion {
                    sticky: sticky.map(|queue| StickyAttributes {
                        task_queue: task_queue(queue),
                        schedule_to_start_timeout: Duration::from_secs(3),
                    }),
                    ..WorkflowTaskCompletion::new(token, commands, name('w', *worker))
                }))
            }
            Self::FailTask { token } => Request::RespondWorkflowTaskFailed {
                token: token.of(&sides.workflow_tasks.all, &sides.workflow_tasks.unanswered)?,
                cause: WorkflowTaskFailedCause::NonDeterministicError,
                failure: Failure::application("a bug", "Bug", false),
                identity: String::from("w0"),
            },
            Self::ActivityDone { token } => Request::RespondActivityTaskCompleted {
                task: token.of(&sides.activities.all, &sides.activities.unanswered)?.into(),
                result: said("result"),
                identity: String::from("w0"),
            },
            Self::ActivityFailed { token, is_final } => Request::RespondActivityTaskFailed {
                task: token.of(&sides.activities.all, &sides.activities.unanswered)?.into(),
                failure: failure(*is_final),
                last_heartbeat_details: None,
                identity: String::from("w0"),
            },
            Self::Shutdown { worker } => Request::ShutdownWorker { identity: name('w', *worker) },
            Self::Follow { workflow } => Request::WaitForHistory(WaitForHistory {
                namespace: namespace(),
                workflow_id: workflow_id(*workflow),
                run_id: None,
                wait_beyond: None,
                until_closed: false,
            }),
        })
    }
}

impl Start {
    fn request(&self) -> StartWorkflow {
        StartWorkflow {
            input: said("input"),
            identity: String::from("caller"),
            request_id: name('r', self.request),
            workflow_id_reuse_policy: self.reuse,
            workflow_id_conflict_policy: self.conflict,
            on_conflict_attach_request_id: self.attach,
            retry_policy: self.attempts.map(retry_policy),
            cron_schedule: if self.cron { String::from("* * * * *") } else { String::new() },
            workflow_start_delay: self.delay.map(Duration::from_secs),
            workflow_run_timeout: self.run_timeout.map(Duration::from_secs),
            workflow_execution_timeout: self.execution_timeout.map(Duration::from_secs),
            memo: BTreeMap::from([(String::from("note"), Payload::json("1"))]),
            ..StartWorkflow::new(namespace(), workflow_id(self.workflow), "random", task_queue(0))
        }
    }
}

impl Wanted {
    fn command(&self, run_of: &impl Fn(&u8, &Option<Pick>) -> Option<RunId>) -> Command {
        match self {
            Self::Activity { id, attempts } => Command::ScheduleActivityTask(ScheduleActivity {
                retry_policy: (*attempts > 0).then(|| retry_policy(*attempts)),
                ..ScheduleActivity::new(name('a', *id), "random", Duration::from_secs(5))
            }),
            Self::Timer { id, seconds } => Command::StartTimer {
                timer_id: name('t', *id),
                start_to_fire_timeout: Duration::from_secs(*seconds),
                user_metadata: None,
            },
            Self::CancelTimer { id } => Command::CancelTimer { timer_id: name('t', *id) },
            Self::Child { workflow, policy, reuse, attempts, nowhere } => {
                Command::StartChildWorkflowExecution(Box::new(StartChildWorkflow {
                    namespace: nowhere.then(elsewhere),
                    workflow_id: workflow_id(*workflow),
                    workflow_type: String::from("child"),
                    task_queue: None,
                    input: said("child"),
                    workflow_execution_timeout: None,
                    workflow_run_timeout: Some(Duration::from_secs(25)),
                    workflow_task_timeout: None,
                    parent_close_policy: *policy,
                    control: String::from("7"),
                    workflow_id_reuse_policy: *reuse,
                    retry_policy: attempts.map(retry_policy),
                    cron_schedule: String::new(),
                    header: BTreeMap::from([(String::from("trace"), Payload::json("2"))]),
                    memo: Header::new(),
                    search_attributes: Header::new(),
                    priority: None,
                    user_metadata: None,
                }))
            }
            Self::Signal { workflow, own, nowhere, run } => Command::SignalExternalWorkflowExecution {
                target: target(*workflow, *nowhere, run_of(workflow, run)),
                signal_name: String::from("told"),
                input: said("told"),
                control: String::from("8"),
                child_workflow_only: *own,
                header: Header::new(),
            },
            Self::Cancel { workflow, own, nowhere, run } => Command::RequestCancelExternalWorkflowExecution {
                target: target(*workflow, *nowhere, run_of(workflow, run)),
                control: String::from("9"),
                child_workflow_only: *own,
                reason: String::from("told"),
            },
            Self::Marker => Command::RecordMarker {
                marker_name: String::from("m"),
                details: BTreeMap::from([(String::from("data"), said("marker"))]),
                header: Header::new(),
                failure: None,
                user_metadata: None,
            },
            Self::Attribute { is_known } => {
                let name = if *is_known { "BuildIds" } else { "Unknown" };
                let metadata = BTreeMap::from([
                    (String::from("encoding"), b"json/plain".to_vec().into()),
                    (String::from("type"), b"KeywordList".to_vec().into()),
                ]);
                let value = Payload { metadata, data: b"[\"x\"]".to_vec().into() };
                Command::UpsertWorkflowSearchAttributes {
                    search_attributes: BTreeMap::from([(name.to_owned(), value)]),
                }
            }
            Self::Memo => Command::ModifyWorkflowProperties {
                upserted_memo: BTreeMap::from([(String::from("note"), Payload::json("3"))]),
            },
            Self::Finish => Command::CompleteWorkflowExecution { result: said("done") },
            Self::Fail { is_final } => Command::FailWorkflowExecution { failure: failure(*is_final) },
            Self::EndCanceled => Command::CancelWorkflowExecution { details: said("cancelled") },
            Self::Again { attempts } => Command::ContinueAsNewWorkflowExecution(Box::new(ContinueAsNew {
                workflow_type: String::new(),
                task_queue: None,
                input: said("again"),
                workflow_run_timeout: None,
                workflow_task_timeout: None,
                backoff_start_interval: Duration::ZERO,
                initiator: ContinueAsNewInitiator::Workflow,
                retry_policy: attempts.map(retry_policy),
                cron_schedule: String::new(),
                failure: None,
                last_completion_result: Payloads::new(),
                header: Header::new(),
                memo: Header::new(),
                search_attributes: Header::new(),
            })),
        }
    }
}

/// A run's history, and those of the runs that continued it as new.
fn chain(sides: &Sides, run_id: RunId) -> Vec<tidegate_model::event::HistoryBatch> {
    let mut all = Vec::new();
    let mut next = Some(run_id);
    while let Some(run_id) = next {
        all.extend(sides.histories[&run_id].iter().cloned());
        next = match all.last().and_then(|batch| batch.events.last()) {
            Some(Event::WorkflowExecutionContinuedAsNew(as_new)) => Some(as_new.new_execution_run_id),
            Some(_) | None => None,
        };
    }
    all
}

fn target(workflow: u8, nowhere: bool, run_id: Option<RunId>) -> Execution {
    let namespace = if nowhere { elsewhere() } else { namespace() };
    Execution { namespace, workflow_id: workflow_id(workflow), run_id }
}

fn retry_policy(attempts: u32) -> RetryPolicy {
    RetryPolicy { maximum_attempts: attempts, ..RetryPolicy::default() }
}

fn failure(is_final: bool) -> Failure {
    Failure::application("no", "No", is_final)
}

fn said(text: &str) -> Payloads {
    vec![Payload::json(format!("\"{text}\""))]
}

fn namespace() -> Namespace {
    Namespace::new("default").expect("a namespace")
}

fn elsewhere() -> Namespace {
    Namespace::new("nowhere").expect("a namespace")
}

fn workflow_id(n: u8) -> WorkflowId {
    WorkflowId::new(format!("w{n}")).expect("a workflow id")
}

/// 0 is the normal queue, the others are sticky.
fn task_queue(n: u8) -> TaskQueue {
    TaskQueue::new(format!("q{n}")).expect("a queue")
}

/// 0 is none, where there can be none.
fn name(kind: char, n: u8) -> String {
    if kind == 'r' && n == 0 { String::new() } else { format!("{kind}{n}") }
}
