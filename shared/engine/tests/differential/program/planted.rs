//! The words of small programs that are written by hand.

use super::{
    Asked, Op, ParentClosePolicy, Pick, Start, Token, Wanted, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};

pub(crate) fn start(workflow: u8) -> Op {
    Op::Ask(Asked::Start(Start {
        workflow,
        request: 1,
        reuse: WorkflowIdReusePolicy::AllowDuplicate,
        conflict: WorkflowIdConflictPolicy::Fail,
        attach: false,
        attempts: None,
        cron: false,
        delay: None,
        run_timeout: None,
        execution_timeout: None,
    }))
}

pub(crate) fn signal(workflow: u8) -> Op {
    Op::Ask(Asked::Signal { workflow, request: 2, run: None })
}

pub(crate) fn terminate(workflow: u8) -> Op {
    Op::Ask(Asked::Terminate { workflow, run: None, by_chain: false })
}

pub(crate) fn poll() -> Op {
    Op::Ask(Asked::PollWorkflow { queue: 0, worker: 0 })
}

pub(crate) fn poll_activity() -> Op {
    Op::Ask(Asked::PollActivity { worker: 0 })
}

pub(crate) fn timer(seconds: u64) -> Op {
    complete(Wanted::Timer { id: 1, seconds })
}

pub(crate) fn activity() -> Op {
    complete(Wanted::Activity { id: 1, attempts: 1 })
}

pub(crate) fn activity_done() -> Op {
    Op::Ask(Asked::ActivityDone { token: Token::Fresh(Pick(0)) })
}

pub(crate) fn child(workflow: u8) -> Op {
    complete(Wanted::Child {
        workflow,
        policy: ParentClosePolicy::Terminate,
        reuse: WorkflowIdReusePolicy::AllowDuplicate,
        attempts: None,
        nowhere: false,
    })
}

fn complete(wanted: Wanted) -> Op {
    let (token, commands) = (Token::Fresh(Pick(0)), vec![wanted]);
    Op::Ask(Asked::Complete { token, commands, sticky: None, worker: 0 })
}
