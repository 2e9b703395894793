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
    /// The limits of workflows.
    #[serde(default)]
    pub engine: Engine,
    /// The built-in worker.
    #[serde(default)]
    pub worker: Worker,
    /// Temporal's gRPC API; absent: it is not served.
    pub temporal_api: Option<TemporalApi>,
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

/// `[engine]`: limits of workflows. What each means stands at [`tidegate_engine::Settings`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of tidegate_engine::Settings, under the same names")]
pub struct Engine {
    pub payload_max: Bytes,
    pub history_events_max: u64,
    pub history_max: Bytes,
    pub history_events_suggest: u64,
    pub history_suggest: Bytes,
    pub pending_activities_max: usize,
    pub pending_timers_max: usize,
    pub pending_children_max: usize,
    pub pending_signals_max: usize,
    pub pending_cancel_requests_max: usize,
    pub signals_per_run_max: u64,
    pub updates_in_flight_max: usize,
    pub updates_per_run_max: usize,
    pub buffered_queries_max: usize,
    pub open_runs_max: usize,
    pub closed_runs_kept_max: usize,
    pub retention: Duration,
}

impl Default for Engine {
    fn default() -> Self {
        let defaults = tidegate_engine::Settings::default();
        Self {
            payload_max: Bytes::new(defaults.payload_bytes_max as u64),
            history_events_max: defaults.history_events_max,
            history_max: Bytes::new(defaults.history_bytes_max),
            history_events_suggest: defaults.history_events_suggest,
            history_suggest: Bytes::new(defaults.history_bytes_suggest),
            pending_activities_max: defaults.pending_activities_max,
            pending_timers_max: defaults.pending_timers_max,
            pending_children_max: defaults.pending_children_max,
            pending_signals_max: defaults.pending_signals_max,
            pending_cancel_requests_max: defaults.pending_cancel_requests_max,
            signals_per_run_max: defaults.signals_per_run_max,
            updates_in_flight_max: defaults.updates_in_flight_max,
            updates_per_run_max: defaults.updates_per_run_max,
            buffered_queries_max: defaults.buffered_queries_max,
            open_runs_max: defaults.open_runs_max,
            closed_runs_kept_max: defaults.closed_runs_kept_max,
            retention: Duration::from_secs(defaults.retention.as_secs()),
        }
    }
}

impl Engine {
    /// As the engine takes them.
    #[must_use]
    pub fn settings(&self) -> tidegate_engine::Settings {
        tidegate_engine::Settings {
            payload_bytes_max: usize::try_from(self.payload_max.get()).unwrap_or(usize::MAX),
            history_events_max: self.history_events_max,
            history_bytes_max: self.history_max.get(),
            history_events_suggest: self.history_events_suggest,
            history_bytes_suggest: self.history_suggest.get(),
            pending_activities_max: self.pending_activities_max,
            pending_timers_max: self.pending_timers_max,
            pending_children_max: self.pending_children_max,
            pending_signals_max: self.pending_signals_max,
            pending_cancel_requests_max: self.pending_cancel_requests_max,
            signals_per_run_max: self.signals_per_run_max,
            updates_in_flight_max: self.updates_in_flight_max,
            updates_per_run_max: self.updates_per_run_max,
            buffered_queries_max: self.buffered_queries_max,
            open_runs_max: self.open_runs_max,
            closed_runs_kept_max: self.closed_runs_kept_max,
            retention: self.retention.get(),
        }
    }
}

/// `[worker]`: how workflow code is run that is compiled into the agent, the pipelines' included.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Worker {
    /// Which turns are repeated from the beginning of their history, to see that the code says the same again.
    pub shadow_replay: ShadowReplay,
    /// How long code may take from one poll to the next before its thread is left behind.
    pub deadlock_timeout: Duration,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            shadow_replay: ShadowReplay::Sampled,
            deadlock_timeout: Duration::from_secs(limits::WORKFLOW_DEADLOCK_SECONDS),
        }
    }
}

/// `[worker] shadow_replay`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShadowReplay {
    /// None.
    Off,
    /// One in a hundred, of histories that are not too long.
    Sampled,
    /// Each.
    Always,
}

/// `[temporal_api]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TemporalApi {
    /// Where Temporal SDKs reach the gateway.
    #[serde(default = "default_temporal_api_listen")]
    pub listen: SocketAddr,
    /// A file whose first line every caller must send as its API key.
    pub api_key_file: Option<PathBuf>,
    /// A certificate chain in PEM, the listener's own first.
    pub tls_certificate: Option<PathBuf>,
    /// Its private key in PEM.
    pub tls_key: Option<PathBuf>,
    /// Certificates in PEM of which one must have signed each caller's.
    pub tls_client_authorities: Option<PathBuf>,
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

fn default_temporal_api_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7233))
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
        if let Some(api) = &self.temporal_api
            && let Some((key, reason)) = wrong_api(api)
        {
            return refused(key, &reason);
        }
        if let Some((key, reason)) = wrong_engine(&self.engine) {
            return refused(key, &reason);
        }
        if self.worker.deadlock_timeout.get() < std::time::Duration::from_millis(100) {
            return refused(
                "worker.deadlock_timeout",
                "is below 100ms, which honest code may take on a busy gateway",
            );
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

/// What is wrong with the section of the API: the key, and why.
fn wrong_api(api: &TemporalApi) -> Option<(&'static str, String)> {
    if api.tls_certificate.is_some() && api.tls_key.is_none() {
        return Some((
            "temporal_api.tls_key",
            "is missing, but temporal_api.tls_certificate is there".to_owned(),
        ));
    }
    if api.tls_certificate.is_none() && (api.tls_key.is_some() || api.tls_client_authorities.is_some()) {
        let reason = "is missing, but another key of TLS is there; a listener has a certificate of its own";
        return Some(("temporal_api.tls_certificate", reason.to_owned()));
    }
    let protected = api.api_key_file.is_some() || api.tls_certificate.is_some();
    if !api.listen.ip().is_loopback() && !protected {
        let reason = format!(
            "{} can be reached from outside, and whoever reaches it runs code here; use 127.0.0.1, or set \
             temporal_api.api_key_file or temporal_api.tls_certificate",
            api.listen
        );
        return Some(("temporal_api.listen", reason));
    }
    None
}

/// What is wrong with the engine's limits: those that other bounds, on disk and on the wire, rest on do not grow.
fn wrong_engine(engine: &Engine) -> Option<(&'static str, String)> {
    let defaults = Engine::default();
    if engine.payload_max.get() > defaults.payload_max.get() {
        let reason =
            format!("is above {}, the most that fits a row of the store and the wire", defaults.payload_max);
        return Some(("engine.payload_max", reason));
    }
    if engine.history_events_suggest > engine.history_events_max {
        let reason =
            "is above engine.history_events_max; a run is told to continue as new before it is ended";
        return Some(("engine.history_events_suggest", reason.to_owned()));
    }
    if engine.history_suggest.get() > engine.history_max.get() {
        let reason = "is above engine.history_max; a run is told to continue as new before it is ended";
        return Some(("engine.history_suggest", reason.to_owned()));
    }
    None
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
