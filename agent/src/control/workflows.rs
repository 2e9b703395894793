//! Questions about workflow executions, and what can be done to them.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidegate_engine::{
    CancelWorkflow, CountGroup, ListWorkflows, QueryAnswer, QueryRejectCondition, QueryWorkflow, Reply,
    Request, RunDescription, RunSummary, StartWorkflow, TaskQueueKind, TerminateWorkflow, WorkflowQuery,
};
use tidegate_model::event::Event;
use tidegate_model::id::{Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::limits;
use tidegate_model::payload::{Header, Payload, Payloads};
use tidegate_model::time::Timestamp;

use super::json::{HistoryEvent, payload_to_json};
use super::reset;
use super::routes::{Control, Problem, Shared, unexpected};
use super::temporal_json;

pub(super) fn routes<Token: Send + 'static>() -> Router<Arc<Control<Token>>> {
    Router::new()
        .route("/v1/workflows", get(list::<Token>))
        .route("/v1/workflows/count", get(count::<Token>))
        .route("/v1/workflow", get(describe::<Token>))
        .route("/v1/history", get(history::<Token>))
        .route("/v1/start", post(start::<Token>))
        .route("/v1/signal", post(signal::<Token>))
        .route("/v1/query", post(query::<Token>))
        .route("/v1/cancel", post(cancel::<Token>))
        .route("/v1/terminate", post(terminate::<Token>))
        .route("/v1/delete", post(delete::<Token>))
        .route("/v1/reset", post(reset::<Token>))
        .route("/v1/task-queue", get(task_queue::<Token>))
}

/// An execution, as a question or a body names it.
#[derive(Debug, Deserialize)]
pub(super) struct Execution {
    #[serde(alias = "id")]
    workflow_id: String,
    #[serde(alias = "run")]
    run_id: Option<String>,
    namespace: Option<String>,
}

/// The same, checked.
pub(super) struct Named {
    pub(super) namespace: Namespace,
    pub(super) workflow_id: WorkflowId,
    pub(super) run_id: Option<RunId>,
}

impl<Token> Control<Token> {
    pub(super) fn namespace_of(&self, name: Option<String>) -> Result<Namespace, Problem> {
        match name {
            Some(name) => Ok(Namespace::new(name)?),
            None => Ok(self.namespace.clone()),
        }
    }

    fn named(&self, execution: Execution) -> Result<Named, Problem> {
        Ok(Named {
            namespace: self.namespace_of(execution.namespace)?,
            workflow_id: WorkflowId::new(execution.workflow_id)?,
            run_id: execution.run_id.map(|run| run.parse::<RunId>()).transpose()?,
        })
    }
}

impl<Token: Send + 'static> Control<Token> {
    pub(super) async fn description(&self, named: Named) -> Result<RunDescription, Problem> {
        let Named { namespace, workflow_id, run_id } = named;
        let request = Request::DescribeWorkflowExecution { namespace, workflow_id, run_id };
        let reply = self.client.call(request).await?;
        let Reply::Described(description) = reply else { return Err(unexpected(&reply)) };
        Ok(*description)
    }

    /// Why a run's workflow task is tried again and again: by the built-in worker that last tried, or else by the last
    /// failure in its history, as later ones of a row are not written.
    async fn blocked(&self, run: &RunDescription) -> Result<Option<Value>, Problem> {
        let run_id = run.summary.run_id;
        if let Some(blocked) = self.workers.iter().find_map(|worker| worker.blocked(run_id)) {
            return Ok(Some(json!({ "kind": blocked.kind, "message": blocked.message })));
        }
        let batches = self.client.history(run_id).await?;
        let mut events = batches.iter().flat_map(|batch| &batch.events).rev();
        Ok(events.find_map(|event| {
            let Event::WorkflowTaskFailed { cause, failure, .. } = event else { return None };
            Some(json!({ "kind": format!("{cause:?}"), "message": failure.message }))
        }))
    }

    pub(super) async fn done(&self, request: Request) -> Result<Json<Value>, Problem> {
        let reply = self.client.call(request).await?;
        let Reply::Done = reply else { return Err(unexpected(&reply)) };
        Ok(Json(json!({})))
    }
}

/// What a list is asked for.
#[derive(Deserialize)]
pub(super) struct ListQuery {
    pub(super) limit: Option<usize>,
    #[serde(default)]
    pub(super) query: String,
    pub(super) namespace: Option<String>,
}

async fn list<Token: Send + 'static>(
    State(control): Shared<Token>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<RunSummary>>, Problem> {
    let request = Request::ListWorkflowExecutions(ListWorkflows {
        namespace: query.namespace.map(Namespace::new).transpose()?,
        query: query.query,
        page_size: query.limit.unwrap_or(limits::LIST_RUNS_DEFAULT),
        page_token: None,
    });
    let reply = control.client.call(request).await?;
    let Reply::Listed { runs, .. } = reply else { return Err(unexpected(&reply)) };
    Ok(Json(runs))
}

#[derive(Deserialize)]
struct CountQuery {
    #[serde(default)]
    query: String,
    namespace: Option<String>,
}

/// How many executions there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// All together.
    pub count: u64,
    /// By status, where that was asked for.
    pub groups: Vec<(String, u64)>,
}

async fn count<Token: Send + 'static>(
    State(control): Shared<Token>,
    Query(query): Query<CountQuery>,
) -> Result<Json<Count>, Problem> {
    let namespace = control.namespace_of(query.namespace)?;
    let request = Request::CountWorkflowExecutions { namespace, query: query.query };
    let reply = control.client.call(request).await?;
    let Reply::Counted { count, groups } = reply else { return Err(unexpected(&reply)) };
    let group = |CountGroup { status, count }: CountGroup| (status.name().to_owned(), count);
    Ok(Json(Count { count, groups: groups.into_iter().map(group).collect() }))
}

async fn describe<Token: Send + 'static>(
    State(control): Shared<Token>,
    Query(execution): Query<Execution>,
) -> Result<Json<Value>, Problem> {
    let description = control.description(control.named(execution)?).await?;
    let mut value = described(&description);
    if description.summary.workflow_task_attempt > 1
        && let Some(blocked) = control.blocked(&description).await?
    {
        value["blocked"] = blocked;
    }
    Ok(Json(value))
}

pub(super) fn times(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |time| json!(time.to_string()))
}

pub(super) fn texts(header: &Header) -> Value {
    header
        .iter()
        .map(|(name, value)| (name.clone(), payload_to_json(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn described(run: &RunDescription) -> Value {
    let summary = &run.summary;
    let activities: Vec<Value> = run
        .pending_activities
        .iter()
        .map(|activity| {
            json!({
                "activity_id": activity.activity_id,
                "activity_type": activity.activity_type,
                "state": format!("{:?}", activity.state),
                "attempt": activity.attempt,
                "maximum_attempts": activity.maximum_attempts,
                "last_failure": activity.last_failure.as_ref().map(|failure| failure.message.clone()),
                "last_worker_identity": activity.last_worker_identity,
                "scheduled_time": activity.scheduled_time.to_string(),
                "last_started_time": times(activity.last_started_time),
                "next_attempt_schedule_time": times(activity.next_attempt_schedule_time),
                "heartbeat_time": times(activity.heartbeat.as_ref().map(|(time, _)| *time)),
                "heartbeat_details": activity.heartbeat.iter()
                    .flat_map(|(_, details)| details.iter().map(payload_to_json)).collect::<Vec<_>>(),
            })
        })
        .collect();
    let children: Vec<Value> = run
        .pending_children
        .iter()
        .map(|child| {
            json!({
                "workflow_id": child.child.workflow_id,
                "run_id": child.child.run_id.map(|run_id| run_id.to_string()),
                "workflow_type": child.workflow_type,
                "parent_close_policy": format!("{:?}", child.parent_close_policy),
            })
        })
        .collect();
    json!({
        "namespace": summary.namespace,
        "workflow_id": summary.workflow_id,
        "run_id": summary.run_id.to_string(),
        "first_run_id": summary.first_run_id.to_string(),
        "workflow_type": summary.workflow_type,
        "task_queue": summary.task_queue,
        "status": summary.status.name(),
        "start_time": summary.start_time.to_string(),
        "execution_time": summary.execution_time.to_string(),
        "close_time": times(summary.close_time),
        "history_length": summary.history_length,
        "history_size_bytes": summary.history_size_bytes,
        "state_transitions": summary.state_transitions,
        "parent": summary.parent.as_ref().map(|parent| json!({
            "workflow_id": parent.workflow_id, "run_id": parent.run_id.to_string(),
        })),
        "memo": texts(&summary.memo),
        "search_attributes": texts(&summary.search_attributes),
        "cancel_requested": run.cancel_requested,
        "run_expiration_time": times(run.run_expiration_time),
        "execution_expiration_time": times(run.execution_expiration_time),
        "reset_run_id": run.reset_run_id.map(|run_id| run_id.to_string()),
        "pending_workflow_task": run.pending_workflow_task.map(|(scheduled, started)| json!({
            "scheduled_time": scheduled.to_string(),
            "started_time": times(started),
            "attempt": summary.workflow_task_attempt,
        })),
        "pending_timers": summary.pending_timers,
        "pending_activities": activities,
        "pending_children": children,
    })
}

#[derive(Deserialize)]
struct HistoryQuery {
    #[serde(flatten)]
    execution: Execution,
    /// `temporal` for the JSON form of Temporal's messages.
    form: Option<String>,
}

async fn history<Token: Send + 'static>(
    State(control): Shared<Token>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<Value>, Problem> {
    let description = control.description(control.named(query.execution)?).await?;
    let batches = control.client.history(description.summary.run_id).await?;
    Ok(Json(match query.form.as_deref() {
        None => json!(batches.iter().flat_map(HistoryEvent::of).collect::<Vec<_>>()),
        Some("temporal") => temporal_json::history(&batches),
        Some(other) => {
            return Err(Problem::bad_request(format!("form {other:?}: there is only \"temporal\"")));
        }
    }))
}

fn input(value: Option<Value>) -> Payloads {
    value.iter().map(|value| Payload::json(value.to_string())).collect()
}

#[derive(Deserialize)]
struct StartBody {
    #[serde(flatten)]
    execution: Execution,
    workflow_type: String,
    task_queue: String,
    input: Option<Value>,
    identity: String,
    request_id: String,
}

async fn start<Token: Send + 'static>(
    State(control): Shared<Token>,
    Json(body): Json<StartBody>,
) -> Result<Json<Value>, Problem> {
    let Named { namespace, workflow_id, run_id: _ } = control.named(body.execution)?;
    let task_queue = TaskQueue::new(body.task_queue)?;
    let request = Request::StartWorkflowExecution(StartWorkflow {
        input: input(body.input),
        identity: body.identity,
        request_id: body.request_id,
        ..StartWorkflow::new(namespace, workflow_id, body.workflow_type, task_queue)
    });
    let reply = control.client.call(request).await?;
    let Reply::Started { run_id, fresh, started: _ } = reply else { return Err(unexpected(&reply)) };
    Ok(Json(json!({ "run_id": run_id.to_string(), "fresh": fresh })))
}

#[derive(Deserialize)]
struct SignalBody {
    #[serde(flatten)]
    execution: Execution,
    name: String,
    #[serde(default)]
    input: Option<Value>,
    identity: String,
    request_id: String,
}

async fn signal<Token: Send + 'static>(
    State(control): Shared<Token>,
    Json(body): Json<SignalBody>,
) -> Result<Json<Value>, Problem> {
    let Named { namespace, workflow_id, run_id } = control.named(body.execution)?;
    let request = Request::SignalWorkflowExecution {
        namespace,
        workflow_id,
        run_id,
        signal_name: body.name,
        input: input(body.input),
        identity: body.identity,
        request_id: body.request_id,
        header: Header::new(),
    };
    let reply = control.client.call(request).await?;
    let Reply::Signaled { run_id, event_id, fresh } = reply else { return Err(unexpected(&reply)) };
    Ok(Json(json!({ "run_id": run_id, "event_id": event_id, "fresh": fresh })))
}

#[derive(Deserialize)]
struct QueryBody {
    #[serde(flatten)]
    execution: Execution,
    name: String,
    #[serde(default)]
    input: Option<Value>,
    /// `not_open`, `not_completed_cleanly`.
    #[serde(default)]
    reject_condition: Option<String>,
}

async fn query<Token: Send + 'static>(
    State(control): Shared<Token>,
    Json(body): Json<QueryBody>,
) -> Result<Json<Value>, Problem> {
    let Named { namespace, workflow_id, run_id } = control.named(body.execution)?;
    let reject_condition = match body.reject_condition.as_deref() {
        None | Some("none") => QueryRejectCondition::None,
        Some("not_open") => QueryRejectCondition::NotOpen,
        Some("not_completed_cleanly") => QueryRejectCondition::NotCompletedCleanly,
        Some(other) => {
            let words = format!("reject condition {other:?}: it is not_open or not_completed_cleanly");
            return Err(Problem::bad_request(words));
        }
    };
    let query = WorkflowQuery { query_type: body.name, args: input(body.input), header: Header::new() };
    let request = Request::QueryWorkflow(Box::new(QueryWorkflow {
        namespace,
        workflow_id,
        run_id,
        query,
        reject_condition,
    }));
    let reply = control.client.call(request).await?;
    if let Reply::QueryRejected { status } = reply {
        return Ok(Json(json!({ "rejected": status.name() })));
    }
    let Reply::Query(answer) = reply else { return Err(unexpected(&reply)) };
    match answer {
        QueryAnswer::Answered(result) => {
            Ok(Json(json!({ "result": result.iter().map(payload_to_json).collect::<Vec<_>>() })))
        }
        QueryAnswer::Failed { message, .. } => Err(Problem::bad_request(message)),
    }
}

#[derive(Deserialize)]
struct EndBody {
    #[serde(flatten)]
    execution: Execution,
    #[serde(default)]
    reason: String,
    identity: String,
    #[serde(default)]
    request_id: String,
}

async fn cancel<Token: Send + 'static>(
    State(control): Shared<Token>,
    Json(body): Json<EndBody>,
) -> Result<Json<Value>, Problem> {
    let Named { namespace, workflow_id, run_id } = control.named(body.execution)?;
    let cancel = CancelWorkflow {
        namespace,
        workflow_id,
        run_id,
        first_execution_run_id: None,
        reason: body.reason,
        identity: body.identity,
        request_id: body.request_id,
    };
    control.done(Request::RequestCancelWorkflowExecution(cancel)).await
}

async fn terminate<Token: Send + 'static>(
    State(control): Shared<Token>,
    Json(body): Json<EndBody>,
) -> Result<Json<Value>, Problem> {
    let Named { namespace, workflow_id, run_id } = control.named(body.execution)?;
    let terminate = TerminateWorkflow {
        namespace,
        workflow_id,
        run_id,
        first_execution_run_id: None,
        reason: body.reason,
        details: Payloads::new(),
        identity: body.identity,
    };
    control.done(Request::TerminateWorkflowExecution(terminate)).await
}

async fn delete<Token: Send + 'static>(
    State(control): Shared<Token>,
    Json(execution): Json<Execution>,
) -> Result<Json<Value>, Problem> {
    let Named { namespace, workflow_id, run_id } = control.named(execution)?;
    control.done(Request::DeleteWorkflowExecution { namespace, workflow_id, run_id }).await
}

#[derive(Deserialize)]
struct ResetBody {
    #[serde(flatten)]
    execution: Execution,
    #[serde(flatten)]
    wish: reset::Wish,
}

async fn reset<Token: Send + 'static>(
    State(control): Shared<Token>,
    Json(body): Json<ResetBody>,
) -> Result<Json<Value>, Problem> {
    let named = control.named(body.execution)?;
    let run_id = reset::reset(&control, named, body.wish).await?;
    Ok(Json(json!({ "run_id": run_id.to_string() })))
}

#[derive(Deserialize)]
struct TaskQueueQuery {
    name: String,
    namespace: Option<String>,
}

async fn task_queue<Token: Send + 'static>(
    State(control): Shared<Token>,
    Query(query): Query<TaskQueueQuery>,
) -> Result<Json<Value>, Problem> {
    let namespace = control.namespace_of(query.namespace)?;
    let task_queue = TaskQueue::new(query.name)?;
    let mut kinds = Vec::new();
    for (kind, name) in [(TaskQueueKind::Workflow, "workflow"), (TaskQueueKind::Activity, "activity")] {
        let request =
            Request::DescribeTaskQueue { namespace: namespace.clone(), task_queue: task_queue.clone(), kind };
        let reply = control.client.call(request).await?;
        let Reply::TaskQueueDescribed(queue) = reply else { return Err(unexpected(&reply)) };
        let pollers: Vec<Value> = queue
            .pollers
            .iter()
            .map(|poller| {
                json!({
                    "identity": poller.identity,
                    "last_access_time": poller.last_access_time.to_string(),
                })
            })
            .collect();
        kinds.push(json!({
            "type": name,
            "backlog_count": queue.backlog_count,
            "backlog_age_seconds": queue.backlog_age.as_secs_f64(),
            "tasks_add_rate": queue.tasks_add_rate,
            "tasks_dispatch_rate": queue.tasks_dispatch_rate,
            "pollers": pollers,
        }));
    }
    Ok(Json(json!({ "task_queue": task_queue, "types": kinds })))
}
