//! Where the programs are that a test or the bench starts: in the folder Cargo built both in.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::mosquitto;
use crate::site::{Broker, Programs};

/// The programs this build made, and the broker of the system.
///
/// # Errors
/// When one of them is missing, with the command that makes it.
pub fn built() -> anyhow::Result<Programs> {
    let folder = folder()?;
    let broker = mosquitto::installed().context("mosquitto is not installed: apt-get install mosquitto")?;
    Ok(Programs {
        agent: vec![program(&folder, "tidegate")?.into()],
        bridge: vec![program(&folder, "tidegate-bridge")?.into()],
        sensor: vec![program(&folder, "host_sensor")?.into()],
        broker: Broker::Mosquitto(broker),
    })
}

/// The agent this build made, without a broker.
///
/// # Errors
/// When it is missing, with the command that makes it.
pub fn agent() -> anyhow::Result<PathBuf> {
    program(&folder()?, "tidegate")
}

/// The folder of what Cargo built: `…/target/PROFILE/deps/TEST-HASH` stands beside `…/target/PROFILE/PROGRAM`.
fn folder() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("asking where this program is")?;
    let folder = this.ancestors().skip(1).find(|folder| !folder.ends_with("deps"));
    Ok(folder.context("a program lies in a folder")?.to_owned())
}

fn program(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    ensure!(
        path.is_file(),
        "{} is not built: cargo build --bins, with the profile of this program",
        path.display()
    );
    Ok(path)
}
