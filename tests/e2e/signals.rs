//! An operator's signal reaches its workflow once, whatever happens on the way, and its outcome comes back as history.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tidegate_tests::site::{Process, Site, Which};

/// Every window decides, and its run waits for a person.
const PIPELINE: &str = r##"
name = "call"
[[source]]
source = "#"
channel = "HR"
[window]
length = "1s"
time = "gateway"
grace = "1s"
[condition]
when = "count > 0"
[[step]]
kind = "publish"
topic = "call/{source}"
payload = { mean = "{mean}" }
[[step]]
kind = "wait"
signal = "answer"
timeout = "1h"
"##;

struct Ward {
    _broker: Process,
    _bridge: Process,
    agent: Process,
    workflow_id: String,
}

/// A gateway with one run that waits for a person.
fn ward(site: &Site) -> anyhow::Result<Ward> {
    let broker = site.start_broker()?;
    let bridge = site.start_bridge()?;
    let agent = site.start_agent()?;
    let sensor = site.start_sensor(&["--channel", "HR", "--rate", "50", "--count", "60"])?;
    crate::outlast(sensor)?;
    let mut workflow_id = None;
    crate::until("a run waits", || {
        let runs = site.agent("/v1/workflows")?;
        workflow_id = runs.as_array().context("runs")?.iter().find_map(|run| {
            let waits = run["status"] == "running" && run["pending_timers"].as_u64() > Some(0);
            waits.then(|| run["workflow_id"].as_str().map(str::to_owned)).flatten()
        });
        Ok(workflow_id.is_some())
    })?;
    crate::drained(site)?;
    let workflow_id = workflow_id.context("found just above")?;
    Ok(Ward { _broker: broker, _bridge: bridge, agent, workflow_id })
}

fn send(site: &Site, workflow_id: &str, id: &str) -> anyhow::Result<()> {
    let config = site.bridge_config().display().to_string();
    let arguments =
        ["signal", &site.device, workflow_id, "answer", "--input", "\"yes\"", "--id", id, "-c", &config];
    site.command(Which::Bridge, &arguments).map(drop)
}

/// The events of a run as the bridge tells them.
fn events_in_the_cloud(site: &Site, workflow_id: &str) -> anyhow::Result<Vec<Value>> {
    let runs = site.operator(&format!("/api/v1/devices/{}/runs", site.device))?;
    let run = runs["runs"].as_array().context("runs")?.iter().find(|run| run["workflow_id"] == workflow_id);
    let run_id = run.context("the run is known")?["run_id"].as_str().context("a run id")?.to_owned();
    let run = site.operator(&format!("/api/v1/devices/{}/runs/{run_id}", site.device))?;
    run["events"].as_array().cloned().context("events")
}

fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["event_type"] == kind).count()
}

fn answered_once(site: &Site, workflow_id: &str) -> anyhow::Result<()> {
    crate::until("the run is completed in the cloud", || {
        Ok(count(&events_in_the_cloud(site, workflow_id)?, "WorkflowExecutionCompleted") == 1)
    })?;
    let signals = count(&events_in_the_cloud(site, workflow_id)?, "WorkflowExecutionSignaled");
    ensure!(signals == 1, "{signals} signals in the history");
    Ok(())
}

fn state_of(site: &Site, id: &str) -> anyhow::Result<String> {
    let signal = site.operator(&format!("/api/v1/devices/{}/signals/{id}", site.device))?;
    signal["state"].as_str().map(str::to_owned).context("the state of a signal")
}

#[test]
fn a_signal_sent_twice_under_one_id_is_applied_once_and_completes_its_run() {
    crate::run(&[("call.toml", PIPELINE)], |site| {
        let ward = ward(site)?;
        send(site, &ward.workflow_id, "one")?;
        send(site, &ward.workflow_id, "one")?;
        answered_once(site, &ward.workflow_id)
    });
}

#[test]
fn a_signal_sent_while_the_gateway_is_dead_is_applied_when_it_is_back() {
    crate::run(&[("call.toml", PIPELINE)], |site| {
        let ward = ward(site)?;
        ward.agent.kill()?;
        send(site, &ward.workflow_id, "late")?;
        let _agent = site.start_agent()?;
        answered_once(site, &ward.workflow_id)
    });
}

#[test]
fn a_gateway_killed_around_a_signal_applies_it_exactly_once() {
    crate::run(&[("call.toml", PIPELINE)], |site| {
        let mut ward = ward(site)?;
        send(site, &ward.workflow_id, "hot")?;
        for wait_ms in [3, 9, 27, 81] {
            std::thread::sleep(Duration::from_millis(wait_ms));
            ward.agent.kill()?;
            ward.agent = site.start_agent()?;
        }
        answered_once(site, &ward.workflow_id)
    });
}

#[test]
fn a_signal_to_nobody_comes_back_as_not_found() {
    crate::run(&[("call.toml", PIPELINE)], |site| {
        let _ward = ward(site)?;
        send(site, "no-such-workflow", "lost")?;
        // Before that it waits, and then is known to be recorded on the device.
        crate::until("it is known that nobody was there", || Ok(state_of(site, "lost")? == "not_found"))?;
        Ok(())
    });
}

#[test]
fn a_run_survives_the_death_of_its_gateway_between_any_two_of_its_steps() {
    crate::run(&[("call.toml", PIPELINE)], |site| {
        let mut ward = ward(site)?;
        for _ in 0..3 {
            ward.agent.kill()?;
            ward.agent = site.start_agent()?;
        }
        let before = events_in_the_cloud(site, &ward.workflow_id)?.len();
        send(site, &ward.workflow_id, "after")?;
        answered_once(site, &ward.workflow_id)?;
        let events = events_in_the_cloud(site, &ward.workflow_id)?;
        ensure!(events.len() > before, "the history went on");
        let ids: Vec<Option<u64>> = events.iter().map(|event| event["event_id"].as_u64()).collect();
        let dense: Vec<Option<u64>> = (1..=events.len() as u64).map(Some).collect();
        ensure!(ids == dense, "ids are dense: {ids:?}");
        Ok(())
    });
}
