//! Every setting of the bridge, its default and what is wrong with a wrong one. config/bridge.toml explains them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tidegate_settings::{Bytes, SettingsError};

/// What environment variables that override settings begin with.
pub const ENVIRONMENT: &str = "TIDEGATE_BRIDGE";

/// The settings of the bridge.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder that holds everything the bridge knows. Made when it is not there.
    pub data_dir: PathBuf,
    /// Where it listens.
    #[serde(default)]
    pub listen: Listen,
    /// The store.
    #[serde(default)]
    pub store: StoreConfig,
    /// What it says of itself.
    #[serde(default)]
    pub log: LogConfig,
}

/// Where the bridge listens. Loopback only: there is no TLS in this release.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// For devices.
    pub devices: SocketAddr,
    /// For operators and the command line.
    pub operator: SocketAddr,
}

/// How the store uses the machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Page cache.
    pub cache: Bytes,
    /// Disk space taken in advance, at a time.
    pub preallocate: Bytes,
}

/// What the bridge says of itself on standard output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// How much.
    pub level: LogLevel,
    /// For whom.
    pub format: LogFormat,
}

/// How much is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// A person must look.
    Error,
    /// And what is strange, but works.
    Warn,
    /// And what an operator would recognise.
    #[default]
    Info,
    /// And why a branch was taken.
    Debug,
    /// And every message.
    Trace,
}

/// For whom it is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For collectors: one JSON object a line.
    Json,
}

/// Where the operator API is when nothing else is said.
pub const OPERATOR_DEFAULT: SocketAddr = loopback(7411);

impl Default for Listen {
    fn default() -> Self {
        Self { devices: loopback(7410), operator: OPERATOR_DEFAULT }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { cache: Bytes::new(64 << 20), preallocate: Bytes::new(16 << 20) }
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl Config {
    /// The settings in a file, overridden by variables that begin with [`ENVIRONMENT`].
    ///
    /// # Errors
    /// [`SettingsError`], naming the file, the line, the key and what would be right.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        tidegate_settings::load(path, ENVIRONMENT)
    }

    /// Default settings around a folder, on free ports: what tests and demonstrations begin with.
    #[must_use]
    pub fn in_folder(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: Listen { devices: loopback(0), operator: loopback(0) },
            store: StoreConfig::default(),
            log: LogConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../config/bridge.toml");

    fn parse(text: &str) -> Result<Config, SettingsError> {
        tidegate_settings::parse(text, Path::new("bridge.toml"), ENVIRONMENT, [])
    }

    #[test]
    fn the_example_names_every_key_with_its_default() {
        let example = parse(EXAMPLE).expect("the example is right");
        let defaults = parse(&format!("data_dir = {:?}", example.data_dir)).expect("the folder is enough");
        assert_eq!(example, defaults);
        for key in ["data_dir", "devices", "operator", "cache", "preallocate", "level", "format"] {
            assert!(
                EXAMPLE.lines().any(|line| line.starts_with(&format!("{key} = "))),
                "{key} is not in the example"
            );
        }
    }

    #[test]
    fn a_key_that_does_not_exist_is_an_error_with_the_nearest_that_does() {
        let error = parse("data_dir = 'x'\n[listen]\noperater = '127.0.0.1:1'")
            .expect_err("a typing error")
            .to_string();
        assert!(
            error.contains("operater") && error.contains("operator") && error.contains("bridge.toml:3"),
            "{error}"
        );
    }

    #[test]
    fn an_address_that_is_none_names_its_key() {
        let error =
            parse("data_dir = 'x'\n[listen]\ndevices = 'here'").expect_err("not an address").to_string();
        assert!(error.contains("devices"), "{error}");
    }
}
