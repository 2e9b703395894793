//! A run's history as JSON a person can read: payloads as the JSON they hold, durations in words.

use serde_json::{Map, Value};
use tidegate_model::event::HistoryBatch;

use crate::api::EventView;

/// The events of a history.
pub(crate) fn events(history: &[HistoryBatch]) -> Vec<EventView> {
    history
        .iter()
        .flat_map(|batch| batch.numbered().map(move |(event_id, event)| (batch, event_id, event)))
        .map(|(batch, event_id, event)| EventView {
            event_id,
            event_type: event.type_name().to_owned(),
            event_type_number: event.type_number(),
            time: batch.event_time.to_string(),
            attributes: attributes(
                serde_json::to_value(event).expect("an event has a JSON form: its keys are text"),
            ),
        })
        .collect()
}

/// An event's attributes: the one value under the name of its variant.
fn attributes(event: Value) -> Value {
    match event {
        Value::Object(variant) => {
            variant.into_iter().next().map_or(Value::Null, |(_, value)| readable(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Value::Null,
    }
}

fn readable(value: Value) -> Value {
    match value {
        Value::Object(fields) => payload(&fields)
            .or_else(|| duration(&fields))
            .unwrap_or_else(|| Value::Object(fields.into_iter().map(|(k, v)| (k, readable(v))).collect())),
        Value::Array(values) => Value::Array(values.into_iter().map(readable).collect()),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

/// A payload is bytes under `data`, and bytes under the keys of `metadata`; nothing else in an event looks so.
fn payload(fields: &Map<String, Value>) -> Option<Value> {
    if fields.keys().any(|key| key != "data" && key != "metadata") {
        return None;
    }
    let data = bytes(fields.get("data")?)?;
    let encoding = fields.get("metadata").and_then(|metadata| metadata.get("encoding")).and_then(bytes);
    if encoding.as_deref().is_some_and(|encoding| encoding.starts_with(b"json/"))
        && let Ok(json) = serde_json::from_slice(&data)
    {
        return Some(json);
    }
    let mut raw = Map::new();
    if let Some(encoding) = encoding {
        raw.insert("encoding".to_owned(), Value::String(String::from_utf8_lossy(&encoding).into_owned()));
    }
    match String::from_utf8(data) {
        Ok(text) => raw.insert("text".to_owned(), Value::String(text)),
        Err(error) => {
            let hex = error.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            raw.insert("hex".to_owned(), Value::String(hex))
        }
    };
    Some(Value::Object(raw))
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    value.as_array()?.iter().map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect()
}

/// A duration is whole seconds and nanoseconds.
fn duration(fields: &Map<String, Value>) -> Option<Value> {
    if fields.len() != 2 {
        return None;
    }
    let nanos = u32::try_from(fields.get("nanos")?.as_u64()?).ok()?;
    let duration = std::time::Duration::new(fields.get("secs")?.as_u64()?, nanos);
    Some(Value::String(format!("{duration:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tidegate_model::payload::Payload;

    #[test]
    fn a_payload_in_json_reads_as_that_json() {
        let value =
            serde_json::to_value(Payload::json(r#"{"mean":91.5}"#)).expect("a payload has a JSON form");
        assert_eq!(readable(json!({ "input": [value] })), json!({ "input": [{ "mean": 91.5 }] }));
    }

    #[test]
    fn a_payload_that_is_not_json_keeps_its_bytes_and_its_name() {
        let mut payload = Payload::json([0xff, 0x00]);
        payload.metadata.insert("encoding".to_owned(), b"binary/plain".to_vec().into());
        let value = serde_json::to_value(payload).expect("a payload has a JSON form");
        assert_eq!(readable(value), json!({ "encoding": "binary/plain", "hex": "ff00" }));
    }

    #[test]
    fn a_duration_reads_as_words() {
        assert_eq!(
            readable(json!({ "timeout": { "secs": 10, "nanos": 500_000_000 } })),
            json!({ "timeout": "10.5s" })
        );
    }
}
