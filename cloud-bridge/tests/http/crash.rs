//! What is left when a bridge dies, and when it is put back from an old copy.

use tidegate_model::lane::Lane;
use tidegate_model::replication::EpochState;

use crate::device::Device;
use crate::running::Running;

fn samples_ack(reply: &tidegate_model::replication::HelloReply) -> u64 {
    reply.lanes.iter().find(|lane| lane.lane == Lane::Samples).expect("every lane is answered").ack
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash() {
    let bridge = Running::new().await;
    let mut device = Device::new(1);
    device.write_readings(50);
    device.write_run();
    device.say_hello(&bridge).await;
    device.send(&bridge, Lane::Samples, 0).await;
    device.send(&bridge, Lane::Histories, 0).await;

    // The copy is taken from under the running bridge, which is never told to stop before.
    let after_crash = Running::on(bridge.copy()).await;
    let reply = device.say_hello(&after_crash).await;
    assert_eq!((reply.epoch_state, samples_ack(&reply)), (EpochState::Current, 50));
    let path = "/api/v1/devices/gw-1";
    let (_, before) = bridge.get(path).await;
    let (_, after) = after_crash.get(path).await;
    assert_eq!(before["epochs"], after["epochs"]);
    let (_, lines) = after_crash.get_text("/api/v1/devices/gw-1/samples").await;
    assert_eq!(lines.lines().count(), 50);

    device.write_readings(50);
    assert_eq!(device.send(&after_crash, Lane::Samples, 50).await.ack(), 100);
    bridge.stop().await;
    let folder = after_crash.stop().await;

    let reopened = Running::on(folder).await;
    assert_eq!(samples_ack(&device.say_hello(&reopened).await), 100);
    reopened.stop().await;
}

#[tokio::test]
async fn a_bridge_put_back_from_an_old_copy_asks_for_what_it_lost() {
    let bridge = Running::new().await;
    let mut device = Device::new(1);
    device.write_readings(10);
    device.say_hello(&bridge).await;
    device.send(&bridge, Lane::Samples, 0).await;
    let old = bridge.copy();
    device.write_readings(10);
    assert_eq!(device.send(&bridge, Lane::Samples, 10).await.ack(), 20);
    bridge.stop().await;

    let put_back = Running::on(old).await;
    let reply = device.say_hello(&put_back).await;
    assert_eq!((reply.epoch_state, samples_ack(&reply)), (EpochState::Current, 10));
    assert_eq!(device.send(&put_back, Lane::Samples, 10).await.ack(), 20);
    let (_, lines) = put_back.get_text("/api/v1/devices/gw-1/samples").await;
    assert_eq!(lines.lines().count(), 20);
    put_back.stop().await;
}
