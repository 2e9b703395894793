//! What the gateway decides across its parts, on the real store.

use tempfile::TempDir;
use tidegate_log::{Core, Options, Store, Upkeep};
use tidegate_model::chance::Chance;
use tidegate_model::id::{BootId, Epoch};
use tidegate_model::lane::{Lane, LaneRecord};
use tidegate_model::limits::{GROUP_COMMIT_BYTES_MAX, PIPELINE_BYTES_MAX, READING_VALUES_MAX};
use tidegate_model::reading::{Quality, Reading, SourceStamp, Value, WindowSummary};
use tidegate_model::signal::{DownlinkSignal, SignalOutcome};
use tidegate_model::time::{ClockState, Stamp, Timestamp};

use super::*;
use crate::samples::Arrival;

struct Bench {
    core: Core<Gateway<u8>>,
    /// Seconds since the boot.
    now: u64,
    /// What the wall clock shows beyond engine time, in seconds.
    ahead: i64,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::of(Gateway::new(u64::MAX))
    }

    fn of(mut gateway: Gateway<u8>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = Options { cache_bytes: 1 << 22, preallocate_bytes: 0, new_epoch: Epoch::from_u128(1) };
        let (store, _) =
            Store::open(&folder.path().join("store"), &options, &mut gateway).expect("it is made");
        Self { core: Core::new(store, gateway, 7), now: 0, ahead: 0, _folder: folder }
    }

    fn stamp(&self) -> Stamp {
        let seconds = 1_800_000_000 + i64::try_from(self.now).expect("a test is short") + self.ahead;
        Stamp {
            boot: BootId::from_u128(1),
            boottime_ns: self.now * 1_000_000_000,
            wall: Timestamp::from_micros(seconds * 1_000_000),
            state: ClockState::Synchronised,
            error_us: Some(500),
        }
    }

    fn turn(&mut self, inputs: Vec<Input<u8>>) -> Vec<Effect<u8>> {
        self.core.turn(self.stamp(), &mut inputs.into_iter()).expect("the disk is good")
    }

    fn pipeline(&mut self, text: &str) {
        let read = crate::pipeline::Definition::parse("test.toml", text);
        assert!(read.is_ok(), "{read:?}");
        self.turn(vec![Input::Pipelines(vec![PipelineText { file: "test.toml".into(), text: text.into() }])]);
    }

    fn reading(&mut self, source: &str, stamped: i64) {
        self.reading_of(source, stamped, Value::Number(72.0));
    }

    fn reading_of(&mut self, source: &str, stamped: i64, value: Value) {
        let reading = Reading {
            source: source.parse().expect("a source"),
            channel: "HR".parse().expect("a channel"),
            value,
            unit: String::new(),
            source_stamp: Some(SourceStamp::Int(stamped)),
            identity: None,
            received_ns: 0,
            quality: Quality::Good,
        };
        let arrivals = vec![Arrival { reading, received: self.stamp(), redelivered: false }];
        let message = Message { arrivals, dead_letters: Vec::new(), wants_confirmation: false, token: 0 };
        self.turn(vec![Input::Messages(vec![message])]);
    }

    /// Records of the control lane, as they are on disk.
    fn control(&self) -> Vec<LaneRecord> {
        let slice = self.core.reader().lane(Lane::Control, 1, usize::MAX, usize::MAX).expect("readable");
        let records = slice.into_iter().flat_map(|slice| slice.records);
        records.map(|(_, bytes)| tidegate_model::codec::from_cbor(&bytes).expect("readable")).collect()
    }

    fn windows(&self) -> Vec<WindowSummary> {
        let windows = self.control().into_iter().filter_map(|record| match record {
            LaneRecord::Window(summary) => Some(summary),
            LaneRecord::Readings(_)
            | LaneRecord::History(_)
            | LaneRecord::Receipt(_)
            | LaneRecord::Anchor(_)
            | LaneRecord::DeadLetter(_) => None,
        });
        windows.collect()
    }
}

fn pipeline(window: &str, payload: &str) -> String {
    format!(
        r#"
name = "ward"
[[source]]
topic = "ward/{{bed}}/HR"
source = "ward/{{bed}}"
channel = "HR"
value = "/v"
time = "/t"
[window]
{window}
[condition]
when = "count >= 1"
[[step]]
name = "tell"
kind = "publish"
topic = "told"
payload = "{payload}"
"#
    )
}

#[test]
fn a_decision_whose_run_is_refused_says_so_in_its_window() {
    let mut bench = Bench::new();
    bench.pipeline(&pipeline("length = \"60s\"\ntime = \"source\"\ntime_unit = \"s\"", "x"));
    for stamped in [1_800_000_000, 1_800_000_060] {
        bench.reading("ward/bed-1", stamped);
    }
    // The source's clock is set back: the window comes again while the first one's run is open.
    for second in 0..10 {
        bench.reading("ward/bed-1", 1_800_000_001 + second);
    }
    bench.reading("ward/bed-1", 1_800_000_061);
    let windows = bench.windows();
    let again: Vec<&WindowSummary> = windows.iter().filter(|it| it.start == windows[0].start).collect();
    assert_eq!(again.len(), 2, "{windows:?}");
    assert_eq!((again[0].condition, &again[0].condition_error), (Some(true), &None));
    let said = again[1].condition_error.as_deref().expect("its run is refused");
    assert!(said.starts_with("the condition held, and no run was started"), "{said}");
}

#[test]
fn windows_that_close_together_share_groups_of_bounded_size() {
    let mut bench = Bench::new();
    bench
        .pipeline(&pipeline("length = \"60s\"\ntime = \"gateway\"", &"x".repeat(PIPELINE_BYTES_MAX - 1_024)));
    let windows = 3 * GROUP_COMMIT_BYTES_MAX / PIPELINE_BYTES_MAX;
    for bed in 0..windows {
        bench.reading(&format!("ward/bed-{bed}"), 0);
    }
    bench.now = 3_600;
    let mut turns = 0;
    while bench.windows().len() < windows {
        let before = bench.core.reader().last_row();
        bench.turn(Vec::new());
        let rows = bench.core.reader().rows_after(before, usize::MAX).expect("readable");
        let bytes: usize = rows.iter().map(|record| record.bytes.len()).sum();
        assert!(bytes > 0, "every turn closes some");
        assert!(bytes < GROUP_COMMIT_BYTES_MAX + 2 * PIPELINE_BYTES_MAX, "{bytes} bytes in one row");
        turns += 1;
    }
    assert!(turns > 1);
}

#[test]
fn a_signal_is_late_by_the_clock_that_people_see() {
    let mut bench = Bench::new();
    // Booted without a clock, and set right since: engine time goes on from where it was.
    bench.turn(vec![Input::Anchor(bench.stamp())]);
    bench.ahead = 86_400;
    let signal = DownlinkSignal {
        seq: 1,
        signal_id: "late".parse().expect("an id"),
        namespace: "default".parse().expect("a namespace"),
        workflow_id: "ward".parse().expect("an id"),
        run_id: None,
        signal_name: "open-valve".into(),
        input: Vec::new(),
        issued_by: "operator".into(),
        issued_at: Timestamp::EPOCH,
        expires_at: Some(Timestamp::from_micros(1_800_003_600_000_000)),
    };
    bench.turn(vec![Input::Downlink { ticket: tidegate_engine::Ticket(1), signals: vec![signal] }]);
    let expired = bench.control().into_iter().any(
        |record| matches!(record, LaneRecord::Receipt(receipt) if receipt.outcome == SignalOutcome::Expired),
    );
    assert!(expired, "{:?}", bench.control());
}

/// The first reading still held after megabytes of waveforms, with room for none.
fn first_held(gateway: Gateway<u8>) -> u64 {
    let mut bench = Bench::of(gateway);
    let mut chance = Chance::new(1);
    for stamped in 0..300 {
        bench.now += 1;
        // Noise, which no compressor makes smaller.
        let noise = (0..READING_VALUES_MAX).map(|_| f64::from_bits(chance.next_u64() >> 2));
        bench.reading_of("bed", stamped, Value::Vector(noise.collect()));
        if stamped % 100 == 99 {
            while bench.core.upkeep(Upkeep::Idle).expect("the disk is good") {}
        }
    }
    bench.core.reader().lane_first(Lane::Samples).expect("the disk is good")
}

#[test]
fn beyond_the_quota_only_what_a_bridge_holds_is_forgotten_and_anything_where_there_is_none() {
    assert_eq!(first_held(Gateway::new(0)), 1, "the bridge has nothing yet");
    assert!(first_held(Gateway::new(0).without_bridge()) > 1, "nobody waits for it");
}
