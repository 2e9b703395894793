//! Whether the top modules of a package name each other as the arrows say: every `crate::…` path, and every `super::…`
//! that comes out at the root. Test code may name what it likes.

use std::collections::{BTreeMap, BTreeSet};

use crate::arrows::{self, REMEDY, Scope};
use crate::repository::{File, Repository};
use crate::tokens::{Token, tokens, without_tests};

pub(crate) fn check(repository: &Repository) -> Vec<String> {
    let scopes = match arrows::read(repository) {
        Ok(scopes) => scopes,
        Err(complaint) => return vec![complaint],
    };
    let mut complaints = Vec::new();
    for package in repository.packages() {
        let source = format!("{}/src/", package.folder);
        let Some(root) = repository.file(&format!("{source}lib.rs")) else { continue };
        match scopes.get(&package.folder) {
            Some(scope) => complaints.extend(check_package(repository, &source, root, scope)),
            None => {
                complaints.push(format!("ARCHITECTURE.md: the arrows have no scope {:?}", package.folder))
            }
        }
    }
    complaints
}

fn check_package(repository: &Repository, source: &str, root: &File, scope: &Scope) -> Vec<String> {
    let files: Vec<(Vec<&str>, &File)> = repository
        .with_extension("rs")
        .filter_map(|file| Some((module_path(file.path.strip_prefix(source)?)?, file)))
        .collect();
    let test_files = test_files(&files, root);
    let modules: BTreeSet<String> = files
        .iter()
        .map(|(path, _)| path)
        .filter(|path| !is_below(path, &test_files))
        .map(|path| path[0].to_owned())
        .collect();
    let root_names = root_names(&root.text, &modules);

    let mut complaints: Vec<String> = modules
        .iter()
        .filter(|module| !scope.knows(module))
        .map(|module| format!("{source}{module}: the module has no line among the arrows"))
        .collect();
    let mut used = BTreeSet::new();
    for (path, file) in files.iter().filter(|(path, _)| !is_below(path, &test_files)) {
        let all = tokens(&file.text);
        for (name, line) in named_at_the_root(&without_tests(&all).0, path) {
            let Some(to) = modules.get(name).or_else(|| root_names.get(name)) else { continue };
            if to == path[0] {
                continue;
            }
            used.insert((path[0].to_owned(), to.clone()));
            if !scope.allows(path[0], to) {
                complaints.push(format!("{}:{line}: {} must not name {to}; {REMEDY}", file.path, path[0]));
            }
        }
    }
    complaints.extend(
        scope.complaints(&used, &modules).into_iter().map(|complaint| format!("{source}: {complaint}")),
    );
    complaints
}

/// `a/b.rs` is module a::b, `a/mod.rs` is a. The root, the programs and what lies beside them are in no module.
fn module_path(path: &str) -> Option<Vec<&str>> {
    let path = path.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["lib" | "main"] | ["bin", ..] => None,
        _ => Some(parts),
    }
}

/// Modules that are declared under `#[cfg(test)]`, as paths.
fn test_files<'a>(files: &[(Vec<&'a str>, &'a File)], root: &'a File) -> BTreeSet<Vec<&'a str>> {
    let declared = |path: &[&'a str], file: &'a File| -> Vec<Vec<&'a str>> {
        let all = tokens(&file.text);
        let (_, names) = without_tests(&all);
        names.into_iter().map(|name| path.iter().copied().chain([name]).collect()).collect()
    };
    let mut found: BTreeSet<Vec<&str>> = declared(&[], root).into_iter().collect();
    for (path, file) in files {
        found.extend(declared(path, file));
    }
    found
}

fn is_below(path: &[&str], parents: &BTreeSet<Vec<&str>>) -> bool {
    parents.iter().any(|parent| path.starts_with(parent))
}

/// What the root shows under a name of its own (`pub use store::Reader`), and whose it is.
fn root_names(source: &str, modules: &BTreeSet<String>) -> BTreeMap<String, String> {
    let all = tokens(source);
    let mut names = BTreeMap::new();
    for (at, _) in all.iter().enumerate().filter(|(_, token)| token.text == "use") {
        let statement: Vec<&Token<'_>> = all[at + 1..].iter().take_while(|token| token.text != ";").collect();
        let owner = statement.iter().find(|token| token.is_word() && !matches!(token.text, "crate" | "self"));
        let Some(owner) = owner.and_then(|token| modules.get(token.text)) else { continue };
        let ends = statement.iter().skip(1).map(|token| token.text).chain([";"]);
        for (token, next) in statement.iter().zip(ends) {
            if token.is_word() && matches!(next, "," | "}" | ";") {
                names.insert(token.text.to_owned(), owner.clone());
            }
        }
    }
    names
}

/// The names that paths from a module look up at the root of the crate, with their lines.
fn named_at_the_root<'a>(tokens: &[Token<'a>], module: &[&str]) -> Vec<(&'a str, usize)> {
    let mut named = Vec::new();
    let mut inline: Vec<usize> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.text {
            "mod" if tokens.get(at + 1).is_some_and(|next| next.text == "{") => inline.push(depth),
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
            }
            "crate" if is_path(tokens, at) => named.extend(first_names(&tokens[at + 1..])),
            "super" if is_path(tokens, at) => {
                let mut left = (module.len() + inline.len()).saturating_sub(1);
                while tokens.get(at + 1).is_some_and(|next| next.text == "super") && is_path(tokens, at + 2) {
                    left = left.saturating_sub(1);
                    at += 2;
                }
                if left == 0 {
                    named.extend(first_names(&tokens[at + 1..]));
                }
            }
            _ => {}
        }
    }
    named
}

fn is_path(tokens: &[Token<'_>], at: usize) -> bool {
    tokens.get(at).is_some_and(|token| token.text == "::")
}

/// The name a path goes on with, or those of a group `{a::b, c}`.
fn first_names<'a>(rest: &[Token<'a>]) -> Vec<(&'a str, usize)> {
    let Some(first) = rest.first() else { return Vec::new() };
    if first.text != "{" {
        return vec![(first.text, first.line)];
    }
    let mut names = Vec::new();
    let mut depth = 0usize;
    let mut before = "";
    for token in rest {
        match token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            name if depth == 1 && matches!(before, "{" | ",") => names.push((name, token.line)),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        before = token.text;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::planted::Planted;

    #[test]
    fn a_path_without_an_arrow_is_found_in_all_its_forms() {
        for planted in [
            "use crate::store::Row;",
            "use crate::{store::Row};",
            "use crate::Row;",
            "fn f() { super::store::open(); }",
            "mod inner { use super::super::{store, clock}; }",
            "fn f() -> crate::store::Row { todo }",
        ] {
            let tree = Planted::tidy();
            tree.assert_clean(check);
            tree.replace("high/src/clock.rs", "pub fn tick() {}", planted);
            tree.assert_complains(check, "high/src/clock.rs:2: clock must not name store");
        }
        let tree = Planted::tidy();
        tree.write("high/src/clock/deep.rs", "//! Deep.\nuse super::super::store::Row;\n");
        tree.assert_complains(check, "high/src/clock/deep.rs:2: clock must not name store");
    }

    #[test]
    fn paths_within_a_module_and_in_tests_are_nobodys_business() {
        let tree = Planted::tidy();
        tree.append(
            "high/src/clock.rs",
            "mod inner { use super::tick; }\n// crate::store\n#[cfg(test)]\nmod tests { use crate::store::Row; }\n#[cfg(test)]\nmod more;\n",
        );
        tree.write("high/src/clock/more.rs", "//! Tests.\nuse crate::store::Row;\n");
        tree.assert_clean(check);
    }

    #[test]
    fn a_module_that_is_new_needs_a_line() {
        let tree = Planted::tidy();
        tree.write("high/src/extra.rs", "//! Extra.\n");
        tree.assert_complains(check, "high/src/extra: the module has no line");
    }

    #[test]
    fn an_arrow_between_modules_that_nothing_uses_is_found() {
        let tree = Planted::tidy();
        tree.replace("high/src/store.rs", "use crate::clock::tick;\n", "");
        tree.assert_complains(check, "store -> clock is drawn");
    }

    #[test]
    fn a_package_without_arrows_is_found() {
        let tree = Planted::tidy();
        tree.replace("ARCHITECTURE.md", "high\n  run -> *", "else\n  run -> *");
        tree.assert_complains(check, "no scope \"high\"");
    }
}
