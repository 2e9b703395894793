//! What a random worker says to updates, and what a random caller asks.

use std::collections::BTreeMap;

use tidegate_engine::{
    Command, Reply, Request, UpdateStage, UpdateWorkflow, WorkerMessage, WorkerMessageBody, WorkflowTask,
    WorkflowTaskToken,
};
use tidegate_model::event::{UpdateOutcome, UpdateRequest, WorkflowIdConflictPolicy};
use tidegate_model::id::RunId;
use tidegate_model::payload::{Failure, Header};

use super::{namespace, start, workflow_id};

/// What workers have been given.
#[derive(Default)]
pub(super) struct Known {
    /// By the request id of the task they came with.
    brought: BTreeMap<String, Vec<UpdateRequest>>,
    /// Let in by an answer of ours, whether or not that was taken.
    accepted: BTreeMap<RunId, Vec<String>>,
}

impl Known {
    /// Takes the updates of a task; gives what is to be told of it.
    pub(super) fn take(&mut self, task: &WorkflowTask) -> Option<&'static str> {
        let requests: Vec<UpdateRequest> =
            task.messages.iter().map(|message| message.request.clone()).collect();
        let is_speculative = task.attempt == 1 && !task.transient.is_empty();
        let brings = !requests.is_empty();
        self.brought.insert(task.token.request_id.clone(), requests);
        match (is_speculative, brings) {
            (true, _) => Some("speculative task"),
            (false, true) => Some("update with a real task"),
            (false, false) => None,
        }
    }

    /// What `says` makes of the updates of a task, one after the other, and perhaps of one let in before.
    pub(super) fn said(
        &self,
        token: &WorkflowTaskToken,
        says: &[u8],
        commands: &mut Vec<Command>,
    ) -> Vec<WorkerMessage> {
        let mut messages = Vec::new();
        let mut places = Vec::new();
        let mut say = |update_id: &str, what: &str, body: WorkerMessageBody, is_placed: bool| {
            let id = format!("{update_id}/{what}");
            if is_placed {
                places.push(Command::ProtocolMessage { message_id: id.clone() });
            }
            messages.push(WorkerMessage { id, update_id: update_id.to_owned(), body });
        };
        let brought = self.brought.get(&token.request_id).into_iter().flatten();
        for (request, how) in brought.zip(says) {
            let update_id = &request.update_id;
            match how {
                0 => say(update_id, "reject", rejection(), false),
                1 => say(update_id, "accept", acceptance(token, request), true),
                2 => say(update_id, "accept", acceptance(token, request), false),
                3 => {
                    say(update_id, "accept", acceptance(token, request), true);
                    say(update_id, "complete", response(), true);
                }
                _ => {}
            }
        }
        if says.first() == Some(&4)
            && let Some(update_id) = self.accepted.get(&token.run_id).and_then(|ids| ids.last())
        {
            say(update_id, "complete", response(), true);
        }
        // In front, because a closing command is the last.
        commands.splice(0..0, places);
        messages
    }

    /// An answer of ours was given.
    pub(super) fn answered(&mut self, token: &WorkflowTaskToken, messages: &[WorkerMessage]) {
        for message in messages {
            let accepted = self.accepted.entry(token.run_id).or_default();
            match message.body {
                WorkerMessageBody::Acceptance { .. } => accepted.push(message.update_id.clone()),
                WorkerMessageBody::Response { .. } => accepted.retain(|id| *id != message.update_id),
                WorkerMessageBody::Rejection { .. } => {}
            }
        }
    }
}

fn acceptance(token: &WorkflowTaskToken, request: &UpdateRequest) -> WorkerMessageBody {
    WorkerMessageBody::Acceptance {
        accepted_request_message_id: format!("{}/request", request.update_id),
        accepted_request_sequencing_event_id: token.started_event_id - 1,
        accepted_request: Some(Box::new(request.clone())),
    }
}

fn rejection() -> WorkerMessageBody {
    WorkerMessageBody::Rejection { failure: Failure::application("no", "No", false) }
}

fn response() -> WorkerMessageBody {
    WorkerMessageBody::Response { outcome: UpdateOutcome::Success(Vec::new()) }
}

/// An update, a poll of one, or one with a start.
pub(super) fn request(workflow: u8, update: u8, how: u8) -> Request {
    let asked = UpdateWorkflow {
        namespace: namespace(),
        workflow_id: workflow_id(workflow),
        run_id: None,
        first_execution_run_id: None,
        wait: if how == 0 { UpdateStage::Accepted } else { UpdateStage::Completed },
        request: UpdateRequest {
            update_id: format!("u{update}"),
            identity: String::from("caller"),
            name: String::from("change"),
            args: Vec::new(),
            header: Header::new(),
        },
    };
    match how {
        0 | 1 => Request::UpdateWorkflowExecution(Box::new(asked)),
        2 => {
            let mut start = start(workflow, 0);
            start.workflow_id_conflict_policy = WorkflowIdConflictPolicy::UseExisting;
            Request::UpdateWithStartWorkflowExecution { start: Box::new(start), update: Box::new(asked) }
        }
        _ => Request::PollWorkflowExecutionUpdate {
            namespace: asked.namespace,
            workflow_id: asked.workflow_id,
            run_id: None,
            update_id: asked.request.update_id,
            wait: Some(UpdateStage::Completed),
        },
    }
}

/// How far an update got.
pub(super) fn reached(reply: &Reply) -> &'static str {
    let Reply::Update { stage, outcome, .. } = reply else { panic!("called for an update") };
    match (stage, outcome) {
        (UpdateStage::Admitted, _) => "update admitted",
        (UpdateStage::Accepted, _) => "update accepted",
        (UpdateStage::Completed, Some(UpdateOutcome::Success(_))) => "update completed",
        (UpdateStage::Completed, _) => "update failed",
    }
}
