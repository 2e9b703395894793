//! The engine against the reference: random programs of everything that can be asked, and after each operation the same
//! answers and the same histories; after each crash, too.
//!
//! `PROGRAMS=n` runs more of them, `SEED=n` begins elsewhere. A program that fails is made as short as it gets and
//! printed.

mod faults;

use std::env;

use tidegate_model::chance::Chance;
use tidegate_reference::{Coverage, Difference, InMemory, Op, Sides, random};

/// How many programs everyday runs: enough that everything happens.
const PROGRAMS: u64 = 800;
/// How long a program is.
const LENGTH: usize = 160;
/// Failures after which a run is over: more say no more.
const FAILURES_MAX: usize = 5;

#[test]
fn the_engine_does_what_the_reference_does_whatever_happens() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let programs = number("PROGRAMS").unwrap_or(PROGRAMS);
    let seed = number("SEED").unwrap_or(1);
    let mut coverage = Coverage::default();
    let mut failures = Vec::new();
    for seed in seed..seed + programs {
        let program = random(&mut Chance::new(seed), LENGTH);
        let mut sides = Sides::new(InMemory::default());
        if let Err((at, difference)) = run(&mut sides, &program) {
            let short = shortened(&program[..=at]);
            let mut again = Sides::new(InMemory::default());
            let difference = run(&mut again, &short).err().map_or(difference, |(_, difference)| difference);
            let lines: Vec<String> = short.iter().map(|op| format!("  {op:?}")).collect();
            failures.push(format!(
                "seed {seed}, {} operations:\n{}\n{difference}",
                short.len(),
                lines.join("\n")
            ));
            if failures.len() == FAILURES_MAX {
                break;
            }
        }
        coverage.add(&sides.coverage);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    println!("{programs} programs from SEED={seed} on, {} requests", coverage.requests());
    println!("the rarest things: {:?}", coverage.rarest(10));
    if programs >= PROGRAMS {
        let surprises = coverage.surprises();
        assert!(surprises.is_empty(), "{surprises:#?}");
    }
}

/// Runs a program; gives where it fails and with what.
fn run(sides: &mut Sides<InMemory>, program: &[Op]) -> Result<(), (usize, Difference)> {
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
        match run(&mut Sides::new(InMemory::default()), &without) {
            Err((last, _)) => {
                without.truncate(last + 1);
                short = without;
            }
            Ok(()) => at += 1,
        }
    }
    short
}
