//! The verbs of updates, and what a completion says to them.

use std::collections::BTreeMap;

use tidegate_engine::{
    Command, Reply, Request, UpdateStage, UpdateWorkflow, WorkerMessage, WorkerMessageBody, WorkflowTask,
    WorkflowTaskToken,
};
use tidegate_model::event::{UpdateOutcome, UpdateRequest, WorkflowIdConflictPolicy};
use tidegate_model::id::RunId;
use tidegate_model::payload::{Failure, Header, Payload};

use super::waits::render_text;
use super::{Stage, Words, command, namespace, others, payloads, start, workflow_id};

impl Stage {
    /// `update w u [wait=accepted] [run=v] [chain=v] [size=n] as bob`
    pub(super) fn update(&mut self, words: &Words<'_>) -> Vec<String> {
        let wanted = self.update_of(words);
        self.request_and_wait(words, Request::UpdateWorkflowExecution(Box::new(wanted)))
    }

    /// `ask-update w u [wait=accepted] [run=v] as bob`
    pub(super) fn poll_update(&mut self, words: &Words<'_>) -> Vec<String> {
        let wanted = Request::PollWorkflowExecutionUpdate {
            namespace: namespace(),
            workflow_id: workflow_id(words.at(1)),
            run_id: words.value("run").map(|workflow| self.run_id(workflow)),
            update_id: words.at(2).to_owned(),
            wait: words.value("wait").map(stage),
        };
        self.request_and_wait(words, wanted)
    }

    /// `start-update w u [join] [request=r] [wait=accepted] as bob`
    pub(super) fn update_with_start(&mut self, words: &Words<'_>) -> Vec<String> {
        let mut start = start(words);
        if words.has("join") {
            start.workflow_id_conflict_policy = WorkflowIdConflictPolicy::UseExisting;
        }
        let update = Box::new(self.update_of(words));
        let request = Request::UpdateWithStartWorkflowExecution { start: Box::new(start), update };
        let lines = self.request_and_wait(words, request);
        self.find_runs();
        lines
    }

    /// Names the youngest run of each workflow after it.
    fn find_runs(&mut self) {
        for (run_id, batches) in &self.world.histories {
            let name = batches.first().expect("a run has a history").workflow_id.to_string();
            self.runs.insert(name, *run_id);
        }
    }

    fn update_of(&self, words: &Words<'_>) -> UpdateWorkflow {
        UpdateWorkflow {
            namespace: namespace(),
            workflow_id: workflow_id(words.at(1)),
            run_id: words.value("run").map(|workflow| self.run_id(workflow)),
            first_execution_run_id: words.value("chain").map(|workflow| self.run_id(workflow)),
            wait: words.value("wait").map_or(UpdateStage::Completed, stage),
            request: request(words.at(2), words.value("size")),
        }
    }
}

fn stage(name: &str) -> UpdateStage {
    match name {
        "admitted" => UpdateStage::Admitted,
        "accepted" => UpdateStage::Accepted,
        "completed" => UpdateStage::Completed,
        other => panic!("there is no stage {other:?}"),
    }
}

fn request(update_id: &str, size: Option<&str>) -> UpdateRequest {
    UpdateRequest {
        update_id: update_id.to_owned(),
        identity: String::from("caller"),
        name: String::from("change"),
        args: payloads(size),
        header: Header::new(),
    }
}

/// A completion in words: commands, and messages with the commands that place them, in order.
pub(super) fn commands_and_messages(
    text: &str,
    token: &WorkflowTaskToken,
    runs: &BTreeMap<String, RunId>,
) -> (Vec<Command>, Vec<WorkerMessage>) {
    let (mut commands, mut messages) = (Vec::new(), Vec::new());
    for text in text.split(';').map(str::trim).filter(|text| !text.is_empty()) {
        match said(text, token) {
            Some((message, place)) => {
                messages.push(message);
                commands.extend(place);
            }
            None => {
                let other = others::command(&Words::of(text), runs);
                commands.push(other.unwrap_or_else(|| command(text)));
            }
        }
    }
    (commands, messages)
}

/// `accept u [loose] [given]`, `respond u text [loose]`, `respond u failed`, `respond u size=n`, `reject u [named]`: a message, and the
/// command that says where it belongs, unless it is loose.
fn said(text: &str, token: &WorkflowTaskToken) -> Option<(WorkerMessage, Option<Command>)> {
    let words = Words::of(text);
    let (body, what) = match words.verb() {
        "accept" => {
            let update_id = words.at(1);
            let body = WorkerMessageBody::Acceptance {
                accepted_request_message_id: format!("{update_id}/request"),
                accepted_request_sequencing_event_id: token.started_event_id - 1,
                accepted_request: words.has("given").then(|| Box::new(request(update_id, None))),
            };
            (body, "accept")
        }
        "respond" => (WorkerMessageBody::Response { outcome: outcome(&words) }, "complete"),
        "reject" => {
            let failure = Failure::application("not so", "Invalid", false);
            (WorkerMessageBody::Rejection { failure }, "reject")
        }
        _ => return None,
    };
    let update_id = words.at(1).to_owned();
    let id = format!("{update_id}/request/{what}");
    let is_named = if what == "reject" { words.has("named") } else { !words.has("loose") };
    let command = is_named.then(|| Command::ProtocolMessage { message_id: id.clone() });
    Some((WorkerMessage { id, update_id, body }, command))
}

fn outcome(words: &Words<'_>) -> UpdateOutcome {
    if words.value("size").is_some() {
        return UpdateOutcome::Success(payloads(words.value("size")));
    }
    let text = words.at(2);
    if text == "failed" {
        return UpdateOutcome::Failure(Failure::application("broken", "Oops", false));
    }
    UpdateOutcome::Success(vec![Payload { data: text.as_bytes().to_vec().into(), ..Payload::default() }])
}

/// The updates a task brings.
pub(super) fn render_messages(task: &WorkflowTask) -> String {
    let names = task.messages.iter().map(|message| {
        assert_eq!(message.sequencing_event_id, task.started_event_id - 1, "behind all events");
        format!(", brings {}", message.request.update_id)
    });
    names.collect()
}

pub(super) fn render_update(reply: &Reply) -> String {
    let Reply::Update { stage, outcome, started, .. } = reply else { panic!("called for an update") };
    let how = match (stage, outcome) {
        (UpdateStage::Admitted, None) => String::from("admitted"),
        (UpdateStage::Accepted, None) => String::from("accepted"),
        (UpdateStage::Completed, None) => String::from("completed, see history"),
        (UpdateStage::Completed, Some(UpdateOutcome::Success(payloads))) => {
            format!("completed, {}", render_text(payloads))
        }
        (UpdateStage::Completed, Some(UpdateOutcome::Failure(failure))) => {
            format!("failed, {}", failure.message)
        }
        (stage, Some(_)) => panic!("an outcome at stage {stage:?}"),
    };
    match started {
        None => how,
        Some(true) => format!("{how}, in a run that was started"),
        Some(false) => format!("{how}, in a run that was open"),
    }
}

pub(super) fn render_multi(is_start: bool, refusal: &str) -> String {
    format!("{} refused: {refusal}", if is_start { "start" } else { "update" })
}
