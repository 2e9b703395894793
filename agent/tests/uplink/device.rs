//! A device for tests: a real store with the link's records in it, and rows of whatever is to be replicated.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tidegate::link::{Decision, Link, LinkRecord};
use tidegate::uplink::{self, Bell, Host, Patience, Settings, Status, Stopped, Uplink};
use tidegate_log::{
    Append, Core, CorruptRecord, Deadline, Machine, Options, Reader, Record, Store, TrimPolicy, Turn, Upkeep,
};
use tidegate_model::chance::Chance;
use tidegate_model::codec;
use tidegate_model::id::{BootId, DeviceId, Epoch};
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::signal::{DownlinkSignal, SignalSeq};
use tidegate_model::time::{ClockState, Stamp, Timestamp};
use tokio::sync::watch;

/// Patient enough for a loaded machine, and over quickly.
pub(crate) const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(5),
    exchange: Duration::from_secs(20),
    poll: Duration::from_secs(5),
    backoff_min: Duration::from_millis(1),
    backoff_max: Duration::from_millis(20),
    turn: Duration::from_secs(10),
};

/// How long a test waits for what should happen, on a machine that is busy with other things.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);

/// Waits until the uplink's status shows something.
pub(crate) async fn shows(uplink: &Uplink, so: impl Fn(&Status) -> bool) {
    let wait = async {
        while !so(&uplink.status()) {
            tokio::task::yield_now().await;
        }
    };
    let shown = tokio::time::timeout(WAIT_MAX, wait).await;
    assert!(shown.is_ok(), "the status never showed it: {:?}", uplink.status());
}

/// A device. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    inner: Arc<Mutex<Inner>>,
    pub(crate) bell: Bell,
    told: watch::Sender<()>,
    _folder: Arc<TempDir>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    core: Option<Core<Gate>>,
    /// What was appended, per lane: items and bytes of each record.
    written: [Vec<(u32, Vec<u8>)>; Lane::ALL.len()],
    /// What the bridge was said to hold, as it was said.
    acked: Vec<(Lane, u64)>,
    /// Signals recorded, with what was made of them.
    signals: Vec<(SignalSeq, Decision)>,
    epochs: u128,
}

/// What can be asked of the machine.
#[derive(Debug)]
enum Input {
    Append(Lane, u32, Vec<u8>),
    Link(LinkRecord),
    BeginEpoch(Epoch),
}

/// The machine: the link, and a wish to trim.
#[derive(Debug, Default)]
struct Gate {
    link: Link,
    trim: bool,
}

impl Machine for Gate {
    type Input = Input;
    type Effect = ();

    fn handle(&mut self, turn: &mut Turn<'_, ()>, input: Input) {
        let local = |record: &LinkRecord| Append {
            lane: None,
            items: 0,
            key: None,
            bytes: codec::to_cbor(record),
            at_leisure: false,
        };
        match input {
            Input::Append(lane, items, bytes) => {
                turn.append(&Append { lane: Some(lane), items, key: None, bytes, at_leisure: false });
            }
            Input::Link(record) => {
                turn.append(&local(&record));
                self.link.apply(&record);
            }
            Input::BeginEpoch(epoch) => {
                turn.begin_epoch(epoch);
                turn.append(&local(&LinkRecord::EpochBegun));
                self.link.apply(&LinkRecord::EpochBegun);
            }
        }
    }

    fn next_deadline(&self) -> Option<Deadline> {
        None
    }

    fn handle_deadline(&mut self, _turn: &mut Turn<'_, ()>) {}

    fn apply(&mut self, record: &Record<'_>) -> Result<(), CorruptRecord> {
        if record.lane.is_none() {
            let record = codec::from_cbor(record.bytes).map_err(|error| CorruptRecord(error.to_string()))?;
            self.link.apply(&record);
        }
        Ok(())
    }

    fn snapshot(&self) -> Vec<u8> {
        codec::to_cbor(&self.link)
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), CorruptRecord> {
        self.link = codec::from_cbor(snapshot).map_err(|error| CorruptRecord(error.to_string()))?;
        Ok(())
    }

    fn trim(&self) -> Option<TrimPolicy> {
        let acked = Lane::ALL.map(|lane| self.link.acked(lane).0);
        self.trim.then_some(TrimPolicy { quota_bytes: 0, acked })
    }
}

impl Device {
    /// A device with an empty store.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let path = folder.path().join("device.redb");
        let inner = Inner {
            core: Some(open(&path, false)),
            path,
            written: Default::default(),
            acked: Vec::new(),
            signals: Vec::new(),
            epochs: 1,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            bell: Bell::default(),
            told: watch::Sender::new(()),
            _folder: Arc::new(folder),
        }
    }

    /// Commits `records` records of `items` items and about `bytes` bytes, a few to a row, and rings.
    pub(crate) fn write(&self, lane: Lane, records: usize, items: u32, bytes: usize) {
        const ROW_RECORDS: usize = 7;
        let mut inner = self.inner();
        let first = inner.written[usize::from(lane.number())].len();
        let contents: Vec<Vec<u8>> =
            (first..first + records).map(|number| content(lane, number, bytes)).collect();
        for row in contents.chunks(ROW_RECORDS) {
            inner.turn(row.iter().map(|content| Input::Append(lane, items, content.clone())));
        }
        inner.written[usize::from(lane.number())]
            .extend(contents.into_iter().map(|content| (items, content)));
        drop(inner);
        self.bell.ring();
    }

    /// Forgets all rows that the bridge has acknowledged. Not while an uplink runs: it would read a closed file.
    pub(crate) fn trim(&self) {
        let mut inner = self.inner();
        // Rows before the older of two snapshots go, and closing takes one.
        for _ in 0..3 {
            let (item, chain) = inner.core().machine().link.acked(Lane::Control);
            inner.turn([Input::Link(LinkRecord::Acked { lane: Lane::Control, item, chain })]);
            inner.reopen();
        }
        while inner.core().upkeep(Upkeep::Idle).expect("the disk is good") {}
        for lane in Lane::ALL {
            let head = inner.core().reader().lane_head(lane).expect("readable");
            let first = inner.core().reader().lane_first(lane).expect("readable");
            assert_eq!(first, head.next, "nothing of {} is left", lane.name());
        }
    }

    /// Starts an uplink to a bridge.
    pub(crate) fn uplink(&self, url: &str, patience: Patience) -> Uplink {
        let settings = Settings {
            url: url.to_owned(),
            device: DeviceId::new("gw-1").expect("a plain name"),
            boot: BootId::from_u128(1),
            agent_version: "0.0.0".to_owned(),
            seed: 7,
            patience,
        };
        uplink::start(settings, self.reader(), self.clone(), &self.bell).expect("an address")
    }

    pub(crate) fn reader(&self) -> Reader {
        self.inner().core().reader()
    }

    /// What was written to a lane, ever.
    pub(crate) fn written(&self, lane: Lane) -> Vec<(u32, Vec<u8>)> {
        self.inner().written[usize::from(lane.number())].clone()
    }

    /// The last item of a lane.
    pub(crate) fn last(&self, lane: Lane) -> u64 {
        self.written(lane).iter().map(|(items, _)| u64::from(*items)).sum()
    }

    /// What the device was told the bridge holds of a lane, in the order in which it was told.
    pub(crate) fn told(&self, lane: Lane) -> Vec<u64> {
        self.inner().acked.iter().filter(|(of, _)| *of == lane).map(|(_, item)| *item).collect()
    }

    /// Waits until the device has been told that the bridge holds a lane up to its end.
    pub(crate) async fn is_told(&self, lane: Lane) {
        let mut told = self.told.subscribe();
        while self.told(lane).last() != Some(&self.last(lane)) {
            let changed = tokio::time::timeout(WAIT_MAX, told.changed()).await;
            changed.expect("the device is told in time").expect("the device holds the other end");
        }
    }

    /// Signals recorded, with what was made of them.
    pub(crate) fn signals(&self) -> Vec<(SignalSeq, Decision)> {
        self.inner().signals.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn core(&mut self) -> &mut Core<Gate> {
        self.core.as_mut().expect("only away while it is reopened")
    }

    fn turn(&mut self, inputs: impl IntoIterator<Item = Input>) {
        self.core().turn(stamp(), &mut inputs.into_iter()).expect("the disk is good");
    }

    fn reopen(&mut self) {
        self.core.take().expect("only away while it is reopened").close().expect("the disk is good");
        self.core = Some(open(&self.path, true));
    }
}

/// Bytes that do not compress away: what matters is how many there are.
fn content(lane: Lane, number: usize, bytes: usize) -> Vec<u8> {
    let mut content = format!("{} record {number} ", lane.name()).into_bytes();
    let mut chance = Chance::new(number as u64);
    while content.len() < bytes {
        content.extend_from_slice(&chance.next_u64().to_be_bytes());
    }
    content
}

fn open(path: &Path, trim: bool) -> Core<Gate> {
    let options = Options { cache_bytes: 1024 * 1024, preallocate_bytes: 0, new_epoch: Epoch::from_u128(1) };
    let mut gate = Gate { trim, ..Gate::default() };
    let (store, _) = Store::open(path, &options, &mut gate).expect("the disk is good");
    Core::new(store, gate, 1)
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

impl Host for Device {
    fn stamp(&self) -> Stamp {
        stamp()
    }

    async fn acked(&self, lane: Lane, item: u64, chain: Chain) -> Result<(), Stopped> {
        let mut inner = self.inner();
        inner.acked.push((lane, item));
        self.told.send_replace(());
        inner.turn([Input::Link(LinkRecord::Acked { lane, item, chain })]);
        Ok(())
    }

    async fn record(&self, signals: Vec<DownlinkSignal>) -> Result<SignalSeq, Stopped> {
        let mut inner = self.inner();
        for signal in signals {
            let decision = inner.core().machine().link.decide(&signal, Timestamp::EPOCH);
            inner.signals.push((signal.seq, decision));
            if decision != Decision::Known {
                let DownlinkSignal { seq, signal_id, .. } = signal;
                inner.turn([Input::Link(LinkRecord::Recorded { seq, signal_id })]);
            }
        }
        Ok(inner.core().machine().link.cursor())
    }

    async fn begin_epoch(&self) -> Result<Epoch, Stopped> {
        let mut inner = self.inner();
        inner.epochs += 1;
        let epoch = Epoch::from_u128(inner.epochs);
        inner.turn([Input::BeginEpoch(epoch)]);
        Ok(epoch)
    }
}
