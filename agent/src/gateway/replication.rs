//! The link to the bridge, as the gateway decides it: which signals count, and how far the bridge is.

use tidegate_engine::{Refusal, Reply, Request, Ticket};
use tidegate_log::Turn;
use tidegate_model::id::Epoch;
use tidegate_model::lane::{Chain, Lane, LaneRecord};
use tidegate_model::signal::{DownlinkSignal, SignalOutcome, SignalReceipt};
use tidegate_model::time::ClockState;

use super::input::{Answer, Effect};
use super::state::{Gateway, LocalRecord};
use crate::link::{Decision, LinkRecord};

impl<Token: Send + 'static> Gateway<Token> {
    /// What the bridge holds may be forgotten in a crash: it says so again.
    pub(super) fn on_acked(
        &mut self,
        turn: &mut Turn<'_, Effect<Token>>,
        lane: Lane,
        item: u64,
        chain: Chain,
    ) {
        if self.link.acked(lane) != (item, chain) {
            let record = LocalRecord::Link(LinkRecord::Acked { lane, item, chain });
            self.append_local(turn, record, true);
        }
    }

    /// Signals, their effects and their receipts become durable together, so that a signal is applied once however
    /// often the bridge sends it.
    pub(super) fn on_downlink(
        &mut self,
        turn: &mut Turn<'_, Effect<Token>>,
        ticket: Ticket,
        signals: Vec<DownlinkSignal>,
    ) {
        // People set the time by which a signal counts. Engine time is behind theirs after a boot without a clock.
        let now = match turn.stamp().state {
            ClockState::Unset => turn.now(),
            ClockState::Holdover | ClockState::Synchronised => turn.stamp().wall,
        };
        for signal in signals {
            let outcome = match self.link.decide(&signal, now) {
                Decision::Known => continue,
                Decision::Duplicate => SignalOutcome::Duplicate,
                Decision::Expired => SignalOutcome::Expired,
                Decision::Apply => self.signal(turn, &signal),
            };
            let recorded = LinkRecord::Recorded { seq: signal.seq, signal_id: signal.signal_id.clone() };
            self.append_local(turn, LocalRecord::Link(recorded), false);
            let receipt = SignalReceipt { seq: signal.seq, signal_id: signal.signal_id, outcome };
            self.append_lane(turn, LaneRecord::Receipt(receipt), None);
        }
        let answer = Answer::Recorded(self.link.cursor());
        turn.effect(Effect::Answer { ticket, answer });
    }

    pub(super) fn on_begin_epoch(
        &mut self,
        turn: &mut Turn<'_, Effect<Token>>,
        ticket: Ticket,
        epoch: Epoch,
    ) {
        turn.begin_epoch(epoch);
        self.append_local(turn, LocalRecord::Link(LinkRecord::EpochBegun), false);
        turn.effect(Effect::Answer { ticket, answer: Answer::EpochBegun(epoch) });
    }

    fn signal(&mut self, turn: &mut Turn<'_, Effect<Token>>, signal: &DownlinkSignal) -> SignalOutcome {
        let reply = self.ask_engine(
            turn,
            Request::SignalWorkflowExecution {
                namespace: signal.namespace.clone(),
                workflow_id: signal.workflow_id.clone(),
                run_id: signal.run_id,
                signal_name: signal.signal_name.clone(),
                input: signal.input.clone(),
                identity: signal.issued_by.clone(),
                request_id: signal.signal_id.as_str().to_owned(),
                header: Default::default(),
            },
        );
        match reply {
            Some(Ok(Reply::Signaled { run_id, event_id, .. })) => SignalOutcome::Applied { run_id, event_id },
            Some(Err(Refusal::NotFound(reason))) => SignalOutcome::NotFound { reason },
            Some(Err(refusal)) => SignalOutcome::Refused { reason: refusal.to_string() },
            Some(Ok(_)) | None => unreachable!("the engine answers a signal at once, and as a signal"),
        }
    }
}
