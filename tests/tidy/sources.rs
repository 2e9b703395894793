//! Whether every source says what it is for, leaves nothing open, knows no machine, and is one idea long.

use crate::repository::{File, Repository};

/// Lines a file may have before it has to explain itself.
const LINES_MAX: usize = 700;

/// What must not stand in a source, and why. Put together, so that this file does not complain of itself.
const OPEN: &[(&str, &str)] = &[
    (concat!("todo", "!("), "is a promise, not code"),
    (concat!("unimplemented", "!("), "is a promise, not code"),
    (concat!("FIX", "ME"), "belongs into an issue"),
    (concat!("XX", "X"), "belongs into an issue"),
    (concat!("#[ign", "ore"), "is a test that cannot fail; assert what is, and say that it is wrong"),
];

/// Folders at the root of somebody's machine.
const MACHINE_FOLDERS: &[&str] = &["work", "farm", "root", "home", "Users"];

pub(crate) fn check(repository: &Repository, long_files: &[(&str, &str)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in repository.with_extension("rs") {
        if !file.text.starts_with("//!") {
            complaints.push(format!("{}: the first line says what the file is for (`//! …`)", file.path));
        }
        for (line, text) in (1..).zip(file.text.lines()) {
            for (open, why) in OPEN.iter().filter(|(open, _)| text.contains(open)) {
                complaints.push(format!("{}:{line}: {open} {why}", file.path));
            }
        }
        complaints.extend(check_length(file, long_files));
    }
    for (path, _) in long_files {
        let long = repository.file(path).is_some_and(|file| file.text.lines().count() > LINES_MAX);
        if !long {
            complaints.push(format!("{path} is no longer long; strike it from LONG_FILES"));
        }
    }
    for file in repository.files().iter().filter(|file| file.path != "Cargo.lock") {
        for (line, text) in (1..).zip(file.text.lines()).filter(|(_, text)| names_a_machine(text)) {
            complaints.push(format!("{}:{line}: a path of one machine: {}", file.path, text.trim()));
        }
    }
    complaints
}

fn check_length(file: &File, long_files: &[(&str, &str)]) -> Option<String> {
    let lines = file.text.lines().count();
    let explained = long_files.iter().any(|(path, reason)| *path == file.path && !reason.is_empty());
    (lines > LINES_MAX && !explained).then(|| {
        format!(
            "{}: {lines} lines; if it is two ideas, part them, and if it is one, give the reason in LONG_FILES",
            file.path
        )
    })
}

/// Whether a text has an absolute path into a folder of some machine.
fn names_a_machine(text: &str) -> bool {
    MACHINE_FOLDERS.iter().any(|folder| {
        let path = format!("/{folder}/");
        text.match_indices(&path).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            // Within a longer path, a topic or an address it is somebody else's folder.
            before
                .is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.' | '/' | '+' | '}' | '>'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planted::Planted;

    fn check_all(repository: &Repository) -> Vec<String> {
        check(repository, &[])
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        let tree = Planted::tidy();
        tree.assert_clean(check_all);
        tree.write("low/src/more.rs", "use core::fmt;\n");
        tree.assert_complains(check_all, "low/src/more.rs: the first line");
    }

    #[test]
    fn what_is_left_open_is_found() {
        for (open, _) in OPEN {
            let tree = Planted::tidy();
            tree.append("low/src/lib.rs", &format!("// {open}\n"));
            tree.assert_complains(check_all, "low/src/lib.rs:2:");
        }
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        for folder in MACHINE_FOLDERS {
            let tree = Planted::tidy();
            tree.write("docs/setup.md", &format!("Open `/{folder}/me/file`.\n"));
            tree.assert_complains(check_all, "docs/setup.md:1: a path of one machine");
        }
        let tree = Planted::tidy();
        tree.write("docs/setup.md", "The topic plant/home/x, http://host/work/a and /run/tidegate.\n");
        tree.assert_clean(check_all);
    }

    #[test]
    fn a_long_file_needs_a_reason_as_long_as_it_is_long() {
        let tree = Planted::tidy();
        tree.append("low/src/lib.rs", &"fn f() {}\n".repeat(LINES_MAX));
        tree.assert_complains(check_all, "low/src/lib.rs: 701 lines");
        tree.assert_clean(|repository| check(repository, &[("low/src/lib.rs", "one table")]));
        tree.assert_complains(|repository| check(repository, &[("low/src/lib.rs", "")]), "701 lines");
        tree.assert_complains(
            |repository| {
                check(repository, &[("low/src/lib.rs", "one table"), ("high/src/lib.rs", "was long")])
            },
            "high/src/lib.rs is no longer long",
        );
    }
}
