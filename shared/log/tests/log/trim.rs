//! The oldest rows go when nobody needs them, and what is left says truthfully where it begins.

use std::sync::{Arc, Mutex};

use tidegate_log::{Core, LaneHead, Store, TrimPolicy, Upkeep};
use tidegate_model::lane::Lane;

use crate::keys::settle;
use crate::tally::{Do, Forgetting, Tally, group, in_file, in_lane, keyed, leisurely, on_memory, options};

/// 60 rows of three samples and one key each, two snapshots after them, and nothing that may go yet.
fn filled() -> (Core<Tally>, Arc<Mutex<Forgetting>>) {
    let mut core = on_memory();
    fill(&mut core);
    let forgetting = Arc::clone(&core.machine().forgetting);
    (core, forgetting)
}

fn fill(core: &mut Core<Tally>) {
    for n in 0..60_u8 {
        let both =
            vec![Do::Append(in_lane(Lane::Samples, 3, &[n; 100])), Do::Append(keyed(u128::from(n), &[n]))];
        group(core, u64::from(n), both);
    }
    settle(core, 100);
    settle(core, 200);
}

fn allow(forgetting: &Mutex<Forgetting>, acked: u64, open_keys: Vec<u128>) {
    let policy = TrimPolicy { quota_bytes: 0, acked: [0, 0, acked] };
    *forgetting.lock().expect("nobody panics with it") = Forgetting { policy: Some(policy), open_keys };
}

fn trim(core: &mut Core<Tally>) {
    while core.upkeep(Upkeep::Idle).expect("the disk is good") {}
}

#[test]
fn nothing_goes_that_is_not_acknowledged() {
    let (mut core, forgetting) = filled();
    allow(&forgetting, 0, vec![]);
    trim(&mut core);
    assert_eq!(core.reader().lane_first(Lane::Samples).expect("readable"), 1);
    assert_eq!(core.store().metrics().rows_trimmed, 0);
}

#[test]
fn a_trimmed_lane_answers_with_a_later_first_and_the_right_chain() {
    let (mut core, forgetting) = filled();
    let reader = core.reader();
    let whole = reader.lane(Lane::Samples, 1, usize::MAX, usize::MAX).expect("readable").expect("there");
    // 31 is the first of three items, so its row is acknowledged in part, and stays.
    allow(&forgetting, 31, vec![]);
    trim(&mut core);
    assert_eq!(reader.lane_first(Lane::Samples).expect("readable"), 31);
    let left = reader.lane(Lane::Samples, 1, usize::MAX, usize::MAX).expect("readable").expect("there");
    let mut chain = LaneHead::START.chain;
    for (items, bytes) in &whole.records[..10] {
        chain = chain.after(*items, bytes);
    }
    assert_eq!((left.first, left.chain_before), (31, chain));
    assert_eq!(left.records, whole.records[10..]);
    assert_eq!(left.chain_after, whole.chain_after);
    assert_eq!(
        reader.chain_after(Lane::Samples, 30).expect("readable"),
        Some(chain),
        "the oldest still known"
    );
    assert_eq!(reader.chain_after(Lane::Samples, 27).expect("readable"), None, "and not one before it");
    assert_eq!(core.store().metrics().rows_trimmed, 10);
}

#[test]
fn a_row_with_an_open_key_stays_and_all_after_it() {
    let (mut core, forgetting) = filled();
    allow(&forgetting, u64::MAX, vec![7]);
    trim(&mut core);
    let reader = core.reader();
    assert!(reader.by_key(6).expect("readable").is_empty(), "trimmed, and out of the index");
    assert_eq!(reader.by_key(7).expect("readable").len(), 1);
    assert_eq!(reader.rows_after(0, 1).expect("readable")[0].row, 8);
}

#[test]
fn trimming_goes_on_when_the_open_key_is_closed() {
    let (mut core, forgetting) = filled();
    allow(&forgetting, u64::MAX, vec![7]);
    trim(&mut core);
    allow(&forgetting, u64::MAX, vec![]);
    for n in 0..100 {
        group(&mut core, 300 + n, vec![Do::Append(keyed(1_000, b"later"))]);
        trim(&mut core);
    }
    assert!(core.reader().by_key(7).expect("readable").is_empty());
    assert_eq!(core.reader().by_key(1_000).expect("readable").len(), 100);
}

#[test]
fn no_row_goes_that_the_older_snapshot_needs() {
    let (mut core, forgetting) = filled();
    allow(&forgetting, u64::MAX, vec![]);
    trim(&mut core);
    let first = core.reader().rows_after(0, 1).expect("readable")[0].row;
    assert!(first > 60 && first < core.store().last_row(), "{first}");
}

#[test]
fn nothing_goes_on_the_word_of_a_state_that_is_not_on_disk() {
    let (mut core, forgetting) = filled();
    group(&mut core, 300, vec![Do::Append(leisurely(b"acknowledged up to 31"))]);
    allow(&forgetting, 31, vec![]);
    trim(&mut core);
    assert_eq!(core.store().metrics().rows_trimmed, 0, "a kill would take the acknowledgement back");
    group(&mut core, 301, vec![Do::Append(keyed(1_000, b"commit"))]);
    trim(&mut core);
    assert_eq!(core.store().metrics().rows_trimmed, 10);
}

#[test]
fn nothing_goes_while_there_is_room() {
    let (mut core, forgetting) = filled();
    let policy = TrimPolicy { quota_bytes: 1 << 40, acked: [u64::MAX; 3] };
    forgetting.lock().expect("nobody panics with it").policy = Some(policy);
    trim(&mut core);
    assert_eq!(core.store().metrics().rows_trimmed, 0);
}

#[test]
fn an_old_row_that_does_not_check_out_ends_the_trimming_and_not_the_process() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("store");
    let mut core = in_file(&path);
    fill(&mut core);
    drop(core);
    let table: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("log");
    let database = redb::Database::open(&path).expect("a database");
    let write = database.begin_write().expect("a transaction");
    write.open_table(table).expect("a table").insert(5, b"rotten".as_slice()).expect("a row");
    write.commit().expect("a commit");
    drop(database);

    let mut core = in_file(&path);
    allow(&core.machine().forgetting, u64::MAX, vec![]);
    trim(&mut core);
    assert_eq!(core.store().metrics().rows_trimmed, 4);
    group(&mut core, 300, vec![Do::Append(keyed(1, b"it goes on"))]);
    let error = core.reader().lane(Lane::Samples, 1, usize::MAX, usize::MAX).expect_err("row 5 is rotten");
    assert!(matches!(error, tidegate_log::Error::CorruptRow { row: 5, .. }), "{error}");
}

#[test]
fn a_trimmed_store_opens_from_either_of_its_snapshots() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("store");
    let mut core = in_file(&path);
    fill(&mut core);
    allow(&core.machine().forgetting, u64::MAX, vec![]);
    trim(&mut core);
    let (first, last) = (core.reader().lane_first(Lane::Samples).expect("readable"), core.store().last_row());
    let applied = core.machine().applied.clone();
    drop(core);
    assert!(first > 1, "something was trimmed");

    let newest = opened(&path);
    assert_eq!(newest.0.applied, applied);
    spoil_newest_snapshot(&path);
    let older = opened(&path);
    assert_eq!(older.0.applied, applied, "the state is the same, only later");
    assert!(older.1.snapshot_row < newest.1.snapshot_row);
    assert_eq!(older.1.snapshot_row + older.1.rows_replayed, last);

    spoil_newest_snapshot(&path);
    let error = Store::open(&path, &options(), &mut Tally::default()).expect_err("the beginning is gone");
    assert!(matches!(error, tidegate_log::Error::NoSnapshot { .. }), "{error}");
}

fn opened(path: &std::path::Path) -> (Tally, tidegate_log::Recovered) {
    let mut tally = Tally::default();
    let (_, recovered) = Store::open(path, &options(), &mut tally).expect("it opens");
    (tally, recovered)
}

/// Flips a bit in the newest snapshot that is still whole, as a worn cell would.
fn spoil_newest_snapshot(path: &std::path::Path) {
    use redb::{ReadableDatabase, ReadableTable};
    let table: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("snapshot");
    let database = redb::Database::open(path).expect("a database");
    let read = database.begin_read().expect("a transaction").open_table(table).expect("a table");
    let whole = |bytes: &[u8]| {
        tidegate_model::codec::open(tidegate_model::codec::Kind::Snapshot, bytes, usize::MAX).is_ok()
    };
    let entries: Vec<(u64, Vec<u8>)> = read
        .iter()
        .expect("readable")
        .map(|entry| entry.map(|(row, bytes)| (row.value(), bytes.value().to_vec())).expect("readable"))
        .collect();
    let (row, mut bytes) =
        entries.into_iter().rev().find(|(_, bytes)| whole(bytes)).expect("one of the two is whole");
    drop(read);
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    let write = database.begin_write().expect("a transaction");
    write.open_table(table).expect("a table").insert(row, bytes.as_slice()).expect("a row");
    write.commit().expect("a commit");
}
