//! What an operator sees.

use serde_json::{Value, json};
use tidegate_model::lane::Lane;

use crate::device::{Device, run_id};
use crate::running::Running;

async fn with_everything() -> (Running, Device) {
    let bridge = Running::new().await;
    let mut device = Device::new(1);
    device.write_readings(10);
    device.write_run();
    device.write_window();
    device.write_bytes(Lane::Control, 1, b"junk".to_vec());
    device.say_hello(&bridge).await;
    for lane in Lane::ALL {
        assert_eq!(device.send(&bridge, lane, 0).await.ack(), device.last(lane));
    }
    let order = json!({ "signal_id": "s-1", "workflow_id": "patrol", "signal_name": "go", "expires_after_seconds": 600 });
    assert_eq!(bridge.order("/api/v1/devices/gw-1/signals", &order).await.0, 201);
    (bridge, device)
}

#[tokio::test]
async fn every_answer_is_as_openapi_describes_it() {
    let (bridge, device) = with_everything().await;
    let (_, document) = bridge.get("/openapi.json").await;
    let run = format!("/api/v1/devices/gw-1/runs/{}", run_id());
    for (path, described) in [
        ("/healthz", "/healthz"),
        ("/api/v1/devices", "/api/v1/devices"),
        ("/api/v1/devices/gw-1", "/api/v1/devices/{device}"),
        ("/api/v1/devices/gw-1/runs?status=completed", "/api/v1/devices/{device}/runs"),
        (run.as_str(), "/api/v1/devices/{device}/runs/{run}"),
        ("/api/v1/devices/gw-1/windows", "/api/v1/devices/{device}/windows"),
        ("/api/v1/devices/gw-1/dead-letters", "/api/v1/devices/{device}/dead-letters"),
        ("/api/v1/devices/gw-1/signals", "/api/v1/devices/{device}/signals"),
        ("/api/v1/devices/gw-1/signals/s-1", "/api/v1/devices/{device}/signals/{signal}"),
    ] {
        let (status, answer) = bridge.get(path).await;
        assert_eq!(status, 200, "{path}: {answer}");
        let schema =
            &document["paths"][described]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        fits(&document, schema, &answer, path);
    }
    let (_, lines) = bridge.get_text("/api/v1/devices/gw-1/samples").await;
    for line in lines.lines() {
        let reading = serde_json::from_str(line).expect("JSON");
        fits(&document, &document["components"]["schemas"]["Reading"], &reading, "a reading");
    }
    for (path, status) in [
        ("/api/v1/devices/nobody", 404),
        ("/api/v1/devices/a%20b", 400),
        ("/api/v1/devices/gw-1/runs?state=open", 400),
        ("/api/v1/devices/gw-1/runs/7", 400),
        ("/api/v1/devices/gw-1/runs/00000000-0000-0000-0000-000000000000", 404),
        ("/api/v1/devices/gw-1/samples?epoch=00000000-0000-0000-0000-000000000009", 404),
        ("/api/v1/devices/gw-1/signals/none", 404),
        ("/api/v2", 404),
    ] {
        let (found, answer) = bridge.get(path).await;
        assert_eq!(found, status, "{path}: {answer}");
        fits(&document, &document["components"]["schemas"]["Error"], &answer, path);
    }
    drop(device);
    bridge.stop().await;
}

#[tokio::test]
async fn the_bridge_says_how_far_each_lane_is_complete() {
    let (bridge, device) = with_everything().await;
    let (_, shown) = bridge.get("/api/v1/devices/gw-1").await;
    let lanes = shown["epochs"][0]["lanes"].as_array().expect("lanes");
    let statements: Vec<&str> = lanes.iter().filter_map(|lane| lane["statement"].as_str()).collect();
    let epoch = device.epoch;
    assert_eq!(
        statements,
        [
            format!("control complete through 2 of epoch {epoch}, but for 1 set aside"),
            format!("histories complete through 2 of epoch {epoch}"),
            format!("samples complete through 10 of epoch {epoch}"),
        ]
    );
    bridge.stop().await;
}

#[tokio::test]
async fn a_run_is_shown_with_its_history() {
    let (bridge, _) = with_everything().await;
    let (_, runs) = bridge.get("/api/v1/devices/gw-1/runs?workflow_id=pipeline/hr/ward/bed-12").await;
    assert_eq!(runs["runs"][0]["outcome"], "\"escalated\"");
    let (_, shown) = bridge.get(&format!("/api/v1/devices/gw-1/runs/{}", run_id())).await;
    assert_eq!(shown["run"]["status"], "completed");
    assert_eq!(shown["events"][0]["event_type"], "WorkflowExecutionStarted");
    assert_eq!(shown["events"][0]["attributes"]["input"], json!([{ "mean": 91.5 }]));
    assert_eq!(shown["events"][0]["attributes"]["workflow_task_timeout"], "10s");
    assert_eq!(shown["events"][1]["attributes"]["result"], json!(["escalated"]));
    bridge.stop().await;
}

#[tokio::test]
async fn an_export_goes_through_page_after_page_in_order() {
    let bridge = Running::new().await;
    let mut device = Device::new(1);
    device.say_hello(&bridge).await;
    // More than a page of 65,536, in blocks that do not end where the page does.
    for _ in 0..10 {
        let after = device.last(Lane::Samples);
        for _ in 0..7 {
            device.write_readings(999);
        }
        assert_eq!(device.send(&bridge, Lane::Samples, after).await.ack(), after + 7 * 999);
    }
    let numbers = async |query: &str| -> Vec<u64> {
        let (status, lines) = bridge.get_text(&format!("/api/v1/devices/gw-1/samples{query}")).await;
        assert_eq!(status, 200);
        let number = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["number"].as_u64();
        lines.lines().map(|line| number(line).expect("a number")).collect()
    };
    assert!(numbers("").await.into_iter().eq(1..=69_930));
    assert_eq!(numbers("?after=65534&limit=4").await, [65_535, 65_536, 65_537, 65_538]);
    assert_eq!(numbers("?after=69929").await, [69_930]);
    assert!(numbers("?after=69930").await.is_empty());
    assert!(numbers("?after=18446744073709551615").await.is_empty());
    bridge.stop().await;
}

#[tokio::test]
async fn counts_are_there_for_prometheus() {
    let (bridge, _) = with_everything().await;
    let (status, text) = bridge.get_text("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "tidegate_bridge_devices 1",
        "tidegate_bridge_items_archived_total{lane=\"samples\"} 10",
        "tidegate_bridge_items_set_aside_total{lane=\"control\"} 1",
        "tidegate_bridge_signals_waiting 1",
        "# TYPE tidegate_bridge_log_commits_total counter",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    bridge.stop().await;
}

/// A part of JSON Schema: references, types, properties (none missing, none too many), items, enumerations.
#[track_caller]
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let pointer = reference.strip_prefix('#').expect("references stay in the document");
        return fits(document, document.pointer(pointer).expect("references lead somewhere"), value, at);
    }
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let choice = &choices[usize::from(value.is_null())];
        return fits(document, choice, value, at);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return,
    };
    let whole = kind == "integer" && allowed.contains(&"number");
    assert!(allowed.contains(&kind) || whole, "{at}: {value} where {allowed:?} is described");
    if let Some(known) = schema.get("enum").and_then(Value::as_array) {
        assert!(known.contains(value), "{at}: {value} where {known:?} are described");
    }
    if let Some(elements) = value.as_array() {
        elements.iter().for_each(|element| fits(document, &schema["items"], element, at));
    }
    if let Some(fields) = value.as_object() {
        for (name, field) in fields {
            let property = schema["properties"].get(name);
            fits(document, property.unwrap_or_else(|| panic!("{at}: {name} is not described")), field, name);
        }
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(fields.contains_key(required), "{at}: {required} is missing");
        }
    }
}
