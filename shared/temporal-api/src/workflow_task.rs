//! Workflow tasks: polled, and answered with commands, a failure, or a query's answer.

use std::collections::BTreeMap;

use prost::Message as _;
use tidegate_engine::{
    HistoryPart, Reply, Request, StickyAttributes, UpdateMessage, WorkerMessage, WorkerMessageBody,
    WorkflowService, WorkflowTask, WorkflowTaskCompletion,
};
use tidegate_model::id::EventId;
use tidegate_model::limits::API_HISTORY_PAGE_EVENTS_MAX;
use tidegate_model::payload::{Failure, FailureInfo};
use tidegate_model::time::Timestamp;
use tonic::Status;

use crate::api::{Api, Patience, unexpected};
use crate::command::{self, BadCommand};
use crate::convert::inward::{self, Checked};
use crate::convert::{Invalid, cause, outward, sdk_metadata};
use crate::event;
use crate::history::{self, Page};
use crate::proto::common::WorkflowExecution;
use crate::proto::history::History;
use crate::proto::protocol::{Message, message::SequencingId};
use crate::proto::service::*;
use crate::proto::taskqueue::StickyExecutionAttributes;
use crate::proto::update;
use crate::token::{HistoryPlace, Token, misplaced};

const TOKEN: &str = "task_token";
const UPDATE_MESSAGES: &str = "type.googleapis.com/temporal.api.update.v1.";

pub(crate) async fn poll<S: WorkflowService>(
    api: &Api<S>,
    patience: Patience,
    request: PollWorkflowTaskQueueRequest,
) -> Result<PollWorkflowTaskQueueResponse, Status> {
    let poll = Request::PollWorkflowTaskQueue {
        namespace: inward::namespace(&request.namespace)?,
        task_queue: inward::task_queue("task_queue", request.task_queue)?,
        identity: request.identity,
        worker_instance_key: request.worker_instance_key,
    };
    match api.wait(patience, poll).await? {
        Some(Reply::WorkflowTask(Some(task))) => outward(api, *task).await,
        // No token: there was nothing to do.
        Some(Reply::WorkflowTask(None)) | None => Ok(PollWorkflowTaskQueueResponse::default()),
        Some(_) => Err(unexpected()),
    }
}

/// A task as a worker gets it.
async fn outward<S: WorkflowService>(
    api: &Api<S>,
    task: WorkflowTask,
) -> Result<PollWorkflowTaskQueueResponse, Status> {
    let run_id = task.token.run_id;
    let transient = transient(&task);
    let logged = task.started_event_id.saturating_sub(transient.len() as EventId);
    let (events, rest) = match task.history {
        HistoryPart::Since(batches) => {
            let mut events: Vec<_> = batches.into_iter().flat_map(event::of_batch).collect();
            events.extend(
                (logged + 1..)
                    .zip(transient)
                    .map(|(id, (at, event))| event::numbered(id, at, event, task.workflow_id.as_str())),
            );
            (events, None)
        }
        HistoryPart::Whole => {
            let place = HistoryPlace {
                run_id,
                next: 1,
                // A query asks about all there is.
                last: task.query.is_none().then_some(logged),
                is_open: true,
                transient,
            };
            let page = history::page(api, place, task.workflow_id.as_str(), API_HISTORY_PAGE_EVENTS_MAX);
            let Page { events, rest, is_last } = page.await?;
            (events, (!is_last).then_some(rest))
        }
    };
    let (token, query) = match task.query {
        Some((token, query)) => (Token::Query(token), Some(outward::workflow_query(query))),
        None => (Token::WorkflowTask { namespace: task.namespace, task: task.token }, None),
    };
    Ok(PollWorkflowTaskQueueResponse {
        task_token: token.seal(),
        workflow_execution: Some(WorkflowExecution {
            workflow_id: task.workflow_id.to_string(),
            run_id: run_id.to_string(),
        }),
        workflow_type: outward::workflow_type(task.workflow_type),
        previous_started_event_id: outward::id(task.previous_started_event_id),
        started_event_id: outward::id(task.started_event_id),
        attempt: outward::int(task.attempt),
        history: Some(History { events }),
        next_page_token: rest.map(|place| Token::History(place).seal()).unwrap_or_default(),
        query,
        workflow_execution_task_queue: outward::task_queue(&task.task_queue),
        scheduled_time: Some(outward::timestamp(task.scheduled_time)),
        started_time: Some(outward::timestamp(task.started_time)),
        queries: task.queries.into_iter().map(|(id, query)| (id, outward::workflow_query(query))).collect(),
        messages: task.messages.into_iter().map(update_message).collect(),
        ..Default::default()
    })
}

/// The events of an attempt that are in no log, with their times: scheduled, and started.
fn transient(task: &WorkflowTask) -> Vec<(Timestamp, tidegate_model::event::Event)> {
    let times = [task.scheduled_time, task.started_time];
    times.into_iter().zip(task.transient.iter().cloned()).collect()
}

fn update_message(message: UpdateMessage) -> Message {
    let protocol_instance_id = message.request.update_id.clone();
    let body = prost_types::Any {
        type_url: format!("{UPDATE_MESSAGES}Request"),
        value: outward::update_request(message.request).encode_to_vec(),
    };
    Message {
        id: message.id,
        protocol_instance_id,
        body: Some(body),
        sequencing_id: Some(SequencingId::EventId(outward::id(message.sequencing_event_id))),
    }
}

pub(crate) async fn respond_completed<S: WorkflowService>(
    api: &Api<S>,
    request: RespondWorkflowTaskCompletedRequest,
) -> Result<RespondWorkflowTaskCompletedResponse, Status> {
    let (namespace, token) = open(&request.task_token)?;
    let commands = match command::inward(&namespace, request.commands) {
        Ok(commands) => commands,
        Err(bad) => return Err(fail(api, token, bad, request.identity).await),
    };
    let mut query_results = BTreeMap::new();
    for (id, result) in request.query_results {
        let result = inward::query_result(&format!("query_results[{id}]"), result)?;
        query_results.insert(id, result);
    }
    let messages = request.messages.into_iter().enumerate();
    let completion = WorkflowTaskCompletion {
        token,
        commands,
        messages: messages
            .map(|(at, message)| worker_message(&format!("messages[{at}]"), message))
            .collect::<Checked<_>>()?,
        query_results,
        identity: request.identity,
        sticky: request.sticky_attributes.map(sticky).transpose()?.flatten(),
        sdk_metadata: request.sdk_metadata.and_then(sdk_metadata::to_payload),
        return_new_workflow_task: request.return_new_workflow_task,
        force_create_new_workflow_task: request.force_create_new_workflow_task,
        worker_instance_key: request.worker_instance_key,
    };
    let reply = api.ask(Request::RespondWorkflowTaskCompleted(Box::new(completion))).await?;
    if let Reply::Done = reply {
        return Ok(RespondWorkflowTaskCompletedResponse::default());
    }
    let Reply::WorkflowTaskCompleted { next, reset_history_event_id } = reply else {
        return Err(unexpected());
    };
    let workflow_task = match next {
        Some(task) => Some(outward(api, *task).await?),
        None => None,
    };
    Ok(RespondWorkflowTaskCompletedResponse {
        workflow_task,
        activity_tasks: Vec::new(),
        reset_history_event_id: reset_history_event_id.map_or(0, outward::id),
    })
}

fn open(token: &[u8]) -> Checked<(tidegate_model::id::Namespace, tidegate_engine::WorkflowTaskToken)> {
    let Token::WorkflowTask { namespace, task } = Token::open(TOKEN, token)? else {
        return Err(misplaced(TOKEN));
    };
    Ok((namespace, task))
}

/// A command that cannot be carried out fails the workflow task, where a person will look for it, and the call.
async fn fail<S: WorkflowService>(
    api: &Api<S>,
    token: tidegate_engine::WorkflowTaskToken,
    bad: BadCommand,
    identity: String,
) -> Status {
    let failure = Failure {
        message: bad.invalid.to_string(),
        source: "Tidegate".to_owned(),
        stack_trace: String::new(),
        encoded_attributes: None,
        info: FailureInfo::Server { non_retryable: false },
        cause: None,
    };
    let failed = Request::RespondWorkflowTaskFailed { token, cause: bad.cause, failure, identity };
    match api.ask(failed).await {
        Ok(_) => bad.invalid.into(),
        Err(status) => status,
    }
}

fn sticky(attributes: StickyExecutionAttributes) -> Checked<Option<StickyAttributes>> {
    let queue =
        inward::maybe_task_queue("sticky_attributes.worker_task_queue", attributes.worker_task_queue)?;
    let field = "sticky_attributes.schedule_to_start_timeout";
    let schedule_to_start_timeout = inward::or_zero(field, attributes.schedule_to_start_timeout)?;
    Ok(queue.map(|task_queue| StickyAttributes { task_queue, schedule_to_start_timeout }))
}

fn worker_message(field: &str, message: Message) -> Checked<WorkerMessage> {
    let path = |name: &str| format!("{field}.body.{name}");
    let body = message.body.ok_or_else(|| Invalid::new(field, "a message must have a body"))?;
    let unreadable = |error| Invalid::new(format_args!("{field}.body"), error);
    let said = match body.type_url.rsplit_once('.').map(|(_, name)| name) {
        Some("Acceptance") => {
            let said = update::Acceptance::decode(body.value.as_slice()).map_err(unreadable)?;
            WorkerMessageBody::Acceptance {
                accepted_request_message_id: said.accepted_request_message_id,
                accepted_request_sequencing_event_id: inward::event_id(
                    &path("accepted_request_sequencing_event_id"),
                    said.accepted_request_sequencing_event_id,
                )?,
                accepted_request: match said.accepted_request {
                    Some(request) => {
                        Some(Box::new(inward::update_request(&path("accepted_request"), Some(request))?))
                    }
                    None => None,
                },
            }
        }
        Some("Rejection") => {
            let said = update::Rejection::decode(body.value.as_slice()).map_err(unreadable)?;
            WorkerMessageBody::Rejection { failure: inward::failure(&path("failure"), said.failure)? }
        }
        Some("Response") => {
            let said = update::Response::decode(body.value.as_slice()).map_err(unreadable)?;
            WorkerMessageBody::Response { outcome: inward::update_outcome(&path("outcome"), said.outcome)? }
        }
        Some(_) | None => {
            let why = format_args!("there is no message of type {:?}", body.type_url);
            return Err(Invalid::new(format_args!("{field}.body"), why));
        }
    };
    Ok(WorkerMessage { id: message.id, update_id: message.protocol_instance_id, body: said })
}

pub(crate) async fn respond_failed<S: WorkflowService>(
    api: &Api<S>,
    request: RespondWorkflowTaskFailedRequest,
) -> Result<RespondWorkflowTaskFailedResponse, Status> {
    let (_, token) = open(&request.task_token)?;
    let failed = Request::RespondWorkflowTaskFailed {
        token,
        cause: cause::by_worker(request.cause),
        failure: inward::maybe_failure("failure", request.failure)?.unwrap_or_else(|| {
            Failure::application("the worker gave no reason", "WorkflowTaskFailed", false)
        }),
        identity: request.identity,
    };
    let Reply::Done = api.ask(failed).await? else {
        return Err(unexpected());
    };
    Ok(RespondWorkflowTaskFailedResponse {})
}

pub(crate) async fn respond_query<S: WorkflowService>(
    api: &Api<S>,
    request: RespondQueryTaskCompletedRequest,
) -> Result<RespondQueryTaskCompletedResponse, Status> {
    let Token::Query(token) = Token::open(TOKEN, &request.task_token)? else {
        return Err(misplaced(TOKEN).into());
    };
    let (kind, message) = (request.completed_type, request.error_message);
    let answer =
        inward::query_answer("completed_type", kind, request.query_result, message, request.failure)?;
    let Reply::Done = api.ask(Request::RespondQueryTaskCompleted { token, answer }).await? else {
        return Err(unexpected());
    };
    Ok(RespondQueryTaskCompletedResponse {})
}
