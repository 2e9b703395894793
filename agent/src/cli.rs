//! The `tidegate` command: runs the agent, and looks at a running one.

mod print;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use tidegate_engine::RunSummary;

use crate::config::Config;
use crate::control::{Caller, HistoryEvent};
use crate::pipeline::Definition;

/// Durable workflows on a gateway.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the agent until SIGTERM.
    Run {
        /// The configuration; every key is explained in config/agent.toml.
        #[arg(short, long, default_value = "/etc/tidegate/agent.toml")]
        config: PathBuf,
        /// Checks the configuration and the pipelines, says what is wrong, and ends.
        #[arg(long)]
        check: bool,
    },
    /// A server to develop against: engine and Temporal's API, in memory or on disk, nothing else needed.
    #[cfg(feature = "temporal-api")]
    StartDev {
        /// Where to listen; only addresses of this machine.
        #[arg(long, default_value = "127.0.0.1")]
        ip: std::net::IpAddr,
        /// Port of the API; 0 for one that is free.
        #[arg(short, long, default_value_t = 7233)]
        port: u16,
        /// File to keep everything in; without, it is gone when the server ends.
        #[arg(short = 'f', long)]
        db_filename: Option<PathBuf>,
        /// Namespaces to begin with, besides `default`; may be given several times.
        #[arg(short, long)]
        namespace: Vec<tidegate_model::id::Namespace>,
        /// Without a web page. There is none, so it is always so.
        #[arg(long)]
        headless: bool,
        /// The least important thing that is logged: debug, info, warn, error, never.
        #[arg(long, default_value = "warn")]
        log_level: String,
        /// How it is logged: text or json.
        #[arg(long, default_value = "text")]
        log_format: String,
    },
    /// Workflow executions on this gateway.
    #[command(subcommand)]
    Workflow(WorkflowCommand),
    /// What the agent is doing: clocks, broker, bridge, counts.
    Status {
        #[command(flatten)]
        agent: Agent,
    },
    /// Messages that could not be decoded.
    #[command(subcommand)]
    DeadLetter(DeadLetterCommand),
    /// Pipeline files.
    #[command(subcommand)]
    Pipeline(PipelineCommand),
}

#[derive(Debug, Subcommand)]
enum WorkflowCommand {
    /// Lists executions, the newest first.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        agent: Agent,
    },
    /// Shows the history of an execution as a timeline.
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
    /// Signals an execution.
    Signal {
        #[command(flatten)]
        execution: Execution,
        /// The signal's name.
        #[arg(long)]
        name: String,
        /// Its argument, in JSON.
        #[arg(long)]
        input: Option<String>,
        /// Idempotency key: the same one is applied once.
        #[arg(long)]
        request_id: Option<String>,
        #[command(flatten)]
        agent: Agent,
    },
}

#[derive(Debug, Subcommand)]
enum DeadLetterCommand {
    /// Lists the latest, with the reason for each.
    List {
        #[command(flatten)]
        agent: Agent,
    },
}

#[derive(Debug, Subcommand)]
enum PipelineCommand {
    /// Checks files and says what is wrong, with line, key and remedy.
    Check {
        /// Pipeline files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
struct Execution {
    /// The workflow id.
    #[arg(short, long)]
    workflow_id: String,
    /// A run of it; without, the latest.
    #[arg(short, long)]
    run_id: Option<String>,
}

impl Execution {
    fn query(&self) -> Vec<(&'static str, String)> {
        let run = self.run_id.iter().map(|run| ("run", run.clone()));
        std::iter::once(("id", self.workflow_id.clone())).chain(run).collect()
    }
}

/// Which agent to ask.
#[derive(Debug, clap::Args)]
struct Agent {
    /// The agent's configuration, which says where its control socket is.
    #[arg(short, long, default_value = "/etc/tidegate/agent.toml")]
    config: PathBuf,
    /// The control socket itself.
    #[arg(long)]
    socket: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

impl Agent {
    fn caller(&self) -> anyhow::Result<Caller> {
        let socket = match &self.socket {
            Some(socket) => socket.clone(),
            None => Config::load(&self.config)?.control_socket(),
        };
        Ok(Caller::new(&socket)?)
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        route: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<T> {
        Ok(self.caller()?.get(route, query).await?)
    }
}

/// Runs the command with these arguments (the first is the program's name). Says what went wrong on standard error.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are not failures; clap knows which stream each belongs to.
            drop(error.print());
            return ExitCode::from(u8::from(error.use_stderr()) * 2);
        }
    };
    match execute(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::problem(&error);
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run { config, check } => {
            let config = Config::load(&config)?;
            if check { crate::run::check(&config) } else { crate::run::main(config) }
        }
        #[cfg(feature = "temporal-api")]
        Command::StartDev { ip, port, db_filename, namespace, headless: _, log_level, log_format } => {
            let log = crate::run::dev::log_settings(&log_level, &log_format)?;
            let namespaces = namespace;
            crate::run::dev::main(crate::run::dev::DevServer { ip, port, db_filename, namespaces, log })
        }
        Command::Workflow(command) => ask(workflow(command)),
        Command::Status { agent } => ask(async move {
            let status: Value = agent.get("/v1/status", &[]).await?;
            if agent.json { print::json(&status) } else { print::status(&status) }
        }),
        Command::DeadLetter(DeadLetterCommand::List { agent }) => ask(async move {
            let status: Value = agent.get("/v1/status", &[]).await?;
            let letters = &status["dead_letters_kept"];
            if agent.json { print::json(letters) } else { print::dead_letters(&status) }
        }),
        Command::Pipeline(PipelineCommand::Check { files }) => check_pipelines(&files),
    }
}

async fn workflow(command: WorkflowCommand) -> anyhow::Result<()> {
    match command {
        WorkflowCommand::List { limit, agent } => {
            let runs: Vec<RunSummary> = agent.get("/v1/workflows", &[("limit", limit.to_string())]).await?;
            if agent.json { print::json(&runs) } else { print::runs(&runs) }
        }
        WorkflowCommand::Show { execution, agent } => {
            let events: Vec<HistoryEvent> = agent.get("/v1/history", &execution.query()).await?;
            if agent.json { print::json(&events) } else { print::timeline(&events) }
        }
        WorkflowCommand::Describe { execution, agent } => {
            let run: RunSummary = agent.get("/v1/workflow", &execution.query()).await?;
            if agent.json { print::json(&run) } else { print::run(&run) }
        }
        WorkflowCommand::Signal { execution, name, input, request_id, agent } => {
            let input = input
                .map(|text| serde_json::from_str::<Value>(&text).with_context(|| not_json(&text)))
                .transpose()?;
            let body = json!({
                "workflow_id": execution.workflow_id,
                "run_id": execution.run_id,
                "name": name,
                "input": input,
                "identity": "tidegate command line",
                "request_id": request_id.unwrap_or_default(),
            });
            let reply: Value = agent.caller()?.post("/v1/signal", &body).await?;
            if agent.json { print::json(&reply) } else { print::signaled(&name, &reply) }
        }
    }
}

fn not_json(text: &str) -> String {
    format!("--input {text} is not JSON; a text needs its own quotes, as in --input '\"yes\"'")
}

fn check_pipelines(files: &[PathBuf]) -> anyhow::Result<()> {
    let mut wrong = 0;
    for file in files {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {name}"))?;
        match Definition::parse(&name, &text) {
            Ok(definition) => print::pipeline_ok(&name, definition.name(), definition.digest())?,
            Err(diagnostics) => {
                wrong += 1;
                print::diagnostics(&diagnostics)?;
            }
        }
    }
    anyhow::ensure!(wrong == 0, "{wrong} of {} pipeline files are wrong", files.len());
    Ok(())
}

/// A command that asks a running agent needs a reactor for as long as the question takes.
fn ask(question: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?
        .block_on(question)
}
