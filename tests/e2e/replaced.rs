//! Stores that are put back or thrown away: the bridge's from an old copy, the gateway's deleted.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};

const STOP: Duration = Duration::from_secs(5);

#[test]
fn a_bridge_put_back_from_an_old_copy_gets_again_what_it_lost() {
    crate::run(&[], |site| {
        let _broker = site.start_broker()?;
        let bridge = site.start_bridge()?;
        let _agent = site.start_agent()?;
        let sensor = site.start_sensor(&["--rate", "300", "--drain", "60"])?;
        crate::until("there are readings in the cloud", || Ok(site.readings_in_the_cloud() > 300))?;

        let copy = site.folder.join("old-copy");
        bridge.stop(STOP)?;
        copy_folder(&site.bridge_data(), &copy)?;
        let bridge = site.start_bridge()?;
        let before = site.readings_in_the_cloud();
        crate::until("there are many more", || Ok(site.readings_in_the_cloud() > before + 300))?;
        bridge.kill()?;
        fs::remove_dir_all(site.bridge_data())?;
        copy_folder(&copy, &site.bridge_data())?;

        let _bridge = site.start_bridge()?;
        let report = crate::finish(sensor)?;
        crate::drained(site)?;
        crate::check_exactly_once(site, &[report])?;
        let lane = site.lane("samples")?;
        ensure!(lane["complete"] == true, "nothing is missing: {lane}");
        Ok(())
    });
}

#[test]
fn a_gateway_whose_store_was_deleted_goes_on_under_a_new_epoch() {
    crate::run(&[], |site| {
        let _broker = site.start_broker()?;
        let _bridge = site.start_bridge()?;
        let agent = site.start_agent()?;
        let sensor = site.start_sensor(&["--rate", "300", "--count", "600"])?;
        let first = crate::outlast(sensor)?;
        crate::drained(site)?;
        let old = epoch(site)?;

        agent.kill()?;
        fs::remove_dir_all(site.agent_data())?;
        let _agent = site.start_agent()?;
        let sensor = site.start_sensor(&["--rate", "300", "--count", "600"])?;
        let second = crate::outlast(sensor)?;
        crate::drained(site)?;

        let new = epoch(site)?;
        ensure!(new != old, "the epoch is still {old}");
        let device = site.operator(&format!("/api/v1/devices/{}", site.device))?;
        let epochs = device["epochs"].as_array().context("epochs")?;
        ensure!(epochs.len() == 2, "the old epoch is kept: {device}");
        crate::check_exactly_once(site, &[first, second])
    });
}

#[test]
fn a_gateway_put_back_from_an_old_copy_is_recognised_and_loses_nothing() {
    crate::run(&[], |site| {
        let _broker = site.start_broker()?;
        let _bridge = site.start_bridge()?;
        let agent = site.start_agent()?;
        let first = crate::outlast(site.start_sensor(&["--rate", "300", "--count", "300"])?)?;
        crate::drained(site)?;
        let copy = site.folder.join("old-copy");
        agent.stop(STOP)?;
        copy_folder(&site.agent_data(), &copy)?;
        let agent = site.start_agent()?;
        let second = crate::outlast(site.start_sensor(&["--rate", "300", "--count", "300"])?)?;
        crate::drained(site)?;
        let old = epoch(site)?;

        agent.kill()?;
        fs::remove_dir_all(site.agent_data())?;
        copy_folder(&copy, &site.agent_data())?;
        let _agent = site.start_agent()?;
        let third = crate::outlast(site.start_sensor(&["--rate", "300", "--count", "300"])?)?;
        crate::until("another epoch is open", || Ok(epoch(site)? != old))?;
        crate::drained(site)?;

        // The old epoch keeps what only it had; what both had is in both, each once.
        let lines = |epoch: &str| site.exported(Some(epoch));
        let (parked, current) = (lines(&old)?, lines(&epoch(site)?)?);
        let sent = |report: &serde_json::Value| report["sent"].as_u64().unwrap_or(0);
        ensure!(parked.len() as u64 == sent(&first) + sent(&second), "parked: {} lines", parked.len());
        ensure!(current.len() as u64 == sent(&first) + sent(&third), "current: {} lines", current.len());
        Ok(())
    });
}

fn epoch(site: &tidegate_tests::site::Site) -> anyhow::Result<String> {
    let device = site.operator(&format!("/api/v1/devices/{}", site.device))?;
    device["epoch"].as_str().map(str::to_owned).context("the epoch of a device")
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
