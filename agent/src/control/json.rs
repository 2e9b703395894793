//! What the control socket says, in JSON a person can read: payloads decoded where they are JSON, times as RFC 3339.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidegate_model::event::HistoryBatch;
use tidegate_model::payload::Payload;

/// One event of a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEvent {
    /// Position in the run, from 1.
    pub event_id: u64,
    /// When, RFC 3339 in UTC.
    pub event_time: String,
    /// Temporal's name of the event type.
    pub event_type: String,
    /// The rest, by the names of `tidegate_model::event`.
    pub attributes: Value,
}

impl HistoryEvent {
    /// The events of a batch.
    pub fn of(batch: &HistoryBatch) -> impl Iterator<Item = Self> + '_ {
        batch.numbered().map(|(event_id, event)| {
            let tagged = serde_json::to_value(event).unwrap_or(Value::Null);
            // An event is a map of one entry, its type; the attributes are what is under it.
            let attributes = match tagged {
                Value::Object(map) => map.into_iter().next().map_or(Value::Null, |(_, inner)| inner),
                other @ (Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_)) => other,
            };
            Self {
                event_id,
                event_time: batch.event_time.to_string(),
                event_type: event.type_name().to_owned(),
                attributes: readable(attributes),
            }
        })
    }
}

/// A payload as a person wants to see it.
#[must_use]
pub fn payload_to_json(payload: &Payload) -> Value {
    serde_json::from_slice(&payload.data)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&payload.data).into_owned()))
}

/// Replaces every payload (a map with `data` as a list of bytes) by its content, and shortens nothing else.
fn readable(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            if let Some(payload) = as_payload(&map) {
                return payload;
            }
            Value::Object(map.into_iter().map(|(key, inner)| (key, readable(inner))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(readable).collect()),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

fn as_payload(map: &serde_json::Map<String, Value>) -> Option<Value> {
    let data = map.get("data")?.as_array()?;
    if map.keys().any(|key| key != "data" && key != "metadata") {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        data.iter().map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect();
    let bytes = bytes?;
    Some(serde_json::from_slice(&bytes).unwrap_or_else(|_| json!({ "bytes": bytes.len() })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_shown_as_what_it_holds() {
        let payload = Payload::json(r#"{"mean":121.5}"#);
        let value = json!({ "input": [serde_json::to_value(&payload).expect("a payload is JSON")] });
        assert_eq!(readable(value), json!({ "input": [{ "mean": 121.5 }] }));
    }
}
