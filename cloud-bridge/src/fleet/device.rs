//! A device as the bridge knows it: its epochs, their lanes and runs, and its downlink.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use tidegate_model::id::{BootId, Epoch};
use tidegate_model::lane::{Lane, LaneRecord};
use tidegate_model::limits::{DEAD_LETTERS_LISTED_MAX, FORMER_BOOTS_MAX, WINDOWS_LISTED_MAX};
use tidegate_model::reading::{DeadLetter, WindowSummary};
use tidegate_model::replication::Hello;
use tidegate_model::time::{Stamp, Timestamp};

use super::downlink::DownlinkLog;
use super::fact::{ParkReason, Place};
use super::lane::LaneState;
use super::run::Runs;

/// A device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) first_seen: Timestamp,
    pub(crate) boot: BootId,
    /// Boots it spoke from before, the latest last.
    pub(crate) former_boots: VecDeque<BootId>,
    pub(crate) agent_version: String,
    /// In the order in which they were opened. Only the last can be current.
    pub(crate) epochs: Vec<EpochState>,
    pub(crate) downlink: DownlinkLog,
    /// The latest windows, the newest last.
    pub(crate) windows: VecDeque<(Epoch, WindowSummary)>,
    /// The latest dead letters of either kind, the newest last.
    pub(crate) dead_letters: VecDeque<Listed>,
    /// Dead letters ever.
    pub(crate) dead_letters_total: u64,
}

/// An epoch of a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EpochState {
    pub(crate) epoch: Epoch,
    pub(crate) opened_at: Timestamp,
    /// Since when it takes no more, and why.
    pub(crate) parked: Option<(Timestamp, ParkReason)>,
    /// By lane number.
    pub(crate) lanes: [LaneState; Lane::ALL.len()],
    pub(crate) runs: Runs,
    /// The device's clocks when it sent the last batch.
    pub(crate) last_sent: Option<Stamp>,
}

/// Something that could not be used, by the device or by the bridge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Listed {
    /// A message the device could not decode.
    OnDevice { epoch: Epoch, item: u64, letter: DeadLetter },
    /// A record the bridge could not apply. The archive has its bytes.
    OnBridge { place: Place, reason: String, bytes: u64, at: Timestamp },
}

impl Device {
    pub(crate) fn new(now: Timestamp, boot: BootId, agent_version: String) -> Self {
        Self {
            first_seen: now,
            boot,
            former_boots: VecDeque::new(),
            agent_version,
            epochs: Vec::new(),
            downlink: DownlinkLog::default(),
            windows: VecDeque::new(),
            dead_letters: VecDeque::new(),
            dead_letters_total: 0,
        }
    }

    pub(crate) fn epoch(&self, epoch: Epoch) -> Option<&EpochState> {
        self.epochs.iter().rev().find(|state| state.epoch == epoch)
    }

    pub(crate) fn epoch_mut(&mut self, epoch: Epoch) -> Option<&mut EpochState> {
        self.epochs.iter_mut().rev().find(|state| state.epoch == epoch)
    }

    /// Whether a hello was sent before what was heard from the device since: a copy that strayed in the network. What
    /// it offers is no longer so, and would look like a store that was put back.
    pub(crate) fn is_past(&self, hello: &Hello) -> bool {
        let heard = self.epoch(hello.epoch).and_then(|state| state.last_sent);
        let before =
            |heard: Stamp| heard.boot == hello.sent.boot && hello.sent.boottime_ns < heard.boottime_ns;
        self.former_boots.contains(&hello.boot) || heard.is_some_and(before)
    }

    /// The device speaks from another boot, or another release.
    pub(crate) fn change(&mut self, boot: BootId, agent_version: String) {
        if self.boot != boot {
            self.former_boots.push_back(self.boot);
            if self.former_boots.len() > FORMER_BOOTS_MAX {
                self.former_boots.pop_front();
            }
        }
        self.boot = boot;
        self.agent_version = agent_version;
    }

    /// The epoch that takes batches, if there is one.
    pub(crate) fn current(&self) -> Option<&EpochState> {
        self.epochs.last().filter(|state| state.parked.is_none())
    }

    /// Opens an epoch; the one before it is superseded.
    pub(crate) fn open(&mut self, now: Timestamp, epoch: Epoch) {
        if let Some(before) = self.epochs.last_mut() {
            before.parked.get_or_insert((now, ParkReason::Superseded));
        }
        self.epochs.push(EpochState {
            epoch,
            opened_at: now,
            parked: None,
            lanes: std::array::from_fn(|_| LaneState::new()),
            runs: Runs::default(),
            last_sent: None,
        });
    }

    /// Takes in what a record says.
    pub(crate) fn take(&mut self, now: Timestamp, place: &Place, record: &LaneRecord) {
        match record {
            LaneRecord::Receipt(receipt) => self.downlink.take_receipt(receipt, now),
            LaneRecord::Window(summary) => {
                self.windows.push_back((place.epoch, summary.clone()));
                if self.windows.len() > WINDOWS_LISTED_MAX {
                    self.windows.pop_front();
                }
            }
            LaneRecord::DeadLetter(letter) => {
                self.list(Listed::OnDevice { epoch: place.epoch, item: place.first, letter: letter.clone() });
            }
            LaneRecord::History(batch) => {
                if let Some(state) = self.epoch_mut(place.epoch) {
                    state.runs.take(batch, place.last());
                }
            }
            // Readings are the archive's; the bridge keeps nothing of them in memory. Anchors wait there for the day
            // a clock is corrected.
            LaneRecord::Anchor(_) | LaneRecord::Readings(_) => {}
        }
    }

    pub(crate) fn list(&mut self, listed: Listed) {
        self.dead_letters_total += 1;
        self.dead_letters.push_back(listed);
        if self.dead_letters.len() > DEAD_LETTERS_LISTED_MAX {
            self.dead_letters.pop_front();
        }
    }
}

impl EpochState {
    pub(crate) fn lane(&self, lane: Lane) -> &LaneState {
        &self.lanes[usize::from(lane.number())]
    }

    pub(crate) fn lane_mut(&mut self, lane: Lane) -> &mut LaneState {
        &mut self.lanes[usize::from(lane.number())]
    }
}
