//! When a host driver takes its next measurement, and when it has taken enough.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Waits for moments counted from the first one, and ends with the count or at the word of whoever runs it.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    start: Option<Instant>,
    stop: watch::Receiver<bool>,
    left: Option<u64>,
}

impl Pace {
    pub(super) fn new(stop: watch::Receiver<bool>, count: Option<u64>) -> Self {
        Self { start: None, stop, left: count }
    }

    /// Waits until `due` since the first call; `None` when there are to be no more. A moment that has passed already
    /// is not waited for, so that a driver catches up after the machine slept.
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the simulated sensor")]
    pub(super) async fn until(&mut self, due: Duration) -> Option<Duration> {
        if self.left == Some(0) || *self.stop.borrow() {
            return None;
        }
        let start = *self.start.get_or_insert_with(Instant::now);
        if start.elapsed() < due {
            tokio::select! {
                stopped = self.stop.wait_for(|&stop| stop) => {
                    // Whoever could have stopped it is gone, and with him the wish for more.
                    drop(stopped);
                    return None;
                }
                () = tokio::time::sleep_until((start + due).into()) => {}
            }
        }
        self.left = self.left.map(|left| left - 1);
        Some(start.elapsed())
    }
}
