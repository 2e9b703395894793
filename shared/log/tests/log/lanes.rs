//! Lanes are contiguous and their chains hold, whatever is asked, checked against an obviously right model.

use proptest::prelude::*;
use tidegate_log::{LaneHead, LaneSlice, Reader};
use tidegate_model::lane::{Chain, Lane};

use crate::tally::{Do, group, in_file, in_lane, keyed, on_memory, urgent};

/// All records of a lane, in order.
#[derive(Debug, Default)]
struct Naive {
    records: Vec<(u32, Vec<u8>)>,
}

impl Naive {
    fn head(&self) -> LaneHead {
        self.records.iter().fold(LaneHead::START, |head, (items, bytes)| LaneHead {
            next: head.next + u64::from(*items),
            chain: head.chain.after(*items, bytes),
        })
    }

    /// From the record that has `from` on, as many as fit, at least one.
    fn slice(&self, from: u64, bytes_max: usize, records_max: usize) -> Option<LaneSlice> {
        let mut at = LaneHead::START;
        let mut slice: Option<LaneSlice> = None;
        let mut sum = 0;
        for (items, bytes) in &self.records {
            let after = LaneHead { next: at.next + u64::from(*items), chain: at.chain.after(*items, bytes) };
            if after.next > from {
                let slice = slice.get_or_insert_with(|| LaneSlice {
                    first: at.next,
                    chain_before: at.chain,
                    records: Vec::new(),
                    chain_after: at.chain,
                });
                sum += bytes.len();
                if !slice.records.is_empty() && (slice.records.len() >= records_max || sum > bytes_max) {
                    break;
                }
                slice.records.push((*items, bytes.clone()));
                slice.chain_after = after.chain;
            }
            at = after;
        }
        slice
    }

    fn chain_after(&self, item: u64) -> Option<Chain> {
        let mut at = LaneHead::START;
        for (items, bytes) in &self.records {
            if at.next == item + 1 {
                break;
            }
            at = LaneHead { next: at.next + u64::from(*items), chain: at.chain.after(*items, bytes) };
        }
        (at.next == item + 1).then_some(at.chain)
    }
}

#[derive(Debug, Clone)]
struct Ask {
    from: u64,
    bytes_max: usize,
    records_max: usize,
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let ask = (0..60_u64, 0..200_usize, 1..12_usize);
    prop::collection::vec(
        ask.prop_map(|(from, bytes_max, records_max)| Ask { from, bytes_max, records_max }),
        8,
    )
}

/// Groups of records, each in one of the lanes or in none (3).
fn groups() -> impl Strategy<Value = Vec<Vec<(u8, u32, Vec<u8>)>>> {
    let record = (0..4_u8, 1..4_u32, prop::collection::vec(any::<u8>(), 0..40));
    prop::collection::vec(prop::collection::vec(record, 1..5), 0..20)
}

fn check(reader: &Reader, lane: Lane, naive: &Naive, asks: &[Ask]) {
    assert_eq!(reader.lane_head(lane).expect("in memory"), naive.head());
    assert_eq!(reader.lane_first(lane).expect("readable"), 1);
    for ask in asks {
        let slice = reader.lane(lane, ask.from, ask.bytes_max, ask.records_max).expect("readable");
        assert_eq!(slice, naive.slice(ask.from, ask.bytes_max, ask.records_max), "{lane:?} {ask:?}");
        assert_eq!(reader.chain_after(lane, ask.from).expect("readable"), naive.chain_after(ask.from));
    }
    // One after the other, as an uplink reads.
    let mut from = 1;
    let mut chain = Chain::START;
    while let Some(slice) = reader.lane(lane, from, 50, 3).expect("readable") {
        assert_eq!((slice.first, slice.chain_before), (from, chain));
        chain = slice.records.iter().fold(chain, |chain, (items, bytes)| chain.after(*items, bytes));
        assert_eq!(slice.chain_after, chain);
        from = slice.next();
    }
    assert_eq!(LaneHead { next: from, chain }, naive.head());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_read_of_a_lane_is_what_was_appended(groups in groups(), asks in asks()) {
        let mut core = on_memory();
        let mut naive: [Naive; 3] = Default::default();
        for (row, records) in groups.into_iter().enumerate() {
            let mut inputs = Vec::new();
            for (lane, items, bytes) in records {
                match Lane::try_from(lane) {
                    Ok(lane) => {
                        inputs.push(Do::Append(in_lane(lane, items, &bytes)));
                        naive[usize::from(lane.number())].records.push((items, bytes));
                    }
                    Err(_) => inputs.push(Do::Append(urgent(&bytes))),
                }
            }
            group(&mut core, row as u64, inputs);
        }
        for lane in Lane::ALL {
            check(&core.reader(), lane, &naive[usize::from(lane.number())], &asks);
        }
    }
}

#[test]
fn a_lane_that_is_rare_is_found_among_many_rows_of_others() {
    let mut core = on_memory();
    let mut naive = Naive::default();
    for n in 0..300_u32 {
        let mut inputs = vec![Do::Append(in_lane(Lane::Samples, 10, b"reading"))];
        if n % 97 == 5 {
            inputs.push(Do::Append(in_lane(Lane::Control, 1, &n.to_be_bytes())));
            naive.records.push((1, n.to_be_bytes().to_vec()));
        }
        group(&mut core, u64::from(n), inputs);
    }
    let asks =
        [Ask { from: 3, bytes_max: 1_000, records_max: 10 }, Ask { from: 9, bytes_max: 1, records_max: 1 }];
    check(&core.reader(), Lane::Control, &naive, &asks);
}

#[test]
fn a_lane_with_nothing_in_it_says_so() {
    let core = on_memory();
    let reader = core.reader();
    assert_eq!(reader.lane_head(Lane::Samples).expect("in memory"), LaneHead::START);
    assert_eq!(reader.lane_first(Lane::Samples).expect("readable"), 1);
    assert_eq!(reader.lane(Lane::Samples, 1, usize::MAX, usize::MAX).expect("readable"), None);
    assert_eq!(reader.chain_after(Lane::Samples, 0).expect("readable"), Some(Chain::START));
    assert_eq!(reader.chain_after(Lane::Samples, 1).expect("readable"), None);
}

#[test]
fn lanes_and_chains_are_the_same_after_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("store");
    let mut core = in_file(&path);
    group(&mut core, 0, vec![Do::Append(in_lane(Lane::Histories, 2, b"first"))]);
    core.close().expect("the disk is good");
    let mut core = in_file(&path);
    group(&mut core, 1, vec![Do::Append(in_lane(Lane::Histories, 1, b"second")), Do::Append(keyed(1, b"x"))]);
    drop(core);
    let naive = Naive { records: vec![(2, b"first".to_vec()), (1, b"second".to_vec())] };
    check(&in_file(&path).reader(), Lane::Histories, &naive, &[]);
}
