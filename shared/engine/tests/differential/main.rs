//! The engine against a reference that says the same in the simplest words: random programs of everything that can be
//! asked, and after each operation the same answers and the same histories; after each crash, too.
//!
//! `PROGRAMS=n` runs more of them, `SEED=n` begins elsewhere. A program that fails is made as short as it gets and
//! printed.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the reference asks one thing at a time of an event; what it has not learned fails loudly"
)]

mod coverage;
mod faults;
mod gist;
mod program;
mod reference;
mod sides;

use std::env;

use tidegate_model::chance::Chance;

use coverage::Coverage;
use program::Op;
use sides::{Difference, Sides};

/// How many programs everyday runs: enough that everything happens.
const PROGRAMS: u64 = 1_200;
/// How long a program is.
const LENGTH: usize = 60;

#[test]
fn the_engine_does_what_the_reference_does_whatever_happens() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let programs = number("PROGRAMS").unwrap_or(PROGRAMS);
    let seed = number("SEED").unwrap_or(1);
    let mut coverage = Coverage::default();
    for seed in seed..seed + programs {
        let program = program::random(&mut Chance::new(seed), LENGTH);
        let mut sides = Sides::new();
        if let Err((at, difference)) = run(&mut sides, &program) {
            let short = shortened(&program[..=at]);
            let mut again = Sides::new();
            let difference = run(&mut again, &short).err().map_or(difference, |(_, difference)| difference);
            let lines: Vec<String> = short.iter().map(|op| format!("  {op:?}")).collect();
            panic!("seed {seed}, {} operations:\n{}\n{difference}", short.len(), lines.join("\n"));
        }
        coverage.take(&sides, &program);
    }
    if programs >= PROGRAMS {
        coverage.assert_all();
    }
}

/// Runs a program; gives where it fails and with what.
fn run(sides: &mut Sides, program: &[Op]) -> Result<(), (usize, Difference)> {
    for (at, op) in program.iter().enumerate() {
        sides.run(op).map_err(|difference| (at, difference))?;
    }
    Ok(())
}

/// The program without all it does not need to fail.
fn shortened(program: &[Op]) -> Vec<Op> {
    let mut short = program.to_vec();
    let mut at = 0;
    while at < short.len() {
        let mut without = short.clone();
        without.remove(at);
        match run(&mut Sides::new(), &without) {
            Err((last, _)) => {
                without.truncate(last + 1);
                short = without;
            }
            Ok(()) => at += 1,
        }
    }
    short
}
