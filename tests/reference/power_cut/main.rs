//! The real store and core on a disk that loses what is not synced: every promise holds after every cut. Once with a
//! ledger, in which nothing of the log can be missing unseen; and once with the engine, and random programs of everything
//! that can be asked of it, against the reference.
//!
//! `TIDEGATE_CUTS=100000` makes more cuts, `TIDEGATE_SEED=<n>` repeats a run. What is found is told with the seed.

mod disk;
mod ledger;
mod world;
mod explore;
mod site;
mod process;
mod programs;

use explore::{Findings, explore};
use ledger::Fault;
use site::Planted;
use tidegate_reference::faults;

/// Cuts in a run without TIDEGATE_CUTS.
const CUTS: usize = 1_440;
/// The same of programs.
const CUTS_OF_PROGRAMS: usize = 1_280;
/// Cuts within which a planted fault must be found.
const CUTS_FOR_A_FAULT: usize = 400;
/// The same of programs: what a fault needs is rare in them.
const CUTS_FOR_A_FAULT_IN_PROGRAMS: usize = 1_920;
/// A run without TIDEGATE_SEED is the same run each time: a test that fails must fail again.
const SEED: u64 = 20_261_123;

#[test]
fn no_promise_is_broken_by_any_power_cut() {
    let seed = number("TIDEGATE_SEED").unwrap_or(SEED);
    let cuts = number("TIDEGATE_CUTS").map_or(CUTS, |cuts| usize::try_from(cuts).expect("a sensible number"));
    println!("TIDEGATE_SEED={seed} TIDEGATE_CUTS={cuts}");
    let findings = explore(seed, cuts, Fault::None);
    println!("{findings}");
    assert!(findings.violations.is_empty(), "TIDEGATE_SEED={seed}\n{}", findings.violations.join("\n"));
    assert!(findings.cuts >= cuts);
    assert!(findings.twice * 100 >= findings.cuts * 30, "enough of them with a second cut: {findings}");
    assert!(
        findings.in_flight > 0 && findings.trimmed > 0 && findings.settled > 0,
        "all was at risk: {findings}"
    );
}

#[test]
fn every_answer_is_honoured_after_any_power_cut() {
    let seed = number("TIDEGATE_SEED").unwrap_or(SEED);
    let cuts = number("TIDEGATE_CUTS");
    let cuts = cuts.map_or(CUTS_OF_PROGRAMS, |cuts| usize::try_from(cuts).expect("a sensible number"));
    println!("TIDEGATE_SEED={seed} TIDEGATE_CUTS={cuts}");
    let seen = programs::explore(seed, cuts, Planted::Nothing);
    println!("{seen}");
    assert!(seen.violations.is_empty(), "TIDEGATE_SEED={seed}\n{}", seen.violations.join("\n"));
    assert!(seen.cuts >= cuts);
    assert!(seen.twice * 100 >= seen.cuts * 30, "enough of them with a second cut: {seen}");
    assert!(seen.in_flight > 0, "something was at risk: {seen}");
}

// A net that catches nothing is no proof. Each of these plants a fault that it must catch.

#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    check_caught(Fault::LyingSync, "was committed, and is gone");
}

#[test]
fn an_effect_that_comes_before_its_commit_is_found_out() {
    check_caught(Fault::EffectBeforeCommit, "had effects, and is gone");
}

#[test]
fn a_state_that_changes_beside_the_records_is_found_out() {
    check_caught(Fault::StateBesideRecords, "another state");
}

#[test]
fn a_trim_that_goes_too_far_is_found_out() {
    check_caught(Fault::ForgottenTooEarly, "is not held any more");
}

#[test]
fn a_disk_that_lies_to_the_engine_is_found_out() {
    check_programs_catch(Planted::LyingSync, "was answered for, and is gone");
}

#[test]
fn an_answer_that_comes_before_its_commit_is_found_out() {
    check_programs_catch(Planted::AnswerBeforeCommit, "was answered for, and is gone");
}

#[test]
fn a_recovery_that_drops_a_timer_is_found_out() {
    check_programs_catch(Planted::Recovery(faults::timers_are_dropped), "another state of the engine");
}

#[test]
fn a_recovery_that_forgets_a_heartbeat_is_found_out() {
    check_programs_catch(Planted::Recovery(faults::heartbeats_are_forgotten), "another state of the engine");
}

fn check_programs_catch(planted: Planted, how: &str) {
    let violations = programs::explore(SEED, CUTS_FOR_A_FAULT_IN_PROGRAMS, planted).violations;
    assert!(
        violations.iter().any(|violation| violation.contains(how)),
        "it went unseen; what was seen: {violations:#?}"
    );
}

fn check_caught(fault: Fault, how: &str) {
    let Findings { violations, .. } = explore(SEED, CUTS_FOR_A_FAULT, fault);
    assert!(
        violations.iter().any(|violation| violation.contains(how)),
        "{fault:?} went unseen; what was seen: {violations:#?}"
    );
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}
