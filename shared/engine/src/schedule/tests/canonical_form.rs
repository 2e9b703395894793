//! What a spec is kept and shown as, and what is refused.

use super::*;

/// What the calendars of a spec become, in short.
fn shown(spec: &ScheduleSpec) -> String {
    let spec = spec.canonical().expect("a spec of this file");
    assert_eq!(spec.canonical().as_ref(), Ok(&spec), "a canonical spec is its own canonical form");
    let set = |ranges: &[FieldRange]| {
        let show = |range: &FieldRange| match range {
            FieldRange { start, end, .. } if start == end => start.to_string(),
            FieldRange { start, end, step: 1 } => format!("{start}-{end}"),
            FieldRange { start, end, step } => format!("{start}-{end}/{step}"),
        };
        ranges.iter().map(show).collect::<Vec<_>>().join(",")
    };
    let calendar = |calendar: &StructuredCalendarSpec| {
        let StructuredCalendarSpec { second, minute, hour, day_of_month, month, year, day_of_week, comment } =
            calendar;
        let fields = [second, minute, hour, day_of_month, month, day_of_week, year].map(|field| set(field));
        format!("{} {comment}", fields.join(" ")).trim_end().to_owned()
    };
    let interval = |interval: &IntervalSpec| match interval.phase {
        Some(phase) => format!("every {}/{}", interval.interval.as_secs(), phase.as_secs()),
        None => format!("every {}", interval.interval.as_secs()),
    };
    let zone = Some(spec.timezone_name.clone()).filter(|zone| !zone.is_empty());
    let shown = zone.into_iter().chain(spec.structured_calendar.iter().map(calendar));
    let shown = shown.chain(spec.interval.iter().map(interval));
    let excluded =
        spec.exclude_structured_calendar.iter().map(|excluded| format!("not {}", calendar(excluded)));
    shown.chain(excluded).collect::<Vec<_>>().join("; ")
}

#[test]
fn cron_strings_become_calendars_and_intervals() {
    let check = |text: &str, expected: &str| assert_eq!(shown(&cron(text)), expected, "{text}");
    check("5,9 */2 * * *", "0 5,9 0-23/2 1-31 1-12 0-6");
    check("0 12 * * MON-WED,FRI", "0 0 12 1-31 1-12 1-3,5");
    check("0 1 2 3 4 2027", "0 0 1 2 3 4 2027");
    check(
        "CRON_TZ=US/Pacific 55 55,57 5 2/2 * wed-thurs *  # explanation",
        "US/Pacific; 55 55,57 5 2-31/2 1-12 3-4  explanation",
    );
    check("TZ=Europe/Berlin @hourly#each", "Europe/Berlin; 0 0 0-23 1-31 1-12 0-6  each");
    check("@yearly", "0 0 0 1 1 0-6");
    check("@annually", "0 0 0 1 1 0-6");
    check("@monthly", "0 0 0 1 1-12 0-6");
    check("@weekly", "0 0 0 1-31 1-12 0");
    check("@daily", "0 0 0 1-31 1-12 0-6");
    check("@midnight", "0 0 0 1-31 1-12 0-6");
    check("@every 5d", "every 432000");
    check("@every 5h/45m # often", "every 18000/2700");
}

#[test]
fn a_calendar_of_texts_has_defaults_and_names() {
    let check = |calendar: CalendarSpec, expected: &str| {
        let spec = ScheduleSpec { calendar: vec![calendar], ..ScheduleSpec::default() };
        assert_eq!(shown(&spec), expected);
    };
    let text = |text: &str| text.to_owned();
    check(CalendarSpec::default(), "0 0 0 1-31 1-12 0-6");
    check(
        CalendarSpec { hour: text("5,7"), minute: text("23"), ..CalendarSpec::default() },
        "0 23 5,7 1-31 1-12 0-6",
    );
    check(
        CalendarSpec { month: text("Sept"), year: text("2030/2"), ..CalendarSpec::default() },
        "0 0 0 1-31 9 0-6 2030-2100/2",
    );
    check(CalendarSpec { month: text("February/5"), ..CalendarSpec::default() }, "0 0 0 1-31 2-12/5 0-6");
}

#[test]
fn sunday_is_0_and_7_and_is_kept_as_0() {
    let check = |text: &str, expected: &str| {
        let calendar = CalendarSpec { day_of_week: text.to_owned(), ..CalendarSpec::default() };
        let spec = ScheduleSpec { calendar: vec![calendar], ..ScheduleSpec::default() };
        assert_eq!(shown(&spec), format!("0 0 0 1-31 1-12 {expected}"), "{text}");
    };
    check("0", "0");
    check("7", "0");
    check("sun", "0");
    check("*", "0-6");
    check("0-7", "0-6");
    check("1-7", "1-6");
    check("5-7", "0,5-6");
    check("6-7", "0,6");
    check("5-7/2", "0,5-6/2");
    check("3-7/3", "3-6/3");
    check("2-7/5", "0,2-6/5");
    check("0-7/7", "0,0-6/7");
    check("0/7", "0,0-6/7");
    check("mon-Friday", "1-5");
}

#[test]
fn what_ranges_leave_open_is_spelt_out() {
    let calendar = StructuredCalendarSpec {
        second: vec![one(0, 0, 0)],
        minute: vec![one(7, 0, 0), one(10, 20, 0)],
        hour: vec![one(3, 9, 2)],
        day_of_month: vec![one(1, 31, 0)],
        month: vec![one(1, 12, 0)],
        day_of_week: vec![one(0, 6, 0)],
        ..StructuredCalendarSpec::default()
    };
    let spec = ScheduleSpec {
        structured_calendar: vec![calendar.clone()],
        exclude_structured_calendar: vec![calendar],
        ..ScheduleSpec::default()
    };
    assert_eq!(shown(&spec), "0 7,10-20 3-9/2 1-31 1-12 0-6; not 0 7,10-20 3-9/2 1-31 1-12 0-6");
}

#[test]
fn exclusions_of_texts_become_exclusions_of_sets() {
    let excluded = CalendarSpec { hour: "12-14".to_owned(), ..CalendarSpec::default() };
    let spec = ScheduleSpec { exclude_calendar: vec![excluded], ..every(60, 0) };
    assert_eq!(shown(&spec), "every 60/0; not 0 0 12-14 1-31 1-12 0-6");
}

#[test]
fn a_zone_of_cron_strings_becomes_the_specs_unless_they_disagree() {
    let check = |zone: &str, texts: &[&str], expected: Result<&str, &str>| {
        let spec = ScheduleSpec {
            cron_string: texts.iter().map(|text| (*text).to_owned()).collect(),
            timezone_name: zone.to_owned(),
            ..ScheduleSpec::default()
        };
        let found = spec.canonical().map(|spec| spec.timezone_name).map_err(|error| error.field);
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{zone} {texts:?}");
    };
    let (london, plain) = ("CRON_TZ=Europe/London 23 5,7 * * *", "23 5,7 * * *");
    let new_york = "CRON_TZ=America/New_York 23 5,7 * * *";
    check("", &[plain], Ok(""));
    check("Europe/London", &[plain], Ok("Europe/London"));
    check("Europe/London", &[london], Ok("Europe/London"));
    check("", &[london, london], Ok("Europe/London"));
    check("", &[london, "@every 1h"], Ok("Europe/London"));
    check("Europe/London", &[new_york], Err("timezone_name"));
    check("", &[london, new_york], Err("cron_string[1]"));
    check("", &[london, plain], Err("cron_string[1]"));
    check("", &[plain, london], Err("cron_string[1]"));
}

#[test]
fn a_bad_spec_is_refused_with_the_field_and_the_reason() {
    let check = |spec: ScheduleSpec, words: &str| {
        let error = spec.canonical().expect_err(words).to_string();
        assert!(error.contains(words), "{error:?} should say {words:?}");
    };
    let field = |calendar: StructuredCalendarSpec| ScheduleSpec {
        structured_calendar: vec![calendar],
        ..ScheduleSpec::default()
    };
    let none = StructuredCalendarSpec::default;
    let second = |range| field(StructuredCalendarSpec { second: vec![range], ..none() });
    check(second(one(100, 0, 0)), "structured_calendar[0].second[0].start: 100 is not in the range 0 to 59");
    check(second(one(-3, 0, 0)), "structured_calendar[0].second[0].start: -3");
    check(second(one(30, 60, 0)), "structured_calendar[0].second[0].end: 60");
    check(second(one(30, 20, 0)), "end: 20 is not in the range 30 (its start) to 59");
    check(second(one(30, 40, -3)), "structured_calendar[0].second[0].step: -3 is below 0");
    check(field(StructuredCalendarSpec { minute: vec![one(60, 0, 0)], ..none() }), ".minute[0].start");
    check(field(StructuredCalendarSpec { hour: vec![one(0, 24, 0)], ..none() }), ".hour[0].end");
    check(
        field(StructuredCalendarSpec { day_of_month: vec![one(0, 0, 0)], ..none() }),
        ".day_of_month[0].start",
    );
    check(field(StructuredCalendarSpec { month: vec![one(1, 13, 0)], ..none() }), ".month[0].end");
    check(
        field(StructuredCalendarSpec { year: vec![one(1999, 0, 0)], ..none() }),
        "in the range 2000 to 2100",
    );
    check(field(StructuredCalendarSpec { day_of_week: vec![one(6, 7, 0)], ..none() }), ".day_of_week[0].end");
    check(field(StructuredCalendarSpec { comment: "x".repeat(201), ..none() }), ".comment: 201 bytes");
    check(
        field(StructuredCalendarSpec { hour: vec![one(1, 0, 0); 201], ..none() }),
        "SCHEDULE_RANGES_MAX is 200",
    );
    check(cron("0 1 2 3 4 1999"), "cron_string[0].year: \"1999\" is not in the range 2000 to 2100");
    check(cron("133 * * * *"), "cron_string[0].minute: \"133\" is not in the range 0 to 59");
    check(cron("13,18,44, * * * *"), "cron_string[0].minute: \"\" is not in the range");
    check(cron("18-13 * * * *"), "\"18-13\" is not in the range 18 to 59");
    check(cron("2/3/5 * * * *"), "more than one slash");
    check(cron("1-2-3 * * * *"), "more than one dash");
    check(cron("1/0 * * * *"), "a step that is not a number from 1 on");
    check(cron("1/ * * * *"), "a step that is not a number from 1 on");
    check(cron("* * * janu-ju *"), "cron_string[0].month: \"janu-ju\"");
    check(cron("* * * * m"), "cron_string[0].day_of_week: \"m\"");
    check(cron("* * * *"), "has not 5 fields");
    check(cron("* * * * * * * *"), "has not 5 fields");
    check(cron("@never"), "has not 5 fields");
    check(cron("CRON_TZ=Europe/London"), "has a time zone and no fields");
    check(cron("CRON_TZ=Europe/Atlantis 1 * * * *"), "timezone_name: \"Europe/Atlantis\" is not in");
    check(cron("@every"), "there is no duration");
    check(cron("@every soon"), "not a duration");
    check(cron("@every 500ms"), "cron_string[0].interval: 500ms is less than a second");
    check(cron("@every 1h/2h"), "cron_string[0].phase: 7200s is not less than the interval");
    check(cron(&"*".repeat(1_001)), "SCHEDULE_TEXT_BYTES_MAX is 1000");
    check(every(0, 0), "interval[0].interval: 0ns is less than a second");
    check(every(10_800, 14_400), "interval[0].phase: 14400s is not less than the interval, which is 10800s");
    check(
        ScheduleSpec { interval: every(60, 0).interval.repeat(501), ..every(60, 0) },
        "SCHEDULE_SPEC_ENTRIES_MAX",
    );
    check(ScheduleSpec { timezone_name: "Etc/Unknown".to_owned(), ..every(60, 0) }, "timezone_name: ");
    check(ScheduleSpec { timezone_name: "Local".to_owned(), ..every(60, 0) }, "timezone_name: ");
    check(
        ScheduleSpec { timezone_data: b"TZif?".to_vec(), ..every(60, 0) },
        "timezone_data: not a TZif file",
    );
    check(ScheduleSpec { timezone_data: vec![0; 16 * 1024 + 1], ..every(60, 0) }, "TIMEZONE_DATA_BYTES_MAX");
    let excluded = CalendarSpec { hour: "24".to_owned(), ..CalendarSpec::default() };
    check(
        ScheduleSpec { exclude_calendar: vec![excluded], ..every(60, 0) },
        "exclude_calendar[0].hour: \"24\"",
    );
}

#[test]
fn a_stored_spec_is_read_back_as_it_was() {
    let spec = ScheduleSpec {
        start_time: Some(at("2026-01-01T00:00:00Z")),
        jitter: Some(Duration::from_millis(1_500)),
        timezone_data: vec![1, 2, 3],
        exclude_calendar: vec![CalendarSpec { comment: "holidays".to_owned(), ..CalendarSpec::default() }],
        ..cron("CRON_TZ=Europe/Berlin 30 2 * * 7 # at night")
    };
    let bytes = tidegate_model::codec::to_cbor(&spec);
    assert_eq!(tidegate_model::codec::from_cbor::<ScheduleSpec>(&bytes), Ok(spec));
    assert_eq!(
        tidegate_model::codec::to_cbor(&ScheduleSpec::default()).len(),
        1,
        "what is empty is not stored"
    );
}
