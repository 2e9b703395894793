//! The path of a store: made whole or not at all, opened with a reason when it cannot be, set aside but never deleted.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::Error;

/// What a redb file begins with (redb: docs/design.md, "magic number").
const REDB_MAGIC: [u8; 9] = *b"redb\x1A\x0A\xA9\x0D\x0A";
/// A file set aside gets the first free number; this many are kept before that fails.
const SET_ASIDE_MAX: u32 = 10_000;

/// What is at a path.
pub(super) enum Found {
    /// A file that begins as redb's do.
    Existing(File),
    /// Nothing yet. The store is made under another name, and gets its own once it is whole.
    New(Draft),
}

/// A store in the making.
pub(super) struct Draft {
    pub(super) file: File,
    draft_path: PathBuf,
}

/// Looks at a path and takes what is there, or prepares to make it.
pub(super) fn take(path: &Path) -> Result<Found, Error> {
    match open(path)? {
        Some(file) => existing(path, file),
        None => draft(path),
    }
}

fn open(path: &Path) -> Result<Option<File>, Error> {
    if path.is_dir() {
        return Err(Error::NotAFile { path: path.to_path_buf() });
    }
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, "open the file", error)),
    }
}

fn existing(path: &Path, mut file: File) -> Result<Found, Error> {
    let mut magic = Vec::with_capacity(REDB_MAGIC.len());
    file.by_ref()
        .take(REDB_MAGIC.len() as u64)
        .read_to_end(&mut magic)
        .map_err(|error| Error::io(path, "read the file", error))?;
    if magic.is_empty() {
        return Err(Error::Empty { path: path.to_path_buf() });
    }
    if magic != REDB_MAGIC {
        let reason = "it does not begin as one".to_owned();
        return Err(Error::Foreign { path: path.to_path_buf(), reason });
    }
    Ok(Found::Existing(file))
}

fn draft(path: &Path) -> Result<Found, Error> {
    let draft_path = with_suffix(path, ".new");
    let file = match OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&draft_path)
    {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::NoFolder { path: path.to_path_buf() });
        }
        Err(error) => return Err(Error::io(path, "make the file", error)),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::InUse { path: path.to_path_buf() }),
        Err(TryLockError::Error(error)) => return Err(Error::io(path, "lock the file", error)),
    }
    // Another process may have finished this very draft, and ended, between our two looks: then what we hold is the
    // store itself, and must not be emptied.
    if let Some(file) = open(path)? {
        return existing(path, file);
    }
    file.set_len(0).map_err(|error| Error::io(path, "make the file", error))?;
    Ok(Found::New(Draft { file, draft_path }))
}

impl Draft {
    /// Gives the finished store its name, durably.
    pub(super) fn finish(&self, path: &Path) -> Result<(), Error> {
        fs::rename(&self.draft_path, path).map_err(|error| Error::io(path, "name the new file", error))?;
        sync_folder(path)
    }
}

/// Renames a store that will not open to `<name>.unreadable-<n>`, durably, and says what it is called now.
pub(super) fn set_aside(path: &Path) -> Result<PathBuf, Error> {
    for number in 1..=SET_ASIDE_MAX {
        let aside = with_suffix(path, &format!(".unreadable-{number}"));
        // hard_link refuses a name that is taken, where rename would replace what an earlier failure left.
        match fs::hard_link(path, &aside) {
            Ok(()) => {
                fs::remove_file(path).map_err(|error| Error::io(path, "set the file aside", error))?;
                sync_folder(path)?;
                return Ok(aside);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if aside.exists() => drop(error),
            Err(_) => {
                // No hard links here (FAT, some network shares), or a folder: the name was free a moment ago.
                fs::rename(path, &aside).map_err(|error| Error::io(path, "set the file aside", error))?;
                sync_folder(path)?;
                return Ok(aside);
            }
        }
    }
    Err(Error::Damaged {
        path: path.to_path_buf(),
        reason: format!("and {SET_ASIDE_MAX} files set aside before it are in the way"),
    })
}

/// A new name is durable only when the folder that holds it is.
fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Error::io(path, "sync the folder", error))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
