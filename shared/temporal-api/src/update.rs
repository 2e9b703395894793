//! Updates: asking for one, and waiting for what comes of it.

use tidegate_engine::{Reply, Request, UpdateStage, UpdateWorkflow, WorkflowService};
use tidegate_model::event::UpdateOutcome;
use tidegate_model::id::RunId;
use tonic::Status;

use crate::api::{Api, Patience, unexpected};
use crate::convert::inward::{self, Checked};
use crate::convert::{Invalid, outward};
use crate::proto::common::WorkflowExecution;
use crate::proto::enums::UpdateWorkflowExecutionLifecycleStage;
use crate::proto::service::{
    PollWorkflowExecutionUpdateRequest, PollWorkflowExecutionUpdateResponse, UpdateWorkflowExecutionRequest,
    UpdateWorkflowExecutionResponse,
};
use crate::proto::update::UpdateRef;

pub(crate) async fn update<S: WorkflowService>(
    api: &Api<S>,
    patience: Patience,
    request: UpdateWorkflowExecutionRequest,
) -> Result<UpdateWorkflowExecutionResponse, Status> {
    let update = update_request(request)?;
    let (workflow_id, run_id, update_id) =
        (update.workflow_id.clone(), update.run_id, update.request.update_id.clone());
    match api.wait(patience, Request::UpdateWorkflowExecution(Box::new(update))).await? {
        Some(Reply::Update { run_id, stage, outcome, started: _ }) => {
            let outcome = outcome_of(api, run_id, &update_id, stage, outcome).await?;
            Ok(response(workflow_id.as_str(), Some(run_id), update_id, stage, outcome))
        }
        Some(_) => Err(unexpected()),
        None => Ok(response(workflow_id.as_str(), run_id, update_id, UpdateStage::Admitted, None)),
    }
}

/// What came of an update that is completed. The engine keeps the outcomes of some; the history has all.
pub(crate) async fn outcome_of<S: WorkflowService>(
    api: &Api<S>,
    run_id: RunId,
    update_id: &str,
    stage: UpdateStage,
    kept: Option<UpdateOutcome>,
) -> Result<Option<UpdateOutcome>, Status> {
    if stage != UpdateStage::Completed || kept.is_some() {
        return Ok(kept);
    }
    let history = api.whole_history(run_id).await?;
    match tidegate_engine::outcome_in_history(&history, update_id) {
        Some(outcome) => Ok(Some(outcome)),
        None => Err(Status::not_found(format!("update {update_id:?} not found"))),
    }
}

/// What an update's caller is told of it.
pub(crate) fn response(
    workflow_id: &str,
    run_id: Option<RunId>,
    update_id: String,
    reached: UpdateStage,
    outcome: Option<UpdateOutcome>,
) -> UpdateWorkflowExecutionResponse {
    UpdateWorkflowExecutionResponse {
        update_ref: Some(update_ref(workflow_id, run_id, update_id)),
        outcome: outcome.map(outward::update_outcome),
        stage: stage(reached).into(),
        ..Default::default()
    }
}

fn update_ref(workflow_id: &str, run_id: Option<RunId>, update_id: String) -> UpdateRef {
    let execution =
        WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: outward::run_id(run_id) };
    UpdateRef { workflow_execution: Some(execution), update_id }
}

fn stage(stage: UpdateStage) -> UpdateWorkflowExecutionLifecycleStage {
    match stage {
        UpdateStage::Admitted => UpdateWorkflowExecutionLifecycleStage::Admitted,
        UpdateStage::Accepted => UpdateWorkflowExecutionLifecycleStage::Accepted,
        UpdateStage::Completed => UpdateWorkflowExecutionLifecycleStage::Completed,
    }
}

/// An update as a request asks for it.
pub(crate) fn update_request(request: UpdateWorkflowExecutionRequest) -> Checked<UpdateWorkflow> {
    let (workflow_id, run_id) = inward::execution("workflow_execution", request.workflow_execution)?;
    let update = inward::update_request("request", request.request)?;
    if update.update_id.is_empty() {
        return Err(Invalid::new("request.meta.update_id", "an update must have an id"));
    }
    Ok(UpdateWorkflow {
        namespace: inward::namespace(&request.namespace)?,
        workflow_id,
        run_id,
        first_execution_run_id: inward::run_id("first_execution_run_id", &request.first_execution_run_id)?,
        // Temporal waits for acceptance when nothing is said.
        wait: inward::update_stage(request.wait_policy)?.unwrap_or(UpdateStage::Accepted),
        request: update,
    })
}

pub(crate) async fn poll_update<S: WorkflowService>(
    api: &Api<S>,
    patience: Patience,
    request: PollWorkflowExecutionUpdateRequest,
) -> Result<PollWorkflowExecutionUpdateResponse, Status> {
    let UpdateRef { workflow_execution, update_id } =
        request.update_ref.ok_or_else(|| Invalid::new("update_ref", "an update must be named"))?;
    let (workflow_id, run_id) = inward::execution("update_ref.workflow_execution", workflow_execution)?;
    let poll = Request::PollWorkflowExecutionUpdate {
        namespace: inward::namespace(&request.namespace)?,
        workflow_id: workflow_id.clone(),
        run_id,
        update_id: update_id.clone(),
        wait: inward::update_stage(request.wait_policy)?,
    };
    let (run_id, reached, outcome) = match api.wait(patience, poll).await? {
        Some(Reply::Update { run_id, stage, outcome, started: _ }) => {
            (Some(run_id), stage, outcome_of(api, run_id, &update_id, stage, outcome).await?)
        }
        Some(_) => return Err(unexpected()),
        None => (run_id, UpdateStage::Admitted, None),
    };
    Ok(PollWorkflowExecutionUpdateResponse {
        outcome: outcome.map(outward::update_outcome),
        stage: stage(reached).into(),
        update_ref: Some(update_ref(workflow_id.as_str(), run_id, update_id)),
    })
}
