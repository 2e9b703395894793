//! What the sensors play: a simulated patient, or recordings; and a pipeline that has something to decide in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::Value;

/// How long the sensors play, in seconds of the demo.
const PLAY_SECONDS: f64 = 45.0;
/// Windows a recording is cut into.
const WINDOWS: f64 = 24.0;

/// What the sensors play.
#[derive(Debug)]
pub(crate) struct Feed {
    /// In words.
    pub(crate) title: String,
    /// Arguments of the sensor.
    pub(crate) sensor: Vec<String>,
    /// The pipeline.
    pub(crate) pipeline: String,
    /// What it watches for, in words.
    pub(crate) watches: String,
}

/// A ward bed whose patient has an episode of a racing heart.
pub(crate) fn simulated() -> Feed {
    // The sensor's time runs 12 times as fast, so its episode, at two minutes, is ten seconds away.
    let sensor =
        "--source ward/bed-12 --channel HR --channel SpO2 --channel temperature --rate 30 --speed 12";
    Feed {
        title: "a simulated patient in ward/bed-12: HR, SpO2, temperature".to_owned(),
        sensor: sensor.split(' ').map(str::to_owned).collect(),
        pipeline: pipeline("HR", 2, "mean > 100.0"),
        watches: "a mean heart rate above 100 in a window of 2 s".to_owned(),
    }
}

/// Recordings, played so fast that they fit.
pub(crate) fn recorded(path: &Path) -> anyhow::Result<Feed> {
    let mut numbers: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut length_s: f64 = 0.0;
    for file in files(path)? {
        let text = fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))?;
        for line in text.lines() {
            let message: Value =
                serde_json::from_str(line).with_context(|| format!("a line of {}", file.display()))?;
            length_s = length_s.max(message["offset_s"].as_f64().unwrap_or(0.0));
            let topic = message["topic"].as_str().unwrap_or_default().to_owned();
            let fields = message["payload"].as_object().cloned().unwrap_or_default();
            let number = fields.iter().find_map(|(_, value)| value.as_f64());
            // Zeros are leads that were off.
            numbers.entry(topic).or_default().extend(number.filter(|&number| number != 0.0));
        }
    }
    let (topic, mut values) = numbers
        .into_iter()
        .max_by_key(|(_, values)| values.len())
        .filter(|(_, values)| !values.is_empty())
        .with_context(|| {
            format!("{} holds no recorded number; recordings are .jsonl files", path.display())
        })?;
    ensure!(length_s > 0.0, "{} is over in an instant", path.display());
    values.sort_by(f64::total_cmp);
    let high = values[values.len() * 19 / 20];
    let speed = length_s / PLAY_SECONDS;
    let channel = topic.rsplit('/').next().unwrap_or(&topic);
    let window_s = (PLAY_SECONDS / WINDOWS).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "two, from constants")]
    let window = window_s as u64;
    Ok(Feed {
        title: format!("recordings from {}, {speed:.0} times as fast", path.display()),
        sensor: vec![
            "--data".to_owned(),
            path.canonicalize()?.display().to_string(),
            "--speed".to_owned(),
            speed.to_string(),
        ],
        pipeline: pipeline(channel, window, &format!("max > {high:?}")),
        watches: format!("{channel} above {high} (its highest twentieth) in a window of {window} s"),
    })
}

fn pipeline(channel: &str, window_s: u64, when: &str) -> String {
    include_str!("pipeline.toml")
        .replace("{channel}", channel)
        .replace("{window}", &format!("{window_s}s"))
        .replace("{when}", when)
}

fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).with_context(|| format!("failed to read {}", path.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
