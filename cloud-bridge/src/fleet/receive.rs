//! Taking in what devices send: hellos compared, batches judged, records read or set aside.

use tidegate_model::codec;
use tidegate_model::id::{DeviceId, Epoch};
use tidegate_model::lane::{Lane, LaneRecord};
use tidegate_model::limits::BLOCK_READINGS_MAX;
use tidegate_model::replication::{Batch, BatchReply, Hello, Refusal};
use tidegate_model::time::Timestamp;

use super::device::EpochState;
use super::fact::{Fact, ParkReason, Place};
use super::lane::Verdict;
use super::{Fleet, Notes};

/// Whether a device has fewer items than it once sent: its store was put back. A lane it does not name has none.
pub(super) fn has_less(state: &EpochState, hello: &Hello) -> Result<Option<ParkReason>, Refusal> {
    for lane in Lane::ALL {
        let mut offers = hello.lanes.iter().filter(|offer| offer.lane == lane);
        let device_last = offers.next().map_or(0, |offer| offer.last);
        if offers.next().is_some() {
            return Err(Refusal::Malformed { reason: format!("the hello offers {} twice", lane.name()) });
        }
        let ack = state.lane(lane).ack;
        if device_last < ack {
            return Ok(Some(ParkReason::DeviceHasLess { lane, device_last, ack }));
        }
    }
    Ok(None)
}

impl Fleet {
    pub(super) fn on_batch(
        &mut self,
        now: Timestamp,
        id: &DeviceId,
        epoch: Epoch,
        lane: Lane,
        batch: Batch,
        notes: &mut Notes,
    ) -> Result<BatchReply, Refusal> {
        let device = self.devices.get(id).ok_or(Refusal::UnknownEpoch)?;
        let state = device.current().filter(|state| state.epoch == epoch).ok_or(Refusal::UnknownEpoch)?;
        let held = state.lane(lane).ack(lane);
        let verdict = state.lane(lane).judge(lane, &batch);
        let traffic = self.traffic.entry(id.clone()).or_default();
        traffic.last_contact = Some(now);
        let mut dead_lettered = Vec::new();
        match verdict {
            Verdict::Refused(refusal) => return Err(refusal),
            Verdict::Breaks => {
                let reason = ParkReason::ChainBroken { lane, ack: held.ack };
                self.note(now, Fact::EpochParked { device: id.clone(), epoch, reason }, notes);
                return Err(Refusal::BrokenChain { expected: held });
            }
            Verdict::Held => traffic.duplicates[usize::from(lane.number())] += batch.items(),
            Verdict::Continues { gap, skip, skipped_items } => {
                traffic.duplicates[usize::from(lane.number())] += skipped_items;
                if let Some((from, to, reason)) = gap {
                    self.note(
                        now,
                        Fact::GapDeclared { device: id.clone(), epoch, lane, from, to, reason },
                        notes,
                    );
                }
                let mut first = batch.first + skipped_items;
                for record in batch.records.into_iter().skip(skip) {
                    let place = Place { device: id.clone(), epoch, lane, first, items: record.items };
                    first += u64::from(record.items);
                    let fact = match self.read(&place, &record.bytes) {
                        Ok(read) => Fact::Archived { place, bytes: record.bytes, read: Some(read) },
                        Err(reason) => {
                            dead_lettered.push(place.first);
                            Fact::SetAside { place, reason, bytes: record.bytes }
                        }
                    };
                    if let Fact::Archived { read: Some(LaneRecord::Receipt(_)), .. } = &fact {
                        notes.rings.insert(id.clone());
                    }
                    self.note(now, fact, notes);
                }
                let (chain, sent) = (batch.chain_after, batch.sent);
                let advanced =
                    Fact::Advanced { device: id.clone(), epoch, lane, ack: first - 1, chain, sent };
                self.note(now, advanced, notes);
            }
        }
        let device = self.devices.get(id).expect("found above");
        let state = device.epoch(epoch).expect("found above");
        let cursor = self.traffic.get(id).map_or(0, |traffic| traffic.cursor);
        Ok(BatchReply {
            ack: state.lane(lane).ack(lane),
            // The bridge pushes back by refusing with 429; it never takes a batch and then asks for a pause.
            pause_ms: 0,
            dead_lettered,
            downlink_pending: device.downlink.pending(now, cursor),
        })
    }

    /// What a record says, if it can be applied where it stands; else why not.
    fn read(&self, place: &Place, bytes: &[u8]) -> Result<LaneRecord, String> {
        let record: LaneRecord = codec::from_cbor(bytes).map_err(|error| error.to_string())?;
        if record.lane() != place.lane {
            return Err(format!("a record of lane {} in lane {}", record.lane().name(), place.lane.name()));
        }
        if record.items() != place.items {
            return Err(format!("a record of {} items that was counted as {}", record.items(), place.items));
        }
        match &record {
            LaneRecord::Readings(block) if block.first != place.first => {
                Err(format!("a block that begins at reading {} in the place of {}", block.first, place.first))
            }
            LaneRecord::Readings(_) if place.items > BLOCK_READINGS_MAX => {
                Err(format!("a block of more than {BLOCK_READINGS_MAX} readings"))
            }
            LaneRecord::History(batch) => {
                let state = self.devices.get(&place.device).and_then(|device| device.epoch(place.epoch));
                let state = state.expect("the batch was judged by this epoch");
                state.runs.check(batch, state.lane(place.lane).last_hole).map(|()| record)
            }
            LaneRecord::Receipt(_)
            | LaneRecord::Anchor(_)
            | LaneRecord::Window(_)
            | LaneRecord::DeadLetter(_)
            | LaneRecord::Readings(_) => Ok(record),
        }
    }
}
