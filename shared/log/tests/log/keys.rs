//! What was appended with a key is found by it, wherever the index stands.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidegate_log::{Core, Reader, Upkeep};
use tidegate_model::lane::Lane;

use crate::tally::{Do, Tally, group, in_file, in_lane, keyed, leisurely, on_memory, urgent};

fn found(reader: &Reader, key: u128) -> Vec<Vec<u8>> {
    reader.by_key(key).expect("readable").into_iter().map(|record| record.bytes).collect()
}

/// Makes the tail long enough for a snapshot, and has it taken.
pub(crate) fn settle(core: &mut Core<Tally>, millis: u64) {
    let bulk = vec![0; 900 * 1024];
    let before = core.store().last_row();
    // The state of the tally holds all of its records, so what is due grows with what is there.
    while !core.upkeep(Upkeep::Idle).expect("the disk is good") {
        group(core, millis, vec![Do::Append(urgent(&bulk))]);
        assert!(core.store().last_row() < before + 1_000, "a snapshot falls due some time");
    }
}

#[test]
fn a_key_is_found_in_the_index_and_in_the_tail() {
    let mut core = on_memory();
    let reader = core.reader();
    group(&mut core, 0, vec![Do::Append(keyed(5, b"one")), Do::Append(keyed(6, b"other"))]);
    assert_eq!(found(&reader, 5), [b"one"]);
    settle(&mut core, 1);
    assert_eq!(found(&reader, 5), [b"one"]);
    group(&mut core, 2, vec![Do::Append(keyed(5, b"two")), Do::Append(keyed(5, b"six"))]);
    assert_eq!(found(&reader, 5), [b"one", b"two", b"six"]);
    assert_eq!(found(&reader, 6), [b"other"]);
    assert_eq!(found(&reader, 7), Vec::<Vec<u8>>::new());
}

#[test]
fn keys_next_to_each_other_are_not_mixed_up() {
    let mut core = on_memory();
    for key in [0, 1, u128::MAX - 1, u128::MAX] {
        group(&mut core, 0, vec![Do::Append(keyed(key, &key.to_be_bytes()))]);
    }
    settle(&mut core, 1);
    for key in [0, 1, u128::MAX - 1, u128::MAX] {
        assert_eq!(found(&core.reader(), key), [key.to_be_bytes()]);
    }
}

#[test]
fn a_record_found_by_its_key_is_told_with_its_place() {
    let mut core = on_memory();
    group(&mut core, 0, vec![Do::Append(in_lane(Lane::Histories, 4, b"before"))]);
    let mut append = in_lane(Lane::Histories, 2, b"events");
    append.key = Some(9);
    group(&mut core, 1, vec![Do::Append(append)]);
    let records = core.reader().by_key(9).expect("readable");
    assert_eq!(records.len(), 1);
    assert_eq!(
        (records[0].row, records[0].lane, records[0].key),
        (2, Some((Lane::Histories, 5, 2)), Some(9))
    );
}

#[test]
fn what_waits_at_leisure_is_not_found_before_it_is_on_disk() {
    let mut core = on_memory();
    let mut append = leisurely(b"slow");
    append.key = Some(3);
    group(&mut core, 0, vec![Do::Append(append)]);
    assert!(found(&core.reader(), 3).is_empty());
    group(&mut core, 0, vec![Do::Append(urgent(b"fast"))]);
    assert_eq!(found(&core.reader(), 3), [b"slow"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn by_key_gives_what_was_appended_through_ends_and_kills(
        steps in prop::collection::vec((0..5_u128, any::<[u8; 4]>(), 0..8_u8), 1..25),
    ) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("store");
        let mut core = in_file(&path);
        let mut expected: BTreeMap<u128, Vec<Vec<u8>>> = BTreeMap::new();
        for (millis, (key, bytes, fate)) in steps.into_iter().enumerate() {
            group(&mut core, millis as u64, vec![Do::Append(keyed(key, &bytes))]);
            expected.entry(key).or_default().push(bytes.to_vec());
            match fate {
                0 => {
                    core.close().expect("the disk is good");
                    core = in_file(&path);
                }
                1 => {
                    drop(core);
                    core = in_file(&path);
                }
                _ => {}
            }
            for (&key, expected) in &expected {
                prop_assert_eq!(&found(&core.reader(), key), expected);
            }
        }
    }
}
