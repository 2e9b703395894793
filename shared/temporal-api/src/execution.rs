//! What is done to an execution from outside: signals, queries, cancel, terminate, reset, delete.

use tidegate_engine::{
    CancelWorkflow, QueryAnswer, QueryWorkflow, ReapplyExclude, Refusal, Reply, Request, ResetWorkflow,
    TerminateWorkflow, WaitForHistory, WorkflowQuery, WorkflowService,
};
use tonic::Status;

use crate::api::{Api, Patience, unexpected};
use crate::convert::inward::{self, Checked};
use crate::convert::{Invalid, outward};
use crate::proto::enums::{ResetReapplyExcludeType, ResetReapplyType};
use crate::proto::query::QueryRejected;
use crate::proto::service::*;
use crate::refusal;

pub(crate) async fn signal<S: WorkflowService>(
    api: &Api<S>,
    request: SignalWorkflowExecutionRequest,
) -> Result<SignalWorkflowExecutionResponse, Status> {
    let (workflow_id, run_id) = inward::execution("workflow_execution", request.workflow_execution)?;
    let signal = Request::SignalWorkflowExecution {
        namespace: inward::namespace(&request.namespace)?,
        workflow_id,
        run_id,
        signal_name: inward::name("signal_name", request.signal_name)?,
        input: inward::payloads(request.input),
        identity: request.identity,
        request_id: request.request_id,
        header: inward::header(request.header),
    };
    let Reply::Signaled { .. } = api.ask(signal).await? else {
        return Err(unexpected());
    };
    Ok(SignalWorkflowExecutionResponse::default())
}

pub(crate) async fn query<S: WorkflowService>(
    api: &Api<S>,
    patience: Patience,
    request: QueryWorkflowRequest,
) -> Result<QueryWorkflowResponse, Status> {
    let (workflow_id, run_id) = inward::execution("execution", request.execution)?;
    let query = request.query.ok_or_else(|| Invalid::new("query", "a query must be given"))?;
    let query = QueryWorkflow {
        namespace: inward::namespace(&request.namespace)?,
        workflow_id,
        run_id,
        query: WorkflowQuery {
            query_type: inward::name("query.query_type", query.query_type)?,
            args: inward::payloads(query.query_args),
            header: inward::header(query.header),
        },
        reject_condition: inward::reject_condition(request.query_reject_condition)?,
    };
    match api.wait(patience, Request::QueryWorkflow(Box::new(query))).await? {
        Some(Reply::Query(QueryAnswer::Answered(result))) => Ok(QueryWorkflowResponse {
            // An answer that is empty is an answer.
            query_result: Some(outward::all_payloads(result)),
            ..Default::default()
        }),
        Some(Reply::Query(QueryAnswer::Failed { message, failure })) => {
            Err(refusal::of(Refusal::QueryFailed { message, failure }))
        }
        Some(Reply::QueryRejected { status }) => Ok(QueryWorkflowResponse {
            query_rejected: Some(QueryRejected { status: outward::status(status).into() }),
            ..Default::default()
        }),
        Some(_) => Err(unexpected()),
        None => Err(Status::deadline_exceeded("no worker has answered the query in time")),
    }
}

pub(crate) async fn request_cancel<S: WorkflowService>(
    api: &Api<S>,
    request: RequestCancelWorkflowExecutionRequest,
) -> Result<RequestCancelWorkflowExecutionResponse, Status> {
    let (workflow_id, run_id) = inward::execution("workflow_execution", request.workflow_execution)?;
    let cancel = CancelWorkflow {
        namespace: inward::namespace(&request.namespace)?,
        workflow_id,
        run_id,
        first_execution_run_id: inward::run_id("first_execution_run_id", &request.first_execution_run_id)?,
        reason: request.reason,
        identity: request.identity,
        request_id: request.request_id,
    };
    done(api, Request::RequestCancelWorkflowExecution(cancel)).await?;
    Ok(RequestCancelWorkflowExecutionResponse {})
}

pub(crate) async fn terminate<S: WorkflowService>(
    api: &Api<S>,
    request: TerminateWorkflowExecutionRequest,
) -> Result<TerminateWorkflowExecutionResponse, Status> {
    let (workflow_id, run_id) = inward::execution("workflow_execution", request.workflow_execution)?;
    let terminate = TerminateWorkflow {
        namespace: inward::namespace(&request.namespace)?,
        workflow_id,
        run_id,
        first_execution_run_id: inward::run_id("first_execution_run_id", &request.first_execution_run_id)?,
        reason: request.reason,
        details: inward::payloads(request.details),
        identity: request.identity,
    };
    done(api, Request::TerminateWorkflowExecution(terminate)).await?;
    Ok(TerminateWorkflowExecutionResponse {})
}

pub(crate) async fn delete<S: WorkflowService>(
    api: &Api<S>,
    request: DeleteWorkflowExecutionRequest,
) -> Result<DeleteWorkflowExecutionResponse, Status> {
    let (workflow_id, run_id) = inward::execution("workflow_execution", request.workflow_execution)?;
    let namespace = inward::namespace(&request.namespace)?;
    done(api, Request::DeleteWorkflowExecution { namespace, workflow_id, run_id }).await?;
    Ok(DeleteWorkflowExecutionResponse {})
}

/// Asks for something that is either taken or refused.
async fn done<S: WorkflowService>(api: &Api<S>, request: Request) -> Result<(), Status> {
    let Reply::Done = api.ask(request).await? else {
        return Err(unexpected());
    };
    Ok(())
}

/// Forks the run that is named, or the current one: which that is has to be known before its history is read.
pub(crate) async fn reset<S: WorkflowService>(
    api: &Api<S>,
    request: ResetWorkflowExecutionRequest,
) -> Result<ResetWorkflowExecutionResponse, Status> {
    let namespace = inward::namespace(&request.namespace)?;
    let (workflow_id, run_id) = inward::execution("workflow_execution", request.workflow_execution)?;
    let reapply_exclude = reapply_exclude(request.reset_reapply_type, &request.reset_reapply_exclude_types)?;
    if !request.post_reset_operations.is_empty() {
        return Err(
            Invalid::new("post_reset_operations", "operations after a reset are not supported").into()
        );
    }
    let finish = inward::event_id("workflow_task_finish_event_id", request.workflow_task_finish_event_id)?;
    let standing = WaitForHistory {
        namespace: namespace.clone(),
        workflow_id: workflow_id.clone(),
        run_id,
        wait_beyond: None,
        until_closed: false,
    };
    let Reply::History(standing) = api.ask(Request::WaitForHistory(standing)).await? else {
        return Err(unexpected());
    };
    let reset = ResetWorkflow {
        namespace,
        workflow_id,
        run_id: standing.run_id,
        reason: request.reason,
        workflow_task_finish_event_id: finish,
        request_id: request.request_id,
        identity: request.identity,
        reapply_exclude,
        history: Vec::new(),
    };
    let Reply::Reset { run_id } = api.reset(reset).await? else {
        return Err(unexpected());
    };
    Ok(ResetWorkflowExecutionResponse { run_id: run_id.to_string() })
}

/// What is left behind. The list that says so is newer than the type that does; both count.
fn reapply_exclude(kind: i32, excluded: &[i32]) -> Checked<ReapplyExclude> {
    let mut exclude = match ResetReapplyType::try_from(kind) {
        Ok(ResetReapplyType::Unspecified | ResetReapplyType::AllEligible) => ReapplyExclude::default(),
        Ok(ResetReapplyType::Signal) => ReapplyExclude { updates: true, ..ReapplyExclude::default() },
        Ok(ResetReapplyType::None) => ReapplyExclude { signals: true, updates: true, cancel_requests: true },
        Err(_) => return Err(Invalid::new("reset_reapply_type", format_args!("there is no kind {kind}"))),
    };
    for number in excluded {
        match ResetReapplyExcludeType::try_from(*number) {
            Ok(ResetReapplyExcludeType::Signal) => exclude.signals = true,
            Ok(ResetReapplyExcludeType::Update) => exclude.updates = true,
            Ok(ResetReapplyExcludeType::CancelRequest) => exclude.cancel_requests = true,
            // There are none to leave behind.
            Ok(ResetReapplyExcludeType::Nexus) => {}
            Ok(ResetReapplyExcludeType::Unspecified) | Err(_) => {
                let why = format_args!("there is no kind {number}");
                return Err(Invalid::new("reset_reapply_exclude_types", why));
            }
        }
    }
    Ok(exclude)
}
