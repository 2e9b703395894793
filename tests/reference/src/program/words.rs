//! The words that all programs share: names, and how one is chosen.

use std::collections::BTreeMap;

use tidegate_model::chance::Chance;
use tidegate_model::id::{Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, Header, Payload, Payloads, RetryPolicy};

use super::{Pick, Token};
use crate::seen::Seen;

/// Workflow ids of the namespace `default`.
const WORKFLOWS: u64 = 3;
/// From here on workflows are of the other namespace.
const ELSEWHERE: u8 = 100;

pub(super) fn below(chance: &mut Chance, bound: u64) -> usize {
    usize::try_from(chance.below(bound)).expect("a small number")
}

pub(super) fn small(chance: &mut Chance, bound: u64) -> u8 {
    u8::try_from(chance.below(bound)).expect("a small number")
}

pub(super) fn flip(chance: &mut Chance) -> bool {
    chance.below(2) == 0
}

/// Once in so many times.
pub(super) fn seldom(chance: &mut Chance, times: u64) -> bool {
    chance.below(times) == 0
}

pub(super) fn pick(chance: &mut Chance) -> Pick {
    Pick(small(chance, 4))
}

pub(super) fn maybe_pick(chance: &mut Chance) -> Option<Pick> {
    seldom(chance, 4).then(|| pick(chance))
}

/// Mostly one that is still wanted.
pub(super) fn token(chance: &mut Chance) -> Token {
    if seldom(chance, 8) { Token::Any(pick(chance)) } else { Token::Fresh(pick(chance)) }
}

pub(super) fn workflow(chance: &mut Chance) -> u8 {
    if seldom(chance, 16) { ELSEWHERE } else { small(chance, WORKFLOWS) }
}

/// Some that nobody else starts.
pub(super) fn child(chance: &mut Chance) -> u8 {
    small(chance, WORKFLOWS + 4)
}

/// Mostly the one there always is.
pub(super) fn any_namespace(chance: &mut Chance) -> u8 {
    if seldom(chance, 12) { 1 } else { 0 }
}

/// A workflow, and where it is.
pub(super) fn execution(n: u8) -> (Namespace, WorkflowId) {
    let workflow_id = |n| WorkflowId::new(format!("w{n}")).expect("a workflow id");
    if n >= ELSEWHERE { (namespace(1), workflow_id(n - ELSEWHERE)) } else { (namespace(0), workflow_id(n)) }
}

pub(super) fn run_of(seen: &Seen, workflow: u8, run: Option<Pick>) -> Option<RunId> {
    run.and_then(|run| run.of(&seen.runs_of(&execution(workflow))).copied())
}

/// 0 is there always, 1 may be registered, 2 is never.
pub(super) fn namespace(n: u8) -> Namespace {
    Namespace::new(["default", "other", "nowhere"][usize::from(n)]).expect("a namespace")
}

/// 0 is the normal queue, 1 and 2 are sticky, 3 is for activities that were moved.
pub(super) fn task_queue(n: u8) -> TaskQueue {
    TaskQueue::new(format!("q{n}")).expect("a queue")
}

/// 0 is none, where there can be none.
pub(super) fn name(kind: char, n: u8) -> String {
    if kind == 'r' && n == 0 { String::new() } else { format!("{kind}{n}") }
}

pub(super) fn retry_policy(attempts: u32) -> RetryPolicy {
    RetryPolicy { maximum_attempts: attempts, ..RetryPolicy::default() }
}

pub(super) fn failure(is_final: bool) -> Failure {
    Failure::application("no", "No", is_final)
}

pub(super) fn said(text: &str) -> Payloads {
    vec![Payload::json(format!("\"{text}\""))]
}

/// More than a payload may have under the limits of the comparison.
pub(super) fn huge() -> Payloads {
    said(&"x".repeat(5_000))
}

pub(super) fn header(key: &str, number: u8) -> Header {
    BTreeMap::from([(key.to_owned(), Payload::json(number.to_string()))])
}

/// A word, as a search attribute.
pub(super) fn word(name: &str, word: &str) -> Header {
    BTreeMap::from([(name.to_owned(), Payload::json(format!("\"{word}\"")))])
}

/// A list of words, as a search attribute.
pub(super) fn keywords(name: &str, word: &str) -> Header {
    let metadata = BTreeMap::from([
        (String::from("encoding"), b"json/plain".to_vec().into()),
        (String::from("type"), b"KeywordList".to_vec().into()),
    ]);
    let value = Payload { metadata, data: format!("[\"{word}\"]").into_bytes().into() };
    BTreeMap::from([(name.to_owned(), value)])
}
