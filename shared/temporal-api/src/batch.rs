//! Batches: one thing done to every execution that a filter lets through, one after the other.
//!
//! The one thing here that a caller could notice to be gone: a batch is known as long as the process lives. What it has
//! done is done, each by a request of its own with an idempotency key made of batch and run, so that a batch that is
//! asked for again under its id does nothing twice.

use std::time::SystemTime;

use tidegate_engine::{
    CancelWorkflow, ListWorkflows, Reply, Request, RunSummary, TerminateWorkflow, WaitForHistory,
    WorkflowService,
};
use tidegate_model::id::{RunId, WorkflowId};
use tidegate_model::limits::API_BATCH_PAGE_MAX;
use tidegate_model::payload::{Header, Payloads};
use tonic::Status;

use crate::api::{Api, unexpected};
use crate::batches::{Batch, Key};
use crate::convert::inward::{self, Checked};
use crate::convert::{Invalid, outward};
use crate::proto::batch::BatchOperationInfo;
use crate::proto::enums::{BatchOperationState, BatchOperationType};
use crate::proto::service::start_batch_operation_request::Operation as Asked;
use crate::proto::service::*;

/// What is done to each.
#[derive(Debug, Clone)]
enum Operation {
    Terminate { details: Payloads },
    Cancel,
    Signal { name: String, input: Payloads, header: Header },
    Delete,
}

/// Which executions.
#[derive(Debug, Clone)]
enum Which {
    Query(String),
    Named(Vec<(WorkflowId, Option<RunId>)>),
}

#[expect(clippy::disallowed_methods, reason = "for a person to read; nothing is decided by it")]
fn now() -> SystemTime {
    SystemTime::now()
}

pub(crate) async fn start<S: WorkflowService>(
    api: &Api<S>,
    request: StartBatchOperationRequest,
) -> Result<StartBatchOperationResponse, Status> {
    let namespace = inward::namespace(&request.namespace)?;
    let job_id = inward::name("job_id", request.job_id)?;
    if request.reason.is_empty() {
        return Err(Invalid::new("reason", "a reason must be given").into());
    }
    let (kind, operation, identity) = operation(request.operation)?;
    let which = match (request.visibility_query, request.executions) {
        (query, executions) if !query.is_empty() && executions.is_empty() => Which::Query(query),
        (query, executions) if query.is_empty() && !executions.is_empty() => {
            let named = executions
                .into_iter()
                .enumerate()
                .map(|(at, execution)| inward::execution(&format!("executions[{at}]"), Some(execution)));
            Which::Named(named.collect::<Checked<_>>()?)
        }
        _ => {
            let why = "either this or executions must be given, and not both";
            return Err(Invalid::new("visibility_query", why).into());
        }
    };
    let (query, total) = match &which {
        Which::Query(query) => {
            let count =
                Request::CountWorkflowExecutions { namespace: namespace.clone(), query: query.clone() };
            let Reply::Counted { count, groups: _ } = api.ask(count).await? else { return Err(unexpected()) };
            (query.clone(), count)
        }
        Which::Named(named) => (String::new(), named.len() as u64),
    };
    let batch = Batch {
        kind,
        reason: request.reason,
        query,
        identity,
        state: BatchOperationState::Running,
        is_stopping: false,
        total,
        completed: 0,
        failed: 0,
        started: now(),
        closed: None,
    };
    let key = (namespace, job_id);
    api.batches().enter(key.clone(), batch.clone())?;
    tokio::spawn(run(api.clone(), key, batch, which, operation));
    Ok(StartBatchOperationResponse {})
}

fn operation(asked: Option<Asked>) -> Checked<(BatchOperationType, Operation, String)> {
    match asked {
        Some(Asked::TerminationOperation(asked)) => {
            let details = inward::payloads(asked.details);
            Ok((BatchOperationType::Terminate, Operation::Terminate { details }, asked.identity))
        }
        Some(Asked::CancellationOperation(asked)) => {
            Ok((BatchOperationType::Cancel, Operation::Cancel, asked.identity))
        }
        Some(Asked::SignalOperation(asked)) => {
            let name = inward::name("signal_operation.signal", asked.signal)?;
            let (input, header) = (inward::payloads(asked.input), inward::header(asked.header));
            Ok((BatchOperationType::Signal, Operation::Signal { name, input, header }, asked.identity))
        }
        Some(Asked::DeletionOperation(asked)) => {
            Ok((BatchOperationType::Delete, Operation::Delete, asked.identity))
        }
        Some(_) | None => Err(Invalid::new(
            "operation",
            "executions can be terminated, cancelled, signalled and deleted in a batch, and nothing else",
        )),
    }
}

async fn run<S: WorkflowService>(api: Api<S>, key: Key, batch: Batch, which: Which, operation: Operation) {
    let outcome = match which {
        Which::Query(query) => through(&api, &key, &batch, query, &operation).await,
        Which::Named(named) => {
            for (workflow_id, run_id) in named {
                if api.is_closing() || api.batches().is_stopping(&key) {
                    break;
                }
                apply(&api, &key, &batch, workflow_id, run_id, &operation).await;
            }
            Ok(())
        }
    };
    let state = match outcome {
        Ok(()) => BatchOperationState::Completed,
        Err(error) => {
            tracing::warn!(batch = key.1, %error, "a batch operation has ended before its time");
            BatchOperationState::Failed
        }
    };
    api.batches().change(&key, |batch| {
        batch.state = if batch.is_stopping { BatchOperationState::Failed } else { state };
        batch.closed = Some(now());
    });
}

/// Every execution that the filter lets through, page by page.
async fn through<S: WorkflowService>(
    api: &Api<S>,
    key: &Key,
    batch: &Batch,
    query: String,
    operation: &Operation,
) -> Result<(), Status> {
    let mut page_token = None;
    loop {
        let list = ListWorkflows {
            namespace: Some(key.0.clone()),
            query: query.clone(),
            page_size: API_BATCH_PAGE_MAX,
            page_token,
        };
        let Reply::Listed { runs, next } = api.ask(Request::ListWorkflowExecutions(list)).await? else {
            return Err(unexpected());
        };
        for RunSummary { workflow_id, run_id, .. } in runs {
            if api.is_closing() || api.batches().is_stopping(key) {
                return Ok(());
            }
            apply(api, key, batch, workflow_id, Some(run_id), operation).await;
        }
        match next {
            Some(next) => page_token = Some(next),
            None => return Ok(()),
        }
    }
}

async fn apply<S: WorkflowService>(
    api: &Api<S>,
    key: &Key,
    batch: &Batch,
    workflow_id: WorkflowId,
    run_id: Option<RunId>,
    operation: &Operation,
) {
    let done = one(api, key, batch, workflow_id, run_id, operation).await;
    if let Err(error) = &done {
        tracing::debug!(batch = key.1, %error, "a batch operation could not be done to one execution");
    }
    api.batches().change(key, |batch| match done {
        Ok(()) => batch.completed += 1,
        Err(_) => batch.failed += 1,
    });
}

async fn one<S: WorkflowService>(
    api: &Api<S>,
    (namespace, job_id): &Key,
    batch: &Batch,
    workflow_id: WorkflowId,
    run_id: Option<RunId>,
    operation: &Operation,
) -> Result<(), Status> {
    let namespace = namespace.clone();
    // The run makes the key: the same batch again reaches the same runs.
    let run_id = match run_id {
        Some(run_id) => run_id,
        None => {
            let standing = WaitForHistory {
                namespace: namespace.clone(),
                workflow_id: workflow_id.clone(),
                run_id: None,
                wait_beyond: None,
                until_closed: false,
            };
            let Reply::History(standing) = api.ask(Request::WaitForHistory(standing)).await? else {
                return Err(unexpected());
            };
            standing.run_id
        }
    };
    let request_id = format!("batch {job_id} {run_id}");
    let (identity, run_id) = (batch.identity.clone(), Some(run_id));
    let request = match operation.clone() {
        Operation::Terminate { details } => Request::TerminateWorkflowExecution(TerminateWorkflow {
            namespace,
            workflow_id,
            run_id,
            first_execution_run_id: None,
            reason: batch.reason.clone(),
            details,
            identity,
        }),
        Operation::Cancel => Request::RequestCancelWorkflowExecution(CancelWorkflow {
            namespace,
            workflow_id,
            run_id,
            first_execution_run_id: None,
            reason: batch.reason.clone(),
            identity,
            request_id,
        }),
        Operation::Signal { name, input, header } => Request::SignalWorkflowExecution {
            namespace,
            workflow_id,
            run_id,
            signal_name: name,
            input,
            identity,
            request_id,
            header,
        },
        Operation::Delete => Request::DeleteWorkflowExecution { namespace, workflow_id, run_id },
    };
    api.ask(request).await.map(drop)
}

fn key(namespace: &str, job_id: String) -> Checked<Key> {
    Ok((inward::namespace(namespace)?, inward::name("job_id", job_id)?))
}

fn not_found(job_id: &str) -> Status {
    Status::not_found(format!(
        "there is no batch operation {job_id:?}, or it was before the server's last start"
    ))
}

pub(crate) fn describe<S: WorkflowService>(
    api: &Api<S>,
    request: DescribeBatchOperationRequest,
) -> Result<DescribeBatchOperationResponse, Status> {
    let key = key(&request.namespace, request.job_id)?;
    let batch = api.batches().all().get(&key).cloned().ok_or_else(|| not_found(&key.1))?;
    Ok(DescribeBatchOperationResponse {
        operation_type: batch.kind.into(),
        job_id: key.1,
        state: batch.state.into(),
        start_time: Some(batch.started.into()),
        close_time: batch.closed.map(Into::into),
        total_operation_count: outward::id(batch.total),
        complete_operation_count: outward::id(batch.completed),
        failure_operation_count: outward::id(batch.failed),
        identity: batch.identity,
        reason: batch.reason,
        query: batch.query,
        executions: Vec::new(),
    })
}

/// All in one page: there are never more than `API_BATCHES_KEPT_MAX` that have ended.
pub(crate) fn list<S: WorkflowService>(
    api: &Api<S>,
    request: &ListBatchOperationsRequest,
) -> Result<ListBatchOperationsResponse, Status> {
    let namespace = inward::namespace(&request.namespace)?;
    let batches = api.batches().all().clone();
    let of_namespace = batches.into_iter().filter(|((found, _), _)| *found == namespace);
    let operation_info = of_namespace.map(|((_, job_id), batch)| BatchOperationInfo {
        job_id,
        state: batch.state.into(),
        start_time: Some(batch.started.into()),
        close_time: batch.closed.map(Into::into),
        operation_type: batch.kind.into(),
    });
    Ok(ListBatchOperationsResponse { operation_info: operation_info.collect(), next_page_token: Vec::new() })
}

/// Ends a batch before its next execution. What it has done is done.
pub(crate) fn stop<S: WorkflowService>(
    api: &Api<S>,
    request: StopBatchOperationRequest,
) -> Result<StopBatchOperationResponse, Status> {
    let key = key(&request.namespace, request.job_id)?;
    let mut all = api.batches().all();
    let batch = all.get_mut(&key).ok_or_else(|| not_found(&key.1))?;
    if batch.closed.is_none() {
        batch.is_stopping = true;
    }
    drop(all);
    Ok(StopBatchOperationResponse {})
}
