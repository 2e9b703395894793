//! Environment variables that override keys of the file.

use std::collections::BTreeMap;

use crate::document::{Node, Place, Table, Value};
use crate::error::{Fault, Problem, SettingsError};
use crate::{PROGRAMS, error};

/// This process's variables with the prefix.
pub(crate) fn of_process(prefix: &str) -> Result<Vec<(String, String)>, SettingsError> {
    let mut ours = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| path(prefix, name).is_some()) else {
            continue;
        };
        let value = value.into_string().map_err(|_| error::not_text(name))?;
        ours.push((name.to_owned(), value));
    }
    Ok(ours)
}

/// Puts the variables that have the prefix into the tree, in the order of their names.
pub(crate) fn apply(
    document: &mut Node,
    prefix: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(), Fault> {
    let ordered: BTreeMap<String, String> = variables.into_iter().collect();
    for (name, text) in ordered {
        let Some(path) = path(prefix, &name) else { continue };
        put(document, &path, &Place::Variable(name), text)?;
    }
    Ok(())
}

/// The name of the variable that overrides a key.
pub(crate) fn name(prefix: &str, path: &[String]) -> String {
    format!("{prefix}_{}", path.join("__").to_uppercase())
}

/// The key a variable overrides, if it belongs to this prefix and not to a longer one.
fn path(prefix: &str, name: &str) -> Option<Vec<String>> {
    let rest = after(prefix, name)?;
    let anothers =
        PROGRAMS.iter().any(|(other, _)| other.len() > prefix.len() && after(other, name).is_some());
    (!anothers).then(|| rest.to_lowercase().split("__").map(ToOwned::to_owned).collect())
}

fn after<'a>(prefix: &str, name: &'a str) -> Option<&'a str> {
    name.strip_prefix(prefix)?.strip_prefix('_')
}

fn put(node: &mut Node, path: &[String], place: &Place, text: String) -> Result<(), Fault> {
    let Some((key, rest)) = path.split_first() else {
        *node = Node { place: place.clone(), value: Value::Variable(text) };
        return Ok(());
    };
    let Value::Table(table) = &mut node.value else {
        return Err(Fault::at(
            place.clone(),
            Problem::Said("what it is part of is set as a whole elsewhere; set one or the other".to_owned()),
        ));
    };
    let (_, child) = table.entry(key.clone()).or_insert_with(|| {
        let empty = Node { place: place.clone(), value: Value::Table(Table::new()) };
        (place.clone(), empty)
    });
    put(child, rest, place, text).map_err(|fault| fault.under(key))
}
