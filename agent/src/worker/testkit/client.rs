//! What a client does: starts, signals, asks, cancels.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_engine::{
    CancelWorkflow, QueryAnswer, QueryRejectCondition, QueryWorkflow, ReapplyExclude, Refusal, Reply,
    Request, ResetWorkflow, RunDescription, StartWorkflow, Ticket, UpdateStage, UpdateWorkflow,
    WorkflowQuery,
};
use tidegate_model::event::{UpdateOutcome, UpdateRequest};
use tidegate_model::id::{EventId, RunId, WorkflowId};
use tidegate_model::payload::{Failure, Header};

use super::{IDENTITY, World, namespace, queue};
use crate::worker::workflow::{Workflow, from_payloads, to_payloads};

/// An update that was asked.
#[derive(Debug, Clone)]
pub struct Update {
    ticket: Ticket,
    workflow_id: WorkflowId,
    update_id: String,
}

impl World {
    /// Starts a run.
    pub fn start<W: Workflow>(&mut self, id: &str, input: &impl Serialize) -> RunId {
        let start = StartWorkflow {
            input: to_payloads(input).expect("inputs are JSON"),
            identity: IDENTITY.to_owned(),
            request_id: format!("start {id}"),
            ..StartWorkflow::new(
                namespace(),
                WorkflowId::new(id).expect("a test's id"),
                W::TYPE.to_owned(),
                queue(),
            )
        };
        match self.call(Request::StartWorkflowExecution(start)) {
            Ok(Reply::Started { run_id, .. }) => run_id,
            other => panic!("the run was not started: {other:?}"),
        }
    }

    /// Signals the open run of an execution; the same `request_id` counts once.
    ///
    /// # Errors
    /// The engine's refusal.
    pub fn signal(
        &mut self,
        id: &str,
        name: &str,
        input: &impl Serialize,
        request_id: &str,
    ) -> Result<Reply, Refusal> {
        self.call(Request::SignalWorkflowExecution {
            namespace: namespace(),
            workflow_id: WorkflowId::new(id).expect("a test's id"),
            run_id: None,
            signal_name: name.to_owned(),
            input: to_payloads(input).expect("inputs are JSON"),
            identity: IDENTITY.to_owned(),
            request_id: request_id.to_owned(),
            header: Header::new(),
        })
    }

    /// Asks workflow code something that changes nothing, and works until there is an answer; where a run begins with a
    /// pause, time passes.
    ///
    /// # Errors
    /// The engine's refusal, or the workflow's.
    ///
    /// # Panics
    /// If the answer is not a `T`, or none comes.
    pub fn query<T: DeserializeOwned>(
        &mut self,
        id: &str,
        query: &str,
        argument: &impl Serialize,
    ) -> Result<T, Refusal> {
        let ticket = self.ask(Request::QueryWorkflow(Box::new(QueryWorkflow {
            namespace: namespace(),
            workflow_id: WorkflowId::new(id).expect("a test's id"),
            run_id: None,
            query: WorkflowQuery {
                query_type: query.to_owned(),
                args: to_payloads(argument).expect("arguments are JSON"),
                header: Header::new(),
            },
            reject_condition: QueryRejectCondition::None,
        })));
        self.settle();
        // A run that begins with a pause is asked after it; the engine does not let anybody wait for ever.
        while !self.replies.contains_key(&ticket)
            && let Some((at, _)) = self.engine.next_deadline()
        {
            self.advance_to(at);
            self.settle();
        }
        match self.replies.remove(&ticket).expect("the engine refuses what is not answered in time") {
            Ok(Reply::Query(QueryAnswer::Answered(answer))) => {
                Ok(from_payloads(&answer).expect("the answer is what the test expects"))
            }
            Ok(other) => panic!("that is no answer to a query: {other:?}"),
            Err(refusal) => Err(refusal),
        }
    }

    /// Asks workflow code something that may change it; what comes of it is had with [`World::updated`].
    pub fn update(&mut self, id: &str, update: &str, argument: &impl Serialize, update_id: &str) -> Update {
        let workflow_id = WorkflowId::new(id).expect("a test's id");
        let ticket = self.ask(Request::UpdateWorkflowExecution(Box::new(UpdateWorkflow {
            namespace: namespace(),
            workflow_id: workflow_id.clone(),
            run_id: None,
            first_execution_run_id: None,
            wait: UpdateStage::Completed,
            request: UpdateRequest {
                update_id: update_id.to_owned(),
                identity: IDENTITY.to_owned(),
                name: update.to_owned(),
                args: to_payloads(argument).expect("arguments are JSON"),
                header: Header::new(),
            },
        })));
        Update { ticket, workflow_id, update_id: update_id.to_owned() }
    }

    /// What came of an update so far; `None` while there is no outcome. A rejection is told once: it leaves no trace.
    ///
    /// # Panics
    /// If the outcome is not a `T`.
    pub fn updated<T: DeserializeOwned>(
        &mut self,
        update: &Update,
    ) -> Option<Result<Result<T, Failure>, Refusal>> {
        let mut reply = self.replies.remove(&update.ticket);
        // After a while the engine answers whoever waits with the stage that was reached.
        if matches!(reply, None | Some(Ok(Reply::Update { outcome: None, .. }))) {
            reply = Some(self.call(Request::PollWorkflowExecutionUpdate {
                namespace: namespace(),
                workflow_id: update.workflow_id.clone(),
                run_id: None,
                update_id: update.update_id.clone(),
                wait: None,
            }));
        }
        match reply? {
            Ok(Reply::Update { outcome: Some(UpdateOutcome::Success(result)), .. }) => {
                Some(Ok(Ok(from_payloads(&result).expect("the result is what the test expects"))))
            }
            Ok(Reply::Update { outcome: Some(UpdateOutcome::Failure(failure)), .. }) => {
                Some(Ok(Err(failure)))
            }
            Ok(Reply::Update { outcome: None, .. }) => None,
            Ok(other) => panic!("that is no outcome of an update: {other:?}"),
            Err(refusal) => Some(Err(refusal)),
        }
    }

    /// Asks an execution to cancel itself; the same `request_id` counts once.
    ///
    /// # Errors
    /// The engine's refusal.
    pub fn cancel(&mut self, id: &str, reason: &str, request_id: &str) -> Result<Reply, Refusal> {
        self.call(Request::RequestCancelWorkflowExecution(CancelWorkflow {
            namespace: namespace(),
            workflow_id: WorkflowId::new(id).expect("a test's id"),
            run_id: None,
            first_execution_run_id: None,
            reason: reason.to_owned(),
            identity: IDENTITY.to_owned(),
            request_id: request_id.to_owned(),
        }))
    }

    /// Goes on from an earlier point of an execution's latest run, in a new one: the event at which a workflow task
    /// ended. What came after it is asked anew.
    ///
    /// # Errors
    /// The engine's refusal.
    ///
    /// # Panics
    /// If there is no such execution.
    pub fn reset(&mut self, id: &str, event: EventId) -> Result<RunId, Refusal> {
        let run_id = self.run_of(id).expect("the execution was started");
        let reset = Request::ResetWorkflowExecution(Box::new(ResetWorkflow {
            namespace: namespace(),
            workflow_id: WorkflowId::new(id).expect("a test's id"),
            run_id,
            reason: "a test".to_owned(),
            workflow_task_finish_event_id: event,
            request_id: format!("reset {id} {event} {run_id}"),
            identity: IDENTITY.to_owned(),
            reapply_exclude: ReapplyExclude::default(),
            history: self.history(run_id).to_vec(),
        }));
        let reply = self.call(reset)?;
        let Reply::Reset { run_id } = reply else { panic!("that is no answer to a reset: {reply:?}") };
        Ok(run_id)
    }

    /// What the engine knows of an execution's latest run.
    ///
    /// # Panics
    /// If there is no such execution.
    pub fn describe(&mut self, id: &str) -> RunDescription {
        let workflow_id = WorkflowId::new(id).expect("a test's id");
        let describe =
            Request::DescribeWorkflowExecution { namespace: namespace(), workflow_id, run_id: None };
        match self.call(describe) {
            Ok(Reply::Described(description)) => *description,
            other => panic!("execution {id} cannot be described: {other:?}"),
        }
    }
}
