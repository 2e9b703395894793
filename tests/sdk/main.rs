//! Temporal's unmodified SDKs against the agent: the program of each (README.md beside this file) runs whole, and in the
//! middle of it the agent is killed. `SDK_ADDRESS=host:port` tries the programs on another server, which is left alone.
//!
//! Building the programs takes minutes and the network, so a plain `cargo test` leaves this target out.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tidegate_tests::programs;
use tidegate_tests::site::{Process, free_address, wait_for};

/// Longest between two lines of a program: a step waits a minute for what should come, some for several things.
const PATIENCE: Duration = Duration::from_secs(180);

/// After each of these the agent is killed too, while the next step begins. Not just before a worker starts or stops:
/// what an SDK says or asks then it says once, and one that is not heard gives up or waits for a minute.
const KILLED_AFTER: [&str; 4] =
    ["ok query", "ok continue-as-new", "ok search-attributes", "ok outage-signal"];

/// What `tests/sdk/run prepare` says when a toolchain is missing.
const TOOL_MISSING: i32 = 77;

/// A program runs by itself: its activities and heartbeats are timed, and two cores are soon taken.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn go_workflows_outlive_a_killed_agent_and_replay() {
    conforms("go");
}

#[test]
fn java_workflows_outlive_a_killed_agent_and_replay() {
    conforms("java");
}

#[test]
fn python_workflows_outlive_a_killed_agent_and_replay() {
    conforms("python");
}

#[test]
fn rust_workflows_outlive_a_killed_agent_and_replay() {
    conforms("rust");
}

#[test]
fn typescript_workflows_outlive_a_killed_agent_and_replay() {
    conforms("typescript");
}

fn conforms(sdk: &str) {
    if !is_prepared(sdk).expect("the program can be built") {
        assert!(std::env::var_os("CI").is_none(), "the toolchain of the {sdk} SDK is missing");
        println!("skipped: the toolchain of the {sdk} SDK is missing");
        return;
    }
    // A test that failed while it held the lock has said so itself.
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::Builder::new()
        .prefix(&format!("tidegate-sdk-{sdk}-"))
        .tempdir()
        .expect("a folder for the agent");
    if let Err(error) = run(sdk, folder.path()) {
        panic!("{error:?}\nthe files of this test are kept in {}", folder.keep().display());
    }
}

/// Builds a program, while others may be running; false if its toolchain is missing.
fn is_prepared(sdk: &str) -> anyhow::Result<bool> {
    let prepared =
        Command::new("nice").args(["tests/sdk/run", "prepare", sdk]).current_dir(root()).output()?;
    let said = String::from_utf8_lossy(&prepared.stderr).into_owned();
    if prepared.status.code() == Some(TOOL_MISSING) {
        println!("{}", said.trim());
        return Ok(false);
    }
    ensure!(prepared.status.success(), "tests/sdk/run prepare {sdk}: {said}");
    Ok(true)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder below the root")
}

/// Runs a program to its end and kills the server in the middle of the outage it is ready for, and at other times.
fn run(sdk: &str, folder: &Path) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut server = Server::start(folder)?;
    let mut program = Command::new(root().join("tests/sdk/run"))
        .args([sdk, &server.address(), "default"])
        .arg(folder.join("histories"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(folder.join("stderr"))?)
        .spawn()
        .context("tests/sdk/run")?;
    let mut input = program.stdin.take().context("an input was asked for")?;
    let output = program.stdout.take().context("an output was asked for")?;
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    let mut steps = Vec::new();
    let ended = loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) if line == "READY-FOR-KILL" => {
                // The second time, the agent has only begun to recover.
                server.kill_and_restart()?;
                server.kill_and_restart()?;
                writeln!(input, "over").context("the program listens")?;
            }
            Ok(line) => {
                if KILLED_AFTER.contains(&line.as_str()) {
                    server.kill_and_restart()?;
                }
                steps.push(line);
            }
            Err(RecvTimeoutError::Disconnected) => break true,
            Err(RecvTimeoutError::Timeout) => break false,
        }
    };
    if !ended {
        program.kill().context("a program that hangs")?;
    }
    let status = program.wait()?;
    let replayed = steps.last().is_some_and(|step| step.starts_with("ok replay ("));
    if !(ended && status.success() && replayed) {
        let how = if ended { status.to_string() } else { format!("silent for {PATIENCE:?}") };
        let stderr = std::fs::read_to_string(folder.join("stderr")).unwrap_or_default();
        bail!("{sdk}: {how}\n{}\n{}\n{}", steps.join("\n"), tail(&stderr), server.said());
    }
    server.check()?;
    println!("{sdk}: all steps in {} s, to {:?}", begun.elapsed().as_secs(), steps.last());
    Ok(())
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// What the programs talk to.
enum Server {
    /// `tidegate start-dev` on a port and a file that stay the same.
    Agent {
        process: Option<Process>,
        program: Vec<OsString>,
        arguments: Vec<OsString>,
        address: SocketAddr,
        killed: usize,
    },
    /// Somebody else's.
    Elsewhere(String),
}

impl Server {
    fn start(folder: &Path) -> anyhow::Result<Self> {
        if let Ok(address) = std::env::var("SDK_ADDRESS") {
            return Ok(Self::Elsewhere(address));
        }
        let address = free_address()?;
        let arguments = format!(
            "start-dev --ip {} --port {} --db-filename agent.redb --namespace default --headless --log-level warn",
            address.ip(),
            address.port()
        );
        let mut server = Self::Agent {
            process: None,
            program: vec![programs::agent()?.into()],
            arguments: arguments.split(' ').map(OsString::from).collect(),
            address,
            killed: 0,
        };
        server.bring_up(folder)?;
        Ok(server)
    }

    fn bring_up(&mut self, folder: &Path) -> anyhow::Result<()> {
        let Self::Agent { process, program, arguments, address, .. } = self else { return Ok(()) };
        let mut agent = Process::start("agent", folder, program, arguments)?;
        let address = *address;
        wait_for(&mut agent, "listens", || Ok(TcpStream::connect(address).is_ok()))?;
        *process = Some(agent);
        Ok(())
    }

    fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        let Self::Agent { process, killed, .. } = self else { return Ok(()) };
        *killed += 1;
        let agent = process.take().context("an agent was started")?;
        let folder = agent.log().parent().context("a log lies in a folder")?.to_owned();
        agent.kill()?;
        self.bring_up(&folder)
    }

    fn address(&self) -> String {
        match self {
            Self::Agent { address, .. } => address.to_string(),
            Self::Elsewhere(address) => address.clone(),
        }
    }

    fn said(&self) -> String {
        match self {
            Self::Agent { process: Some(agent), .. } => agent.said(),
            Self::Agent { process: None, .. } | Self::Elsewhere(_) => String::new(),
        }
    }

    /// The agent was killed as often as it should be, is up, and nothing it said needs a person to look.
    fn check(&mut self) -> anyhow::Result<()> {
        let Self::Agent { process: Some(agent), killed, .. } = self else { return Ok(()) };
        ensure!(*killed == KILLED_AFTER.len() + 2, "a step is missing: the agent was killed {killed} times");
        ensure!(agent.ended()?.is_none(), "the agent ended by itself:\n{}", agent.said());
        let log = std::fs::read_to_string(agent.log())?;
        let serious = log.lines().filter(|line| line.contains("ERROR") || line.contains("panicked"));
        let serious: Vec<&str> = serious.collect();
        ensure!(serious.is_empty(), "the agent said:\n{}", serious.join("\n"));
        Ok(())
    }
}
