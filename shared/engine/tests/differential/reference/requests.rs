//! What can be asked, and by whom it is answered.

use std::time::Duration;

use tidegate_engine::{HistoryStanding, Refusal, Reply, Request, Ticket};
use tidegate_model::event::Event;
use tidegate_model::id::{Namespace, TaskQueue};

use super::{Kind, Poll, Reference};

const POLL_TIMEOUT: Duration = Duration::from_secs(60);

impl Reference {
    pub(crate) fn request(&mut self, ticket: Ticket, request: Request) {
        if let Some(reply) = self.answer(ticket, request) {
            self.replies.push((ticket, reply));
        }
        self.settle();
    }

    fn answer(&mut self, ticket: Ticket, request: Request) -> Option<Result<Reply, Refusal>> {
        Some(match request {
            Request::StartWorkflowExecution(start) => self.start(start),
            Request::SignalWithStartWorkflowExecution(request) => self.signal_with_start(*request),
            Request::SignalWorkflowExecution {
                namespace,
                workflow_id,
                run_id,
                signal_name,
                input,
                identity,
                request_id,
                header,
            } => self.meant_open(&namespace, &workflow_id, run_id).map(|run_id| {
                if self.run(run_id).has_had_signal(&request_id) {
                    return Reply::Signaled { run_id, event_id: None, fresh: false };
                }
                let event_id = (!self.run(run_id).is_out()).then(|| self.run(run_id).next_event_id());
                let signaled = Event::WorkflowExecutionSignaled {
                    signal_name,
                    input,
                    identity,
                    request_id,
                    header,
                    external: None,
                };
                self.arrive_signal(run_id, signaled);
                Reply::Signaled { run_id, event_id, fresh: true }
            }),
            Request::RequestCancelWorkflowExecution(cancel) => {
                let named = self.chain_or_run(
                    &cancel.namespace,
                    &cancel.workflow_id,
                    cancel.run_id,
                    cancel.first_execution_run_id,
                );
                named.map(|run_id| {
                    let run = self.run(run_id);
                    if run.is_open() && !run.is_asked_to_cancel() {
                        let requested = Event::WorkflowExecutionCancelRequested {
                            cause: cancel.reason,
                            identity: cancel.identity,
                            request_id: cancel.request_id,
                            external: None,
                        };
                        self.arrive(run_id, vec![requested], true);
                    }
                    Reply::Done
                })
            }
            Request::TerminateWorkflowExecution(terminate) => {
                let named = self.chain_or_run(
                    &terminate.namespace,
                    &terminate.workflow_id,
                    terminate.run_id,
                    terminate.first_execution_run_id,
                );
                named.and_then(|run_id| {
                    if !self.run(run_id).is_open() {
                        return Err(Refusal::NotFound(String::from("workflow execution already completed")));
                    }
                    self.terminate(run_id, terminate.reason, terminate.details, terminate.identity);
                    Ok(Reply::Done)
                })
            }
            Request::ResetWorkflowExecution(reset) => self.reset(*reset),
            Request::PollWorkflowTaskQueue { namespace, task_queue, identity, .. } => {
                self.poll(ticket, Kind::Workflow, namespace, task_queue, identity);
                return None;
            }
            Request::PollActivityTaskQueue { namespace, task_queue, identity, .. } => {
                self.poll(ticket, Kind::Activity, namespace, task_queue, identity);
                return None;
            }
            Request::RespondWorkflowTaskCompleted(completion) => self.complete_task(*completion),
            Request::RespondWorkflowTaskFailed { token, cause, failure, identity } => {
                self.take_task_failure(&token, cause, failure, identity)
            }
            Request::RespondActivityTaskCompleted { task, result, identity } => {
                self.take_activity_result(&task, result, identity)
            }
            Request::RespondActivityTaskFailed { task, failure, identity, .. } => {
                self.take_activity_failure(&task, failure, identity)
            }
            Request::ShutdownWorker { identity } => {
                self.shut_down(&identity);
                Ok(Reply::Done)
            }
            Request::WaitForHistory(wanted) => {
                let found = self.meant(&wanted.namespace, &wanted.workflow_id, wanted.run_id);
                found.map(|run_id| {
                    let run = self.run(run_id);
                    let last_event_id = run.history.len() as u64;
                    Reply::History(HistoryStanding { run_id, last_event_id, is_open: run.is_open() })
                })
            }
            other => panic!("the reference has not learned {other:?}"),
        })
    }

    pub(crate) fn abandon(&mut self, ticket: Ticket) {
        if let Some(at) = self.polls.iter().position(|poll| poll.ticket == ticket) {
            let poll = self.polls.remove(at);
            self.saw(&poll);
        }
    }

    fn poll(&mut self, ticket: Ticket, kind: Kind, namespace: Namespace, queue: TaskQueue, identity: String) {
        let poll = Poll { ticket, kind, namespace, queue, identity, until: self.now + POLL_TIMEOUT };
        self.saw(&poll);
        self.polls.push(poll);
    }

    fn saw(&mut self, poll: &Poll) {
        if poll.kind == Kind::Workflow {
            self.polled.insert((poll.namespace.clone(), poll.queue.clone()), self.now);
        }
    }

    /// Polls that have waited long enough are answered: there was nothing.
    pub(super) fn expire_polls(&mut self) {
        while let Some(at) = self.polls.iter().position(|poll| poll.until <= self.now) {
            self.dismiss(at);
        }
    }

    fn dismiss(&mut self, at: usize) {
        let poll = self.polls.remove(at);
        self.saw(&poll);
        let nothing = match poll.kind {
            Kind::Workflow => Reply::WorkflowTask(None),
            Kind::Activity => Reply::ActivityTask(None),
        };
        self.replies.push((poll.ticket, Ok(nothing)));
    }

    /// A worker is gone: its polls, its tasks, and its cache.
    fn shut_down(&mut self, identity: &str) {
        while let Some(at) = self.polls.iter().position(|poll| poll.identity == identity) {
            self.dismiss(at);
        }
        let runs: Vec<_> = self.runs.values().filter(|run| run.is_open()).map(|run| run.run_id).collect();
        for run_id in runs {
            self.take_back(run_id, identity);
        }
    }
}
