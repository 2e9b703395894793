//! The demo: one ward bed, one gateway, one cloud, and a bad minute for all of them. `cargo run --release --bin demo`.
//!
//! Broker, agent, bridge and sensor are processes of their own, with the real code and real stores: this program
//! starts itself again in each role. It ends with counts that must match, and fails where they do not.

mod broker;
mod feed;
mod screen;
mod story;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tidegate_tests::mosquitto;
use tidegate_tests::site::{Broker, Programs};

/// A person's story of Tidegate in under two minutes: readings, a decision, an outage, a power cut, recovery, and a
/// signal from the cloud.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
struct Options {
    /// Recordings to replay (a .jsonl file, or a folder of them) instead of simulated sensors.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Which broker: mosquitto where it is installed, else the one built in.
    #[arg(long, value_enum, default_value = "auto")]
    broker: Choice,
    /// Where the files go; kept afterwards. Without, a temporary folder that is removed when all went well.
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Choice {
    Auto,
    Mosquitto,
    BuiltIn,
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let [_, role, name, rest @ ..] = arguments.as_slice()
        && role == "role"
    {
        return play(&name.to_string_lossy(), rest);
    }
    match tell(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen::failure(&error);
            ExitCode::FAILURE
        }
    }
}

/// This program as one of the others.
fn play(name: &str, arguments: &[OsString]) -> ExitCode {
    let with_name = |program: &str| std::iter::once(OsString::from(program)).chain(arguments.iter().cloned());
    match name {
        "agent" => tidegate::cli::main(with_name("tidegate")),
        "bridge" => tidegate_bridge::cli::main(with_name("tidegate-bridge")),
        "sensor" => tidegate_firmware_examples::host::main(with_name("host_sensor")),
        "broker" => broker::main(arguments),
        other => {
            screen::failure(&anyhow::anyhow!("no role {other:?}: agent, bridge, sensor and broker are"));
            ExitCode::FAILURE
        }
    }
}

fn tell(options: &Options) -> anyhow::Result<()> {
    let me = std::env::current_exe().context("the demo starts itself again in each role")?;
    let role = |name: &str| vec![me.clone().into_os_string(), "role".into(), name.into()];
    let built_in = || Broker::Program(role("broker"));
    let broker = match options.broker {
        Choice::BuiltIn => built_in(),
        Choice::Auto => mosquitto::installed().map_or_else(built_in, Broker::Mosquitto),
        Choice::Mosquitto => Broker::Mosquitto(mosquitto::installed().context(
            "mosquitto is not installed; `apt install mosquitto`, or leave --broker out and the built-in one is used",
        )?),
    };
    let feed = match &options.data {
        Some(path) => feed::recorded(path)?,
        None => feed::simulated(),
    };
    let temporary =
        tempfile::Builder::new().prefix("tidegate-demo-").tempdir().context("a temporary folder")?;
    let folder = options.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    let programs = Programs { agent: role("agent"), bridge: role("bridge"), sensor: role("sensor"), broker };
    let told = story::tell(&folder, programs, &feed);
    if told.is_err() {
        // What the processes said is worth more than a tidy disk.
        let kept = temporary.keep();
        screen::note(&format!(
            "the files of this run are kept in {}",
            options.folder.as_ref().unwrap_or(&kept).display()
        ));
    }
    told
}
