//! What an open window has gathered.

use serde::{Deserialize, Serialize};
use tidegate_model::reading::{Quality, Reading};
use tidegate_model::time::Timestamp;

/// A reading on its way into a window.
#[derive(Clone, Copy)]
pub(super) struct Placed<'r> {
    /// In the time the pipeline counts by.
    pub(super) time: Timestamp,
    /// In the gateway's time.
    pub(super) arrival: Timestamp,
    /// In the samples lane.
    pub(super) number: u64,
    pub(super) reading: &'r Reading,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Open {
    /// The definition it is counted by.
    pub(super) definition: String,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// When it closes by the gateway's clock.
    pub(super) deadline: Timestamp,
    pub(super) first_reading: u64,
    pub(super) last_reading: u64,
    /// Readings without a number.
    pub(super) missing: u64,
    pub(super) aggregate: Aggregate,
}

/// Of the readings with a number; all zero when there is none.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Aggregate {
    pub(super) count: u64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) mean: f64,
}

impl Open {
    /// A window from its first reading on.
    pub(super) fn new(
        definition: &str,
        (start, end): (Timestamp, Timestamp),
        deadline: Timestamp,
        first: &Placed<'_>,
    ) -> Self {
        let mut open = Self {
            definition: definition.to_owned(),
            start,
            end,
            deadline,
            first_reading: first.number,
            last_reading: first.number,
            missing: 0,
            aggregate: Aggregate::default(),
        };
        open.add(first);
        open
    }

    /// Counts a reading.
    pub(super) fn add(&mut self, placed: &Placed<'_>) {
        self.last_reading = placed.number;
        let good = placed.reading.quality != Quality::Bad;
        match placed.reading.value.as_number().filter(|value| good && value.is_finite()) {
            Some(value) => self.aggregate.add(value),
            None => self.missing += 1,
        }
    }
}

impl Aggregate {
    /// A running mean (Welford 1962), with the division before the subtraction, so that it cannot overflow between the
    /// largest and the smallest number there are. The order of the readings is that of the log, so a replay has the same
    /// bits.
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1;
        if self.count == 1 {
            (self.min, self.max, self.mean) = (value, value, value);
            return;
        }
        if value < self.min {
            self.min = value;
        }
        if value > self.max {
            self.max = value;
        }
        #[expect(clippy::cast_precision_loss, reason = "a window has fewer than 2^53 readings")]
        let count = self.count as f64;
        self.mean += value / count - self.mean / count;
    }
}
