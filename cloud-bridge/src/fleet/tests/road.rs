//! A faulty road between device and bridge, against an obviously right model of what must arrive.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidegate_model::id::Epoch;
use tidegate_model::lane::Lane;

use super::super::Fact;
use super::script::{World, block};

/// What a faulty road may do to a device's batches.
#[derive(Debug, Clone)]
enum Act {
    /// The device writes a block.
    Write { readings: u64 },
    /// Records `from..from + count` of the lane arrive, whatever the bridge has: early, late, or again.
    Arrive { from: usize, count: usize },
    /// The device sends what the bridge asks for, declaring its oldest records gone.
    Drop { records: usize },
    /// The bridge is put back to where it was some facts ago; the device goes on from there.
    Replay,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (1..5_u64).prop_map(|readings| Act::Write { readings }),
        6 => (0..40_usize, 1..6_usize).prop_map(|(from, count)| Act::Arrive { from, count }),
        1 => (1..4_usize).prop_map(|records| Act::Drop { records }),
        1 => Just(Act::Replay),
    ]
}

proptest! {
    /// The obviously right model: whatever arrives in whatever order, the items in the archive and those declared gone
    /// are exactly 1 to the watermark, each once, and what arrives for good is all of them.
    #[test]
    fn every_item_up_to_the_watermark_is_there_once(acts in proptest::collection::vec(act(), 1..60)) {
        let (epoch, lane) = (Epoch::from_u128(1), Lane::Samples);
        let mut world = World::new();
        let mut starts = vec![1_u64];
        world.play("hello e1");
        for act in acts {
            let last = starts.len() - 1;
            match act {
                Act::Write { readings } => {
                    world.put(epoch, lane, &block(starts[last], readings));
                    starts.push(starts[last] + readings);
                }
                Act::Arrive { from, count } if last > 0 => {
                    let from = from % last;
                    let to = (from + count).min(last);
                    let batch = world.batch(epoch, lane, (starts[from], starts[to] - 1), None);
                    world.send_batch(epoch, lane, batch);
                }
                Act::Drop { records } => {
                    let held = starts.iter().position(|start| *start == world.ack(epoch, lane) + 1);
                    let held = held.expect("the bridge holds whole records");
                    let to = (held + records).min(last);
                    if to > held && to < last {
                        let gap = Some((starts[held], starts[to] - 1));
                        let batch = world.batch(epoch, lane, (starts[to], starts[to + 1] - 1), gap);
                        world.send_batch(epoch, lane, batch);
                    }
                }
                Act::Replay => world.check_replay(),
                Act::Arrive { .. } => {}
            }
            let mut items = BTreeMap::<u64, u32>::new();
            for (_, bytes) in &world.facts {
                let (from, to) = match Fact::from_record(bytes).expect("what was written is understood") {
                    Fact::Archived { place, .. } => (place.first, place.last()),
                    Fact::GapDeclared { from, to, .. } => (from, to),
                    Fact::SetAside { place, reason, .. } => panic!("{place:?} was set aside: {reason}"),
                    Fact::EpochOpened { .. } | Fact::Advanced { .. } => continue,
                    other @ (Fact::DeviceChanged { .. }
                    | Fact::EpochParked { .. }
                    | Fact::SignalIssued { .. }
                    | Fact::SignalExpired { .. }) => panic!("nobody asked for {other:?}"),
                };
                (from..=to).for_each(|item| *items.entry(item).or_default() += 1);
            }
            let ack = world.ack(epoch, lane);
            prop_assert!(items.keys().copied().eq(1..=ack), "{items:?} where 1 to {ack} should be");
            prop_assert!(items.values().all(|count| *count == 1), "{items:?}");
        }
        let last = *starts.last().expect("there is one") - 1;
        if world.ack(epoch, lane) < last {
            let batch = world.batch(epoch, lane, (world.ack(epoch, lane) + 1, last), None);
            world.send_batch(epoch, lane, batch);
        }
        prop_assert_eq!(world.ack(epoch, lane), last);
        world.check_replay();
    }
}
