//! Who polls a queue, and how fast its tasks come and go: for a person to see, and gone with the process.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tidegate_model::limits::{POLLER_SECONDS_MAX, POLLERS_REMEMBERED_MAX};
use tidegate_model::time::Timestamp;

use crate::request::PollerDescription;

/// Over which time rates are taken, and into how many parts it is cut.
const WINDOW: Duration = Duration::from_secs(30);
const PART: Duration = Duration::from_secs(5);

pub(super) fn window_begins(now: Timestamp) -> Timestamp {
    now - WINDOW
}

pub(super) fn per_second(count: u64) -> f64 {
    count as f64 / WINDOW.as_secs_f64()
}

/// Tasks handed out, lately.
#[derive(Debug, Default)]
pub(super) struct Rate(VecDeque<Part>);

#[derive(Debug)]
struct Part {
    begins: Timestamp,
    dispatched: u64,
    /// Those of them that had come within the window.
    fresh: u64,
}

impl Rate {
    /// A task that had come at `at` is handed out.
    pub(super) fn count(&mut self, now: Timestamp, at: Timestamp) {
        while self.0.front().is_some_and(|part| part.begins < window_begins(now)) {
            self.0.pop_front();
        }
        if self.0.back().is_none_or(|part| now.saturating_since(part.begins) >= PART) {
            self.0.push_back(Part { begins: now, dispatched: 0, fresh: 0 });
        }
        let part = self.0.back_mut().expect("one was pushed if there was none");
        part.dispatched += 1;
        part.fresh += u64::from(at >= window_begins(now));
    }

    /// How many of the tasks that were handed out in the window had come in it, and how many there were.
    pub(super) fn in_window(&self, now: Timestamp) -> (u64, u64) {
        let parts = self.0.iter().filter(|part| part.begins >= window_begins(now));
        parts.fold((0, 0), |(fresh, dispatched), part| (fresh + part.fresh, dispatched + part.dispatched))
    }
}

/// Who polled, and when last.
#[derive(Debug, Default)]
pub(super) struct Pollers(BTreeMap<String, Timestamp>);

impl Pollers {
    pub(super) fn seen(&mut self, now: Timestamp, identity: &str) {
        if let Some(last) = self.0.get_mut(identity) {
            *last = now;
            return;
        }
        self.0.retain(|_, last| is_lately(now, *last));
        if self.0.len() >= POLLERS_REMEMBERED_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, last)| **last).map(|(who, _)| who.clone())
        {
            self.0.remove(&oldest);
        }
        self.0.insert(identity.to_owned(), now);
    }

    pub(super) fn is_any(&self, now: Timestamp) -> bool {
        self.0.values().any(|last| is_lately(now, *last))
    }

    /// The latest first; whoever waits at this moment is here at this moment.
    pub(super) fn describe<'a>(
        &self,
        now: Timestamp,
        waiting: impl Iterator<Item = &'a str>,
    ) -> Vec<PollerDescription> {
        let mut all: BTreeMap<&str, Timestamp> = self
            .0
            .iter()
            .filter(|(_, last)| is_lately(now, **last))
            .map(|(who, last)| (who.as_str(), *last))
            .collect();
        all.extend(waiting.map(|who| (who, now)));
        let mut pollers: Vec<PollerDescription> = all
            .into_iter()
            .map(|(who, last)| PollerDescription { identity: who.to_owned(), last_access_time: last })
            .collect();
        pollers.sort_by_key(|poller| std::cmp::Reverse(poller.last_access_time));
        pollers
    }
}

fn is_lately(now: Timestamp, last: Timestamp) -> bool {
    now.saturating_since(last) < Duration::from_secs(POLLER_SECONDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_rate_is_of_the_last_half_minute_and_forgets_what_was_before() {
        let mut rate = Rate::default();
        for second in 0..100 {
            rate.count(at(second), at(second));
        }
        let (fresh, dispatched) = rate.in_window(at(100));
        assert_eq!(fresh, dispatched);
        assert!((25..=35).contains(&dispatched), "{dispatched} in half a minute at one a second");
        assert!(rate.0.len() <= 7, "as many parts as make a window, and one begun");
        assert_eq!(rate.in_window(at(200)), (0, 0));
    }

    #[test]
    fn a_task_that_is_old_when_it_is_handed_out_did_not_come_lately() {
        let mut rate = Rate::default();
        rate.count(at(100), at(0));
        rate.count(at(100), at(90));
        assert_eq!(rate.in_window(at(101)), (1, 2));
    }

    #[test]
    fn so_many_pollers_are_remembered_and_for_so_long() {
        let mut pollers = Pollers::default();
        for n in 0..=POLLERS_REMEMBERED_MAX as u64 {
            pollers.seen(at(n), &format!("worker-{n}"));
        }
        let named = |now, who: &str| {
            pollers.describe(now, std::iter::empty()).iter().any(|poller| poller.identity == who)
        };
        let soon = at(POLLERS_REMEMBERED_MAX as u64);
        assert!(!named(soon, "worker-0"), "the oldest gave way");
        assert!(named(soon, "worker-1"));
        assert!(!named(at(1 + POLLER_SECONDS_MAX), "worker-1"), "long gone");
        assert!(pollers.is_any(soon) && !pollers.is_any(soon + Duration::from_secs(POLLER_SECONDS_MAX)));
    }
}
