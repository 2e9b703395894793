//! `tidegate task-queue`: what waits for workers, and who they are.

use clap::Subcommand;
use serde_json::Value;

use super::agent::Agent;
use super::print;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Shows the pollers of a task queue and what waits on it.
    Describe {
        /// The queue.
        #[arg(short, long)]
        task_queue: String,
        /// Its namespace.
        #[arg(short, long)]
        namespace: Option<String>,
        #[command(flatten)]
        agent: Agent,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let Command::Describe { task_queue, namespace, agent } = command;
    let query: Vec<_> = [("name", task_queue)]
        .into_iter()
        .chain(namespace.map(|namespace| ("namespace", namespace)))
        .collect();
    let queue: Value = agent.get("/v1/task-queue", &query).await?;
    if agent.wants_json() { print::json(&queue) } else { print::task_queue(&queue) }
}
