//! Whether a crate from outside stays behind its module, as the block `crates` of ARCHITECTURE.md says: lines of
//! `name: path path`, each a file or the beginning of several. Test code may name what it likes.

use std::collections::BTreeMap;

use crate::arrows::REMEDY;
use crate::repository::Repository;
use crate::tokens::{tokens, without_tests};

pub(crate) fn check(repository: &Repository) -> Vec<String> {
    let owners = match owners(repository) {
        Ok(owners) => owners,
        Err(complaint) => return vec![complaint],
    };
    let mut complaints = Vec::new();
    let mut idle: BTreeMap<&str, Vec<&str>> = owners.clone();
    for file in repository.with_extension("rs").filter(|file| is_production(&file.path)) {
        let all = tokens(&file.text);
        for pair in without_tests(&all).0.windows(2).filter(|pair| pair[1].text == "::") {
            let (name, line) = (pair[0].text, pair[0].line);
            let Some(places) = owners.get(name) else { continue };
            match places.iter().find(|place| file.path.starts_with(**place)) {
                Some(place) => idle.entry(name).or_default().retain(|idle| idle != place),
                None => complaints.push(format!(
                    "{}:{line}: {name} belongs behind {}; {REMEDY}",
                    file.path,
                    places.join(", ")
                )),
            }
        }
    }
    for (name, places) in idle {
        complaints
            .extend(places.iter().map(|place| format!("ARCHITECTURE.md: {place} does not name {name}")));
    }
    complaints
}

fn owners(repository: &Repository) -> Result<BTreeMap<&str, Vec<&str>>, String> {
    let document = repository.file("ARCHITECTURE.md").ok_or("there is no ARCHITECTURE.md")?;
    let block = document.text.split_once("```crates\n").and_then(|(_, rest)| rest.split_once("```"));
    let (block, _) = block.ok_or("ARCHITECTURE.md: there is no block ```crates")?;
    block
        .lines()
        .map(|line| {
            let (name, places) =
                line.split_once(':').ok_or_else(|| format!("ARCHITECTURE.md: {line:?} names no places"))?;
            Ok((name.trim(), places.split_whitespace().collect()))
        })
        .collect()
}

fn is_production(path: &str) -> bool {
    path.contains("/src/")
        && !path.starts_with("tests/")
        && !path.contains("/tests/")
        && !path.ends_with("/tests.rs")
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::planted::Planted;

    #[test]
    fn a_crate_outside_its_module_is_found() {
        let tree = Planted::tidy();
        tree.assert_clean(check);
        tree.append("high/src/clock.rs", "#[cfg(test)]\nmod more { use redb::Database; }\n");
        tree.assert_clean(check);
        tree.append("high/src/run.rs", "use redb::Database;\n");
        tree.assert_complains(check, "high/src/run.rs:4: redb belongs behind high/src/store");
    }

    #[test]
    fn a_place_that_does_not_need_its_crate_is_found() {
        let tree = Planted::tidy();
        tree.replace("ARCHITECTURE.md", "redb: high/src/store", "redb: high/src/store high/src/clock.rs");
        tree.assert_complains(check, "high/src/clock.rs does not name redb");
    }
}
