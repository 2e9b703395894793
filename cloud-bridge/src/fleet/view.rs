//! The fleet as operators see it. Reads only.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate_model::id::{DeviceId, Epoch, RunId, SignalId};
use tidegate_model::lane::Lane;
use tidegate_model::payload::Payload;
use tidegate_model::replication::GapReason;
use tidegate_model::signal::SignalOutcome;
use tidegate_model::time::Timestamp;

use super::device::{Device, EpochState, Listed};
use super::downlink::{Issued, SignalState};
use super::lane::LaneState;
use super::run::{Run, RunStatus};
use super::{Fleet, Traffic};
use crate::api::{
    DeadLetterView, DeadLetters, DeviceDetail, DeviceSummary, Devices, EpochDetail, GapView, LaneDetail,
    LaneSummary, RunView, Runs, SignalStateView, SignalView, Signals, WindowView, Windows,
};

/// Counts over the whole fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) devices: u64,
    pub(crate) epochs_parked: u64,
    pub(crate) runs_open: u64,
    pub(crate) runs_closed: u64,
    pub(crate) signals_waiting: u64,
    pub(crate) dead_letters: u64,
    pub(crate) batches_refused: u64,
    /// By lane number.
    pub(crate) lanes: [LaneTotals; Lane::ALL.len()],
}

/// Counts over one lane of all epochs of all devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LaneTotals {
    pub(crate) archived: u64,
    pub(crate) set_aside: u64,
    pub(crate) gone: u64,
    pub(crate) duplicates_skipped: u64,
}

impl Fleet {
    pub(crate) fn devices(&self) -> Devices {
        Devices { devices: self.devices.iter().filter_map(|(id, device)| self.summary(id, device)).collect() }
    }

    pub(crate) fn device(&self, id: &DeviceId) -> Option<DeviceDetail> {
        let device = self.devices.get(id)?;
        let traffic = self.traffic.get(id).cloned().unwrap_or_default();
        Some(DeviceDetail {
            summary: self.summary(id, device)?,
            boot: device.boot,
            clock: device.epochs.iter().rev().find_map(|state| state.last_sent).map(Into::into),
            batches_refused: traffic.refused,
            downlink_cursor: traffic.cursor,
            epochs: device.epochs.iter().rev().map(|state| epoch_detail(state, &traffic)).collect(),
        })
    }

    fn summary(&self, id: &DeviceId, device: &Device) -> Option<DeviceSummary> {
        let state = device.epochs.last()?;
        Some(DeviceSummary {
            device: id.clone(),
            epoch: state.epoch,
            parked: state.parked.is_some(),
            agent_version: device.agent_version.clone(),
            first_seen: device.first_seen.to_string(),
            last_contact: self
                .traffic
                .get(id)
                .and_then(|traffic| traffic.last_contact)
                .map(|at| at.to_string()),
            lanes: Lane::ALL.into_iter().map(|lane| lane_summary(lane, state.lane(lane))).collect(),
            runs_open: state.runs.open(),
            runs_closed: device.epochs.iter().map(|state| state.runs.closed_total).sum(),
            signals_waiting: device.downlink.waiting(),
            dead_letters: device.dead_letters_total,
        })
    }

    /// Runs of a device that fit a question, the latest epoch's first. A device that opened another epoch sent anew
    /// what it still had: a run that is in several is shown as the latest has it, unless one epoch is asked for.
    pub(crate) fn runs(&self, id: &DeviceId, wanted: &RunsWanted) -> Option<Runs> {
        let device = self.devices.get(id)?;
        let mut seen = BTreeSet::new();
        let mut runs: Vec<RunView> = device
            .epochs
            .iter()
            .rev()
            .filter(|state| wanted.epoch.is_none_or(|epoch| epoch == state.epoch))
            .flat_map(|state| state.runs.latest().map(|(run_id, run)| (state.epoch, run_id, run)))
            .filter(|(_, run_id, _)| seen.insert(*run_id))
            .filter(|(_, _, run)| wanted.status.is_none_or(|status| status == run.status))
            .filter(|(_, _, run)| {
                wanted.workflow_id.as_deref().is_none_or(|id| id == run.workflow_id.as_str())
            })
            .take(wanted.limit.saturating_add(1))
            .map(|(epoch, run_id, run)| run_view(id, epoch, run_id, run))
            .collect();
        let more = runs.len() > wanted.limit;
        runs.truncate(wanted.limit);
        Some(Runs { runs, more })
    }

    /// A run, where it is still listed, and the epochs its history may be in.
    pub(crate) fn run(&self, id: &DeviceId, run_id: RunId) -> Option<(Option<RunView>, Vec<Epoch>)> {
        let device = self.devices.get(id)?;
        let listed = device
            .epochs
            .iter()
            .rev()
            .find_map(|state| state.runs.get(run_id).map(|run| run_view(id, state.epoch, run_id, run)));
        let epochs = match &listed {
            Some(view) => vec![view.epoch],
            None => device.epochs.iter().rev().map(|state| state.epoch).collect(),
        };
        Some((listed, epochs))
    }

    /// An epoch of a device (the latest when none is named), and how far its samples are held.
    pub(crate) fn samples(&self, id: &DeviceId, epoch: Option<Epoch>) -> Option<Option<(Epoch, u64)>> {
        let device = self.devices.get(id)?;
        let state = match epoch {
            Some(epoch) => device.epoch(epoch),
            None => device.epochs.last(),
        };
        Some(state.map(|state| (state.epoch, state.lane(Lane::Samples).ack)))
    }

    pub(crate) fn windows(&self, id: &DeviceId) -> Option<Windows> {
        let device = self.devices.get(id)?;
        let windows = device
            .windows
            .iter()
            .rev()
            .map(|(epoch, summary)| WindowView {
                epoch: *epoch,
                pipeline: summary.pipeline.clone(),
                definition: summary.definition.clone(),
                source: summary.source.to_string(),
                channel: summary.channel.to_string(),
                start: summary.start.to_string(),
                end: summary.end.to_string(),
                count: summary.count,
                missing: summary.missing,
                late: summary.late,
                cut_short: summary.cut_short,
                min: summary.min,
                max: summary.max,
                mean: summary.mean,
                first_reading: summary.first_reading,
                last_reading: summary.last_reading,
                condition: summary.condition,
                condition_error: summary.condition_error.clone(),
            })
            .collect();
        Some(Windows { windows })
    }

    pub(crate) fn dead_letters(&self, id: &DeviceId) -> Option<DeadLetters> {
        let device = self.devices.get(id)?;
        Some(DeadLetters {
            dead_letters: device.dead_letters.iter().rev().map(dead_letter).collect(),
            total: device.dead_letters_total,
        })
    }

    pub(crate) fn signals(&self, id: &DeviceId) -> Option<Signals> {
        let device = self.devices.get(id)?;
        let cursor = self.traffic.get(id).map_or(0, |traffic| traffic.cursor);
        Some(Signals { signals: device.downlink.latest().map(|issued| signal(issued, cursor)).collect() })
    }

    pub(crate) fn signal(&self, id: &DeviceId, signal_id: &SignalId) -> Option<SignalView> {
        let cursor = self.traffic.get(id).map_or(0, |traffic| traffic.cursor);
        self.devices.get(id)?.downlink.get(signal_id).map(|issued| signal(issued, cursor))
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals { devices: self.devices.len() as u64, ..Totals::default() };
        for device in self.devices.values() {
            totals.signals_waiting += device.downlink.waiting() as u64;
            totals.dead_letters += device.dead_letters_total;
            // What was open in an epoch that is left goes on in the next, if the device still had it.
            totals.runs_open += device.epochs.last().map_or(0, |state| state.runs.open() as u64);
            for state in &device.epochs {
                totals.epochs_parked += u64::from(state.parked.is_some());
                totals.runs_closed += state.runs.closed_total;
                for (total, lane) in totals.lanes.iter_mut().zip(&state.lanes) {
                    total.archived += lane.archived;
                    total.set_aside += lane.set_aside;
                    total.gone += lane.gone;
                }
            }
        }
        for traffic in self.traffic.values() {
            totals.batches_refused += traffic.refused;
            for (total, duplicates) in totals.lanes.iter_mut().zip(traffic.duplicates) {
                total.duplicates_skipped += duplicates;
            }
        }
        totals
    }
}

/// Which runs to list.
#[derive(Debug, Clone)]
pub(crate) struct RunsWanted {
    pub(crate) epoch: Option<Epoch>,
    pub(crate) status: Option<RunStatus>,
    pub(crate) workflow_id: Option<String>,
    pub(crate) limit: usize,
}

pub(crate) fn run_view(device: &DeviceId, epoch: Epoch, run_id: RunId, run: &Run) -> RunView {
    let status = match run.status {
        RunStatus::Running => "running",
        RunStatus::Completed => "completed",
        RunStatus::Failed => "failed",
        RunStatus::Canceled => "canceled",
        RunStatus::Terminated => "terminated",
        RunStatus::ContinuedAsNew => "continued_as_new",
        RunStatus::TimedOut => "timed_out",
    };
    RunView {
        device: device.clone(),
        epoch,
        namespace: run.namespace.clone(),
        workflow_id: run.workflow_id.clone(),
        run_id,
        workflow_type: run.workflow_type.clone(),
        status: status.to_owned(),
        started_at: run.started_at.map(|at| at.to_string()),
        closed_at: run.closed_at.map(|at| at.to_string()),
        events: run.next_event_id - 1,
        missing_events: run.missing_events,
        last_event: run.last_event.clone(),
        last_event_at: run.last_event_at.to_string(),
        outcome: run.outcome.clone(),
    }
}

fn epoch_detail(state: &EpochState, traffic: &Traffic) -> EpochDetail {
    let (parked_at, reason) = state.parked.unzip();
    // What came again is counted for the device; only the epoch that takes batches can have caused it.
    let counted = state.parked.is_none();
    let lanes = Lane::ALL.into_iter().zip(traffic.duplicates);
    EpochDetail {
        epoch: state.epoch,
        opened_at: state.opened_at.to_string(),
        parked_at: parked_at.map(|at: Timestamp| at.to_string()),
        parked_because: reason.map(|reason| reason.to_string()),
        lanes: lanes
            .map(|(lane, duplicates)| {
                lane_detail(state.epoch, lane, state.lane(lane), if counted { duplicates } else { 0 })
            })
            .collect(),
        runs_open: state.runs.open(),
        runs_closed: state.runs.closed_total,
    }
}

fn lane_summary(lane: Lane, state: &LaneState) -> LaneSummary {
    LaneSummary { lane: lane.name().to_owned(), complete_through: state.ack, complete: is_complete(state) }
}

fn lane_detail(epoch: Epoch, lane: Lane, state: &LaneState, duplicates_skipped: u64) -> LaneDetail {
    LaneDetail {
        lane: lane.name().to_owned(),
        complete_through: state.ack,
        complete: is_complete(state),
        statement: statement(epoch, lane, state),
        archived: state.archived,
        set_aside: state.set_aside,
        gone: state.gone,
        gaps: state
            .gaps
            .iter()
            .map(|gap| GapView { from: gap.from, to: gap.to, reason: gap_reason(gap.reason).to_owned() })
            .collect(),
        duplicates_skipped,
        chain: state.chain.to_string(),
        moved_at: state.moved_at.map(|at| at.to_string()),
    }
}

fn is_complete(state: &LaneState) -> bool {
    state.gone == 0 && state.set_aside == 0
}

/// What the bridge can say of a lane: how far it is accounted for, and what of that is not here.
fn statement(epoch: Epoch, lane: Lane, state: &LaneState) -> String {
    let mut text = format!("{} complete through {} of epoch {epoch}", lane.name(), state.ack);
    if state.gone > 0 {
        text.push_str(&format!(", but for {} declared gone", state.gone));
    }
    if state.set_aside > 0 {
        text.push_str(&format!(", but for {} set aside", state.set_aside));
    }
    text
}

fn gap_reason(reason: GapReason) -> &'static str {
    match reason {
        GapReason::TrimmedAfterAck => "trimmed after it was acknowledged",
        GapReason::DroppedForSpace => "dropped to make room",
    }
}

fn dead_letter(listed: &Listed) -> DeadLetterView {
    match listed {
        Listed::OnDevice { epoch, item, letter } => DeadLetterView {
            found_by: "device".to_owned(),
            epoch: *epoch,
            lane: Lane::Control.name().to_owned(),
            item: *item,
            reason: letter.reason.clone(),
            at: letter.received.wall.to_string(),
            topic: Some(letter.topic.clone()),
            payload: Some(text_or_hex(&letter.payload)),
            bytes: letter.payload_bytes,
        },
        Listed::OnBridge { place, reason, bytes, at } => DeadLetterView {
            found_by: "bridge".to_owned(),
            epoch: place.epoch,
            lane: place.lane.name().to_owned(),
            item: place.first,
            reason: reason.clone(),
            at: at.to_string(),
            topic: None,
            payload: None,
            bytes: *bytes,
        },
    }
}

fn signal(issued: &Issued, cursor: u64) -> SignalView {
    let asked = &issued.signal;
    let (state, run_id, event_id, reason, settled_at) = match &issued.state {
        SignalState::Waiting if asked.seq <= cursor => (SignalStateView::Recorded, None, None, None, None),
        SignalState::Waiting => (SignalStateView::Waiting, None, None, None, None),
        SignalState::Expired { at } => {
            let reason = "no receipt came in time; the device was offered it no longer".to_owned();
            (SignalStateView::Expired, None, None, Some(reason), Some(at))
        }
        SignalState::Settled { outcome, at } => {
            let (state, run_id, event_id, reason) = match outcome {
                SignalOutcome::Applied { run_id, event_id } => {
                    (SignalStateView::Applied, Some(*run_id), *event_id, None)
                }
                SignalOutcome::Duplicate => (SignalStateView::Duplicate, None, None, None),
                SignalOutcome::NotFound { reason } => {
                    (SignalStateView::NotFound, None, None, Some(reason.clone()))
                }
                SignalOutcome::Expired => (SignalStateView::Expired, None, None, None),
                SignalOutcome::Refused { reason } => {
                    (SignalStateView::Refused, None, None, Some(reason.clone()))
                }
            };
            (state, run_id, event_id, reason, Some(at))
        }
    };
    SignalView {
        signal_id: asked.signal_id.clone(),
        seq: asked.seq,
        namespace: asked.namespace.clone(),
        workflow_id: asked.workflow_id.clone(),
        run_id: run_id.or(asked.run_id),
        signal_name: asked.signal_name.clone(),
        input: asked.input.iter().map(payload_json).collect(),
        issued_by: asked.issued_by.clone(),
        issued_at: asked.issued_at.to_string(),
        expires_at: asked.expires_at.map(|at| at.to_string()),
        state,
        event_id,
        reason,
        settled_at: settled_at.map(|at| at.to_string()),
    }
}

/// A payload as the JSON it holds; what is not JSON, as text or in hexadecimal.
fn payload_json(payload: &Payload) -> Value {
    serde_json::from_slice(&payload.data).unwrap_or_else(|_| Value::String(text_or_hex(&payload.data)))
}

fn text_or_hex(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
