//! The example pipelines on recorded data that was not made for them.

use std::path::Path;

use super::*;
use crate::decode;

/// The recording and what is to be made of it; none on a machine without recordings, which CI must not be.
fn recording(pipeline: &str, file: &str) -> Option<(Definition, Vec<serde_json::Value>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = root.join("../shared/data").join(file);
    let Ok(lines) = std::fs::read_to_string(&path) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is missing", path.display());
        println!("skipped: {} is missing", path.display());
        return None;
    };
    let text = std::fs::read_to_string(root.join("config/pipelines").join(pipeline)).expect("an example");
    let definition = Definition::parse(pipeline, &text).expect("examples are right");
    let lines = lines.lines().map(|line| serde_json::from_str(line).expect("a recorded message")).collect();
    Some((definition, lines))
}

/// Plays a recording at its own pace; gives the windows, and the seconds and value of each reading taken.
fn play(
    definition: &Definition,
    lines: &[serde_json::Value],
) -> (Vec<WindowSummary>, Vec<(i64, Option<f64>)>) {
    let mut windows = Windows::default();
    windows.enable(definition);
    let rule = definition.rules().remove(0);
    let (mut closed, mut taken) = (Vec::new(), Vec::new());
    let mut close = |windows: &mut Windows, now| {
        for summary in windows.due(now) {
            windows.apply_closed(&summary);
            closed.push(summary);
        }
    };
    for line in lines {
        let topic = line["topic"].as_str().expect("a topic");
        let seconds = line["offset_s"].as_i64().expect("an offset");
        close(&mut windows, at(seconds));
        if !tidegate_model::topic::filter_matches(&rule.filter, topic) {
            continue;
        }
        let reading =
            decode::decode(&rule, topic, line["payload"].to_string().as_bytes()).expect("a reading");
        taken.push((seconds, reading.value.as_number()));
        let first = taken.len() as u64;
        windows.apply_readings(&ReadingBlock { first, stamp: stamp(), readings: vec![reading] }, at(seconds));
        close(&mut windows, at(seconds));
    }
    close(&mut windows, at(1_000_000_000));
    assert_eq!(
        windows.counts().values().copied().collect::<Vec<_>>(),
        [] as [Counts; 0],
        "nothing is remarkable"
    );
    (closed, taken)
}

#[test]
fn a_bed_of_the_ward_in_the_year_2896() {
    let Some((definition, lines)) = recording("ward-heart-rate.toml", "vitals/ward-s00001.jsonl") else {
        return;
    };
    let (closed, taken) = play(&definition, &lines);
    assert!(taken.len() > 1_900, "{}", taken.len());
    assert!(closed[0].start.to_string().starts_with("2896-10-10T00:30:00"));

    // The recording's stamps are its offsets from the first stamp, so the windows can be found without reading one.
    let first =
        time::read(&SourceStamp::Text("2896-10-10T00:31:25.894Z".to_owned()), None, None).expect("a date");
    let mut expected: BTreeMap<i64, Vec<Option<f64>>> = BTreeMap::new();
    for (seconds, value) in taken {
        expected.entry((first.as_micros() / SECOND + seconds).div_euclid(300)).or_default().push(value);
    }
    assert_eq!(closed.len(), expected.len());
    for (window, (number, values)) in closed.iter().zip(expected) {
        assert_eq!(window.start, at(number * 300));
        let numbers: Vec<f64> = values.iter().copied().flatten().collect();
        assert_eq!(
            (window.count, window.missing),
            (numbers.len() as u64, (values.len() - numbers.len()) as u64)
        );
        let highest =
            numbers.iter().copied().fold(None, |max: Option<f64>, n| Some(max.map_or(n, |m| m.max(n))));
        assert_eq!(window.max, highest);
        let sum: f64 = numbers.iter().sum();
        if let (Some(mean), Some(min)) = (window.mean, window.min) {
            assert!((mean * window.count as f64 - sum).abs() < 1e-6);
            assert_eq!(window.condition, Some(mean > 120.0 && min > 0.0 && window.count >= 3));
        }
    }
}

#[test]
fn a_year_of_days_in_local_time_without_a_zone() {
    let Some((definition, lines)) = recording("home-temperature.toml", "home/outdoor-temperature.jsonl")
    else {
        return;
    };
    let (closed, taken) = play(&definition, &lines);
    assert_eq!(taken.len(), lines.len());
    assert!((365..=367).contains(&closed.len()), "{} days", closed.len());
    assert_eq!(closed.iter().map(|window| window.count).sum::<u64>(), taken.len() as u64);
    // Midnight at −08:00 is 08:00 UTC, so a day of UTC begins within the day before; the hour that is missing in March
    // makes one of 23 readings.
    let spring =
        closed.iter().find(|window| window.start.to_string().starts_with("2010-03-14")).expect("that day");
    assert_eq!(spring.count, 23);
    assert!(closed.iter().any(|window| window.condition == Some(true)), "some days are out of bounds");
}
