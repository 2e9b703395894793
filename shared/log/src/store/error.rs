//! What can go wrong with a store, each with what a person can do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::tables::FORMAT;
use crate::machine::CorruptRecord;

/// What went wrong with a store, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The path is taken by something that cannot be a store.
    #[error("store {path} is a folder; name a file, such as {path}/tidegate.redb")]
    NotAFile {
        /// Which file.
        path: PathBuf,
    },
    /// The folder of the store is missing.
    #[error("store {path} cannot be made: its folder does not exist; create it, or correct the path")]
    NoFolder {
        /// Which file.
        path: PathBuf,
    },
    /// The operating system refuses.
    #[error(
        "store {path} may not be read and written; give the file and its folder to the user this runs as"
    )]
    NoPermission {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// Another process has it open.
    #[error(
        "store {path} is open in another process; stop that one first, or give this one a file of its own"
    )]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// The file has no bytes. A store is never that: it gets its name only once it is whole.
    #[error(
        "store {path} has zero bytes, so what it held is gone; remove it, or put a copy back, and start again"
    )]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// Another program's file.
    #[error("{path} is not a Tidegate store ({reason}); correct the path, or move that file away")]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// How it shows.
        reason: String,
    },
    /// Written by a later release.
    #[error(
        "store {path} has format {found}, this release reads format {FORMAT}; install the later release again"
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The format it states.
        found: u64,
    },
    /// Shorter than it says it is.
    #[error(
        "store {path} is cut short; set it aside (it is kept for salvage) and start a new one, or put a copy back"
    )]
    Truncated {
        /// Which file.
        path: PathBuf,
    },
    /// The file's own structure does not hold.
    #[error("store {path} is damaged: {reason}; set it aside (it is kept for salvage) and start a new one")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// How it shows.
        reason: String,
    },
    /// A row that does not check out.
    #[error(
        "row {row} of store {path} does not check out: {reason}; set the file aside (it is kept for salvage) and \
         start a new one"
    )]
    CorruptRow {
        /// Which file.
        path: PathBuf,
        /// Which row.
        row: u64,
        /// How it shows.
        reason: String,
    },
    /// A whole row with a record that the machine does not know: a later release wrote it, or this one is wrong. The
    /// file is good, so setting it aside is the wrong remedy.
    #[error(
        "row {row} of store {path} holds a record this release does not understand; install the release \
         that wrote it, or a later one"
    )]
    NotUnderstood {
        /// Which file.
        path: PathBuf,
        /// Which row.
        row: u64,
        /// What the machine says.
        source: CorruptRecord,
    },
    /// The beginning is trimmed, and no snapshot stands in for it.
    #[error(
        "store {path} begins at row {first_row} and none of its snapshots can be used; set the file aside (it is \
         kept for salvage) and start a new one"
    )]
    NoSnapshot {
        /// Which file.
        path: PathBuf,
        /// The first row it holds.
        first_row: u64,
    },
    /// No space, or no quota.
    #[error(
        "no space left for store {path} to {doing}; free some and start again, nothing acknowledged is lost"
    )]
    DiskFull {
        /// Which file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
    },
    /// The disk, or what stands for it.
    #[error("store {path}: failed to {doing}; check the disk, then start again")]
    Disk {
        /// Which file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// More was appended in one turn than a row may hold: a broken promise of the machine.
    #[error("row {row} of store {path} would have {bytes} bytes; a row holds ROW_BYTES_MAX")]
    RowTooLarge {
        /// Which file.
        path: PathBuf,
        /// Which row.
        row: u64,
        /// How large it would be.
        bytes: usize,
    },
    /// A commit failed before, so what is on disk is not known until the store is opened again.
    #[error("store {path} has stopped after a failed commit; start again to recover from the disk")]
    Stopped {
        /// Which file.
        path: PathBuf,
    },
    /// The store was closed in an orderly way.
    #[error("store {path} is closed")]
    Closed {
        /// Which file.
        path: PathBuf,
    },
    /// The machine broke one of its own promises. The disk is as it was after the last commit.
    #[error("the commit loop of store {path} broke off: {reason}")]
    Panicked {
        /// Which file.
        path: PathBuf,
        /// The broken promise.
        reason: String,
    },
}

impl Error {
    pub(super) fn io(path: &Path, doing: &'static str, source: io::Error) -> Self {
        let path = path.to_path_buf();
        // The list of kinds is not ours and grows; what is not named here is reported as it is.
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            Self::DiskFull { path, doing }
        } else if matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
        {
            Self::NoPermission { path, source }
        } else {
            Self::Disk { path, doing, source }
        }
    }

    /// What redb says, in words of ours.
    pub(super) fn redb(path: &Path, doing: &'static str, error: impl Into<redb::Error>) -> Self {
        let error = error.into();
        let path_buf = path.to_path_buf();
        if let redb::Error::Io(source) = error {
            return Self::io(path, doing, source);
        }
        if matches!(error, redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch) {
            return Self::InUse { path: path_buf };
        }
        if matches!(error, redb::Error::PreviousIo) {
            return Self::Stopped { path: path_buf };
        }
        if matches!(error, redb::Error::DatabaseClosed) {
            return Self::Closed { path: path_buf };
        }
        Self::Damaged { path: path_buf, reason: error.to_string() }
    }
}
