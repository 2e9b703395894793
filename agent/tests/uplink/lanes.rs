//! Lanes beside each other: none starves, none blocks, and each stops when it is told to.

use std::time::Duration;

use tidegate::uplink::Patience;
use tidegate_model::lane::Lane;
use tidegate_model::replication::Refusal;

use crate::bridge::{Bridge, Fault};
use crate::device::{Device, PATIENCE, shows};

#[tokio::test]
async fn what_is_committed_later_goes_up_when_the_bell_rings() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.until(|bridge| !bridge.hellos().is_empty()).await;
    for round in 1..=20 {
        for lane in Lane::ALL {
            device.write(lane, 1, 2, 30);
            bridge.holds(lane, round * 2).await;
        }
    }
    uplink.stop().await;
    assert_eq!(bridge.check(&device), Ok(()));
}

#[tokio::test]
async fn a_bell_without_anything_to_send_sends_nothing() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.until(|bridge| bridge.polls().len() == 1).await;
    for _ in 0..100 {
        device.bell.ring();
        tokio::task::yield_now().await;
    }
    device.write(Lane::Control, 1, 1, 10);
    bridge.holds_all(&device).await;
    uplink.stop().await;
    let batches: usize = Lane::ALL.iter().map(|lane| bridge.arrived(*lane).len()).sum();
    assert_eq!(batches, 1);
}

#[tokio::test]
async fn control_gets_through_while_samples_are_stuck_in_their_thousands() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    device.write(Lane::Samples, 2_000, 10, 600);
    bridge.hold_back(Lane::Samples);
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.until(|bridge| !bridge.arrived(Lane::Samples).is_empty()).await;
    for round in 1..=10 {
        device.write(Lane::Control, 1, 1, 100);
        bridge.holds(Lane::Control, round).await;
    }
    assert_eq!(bridge.ack(Lane::Samples), 0);
    bridge.release();
    bridge.holds_all(&device).await;
    uplink.stop().await;
    assert_eq!(bridge.check(&device), Ok(()));
}

#[tokio::test]
async fn samples_get_through_while_control_is_stuck() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    device.write(Lane::Control, 500, 1, 1_000);
    device.write(Lane::Samples, 1_500, 1, 600);
    bridge.hold_back(Lane::Control);
    let uplink = device.uplink(&server.url(), Patience { turn: Duration::from_millis(10), ..PATIENCE });
    bridge.holds(Lane::Samples, 1_500).await;
    bridge.release();
    bridge.holds_all(&device).await;
    uplink.stop().await;
    assert_eq!(bridge.check(&device), Ok(()));
}

#[tokio::test]
async fn a_lane_that_is_asked_to_pause_holds_nobody_else() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    device.write(Lane::Control, 1, 1, 10);
    device.write(Lane::Samples, 1_000, 1, 1_000);
    bridge.plan(|arrived| (arrived.lane == Lane::Control).then_some(Fault::Paused(3_600_000)));
    let patience = Patience { backoff_max: Duration::from_secs(3_600), ..PATIENCE };
    let uplink = device.uplink(&server.url(), patience);
    bridge.holds_all(&device).await;
    device.write(Lane::Control, 1, 1, 10);
    device.write(Lane::Samples, 1, 1, 10);
    bridge.holds(Lane::Samples, 1_001).await;
    assert_eq!(bridge.ack(Lane::Control), 1, "it pauses");
    uplink.stop().await;
}

#[tokio::test]
async fn one_record_the_bridge_will_not_have_is_found_and_everything_before_it_arrives() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    device.write(Lane::Histories, 40, 3, 100);
    // Item 61 is in the twenty-first record.
    bridge.plan(|arrived| {
        let batch = &arrived.batch;
        let poisoned = (batch.first..batch.first + batch.items()).contains(&61);
        (arrived.lane == Lane::Histories && poisoned)
            .then(|| Fault::Refused(Refusal::Malformed { reason: "poison".into() }))
    });
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.holds(Lane::Histories, 60).await;
    // It alone stays, in plain sight, and nobody else waits for it.
    device.write(Lane::Control, 1, 1, 10);
    bridge.holds(Lane::Control, 1).await;
    let refused = Some("the bridge refused it: poison".to_owned());
    shows(&uplink, |status| status.lanes[1].trouble == refused).await;
    // A later release of the bridge takes it.
    bridge.plan(|_| None);
    bridge.holds_all(&device).await;
    assert_eq!(bridge.check(&device), Ok(()));
    uplink.stop().await;
}

#[tokio::test]
async fn an_uplink_stops_at_once_with_batches_in_flight_and_its_successor_goes_on() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    device.write(Lane::Samples, 100, 1, 5_000);
    bridge.hold_back(Lane::Samples);
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.until(|bridge| !bridge.arrived(Lane::Samples).is_empty()).await;
    let stopped = tokio::time::timeout(Duration::from_secs(2), uplink.stop()).await;
    assert!(stopped.is_ok(), "it stops while nobody answers");

    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.until(|bridge| bridge.hellos().len() == 2).await;
    // The batch that was cut off is taken late, beside its repetition.
    bridge.release();
    bridge.holds_all(&device).await;
    uplink.stop().await;
    assert_eq!(bridge.check(&device), Ok(()));
}
