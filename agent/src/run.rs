//! The shell: opens the store, starts everything around it, performs the gateway's effects, ends in good order.
//!
//! The only place that sees all modules. What it does to the world it does because the gateway asked, and the gateway
//! is heard only after its records are on disk.

mod effects;
mod pipelines;
mod clock_watch;
mod intake;
mod metrics;
mod bridge;
mod storage;
mod workers;
#[cfg(feature = "temporal-api")]
mod temporal_api;
#[cfg(feature = "temporal-api")]
pub mod dev;

pub use workers::Native;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tidegate_log::{LogHandle, Runtime};
use tidegate_model::id::Namespace;
use tokio::sync::oneshot;

use self::workers::Workers;
use crate::client::{Client, Waiting};
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::control::{self, Control};
use crate::gateway::{Gateway, Input};
use crate::ingest::Intake;
use crate::mqtt::{self, AckToken, Credentials, MqttSettings};
use crate::telemetry;
use crate::uplink;

/// The namespace of the runs on a gateway.
const NAMESPACE: &str = "default";
/// What activities in hand may take once the agent is told to stop; all in all it stops within 5 s.
const WORKER_GRACE: Duration = Duration::from_secs(2);
/// And what the last snapshot may take.
const LOG_GRACE: Duration = Duration::from_secs(2);
const CANNOT_GO_ON: &str = "the agent cannot go on";

/// Checks what a run would begin with: the configuration (read already), the pipelines, the folders. Changes nothing.
///
/// # Errors
/// What is wrong, and what would be right.
pub fn check(config: &Config) -> anyhow::Result<()> {
    let pipelines = pipelines::read(config.pipelines.dir.as_deref())?;
    telemetry::check(&config.log)?;
    can_serve(config)?;
    let names: Vec<&str> = pipelines.iter().map(|pipeline| pipeline.definition.name()).collect();
    telemetry::say(&format!(
        "the configuration is right: device {}, {} pipeline(s) {:?}, store in {}",
        config.device.id,
        names.len(),
        names,
        config.data_dir.display()
    ));
    Ok(())
}

/// Runs the agent, with the workflow code that is compiled into it, until SIGTERM or SIGINT.
///
/// # Errors
/// What kept it from starting, or what stopped it.
pub fn main(config: Config, natives: Vec<Native>) -> anyhow::Result<()> {
    telemetry::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // The work is in the commit thread; two more carry the sockets.
        .worker_threads(2)
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    let outcome = runtime.block_on(async { run(config, natives, telemetry::stop_signal()?).await });
    // Long polls and half-open connections must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

/// Runs the agent until `shutdown` completes.
///
/// # Errors
/// What kept it from starting, or what stopped it.
pub async fn run(
    config: Config,
    natives: Vec<Native>,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let pipelines = pipelines::read(config.pipelines.dir.as_deref())?;
    can_serve(&config)?;
    #[cfg(feature = "temporal-api")]
    let api = match &config.temporal_api {
        Some(api) => Some(temporal_api::bind(api).await?),
        None => None,
    };
    let clock = Clock::open(clock::RELEASED)?;
    let socket_path = config.control_socket();
    storage::prepare_folder(&config.data_dir)?;
    let socket = control::bind(&socket_path)?;
    let _socket_file = RemoveOnDrop(socket_path);

    let mut gateway =
        Gateway::<AckToken>::new(config.store.quota.get()).with_engine_settings(config.engine.settings());
    if config.uplink.is_none() {
        gateway = gateway.without_bridge();
    }
    let store = storage::open(&config, &mut gateway)?;
    let reader = store.reader();

    let (broker, events) = mqtt::start(mqtt_settings(&config)?, clock.clone());
    let bell = uplink::Bell::default();
    let waiting = Arc::new(Waiting::default());
    let (stopped, mut log_stopped) = oneshot::channel();
    let log = tidegate_log::spawn(
        store,
        gateway,
        Runtime {
            clock: Box::new({
                let clock = clock.clone();
                move || clock.stamp()
            }),
            seed: seed()?,
            perform: effects::perform(
                config.device.id.clone(),
                broker.clone(),
                bell.clone(),
                Arc::clone(&waiting),
            ),
            stopped: Box::new({
                let waiting = Arc::clone(&waiting);
                move |error| {
                    drop(stopped.send(error));
                    waiting.close();
                }
            }),
        },
    );
    let client = Client::new(log.clone(), reader.clone(), Arc::clone(&waiting));

    let wanted = Input::Pipelines(pipelines.iter().map(pipelines::Read::text).collect());
    client.send(wanted).await.map_err(|error| cause(error.into(), &mut log_stopped))?;
    let rules = pipelines.iter().flat_map(|pipeline| pipeline.definition.rules()).collect();
    let intake = Intake::new(&config.device.id, rules);
    broker.subscribe(intake.filters());
    let counts = Arc::new(metrics::Counts::default());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(intake::feed(events, intake, client.clone(), Arc::clone(&counts)));
    tasks.spawn(clock_watch::watch(clock.clone(), config.clock.clone(), client.clone()));
    let bridge = bridge::start(&config, &clock, reader.clone(), client.clone(), &bell)?;
    let workers = Workers::start(&client, Some(&broker), &config.worker, natives)
        .await
        .map_err(|error| cause(error, &mut log_stopped))?;

    let control = Control {
        client: client.clone(),
        namespace: namespace(),
        shell_status: metrics::shell_status(
            &config,
            broker.clone(),
            bridge.as_ref().map(uplink::Uplink::monitor),
        ),
        metrics: metrics::render(log.clone(), Some((Arc::clone(&counts), broker.clone())), workers.health()),
        workers: workers.health(),
    };
    let router = control::router(control);
    if let Some(address) = config.metrics.listen {
        let listener = metrics::listen(address).await?;
        let only_metrics = router.clone();
        tasks.spawn(async move { drop(axum::serve(listener, metrics::only(only_metrics)).await) });
    }
    #[cfg(feature = "temporal-api")]
    let api = api.map(|api| api.serve(&client, router.clone()));
    tasks.spawn(async move { drop(axum::serve(socket, router).await) });
    let watched = log.clone();
    tasks.spawn(telemetry::watchdog(move || watched.metrics().inputs, {
        let client = client.clone();
        move || alive(client.clone())
    }));
    telemetry::ready();
    tracing::info!(device = %config.device.id, epoch = %reader.epoch(), "agent is up");

    let failure = tokio::select! {
        () = shutdown => None,
        error = &mut log_stopped => error.ok().flatten(),
    };
    telemetry::stopping();
    tracing::info!("agent stops");
    if let Some(error) = failure {
        // A failed commit is unknown: only the disk can tell, at the next start.
        return Err(anyhow::Error::new(error).context(CANNOT_GO_ON));
    }
    #[cfg(feature = "temporal-api")]
    if let Some(api) = api {
        api.stop().await;
    }
    workers.stop(WORKER_GRACE).await;
    if let Some(bridge) = bridge {
        bridge.stop().await;
    }
    broker.stop().await;
    tasks.shutdown().await;
    end(log, log_stopped).await
}

/// Waits until everything that was taken is on disk.
async fn end<I: Send + 'static>(
    log: LogHandle<I>,
    log_stopped: oneshot::Receiver<Option<tidegate_log::Error>>,
) -> anyhow::Result<()> {
    // Told to, not left alone: a connection that somebody keeps open to the socket holds a handle too.
    let ended = async {
        log.end().await;
        log_stopped.await
    };
    match tokio::time::timeout(LOG_GRACE, ended).await {
        Ok(Ok(Some(error))) => Err(anyhow::Error::new(error).context("the last commit failed")),
        Ok(_) => Ok(()),
        Err(_) => {
            tracing::warn!("the last snapshot takes too long; the next start replays a longer tail");
            Ok(())
        }
    }
}

/// Whether this binary has what the configuration asks for.
fn can_serve(config: &Config) -> anyhow::Result<()> {
    #[cfg(feature = "temporal-api")]
    if let Some(api) = &config.temporal_api {
        temporal_api::check(api)?;
    }
    anyhow::ensure!(
        cfg!(feature = "temporal-api") || config.temporal_api.is_none(),
        "temporal_api: this binary was built without the feature temporal-api; leave the section out"
    );
    Ok(())
}

/// Why something failed for want of the log: what stopped the log, if it has stopped.
fn cause(
    error: anyhow::Error,
    log_stopped: &mut oneshot::Receiver<Option<tidegate_log::Error>>,
) -> anyhow::Error {
    match log_stopped.try_recv() {
        Ok(Some(failure)) => anyhow::Error::new(failure).context(CANNOT_GO_ON),
        Ok(None) | Err(_) => error,
    }
}

/// Whether the commit loop still answers.
async fn alive(client: Client<AckToken>) -> bool {
    client.status().await.is_ok()
}

fn mqtt_settings(config: &Config) -> anyhow::Result<MqttSettings> {
    let broker = &config.broker;
    let password = match &broker.password_file {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| {
                format!(
                    "broker.password_file: failed to read {}; its first line is the password",
                    path.display()
                )
            })?;
            Some(text.lines().next().unwrap_or_default().to_owned())
        }
    };
    Ok(MqttSettings {
        device: config.device.id.clone(),
        host: broker.host.clone(),
        port: broker.port.get(),
        client_id: config.client_id(),
        credentials: broker.username.clone().map(|username| Credentials { username, password }),
        keep_alive: broker.keep_alive.get(),
        reconnect_max: broker.reconnect_max.get(),
    })
}

fn namespace() -> Namespace {
    NAMESPACE.parse().expect("a namespace by its form")
}

fn seed() -> anyhow::Result<u64> {
    getrandom::u64().context("the system gives no random numbers")
}

/// The socket's file goes with the agent.
struct RemoveOnDrop(PathBuf);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        // The next agent takes over a socket that nobody serves, so a failure costs nothing.
        drop(std::fs::remove_file(&self.0));
    }
}
