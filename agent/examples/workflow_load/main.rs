//! Workflows a second with the built-in worker, durable on disk: the scenarios and numbers of `tests/sdk/rust`'s `load`,
//! without gRPC in between. Then what many open runs weigh.
//!
//! `cargo run --release -p tidegate --example workflow_load -- FOLDER [--scenario NAME]… [--rounds N] [--open N]`
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
#![expect(clippy::print_stdout, reason = "a measurement prints what it found")]

mod engine;
mod workflows;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use engine::Host;

/// Workflows under way at once, as in the load program for the SDK.
const AT_ONCE: usize = 50;

struct Scenario {
    name: &'static str,
    /// Started by the program.
    workflows: usize,
    /// What each brings with it, itself included.
    tree: u64,
}

const SCENARIOS: [Scenario; 6] = [
    Scenario { name: "single-noop-activity", workflows: 400, tree: 1 },
    Scenario { name: "many-actions", workflows: 60, tree: 1 },
    Scenario { name: "reactor", workflows: 100, tree: 1 },
    Scenario { name: "rabbit", workflows: 4, tree: 40 },
    Scenario { name: "many-timers", workflows: 60, tree: 1 },
    Scenario { name: "signals-out-of-order", workflows: 60, tree: 1 },
];

struct Wish {
    folder: PathBuf,
    scenarios: Vec<&'static Scenario>,
    rounds: usize,
    open: usize,
}

impl Wish {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        const USAGE: &str = "usage: workflow_load FOLDER [--scenario NAME]… [--rounds N] [--open N]";
        let folder = arguments.next().context(USAGE)?.into();
        let mut wish = Self { folder, scenarios: Vec::new(), rounds: 3, open: 10_000 };
        while let Some(flag) = arguments.next() {
            let value = arguments.next().with_context(|| format!("{flag} needs a value; {USAGE}"))?;
            match flag.as_str() {
                "--scenario" => {
                    let found = SCENARIOS.iter().find(|scenario| scenario.name == value);
                    wish.scenarios.push(found.with_context(|| {
                        format!("no scenario {value:?}; there are {:?}", SCENARIOS.map(|one| one.name))
                    })?);
                }
                "--rounds" => wish.rounds = value.parse().context("--rounds is a whole number")?,
                "--open" => wish.open = value.parse().context("--open is a whole number")?,
                _ => bail!("{flag} is not known; {USAGE}"),
            }
        }
        if wish.scenarios.is_empty() {
            wish.scenarios = SCENARIOS.iter().collect();
        }
        Ok(wish)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let wish = Wish::from_arguments(std::env::args().skip(1))?;
    ensure!(wish.folder.is_dir(), "{} is not a folder", wish.folder.display());
    println!(
        "scenario               workflows/s  transitions/s  start-to-complete p50/p99 ms  \
         schedule-to-start p50/p99 ms  commits  stored bytes/wf  disk bytes/wf"
    );
    for scenario in &wish.scenarios {
        let mut figures = Figures::default();
        for round in 0..wish.rounds {
            let file = wish.folder.join(format!("{}-{round}.redb", scenario.name));
            figures.add(run(scenario, &file).await?);
            std::fs::remove_file(&file)?;
        }
        println!("{}", figures.line(scenario.name));
    }
    if wish.open > 0 {
        weigh_open(&wish).await?;
    }
    Ok(())
}

#[derive(Default)]
struct Figures {
    workflows: u64,
    transitions: u64,
    took: Duration,
    start_to_complete: Vec<Duration>,
    schedule_to_start: Vec<Duration>,
    commits: u64,
    row_bytes: u64,
    disk_bytes: u64,
}

impl Figures {
    fn add(&mut self, round: Self) {
        self.workflows += round.workflows;
        self.transitions += round.transitions;
        self.took += round.took;
        self.start_to_complete.extend(round.start_to_complete);
        self.schedule_to_start.extend(round.schedule_to_start);
        self.commits += round.commits;
        self.row_bytes += round.row_bytes;
        self.disk_bytes += round.disk_bytes;
    }

    fn line(&self, scenario: &str) -> String {
        let seconds = self.took.as_secs_f64();
        let (workflows, transitions) = (self.workflows as f64, self.transitions as f64);
        format!(
            "{scenario:<22} {:>11.1} {:>14.1}  {:>28} {:>29}  {:>7} {:>16.0} {:>14.0}",
            workflows / seconds,
            transitions / seconds,
            percentiles(&self.start_to_complete),
            percentiles(&self.schedule_to_start),
            self.commits,
            self.row_bytes as f64 / workflows,
            self.disk_bytes as f64 / workflows,
        )
    }
}

fn percentiles(durations: &[Duration]) -> String {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| {
        let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(index).map_or(f64::NAN, |duration| duration.as_secs_f64() * 1_000.0)
    };
    format!("{:.1} / {:.1}", at(0.50), at(0.99))
}

/// One round on a store of its own.
async fn run(scenario: &Scenario, file: &std::path::Path) -> anyhow::Result<Figures> {
    let host = Arc::new(Host::open(file)?);
    let waits = workflows::Waits::default();
    let worker = workflows::worker(&waits).start(Arc::new(host.client.clone())).await?;
    let (before, disk_before) = (host.log.metrics(), disk_bytes()?);
    let begun = Instant::now();
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    for n in 0..scenario.workflows {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        let (host, name) = (Arc::clone(&host), scenario.name);
        under_way.spawn(async move {
            let begun = Instant::now();
            workflows::drive(&host, name, n).await?;
            drop(slot);
            anyhow::Ok(begun.elapsed())
        });
    }
    let mut start_to_complete = Vec::new();
    while let Some(ended) = under_way.join_next().await {
        start_to_complete.push(ended??);
    }
    let took = begun.elapsed();
    let (after, disk_after) = (host.log.metrics(), disk_bytes()?);
    let workflows = scenario.workflows as u64 * scenario.tree;
    let completed = host.completed().await?;
    ensure!(completed == workflows, "{}: {completed} of {workflows} have completed", scenario.name);
    let figures = Figures {
        workflows,
        transitions: host.transitions().await?,
        took,
        start_to_complete,
        schedule_to_start: waits.take(),
        commits: after.commits - before.commits,
        row_bytes: after.row_bytes - before.row_bytes,
        disk_bytes: disk_after - disk_before,
    };
    worker.stop(Duration::from_secs(5)).await;
    let host = Arc::into_inner(host).context("somebody still holds the engine")?;
    host.close().await?;
    Ok(figures)
}

/// Opens runs that wait for a signal, and looks at the process.
async fn weigh_open(wish: &Wish) -> anyhow::Result<()> {
    let file = wish.folder.join("open.redb");
    let host = Host::open(&file)?;
    let waits = workflows::Waits::default();
    let worker = workflows::worker(&waits).start(Arc::new(host.client.clone())).await?;
    let before = resident_bytes()?;
    for n in 0..wish.open {
        host.start(workflows::OUT_OF_ORDER, &format!("open-{n}"), &1_u64).await?;
    }
    host.until_waiting(wish.open).await?;
    let after = resident_bytes()?;
    println!(
        "open runs {}: resident {:.1} MB, {:.1} MB before, {:.0} bytes a run",
        wish.open,
        after as f64 / 1e6,
        before as f64 / 1e6,
        (after.saturating_sub(before)) as f64 / wish.open as f64,
    );
    worker.stop(Duration::from_secs(5)).await;
    host.close().await?;
    std::fs::remove_file(&file)?;
    Ok(())
}

/// What this process had the disk write so far.
fn disk_bytes() -> anyhow::Result<u64> {
    number_of("/proc/self/io", "write_bytes:")
}

fn resident_bytes() -> anyhow::Result<u64> {
    Ok(number_of("/proc/self/status", "VmRSS:")? * 1_024)
}

fn number_of(file: &str, name: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("the kernel counts this")?;
    line.split_whitespace().next().context("a number follows")?.parse().context("it is a number")
}
