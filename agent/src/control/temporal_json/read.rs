//! Histories read back from Temporal's JSON form: what `workflow show --json`, and Temporal's own tools, export.
//!
//! What the form does not have (the idempotency keys of requests) is empty. A history of a kind of event that this
//! engine does not write is refused by name.

mod event;
mod failure;

use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tidegate_model::event::{Execution, HistoryBatch, Priority, UserMetadata};
use tidegate_model::id::{BootId, Namespace, RunId, TaskQueue, WorkflowId};
use tidegate_model::payload::{Header, Payload, Payloads, RetryPolicy};
use tidegate_model::time::{ClockState, Stamp, Timestamp};

/// Why a text is not a history.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not JSON.
    #[error("the history is not JSON")]
    Json(#[from] serde_json::Error),
    /// It is JSON that says something else.
    #[error("{place}: {what}")]
    Wrong {
        /// Where, as a path.
        place: String,
        /// What is wrong there, and what would be right.
        what: String,
    },
}

/// A history from Temporal's JSON form, `{"events": […]}`, of a run in this namespace: a batch for each event.
///
/// # Errors
/// [`ReadError`], which names the place.
pub fn read_history(text: &str, namespace: &Namespace) -> Result<Vec<HistoryBatch>, ReadError> {
    let whole: Value = serde_json::from_str(text)?;
    let events = whole.get("events").and_then(Value::as_array).ok_or_else(|| ReadError::Wrong {
        place: "history".to_owned(),
        what: "has no list \"events\"; it is the whole of what `workflow show --json` prints".to_owned(),
    })?;
    let mut batches = Vec::with_capacity(events.len());
    let mut run: Option<(WorkflowId, RunId)> = None;
    for (at, event) in (1_u64..).zip(events) {
        let fields = Fields::of(format!("event {at}"), event)?;
        if fields.number("eventId")? != at {
            return Err(
                fields.wrong("eventId", &format!("is not {at}; events follow each other without a gap"))
            );
        }
        let event = event::read(&fields, namespace)?;
        let (workflow_id, run_id) = match &run {
            Some(run) => run.clone(),
            None => run.insert(event::run_of(&fields)?).clone(),
        };
        let event_time = fields.required("eventTime", fields.time("eventTime")?)?;
        batches.push(HistoryBatch {
            namespace: namespace.clone(),
            workflow_id,
            run_id,
            first_event_id: at,
            event_time,
            stamp: Stamp {
                boot: BootId::from_u128(0),
                boottime_ns: 0,
                wall: event_time,
                state: ClockState::Unset,
                error_us: None,
            },
            events: vec![event],
        });
    }
    Ok(batches)
}

/// An object of the form, and where it stands. What is absent says nothing: an empty text, zero, false, none.
struct Fields<'j> {
    place: String,
    map: &'j Map<String, Value>,
}

impl<'j> Fields<'j> {
    fn of(place: String, value: &'j Value) -> Result<Self, ReadError> {
        match value {
            Value::Object(map) => Ok(Self { place, map }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(ReadError::Wrong { place, what: "is not an object".to_owned() })
            }
        }
    }

    fn wrong(&self, name: &str, what: &str) -> ReadError {
        ReadError::Wrong { place: format!("{}.{name}", self.place), what: what.to_owned() }
    }

    fn required<T>(&self, name: &str, value: Option<T>) -> Result<T, ReadError> {
        value.ok_or_else(|| self.wrong(name, "is missing"))
    }

    fn value(&self, name: &str) -> Option<&'j Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn maybe_text(&self, name: &str) -> Result<Option<&'j str>, ReadError> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or_else(|| self.wrong(name, "is not a text")),
        }
    }

    fn text(&self, name: &str) -> Result<String, ReadError> {
        Ok(self.maybe_text(name)?.unwrap_or_default().to_owned())
    }

    /// A 64-bit number is written as a text, a smaller one as a number.
    fn number(&self, name: &str) -> Result<u64, ReadError> {
        let Some(value) = self.value(name) else { return Ok(0) };
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        number.ok_or_else(|| self.wrong(name, "is not a number from 0 on"))
    }

    fn small(&self, name: &str) -> Result<u32, ReadError> {
        u32::try_from(self.number(name)?).map_err(|_| self.wrong(name, "is too large a number"))
    }

    fn fraction(&self, name: &str) -> Result<f64, ReadError> {
        let Some(value) = self.value(name) else { return Ok(0.0) };
        value.as_f64().ok_or_else(|| self.wrong(name, "is not a number"))
    }

    fn flag(&self, name: &str) -> Result<bool, ReadError> {
        let Some(value) = self.value(name) else { return Ok(false) };
        value.as_bool().ok_or_else(|| self.wrong(name, "is neither true nor false"))
    }

    fn object(&self, name: &str) -> Result<Option<Self>, ReadError> {
        self.value(name).map(|value| Self::of(format!("{}.{name}", self.place), value)).transpose()
    }

    fn maybe_parsed<T: FromStr<Err: std::fmt::Display>>(&self, name: &str) -> Result<Option<T>, ReadError> {
        let text = self.maybe_text(name)?.filter(|text| !text.is_empty());
        text.map(|text| text.parse().map_err(|error: T::Err| self.wrong(name, &error.to_string())))
            .transpose()
    }

    fn parsed<T: FromStr<Err: std::fmt::Display>>(&self, name: &str) -> Result<T, ReadError> {
        let value = self.maybe_parsed(name)?;
        self.required(name, value)
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, ReadError> {
        self.maybe_parsed(name)
    }

    fn maybe_duration(&self, name: &str) -> Result<Option<Duration>, ReadError> {
        let Some(text) = self.maybe_text(name)? else { return Ok(None) };
        duration(text).map(Some).ok_or_else(|| self.wrong(name, "is not seconds such as \"1.500s\""))
    }

    fn duration(&self, name: &str) -> Result<Duration, ReadError> {
        Ok(self.maybe_duration(name)?.unwrap_or_default())
    }

    /// A value of an enum, by Temporal's name for it.
    fn maybe_chosen<T: DeserializeOwned>(&self, name: &str, prefix: &str) -> Result<Option<T>, ReadError> {
        let Some(text) = self.maybe_text(name)? else { return Ok(None) };
        let ours = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_'));
        let ours = ours.and_then(|ours| serde_json::from_value(Value::String(ours.to_lowercase())).ok());
        ours.map(Some)
            .ok_or_else(|| self.wrong(name, &format!("is {text:?}, which is no {prefix} this engine has")))
    }

    fn chosen<T: DeserializeOwned>(&self, name: &str, prefix: &str) -> Result<T, ReadError> {
        let value = self.maybe_chosen(name, prefix)?;
        self.required(name, value)
    }

    /// The `name` of an object.
    fn named(&self, name: &str) -> Result<String, ReadError> {
        self.object(name)?.map_or_else(|| Ok(String::new()), |object| object.text("name"))
    }

    fn task_queue(&self, name: &str) -> Result<TaskQueue, ReadError> {
        let object = self.object(name)?;
        self.required(name, object)?.parsed("name")
    }

    fn execution(&self, name: &str, namespace: &Namespace) -> Result<Option<Execution>, ReadError> {
        let Some(object) = self.object(name)? else { return Ok(None) };
        Ok(Some(Execution {
            namespace: namespace.clone(),
            workflow_id: object.parsed("workflowId")?,
            run_id: object.maybe_parsed("runId")?,
        }))
    }

    fn payloads(&self, name: &str) -> Result<Payloads, ReadError> {
        let Some(object) = self.object(name)? else { return Ok(Payloads::new()) };
        let Some(items) = object.value("payloads") else { return Ok(Payloads::new()) };
        let items = items.as_array().ok_or_else(|| object.wrong("payloads", "is not a list"))?;
        let item = |(at, value)| payload(&Fields::of(format!("{}.payloads[{at}]", object.place), value)?);
        items.iter().enumerate().map(item).collect()
    }

    fn maybe_payload(&self, name: &str) -> Result<Option<Payload>, ReadError> {
        self.object(name)?.map(|object| payload(&object)).transpose()
    }

    fn header(&self, name: &str, fields_name: &str) -> Result<Header, ReadError> {
        let Some(object) = self.object(name)? else { return Ok(Header::new()) };
        let Some(fields) = object.object(fields_name)? else { return Ok(Header::new()) };
        let field = |key: &String| Ok((key.clone(), fields.maybe_payload(key)?.unwrap_or_default()));
        fields.map.keys().map(field).collect()
    }

    fn maybe_retry_policy(&self, name: &str) -> Result<Option<RetryPolicy>, ReadError> {
        let Some(policy) = self.object(name)? else { return Ok(None) };
        let kinds = policy.value("nonRetryableErrorTypes").and_then(Value::as_array);
        Ok(Some(RetryPolicy {
            initial_interval: policy.duration("initialInterval")?,
            backoff_coefficient: policy.fraction("backoffCoefficient")?,
            maximum_interval: policy.duration("maximumInterval")?,
            maximum_attempts: policy.small("maximumAttempts")?,
            non_retryable_error_types: kinds
                .map(|kinds| kinds.iter().filter_map(|kind| Some(kind.as_str()?.to_owned())).collect())
                .unwrap_or_default(),
        }))
    }

    fn maybe_priority(&self) -> Result<Option<Priority>, ReadError> {
        let Some(priority) = self.object("priority")? else { return Ok(None) };
        #[expect(clippy::cast_possible_truncation, reason = "it was written from one of that size")]
        let fairness_weight = priority.fraction("fairnessWeight")? as f32;
        let (priority_key, fairness_key) = (priority.small("priorityKey")?, priority.text("fairnessKey")?);
        Ok(Some(Priority { priority_key, fairness_key, fairness_weight }))
    }

    fn user_metadata(&self) -> Result<Option<Box<UserMetadata>>, ReadError> {
        let Some(metadata) = self.object("userMetadata")? else { return Ok(None) };
        let (summary, details) = (metadata.maybe_payload("summary")?, metadata.maybe_payload("details")?);
        Ok(Some(Box::new(UserMetadata { summary, details })))
    }
}

fn payload(fields: &Fields<'_>) -> Result<Payload, ReadError> {
    let bytes = |fields: &Fields<'_>, name: &str| {
        let text = fields.maybe_text(name)?.unwrap_or_default();
        STANDARD.decode(text).map_err(|_| fields.wrong(name, "is not base64"))
    };
    let mut read = Payload { data: bytes(fields, "data")?.into(), ..Payload::default() };
    if let Some(metadata) = fields.object("metadata")? {
        for key in metadata.map.keys() {
            read.metadata.insert(key.clone(), bytes(&metadata, key)?.into());
        }
    }
    Ok(read)
}

fn duration(text: &str) -> Option<Duration> {
    let (secs, rest) = match text.strip_suffix('s')?.split_once('.') {
        Some((secs, rest)) => (secs, rest),
        None => (text.strip_suffix('s')?, ""),
    };
    if rest.len() > 9 || !rest.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let nanos = format!("{rest:0<9}").parse().ok()?;
    Some(Duration::new(secs.parse().ok()?, nanos))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;
    use tidegate_model::codec;
    use tidegate_model::event::Event;

    use super::*;
    use crate::control::temporal_json::history;

    fn namespace() -> Namespace {
        "default".parse().expect("a namespace by its form")
    }

    /// One event of each form that a released device may have on its disk.
    fn golden() -> Vec<(String, Event)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/model/tests/golden");
        let mut events = Vec::new();
        for entry in std::fs::read_dir(folder).expect("the golden files of the model") {
            let path = entry.expect("a readable folder").path();
            let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            if !name.starts_with("event-") {
                continue;
            }
            let hex: String =
                std::fs::read_to_string(&path).expect("a golden file").split_whitespace().collect();
            let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
            let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
            events.push((name, codec::from_cbor(&bytes).expect("a golden event")));
        }
        events
    }

    #[test]
    fn every_event_is_read_back_as_it_was_written() {
        let events = golden();
        let kinds: std::collections::BTreeSet<u32> =
            events.iter().map(|(_, event)| event.type_number()).collect();
        assert_eq!(kinds.len(), 45, "every kind has a golden file");
        for (name, event) in events {
            let mut batch = read_history(&beginning(), &namespace()).expect("it is one").remove(0);
            batch.events = vec![event];
            let written = history(std::slice::from_ref(&batch));
            let fields = Fields::of(name.clone(), &written["events"][0]).expect("it is an object");
            let read =
                super::event::read(&fields, &namespace()).unwrap_or_else(|error| panic!("{name}: {error}"));
            batch.events = vec![read];
            assert_eq!(history(std::slice::from_ref(&batch)), written, "{name}");
        }
    }

    fn beginning() -> String {
        let id = "018f0000-0000-7000-8000-000000000001";
        json!({ "events": [{
            "eventId": "1", "eventTime": "2026-11-23T18:40:31Z", "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED",
            "workflowExecutionStartedEventAttributes": {
                "workflowType": { "name": "watch" }, "workflowId": "w", "taskQueue": { "name": "q" },
                "firstExecutionRunId": id, "originalExecutionRunId": id, "attempt": 1,
            },
        }] })
        .to_string()
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let error = read_history(text, &namespace()).expect_err("it is wrong");
            assert_eq!(error.to_string(), expected);
        }
        let spoilt = |from: &str, to: &str| beginning().replacen(from, to, 1);
        check("[]", "history: has no list \"events\"; it is the whole of what `workflow show --json` prints");
        check(&spoilt("\"1\"", "\"2\""), "event 1.eventId: is not 1; events follow each other without a gap");
        check(
            &beginning()
                .replace("WORKFLOW_EXECUTION_STARTED", "NEXUS_OPERATION_STARTED")
                .replace("workflowExecutionStarted", "nexusOperationStarted"),
            "event 1.eventType: is \"EVENT_TYPE_NEXUS_OPERATION_STARTED\", which this engine does not write",
        );
        check(
            &spoilt("\"name\":\"q\"", "\"name\":7"),
            "event 1.workflowExecutionStartedEventAttributes.taskQueue.name: is not a text",
        );
        check(
            &spoilt("\"workflowId\":\"w\",", ""),
            "event 1.workflowExecutionStartedEventAttributes.workflowId: is missing",
        );
        assert!(matches!(read_history("{", &namespace()), Err(ReadError::Json(_))));
    }

    #[test]
    fn durations_are_read_with_any_decimals() {
        assert_eq!(duration("10s"), Some(Duration::from_secs(10)));
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1_500)));
        assert_eq!(duration("0.000000007s"), Some(Duration::from_nanos(7)));
        for wrong in ["10", "s", "-1s", "1.s5s", "1.1234567890s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
