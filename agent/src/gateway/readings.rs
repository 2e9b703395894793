//! Messages become readings, readings close windows, windows start runs: all in the commit that stores the reading.

use tidegate_log::Turn;
use tidegate_model::lane::{Lane, LaneRecord};
use tidegate_model::limits::GROUP_COMMIT_BYTES_MAX;

use super::input::{Effect, Message, PipelineText};
use super::state::{Gateway, LocalRecord};
use crate::pipeline::Definition;
use crate::samples::Progress;

impl<Token: Send + 'static> Gateway<Token> {
    pub(super) fn on_messages(&mut self, turn: &mut Turn<'_, Effect<Token>>, messages: Vec<Message<Token>>) {
        let mut tokens = Vec::with_capacity(messages.len());
        let mut arrivals = Vec::with_capacity(messages.len());
        let mut asked = Vec::new();
        for message in messages {
            tokens.push(message.token);
            for letter in message.dead_letters {
                self.append_lane(turn, LaneRecord::DeadLetter(letter), None);
            }
            if message.wants_confirmation {
                asked.extend(message.arrivals.iter().map(|arrival| arrival.reading.clone()));
            }
            arrivals.extend(message.arrivals);
        }
        let (blocks, duplicates) = self.samples.admit(arrivals, turn.next_item(Lane::Samples));
        self.duplicates += duplicates;
        for block in blocks {
            self.append_lane(turn, LaneRecord::Readings(block), None);
        }
        let mut confirmed: Vec<Progress> = Vec::new();
        for reading in &asked {
            // One confirmation for each unbroken run, however many of its readings are in this group.
            let repeated = confirmed.iter().any(|run| {
                run.source == reading.source
                    && run.channel == reading.channel
                    && reading.identity.is_some_and(|identity| {
                        identity.session == run.session && (run.first..=run.last).contains(&identity.seq)
                    })
            });
            if !repeated {
                confirmed.extend(self.samples.progress(reading));
            }
        }
        turn.effect(Effect::Acknowledge(tokens));
        if !confirmed.is_empty() {
            turn.effect(Effect::Confirm(confirmed));
        }
    }

    /// Closes the windows whose time has come. Where a pipeline's condition held, its run starts here; a run that is
    /// refused is told of in the window's record.
    pub(super) fn close_due_windows(&mut self, turn: &mut Turn<'_, Effect<Token>>) {
        let mut bytes = 0;
        for mut summary in self.windows.due(turn.now()) {
            // Each run pins its definition; what would make the group too large is still due in the next.
            if bytes >= GROUP_COMMIT_BYTES_MAX {
                break;
            }
            let decided = summary.condition == Some(true);
            let start = self
                .pipelines
                .get(&summary.pipeline)
                .filter(|_| decided)
                .map(|in_use| crate::pipeline::start_request(&in_use.definition, &summary));
            if let Some(start) = start {
                bytes += start.input.iter().map(|payload| payload.data.len()).sum::<usize>();
                if let Err(refusal) = self.start_decision(turn, start) {
                    summary.condition_error =
                        Some(format!("the condition held, and no run was started: {refusal}"));
                }
            }
            self.append_lane(turn, LaneRecord::Window(summary), None);
        }
    }

    /// Brings the pipelines in use to what the files say. A name that is there with the same text is left alone, so
    /// that its open windows go on.
    pub(super) fn on_pipelines(&mut self, turn: &mut Turn<'_, Effect<Token>>, wanted: Vec<PipelineText>) {
        let named: Vec<(String, PipelineText)> = wanted
            .into_iter()
            .filter_map(|source| {
                let definition = Definition::parse(&source.file, &source.text).ok()?;
                Some((definition.name().to_owned(), source))
            })
            .collect();
        let gone: Vec<String> = self
            .pipelines
            .keys()
            .filter(|name| named.iter().all(|(wanted, _)| wanted != *name))
            .cloned()
            .collect();
        for name in gone {
            self.append_local(turn, LocalRecord::PipelineDisabled { name }, false);
        }
        for (name, source) in named {
            if self.pipelines.get(&name).is_none_or(|in_use| in_use.source != source) {
                let PipelineText { file, text } = source;
                self.append_local(turn, LocalRecord::PipelineEnabled { file, text }, false);
            }
        }
    }
}
