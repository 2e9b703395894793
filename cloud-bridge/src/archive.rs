//! Reading back what devices recorded, from committed rows: histories by run, readings in order, records set aside.

use std::collections::VecDeque;

use serde::Serialize;
use tidegate_log::{CorruptRecord, Error as LogError, Reader, StoredRecord};
use tidegate_model::codec;
use tidegate_model::event::HistoryBatch;
use tidegate_model::id::{Channel, DeviceId, Epoch, RunId, SourceId};
use tidegate_model::lane::LaneRecord;
use tidegate_model::reading::{Identity, Quality, ReadingBlock, SourceStamp, Value};

use crate::api::Clocks;
use crate::fleet::{Fact, Place, SAMPLES_PAGE_ITEMS, run_key, samples_key, set_aside_key};

/// Lines of an export that are made at once: the size of a piece of the answer.
const CHUNK_BYTES: usize = 64 * 1024;

/// Why the archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the store cannot be read")]
    Store(#[from] LogError),
    #[error("the store holds what this release does not understand")]
    Corrupt(#[from] CorruptRecord),
}

/// What devices recorded.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    reader: Reader,
}

impl Archive {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader }
    }

    /// The history of a run, in order; empty when nothing is known of it.
    pub(crate) fn history(
        &self,
        device: &DeviceId,
        epoch: Epoch,
        run: RunId,
    ) -> Result<Vec<HistoryBatch>, Error> {
        let mut history = Vec::new();
        for stored in self.reader.by_key(run_key(device, epoch, run))? {
            if let Some((_, LaneRecord::History(batch))) = archived(&stored, device, epoch)?
                && batch.run_id == run
            {
                history.push(batch);
            }
        }
        Ok(history)
    }

    /// A record that was set aside, as it came.
    pub(crate) fn set_aside(&self, wanted: &Place) -> Result<Option<Vec<u8>>, Error> {
        for stored in self.reader.by_key(set_aside_key(wanted))? {
            if let Fact::SetAside { place, bytes, .. } = Fact::from_record(&stored.bytes)?
                && (&place.device, place.epoch, place.lane, place.first)
                    == (&wanted.device, wanted.epoch, wanted.lane, wanted.first)
            {
                return Ok(Some(bytes.into_vec()));
            }
        }
        Ok(None)
    }

    /// Readings after number `after` up to number `through`, as lines of JSON, at most `limit` of them.
    pub(crate) fn export(
        &self,
        device: DeviceId,
        epoch: Epoch,
        after: u64,
        through: u64,
        limit: u64,
    ) -> Export {
        // The block that holds the next reading may have begun on the page before.
        let next_page = (after.saturating_add(1) / SAMPLES_PAGE_ITEMS).saturating_sub(1);
        Export {
            archive: self.clone(),
            device,
            epoch,
            after,
            through,
            limit,
            next_page,
            blocks: VecDeque::new(),
        }
    }
}

/// What a stored record of this device and epoch says. Keys are hashes; a record of another is passed over.
fn archived(
    stored: &StoredRecord,
    device: &DeviceId,
    epoch: Epoch,
) -> Result<Option<(Place, LaneRecord)>, CorruptRecord> {
    match Fact::from_record(&stored.bytes)? {
        Fact::Archived { place, bytes, .. } if place.device == *device && place.epoch == epoch => {
            let record = codec::from_cbor(&bytes).map_err(|error| CorruptRecord(error.to_string()))?;
            Ok(Some((place, record)))
        }
        Fact::Archived { .. }
        | Fact::SetAside { .. }
        | Fact::EpochOpened { .. }
        | Fact::DeviceChanged { .. }
        | Fact::EpochParked { .. }
        | Fact::GapDeclared { .. }
        | Fact::Advanced { .. }
        | Fact::SignalIssued { .. }
        | Fact::SignalExpired { .. } => Ok(None),
    }
}

/// An export under way. Holds one page of blocks, undecoded.
#[derive(Debug)]
pub(crate) struct Export {
    archive: Archive,
    device: DeviceId,
    epoch: Epoch,
    after: u64,
    through: u64,
    limit: u64,
    next_page: u64,
    blocks: VecDeque<StoredRecord>,
}

/// A line of an export: one reading.
#[derive(Debug, Serialize)]
struct Line<'a> {
    epoch: Epoch,
    number: u64,
    source: &'a SourceId,
    channel: &'a Channel,
    value: &'a Value,
    #[serde(skip_serializing_if = "str::is_empty")]
    unit: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_stamp: Option<&'a SourceStamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'a Identity>,
    #[serde(skip_serializing_if = "Quality::is_good")]
    quality: Quality,
    received: Clocks,
}

impl Export {
    /// The next lines; `None` at the end.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut text = Vec::new();
        while text.len() < CHUNK_BYTES && self.after < self.through && self.limit > 0 {
            match self.blocks.pop_front() {
                Some(stored) => {
                    if let Some((_, LaneRecord::Readings(block))) =
                        archived(&stored, &self.device, self.epoch)?
                    {
                        self.write(&block, &mut text);
                    }
                }
                None if self.next_page > self.through / SAMPLES_PAGE_ITEMS => break,
                None => {
                    let key = samples_key(&self.device, self.epoch, self.next_page);
                    self.next_page += 1;
                    self.blocks = self.archive.reader.by_key(key)?.into();
                }
            }
        }
        Ok((!text.is_empty()).then_some(text))
    }

    fn write(&mut self, block: &ReadingBlock, text: &mut Vec<u8>) {
        let skipped = usize::try_from((self.after + 1).saturating_sub(block.first)).unwrap_or(usize::MAX);
        for (index, reading) in block.readings.iter().enumerate().skip(skipped) {
            let number = block.first + index as u64;
            if number > self.through || self.limit == 0 {
                return;
            }
            let line = Line {
                epoch: self.epoch,
                number,
                source: &reading.source,
                channel: &reading.channel,
                value: &reading.value,
                unit: &reading.unit,
                source_stamp: reading.source_stamp.as_ref(),
                identity: reading.identity.as_ref(),
                quality: reading.quality,
                received: block.stamp.shifted(reading.received_ns).into(),
            };
            serde_json::to_writer(&mut *text, &line).expect("a reading has a JSON form, and memory takes it");
            text.push(b'\n');
            self.after = number;
            self.limit -= 1;
        }
    }
}
