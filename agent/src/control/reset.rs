//! Resetting a run: the point is found in its history, which the engine does not keep and the log does.

use serde::Deserialize;
use tidegate_engine::{
    ReapplyExclude, Refusal, Reply, Request, ResetWorkflow, ServiceError, WorkflowService,
};
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::{EventId, RunId};

use super::routes::{Control, Problem, unexpected};
use super::workflows::Named;

/// How often a history is read again because the run went on meanwhile.
const READS_MAX: usize = 10;

/// Where to, and what of what came after is left behind.
#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    /// The event at which a workflow task ended.
    event_id: Option<EventId>,
    /// Or which workflow task.
    kind: Option<Kind>,
    #[serde(default)]
    reason: String,
    identity: String,
    request_id: String,
    /// `signal`, `update`, `cancel`.
    #[serde(default)]
    reapply_exclude: Vec<String>,
}

/// Temporal's reset types.
#[derive(Debug, Clone, Copy, Deserialize)]
enum Kind {
    FirstWorkflowTask,
    LastWorkflowTask,
}

/// Forks the run; gives the run that goes on.
pub(super) async fn reset<Token: Send + 'static>(
    control: &Control<Token>,
    named: Named,
    wish: Wish,
) -> Result<RunId, Problem> {
    let reapply_exclude = excluded(&wish.reapply_exclude)?;
    let description = control.description(named).await?;
    let summary = description.summary;
    for _ in 0..READS_MAX {
        let history = control.client.history_of_chain(summary.run_id).await?;
        let own = history.partition_point(|batch| batch.run_id == summary.run_id);
        let request = Request::ResetWorkflowExecution(Box::new(ResetWorkflow {
            namespace: summary.namespace.clone(),
            workflow_id: summary.workflow_id.clone(),
            run_id: summary.run_id,
            reason: wish.reason.clone(),
            workflow_task_finish_event_id: point(&history[..own], wish.event_id, wish.kind)?,
            request_id: wish.request_id.clone(),
            identity: wish.identity.clone(),
            reapply_exclude,
            history,
        }));
        match control.client.call(request).await {
            Ok(Reply::Reset { run_id }) => return Ok(run_id),
            Ok(reply) => return Err(unexpected(&reply)),
            Err(ServiceError::Refused(Refusal::Stale)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ServiceError::Refused(Refusal::BusyWorkflow(
        "the run goes on faster than its history can be read; try again".to_owned(),
    ))
    .into())
}

fn point(
    history: &[HistoryBatch],
    event_id: Option<EventId>,
    kind: Option<Kind>,
) -> Result<EventId, Problem> {
    let mut completed = history
        .iter()
        .flat_map(HistoryBatch::numbered)
        .filter(|(_, event)| matches!(event, Event::WorkflowTaskCompleted { .. }))
        .map(|(id, _)| id);
    let found = match (event_id, kind) {
        (Some(event_id), None) => Some(event_id),
        (None, Some(Kind::FirstWorkflowTask)) => completed.next(),
        (None, Some(Kind::LastWorkflowTask)) => completed.last(),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Problem::bad_request("a reset needs either an event id or a type"));
        }
    };
    found.ok_or_else(|| {
        Problem::bad_request("no workflow task of this run has completed: there is no point to reset to")
    })
}

fn excluded(names: &[String]) -> Result<ReapplyExclude, Problem> {
    let mut exclude = ReapplyExclude::default();
    for name in names {
        match name.to_ascii_lowercase().as_str() {
            "signal" => exclude.signals = true,
            "update" => exclude.updates = true,
            "cancel" => exclude.cancel_requests = true,
            "all" => {
                exclude = ReapplyExclude { signals: true, updates: true, cancel_requests: true };
            }
            other => {
                let words = format!("{other:?} cannot be left out: it is signal, update, cancel or all");
                return Err(Problem::bad_request(words));
            }
        }
    }
    Ok(exclude)
}
