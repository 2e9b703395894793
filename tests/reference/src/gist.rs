//! What of an answer or an event is compared: all of it, but for words meant for people, ids that only the engine draws,
//! rates, and sizes that depend on how things are stored.

use tidegate_engine::{
    HistoryPart, NamespaceInfo, Refusal, Reply, RunDescription, RunSummary, WorkflowQuery, WorkflowTask,
};
use tidegate_model::event::{Event, UpdateOutcome};
use tidegate_model::id::NamespaceId;
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
        // What a task asked for was too large, or the history is too long.
        Event::WorkflowExecutionTerminated { reason, .. }
            if reason.starts_with("Bad") || reason.starts_with("limit") =>
        {
            reason.clear();
        }
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
pub(crate) fn answer(answer: &Result<Reply, Refusal>) -> String {
    match answer {
        Ok(reply) => self::reply(reply.clone()),
        Err(refusal) => refused(refusal),
    }
}

fn reply(mut reply: Reply) -> String {
    match &mut reply {
        Reply::WorkflowTask(Some(task)) => return self::task(task.as_ref().clone()),
        Reply::WorkflowTaskCompleted { next, reset_history_event_id } => {
            let next = next.take().map(|task| self::task(*task));
            return format!("completed, back to {reset_history_event_id:?}, next {next:?}");
        }
        Reply::Update { outcome: Some(UpdateOutcome::Failure(failure)), .. } => wordless(failure),
        Reply::Described(described) => {
            let RunDescription { summary, pending_activities, .. } = described.as_mut();
            summarised(summary);
            let failures = pending_activities.iter_mut().filter_map(|pending| pending.last_failure.as_mut());
            failures.for_each(wordless);
        }
        Reply::Listed { runs, .. } => runs.iter_mut().for_each(summarised),
        Reply::Namespace(info) => nameless(info),
        Reply::Namespaces { namespaces, .. } => namespaces.iter_mut().for_each(nameless),
        // What every namespace has is a table, and not a matter of what was asked.
        Reply::SearchAttributes { system, .. } => system.clear(),
        Reply::TaskQueueDescribed(queue) => (queue.tasks_add_rate, queue.tasks_dispatch_rate) = (0.0, 0.0),
        Reply::ScheduleDescribed(described) => {
            described.info.state_size_bytes = 0;
            // A run that failed: its failure's words are among the notes.
            let notes = &mut described.schedule.state.notes;
            notes.truncate(notes.find("failure:").unwrap_or(notes.len()));
        }
        Reply::SchedulesListed { schedules, .. } => {
            for schedule in schedules {
                schedule.state_size_bytes = 0;
                schedule.notes.truncate(schedule.notes.find("failure:").unwrap_or(schedule.notes.len()));
            }
        }
        _ => {}
    }
    format!("{reply:?}")
}

fn task(mut task: WorkflowTask) -> String {
    task.token.request_id.clear();
    let transient: Vec<String> = task.transient.iter().map(event).collect();
    task.transient.clear();
    task.history = HistoryPart::Whole;
    let query = task.query.take().map(|(_, query)| query);
    let mut queries: Vec<WorkflowQuery> = std::mem::take(&mut task.queries).into_values().collect();
    queries.sort_by_key(|query| format!("{query:?}"));
    format!("{task:?} {transient:?} asked {query:?} {queries:?}")
}

fn summarised(summary: &mut RunSummary) {
    (summary.history_size_bytes, summary.state_transitions) = (0, 0);
}

fn nameless(info: &mut NamespaceInfo) {
    info.id = NamespaceId::from_u128(0);
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::AlreadyStarted { run_id, start_request_id, .. } => {
            format!("already started: {run_id} by {start_request_id:?}")
        }
        Refusal::NotFound(words) if words.contains("execution already completed") => {
            String::from("completed")
        }
        Refusal::InvalidArgument(words) if words == "UnhandledCommand" => words.clone(),
        Refusal::ResourceExhausted { limit, .. } => format!("limit {limit}"),
        Refusal::MultiOperation { is_start, refusal } => format!("start {is_start}: {}", refused(refusal)),
        Refusal::NamespaceNotFound(name) | Refusal::NamespaceAlreadyExists(name) => {
            format!("{} {name}", crate::coverage::refusal(refusal))
        }
        Refusal::NotFound(_)
        | Refusal::InvalidArgument(_)
        | Refusal::AlreadyExists(_)
        | Refusal::ScheduleAlreadyExists(_)
        | Refusal::FailedPrecondition(_)
        | Refusal::WorkflowNotReady(_)
        | Refusal::QueryFailed { .. }
        | Refusal::BusyWorkflow(_)
        | Refusal::Stale
        | Refusal::Unimplemented(_) => String::from(crate::coverage::refusal(refusal)),
    }
}
