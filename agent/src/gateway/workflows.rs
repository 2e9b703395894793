//! The engine on the log: its histories travel in the histories lane, the rest of its state stays here.

use tidegate_engine::{Input as EngineInput, Record, Refusal, Request, StartWorkflow, Step, Ticket};
use tidegate_log::{Append, Turn};
use tidegate_model::codec;
use tidegate_model::lane::LaneRecord;

use super::input::{Answer, Effect};
use super::state::{Gateway, LocalRecord};

/// Nobody waits for the reply to a start that the gateway itself decided.
const NOBODY: Ticket = Ticket(0);

impl<Token: Send + 'static> Gateway<Token> {
    pub(super) fn on_engine(&mut self, turn: &mut Turn<'_, Effect<Token>>, input: EngineInput) {
        self.step(turn, |engine, step| engine.handle(step, input));
    }

    pub(super) fn on_engine_deadline(&mut self, turn: &mut Turn<'_, Effect<Token>>) {
        if self.engine.next_deadline().is_some_and(|(at, _)| at <= turn.now()) {
            self.step(turn, |engine, step| engine.handle_deadline(step));
        }
    }

    /// Starts the run a window decided on. The workflow id names the window, so that a second start of the same
    /// decision finds the first.
    pub(super) fn start_decision(
        &mut self,
        turn: &mut Turn<'_, Effect<Token>>,
        start: StartWorkflow,
    ) -> Result<(), Refusal> {
        match self.ask_engine(turn, Request::StartWorkflowExecution(start)) {
            Some(Ok(_)) => Ok(()),
            Some(Err(refusal)) => Err(refusal),
            None => unreachable!("the engine answers a start at once"),
        }
    }

    /// One engine request whose reply the gateway wants for itself.
    pub(super) fn ask_engine(
        &mut self,
        turn: &mut Turn<'_, Effect<Token>>,
        request: Request,
    ) -> Option<Result<tidegate_engine::Reply, tidegate_engine::Refusal>> {
        let input = EngineInput::Request { ticket: NOBODY, request };
        self.step(turn, |engine, step| engine.handle(step, input))
    }

    /// Lets the engine decide, appends its records, releases its replies; gives back the one addressed to nobody.
    fn step(
        &mut self,
        turn: &mut Turn<'_, Effect<Token>>,
        decide: impl FnOnce(&mut tidegate_engine::Engine, &mut Step<'_>),
    ) -> Option<Result<tidegate_engine::Reply, tidegate_engine::Refusal>> {
        let mut records = Vec::new();
        let mut effects = Vec::new();
        let mut step = Step {
            now: turn.now(),
            stamp: turn.stamp(),
            chance: turn.chance(),
            records: &mut records,
            effects: &mut effects,
        };
        decide(&mut self.engine, &mut step);
        for record in records {
            match record {
                Record::History(batch) => {
                    let key = batch.run_id.as_u128();
                    let record = LaneRecord::History(batch);
                    turn.append(&Append {
                        lane: Some(record.lane()),
                        items: record.items(),
                        key: Some(key),
                        bytes: codec::to_cbor(&record),
                        at_leisure: false,
                    });
                    turn.effect(Effect::Replicate);
                }
                Record::State(change) => {
                    let at_leisure = change.is_at_leisure();
                    self.append_local(turn, LocalRecord::Engine(change), at_leisure);
                }
            }
        }
        let mut own = None;
        for effect in effects {
            let at_leisure = effect.is_at_leisure();
            let tidegate_engine::Effect::Reply { ticket, reply } = effect;
            let answer = |reply| Effect::Answer { ticket, answer: Answer::Engine(reply) };
            if ticket == NOBODY {
                own = Some(reply);
            } else if at_leisure {
                turn.effect_at_leisure(answer(reply));
            } else {
                turn.effect(answer(reply));
            }
        }
        own
    }
}
