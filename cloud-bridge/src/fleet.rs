//! The fleet: what the bridge knows of every device, as a deterministic machine. No I/O, no clock.
//!
//! A request comes in with the time; the fleet decides, and writes down facts; the answer leaves once those are on
//! disk. State changes in [`Fleet::apply`] alone, live and replayed alike.

mod device;
mod downlink;
mod fact;
mod lane;
mod machine;
mod receive;
mod run;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tidegate_log::CorruptRecord;
use tidegate_model::codec;
use tidegate_model::id::{DeviceId, Epoch};
use tidegate_model::lane::{Lane, LaneRecord};
use tidegate_model::limits::{DEVICES_MAX, EPOCHS_PER_DEVICE_MAX};
use tidegate_model::replication::{Batch, BatchReply, Downlink, EpochState, Hello, HelloReply, Refusal};
use tidegate_model::signal::SignalSeq;
use tidegate_model::time::Timestamp;

use device::{Device, Listed};
use downlink::Ordered;

pub(crate) use downlink::{SendError, SignalOrder};
pub(crate) use fact::{Fact, Place, SAMPLES_PAGE_ITEMS, run_key, samples_key, set_aside_key};
pub(crate) use machine::{Effect, Input, Look, Release, Ticket};
pub(crate) use run::Run;
pub(crate) use run::RunStatus;
pub(crate) use view::{LaneTotals, RunsWanted, Totals, run_view};

/// What is asked of the fleet, and may move it.
#[derive(Debug)]
pub(crate) enum Request {
    /// A device says who it is and what it has.
    Hello { device: DeviceId, hello: Hello },
    /// A device sends records.
    Batch { device: DeviceId, epoch: Epoch, lane: Lane, batch: Batch },
    /// A device that has recorded all signals up to a number asks for those after it.
    Poll { device: DeviceId, after: SignalSeq },
    /// An operator sends a signal.
    Send { device: DeviceId, order: SignalOrder },
}

/// What the fleet answers, in the order of [`Request`].
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Hello(Result<HelloReply, Refusal>),
    Batch(Result<BatchReply, Refusal>),
    Poll(Result<Downlink, Refusal>),
    /// Whether the signal was taken just now; `false` when the same was taken before.
    Send(Result<bool, SendError>),
}

/// What a decision comes to: facts that are applied already and must be on disk before the answer leaves.
#[derive(Debug)]
#[must_use]
pub(crate) struct Step {
    pub(crate) facts: Vec<Fact>,
    pub(crate) answer: Answer,
    /// Devices whose signals changed: somebody may be waiting for that.
    pub(crate) rings: BTreeSet<DeviceId>,
}

/// What the bridge knows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Fleet {
    devices: BTreeMap<DeviceId, Device>,
    /// When the signals that wait expire, the first to expire first.
    expiries: BTreeSet<(Timestamp, DeviceId, SignalSeq)>,
    /// What is counted for people and forgotten with the process. Decides nothing.
    #[serde(skip)]
    traffic: BTreeMap<DeviceId, Traffic>,
}

/// What went by since the process started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic {
    pub(crate) last_contact: Option<Timestamp>,
    /// Items that came again, by lane number.
    pub(crate) duplicates: [u64; Lane::ALL.len()],
    /// Batches refused.
    pub(crate) refused: u64,
    /// The last signal the device says it has recorded.
    pub(crate) cursor: SignalSeq,
}

/// Facts as they are decided.
#[derive(Debug, Default)]
struct Notes {
    facts: Vec<Fact>,
    rings: BTreeSet<DeviceId>,
}

impl Fleet {
    /// Decides on a request.
    pub(crate) fn handle(&mut self, now: Timestamp, request: Request) -> Step {
        let mut notes = Notes::default();
        let answer = match request {
            Request::Hello { device, hello } => {
                Answer::Hello(self.on_hello(now, &device, &hello, &mut notes))
            }
            Request::Batch { device, epoch, lane, batch } => {
                let reply = self.on_batch(now, &device, epoch, lane, batch, &mut notes);
                if reply.is_err() && self.devices.contains_key(&device) {
                    self.traffic.entry(device).or_default().refused += 1;
                }
                Answer::Batch(reply)
            }
            Request::Poll { device, after } => Answer::Poll(self.on_poll(now, &device, after)),
            Request::Send { device, order } => Answer::Send(self.on_send(now, device, order, &mut notes)),
        };
        Step { facts: notes.facts, answer, rings: notes.rings }
    }

    /// The next moment at which a signal expires.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.expiries.first().map(|(at, _, _)| *at)
    }

    /// Gives up on the signals whose time is over.
    pub(crate) fn handle_deadline(&mut self, now: Timestamp) -> (Vec<Fact>, BTreeSet<DeviceId>) {
        let mut notes = Notes::default();
        while let Some((expired_at, device, seq)) =
            self.expiries.first().filter(|(at, _, _)| *at <= now).cloned()
        {
            notes.rings.insert(device.clone());
            self.note(now, Fact::SignalExpired { device, seq, expired_at }, &mut notes);
        }
        (notes.facts, notes.rings)
    }

    /// Takes a fact into the state. Depends on nothing but the state, the fact and its time.
    pub(crate) fn apply(&mut self, now: Timestamp, fact: &Fact) -> Result<(), CorruptRecord> {
        match fact {
            Fact::EpochOpened { device, epoch, boot, agent_version } => {
                let state = self
                    .devices
                    .entry(device.clone())
                    .or_insert_with(|| Device::new(now, *boot, agent_version.clone()));
                state.change(*boot, agent_version.clone());
                state.open(now, *epoch);
            }
            Fact::DeviceChanged { device, boot, agent_version } => {
                self.device_mut(device)?.change(*boot, agent_version.clone());
            }
            Fact::EpochParked { device, epoch, reason } => {
                self.epoch_mut(device, *epoch)?.parked.get_or_insert((now, *reason));
            }
            Fact::Archived { place, bytes, read } => self.apply_archived(now, place, bytes, read.as_ref())?,
            Fact::SetAside { place, reason, bytes } => {
                let lane = self.epoch_mut(&place.device, place.epoch)?.lane_mut(place.lane);
                lane.take_set_aside(place.last(), place.items);
                self.device_mut(&place.device)?.list(Listed::OnBridge {
                    place: place.clone(),
                    reason: reason.clone(),
                    bytes: bytes.len() as u64,
                    at: now,
                });
            }
            Fact::GapDeclared { device, epoch, lane, from, to, reason } => {
                self.epoch_mut(device, *epoch)?.lane_mut(*lane).take_gap(*from, *to, *reason);
            }
            Fact::Advanced { device, epoch, lane, ack, chain, sent } => {
                let state = self.epoch_mut(device, *epoch)?;
                state.lane_mut(*lane).take_watermark(*ack, *chain, now);
                state.last_sent = Some(*sent);
            }
            Fact::SignalIssued { device, signal } => {
                self.device_mut(device)?.downlink.take_issued(signal.clone());
                if let Some(at) = signal.expires_at {
                    self.expiries.insert((at, device.clone(), signal.seq));
                }
            }
            Fact::SignalExpired { device, seq, expired_at } => {
                self.device_mut(device)?.downlink.take_expired(*seq, now);
                self.expiries.remove(&(*expired_at, device.clone(), *seq));
            }
        }
        Ok(())
    }

    fn apply_archived(
        &mut self,
        now: Timestamp,
        place: &Place,
        bytes: &[u8],
        read: Option<&LaneRecord>,
    ) -> Result<(), CorruptRecord> {
        self.epoch_mut(&place.device, place.epoch)?.lane_mut(place.lane).take_archived(place.items);
        if place.lane == Lane::Samples {
            return Ok(());
        }
        let reread;
        let record = match read {
            Some(record) => record,
            None => {
                reread = codec::from_cbor(bytes).map_err(|error| {
                    CorruptRecord(format!("an archived record of {}: {error}", place.device))
                })?;
                &reread
            }
        };
        let device = self.device_mut(&place.device)?;
        device.take(now, place, record);
        if let LaneRecord::Receipt(receipt) = record
            && let Some(signal) = device.downlink.get(&receipt.signal_id).map(|issued| &issued.signal)
            && let Some(at) = signal.expires_at
        {
            let seq = signal.seq;
            self.expiries.remove(&(at, place.device.clone(), seq));
        }
        Ok(())
    }

    fn on_hello(
        &mut self,
        now: Timestamp,
        id: &DeviceId,
        hello: &Hello,
        notes: &mut Notes,
    ) -> Result<HelloReply, Refusal> {
        if self.devices.get(id).is_some_and(|device| device.is_past(hello)) {
            return Err(Refusal::Stale);
        }
        let known = self.devices.get(id).and_then(|device| device.epoch(hello.epoch));
        let epoch_state = match known {
            None => {
                self.may_open(id)?;
                let opened = Fact::EpochOpened {
                    device: id.clone(),
                    epoch: hello.epoch,
                    boot: hello.boot,
                    agent_version: hello.agent_version.clone(),
                };
                self.note(now, opened, notes);
                EpochState::New
            }
            Some(state) if state.parked.is_some() => EpochState::Diverged,
            Some(state) => match receive::has_less(state, hello)? {
                Some(reason) => {
                    let parked = Fact::EpochParked { device: id.clone(), epoch: hello.epoch, reason };
                    self.note(now, parked, notes);
                    EpochState::Diverged
                }
                None => {
                    self.note_change(now, id, hello, notes);
                    EpochState::Current
                }
            },
        };
        let traffic = self.traffic.entry(id.clone()).or_default();
        traffic.last_contact = Some(now);
        traffic.cursor = hello.downlink_cursor;
        let device = self.devices.get(id).expect("a device that is unknown was opened above");
        let state = device.epoch(hello.epoch).expect("an epoch that is unknown was opened above");
        Ok(HelloReply {
            lanes: Lane::ALL.into_iter().map(|lane| state.lane(lane).ack(lane)).collect(),
            epoch_state,
            downlink_pending: device.downlink.pending(now, hello.downlink_cursor),
        })
    }

    /// Whether there is room for another epoch, of a device that may be new itself.
    fn may_open(&self, id: &DeviceId) -> Result<(), Refusal> {
        let (what, full) = match self.devices.get(id) {
            None => ("devices", self.devices.len() >= DEVICES_MAX),
            Some(device) => ("epochs of this device", device.epochs.len() >= EPOCHS_PER_DEVICE_MAX),
        };
        if full {
            return Err(Refusal::Malformed {
                reason: format!("the bridge knows as many {what} as it can keep apart"),
            });
        }
        Ok(())
    }

    fn note_change(&mut self, now: Timestamp, id: &DeviceId, hello: &Hello, notes: &mut Notes) {
        let changed = self
            .devices
            .get(id)
            .is_some_and(|device| device.boot != hello.boot || device.agent_version != hello.agent_version);
        if changed {
            let (boot, agent_version) = (hello.boot, hello.agent_version.clone());
            self.note(now, Fact::DeviceChanged { device: id.clone(), boot, agent_version }, notes);
        }
    }

    fn on_poll(&mut self, now: Timestamp, id: &DeviceId, after: SignalSeq) -> Result<Downlink, Refusal> {
        let device = self.devices.get(id).ok_or(Refusal::UnknownEpoch)?;
        let traffic = self.traffic.entry(id.clone()).or_default();
        traffic.last_contact = Some(now);
        traffic.cursor = after;
        Ok(Downlink { signals: device.downlink.offer(now, after) })
    }

    fn on_send(
        &mut self,
        now: Timestamp,
        id: DeviceId,
        order: SignalOrder,
        notes: &mut Notes,
    ) -> Result<bool, SendError> {
        let device = self.devices.get(&id).ok_or(SendError::UnknownDevice)?;
        match device.downlink.order(now, order)? {
            Ordered::Before => Ok(false),
            Ordered::New(signal) => {
                notes.rings.insert(id.clone());
                self.note(now, Fact::SignalIssued { device: id, signal: *signal }, notes);
                Ok(true)
            }
        }
    }

    /// Writes a fact down: applied at once, so that what follows is decided on it.
    fn note(&mut self, now: Timestamp, fact: Fact, notes: &mut Notes) {
        self.apply(now, &fact)
            .expect("a fact is only decided on what is known, and carries what was read of it");
        notes.facts.push(fact);
    }

    fn device_mut(&mut self, device: &DeviceId) -> Result<&mut Device, CorruptRecord> {
        self.devices
            .get_mut(device)
            .ok_or_else(|| CorruptRecord(format!("a fact about device {device}, which was never opened")))
    }

    fn epoch_mut(
        &mut self,
        device: &DeviceId,
        epoch: Epoch,
    ) -> Result<&mut device::EpochState, CorruptRecord> {
        self.device_mut(device)?.epoch_mut(epoch).ok_or_else(|| {
            CorruptRecord(format!("a fact about epoch {epoch} of {device}, which was never opened"))
        })
    }
}

#[cfg(test)]
mod tests;
