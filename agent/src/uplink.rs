//! The conversation with the bridge: what is committed goes up, signals come down, nothing is decided here.
//!
//! The device starts every exchange. A *session* begins with a hello, in which both sides say what they have; then
//! each lane sends batches on its own, one in flight, the same bytes until an answer comes, while a long poll waits for
//! signals. Whatever casts doubt on where a lane stands ends the session, and the next hello decides. Rows are read
//! from the log: there is no other outbox, and a process that dies here has nothing to remember.
//!
//! Idle costs nothing: a lane that has sent all waits for the [`Bell`].

mod backoff;
mod batch;
mod downlink;
mod lane;
mod session;
mod standing;
mod status;
mod turns;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use tidegate_log::Reader;
use tidegate_model::id::{BootId, DeviceId, Epoch};
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::signal::{DownlinkSignal, SignalSeq};
use tidegate_model::time::Stamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use status::{LaneStatus, Status};
pub use wire::InvalidUrl;

/// How to reach the bridge, and how patient to be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `http://host:port`, and whatever stands before `/v1` there.
    pub url: String,
    /// Who this is.
    pub device: DeviceId,
    /// The boot this process runs in.
    pub boot: BootId,
    /// The agent's version, for people at the bridge.
    pub agent_version: String,
    /// Where jitter comes from; any number, another one in each process.
    pub seed: u64,
    /// How long to wait for what.
    pub patience: Patience,
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the whole of a hello or of a batch and its answer. A batch at 9,600 baud takes longer; at 10 kB/s it does not.
    pub exchange: Duration,
    /// For signals, when there are none: the bridge is asked to hold the poll this long.
    pub poll: Duration,
    /// Longest wait after the first failure; doubled with each further one. The wait is drawn from zero to it.
    pub backoff_min: Duration,
    /// Longest wait after any failure.
    pub backoff_max: Duration,
    /// A lane waits at most this long for more urgent ones, then it sends a batch whatever they do.
    pub turn: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            exchange: Duration::from_secs(60),
            poll: Duration::from_secs(25),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(300),
            turn: Duration::from_secs(10),
        }
    }
}

/// What the uplink asks of the gateway it works for.
pub trait Host: Send + Sync + 'static {
    /// The clocks as they stand.
    fn stamp(&self) -> Stamp;

    /// The bridge holds a lane up to here. It may be less than was said before: the bridge was put back.
    fn acked(&self, lane: Lane, item: u64, chain: Chain) -> impl Future<Output = Result<(), Stopped>> + Send;

    /// Records signals, and says, once that is durable, up to which number all are. With none it only says so.
    fn record(&self, signals: Vec<DownlinkSignal>)
    -> impl Future<Output = Result<SignalSeq, Stopped>> + Send;

    /// The bridge holds other items under this epoch. Opens another, and returns once the store's rows bear it.
    fn begin_epoch(&self) -> impl Future<Output = Result<Epoch, Stopped>> + Send;
}

/// The gateway has stopped; so does the uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway has stopped")]
pub struct Stopped;

/// Rung when rows with something to replicate are committed. Cheap to clone; exists before the uplink does, because
/// the commit loop does.
#[derive(Debug, Clone)]
pub struct Bell(Arc<watch::Sender<()>>);

impl Default for Bell {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(())))
    }
}

impl Bell {
    /// Wakes the lanes. Never blocks.
    pub fn ring(&self) {
        self.0.send_replace(());
    }
}

/// A running uplink. Dropping it stops it.
#[derive(Debug)]
pub struct Uplink {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    monitor: Monitor,
}

/// Shows how an uplink does. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Monitor {
    board: Arc<status::Board>,
    reader: Reader,
}

impl Monitor {
    /// How it does.
    #[must_use]
    pub fn status(&self) -> Status {
        self.board.status(&self.reader)
    }
}

/// Starts the conversation, on the runtime it is called in.
///
/// # Errors
/// [`InvalidUrl`] when the bridge's address is not one.
pub fn start<H: Host>(
    settings: Settings,
    reader: Reader,
    host: H,
    bell: &Bell,
) -> Result<Uplink, InvalidUrl> {
    let wire = wire::Wire::new(&settings)?;
    let board = Arc::new(status::Board::new(&settings.url));
    let (stop, mut stopping) = watch::channel(false);
    let monitor = Monitor { board: Arc::clone(&board), reader: reader.clone() };
    let bell = bell.clone();
    let conversation = session::converse(session::Parts { settings, wire, reader, host, bell, board });
    let task = tokio::spawn(async move {
        tokio::select! {
            // Whatever is in flight may be cut off anywhere: it was not acknowledged, and will be sent again.
            _ = stopping.wait_for(|stop| *stop) => {}
            Stopped = conversation => {}
        }
    });
    Ok(Uplink { stop, task, monitor })
}

impl Uplink {
    /// Something that shows how it does.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// How it does.
    #[must_use]
    pub fn status(&self) -> Status {
        self.monitor.status()
    }

    /// Ends the conversation, at once.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}
