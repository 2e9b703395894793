//! The agent's configuration file. config/agent.toml is the commented example; `tidegate_settings` does the reading.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tidegate_model::id::DeviceId;
use tidegate_model::limits;
use tidegate_settings::{Bytes, Duration, SettingsError};

/// Environment variables that begin so override keys of the file.
pub const ENVIRONMENT_PREFIX: &str = "TIDEGATE";

/// The commented example, whole.
pub const EXAMPLE: &str = include_str!("../../config/agent.toml");

/// A socket's path cannot be longer (`sockad_un.sun_path` of unix(7), with its final zero).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Everything a person can set.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Config {
    /// Which gateway this is.
    pub device: Device,
    /// Where the store is, and what else the agent keeps.
    #[serde(default = "default_data_dir")]
    pub data_dir: PathBuf,
    /// Where readings come from.
    #[serde(default)]
    pub broker: Broker,
    /// Collection pipelines.
    #[serde(default)]
    pub pipelines: Pipelines,
    /// Where everything is replicated to; absent: nowhere.
    pub uplink: Option<Uplink>,
    /// For the command line.
    #[serde(default)]
    pub control: Control,
    /// What to think of the clocks.
    #[serde(default)]
    pub clock: Clock,
    /// The store's limits.
    #[serde(default)]
    pub store: Store,
    /// What the agent says.
    #[serde(default)]
    pub log: Log,
    /// What it counts.
    #[serde(default)]
    pub metrics: Metrics,
}

/// `[device]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Device {
    /// The gateway's name towards broker and bridge.
    pub id: DeviceId,
}

/// `[broker]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Broker {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: NonZeroU16,
    /// The session's name at the broker; absent: `tidegate-<device id>`.
    pub client_id: Option<String>,
    /// Absent: anonymous.
    pub username: Option<String>,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// Silence after which either side takes the connection for dead.
    pub keep_alive: Duration,
    /// The longest pause between two attempts to connect.
    pub reconnect_max: Duration,
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: NonZeroU16::new(1883).expect("not zero"),
            client_id: None,
            username: None,
            password_file: None,
            keep_alive: Duration::from_secs(30),
            reconnect_max: Duration::from_secs(60),
        }
    }
}

/// `[pipelines]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Pipelines {
    /// A folder of pipeline files (`*.toml`); absent: none.
    pub dir: Option<PathBuf>,
}

/// `[uplink]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Uplink {
    /// The bridge.
    pub url: String,
    /// The longest a request may take, beyond the wait it asks for itself.
    #[serde(default = "default_uplink_timeout")]
    pub timeout: Duration,
    /// The longest pause between two attempts.
    #[serde(default = "default_uplink_retry_max")]
    pub retry_max: Duration,
}

/// `[control]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Control {
    /// The socket for the command line; absent: `control.sock` in the data directory.
    pub socket: Option<PathBuf>,
}

/// `[clock]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Clock {
    /// How often the clocks are compared.
    pub check_every: Duration,
    /// A difference between wall clock and boot time from which on it is recorded as a step.
    pub step: Duration,
    /// How often an anchor is recorded though nothing stepped.
    pub anchor_every: Duration,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            check_every: Duration::from_secs(10),
            step: Duration::from_millis(500),
            anchor_every: Duration::from_secs(3_600),
        }
    }
}

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Store {
    /// Page cache.
    pub cache: Bytes,
    /// Space taken in advance.
    pub preallocate: Bytes,
    /// The most the data directory may take.
    pub quota: Bytes,
}

impl Default for Store {
    fn default() -> Self {
        Self { cache: Bytes::new(4 << 20), preallocate: Bytes::new(16 << 20), quota: Bytes::new(1 << 30) }
    }
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Log {
    /// The least important thing that is said: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as
    /// `info,tidegate::mqtt=debug`.
    pub level: String,
    /// How and where it is said.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// How and where the agent speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Lines on standard output.
    Text,
    /// A JSON object a line on standard output.
    Json,
    /// Fields to the systemd journal; standard output where there is none.
    Journald,
}

/// `[metrics]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// Where `/metrics` is served; absent: only on the control socket.
    pub listen: Option<SocketAddr>,
}

fn default_data_dir() -> PathBuf {
    PathBuf::from("/var/lib/tidegate")
}

fn default_uplink_timeout() -> Duration {
    Duration::from_secs(30)
}

fn default_uplink_retry_max() -> Duration {
    Duration::from_secs(60)
}

impl Config {
    /// The configuration in a file, overridden by the environment.
    ///
    /// # Errors
    /// [`SettingsError`]: place, key, and what would be right.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let config: Self = tidegate_settings::load(path, ENVIRONMENT_PREFIX)?;
        config.checked(path)
    }

    /// Where the command line finds the agent.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.control.socket.clone().unwrap_or_else(|| self.data_dir.join("control.sock"))
    }

    /// The session's name at the broker.
    #[must_use]
    pub fn client_id(&self) -> String {
        self.broker.client_id.clone().unwrap_or_else(|| format!("tidegate-{}", self.device.id))
    }

    /// What one key alone cannot show to be wrong.
    fn checked(self, path: &Path) -> Result<Self, SettingsError> {
        let refused = |key: &str, reason: &str| Err(SettingsError::refused(path, key, reason));
        let Broker { host, client_id, username, password_file, keep_alive, reconnect_max, .. } = &self.broker;
        if host.is_empty() {
            return refused("broker.host", "is empty; the broker's name or address belongs here");
        }
        if client_id.as_deref() == Some("") {
            return refused("broker.client_id", "is empty; leave it out, or give the session a name");
        }
        if password_file.is_some() && username.is_none() {
            return refused(
                "broker.username",
                "is missing, but broker.password_file is there; a password has a user",
            );
        }
        if !(5..=u64::from(u16::MAX)).contains(&keep_alive.get().as_secs()) {
            return refused("broker.keep_alive", "lies outside 5s to 65535s, the range MQTT has room for");
        }
        if reconnect_max.get() < std::time::Duration::from_secs(1) {
            return refused(
                "broker.reconnect_max",
                "is below 1s; a broker that is down must not be hammered",
            );
        }
        if let Some(Uplink { url, .. }) = &self.uplink
            && let Some(reason) = wrong_bridge(url)
        {
            return refused("uplink.url", &reason);
        }
        if self.control_socket().as_os_str().len() > SOCKET_PATH_BYTES_MAX {
            return refused(
                "control.socket",
                "is longer than the 107 bytes a socket's path may have; set a shorter one",
            );
        }
        if let Some(listen) = self.metrics.listen.filter(|listen| !listen.ip().is_loopback()) {
            let reason = format!("{listen} can be reached from outside, without a password; use 127.0.0.1");
            return refused("metrics.listen", &reason);
        }
        if self.clock.check_every.get().is_zero() || self.clock.anchor_every.get().is_zero() {
            return refused("clock", "has a period of 0s; check_every and anchor_every take time");
        }
        if self.store.cache.get() < 1 << 20 {
            return refused("store.cache", "is below 1MiB, with which every commit would read from disk");
        }
        let floor = self.store.preallocate.get() + 4 * limits::ROW_BYTES_MAX as u64;
        if self.store.quota.get() < floor {
            let reason =
                format!("is below {}, what store.preallocate and four full commits take", Bytes::new(floor));
            return refused("store.quota", &reason);
        }
        Ok(self)
    }
}

/// Why a text is not where a bridge can be.
fn wrong_bridge(url: &str) -> Option<String> {
    let Some(rest) = url.strip_prefix("http://") else {
        return Some(format!("{url:?} is not the address of a bridge, as in \"http://127.0.0.1:8480\""));
    };
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => authority.split(':').next().unwrap_or(authority),
    };
    let loopback =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    (!loopback).then(|| {
        format!("{host:?} is not this machine, and plain HTTP does not leave it; reach the bridge through a tunnel")
    })
}

#[cfg(test)]
mod tests;
