//! The words of small programs that are written by hand.

use tidegate_engine::{OverlapPolicy, UpdateStage};
use tidegate_model::event::{ParentClosePolicy, WorkflowIdReusePolicy};

use super::activity::{self, Task};
use super::command::Wanted;
use super::start::Start;
use super::talk::{self, Answers};
use super::{Asked, Op, Pick, Token, look, namespace, schedule, workflow};

const LAST: Token = Token::Fresh(Pick(0));

fn ask(asked: workflow::Asked) -> Op {
    Op::Ask(Asked::Workflow(asked))
}

/// A run is started.
#[must_use]
pub fn start(n: u8) -> Op {
    Op::Ask(start_asked(n))
}

/// The same, as what is asked.
#[must_use]
pub fn start_asked(n: u8) -> Asked {
    Asked::Workflow(workflow::Asked::Start(Start::plain(n)))
}

/// Always the same signal.
#[must_use]
pub fn signal(workflow: u8) -> Op {
    ask(workflow::Asked::Signal { workflow, request: 2, run: None })
}

/// The open run ends.
#[must_use]
pub fn terminate(workflow: u8) -> Op {
    ask(workflow::Asked::Terminate { workflow, run: None, by_chain: false })
}

/// A worker wants a workflow task.
#[must_use]
pub fn poll() -> Op {
    ask(workflow::Asked::Poll { namespace: 0, queue: 0, worker: 0 })
}

/// A worker wants an activity.
#[must_use]
pub fn poll_activity() -> Op {
    Op::Ask(Asked::Activity(activity::Asked::Poll { namespace: 0, queue: 0, worker: 0 }))
}

/// The workflow task that is out asks for a timer.
#[must_use]
pub fn timer(seconds: u64) -> Op {
    complete(Wanted::Timer { id: 1, seconds, is_careful: false })
}

/// It asks for an activity of so many attempts.
#[must_use]
pub fn activity(attempts: u32) -> Op {
    complete(Wanted::Activity {
        id: 1,
        attempts,
        time_outs: [0, 0, 5, 0],
        elsewhere: false,
        is_careful: false,
    })
}

/// The activity that is out has a result.
#[must_use]
pub fn activity_done() -> Op {
    Op::Ask(Asked::Activity(activity::Asked::Complete { task: Task::ByToken(LAST), is_huge: false }))
}

/// It fails, and may be tried again.
#[must_use]
pub fn activity_failed() -> Op {
    let task = Task::ByToken(LAST);
    Op::Ask(Asked::Activity(activity::Asked::Fail { task, is_final: false, reports: None }))
}

/// It reports.
#[must_use]
pub fn heartbeat() -> Op {
    Op::Ask(Asked::Activity(activity::Asked::Heartbeat { task: Task::ByToken(LAST), said: 1 }))
}

/// The workflow task that is out asks for a child.
#[must_use]
pub fn child(workflow: u8) -> Op {
    complete(Wanted::Child {
        workflow,
        policy: ParentClosePolicy::Terminate,
        reuse: WorkflowIdReusePolicy::AllowDuplicate,
        attempts: None,
        nowhere: false,
    })
}

/// It asks for nothing.
#[must_use]
pub fn nothing() -> Op {
    answer(Vec::new(), Answers::default())
}

/// It lets the update in that came along, and is done with it.
#[must_use]
pub fn accept_and_respond() -> Op {
    answer(Vec::new(), Answers::accepting())
}

/// Always the same update, and who asks waits for its outcome.
#[must_use]
pub fn update(workflow: u8) -> Op {
    let wait = UpdateStage::Completed;
    Op::Ask(Asked::Talk(talk::Asked::Update { workflow, run: None, by_chain: false, id: 1, wait }))
}

/// What came of it.
#[must_use]
pub fn poll_update(workflow: u8) -> Op {
    Op::Ask(Asked::Talk(talk::Asked::Poll { workflow, run: None, id: 1, wait: None }))
}

/// A schedule of every seven seconds.
#[must_use]
pub fn schedule() -> Op {
    let plan = schedule::Plan {
        every: 7,
        phase: None,
        overlap: OverlapPolicy::AllowAll,
        window: None,
        pauses_on_failure: false,
        keeps_id: false,
        paused: false,
        left: None,
        ends: false,
        run_timeout: None,
    };
    Op::Ask(Asked::Schedule(schedule::Asked::Create { schedule: 0, plan, request: 1, patch: None }))
}

/// What a schedule has done.
#[must_use]
pub fn describe_schedule() -> Op {
    Op::Ask(Asked::Schedule(schedule::Asked::Describe { schedule: 0 }))
}

/// What is known of a run.
#[must_use]
pub fn describe(workflow: u8) -> Op {
    Op::Ask(Asked::Look(look::Asked::Describe { workflow, run: None }))
}

/// Everything there is to be seen.
#[must_use]
pub fn look_at_everything() -> Vec<Op> {
    let mut ops: Vec<Op> = [0, 1, 2, 3, 4, 5, 6, 100].map(describe).into();
    let all = look::Asked::List { namespace: None, query: 0, size: 100, goes_on: false };
    ops.push(Op::Ask(Asked::Look(all)));
    let schedules = [0, 1, 100].map(|schedule| schedule::Asked::Describe { schedule });
    ops.extend(schedules.map(|asked| Op::Ask(Asked::Schedule(asked))));
    ops.push(Op::Ask(Asked::Namespace(namespace::Asked::List { size: 9, after: None })));
    ops
}

fn complete(wanted: Wanted) -> Op {
    answer(vec![wanted], Answers::default())
}

fn answer(commands: Vec<Wanted>, answers: Answers) -> Op {
    ask(workflow::Asked::Complete { token: LAST, commands, answers, sticky: None, worker: 0, wants: 0 })
}
