//! End to end: real processes, a real mosquitto, real stores, SIGKILL. Nothing here is simulated.
//!
//! `E2E_KILLS` sets how many processes the chaos test kills (default 50), `E2E_SEED` which ones.

#![expect(clippy::print_stderr, reason = "what a test says beside its verdict")]

mod chaos;
mod replaced;
mod outage;
mod repeated;
mod signals;
mod bad_input;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tidegate_tests::checker::{Key, Ledger};
use tidegate_tests::programs;
use tidegate_tests::site::{Process, Site};

/// Longest a test waits for anything that should come.
const PATIENCE: Duration = Duration::from_secs(90);

/// A site in a folder of its own, which stays when the test fails.
struct Stage {
    site: Site,
    folder: Option<tempfile::TempDir>,
}

impl Stage {
    fn new(pipelines: &[(&str, &str)]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-e2e-").tempdir()?;
        let site = Site::prepare(folder.path(), programs::built()?, "gw-e2e", pipelines)?;
        Ok(Self { site, folder: Some(folder) })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("the files of this test are kept in {}", folder.keep().display());
        }
    }
}

/// Runs a test's story; keeps its files when it fails.
fn run(pipelines: &[(&str, &str)], story: impl FnOnce(&Site) -> anyhow::Result<()>) {
    let stage = Stage::new(pipelines).expect("a site can be prepared");
    if let Err(error) = story(&stage.site) {
        panic!("{error:?}");
    }
}

/// Stops a sensor, which waits for its last acknowledgements, and gives its final report.
fn finish(sensor: Process) -> anyhow::Result<Value> {
    let log = sensor.log().to_owned();
    let status = sensor.stop(PATIENCE)?;
    report(&log, status.success())
}

/// Waits until a sensor with a `--count` ends by itself, and gives its final report.
fn outlast(mut sensor: Process) -> anyhow::Result<Value> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if let Some(status) = sensor.ended()? {
            return report(sensor.log(), status.success());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    bail!("the sensor does not come to its end:\n{}", sensor.said())
}

fn report(log: &std::path::Path, succeeded: bool) -> anyhow::Result<Value> {
    let said = std::fs::read_to_string(log).context("the sensor's log")?;
    ensure!(succeeded, "the sensor failed:\n{said}");
    let last = said.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
    last.filter(|report| report["final"] == true).context("the sensor's final report")
}

/// Waits until something is true.
fn until(what: &str, mut check: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let since = Instant::now();
    let mut trouble = String::new();
    while since.elapsed() < PATIENCE {
        match check() {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => trouble = format!("; last: {error:#}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("waited in vain until {what}{trouble}")
}

/// Waits until the bridge has every reading the gateway has.
fn drained(site: &Site) -> anyhow::Result<()> {
    until("the bridge has what the gateway has", || {
        let status = site.agent("/v1/status")?;
        let lanes = status["lanes"].as_array().context("lanes")?;
        Ok(lanes.iter().all(|lane| lane["last"] == lane["acked"]))
    })
}

/// The exactly-once promise, over all epochs the bridge has.
fn check_exactly_once(site: &Site, reports: &[Value]) -> anyhow::Result<()> {
    let mut ledger = Ledger::default();
    for report in reports {
        ledger.add_report(report)?;
    }
    let device = site.operator(&format!("/api/v1/devices/{}", site.device))?;
    let mut keys = Vec::new();
    for epoch in device["epochs"].as_array().context("epochs")? {
        for line in site.exported(epoch["epoch"].as_str())? {
            keys.push(Key::of_exported(&line)?);
        }
    }
    let verdict = ledger.check(keys);
    ensure!(verdict.is_kept(), "{verdict}");
    eprintln!("{verdict}");
    Ok(())
}

/// Lines in the processes' logs that say ERROR: nothing in these stories deserves one, save where it is expected.
fn errors(site: &Site, log: &str) -> anyhow::Result<Vec<String>> {
    let path: PathBuf = site.folder.join(format!("{log}.log"));
    let text = std::fs::read_to_string(path)?;
    Ok(text
        .lines()
        .filter(|line| line.contains("ERROR") || line.contains("panicked"))
        .map(str::to_owned)
        .collect())
}
