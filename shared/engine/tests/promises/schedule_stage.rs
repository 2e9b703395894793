//! A small language for schedules, over the same world as the others: lines that begin with `>` are done, the others
//! are what must come of it.
//!
//! What comes of a line by itself is said first: `starts 01-01T01:00:00` is a run whose workflow id has that time,
//! `ends` one that was terminated, `cancels` one that was asked to cancel itself. It is Thursday, 2026-01-01T00:00:00Z;
//! times are written without the year.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_engine::{
    Backfill, Command, ContinueAsNew, CreateSchedule, FieldRange, IntervalSpec, ListSchedules, OverlapPolicy,
    PatchSchedule, ReapplyExclude, Record, Refusal, Reply, Request, ResetWorkflow, Schedule, SchedulePatch,
    SchedulePolicies, ScheduleSpec, ScheduleState, ScheduledWorkflow, StructuredCalendarSpec,
    TerminateWorkflow, TriggerImmediately, UpdateSchedule, WorkflowTaskCompletion, WorkflowTaskToken,
};
use tidegate_model::event::{ContinueAsNewInitiator, Event};
use tidegate_model::id::{Namespace, ScheduleId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, Header, Payload, RetryPolicy};
use tidegate_model::time::Timestamp;

use crate::world::{Replies, World};

/// Plays a transcript.
pub(crate) fn check(transcript: &str) {
    let mut stage = Stage::new();
    let mut lines = transcript.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    while let Some(line) = lines.next() {
        let line = line.strip_prefix("> ").unwrap_or_else(|| panic!("nobody said what leads to {line:?}"));
        let mut expected = Vec::new();
        while let Some(answer) = lines.next_if(|line| !line.starts_with('>')) {
            expected.push(answer.to_owned());
        }
        assert_eq!(stage.play(line), expected, "after > {line}");
    }
}

/// See the module.
pub(crate) struct Stage {
    pub(crate) world: World,
    /// Of workflow tasks that were handed out, by the short workflow id.
    tasks: BTreeMap<String, WorkflowTaskToken>,
    seen: usize,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { world: World::new(7), tasks: BTreeMap::new(), seen: 0 }
    }

    /// Does a line; gives what came of it.
    pub(crate) fn play(&mut self, line: &str) -> Vec<String> {
        let words = Words::of(line);
        let answer: Vec<String> = match words.verb {
            "create" => self.ask(create_of(&words)),
            "update" => self.ask(Request::UpdateSchedule(Box::new(UpdateSchedule {
                namespace: namespace(),
                schedule_id: schedule_id(),
                schedule: schedule(&words),
                conflict_token: words.value("token").map(|text| text.parse().expect("a number")),
                identity: String::from("alice"),
                request_id: words.value("request").unwrap_or_default().to_owned(),
                search_attributes: None,
                memo: words.value("memo").map(|memo| header(Some(memo))),
            }))),
            "trigger" => {
                let trigger = TriggerImmediately {
                    overlap_policy: words.value("overlap").map(overlap),
                    scheduled_time: words.value("at").map(time),
                };
                self.patch(
                    &words,
                    SchedulePatch { trigger_immediately: Some(trigger), ..SchedulePatch::default() },
                )
            }
            "backfill" => {
                let backfill = Backfill {
                    start_time: time(words.plain[0]),
                    end_time: time(words.plain[1]),
                    overlap_policy: words.value("overlap").map(overlap),
                };
                self.patch(
                    &words,
                    SchedulePatch { backfill_request: vec![backfill], ..SchedulePatch::default() },
                )
            }
            "pause" => {
                self.patch(&words, SchedulePatch { pause: words.plain.join(" "), ..SchedulePatch::default() })
            }
            "unpause" => self
                .patch(&words, SchedulePatch { unpause: words.plain.join(" "), ..SchedulePatch::default() }),
            "delete" => self.ask(Request::DeleteSchedule {
                namespace: namespace(),
                schedule_id: schedule_id(),
                identity: String::from("alice"),
            }),
            "describe" | "recent" | "future" | "policies" => self.describe(words.verb),
            "times" => self.ask(Request::ListScheduleMatchingTimes {
                namespace: namespace(),
                schedule_id: schedule_id(),
                start_time: time(words.plain[0]),
                end_time: time(words.plain[1]),
            }),
            "list" => self.ask(Request::ListSchedules(ListSchedules {
                namespace: namespace(),
                query: words.plain.join(" ").replace('~', "="),
                page_size: 10,
                after: None,
            })),
            "count" => self.ask(Request::CountSchedules {
                namespace: namespace(),
                query: words.plain.join(" ").replace('~', "="),
            }),
            "wait" => {
                let replies = self.world.wait(duration(words.plain[0]));
                self.render(replies)
            }
            "off" => {
                let replies = self.world.power_off(duration(words.plain[0]));
                self.render(replies)
            }
            "crash" => {
                self.world.crash();
                Vec::new()
            }
            "done" => self.close(
                words.plain[0],
                Command::CompleteWorkflowExecution {
                    result: words.plain.get(1).map(|text| Payload::json(*text)).into_iter().collect(),
                },
            ),
            "fail" => self.close(
                words.plain[0],
                Command::FailWorkflowExecution {
                    failure: Failure::application(words.plain[1], "Oops", true),
                },
            ),
            "retry" => self.close(
                words.plain[0],
                Command::FailWorkflowExecution {
                    failure: Failure::application(words.plain[1], "Oops", false),
                },
            ),
            "canceled" => {
                self.close(words.plain[0], Command::CancelWorkflowExecution { details: Vec::new() })
            }
            "again" => {
                self.close(words.plain[0], Command::ContinueAsNewWorkflowExecution(Box::new(unchanged())))
            }
            "terminate" => self.ask(Request::TerminateWorkflowExecution(TerminateWorkflow {
                namespace: namespace(),
                workflow_id: long(words.plain[0]),
                run_id: None,
                first_execution_run_id: None,
                reason: String::from("enough"),
                details: Vec::new(),
                identity: String::from("alice"),
            })),
            "reset" => self.reset(words.plain[0]),
            "handed" => self.handed(words.plain[0]),
            other => panic!("the language has no verb {other:?}"),
        };
        let mut lines = self.news();
        lines.extend(answer);
        lines
    }

    /// What the records say happened since the last time.
    fn news(&mut self) -> Vec<String> {
        let mut news = Vec::new();
        for record in &self.world.records[self.seen..] {
            let Record::History(batch) = record else { continue };
            for event in &batch.events {
                let what = if let Event::WorkflowExecutionStarted(_) = event {
                    "starts"
                } else if let Event::WorkflowExecutionTerminated { .. } = event {
                    "ends"
                } else if let Event::WorkflowExecutionCancelRequested { .. } = event {
                    "cancels"
                } else {
                    continue;
                };
                news.push(format!("{what} {}", short(&batch.workflow_id)));
            }
        }
        self.seen = self.world.records.len();
        news
    }

    pub(crate) fn ask(&mut self, request: Request) -> Vec<String> {
        let (_, replies) = self.world.request(request);
        self.render(replies)
    }

    fn patch(&mut self, words: &Words<'_>, patch: SchedulePatch) -> Vec<String> {
        self.ask(Request::PatchSchedule(Box::new(PatchSchedule {
            namespace: namespace(),
            schedule_id: schedule_id(),
            patch,
            identity: String::from("alice"),
            request_id: words.value("request").unwrap_or_default().to_owned(),
        })))
    }

    /// A worker takes tasks until it has one of this run, and answers it with the run's end.
    fn close(&mut self, workflow: &str, command: Command) -> Vec<String> {
        while !self.tasks.contains_key(workflow) {
            let before = self.tasks.len();
            let (_, replies) = self.world.request(poll());
            drop(self.render(replies));
            assert!(self.tasks.len() > before, "there is no task of {workflow}");
        }
        let token = self.tasks.remove(workflow).expect("just found");
        let completion = WorkflowTaskCompletion::new(token, vec![command], String::from("worker"));
        self.ask(Request::RespondWorkflowTaskCompleted(Box::new(completion)))
    }

    /// A worker takes a task, and the run is reset to the start of that.
    fn reset(&mut self, workflow: &str) -> Vec<String> {
        let (_, replies) = self.world.request(poll());
        drop(self.render(replies));
        let token = self.tasks.remove(workflow).expect("a task of the run");
        let history = self.world.histories.get(&token.run_id).expect("a run has a history").clone();
        self.ask(Request::ResetWorkflowExecution(Box::new(ResetWorkflow {
            namespace: namespace(),
            workflow_id: long(workflow),
            run_id: token.run_id,
            reason: String::from("once more"),
            workflow_task_finish_event_id: token.started_event_id,
            request_id: String::from("r"),
            identity: String::from("alice"),
            reapply_exclude: ReapplyExclude::default(),
            history,
        })))
    }

    /// What a run was given of the one before it, and how it can be found.
    fn handed(&self, workflow: &str) -> Vec<String> {
        let started = self.world.records.iter().find_map(|record| match record {
            Record::History(batch) if short(&batch.workflow_id) == workflow => match batch.events.first() {
                Some(Event::WorkflowExecutionStarted(started)) => Some(started),
                Some(_) | None => None,
            },
            Record::History(_) | Record::State(_) => None,
        });
        let started = started.unwrap_or_else(|| panic!("{workflow} was not started"));
        let text = |payload: &Payload| String::from_utf8_lossy(&payload.data).into_owned();
        let result = started.last_completion_result.first().map_or(String::from("nothing"), text);
        let failure = started.continued_failure.as_ref().map_or("none", |failure| failure.message.as_str());
        let by = |name: &str| started.search_attributes.get(name).map_or(String::from("?"), text);
        vec![
            format!("result {result}, failure {failure}"),
            format!("by {} at {}", by("TemporalScheduledById"), by("TemporalScheduledStartTime")),
            format!("from {} as {}", started.identity, started.request_id),
        ]
    }

    fn describe(&mut self, verb: &str) -> Vec<String> {
        let (_, replies) = self
            .world
            .request(Request::DescribeSchedule { namespace: namespace(), schedule_id: schedule_id() });
        let described = match replies.into_iter().next() {
            Some((_, Ok(Reply::ScheduleDescribed(described)))) => described,
            other => return self.render(other.into_iter().collect()),
        };
        let (info, state) = (&described.info, &described.schedule.state);
        let policies = &described.schedule.policies;
        match verb {
            "recent" => info
                .recent_actions
                .iter()
                .map(|action| format!("{} {}", short(&action.workflow_id), action.status.name()))
                .collect(),
            "future" => info.future_action_times.iter().map(|time| short_time(*time)).collect(),
            "policies" => vec![format!(
                "{:?}, catch-up {:?}, token {}",
                policies.overlap_policy,
                policies.catchup_window.expect("kept with its default"),
                described.conflict_token
            )],
            _ => {
                let mut line = format!("{} taken", info.action_count);
                for (count, what) in [
                    (info.missed_catchup_window, "missed"),
                    (info.overlap_skipped, "skipped"),
                    (info.buffer_dropped, "dropped"),
                    (info.buffer_size, "waiting"),
                ] {
                    if count > 0 {
                        line += &format!(", {count} {what}");
                    }
                }
                for (workflow_id, _) in &info.running_workflows {
                    line += &format!(", runs {}", short(workflow_id));
                }
                if state.limited_actions {
                    line += &format!(", {} left", state.remaining_actions);
                }
                if state.paused {
                    line += ", paused";
                }
                if !state.notes.is_empty() {
                    line += &format!(": {}", state.notes);
                }
                vec![line]
            }
        }
    }

    fn render(&mut self, replies: Replies) -> Vec<String> {
        let mut lines = Vec::new();
        for (_, reply) in replies {
            match reply {
                Ok(Reply::WorkflowTask(Some(task))) => {
                    self.tasks.insert(short(&task.workflow_id), task.token.clone());
                }
                Ok(Reply::Done | Reply::Reset { .. } | Reply::WorkflowTask(None)) => {}
                Ok(Reply::ScheduleCreated { conflict_token }) => {
                    lines.push(format!("created, token {conflict_token}"))
                }
                Ok(Reply::ScheduleTimes(times)) => lines.extend(times.into_iter().map(short_time)),
                Ok(Reply::SchedulesListed { schedules, next }) => {
                    assert_eq!(next, None);
                    lines.extend(schedules.into_iter().map(|entry| {
                        let paused = if entry.paused { " paused" } else { "" };
                        format!("{} starts {}{paused}", entry.schedule_id, entry.workflow_type)
                    }));
                }
                Ok(Reply::Counted { count, .. }) => lines.push(count.to_string()),
                Err(Refusal::NotFound(message)) => lines.push(format!("not found: {message}")),
                Err(Refusal::InvalidArgument(message)) => lines.push(format!("invalid: {message}")),
                Err(Refusal::FailedPrecondition(message)) => lines.push(format!("precondition: {message}")),
                Err(Refusal::ScheduleAlreadyExists(id)) => lines.push(format!("exists: {id}")),
                Err(Refusal::ResourceExhausted { limit, .. }) => lines.push(format!("exhausted: {limit}")),
                other => panic!("the language does not know {other:?}"),
            }
        }
        lines
    }
}

/// A line: a verb, plain words, and `key=value` words. `_` stands for a space in a value.
struct Words<'a> {
    verb: &'a str,
    plain: Vec<&'a str>,
    values: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Self {
        let mut words = line.split_whitespace();
        let verb = words.next().expect("a verb");
        let (mut plain, mut values) = (Vec::new(), BTreeMap::new());
        for word in words {
            match word.split_once('=') {
                Some((key, value)) => drop(values.insert(key, value)),
                None => plain.push(word),
            }
        }
        Self { verb, plain, values }
    }

    fn has(&self, word: &str) -> bool {
        self.plain.contains(&word)
    }

    fn value(&self, key: &str) -> Option<&'a str> {
        self.values.get(key).copied()
    }
}

/// The schedule that the words after `create` describe.
pub(crate) fn create(words: &str) -> Request {
    create_of(&Words::of(&format!("create {words}")))
}

fn create_of(words: &Words<'_>) -> Request {
    Request::CreateSchedule(Box::new(CreateSchedule {
        namespace: namespace(),
        schedule_id: schedule_id(),
        schedule: schedule(words),
        initial_patch: words.has("trigger").then(|| SchedulePatch {
            trigger_immediately: Some(TriggerImmediately::default()),
            ..SchedulePatch::default()
        }),
        identity: String::from("alice"),
        request_id: words.value("request").unwrap_or_default().to_owned(),
        memo: header(words.value("memo")),
        search_attributes: Header::new(),
    }))
}

fn schedule(words: &Words<'_>) -> Schedule {
    let interval = words
        .value("every")
        .map(|every| IntervalSpec { interval: duration(every), phase: words.value("phase").map(duration) });
    // Every minute of the hour, all but these.
    let all = |start, end| vec![FieldRange { start, end, step: 1 }];
    let excluded = words.value("not-hours").map(|hours| {
        let (start, end) = hours.split_once('-').expect("from-to");
        let number = |text: &str| text.parse().expect("an hour");
        StructuredCalendarSpec {
            second: all(0, 59),
            minute: all(0, 59),
            hour: all(number(start), number(end)),
            day_of_month: all(1, 31),
            month: all(1, 12),
            day_of_week: all(0, 6),
            ..StructuredCalendarSpec::default()
        }
    });
    Schedule {
        spec: ScheduleSpec {
            interval: interval.into_iter().collect(),
            cron_string: words.value("cron").map(|cron| cron.replace('_', " ")).into_iter().collect(),
            exclude_structured_calendar: excluded.into_iter().collect(),
            end_time: words.value("until").map(time),
            jitter: words.value("jitter").map(duration),
            timezone_name: words.value("zone").unwrap_or_default().to_owned(),
            ..ScheduleSpec::default()
        },
        action: Box::new(ScheduledWorkflow {
            workflow_run_timeout: words.value("run-timeout").map(duration),
            retry_policy: words.value("attempts").map(|attempts| RetryPolicy {
                maximum_attempts: attempts.parse().expect("a number"),
                ..RetryPolicy::default()
            }),
            ..ScheduledWorkflow::new(
                WorkflowId::new(words.value("id").unwrap_or("w")).expect("a workflow id"),
                words.value("type").unwrap_or("report"),
                queue(),
            )
        }),
        policies: SchedulePolicies {
            overlap_policy: words.value("overlap").map(overlap).unwrap_or_default(),
            catchup_window: words.value("catch-up").map(duration),
            pause_on_failure: words.has("pause-on-failure"),
            keep_original_workflow_id: words.has("keep-id"),
        },
        state: ScheduleState {
            notes: words.value("notes").unwrap_or_default().to_owned(),
            paused: words.has("paused"),
            limited_actions: words.value("actions").is_some(),
            remaining_actions: words.value("actions").map_or(0, |text| text.parse().expect("a number")),
        },
    }
}

fn header(text: Option<&str>) -> Header {
    text.map(|text| (String::from("m"), Payload::json(text))).into_iter().collect()
}

pub(crate) fn overlap(text: &str) -> OverlapPolicy {
    match text {
        "skip" => OverlapPolicy::Skip,
        "buffer-one" => OverlapPolicy::BufferOne,
        "buffer-all" => OverlapPolicy::BufferAll,
        "cancel" => OverlapPolicy::CancelOther,
        "terminate" => OverlapPolicy::TerminateOther,
        "all" => OverlapPolicy::AllowAll,
        other => panic!("there is no policy {other:?}"),
    }
}

/// `01-01T01:00` or with seconds.
fn time(text: &str) -> Timestamp {
    let seconds = if text.matches(':').count() == 1 { ":00" } else { "" };
    let (day, clock) = text.split_once('T').expect("a day and a time");
    let (month, day) = day.split_once('-').expect("a month and a day");
    let number = |text: &str| text.parse::<i64>().expect("a number");
    let clock = format!("{clock}{seconds}");
    let parts: Vec<i64> = clock.split(':').map(number).collect();
    let months = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let days = months[usize::try_from(number(month) - 1).expect("a month")] + number(day) - 1;
    let seconds = 1_767_225_600 + days * 86_400 + parts[0] * 3_600 + parts[1] * 60 + parts[2];
    Timestamp::from_micros(seconds * 1_000_000)
}

/// The same again.
fn unchanged() -> ContinueAsNew {
    ContinueAsNew {
        workflow_type: String::new(),
        task_queue: None,
        input: Vec::new(),
        workflow_run_timeout: None,
        workflow_task_timeout: None,
        backoff_start_interval: Duration::ZERO,
        initiator: ContinueAsNewInitiator::Workflow,
        retry_policy: None,
        cron_schedule: String::new(),
        failure: None,
        last_completion_result: Vec::new(),
        header: Header::new(),
        memo: Header::new(),
        search_attributes: Header::new(),
    }
}

/// A workflow id in full.
fn long(short: &str) -> WorkflowId {
    WorkflowId::new(format!("w-2026-{short}Z")).expect("a workflow id")
}

/// Without the base, the year and the zone.
fn short(workflow_id: &WorkflowId) -> String {
    let text = workflow_id.as_str();
    text.strip_prefix("w-2026-").unwrap_or(text).trim_end_matches('Z').to_owned()
}

fn short_time(time: Timestamp) -> String {
    let text = time.to_string();
    let text = text.strip_prefix("2026-").unwrap_or(&text).trim_end_matches('Z');
    text.strip_suffix(".000").unwrap_or(text).to_owned()
}

pub(crate) fn duration(text: &str) -> Duration {
    let digits = text.find(|c: char| !c.is_ascii_digit()).expect("a duration has a unit");
    let (count, unit) = text.split_at(digits);
    let count: u64 = count.parse().expect("a number");
    match unit {
        "ms" => Duration::from_millis(count),
        "s" => Duration::from_secs(count),
        "m" => Duration::from_secs(count * 60),
        "h" => Duration::from_secs(count * 3_600),
        "d" => Duration::from_secs(count * 86_400),
        other => panic!("there is no unit {other:?}"),
    }
}

pub(crate) fn poll() -> Request {
    Request::PollWorkflowTaskQueue {
        namespace: namespace(),
        task_queue: queue(),
        identity: String::from("worker"),
        worker_instance_key: String::new(),
    }
}

pub(crate) fn namespace() -> Namespace {
    Namespace::new("default").expect("a namespace")
}

pub(crate) fn schedule_id() -> ScheduleId {
    ScheduleId::new("s").expect("a schedule id")
}

fn queue() -> TaskQueue {
    TaskQueue::new("q").expect("a queue")
}
