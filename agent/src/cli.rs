//! The `tidegate` command: runs the agent, and looks at a running one.

mod agent;
mod print;
mod schedule;
#[cfg(feature = "temporal-api")]
mod start_dev;
mod task_queue;
mod workflow;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use serde_json::Value;

use self::agent::Agent;
use crate::config::Config;
use crate::pipeline::Definition;
use crate::run::Native;

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
    StartDev(start_dev::StartDev),
    /// The same by the words of Temporal's command line: SDKs that start a development server by themselves say them.
    #[cfg(feature = "temporal-api")]
    #[command(subcommand, hide = true)]
    Server(start_dev::Server),
    /// Workflow executions on this gateway.
    #[command(subcommand)]
    Workflow(workflow::Command),
    /// Workflow executions at times: calendars, cron, intervals.
    #[command(subcommand)]
    Schedule(schedule::Command),
    /// What waits for workers, and who they are.
    #[command(subcommand)]
    TaskQueue(task_queue::Command),
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

/// Runs the command with these arguments (the first is the program's name). Says what went wrong on standard error.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    main_with(arguments, Vec::new())
}

/// The same command, with workflow code of one's own compiled into the agent and the development server.
#[must_use]
pub fn main_with(arguments: impl IntoIterator<Item = std::ffi::OsString>, natives: Vec<Native>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are not failures; clap knows which stream each belongs to.
            drop(error.print());
            return ExitCode::from(u8::from(error.use_stderr()) * 2);
        }
    };
    match execute(cli.command, natives) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::problem(&error);
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command, natives: Vec<Native>) -> anyhow::Result<()> {
    match command {
        Command::Run { config, check } => {
            let config = Config::load(&config)?;
            if check { crate::run::check(&config) } else { crate::run::main(config, natives) }
        }
        #[cfg(feature = "temporal-api")]
        Command::StartDev(server) | Command::Server(start_dev::Server::StartDev(server)) => {
            start_dev::run(server, natives)
        }
        Command::Workflow(command) => ask(workflow::run(command)),
        Command::Schedule(command) => ask(schedule::run(command)),
        Command::TaskQueue(command) => ask(task_queue::run(command)),
        Command::Status { agent } => ask(async move {
            let status: Value = agent.get("/v1/status", &[]).await?;
            if agent.wants_json() { print::json(&status) } else { print::status(&status) }
        }),
        Command::DeadLetter(DeadLetterCommand::List { agent }) => ask(async move {
            let status: Value = agent.get("/v1/status", &[]).await?;
            let letters = &status["dead_letters_kept"];
            if agent.wants_json() { print::json(letters) } else { print::dead_letters(&status) }
        }),
        Command::Pipeline(PipelineCommand::Check { files }) => check_pipelines(&files),
    }
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
