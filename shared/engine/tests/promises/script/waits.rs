//! The verbs of those who wait for something that is not a task.

use tidegate_engine::{HistoryStanding, Request, WaitForHistory};

use super::{Stage, Words, namespace, workflow_id};

impl Stage {
    /// `follow w [run=v] [beyond=n] [closed] as bob`
    pub(super) fn follow(&mut self, words: &Words<'_>) -> Vec<String> {
        let wanted = WaitForHistory {
            namespace: namespace(),
            workflow_id: workflow_id(words.at(1)),
            run_id: words.value("run").map(|workflow| self.run_id(workflow)),
            wait_beyond: words.value("beyond").map(|id| id.parse().expect("a number")),
            until_closed: words.has("closed"),
        };
        self.request_and_wait(words, Request::WaitForHistory(wanted))
    }

    /// The answer may come later: whoever waits is known by name.
    pub(super) fn request_and_wait(&mut self, words: &Words<'_>, request: Request) -> Vec<String> {
        let (ticket, replies) = self.world.request(request);
        self.polls.insert(ticket, words.identity().to_owned());
        self.render(replies)
    }
}

pub(super) fn render_standing(standing: HistoryStanding) -> String {
    let state = if standing.is_open { "open" } else { "closed" };
    format!("{} events, {state}", standing.last_event_id)
}
