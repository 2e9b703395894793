//! The command line: `tidegate-bridge run`, and the commands that ask a running bridge through its operator API.

mod ask;
mod print;

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use serde_json::Value;
use tidegate_model::id::{DeviceId, Epoch, Namespace, RunId, SignalId, WorkflowId};
use tidegate_settings::Duration;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::{
    DeadLetters, DeviceDetail, Devices, RunHistory, Runs, SignalRequest, SignalStateView, SignalView,
    Signals, Windows,
};
use crate::config::{Config, OPERATOR_DEFAULT};
use crate::telemetry;
use ask::Operator;

/// The centre of a Tidegate fleet.
#[derive(Debug, Parser)]
#[command(name = "tidegate-bridge", version, about, max_term_width = 80)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the bridge until it is told to stop.
    Run {
        /// The settings; config/bridge.toml is a commented example.
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        /// Check the settings, say so and exit.
        #[arg(long)]
        check: bool,
    },
    /// Look at devices.
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Look at workflow runs that devices replicated.
    #[command(subcommand)]
    Workflow(WorkflowCommand),
    /// Send a signal to a workflow on a device, or look at signals sent.
    Signal(Box<SignalCommand>),
    /// Take readings out of the archive.
    #[command(subcommand)]
    Sample(SampleCommand),
    /// Look at the windows of a device's pipelines.
    #[command(subcommand)]
    Window(WindowCommand),
    /// Look at what devices or the bridge could not use.
    #[command(subcommand)]
    DeadLetter(DeadLetterCommand),
}

/// How to find the bridge, and how to print.
#[derive(Debug, Args)]
struct Asking {
    /// Where the bridge's operator API listens [default: 127.0.0.1:7411].
    #[arg(long, value_name = "ADDRESS", env = "TIDEGATE_BRIDGE_LISTEN__OPERATOR")]
    operator: Option<SocketAddr>,
    /// Take the address from the bridge's settings.
    #[arg(short, long, value_name = "FILE", conflicts_with = "operator")]
    config: Option<PathBuf>,
    /// Print JSON, as the operator API gives it.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum DeviceCommand {
    /// All devices.
    List {
        #[command(flatten)]
        asking: Asking,
    },
    /// One device: its epochs, and what of them is complete.
    Show {
        device: DeviceId,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, Subcommand)]
enum WorkflowCommand {
    /// Runs on a device, the latest first.
    List {
        device: DeviceId,
        /// Only running, completed or failed ones.
        #[arg(long, value_parser = ["running", "completed", "failed"])]
        status: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        asking: Asking,
    },
    /// A run's history. A workflow id shows its latest run.
    Show {
        device: DeviceId,
        #[arg(value_name = "WORKFLOW_ID|RUN_ID")]
        run: String,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct SignalCommand {
    #[command(subcommand)]
    look: Option<SignalLook>,
    #[command(flatten)]
    send: SignalSend,
}

#[derive(Debug, Subcommand)]
enum SignalLook {
    /// Signals of a device, the latest first.
    List {
        device: DeviceId,
        #[command(flatten)]
        asking: Asking,
    },
    /// One signal.
    Show {
        device: DeviceId,
        signal: SignalId,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, Args)]
struct SignalSend {
    /// The device.
    #[arg(required = true)]
    device: Option<DeviceId>,
    /// The workflow on it.
    #[arg(required = true)]
    workflow_id: Option<WorkflowId>,
    /// The signal's name.
    #[arg(required = true)]
    name: Option<String>,
    /// The argument, as JSON.
    #[arg(long, value_name = "JSON", value_parser = json)]
    input: Option<Value>,
    /// Your own id for it: the same id is taken once, however often it is sent.
    #[arg(long)]
    id: Option<SignalId>,
    /// Do not apply it later than this (10m, 24h).
    #[arg(long, value_name = "TIME")]
    expires: Option<Duration>,
    /// Only this run of the workflow.
    #[arg(long)]
    run: Option<RunId>,
    /// Namespace of the workflow.
    #[arg(long, default_value = "default")]
    namespace: Namespace,
    /// Wait until the device says what became of it.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Subcommand)]
enum SampleCommand {
    /// Readings in order, one line of JSON each.
    Export {
        device: DeviceId,
        /// Of this epoch; the latest when absent.
        #[arg(long)]
        epoch: Option<Epoch>,
        /// Those after this number.
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// At most so many.
        #[arg(long)]
        limit: Option<u64>,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, Subcommand)]
enum WindowCommand {
    /// The latest windows, the newest first.
    List {
        device: DeviceId,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, Subcommand)]
enum DeadLetterCommand {
    /// The latest, the newest first.
    List {
        device: DeviceId,
        #[command(flatten)]
        asking: Asking,
    },
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{error}; text needs its quotes: '\"yes\"'"))
}

/// The program: parses, does, and says what went wrong. Takes the program's name first, as the system gives it.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Standard output is gone: there is nobody to tell.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the system gives no threads")
        .and_then(|runtime| {
            let done = runtime.block_on(do_command(cli.command));
            // Connections that outlive the drain must not hold the process.
            runtime.shutdown_background();
            done
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "tidegate-bridge: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whoever reads our output has had enough (`| head`).
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let found = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    found.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

async fn do_command(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run { config, check } => run(&config, check).await,
        Command::Device(DeviceCommand::List { asking }) => {
            let devices: Devices = asking.bridge()?.get("/api/v1/devices", &[]).await?;
            asking.print(&devices, print::devices)
        }
        Command::Device(DeviceCommand::Show { device, asking }) => {
            let detail: DeviceDetail = asking.bridge()?.get(&of(&device, ""), &[]).await?;
            asking.print(&detail, print::device)
        }
        Command::Workflow(WorkflowCommand::List { device, status, limit, asking }) => {
            let query = [("status", status), ("limit", Some(limit.to_string()))];
            let runs: Runs = asking.bridge()?.get(&of(&device, "/runs"), &query).await?;
            asking.print(&runs, print::runs)
        }
        Command::Workflow(WorkflowCommand::Show { device, run, asking }) => {
            let bridge = asking.bridge()?;
            let run = match run.parse::<RunId>() {
                Ok(run) => run,
                Err(_) => latest_run(&bridge, &device, run).await?,
            };
            let history: RunHistory = bridge.get(&of(&device, &format!("/runs/{run}")), &[]).await?;
            asking.print(&history, print::history)
        }
        Command::Signal(command) => match *command {
            SignalCommand { look: Some(look), .. } => look_at_signal(look).await,
            SignalCommand { look: None, send } => send_signal(send).await,
        },
        Command::Sample(SampleCommand::Export { device, epoch, after, limit, asking }) => {
            let query = [
                ("epoch", epoch.map(|epoch| epoch.to_string())),
                ("after", Some(after.to_string())),
                ("limit", limit.map(|limit| limit.to_string())),
            ];
            asking.bridge()?.copy(&of(&device, "/samples"), &query, &mut io::stdout().lock()).await
        }
        Command::Window(WindowCommand::List { device, asking }) => {
            let windows: Windows = asking.bridge()?.get(&of(&device, "/windows"), &[]).await?;
            asking.print(&windows, print::windows)
        }
        Command::DeadLetter(DeadLetterCommand::List { device, asking }) => {
            let letters: DeadLetters = asking.bridge()?.get(&of(&device, "/dead-letters"), &[]).await?;
            asking.print(&letters, print::dead_letters)
        }
    }
}

async fn run(path: &Path, check: bool) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    if check {
        crate::check(&config)?;
        writeln!(io::stdout(), "{} is right", path.display())?;
        return Ok(());
    }
    telemetry::begin(&config.log);
    let mut terminate = signal(SignalKind::terminate()).context("the system takes no signal handler")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("the system takes no signal handler")?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    crate::run(config, shutdown).await?;
    Ok(())
}

async fn look_at_signal(look: SignalLook) -> anyhow::Result<()> {
    match look {
        SignalLook::List { device, asking } => {
            let signals: Signals = asking.bridge()?.get(&of(&device, "/signals"), &[]).await?;
            asking.print(&signals, print::signals)
        }
        SignalLook::Show { device, signal, asking } => {
            let path = of(&device, &format!("/signals/{}", ask::encoded(signal.as_str())));
            let view: SignalView = asking.bridge()?.get(&path, &[]).await?;
            asking.print(&view, print::signal)
        }
    }
}

async fn send_signal(send: SignalSend) -> anyhow::Result<()> {
    let (Some(device), Some(workflow_id), Some(signal_name)) = (send.device, send.workflow_id, send.name)
    else {
        anyhow::bail!("say which signal: tidegate-bridge signal DEVICE WORKFLOW_ID NAME");
    };
    let bridge = send.asking.bridge()?;
    let signal_id = match send.id {
        Some(id) => id,
        None => random_id()?,
    };
    let request = SignalRequest {
        signal_id: signal_id.clone(),
        namespace: send.namespace,
        workflow_id,
        run_id: send.run,
        signal_name,
        input: send.input.into_iter().collect(),
        issued_by: std::env::var("USER").unwrap_or_else(|_| "operator".to_owned()),
        expires_after_seconds: send.expires.map(|expires| expires.get().as_secs()),
    };
    let mut view: SignalView = bridge.post(&of(&device, "/signals"), &request).await?;
    let path = of(&device, &format!("/signals/{}", ask::encoded(signal_id.as_str())));
    while send.wait && view.state.is_open() {
        view = bridge.get(&path, &[("wait", Some("30".to_owned()))]).await?;
    }
    send.asking.print(&view, print::signal)?;
    let failed = match view.state {
        SignalStateView::Waiting
        | SignalStateView::Recorded
        | SignalStateView::Applied
        | SignalStateView::Duplicate => false,
        SignalStateView::NotFound | SignalStateView::Expired | SignalStateView::Refused => true,
    };
    anyhow::ensure!(!failed, "the signal was not applied: {}", view.state.name());
    Ok(())
}

async fn latest_run(bridge: &Operator, device: &DeviceId, workflow_id: String) -> anyhow::Result<RunId> {
    let query = [("workflow_id", Some(workflow_id.clone())), ("limit", Some("1".to_owned()))];
    let runs: Runs = bridge.get(&of(device, "/runs"), &query).await?;
    let run = runs.runs.first().with_context(|| {
        format!("no run of {workflow_id:?} on {device}; see tidegate-bridge workflow list {device}")
    })?;
    Ok(run.run_id)
}

fn random_id() -> anyhow::Result<SignalId> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the kernel gives no chance: {error}"))?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(text.parse().expect("32 hexadecimal digits are a signal id"))
}

fn of(device: &DeviceId, rest: &str) -> String {
    format!("/api/v1/devices/{device}{rest}")
}

impl Asking {
    fn bridge(&self) -> anyhow::Result<Operator> {
        let address = match (&self.operator, &self.config) {
            (Some(address), _) => *address,
            (None, Some(path)) => Config::load(path)?.listen.operator,
            (None, None) => OPERATOR_DEFAULT,
        };
        Operator::at(address)
    }

    fn print<T: Serialize>(
        &self,
        value: &T,
        text: fn(&mut dyn Write, &T) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            text(&mut out, value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn signal_takes_a_device_or_a_verb() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).map(|cli| cli.command);
        let Ok(Command::Signal(command)) =
            parse("tidegate-bridge signal gw-1 patrol go --expires 10m --wait")
        else {
            panic!("a signal to send")
        };
        assert!(command.look.is_none() && command.send.name.as_deref() == Some("go"));
        let Ok(Command::Signal(command)) = parse("tidegate-bridge signal list gw-1") else {
            panic!("signals to list")
        };
        assert!(command.look.is_some() && command.send.device.is_none());
        assert!(parse("tidegate-bridge signal gw-1 patrol").is_err(), "a signal without a name");
    }
}
