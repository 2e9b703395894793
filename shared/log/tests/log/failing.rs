//! A commit that fails is unknown: nothing comes out of it, and nothing is tried again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use tidegate_log::{Core, Error, Runtime, Store, Upkeep, spawn};
use tidegate_model::limits::ROW_BYTES_MAX;

use crate::tally::{Do, Tally, at, group, options, urgent};

/// Memory that refuses to sync from the moment it is told to, for a reason.
#[derive(Debug)]
struct Failing {
    memory: InMemoryBackend,
    broken: Arc<AtomicBool>,
    reason: io::ErrorKind,
}

impl StorageBackend for Failing {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.memory.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) { Err(self.reason.into()) } else { Ok(()) }
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.memory.write(offset, data)
    }
}

fn on_failing_disk(reason: io::ErrorKind) -> (Store, Tally, Arc<AtomicBool>) {
    let broken = Arc::new(AtomicBool::new(false));
    let backend = Failing { memory: InMemoryBackend::new(), broken: Arc::clone(&broken), reason };
    let mut tally = Tally::default();
    let (store, _) = Store::open_on_backend(backend, &options(), &mut tally).expect("still in order");
    (store, tally, broken)
}

#[test]
fn a_failed_commit_releases_no_effect_and_ends_the_core() {
    let (store, tally, broken) = on_failing_disk(io::ErrorKind::BrokenPipe);
    let mut core = Core::new(store, tally, 7);
    group(&mut core, 0, vec![Do::Append(urgent(b"durable"))]);
    broken.store(true, Ordering::SeqCst);
    let cause_and_effect = vec![Do::Append(urgent(b"lost, perhaps")), Do::Effect(1)];
    let error = core.turn(at(1), &mut cause_and_effect.into_iter()).expect_err("the disk is gone");
    assert!(matches!(error, Error::Disk { .. }), "{error}");
    broken.store(false, Ordering::SeqCst);
    let error = core.turn(at(2), &mut [Do::Effect(2)].into_iter()).expect_err("it must not go on");
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
    assert_eq!(core.reader().last_row(), 1, "readers stay at what is known to be on disk");
}

#[test]
fn a_row_that_could_not_be_read_back_is_not_written() {
    let (store, tally, _) = on_failing_disk(io::ErrorKind::BrokenPipe);
    let mut core = Core::new(store, tally, 7);
    // Zeros pack well: as it is stored, this row is small.
    let huge = vec![Do::Append(urgent(&vec![0; ROW_BYTES_MAX + 1]))];
    let error = core.turn(at(1), &mut huge.into_iter()).expect_err("its reader would refuse it");
    assert!(matches!(error, Error::RowTooLarge { row: 1, .. }), "{error}");
    assert_eq!(core.reader().last_row(), 0);
}

#[test]
fn a_full_disk_is_named_as_the_reason() {
    let (store, tally, broken) = on_failing_disk(io::ErrorKind::StorageFull);
    let mut core = Core::new(store, tally, 7);
    broken.store(true, Ordering::SeqCst);
    let error =
        core.turn(at(1), &mut [Do::Append(urgent(b"more"))].into_iter()).expect_err("the disk is full");
    assert!(matches!(error, Error::DiskFull { .. }), "{error}");
    assert!(error.to_string().contains("no space left"), "{error}");
}

#[test]
fn a_snapshot_that_fails_ends_the_core_as_a_row_does() {
    let (store, tally, broken) = on_failing_disk(io::ErrorKind::BrokenPipe);
    let mut core = Core::new(store, tally, 7);
    group(&mut core, 0, vec![Do::Append(urgent(b"durable"))]);
    broken.store(true, Ordering::SeqCst);
    assert!(core.upkeep(Upkeep::Now).is_err());
    let error = core.turn(at(2), &mut [Do::Effect(2)].into_iter()).expect_err("it must not go on");
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
}

#[test]
fn a_failed_commit_stops_the_loop_with_the_error() {
    let (store, tally, broken) = on_failing_disk(io::ErrorKind::BrokenPipe);
    let (stopped_at, stopped) = mpsc::channel();
    let (performed_at, performed) = mpsc::channel();
    let runtime = Runtime {
        clock: Box::new(|| at(0)),
        seed: 7,
        perform: Box::new(move |effects| performed_at.send(effects).expect("the test listens")),
        stopped: Box::new(move |error| stopped_at.send(error).expect("the test listens")),
    };
    broken.store(true, Ordering::SeqCst);
    let log = spawn(store, tally, runtime);
    log.send_blocking(Do::All(vec![Do::Append(urgent(b"lost, perhaps")), Do::Effect(1)]))
        .expect("the first is taken");
    let error = stopped.recv().expect("it stops").expect("with an error");
    assert!(matches!(error, Error::Disk { .. }), "{error}");
    assert_eq!(performed.iter().count(), 0, "no effect came out");
    assert!(log.send_blocking(Do::Effect(2)).is_err(), "and nothing more goes in");
}

#[test]
fn a_machine_that_breaks_its_promise_stops_the_loop_with_an_error() {
    let (store, tally, _) = on_failing_disk(io::ErrorKind::BrokenPipe);
    let (stopped_at, stopped) = mpsc::channel();
    let runtime = Runtime {
        clock: Box::new(|| at(0)),
        seed: 7,
        perform: Box::new(|_| {}),
        stopped: Box::new(move |error| stopped_at.send(error).expect("the test listens")),
    };
    let log = spawn(store, tally, runtime);
    log.send_blocking(Do::Panic).expect("it is taken");
    let error = stopped.recv().expect("it stops").expect("with an error");
    assert!(matches!(&error, Error::Panicked { reason, .. } if reason == "told to"), "{error}");
}
