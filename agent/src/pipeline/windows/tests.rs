//! Windows, tried with readings at every time.

mod recordings;

use super::*;

pub(in crate::pipeline) fn summary() -> WindowSummary {
    WindowSummary {
        pipeline: "ward".to_owned(),
        definition: "0123456789abcdef".to_owned(),
        source: SourceId::new("ward/bed-12").expect("a source"),
        channel: Channel::new("HR").expect("a channel"),
        start: Timestamp::from_micros(1_795_459_200_000_000),
        end: Timestamp::from_micros(1_795_459_260_000_000),
        count: 3,
        missing: 1,
        min: None,
        max: Some(140.0),
        mean: Some(131.5),
        first_reading: 5,
        last_reading: 9,
        condition: Some(true),
        condition_error: None,
        late: 0,
        cut_short: false,
    }
}

use tidegate_model::chance::Chance;
use tidegate_model::codec;
use tidegate_model::id::BootId;
use tidegate_model::reading::{Quality, Reading, SourceStamp, Value};
use tidegate_model::time::{ClockState, Stamp};

const SECOND: i64 = 1_000_000;

/// Windows of one pipeline, and the numbering of its readings.
struct Bench {
    windows: Windows,
    next: u64,
    closed: Vec<WindowSummary>,
}

impl Bench {
    fn new(window: &str) -> Self {
        let mut windows = Windows::default();
        windows.enable(&definition("ward", window));
        Self { windows, next: 1, closed: Vec::new() }
    }

    /// One reading of `source`, stamped and received at these seconds; and whatever closes then.
    fn reading(&mut self, source: &str, stamped: i64, received: i64, value: Value) {
        self.stamped(source, Some(SourceStamp::Int(stamped)), received, value);
    }

    fn stamped(&mut self, source: &str, source_stamp: Option<SourceStamp>, received: i64, value: Value) {
        let reading = Reading {
            source: source.parse().expect("a source"),
            channel: "HR".parse().expect("a channel"),
            value,
            unit: String::new(),
            source_stamp,
            identity: None,
            received_ns: 0,
            quality: Quality::Good,
        };
        let block = ReadingBlock { first: self.next, stamp: stamp(), readings: vec![reading] };
        self.next += 1;
        self.windows.apply_readings(&block, at(received));
        self.close(received);
    }

    fn value(&mut self, seconds: i64, value: f64) {
        self.reading("bed", seconds, seconds, Value::Number(value));
    }

    /// Closes what is due, as the gateway does.
    fn close(&mut self, seconds: i64) {
        loop {
            let due = self.windows.due(at(seconds));
            let deadline = self.windows.next_deadline();
            assert_eq!(due.is_empty(), deadline.is_none_or(|deadline| deadline > at(seconds)));
            if due.is_empty() {
                return;
            }
            for summary in due {
                self.windows.apply_closed(&summary);
                self.closed.push(summary);
            }
        }
    }

    /// (start in seconds, count, mean) of each window closed since the last look.
    fn take(&mut self) -> Vec<(i64, u64, Option<f64>)> {
        let closed = std::mem::take(&mut self.closed);
        closed.iter().map(|w| (w.start.as_micros() / SECOND, w.count, w.mean)).collect()
    }
}

const BY_SOURCE: &str = "length = '60s'\ntime = 'source'\ntime_unit = 's'\ngrace = '5s'";
const BY_GATEWAY: &str = "length = '60s'\ntime = 'gateway'\ngrace = '5s'";

fn definition(name: &str, window: &str) -> Definition {
    let text = format!(
        "name = '{name}'\n[[source]]\nsource = '#'\nchannel = '+'\n[window]\n{window}\n[condition]\nwhen = 'mean > 100'\n"
    );
    Definition::parse("test.toml", &text).unwrap_or_else(|wrong| panic!("{}", wrong[0]))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * SECOND)
}

fn stamp() -> Stamp {
    Stamp {
        boot: BootId::from_u128(1),
        boottime_ns: 0,
        wall: at(0),
        state: ClockState::Unset,
        error_us: None,
    }
}

#[test]
fn a_reading_of_a_later_window_closes_the_one_before() {
    let mut bench = Bench::new(BY_SOURCE);
    for (seconds, value) in [(120, 90.0), (150, 110.0), (179, 130.0)] {
        bench.value(seconds, value);
    }
    assert_eq!(bench.take(), []);
    bench.value(180, 1.0);
    let window = bench.closed.first().expect("the first window").clone();
    assert_eq!(bench.take(), [(120, 3, Some(110.0))]);
    assert_eq!((window.min, window.max, window.condition), (Some(90.0), Some(130.0), Some(true)));
    assert_eq!((window.first_reading, window.last_reading, window.end), (1, 3, at(180)));
    assert!(!window.cut_short && window.late == 0);
    // Empty windows in between are not made up.
    bench.value(600, 2.0);
    assert_eq!(bench.take(), [(180, 1, Some(1.0))]);
}

#[test]
fn a_silent_source_does_not_hold_its_window_open() {
    let mut bench = Bench::new(BY_SOURCE);
    // The source's clock is years behind: what counts is how long ago the gateway heard the first reading.
    bench.reading("bed", 30, 1_000_000, Value::Number(1.0));
    assert_eq!(bench.windows.next_deadline(), Some(at(1_000_065)));
    bench.close(1_000_064);
    assert_eq!(bench.take(), []);
    bench.close(1_000_065);
    assert_eq!(bench.take(), [(0, 1, Some(1.0))]);
    assert_eq!((bench.windows.next_deadline(), bench.windows.open()), (None, 0));
}

#[test]
fn by_the_gateways_time_a_window_closes_at_its_end_and_its_grace() {
    let mut bench = Bench::new(BY_GATEWAY);
    bench.stamped("bed", None, 110, Value::Int(4));
    assert_eq!(bench.windows.next_deadline(), Some(at(125)));
    bench.close(125);
    assert_eq!(bench.take(), [(60, 1, Some(4.0))]);
}

#[test]
fn what_has_no_number_is_missing_and_what_has_no_time_is_in_no_window() {
    let mut bench = Bench::new(BY_SOURCE);
    bench.reading("bed", 60, 60, Value::Missing);
    bench.reading("bed", 61, 61, Value::Text("off".to_owned()));
    bench.stamped("bed", None, 62, Value::Number(5.0));
    bench.stamped("bed", Some(SourceStamp::Text("yesterday".to_owned())), 62, Value::Number(5.0));
    bench.value(120, 1.0);
    let window = bench.closed.first().expect("closed").clone();
    assert_eq!((window.count, window.missing, window.mean, window.condition), (0, 2, None, None));
    assert!(window.condition_error.expect("no mean").contains("no reading in the window has a number"));
    assert_eq!(bench.windows.counts()["ward"].undated, 2);
}

#[test]
fn a_late_reading_is_counted_and_in_no_window() {
    let mut bench = Bench::new(BY_SOURCE);
    bench.value(120, 1.0);
    bench.value(119, 99.0);
    bench.value(121, 3.0);
    bench.value(180, 1.0);
    let window = bench.closed.first().expect("closed");
    assert_eq!((window.late, window.count, window.mean), (1, 2, Some(2.0)));
    // Also after the window was closed by the clock and none is open.
    bench.close(10_000);
    bench.closed.clear();
    bench.value(185, 9.0);
    assert_eq!((bench.windows.open(), bench.windows.counts()["ward"].late), (0, 2));
    bench.value(240, 5.0);
    bench.close(20_000);
    assert_eq!((bench.closed[0].late, bench.closed[0].count), (1, 1));
}

#[test]
fn many_late_readings_in_a_row_are_a_clock_that_was_set_back() {
    let mut bench = Bench::new(BY_SOURCE);
    bench.value(100_000, 1.0);
    for n in 0..i64::from(LATE_READINGS_IN_A_ROW_MAX) - 1 {
        bench.value(60 + n, 5.0);
    }
    // One in between that is in time shows that they are stragglers.
    bench.value(100_001, 1.0);
    for n in 0..i64::from(LATE_READINGS_IN_A_ROW_MAX) {
        assert_eq!(bench.windows.counts()["ward"].set_back, 0);
        bench.value(60 + n, 7.0);
    }
    let window = bench.closed.first().expect("the window of the old time ends").clone();
    assert!(window.cut_short && window.count == 2);
    assert_eq!(window.late, 2 * u64::from(LATE_READINGS_IN_A_ROW_MAX) - 2);
    bench.closed.clear();
    bench.value(120, 0.0);
    assert_eq!(bench.take(), [(60, 1, Some(7.0))], "the time goes on from where it was set");
    let counts = bench.windows.counts()["ward"];
    assert_eq!((counts.set_back, counts.cut_short), (1, 1));
}

#[test]
fn sources_and_pipelines_do_not_see_each_other() {
    let mut bench = Bench::new(BY_SOURCE);
    bench.windows.enable(&definition("slow", "length = '1h'\ntime = 'source'\ntime_unit = 's'"));
    bench.reading("a", 60, 60, Value::Number(1.0));
    bench.reading("b", 500, 61, Value::Number(2.0));
    assert_eq!(bench.windows.open(), 4);
    bench.reading("a", 120, 62, Value::Number(3.0));
    assert_eq!(bench.closed.len(), 1);
    assert_eq!((bench.closed[0].source.as_str(), bench.closed[0].pipeline.as_str()), ("a", "ward"));
}

#[test]
fn a_changed_definition_keeps_a_window_of_the_same_form_and_cuts_another_short() {
    let mut bench = Bench::new(BY_SOURCE);
    bench.value(60, 1.0);
    let renamed = definition("ward", &format!("{BY_SOURCE}\n# the same"));
    bench.windows.enable(&renamed);
    bench.close(61);
    assert_eq!((bench.closed.len(), bench.windows.open()), (0, 1));
    bench.windows.enable(&definition("ward", "length = '90s'\ntime = 'source'\ntime_unit = 's'"));
    bench.close(61);
    assert!(bench.closed[0].cut_short && bench.closed[0].definition == renamed.digest());
    bench.value(95, 1.0);
    bench.windows.disable("ward");
    assert_eq!((bench.windows.open(), bench.windows.next_deadline()), (0, None));
    bench.value(200, 1.0);
    assert_eq!(bench.windows.open(), 0);
}

#[test]
fn more_windows_than_there_may_be_close_the_oldest_and_say_so() {
    let mut bench = Bench::new(BY_SOURCE);
    for n in 0..=OPEN_WINDOWS_MAX {
        let received = 100 + i64::try_from(n).expect("small") / 1_000;
        bench.reading(&format!("bed-{n}"), 60, received, Value::Number(1.0));
    }
    assert_eq!(bench.windows.open(), OPEN_WINDOWS_MAX);
    assert_eq!(bench.closed.len(), 1);
    assert!(bench.closed[0].cut_short && bench.closed[0].source.as_str() == "bed-0");
}

#[test]
fn the_sources_remembered_are_bounded() {
    let mut bench = Bench::new(BY_SOURCE);
    for n in 0..WINDOW_KEYS_MAX + 5 {
        // Each window has closed by the clock when the next source speaks.
        let received = 100 * i64::try_from(n).expect("small");
        bench.reading(&format!("bed-{n}"), 60, received, Value::Number(1.0));
    }
    assert_eq!(bench.windows.keys.len(), WINDOW_KEYS_MAX);
}

#[test]
fn a_closing_is_bounded_and_the_rest_is_due_at_once() {
    let mut bench = Bench::new(BY_SOURCE);
    for n in 0..WINDOWS_CLOSED_AT_ONCE_MAX + 3 {
        bench.reading(&format!("bed-{n}"), 60, 100, Value::Number(1.0));
    }
    let due = bench.windows.due(at(10_000));
    assert_eq!(due.len(), WINDOWS_CLOSED_AT_ONCE_MAX);
    due.iter().for_each(|summary| bench.windows.apply_closed(summary));
    assert_eq!(bench.windows.due(at(10_000)).len(), 3);
}

#[test]
fn stamps_at_either_end_of_time_are_ordinary() {
    let mut bench = Bench::new("length = '60s'\ntime = 'source'");
    let mut date = |text: &str| {
        bench.stamped("bed", Some(SourceStamp::Text(text.to_owned())), 100, Value::Number(1.0));
    };
    ["1970-01-01T00:00:03Z", "2896-10-10T00:31:25.894Z", "9999-12-31T23:59:59Z"]
        .into_iter()
        .for_each(&mut date);
    bench.close(10_000);
    let starts: Vec<String> = bench.closed.iter().map(|window| window.start.to_string()).collect();
    assert_eq!(starts, ["1970-01-01T00:00:00.000Z", "2896-10-10T00:31:00.000Z", "9999-12-31T23:59:00.000Z"]);
}

#[test]
fn the_mean_is_sound_where_a_sum_would_not_be() {
    let mean = |values: &[f64]| {
        let mut aggregate = Aggregate::default();
        values.iter().for_each(|value| aggregate.add(*value));
        aggregate.mean
    };
    assert_eq!(mean(&[f64::MAX, f64::MAX, f64::MAX]), f64::MAX);
    assert_eq!(mean(&[f64::MAX, f64::MIN]), 0.0);
    // A sum of ten million of these is off in the ninth digit.
    let many = vec![0.1; 1_000_000];
    assert!((mean(&many) - 0.1).abs() < 1e-15);
    let offset: Vec<f64> = (0..10_000).map(|n| 1e12 + f64::from(n % 7)).collect();
    let exact = (0..10_000).map(|n| f64::from(n % 7)).sum::<f64>() / 10_000.0;
    assert!((mean(&offset) - 1e12 - exact).abs() < 1e-2);
}

/// What a window should hold, found the slow and obvious way.
fn naive(readings: &[(u64, i64, f64)]) -> Vec<(i64, u64, u64, u64, f64, f64, f64)> {
    let mut windows: Vec<(i64, Vec<(u64, f64)>)> = Vec::new();
    for (number, seconds, value) in readings {
        let start = seconds - seconds.rem_euclid(60);
        match windows.iter_mut().rfind(|(known, _)| *known == start) {
            Some((_, values)) => values.push((*number, *value)),
            None => windows.push((start, vec![(*number, *value)])),
        }
    }
    windows
        .into_iter()
        .map(|(start, values)| {
            let count = values.len() as u64;
            let numbers: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
            let min = numbers.iter().copied().fold(f64::INFINITY, f64::min);
            let max = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mean = numbers.iter().sum::<f64>() / f64::from(u32::try_from(count).expect("few"));
            (start, count, values[0].0, values[values.len() - 1].0, min, max, mean)
        })
        .collect()
}

#[test]
fn windows_hold_what_the_obvious_computation_finds_whatever_comes_when() {
    for seed in 0..200 {
        let mut chance = Chance::new(seed);
        let mut bench = Bench::new(BY_SOURCE);
        let sources = ["a", "b", "c"];
        let mut expected: BTreeMap<&str, Vec<(u64, i64, f64)>> = BTreeMap::new();
        let mut late: BTreeMap<&str, u64> = BTreeMap::new();
        // Each source's time goes on by itself, with jumps ahead and stragglers, fewer in a row than a set clock.
        let mut clocks: BTreeMap<&str, i64> = BTreeMap::new();
        let small = |chance: &mut Chance, bound: u64| i64::try_from(chance.below(bound)).expect("small");
        let mut twin: Option<Windows> = None;
        for n in 0..300 {
            let source = sources[usize::try_from(chance.below(3)).expect("below 3")];
            let straggles = chance.below(20) == 0 && expected.contains_key(source);
            let clock = clocks.entry(source).or_insert(1_000);
            *clock += if straggles {
                0
            } else if chance.below(10) == 0 {
                small(&mut chance, 400)
            } else {
                small(&mut chance, 9)
            };
            let seconds = if straggles { *clock - 120 - small(&mut chance, 500) } else { *clock };
            let value = f64::from(u32::try_from(chance.below(2_000)).expect("small")) / 8.0 - 100.0;
            if straggles {
                *late.entry(source).or_default() += 1;
            } else {
                expected.entry(source).or_default().push((bench.next, seconds, value));
            }
            bench.reading(source, seconds, 10, Value::Number(value));
            // What is kept and restored in the middle goes on as if nothing had been.
            if n == 150 {
                let mut restored: Windows =
                    codec::from_cbor(&codec::to_cbor(&bench.windows)).expect("reads back");
                restored.enable(&definition("ward", BY_SOURCE));
                twin = Some(std::mem::replace(&mut bench.windows, restored));
            }
            if let Some(twin) = twin.as_mut() {
                let same = |windows: &Windows| codec::to_cbor(windows);
                if n == 150 {
                    assert_eq!(same(twin), same(&bench.windows));
                }
            }
        }
        bench.close(1_000_000);
        for source in sources {
            let found: Vec<_> =
                bench.closed.iter().filter(|window| window.source.as_str() == source).collect();
            let expected = naive(&expected[source]);
            assert_eq!(found.len(), expected.len(), "seed {seed}");
            for (found, (start, count, first, last, min, max, mean)) in found.iter().zip(expected) {
                assert_eq!(found.start, at(start), "seed {seed}");
                assert_eq!((found.count, found.first_reading, found.last_reading), (count, first, last));
                assert_eq!((found.min, found.max), (Some(min), Some(max)));
                assert!((found.mean.expect("there are readings") - mean).abs() < 1e-9, "seed {seed}");
                assert_eq!(found.condition, Some(found.mean.expect("there are readings") > 100.0));
            }
            let told: u64 = found.iter().map(|window| window.late).sum();
            assert!(told <= late.get(source).copied().unwrap_or(0), "seed {seed}");
        }
        let late: u64 = late.values().sum();
        assert_eq!(bench.windows.counts().get("ward").map_or(0, |counts| counts.late), late, "seed {seed}");
    }
}

#[test]
fn a_replay_of_the_log_has_the_same_bits() {
    let life = || {
        let mut bench = Bench::new(BY_SOURCE);
        let mut chance = Chance::new(4);
        for n in 0..2_000 {
            let value = f64::from(u32::try_from(chance.below(1 << 30)).expect("small")) / 3.0;
            bench.value(n, value);
        }
        (codec::to_cbor(&bench.windows), bench.closed)
    };
    assert_eq!(life(), life());
}
