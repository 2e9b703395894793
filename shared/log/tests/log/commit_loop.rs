//! The loop on its thread.

use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::Duration;

use tidegate_log::{Error, LogHandle, Reader, Runtime, Store, spawn};
use tidegate_model::limits::GROUP_COMMIT_BYTES_MAX;
use tidegate_model::time::{SteadyClock, Timestamp};

use crate::tally::{Do, Tally, WOKEN, at, leisurely, options, urgent};

struct Running {
    log: LogHandle<Do>,
    reader: Reader,
    performed: mpsc::Receiver<Vec<u32>>,
    stopped: mpsc::Receiver<Option<Error>>,
}

/// The loop on memory. `perform` blocks until `performed` is read, so that a test decides when inputs gather. Each
/// look at the clock finds it `step_millis` later.
fn running(step_millis: u64) -> Running {
    let mut tally = Tally::default();
    let backend = redb::backends::InMemoryBackend::new();
    let (store, _) = Store::open_on_backend(backend, &options(), &mut tally).expect("memory is a good disk");
    let reader = store.reader();
    let (performed_at, performed) = mpsc::sync_channel(0);
    let (stopped_at, stopped) = mpsc::channel();
    let mut millis = 0;
    let clock = move || {
        millis += step_millis;
        at(millis)
    };
    let runtime = Runtime {
        clock: Box::new(clock),
        seed: 7,
        perform: Box::new(move |effects| performed_at.send(effects).expect("the test listens")),
        stopped: Box::new(move |error| stopped_at.send(error).expect("the test listens")),
    };
    Running { log: spawn(store, tally, runtime), reader, performed, stopped }
}

fn cause_and_effect(number: u32) -> Do {
    Do::All(vec![Do::Append(urgent(&number.to_be_bytes())), Do::Effect(number)])
}

#[test]
fn a_lone_input_is_committed_without_waiting_for_company() {
    // The clock stands still, so no time limit can have brought this about.
    let running = running(0);
    running.log.send_blocking(cause_and_effect(1)).expect("it runs");
    assert_eq!(running.performed.recv().expect("it runs"), [1]);
    assert_eq!(running.reader.last_row(), 1);
}

#[test]
fn inputs_that_gather_during_a_commit_become_one_group() {
    let running = running(0);
    running.log.send_blocking(cause_and_effect(0)).expect("it runs");
    // The loop is at, or on its way to, handing over the first effect, and cannot go on before it is taken.
    while running.reader.last_row() == 0 {
        std::thread::yield_now();
    }
    for number in 1..=100 {
        running.log.send_blocking(cause_and_effect(number)).expect("there is room");
    }
    assert_eq!(running.performed.recv().expect("it runs"), [0]);
    assert_eq!(running.performed.recv().expect("it runs"), (1..=100).collect::<Vec<_>>());
    assert_eq!(running.reader.last_row(), 2, "a hundred inputs, one row");
    let metrics = running.log.metrics();
    assert_eq!((metrics.commits, metrics.inputs, metrics.last_row), (2, 101, 2));
    assert_eq!(metrics.group_inputs_histogram.total(), 2);
    assert_eq!(metrics.commit_micros_histogram.total(), 2);
}

#[test]
fn a_deadline_wakes_the_loop_without_any_input() {
    let running = running(1);
    running.log.send_blocking(Do::Wake(Duration::from_millis(20))).expect("it runs");
    assert_eq!(running.performed.recv().expect("it wakes"), [WOKEN]);
}

#[test]
fn records_at_leisure_are_committed_without_any_further_input() {
    let running = running(250);
    running.log.send_blocking(Do::Append(leisurely(b"slow"))).expect("it runs");
    while running.reader.last_row() == 0 {
        std::thread::yield_now();
    }
}

#[test]
fn the_loop_ends_in_order_when_every_handle_is_gone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("store");
    let mut tally = Tally::default();
    let (store, _) = Store::open(&path, &options(), &mut tally).expect("it is made");
    let reader = store.reader();
    let (stopped_at, stopped) = mpsc::channel();
    let runtime = Runtime {
        clock: Box::new(|| at(0)),
        seed: 7,
        perform: Box::new(|_| {}),
        stopped: Box::new(move |error| stopped_at.send(error).expect("the test listens")),
    };
    let log = spawn(store, tally, runtime);
    let other = log.clone();
    log.send_blocking(Do::Append(urgent(b"one"))).expect("it runs");
    other.send_blocking(Do::Append(leisurely(b"two"))).expect("it runs");
    drop((log, other));
    assert!(stopped.recv().expect("it ends").is_none());
    assert!(
        matches!(reader.rows_after(0, 1), Err(Error::Closed { .. })),
        "the file is closed, whoever still reads"
    );

    let mut tally = Tally::default();
    let (_, recovered) = Store::open(&path, &options(), &mut tally).expect("it opens");
    assert_eq!(recovered.rows_replayed, 0, "a snapshot was taken at the end");
    assert_eq!(tally.applied.len(), 2, "and what waited at leisure is in it");
}

#[test]
fn the_loop_ends_in_order_when_it_is_told_to_although_handles_are_left() {
    let running = running(0);
    let other = running.log.clone();
    other.send_blocking(Do::Append(leisurely(b"before"))).expect("it runs");
    at_once(other.end());
    assert!(running.stopped.recv().expect("it ends").is_none());
    assert_eq!(other.metrics().last_row, 1, "what came before the end is on disk");
    assert!(running.log.send_blocking(Do::Effect(1)).is_err(), "and nothing more goes in");
    at_once(running.log.end());
}

fn at_once(future: impl Future<Output = ()>) {
    let polled = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_ready(), "the queue has room");
}

#[test]
fn a_loop_with_nothing_to_wait_for_takes_an_input_sent_later() {
    let running = running(0);
    for number in 0..20 {
        running.log.send_blocking(cause_and_effect(number)).expect("it runs");
        assert_eq!(running.performed.recv().expect("it runs"), [number]);
    }
    drop(running.log);
    assert!(running.stopped.recv().expect("it ends").is_none());
}

#[test]
fn an_input_that_came_while_a_deadline_filled_the_group_is_decided_in_the_next() {
    let mut tally = Tally::default();
    let backend = redb::backends::InMemoryBackend::new();
    let (store, _) = Store::open_on_backend(backend, &options(), &mut tally).expect("memory is a good disk");
    let (performed_at, performed) = mpsc::channel();
    // The loop stands still at each look at the clock until the test says what it shows.
    let (look, looks) = mpsc::sync_channel(0);
    let runtime = Runtime {
        clock: Box::new(move || {
            // Taken twice, so that whoever sends the first knows that the loop has come this far.
            at(looks.recv().and_then(|_| looks.recv()).unwrap_or(5))
        }),
        seed: 7,
        perform: Box::new(move |effects| performed_at.send(effects).expect("the test listens")),
        stopped: Box::new(|error| assert!(error.is_none())),
    };
    let log = spawn(store, tally, runtime);
    let nearly_full = Do::Append(leisurely(&vec![0; GROUP_COMMIT_BYTES_MAX - 1]));
    log.send_blocking(Do::All(vec![nearly_full, Do::Wake(Duration::from_millis(5))])).expect("it runs");
    for _ in ["how long to wait", "the time of the turn"] {
        look.send(0).expect("it asks");
        look.send(0).expect("it waits for the answer");
    }
    look.send(0).expect("it has decided, and asks how long to wait");
    log.send_blocking(cause_and_effect(1)).expect("it runs");
    drop((look, log));
    assert_eq!(performed.iter().flatten().collect::<Vec<_>>(), [WOKEN, 1]);
}

#[test]
fn the_clocks_of_a_turn_are_those_the_runtime_showed() {
    let running = running(1_000);
    running.log.send_blocking(cause_and_effect(1)).expect("it runs");
    running.performed.recv().expect("it runs");
    let record = running.reader.rows_after(0, 1).expect("readable").remove(0);
    assert_eq!(record.stamp.boottime_ns % 1_000_000_000, 0);
    assert_eq!(record.time, SteadyClock::new(Timestamp::EPOCH).at(&record.stamp));
}
