//! What a sensor keeps until its gateway has it on disk: bounded, in order, sent again when no answer comes.
//!
//! A broker's PUBACK is no reason to forget: brokers lose what they acknowledged when they are killed. Only the
//! gateway's own acknowledgement ("up to here") empties the outbox. Retransmission is go-back-N, because a sensor's
//! link is short of memory rather than of bandwidth, and the gateway recognises what it already has.
//!
//! An item gets its number when it is first sent. What gives way unsent therefore leaves no hole in the numbers, and
//! the gateway's "up to here, without a hole" can always come to the end.

use alloc::collections::VecDeque;
use core::time::Duration;

/// How much is kept and how it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Items kept at most; more than `window_max`. Full: the oldest that was never sent gives way and is counted,
    /// since a later value says more than an earlier one.
    pub kept_max: usize,
    /// Items sent and not yet acknowledged at most.
    pub window_max: usize,
    /// Without progress for so long, everything unacknowledged is sent again.
    pub resend_after: Duration,
}

impl Default for Bounds {
    /// For a board with some 128 KiB of memory and a handful of channels.
    fn default() -> Self {
        Self { kept_max: 256, window_max: 64, resend_after: Duration::from_secs(3) }
    }
}

/// Items in order, numbered densely from 1, kept until they are acknowledged.
///
/// `kept` holds, from the front: items sent since the last rewind (`sent` of them), items sent before it and to be
/// sent again (up to `numbered`), items never sent.
#[derive(Debug)]
pub struct Outbox<T> {
    bounds: Bounds,
    kept: VecDeque<T>,
    /// Number of the first item kept, or the next to be given when none has one.
    first: u64,
    numbered: usize,
    sent: usize,
    /// Since when there has been no progress, while something is sent and unacknowledged.
    waiting_since: Duration,
    dropped: u64,
    resent: u64,
}

impl<T> Outbox<T> {
    /// An empty outbox.
    ///
    /// # Panics
    /// When the bounds leave no room for an item beside a full window.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        assert!(bounds.window_max < bounds.kept_max, "a full window leaves room for an item that waits");
        Self {
            bounds,
            kept: VecDeque::new(),
            first: 1,
            numbered: 0,
            sent: 0,
            waiting_since: Duration::ZERO,
            dropped: 0,
            resent: 0,
        }
    }

    /// Keeps an item.
    pub fn push(&mut self, item: T) {
        if self.kept.len() >= self.bounds.kept_max && self.kept.remove(self.numbered).is_some() {
            self.dropped += 1;
        }
        self.kept.push_back(item);
    }

    /// The next item to send, with its number; `None` when all are sent or the window is full.
    #[must_use]
    pub fn to_send(&self) -> Option<(u64, &T)> {
        if self.sent >= self.bounds.window_max {
            return None;
        }
        self.kept.get(self.sent).map(|item| (self.first + count(self.sent), item))
    }

    /// The item [`Outbox::to_send`] gave was handed to the link.
    ///
    /// # Panics
    /// When there was none.
    pub fn mark_sent(&mut self, now: Duration) {
        assert!(self.sent < self.kept.len(), "only an item that to_send gave can be sent");
        if self.sent == 0 {
            self.waiting_since = now;
        }
        self.sent += 1;
        if self.sent > self.numbered {
            self.numbered = self.sent;
        } else {
            self.resent += 1;
        }
    }

    /// Forgets every item up to `number`, which whoever acknowledges has without a hole from `from` on. A number that
    /// is old, or that was never given, changes nothing; nor do numbers that leave out the oldest item kept, which
    /// has yet to arrive.
    pub fn acknowledge(&mut self, now: Duration, from: u64, number: u64) {
        if number >= self.first + count(self.numbered) || from > self.first {
            return;
        }
        while self.first <= number {
            self.kept.pop_front().expect("every number given and not acknowledged has its item");
            self.first += 1;
            self.numbered -= 1;
            self.sent = self.sent.saturating_sub(1);
            self.waiting_since = now;
        }
    }

    /// Everything unacknowledged is to be sent again: the link was lost, and what was on it with it.
    pub fn rewind(&mut self) {
        self.sent = 0;
    }

    /// When [`Outbox::on_deadline`] wants to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        (self.sent > 0).then(|| self.waiting_since + self.bounds.resend_after)
    }

    /// Rewinds when the wait for an acknowledgement has been too long.
    pub fn on_deadline(&mut self, now: Duration) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.rewind();
        }
    }

    /// Whether everything ever pushed is acknowledged or gave way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Items kept.
    #[must_use]
    pub fn len(&self) -> u64 {
        count(self.kept.len())
    }

    /// The last number given; 0 before the first.
    #[must_use]
    pub fn last_number(&self) -> u64 {
        self.first + count(self.numbered) - 1
    }

    /// The last number acknowledged; 0 before the first.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.first - 1
    }

    /// Items that gave way to later ones, unsent.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Sendings of an item after its first.
    #[must_use]
    pub fn resent(&self) -> u64 {
        self.resent
    }
}

fn count(items: usize) -> u64 {
    u64::try_from(items).expect("no machine counts items beyond 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const SECOND: Duration = Duration::from_secs(1);

    fn outbox(kept_max: usize, window_max: usize, items: u64) -> Outbox<u64> {
        let mut outbox = Outbox::new(Bounds { kept_max, window_max, resend_after: 3 * SECOND });
        for item in 1..=items {
            outbox.push(item);
        }
        outbox
    }

    /// Sends all that may be sent and gives the numbers.
    fn send_all(outbox: &mut Outbox<u64>, now: Duration) -> Vec<u64> {
        let mut sent = Vec::new();
        while let Some((number, _)) = outbox.to_send() {
            sent.push(number);
            outbox.mark_sent(now);
        }
        sent
    }

    #[test]
    fn items_are_numbered_densely_and_sent_in_order() {
        let mut outbox = outbox(10, 9, 3);
        assert_eq!(send_all(&mut outbox, SECOND), [1, 2, 3]);
        outbox.push(4);
        assert_eq!(send_all(&mut outbox, SECOND), [4]);
    }

    #[test]
    fn an_item_stays_until_it_is_acknowledged() {
        let mut outbox = outbox(10, 9, 3);
        send_all(&mut outbox, SECOND);
        outbox.acknowledge(SECOND, 1, 2);
        outbox.rewind();
        assert_eq!(send_all(&mut outbox, SECOND), [3]);
        assert!(!outbox.is_empty());
        outbox.acknowledge(SECOND, 1, 3);
        assert!(outbox.is_empty());
    }

    #[test]
    fn no_more_than_the_window_is_under_way() {
        let mut outbox = outbox(10, 2, 5);
        assert_eq!(send_all(&mut outbox, SECOND), [1, 2]);
        outbox.acknowledge(SECOND, 1, 1);
        assert_eq!(send_all(&mut outbox, SECOND), [3]);
    }

    #[test]
    fn a_lost_link_sends_everything_unacknowledged_again() {
        let mut outbox = outbox(10, 9, 4);
        send_all(&mut outbox, SECOND);
        outbox.acknowledge(SECOND, 1, 1);
        outbox.rewind();
        assert_eq!(send_all(&mut outbox, SECOND), [2, 3, 4]);
        assert_eq!(outbox.resent(), 3);
    }

    #[test]
    fn silence_sends_again_and_progress_puts_it_off() {
        let mut outbox = outbox(10, 9, 3);
        assert_eq!(outbox.deadline(), None, "nothing sent, nothing awaited");
        send_all(&mut outbox, SECOND);
        assert_eq!(outbox.deadline(), Some(4 * SECOND));
        outbox.acknowledge(2 * SECOND, 1, 1);
        assert_eq!(outbox.deadline(), Some(5 * SECOND));
        outbox.on_deadline(4 * SECOND);
        assert!(send_all(&mut outbox, 4 * SECOND).is_empty());
        outbox.on_deadline(5 * SECOND);
        assert_eq!(send_all(&mut outbox, 5 * SECOND), [2, 3]);
    }

    #[test]
    fn a_full_outbox_lets_the_oldest_unsent_go_and_leaves_no_hole() {
        let mut outbox = outbox(4, 2, 4);
        assert_eq!(send_all(&mut outbox, SECOND), [1, 2]);
        outbox.push(5);
        outbox.push(6);
        assert_eq!(outbox.dropped(), 2);
        outbox.acknowledge(SECOND, 1, 2);
        let mut rest = Vec::new();
        while let Some((number, &item)) = outbox.to_send() {
            rest.push((number, item));
            outbox.mark_sent(SECOND);
        }
        assert_eq!(rest, [(3, 5), (4, 6)]);
    }

    #[test]
    fn a_full_outbox_keeps_what_was_sent_though_it_waits_to_be_sent_again() {
        let mut outbox = outbox(4, 2, 4);
        send_all(&mut outbox, SECOND);
        outbox.rewind();
        outbox.push(5);
        assert_eq!(outbox.to_send(), Some((1, &1)));
        assert_eq!(send_all(&mut outbox, SECOND), [1, 2]);
    }

    #[test]
    fn an_acknowledgement_of_what_was_never_sent_changes_nothing() {
        let mut outbox = outbox(10, 1, 3);
        send_all(&mut outbox, SECOND);
        outbox.acknowledge(SECOND, 1, 3);
        assert_eq!(outbox.len(), 3);
        outbox.acknowledge(SECOND, 1, 0);
        assert_eq!(outbox.len(), 3);
    }

    #[test]
    fn an_acknowledgement_that_leaves_out_the_oldest_item_frees_nothing() {
        let mut outbox = outbox(10, 9, 3);
        send_all(&mut outbox, SECOND);
        outbox.acknowledge(SECOND, 2, 3);
        assert_eq!(outbox.acknowledged(), 0);
    }

    #[test]
    fn an_acknowledgement_after_a_rewind_counts() {
        let mut outbox = outbox(10, 9, 3);
        send_all(&mut outbox, SECOND);
        outbox.rewind();
        outbox.acknowledge(2 * SECOND, 1, 2);
        assert_eq!(send_all(&mut outbox, 2 * SECOND), [3]);
    }
}
