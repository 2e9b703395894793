//! Activity tasks: polled, reported on, and answered, by token or by the names of execution and activity.

use tidegate_engine::{ActivityRef, ActivityTask, Reply, Request, WorkflowService};
use tidegate_model::payload::Payloads;
use tonic::Status;

use crate::api::{Api, Patience, unexpected};
use crate::convert::inward::{self, Checked};
use crate::convert::outward;
use crate::proto::common::WorkflowExecution;
use crate::proto::service::*;
use crate::token::{Token, misplaced};

const TOKEN: &str = "task_token";

pub(crate) async fn poll<S: WorkflowService>(
    api: &Api<S>,
    patience: Patience,
    request: PollActivityTaskQueueRequest,
) -> Result<PollActivityTaskQueueResponse, Status> {
    let poll = Request::PollActivityTaskQueue {
        namespace: inward::namespace(&request.namespace)?,
        task_queue: inward::task_queue("task_queue", request.task_queue)?,
        identity: request.identity,
        worker_instance_key: request.worker_instance_key,
    };
    match api.wait(patience, poll).await? {
        Some(Reply::ActivityTask(Some(task))) => Ok(outward(*task)),
        // No token: there was nothing to do.
        Some(Reply::ActivityTask(None)) | None => Ok(PollActivityTaskQueueResponse::default()),
        Some(_) => Err(unexpected()),
    }
}

fn outward(task: ActivityTask) -> PollActivityTaskQueueResponse {
    PollActivityTaskQueueResponse {
        workflow_namespace: task.namespace.to_string(),
        workflow_type: outward::workflow_type(task.workflow_type),
        workflow_execution: Some(WorkflowExecution {
            workflow_id: task.workflow_id.to_string(),
            run_id: task.token.run_id.to_string(),
        }),
        task_token: Token::ActivityTask(task.token).seal(),
        activity_type: outward::activity_type(task.activity_type),
        activity_id: task.activity_id,
        header: outward::header(task.header),
        input: outward::payloads(task.input),
        heartbeat_details: outward::payloads(task.heartbeat_details),
        scheduled_time: Some(outward::timestamp(task.scheduled_time)),
        current_attempt_scheduled_time: Some(outward::timestamp(task.current_attempt_scheduled_time)),
        started_time: Some(outward::timestamp(task.started_time)),
        attempt: outward::int(task.attempt),
        // All three are there even where there is no limit: an SDK asserts it.
        schedule_to_close_timeout: Some(outward::duration(task.schedule_to_close_timeout)),
        start_to_close_timeout: Some(outward::duration(task.start_to_close_timeout)),
        heartbeat_timeout: Some(outward::duration(task.heartbeat_timeout)),
        retry_policy: Some(outward::retry_policy(task.retry_policy)),
        priority: outward::priority(task.priority),
        ..Default::default()
    }
}

fn by_token(token: &[u8]) -> Checked<ActivityRef> {
    let Token::ActivityTask(token) = Token::open(TOKEN, token)? else {
        return Err(misplaced(TOKEN));
    };
    Ok(ActivityRef::Token(token))
}

fn by_id(namespace: &str, workflow_id: &str, run_id: &str, activity_id: String) -> Checked<ActivityRef> {
    Ok(ActivityRef::Id {
        namespace: inward::namespace(namespace)?,
        workflow_id: inward::workflow_id("workflow_id", workflow_id)?,
        run_id: inward::run_id("run_id", run_id)?,
        activity_id: inward::name("activity_id", activity_id)?,
    })
}

async fn answer<S: WorkflowService>(api: &Api<S>, request: Request) -> Result<(), Status> {
    let Reply::Done = api.ask(request).await? else {
        return Err(unexpected());
    };
    Ok(())
}

pub(crate) async fn completed<S: WorkflowService>(
    api: &Api<S>,
    request: RespondActivityTaskCompletedRequest,
) -> Result<RespondActivityTaskCompletedResponse, Status> {
    let (task, result) = (by_token(&request.task_token)?, inward::payloads(request.result));
    answer(api, Request::RespondActivityTaskCompleted { task, result, identity: request.identity }).await?;
    Ok(RespondActivityTaskCompletedResponse {})
}

pub(crate) async fn completed_by_id<S: WorkflowService>(
    api: &Api<S>,
    request: RespondActivityTaskCompletedByIdRequest,
) -> Result<RespondActivityTaskCompletedByIdResponse, Status> {
    let task = by_id(&request.namespace, &request.workflow_id, &request.run_id, request.activity_id)?;
    let result = inward::payloads(request.result);
    answer(api, Request::RespondActivityTaskCompleted { task, result, identity: request.identity }).await?;
    Ok(RespondActivityTaskCompletedByIdResponse {})
}

pub(crate) async fn failed<S: WorkflowService>(
    api: &Api<S>,
    request: RespondActivityTaskFailedRequest,
) -> Result<RespondActivityTaskFailedResponse, Status> {
    let failed = Request::RespondActivityTaskFailed {
        task: by_token(&request.task_token)?,
        failure: inward::failure("failure", request.failure)?,
        last_heartbeat_details: request.last_heartbeat_details.map(|details| inward::payloads(Some(details))),
        identity: request.identity,
    };
    answer(api, failed).await?;
    Ok(RespondActivityTaskFailedResponse::default())
}

pub(crate) async fn failed_by_id<S: WorkflowService>(
    api: &Api<S>,
    request: RespondActivityTaskFailedByIdRequest,
) -> Result<RespondActivityTaskFailedByIdResponse, Status> {
    let failed = Request::RespondActivityTaskFailed {
        task: by_id(&request.namespace, &request.workflow_id, &request.run_id, request.activity_id)?,
        failure: inward::failure("failure", request.failure)?,
        last_heartbeat_details: request.last_heartbeat_details.map(|details| inward::payloads(Some(details))),
        identity: request.identity,
    };
    answer(api, failed).await?;
    Ok(RespondActivityTaskFailedByIdResponse::default())
}

pub(crate) async fn canceled<S: WorkflowService>(
    api: &Api<S>,
    request: RespondActivityTaskCanceledRequest,
) -> Result<RespondActivityTaskCanceledResponse, Status> {
    let (task, details) = (by_token(&request.task_token)?, inward::payloads(request.details));
    answer(api, Request::RespondActivityTaskCanceled { task, details, identity: request.identity }).await?;
    Ok(RespondActivityTaskCanceledResponse {})
}

pub(crate) async fn canceled_by_id<S: WorkflowService>(
    api: &Api<S>,
    request: RespondActivityTaskCanceledByIdRequest,
) -> Result<RespondActivityTaskCanceledByIdResponse, Status> {
    let task = by_id(&request.namespace, &request.workflow_id, &request.run_id, request.activity_id)?;
    let details = inward::payloads(request.details);
    answer(api, Request::RespondActivityTaskCanceled { task, details, identity: request.identity }).await?;
    Ok(RespondActivityTaskCanceledByIdResponse {})
}

pub(crate) async fn heartbeat<S: WorkflowService>(
    api: &Api<S>,
    request: RecordActivityTaskHeartbeatRequest,
) -> Result<RecordActivityTaskHeartbeatResponse, Status> {
    let task = by_token(&request.task_token)?;
    let said = record(api, task, inward::payloads(request.details), request.identity).await?;
    Ok(RecordActivityTaskHeartbeatResponse {
        cancel_requested: said.cancel_requested,
        activity_paused: said.paused,
        activity_reset: said.reset,
    })
}

pub(crate) async fn heartbeat_by_id<S: WorkflowService>(
    api: &Api<S>,
    request: RecordActivityTaskHeartbeatByIdRequest,
) -> Result<RecordActivityTaskHeartbeatByIdResponse, Status> {
    let task = by_id(&request.namespace, &request.workflow_id, &request.run_id, request.activity_id)?;
    let said = record(api, task, inward::payloads(request.details), request.identity).await?;
    Ok(RecordActivityTaskHeartbeatByIdResponse {
        cancel_requested: said.cancel_requested,
        activity_paused: said.paused,
        activity_reset: said.reset,
    })
}

/// Whether the attempt should go on.
struct Said {
    cancel_requested: bool,
    paused: bool,
    reset: bool,
}

async fn record<S: WorkflowService>(
    api: &Api<S>,
    task: ActivityRef,
    details: Payloads,
    identity: String,
) -> Result<Said, Status> {
    let heartbeat = Request::RecordActivityTaskHeartbeat { task, details, identity };
    let Reply::Heartbeat { cancel_requested, paused, reset } = api.ask(heartbeat).await? else {
        return Err(unexpected());
    };
    Ok(Said { cancel_requested, paused, reset })
}
