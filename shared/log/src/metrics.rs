//! Counts for telemetry. Nothing is decided by them.

use std::time::Duration;

use crate::pending::SealedRow;

/// Counts for telemetry, read at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Group commits.
    pub commits: u64,
    /// Inputs decided.
    pub inputs: u64,
    /// Bytes of rows as stored.
    pub row_bytes: u64,
    /// Bytes of records before compression.
    pub record_bytes: u64,
    /// Microseconds spent committing.
    pub commit_micros: u64,
    /// Snapshots taken.
    pub snapshots: u64,
    /// Bytes of snapshots as stored.
    pub snapshot_bytes: u64,
    /// Rows trimmed.
    pub rows_trimmed: u64,
    /// Inputs waiting at the last look.
    pub queue_inputs: u64,
    /// The last row.
    pub last_row: u64,
    /// Bytes of the rows held.
    pub held_row_bytes: u64,
    /// Microseconds of each commit.
    pub commit_micros_histogram: Histogram,
    /// Inputs of each group.
    pub group_inputs_histogram: Histogram,
}

impl Metrics {
    pub(crate) fn committed(&mut self, row: &SealedRow, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.commits += 1;
        self.row_bytes += row.stored.len() as u64;
        self.record_bytes += row.record_bytes as u64;
        self.commit_micros = self.commit_micros.saturating_add(micros);
        self.commit_micros_histogram.count(micros);
        self.last_row = row.number;
    }

    pub(crate) fn decided(&mut self, inputs: usize) {
        self.inputs += inputs as u64;
        self.group_inputs_histogram.count(inputs as u64);
    }
}

/// Counts of values by their power of two: bucket `n` has the values below 2ⁿ that bucket `n − 1` has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; Self::BUCKETS],
}

impl Histogram {
    /// The last bucket has everything from 2³⁰ on: 18 minutes in microseconds.
    pub const BUCKETS: usize = 32;

    fn count(&mut self, value: u64) {
        let bits = usize::try_from(u64::BITS - value.leading_zeros()).expect("at most 64");
        self.counts[bits.min(Self::BUCKETS - 1)] += 1;
    }

    /// Each bucket's exclusive upper bound and count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        (0..).map(|bits| 1_u64 << bits).zip(self.counts)
    }

    /// How many values were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// A bound that at least `share` (0 to 1) of the values are below; 0 when there are none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> u64 {
        let total = self.total();
        let mut seen = 0;
        for (bound, count) in self.buckets() {
            seen += count;
            #[expect(
                clippy::cast_precision_loss,
                reason = "counts far below 2⁵³, and the answer is a power of two"
            )]
            if total > 0 && seen as f64 >= share * total as f64 {
                return bound;
            }
        }
        0
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; Self::BUCKETS] }
    }
}
