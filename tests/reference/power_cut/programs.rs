//! Random programs of everything that can be asked, over the real store: a process at work is recorded, its power is cut
//! at moments of its life, and another takes over what is left. That must be a state the engine has been in, no earlier
//! than the last answer given; and from there on engine and reference go on alike.

use std::collections::BTreeMap;
use std::fmt;

use tidegate_model::chance::Chance;
use tidegate_model::event::HistoryBatch;
use tidegate_model::id::RunId;
use tidegate_reference::{Coverage, Host, Kept, Op, Sides, State, planted, random};

use crate::disk::{Disk, Loss, Trace};
use crate::explore::{VIOLATIONS_MAX, below, unpanicked};
use crate::process::Process;
use crate::site::Planted;

/// How long a recorded program is.
const LENGTH: usize = 60;
/// Cuts made in one recording, a multiple of the models.
const CUTS_PER_RECORDING: usize = 64;

/// What a run has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) cuts: usize,
    /// Of those, how many were followed by a second one.
    pub(crate) twice: usize,
    /// Of those, how many left a row that nobody had been told of yet.
    pub(crate) in_flight: usize,
    pub(crate) recordings: usize,
    pub(crate) coverage: Coverage,
    /// Broken promises, each with how to see it again.
    pub(crate) violations: Vec<String>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cuts, twice, in_flight, recordings, coverage, violations } = self;
        let (requests, violations) = (coverage.requests(), violations.len());
        write!(
            f,
            "{recordings} programs, {requests} requests, {cuts} cuts, {twice} of them twice, {in_flight} with a row in \
             flight: {violations} violations"
        )
    }
}

/// What a later process is measured by.
struct Past {
    trace: Trace,
    told: Vec<(usize, u64)>,
    kept: Vec<Kept>,
    boot: u64,
}

impl Past {
    fn of(sides: Sides<Process>) -> Self {
        let (trace, told) = (sides.host.disk.trace(), sides.host.told());
        Self { trace, told, kept: sides.kept, boot: sides.host.boot }
    }

    /// The last row that somebody had been told of by then.
    fn told_by(&self, moment: usize) -> u64 {
        let told = self.told.iter().filter(|(at, _)| *at <= moment).map(|(_, row)| *row);
        told.max().unwrap_or(0)
    }
}

/// Makes at least `cuts` cuts, or stops when enough is broken.
pub(crate) fn explore(seed: u64, cuts: usize, planted: Planted) -> Seen {
    let mut seen = Seen::default();
    let mut seeds = Chance::new(seed);
    while seen.cuts < cuts && seen.violations.len() < VIOLATIONS_MAX {
        let recording = seeds.next_u64();
        seen.recordings += 1;
        if let Err(violation) = unpanicked(|| cut_one_recording(recording, planted, &mut seen)) {
            seen.violations.push(format!("program {recording}: {violation}"));
        }
    }
    seen
}

fn cut_one_recording(seed: u64, planted: Planted, seen: &mut Seen) -> Result<(), String> {
    let mut chance = Chance::new(seed);
    let program = random(&mut chance, LENGTH);
    let mut sides = Sides::new(Process::begin(planted, seed)?);
    sides.keep();
    work(&mut sides, &program, &mut chance)?;
    seen.coverage.add(&sides.coverage);
    let past = Past::of(sides);
    for number in 0..CUTS_PER_RECORDING {
        let loss = Loss::ALL[number % Loss::ALL.len()];
        let moment = below(&mut chance, past.trace.len() + 1);
        seen.cuts += 1;
        let cut_seed = chance.next_u64();
        let survived = unpanicked(|| survive(&past, moment, loss, planted, cut_seed, seen));
        if let Err(violation) = survived {
            let all = past.trace.len();
            let told =
                format!("program {seed}, cut {number} at {moment} of {all}, {loss:?} lost: {violation}");
            seen.violations.push(told);
            if seen.violations.len() >= VIOLATIONS_MAX {
                break;
            }
        }
    }
    Ok(())
}

fn work(sides: &mut Sides<Process>, program: &[Op], chance: &mut Chance) -> Result<(), String> {
    for (at, op) in program.iter().enumerate() {
        sides.run(op).map_err(|difference| format!("at operation {at}, {op:?}: {difference}"))?;
        if chance.below(10) == 0 {
            sides.host.upkeep()?;
            sides.keep();
        }
    }
    Ok(())
}

/// Takes over what is left, looks at everything, works on, and in many cases is cut off as well.
fn survive(
    past: &Past,
    moment: usize,
    loss: Loss,
    planted: Planted,
    seed: u64,
    seen: &mut Seen,
) -> Result<(), String> {
    let mut chance = Chance::new(seed);
    let mut sides = take_over(past, moment, loss, planted, &mut chance)?;
    seen.in_flight += usize::from(sides.host.last_row() > past.told_by(moment));
    let opened = sides.host.disk.moment();
    let program = random(&mut chance, 8);
    work(&mut sides, &planted::look_at_everything(), &mut chance)?;
    work(&mut sides, &program[3..], &mut chance)?;
    seen.coverage.add(&sides.coverage);
    if chance.below(100) >= 45 {
        return Ok(());
    }
    seen.twice += 1;
    let past = Past::of(sides);
    // Opening writes little, so a moment taken anywhere would seldom be during recovery.
    let end = if chance.below(100) < 60 { opened } else { past.trace.len() };
    let moment = below(&mut chance, end + 1);
    let loss = Loss::ALL[below(&mut chance, Loss::ALL.len())];
    let told = |violation| {
        format!("then at {moment} of {} ({opened} to open), {loss:?} lost: {violation}", past.trace.len())
    };
    let mut sides = take_over(&past, moment, loss, planted, &mut chance).map_err(told)?;
    work(&mut sides, &planted::look_at_everything(), &mut chance).map_err(told)
}

/// The process that comes after a cut, and what the world knows by then.
fn take_over(
    past: &Past,
    moment: usize,
    loss: Loss,
    planted: Planted,
    chance: &mut Chance,
) -> Result<Sides<Process>, String> {
    let image = past.trace.after_cut(moment, loss, chance);
    let process = Process::take_over(Disk::holding(image), planted, past.boot)?;
    let (last, told) = (process.last_row(), past.told_by(moment));
    if told > last {
        return Err(format!("row {told} was answered for, and is gone; the last row is {last}"));
    }
    let kept = past.kept.iter().find(|kept| kept.row == last);
    let Kept { mut state, engine, .. } =
        kept.cloned().ok_or_else(|| format!("row {last} was never written"))?;
    let recovered = process.settled().map(|(_, engine)| engine);
    if recovered.as_ref() != Some(&engine) {
        return Err(format!("another state of the engine after row {last}"));
    }
    same_histories(&process.histories()?, &state, |run_id| process.is_open(run_id))?;
    state.crash();
    state.compare_histories()?;
    state.compare_open(|run_id| process.is_open(run_id))?;
    let mut sides = Sides::at(process, state);
    sides.keep();
    Ok(sides)
}

/// The log has the histories that were seen: of open runs all of them, of others what was not trimmed.
fn same_histories(
    found: &BTreeMap<RunId, Vec<HistoryBatch>>,
    state: &State,
    is_open: impl Fn(RunId) -> bool,
) -> Result<(), String> {
    for (run_id, batches) in &state.seen.histories {
        let found = found.get(run_id).map_or(&[][..], Vec::as_slice);
        let is_right = if is_open(*run_id) { found == batches } else { batches.ends_with(found) };
        if !is_right {
            return Err(format!("the log has another history of run {run_id} than was written"));
        }
    }
    match found.keys().find(|run_id| !state.seen.histories.contains_key(*run_id)) {
        Some(run_id) => Err(format!("the log has a run {run_id} that was never seen")),
        None => Ok(()),
    }
}
