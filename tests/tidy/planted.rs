//! A small tree on which every check is content, to plant violations in.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::repository::Repository;

const FILES: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        "[workspace]\nmembers = [\"low\", \"high\", \"shared/model\"]\n[workspace.dependencies]\nlow = { path = \"low\" }\n\
         high = { path = \"high\" }\nmodel = { path = \"shared/model\" }\n",
    ),
    ("low/src/lib.rs", "//! Low.\n"),
    ("high/src/lib.rs", "//! High.\nmod clock;\nmod store;\nmod run;\npub use store::{Row, open};\n"),
    (
        "high/src/clock.rs",
        "//! Looks at the clock.\npub fn tick() {}\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn time_goes_on() {\n        \
         assert!(include_str!(\"../../config/high.toml\").is_empty());\n    }\n}\n",
    ),
    (
        "high/src/store.rs",
        "//! Stores.\nuse crate::clock::tick;\nuse redb::Database;\npub struct Row;\npub fn open() { tick() }\n",
    ),
    ("high/src/run.rs", "//! Runs.\nuse crate::{clock, store};\nuse model::limits::QUEUE_MAX;\n"),
    ("shared/model/src/lib.rs", "//! Model.\npub mod limits;\n"),
    ("shared/model/src/limits.rs", "//! Limits.\npub const QUEUE_MAX: usize = 8;\n"),
    ("config/high.toml", ""),
    ("README.md", "Packages: low, high, shared/model. See [the map](ARCHITECTURE.md).\n"),
    (
        "ARCHITECTURE.md",
        "Packages: low, high, shared/model.\n\n| law | test |\n| --- | --- |\n| 1. Time goes on | `time_goes_on` |\n\n\
         ```arrows\npackages\n  low ->\n  high -> low model\n  model ->\nlow\nhigh\n  run -> *\n  clock ->\n  store -> clock\n\
         shared/model\n  limits ->\n```\n\n```crates\nredb: high/src/store\n```\n",
    ),
];

/// A tree in a folder that goes away with it.
#[derive(Debug)]
pub(crate) struct Planted {
    folder: TempDir,
}

impl Planted {
    /// The tree with nothing wrong in it.
    pub(crate) fn tidy() -> Self {
        let tree = Self { folder: TempDir::new().expect("a folder for a test") };
        for (path, text) in FILES {
            tree.write(path, text);
        }
        for (folder, name, dependencies) in [
            ("low", "low", ""),
            ("high", "high", "low.workspace = true\nmodel.workspace = true\n"),
            ("shared/model", "model", ""),
        ] {
            let inherited = ["version", "edition", "rust-version", "license", "publish"]
                .map(|key| format!("{key}.workspace = true\n"))
                .concat();
            let dependencies = if dependencies.is_empty() {
                String::new()
            } else {
                format!("[dependencies]\n{dependencies}")
            };
            tree.write(
                &format!("{folder}/Cargo.toml"),
                &format!(
                    "[package]\nname = \"{name}\"\n{inherited}{dependencies}[lints]\nworkspace = true\n"
                ),
            );
        }
        tree
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
    }

    pub(crate) fn append(&self, path: &str, text: &str) {
        self.write(path, &(self.text(path) + text));
    }

    /// Puts `new` where `old` stands, which must be somewhere.
    pub(crate) fn replace(&self, path: &str, old: &str, new: &str) {
        let text = self.text(path);
        assert!(text.contains(old), "{path} does not contain {old:?}");
        self.write(path, &text.replace(old, new));
    }

    pub(crate) fn assert_clean(&self, check: impl Fn(&Repository) -> Vec<String>) {
        let complaints = check(&self.read());
        assert!(complaints.is_empty(), "{complaints:#?}");
    }

    pub(crate) fn assert_complains(&self, check: impl Fn(&Repository) -> Vec<String>, expected: &str) {
        let complaints = check(&self.read());
        assert!(
            complaints.iter().any(|complaint| complaint.contains(expected)),
            "no {expected:?} in {complaints:#?}"
        );
    }

    fn read(&self) -> Repository {
        Repository::read(self.folder.path()).expect("the tree can be read")
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).expect("the file is there")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }
}
