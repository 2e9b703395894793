//! An execution and its children, as a tree.

use serde::Serialize;
use serde_json::Value;

use super::Execution;
use crate::cli::agent::Agent;
use crate::control::HistoryEvent;

/// More than anybody reads; a tree that never ends must not hang the terminal.
const EXECUTIONS_MAX: usize = 1_000;

/// One execution of the tree.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::cli) struct Node {
    pub(in crate::cli) workflow_id: String,
    pub(in crate::cli) run_id: String,
    pub(in crate::cli) workflow_type: String,
    pub(in crate::cli) status: String,
    /// What it waits for, in words.
    pub(in crate::cli) pending: Vec<String>,
    pub(in crate::cli) children: Vec<Node>,
}

/// The tree under an execution, to a depth where one is given.
pub(super) async fn tree(agent: &Agent, root: &Execution, depth: Option<u32>) -> anyhow::Result<Node> {
    let mut left = EXECUTIONS_MAX;
    node(agent, root, depth, &mut left).await
}

/// Boxed, because a future cannot hold itself.
fn node<'a>(
    agent: &'a Agent,
    execution: &'a Execution,
    depth: Option<u32>,
    left: &'a mut usize,
) -> std::pin::Pin<Box<dyn Future<Output = anyhow::Result<Node>> + 'a>> {
    Box::pin(async move {
        *left = left.saturating_sub(1);
        let run: Value = agent.get("/v1/workflow", &execution.query()).await?;
        let text = |name: &str| run[name].as_str().unwrap_or("-").to_owned();
        let mut children = Vec::new();
        if depth != Some(0) {
            let events: Vec<HistoryEvent> = agent.get("/v1/history", &execution.query()).await?;
            for child in children_of(&events, execution) {
                if *left == 0 {
                    break;
                }
                match node(agent, &child, depth.map(|depth| depth - 1), left).await {
                    Ok(child) => children.push(child),
                    // It has been forgotten since, which is no reason to show nothing.
                    Err(_) => children.push(Node {
                        workflow_id: child.workflow_id,
                        run_id: child.run_id.unwrap_or_default(),
                        workflow_type: "-".to_owned(),
                        status: "Unknown".to_owned(),
                        pending: Vec::new(),
                        children: Vec::new(),
                    }),
                }
            }
        }
        Ok(Node {
            workflow_id: text("workflow_id"),
            run_id: text("run_id"),
            workflow_type: text("workflow_type"),
            status: text("status"),
            pending: pending(&run),
            children,
        })
    })
}

fn children_of(events: &[HistoryEvent], parent: &Execution) -> Vec<Execution> {
    events
        .iter()
        .filter(|event| event.event_type == "ChildWorkflowExecutionStarted")
        .filter_map(|event| {
            let child = &event.attributes["child"];
            Some(Execution {
                workflow_id: child["workflow_id"].as_str()?.to_owned(),
                run_id: child["run_id"].as_str().map(str::to_owned),
                namespace: parent.namespace.clone(),
            })
        })
        .collect()
}

fn pending(run: &Value) -> Vec<String> {
    let mut out = Vec::new();
    for activity in run["pending_activities"].as_array().into_iter().flatten() {
        let name = activity["activity_type"].as_str().unwrap_or("-");
        let state = activity["state"].as_str().unwrap_or("-");
        out.push(format!("activity {name}: {state}, attempt {}", activity["attempt"]));
    }
    if let Some(timers) = run["pending_timers"].as_u64().filter(|timers| *timers > 0) {
        out.push(format!("{timers} timers"));
    }
    out
}
