//! What a person, a sensor or a disk gets wrong: each has a message that says what to do, and nothing is lost.

use std::fs;
use std::time::Duration;

use anyhow::{Context, ensure};
use tidegate_tests::site::{Site, Which};

/// What a command says when it fails.
fn complaint(site: &Site, which: Which, arguments: &[&str]) -> anyhow::Result<String> {
    match site.command(which, arguments) {
        Ok(said) => anyhow::bail!("it should fail, and said {said}"),
        Err(error) => Ok(format!("{error:#}")),
    }
}

fn names_all(said: &str, parts: &[&str]) -> anyhow::Result<()> {
    for part in parts {
        ensure!(said.contains(part), "{part:?} is missing in: {said}");
    }
    Ok(())
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_right_one() {
    crate::run(&[], |site| {
        let file = site.folder.join("wrong.toml");
        fs::write(&file, "data_dir = \"x\"\n[device]\nid = \"gw\"\n[broker]\nhots = \"localhost\"\n")?;
        let file = file.display().to_string();
        let said = complaint(site, Which::Agent, &["run", "--check", "-c", &file])?;
        names_all(&said, &["wrong.toml", "5", "hots", "host"])?;
        fs::write(&file, "data_dir = \"x\"\n[listen]\ndevises = \"127.0.0.1:1\"\n")?;
        let said = complaint(site, Which::Bridge, &["run", "--check", "-c", &file])?;
        names_all(&said, &["wrong.toml", "3", "devises", "devices"])
    });
}

#[test]
fn a_missing_configuration_is_named_with_what_to_do() {
    crate::run(&[], |site| {
        let said = complaint(site, Which::Agent, &["run", "-c", "no-such.toml"])?;
        names_all(&said, &["no-such.toml", "config/agent.toml"])
    });
}

#[test]
fn a_wrong_pipeline_stops_the_start_with_file_line_key_and_remedy() {
    let wrong = "name = \"w\"\n[[source]]\nsource = \"#\"\nchannel = \"HR\"\n[window]\nlenght = \"60s\"\ntime = \"gateway\"\n";
    crate::run(&[("wrong.toml", wrong)], |site| {
        let config = site.agent_config().display().to_string();
        let said = complaint(site, Which::Agent, &["run", "--check", "-c", &config])?;
        names_all(&said, &["wrong.toml:6", "lenght", "length"])
    });
}

#[test]
fn an_address_that_leaves_the_machine_is_refused() {
    crate::run(&[], |site| {
        let config = site.bridge_config().display().to_string();
        let text = fs::read_to_string(site.bridge_config())?
            .replace("operator = \"127.0.0.1", "operator = \"0.0.0.0");
        fs::write(site.bridge_config(), text)?;
        let said = complaint(site, Which::Bridge, &["run", "-c", &config])?;
        names_all(&said, &["0.0.0.0", "TLS"])
    });
}

#[test]
fn a_port_in_use_is_named_with_its_key() {
    crate::run(&[], |site| {
        let _bridge = site.start_bridge()?;
        let other = site.folder.join("other.toml");
        let text = fs::read_to_string(site.bridge_config())?.replace("bridge-data", "other-data");
        fs::write(&other, text)?;
        let said = complaint(site, Which::Bridge, &["run", "-c", &other.display().to_string()])?;
        names_all(&said, &[&site.devices_address().to_string(), "listen.devices"])
    });
}

#[test]
fn a_second_agent_on_the_same_data_is_refused_by_name() {
    crate::run(&[], |site| {
        let _agent = site.start_agent()?;
        let config = site.agent_config().display().to_string();
        let said = complaint(site, Which::Agent, &["run", "-c", &config])?;
        names_all(&said, &["another agent"])
    });
}

#[test]
fn a_command_without_an_agent_says_what_to_start() {
    crate::run(&[], |site| {
        let config = site.agent_config().display().to_string();
        let said = complaint(site, Which::Agent, &["workflow", "list", "-c", &config])?;
        names_all(&said, &["tidegate run"])?;
        let config = site.bridge_config().display().to_string();
        let said = complaint(site, Which::Bridge, &["device", "list", "-c", &config])?;
        names_all(&said, &["tidegate-bridge run"])
    });
}

#[test]
fn a_store_that_is_cut_short_is_set_aside_and_the_gateway_goes_on_under_a_new_epoch() {
    crate::run(&[], |site| {
        let _broker = site.start_broker()?;
        let agent = site.start_agent()?;
        let old = site.agent("/v1/status")?["epoch"].clone();
        agent.kill()?;
        let store = site.agent_data().join("tidegate.redb");
        let file = fs::File::options().write(true).open(&store)?;
        file.set_len(10_000)?;
        drop(file);
        let _agent = site.start_agent()?;
        ensure!(site.agent("/v1/status")?["epoch"] != old, "the epoch is new");
        let kept = fs::read_dir(site.agent_data())?
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().contains("unreadable"));
        ensure!(kept, "the file is kept for salvage");
        let errors = crate::errors(site, "agent")?;
        ensure!(errors.iter().any(|line| line.contains("kept for salvage")), "an ERROR says so: {errors:?}");
        Ok(())
    });
}

#[test]
fn another_programs_file_is_not_touched() {
    crate::run(&[], |site| {
        fs::create_dir_all(site.agent_data())?;
        let store = site.agent_data().join("tidegate.redb");
        let text = "these are somebody's notes, and no store at all; ".repeat(200);
        fs::write(&store, &text)?;
        let config = site.agent_config().display().to_string();
        let said = complaint(site, Which::Agent, &["run", "-c", &config])?;
        names_all(&said, &["not a Tidegate store"])?;
        ensure!(fs::read_to_string(&store)? == text, "the file is as it was");
        Ok(())
    });
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named_with_its_key() {
    crate::run(&[], |site| {
        fs::write(site.agent_data(), "a file where a folder belongs")?;
        let config = site.agent_config().display().to_string();
        let said = complaint(site, Which::Agent, &["run", "-c", &config])?;
        names_all(&said, &["data_dir"])
    });
}

/// Payloads that are no readings, and what the reason must name.
fn bad_payloads() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let deep = format!("{{\"v\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    vec![
        ("empty", Vec::new(), "empty"),
        ("large", vec![b'7'; 10 * 1024 * 1024], "bytes"),
        ("deep", deep.into_bytes(), "sequence"),
        ("not-utf8", vec![b'{', b'"', 0xff, 0xfe, b'"', b':', b'1', b'}'], "UTF-8"),
        ("not-json", b"{\"v\": NaN}".to_vec(), "JSON"),
        // CBOR {"v": NaN}, as an IEEE 754 half.
        ("nan", vec![0xa1, 0x61, b'v', 0xf9, 0x7e, 0x00], "not a"),
        ("no-value", b"{\"x\": 1}".to_vec(), "v"),
    ]
}

#[test]
fn payloads_that_are_no_readings_become_dead_letters_with_reasons_and_hold_nothing_up() {
    crate::run(&[], |site| {
        let _broker = site.start_broker()?;
        let _bridge = site.start_bridge()?;
        let _agent = site.start_agent()?;
        crate::until("the agent listens", || Ok(site.agent("/v1/status")?["subscribed"] == true))?;
        let bad = bad_payloads();
        for (channel, payload, _) in &bad {
            site.publish(&format!("tidegate/{}/reading/bench/{channel}", site.device), payload)?;
        }
        // Readings of the past and of the far future are readings like any other.
        let dated = [("1970", r#"{"v":1,"t":0}"#), ("2896", r#"{"v":1,"t":"2896-10-10T00:31:25.894Z"}"#)];
        for (channel, payload) in dated {
            site.publish(&format!("tidegate/{}/reading/bench/{channel}", site.device), payload.as_bytes())?;
        }
        crate::until("the good ones are in the cloud", || Ok(site.readings_in_the_cloud() == 2))?;
        let status = site.agent("/v1/status")?;
        let letters = status["dead_letters_kept"].as_array().context("dead letters")?;
        ensure!(letters.len() == bad.len(), "{} of {}: {letters:?}", letters.len(), bad.len());
        for (letter, (channel, payload, named)) in letters.iter().zip(&bad) {
            let text = |name: &str| letter[name].as_str().unwrap_or_default();
            ensure!(text("topic").ends_with(channel), "in order: {letter}");
            ensure!(text("reason").contains(named), "{named:?} in the reason: {letter}");
            ensure!(letter["payload_bytes"] == payload.len(), "its size: {}", letter["payload_bytes"]);
        }
        crate::drained(site)?;
        let device = site.operator(&format!("/api/v1/devices/{}", site.device))?;
        ensure!(device["dead_letters"] == bad.len(), "the cloud knows them: {device}");
        Ok(())
    });
}

#[test]
fn everything_stops_within_five_seconds_of_sigterm() {
    crate::run(&[], |site| {
        let _broker = site.start_broker()?;
        let bridge = site.start_bridge()?;
        let agent = site.start_agent()?;
        let _sensor = site.start_sensor(&["--rate", "300"])?;
        crate::until("readings flow", || Ok(site.readings_in_the_cloud() > 20))?;
        for process in [agent, bridge] {
            let status = process.stop(Duration::from_secs(5))?;
            ensure!(status.success(), "{status}");
        }
        Ok(())
    });
}
