//! Every second, minute or day of a stretch of time, looked at on the wall clock, against the search.

use proptest::prelude::*;

use super::*;

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Pacific/Apia",
];

/// Changes of some of these clocks, and quiet days.
const MIDDLES: [&str; 12] = [
    "2026-03-29T01:00:00Z",
    "2026-10-25T01:00:00Z",
    "2026-03-08T07:00:00Z",
    "2026-11-01T06:00:00Z",
    "2026-04-04T15:00:00Z",
    "2026-10-03T15:30:00Z",
    "2018-11-04T03:00:00Z",
    "2019-02-17T02:00:00Z",
    "2011-12-30T10:00:00Z",
    "2026-02-15T02:00:00Z",
    "2024-02-29T12:00:00Z",
    "2099-12-31T23:00:00Z",
];

fn is_in(ranges: &[FieldRange], value: i32) -> bool {
    ranges
        .iter()
        .any(|range| (range.start..=range.end).contains(&value) && (value - range.start) % range.step == 0)
}

fn is_on(calendar: &StructuredCalendarSpec, clock: jiff::civil::DateTime) -> bool {
    let weekday = i32::from(clock.date().weekday().to_sunday_zero_offset());
    is_in(&calendar.second, i32::from(clock.second()))
        && is_in(&calendar.minute, i32::from(clock.minute()))
        && is_in(&calendar.hour, i32::from(clock.hour()))
        && is_in(&calendar.day_of_month, i32::from(clock.day()))
        && is_in(&calendar.month, i32::from(clock.month()))
        && (calendar.year.is_empty() || is_in(&calendar.year, i32::from(clock.year())))
        && is_in(&calendar.day_of_week, weekday)
}

fn names(spec: &ScheduleSpec, zone: &jiff::tz::TimeZone, second: i64) -> bool {
    let instant = jiff::Timestamp::from_second(second).expect("a year of this file");
    let clock = zone.to_datetime(instant);
    let by_calendar = spec.structured_calendar.iter().any(|calendar| is_on(calendar, clock));
    let by_interval = spec.interval.iter().any(|interval| {
        let phase = interval.phase.unwrap_or_default().as_secs();
        (second - phase as i64) % interval.interval.as_secs() as i64 == 0
    });
    (by_calendar || by_interval)
        && !spec.exclude_structured_calendar.iter().any(|calendar| is_on(calendar, clock))
}

fn agree(spec: &ScheduleSpec, from: i64, to: i64, step: usize) -> Result<(), TestCaseError> {
    let end_time = Some(Timestamp::from_micros(to * 1_000_000));
    let spec = ScheduleSpec { end_time, ..spec.clone() }.canonical().expect("made to be good");
    let zone = jiff::tz::TimeZoneDatabase::bundled().get(&spec.timezone_name).expect("one of ours");
    let expected: Vec<i64> =
        (from..=to).step_by(step).filter(|second| names(&spec, &zone, *second)).collect();
    let ready = SpecTimes::new(&spec).expect("canonical");
    let times = ready.after("", Timestamp::from_micros((from - 1) * 1_000_000));
    let found: Result<Vec<i64>, _> =
        times.map(|time| time.map(|time| time.nominal.as_micros() / 1_000_000)).collect();
    prop_assert_eq!(found, Ok(expected));
    Ok(())
}

fn ranges(first: i32, last: i32) -> impl Strategy<Value = Vec<FieldRange>> {
    let range = (first..=last, first..=last, 1..=20_i32).prop_map(|(a, b, step)| FieldRange {
        start: a.min(b),
        end: a.max(b),
        step,
    });
    prop_oneof![
        2 => Just(vec![FieldRange { start: first, end: last, step: 1 }]),
        3 => prop::collection::vec(range, 1..3),
    ]
}

fn calendar(
    seconds: impl Strategy<Value = Vec<FieldRange>>,
) -> impl Strategy<Value = StructuredCalendarSpec> {
    let years = prop_oneof![4 => Just(Vec::new()), 1 => ranges(2011, 2100)];
    (seconds, ranges(0, 59), ranges(0, 23), ranges(1, 31), ranges(1, 12), years, ranges(0, 6)).prop_map(
        |(second, minute, hour, day_of_month, month, year, day_of_week)| StructuredCalendarSpec {
            second,
            minute,
            hour,
            day_of_month,
            month,
            year,
            day_of_week,
            comment: String::new(),
        },
    )
}

/// Zone, middle, calendars, intervals, exclusions.
fn spec(
    seconds: fn() -> BoxedStrategy<Vec<FieldRange>>,
    interval_unit: u64,
) -> impl Strategy<Value = (ScheduleSpec, i64)> {
    let interval = (1..500_u64, 0..500_u64).prop_map(move |(length, phase)| IntervalSpec {
        interval: Duration::from_secs(length * interval_unit),
        phase: Some(Duration::from_secs(phase % length * interval_unit)),
    });
    (
        prop::sample::select(&ZONES),
        prop::sample::select(&MIDDLES),
        prop::collection::vec(calendar(seconds()), 1..3),
        prop::collection::vec(interval, 0..2),
        prop::collection::vec(calendar(ranges(0, 59)), 0..3),
    )
        .prop_map(|(zone, middle, calendars, interval, excluded)| {
            let spec = ScheduleSpec {
                structured_calendar: calendars,
                interval,
                exclude_structured_calendar: excluded,
                timezone_name: zone.to_owned(),
                ..ScheduleSpec::default()
            };
            (spec, at(middle).as_micros() / 1_000_000)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_times_of_a_day_and_a_half_are_those_that_every_minute_shows(
        (spec, middle) in spec(|| Just(vec![one(0, 0, 1)]).boxed(), 60)
    ) {
        agree(&spec, middle - 18 * 3_600, middle + 18 * 3_600, 60)?;
    }

    #[test]
    fn the_times_of_three_hours_are_those_that_every_second_shows(
        (spec, middle) in spec(|| ranges(0, 59).boxed(), 1)
    ) {
        agree(&spec, middle - 5_400, middle + 5_400, 1)?;
    }

    #[test]
    fn the_days_of_a_century_are_those_that_every_day_shows(
        calendar in calendar(Just(vec![one(0, 0, 1)]))
    ) {
        let midnight = StructuredCalendarSpec { minute: vec![one(0, 0, 1)], hour: vec![one(0, 0, 1)], ..calendar };
        let spec = ScheduleSpec { structured_calendar: vec![midnight], timezone_name: "UTC".to_owned(), ..ScheduleSpec::default() };
        agree(&spec, 946_684_800, 4_133_894_400, 86_400)?;
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[-0-9*/, #@a-zµA-Z=.]{0,30}") {
        drop(cron(&text).canonical());
        let calendar = CalendarSpec { day_of_week: text.clone(), month: text.clone(), year: text.clone(), ..CalendarSpec::default() };
        drop(ScheduleSpec { calendar: vec![calendar], ..ScheduleSpec::default() }.canonical());
        drop(crate::cron::CronSchedule::new(Timestamp::EPOCH, &text));
        drop(parse_duration(&text));
    }

    #[test]
    fn no_definition_of_a_zone_makes_the_search_panic(data in prop::collection::vec(any::<u8>(), 0..300), place in 0..44_usize) {
        let head = [b"TZif2".as_slice(), &[0; 39]].concat();
        let data = [&head[..place], &data].concat();
        if let Ok(spec) = (ScheduleSpec { timezone_data: data, ..cron("0 0 * * *") }).canonical() {
            prop_assert!(ready(&spec).after("", Timestamp::EPOCH).take(3).count() <= 3);
        }
    }
}
