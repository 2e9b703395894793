//! The sensor on a laptop: the same two tasks, with simulated or recorded measurements and a real MQTT connection.
//!
//! One source is one station with a connection of its own, as it would be on a ward. All of them run on one thread.

mod command;
mod link;
mod pace;
mod simulated;
mod recorded;

use std::format;
use std::path::PathBuf;
use std::rc::Rc;
use std::str::FromStr;
use std::string::String;
use std::time::{Duration, SystemTime};
use std::vec::Vec;

use anyhow::{Context, ensure};
use embassy_futures::join::join;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::channel::Channel as TaskChannel;
use serde::Serialize;
use tidegate_model::id::{Channel, DeviceId, SourceId};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::deadband::Deadband;
use crate::outbox::Bounds;
use crate::station::{Counts, Name, Point, Reached, Station};
use crate::tasks::{self, Driver, Feed};
pub use command::main;
use link::{BrokerLink, Tally};
use pace::Pace;
use recorded::Recording;
use simulated::Simulated;

/// Samples between the measuring and the publishing task.
const FEED_SAMPLES_MAX: usize = 64;

/// What the host sensor can be told.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "host_sensor",
    about = "A sensor on your laptop: simulated vitals or a recording, over MQTT at QoS 1"
)]
pub struct Options {
    /// Where the broker listens
    #[arg(long, default_value = "127.0.0.1:1883", value_name = "HOST:PORT")]
    pub broker: BrokerAddress,
    /// The gateway the readings are meant for
    #[arg(long, default_value = "gw-1")]
    pub device: DeviceId,
    /// A simulated source; may be given several times
    #[arg(long = "source", default_value = "ward/bed-1", value_name = "SOURCE", conflicts_with = "data")]
    pub sources: Vec<SourceId>,
    /// A simulated channel; may be given several times. HR, SpO2 and temperature follow a patient, others a sine
    #[arg(long = "channel", default_values = ["HR", "SpO2", "temperature"], value_name = "CHANNEL")]
    pub channels: Vec<Channel>,
    /// Readings each source takes in a second, its channels in turn
    #[arg(long, default_value_t = 3.0, value_name = "N")]
    pub rate: f64,
    /// Stop after so many readings of each source; without it, go on until interrupted
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Replay a recording (a .jsonl file, or all of them in a folder) instead of simulating
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// How much faster than the clock the sensor's own time runs
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    pub speed: f64,
    /// Send a measurement only when it differs by more than this from the one sent last
    #[arg(long, value_name = "WIDTH")]
    pub deadband: Option<f64>,
    /// What a reading looks like on the wire
    #[arg(long, value_enum, default_value = "json")]
    pub form: Form,
    /// Whose acknowledgement lets a reading go
    #[arg(long, value_enum, default_value = "gateway")]
    pub until: Until,
    /// Which start of the sensor this is; by default the milliseconds since 1970
    #[arg(long)]
    pub session: Option<u64>,
    /// Readings of each channel kept for want of an acknowledgement
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub kept_max: usize,
    /// Readings of each channel sent and not yet acknowledged
    #[arg(long, default_value_t = 256, value_name = "N")]
    pub window_max: usize,
    /// Wait so long for the last acknowledgements before giving up
    #[arg(long, default_value_t = 30.0, value_name = "SECONDS")]
    pub drain: f64,
    /// Seed of the simulated noise
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print the report as one line of JSON
    #[arg(long)]
    pub json: bool,
    /// Print a report every second, too
    #[arg(long)]
    pub progress: bool,
}

/// Where a broker listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddress {
    /// Name or address of its machine.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl FromStr for BrokerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.rsplit_once(':')
            .and_then(|(host, port)| Some(Self { host: String::from(host), port: port.parse().ok()? }))
            .filter(|address| !address.host.is_empty())
            .ok_or_else(|| String::from("a host and a port are needed, as in 127.0.0.1:1883"))
    }
}

/// What a reading looks like on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Tidegate's topic and payload, as JSON
    Json,
    /// Tidegate's topic and payload, as CBOR
    Cbor,
    /// Anybody's sensor: topic SOURCE/CHANNEL, JSON with time, value, unit, session and seq
    Plain,
}

/// Whose acknowledgement lets a reading go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Until {
    /// The gateway's: it is on its disk
    Gateway,
    /// The broker's PUBACK
    Broker,
}

/// What the sensors did. The last line of `--json` is one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether the run is over.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Messages handed to the broker's connection, repetitions included.
    pub published: u64,
    /// PUBACKs received.
    pub pubacks: u64,
    /// Why there is no connection, while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Readings known to be where `--until` wants them. Known at the end.
    pub acknowledged: u64,
    /// Readings sent at least once: for each channel, the numbers from 1 to its `through`. Known at the end.
    pub sent: u64,
    /// Sendings after the first. Known at the end.
    pub resent: u64,
    /// Readings never acknowledged. Known at the end.
    pub kept: u64,
    /// Samples that gave way to later ones, unsent. Known at the end.
    pub dropped: u64,
    /// What was sent, channel by channel. Known at the end.
    pub channels: Vec<Sent>,
}

/// The readings of one channel: those numbered 1 to `through` in `session`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// The source.
    pub source: SourceId,
    /// The channel.
    pub channel: Channel,
    /// The session.
    pub session: u64,
    /// The last number sent.
    pub through: u64,
    /// The last number acknowledged; all before it are, too.
    pub acknowledged: u64,
}

/// Runs all sources until their readings are taken and acknowledged, or until `stop` says true.
///
/// `progress` is called about once a second. The report says how far it came; readings that are still `kept` were not
/// acknowledged within `--drain`.
///
/// # Errors
/// When a recording cannot be read or an option makes no sense. A broker that is away is not an error: it is waited
/// for.
pub async fn run(
    options: &Options,
    stop: watch::Receiver<bool>,
    mut progress: impl FnMut(&Report),
) -> anyhow::Result<Report> {
    let session = options.session.unwrap_or_else(milliseconds_since_1970);
    let tally = Rc::new(Tally::default());
    let stations = wire(options, session, &stop)?;
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let mut running = JoinSet::new();
            for (station, driver) in stations {
                running.spawn_local(attend(options.clone(), station, driver, Rc::clone(&tally)));
            }
            let mut every_second = tokio::time::interval(Duration::from_secs(1));
            let mut report = Report::so_far(&tally);
            loop {
                tokio::select! {
                    ended = running.join_next() => match ended {
                        Some(station) => report.add(&station.context("a station's task panicked")?),
                        None => break,
                    },
                    _ = every_second.tick() => progress(&Report::so_far(&tally)),
                }
            }
            Ok(report.finish(&tally))
        })
        .await
}

/// Something that measures for the host: simulated or recorded.
enum Measures {
    Simulated(Simulated),
    Recorded(Recording),
}

impl Driver for Measures {
    async fn next(&mut self) -> Option<(Duration, crate::station::Sample)> {
        match self {
            Self::Simulated(driver) => driver.next().await,
            Self::Recorded(driver) => driver.next().await,
        }
    }
}

fn wire(
    options: &Options,
    session: u64,
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<Vec<(Station, Measures)>> {
    ensure!(
        options.rate > 0.0 && options.rate.is_finite(),
        "--rate must be more than 0, not {}",
        options.rate
    );
    ensure!(
        options.speed > 0.0 && options.speed.is_finite(),
        "--speed must be more than 0, not {}",
        options.speed
    );
    ensure!(
        options.window_max < options.kept_max,
        "--kept-max ({}) must be more than --window-max ({})",
        options.kept_max,
        options.window_max
    );
    let bounds = Bounds { kept_max: options.kept_max, window_max: options.window_max, ..Bounds::default() };
    let station = |source: SourceId, points: Vec<Point>| {
        Station::new(Name { device: options.device.clone(), source, session }, points, bounds)
    };
    let pace = Pace::new(stop.clone(), options.count);
    let Some(path) = &options.data else {
        return Ok(options
            .sources
            .iter()
            .zip(0..)
            .map(|(source, nth)| {
                let points = simulated::points(&options.channels);
                let driver =
                    Simulated::new(&points, options.rate, options.speed, options.seed + nth, pace.clone());
                (station(source.clone(), points), Measures::Simulated(driver))
            })
            .collect());
    };
    let recordings = recorded::open(path, options.speed, &pace)?;
    ensure!(!recordings.is_empty(), "{} holds no recorded message", path.display());
    Ok(recordings
        .into_iter()
        .map(|(source, points, recording)| (station(source, points), Measures::Recorded(recording)))
        .collect())
}

/// Runs one station to its end.
async fn attend(options: Options, mut station: Station, mut driver: Measures, tally: Rc<Tally>) -> Station {
    let feed = TaskChannel::<NoopRawMutex, Feed, FEED_SAMPLES_MAX>::new();
    let mut link = BrokerLink::open(&options, &station, tally);
    let points = station.reached().count();
    let mut deadbands: Vec<Deadband> = (0..points)
        .map(|_| options.deadband.map_or_else(Deadband::open, |width| Deadband::new(width, Duration::MAX)))
        .collect();
    let drain = Duration::try_from_secs_f64(options.drain).unwrap_or(Duration::MAX);
    let (measured, mut all_measured) = watch::channel(false);
    let sampling = async {
        tasks::sampling(&mut driver, &mut deadbands, feed.sender()).await;
        measured.send_replace(true);
    };
    let give_up = async {
        all_measured.wait_for(|&done| done).await.expect("its sender lives in the future beside it");
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        ((), ()) = join(sampling, tasks::publishing(&mut station, feed.receiver(), &mut link)) => {}
        () = give_up => {}
    }
    link.close().await;
    station
}

impl Report {
    fn so_far(tally: &Tally) -> Self {
        Self {
            is_final: false,
            published: tally.published.get(),
            pubacks: tally.pubacks.get(),
            trouble: tally.trouble.borrow().clone(),
            acknowledged: 0,
            sent: 0,
            resent: 0,
            kept: 0,
            dropped: 0,
            channels: Vec::new(),
        }
    }

    fn add(&mut self, station: &Station) {
        let Counts { sent, resent, acknowledged, kept, dropped } = station.counts();
        self.sent += sent;
        self.resent += resent;
        self.acknowledged += acknowledged;
        self.kept += kept;
        self.dropped += dropped;
        let Name { source, session, device: _ } = station.name();
        self.channels.extend(station.reached().map(|Reached { channel, sent, acknowledged }| Sent {
            source: source.clone(),
            channel: channel.clone(),
            session: *session,
            through: sent,
            acknowledged,
        }));
    }

    fn finish(self, tally: &Tally) -> Self {
        let Self { acknowledged, sent, resent, kept, dropped, channels, .. } = self;
        Self { is_final: true, acknowledged, sent, resent, kept, dropped, channels, ..Self::so_far(tally) }
    }

    /// Whether every reading taken is known to have arrived.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.kept == 0 && self.dropped == 0
    }

    /// The report in one line, for a program.
    ///
    /// # Panics
    /// Never: it holds numbers and texts.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts are JSON")
    }

    /// The report in one line, for a person.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("published {}, PUBACKs {}", self.published, self.pubacks);
        if self.is_final {
            text += &format!(
                "; readings {}, sent again {}, acknowledged {}, unacknowledged {}, dropped {}",
                self.sent, self.resent, self.acknowledged, self.kept, self.dropped
            );
        }
        if let Some(trouble) = &self.trouble {
            text += &format!("; no broker: {trouble}");
        }
        text
    }
}

#[expect(clippy::disallowed_methods, reason = "the laptop's clock stands in for a boot counter in an EEPROM")]
fn milliseconds_since_1970() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
