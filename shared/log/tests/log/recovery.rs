//! What is on disk comes back, by snapshot and by tail.

use redb::ReadableTable;
use tempfile::TempDir;
use tidegate_log::{Error, Store};
use tidegate_model::id::Epoch;
use tidegate_model::lane::Lane;

use crate::tally::{Do, Tally, group, in_file, in_lane, keyed, options, urgent};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn a_killed_process_finds_the_state_after_the_last_row() {
    let folder = folder();
    let path = folder.path().join("store");
    let mut core = in_file(&path);
    for n in 0..20_u8 {
        group(
            &mut core,
            u64::from(n),
            vec![Do::Append(in_lane(Lane::Samples, 2, &[n])), Do::Append(urgent(&[n]))],
        );
    }
    let before = core.machine().applied.clone();
    drop(core);

    let mut tally = Tally::default();
    let (store, recovered) = Store::open(&path, &options(), &mut tally).expect("it opens");
    assert_eq!(tally.applied, before);
    assert_eq!((recovered.created, recovered.snapshot_row, recovered.rows_replayed), (false, 0, 20));
    assert_eq!(store.last_row(), 20);
}

#[test]
fn an_orderly_end_leaves_nothing_to_replay() {
    let folder = folder();
    let path = folder.path().join("store");
    let mut core = in_file(&path);
    group(
        &mut core,
        0,
        vec![Do::Append(in_lane(Lane::Control, 1, b"one")), Do::BeginEpoch(Epoch::from_u128(9))],
    );
    let before = core.close().expect("the disk is good").applied;

    let mut tally = Tally::default();
    let (store, recovered) = Store::open(&path, &options(), &mut tally).expect("it opens");
    assert_eq!(tally.applied, before);
    assert_eq!((recovered.snapshot_row, recovered.rows_replayed), (1, 0));
    assert_eq!(store.epoch(), Epoch::from_u128(9));
    assert_eq!(store.reader().lane_head(Lane::Control).expect("in memory").next, 2);
}

#[test]
fn the_engine_time_of_a_new_process_is_not_before_the_last_row() {
    let folder = folder();
    let path = folder.path().join("store");
    let mut core = in_file(&path);
    group(&mut core, 86_400_000, vec![Do::Append(urgent(b"late"))]);
    drop(core);
    let mut core = in_file(&path);
    // The wall clock was set back by a day between the two.
    group(&mut core, 0, vec![Do::Append(urgent(b"later"))]);
    let times: Vec<_> = core.machine().applied.iter().map(|applied| applied.time).collect();
    assert!(times[1] >= times[0], "{times:?}");
}

#[test]
fn the_tail_goes_on_where_the_snapshot_stands() {
    let folder = folder();
    let path = folder.path().join("store");
    let mut core = in_file(&path);
    group(&mut core, 0, vec![Do::Append(keyed(5, b"settled"))]);
    core.close().expect("the disk is good");
    let mut core = in_file(&path);
    group(&mut core, 1, vec![Do::Append(keyed(5, b"tail"))]);
    let before = core.machine().applied.clone();
    drop(core);
    let core = in_file(&path);
    assert_eq!(core.machine().applied, before);
    let bytes: Vec<_> = core.reader().by_key(5).expect("readable").into_iter().map(|r| r.bytes).collect();
    assert_eq!(bytes, [b"settled".to_vec(), b"tail".to_vec()]);
}

#[test]
fn a_record_that_is_not_understood_names_its_row_and_leaves_the_file_good() {
    let folder = folder();
    let path = folder.path().join("store");
    let mut core = in_file(&path);
    group(&mut core, 0, vec![Do::Append(urgent(b"fine"))]);
    group(&mut core, 0, vec![Do::Append(urgent(b"poison"))]);
    drop(core);
    let mut allergic = Tally { poisoned: true, ..Tally::default() };
    let error = Store::open(&path, &options(), &mut allergic).expect_err("it does not take poison");
    assert!(matches!(error, Error::NotUnderstood { row: 2, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("row 2") && text.contains(&path.display().to_string()), "{text}");
    Store::open(&path, &options(), &mut Tally::default()).expect("another release understands it");
}

#[test]
fn a_row_that_does_not_check_out_names_itself_and_the_remedy() {
    let check = |what: &str, spoil: fn(&mut Vec<u8>)| {
        let folder = folder();
        let path = folder.path().join("store");
        let mut core = in_file(&path);
        for n in 0..3 {
            group(&mut core, n, vec![Do::Append(in_lane(Lane::Samples, 1, &n.to_be_bytes()))]);
        }
        drop(core);
        rewrite(&path, 2, spoil);
        let error = Store::open(&path, &options(), &mut Tally::default()).expect_err("row 2 is spoilt");
        assert!(
            matches!(&error, Error::CorruptRow { row: 2, .. } | Error::CorruptRow { row: 3, .. }),
            "{what}: {error}"
        );
        let text = error.to_string();
        assert!(
            text.contains(&path.display().to_string()) && text.contains("set the file aside"),
            "{what}: {text}"
        );
    };
    check("a flipped bit", |row| row[40] ^= 1);
    check("a row cut short", |row| row.truncate(30));
    check("no bytes at all", Vec::clear);
    check("a row exchanged for another whole one", |row| {
        *row =
            std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/row.bin")).expect("in the tree");
    });
}

#[test]
fn a_row_that_is_missing_in_the_middle_is_found_out() {
    let folder = folder();
    let path = folder.path().join("store");
    let mut core = in_file(&path);
    for n in 0..3 {
        group(&mut core, n, vec![Do::Append(urgent(b"row"))]);
    }
    drop(core);
    let database = redb::Database::open(&path).expect("a database");
    let write = database.begin_write().expect("a transaction");
    write.open_table(LOG).expect("a table").remove(2).expect("a row");
    write.commit().expect("a commit");
    drop(database);
    let error = Store::open(&path, &options(), &mut Tally::default()).expect_err("row 2 is missing");
    assert!(matches!(error, Error::CorruptRow { row: 2, .. }), "{error}");
}

const LOG: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("log");

/// Changes the stored bytes of a row behind the store's back.
fn rewrite(path: &std::path::Path, row: u64, change: fn(&mut Vec<u8>)) {
    let database = redb::Database::open(path).expect("a database");
    let write = database.begin_write().expect("a transaction");
    {
        let mut log = write.open_table(LOG).expect("a table");
        let mut bytes = log.get(row).expect("readable").expect("a row").value().to_vec();
        change(&mut bytes);
        log.insert(row, bytes.as_slice()).expect("writable");
    }
    write.commit().expect("a commit");
}
