//! Which measurements are worth sending: those that moved, and one now and then to say "still here".

use core::time::Duration;

use tidegate_model::reading::Value;

/// Lets a measurement pass when it differs from the last one that passed by more than `width`, when it is of another
/// kind (the lead came off, the lead is back), or when nothing has passed for `silence_max`.
#[derive(Debug, Clone)]
pub struct Deadband {
    width: f64,
    silence_max: Duration,
    last: Option<(Duration, Value)>,
}

impl Deadband {
    /// `width` in the unit of the channel. A value that repeats exactly counts as moved when `width` is negative, so
    /// that [`Deadband::open`] lets everything pass.
    #[must_use]
    pub fn new(width: f64, silence_max: Duration) -> Self {
        Self { width, silence_max, last: None }
    }

    /// Lets everything pass.
    #[must_use]
    pub fn open() -> Self {
        Self::new(-1.0, Duration::MAX)
    }

    /// Whether the measurement taken at `now` (since the sensor started) passes; if so, later ones are compared with
    /// it.
    pub fn passes(&mut self, now: Duration, value: &Value) -> bool {
        let passes = self.last.as_ref().is_none_or(|(at, last)| {
            now.saturating_sub(*at) >= self.silence_max || moved(last, value, self.width)
        });
        if passes {
            self.last = Some((now, value.clone()));
        }
        passes
    }
}

fn moved(last: &Value, value: &Value, width: f64) -> bool {
    match (last.as_number(), value.as_number()) {
        (Some(last), Some(value)) => (value - last).abs() > width,
        (Some(_), None) | (None, Some(_)) => true,
        (None, None) => width < 0.0 || last != value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Feeds one measurement a second and says which seconds passed.
    fn check(mut deadband: Deadband, values: &[Value], passed: &[u64]) {
        let seconds: Vec<u64> = (0..)
            .zip(values)
            .filter(|&(second, value)| deadband.passes(Duration::from_secs(second), value))
            .map(|(second, _)| second)
            .collect();
        assert_eq!(seconds, passed);
    }

    fn numbers(values: &[f64]) -> Vec<Value> {
        values.iter().copied().map(Value::Number).collect()
    }

    #[test]
    fn a_value_passes_when_it_has_moved_by_more_than_the_width() {
        let band = Deadband::new(0.5, Duration::MAX);
        check(band, &numbers(&[36.0, 36.4, 36.5, 36.6, 37.0, 36.0]), &[0, 3, 5]);
    }

    #[test]
    fn a_slow_drift_is_compared_with_what_was_sent_last() {
        let band = Deadband::new(0.25, Duration::MAX);
        check(band, &numbers(&[20.0, 20.125, 20.25, 20.375, 20.5, 20.625]), &[0, 3]);
    }

    #[test]
    fn a_value_that_stands_still_is_sent_once_per_silence() {
        let band = Deadband::new(1.0, Duration::from_secs(3));
        check(band, &numbers(&[7.0; 8]), &[0, 3, 6]);
    }

    #[test]
    fn a_lead_that_comes_off_and_comes_back_is_told_at_once() {
        let band = Deadband::new(100.0, Duration::MAX);
        let values = [Value::Int(72), Value::Missing, Value::Missing, Value::Int(72)];
        check(band, &values, &[0, 1, 3]);
    }

    #[test]
    fn an_open_deadband_lets_everything_pass() {
        check(
            Deadband::open(),
            &[Value::Int(1), Value::Int(1), Value::Missing, Value::Missing],
            &[0, 1, 2, 3],
        );
    }
}
