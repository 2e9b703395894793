//! Memory of the agent: after ten idle seconds, at a thousand readings a second, and then with a thousand open runs.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tidegate_tests::site::Site;

use crate::Bench;
use crate::figures::{Sheet, mega};
use crate::machine::pss;

const IDLE: Duration = Duration::from_secs(10);
const LOADED: Duration = Duration::from_secs(20);
/// Sources, each with a connection of its own, that together take [`READINGS_PER_SECOND`].
const SOURCES: usize = 50;
const READINGS_PER_SECOND: usize = 1_000;

/// Every window decides, and every run then waits for a signal that nobody sends.
const WAITING_PIPELINE: (&str, &str) = (
    "waiting.toml",
    r#"
name = "waiting"
[[source]]
topic = "tidegate/bench/reading/ward/{bed}/HR"
source = "ward/{bed}"
channel = "HR"
value = "/v"
session = "/q/b"
sequence = "/q/n"
[window]
length = "1s"
time = "gateway"
grace = "0s"
[condition]
when = "count > 0"
[[step]]
name = "seen"
kind = "wait"
signal = "acknowledged"
timeout = "1h"
"#,
);

/// Measures and prints.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<()> {
    let mut sheet = Sheet::default();
    for round in 0..bench.rounds {
        let name = format!("memory-{round}");
        let site = bench.site(&name, &[])?;
        let _broker = site.start_broker()?;
        let _bridge = site.start_bridge()?;
        let agent = site.start_agent()?;
        sleep(IDLE);
        sheet.take("idle, MB", mega(pss(agent.id())?));
        let most = under_load(&site, agent.id(), |_, elapsed| elapsed >= LOADED)?;
        sheet.take("1,000 readings/s for 20 s, most, MB", mega(most));
        drop(agent);
        bench.clear(&name)?;
    }
    for round in 0..bench.rounds {
        let name = format!("runs-{round}");
        let site = bench.site(&name, &[WAITING_PIPELINE])?;
        let _broker = site.start_broker()?;
        let _bridge = site.start_bridge()?;
        let agent = site.start_agent()?;
        let most = under_load(&site, agent.id(), |open_runs, elapsed| {
            open_runs >= 1_000 || elapsed >= Duration::from_secs(120)
        })?;
        let open_runs = site.agent("/v1/status")?["open_runs"].as_u64().unwrap_or(0);
        ensure!(open_runs >= 1_000, "only {open_runs} runs are open");
        sheet.take("1,000 readings/s until 1,000 runs are open, most, MB", mega(most));
        drop(agent);
        bench.clear(&name)?;
    }
    sheet.print("memory of the agent (PSS), bridge connected");
    Ok(())
}

/// The most the agent takes until `enough`, given open runs and time since the load began.
fn under_load(site: &Site, pid: u32, mut enough: impl FnMut(u64, Duration) -> bool) -> anyhow::Result<u64> {
    let sources: Vec<String> = (0..SOURCES).map(|bed| format!("ward/bed-{bed}")).collect();
    let rate = (READINGS_PER_SECOND / SOURCES).to_string();
    let mut arguments = vec!["--channel", "HR", "--rate", &rate];
    arguments.extend(sources.iter().flat_map(|source| ["--source", source]));
    let before = site.agent("/v1/status")?["readings"].as_u64().unwrap_or(0);
    let sensor = site.start_sensor(&arguments)?;
    let since = Instant::now();
    let mut most = 0;
    loop {
        sleep(Duration::from_millis(500));
        most = most.max(pss(pid)?);
        let status = site.agent("/v1/status")?;
        let elapsed = since.elapsed();
        if enough(status["open_runs"].as_u64().unwrap_or(0), elapsed) {
            let stored = status["readings"].as_u64().unwrap_or(0) - before;
            let wanted = elapsed.as_secs_f64() * READINGS_PER_SECOND as f64;
            ensure!(stored as f64 > 0.8 * wanted, "{stored} readings in {elapsed:?} is not the load");
            drop(sensor);
            return Ok(most);
        }
    }
}
