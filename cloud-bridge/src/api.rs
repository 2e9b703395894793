//! What operators see and say: the JSON of the operator API, one type for each shape. openapi.json describes the same
//! to other programs. Times are RFC 3339 in UTC.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidegate_model::id::{BootId, DeviceId, Epoch, EventId, Namespace, RunId, SignalId, WorkflowId};
use tidegate_model::time::Stamp;

/// Every device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Devices {
    /// In the order of their names.
    pub devices: Vec<DeviceSummary>,
}

/// A device in one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceSummary {
    /// Its name.
    pub device: DeviceId,
    /// Its latest epoch.
    pub epoch: Epoch,
    /// Whether that epoch takes no more, and the device must open another.
    pub parked: bool,
    /// The release it runs.
    pub agent_version: String,
    /// When it first said hello.
    pub first_seen: String,
    /// When it last said anything to this process; absent when it has not yet.
    pub last_contact: Option<String>,
    /// The lanes of its latest epoch.
    pub lanes: Vec<LaneSummary>,
    /// Runs that have not ended.
    pub runs_open: usize,
    /// Runs that have.
    pub runs_closed: u64,
    /// Signals of which nothing is known yet.
    pub signals_waiting: usize,
    /// What the device or the bridge could not use, ever.
    pub dead_letters: u64,
}

/// A lane in one word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneSummary {
    /// Its name.
    pub lane: String,
    /// Every item up to here is accounted for.
    pub complete_through: u64,
    /// And none is missing.
    pub complete: bool,
}

/// All of a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceDetail {
    /// In one line.
    #[serde(flatten)]
    pub summary: DeviceSummary,
    /// The boot it last spoke from.
    pub boot: BootId,
    /// Its clocks when it sent the last batch.
    pub clock: Option<Clocks>,
    /// Batches refused since this process started.
    pub batches_refused: u64,
    /// The last signal it says it has recorded, to this process.
    pub downlink_cursor: u64,
    /// Its epochs, the latest first.
    pub epochs: Vec<EpochDetail>,
}

/// An epoch of a device: one life of its store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochDetail {
    /// Its id.
    pub epoch: Epoch,
    /// When the device first spoke from it.
    pub opened_at: String,
    /// Since when it takes no more.
    pub parked_at: Option<String>,
    /// Why.
    pub parked_because: Option<String>,
    /// Its lanes.
    pub lanes: Vec<LaneDetail>,
    /// Runs that have not ended.
    pub runs_open: usize,
    /// Runs that have.
    pub runs_closed: u64,
}

/// All of a lane. `complete_through = archived + set_aside + gone`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneDetail {
    /// Its name.
    pub lane: String,
    /// Every item up to here is accounted for.
    pub complete_through: u64,
    /// And none is missing.
    pub complete: bool,
    /// The same in words.
    pub statement: String,
    /// Items in the archive, each once.
    pub archived: u64,
    /// Items set aside because they could not be applied.
    pub set_aside: u64,
    /// Items the device declared gone.
    pub gone: u64,
    /// Where.
    pub gaps: Vec<GapView>,
    /// Items that came again since this process started, and were recognised.
    pub duplicates_skipped: u64,
    /// The chain after the last item.
    pub chain: String,
    /// When it last moved.
    pub moved_at: Option<String>,
}

/// Items that are gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GapView {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// Why.
    pub reason: String,
}

/// A look at the clocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clocks {
    /// The wall clock as it stood.
    pub wall: String,
    /// The same in microseconds since 1970.
    pub wall_us: i64,
    /// Which boot.
    pub boot: BootId,
    /// Nanoseconds since that boot.
    pub boottime_ns: u64,
    /// `unset`, `holdover` or `synchronised`.
    pub clock: tidegate_model::time::ClockState,
    /// Bound on the wall clock's error, where one is known.
    pub error_us: Option<u32>,
}

impl From<Stamp> for Clocks {
    fn from(stamp: Stamp) -> Self {
        Self {
            wall: stamp.wall.to_string(),
            wall_us: stamp.wall.as_micros(),
            boot: stamp.boot,
            boottime_ns: stamp.boottime_ns,
            clock: stamp.state,
            error_us: stamp.error_us,
        }
    }
}

/// Runs of a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runs {
    /// The latest started first.
    pub runs: Vec<RunView>,
    /// Whether there are more that fit the question.
    pub more: bool,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// Where it ran.
    pub device: DeviceId,
    /// In which life of the device's store.
    pub epoch: Epoch,
    /// Its namespace.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// The run of it.
    pub run_id: RunId,
    /// Which workflow function; absent when its first event is missing.
    pub workflow_type: Option<String>,
    /// `running`, `completed` or `failed`.
    pub status: String,
    /// When it began.
    pub started_at: Option<String>,
    /// When it ended.
    pub closed_at: Option<String>,
    /// Id of the last event.
    pub events: EventId,
    /// Events that are not here.
    pub missing_events: u64,
    /// What happened last.
    pub last_event: String,
    /// When.
    pub last_event_at: String,
    /// Result or failure, cut short.
    pub outcome: Option<String>,
}

/// A run and its history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHistory {
    /// The run.
    pub run: RunView,
    /// Its events in order.
    pub events: Vec<EventView>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventView {
    /// Position in the run.
    pub event_id: EventId,
    /// Temporal's name of the type.
    pub event_type: String,
    /// Temporal's number of the type.
    pub event_type_number: u32,
    /// When.
    pub time: String,
    /// What it says. Payloads in JSON stand as the JSON they are.
    pub attributes: Value,
}

/// Windows of a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Windows {
    /// The latest first.
    pub windows: Vec<WindowView>,
}

/// A window that closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowView {
    /// In which life of the device's store.
    pub epoch: Epoch,
    /// The pipeline.
    pub pipeline: String,
    /// Which definition of it.
    pub definition: String,
    /// Of which source.
    pub source: String,
    /// Of which channel.
    pub channel: String,
    /// Its start.
    pub start: String,
    /// Its end.
    pub end: String,
    /// Readings with a number.
    pub count: u64,
    /// Readings without.
    pub missing: u64,
    /// Readings that came while it was open with a stamp before it; they are in no window.
    pub late: u64,
    /// Whether it had to close before its time.
    pub cut_short: bool,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// The mean.
    pub mean: Option<f64>,
    /// The first of its readings.
    pub first_reading: u64,
    /// The last.
    pub last_reading: u64,
    /// Whether the condition held.
    pub condition: Option<bool>,
    /// Why that is not known.
    pub condition_error: Option<String>,
}

/// What could not be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetters {
    /// The latest first.
    pub dead_letters: Vec<DeadLetterView>,
    /// How many there were ever.
    pub total: u64,
}

/// Something that could not be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetterView {
    /// `device`: a message it could not decode. `bridge`: a record that could not be applied here.
    pub found_by: String,
    /// In which life of the device's store.
    pub epoch: Epoch,
    /// In which lane it stands.
    pub lane: String,
    /// Its first item.
    pub item: u64,
    /// What is wrong with it.
    pub reason: String,
    /// When it arrived there.
    pub at: String,
    /// The topic of a message.
    pub topic: Option<String>,
    /// The first bytes of a message, as text where they are text, else in hexadecimal.
    pub payload: Option<String>,
    /// Bytes in all.
    pub bytes: u64,
}

/// A signal to send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalRequest {
    /// The caller's idempotency key: the same id with the same content is taken once.
    pub signal_id: SignalId,
    /// Namespace of the execution; `default` when absent.
    #[serde(default = "default_namespace")]
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// A run of it; the one that is open when absent.
    #[serde(default)]
    pub run_id: Option<RunId>,
    /// The signal's name.
    pub signal_name: String,
    /// Its arguments.
    #[serde(default)]
    pub input: Vec<Value>,
    /// Who asks.
    #[serde(default = "somebody")]
    pub issued_by: String,
    /// Not applied later than this; never too late when absent.
    #[serde(default)]
    pub expires_after_seconds: Option<u64>,
}

fn default_namespace() -> Namespace {
    Namespace::new("default").expect("letters only")
}

fn somebody() -> String {
    "operator".to_owned()
}

/// Signals of a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signals {
    /// The latest first.
    pub signals: Vec<SignalView>,
}

/// A signal and what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalView {
    /// The caller's id.
    pub signal_id: SignalId,
    /// Position in the device's downlink.
    pub seq: u64,
    /// Namespace of the execution.
    pub namespace: Namespace,
    /// The execution.
    pub workflow_id: WorkflowId,
    /// The run: the one it was applied to, or the one asked for.
    pub run_id: Option<RunId>,
    /// The signal's name.
    pub signal_name: String,
    /// Its arguments.
    pub input: Vec<Value>,
    /// Who asked.
    pub issued_by: String,
    /// When.
    pub issued_at: String,
    /// Not applied after this.
    pub expires_at: Option<String>,
    /// What is known.
    pub state: SignalStateView,
    /// The event it became, where it has its number.
    pub event_id: Option<EventId>,
    /// Why not, in words.
    pub reason: Option<String>,
    /// When that became known.
    pub settled_at: Option<String>,
}

/// What is known of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalStateView {
    /// Nothing; it is offered to the device.
    Waiting,
    /// The device has recorded it; what became of it is on its way.
    Recorded,
    /// It is in the run's history.
    Applied,
    /// The device had applied this id before.
    Duplicate,
    /// There is no such open execution.
    NotFound,
    /// It was too late.
    Expired,
    /// The device refused it.
    Refused,
}

impl SignalStateView {
    /// Whether something further is to be expected.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Recorded)
    }

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Recorded => "recorded",
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::NotFound => "not found",
            Self::Expired => "expired",
            Self::Refused => "refused",
        }
    }
}

/// Why a request was not done, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: String,
    /// What would be right.
    pub remedy: String,
}
