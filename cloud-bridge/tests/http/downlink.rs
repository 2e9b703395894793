//! Signals on their way down, and what comes back.

use serde_json::json;
use tidegate_model::lane::Lane;

use crate::device::Device;
use crate::running::Running;

const SIGNALS: &str = "/api/v1/devices/gw-1/signals";

#[tokio::test]
async fn a_signal_wakes_a_held_poll_and_its_receipt_wakes_whoever_waits_for_it() {
    let bridge = Running::new().await;
    let mut device = Device::new(1);
    device.say_hello(&bridge).await;
    let order = json!({ "signal_id": "ward/12 acknowledged", "workflow_id": "patrol", "signal_name": "go", "input": [{ "by": "anna" }] });

    let (downlink, (status, taken)) =
        tokio::join!(device.poll(&bridge, 0, 30), bridge.order(SIGNALS, &order));
    assert_eq!((status, taken["state"].as_str()), (201, Some("waiting")));
    let [signal] = downlink.signals.as_slice() else { panic!("one signal") };
    assert_eq!(signal.signal_id.as_str(), "ward/12 acknowledged");
    assert_eq!(signal.input[0].data.as_slice(), br#"{"by":"anna"}"#);

    assert_eq!(bridge.order(SIGNALS, &order).await.0, 200, "the same is taken once");
    let other =
        json!({ "signal_id": "ward/12 acknowledged", "workflow_id": "patrol", "signal_name": "stop" });
    assert_eq!(bridge.order(SIGNALS, &other).await.0, 409);

    device.write_receipt(signal);
    let path = format!("{SIGNALS}/ward%2F12%20acknowledged?wait=30");
    let ((_, settled), sent) = tokio::join!(bridge.get(&path), device.send(&bridge, Lane::Control, 0));
    assert_eq!(sent.ack(), 1);
    assert_eq!((settled["state"].as_str(), settled["event_id"].as_u64()), (Some("applied"), Some(9)));
    assert!(device.poll(&bridge, 0, 0).await.signals.is_empty(), "what has a receipt is not offered");
    bridge.stop().await;
}

#[tokio::test]
async fn a_bridge_that_stops_answers_the_polls_it_holds() {
    let bridge = Running::new().await;
    let device = Device::new(1);
    device.say_hello(&bridge).await;
    let url = format!("http://{}/v1/devices/gw-1/downlink?after=5&wait=30", bridge.addresses.devices);
    let held = tokio::spawn(async move { reqwest::get(url).await.expect("an answer").status().as_u16() });
    // The cursor shows that the poll has come in.
    while bridge.get("/api/v1/devices/gw-1").await.1["downlink_cursor"] != 5 {}
    bridge.stop().await;
    assert!(matches!(held.await, Ok(200)));
}
