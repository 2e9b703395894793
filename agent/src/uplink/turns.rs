//! Whose turn it is on a narrow link: of all that is sent while several lanes have work, control has eight parts of
//! twelve, histories three, samples one.
//!
//! The most urgent lane with work never waits. The others pay for each batch with credit, of which they get their part
//! whenever anyone sends. A lane that is paused or backing off has no work here, so it holds nobody; and no lane waits
//! longer than its patience.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_model::lane::Lane;
use tidegate_model::limits::BATCH_BYTES_MAX;
use tokio::sync::Notify;

/// Parts of the link, by lane number.
const WEIGHTS: [i64; Lane::ALL.len()] = [8, 3, 1];
/// Credit and debt are bounded: one batch's worth of history is remembered.
const CREDIT_MAX: i64 = BATCH_BYTES_MAX as i64;

/// The turns of all lanes.
#[derive(Debug, Default)]
pub(super) struct Turns {
    lanes: Mutex<[Share; Lane::ALL.len()]>,
    changed: Notify,
}

#[derive(Debug, Default, Clone, Copy)]
struct Share {
    working: bool,
    /// Bytes it may still send; below zero it waits for others.
    credit: i64,
}

impl Turns {
    /// Waits until `lane` may send a batch, at most `patience`. Until [`Turns::rest`] it counts as having work.
    pub(super) async fn wait(&self, lane: Lane, patience: Duration) {
        let turn = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                // Before looking, so that what changes in between is not missed.
                changed.as_mut().enable();
                if self.may_send(lane) {
                    return;
                }
                changed.await;
            }
        };
        // Its patience over, it sends all the same.
        tokio::time::timeout(patience, turn).await.unwrap_or(());
    }

    /// `lane` has sent so many bytes.
    pub(super) fn sent(&self, lane: Lane, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(CREDIT_MAX).min(CREDIT_MAX);
        let sender = usize::from(lane.number());
        let mut lanes = self.lanes();
        // Together the lanes are given what is paid, so that no credit grows while all have work.
        for (at, share) in lanes.iter_mut().enumerate().filter(|(_, share)| share.working) {
            let paid = if at == sender { bytes } else { 0 };
            let given = bytes * WEIGHTS[at] / WEIGHTS.iter().sum::<i64>();
            share.credit = (share.credit + given - paid).clamp(-CREDIT_MAX, CREDIT_MAX);
        }
        drop(lanes);
        self.changed.notify_waiters();
    }

    /// `lane` has no work, or cannot do it now.
    pub(super) fn rest(&self, lane: Lane) {
        self.lanes()[usize::from(lane.number())] = Share::default();
        self.changed.notify_waiters();
    }

    fn may_send(&self, lane: Lane) -> bool {
        let at = usize::from(lane.number());
        let mut lanes = self.lanes();
        lanes[at].working = true;
        let more_urgent = lanes[..at].iter().any(|share| share.working);
        !more_urgent || lanes[at].credit >= 0
    }

    fn lanes(&self) -> MutexGuard<'_, [Share; Lane::ALL.len()]> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::limits::BATCH_BYTES_MAX;

    #[test]
    fn three_busy_lanes_share_the_link_eight_to_three_to_one() {
        let turns = Turns::default();
        let mut sent = [0_i64; 3];
        for _ in 0..12_000 {
            // Whoever may sends a small batch; all have work all the time.
            for lane in Lane::ALL {
                if turns.may_send(lane) {
                    turns.sent(lane, 1_000);
                    sent[usize::from(lane.number())] += 1;
                }
            }
        }
        let all: i64 = sent.iter().sum();
        let nearest = |lane: usize| (sent[lane] * 120 + all / 2) / all;
        assert_eq!([nearest(0), nearest(1), nearest(2)], [80, 30, 10], "{sent:?}");
    }

    #[test]
    fn a_lane_alone_never_waits() {
        let turns = Turns::default();
        for _ in 0..100 {
            assert!(turns.may_send(Lane::Samples));
            turns.sent(Lane::Samples, BATCH_BYTES_MAX);
        }
    }

    #[test]
    fn samples_wait_for_control_until_it_rests() {
        let turns = Turns::default();
        assert!(turns.may_send(Lane::Samples), "its first batch is free");
        turns.sent(Lane::Samples, BATCH_BYTES_MAX);
        assert!(turns.may_send(Lane::Control));
        assert!(!turns.may_send(Lane::Samples));
        turns.rest(Lane::Control);
        assert!(turns.may_send(Lane::Samples));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_whose_patience_is_over_sends_all_the_same() {
        let turns = Turns::default();
        assert!(turns.may_send(Lane::Control));
        turns.wait(Lane::Samples, Duration::from_secs(10)).await;
        turns.sent(Lane::Samples, BATCH_BYTES_MAX);
        let wait = || turns.wait(Lane::Samples, Duration::from_secs(10));
        assert!(tokio::time::timeout(Duration::from_secs(9), wait()).await.is_err());
        assert!(tokio::time::timeout(Duration::from_secs(11), wait()).await.is_ok());
    }
}
