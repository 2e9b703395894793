//! The promises of a spec's times: tables here, its form in `canonical_form`, and a slow oracle that looks at every
//! second of a wall clock in `oracle`.

mod canonical_form;
mod oracle;

use std::time::Duration;

use tidegate_model::time::Timestamp;

use super::*;

/// Times as people write them, with any offset.
fn at(text: &str) -> Timestamp {
    let parsed: jiff::Timestamp = text.parse().expect("a time of this file");
    Timestamp::from_micros(parsed.as_microsecond())
}

fn cron(text: &str) -> ScheduleSpec {
    ScheduleSpec { cron_string: vec![text.to_owned()], ..ScheduleSpec::default() }
}

fn every(interval_s: u64, phase_s: u64) -> ScheduleSpec {
    let interval =
        IntervalSpec { interval: Duration::from_secs(interval_s), phase: Some(Duration::from_secs(phase_s)) };
    ScheduleSpec { interval: vec![interval], ..ScheduleSpec::default() }
}

fn ready(spec: &ScheduleSpec) -> SpecTimes {
    SpecTimes::new(&spec.canonical().expect("a spec of this file")).expect("a canonical spec")
}

fn one(start: i32, end: i32, step: i32) -> FieldRange {
    FieldRange { start, end, step }
}

/// After the first of the times come the others, and no more if the last is empty; also from every second between.
fn check(spec: &ScheduleSpec, times: &[&str]) {
    let ready = ready(spec);
    let next = |after: Timestamp| {
        ready.next("", after).expect("a search of this file ends").map(|time| time.nominal)
    };
    for pair in times.windows(2) {
        let expected = (!pair[1].is_empty()).then(|| at(pair[1]));
        let from = at(pair[0]);
        assert_eq!(next(from), expected, "after {} in {spec:?}", pair[0]);
        let between = expected.map_or(Duration::ZERO, |expected| expected.saturating_since(from));
        for part in 1..50 {
            let later = from + between * part / 50;
            assert!(
                expected.is_none_or(|expected| later >= expected || next(later) == Some(expected)),
                "{later}"
            );
        }
    }
}

mod next_time {
    use super::*;

    #[test]
    fn intervals_count_from_1970() {
        check(&every(5_400, 0), &["2022-03-23T12:53:02Z", "2022-03-23T13:30:00Z", "2022-03-23T15:00:00Z"]);
        check(&every(5_400, 344), &["2022-03-23T12:53:02Z", "2022-03-23T13:35:44Z", "2022-03-23T15:05:44Z"]);
        check(&every(28 * 86_400, 0), &["2022-02-01T00:00:00Z", "2022-02-17T00:00:00Z"]);
        check(&every(28 * 86_400, 278_580), &["2022-02-01T00:00:00Z", "2022-02-20T05:23:00Z"]);
        let both = ScheduleSpec {
            interval: [every(5_400, 344).interval, every(9_420, 1_331).interval].concat(),
            ..every(1, 0)
        };
        check(
            &both,
            &["2022-03-23T14:00:00Z", "2022-03-23T15:05:44Z", "2022-03-23T15:26:11Z", "2022-03-23T16:35:44Z"],
        );
        let fraction = IntervalSpec { interval: Duration::from_millis(2_500), phase: None };
        let fraction = ScheduleSpec { interval: vec![fraction], ..ScheduleSpec::default() };
        check(&fraction, &["2022-03-23T12:00:00Z", "2022-03-23T12:00:02Z", "2022-03-23T12:00:04Z"]);
    }

    #[test]
    fn calendars_and_intervals_are_joined() {
        let spec = ScheduleSpec { interval: every(5_400, 420).interval, ..cron("55 11,13 * * *") };
        check(
            &spec,
            &[
                "2022-03-23T10:00:00Z",
                "2022-03-23T10:37:00Z",
                "2022-03-23T11:55:00Z",
                "2022-03-23T12:07:00Z",
                "2022-03-23T13:37:00Z",
                "2022-03-23T13:55:00Z",
            ],
        );
    }

    #[test]
    fn day_of_month_and_day_of_week_must_both_match() {
        check(
            &cron("0 0 13 * fri"),
            &["2026-03-14T00:00:00Z", "2026-11-13T00:00:00Z", "2027-08-13T00:00:00Z"],
        );
    }

    #[test]
    fn the_31st_comes_seven_times_a_year_and_february_29th_in_leap_years() {
        check(
            &cron("0 0 31 * *"),
            &[
                "2026-01-01T00:00:00Z",
                "2026-01-31T00:00:00Z",
                "2026-03-31T00:00:00Z",
                "2026-05-31T00:00:00Z",
                "2026-07-31T00:00:00Z",
                "2026-08-31T00:00:00Z",
                "2026-10-31T00:00:00Z",
                "2026-12-31T00:00:00Z",
                "2027-01-31T00:00:00Z",
            ],
        );
        check(
            &cron("0 12 29 2 *"),
            &["2023-01-01T00:00:00Z", "2024-02-29T12:00:00Z", "2028-02-29T12:00:00Z"],
        );
        check(&cron("0 12 29 2 *"), &["2096-03-01T00:00:00Z", ""]);
        check(&cron("0 12 29 2 mon"), &["2026-01-01T00:00:00Z", "2044-02-29T12:00:00Z"]);
    }

    #[test]
    fn years_are_bounds() {
        check(
            &cron("0 0 1 1 * 2030,2040-2042/2"),
            &[
                "2026-01-01T00:00:00Z",
                "2030-01-01T00:00:00Z",
                "2040-01-01T00:00:00Z",
                "2042-01-01T00:00:00Z",
                "",
            ],
        );
        check(&cron("0 0 31 12 *"), &["2100-01-01T00:00:00Z", "2100-12-31T00:00:00Z", ""]);
        check(&every(86_400, 0), &["2100-12-30T00:00:00Z", "2100-12-31T00:00:00Z", ""]);
        // On the wall clock of the zone it is 2101 already.
        check(&cron("TZ=Asia/Kolkata 0 * * * *"), &["2100-12-31T17:00:00Z", "2100-12-31T17:30:00Z", ""]);
    }

    #[test]
    fn nothing_comes_before_the_start_or_after_the_end() {
        let spec = ScheduleSpec {
            start_time: Some(at("2022-03-23T12:00:00Z")),
            end_time: Some(at("2022-03-23T15:00:00Z")),
            ..every(5_400, 0)
        };
        check(
            &spec,
            &[
                "2020-01-01T00:00:00Z",
                "2022-03-23T12:00:00Z",
                "2022-03-23T13:30:00Z",
                "2022-03-23T15:00:00Z",
                "",
            ],
        );
        let within = ScheduleSpec { start_time: Some(at("2022-03-23T12:00:00.456Z")), ..every(3_600, 0) };
        check(&within, &["2022-03-23T12:00:00.123Z", "2022-03-23T13:00:00Z"]);
    }

    #[test]
    fn a_spec_without_times_has_none() {
        check(&ScheduleSpec::default(), &["2022-03-23T12:00:00Z", ""]);
        check(&cron("0 0 30 2 *"), &["2022-03-23T12:00:00Z", ""]);
        let no_hours = StructuredCalendarSpec {
            hour: vec![],
            ..cron("* * * * *").canonical().expect("good").structured_calendar.remove(0)
        };
        check(
            &ScheduleSpec { structured_calendar: vec![no_hours], ..ScheduleSpec::default() },
            &["2022-03-23T12:00:00Z", ""],
        );
    }

    #[test]
    fn what_is_excluded_is_left_out() {
        let lunch = CalendarSpec {
            hour: "12-14".into(),
            minute: "*".into(),
            second: "*".into(),
            ..CalendarSpec::default()
        };
        let spec = ScheduleSpec { exclude_calendar: vec![lunch], ..every(5_400, 0) };
        check(&spec, &["2022-03-23T09:00:00Z", "2022-03-23T10:30:00Z", "2022-03-23T15:00:00Z"]);
        let weekend = CalendarSpec {
            day_of_week: "6-7".into(),
            minute: "*".into(),
            hour: "*".into(),
            ..CalendarSpec::default()
        };
        let spec = ScheduleSpec { exclude_calendar: vec![weekend], ..cron("* * * * *") };
        check(&spec, &["2026-11-20T23:58:00Z", "2026-11-20T23:59:00Z", "2026-11-23T00:00:00Z"]);
        let but_the_last = CalendarSpec {
            second: "0-58".into(),
            minute: "*".into(),
            hour: "*".into(),
            ..CalendarSpec::default()
        };
        let spec = ScheduleSpec { exclude_calendar: vec![but_the_last], ..cron("* * * * * * *") };
        check(&spec, &["2026-11-20T23:58:00Z", "2026-11-20T23:58:59Z", "2026-11-20T23:59:59Z"]);
    }

    #[test]
    fn a_spec_that_excludes_all_it_names_ends() {
        let all = CalendarSpec {
            hour: "*".into(),
            minute: "*".into(),
            second: "*".into(),
            ..CalendarSpec::default()
        };
        let excluding = |spec| ready(&ScheduleSpec { exclude_calendar: vec![all.clone()], ..spec });
        let after = at("2022-03-23T12:53:02Z");
        assert_eq!(excluding(every(7 * 86_400, 0)).next("", after), Ok(None));
        assert_eq!(excluding(cron("* * * * * * *")).next("", after), Ok(None), "a day at a step");
        // Half of the hostile spec's seconds are excluded one by one, the others too.
        let halves = ["0/2", "1/2"].map(|second| CalendarSpec { second: second.into(), ..all.clone() });
        let hostile = ready(&ScheduleSpec { exclude_calendar: halves.to_vec(), ..every(1, 0) });
        assert_eq!(hostile.next("", after), Err(SearchLimit));
        let listed: Vec<_> = hostile.after("", after).collect();
        assert_eq!(listed, [Err(SearchLimit)], "and the list ends there");
    }

    #[test]
    fn an_exclusion_that_is_passed_by_one_source_costs_the_others_nothing() {
        let year = CalendarSpec {
            second: "*".into(),
            minute: "*".into(),
            hour: "0-11".into(),
            ..CalendarSpec::default()
        };
        let rare = cron("0 6 * * *").cron_string;
        let spec =
            ready(&ScheduleSpec { exclude_calendar: vec![year], cron_string: rare, ..every(7_200, 0) });
        let found: Result<Vec<_>, _> = spec.after("", at("2026-01-01T00:00:00Z")).take(1_000).collect();
        assert_eq!(found.map(|found| found.len()), Ok(1_000));
    }

    #[test]
    fn an_engine_time_of_any_century_is_searched_without_a_panic() {
        let spec = ready(&cron("TZ=Europe/Berlin 0 0 29 2 *"));
        assert_eq!(spec.next("", Timestamp::MAX), Ok(None));
        assert_eq!(spec.next("", Timestamp::from_micros(i64::MAX - 1)), Ok(None));
        let first = spec.next("", Timestamp::from_micros(i64::MIN)).map(|time| time.map(|time| time.nominal));
        assert_eq!(first, Ok(Some(at("1972-02-29T00:00:00+01:00"))), "nothing is before 1970");
    }
}

mod zones {
    use super::*;

    #[test]
    fn a_time_that_the_clock_leaps_over_is_left_out() {
        check(
            &cron("TZ=US/Pacific 33 33 2 * * * *"),
            &["2022-03-11T20:00:00-08:00", "2022-03-12T02:33:33-08:00", "2022-03-14T02:33:33-07:00"],
        );
        check(
            &cron("TZ=Europe/Berlin 30 2 * * *"),
            &["2026-03-28T00:00:00+01:00", "2026-03-28T02:30:00+01:00", "2026-03-30T02:30:00+02:00"],
        );
        // Midnight itself did not exist.
        check(
            &cron("TZ=America/Sao_Paulo 0 0 * * *"),
            &["2018-11-03T00:00:00-03:00", "2018-11-05T00:00:00-02:00"],
        );
        // A whole day: Samoa went over the date line.
        check(
            &cron("TZ=Pacific/Apia 0 12 * * *"),
            &["2011-12-28T12:00:00-10:00", "2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00"],
        );
    }

    #[test]
    fn a_time_that_the_clock_repeats_comes_twice() {
        check(
            &cron("TZ=US/Pacific 33 33,44 1 * * * *"),
            &[
                "2021-11-07T00:15:15-07:00",
                "2021-11-07T01:33:33-07:00",
                "2021-11-07T01:44:33-07:00",
                "2021-11-07T01:33:33-08:00",
                "2021-11-07T01:44:33-08:00",
                "2021-11-08T01:33:33-08:00",
            ],
        );
        check(
            &cron("TZ=Europe/Berlin 30 2 * * *"),
            &[
                "2026-10-24T02:30:00+02:00",
                "2026-10-25T02:30:00+02:00",
                "2026-10-25T02:30:00+01:00",
                "2026-10-26T02:30:00+01:00",
            ],
        );
        // The second copy is the last time of all.
        check(
            &cron("TZ=America/New_York 30 1 7 11 * 2021"),
            &["2021-11-07T01:30:00-04:00", "2021-11-07T01:30:00-05:00", ""],
        );
    }

    #[test]
    fn half_an_hour_is_leapt_over_and_repeated_on_lord_howe() {
        check(
            &cron("TZ=Australia/Lord_Howe */15 2 * * *"),
            &[
                "2026-10-04T01:59:59+10:30",
                "2026-10-04T02:30:00+11:00",
                "2026-10-04T02:45:00+11:00",
                "2026-10-05T02:00:00+11:00",
            ],
        );
        check(
            &cron("TZ=Australia/Lord_Howe 45 1 * * *"),
            &[
                "2026-04-05T00:00:00+11:00",
                "2026-04-05T01:45:00+11:00",
                "2026-04-05T01:45:00+10:30",
                "2026-04-06T01:45:00+10:30",
            ],
        );
    }

    #[test]
    fn an_offset_of_half_an_hour_is_kept_to() {
        check(&cron("TZ=Asia/Kolkata 0 9 * * *"), &["2026-11-23T00:00:00Z", "2026-11-23T03:30:00Z"]);
    }

    #[test]
    fn a_zone_is_found_in_any_case_and_empty_is_utc() {
        let named = |name: &str| Zone::named(name).map(|zone| zone.offset(1_790_000_000));
        assert_eq!(named(""), Some(0));
        assert_eq!(named("UTC"), Some(0));
        assert_eq!(named("europe/berlin"), Some(7_200));
        assert_eq!(named("Mars/Olympus"), None);
    }

    #[test]
    fn a_definition_that_comes_with_the_spec_holds_instead_of_the_databases() {
        // Version 2 of a TZif file (RFC 9636) without transitions, whose footer has the rule of Central Europe.
        let header = |version: u8| {
            let counts = [0_u32, 0, 0, 0, 1, 4].map(u32::to_be_bytes).concat();
            [b"TZif".as_slice(), &[version], &[0; 15], &counts].concat()
        };
        let block = [[0_u8, 0, 0, 0, 0, 0].as_slice(), b"CET\0"].concat();
        let bytes =
            [header(b'2'), block.clone(), header(b'2'), block, b"\nCET-1CEST,M3.5.0,M10.5.0/3\n".to_vec()]
                .concat();
        let spec =
            ScheduleSpec { timezone_data: bytes, timezone_name: "Ours".to_owned(), ..cron("30 2 * * *") };
        check(&spec, &["2026-03-28T02:30:00+01:00", "2026-03-30T02:30:00+02:00"]);
    }
}

mod jitter {
    use super::*;

    fn late_by(seed: &str, spec: &ScheduleSpec, after: &str) -> Duration {
        let time = ready(spec).next(seed, at(after)).expect("a search of this file ends").expect("has times");
        time.actual.saturating_since(time.nominal)
    }

    #[test]
    fn a_time_is_late_by_what_the_seed_and_the_time_say_for_ever() {
        let spec = ScheduleSpec { jitter: Some(Duration::from_secs(3_600)), ..every(86_400, 0) };
        let after = "2022-03-23T11:00:00Z";
        // Kept as they are: a schedule that is loaded from disk must go on at the same times.
        assert_eq!(late_by("default-a", &spec, after), Duration::from_millis(GOLDEN_A));
        assert_eq!(late_by("default-b", &spec, after), Duration::from_millis(GOLDEN_B));
        assert_ne!(late_by("default-a", &spec, "2022-03-24T11:00:00Z"), late_by("default-a", &spec, after));
    }

    const GOLDEN_A: u64 = 2_953_514;
    const GOLDEN_B: u64 = 1_561_299;

    #[test]
    fn no_time_is_put_off_to_the_next_or_past_it() {
        let spec = ScheduleSpec { jitter: Some(Duration::from_secs(86_400)), ..every(60, 0) };
        let ready = ready(&spec);
        let times: Result<Vec<_>, _> = ready.after("s", at("2026-11-23T00:00:00Z")).take(1_000).collect();
        let times = times.expect("a search of this file ends");
        assert!(times.windows(2).all(|pair| pair[0].actual < pair[1].nominal));
        let spread = times.iter().map(|time| time.actual.saturating_since(time.nominal).as_millis());
        assert!(
            spread.clone().max().expect("a thousand") > 59_000 && spread.min().expect("a thousand") < 1_000
        );
    }

    #[test]
    fn the_last_time_has_all_the_jitter_to_itself() {
        let spec = ScheduleSpec { jitter: Some(Duration::from_secs(3_600)), ..cron("55 13 7 4 * 2022") };
        assert!(late_by("s", &spec, "2022-03-23T11:00:00Z") > Duration::ZERO);
    }
}
