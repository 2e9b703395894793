//! The arrows of ARCHITECTURE.md: who may name whom.
//!
//! A fenced block `arrows`. A line at the margin names a scope (`packages`, or the folder of a package); the indented
//! lines under it are `name -> name name`, `name -> *` for one that sees everything, or `name <-> name` for one idea in
//! two files.

use std::collections::{BTreeMap, BTreeSet};

use crate::repository::Repository;

/// What to do about a complaint of this kind.
pub(crate) const REMEDY: &str = "move the code, or change the arrows and say why in docs/decisions";

/// The arrows of one scope.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    arrows: BTreeMap<String, Targets>,
    /// Of the two sides of each `<->`, the later by name and the earlier.
    twins: BTreeMap<String, String>,
}

#[derive(Debug)]
enum Targets {
    All,
    Only(BTreeSet<String>),
}

/// Reads the block.
pub(crate) fn read(repository: &Repository) -> Result<BTreeMap<String, Scope>, String> {
    let document = repository.file("ARCHITECTURE.md").ok_or("there is no ARCHITECTURE.md")?;
    let block = document.text.split_once("```arrows\n").and_then(|(_, rest)| rest.split_once("```"));
    let (block, _) = block.ok_or("ARCHITECTURE.md: there is no block ```arrows")?;
    let mut scopes: BTreeMap<String, Scope> = BTreeMap::new();
    let mut current = None;
    for line in block.lines().filter(|line| !line.trim().is_empty()) {
        if !line.starts_with(' ') {
            current = Some(scopes.entry(line.trim().to_owned()).or_default());
            continue;
        }
        let not_an_arrow = || format!("ARCHITECTURE.md: {line:?} is not an arrow");
        let scope = current.as_mut().ok_or_else(not_an_arrow)?;
        if let Some((one, other)) = line.split_once("<->") {
            scope.draw_twins(one.trim(), other.trim());
        } else {
            let (name, targets) = line.split_once("->").ok_or_else(not_an_arrow)?;
            scope.draw(name.trim(), targets.trim());
        }
    }
    Ok(scopes)
}

impl Scope {
    fn draw(&mut self, from: &str, targets: &str) {
        let drawn = self.arrows.entry(from.to_owned()).or_insert_with(|| Targets::Only(BTreeSet::new()));
        match (drawn, targets) {
            (drawn, "*") => *drawn = Targets::All,
            (Targets::Only(drawn), names) => drawn.extend(names.split_whitespace().map(str::to_owned)),
            (Targets::All, _) => {}
        }
    }

    fn draw_twins(&mut self, one: &str, other: &str) {
        self.draw(one, other);
        self.draw(other, one);
        let (first, later) = if one < other { (one, other) } else { (other, one) };
        self.twins.insert(later.to_owned(), first.to_owned());
    }

    /// A name, or that of the first of those it is one idea with.
    fn idea<'a>(&'a self, name: &'a str) -> &'a str {
        self.twins.get(name).map_or(name, |first| self.idea(first))
    }

    /// Whether the name has a line.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.arrows.contains_key(name)
    }

    /// Whether `from` may name `to`.
    pub(crate) fn allows(&self, from: &str, to: &str) -> bool {
        match self.arrows.get(from) {
            Some(Targets::All) => true,
            Some(Targets::Only(targets)) => targets.contains(to),
            None => false,
        }
    }

    /// Arrows that nothing in `used` goes along, names that are not among `known`, and circles.
    pub(crate) fn complaints(
        &self,
        used: &BTreeSet<(String, String)>,
        known: &BTreeSet<String>,
    ) -> Vec<String> {
        let mut complaints = Vec::new();
        for (from, targets) in &self.arrows {
            if !known.contains(from) {
                complaints.push(format!("{from} has a line, and is not there"));
            }
            let Targets::Only(targets) = targets else { continue };
            for to in targets {
                if !used.contains(&(from.clone(), to.clone())) {
                    complaints.push(format!("the arrow {from} -> {to} is drawn, and nothing goes along it"));
                }
                if self.idea(to) != self.idea(from) && self.reaches(to, from, &mut BTreeSet::new()) {
                    complaints.push(format!("{from} -> {to} closes a circle"));
                }
            }
        }
        complaints
    }

    /// Whether arrows lead from one idea to another.
    fn reaches(&self, from: &str, to: &str, seen: &mut BTreeSet<String>) -> bool {
        self.idea(from) == self.idea(to)
            || seen.insert(from.to_owned())
                && match self.arrows.get(from) {
                    Some(Targets::Only(targets)) => targets.iter().any(|next| self.reaches(next, to, seen)),
                    // The hub sees everything, and is no part of a circle.
                    Some(Targets::All) | None => false,
                }
    }
}
