//! The files of a tree, read once: what the checks look at.

use std::fs;
use std::io;
use std::path::Path;

/// Folders that hold nothing written by hand, and files no rule is about.
const SKIPPED: &[&str] = &["target", ".git", "tmp"];

/// A tree of text files.
#[derive(Debug)]
pub(crate) struct Repository {
    files: Vec<File>,
}

/// A text file, with its path below the root and `/` between its parts.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its folder below the root.
    pub(crate) folder: String,
    pub(crate) name: String,
    pub(crate) manifest: toml::Table,
}

impl Repository {
    pub(crate) fn read(root: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        read_folder(root, "", &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    pub(crate) fn files(&self) -> &[File] {
        &self.files
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    pub(crate) fn with_extension<'a>(&'a self, extension: &str) -> impl Iterator<Item = &'a File> {
        let ending = format!(".{extension}");
        self.files.iter().filter(move |file| file.path.ends_with(&ending))
    }

    /// Whether a file or a folder is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
    }

    /// The root manifest.
    pub(crate) fn workspace(&self) -> toml::Table {
        let manifest = self.file("Cargo.toml").expect("a workspace has a manifest");
        manifest.text.parse().expect("Cargo has read it")
    }

    /// The members of the workspace.
    pub(crate) fn packages(&self) -> Vec<Package> {
        let workspace = self.workspace();
        let members = workspace["workspace"]["members"].as_array().expect("a workspace lists its members");
        members
            .iter()
            .map(|member| {
                let folder = member.as_str().expect("a member is a folder").to_owned();
                let manifest = self.file(&format!("{folder}/Cargo.toml")).expect("a member has a manifest");
                let manifest: toml::Table = manifest.text.parse().expect("Cargo has read it");
                let name = manifest["package"]["name"].as_str().expect("a package has a name").to_owned();
                Package { folder, name, manifest }
            })
            .collect()
    }
}

fn read_folder(folder: &Path, below: &str, files: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if entry.file_type()?.is_dir() {
            read_folder(&entry.path(), &path, files)?;
        } else if let Ok(text) = String::from_utf8(fs::read(entry.path())?) {
            files.push(File { path, text });
        }
    }
    Ok(())
}
