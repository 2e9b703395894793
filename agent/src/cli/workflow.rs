//! `tidegate workflow`: what Temporal's command line does, in its words and with its flags, on this gateway.

mod trace;

use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};
use tidegate_engine::RunSummary;

pub(super) use self::trace::Node;

use super::agent::Agent;
use super::print;
use crate::control::{Count, HistoryEvent};

/// Who asks, as histories have it.
pub(super) const IDENTITY: &str = "tidegate command line";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists executions, the open ones first, the newest first.
    List {
        /// Which, in Temporal's filter grammar: "ExecutionStatus = 'Running' AND WorkflowType = 'pipeline'".
        #[arg(short, long, default_value = "")]
        query: String,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Of this namespace alone.
        #[arg(short, long)]
        namespace: Option<String>,
        #[command(flatten)]
        agent: Agent,
    },
    /// Counts executions.
    Count {
        /// Which, as for list; with "GROUP BY ExecutionStatus" by status.
        #[arg(short, long, default_value = "")]
        query: String,
        /// Of this namespace.
        #[arg(short, long)]
        namespace: Option<String>,
        #[command(flatten)]
        agent: Agent,
    },
    /// Shows the history of an execution as a timeline; --json is Temporal's JSON form.
    Show {
        #[command(flatten)]
        execution: Execution,
        #[command(flatten)]
        agent: Agent,
    },
    /// Shows what the engine knows of an execution.
    Describe {
        #[command(flatten)]
        execution: Execution,
        #[command(flatten)]
        agent: Agent,
    },
    /// Starts an execution.
    Start {
        /// The workflow id; made up when left out.
        #[arg(short, long)]
        workflow_id: Option<String>,
        /// Which workflow function.
        #[arg(long = "type")]
        workflow_type: String,
        /// Where its workers poll.
        #[arg(short, long)]
        task_queue: String,
        /// Its argument, in JSON.
        #[arg(short, long)]
        input: Option<String>,
        /// Its namespace.
        #[arg(short, long)]
        namespace: Option<String>,
        #[command(flatten)]
        agent: Agent,
    },
    /// Signals an execution.
    Signal {
        #[command(flatten)]
        execution: Execution,
        /// The signal's name.
        #[arg(long)]
        name: String,
        /// Its argument, in JSON.
        #[arg(short, long)]
        input: Option<String>,
        /// Idempotency key: the same one is applied once.
        #[arg(long)]
        request_id: Option<String>,
        #[command(flatten)]
        agent: Agent,
    },
    /// Asks workflow code something; changes nothing.
    Query {
        #[command(flatten)]
        execution: Execution,
        /// The query's name.
        #[arg(long, alias = "type")]
        name: String,
        /// Its argument, in JSON.
        #[arg(short, long)]
        input: Option<String>,
        /// Want no answer when the run is not_open, or not_completed_cleanly.
        #[arg(long)]
        reject_condition: Option<String>,
        #[command(flatten)]
        agent: Agent,
    },
    /// Asks an execution to cancel itself.
    Cancel {
        #[command(flatten)]
        execution: Execution,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        agent: Agent,
    },
    /// Ends an execution, whatever it is doing.
    Terminate {
        #[command(flatten)]
        execution: Execution,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        agent: Agent,
    },
    /// Forgets an execution; an open one is terminated first.
    Delete {
        #[command(flatten)]
        execution: Execution,
        #[command(flatten)]
        agent: Agent,
    },
    /// Goes on from an earlier point of an execution, in a new run.
    Reset {
        #[command(flatten)]
        execution: Execution,
        /// The event at which a workflow task completed, failed or timed out: what came before it stays.
        #[arg(short, long, required_unless_present = "kind", conflicts_with = "kind")]
        event_id: Option<u64>,
        /// FirstWorkflowTask or LastWorkflowTask.
        #[arg(short = 't', long = "type")]
        kind: Option<String>,
        /// Why.
        #[arg(long)]
        reason: String,
        /// What came after the point and is not asked anew: signal, update, cancel, all.
        #[arg(long)]
        reapply_exclude: Vec<String>,
        #[command(flatten)]
        agent: Agent,
    },
    /// Shows an execution and its children as a tree.
    Trace {
        #[command(flatten)]
        execution: Execution,
        /// How deep; 0 is the execution alone, -1 all there is.
        #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
        depth: i32,
        #[command(flatten)]
        agent: Agent,
    },
}

/// Which execution.
#[derive(Debug, clap::Args)]
pub(super) struct Execution {
    /// The workflow id.
    #[arg(short, long)]
    workflow_id: String,
    /// A run of it; without, the latest.
    #[arg(short, long)]
    run_id: Option<String>,
    /// Its namespace.
    #[arg(short, long)]
    namespace: Option<String>,
}

impl Execution {
    fn query(&self) -> Vec<(&'static str, String)> {
        let run = self.run_id.iter().map(|run| ("run", run.clone()));
        let namespace = self.namespace.iter().map(|namespace| ("namespace", namespace.clone()));
        std::iter::once(("id", self.workflow_id.clone())).chain(run).chain(namespace).collect()
    }

    /// A body that names it, and says more.
    fn body(&self, mut more: Value) -> Value {
        more["workflow_id"] = json!(self.workflow_id);
        more["run_id"] = json!(self.run_id);
        more["namespace"] = json!(self.namespace);
        more["identity"] = json!(IDENTITY);
        more
    }
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { query, limit, namespace, agent } => {
            let asked: Vec<_> = [("limit", limit.to_string()), ("query", query)]
                .into_iter()
                .chain(namespace.map(|namespace| ("namespace", namespace)))
                .collect();
            let runs: Vec<RunSummary> = agent.get("/v1/workflows", &asked).await?;
            if agent.wants_json() { print::json(&runs) } else { print::runs(&runs) }
        }
        Command::Count { query, namespace, agent } => {
            let asked: Vec<_> = [("query", query)]
                .into_iter()
                .chain(namespace.map(|namespace| ("namespace", namespace)))
                .collect();
            let count: Count = agent.get("/v1/workflows/count", &asked).await?;
            if agent.wants_json() { print::json(&count) } else { print::count(&count) }
        }
        Command::Show { execution, agent } => {
            let mut asked = execution.query();
            if agent.wants_json() {
                asked.push(("form", "temporal".to_owned()));
                return print::json(&agent.get::<Value>("/v1/history", &asked).await?);
            }
            let events: Vec<HistoryEvent> = agent.get("/v1/history", &asked).await?;
            print::timeline(&events)
        }
        Command::Describe { execution, agent } => {
            let run: Value = agent.get("/v1/workflow", &execution.query()).await?;
            if agent.wants_json() { print::json(&run) } else { print::run(&run) }
        }
        Command::Start { workflow_id, workflow_type, task_queue, input, namespace, agent } => {
            let workflow_id = match workflow_id {
                Some(workflow_id) => workflow_id,
                None => random_id()?,
            };
            let execution = Execution { workflow_id, run_id: None, namespace };
            let body = execution.body(json!({
                "workflow_type": workflow_type,
                "task_queue": task_queue,
                "input": json_input(input)?,
                "request_id": random_id()?,
            }));
            let reply = agent.post("/v1/start", &body).await?;
            if agent.wants_json() {
                print::json(&reply)
            } else {
                print::started(&execution.workflow_id, &reply)
            }
        }
        Command::Signal { execution, name, input, request_id, agent } => {
            let body = execution.body(json!({
                "name": name,
                "input": json_input(input)?,
                "request_id": request_id.unwrap_or_default(),
            }));
            let reply = agent.post("/v1/signal", &body).await?;
            if agent.wants_json() { print::json(&reply) } else { print::signaled(&name, &reply) }
        }
        Command::Query { execution, name, input, reject_condition, agent } => {
            let body = execution.body(json!({
                "name": name,
                "input": json_input(input)?,
                "reject_condition": reject_condition,
            }));
            let reply = agent.post("/v1/query", &body).await?;
            if agent.wants_json() { print::json(&reply) } else { print::query(&reply) }
        }
        Command::Cancel { execution, reason, agent } => {
            let body = execution.body(json!({ "reason": reason, "request_id": random_id()? }));
            let reply = agent.post("/v1/cancel", &body).await?;
            let said = format!("{} is asked to cancel", execution.workflow_id);
            if agent.wants_json() { print::json(&reply) } else { print::line(&said) }
        }
        Command::Terminate { execution, reason, agent } => {
            let reply = agent.post("/v1/terminate", &execution.body(json!({ "reason": reason }))).await?;
            let said = format!("{} is terminated", execution.workflow_id);
            if agent.wants_json() { print::json(&reply) } else { print::line(&said) }
        }
        Command::Delete { execution, agent } => {
            let reply = agent.post("/v1/delete", &execution.body(json!({}))).await?;
            let said = format!("{} is deleted", execution.workflow_id);
            if agent.wants_json() { print::json(&reply) } else { print::line(&said) }
        }
        Command::Reset { execution, event_id, kind, reason, reapply_exclude, agent } => {
            let body = execution.body(json!({
                "event_id": event_id,
                "kind": kind.map(|kind| reset_type(&kind)).transpose()?,
                "reason": reason,
                "reapply_exclude": reapply_exclude,
                "request_id": random_id()?,
            }));
            let reply = agent.post("/v1/reset", &body).await?;
            let run = reply["run_id"].as_str().unwrap_or("-").to_owned();
            let said = format!("{} goes on as run {run}", execution.workflow_id);
            if agent.wants_json() { print::json(&reply) } else { print::line(&said) }
        }
        Command::Trace { execution, depth, agent } => {
            let tree = trace::tree(&agent, &execution, u32::try_from(depth).ok()).await?;
            if agent.wants_json() { print::json(&tree) } else { print::tree(&tree) }
        }
    }
}

fn json_input(input: Option<String>) -> anyhow::Result<Option<Value>> {
    input.map(|text| serde_json::from_str::<Value>(&text).with_context(|| not_json(&text))).transpose()
}

fn not_json(text: &str) -> String {
    format!("--input {text} is not JSON; a text needs its own quotes, as in --input '\"yes\"'")
}

fn reset_type(kind: &str) -> anyhow::Result<&'static str> {
    match kind.to_ascii_lowercase().as_str() {
        "firstworkflowtask" => Ok("FirstWorkflowTask"),
        "lastworkflowtask" => Ok("LastWorkflowTask"),
        _ => anyhow::bail!(
            "--type {kind}: it is FirstWorkflowTask or LastWorkflowTask; --event-id takes any other point"
        ),
    }
}

/// An id that nothing else has.
pub(super) fn random_id() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(anyhow::Error::new).context("the system gives no random numbers")?;
    Ok(tidegate_model::id::RunId::from_u128(u128::from_be_bytes(bytes)).to_string())
}
