//! What a device may count on when it sends.

use tidegate_model::codec::{self, FLAG_ZSTD, Kind};
use tidegate_model::lane::Lane;
use tidegate_model::replication::{BatchReply, EpochState, Refusal};

use crate::device::Device;
use crate::running::Running;

#[tokio::test]
async fn a_lost_reply_is_answered_again_by_the_same_bytes() {
    let bridge = Running::new().await;
    let mut device = Device::new(1);
    device.write_readings(100);
    device.say_hello(&bridge).await;
    let lost = device.send(&bridge, Lane::Samples, 0).await;
    let again = device.send(&bridge, Lane::Samples, 0).await;
    assert_eq!(lost.ack(), 100);
    assert_eq!(lost.body, again.body);
    let (_, lines) = bridge.get_text("/api/v1/devices/gw-1/samples").await;
    assert_eq!(lines.lines().count(), 100);
    bridge.stop().await;
}

#[tokio::test]
async fn a_batch_may_be_packed_inside_or_outside_its_envelope() {
    let bridge = Running::new().await;
    let mut device = Device::new(1);
    device.write_readings(500);
    device.say_hello(&bridge).await;

    let body = codec::to_cbor(&device.batch(Lane::Samples, 0));
    let packed = zstd::encode_all(body.as_slice(), 1).expect("memory packs");
    let inside = codec::seal(Kind::Batch, FLAG_ZSTD, &packed);
    assert_eq!(bridge.post(&device.lane_path(Lane::Samples), &[], inside).await.ack(), 500);

    device.write_readings(500);
    let plain = codec::encode(Kind::Batch, &device.batch(Lane::Samples, 500));
    let outside = zstd::encode_all(plain.as_slice(), 1).expect("memory packs");
    assert!(outside.len() < plain.len() / 2);
    let headers = [("content-encoding", "zstd")];
    assert_eq!(bridge.post(&device.lane_path(Lane::Samples), &headers, outside).await.ack(), 1_000);
    bridge.stop().await;
}

#[tokio::test]
async fn refusals_come_with_the_status_and_the_way_out() {
    let bridge = Running::new().await;
    let mut device = Device::new(1);
    device.write_readings(10);
    device.write_readings(10);
    let stranger = device.send(&bridge, Lane::Samples, 0).await;
    assert_eq!((stranger.status, stranger.refusal()), (409, Refusal::UnknownEpoch));

    assert_eq!(device.say_hello(&bridge).await.epoch_state, EpochState::New);
    let early = device.send(&bridge, Lane::Samples, 10).await;
    assert_eq!(early.status, 409);
    let Refusal::OutOfOrder { expected } = early.refusal() else { panic!("out of order") };
    assert_eq!((expected.lane, expected.ack), (Lane::Samples, 0));
    assert_eq!(device.send(&bridge, Lane::Samples, 0).await.ack(), 20);

    let mut other = Device::new(1);
    other.write_readings(30);
    let broken = other.send(&bridge, Lane::Samples, 0).await;
    assert_eq!(broken.status, 422);
    assert!(matches!(broken.refusal(), Refusal::BrokenChain { expected } if expected.ack == 20));
    assert_eq!(device.say_hello(&bridge).await.epoch_state, EpochState::Diverged);
    let (_, shown) = bridge.get("/api/v1/devices/gw-1").await;
    assert_eq!(shown["parked"], true);
    bridge.stop().await;
}

#[tokio::test]
async fn a_poisoned_record_is_kept_as_it_came_and_reported() {
    let bridge = Running::new().await;
    let mut device = Device::new(1);
    device.write_readings(3);
    device.write_bytes(Lane::Samples, 2, b"not CBOR".to_vec());
    device.write_readings(3);
    device.say_hello(&bridge).await;
    let reply: BatchReply = device.send(&bridge, Lane::Samples, 0).await.reply(Kind::BatchReply);
    assert_eq!((reply.ack.ack, reply.dead_lettered), (8, vec![4]));

    let (_, letters) = bridge.get("/api/v1/devices/gw-1/dead-letters").await;
    assert_eq!(letters["dead_letters"][0]["found_by"], "bridge");
    let path = format!("/api/v1/devices/gw-1/dead-letters/{}/samples/4", device.epoch);
    assert_eq!(bridge.get_text(&path).await, (200, "not CBOR".to_owned()));
    let (_, lines) = bridge.get_text("/api/v1/devices/gw-1/samples").await;
    let numbers: Vec<u64> = lines
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON")["number"]
                .as_u64()
                .expect("a number")
        })
        .collect();
    assert_eq!(numbers, [1, 2, 3, 6, 7, 8]);
    bridge.stop().await;
}
