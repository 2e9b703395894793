//! Records a process at work, cuts its power at moments of its life, and lets another take over what is left.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::disk::{Disk, Loss};
use tidegate_model::chance::Chance;

use crate::ledger::Fault;
use crate::world::{Past, World};

/// Things a recorded process does.
const WORK: usize = 50;
/// Cuts made in one recording, a multiple of the models.
const CUTS_PER_RECORDING: usize = 240;
/// Violations after which a run is over: more say no more.
pub(crate) const VIOLATIONS_MAX: usize = 10;

/// What a run has seen.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Power cuts, second ones not counted.
    pub(crate) cuts: usize,
    /// Of those, how many were followed by a second one.
    pub(crate) twice: usize,
    /// Of those, how many left a row that nobody had been told of yet.
    pub(crate) in_flight: usize,
    /// Recordings in which a snapshot was taken, and rows trimmed.
    pub(crate) settled: usize,
    pub(crate) trimmed: usize,
    /// Broken promises, each with how to see it again.
    pub(crate) violations: Vec<String>,
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cuts, twice, in_flight, settled, trimmed, violations } = self;
        let violations = violations.len();
        write!(
            f,
            "{cuts} cuts, {twice} of them twice, {in_flight} with a row in flight, {settled} recordings with \
             snapshots, {trimmed} with trimming: {violations} violations"
        )
    }
}

/// Makes at least `cuts` cuts, or stops when enough is broken.
pub(crate) fn explore(seed: u64, cuts: usize, fault: Fault) -> Findings {
    let mut findings = Findings::default();
    let mut seeds = Chance::new(seed);
    while findings.cuts < cuts && findings.violations.len() < VIOLATIONS_MAX {
        let recording_seed = seeds.next_u64();
        if let Err(violation) = unpanicked(|| cut_one_recording(recording_seed, fault, &mut findings)) {
            findings.violations.push(format!("recording {recording_seed}: {violation}"));
        }
    }
    findings
}

fn cut_one_recording(seed: u64, fault: Fault, findings: &mut Findings) -> Result<(), String> {
    let mut chance = Chance::new(seed);
    let mut world = World::begin(fault, &mut chance);
    for _ in 0..WORK {
        world.work(&mut chance)?;
    }
    findings.settled += usize::from(world.settled);
    findings.trimmed += usize::from(world.trimmed);
    let (trace, past) = (world.disk.trace(), world.past());
    drop(world);
    for number in 0..CUTS_PER_RECORDING {
        let loss = Loss::ALL[number % Loss::ALL.len()];
        let moment = below(&mut chance, trace.len() + 1);
        let image = trace.after_cut(moment, loss, &mut chance);
        findings.cuts += 1;
        let cut_seed = chance.next_u64();
        let survived = unpanicked(|| survive(image, moment, &past, cut_seed, findings));
        if let Err(violation) = survived {
            let all = trace.len();
            let told =
                format!("recording {seed}, cut {number} at {moment} of {all}, {loss:?} lost: {violation}");
            findings.violations.push(told);
            if findings.violations.len() >= VIOLATIONS_MAX {
                break;
            }
        }
    }
    Ok(())
}

/// Takes over what is left at `moment`, works on, and in many cases is cut off as well.
fn survive(
    image: Vec<u8>,
    moment: usize,
    past: &Past,
    seed: u64,
    findings: &mut Findings,
) -> Result<(), String> {
    let mut chance = Chance::new(seed);
    let (mut world, last) = take_over(image, moment, past)?;
    findings.in_flight += usize::from(past.promised(moment).map_or(0, |promise| promise.row) < last);
    let opened = world.disk.moment();
    for _ in 0..=chance.below(3) {
        world.work(&mut chance)?;
    }
    let trace = world.disk.trace();
    // What a process leaves that is killed, and not cut off: all that was written.
    let (mut moment, mut loss) = (trace.len(), Loss::Nothing);
    if chance.below(100) < 45 {
        findings.twice += 1;
        // Opening writes little, so a moment taken anywhere would seldom be during recovery.
        let end = if chance.below(100) < 60 { opened } else { trace.len() };
        moment = below(&mut chance, end + 1);
        loss = Loss::ALL[below(&mut chance, Loss::ALL.len())];
    }
    let past = world.past();
    drop(world);
    let image = trace.after_cut(moment, loss, &mut chance);
    let told = |violation| {
        format!("then at {moment} of {} ({opened} to open), {loss:?} lost: {violation}", trace.len())
    };
    let (mut world, _) = take_over(image, moment, &past).map_err(told)?;
    world.work(&mut chance).map_err(|error| format!("work does not go on: {error}"))
}

fn take_over(image: Vec<u8>, moment: usize, past: &Past) -> Result<(World, u64), String> {
    let (world, last) = World::take_over(Disk::holding(image), past.clone())?;
    match past.promised(moment) {
        Some(promise) if promise.row > last => {
            Err(format!("row {} {}, and is gone; the last row is {last}", promise.row, promise.how))
        }
        Some(_) | None => Ok((world, last)),
    }
}

/// A panic is a broken promise as any other.
pub(crate) fn unpanicked(work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(format!("a panic: {}", text(panic.as_ref()))))
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let borrowed = panic.downcast_ref::<&str>().copied();
    borrowed.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}

pub(crate) fn below(chance: &mut Chance, bound: usize) -> usize {
    usize::try_from(chance.below(bound as u64)).expect("below a usize")
}
