//! The verbs of those who wait for something that is not a task, and those that answer them.

use std::collections::BTreeMap;

use tidegate_engine::{
    HistoryPart, HistoryStanding, QueryAnswer, QueryRejectCondition, QueryToken, QueryWorkflow, Request,
    WaitForHistory, WorkflowQuery, WorkflowTask,
};
use tidegate_model::payload::{Header, Payload, Payloads};

use super::{Stage, Words, namespace, workflow_id};

/// What workers have been asked, by name.
#[derive(Default)]
pub(super) struct Asked {
    /// As tasks of their own.
    direct: BTreeMap<String, QueryToken>,
    /// Along with workflow tasks: the ids they go by.
    with_task: BTreeMap<String, String>,
}

impl Asked {
    /// Takes the queries of a task; gives them in words.
    pub(super) fn take(&mut self, task: &WorkflowTask) -> String {
        let mut words = String::new();
        for (id, query) in &task.queries {
            self.with_task.insert(query.query_type.clone(), id.clone());
        }
        let mut names: Vec<&str> = task.queries.values().map(|query| query.query_type.as_str()).collect();
        names.sort_unstable();
        for name in names {
            words += ", asks ";
            words += name;
        }
        words
    }

    /// `answers=name/text` in a completion.
    pub(super) fn results(&self, words: &Words<'_>) -> BTreeMap<String, QueryAnswer> {
        let answers = words.value("answers").into_iter().flat_map(|all| all.split(','));
        answers
            .map(|answer| {
                let (name, text) = answer.split_once('/').expect("answers=name/text");
                (self.with_task.get(name).expect("a query that was asked").clone(), self::answer(text))
            })
            .collect()
    }
}

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

    /// `query w name [run=v] [unless=open|unclean] as bob`
    pub(super) fn query(&mut self, words: &Words<'_>) -> Vec<String> {
        let wanted = QueryWorkflow {
            namespace: namespace(),
            workflow_id: workflow_id(words.at(1)),
            run_id: words.value("run").map(|workflow| self.run_id(workflow)),
            query: WorkflowQuery {
                query_type: words.at(2).to_owned(),
                args: super::payloads(words.value("size")),
                header: Header::new(),
            },
            reject_condition: match words.value("unless") {
                None => QueryRejectCondition::None,
                Some("closed") => QueryRejectCondition::NotOpen,
                Some("unclean") => QueryRejectCondition::NotCompletedCleanly,
                Some(other) => panic!("there is no condition {other:?}"),
            },
        };
        self.request_and_wait(words, Request::QueryWorkflow(Box::new(wanted)))
    }

    /// `answer name text`, `answer name failed`
    pub(super) fn answer_query(&mut self, words: &Words<'_>) -> Vec<String> {
        let token = self.asked.direct.get(words.at(1)).expect("a query that was asked").clone();
        let answer = match words.value("size") {
            Some(size) => QueryAnswer::Answered(super::payloads(Some(size))),
            None => answer(words.at(2)),
        };
        self.request(Request::RespondQueryTaskCompleted { token, answer })
    }

    pub(super) fn render_query_task(&mut self, task: &WorkflowTask) -> String {
        let (token, query) = task.query.as_ref().expect("called for a query");
        self.asked.direct.insert(query.query_type.clone(), token.clone());
        let part = match &task.history {
            HistoryPart::Whole => "whole",
            HistoryPart::Since(_) => "cached",
        };
        format!("query {} of {}, {part}", query.query_type, task.workflow_id)
    }

    /// The answer may come later: whoever waits is known by name.
    pub(super) fn request_and_wait(&mut self, words: &Words<'_>, request: Request) -> Vec<String> {
        let (ticket, replies) = self.world.request(request);
        self.polls.insert(ticket, words.identity().to_owned());
        self.render(replies)
    }
}

fn answer(text: &str) -> QueryAnswer {
    if text == "failed" {
        return QueryAnswer::Failed { message: String::from("no such query"), failure: None };
    }
    QueryAnswer::Answered(vec![Payload { data: text.as_bytes().to_vec().into(), ..Payload::default() }])
}

pub(super) fn render_answer(answer: &QueryAnswer) -> String {
    match answer {
        QueryAnswer::Answered(payloads) => format!("answered {}", render_text(payloads)),
        QueryAnswer::Failed { .. } => panic!("a failed query is refused"),
    }
}

pub(super) fn render_text(payloads: &Payloads) -> String {
    let texts: Vec<_> = payloads.iter().map(|payload| String::from_utf8_lossy(&payload.data)).collect();
    texts.join(" ")
}

pub(super) fn render_standing(standing: HistoryStanding) -> String {
    let state = if standing.is_open { "open" } else { "closed" };
    format!("{} events, {state}", standing.last_event_id)
}
