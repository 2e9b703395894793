//! What the bridge makes of bytes that are wrong: a refusal in words, and nothing written.

use std::io::Read;

use tidegate_model::codec::{self, FLAG_ZSTD, Kind};
use tidegate_model::lane::Lane;
use tidegate_model::limits::WIRE_BYTES_MAX;
use tidegate_model::replication::Refusal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::device::{Answered, Device};
use crate::running::Running;

async fn with_device() -> (Running, Device) {
    let bridge = Running::new().await;
    let mut device = Device::new(1);
    device.write_readings(5);
    device.say_hello(&bridge).await;
    (bridge, device)
}

/// The reason of a refusal of status 400.
fn reason(answered: &Answered) -> String {
    assert_eq!(answered.status, 400);
    let Refusal::Malformed { reason } = answered.refusal() else { panic!("malformed") };
    reason
}

async fn nothing_was_written(bridge: Running, device: &Device) {
    assert_eq!(device.say_hello(&bridge).await.lanes[2].ack, 0);
    assert_eq!(device.send(&bridge, Lane::Samples, 0).await.ack(), 5, "the road is open");
    bridge.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_batch_are_refused_in_words() {
    let (bridge, device) = with_device().await;
    let path = device.lane_path(Lane::Samples);
    let right = codec::encode(Kind::Batch, &device.batch(Lane::Samples, 0));
    let mut rotten = right.clone();
    *rotten.last_mut().expect("it has bytes") ^= 1;
    let half = right[..right.len() / 2].to_vec();
    let hello = codec::encode(Kind::Hello, &device.hello());
    let unknown_flags = codec::seal(Kind::Batch, 0x80, b"");
    for (body, expected) in [
        (Vec::new(), "not a Tidegate envelope"),
        (b"hello".to_vec(), "not a Tidegate envelope"),
        (half, "cut short"),
        (rotten, "checksum"),
        (hello, "content kind 16 where 18 belongs"),
        (codec::seal(Kind::Batch, 0, b"\xff"), "not understood"),
        (codec::seal(Kind::Batch, FLAG_ZSTD, b"not zstd"), "zstd"),
        (unknown_flags, "flags 0x80"),
    ] {
        let said = reason(&bridge.post(&path, &[], body).await);
        assert!(said.contains(expected), "{said:?} where {expected:?} belongs");
    }
    let said = reason(&bridge.post(&path, &[("content-encoding", "br")], right).await);
    assert!(said.contains("zstd and identity"), "{said}");
    nothing_was_written(bridge, &device).await;
}

#[tokio::test]
async fn names_that_are_wrong_are_refused_in_words() {
    let (bridge, device) = with_device().await;
    let epoch = device.epoch;
    for (path, expected) in [
        ("/v1/devices/a%20b/hello".to_owned(), "device id"),
        (format!("/v1/devices/{}/hello", "x".repeat(65)), "1 to 64 bytes"),
        ("/v1/devices/gw-1/epochs/7/lanes/0".to_owned(), "an epoch is 32"),
        (format!("/v1/devices/gw-1/epochs/{epoch}/lanes/9"), "lanes are 0 to 2"),
        (format!("/v1/devices/gw-1/epochs/{epoch}/lanes/samples"), "a lane is a number"),
    ] {
        let said = reason(&bridge.post(&path, &[], Vec::new()).await);
        assert!(said.contains(expected), "{said:?} where {expected:?} belongs");
    }
    let said = reason(&bridge.fetch("/v1/devices/gw-1/downlink?after=x").await);
    assert!(said.contains("after"), "{said}");
    assert_eq!(bridge.post("/v1/elsewhere", &[], Vec::new()).await.status, 404);
    assert_eq!(bridge.fetch("/v1/devices/gw-1/hello").await.status, 405);
    nothing_was_written(bridge, &device).await;
}

#[tokio::test]
async fn a_body_over_the_cap_is_refused_before_it_is_read() {
    let (bridge, device) = with_device().await;
    let answered = bridge.post(&device.lane_path(Lane::Samples), &[], vec![0; WIRE_BYTES_MAX + 1]).await;
    assert_eq!(answered.status, 413);
    assert_eq!(answered.refusal(), Refusal::TooLarge { limit_bytes: WIRE_BYTES_MAX as u64 });
    nothing_was_written(bridge, &device).await;
}

#[tokio::test]
async fn a_small_body_that_unpacks_to_a_large_one_is_refused() {
    let (bridge, device) = with_device().await;
    let path = device.lane_path(Lane::Samples);
    let bomb = zstd::encode_all(std::io::repeat(0).take(256 << 20), 3).expect("memory packs");
    assert!(bomb.len() < 64 * 1024, "{}", bomb.len());
    let outside = bridge.post(&path, &[("content-encoding", "zstd")], bomb.clone()).await;
    assert_eq!(outside.status, 413);
    let inside = bridge.post(&path, &[], codec::seal(Kind::Batch, FLAG_ZSTD, &bomb)).await;
    assert_eq!(inside.status, 413);
    nothing_was_written(bridge, &device).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_writes_nothing() {
    let (bridge, device) = with_device().await;
    let body = codec::encode(Kind::Batch, &device.batch(Lane::Samples, 0));
    let mut stream = TcpStream::connect(bridge.addresses.devices).await.expect("a connection");
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: bridge\r\ncontent-length: {}\r\n\r\n",
        device.lane_path(Lane::Samples),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("the bridge reads");
    stream.write_all(&body[..body.len() / 2]).await.expect("the bridge reads");
    stream.shutdown().await.expect("the end of it");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the bridge closes");
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "half a batch was taken");
    nothing_was_written(bridge, &device).await;
}
