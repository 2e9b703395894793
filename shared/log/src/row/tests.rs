//! The bytes of rows and snapshots: what an earlier release wrote is read, and nothing that is read can panic.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tidegate_model::codec::{self, HEADER_BYTES, Kind};
use tidegate_model::id::BootId;
use tidegate_model::time::ClockState;

use super::*;
use crate::machine::Append;
use crate::pending::{Pending, SealedRow};
use crate::snapshot::{self, Standing};

#[test]
fn the_bytes_of_a_row_are_those_of_the_first_release() {
    check_golden("row.bin", &example(&mut Packer::plain()).stored);
}

#[test]
fn the_bytes_of_a_snapshot_are_those_of_the_first_release() {
    check_golden("snapshot.bin", &snapshot::seal(&standing(), STATE, &mut Packer::plain()));
}

#[test]
fn a_row_packed_by_an_earlier_release_reads_as_it_was_written() {
    let stored = golden("row-packed.bin", &example(&mut Packer::new()).stored);
    let (head, plain) = read_row(&stored).expect("a whole row");
    let (expected, expected_plain) =
        (example(&mut Packer::plain()), read_row(&stored).expect("a whole row").1);
    assert_eq!(head.number, expected.number);
    assert_eq!(plain, expected_plain);
    assert_eq!(read_row(&expected.stored).expect("a whole row"), (head, plain));
}

#[test]
fn what_is_sealed_is_what_is_read() {
    for packer in [&mut Packer::new(), &mut Packer::plain()] {
        let row = example(packer);
        let (head, plain) = read_row(&row.stored).expect("a whole row");
        assert_eq!((head.number, head.epoch, head.time), (row.number, row.epoch, row.time));
        assert_eq!((head.first(Lane::Samples), head.first(Lane::Control)), (8, 1));
        assert!(head.chain_before(Lane::Samples).is_some() && head.chain_before(Lane::Control).is_none());
        let sections = sections(&plain).expect("records");
        let bytes: Vec<&[u8]> =
            sections.iter().flat_map(|section| &section.entries).map(|entry| entry.3.as_ref()).collect();
        assert_eq!(bytes, [&b"three readings"[..], &b"an event of run 5"[..], &b"a note"[..]]);

        let (read, state) =
            snapshot::open(&snapshot::seal(&standing(), STATE, packer)).expect("a whole snapshot");
        assert_eq!((read, state.as_slice()), (standing(), STATE));
    }
}

#[test]
fn a_flipped_bit_is_found() {
    let stored = example(&mut Packer::new()).stored;
    for at in 0..stored.len() * 8 {
        let mut flipped = stored.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        assert!(read_row(&flipped).is_err(), "bit {at}");
    }
}

#[test]
fn a_size_that_is_claimed_and_not_there_takes_no_memory() {
    let (head, plain) = read_row(&example(&mut Packer::plain()).stored).expect("a whole row");
    let lying = RowHead { unpacked_bytes: u32::MAX, ..head };
    let stored = codec::seal(Kind::Row, FLAG_ZSTD, &codec::to_cbor(&(&lying, Bytes::new(&plain))));
    assert!(matches!(read_row(&stored), Err(DecodeError::TooLarge { .. })));
}

proptest! {
    #[test]
    fn hostile_bytes_are_refused_and_never_panic(body: Vec<u8>, flags in 0..4_u8) {
        survive(&codec::seal(Kind::Row, flags, &body));
        survive(&body);
    }

    #[test]
    fn a_row_with_bytes_exchanged_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        packed: bool,
    ) {
        let mut packer = if packed { Packer::new() } else { Packer::plain() };
        let stored = example(&mut packer).stored;
        let flags = stored[4];
        let mut body = stored[HEADER_BYTES..].to_vec();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        // Sealed again, so that the checksum does not stand in the way of what is behind it.
        survive(&codec::seal(Kind::Row, flags, &body));
    }
}

/// Reads all there is to read of what may not be a row.
fn survive(stored: &[u8]) {
    assert!(snapshot::open(stored).is_err(), "a row is no snapshot");
    let Ok((head, plain)) = read_row(stored) else { return };
    let Ok(sections) = sections(&plain) else { return };
    let mut places = Places::before(&head);
    for entry in sections.iter().flat_map(|section| &section.entries) {
        if places.next(entry).is_err() {
            return;
        }
    }
}

const STATE: &[u8] = b"the whole state of a machine";

fn standing() -> Standing {
    let row = example(&mut Packer::plain());
    Standing { row: row.number, hash: row.hash, epoch: row.epoch, time: row.time, heads: row.heads }
}

fn example(packer: &mut Packer) -> SealedRow {
    let stamp = |millis: u64| Stamp {
        boot: BootId::from_u128(0xb007),
        boottime_ns: millis * 1_000_000,
        wall: Timestamp::from_micros(1_800_000_000_000_000),
        state: ClockState::Synchronised,
        error_us: Some(250),
    };
    let mut heads = [LaneHead::START; Lane::ALL.len()];
    heads[2] = LaneHead { next: 8, chain: Chain::START.after(7, b"seven readings before") };
    let mut pending = Pending::new(41, Epoch::from_u128(0xe90c), heads);
    let time = Timestamp::from_micros(1_800_000_000_000_000);
    let append = |lane, items, key, bytes: &[u8]| Append {
        lane,
        items,
        key,
        bytes: bytes.to_vec(),
        at_leisure: false,
    };
    pending.append(time, stamp(1), &append(Some(Lane::Samples), 3, None, b"three readings"));
    pending.append(time, stamp(1), &append(Some(Lane::Histories), 1, Some(5), b"an event of run 5"));
    let later = Timestamp::from_micros(1_800_000_000_001_000);
    pending.append(later, stamp(2), &append(None, 0, None, b"a note"));
    pending.seal(RowHash::of(b"the row before"), packer)
}

fn check_golden(name: &str, written: &[u8]) {
    assert_eq!(written, golden(name, written), "{name}: a stored form may be added to, never changed");
}

/// Bytes in tests/golden. TIDEGATE_BLESS=1 writes those that are not there yet; it never replaces any.
fn golden(name: &str, written: &[u8]) -> Vec<u8> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if !path.exists() && std::env::var_os("TIDEGATE_BLESS").is_some() {
        fs::write(&path, written).expect("the source tree can be written");
    }
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; TIDEGATE_BLESS=1 writes it", path.display()))
}
