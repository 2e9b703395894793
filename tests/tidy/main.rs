//! Rules about the repository itself that a compiler does not check. Each check reads a tree and gives complaints; each
//! is also run on a small tree with a violation planted in it, so that a check that sees nothing is noticed.

mod repository;
mod tokens;
mod arrows;
mod packages;
mod modules;
mod crates;
mod manifests;
mod sources;
mod limits;
mod documents;
#[cfg(test)]
mod planted;

use repository::Repository;

/// Files longer than the rest, each with the reason why it is one idea.
const LONG_FILES: &[(&str, &str)] = &[
    ("shared/engine/tests/promises/child.rs", "transcripts of one subject, each to be read by itself"),
    (
        "shared/engine/tests/promises/random_programs.rs",
        "one generator: what may happen stands beside what it does",
    ),
];

#[test]
fn packages_depend_as_the_arrows_say() {
    assert_tidy(packages::check);
}

#[test]
fn modules_name_each_other_as_the_arrows_say() {
    assert_tidy(modules::check);
}

#[test]
fn crates_from_outside_stay_behind_their_modules() {
    assert_tidy(crates::check);
}

#[test]
fn every_package_inherits_the_lints_and_takes_its_crates_from_the_one_table() {
    assert_tidy(manifests::check);
}

#[test]
fn every_source_says_what_it_is_for_and_leaves_nothing_open() {
    assert_tidy(|repository| sources::check(repository, LONG_FILES));
}

#[test]
fn every_limit_is_kept_by_somebody() {
    assert_tidy(limits::check);
}

#[test]
fn links_lead_somewhere_and_every_package_is_on_the_map() {
    assert_tidy(documents::check);
}

#[test]
fn every_law_names_a_test_that_exists() {
    assert_tidy(documents::check_laws);
}

#[test]
fn every_rule_of_temporals_has_a_test_of_its_number() {
    assert_tidy(documents::check_rules);
}

#[test]
fn every_example_configuration_is_loaded_by_a_test() {
    assert_tidy(documents::check_examples);
}

fn assert_tidy(check: impl Fn(&Repository) -> Vec<String>) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a folder below the root");
    let repository = Repository::read(root).expect("the repository can be read");
    let complaints = check(&repository);
    assert!(complaints.is_empty(), "\n  {}\n", complaints.join("\n  "));
}
