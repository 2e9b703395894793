//! Signals from the bridge: a long poll, one after the other. The gateway's cursor asks for the next ones, so a signal
//! is asked for again until it is recorded.

use std::convert::Infallible;
use std::time::Duration;

use tidegate_model::replication::Refusal;
use tidegate_model::signal::SignalSeq;

use super::Host;
use super::backoff::{Backoff, pause};
use super::session::{Over, Parts, asked_to_wait};
use super::wire::Failure;

/// Polls that bring nothing new come no closer together than this, whatever the bridge does.
const PACE: Duration = Duration::from_secs(1);

/// Polls until the session is over.
pub(super) async fn poll<H: Host>(parts: &Parts<H>, mut cursor: SignalSeq) -> Result<Infallible, Over> {
    // The lanes draw from the seeds next to it.
    let mut backoff = Backoff::new(parts.settings.seed.wrapping_sub(1), &parts.settings.patience);
    loop {
        let pace = pause(PACE);
        match parts.wire.poll(cursor).await {
            Ok(downlink) => {
                backoff.reset();
                parts.board.answered();
                let before = cursor;
                if !downlink.signals.is_empty() {
                    cursor = parts.host.record(downlink.signals).await?;
                }
                parts.board.polled(cursor);
                if cursor == before {
                    pace.await;
                }
            }
            Err(Failure::Refused(Refusal::UnknownEpoch)) => {
                return Err(Over::doubt("the bridge does not know this device"));
            }
            Err(failure) => {
                parts.board.failed(&failure.to_string());
                backoff.wait(asked_to_wait(&failure)).await;
            }
        }
    }
}
