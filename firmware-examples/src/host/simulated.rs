//! Vitals that look like a patient's: a daily rhythm, noise, a lead that comes off, an episode now and then.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::string::{String, ToString};
use std::time::{Duration, SystemTime};
use std::vec::Vec;

use tidegate_model::chance::Chance;
use tidegate_model::id::Channel;
use tidegate_model::reading::{SourceStamp, Value};
use tidegate_model::time::Timestamp;

use crate::station::{Point, Sample};
use crate::tasks::Driver;

use super::pace::Pace;

const DAY_SECONDS: f64 = 86_400.0;
/// An episode (the heart races, saturation falls) once in so many seconds of the sensor's time …
const EPISODE_EVERY_SECONDS: f64 = 600.0;
/// … beginning so many seconds after the start of each …
const EPISODE_AT_SECONDS: f64 = 120.0;
/// … and lasting so many.
const EPISODE_SECONDS: f64 = 120.0;
/// One measurement in so many finds the lead off.
const LEAD_OFF_ONE_IN: u64 = 400;

/// The points of channels by name; what is not known has no unit.
pub(super) fn points(channels: &[Channel]) -> Vec<Point> {
    let unit = |channel: &Channel| match Quantity::of(channel) {
        Quantity::HeartRate => "/min",
        Quantity::Saturation => "%",
        Quantity::Temperature => "Cel",
        Quantity::Other => "",
    };
    channels
        .iter()
        .map(|channel| Point { channel: channel.clone(), unit: String::from(unit(channel)) })
        .collect()
}

/// A patient whose channels are measured in turn.
#[derive(Debug)]
pub(super) struct Simulated {
    pace: Pace,
    turn: VecDeque<(usize, Quantity)>,
    taken: u64,
    rate: f64,
    speed: f64,
    began: Timestamp,
    chance: Chance,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    HeartRate,
    Saturation,
    Temperature,
    Other,
}

impl Quantity {
    fn of(channel: &Channel) -> Self {
        match channel.as_str() {
            "HR" | "PULSE" => Self::HeartRate,
            "SpO2" => Self::Saturation,
            "temperature" => Self::Temperature,
            _ => Self::Other,
        }
    }

    /// The value at `seconds` since the start, `of_day` seconds after midnight; `noise` is between -1 and 1.
    fn value(self, seconds: f64, of_day: f64, noise: f64) -> Value {
        // Lowest at four in the morning, highest at four in the afternoon.
        let rhythm = (TAU * (of_day / DAY_SECONDS - 10.0 / 24.0)).sin();
        let into = seconds.rem_euclid(EPISODE_EVERY_SECONDS) - EPISODE_AT_SECONDS;
        let episode = if (0.0..EPISODE_SECONDS).contains(&into) {
            (TAU / 2.0 * into / EPISODE_SECONDS).sin()
        } else {
            0.0
        };
        match self {
            Self::HeartRate => Value::Number((72.0 + 6.0 * rhythm + 68.0 * episode + 3.0 * noise).round()),
            Self::Saturation => Value::Number((97.0 + rhythm - 7.0 * episode + noise).min(100.0).round()),
            Self::Temperature => {
                Value::Number(((36.8 + 0.4 * rhythm + 0.9 * episode + 0.1 * noise) * 10.0).round() / 10.0)
            }
            Self::Other => Value::Number(((TAU * seconds / 60.0).sin() * 1_000.0).round() / 1_000.0),
        }
    }
}

impl Simulated {
    /// `rate` measurements a second, while the patient lives `speed` times as fast.
    pub(super) fn new(points: &[Point], rate: f64, speed: f64, seed: u64, pace: Pace) -> Self {
        Self {
            pace,
            turn: points.iter().map(|point| Quantity::of(&point.channel)).enumerate().collect(),
            taken: 0,
            rate,
            speed,
            began: wall_clock(),
            chance: Chance::new(seed),
        }
    }
}

impl Driver for Simulated {
    async fn next(&mut self) -> Option<(Duration, Sample)> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "exact for 2^53 measurements, which is millennia of them"
        )]
        let due = Duration::from_secs_f64(self.taken as f64 / self.rate);
        let now = self.pace.until(due).await?;
        let (point, quantity) = self.turn.pop_front()?;
        self.turn.push_back((point, quantity));
        self.taken += 1;

        // The patient's time follows the plan and not the clock, so that a run with the same seed has the same values.
        let lived = due.mul_f64(self.speed);
        let at = self.began + lived;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a day")]
        let of_day = at.as_millis().rem_euclid(86_400_000) as f64 / 1_000.0;
        #[expect(clippy::cast_precision_loss, reason = "below 2,001")]
        let noise = self.chance.below(2_001) as f64 / 1_000.0 - 1.0;
        let value = if self.chance.below(LEAD_OFF_ONE_IN) == 0 {
            Value::Missing
        } else {
            quantity.value(lived.as_secs_f64(), of_day, noise)
        };
        Some((now, Sample { point, value, stamp: Some(SourceStamp::Text(at.to_string())) }))
    }
}

#[expect(clippy::disallowed_methods, reason = "the simulated patient lives in the present")]
fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::EPOCH + since
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over_a_day(quantity: Quantity) -> (f64, f64) {
        (0..86_400)
            .map(|second| {
                let noise = if second % 2 == 0 { 1.0 } else { -1.0 };
                quantity.value(f64::from(second), f64::from(second), noise).as_number().expect("a number")
            })
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
    }

    #[test]
    fn a_simulated_patient_stays_within_what_a_patient_can_have() {
        for (quantity, low, high) in [
            (Quantity::HeartRate, 55.0, 160.0),
            (Quantity::Saturation, 85.0, 100.0),
            (Quantity::Temperature, 36.0, 38.5),
        ] {
            let (least, most) = over_a_day(quantity);
            assert!(least >= low && most <= high, "{quantity:?}: {least} to {most}");
        }
    }

    #[test]
    fn an_episode_makes_the_heart_race_and_passes() {
        let at =
            |seconds: f64| Quantity::HeartRate.value(seconds, 43_200.0, 0.0).as_number().expect("a number");
        assert!(at(60.0) < 90.0);
        assert!(at(180.0) > 120.0);
        assert!(at(300.0) < 90.0);
        assert!(at(780.0) > 120.0, "and comes again");
    }
}
