//! A file that cannot be opened says why, and what to do.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidegate_log::{Error, Recovered, Store};
use tidegate_model::id::Epoch;

use crate::tally::{Do, EPOCH, Tally, group, in_file, keyed, options, urgent};

struct Place {
    _folder: TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tidegate.redb");
    Place { _folder: folder, path }
}

/// A place with a store of a few rows in it, not closed in order.
fn used() -> Place {
    let place = place();
    let mut core = in_file(&place.path);
    for n in 0..40_u8 {
        group(&mut core, u64::from(n), vec![Do::Append(keyed(u128::from(n), &[n; 3_000]))]);
    }
    drop(core);
    place
}

fn open(path: &Path) -> Result<(Store, Recovered), Error> {
    Store::open(path, &options(), &mut Tally::default())
}

/// The error, which must name the file.
fn refusal(path: &Path) -> Error {
    let error = open(path).map(|_| ()).expect_err("this must not open");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    error
}

#[test]
fn a_new_store_is_made_whole_or_not_at_all() {
    let place = place();
    let draft = place.path.with_file_name("tidegate.redb.new");
    fs::write(&draft, b"what a power cut left of an earlier try").expect("a file");
    let (store, recovered) = open(&place.path).expect("it is made");
    assert!(recovered.created);
    assert_eq!(store.epoch(), EPOCH);
    assert!(place.path.exists() && !draft.exists());
}

#[test]
fn the_epoch_of_a_store_is_the_one_it_was_made_with() {
    let place = place();
    drop(open(&place.path).expect("it is made"));
    let options = tidegate_log::Options { new_epoch: Epoch::from_u128(77), ..options() };
    let (store, recovered) = Store::open(&place.path, &options, &mut Tally::default()).expect("it opens");
    assert_eq!((recovered.created, store.epoch()), (false, EPOCH));
}

#[test]
fn a_folder_is_not_a_store() {
    let place = place();
    fs::create_dir(&place.path).expect("a folder");
    assert!(matches!(refusal(&place.path), Error::NotAFile { .. }));
}

#[test]
fn a_missing_folder_is_named_as_the_reason() {
    let place = place();
    assert!(matches!(refusal(&place.path.join("deeper/store")), Error::NoFolder { .. }));
    assert!(matches!(refusal(&place.path.with_file_name("missing").join("store")), Error::NoFolder { .. }));
}

#[test]
fn zero_bytes_are_not_taken_for_a_new_store() {
    let place = place();
    fs::write(&place.path, b"").expect("a file");
    assert!(matches!(refusal(&place.path), Error::Empty { .. }));
}

#[test]
fn another_programs_file_is_left_alone() {
    let place = place();
    fs::write(&place.path, b"SQLite format 3\0 and so on").expect("a file");
    assert!(matches!(refusal(&place.path), Error::Foreign { .. }));
    assert_eq!(fs::read(&place.path).expect("still there"), b"SQLite format 3\0 and so on");
}

#[test]
fn another_programs_redb_file_is_left_alone() {
    let place = place();
    let table: redb::TableDefinition<'_, u64, u64> = redb::TableDefinition::new("log");
    let database = redb::Database::create(&place.path).expect("a database");
    let write = database.begin_write().expect("a transaction");
    write.open_table(table).expect("a table").insert(1, 2).expect("a row");
    write.commit().expect("a commit");
    drop(database);
    assert!(matches!(refusal(&place.path), Error::Foreign { .. }));
}

#[test]
fn a_store_of_a_later_release_is_left_alone() {
    let place = used();
    let meta: redb::TableDefinition<'_, &str, u128> = redb::TableDefinition::new("meta");
    let database = redb::Database::open(&place.path).expect("a database");
    let write = database.begin_write().expect("a transaction");
    write.open_table(meta).expect("a table").insert("format", 2).expect("a row");
    write.commit().expect("a commit");
    drop(database);
    assert!(matches!(refusal(&place.path), Error::Newer { found: 2, .. }));
}

#[test]
fn a_store_that_is_open_is_not_opened_twice() {
    let place = used();
    let _first = open(&place.path).expect("it opens");
    assert!(matches!(refusal(&place.path), Error::InUse { .. }));
}

#[test]
fn a_file_that_may_not_be_written_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let place = used();
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o400)).expect("it is ours");
    // Root may write it all the same.
    match open(&place.path) {
        Err(error) => assert!(matches!(error, Error::NoPermission { .. }), "{error}"),
        Ok(_) => assert!(fs::OpenOptions::new().write(true).open(&place.path).is_ok(), "only root gets here"),
    }
}

#[test]
fn a_file_cut_short_is_refused_wherever_it_is_cut() {
    let place = used();
    let whole = fs::read(&place.path).expect("readable");
    for cut in [1, 8, 9, 100, 4_095, 4_096, 10_000, whole.len() / 2, whole.len() - 1] {
        fs::write(&place.path, &whole[..cut]).expect("writable");
        let error = refusal(&place.path);
        let understood =
            matches!(error, Error::Truncated { .. } | Error::Damaged { .. } | Error::Foreign { .. });
        assert!(understood, "cut at {cut}: {error}");
        assert_eq!(fs::read(&place.path).expect("readable"), whole[..cut], "cut at {cut}: it is evidence");
    }
}

#[test]
fn a_damaged_page_is_an_error_and_never_a_panic() {
    let place = used();
    let whole = fs::read(&place.path).expect("readable");
    for page in 0..whole.len() / 4_096 {
        let mut damaged = whole.clone();
        damaged[page * 4_096..(page + 1) * 4_096].fill(0xa5);
        fs::write(&place.path, &damaged).expect("writable");
        // Free pages may be damaged without harm; what opens must hold what was there.
        let mut tally = Tally::default();
        if let Ok((store, _)) = Store::open(&place.path, &options(), &mut tally) {
            assert_eq!((store.last_row(), tally.applied.len()), (40, 40), "page {page}");
        }
    }
}

#[test]
fn a_file_that_will_not_open_is_set_aside_and_a_new_one_begins() {
    let place = place();
    for number in 1..=3 {
        fs::write(&place.path, format!("rubbish {number}")).expect("a file");
        assert!(open(&place.path).is_err());
        let aside = Store::set_aside(&place.path).expect("the folder is ours");
        assert_eq!(aside, place.path.with_file_name(format!("tidegate.redb.unreadable-{number}")));
        assert_eq!(fs::read_to_string(&aside).expect("kept"), format!("rubbish {number}"));
    }
    let mut core = in_file(&place.path);
    group(&mut core, 0, vec![Do::Append(urgent(b"a new beginning"))]);
    assert_eq!(core.store().last_row(), 1);
}

#[test]
fn space_is_taken_before_it_is_needed() {
    use std::os::unix::fs::MetadataExt;
    let place = place();
    let options = tidegate_log::Options { preallocate_bytes: 8 << 20, ..options() };
    let opened = Store::open(&place.path, &options, &mut Tally::default()).expect("it is made");
    let metadata = fs::metadata(&place.path).expect("it is there");
    assert!(metadata.blocks() * 512 >= 8 << 20, "{} blocks", metadata.blocks());
    assert!(metadata.len() < 8 << 20, "the length is redb's business");
    drop(opened);
}
