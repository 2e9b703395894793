//! A bridge in memory: the obviously right half of the conversation, and every wrong one on demand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_model::chance::Chance;
use tidegate_model::codec::{self, FLAG_ZSTD, Kind};
use tidegate_model::id::Epoch;
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::limits::WIRE_BYTES_MAX;
use tidegate_model::replication::{
    Batch, BatchReply, Downlink, EpochState, Hello, HelloReply, LaneAck, Refusal,
};
use tidegate_model::signal::DownlinkSignal;
use tokio::sync::watch;

use crate::checker::{Ledger, Taken, check_lane};
use crate::device::{Device, WAIT_MAX};
use crate::http::{Action, Answer, Intake, Request, Server};

/// What goes wrong with a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is applied, and the connection closes.
    LostReply,
    /// It is applied, and half of the answer arrives.
    TruncatedReply,
    /// It is applied, and the answer is noise.
    GarbledReply,
    /// It is applied twice: the network repeated it.
    Repeated,
    /// It is acknowledged, and not kept. For a bridge that does not look.
    Skipped,
    /// It is applied, and the answer is of an earlier one.
    StaleReply,
    /// An answer of something in front of the bridge, without an envelope.
    Bare(u16, Option<u64>),
    /// An answer of the bridge.
    Refused(Refusal),
    /// It is applied, and the lane is asked to wait.
    Paused(u64),
}

/// A bridge. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Bridge {
    inner: Arc<Mutex<Inner>>,
    moved: watch::Sender<u64>,
}

/// A batch as it came.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) lane: Lane,
    pub(crate) body: Vec<u8>,
    pub(crate) batch: Batch,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    ack: u64,
    chain: Chain,
}

impl Held {
    const NOTHING: Self = Self { ack: 0, chain: Chain::START };

    fn ack(self, lane: Lane) -> LaneAck {
        LaneAck { lane, ack: self.ack, chain: self.chain }
    }
}

type Plan = Box<dyn FnMut(&Arrived) -> Option<Fault> + Send>;

struct Inner {
    lanes: BTreeMap<(Epoch, Lane), Held>,
    epochs: Vec<Epoch>,
    parked: Vec<Epoch>,
    ledger: Ledger,
    hellos: Vec<Hello>,
    arrived: Vec<Arrived>,
    /// Faults before a batch is read, one for each request.
    intake: Box<dyn FnMut(&str) -> Intake + Send>,
    plan: Plan,
    /// Takes batches without looking at their chain or their place: a bridge that is wrong itself.
    trusting: bool,
    /// Batches of this lane are answered when [`Bridge::release`] is called.
    held_back: Option<Lane>,
    signals: Vec<DownlinkSignal>,
    polls: Vec<u64>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("lanes", &self.lanes).finish_non_exhaustive()
    }
}

impl Bridge {
    pub(crate) async fn start() -> (Self, Server) {
        let inner = Inner {
            lanes: BTreeMap::new(),
            epochs: Vec::new(),
            parked: Vec::new(),
            ledger: Ledger::new(),
            hellos: Vec::new(),
            arrived: Vec::new(),
            intake: Box::new(|_| Intake::All),
            plan: Box::new(|_| None),
            trusting: false,
            held_back: None,
            signals: Vec::new(),
            polls: Vec::new(),
        };
        let bridge = Self { inner: Arc::new(Mutex::new(inner)), moved: watch::Sender::new(0) };
        let server = Server::start(Arc::new(bridge.clone())).await;
        (bridge, server)
    }

    /// What goes wrong from here on, batch by batch.
    pub(crate) fn plan(&self, plan: impl FnMut(&Arrived) -> Option<Fault> + Send + 'static) {
        self.inner().plan = Box::new(plan);
    }

    /// What goes wrong with requests to paths before they are read.
    pub(crate) fn plan_intake(&self, intake: impl FnMut(&str) -> Intake + Send + 'static) {
        self.inner().intake = Box::new(intake);
    }

    /// Stops looking at what it takes.
    pub(crate) fn trust(&self) {
        self.inner().trusting = true;
    }

    /// Answers no batch of a lane until it is released.
    pub(crate) fn hold_back(&self, lane: Lane) {
        self.inner().held_back = Some(lane);
    }

    pub(crate) fn release(&self) {
        self.inner().held_back = None;
        self.moved();
    }

    /// The bridge is put back to a copy in which a lane stood at the end of an earlier record; what it took since is
    /// gone. It no longer knows the session.
    pub(crate) fn put_back(&self, lane: Lane, records: usize) {
        let mut inner = self.inner();
        let Some(epoch) = inner.epochs.last().copied() else { return };
        let taken = inner.ledger.entry((epoch, lane)).or_default();
        taken.truncate(records);
        let held = match taken.last() {
            None => Held::NOTHING,
            Some(Taken::Record { first, items, chain, .. }) => {
                Held { ack: first + u64::from(*items) - 1, chain: *chain }
            }
            Some(Taken::Gap { gap, chain }) => Held { ack: gap.to, chain: *chain },
        };
        inner.lanes.insert((epoch, lane), held);
    }

    /// Says that a lane stands where the device never was.
    pub(crate) fn pretend(&self, epoch: Epoch, lane: Lane, ack: u64, chain: Chain) {
        let mut inner = self.inner();
        inner.epochs.push(epoch);
        inner.lanes.insert((epoch, lane), Held { ack, chain });
    }

    /// Takes no more under the latest epoch.
    pub(crate) fn park(&self) {
        let mut inner = self.inner();
        let epoch = *inner.epochs.last().expect("there was a hello");
        inner.parked.push(epoch);
    }

    pub(crate) fn issue(&self, signal: DownlinkSignal) {
        self.inner().signals.push(signal);
        self.moved();
    }

    /// Waits until a lane is held up to an item, under the latest epoch.
    pub(crate) async fn holds(&self, lane: Lane, item: u64) {
        self.until(|bridge| bridge.ack(lane) == item).await;
    }

    /// Waits until everything the device wrote is held.
    pub(crate) async fn holds_all(&self, device: &Device) {
        self.until(|bridge| Lane::ALL.iter().all(|lane| bridge.ack(*lane) == device.last(*lane))).await;
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, so: impl Fn(&Self) -> bool) {
        let mut moved = self.moved.subscribe();
        let wait = async {
            while !so(self) {
                moved.changed().await.expect("the bridge holds the other end");
            }
        };
        if tokio::time::timeout(WAIT_MAX, wait).await.is_err() {
            panic!("it did not happen: {:?}", self.inner());
        }
    }

    /// What is held of a lane under the latest epoch.
    pub(crate) fn ack(&self, lane: Lane) -> u64 {
        let inner = self.inner();
        let epoch = inner.epochs.last().copied();
        epoch.and_then(|epoch| inner.lanes.get(&(epoch, lane))).map_or(0, |held| held.ack)
    }

    pub(crate) fn hellos(&self) -> Vec<Hello> {
        self.inner().hellos.clone()
    }

    /// Batches of a lane, in the order in which they came, those that went wrong too.
    pub(crate) fn arrived(&self, lane: Lane) -> Vec<Arrived> {
        self.inner().arrived.iter().filter(|arrived| arrived.lane == lane).cloned().collect()
    }

    /// Cursors that polls came with.
    pub(crate) fn polls(&self) -> Vec<u64> {
        self.inner().polls.clone()
    }

    pub(crate) fn gaps(&self, lane: Lane) -> Vec<tidegate_model::replication::Gap> {
        let inner = self.inner();
        let epoch = *inner.epochs.last().expect("there was a hello");
        let taken = inner.ledger.get(&(epoch, lane)).into_iter().flatten();
        let gap = |taken: &Taken| match taken {
            Taken::Gap { gap, .. } => Some(gap.clone()),
            Taken::Record { .. } => None,
        };
        taken.filter_map(gap).collect()
    }

    /// The exactly-once check of everything taken under the latest epoch.
    pub(crate) fn check(&self, device: &Device) -> Result<(), String> {
        let inner = self.inner();
        let epoch = *inner.epochs.last().expect("there was a hello");
        for lane in Lane::ALL {
            let taken = inner.ledger.get(&(epoch, lane)).map_or(&[][..], Vec::as_slice);
            check_lane(&device.written(lane), taken).map_err(|wrong| format!("{}: {wrong}", lane.name()))?;
        }
        Ok(())
    }

    fn moved(&self) {
        self.moved.send_modify(|moves| *moves += 1);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn batch(&self, epoch: Epoch, lane: Lane, body: Vec<u8>) -> Action {
        let batch = open(&body);
        let arrived = Arrived { lane, body, batch };
        let fault = {
            let mut inner = self.inner();
            inner.arrived.push(arrived.clone());
            (inner.plan)(&arrived)
        };
        self.moved();
        let batch = arrived.batch;
        self.until_released(lane).await;
        let stale = self.inner().held(epoch, lane).ack(lane);
        let mut pause_ms = 0;
        match &fault {
            Some(Fault::Bare(status, retry_after)) => {
                return Action::Reply { status: *status, retry_after: *retry_after, body: Vec::new() };
            }
            Some(Fault::Refused(refusal)) => return refuse(refusal),
            Some(Fault::Paused(millis)) => pause_ms = *millis,
            Some(Fault::Repeated) => drop(self.inner().take(epoch, lane, &batch)),
            Some(
                Fault::LostReply
                | Fault::TruncatedReply
                | Fault::GarbledReply
                | Fault::StaleReply
                | Fault::Skipped,
            )
            | None => {}
        }
        let taken = {
            let mut inner = self.inner();
            let before = inner.ledger.get(&(epoch, lane)).map_or(0, Vec::len);
            let taken = inner.take(epoch, lane, &batch);
            if fault == Some(Fault::Skipped) {
                inner.ledger.entry((epoch, lane)).or_default().truncate(before);
            }
            taken
        };
        self.moved();
        let ack = match taken {
            Ok(()) if fault == Some(Fault::StaleReply) => stale,
            Ok(()) => self.inner().held(epoch, lane).ack(lane),
            Err(refusal) => return refuse(&refusal),
        };
        let reply = BatchReply { ack, pause_ms, dead_lettered: Vec::new(), downlink_pending: false };
        let body = codec::encode(Kind::BatchReply, &reply);
        match fault {
            Some(Fault::LostReply) => Action::Close,
            Some(Fault::TruncatedReply) => Action::Truncate(body),
            Some(Fault::GarbledReply) => {
                let mut chance = Chance::new(ack.ack);
                let noise = (0..8).flat_map(|_| chance.next_u64().to_be_bytes()).collect();
                Action::Reply { status: 200, retry_after: None, body: noise }
            }
            Some(
                Fault::Repeated
                | Fault::Skipped
                | Fault::StaleReply
                | Fault::Bare(..)
                | Fault::Refused(_)
                | Fault::Paused(_),
            )
            | None => Action::Reply { status: 200, retry_after: None, body },
        }
    }

    async fn until_released(&self, lane: Lane) {
        let mut moved = self.moved.subscribe();
        while self.inner().held_back == Some(lane) {
            moved.changed().await.expect("the bridge holds the other end");
        }
    }

    async fn poll(&self, after: u64) -> Action {
        self.inner().polls.push(after);
        self.moved();
        let mut moved = self.moved.subscribe();
        loop {
            let signals: Vec<_> =
                self.inner().signals.iter().filter(|signal| signal.seq > after).cloned().collect();
            if !signals.is_empty() {
                let body = codec::encode(Kind::Downlink, &Downlink { signals });
                return Action::Reply { status: 200, retry_after: None, body };
            }
            moved.changed().await.expect("the bridge holds the other end");
        }
    }
}

impl Inner {
    fn held(&self, epoch: Epoch, lane: Lane) -> Held {
        self.lanes.get(&(epoch, lane)).copied().unwrap_or(Held::NOTHING)
    }

    fn hello(&mut self, hello: Hello) -> HelloReply {
        let epoch = hello.epoch;
        let known = self.epochs.contains(&epoch);
        let less = hello.lanes.iter().any(|offer| offer.last < self.held(epoch, offer.lane).ack);
        self.hellos.push(hello);
        if !known {
            self.epochs.push(epoch);
        }
        let lanes = Lane::ALL.map(|lane| self.held(epoch, lane).ack(lane)).to_vec();
        let epoch_state = match known {
            false => EpochState::New,
            true if less || self.parked.contains(&epoch) => EpochState::Diverged,
            true => EpochState::Current,
        };
        HelloReply { lanes, epoch_state, downlink_pending: false }
    }

    /// Takes what continues the lane, once.
    fn take(&mut self, epoch: Epoch, lane: Lane, batch: &Batch) -> Result<(), Refusal> {
        if self.epochs.last() != Some(&epoch) || self.parked.contains(&epoch) {
            return Err(Refusal::UnknownEpoch);
        }
        let held = self.held(epoch, lane);
        let expected = held.ack(lane);
        let begins = batch.gap.as_ref().map_or(batch.first, |gap| gap.from);
        if begins > held.ack + 1 && !self.trusting {
            return Err(Refusal::OutOfOrder { expected });
        }
        let mut now = held;
        let mut taken = Vec::new();
        if let Some(gap) = &batch.gap
            && gap.to > held.ack
        {
            assert_eq!((gap.from, gap.to), (held.ack + 1, batch.first - 1), "a gap covers what is missing");
            now = Held { ack: gap.to, chain: batch.chain_before };
            taken.push(Taken::Gap { gap: gap.clone(), chain: now.chain });
        }
        let mut at = batch.first - 1;
        let mut chain = batch.chain_before;
        for record in &batch.records {
            if at == now.ack && chain != now.chain && !self.trusting {
                return Err(Refusal::BrokenChain { expected });
            }
            let first = at + 1;
            at += u64::from(record.items);
            chain = chain.after(record.items, &record.bytes);
            if first > now.ack || self.trusting {
                assert!(self.trusting || first == now.ack + 1, "a record begins inside another");
                now = Held { ack: at, chain };
                taken.push(Taken::Record { first, items: record.items, bytes: record.bytes.to_vec(), chain });
            }
        }
        assert_eq!(chain, batch.chain_after, "the chain follows from the records");
        self.lanes.insert((epoch, lane), now);
        self.ledger.entry((epoch, lane)).or_default().extend(taken);
        Ok(())
    }
}

impl Answer for Bridge {
    fn intake(&self, path: &str) -> Intake {
        (self.inner().intake)(path)
    }

    async fn answer(&self, request: Request) -> Action {
        let path = request.path.strip_prefix("/v1/devices/gw-1/").expect("a path of the conversation");
        if path == "hello" {
            let hello = codec::decode(Kind::Hello, &request.body, WIRE_BYTES_MAX).expect("a hello");
            let reply = self.inner().hello(hello);
            self.moved();
            let body = codec::encode(Kind::HelloReply, &reply);
            return Action::Reply { status: 200, retry_after: None, body };
        }
        if let Some(query) = path.strip_prefix("downlink?after=") {
            let (after, wait) = query.split_once("&wait=").expect("how long to wait");
            assert!(wait.parse::<u64>().is_ok());
            return self.poll(after.parse().expect("a number")).await;
        }
        let (epoch, lane) = path
            .strip_prefix("epochs/")
            .and_then(|rest| rest.split_once("/lanes/"))
            .expect("a path of the conversation");
        let lane = Lane::try_from(lane.parse::<u8>().expect("a number")).expect("a lane");
        self.batch(epoch.parse().expect("an epoch"), lane, request.body).await
    }
}

fn open(body: &[u8]) -> Batch {
    let (flags, packed) = codec::open(Kind::Batch, body, WIRE_BYTES_MAX).expect("an envelope");
    let plain = match flags {
        FLAG_ZSTD => zstd::bulk::decompress(packed, WIRE_BYTES_MAX).expect("a zstd frame"),
        _ => packed.to_vec(),
    };
    codec::from_cbor(&plain).expect("a batch")
}

fn refuse(refusal: &Refusal) -> Action {
    let status = match refusal {
        Refusal::OutOfOrder { .. } | Refusal::UnknownEpoch | Refusal::Stale => 409,
        Refusal::BrokenChain { .. } => 422,
        Refusal::TooLarge { .. } => 413,
        Refusal::Busy { .. } => 429,
        Refusal::Malformed { .. } => 400,
    };
    Action::Reply { status, retry_after: None, body: codec::encode(Kind::Refusal, refusal) }
}
