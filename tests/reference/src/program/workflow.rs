//! Workflows: started, signalled, ended, reset; their tasks polled and answered.

use std::time::Duration;

use tidegate_engine::{
    CancelWorkflow, ReapplyExclude, Request, ResetWorkflow, SignalWithStart, StickyAttributes,
    TerminateWorkflow, WorkflowTaskCompletion,
};
use tidegate_model::chance::Chance;
use tidegate_model::event::WorkflowTaskFailedCause as Cause;
use tidegate_model::payload::{Failure, Header};

use super::command::{self, Wanted};
use super::start::{self, Start};
use super::talk::{self, Answers};
use super::words::{
    any_namespace, below, child, execution, flip, maybe_pick, name, namespace, pick, run_of, said, seldom,
    small, task_queue, token, workflow,
};
use super::{Pick, Token};
use crate::seen::Seen;

/// See the module.
#[derive(Debug, Clone)]
pub enum Asked {
    Start(Start),
    SignalWithStart(Start),
    Signal {
        workflow: u8,
        request: u8,
        run: Option<Pick>,
    },
    Cancel {
        workflow: u8,
        request: u8,
        run: Option<Pick>,
        by_chain: bool,
    },
    Terminate {
        workflow: u8,
        run: Option<Pick>,
        by_chain: bool,
    },
    Reset {
        workflow: u8,
        run: Pick,
        point: Point,
        request: u8,
        without: u8,
        is_stale: bool,
    },
    Delete {
        workflow: u8,
        run: Option<Pick>,
    },
    Poll {
        namespace: u8,
        queue: u8,
        worker: u8,
    },
    Complete {
        token: Token,
        commands: Vec<Wanted>,
        answers: Answers,
        sticky: Option<u8>,
        worker: u8,
        wants: u8,
    },
    Fail {
        token: Token,
        cause: Cause,
    },
    Shutdown {
        worker: u8,
    },
    ShutdownInstance {
        worker: u8,
        sticky: Option<u8>,
    },
}

/// Where a run is forked.
#[derive(Debug, Clone, Copy)]
pub enum Point {
    /// At this event, whatever it is.
    At(u8),
    /// At one at which a workflow task was completed.
    Completed(Pick),
}

/// What a worker may give as the reason for a failure of its own.
const CAUSES: [Cause; 9] = [
    Cause::NonDeterministicError,
    Cause::NonDeterministicError,
    Cause::NonDeterministicError,
    Cause::WorkflowWorkerUnhandledFailure,
    Cause::ResetStickyTaskQueue,
    Cause::BadBinary,
    Cause::UnhandledUpdate,
    Cause::PayloadsTooLarge,
    Cause::GrpcMessageTooLarge,
];

pub(super) fn random(chance: &mut Chance, talks: bool) -> Asked {
    match chance.below(46) {
        0..=4 => Asked::Start(start::random(chance)),
        5 => Asked::SignalWithStart(start::random(chance)),
        6..=8 => {
            Asked::Signal { workflow: workflow(chance), request: small(chance, 3), run: maybe_pick(chance) }
        }
        9 => Asked::Cancel {
            workflow: workflow(chance),
            request: small(chance, 3),
            run: maybe_pick(chance),
            by_chain: flip(chance),
        },
        10 => Asked::Terminate { workflow: child(chance), run: maybe_pick(chance), by_chain: flip(chance) },
        11 | 12 => Asked::Reset {
            workflow: workflow(chance),
            run: pick(chance),
            point: if seldom(chance, 3) {
                Point::At(small(chance, 20))
            } else {
                Point::Completed(pick(chance))
            },
            request: small(chance, 3),
            without: small(chance, 4),
            is_stale: seldom(chance, 8),
        },
        13 if seldom(chance, 3) => Asked::Delete { workflow: workflow(chance), run: maybe_pick(chance) },
        13..=21 => poll(chance),
        22..=40 => {
            let token = token(chance);
            complete(chance, token, talks)
        }
        41..=43 => Asked::Fail { token: token(chance), cause: CAUSES[below(chance, 9)] },
        44 if seldom(chance, 3) => Asked::ShutdownInstance {
            worker: small(chance, 2),
            sticky: [None, Some(1), Some(2)][below(chance, 3)],
        },
        44.. => Asked::Shutdown { worker: small(chance, 2) },
    }
}

/// A worker polls, and answers what it is given.
pub(super) fn turn(chance: &mut Chance, talks: bool) -> [Asked; 2] {
    [poll(chance), complete(chance, Token::Fresh(Pick(0)), talks)]
}

fn poll(chance: &mut Chance) -> Asked {
    Asked::Poll {
        namespace: any_namespace(chance),
        queue: [0, 0, 0, 0, 0, 0, 1, 2][below(chance, 8)],
        worker: small(chance, 2),
    }
}

fn complete(chance: &mut Chance, token: Token, talks: bool) -> Asked {
    Asked::Complete {
        token,
        commands: command::random(chance),
        answers: if talks { talk::answers(chance) } else { Answers::default() },
        sticky: [None, None, Some(1), Some(2)][below(chance, 4)],
        worker: small(chance, 2),
        wants: [0, 0, 0, 0, 0, 1, 2, 3][below(chance, 8)],
    }
}

impl Asked {
    pub(super) fn request(&self, seen: &Seen) -> Option<Request> {
        let first_of = |workflow: u8, run: Option<Pick>, by_chain: bool| {
            run_of(seen, workflow, run).filter(|_| by_chain).map(|run_id| seen.first_run_of(run_id))
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
            Self::Signal { workflow, request, run } => {
                let (namespace, workflow_id) = execution(*workflow);
                Request::SignalWorkflowExecution {
                    namespace,
                    workflow_id,
                    run_id: run_of(seen, *workflow, *run),
                    signal_name: String::from("go"),
                    input: said("signal"),
                    identity: String::from("caller"),
                    request_id: name('r', *request),
                    header: Header::new(),
                }
            }
            Self::Cancel { workflow, request, run, by_chain } => {
                let (namespace, workflow_id) = execution(*workflow);
                Request::RequestCancelWorkflowExecution(CancelWorkflow {
                    namespace,
                    workflow_id,
                    run_id: run_of(seen, *workflow, *run),
                    first_execution_run_id: first_of(*workflow, *run, *by_chain),
                    reason: String::from("enough"),
                    identity: String::from("caller"),
                    request_id: name('r', *request),
                })
            }
            Self::Terminate { workflow, run, by_chain } => {
                let (namespace, workflow_id) = execution(*workflow);
                Request::TerminateWorkflowExecution(TerminateWorkflow {
                    namespace,
                    workflow_id,
                    run_id: run_of(seen, *workflow, *run),
                    first_execution_run_id: first_of(*workflow, *run, *by_chain),
                    reason: String::from("enough"),
                    details: said("details"),
                    identity: String::from("caller"),
                })
            }
            Self::Reset { workflow, run, point, request, without, is_stale } => {
                let (namespace, workflow_id) = execution(*workflow);
                let run_id = run_of(seen, *workflow, Some(*run))?;
                let event = match point {
                    Point::At(event) => u64::from(*event),
                    Point::Completed(pick) => pick.of(&seen.completed_tasks(run_id)).copied().unwrap_or(4),
                };
                let mut history = seen.chain(run_id);
                if *is_stale {
                    history.remove(0);
                }
                Request::ResetWorkflowExecution(Box::new(ResetWorkflow {
                    namespace,
                    workflow_id,
                    run_id,
                    reason: String::from("again"),
                    workflow_task_finish_event_id: event,
                    request_id: format!("reset-{request}"),
                    identity: String::from("caller"),
                    reapply_exclude: ReapplyExclude {
                        signals: *without == 1,
                        updates: *without == 2,
                        cancel_requests: *without == 3,
                    },
                    history,
                }))
            }
            Self::Delete { workflow, run } => {
                let (namespace, workflow_id) = execution(*workflow);
                let run_id = run_of(seen, *workflow, *run);
                Request::DeleteWorkflowExecution { namespace, workflow_id, run_id }
            }
            Self::Poll { namespace: there, queue, worker } => Request::PollWorkflowTaskQueue {
                namespace: namespace(*there),
                task_queue: task_queue(*queue),
                identity: name('w', *worker),
                worker_instance_key: name('i', *worker),
            },
            Self::Complete { token, commands, answers, sticky, worker, wants } => {
                let task = token.of(&seen.workflow_tasks)?;
                let run_id = task.token.run_id;
                let messages = answers.messages(task, seen);
                let commands = commands
                    .iter()
                    .filter_map(|wanted| wanted.command(seen, run_id, messages.len()))
                    .collect();
                Request::RespondWorkflowTaskCompleted(Box::new(WorkflowTaskCompletion {
                    messages,
                    query_results: answers.query_results(task),
                    sticky: sticky.map(|queue| StickyAttributes {
                        task_queue: task_queue(queue),
                        schedule_to_start_timeout: Duration::from_secs(3),
                    }),
                    return_new_workflow_task: *wants & 1 != 0,
                    force_create_new_workflow_task: *wants & 2 != 0,
                    worker_instance_key: name('i', *worker),
                    ..WorkflowTaskCompletion::new(task.token.clone(), commands, name('w', *worker))
                }))
            }
            Self::Fail { token, cause } => Request::RespondWorkflowTaskFailed {
                token: token.of(&seen.workflow_tasks)?.token.clone(),
                cause: *cause,
                failure: Failure::application("a bug", "Bug", false),
                identity: String::from("w0"),
            },
            Self::Shutdown { worker } => Request::ShutdownWorker { identity: name('w', *worker) },
            Self::ShutdownInstance { worker, sticky } => Request::ShutdownWorkerInstance {
                namespace: namespace(0),
                sticky_task_queue: sticky.map(task_queue),
                worker_instance_key: name('i', *worker),
            },
        })
    }
}
