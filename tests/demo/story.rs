//! The story: what happens, in which order, and what must be true at the end.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tidegate_tests::site::{Broker, Process, Programs, Site, Which};

use crate::feed::Feed;
use crate::screen;

const DEVICE: &str = "gw-demo";
/// Longest the demo waits for anything that should come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells it. Fails where a count does not match, or where something does not happen.
pub(crate) fn tell(folder: &Path, programs: Programs, feed: &Feed) -> anyhow::Result<()> {
    let broker_name = match &programs.broker {
        Broker::Mosquitto(_) => "mosquitto, with the settings we ship",
        Broker::Program(_) => "the one built in",
    };
    let site = Site::prepare(folder, programs, DEVICE, &[("watch.toml", &feed.pipeline)])?;
    screen::title("Tidegate: one gateway, one cloud, and a bad minute for both");
    screen::note(&format!("Files of this run: {}", site.folder.display()));

    screen::chapter(1, "Five processes start");
    let broker = site.start_broker()?;
    screen::fact("broker", &format!("{broker_name}; port {}", site.broker_address().port()));
    let bridge = site.start_bridge()?;
    screen::fact("bridge", &format!("the centre; operators ask it on {}", site.operator_address()));
    let began = Instant::now();
    let agent = site.start_agent()?;
    screen::fact("agent", &format!("the gateway {DEVICE}, serving after {} ms", began.elapsed().as_millis()));
    let mut arguments: Vec<&str> = vec!["--progress"];
    arguments.extend(feed.sensor.iter().map(String::as_str));
    let sensor = site.start_sensor(&arguments)?;
    screen::fact("sensor", &feed.title);
    screen::fact("link", "from agent to bridge, through a relay that can be cut");
    let mut scene = Scene { site: &site, sensor: &sensor, began: Instant::now() };

    screen::chapter(2, "Readings arrive, and are replicated as they come");
    screen::table_head();
    scene.watch(6)?;

    screen::chapter(3, "A pipeline decides");
    screen::note(&format!(
        "It watches for {}. Where that holds, a workflow starts: it raises an alert over MQTT and \
        waits for a person.",
        feed.watches
    ));
    let workflow_id = scene.decision()?;
    scene.show(Which::Agent, &["workflow", "list", "--limit", "3"])?;

    screen::chapter(4, "The uplink is cut; the gateway works on");
    site.link.cut();
    screen::table_head();
    scene.watch(5)?;

    screen::chapter(5, "The agent is killed (SIGKILL) in the middle of it, and comes back");
    agent.kill()?;
    scene.watch(3)?;
    let began = Instant::now();
    let agent = site.start_agent()?;
    screen::note(&format!("serving again {} ms after it was started", began.elapsed().as_millis()));
    screen::table_head();
    scene.watch(4)?;

    screen::chapter(6, "The uplink is restored, and the backlog drains");
    let backlog = scene.stored()?.saturating_sub(site.readings_in_the_cloud());
    site.link.mend();
    let began = Instant::now();
    scene.until("the backlog is in the cloud", |scene| {
        Ok(site.readings_in_the_cloud() + 100 >= scene.stored()?)
    })?;
    screen::note(&format!(
        "{backlog} readings waited; they were there after {} ms",
        began.elapsed().as_millis()
    ));
    screen::table_head();
    scene.watch(2)?;

    screen::chapter(7, "The bridge says how far it is complete");
    scene.show(Which::Bridge, &["device", "show", DEVICE])?;

    screen::chapter(8, "An operator answers from the cloud, and the outcome comes back as history");
    scene.until("the run is known in the cloud", |_| Ok(run_in_the_cloud(&site, &workflow_id).is_ok()))?;
    scene.show(
        Which::Bridge,
        &["signal", DEVICE, &workflow_id, "acknowledge", "--input", r#"{"by":"ward 3"}"#, "--wait"],
    )?;
    scene.until("the run is completed in the cloud", |_| {
        let run = run_in_the_cloud(&site, &workflow_id)?;
        Ok(run["status"].as_str().is_some_and(|status| status.eq_ignore_ascii_case("completed")))
    })?;
    scene.show_events(&["workflow", "show", DEVICE, &workflow_id])?;

    screen::chapter(9, "The account");
    let played = finish(sensor)?;
    let account = account(&site, &played);
    for process in [agent, bridge] {
        let status = process.stop(Duration::from_secs(5))?;
        ensure!(status.success(), "a process ended with {status}");
    }
    drop(broker);
    account
}

/// Where the story stands.
struct Scene<'a> {
    site: &'a Site,
    sensor: &'a Process,
    began: Instant,
}

impl Scene<'_> {
    /// Lets so many seconds pass, a row of counts for each.
    fn watch(&mut self, seconds: u32) -> anyhow::Result<()> {
        for _ in 0..seconds {
            std::thread::sleep(Duration::from_secs(1));
            let cloud = self.site.readings_in_the_cloud();
            screen::table_row(self.began.elapsed().as_secs(), self.sent(), self.stored().ok(), Some(cloud));
        }
        Ok(())
    }

    fn sent(&self) -> Option<u64> {
        last_report(&self.sensor.said())?["published"].as_u64()
    }

    fn stored(&self) -> anyhow::Result<u64> {
        self.site.agent("/v1/status")?["readings"].as_u64().context("the agent counts its readings")
    }

    fn until(
        &mut self,
        what: &str,
        mut check: impl FnMut(&Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let since = Instant::now();
        let mut last = String::new();
        while since.elapsed() < PATIENCE {
            match check(self) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => last = format!(" ({error})"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("waited {} s in vain until {what}{last}", PATIENCE.as_secs())
    }

    /// Waits for a run that waits for a person, and gives its workflow id.
    fn decision(&mut self) -> anyhow::Result<String> {
        let mut found = None;
        self.until("a window meets the condition", |scene| {
            let runs = scene.site.agent("/v1/workflows")?;
            found = runs.as_array().into_iter().flatten().find_map(|run| {
                // The alert is out and the wait for a person has begun: a timer bounds it.
                let waits = run["status"] == "running" && run["pending_timers"].as_u64() > Some(0);
                waits.then(|| run["workflow_id"].as_str().map(str::to_owned)).flatten()
            });
            Ok(found.is_some())
        })?;
        found.context("found just above")
    }

    /// Shows a history with its events alone; a person at the command would see their attributes, too.
    fn show_events(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let (command, output) = self.run(Which::Bridge, arguments)?;
        let is_event =
            |line: &&str| line.split_whitespace().next().is_some_and(|id| id.parse::<u64>().is_ok());
        let events: Vec<&str> = output.lines().filter(is_event).collect();
        screen::command(&command, &events.join("\n"));
        Ok(())
    }

    /// Runs a command as a person would, and shows it with what it prints.
    fn show(&self, which: Which, arguments: &[&str]) -> anyhow::Result<()> {
        let (command, output) = self.run(which, arguments)?;
        screen::command(&command, &output);
        Ok(())
    }

    fn run(&self, which: Which, arguments: &[&str]) -> anyhow::Result<(String, String)> {
        let name = match which {
            Which::Agent => "tidegate",
            Which::Bridge => "tidegate-bridge",
        };
        let shown: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
        let mut all = arguments.to_vec();
        let config = match which {
            Which::Agent => self.site.agent_config(),
            Which::Bridge => self.site.bridge_config(),
        };
        let config = config.display().to_string();
        all.extend(["-c", &config]);
        let output = self.site.command(which, &all)?;
        Ok((format!("{name} {}", shown.join(" ")), output))
    }
}

fn quoted(word: &str) -> String {
    let plain = word.chars().all(|c| c.is_alphanumeric() || "-_./:".contains(c));
    if plain { word.to_owned() } else { format!("'{word}'") }
}

fn run_in_the_cloud(site: &Site, workflow_id: &str) -> anyhow::Result<Value> {
    let runs = site.operator(&format!("/api/v1/devices/{DEVICE}/runs"))?;
    let runs = runs["runs"].as_array().cloned().unwrap_or_default();
    runs.into_iter()
        .find(|run| run["workflow_id"] == workflow_id)
        .context("the bridge does not know the run yet")
}

/// Stops the sensors, which wait for their last acknowledgements, and gives their last report.
fn finish(sensor: Process) -> anyhow::Result<Value> {
    let log = sensor.log().to_owned();
    let status = sensor.stop(PATIENCE)?;
    let said = std::fs::read_to_string(&log).context("the sensor's report")?;
    ensure!(status.success(), "the sensor failed: {said}");
    last_report(&said).filter(|report| report["final"] == true).context("the sensor's last report")
}

fn last_report(said: &str) -> Option<Value> {
    said.lines().rev().find_map(|line| serde_json::from_str(line).ok())
}

/// What was published, stored and replicated must be the same readings, each once.
fn account(site: &Site, played: &Value) -> anyhow::Result<()> {
    let count = |name: &str| played[name].as_u64().with_context(|| format!("the sensor's report has {name}"));
    let (sent, acknowledged) = (count("sent")?, count("acknowledged")?);
    let since = Instant::now();
    while site.readings_in_the_cloud() < sent && since.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
    let stored = site.agent("/v1/status")?["readings"].as_u64().context("the agent counts its readings")?;
    let lane = site.lane("samples")?;
    let of_lane = |name: &str| lane[name].as_u64().with_context(|| format!("the bridge's lane has {name}"));
    let exported = site.exported(None)?;
    let identities: BTreeSet<String> = exported
        .iter()
        .map(|line| format!("{} {} {}", line["source"], line["channel"], line["identity"]))
        .collect();
    let duplicates = exported.len() as u64 - identities.len() as u64;
    let gone = of_lane("gone")?;
    let rows = [
        ("readings published by the sensors", sent, true),
        ("acknowledged to them: on the gateway's disk", acknowledged, acknowledged == sent),
        ("stored on the gateway", stored, stored == sent),
        ("replicated to the cloud", of_lane("archived")?, of_lane("archived")? == sent),
        ("read back from the cloud, one by one", exported.len() as u64, exported.len() as u64 == sent),
        ("duplicates among them", duplicates, duplicates == 0),
        ("gaps: readings declared gone", gone, gone == 0),
        ("set aside by the bridge", of_lane("set_aside")?, of_lane("set_aside")? == 0),
    ];
    for (what, count, right) in rows {
        screen::account(what, count, right);
    }
    screen::note(&format!(
        "{} sendings were repeated after outages, and recognised.",
        count("published")?.saturating_sub(sent)
    ));
    let wrong = rows.iter().filter(|(_, _, right)| !right).count();
    ensure!(wrong == 0, "{wrong} counts do not match");
    screen::note("Every reading is in the cloud exactly once.");
    Ok(())
}
