//! Faults by lot: whatever is drawn, everything committed arrives once, in order, with the right chain.
//!
//! `TIDEGATE_SEEDS=n` draws more lots, `TIDEGATE_SEED=n` repeats one.

use std::env;
use std::time::Duration;

use tidegate::uplink::Patience;
use tidegate_model::chance::Chance;
use tidegate_model::lane::Lane;
use tidegate_model::replication::Refusal;

use crate::bridge::{Bridge, Fault};
use crate::device::{Device, PATIENCE};
use crate::http::Intake;

#[tokio::test]
async fn whatever_goes_wrong_everything_arrives_once() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("TIDEGATE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TIDEGATE_SEEDS").unwrap_or(8),
    };
    for seed in seeds {
        println!("seed {seed}");
        let (device, bridge) = run(seed).await;
        assert_eq!(bridge.check(&device), Ok(()), "TIDEGATE_SEED={seed}");
    }
}

#[tokio::test]
async fn a_watermark_that_is_missing_is_caught_by_the_checker() {
    // A repeated batch is taken twice, and nothing else notices.
    assert_eq!(planted(Fault::Repeated).await, Err("samples: item 1 was taken twice".to_owned()));
}

#[tokio::test]
async fn an_item_that_is_skipped_is_caught_by_the_checker() {
    // Acknowledged and not kept: as if the device had begun its next batch with a later item.
    assert_eq!(planted(Fault::Skipped).await, Err("samples: items 1 to 6 are missing".to_owned()));
}

/// What the checker says of a bridge that does not look at what it takes, when one batch goes wrong.
async fn planted(fault: Fault) -> Result<(), String> {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    bridge.trust();
    let mut fault = Some(fault);
    bridge.plan(move |_| fault.take());
    device.write(Lane::Samples, 3, 2, 100);
    let uplink = device.uplink(&server.url(), PATIENCE);
    bridge.holds_all(&device).await;
    device.write(Lane::Samples, 1, 2, 100);
    bridge.holds_all(&device).await;
    uplink.stop().await;
    bridge.check(&device)
}

/// A storm of faults by lot, then a calm.
async fn run(seed: u64) -> (Device, Bridge) {
    let (bridge, server) = Bridge::start().await;
    let device = Device::new();
    let mut chance = Chance::new(seed);
    let mut lot = Chance::new(seed + 1_000);
    bridge.plan(move |_| draw(&mut lot));
    let mut lot = Chance::new(seed + 2_000);
    bridge.plan_intake(move |_| match lot.below(20) {
        0 => Intake::Close,
        1 => Intake::Stall,
        _ => Intake::All,
    });
    let patience = Patience { exchange: Duration::from_millis(150), ..PATIENCE };
    let mut uplink = device.uplink(&server.url(), patience);
    for _ in 0..6 {
        for lane in Lane::ALL {
            let records = usize::try_from(chance.below(40)).expect("below 40");
            device.write(lane, records, 1 + u32::try_from(chance.below(5)).expect("below 5"), 200);
        }
        if chance.below(2) == 0 {
            let lane = Lane::ALL[usize::try_from(chance.below(3)).expect("below 3")];
            bridge.holds(lane, device.last(lane)).await;
        }
        if chance.below(3) == 0 {
            bridge.put_back(Lane::Control, 1);
        }
        if chance.below(3) == 0 {
            uplink.stop().await;
            uplink = device.uplink(&server.url(), patience);
        }
    }
    // The storm is over.
    bridge.plan(|_| None);
    bridge.plan_intake(|_| Intake::All);
    device.write(Lane::Control, 1, 1, 10);
    bridge.holds_all(&device).await;
    uplink.stop().await;
    (device, bridge)
}

fn draw(lot: &mut Chance) -> Option<Fault> {
    let busy = Refusal::Busy { retry_after_ms: 3 };
    match lot.below(24) {
        0 => Some(Fault::LostReply),
        1 => Some(Fault::TruncatedReply),
        2 => Some(Fault::GarbledReply),
        3 => Some(Fault::Repeated),
        4 => Some(Fault::StaleReply),
        5 => Some(Fault::Bare(500, None)),
        6 => Some(Fault::Bare(413, None)),
        7 => Some(Fault::Refused(busy)),
        8 => Some(Fault::Refused(Refusal::UnknownEpoch)),
        9 => Some(Fault::Refused(Refusal::Malformed { reason: "a bad day".into() })),
        10 => Some(Fault::Paused(2)),
        _ => None,
    }
}
