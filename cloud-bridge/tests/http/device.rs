//! A device as the wire sees it: a log per lane, and batches made of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;
use tidegate_model::codec::{self, Kind};
use tidegate_model::event::{Event, HistoryBatch, WorkflowExecutionStarted};
use tidegate_model::id::{BootId, Epoch, RunId};
use tidegate_model::lane::{Chain, Lane, LaneRecord};
use tidegate_model::limits::WIRE_BYTES_MAX;
use tidegate_model::payload::Payload;
use tidegate_model::reading::{Quality, Reading, ReadingBlock, SourceStamp, Value, WindowSummary};
use tidegate_model::replication::{
    Batch, BatchRecord, BatchReply, Downlink, Hello, HelloReply, LaneOffer, Refusal,
};
use tidegate_model::signal::{DownlinkSignal, SignalOutcome, SignalReceipt};
use tidegate_model::time::{ClockState, Stamp, Timestamp};

use crate::running::Running;

/// What the bridge answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    /// The reply of a request that was taken.
    #[track_caller]
    pub(crate) fn reply<T: DeserializeOwned>(&self, kind: Kind) -> T {
        assert_eq!(self.status, 200, "{:?}", self.refusal());
        codec::decode(kind, &self.body, WIRE_BYTES_MAX).expect("a reply is understood")
    }

    /// Why a request was not taken.
    pub(crate) fn refusal(&self) -> Refusal {
        codec::decode(Kind::Refusal, &self.body, WIRE_BYTES_MAX).expect("a refusal is understood")
    }

    #[track_caller]
    pub(crate) fn ack(&self) -> u64 {
        self.reply::<BatchReply>(Kind::BatchReply).ack.ack
    }
}

/// A device.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) epoch: Epoch,
    pub(crate) written: BTreeMap<Lane, Vec<BatchRecord>>,
}

pub(crate) fn stamp() -> Stamp {
    Stamp {
        boot: BootId::from_u128(7),
        boottime_ns: 90_000_000_000,
        wall: Timestamp::from_micros(1_795_000_000_000_000),
        state: ClockState::Synchronised,
        error_us: Some(250),
    }
}

pub(crate) fn run_id() -> RunId {
    RunId::from_u128(0x0190_a5f0_0000_7000_8000_0000_0000_0001)
}

impl Device {
    pub(crate) fn new(epoch: u128) -> Self {
        Self { epoch: Epoch::from_u128(epoch), written: BTreeMap::new() }
    }

    pub(crate) fn write(&mut self, record: &LaneRecord) {
        self.write_bytes(record.lane(), record.items(), codec::to_cbor(record));
    }

    pub(crate) fn write_bytes(&mut self, lane: Lane, items: u32, bytes: Vec<u8>) {
        self.written.entry(lane).or_default().push(BatchRecord { items, bytes: ByteBuf::from(bytes) });
    }

    pub(crate) fn write_readings(&mut self, count: u64) {
        let first = self.last(Lane::Samples) + 1;
        let reading = |number: u64| Reading {
            source: "ward/bed-12".parse().expect("a source"),
            channel: "HR".parse().expect("a channel"),
            value: Value::Int(i64::try_from(number % 200).expect("small")),
            unit: "/min".to_owned(),
            source_stamp: Some(SourceStamp::Int(i64::try_from(number).expect("small"))),
            identity: None,
            received_ns: 1_000_000,
            quality: Quality::Good,
        };
        let readings = (first..first + count).map(reading).collect();
        self.write(&LaneRecord::Readings(ReadingBlock { first, stamp: stamp(), readings }));
    }

    /// A run that starts and completes.
    pub(crate) fn write_run(&mut self) {
        let started = WorkflowExecutionStarted {
            input: vec![Payload::json(r#"{"mean":91.5}"#)],
            identity: "agent".to_owned(),
            request_id: "r".to_owned(),
            ..WorkflowExecutionStarted::new("pipeline", "pipelines".parse().expect("a task queue"), run_id())
        };
        let completed = Event::WorkflowExecutionCompleted {
            result: vec![Payload::json(r#""escalated""#)],
            workflow_task_completed_event_id: 1,
            new_execution_run_id: None,
        };
        for (first_event_id, event) in
            [(1, Event::WorkflowExecutionStarted(Box::new(started))), (2, completed)]
        {
            self.write(&LaneRecord::History(HistoryBatch {
                namespace: "default".parse().expect("a namespace"),
                workflow_id: "pipeline/hr/ward/bed-12".parse().expect("a workflow id"),
                run_id: run_id(),
                first_event_id,
                event_time: stamp().wall,
                stamp: stamp(),
                events: vec![event],
            }));
        }
    }

    pub(crate) fn write_window(&mut self) {
        self.write(&LaneRecord::Window(WindowSummary {
            pipeline: "hr".to_owned(),
            definition: "0123456789abcdef".to_owned(),
            source: "ward/bed-12".parse().expect("a source"),
            channel: "HR".parse().expect("a channel"),
            start: stamp().wall,
            end: stamp().wall + Duration::from_secs(60),
            count: 60,
            missing: 1,
            late: 0,
            cut_short: false,
            min: Some(60.0),
            max: Some(120.0),
            mean: Some(91.5),
            first_reading: 1,
            last_reading: 61,
            condition: Some(true),
            condition_error: None,
        }));
    }

    pub(crate) fn write_receipt(&mut self, signal: &DownlinkSignal) {
        self.write(&LaneRecord::Receipt(SignalReceipt {
            seq: signal.seq,
            signal_id: signal.signal_id.clone(),
            outcome: SignalOutcome::Applied { run_id: run_id(), event_id: Some(9) },
        }));
    }

    pub(crate) fn last(&self, lane: Lane) -> u64 {
        self.written.get(&lane).into_iter().flatten().map(|record| u64::from(record.items)).sum()
    }

    /// Everything of a lane after an item, in one batch.
    pub(crate) fn batch(&self, lane: Lane, after: u64) -> Batch {
        let mut chain_before = Chain::START;
        let mut at = 0;
        let mut records = Vec::new();
        for record in self.written.get(&lane).into_iter().flatten() {
            at += u64::from(record.items);
            if at <= after {
                chain_before = chain_before.after(record.items, &record.bytes);
            } else {
                records.push(record.clone());
            }
        }
        let chain_after =
            records.iter().fold(chain_before, |chain, record| chain.after(record.items, &record.bytes));
        Batch { first: after + 1, chain_before, gap: None, records, chain_after, sent: stamp() }
    }

    pub(crate) fn hello(&self) -> Hello {
        let lanes =
            Lane::ALL.into_iter().map(|lane| LaneOffer { lane, first: 1, last: self.last(lane) }).collect();
        Hello {
            epoch: self.epoch,
            boot: BootId::from_u128(7),
            lanes,
            downlink_cursor: 0,
            agent_version: "0.1.0".to_owned(),
            sent: stamp(),
        }
    }

    pub(crate) fn lane_path(&self, lane: Lane) -> String {
        format!("/v1/devices/gw-1/epochs/{}/lanes/{}", self.epoch, lane.number())
    }

    pub(crate) async fn say_hello(&self, bridge: &Running) -> HelloReply {
        let body = codec::encode(Kind::Hello, &self.hello());
        bridge.post("/v1/devices/gw-1/hello", &[], body).await.reply(Kind::HelloReply)
    }

    pub(crate) async fn send(&self, bridge: &Running, lane: Lane, after: u64) -> Answered {
        let body = codec::encode(Kind::Batch, &self.batch(lane, after));
        bridge.post(&self.lane_path(lane), &[], body).await
    }

    pub(crate) async fn poll(&self, bridge: &Running, after: u64, wait: u64) -> Downlink {
        let path = format!("/v1/devices/gw-1/downlink?after={after}&wait={wait}");
        bridge.fetch(&path).await.reply(Kind::Downlink)
    }
}
