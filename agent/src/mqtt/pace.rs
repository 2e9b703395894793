//! When to let messages gather before the next read.
//!
//! A broker writes each message by itself, and whoever waits for it is woken each time: on a small machine most of
//! the processor then goes into waking. Once messages come thick and fast in small reads, a pause of a millisecond
//! makes one read of dozens of them. A lone message never waits.

use std::time::Duration;

/// The pause.
pub(super) const GATHER: Duration = Duration::from_millis(1);

/// So many messages within [`GATHER`] are thick and fast: more than 16,000 a second.
const BUSY_MESSAGES: usize = 16;
/// A read of so many messages is large enough.
const READ_MESSAGES: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Pace {
    since_ns: u64,
    messages: usize,
}

impl Pace {
    /// Whether to pause after a read that brought so many messages at this boot time.
    pub(super) fn gathers(&mut self, now_ns: u64, messages: usize) -> bool {
        if Duration::from_nanos(now_ns.saturating_sub(self.since_ns)) > GATHER {
            (self.since_ns, self.messages) = (now_ns, 0);
        }
        self.messages += messages;
        let busy = self.messages >= BUSY_MESSAGES && messages < READ_MESSAGES;
        if busy {
            self.messages = 0;
        }
        busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROSECOND: u64 = 1_000;

    #[test]
    fn a_lone_message_never_waits() {
        let mut pace = Pace::default();
        assert!((0..10_000).all(|number| !pace.gathers(number * 100 * MICROSECOND, 1)));
    }

    #[test]
    fn many_small_reads_make_a_pause() {
        let mut pace = Pace::default();
        let pauses = (0..96).filter(|number| pace.gathers(number * 10 * MICROSECOND, 1)).count();
        assert_eq!(pauses, 96 / BUSY_MESSAGES);
    }

    #[test]
    fn large_reads_need_none() {
        let mut pace = Pace::default();
        assert!((0..100).all(|number| !pace.gathers(number * 10 * MICROSECOND, 128)));
    }
}
