//! What a pipeline does once its condition holds, as its file says it and as a run carries it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::limits;
use tidegate_model::payload::RetryPolicy;
use toml::de::DeTable;

use super::reader::{At, Reader, Section};
use super::template::{Body, Template};
use crate::activities;

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) action: Action,
    /// What follows a failure of the step: of a wait, that its time is over.
    pub(super) on_failure: Next,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Next {
    /// The next step.
    Continue,
    /// The end of the run, completed; the steps that are left are not done.
    End,
    /// The end of the run, failed.
    Fail,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    /// Publish a message to the broker.
    Publish { topic: Template, payload: Body, qos: u8, retain: bool, attempts: Attempts },
    /// Send an HTTP request.
    Http { url: Template, headers: Vec<(String, Template)>, body: Body, attempts: Attempts },
    /// Wait for a signal to the run.
    Wait { signal: String, timeout: Duration, on_signal: Next },
}

/// How often, and how long each time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Attempts {
    pub(super) timeout: Duration,
    pub(super) retry: RetryPolicy,
}

const COMMON: [&str; 2] = ["kind", "name"];
const PUBLISH: [&str; 7] = ["topic", "payload", "qos", "retain", "timeout", "retry", "on_failure"];
const HTTP: [&str; 7] = ["url", "method", "headers", "body", "timeout", "retry", "on_failure"];
const WAIT: [&str; 4] = ["signal", "timeout", "on_timeout", "on_signal"];

const NEXT: [(&str, Next); 3] = [("continue", Next::Continue), ("end", Next::End), ("fail", Next::Fail)];

const ATTEMPT_MIN: Duration = Duration::from_millis(100);
const ATTEMPT_MAX: Duration = Duration::from_secs(3_600);
const ATTEMPT_DEFAULT: Duration = Duration::from_secs(30);
const WAIT_MIN: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
enum Kind {
    Publish,
    Http,
    Wait,
}

/// Reads the steps; those with mistakes are left out, and the mistakes reported.
pub(super) fn read(reader: &Reader<'_>, file: &Section<'_, '_>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (number, table) in (1..).zip(file.tables("step", limits::PIPELINE_STEPS_MAX)) {
        let Some(step) = read_step(reader, number, &table) else { continue };
        if steps.iter().any(|other| other.name == step.name) {
            let key = format!("{}name", table.value.0);
            let wrong = format!("another step has the name {:?}", step.name);
            reader.report(table.span, &key, wrong, "give each step its own");
        }
        steps.push(step);
    }
    steps
}

fn read_step(
    reader: &Reader<'_>,
    number: usize,
    At { value: (path, table), span }: &At<(String, &DeTable<'_>)>,
) -> Option<Step> {
    let everything: Vec<&str> = [&COMMON[..], &PUBLISH, &HTTP, &WAIT].concat();
    let section = |known: &[&str]| Section::new(reader, path.clone(), table, span.clone(), known);
    // The kind decides which keys are right, so it is read before the keys are judged.
    let kinds = [("publish", Kind::Publish), ("http", Kind::Http), ("wait", Kind::Wait)];
    let Some(kind) = Section::unjudged(reader, path.clone(), table, span.clone()).choice("kind", &kinds)
    else {
        let section = section(&everything);
        if !section.has("kind") {
            section.missing("kind", "\"publish\", \"http\" or \"wait\"");
        }
        return None;
    };
    let (known, default_name): (&[&str], &str) = match kind {
        Kind::Publish => (&PUBLISH, "publish"),
        Kind::Http => (&HTTP, "http"),
        Kind::Wait => (&WAIT, "wait"),
    };
    let section = section(&[&COMMON[..], known].concat());
    let name = section.text("name").unwrap_or_else(|| format!("{default_name}-{number}"));
    let (action, on_failure) = match kind {
        Kind::Publish => (publish(&section)?, "on_failure"),
        Kind::Http => (http(&section)?, "on_failure"),
        Kind::Wait => (wait(&section)?, "on_timeout"),
    };
    let on_failure = section.choice(on_failure, &NEXT).unwrap_or(Next::Fail);
    Some(Step { name, action, on_failure })
}

fn publish(section: &Section<'_, '_>) -> Option<Action> {
    let topic = template(section, "topic", "\"alarm/{source}\"");
    if let Some(topic) = &topic {
        let example = topic.with_stand_in("x");
        if example.is_empty() || example.contains(['+', '#', '\0']) {
            section.wrong(
                "topic",
                format!("nothing can be published to {example:?}"),
                "leave out '+' and '#'",
            );
        }
    }
    let payload = body(section, "payload");
    let qos = section.integer("qos", 0..=1).unwrap_or(1);
    let attempts = attempts(section);
    Some(Action::Publish {
        topic: topic?,
        payload: payload?,
        qos: u8::try_from(qos).expect("0 or 1"),
        retain: section.boolean("retain").unwrap_or(false),
        attempts,
    })
}

fn http(section: &Section<'_, '_>) -> Option<Action> {
    let url = template(section, "url", "\"http://127.0.0.1:8080/alarms\"");
    if let Some(url) = &url
        && let Err(problem) = activities::check_url(&url.with_stand_in("x"))
    {
        section.wrong("url", problem.wrong, problem.remedy);
    }
    section.choice("method", &[("POST", ())]);
    let mut headers = Vec::new();
    for (name, value) in section.texts("headers") {
        let key = format!("headers.{name}");
        match value.parse::<Template>() {
            Ok(value) => {
                if let Err(problem) = activities::check_header(&name, &value.with_stand_in("x")) {
                    section.wrong("headers", format!("{key}: {}", problem.wrong), problem.remedy);
                }
                headers.push((name, value));
            }
            Err(error) => section.wrong("headers", format!("{key}: {}", error.wrong), error.remedy),
        }
    }
    let body = body(section, "body");
    let attempts = attempts(section);
    Some(Action::Http { url: url?, headers, body: body?, attempts })
}

fn wait(section: &Section<'_, '_>) -> Option<Action> {
    let signal = section.need_text("signal", "\"acknowledged\"");
    if signal.as_ref().is_some_and(|signal| signal.is_empty() || signal.len() > limits::NAME_BYTES_MAX) {
        section.wrong("signal", "a signal's name has 1 to 255 bytes", "as in signal = \"acknowledged\"");
    }
    if !section.has("timeout") {
        section.missing("timeout", "\"5m\"");
    }
    let timeout = section.duration("timeout", WAIT_MIN, Duration::from_secs(limits::DURATION_SECONDS_MAX));
    let on_signal = section.choice("on_signal", &NEXT).unwrap_or(Next::Continue);
    Some(Action::Wait { signal: signal?, timeout: timeout?, on_signal })
}

fn template(section: &Section<'_, '_>, key: &str, example: &str) -> Option<Template> {
    let text = section.need_text(key, example)?;
    match text.parse::<Template>() {
        Ok(template) => Some(template),
        Err(error) => {
            section.wrong(key, error.wrong, error.remedy);
            None
        }
    }
}

fn body(section: &Section<'_, '_>, key: &str) -> Option<Body> {
    let Some(value) = section.value(key) else { return Some(Body::Summary) };
    match Body::read(value) {
        Ok(body) => Some(body),
        Err(error) => {
            section.wrong(key, error.wrong, error.remedy);
            None
        }
    }
}

/// Unless the file says otherwise: for ever, with pauses that grow to 100 s. A gateway's broker may be away for a day,
/// and what was decided is still to be done then.
fn attempts(section: &Section<'_, '_>) -> Attempts {
    let timeout = section.duration("timeout", ATTEMPT_MIN, ATTEMPT_MAX).unwrap_or(ATTEMPT_DEFAULT);
    let mut retry = RetryPolicy::default();
    if let Some(table) = section.table("retry", &["attempts", "initial", "coefficient", "max"]) {
        let day = Duration::from_secs(86_400);
        if let Some(attempts) = table.integer("attempts", 0..=1_000_000) {
            retry.maximum_attempts = u32::try_from(attempts).expect("bounded above");
        }
        if let Some(initial) = table.duration("initial", Duration::from_millis(10), day) {
            retry.initial_interval = initial;
            retry.maximum_interval = retry.maximum_interval.max(initial);
        }
        if let Some(coefficient) = table.number("coefficient", 1.0..=100.0) {
            retry.backoff_coefficient = coefficient;
        }
        if let Some(max) = table.duration("max", retry.initial_interval, day) {
            retry.maximum_interval = max;
        }
    }
    Attempts { timeout, retry }
}
