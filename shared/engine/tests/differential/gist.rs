//! What of an answer or an event is compared: all of it, but for words meant for people, ids that only the engine draws,
//! and sizes that depend on how events are stored.

use tidegate_engine::{Refusal, Reply};
use tidegate_model::event::Event;
use tidegate_model::payload::Failure;

/// An event, without what the reference cannot know.
pub(crate) fn event(event: &Event) -> String {
    let mut event = event.clone();
    match &mut event {
        Event::WorkflowTaskStarted { request_id, history_size_bytes, .. } => {
            request_id.clear();
            *history_size_bytes = 0;
        }
        Event::ActivityTaskStarted { request_id, last_failure, .. } => {
            request_id.clear();
            last_failure.iter_mut().for_each(wordless);
        }
        Event::WorkflowTaskFailed { failure, .. }
        | Event::ActivityTaskFailed { failure, .. }
        | Event::ActivityTaskTimedOut { failure, .. } => wordless(failure),
        Event::WorkflowExecutionStarted(started) => started.continued_failure.iter_mut().for_each(wordless),
        _ => {}
    }
    format!("{event:?}")
}

fn wordless(failure: &mut Failure) {
    if let Some(cause) = &mut failure.cause {
        wordless(cause);
    }
    failure.message.clear();
    failure.source.clear();
    if let tidegate_model::payload::FailureInfo::Application { kind, .. } = &mut failure.info {
        kind.clear();
    }
}

/// An answer, likewise.
pub(crate) fn reply(reply: &Result<Reply, Refusal>) -> String {
    match reply {
        Ok(Reply::WorkflowTask(Some(task))) => {
            let mut task = task.clone();
            task.token.request_id.clear();
            let transient: Vec<String> = task.transient.iter().map(event).collect();
            task.transient.clear();
            task.history = tidegate_engine::HistoryPart::Whole;
            format!("{task:?} {transient:?}")
        }
        Ok(reply) => format!("{reply:?}"),
        Err(refusal) => refused(refusal).to_owned(),
    }
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::AlreadyStarted { run_id, start_request_id, .. } => {
            format!("already started: {run_id} by {start_request_id:?}")
        }
        Refusal::NotFound(words) if words.contains("already completed") => String::from("completed"),
        Refusal::NotFound(_) => String::from("not found"),
        Refusal::InvalidArgument(words) if words == "UnhandledCommand" => words.clone(),
        Refusal::InvalidArgument(_) => String::from("invalid"),
        Refusal::BusyWorkflow(_) => String::from("busy"),
        other => format!("{other:?}"),
    }
}
