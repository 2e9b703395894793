//! A session: both sides say what they have, then lanes and signals run until something casts doubt on where they
//! stand.

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use tidegate_log::Reader;
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::replication::{EpochState, Hello, LaneAck, LaneOffer, Refusal};
use tracing::{debug, warn};

use super::backoff::Backoff;
use super::standing::{Standing, compare};
use super::status::Board;
use super::turns::Turns;
use super::wire::{Failure, Wire};
use super::{Bell, Host, Settings, Stopped, downlink, lane};

/// What a conversation is made of.
#[derive(Debug)]
pub(super) struct Parts<H> {
    pub(super) settings: Settings,
    pub(super) wire: Wire,
    pub(super) reader: Reader,
    pub(super) host: H,
    pub(super) bell: Bell,
    pub(super) board: Arc<Board>,
}

/// Why a session is over.
#[derive(Debug)]
pub(super) enum Over {
    /// Where a lane stands is in doubt; the next hello decides. In words, and how long the bridge asks to wait.
    Doubt(String, Duration),
    /// The gateway has stopped.
    Stopped,
}

impl From<Stopped> for Over {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<tidegate_log::Error> for Over {
    fn from(error: tidegate_log::Error) -> Self {
        Self::doubt(format!("the store cannot be read: {error}"))
    }
}

impl Over {
    pub(super) fn doubt(words: impl Into<String>) -> Self {
        Self::Doubt(words.into(), Duration::ZERO)
    }
}

/// Goes on until the gateway stops.
pub(super) async fn converse<H: Host>(parts: Parts<H>) -> Stopped {
    let mut backoff = Backoff::new(parts.settings.seed, &parts.settings.patience);
    loop {
        let successes = parts.board.successes();
        let Err(over) = session(&parts).await;
        match over {
            Over::Stopped => return Stopped,
            Over::Doubt(words, asked) => {
                debug!(reason = words, "the next hello decides");
                if parts.board.successes() != successes {
                    backoff.reset();
                }
                backoff.wait(asked).await;
            }
        }
    }
}

async fn session<H: Host>(parts: &Parts<H>) -> Result<Infallible, Over> {
    let cursor = parts.host.record(Vec::new()).await?;
    let reader = parts.reader.clone();
    let offers = blocking(move || offers(&reader)).await?;
    let hello = Hello {
        epoch: parts.reader.epoch(),
        boot: parts.settings.boot,
        lanes: offers,
        downlink_cursor: cursor,
        agent_version: parts.settings.agent_version.clone(),
        sent: parts.host.stamp(),
    };
    let reply = parts.wire.hello(&hello).await.map_err(|failure| {
        parts.board.failed(&failure.to_string());
        Over::Doubt(failure.to_string(), asked_to_wait(&failure))
    })?;
    parts.board.answered();
    if reply.epoch_state == EpochState::Diverged {
        return Err(diverged(parts, "the bridge says that this store was put back").await);
    }
    let acks = Lane::ALL.map(|lane| {
        let nothing = LaneAck { lane, ack: 0, chain: Chain::START };
        reply.lanes.iter().find(|ack| ack.lane == lane).copied().unwrap_or(nothing)
    });
    let reader = parts.reader.clone();
    let standings = blocking(move || acks.iter().map(|ack| compare(&reader, ack)).collect::<Vec<_>>()).await;
    for standing in standings {
        if let Standing::Diverged(words) = standing? {
            return Err(diverged(parts, &words).await);
        }
    }
    for LaneAck { lane, ack, chain } in acks {
        parts.board.stands(lane, ack);
        parts.host.acked(lane, ack, chain).await?;
    }
    let turns = Turns::default();
    let run = |lane: Lane| {
        let acked = acks[usize::from(lane.number())].ack;
        Box::pin(lane::Sender::new(parts, &turns, hello.epoch, lane).run(acked))
    };
    // The first to end ends the session; the others are cut off where they are, and nothing is lost by it.
    tokio::select! {
        over = run(Lane::Control) => over,
        over = run(Lane::Histories) => over,
        over = run(Lane::Samples) => over,
        over = Box::pin(downlink::poll(parts, cursor)) => over,
    }
}

/// The two no longer share a past under this epoch. Nothing is taken back on either side: the bridge keeps what it
/// has, and everything that is still here is sent anew under another.
async fn diverged<H: Host>(parts: &Parts<H>, words: &str) -> Over {
    warn!(reason = words, "diverged from the bridge; opening another epoch");
    match parts.host.begin_epoch().await {
        Ok(epoch) => Over::doubt(format!("epoch {epoch} is open")),
        Err(Stopped) => Over::Stopped,
    }
}

fn offers(reader: &Reader) -> Result<Vec<LaneOffer>, tidegate_log::Error> {
    Lane::ALL
        .into_iter()
        .map(|lane| {
            let last = reader.lane_head(lane)?.next - 1;
            Ok(LaneOffer { lane, first: reader.lane_first(lane)?, last })
        })
        .collect()
}

/// What the other side asks for before the next attempt.
pub(super) fn asked_to_wait(failure: &Failure) -> Duration {
    match failure {
        Failure::Refused(Refusal::Busy { retry_after_ms }) => Duration::from_millis(*retry_after_ms),
        Failure::Busy(asked) => asked.unwrap_or_default(),
        Failure::Refused(
            Refusal::OutOfOrder { .. }
            | Refusal::UnknownEpoch
            | Refusal::Stale
            | Refusal::BrokenChain { .. }
            | Refusal::TooLarge { .. }
            | Refusal::Malformed { .. },
        )
        | Failure::TooLarge
        | Failure::TimedOut(_)
        | Failure::Lost(_) => Duration::ZERO,
    }
}

/// Does what blocks where it may.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => resume_unwind(error.into_panic()),
    }
}
