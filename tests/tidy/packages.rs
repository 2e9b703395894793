//! Whether packages depend on each other as the arrows say. Development dependencies count: a test that needs more
//! belongs into tests/.

use std::collections::BTreeSet;

use crate::arrows::{self, REMEDY};
use crate::manifests::dependencies;
use crate::repository::Repository;

pub(crate) fn check(repository: &Repository) -> Vec<String> {
    let scopes = match arrows::read(repository) {
        Ok(scopes) => scopes,
        Err(complaint) => return vec![complaint],
    };
    let Some(scope) = scopes.get("packages") else {
        return vec!["ARCHITECTURE.md: the arrows have no scope \"packages\"".to_owned()];
    };
    let packages = repository.packages();
    let names: BTreeSet<String> = packages.iter().map(|package| package.name.clone()).collect();
    let mut complaints = Vec::new();
    let mut used = BTreeSet::new();
    for package in &packages {
        if !scope.knows(&package.name) {
            complaints.push(format!("{} has no line among the arrows of packages", package.name));
        }
        for dependency in dependencies(&package.manifest).filter(|found| names.contains(found.name)) {
            used.insert((package.name.clone(), dependency.name.to_owned()));
            if !scope.allows(&package.name, dependency.name) {
                complaints.push(format!(
                    "{}/Cargo.toml: {} must not depend on {}; {REMEDY}",
                    package.folder, package.name, dependency.name
                ));
            }
        }
    }
    complaints.extend(scope.complaints(&used, &names));
    complaints
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::planted::Planted;

    #[test]
    fn a_dependency_without_an_arrow_is_found() {
        let tree = Planted::tidy();
        tree.assert_clean(check);
        tree.append("low/Cargo.toml", "[dev-dependencies]\nhigh.workspace = true\n");
        tree.assert_complains(check, "low must not depend on high");
    }

    #[test]
    fn an_arrow_that_nothing_uses_is_found() {
        let tree = Planted::tidy();
        tree.replace("high/Cargo.toml", "low.workspace = true\n", "");
        tree.assert_complains(check, "high -> low is drawn");
    }

    #[test]
    fn a_circle_among_the_arrows_is_found() {
        let tree = Planted::tidy();
        tree.replace("ARCHITECTURE.md", "  low ->\n", "  low -> high\n");
        tree.append("low/Cargo.toml", "[dev-dependencies]\nhigh.workspace = true\n");
        tree.assert_complains(check, "closes a circle");
    }

    #[test]
    fn a_circle_through_two_files_of_one_idea_is_found() {
        let tree = Planted::tidy();
        tree.replace(
            "ARCHITECTURE.md",
            "  low ->\n  high -> low model\n  model ->\n",
            "  high -> model\n  low <-> high\n  model ->\n",
        );
        tree.append("low/Cargo.toml", "[dev-dependencies]\nhigh.workspace = true\n");
        tree.assert_clean(check);
        tree.replace("ARCHITECTURE.md", "  model ->\n", "  model -> low\n");
        tree.append("shared/model/Cargo.toml", "[dependencies]\nlow.workspace = true\n");
        tree.assert_complains(check, "closes a circle");
    }

    #[test]
    fn a_package_without_a_line_is_found() {
        let tree = Planted::tidy();
        tree.replace("ARCHITECTURE.md", "  low ->\n", "");
        tree.assert_complains(check, "low has no line");
    }
}
