//! Resetting a run: the point is found in its history, which the engine does not keep and the log does.

use serde::Deserialize;
use tidegate_engine::{ReapplyExclude, Reply, ResetWorkflow, WorkflowService};
use tidegate_model::event::{Event, HistoryBatch};
use tidegate_model::id::{EventId, RunId};

use super::routes::{Control, Problem, unexpected};
use super::workflows::Named;

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
    let history = control.client.history(summary.run_id).await?;
    let reset = ResetWorkflow {
        namespace: summary.namespace,
        workflow_id: summary.workflow_id,
        run_id: summary.run_id,
        reason: wish.reason,
        workflow_task_finish_event_id: point(&history, wish.event_id, wish.kind)?,
        request_id: wish.request_id,
        identity: wish.identity,
        reapply_exclude,
        history: Vec::new(),
    };
    let reply = control.client.reset(reset).await?;
    let Reply::Reset { run_id } = reply else { return Err(unexpected(&reply)) };
    Ok(run_id)
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
