//! The redb file: open, recover, commit, settle, trim. The only module that names redb.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_model::id::Epoch;

use crate::machine::Machine;
use crate::reader::Reader;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// Page cache in bytes; redb's own default would be 1 GiB.
    pub cache_bytes: usize,
    /// Space taken in advance, in bytes.
    pub preallocate_bytes: u64,
    /// The epoch to give a new file.
    pub new_epoch: Epoch,
}

/// What went wrong with a store, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// To be refined.
    #[error("store {path}: {reason}")]
    Store {
        /// Which file.
        path: PathBuf,
        /// What.
        reason: String,
    },
}

/// What opening found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The file was made just now.
    pub created: bool,
    /// Row of the snapshot that was used; 0 for none.
    pub snapshot_row: u64,
    /// Rows replayed after it.
    pub rows_replayed: u64,
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    _private: Arc<()>,
}

impl Store {
    /// Opens or creates a store and brings `machine` to the state after its last row.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open<M: Machine>(path: &Path, options: &Options, machine: &mut M) -> Result<(Self, Recovered), Error> {
        let _ = (path, options, machine);
        todo!()
    }

    /// A reader of what is committed; cheap to clone, any thread.
    #[must_use]
    pub fn reader(&self) -> Reader {
        todo!()
    }

    /// The store's epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        todo!()
    }
}
