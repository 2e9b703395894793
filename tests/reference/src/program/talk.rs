//! Queries and updates, and what workflow code says to them.

use std::collections::BTreeMap;

use tidegate_engine::{
    QueryAnswer, QueryRejectCondition, QueryWorkflow, Request, UpdateStage, UpdateWorkflow, WorkerMessage,
    WorkerMessageBody, WorkflowQuery, WorkflowTask,
};
use tidegate_model::chance::Chance;
use tidegate_model::event::{Event, UpdateOutcome, UpdateRequest};
use tidegate_model::payload::Header;

use super::start::{self, Start};
use super::words::{
    below, execution, failure, flip, maybe_pick, name, run_of, said, seldom, small, token, workflow,
};
use super::{Pick, Token};
use crate::seen::Seen;

/// See the module.
#[derive(Debug, Clone)]
pub enum Asked {
    Query { workflow: u8, run: Option<Pick>, reject: QueryRejectCondition, number: u64 },
    Answer { token: Token, answer: Option<bool> },
    Update { workflow: u8, run: Option<Pick>, by_chain: bool, id: u8, wait: UpdateStage },
    UpdateWithStart { start: Start, id: u8, wait: UpdateStage },
    Poll { workflow: u8, run: Option<Pick>, id: u8, wait: Option<UpdateStage> },
}

/// What a worker says with a workflow task to what came along.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// To the queries: nothing, something, or that there is none.
    queries: Option<bool>,
    /// To the updates, one after the other.
    updates: Vec<Say>,
    /// To one that it let in before.
    responds: Option<Pick>,
}

#[derive(Debug, Clone, Copy)]
enum Say {
    Nothing,
    Accept,
    AcceptAndRespond,
    Reject,
    /// Out of turn.
    Respond,
    /// Without what an acceptance must say.
    AcceptBadly,
}

const STAGES: [UpdateStage; 3] = [UpdateStage::Admitted, UpdateStage::Accepted, UpdateStage::Completed];

pub(super) fn random(chance: &mut Chance) -> Asked {
    match chance.below(16) {
        0..=4 => Asked::Query {
            workflow: workflow(chance),
            run: maybe_pick(chance),
            reject: [
                QueryRejectCondition::None,
                QueryRejectCondition::None,
                QueryRejectCondition::NotOpen,
                QueryRejectCondition::NotCompletedCleanly,
            ][below(chance, 4)],
            number: chance.next_u64(),
        },
        5..=7 => {
            Asked::Answer { token: token(chance), answer: [None, Some(true), Some(false)][below(chance, 3)] }
        }
        8..=12 => update(chance),
        13 => Asked::UpdateWithStart {
            start: start::random(chance),
            id: small(chance, 5),
            wait: STAGES[below(chance, 3)],
        },
        14.. => Asked::Poll {
            workflow: workflow(chance),
            run: maybe_pick(chance),
            id: small(chance, 5),
            wait: [None, Some(STAGES[1]), Some(STAGES[2])][below(chance, 3)],
        },
    }
}

pub(super) fn update(chance: &mut Chance) -> Asked {
    Asked::Update {
        workflow: workflow(chance),
        run: maybe_pick(chance),
        by_chain: flip(chance),
        id: small(chance, 5),
        wait: STAGES[below(chance, 3)],
    }
}

pub(super) fn answers(chance: &mut Chance) -> Answers {
    let say = |chance: &mut Chance| match chance.below(16) {
        0..=2 => Say::Nothing,
        3..=6 => Say::Accept,
        7..=10 => Say::AcceptAndRespond,
        11..=13 => Say::Reject,
        14 => Say::Respond,
        _ => Say::AcceptBadly,
    };
    Answers {
        queries: [None, Some(true), Some(true), Some(false)][below(chance, 4)],
        updates: (0..2).map(|_| say(chance)).collect(),
        responds: flip(chance).then(|| Pick(small(chance, 2))).filter(|_| !seldom(chance, 4)),
    }
}

impl Asked {
    pub(super) fn request(&self, seen: &Seen) -> Option<Request> {
        Some(match self {
            Self::Query { workflow, run, reject, number } => {
                let (namespace, workflow_id) = execution(*workflow);
                Request::QueryWorkflow(Box::new(QueryWorkflow {
                    namespace,
                    workflow_id,
                    run_id: run_of(seen, *workflow, *run),
                    // By its arguments each is known again: the ids under which they travel are the engine's own.
                    query: WorkflowQuery {
                        query_type: String::from("how"),
                        args: said(&number.to_string()),
                        header: Header::new(),
                    },
                    reject_condition: *reject,
                }))
            }
            Self::Answer { token, answer } => Request::RespondQueryTaskCompleted {
                token: token.of(&seen.queries)?.clone(),
                answer: answered(answer.unwrap_or(true)),
            },
            Self::Update { workflow, run, by_chain, id, wait } => {
                let run_id = run_of(seen, *workflow, *run);
                let first = run_id.filter(|_| *by_chain).map(|run_id| seen.first_run_of(run_id));
                let (namespace, workflow_id) = execution(*workflow);
                Request::UpdateWorkflowExecution(Box::new(UpdateWorkflow {
                    namespace,
                    workflow_id,
                    run_id: run_id.filter(|_| !by_chain),
                    first_execution_run_id: first,
                    wait: *wait,
                    request: asked_for(*id),
                }))
            }
            Self::UpdateWithStart { start, id, wait } => {
                let (namespace, workflow_id) = execution(start.workflow);
                Request::UpdateWithStartWorkflowExecution {
                    start: Box::new(start.request()),
                    update: Box::new(UpdateWorkflow {
                        namespace,
                        workflow_id,
                        run_id: None,
                        first_execution_run_id: None,
                        wait: *wait,
                        request: asked_for(*id),
                    }),
                }
            }
            Self::Poll { workflow, run, id, wait } => {
                let (namespace, workflow_id) = execution(*workflow);
                Request::PollWorkflowExecutionUpdate {
                    namespace,
                    workflow_id,
                    run_id: run_of(seen, *workflow, *run),
                    update_id: name('u', *id),
                    wait: *wait,
                }
            }
        })
    }
}

/// 0 is one that asks badly: its id is empty.
fn asked_for(id: u8) -> UpdateRequest {
    UpdateRequest {
        update_id: if id == 0 { String::new() } else { name('u', id) },
        identity: String::from("caller"),
        name: String::from("set"),
        args: said("to"),
        header: Header::new(),
    }
}

fn answered(has_answer: bool) -> QueryAnswer {
    if has_answer {
        QueryAnswer::Answered(said("so"))
    } else {
        QueryAnswer::Failed { message: String::from("no idea"), failure: None }
    }
}

impl Answers {
    /// Lets in what came along, and is done with it.
    pub(super) fn accepting() -> Self {
        Self { updates: vec![Say::AcceptAndRespond], ..Self::default() }
    }

    pub(super) fn query_results(&self, task: &WorkflowTask) -> BTreeMap<String, QueryAnswer> {
        let Some(has_answer) = self.queries else { return BTreeMap::new() };
        task.queries.keys().map(|id| (id.clone(), answered(has_answer))).collect()
    }

    pub(super) fn messages(&self, task: &WorkflowTask, seen: &Seen) -> Vec<WorkerMessage> {
        let mut messages = Vec::new();
        let mut push = |update_id: &str, body| {
            let id = name('m', u8::try_from(messages.len()).expect("a few"));
            messages.push(WorkerMessage { id, update_id: update_id.to_owned(), body });
        };
        let outcome = || WorkerMessageBody::Response { outcome: UpdateOutcome::Success(said("set")) };
        for (message, say) in task.messages.iter().zip(&self.updates) {
            let update_id = message.request.update_id.as_str();
            let acceptance = |message_id: &str| WorkerMessageBody::Acceptance {
                accepted_request_message_id: message_id.to_owned(),
                accepted_request_sequencing_event_id: message.sequencing_event_id,
                accepted_request: Some(Box::new(message.request.clone())),
            };
            match say {
                Say::Nothing => {}
                Say::Accept => push(update_id, acceptance(&message.id)),
                Say::AcceptAndRespond => {
                    push(update_id, acceptance(&message.id));
                    push(update_id, outcome());
                }
                Say::Reject => push(update_id, WorkerMessageBody::Rejection { failure: failure(true) }),
                Say::Respond => push(update_id, outcome()),
                Say::AcceptBadly => push(update_id, acceptance("")),
            }
        }
        if let Some(update_id) = self.responds.and_then(|pick| pick.of(&let_in(seen, task)).cloned()) {
            push(&update_id, outcome());
        }
        messages
    }
}

/// Updates of a run that were let in and have no outcome; and those that a reset carried over, as SDKs take them from
/// the history.
fn let_in(seen: &Seen, task: &WorkflowTask) -> Vec<String> {
    let batches = seen.histories.get(&task.token.run_id).into_iter().flatten();
    let mut open = Vec::new();
    for event in batches.flat_map(|batch| &batch.events) {
        if let Event::WorkflowExecutionUpdateAccepted { protocol_instance_id, .. } = event {
            open.push(protocol_instance_id.clone());
        } else if let Event::WorkflowExecutionUpdateCompleted { update_id, .. } = event {
            open.retain(|id| id != update_id);
        }
    }
    open
}
