//! How the uplink does, for people: written by the conversation, read at any time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tidegate_log::Reader;
use tidegate_model::id::Epoch;
use tidegate_model::lane::Lane;
use tidegate_model::signal::SignalSeq;
use tidegate_model::time::Stamp;
use tracing::{info, warn};

/// How the uplink does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The bridge's address.
    pub url: String,
    /// Whether the latest exchange was answered.
    pub connected: bool,
    /// What went wrong last, in words; gone once something goes well.
    pub last_error: Option<String>,
    /// The store's epoch.
    pub epoch: Epoch,
    /// The clocks when the bridge last took a batch in this process.
    pub last_ack: Option<Stamp>,
    /// The last signal recorded.
    pub downlink_cursor: SignalSeq,
    /// Each lane, the most urgent first.
    pub lanes: Vec<LaneStatus>,
    /// Batches the bridge took in this process.
    pub batches: u64,
    /// Bytes of them on the wire, bodies only.
    pub batch_bytes: u64,
}

/// How a lane does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LaneStatus {
    /// Its name.
    pub lane: &'static str,
    /// The last item the bridge is known to hold.
    pub acked: u64,
    /// The last item there is.
    pub last: u64,
    /// Items between the two.
    pub backlog: u64,
    /// What stands in its way, in words.
    pub trouble: Option<String>,
    /// Items the bridge took and could not use, in this process.
    pub dead_lettered: u64,
}

/// What the conversation writes down.
#[derive(Debug)]
pub(super) struct Board {
    url: String,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    connected: bool,
    last_error: Option<String>,
    last_ack: Option<Stamp>,
    downlink_cursor: SignalSeq,
    lanes: [LaneNotes; Lane::ALL.len()],
    batches: u64,
    batch_bytes: u64,
    polls: u64,
}

#[derive(Debug, Default)]
struct LaneNotes {
    acked: u64,
    trouble: Option<String>,
    dead_lettered: u64,
}

impl Board {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), notes: Mutex::default() }
    }

    pub(super) fn status(&self, reader: &Reader) -> Status {
        let notes = self.notes();
        let lane = |lane: Lane| {
            let LaneNotes { acked, trouble, dead_lettered } = &notes.lanes[usize::from(lane.number())];
            // A head that cannot be read shows as a lane without a backlog; the commit loop reports the disk.
            let last = reader.lane_head(lane).map_or(*acked, |head| head.next - 1);
            LaneStatus {
                lane: lane.name(),
                acked: *acked,
                last,
                backlog: last.saturating_sub(*acked),
                trouble: trouble.clone(),
                dead_lettered: *dead_lettered,
            }
        };
        Status {
            url: self.url.clone(),
            connected: notes.connected,
            last_error: notes.last_error.clone(),
            epoch: reader.epoch(),
            last_ack: notes.last_ack,
            downlink_cursor: notes.downlink_cursor,
            lanes: Lane::ALL.map(lane).to_vec(),
            batches: notes.batches,
            batch_bytes: notes.batch_bytes,
        }
    }

    /// The bridge answered.
    pub(super) fn answered(&self) {
        let mut notes = self.notes();
        if !notes.connected {
            info!(bridge = self.url, "uplink connected");
        }
        notes.connected = true;
        notes.last_error = None;
    }

    /// The bridge did not answer, or said no to the device as a whole.
    pub(super) fn failed(&self, words: &str) {
        let mut notes = self.notes();
        if notes.connected || notes.last_error.is_none() {
            warn!(bridge = self.url, error = words, "uplink lost; what is committed waits here");
        }
        notes.connected = false;
        notes.last_error = Some(words.to_owned());
    }

    /// Something stands in a lane's way.
    pub(super) fn trouble(&self, lane: Lane, words: &str) {
        let mut notes = self.notes();
        let trouble = &mut notes.lanes[usize::from(lane.number())].trouble;
        if trouble.as_deref() != Some(words) {
            warn!(lane = lane.name(), error = words, "a batch was not taken");
            *trouble = Some(words.to_owned());
        }
    }

    /// The bridge holds a lane up to here.
    pub(super) fn stands(&self, lane: Lane, acked: u64) {
        let mut notes = self.notes();
        let lane = &mut notes.lanes[usize::from(lane.number())];
        lane.acked = acked;
        lane.trouble = None;
    }

    /// The bridge took a batch.
    pub(super) fn took(&self, lane: Lane, bytes: usize, dead_lettered: &[u64], at: Stamp) {
        if !dead_lettered.is_empty() {
            warn!(lane = lane.name(), items = ?dead_lettered, "the bridge took items it cannot use");
        }
        let mut notes = self.notes();
        notes.lanes[usize::from(lane.number())].dead_lettered += dead_lettered.len() as u64;
        notes.batches += 1;
        notes.batch_bytes += bytes as u64;
        notes.last_ack = Some(at);
    }

    /// A poll was answered, and signals are recorded up to here.
    pub(super) fn polled(&self, cursor: SignalSeq) {
        let mut notes = self.notes();
        notes.polls += 1;
        notes.downlink_cursor = cursor;
    }

    /// Changes whenever something goes well that is more than a hello.
    pub(super) fn successes(&self) -> u64 {
        let notes = self.notes();
        notes.batches + notes.polls
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
