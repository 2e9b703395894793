//! `tidegate start-dev`: engine, Temporal's API and a store, in one process, with nothing to configure.
//!
//! The same log, engine and API as on a gateway; no broker, no pipelines, no bridge. It names the broker's tokens though
//! there are none, because a gateway of another type would be all of it a second time in the program.

mod dynamic;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use serde_json::json;
use tidegate_engine::{IndexedValueType, NamespaceChange, Refusal, Request, ServiceError};
use tidegate_log::{Options, Runtime, Store};
use tidegate_model::id::Namespace;
use tidegate_temporal_api::Settings;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::temporal_api::Bound;
use super::workers::Workers;
use super::{CANNOT_GO_ON, Native, WORKER_GRACE, metrics, storage};
use crate::client::{Client, Waiting};
use crate::clock::{self, Clock};
use crate::config::{self, Log, LogFormat};
use crate::control::{self, Control};
use crate::gateway::{Effect, Gateway};
use crate::mqtt::AckToken;
use crate::telemetry;

/// Page cache of the store on disk: a laptop has more than a gateway.
const CACHE_BYTES: usize = 64 << 20;
/// Closed runs that are kept: whoever develops wants to see yesterday's.
const CLOSED_RUNS_KEPT: usize = 100_000;

/// What `tidegate start-dev` can be told.
#[derive(Debug, Clone)]
pub struct DevServer {
    /// Where to listen.
    pub ip: IpAddr,
    /// On which port; 0 for one that is free.
    pub port: u16,
    /// Where to keep everything; `None` for memory.
    pub db_filename: Option<PathBuf>,
    /// Namespaces that exist from the start, besides `default`.
    pub namespaces: Vec<Namespace>,
    /// Search attributes that exist from the start in each namespace, as `NAME=TYPE`.
    pub search_attributes: Vec<String>,
    /// Limits, as `KEY=VALUE` under the keys of Temporal's dynamic configuration.
    pub dynamic_config: Vec<String>,
    /// What is logged.
    pub log: Log,
}

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// What kept it from starting, or what stopped it.
pub fn main(server: DevServer, natives: Vec<Native>) -> anyhow::Result<()> {
    telemetry::start(&server.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    let outcome = runtime.block_on(async { run(server, natives, telemetry::stop_signal()?).await });
    // Long polls must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    outcome
}

/// Runs the server until `shutdown` completes.
///
/// # Errors
/// What kept it from starting, or what stopped it.
pub async fn run(
    server: DevServer,
    natives: Vec<Native>,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let address = SocketAddr::new(server.ip, server.port);
    ensure!(
        server.ip.is_loopback(),
        "--ip {}: a development server asks nobody for a key, and whoever reaches it runs code here; use 127.0.0.1, \
         or `tidegate run` with a key in [temporal_api]",
        server.ip
    );
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("--port {}: {address} cannot be had; is another server on it?", server.port)
    })?;
    let address = listener.local_addr().context("the listener has no address")?;
    let clock = Clock::open(clock::RELEASED)?;
    let mut settings =
        tidegate_engine::Settings { closed_runs_kept_max: CLOSED_RUNS_KEPT, ..Default::default() };
    for value in &server.dynamic_config {
        dynamic::set(&mut settings, value)?;
    }
    let mut gateway = Gateway::<AckToken>::new(u64::MAX).without_bridge().with_engine_settings(settings);
    let store = open(server.db_filename.as_deref(), &mut gateway)?;
    let reader = store.reader();
    let waiting = Arc::new(Waiting::default());
    let (stopped, mut log_stopped) = oneshot::channel();
    let log = tidegate_log::spawn(
        store,
        gateway,
        Runtime {
            clock: Box::new(move || clock.stamp()),
            seed: super::seed()?,
            perform: answers(Arc::clone(&waiting)),
            stopped: Box::new({
                let waiting = Arc::clone(&waiting);
                move |error| {
                    drop(stopped.send(error));
                    waiting.close();
                }
            }),
        },
    );
    let client = Client::new(log.clone(), reader, waiting);
    // Whoever develops wants to know at once.
    let settings = config::Worker { shadow_replay: config::ShadowReplay::Always, ..Default::default() };
    let workers = Workers::start(&client, None, &settings, natives).await?;
    let router = control::router(Control {
        client: client.clone(),
        namespace: super::namespace(),
        shell_status: Box::new(|| json!({ "device": "start-dev", "broker": "none", "uplink": "none" })),
        metrics: metrics::render(log.clone(), None, workers.health()),
        workers: workers.health(),
    });
    register(&client, &server).await?;
    let api = Bound::new(listener, Settings::default()).serve(&client, router);
    greet(&server, address);
    let failure = tokio::select! {
        () = shutdown => None,
        error = &mut log_stopped => error.ok().flatten(),
    };
    if let Some(error) = failure {
        return Err(anyhow::Error::new(error).context(CANNOT_GO_ON));
    }
    api.stop().await;
    workers.stop(WORKER_GRACE).await;
    super::end(log, log_stopped).await
}

/// The namespaces and search attributes that the command line names; what is there already stays as it is.
async fn register(client: &Client<AckToken>, server: &DevServer) -> anyhow::Result<()> {
    for name in &server.namespaces {
        let request = Request::RegisterNamespace { name: name.clone(), wanted: NamespaceChange::default() };
        match client.call(request).await {
            Ok(_) | Err(ServiceError::Refused(Refusal::NamespaceAlreadyExists(_))) => {}
            Err(error) => return Err(error).with_context(|| format!("--namespace {name}")),
        }
    }
    let attributes = server
        .search_attributes
        .iter()
        .map(|text| search_attribute(text))
        .collect::<anyhow::Result<BTreeMap<String, IndexedValueType>>>()?;
    if attributes.is_empty() {
        return Ok(());
    }
    for namespace in server.namespaces.iter().cloned().chain([super::namespace()]) {
        let request = Request::AddSearchAttributes { namespace, attributes: attributes.clone() };
        client.call(request).await.context("--search-attribute")?;
    }
    Ok(())
}

/// `NAME=TYPE`, as Temporal's development server takes it.
fn search_attribute(text: &str) -> anyhow::Result<(String, IndexedValueType)> {
    let (name, kind) = text
        .split_once('=')
        .with_context(|| format!("--search-attribute {text}: it is NAME=TYPE, as in Site=Keyword"))?;
    let known = IndexedValueType::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(kind));
    let kind = known.with_context(|| {
        let names = IndexedValueType::ALL.map(IndexedValueType::name).join(", ");
        format!("--search-attribute {text}: a type is one of {names}")
    })?;
    Ok((name.to_owned(), kind))
}

fn open(file: Option<&Path>, gateway: &mut Gateway<AckToken>) -> anyhow::Result<Store> {
    let options =
        Options { cache_bytes: CACHE_BYTES, preallocate_bytes: 0, new_epoch: storage::new_epoch()? };
    let (store, _) = match file {
        Some(file) => Store::open(file, &options, gateway)
            .with_context(|| format!("--db-filename {} cannot be used", file.display()))?,
        None => Store::open_in_memory(&options, gateway)?,
    };
    Ok(store)
}

/// Of a gateway's effects only answers have somebody to go to here.
fn answers(waiting: Arc<Waiting>) -> Box<dyn FnMut(Vec<Effect<AckToken>>) + Send> {
    Box::new(move |effects| {
        for effect in effects {
            match effect {
                Effect::Answer { ticket, answer } => waiting.answer(ticket, answer),
                Effect::Acknowledge(_) | Effect::Confirm(_) | Effect::Replicate => {}
            }
        }
    })
}

fn greet(server: &DevServer, address: SocketAddr) {
    let store = match &server.db_filename {
        Some(file) => file.display().to_string(),
        None => "in memory: gone when this ends; --db-filename FILE keeps it".to_owned(),
    };
    telemetry::say(&format!("Tidegate {}", env!("CARGO_PKG_VERSION")));
    telemetry::say(&format!("Temporal API  {address}"));
    telemetry::say(&format!("Metrics       http://{address}/metrics"));
    telemetry::say(&format!("Store         {store}"));
}

/// The log settings of a command line: `--log-level` and `--log-format` as Temporal's server has them.
///
/// # Errors
/// The flag, and what would be right.
pub fn log_settings(level: &str, format: &str) -> anyhow::Result<Log> {
    let level = match level {
        "never" => "off",
        other => other,
    };
    let format = match format {
        "text" | "pretty" => LogFormat::Text,
        "json" => LogFormat::Json,
        other => anyhow::bail!("--log-format {other}: it is text or json"),
    };
    let log = Log { level: level.to_owned(), format };
    telemetry::check(&log).with_context(|| format!("--log-level {level}"))?;
    Ok(log)
}
