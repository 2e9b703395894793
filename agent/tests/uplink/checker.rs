//! The exactly-once checker: what the bridge took must be what the device wrote, each item once, in order, chained.

use std::collections::BTreeMap;

use tidegate_model::id::Epoch;
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::replication::Gap;

/// Something the bridge took into a lane, in the order in which it took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A record, with the number of its first item, and the chain after it as the bridge has it.
    Record { first: u64, items: u32, bytes: Vec<u8>, chain: Chain },
    /// Items declared gone, and the chain with which the next record goes on.
    Gap { gap: Gap, chain: Chain },
}

/// What a bridge took, by epoch and lane.
pub(crate) type Ledger = BTreeMap<(Epoch, Lane), Vec<Taken>>;

/// What is wrong with one lane of one epoch; `written` is all the device ever wrote to it.
pub(crate) fn check_lane(written: &[(u32, Vec<u8>)], taken: &[Taken]) -> Result<(), String> {
    let mut chain = Chain::START;
    let mut next = 1;
    // First item, record, chain after: for each record the device wrote.
    let mut truth = BTreeMap::new();
    for (items, bytes) in written {
        chain = chain.after(*items, bytes);
        truth.insert(next, (*items, bytes, chain));
        next += u64::from(*items);
    }
    let end = next;
    let mut expected = 1;
    for taken in taken {
        match taken {
            Taken::Record { first, items, bytes, chain } => {
                if *first < expected {
                    return Err(format!("item {first} was taken twice"));
                }
                if *first > expected {
                    return Err(format!("items {expected} to {} are missing", first - 1));
                }
                match truth.get(first) {
                    None => return Err(format!("no record begins at item {first}")),
                    Some((wrote, _, _)) if wrote != items => {
                        return Err(format!("the record at {first} has {wrote} items, not {items}"));
                    }
                    Some((_, wrote, _)) if *wrote != bytes => {
                        return Err(format!("the record at {first} has other bytes"));
                    }
                    Some((_, _, right)) if right != chain => {
                        return Err(format!("the chain after the record at {first} is wrong"));
                    }
                    Some(_) => expected += u64::from(*items),
                }
            }
            Taken::Gap { gap, chain } => {
                if gap.from != expected {
                    return Err(format!("a gap from {} where {expected} is next", gap.from));
                }
                expected = gap.to + 1;
                let before = truth.range(..expected).next_back().map_or(Chain::START, |(_, truth)| truth.2);
                if before != *chain {
                    return Err(format!("the lane goes on after {} with a wrong chain", gap.to));
                }
            }
        }
    }
    if expected == end { Ok(()) } else { Err(format!("items {expected} to {} never came", end - 1)) }
}

#[test]
fn the_checker_finds_what_it_is_there_to_find() {
    let written: Vec<(u32, Vec<u8>)> = (1..=5_u8).map(|n| (u32::from(n), vec![n; 3])).collect();
    let mut chain = Chain::START;
    let mut first = 1;
    let good: Vec<Taken> = written
        .iter()
        .map(|(items, bytes)| {
            chain = chain.after(*items, bytes);
            let taken = Taken::Record { first, items: *items, bytes: bytes.clone(), chain };
            first += u64::from(*items);
            taken
        })
        .collect();
    assert_eq!(check_lane(&written, &good), Ok(()));

    let tampered = |tamper: &dyn Fn(&mut Vec<Taken>)| {
        let mut taken = good.clone();
        tamper(&mut taken);
        check_lane(&written, &taken).expect_err("a fault that the checker does not see")
    };
    assert_eq!(tampered(&|taken| drop(taken.pop())), "items 11 to 15 never came");
    assert_eq!(tampered(&|taken| drop(taken.remove(1))), "items 2 to 3 are missing");
    assert_eq!(tampered(&|taken| taken.insert(2, taken[1].clone())), "item 2 was taken twice");
    assert_eq!(tampered(&|taken| taken.swap(1, 2)), "items 2 to 3 are missing");
    let record = |taken: &mut Vec<Taken>, change: &dyn Fn(&mut u32, &mut Vec<u8>, &mut Chain)| {
        if let Taken::Record { items, bytes, chain, .. } = &mut taken[2] {
            change(items, bytes, chain);
        }
    };
    let other =
        |change: &dyn Fn(&mut u32, &mut Vec<u8>, &mut Chain)| tampered(&|taken| record(taken, change));
    assert_eq!(other(&|items, _, _| *items = 2), "the record at 4 has 3 items, not 2");
    assert_eq!(other(&|_, bytes, _| bytes[0] = 9), "the record at 4 has other bytes");
    assert_eq!(other(&|_, _, chain| *chain = Chain::START), "the chain after the record at 4 is wrong");
}
