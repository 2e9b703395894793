//! Starting executions: alone, with a signal, with an update.

use tidegate_engine::{Reply, Request, SignalWithStart, StartWorkflow, UpdateStage, WorkflowService};
use tidegate_model::id::{Namespace, RunId, WorkflowId};
use tonic::Status;

use crate::api::{Api, Patience, unexpected};
use crate::convert::Invalid;
use crate::convert::inward::{self, Checked};
use crate::proto::common::Callback;
use crate::proto::enums::WorkflowExecutionStatus;
use crate::proto::service::execute_multi_operation_request::operation::Operation;
use crate::proto::service::execute_multi_operation_response as multi;
use crate::proto::service::*;
use crate::update;

pub(crate) async fn start<S: WorkflowService>(
    api: &Api<S>,
    request: StartWorkflowExecutionRequest,
) -> Result<StartWorkflowExecutionResponse, Status> {
    let start = start_request(request)?;
    let (namespace, workflow_id) = (start.namespace.clone(), start.workflow_id.clone());
    let Reply::Started { run_id, fresh: _, started: is_started } =
        api.ask(Request::StartWorkflowExecution(start)).await?
    else {
        return Err(unexpected());
    };
    Ok(StartWorkflowExecutionResponse {
        first_execution_run_id: first_run(api, namespace, workflow_id, run_id, is_started).await,
        ..started(run_id, is_started)
    })
}

/// The run that began the chain: the one just started, or whatever the run that was there is part of. A run that has
/// been forgotten meanwhile stands for itself.
async fn first_run<S: WorkflowService>(
    api: &Api<S>,
    namespace: Namespace,
    workflow_id: WorkflowId,
    run_id: RunId,
    is_started: bool,
) -> String {
    if !is_started {
        let describe = Request::DescribeWorkflowExecution { namespace, workflow_id, run_id: Some(run_id) };
        if let Ok(Reply::Described(run)) = api.ask(describe).await {
            return run.summary.first_run_id.to_string();
        }
    }
    run_id.to_string()
}

fn started(run_id: RunId, fresh: bool) -> StartWorkflowExecutionResponse {
    StartWorkflowExecutionResponse {
        run_id: run_id.to_string(),
        started: fresh,
        status: WorkflowExecutionStatus::Running.into(),
        ..Default::default()
    }
}

fn start_request(request: StartWorkflowExecutionRequest) -> Checked<StartWorkflow> {
    no_callbacks(&request.completion_callbacks)?;
    let (workflow_id_reuse_policy, workflow_id_conflict_policy) =
        inward::id_policies(request.workflow_id_reuse_policy, request.workflow_id_conflict_policy)?;
    Ok(StartWorkflow {
        namespace: inward::namespace(&request.namespace)?,
        workflow_id: inward::workflow_id("workflow_id", &request.workflow_id)?,
        workflow_type: inward::workflow_type("workflow_type", request.workflow_type)?,
        task_queue: inward::task_queue("task_queue", request.task_queue)?,
        input: inward::payloads(request.input),
        workflow_task_timeout: inward::timeout("workflow_task_timeout", request.workflow_task_timeout)?,
        identity: request.identity,
        request_id: request.request_id,
        header: inward::header(request.header),
        memo: inward::memo(request.memo),
        search_attributes: inward::search_attributes(request.search_attributes),
        workflow_execution_timeout: inward::timeout(
            "workflow_execution_timeout",
            request.workflow_execution_timeout,
        )?,
        workflow_run_timeout: inward::timeout("workflow_run_timeout", request.workflow_run_timeout)?,
        workflow_id_reuse_policy,
        workflow_id_conflict_policy,
        on_conflict_attach_request_id: request
            .on_conflict_options
            .is_some_and(|options| options.attach_request_id),
        retry_policy: inward::retry_policy("retry_policy", request.retry_policy)?,
        cron_schedule: request.cron_schedule,
        workflow_start_delay: inward::timeout("workflow_start_delay", request.workflow_start_delay)?,
        priority: inward::priority("priority", request.priority)?,
        user_metadata: inward::user_metadata(request.user_metadata),
        last_completion_result: inward::payloads(request.last_completion_result),
        continued_failure: inward::maybe_failure("continued_failure", request.continued_failure)?,
    })
}

/// Nobody is called when a run closes: better said than forgotten.
fn no_callbacks(callbacks: &[Callback]) -> Checked<()> {
    if callbacks.is_empty() {
        Ok(())
    } else {
        Err(Invalid::new("completion_callbacks", "callbacks are not supported"))
    }
}

pub(crate) async fn signal_with_start<S: WorkflowService>(
    api: &Api<S>,
    request: SignalWithStartWorkflowExecutionRequest,
) -> Result<SignalWithStartWorkflowExecutionResponse, Status> {
    let start = start_request(StartWorkflowExecutionRequest {
        namespace: request.namespace,
        workflow_id: request.workflow_id,
        workflow_type: request.workflow_type,
        task_queue: request.task_queue,
        input: request.input,
        workflow_execution_timeout: request.workflow_execution_timeout,
        workflow_run_timeout: request.workflow_run_timeout,
        workflow_task_timeout: request.workflow_task_timeout,
        identity: request.identity,
        request_id: request.request_id,
        workflow_id_reuse_policy: request.workflow_id_reuse_policy,
        workflow_id_conflict_policy: request.workflow_id_conflict_policy,
        retry_policy: request.retry_policy,
        cron_schedule: request.cron_schedule,
        memo: request.memo,
        search_attributes: request.search_attributes,
        header: request.header,
        workflow_start_delay: request.workflow_start_delay,
        user_metadata: request.user_metadata,
        priority: request.priority,
        ..Default::default()
    })?;
    let both = SignalWithStart {
        start,
        signal_name: inward::name("signal_name", request.signal_name)?,
        signal_input: inward::payloads(request.signal_input),
    };
    let (namespace, workflow_id) = (both.start.namespace.clone(), both.start.workflow_id.clone());
    let Reply::Started { run_id, fresh: _, started } =
        api.ask(Request::SignalWithStartWorkflowExecution(Box::new(both))).await?
    else {
        return Err(unexpected());
    };
    Ok(SignalWithStartWorkflowExecutionResponse {
        run_id: run_id.to_string(),
        first_execution_run_id: first_run(api, namespace, workflow_id, run_id, started).await,
        started,
        ..Default::default()
    })
}

/// A start with an update: the one pair of operations that Temporal knows.
pub(crate) async fn execute_multi_operation<S: WorkflowService>(
    api: &Api<S>,
    patience: Patience,
    request: ExecuteMultiOperationRequest,
) -> Result<ExecuteMultiOperationResponse, Status> {
    let namespace = request.namespace;
    let mut operations = request.operations.into_iter().map(|operation| operation.operation);
    let (Some(Some(Operation::StartWorkflow(start))), Some(Some(Operation::UpdateWorkflow(update))), None) =
        (operations.next(), operations.next(), operations.next())
    else {
        let why = "a start and then an update, and nothing else, can be asked for together";
        return Err(Invalid::new("operations", why).into());
    };
    for named in [&start.namespace, &update.namespace] {
        if !named.is_empty() && *named != namespace {
            return Err(Invalid::new("operations", "they must be of the request's namespace").into());
        }
    }
    let named = update.workflow_execution.as_ref().map_or("", |execution| execution.workflow_id.as_str());
    if named != start.workflow_id {
        return Err(Invalid::new("operations", "both must be of the same workflow_id").into());
    }
    if !start.cron_schedule.is_empty() {
        return Err(Invalid::new("operations[0].cron_schedule", "not together with an update").into());
    }
    if start.workflow_start_delay.is_some_and(|delay| delay != prost_types::Duration::default()) {
        return Err(Invalid::new("operations[0].workflow_start_delay", "not together with an update").into());
    }
    let start = start_request(StartWorkflowExecutionRequest { namespace: namespace.clone(), ..start })?;
    let update = update::update_request(UpdateWorkflowExecutionRequest { namespace, ..update })?;
    let (workflow_id, update_id) = (start.workflow_id.clone(), update.request.update_id.clone());
    let request =
        Request::UpdateWithStartWorkflowExecution { start: Box::new(start), update: Box::new(update) };
    let (run_id, stage, outcome, fresh) = match api.wait(patience, request).await? {
        Some(Reply::Update { run_id, stage, outcome, started }) => {
            let outcome = update::outcome_of(api, run_id, &update_id, stage, outcome).await?;
            (Some(run_id), stage, outcome, started)
        }
        Some(_) => return Err(unexpected()),
        None => (None, UpdateStage::Admitted, None, None),
    };
    let Some(run_id) = run_id else {
        return Err(Status::deadline_exceeded("the update has not reached the stage waited for"));
    };
    let start = started(run_id, fresh.unwrap_or(false));
    let update = update::response(workflow_id.as_str(), Some(run_id), update_id, stage, outcome);
    let responses =
        [multi::response::Response::StartWorkflow(start), multi::response::Response::UpdateWorkflow(update)];
    Ok(ExecuteMultiOperationResponse {
        responses: responses.map(|response| multi::Response { response: Some(response) }).into(),
    })
}
