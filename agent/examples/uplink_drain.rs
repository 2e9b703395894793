//! How fast a backlog drains: the uplink, from a store on disk to a bridge that keeps nothing, against a bare pipe
//! (CBOR, zstd, HTTP on one connection) that has the same records in memory. Both in one run, several rounds, with the
//! processor time of each, bridge included: that is what a busy machine leaves comparable.
//!
//! `cargo run --release -p tidegate --example uplink_drain [-- rounds]`
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
#![expect(clippy::print_stdout, reason = "a measurement prints what it found")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::routing::{get, post};
use serde_bytes::ByteBuf;
use tidegate::uplink::{self, Bell, Host, Patience, Settings, Stopped};
use tidegate_log::{Append, Core, CorruptRecord, Deadline, Machine, Options, Record, Store, Turn};
use tidegate_model::codec::{self, FLAG_ZSTD, Kind};
use tidegate_model::id::{BootId, Channel, DeviceId, Epoch, SourceId};
use tidegate_model::lane::{Chain, Lane, LaneRecord};
use tidegate_model::limits::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, WIRE_BYTES_MAX};
use tidegate_model::reading::{Identity, Quality, Reading, ReadingBlock, SourceStamp, Value};
use tidegate_model::replication::{Batch, BatchRecord, BatchReply, EpochState, HelloReply, LaneAck};
use tidegate_model::signal::{DownlinkSignal, SignalSeq};
use tidegate_model::time::{ClockState, Stamp, Timestamp};
use tokio::sync::watch;

/// Readings of the backlog.
const READINGS: u64 = 600_000;

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let rounds: u32 = std::env::args().nth(1).map_or(Ok(5), |rounds| rounds.parse()).context("rounds")?;
    for block in [1, 10, 100] {
        let records: Vec<(u32, Vec<u8>)> = blocks(block).collect();
        let bytes: usize = records.iter().map(|(_, bytes)| bytes.len()).sum();
        println!("{block} readings to a record, {} bytes to a reading", bytes as u64 / READINGS);
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            let bare = bare(&records).await?;
            let drained = drained(&records).await?;
            ratios.push((drained.per_second / bare.per_second, bare.cpu_ns / drained.cpu_ns));
            println!("  uplink {drained}   bare pipe {bare}");
        }
        let median = |of: fn(&(f64, f64)) -> f64| {
            let mut ratios: Vec<f64> = ratios.iter().map(of).collect();
            ratios.sort_by(f64::total_cmp);
            ratios[ratios.len() / 2]
        };
        println!("  median ratio: speed {:.2}, processor {:.2}", median(|r| r.0), median(|r| r.1));
    }
    Ok(())
}

/// What moving the backlog took.
struct Measured {
    per_second: f64,
    cpu_ns: f64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>9.0}/s {:>5.0} ns", self.per_second, self.cpu_ns)
    }
}

/// Both clocks at the start.
struct Watch {
    start: Instant,
    cpu: Duration,
}

impl Watch {
    fn start() -> Self {
        Self { start: Instant::now(), cpu: process_time() }
    }

    fn stop(&self) -> Measured {
        let count = READINGS as f64;
        let cpu = process_time() - self.cpu;
        Measured {
            per_second: count / self.start.elapsed().as_secs_f64(),
            cpu_ns: cpu.as_secs_f64() * 1e9 / count,
        }
    }
}

fn process_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("a process has taken no negative time")
}

/// The backlog, in records of so many readings.
fn blocks(readings: u64) -> impl Iterator<Item = (u32, Vec<u8>)> {
    (0..READINGS / readings).map(move |block| {
        let first = block * readings + 1;
        let reading = |number: u64| Reading {
            source: SourceId::new(format!("ward/bed-{}", number % 24)).expect("topic levels"),
            channel: Channel::new("HR").expect("a topic level"),
            #[expect(clippy::cast_precision_loss, reason = "a plausible pulse")]
            value: Value::Number(60.0 + (number % 173) as f64 / 4.0),
            unit: "/min".to_owned(),
            source_stamp: Some(SourceStamp::Int(1_800_000_000_000 + i64::try_from(number).expect("small"))),
            identity: Some(Identity { session: 1, seq: number }),
            received_ns: -i64::try_from(number % 1_000_000).expect("small"),
            quality: Quality::Good,
        };
        let readings = (first..first + readings).map(reading).collect();
        let record = LaneRecord::Readings(ReadingBlock { first, stamp: stamp(), readings });
        (record.items(), codec::to_cbor(&record))
    })
}

/// Readings per second of the uplink, from a store that holds them all to the last acknowledgement.
async fn drained(records: &[(u32, Vec<u8>)]) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir()?;
    let options = Options {
        cache_bytes: 4 * 1024 * 1024,
        preallocate_bytes: 16 * 1024 * 1024,
        new_epoch: Epoch::from_u128(1),
    };
    let (store, _) = Store::open(&folder.path().join("drain.redb"), &options, &mut Plain)?;
    let mut core = Core::new(store, Plain, 1);
    let mut inputs = records.iter().cloned().peekable();
    while inputs.peek().is_some() {
        core.turn(stamp(), &mut inputs)?;
    }
    let (url, held) = null_bridge().await?;
    let settings = Settings {
        url,
        device: DeviceId::new("gw-1").expect("a plain name"),
        boot: BootId::from_u128(1),
        agent_version: "0.0.0".to_owned(),
        seed: 1,
        patience: Patience::default(),
    };
    let watch = Watch::start();
    let uplink = uplink::start(settings, core.reader(), Nobody, &Bell::default())?;
    held.subscribe().wait_for(|held| *held == READINGS).await?;
    let measured = watch.stop();
    uplink.stop().await;
    Ok(measured)
}

/// Readings per second of the same work without a store, a session, a chain or a lane: one connection, one batch
/// after the other.
async fn bare(records: &[(u32, Vec<u8>)]) -> anyhow::Result<Measured> {
    let (url, _held) = null_bridge().await?;
    let url = format!("{url}/v1/devices/gw-1/epochs/{}/lanes/2", Epoch::from_u128(1));
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut zstd = zstd::bulk::Compressor::new(1)?;
    let mut records = records.iter().peekable();
    let mut first = 1;
    let watch = Watch::start();
    while records.peek().is_some() {
        let mut batch = Batch {
            first,
            chain_before: Chain::START,
            gap: None,
            records: Vec::new(),
            chain_after: Chain::START,
            sent: stamp(),
        };
        let mut bytes = 0;
        while let Some((items, record)) = records
            .next_if(|(_, r)| batch.records.len() < BATCH_RECORDS_MAX && bytes + r.len() <= BATCH_BYTES_MAX)
        {
            bytes += record.len();
            first += u64::from(*items);
            batch.records.push(BatchRecord { items: *items, bytes: ByteBuf::from(record.clone()) });
        }
        let sealed = codec::seal(Kind::Batch, FLAG_ZSTD, &zstd.compress(&codec::to_cbor(&batch))?);
        client.post(&url).body(sealed).send().await?.error_for_status()?.bytes().await?;
    }
    Ok(watch.stop())
}

/// A bridge that reads each batch and keeps only how far it came.
async fn null_bridge() -> anyhow::Result<(String, watch::Sender<u64>)> {
    let held = watch::Sender::new(0);
    let router = Router::new()
        .route("/v1/devices/{device}/hello", post(hello))
        .route("/v1/devices/{device}/epochs/{epoch}/lanes/{lane}", post(batch))
        .route("/v1/devices/{device}/downlink", get(std::future::pending::<()>))
        .layer(DefaultBodyLimit::max(WIRE_BYTES_MAX))
        .with_state(Arc::new(held.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((url, held))
}

async fn hello() -> Vec<u8> {
    let reply = HelloReply { lanes: Vec::new(), epoch_state: EpochState::New, downlink_pending: false };
    codec::encode(Kind::HelloReply, &reply)
}

async fn batch(
    State(held): State<Arc<watch::Sender<u64>>>,
    Path(_place): Path<(String, String, u8)>,
    body: Bytes,
) -> Vec<u8> {
    let (_, packed) = codec::open(Kind::Batch, &body, WIRE_BYTES_MAX).expect("an envelope");
    let plain = zstd::bulk::decompress(packed, WIRE_BYTES_MAX).expect("a zstd frame");
    let batch: Batch = codec::from_cbor(&plain).expect("a batch");
    let last = batch.first - 1 + batch.items();
    held.send_replace(last);
    let ack = LaneAck { lane: Lane::Samples, ack: last, chain: batch.chain_after };
    codec::encode(
        Kind::BatchReply,
        &BatchReply { ack, pause_ms: 0, dead_lettered: Vec::new(), downlink_pending: false },
    )
}

fn stamp() -> Stamp {
    Stamp {
        boot: BootId::from_u128(1),
        boottime_ns: 1,
        wall: Timestamp::from_micros(1_800_000_000_000_000),
        state: ClockState::Synchronised,
        error_us: Some(500),
    }
}

/// A machine that only appends.
#[derive(Debug)]
struct Plain;

impl Machine for Plain {
    type Input = (u32, Vec<u8>);
    type Effect = ();

    fn handle(&mut self, turn: &mut Turn<'_, ()>, (items, bytes): (u32, Vec<u8>)) {
        turn.append(&Append { lane: Some(Lane::Samples), items, key: None, bytes, at_leisure: false });
    }

    fn next_deadline(&self) -> Option<Deadline> {
        None
    }

    fn handle_deadline(&mut self, _turn: &mut Turn<'_, ()>) {}

    fn apply(&mut self, _record: &Record<'_>) -> Result<(), CorruptRecord> {
        Ok(())
    }

    fn snapshot(&self) -> Vec<u8> {
        Vec::new()
    }

    fn restore(&mut self, _snapshot: &[u8]) -> Result<(), CorruptRecord> {
        Ok(())
    }
}

/// A gateway that has nothing to remember.
#[derive(Debug)]
struct Nobody;

impl Host for Nobody {
    fn stamp(&self) -> Stamp {
        stamp()
    }

    async fn acked(&self, _lane: Lane, _item: u64, _chain: Chain) -> Result<(), Stopped> {
        Ok(())
    }

    async fn record(&self, _signals: Vec<DownlinkSignal>) -> Result<SignalSeq, Stopped> {
        Ok(0)
    }

    async fn begin_epoch(&self) -> Result<Epoch, Stopped> {
        Err(Stopped)
    }
}
