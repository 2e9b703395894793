//! The real store and core on a disk that loses what is not synced: every promise holds after every cut.
//!
//! `TIDEGATE_CUTS=100000` makes more cuts, `TIDEGATE_SEED=<n>` repeats a run. What is found is told with the seed.

mod disk;
mod ledger;
mod world;
mod explore;

use explore::{Findings, explore};
use ledger::Fault;

/// Cuts in a run without TIDEGATE_CUTS.
const CUTS: usize = 2_160;
/// Cuts within which a planted fault must be found.
const CUTS_FOR_A_FAULT: usize = 400;
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
