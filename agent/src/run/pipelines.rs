//! Pipeline files, read and checked before anything starts: a bad file stops the start, with every fault it has.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::gateway::PipelineText;
use crate::pipeline::Definition;

/// A pipeline file that is right.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) definition: Definition,
    file: String,
    text: String,
}

impl Read {
    pub(super) fn text(&self) -> PipelineText {
        PipelineText { file: self.file.clone(), text: self.text.clone() }
    }
}

/// Every `*.toml` of a folder, in the order of the names.
///
/// # Errors
/// Everything that is wrong with any of them.
pub(super) fn read(folder: Option<&Path>) -> anyhow::Result<Vec<Read>> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let mut read: Vec<Read> = Vec::new();
    let mut faults = Vec::new();
    for path in files(folder)? {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {file}"))?;
        match Definition::parse(&file, &text) {
            Ok(definition) => {
                if let Some(other) = read.iter().find(|other| other.definition.name() == definition.name()) {
                    faults.push(format!(
                        "{file}: name: {:?} is the name of {} too; each pipeline needs its own",
                        definition.name(),
                        other.file
                    ));
                }
                read.push(Read { definition, file, text });
            }
            Err(diagnostics) => faults.extend(diagnostics.iter().map(ToString::to_string)),
        }
    }
    if !faults.is_empty() {
        bail!("pipeline files are wrong:\n{}", faults.join("\n"));
    }
    Ok(read)
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| {
        format!("pipelines.dir: failed to read {}; it must be a folder of pipeline files", folder.display())
    })?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("pipelines.dir: {}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
