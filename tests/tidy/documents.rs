//! Whether the documents tell the truth where a test can see it: links, packages, laws, example configurations.

use std::collections::BTreeSet;

use crate::repository::{File, Repository};
use crate::tokens::tokens;

/// Links of every document, and the packages in the two that a newcomer opens first.
pub(crate) fn check(repository: &Repository) -> Vec<String> {
    let mut complaints = Vec::new();
    for document in repository.with_extension("md") {
        for (link, line) in links(&document.text) {
            let target = resolve(&document.path, link);
            if !repository.has(&target) {
                complaints
                    .push(format!("{}:{line}: the link {link} leads nowhere ({target})", document.path));
            }
        }
    }
    for name in ["README.md", "ARCHITECTURE.md"] {
        let Some(document) = repository.file(name) else {
            complaints.push(format!("there is no {name}"));
            continue;
        };
        for package in repository.packages() {
            if !document.text.contains(&package.folder) {
                complaints.push(format!("{name} does not mention {}", package.folder));
            }
        }
    }
    complaints
}

/// Relative links of a document with their lines, without anchors and code.
fn links(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut in_code = false;
    (1..)
        .zip(text.lines())
        .filter(move |(_, line)| {
            let fence = line.trim_start().starts_with("```");
            in_code ^= fence;
            !in_code && !fence
        })
        .flat_map(|(number, line)| {
            line.split("](").skip(1).filter_map(move |rest| {
                let (target, _) = rest.split_once(')')?;
                let target = target.split('#').next().unwrap_or_default();
                let outside = target.contains("://") || target.starts_with("mailto:");
                (!target.is_empty() && !outside).then_some((target, number))
            })
        })
}

fn resolve(document: &str, link: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// The laws in ARCHITECTURE.md: a table whose rows begin with a number and whose last column names tests.
pub(crate) fn check_laws(repository: &Repository) -> Vec<String> {
    let Some(document) = repository.file("ARCHITECTURE.md") else {
        return vec!["there is no ARCHITECTURE.md".to_owned()];
    };
    let tests = tests(repository);
    let mut complaints = Vec::new();
    let mut laws = 0;
    for (line, text) in (1..).zip(document.text.lines()) {
        let cells: Vec<&str> = text.trim().trim_matches('|').split('|').map(str::trim).collect();
        if !text.starts_with('|') || !cells[0].starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        laws += 1;
        let named: Vec<&str> =
            cells.last().into_iter().flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        if named.is_empty() {
            complaints.push(format!("ARCHITECTURE.md:{line}: the law names no test that can fail"));
        }
        for test in named.into_iter().filter(|test| !tests.contains(test)) {
            complaints.push(format!("ARCHITECTURE.md:{line}: there is no test {test}"));
        }
    }
    if laws == 0 {
        complaints.push("ARCHITECTURE.md has no laws".to_owned());
    }
    complaints
}

/// Rules of Temporal that docs/compatibility-rules.md accounts for, numbered from 1.
const RULES: usize = 48;

/// The rules in docs/compatibility-rules.md: a row for each number, which names a test of that number.
pub(crate) fn check_rules(repository: &Repository) -> Vec<String> {
    const PAGE: &str = "docs/compatibility-rules.md";
    let Some(document) = repository.file(PAGE) else {
        return vec![format!("there is no {PAGE}")];
    };
    let tests = tests(repository);
    let mut complaints = Vec::new();
    for rule in 1..=RULES {
        let row = document.text.lines().find(|line| line.starts_with(&format!("| {rule} |")));
        let named = row.and_then(|row| row.rsplit('`').nth(1));
        match named {
            None => complaints.push(format!("{PAGE}: rule {rule} names no test")),
            Some(test) if !test.starts_with(&format!("rule_{rule}_")) => {
                complaints.push(format!("{PAGE}: the test of rule {rule} is of another rule: {test}"));
            }
            Some(test) if !tests.contains(test) => {
                complaints.push(format!("{PAGE}: there is no test {test}"));
            }
            Some(_) => {}
        }
    }
    complaints
}

/// Names of the functions that stand right after a test's attribute.
fn tests(repository: &Repository) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for file in repository.with_extension("rs") {
        let words = tokens(&file.text);
        for (at, _) in words
            .windows(2)
            .enumerate()
            .filter(|(_, pair)| pair[0].text == "test" && matches!(pair[1].text, "]" | "("))
        {
            let function = words[at..].iter().take(40).skip_while(|word| word.text != "fn").nth(1);
            found.extend(function.map(|word| word.text));
        }
    }
    found
}

/// Every file under config/ is named, by its path, in a source that has tests or serves them; or its folder is.
pub(crate) fn check_examples(repository: &Repository) -> Vec<String> {
    let has_tests = |file: &&File| {
        file.path.starts_with("tests/") || ["test]", "test("].iter().any(|mark| file.text.contains(mark))
    };
    let sources: Vec<&File> = repository.with_extension("rs").filter(has_tests).collect();
    let mut complaints = Vec::new();
    for example in repository.files().iter().filter(|file| file.path.starts_with("config/")) {
        let folder = example.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let named = sources.iter().any(|source| {
            source.text.contains(&example.path)
                || folder != "config"
                    && (source.text.contains(&format!("{folder}\""))
                        || source.text.contains(&format!("{folder}/\"")))
        });
        if !named {
            complaints.push(format!("{}: no test loads it", example.path));
        }
    }
    if complaints.is_empty() && !repository.has("config") {
        complaints.push("there are no example configurations in config/".to_owned());
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planted::Planted;

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let tree = Planted::tidy();
        tree.assert_clean(check);
        tree.write(
            "docs/more.md",
            "See [here](../low/src/lib.rs#L1), [there](https://example.org/x) and [this](gone.md).\n",
        );
        tree.assert_complains(check, "docs/more.md:1: the link gone.md leads nowhere (docs/gone.md)");
    }

    #[test]
    fn a_package_that_is_on_no_map_is_found() {
        let tree = Planted::tidy();
        tree.replace("README.md", "shared/model", "elsewhere");
        tree.assert_complains(check, "README.md does not mention shared/model");
    }

    #[test]
    fn a_law_without_a_test_is_found() {
        let tree = Planted::tidy();
        tree.assert_clean(check_laws);
        tree.replace("ARCHITECTURE.md", "`time_goes_on`", "by care");
        tree.assert_complains(check_laws, "names no test");
        tree.replace("ARCHITECTURE.md", "by care", "`time_stands_still`");
        tree.assert_complains(check_laws, "there is no test time_stands_still");
    }

    #[test]
    fn a_rule_without_a_test_of_its_own_is_found() {
        let tree = Planted::tidy();
        tree.assert_complains(check_rules, "there is no docs/compatibility-rules.md");
        let (mut rows, mut tests) = (String::new(), String::new());
        for rule in 1..=RULES {
            rows.push_str(&format!("| {rule} | holds | `rule_{rule}_holds` |\n"));
            tests.push_str(&format!("#[test]\nfn rule_{rule}_holds() {{}}\n"));
        }
        tree.write("docs/compatibility-rules.md", &rows);
        tree.append("high/src/clock.rs", &tests);
        tree.assert_clean(check_rules);
        tree.replace("docs/compatibility-rules.md", "`rule_7_holds`", "`rule_8_holds`");
        tree.assert_complains(check_rules, "the test of rule 7 is of another rule: rule_8_holds");
        tree.replace("docs/compatibility-rules.md", "`rule_9_holds`", "by care");
        tree.assert_complains(check_rules, "rule 9 names no test");
        tree.replace("high/src/clock.rs", "fn rule_11_holds", "fn rule_11_gone");
        tree.assert_complains(check_rules, "there is no test rule_11_holds");
    }

    #[test]
    fn a_function_that_is_no_test_does_not_count() {
        let tree = Planted::tidy();
        tree.replace("high/src/clock.rs", "#[test]", "");
        tree.assert_complains(check_laws, "there is no test time_goes_on");
    }

    #[test]
    fn an_example_that_no_test_loads_is_found() {
        let tree = Planted::tidy();
        tree.assert_clean(check_examples);
        tree.write("config/other.toml", "");
        tree.assert_complains(check_examples, "config/other.toml: no test loads it");
    }

    #[test]
    fn a_folder_of_examples_may_be_loaded_as_a_whole() {
        let tree = Planted::tidy();
        tree.write("config/pipelines/ward.toml", "");
        tree.assert_complains(check_examples, "config/pipelines/ward.toml: no test loads it");
        tree.append("high/src/clock.rs", "const ALL: &str = \"../config/pipelines\";\n");
        tree.assert_clean(check_examples);
    }
}
