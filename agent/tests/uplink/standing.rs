//! Where the two stand: bridges and devices that were put back, gaps, other epochs.

use tidegate_model::id::Epoch;
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::replication::{GapReason, Refusal};

use crate::bridge::{Bridge, Fault};
use crate::device::{Device, PATIENCE};

#[tokio::test]
async fn a_hello_says_what_is_here_and_the_lanes_go_on_from_what_is_there() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    device.write(Lane::Histories, 3, 4, 50);
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.holds_all(&device).await;
    uplink.stop().await;

    device.write(Lane::Histories, 2, 1, 50);
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.holds_all(&device).await;
    uplink.stop().await;

    let hellos = bridge.hellos();
    let offer = hellos[1].lanes[1];
    assert_eq!((offer.lane, offer.first, offer.last), (Lane::Histories, 1, 14));
    let firsts: Vec<u64> =
        bridge.arrived(Lane::Histories).iter().map(|arrived| arrived.batch.first).collect();
    assert_eq!(firsts, [1, 13], "what is there is not sent again");
    assert_eq!(bridge.check(&device), Ok(()));
}

#[tokio::test]
async fn a_bridge_that_was_put_back_gets_what_it_lost_again() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    device.write(Lane::Samples, 10, 3, 50);
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.holds_all(&device).await;

    bridge.put_back(Lane::Samples, 4);
    let mut unknown = Some(Fault::Refused(Refusal::UnknownEpoch));
    bridge.plan(move |_| unknown.take());
    device.write(Lane::Control, 1, 1, 10);
    bridge.holds_all(&device).await;
    device.is_told(Lane::Samples).await;
    uplink.stop().await;

    assert_eq!(bridge.check(&device), Ok(()));
    assert!(device.told(Lane::Samples).ends_with(&[30, 12, 30]), "{:?}", device.told(Lane::Samples));
    assert_eq!(bridge.hellos().len(), 2);
}

#[tokio::test]
async fn a_bridge_that_went_back_without_a_word_is_followed() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    device.write(Lane::Samples, 10, 3, 50);
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.holds_all(&device).await;

    // The next batch is out of order for it, and it says which item it waits for.
    bridge.put_back(Lane::Samples, 4);
    device.write(Lane::Samples, 1, 1, 10);
    bridge.holds_all(&device).await;
    uplink.stop().await;

    assert_eq!(bridge.check(&device), Ok(()));
    assert_eq!(bridge.hellos().len(), 1, "that is no reason to begin anew");
}

#[tokio::test]
async fn what_was_trimmed_and_is_wanted_again_is_declared_gone() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    device.write(Lane::Samples, 10, 3, 50);
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.holds_all(&device).await;
    device.is_told(Lane::Histories).await;
    device.is_told(Lane::Samples).await;
    uplink.stop().await;

    device.trim();
    bridge.put_back(Lane::Samples, 4);
    device.write(Lane::Samples, 2, 5, 50);
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.holds_all(&device).await;
    uplink.stop().await;

    assert_eq!(bridge.check(&device), Ok(()), "the chain is right behind the gap");
    let gaps = bridge.gaps(Lane::Samples);
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].from, gaps[0].to, gaps[0].reason), (13, 30, GapReason::TrimmedAfterAck));
}

#[tokio::test]
async fn where_nothing_is_left_the_gap_is_declared_alone() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    device.write(Lane::Histories, 2, 2, 50);
    device.write(Lane::Samples, 5, 1, 50);
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.holds_all(&device).await;
    device.is_told(Lane::Histories).await;
    device.is_told(Lane::Samples).await;
    uplink.stop().await;

    device.trim();
    bridge.put_back(Lane::Samples, 0);
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.holds_all(&device).await;
    uplink.stop().await;

    assert_eq!(bridge.check(&device), Ok(()));
    let last = bridge.arrived(Lane::Samples).pop().expect("there is one").batch;
    assert_eq!(
        (last.records.len(), last.first, last.gap.map(|gap| (gap.from, gap.to))),
        (0, 6, Some((1, 5)))
    );
}

#[tokio::test]
async fn a_bridge_that_has_more_than_the_device_gets_all_of_it_under_another_epoch() {
    diverge(|bridge, _| bridge.pretend(Epoch::from_u128(1), Lane::Samples, 1_000, Chain::START)).await;
}

#[tokio::test]
async fn a_bridge_that_has_other_items_gets_all_of_it_under_another_epoch() {
    diverge(|bridge, _| {
        bridge.pretend(Epoch::from_u128(1), Lane::Samples, 6, Chain::START.after(6, b"another past"));
    })
    .await;
}

#[tokio::test]
async fn a_bridge_that_stands_inside_a_record_gets_all_of_it_under_another_epoch() {
    diverge(|bridge, device| {
        let (_, bytes) = &device.written(Lane::Samples)[0];
        bridge.pretend(Epoch::from_u128(1), Lane::Samples, 1, Chain::START.after(1, bytes));
    })
    .await;
}

#[tokio::test]
async fn an_epoch_that_the_bridge_parked_is_left_for_another() {
    diverge(|bridge, _| {
        bridge.pretend(Epoch::from_u128(1), Lane::Samples, 0, Chain::START);
        bridge.park();
    })
    .await;
}

#[tokio::test]
async fn an_epoch_parked_in_the_middle_of_a_session_is_left_for_another() {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    device.write(Lane::Samples, 3, 1, 50);
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.holds_all(&device).await;
    bridge.park();
    device.write(Lane::Samples, 1, 1, 50);
    bridge.until(|bridge| bridge.hellos().len() == 3).await;
    bridge.holds_all(&device).await;
    uplink.stop().await;
    let epochs: Vec<u128> = bridge.hellos().iter().map(|hello| hello.epoch.as_u128()).collect();
    assert_eq!(epochs, [1, 1, 2]);
    assert_eq!(bridge.check(&device), Ok(()));
}

/// The bridge knows the device's epoch, and something is not right with it.
async fn diverge(before: impl FnOnce(&Bridge, &Device)) {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    device.write(Lane::Samples, 4, 2, 50);
    device.write(Lane::Control, 2, 1, 50);
    before(&bridge, &device);
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.until(|bridge| bridge.hellos().len() == 2).await;
    bridge.holds_all(&device).await;
    device.is_told(Lane::Samples).await;
    uplink.stop().await;
    let epochs: Vec<u128> = bridge.hellos().iter().map(|hello| hello.epoch.as_u128()).collect();
    assert_eq!(epochs, [1, 2], "one look was enough");
    assert_eq!(bridge.check(&device), Ok(()));
}
