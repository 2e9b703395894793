//! Signals on their way down: asked for until they are recorded, and recorded once.

use tidegate::link::Decision;
use tidegate_model::id::{Namespace, SignalId, WorkflowId};
use tidegate_model::signal::DownlinkSignal;
use tidegate_model::time::Timestamp;

use crate::bridge::Bridge;
use crate::device::{Device, PATIENCE};

#[tokio::test]
async fn signals_are_recorded_before_the_next_are_asked_for() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    bridge.issue(signal(10, "a"));
    bridge.issue(signal(20, "b"));
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.until(|bridge| bridge.polls().contains(&20)).await;
    bridge.issue(signal(30, "c"));
    bridge.until(|bridge| bridge.polls().contains(&30)).await;
    uplink.stop().await;
    assert_eq!(bridge.polls(), [0, 20, 30]);
    assert_eq!(device.signals(), [(10, Decision::Apply), (20, Decision::Apply), (30, Decision::Apply)]);
}

#[tokio::test]
async fn a_hello_and_the_first_poll_say_what_was_recorded_before() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    bridge.issue(signal(10, "a"));
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.until(|bridge| bridge.polls().contains(&10)).await;
    uplink.stop().await;
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.until(|bridge| bridge.polls().len() == 3).await;
    uplink.stop().await;
    assert_eq!(bridge.hellos()[1].downlink_cursor, 10);
    assert_eq!(bridge.polls(), [0, 10, 10]);
}

#[tokio::test]
async fn a_signal_issued_twice_is_applied_once() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.issue(signal(10, "a"));
    bridge.until(|bridge| bridge.polls().contains(&10)).await;
    bridge.issue(signal(20, "a"));
    bridge.until(|bridge| bridge.polls().contains(&20)).await;
    uplink.stop().await;
    assert_eq!(device.signals(), [(10, Decision::Apply), (20, Decision::Duplicate)]);
}

fn signal(seq: u64, id: &str) -> DownlinkSignal {
    DownlinkSignal {
        seq,
        signal_id: SignalId::new(id).expect("printable"),
        namespace: Namespace::new("default").expect("a plain name"),
        workflow_id: WorkflowId::new("ward").expect("printable"),
        run_id: None,
        signal_name: "acknowledge".into(),
        input: Vec::new(),
        issued_by: "nurse".into(),
        issued_at: Timestamp::EPOCH,
        expires_at: None,
    }
}
