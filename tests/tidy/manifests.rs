//! Whether every manifest inherits the lints and takes its crates from the one table, and whether that is all used.

use std::collections::BTreeSet;

use crate::repository::Repository;

/// A dependency as a manifest states it.
#[derive(Debug)]
pub(crate) struct Dependency<'a> {
    pub(crate) name: &'a str,
    pub(crate) inherited: bool,
}

/// All dependencies of a manifest: of the package, of its tests, of its build, of one target.
pub(crate) fn dependencies(manifest: &toml::Table) -> impl Iterator<Item = Dependency<'_>> {
    let targets = manifest
        .get("target")
        .and_then(toml::Value::as_table)
        .into_iter()
        .flat_map(|targets| targets.values());
    let tables = targets.filter_map(toml::Value::as_table).chain([manifest]);
    tables
        .flat_map(|table| {
            ["dependencies", "dev-dependencies", "build-dependencies"].map(|kind| table.get(kind))
        })
        .filter_map(|found| found.and_then(toml::Value::as_table))
        .flat_map(|found| found.iter())
        .map(|(name, value)| Dependency {
            name,
            inherited: value.get("workspace").and_then(toml::Value::as_bool) == Some(true),
        })
}

pub(crate) fn check(repository: &Repository) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut used = BTreeSet::new();
    let packages = repository.packages();
    for package in &packages {
        let manifest = format!("{}/Cargo.toml", package.folder);
        let lints = package.manifest.get("lints").and_then(|lints| lints.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            complaints.push(format!("{manifest}: add [lints] workspace = true"));
        }
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            let inherited = package.manifest["package"].get(key).and_then(|value| value.get("workspace"));
            if inherited.is_none() {
                complaints.push(format!("{manifest}: write {key}.workspace = true"));
            }
        }
        for dependency in dependencies(&package.manifest) {
            used.insert(dependency.name.to_owned());
            if !dependency.inherited {
                complaints.push(format!(
                    "{manifest}: {} is not from the workspace's table; move it there, with its reason",
                    dependency.name
                ));
            }
        }
    }
    let workspace = repository.workspace();
    let table =
        workspace["workspace"]["dependencies"].as_table().expect("the workspace has a table of dependencies");
    for name in table.keys().filter(|name| !used.contains(*name)) {
        if !packages.iter().any(|package| package.name == *name) {
            complaints.push(format!("Cargo.toml: no package takes {name} from the table"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::planted::Planted;

    #[test]
    fn a_package_that_does_not_inherit_the_lints_is_found() {
        let tree = Planted::tidy();
        tree.assert_clean(check);
        tree.replace("low/Cargo.toml", "[lints]\nworkspace = true\n", "");
        tree.assert_complains(check, "low/Cargo.toml: add [lints]");
    }

    #[test]
    fn a_package_with_a_version_of_its_own_is_found() {
        let tree = Planted::tidy();
        tree.replace("low/Cargo.toml", "version.workspace = true", "version = \"2.0.0\"");
        tree.assert_complains(check, "low/Cargo.toml: write version.workspace");
    }

    #[test]
    fn a_crate_from_beside_the_table_is_found() {
        for planted in [
            "[dependencies]\nserde = \"1\"\n",
            "[target.'cfg(unix)'.dependencies]\nserde = { version = \"1\" }\n",
        ] {
            let tree = Planted::tidy();
            tree.append("low/Cargo.toml", planted);
            tree.assert_complains(check, "low/Cargo.toml: serde is not from the workspace's table");
        }
    }

    #[test]
    fn a_crate_that_nobody_takes_is_found() {
        let tree = Planted::tidy();
        tree.append("Cargo.toml", "leftover = \"1\"\n");
        tree.assert_complains(check, "no package takes leftover");
    }
}
