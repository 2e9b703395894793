//! The language of the transcripts.
//!
//! ```text
//! > start w [queue=q] [request=r] [task-timeout=5s] [priority=n]
//!       [run-timeout=9s] [execution-timeout=9s] [delay=9s] [cron=0_12_*_*_*] [reuse=failed|never]
//!       [conflict=use|terminate] [attach] [memo=name] [header=name], and a retry policy as an activity's
//! > sws w name …                            a signal with a start
//! > signal w name [request=r] [run=other] [size=1000]
//! > poll q as alice                         a workflow task
//! > poll activity q [key=k] as alice
//! > abandon alice                           her oldest waiting poll
//! > complete w [sticky=s] [sticky-timeout=5s] [force] [return] [as alice]: command; command; …
//!       activity a [queue=q] [timeout=30s] [attempts=n] [first=1s] [times=2] [longest=9s] [never=Kind] [size=n]
//!          [all=1m] [start=9s] [beat=5s] [priority=n]      the other time-outs
//!       unask 5                            the activity of this scheduled event
//!       timer t 10s · cancel t · finish [size=n] · fail text · end-cancelled
//!       child c … · tell w name … · stop w … · marker m     (`others`)
//!       again [type=t] [queue=q] [run-timeout=9s] [backoff=3s] [input=x] [result=x] [cron=…] [memo=name]
//! > fail w                                  the worker's own failure
//! > done a [size=n]    > failed a text [kind=Kind] [final] [after=5s] [progress=n]    > canceled a    > beat a [size=n]
//!                                         w/a by the workflow's name for it
//! > pause w a · unpause w a · renew w a · tune w a key=value    see `script/activities.rs`
//! > activities w · queue [activity] q
//! > query w name [run=v] [unless=open|unclean] as bob
//! > answer name text    > answer name failed    > complete w answers=name/text: …
//! > update w u [wait=accepted] [run=v] [size=n] as bob    > ask-update w u [wait=accepted] as bob
//! > start-update w u [join] [request=r] as bob
//!       accept u [loose] [given] · respond u text · reject u      in a completion
//! > follow w [beyond=n] [closed] as bob     waits for history
//! > ask-cancel w · terminate w [run=v] [first=v]
//! > reset w 4 [run=v] [request=r] [without=signals] [alone] [short]
//! > name v w                                another name, for the latest run of w
//! > began w                                 how that run began, where it is not plain
//! > shutdown alice · retire key [sticky=s] · wait 10s · off 30d · crash
//! > history w · describe w · list [n] · deadline
//! ```
//! A task is answered with the token handed out last for its workflow or activity; `w~1` is the one before.

mod updates;
mod activities;
mod chain;
mod others;
mod waits;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use tidegate_engine::{
    ActivityTaskToken, Command, HistoryPart, ListWorkflows, Refusal, Reply, Request, RunSummary,
    ScheduleActivity, StartWorkflow, StickyAttributes, Ticket, WorkflowTask, WorkflowTaskCompletion,
    WorkflowTaskToken,
};
use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::id::{Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, FailureInfo, Header, Payload, Payloads, RetryPolicy, RetryState};

pub(crate) use chain::history_of_chain;

use crate::world::{Replies, World};

/// Does what a transcript says and compares what comes of it.
#[track_caller]
pub(crate) fn check(transcript: &str) {
    let expected: Vec<&str> = transcript.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut stage = Stage::new();
    let mut actual = String::new();
    for command in expected.iter().filter(|line| line.starts_with('>')) {
        writeln!(actual, "{command}").expect("a string takes everything");
        for line in stage.run(command.trim_start_matches('>').trim()) {
            writeln!(actual, "{line}").expect("a string takes everything");
        }
    }
    let expected = expected.join("\n") + "\n";
    assert!(actual == expected, "what came of it:\n{actual}\nwhat should:\n{expected}");
}

/// A world with names for what is in it.
pub(crate) struct Stage {
    pub(crate) world: World,
    /// Who waits.
    polls: BTreeMap<Ticket, String>,
    runs: BTreeMap<String, RunId>,
    workflow_tasks: BTreeMap<String, Vec<WorkflowTaskToken>>,
    activities: BTreeMap<String, Vec<ActivityTaskToken>>,
    asked: waits::Asked,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self {
            world: World::new(1),
            polls: BTreeMap::new(),
            runs: BTreeMap::new(),
            workflow_tasks: BTreeMap::new(),
            activities: BTreeMap::new(),
            asked: waits::Asked::default(),
        }
    }

    /// Does one line; gives what came of it.
    pub(crate) fn run(&mut self, line: &str) -> Vec<String> {
        let words = Words::of(line);
        match words.verb() {
            "start" => self.start_by(&words, Request::StartWorkflowExecution(start(&words))),
            "sws" => self.signal_with_start(&words),
            "ask-cancel" => self.ask_cancel(&words),
            "terminate" => self.terminate(&words),
            "reset" => self.reset(&words),
            "name" => self.name(&words),
            "began" => self.began(&words),
            "signal" => self.signal(&words),
            "poll" => self.poll(&words),
            "abandon" => self.abandon(words.at(1)),
            "complete" => self.complete(line),
            "fail" => self.fail(&words),
            "done" | "failed" | "canceled" | "beat" => self.answer_activity(&words),
            "pause" | "unpause" | "renew" | "tune" => self.operate(&words),
            "activities" => self.pending(&words),
            "queue" => self.describe_queue(&words),
            "retire" => self.request(Request::ShutdownWorkerInstance {
                namespace: namespace(),
                sticky_task_queue: words.value("sticky").map(queue),
                worker_instance_key: words.at(1).to_owned(),
            }),
            "shutdown" => self.request(Request::ShutdownWorker { identity: words.at(1).to_owned() }),
            "wait" => {
                let replies = self.world.wait(duration(words.at(1)));
                self.render(replies)
            }
            "off" => {
                self.polls.clear();
                let replies = self.world.power_off(duration(words.at(1)));
                self.render(replies)
            }
            "crash" => {
                self.polls.clear();
                self.world.crash();
                Vec::new()
            }
            "history" => self.history(words.at(1)),
            "query" => self.query(&words),
            "answer" => self.answer_query(&words),
            "update" => self.update(&words),
            "ask-update" => self.poll_update(&words),
            "start-update" => self.update_with_start(&words),
            "follow" => self.follow(&words),
            "describe" => self.request(Request::DescribeWorkflowExecution {
                namespace: namespace(),
                workflow_id: workflow_id(words.at(1)),
                run_id: None,
            }),
            "list" => {
                let limit = words.get(1).map_or(10, |n| n.parse().expect("a number"));
                self.request(Request::ListWorkflowExecutions(ListWorkflows {
                    namespace: None,
                    query: String::new(),
                    page_size: limit,
                    page_token: None,
                }))
            }
            "deadline" => vec![self.deadline()],
            other => panic!("the language has no verb {other:?}"),
        }
    }

    pub(crate) fn run_id(&self, workflow: &str) -> RunId {
        *self.runs.get(workflow).expect("a workflow that was started")
    }

    fn signal(&mut self, words: &Words<'_>) -> Vec<String> {
        self.request(Request::SignalWorkflowExecution {
            namespace: namespace(),
            workflow_id: workflow_id(words.at(1)),
            run_id: words.value("run").map(|workflow| self.run_id(workflow)),
            signal_name: words.at(2).to_owned(),
            input: payloads(words.value("size")),
            identity: String::from("caller"),
            request_id: words.value("request").unwrap_or_default().to_owned(),
            header: Header::new(),
        })
    }

    fn poll(&mut self, words: &Words<'_>) -> Vec<String> {
        let identity = words.identity().to_owned();
        let request = if words.at(1) == "activity" {
            Request::PollActivityTaskQueue {
                namespace: namespace(),
                task_queue: queue(words.at(2)),
                identity: identity.clone(),
                worker_instance_key: words.value("key").unwrap_or_default().to_owned(),
            }
        } else {
            Request::PollWorkflowTaskQueue {
                namespace: namespace(),
                task_queue: queue(words.at(1)),
                identity: identity.clone(),
                worker_instance_key: words.value("key").unwrap_or_default().to_owned(),
            }
        };
        let (ticket, replies) = self.world.request(request);
        self.polls.insert(ticket, identity);
        self.render(replies)
    }

    fn abandon(&mut self, who: &str) -> Vec<String> {
        let ticket = *self.polls.iter().find(|(_, name)| *name == who).expect("a poll that waits").0;
        self.polls.remove(&ticket);
        let replies = self.world.abandon(ticket);
        self.render(replies)
    }

    fn complete(&mut self, line: &str) -> Vec<String> {
        let (head, commands) = line.split_once(':').expect("complete <workflow>: commands");
        let words = Words::of(head);
        let sticky = words.value("sticky").map(|name| StickyAttributes {
            task_queue: queue(name),
            schedule_to_start_timeout: words.value("sticky-timeout").map_or(Duration::ZERO, duration),
        });
        let token = named(&self.workflow_tasks, words.at(1));
        let (commands, messages) = updates::commands_and_messages(commands, &token, &self.runs);
        self.request(Request::RespondWorkflowTaskCompleted(Box::new(WorkflowTaskCompletion {
            sticky,
            messages,
            query_results: self.asked.results(&words),
            return_new_workflow_task: words.has("return"),
            force_create_new_workflow_task: words.has("force"),
            ..WorkflowTaskCompletion::new(token, commands, words.identity())
        })))
    }

    fn fail(&mut self, words: &Words<'_>) -> Vec<String> {
        self.request(Request::RespondWorkflowTaskFailed {
            token: named(&self.workflow_tasks, words.at(1)),
            cause: WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure,
            failure: Failure::application("a bug", "Bug", false),
            identity: words.identity().to_owned(),
        })
    }

    fn request(&mut self, request: Request) -> Vec<String> {
        let (own, replies) = self.world.request(request);
        self.render_all(own, replies)
    }

    fn history(&self, workflow: &str) -> Vec<String> {
        let batches = self.world.histories.get(&self.run_id(workflow)).expect("a run has a history");
        let line = |events: Vec<String>| events.join(", ");
        let event = |(id, event)| format!("{id} {}", render_event(event));
        batches.iter().map(|batch| line(batch.numbered().map(event).collect())).collect()
    }

    fn deadline(&self) -> String {
        match self.world.engine.next_deadline() {
            // That a closed run will be forgotten is as good as nothing: it is the same for each.
            Some((_, "retention")) => String::from("nothing"),
            Some((at, why)) => format!("in {:?}: {why}", at.saturating_since(self.world.now)),
            None => String::from("nothing"),
        }
    }

    /// The reply to what was asked first, then those to polls that waited.
    fn render_all(&mut self, own: Ticket, replies: Replies) -> Vec<String> {
        let (direct, later): (Replies, Replies) = replies.into_iter().partition(|(ticket, _)| *ticket == own);
        let mut lines: Vec<String> = direct.into_iter().map(|(_, reply)| self.render_direct(reply)).collect();
        lines.extend(self.render(later));
        lines
    }

    /// Replies to polls.
    fn render(&mut self, replies: Replies) -> Vec<String> {
        let mut lines = Vec::new();
        for (ticket, reply) in replies {
            let who = self.polls.remove(&ticket).expect("an answer to a poll that waits");
            let what = self.render_direct(reply);
            lines.push(format!("{who}: {what}"));
        }
        lines
    }

    fn render_task(&mut self, task: &WorkflowTask) -> String {
        let tokens = self.workflow_tasks.entry(task.workflow_id.to_string()).or_default();
        tokens.push(task.token.clone());
        let (first, _) = self.world.events_of(task);
        let part = match &task.history {
            HistoryPart::Whole => "whole",
            HistoryPart::Since(_) => "since",
        };
        let transient = match (task.transient.is_empty(), task.attempt) {
            (true, _) => "",
            (false, 1) => ", speculative",
            (false, _) => ", transient",
        };
        let last = task.started_event_id;
        let (id, attempt) = (&task.workflow_id, task.attempt);
        let queries = self.asked.take(task);
        let updates = updates::render_messages(task);
        format!("task of {id}, attempt {attempt}, {part} {first}-{last}{transient}{updates}{queries}")
    }

    fn render_direct(&mut self, reply: Result<Reply, Refusal>) -> String {
        match reply {
            Ok(Reply::Started { fresh, started, .. }) => String::from(match (fresh, started) {
                (true, true) => "started",
                (false, true) => "started before",
                (true, false) => "signaled",
                (false, false) => "exists",
            }),
            Ok(Reply::Reset { .. }) => String::from("reset"),
            Ok(Reply::Signaled { event_id, fresh, .. }) => match (fresh, event_id) {
                (true, Some(id)) => format!("signaled, event {id}"),
                (true, None) => String::from("signaled, waits"),
                (false, _) => String::from("signaled before"),
            },
            Ok(Reply::Done) => String::from("ok"),
            Ok(Reply::WorkflowTask(None) | Reply::ActivityTask(None)) => String::from("nothing"),
            Ok(Reply::WorkflowTask(Some(task))) if task.query.is_some() => self.render_query_task(&task),
            Ok(Reply::WorkflowTask(Some(task))) => self.render_task(&task),
            Ok(Reply::WorkflowTaskCompleted { next, reset_history_event_id }) => {
                let next = next.map(|task| format!(", next {}", self.render_task(&task)));
                let reset = reset_history_event_id.map(|id| format!(", back to {id}"));
                format!("ok{}{}", next.unwrap_or_default(), reset.unwrap_or_default())
            }
            Ok(Reply::Heartbeat { cancel_requested, paused, reset }) => {
                let said = [(cancel_requested, "cancel"), (paused, "pause"), (reset, "reset")];
                let said: Vec<&str> = said.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
                if said.is_empty() { String::from("go on") } else { said.join(", ") }
            }
            Ok(Reply::ActivityOptions(options)) => activities::render_options(&options),
            Ok(Reply::TaskQueueDescribed(description)) => self.render_queue(&description),
            Ok(Reply::ActivityTask(Some(task))) => {
                self.activities.entry(task.activity_id.clone()).or_default().push(task.token.clone());
                let told: usize = task.heartbeat_details.iter().map(|payload| payload.data.len()).sum();
                let told = if told > 0 { format!(", told {told} bytes") } else { String::new() };
                let (activity, workflow, attempt) = (&task.activity_id, &task.workflow_id, task.attempt);
                format!("activity {activity} of {workflow}, attempt {attempt}{told}")
            }
            Ok(Reply::Query(answer)) => waits::render_answer(&answer),
            Ok(Reply::QueryRejected { status }) => format!("rejected, it is {}", status.name()),
            Err(Refusal::QueryFailed { message, .. }) => format!("query failed: {message}"),
            Err(Refusal::WorkflowNotReady(message)) => format!("not ready: {message}"),
            Err(Refusal::FailedPrecondition(message)) => format!("failed precondition: {message}"),
            Ok(reply @ Reply::Update { .. }) => updates::render_update(&reply),
            Err(Refusal::MultiOperation { is_start, refusal }) => {
                updates::render_multi(is_start, &self.render_direct(Err(*refusal)))
            }
            Ok(Reply::History(standing)) => waits::render_standing(standing),
            Ok(Reply::Described(described)) => render_summary(&described.summary),
            Ok(Reply::Listed { runs: summaries, .. }) => {
                let names: Vec<String> = summaries
                    .iter()
                    .map(|summary| format!("{} {}", summary.workflow_id, summary.status.name()))
                    .collect();
                names.join(", ")
            }
            Err(Refusal::AlreadyStarted { start_request_id, .. }) => {
                format!("already started by {start_request_id:?}")
            }
            Err(Refusal::NotFound(message)) => format!("not found: {}", self.with_names(message)),
            Err(Refusal::InvalidArgument(message)) => format!("invalid: {}", self.with_names(message)),
            Err(Refusal::ResourceExhausted { limit, .. }) => format!("exhausted: {limit}"),
            Err(Refusal::BusyWorkflow(message)) => format!("busy: {message}"),
            Err(Refusal::Stale) => String::from("stale"),
            Ok(
                other @ (Reply::Counted { .. }
                | Reply::Namespace(_)
                | Reply::Namespaces { .. }
                | Reply::SearchAttributes { .. }
                | Reply::ScheduleCreated { .. }
                | Reply::ScheduleDescribed(_)
                | Reply::SchedulesListed { .. }
                | Reply::ScheduleTimes(_)),
            ) => format!("{other:?}"),
            Err(
                other @ (Refusal::NamespaceNotFound(_)
                | Refusal::NamespaceAlreadyExists(_)
                | Refusal::AlreadyExists(_)
                | Refusal::ScheduleAlreadyExists(_)
                | Refusal::Unimplemented(_)),
            ) => format!("{other:?}"),
        }
    }
}

impl Stage {
    /// Run ids are drawn by chance: the transcripts have the workflows' names instead.
    fn with_names(&self, message: String) -> String {
        self.runs
            .iter()
            .fold(message, |text, (name, run_id)| text.replace(&run_id.to_string(), &format!("of {name}")))
    }
}

/// A token by the name of what it is for.
fn named<Token: Clone>(tokens: &BTreeMap<String, Vec<Token>>, name: &str) -> Token {
    let (name, back) =
        name.split_once('~').map_or((name, 0), |(name, back)| (name, back.parse().expect("a number")));
    let tokens = tokens.get(name).expect("a task that was handed out");
    tokens[tokens.len() - 1 - back].clone()
}

/// A line: plain words, `key=value` words, and who it is `as`.
struct Words<'a> {
    plain: Vec<&'a str>,
    values: BTreeMap<&'a str, &'a str>,
    identity: Option<&'a str>,
}

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Self {
        let mut words = Words { plain: Vec::new(), values: BTreeMap::new(), identity: None };
        let mut rest = line.split_whitespace();
        while let Some(word) = rest.next() {
            if word == "as" {
                words.identity = rest.next();
            } else if let Some((key, value)) = word.split_once('=') {
                words.values.insert(key, value);
            } else {
                words.plain.push(word);
            }
        }
        words
    }

    fn verb(&self) -> &'a str {
        self.at(0)
    }

    fn at(&self, index: usize) -> &'a str {
        self.get(index).expect("the verb needs one more word")
    }

    fn get(&self, index: usize) -> Option<&'a str> {
        self.plain.get(index).copied()
    }

    fn has(&self, word: &str) -> bool {
        self.plain.contains(&word)
    }

    fn value(&self, key: &str) -> Option<&'a str> {
        self.values.get(key).copied()
    }

    fn identity(&self) -> &'a str {
        self.identity.unwrap_or("alice")
    }
}

fn start(words: &Words<'_>) -> StartWorkflow {
    let plain = StartWorkflow {
        input: payloads(words.value("size")),
        workflow_task_timeout: words.value("task-timeout").map(duration),
        workflow_run_timeout: words.value("run-timeout").map(duration),
        priority: activities::priority(words),
        identity: String::from("caller"),
        request_id: words.value("request").unwrap_or_default().to_owned(),
        ..StartWorkflow::new(
            namespace(),
            workflow_id(words.at(1)),
            String::from("greet"),
            queue(words.value("queue").unwrap_or("q")),
        )
    };
    chain::under_conditions(words, plain)
}

fn command(text: &str) -> Command {
    let words = Words::of(text);
    match words.verb() {
        "activity" => Command::ScheduleActivityTask(ScheduleActivity {
            task_queue: words.value("queue").map(queue),
            input: payloads(words.value("size")),
            retry_policy: retry_policy(&words),
            schedule_to_close_timeout: words.value("all").map_or(Duration::ZERO, duration),
            schedule_to_start_timeout: words.value("start").map_or(Duration::ZERO, duration),
            heartbeat_timeout: words.value("beat").map_or(Duration::ZERO, duration),
            priority: activities::priority(&words),
            ..ScheduleActivity::new(words.at(1), "greet", duration(words.value("timeout").unwrap_or("30s")))
        }),
        "unask" => {
            Command::RequestCancelActivityTask { scheduled_event_id: words.at(1).parse().expect("a number") }
        }
        "timer" => Command::StartTimer {
            timer_id: words.at(1).to_owned(),
            start_to_fire_timeout: duration(words.at(2)),
            user_metadata: None,
        },
        "cancel" => Command::CancelTimer { timer_id: words.at(1).to_owned() },
        "finish" => Command::CompleteWorkflowExecution { result: payloads(words.value("size")) },
        "fail" => {
            Command::FailWorkflowExecution { failure: Failure::application(words.at(1), "Oops", false) }
        }
        "end-cancelled" => Command::CancelWorkflowExecution { details: payloads(words.value("size")) },
        "again" => chain::continue_as_new(&words),
        other => panic!("the language has no command {other:?}"),
    }
}

/// Only what is said; the rest is for the engine to fill in.
fn retry_policy(words: &Words<'_>) -> Option<RetryPolicy> {
    let says_any =
        ["attempts", "first", "times", "longest", "never"].iter().any(|key| words.value(key).is_some());
    says_any.then(|| RetryPolicy {
        initial_interval: words.value("first").map_or(Duration::ZERO, duration),
        backoff_coefficient: words.value("times").map_or(0.0, |text| text.parse().expect("a number")),
        maximum_interval: words.value("longest").map_or(Duration::ZERO, duration),
        maximum_attempts: words.value("attempts").map_or(0, |text| text.parse().expect("a number")),
        non_retryable_error_types: words.value("never").into_iter().map(String::from).collect(),
    })
}

fn failure(words: &Words<'_>) -> Failure {
    let info = FailureInfo::Application {
        kind: words.value("kind").unwrap_or_default().to_owned(),
        non_retryable: words.has("final"),
        details: payloads(words.value("details")),
        next_retry_delay: words.value("after").map(duration),
        benign: false,
    };
    let text = words.value("size").map_or_else(|| words.at(2).to_owned(), |size| "x".repeat(number(size)));
    Failure { info, ..Failure::application(text, "", false) }
}

fn payloads(size: Option<&str>) -> Payloads {
    size.map(|size| Payload { data: vec![b'x'; number(size)].into(), ..Payload::default() })
        .into_iter()
        .collect()
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

fn duration(text: &str) -> Duration {
    let digits = text.find(|c: char| !c.is_ascii_digit()).expect("a duration has a unit");
    let (count, unit) = text.split_at(digits);
    let count: u64 = count.parse().expect("a number");
    match unit {
        "ms" => Duration::from_millis(count),
        "s" => Duration::from_secs(count),
        "m" => Duration::from_secs(count * 60),
        "d" => Duration::from_secs(count * 86_400),
        other => panic!("there is no unit {other:?}"),
    }
}

fn namespace() -> Namespace {
    Namespace::new("default").expect("a namespace")
}

fn workflow_id(text: &str) -> WorkflowId {
    WorkflowId::new(text).expect("a workflow id")
}

fn queue(text: &str) -> TaskQueue {
    TaskQueue::new(text).expect("a queue")
}

fn render_summary(summary: &RunSummary) -> String {
    format!(
        "{}, {} events, {} activities, {} timers, task attempt {}",
        summary.status.name(),
        summary.history_length,
        summary.pending_activities,
        summary.pending_timers,
        summary.workflow_task_attempt
    )
}

/// An event's name and, in parentheses, what tells it from others of its kind.
fn render_event(event: &Event) -> String {
    if let Some(mark) = others::mark(event) {
        return format!("{}{mark}", event.type_name());
    }
    let mark = match event {
        Event::WorkflowTaskScheduled { task_queue, attempt, .. } if *attempt > 1 => {
            format!("({task_queue}, attempt {attempt})")
        }
        Event::WorkflowTaskScheduled { task_queue, .. } => format!("({task_queue})"),
        Event::WorkflowTaskTimedOut { timeout_type, .. } => format!("({timeout_type:?})"),
        Event::WorkflowTaskFailed { cause, .. } => format!("({cause:?})"),
        Event::ActivityTaskScheduled(scheduled) => format!("({})", scheduled.activity_id),
        Event::ActivityTaskStarted { scheduled_event_id, attempt, .. } => {
            format!("({scheduled_event_id}, attempt {attempt})")
        }
        Event::ActivityTaskCompleted { scheduled_event_id, started_event_id, .. } => {
            format!("({scheduled_event_id}, {started_event_id})")
        }
        Event::ActivityTaskFailed { scheduled_event_id, started_event_id, retry_state, .. }
        | Event::ActivityTaskTimedOut { scheduled_event_id, started_event_id, retry_state, .. } => {
            format!("({scheduled_event_id}, {started_event_id}, {retry_state:?})")
        }
        Event::ActivityTaskCancelRequested { scheduled_event_id, .. } => format!("({scheduled_event_id})"),
        Event::ActivityTaskCanceled {
            scheduled_event_id,
            started_event_id,
            latest_cancel_requested_event_id,
            ..
        } => format!("({scheduled_event_id}, {started_event_id}, {latest_cancel_requested_event_id})"),
        Event::MarkerRecorded { .. }
        | Event::RequestCancelExternalWorkflowExecutionInitiated { .. }
        | Event::SignalExternalWorkflowExecutionInitiated { .. }
        | Event::StartChildWorkflowExecutionInitiated(_)
        | Event::UpsertWorkflowSearchAttributes { .. }
        | Event::WorkflowPropertiesModified { .. }
        | Event::WorkflowExecutionCancelRequested { .. }
        | Event::RequestCancelExternalWorkflowExecutionFailed { .. }
        | Event::ExternalWorkflowExecutionCancelRequested { .. }
        | Event::SignalExternalWorkflowExecutionFailed { .. }
        | Event::ExternalWorkflowExecutionSignaled { .. }
        | Event::StartChildWorkflowExecutionFailed { .. }
        | Event::ChildWorkflowExecutionStarted { .. }
        | Event::ChildWorkflowExecutionCompleted { .. }
        | Event::ChildWorkflowExecutionFailed { .. }
        | Event::ChildWorkflowExecutionCanceled { .. }
        | Event::ChildWorkflowExecutionTimedOut { .. }
        | Event::ChildWorkflowExecutionTerminated { .. }
        | Event::WorkflowExecutionOptionsUpdated { .. }
        | Event::WorkflowExecutionCanceled { .. }
        | Event::WorkflowExecutionContinuedAsNew(_)
        | Event::WorkflowExecutionTerminated { .. } => String::new(),
        Event::WorkflowExecutionTimedOut { retry_state, new_execution_run_id } => {
            format!("({retry_state:?}{})", followed(*new_execution_run_id))
        }
        Event::TimerStarted { timer_id, .. } => format!("({timer_id})"),
        Event::TimerFired { timer_id, started_event_id }
        | Event::TimerCanceled { timer_id, started_event_id, .. } => {
            format!("({timer_id}, {started_event_id})")
        }
        Event::WorkflowExecutionUpdateAccepted { protocol_instance_id, .. } => {
            format!("({protocol_instance_id})")
        }
        Event::WorkflowExecutionUpdateCompleted { update_id, accepted_event_id, .. } => {
            format!("({update_id}, {accepted_event_id})")
        }
        Event::WorkflowExecutionUpdateAdmitted { request } => format!("({})", request.update_id),
        Event::WorkflowExecutionSignaled { signal_name, .. } => format!("({signal_name})"),
        Event::WorkflowExecutionCompleted { new_execution_run_id: Some(_), .. } => {
            String::from("(and again)")
        }
        Event::WorkflowExecutionFailed { retry_state, new_execution_run_id, .. }
            if new_execution_run_id.is_some() || *retry_state != RetryState::RetryPolicyNotSet =>
        {
            format!("({retry_state:?}{})", followed(*new_execution_run_id))
        }
        Event::WorkflowExecutionStarted(_)
        | Event::WorkflowExecutionCompleted { .. }
        | Event::WorkflowExecutionFailed { .. }
        | Event::WorkflowTaskStarted { .. }
        | Event::WorkflowTaskCompleted { .. } => String::new(),
    };
    format!("{}{mark}", event.type_name())
}

fn followed(new_run: Option<RunId>) -> &'static str {
    if new_run.is_some() { ", and again" } else { "" }
}
