//! One lane on its way up: a batch in flight, the next one being made meanwhile, the same bytes until an answer comes.

use std::convert::Infallible;
use std::time::Duration;

use tidegate_model::id::Epoch;
use tidegate_model::lane::Lane;
use tidegate_model::replication::{BatchReply, LaneAck, Refusal};
use tokio::sync::watch;
use tracing::debug;

use super::Host;
use super::backoff::{Backoff, pause};
use super::batch::{Outgoing, Packer, Size};
use super::session::{Over, Parts, asked_to_wait, blocking};
use super::standing::{Standing, compare};
use super::turns::Turns;
use super::wire::Failure;

/// After so many time-outs in a row a batch is made smaller: the link may be too slow for it.
const SLOW_MAX: u32 = 2;

/// Sends a lane.
#[derive(Debug)]
pub(super) struct Sender<'a, H> {
    parts: &'a Parts<H>,
    turns: &'a Turns,
    rows: watch::Receiver<()>,
    epoch: Epoch,
    lane: Lane,
    size: Size,
    backoff: Backoff,
}

/// What became of a batch.
enum Delivery {
    /// The bridge holds it.
    Taken(BatchReply),
    /// The bridge is somewhere else in the lane.
    Elsewhere(LaneAck),
    /// Too large, or too slow.
    TooMuch(String),
    /// Not taken, whatever its size: something in it is not right.
    NotTaken(String),
    /// In doubt.
    Doubt(String),
}

impl<'a, H: Host> Sender<'a, H> {
    pub(super) fn new(parts: &'a Parts<H>, turns: &'a Turns, epoch: Epoch, lane: Lane) -> Self {
        let seed = parts.settings.seed.wrapping_add(1 + u64::from(lane.number()));
        Self {
            parts,
            turns,
            rows: parts.bell.0.subscribe(),
            epoch,
            lane,
            size: Size::MAX,
            backoff: Backoff::new(seed, &parts.settings.patience),
        }
    }

    /// Sends everything after `acked`, and then whatever comes, until the session is over.
    pub(super) async fn run(mut self, mut acked: u64) -> Result<Infallible, Over> {
        let parts = self.parts;
        let mut packer = None;
        let mut ready: Option<Outgoing> = None;
        loop {
            // Before looking, so that a bell in between is heard.
            self.rows.mark_unchanged();
            let outgoing = match ready.take() {
                Some(outgoing) => Some(outgoing),
                None => pack(parts, self.lane, self.size, &mut packer, acked).await?,
            };
            let Some(outgoing) = outgoing else {
                packer = None;
                self.turns.rest(self.lane);
                self.rows.changed().await.expect("the parts hold a bell");
                continue;
            };
            // While a full batch is on its way the next is made.
            let (lane, size) = (self.lane, self.size);
            let ahead = async {
                match outgoing.full {
                    true => pack(parts, lane, size, &mut packer, outgoing.last).await,
                    false => Ok(None),
                }
            };
            let (delivery, ahead) = tokio::join!(self.deliver(&outgoing), ahead);
            let ahead = ahead?;
            let (ack, asked) = match delivery {
                Delivery::Taken(reply) => {
                    self.took(&outgoing, &reply);
                    (reply.ack, Duration::from_millis(reply.pause_ms))
                }
                Delivery::Elsewhere(expected) => (expected, Duration::ZERO),
                Delivery::TooMuch(words) => {
                    self.size.halve(&outgoing);
                    self.hold(&words, Duration::ZERO).await;
                    continue;
                }
                Delivery::NotTaken(words) => {
                    // One record alone stays, and is tried again: a later release of the bridge may take it, and no
                    // other lane waits for it.
                    parts.board.trouble(self.lane, &words);
                    if outgoing.records > 1 {
                        self.size.halve(&outgoing);
                    } else {
                        self.hold(&words, Duration::ZERO).await;
                    }
                    continue;
                }
                Delivery::Doubt(words) => return Err(Over::doubt(words)),
            };
            let expected = (ack.ack, ack.chain) == (outgoing.last, outgoing.chain);
            let stands = if expected { ack.ack } else { self.compare(ack).await? };
            parts.board.stands(self.lane, stands);
            parts.host.acked(self.lane, ack.ack, ack.chain).await?;
            if stands > acked {
                self.backoff.reset();
            } else {
                self.hold("the bridge answers and does not move", Duration::ZERO).await;
            }
            if !asked.is_zero() {
                self.turns.rest(self.lane);
                pause(asked.min(parts.settings.patience.backoff_max)).await;
            }
            acked = stands;
            ready = ahead.filter(|_| expected);
        }
    }

    /// Sends a batch until there is an answer. Lost requests and lost replies look the same from here, and are
    /// answered alike: with the same bytes.
    async fn deliver(&mut self, outgoing: &Outgoing) -> Delivery {
        let mut slow = 0;
        loop {
            self.turns.wait(self.lane, self.parts.settings.patience.turn).await;
            let sent = self.parts.wire.batch(self.epoch, self.lane, &outgoing.sealed).await;
            self.turns.sent(self.lane, outgoing.sealed.len());
            let failure = match sent {
                Ok(reply) => {
                    self.parts.board.answered();
                    return Delivery::Taken(reply);
                }
                Err(failure) => failure,
            };
            let words = failure.to_string();
            debug!(lane = self.lane.name(), last = outgoing.last, error = words, "a batch was not taken");
            let asked = asked_to_wait(&failure);
            match failure {
                Failure::Refused(Refusal::OutOfOrder { expected }) => return Delivery::Elsewhere(expected),
                Failure::Refused(Refusal::UnknownEpoch | Refusal::Stale | Refusal::BrokenChain { .. }) => {
                    return Delivery::Doubt(words);
                }
                Failure::Refused(Refusal::TooLarge { .. }) | Failure::TooLarge => {
                    return Delivery::TooMuch(words);
                }
                Failure::Refused(Refusal::Malformed { .. }) => return Delivery::NotTaken(words),
                Failure::Refused(Refusal::Busy { .. }) | Failure::Busy(_) => {}
                Failure::TimedOut(_) => {
                    self.parts.board.failed(&words);
                    slow += 1;
                    if slow >= SLOW_MAX {
                        return Delivery::TooMuch(words);
                    }
                }
                Failure::Lost(_) => self.parts.board.failed(&words),
            }
            self.hold(&words, asked).await;
        }
    }

    /// Waits after a failure, out of the way of the other lanes.
    async fn hold(&mut self, words: &str, asked: Duration) {
        self.parts.board.trouble(self.lane, words);
        self.turns.rest(self.lane);
        self.backoff.wait(asked).await;
    }

    fn took(&mut self, outgoing: &Outgoing, reply: &BatchReply) {
        self.size.grow();
        let at = self.parts.host.stamp();
        self.parts.board.took(self.lane, outgoing.sealed.len(), &reply.dead_lettered, at);
    }

    /// The bridge is not where it was expected: go on from where it is, if that is on the way.
    async fn compare(&self, ack: LaneAck) -> Result<u64, Over> {
        if ack.lane != self.lane {
            return Err(Over::doubt(format!("an answer about {} to {}", ack.lane.name(), self.lane.name())));
        }
        let reader = self.parts.reader.clone();
        match blocking(move || compare(&reader, &ack)).await? {
            Standing::Agrees(item) => Ok(item),
            Standing::Diverged(words) => Err(Over::doubt(words)),
        }
    }
}

/// The batch after item `acked`, if there is one. The packer is made when there is.
async fn pack<H: Host>(
    parts: &Parts<H>,
    lane: Lane,
    size: Size,
    packer: &mut Option<Packer>,
    acked: u64,
) -> Result<Option<Outgoing>, Over> {
    if parts.reader.lane_head(lane)?.next <= acked + 1 {
        return Ok(None);
    }
    let mut made = packer.take().unwrap_or_else(|| Packer::new(parts.reader.clone(), lane));
    let sent = parts.host.stamp();
    let (made, next) = blocking(move || {
        let next = made.next(acked, size, sent);
        (made, next)
    })
    .await;
    *packer = Some(made);
    Ok(next?)
}
