//! Histories in the JSON form of Temporal's messages (the protobuf JSON mapping), as Temporal's own tools and the
//! SDKs' replayers read it: 64-bit numbers as text, bytes in base64, durations in seconds, enums by their full names.

mod event;
mod failure;
mod read;

pub use read::{ReadError, read_history};

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tidegate_model::event::{Execution, HistoryBatch, Priority, UserMetadata, WorkflowParent};
use tidegate_model::id::TaskQueue;
use tidegate_model::payload::{Header, Payload, RetryPolicy};

/// A whole history: `{"events": […]}`.
pub(super) fn history(batches: &[HistoryBatch]) -> Value {
    json!({ "events": batches.iter().flat_map(event::events).collect::<Vec<_>>() })
}

/// An object under construction, of which what says nothing is left out, as the mapping does.
#[derive(Default)]
struct Message(Map<String, Value>);

impl Message {
    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let says_nothing = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::Bool(is) => !is,
            Value::Number(number) => number.as_f64() == Some(0.0),
        };
        if !says_nothing {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    /// A 64-bit number; zero says nothing.
    fn number(self, name: &str, value: u64) -> Self {
        if value == 0 { self } else { self.with(name, value.to_string()) }
    }

    fn text(self, name: &str, value: &impl ToString) -> Self {
        self.with(name, value.to_string())
    }

    fn some<T>(self, name: &str, value: Option<T>, write: impl FnOnce(T) -> Value) -> Self {
        match value {
            Some(value) => self.with(name, write(value)),
            None => self,
        }
    }

    fn payloads(self, name: &str, payloads: &[Payload]) -> Self {
        if payloads.is_empty() { self } else { self.with(name, list(payloads)) }
    }

    fn header(self, name: &str, fields_name: &str, header: &Header) -> Self {
        if header.is_empty() {
            return self;
        }
        let fields: Map<String, Value> =
            header.iter().map(|(key, value)| (key.clone(), payload(value))).collect();
        self.with(name, json!({ fields_name: fields }))
    }
}

impl From<Message> for Value {
    fn from(message: Message) -> Self {
        Self::Object(message.0)
    }
}

fn list(payloads: &[Payload]) -> Value {
    json!({ "payloads": payloads.iter().map(payload).collect::<Vec<_>>() })
}

fn payload(payload: &Payload) -> Value {
    let metadata: Map<String, Value> =
        payload.metadata.iter().map(|(key, value)| (key.clone(), json!(STANDARD.encode(value)))).collect();
    Message::default().with("metadata", metadata).with("data", STANDARD.encode(&payload.data)).into()
}

/// Seconds, with as many groups of three decimals as there is something to say.
fn duration(duration: Duration) -> Value {
    let (secs, nanos) = (duration.as_secs(), duration.subsec_nanos());
    json!(match nanos {
        0 => format!("{secs}s"),
        _ if nanos % 1_000_000 == 0 => format!("{secs}.{:03}s", nanos / 1_000_000),
        _ if nanos % 1_000 == 0 => format!("{secs}.{:06}s", nanos / 1_000),
        _ => format!("{secs}.{nanos:09}s"),
    })
}

/// A value of an enum by Temporal's name for it. Ours have the same words in another case.
fn name(prefix: &str, value: &impl Serialize) -> Value {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => json!(format!("{prefix}_{}", name.to_uppercase())),
        Ok(_) | Err(_) => unreachable!("an enum without fields is written as its name"),
    }
}

fn task_queue(queue: &TaskQueue) -> Value {
    json!({ "name": queue, "kind": "TASK_QUEUE_KIND_NORMAL" })
}

fn execution(execution: &Execution) -> Value {
    Message::default()
        .text("workflowId", &execution.workflow_id)
        .some("runId", execution.run_id, |run_id| json!(run_id.to_string()))
        .into()
}

fn parent_execution(parent: &WorkflowParent) -> Value {
    json!({ "workflowId": parent.workflow_id, "runId": parent.run_id.to_string() })
}

fn retry_policy(policy: &RetryPolicy) -> Value {
    Message::default()
        .with("initialInterval", duration(policy.initial_interval))
        .with("backoffCoefficient", policy.backoff_coefficient)
        .with("maximumInterval", duration(policy.maximum_interval))
        .with("maximumAttempts", policy.maximum_attempts)
        .with("nonRetryableErrorTypes", policy.non_retryable_error_types.clone())
        .into()
}

fn priority(priority: &Priority) -> Value {
    Message::default()
        .with("priorityKey", priority.priority_key)
        .with("fairnessKey", priority.fairness_key.clone())
        .with("fairnessWeight", priority.fairness_weight)
        .into()
}

fn user_metadata(metadata: &UserMetadata) -> Value {
    Message::default()
        .some("summary", metadata.summary.as_ref(), payload)
        .some("details", metadata.details.as_ref(), payload)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_as_many_decimals_as_they_need() {
        let written = |duration: Duration| super::duration(duration).as_str().expect("a text").to_owned();
        assert_eq!(written(Duration::from_secs(10)), "10s");
        assert_eq!(written(Duration::from_millis(1_500)), "1.500s");
        assert_eq!(written(Duration::from_nanos(7)), "0.000000007s");
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let message = Message::default().with("a", "").number("b", 0).payloads("c", &[]).number("d", 7);
        assert_eq!(Value::from(message), json!({ "d": "7" }));
    }

    #[test]
    fn bytes_are_base64_and_enums_have_their_full_names() {
        let payload = payload(&Payload::json("1"));
        assert_eq!(payload, json!({ "metadata": { "encoding": "anNvbi9wbGFpbg==" }, "data": "MQ==" }));
        let state = tidegate_model::payload::RetryState::MaximumAttemptsReached;
        assert_eq!(name("RETRY_STATE", &state), json!("RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED"));
    }
}
