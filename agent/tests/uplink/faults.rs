//! What can happen to one batch on its way there and back. Whatever it is, everything arrives once.

use std::time::Duration;

use tidegate::uplink::Patience;
use tidegate_model::lane::Lane;
use tidegate_model::replication::Refusal;

use crate::bridge::{Arrived, Bridge, Fault};
use crate::device::{Device, PATIENCE, shows};
use crate::http::Intake;

#[tokio::test]
async fn a_lost_request_is_sent_again() {
    let (device, bridge) = (Device::new(), Bridge::start().await);
    device.write(Lane::Samples, 3, 2, 100);
    lose_first(&bridge.0, Intake::Close);
    let arrived = deliver(&device, &bridge.0, &bridge.1.url(), PATIENCE).await;
    assert_eq!(arrived.len(), 2, "the lost one was never read");
}

#[tokio::test]
async fn a_request_that_stalls_in_its_body_is_given_up_and_sent_again() {
    let (device, bridge) = (Device::new(), Bridge::start().await);
    device.write(Lane::Samples, 3, 2, 100);
    lose_first(&bridge.0, Intake::Stall);
    let patience = Patience { exchange: Duration::from_millis(200), ..PATIENCE };
    deliver(&device, &bridge.0, &bridge.1.url(), patience).await;
}

#[tokio::test]
async fn after_a_lost_reply_the_same_bytes_are_sent_again_and_recognised() {
    let arrived = survive(Fault::LostReply).await;
    assert_eq!(arrived[0].body, arrived[1].body);
}

#[tokio::test]
async fn after_a_truncated_reply_the_same_bytes_are_sent_again() {
    let arrived = survive(Fault::TruncatedReply).await;
    assert_eq!(arrived[0].body, arrived[1].body);
}

#[tokio::test]
async fn after_a_reply_that_is_noise_the_same_bytes_are_sent_again() {
    let arrived = survive(Fault::GarbledReply).await;
    assert_eq!(arrived[0].body, arrived[1].body);
}

#[tokio::test]
async fn after_a_server_error_the_same_bytes_are_sent_again() {
    for status in [500, 502, 504, 301, 404] {
        let arrived = survive(Fault::Bare(status, None)).await;
        assert_eq!(arrived[0].body, arrived[1].body, "{status}");
    }
}

#[tokio::test]
async fn a_busy_bridge_gets_the_same_bytes_later() {
    for busy in [
        Fault::Bare(429, Some(0)),
        Fault::Bare(503, None),
        Fault::Refused(Refusal::Busy { retry_after_ms: 5 }),
    ] {
        let arrived = survive(busy).await;
        assert_eq!(arrived[0].body, arrived[1].body);
    }
}

#[tokio::test]
async fn a_batch_the_network_repeats_is_taken_once() {
    survive(Fault::Repeated).await;
}

#[tokio::test]
async fn an_acknowledgement_of_an_earlier_batch_is_gone_on_from() {
    let arrived = survive(Fault::StaleReply).await;
    assert_eq!(arrived[0].batch.first, arrived[1].batch.first);
}

#[tokio::test]
async fn what_is_too_large_is_sent_in_smaller_batches_and_then_in_larger_ones_again() {
    for too_large in [Fault::Bare(413, None), Fault::Refused(Refusal::TooLarge { limit_bytes: 8_000 })] {
        let (bridge, server) = Bridge::start().await;
        let device = Device::new();
        device.write(Lane::Samples, 64, 1, 1_000);
        let mut refused = false;
        bridge.plan(move |arrived| {
            // A proxy that takes little, until somebody mends it.
            refused |= arrived.batch.records.len() <= 8;
            (!refused).then(|| too_large.clone())
        });
        let arrived = deliver(&device, &bridge, &server.url(), PATIENCE).await;
        let sizes: Vec<usize> = arrived.iter().map(|arrived| arrived.batch.records.len()).collect();
        // The second of eight was made while the first was on its way.
        assert_eq!(sizes, [64, 32, 16, 8, 8, 16, 32, 1]);
    }
}

#[tokio::test]
async fn a_bridge_that_is_not_there_is_found_when_it_comes_and_the_status_says_so() {
    let (bridge, server) = Bridge::start().await;
    let url = server.url();
    drop(server);
    let device = Device::new();
    device.write(Lane::Control, 1, 1, 10);
    let uplink = device.uplink(&url, PATIENCE);
    shows(&uplink, |status| status.last_error.is_some()).await;
    let status = uplink.status();
    assert!(!status.connected);
    assert!(status.last_error.is_some_and(|words| words.contains("refused")), "in the words of the system");
    assert_eq!((status.lanes[0].lane, status.lanes[0].backlog), ("control", 1));
    uplink.stop().await;
    assert_eq!(bridge.hellos().len(), 0);
}

#[tokio::test]
async fn the_status_shows_what_the_bridge_holds() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    device.write(Lane::Samples, 4, 5, 50);
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.holds_all(&device).await;
    shows(&uplink, |status| status.lanes[2].backlog == 0).await;
    let status = uplink.monitor().status();
    assert!(status.connected && status.last_error.is_none() && status.last_ack.is_some());
    let samples = &status.lanes[2];
    assert_eq!((samples.lane, samples.acked, samples.last, samples.backlog), ("samples", 20, 20, 0));
    assert_eq!((status.batches, &samples.trouble), (1, &None));
    uplink.stop().await;
}

/// One batch goes wrong in this way, the others do not.
async fn survive(fault: Fault) -> Vec<Arrived> {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    device.write(Lane::Samples, 3, 2, 100);
    let mut fault = Some(fault);
    bridge.plan(move |_| fault.take());
    deliver(&device, &bridge, &server.url(), PATIENCE).await
}

async fn deliver(device: &Device, bridge: &Bridge, url: &str, patience: Patience) -> Vec<Arrived> {
    let uplink = device.uplink(url, patience);
    bridge.holds_all(device).await;
    // And it goes on as if nothing had been.
    device.write(Lane::Samples, 1, 1, 10);
    bridge.holds_all(device).await;
    uplink.stop().await;
    assert_eq!(bridge.check(device), Ok(()));
    bridge.arrived(Lane::Samples)
}

fn lose_first(bridge: &Bridge, intake: Intake) {
    let mut lost = Some(intake);
    bridge.plan_intake(move |path| {
        if path.contains("/lanes/2") { lost.take().unwrap_or(Intake::All) } else { Intake::All }
    });
}
