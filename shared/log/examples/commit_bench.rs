//! What a durable commit costs: the log against a raw append and fdatasync of the same bytes, in turns, in one run.
//!
//! ```text
//! cargo run --release -p tidegate-log --example commit_bench -- <folder> [store MiB]
//! ```
//! The folder decides which disk is measured; it is made, and what is put into it is taken away again. Bytes written
//! are the whole disk's, from `/sys/dev/block`, the least of three rounds: leave the machine alone meanwhile. With a
//! size, a store is then filled to it and opened as it lies on the disk in the middle of work, as after SIGKILL.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tidegate_log::{Append, Core, CorruptRecord, Deadline, Machine, Options, Record, Store, Turn, Upkeep};
use tidegate_model::chance::Chance;
use tidegate_model::id::{BootId, Epoch};
use tidegate_model::lane::Lane;
use tidegate_model::time::{ClockState, Stamp, Timestamp};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Bytes of an event: 16 of identity, 100 that repeat and 100 of noise, as a CBOR event with a payload has.
const EVENT_BYTES: usize = 216;
/// Events in a group.
const GROUPS: [usize; 4] = [1, 10, 100, 1_000];
/// Rounds of each; the median is told.
const ROUNDS: usize = 3;
/// Commits in a round.
const COMMITS: usize = 400;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder? (and so, which disk)")?);
    let store_mib = arguments.next().map(|mib| mib.parse::<u64>()).transpose()?;
    fs::create_dir_all(&folder)?;
    say(format_args!(
        "{COMMITS} commits a round, {ROUNDS} rounds, events of {EVENT_BYTES} bytes, one record each, on {}\n",
        folder.display()
    ));
    say(format_args!("events   commits/s          of raw    p99 µs         disk bytes per event   of raw"));
    say(format_args!("/commit  log      raw      append    log    raw     log       raw"));
    for group in GROUPS {
        compare(&folder, group)?;
    }
    if let Some(mib) = store_mib {
        restart(&folder, mib)?;
    }
    Ok(())
}

/// One line of the table.
fn compare(folder: &Path, group: usize) -> Outcome<()> {
    let (mut logs, mut raws) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        logs.push(measure_log(folder, group, round)?);
        raws.push(measure_raw(folder, group, round)?);
    }
    let (log, raw) = (Measured::of(&logs), Measured::of(&raws));
    say(format_args!(
        "{group:<8} {:<8.0} {:<8.0} {:<9.2} {:<6} {:<7} {:<9.0} {:<12.0} {:.2}",
        log.commits_per_second,
        raw.commits_per_second,
        log.commits_per_second / raw.commits_per_second,
        log.p99.as_micros(),
        raw.p99.as_micros(),
        log.bytes_per_event,
        raw.bytes_per_event,
        log.bytes_per_event / raw.bytes_per_event,
    ));
    Ok(())
}

struct Measured {
    commits_per_second: f64,
    p99: Duration,
    bytes_per_event: f64,
}

impl Measured {
    fn new(mut latencies: Vec<Duration>, disk_bytes: u64, group: usize) -> Self {
        latencies.sort_unstable();
        let total: Duration = latencies.iter().sum();
        let commits = latencies.len() as f64;
        Self {
            commits_per_second: commits / total.as_secs_f64(),
            p99: latencies[latencies.len() * 99 / 100],
            bytes_per_event: disk_bytes as f64 / (commits * group as f64),
        }
    }

    /// The median of the rounds, and the least of their disk bytes, which others' writes can only add to.
    fn of(rounds: &[Self]) -> Self {
        let mut speeds: Vec<f64> = rounds.iter().map(|round| round.commits_per_second).collect();
        speeds.sort_by(f64::total_cmp);
        let mut p99s: Vec<Duration> = rounds.iter().map(|round| round.p99).collect();
        p99s.sort_unstable();
        let bytes = rounds.iter().map(|round| round.bytes_per_event);
        Self {
            commits_per_second: speeds[speeds.len() / 2],
            p99: p99s[p99s.len() / 2],
            bytes_per_event: bytes.fold(f64::INFINITY, f64::min),
        }
    }
}

/// The real core: inputs decided, applied, committed, upkeep done in between as the loop does it.
fn measure_log(folder: &Path, group: usize, round: usize) -> Outcome<Measured> {
    let path = folder.join("bench.redb");
    let mut core = open(&path)?;
    let mut events = Events::new(round);
    let before = disk_bytes(folder)?;
    let mut latencies = Vec::with_capacity(COMMITS);
    for commit in 0..COMMITS {
        let inputs = events.take(group);
        let (took, committed) = timed(|| core.turn(stamp(commit), &mut inputs.into_iter()));
        committed?;
        latencies.push(took);
        core.upkeep(Upkeep::Loaded)?;
    }
    let written = disk_bytes(folder)? - before;
    core.close()?;
    fs::remove_file(&path)?;
    Ok(Measured::new(latencies, written, group))
}

/// The floor: the same bytes appended to a file that grows, and synced.
fn measure_raw(folder: &Path, group: usize, round: usize) -> Outcome<Measured> {
    let path = folder.join("bench.raw");
    let mut file = File::create(&path)?;
    let mut events = Events::new(round);
    let before = disk_bytes(folder)?;
    let mut latencies = Vec::with_capacity(COMMITS);
    for _ in 0..COMMITS {
        let bytes = events.take(group).concat();
        let (took, written) = timed(|| file.write_all(&bytes).and_then(|()| file.sync_data()));
        written?;
        latencies.push(took);
    }
    let written = disk_bytes(folder)? - before;
    fs::remove_file(&path)?;
    Ok(Measured::new(latencies, written, group))
}

/// Fills a store and opens a copy of it made while it is open: what a process finds after SIGKILL.
fn restart(folder: &Path, mib: u64) -> Outcome<()> {
    let (path, killed) = (folder.join("bench.redb"), folder.join("bench.killed.redb"));
    let mut core = open(&path)?;
    let mut events = Events::new(0);
    let mut commit = 0;
    while core.store().metrics().held_row_bytes < mib << 20 {
        core.turn(stamp(commit), &mut events.take(1_000).into_iter())?;
        core.upkeep(Upkeep::Loaded)?;
        commit += 1;
    }
    // As long a tail as there ever is: the next commit would be followed by a snapshot.
    let mut tail = 0;
    while !core.upkeep(Upkeep::Loaded)? {
        core.turn(stamp(commit), &mut events.take(1_000).into_iter())?;
        commit += 1;
        tail += 1;
    }
    for _ in 1..tail {
        core.turn(stamp(commit), &mut events.take(1_000).into_iter())?;
        commit += 1;
    }
    fs::copy(&path, &killed)?;
    // Opening syncs the file, and must not be charged with the copying.
    File::open(&killed)?.sync_all()?;
    let length = fs::metadata(&killed)?.len();
    let mut tally = Tally::default();
    let (took, opened) = timed(|| Store::open(&killed, &options(), &mut tally));
    let (store, recovered) = opened?;
    say(format_args!(
        "\nopened a store of {} MiB (file {} MiB) as after SIGKILL in {:.1} ms: snapshot of row {}, {} rows replayed",
        mib,
        length >> 20,
        took.as_secs_f64() * 1_000.0,
        recovered.snapshot_row,
        recovered.rows_replayed,
    ));
    drop((store, core));
    fs::remove_file(&path)?;
    fs::remove_file(&killed)?;
    Ok(())
}

fn open(path: &Path) -> Outcome<Core<Tally>> {
    let mut tally = Tally::default();
    let (store, _) = Store::open(path, &options(), &mut tally)?;
    Ok(Core::new(store, tally, 1))
}

fn options() -> Options {
    Options { cache_bytes: 8 << 20, preallocate_bytes: 16 << 20, new_epoch: Epoch::from_u128(1) }
}

/// Makes events.
struct Events {
    chance: Chance,
    number: u64,
}

impl Events {
    fn new(round: usize) -> Self {
        Self { chance: Chance::new(round as u64), number: 0 }
    }

    fn take(&mut self, count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.event()).collect()
    }

    fn event(&mut self) -> Vec<u8> {
        let mut event = Vec::with_capacity(EVENT_BYTES + 8);
        self.number += 1;
        event.extend_from_slice(&(self.number % 100).to_be_bytes());
        event.extend_from_slice(&self.number.to_be_bytes());
        event.extend((0..100).map(|at: u8| b'a' + at % 26));
        while event.len() < EVENT_BYTES {
            event.extend_from_slice(&self.chance.next_u64().to_le_bytes());
        }
        event.truncate(EVENT_BYTES);
        event
    }
}

/// Appends what it is given and counts it.
#[derive(Debug, Default)]
struct Tally {
    records: u64,
}

impl Machine for Tally {
    type Input = Vec<u8>;
    type Effect = ();

    fn handle(&mut self, turn: &mut Turn<'_, ()>, event: Vec<u8>) {
        let append =
            Append { lane: Some(Lane::Histories), items: 1, key: None, bytes: event, at_leisure: false };
        let record = turn.append(&append);
        self.apply(&record).expect("a count takes every record");
    }

    fn next_deadline(&self) -> Option<Deadline> {
        None
    }

    fn handle_deadline(&mut self, _turn: &mut Turn<'_, ()>) {}

    fn apply(&mut self, _record: &Record<'_>) -> Result<(), CorruptRecord> {
        self.records += 1;
        Ok(())
    }

    fn snapshot(&self) -> Vec<u8> {
        self.records.to_be_bytes().to_vec()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), CorruptRecord> {
        let bytes = snapshot.try_into().map_err(|_| CorruptRecord("not a count".to_owned()))?;
        self.records = u64::from_be_bytes(bytes);
        Ok(())
    }
}

fn stamp(commit: usize) -> Stamp {
    let millis = commit as u64;
    Stamp {
        boot: BootId::from_u128(1),
        boottime_ns: millis * 1_000_000,
        wall: Timestamp::from_micros(1_800_000_000_000_000),
        state: ClockState::Synchronised,
        error_us: Some(100),
    }
}

/// Bytes written to the disk that holds `folder` since the machine started; 0 where the kernel does not say.
/// `/proc/self/io` would not do: it charges whole folios for a small overwrite.
fn disk_bytes(folder: &Path) -> Outcome<u64> {
    let device = fs::metadata(folder)?.dev();
    let (major, minor) = ((device >> 8) & 0xfff, device & 0xff);
    let Ok(text) = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")) else { return Ok(0) };
    // Field 7 is sectors written, of 512 bytes (Linux: Documentation/block/stat.rst).
    let sectors: u64 = text.split_whitespace().nth(6).ok_or("a stat file of another form")?.parse()?;
    Ok(sectors * 512)
}

#[expect(clippy::disallowed_methods, reason = "this program measures")]
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = std::time::Instant::now();
    let result = work();
    (start.elapsed(), result)
}

#[expect(clippy::print_stdout, reason = "a table for a person is what this program makes")]
fn say(line: std::fmt::Arguments<'_>) {
    println!("{line}");
}
