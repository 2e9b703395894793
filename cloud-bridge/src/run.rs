//! The shell: opens the store, starts the commit loop, serves both APIs, and stops in order.

use std::fs;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tidegate_log::{Error as LogError, Options, Reader, Runtime, Store, spawn};
use tidegate_model::id::Epoch;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tracing::{info, warn};

use crate::archive::Archive;
use crate::clock::Clock;
use crate::config::Config;
use crate::desk::{Desk, Waiting};
use crate::fleet::Fleet;
use crate::listen::{check as check_address, listen};
use crate::{link, operator, telemetry};

pub use crate::listen::Error as ListenError;

/// The store's file in the data folder.
const STORE_FILE: &str = "bridge.redb";
/// How long requests that are under way may take once the bridge is told to stop.
const DRAIN: Duration = Duration::from_secs(3);
/// How long the store may take to close after that; together less than the five seconds a stop may take.
const CLOSE: Duration = Duration::from_millis(1_500);

/// Why the bridge does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The kernel does not say which boot this is, or gives no chance.
    #[error("the kernel does not answer")]
    Kernel(#[source] io::Error),
    /// The data folder is of no use.
    #[error(
        "data_dir = {path:?} cannot be made or written to; choose a folder this user may write in, or change who \
         owns it"
    )]
    DataDir {
        /// What the configuration says.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The store does not open.
    #[error("the store in data_dir = {path:?} does not open")]
    Open {
        /// What the configuration says.
        path: PathBuf,
        /// What the store says.
        source: LogError,
    },
    /// A commit failed while running. What is on disk is right; what was under way is unknown, and devices send it
    /// again.
    #[error(
        "a commit to the store failed; devices will send again what was under way. Start the bridge again"
    )]
    Commit(#[source] LogError),
    /// A listener failed while running.
    #[error("serving failed")]
    Serve(#[source] io::Error),
}

/// A bridge that listens and has not begun to serve.
#[derive(Debug)]
pub struct Bridge {
    devices: TcpListener,
    operator: TcpListener,
    desk: Desk,
    waiting: Arc<Waiting>,
    archive: Archive,
    stopped: oneshot::Receiver<Option<LogError>>,
}

/// Finds what is wrong with settings without running: what `--check` does beyond reading them.
///
/// # Errors
/// [`Error::Listen`].
pub fn check(config: &Config) -> Result<(), Error> {
    check_address("devices", config.listen.devices)?;
    check_address("operator", config.listen.operator)?;
    Ok(())
}

/// Runs a bridge until `shutdown` completes. Returns when everything is on disk and closed.
///
/// # Errors
/// [`Error`]: before it serves, or when a commit fails, after which the process must end.
pub async fn run(config: Config, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
    Bridge::start(config).await?.serve(shutdown).await
}

impl Bridge {
    /// Takes the addresses, opens the store and starts the commit loop.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn start(config: Config) -> Result<Self, Error> {
        let devices = listen("devices", config.listen.devices).await?;
        let operator = listen("operator", config.listen.operator).await?;
        let clock = Clock::new().map_err(Error::Kernel)?;
        let path = config.data_dir.clone();
        let opened = tokio::task::spawn_blocking(move || open(&config)).await;
        let (store, fleet) =
            opened.map_err(|panic| Error::DataDir { path, source: io::Error::other(panic) })??;

        let reader: Reader = store.reader();
        let waiting = Arc::new(Waiting::default());
        let (stopped_sender, stopped) = oneshot::channel();
        let (performing, giving_up) = (Arc::clone(&waiting), Arc::clone(&waiting));
        let runtime = Runtime {
            clock: Box::new(move || clock.stamp()),
            seed: random()? as u64,
            perform: Box::new(move |effects| performing.perform(effects)),
            stopped: Box::new(move |error| {
                giving_up.give_up();
                // Nobody is left to hear it when the bridge was dropped without being served.
                drop(stopped_sender.send(error));
            }),
        };
        let desk = Desk::new(spawn(store, fleet, runtime), Arc::clone(&waiting));
        Ok(Self { devices, operator, desk, waiting, archive: Archive::new(reader), stopped })
    }

    /// Where devices and operators find it.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn addresses(&self) -> io::Result<Addresses> {
        Ok(Addresses { devices: self.devices.local_addr()?, operator: self.operator.local_addr()? })
    }

    /// Serves until `shutdown` completes, then answers what is under way and closes the store.
    ///
    /// # Errors
    /// [`Error::Commit`], [`Error::Serve`].
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let Self { devices, operator, desk, waiting, archive, mut stopped } = self;
        let addresses = |listener: &TcpListener| listener.local_addr().map_err(Error::Serve);
        info!(devices = %addresses(&devices)?, operator = %addresses(&operator)?, "listening");
        telemetry::ready();

        let (stop, stopping) = watch::channel(false);
        let link = server(devices, link::router(desk.clone()), stopping.clone());
        let api = server(operator, operator::router(desk, archive), stopping);
        let mut serving = Box::pin(async { tokio::try_join!(link, api).map(|_| ()) });

        tokio::select! {
            ended = &mut serving => return ended.map_err(Error::Serve),
            error = &mut stopped => return ended(error.ok().flatten()),
            () = shutdown => info!("stopping"),
        }
        telemetry::stopping();
        waiting.close();
        // Both servers hold a receiver until they end.
        stop.send_replace(true);
        match tokio::time::timeout(DRAIN, serving.as_mut()).await {
            Ok(ended) => ended.map_err(Error::Serve)?,
            Err(_) => warn!("requests under way were cut off"),
        }
        // The servers hold the last handles to the commit loop: without them it commits, closes the store and ends.
        drop(serving);
        match tokio::time::timeout(CLOSE, stopped).await {
            Ok(error) => ended(error.ok().flatten())?,
            Err(_) => warn!("the store was not closed in time; it recovers at the next start"),
        }
        info!("stopped");
        Ok(())
    }
}

/// Where a bridge listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// For devices.
    pub devices: SocketAddr,
    /// For operators.
    pub operator: SocketAddr,
}

fn ended(error: Option<LogError>) -> Result<(), Error> {
    error.map_or(Ok(()), |error| Err(Error::Commit(error)))
}

async fn server(
    listener: TcpListener,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) -> io::Result<()> {
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            // An error means that the sender is gone, which is a stop as well.
            drop(stopping.wait_for(|stopping| *stopping).await);
        })
        .await
}

fn open(config: &Config) -> Result<(Store, Fleet), Error> {
    let path = config.data_dir.clone();
    fs::create_dir_all(&path).map_err(|source| Error::DataDir { path: path.clone(), source })?;
    let options = Options {
        cache_bytes: usize::try_from(config.store.cache.get()).unwrap_or(usize::MAX),
        preallocate_bytes: config.store.preallocate.get(),
        new_epoch: Epoch::from_u128(random()?),
    };
    let mut fleet = Fleet::default();
    let (store, recovered) = Store::open(&path.join(STORE_FILE), &options, &mut fleet)
        .map_err(|source| Error::Open { path, source })?;
    info!(created = recovered.created, rows_replayed = recovered.rows_replayed, "store open");
    Ok((store, fleet))
}

fn random() -> Result<u128, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Kernel(io::Error::other(error.to_string())))?;
    Ok(u128::from_be_bytes(bytes))
}
