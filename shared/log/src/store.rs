//! The redb file: open, recover, commit, settle, trim. The only module that names redb.

mod error;
mod file;
mod backend;
mod tables;
mod recover;
mod upkeep;

use std::any::Any;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use redb::backends::InMemoryBackend;
use redb::{Builder, Database, DatabaseError, StorageBackend, StorageError};
use tidegate_model::id::Epoch;
use tidegate_model::lane::Lane;
use tidegate_model::limits::ROW_BYTES_MAX;
use tidegate_model::time::Timestamp;

pub use error::Error;
pub(crate) use tables::View;

use crate::machine::Machine;
use crate::metrics::Metrics;
use crate::pending::{Pending, SealedRow};
use crate::reader::{Position, Reader};
use crate::row::{Heads, Packer, RowHash};
use backend::ReservingFile;
use file::Found;
use tables::{LOG, Tables};
use upkeep::Upkept;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// Page cache in bytes; redb's own default would be 1 GiB.
    pub cache_bytes: usize,
    /// Space taken in advance, in bytes: at creation, and again whenever it is used up.
    pub preallocate_bytes: u64,
    /// The epoch to give a new file.
    pub new_epoch: Epoch,
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
    shared: Arc<Shared>,
    /// The file, to ask how much of the disk it takes; `None` on a backend of the caller's.
    file: Option<File>,
    packer: Packer,
    last_hash: RowHash,
    last_time: Timestamp,
    upkept: Upkept,
}

/// What the store and its readers see together.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) path: PathBuf,
    pub(crate) tables: Tables,
    pub(crate) tail: RwLock<Tail>,
    /// Where the last slice of each lane ended, so that the next one need not search.
    pub(crate) positions: Mutex<[Position; Lane::ALL.len()]>,
    metrics: Mutex<Metrics>,
}

/// What is committed and not yet settled, in memory. Never ahead of the disk.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) epoch: Epoch,
    pub(crate) last_row: u64,
    pub(crate) heads: Heads,
    /// Rows of keys that the index does not have yet.
    pub(crate) unsettled: BTreeMap<u128, Vec<u64>>,
}

impl Tail {
    /// Takes in a row that is on disk.
    fn extend(&mut self, row: &SealedRow) {
        self.epoch = row.epoch;
        self.last_row = row.number;
        self.heads = row.heads;
        for &key in &row.keys {
            self.unsettled.entry(key).or_default().push(row.number);
        }
    }
}

impl Shared {
    pub(crate) fn metrics(&self) -> MutexGuard<'_, Metrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn view(&self) -> Result<View, Error> {
        self.tables.view(&self.path)
    }
}

impl Store {
    /// Opens or creates a store and brings `machine` to the state after its last row.
    ///
    /// A new store is made under `<path>.new` and gets its name once it is whole and synced, so that a power cut
    /// leaves either no store or one that opens.
    ///
    /// # Errors
    /// [`Error`]: each way in which a file cannot be opened has a variant of its own, and a message a person can act
    /// on. Nothing is written before the file has shown that it is a store of this format.
    pub fn open<M: Machine>(
        path: &Path,
        options: &Options,
        machine: &mut M,
    ) -> Result<(Self, Recovered), Error> {
        match file::take(path)? {
            Found::Existing(file) => {
                let database = open_database(path, reserving(path, &file, options)?, options)?;
                recover::recover(path.to_path_buf(), Some(file), database, machine)
            }
            Found::New(draft) => {
                let database = open_database(path, reserving(path, &draft.file, options)?, options)?;
                initialise(path, &database, options)?;
                draft.finish(path)?;
                let (store, recovered) =
                    recover::recover(path.to_path_buf(), Some(draft.file), database, machine)?;
                Ok((store, Recovered { created: true, ..recovered }))
            }
        }
    }

    /// The same on storage of the caller's: how a simulator puts the real store on a bad disk, and a test on memory.
    /// Storage of length 0 is a new store. Unlike [`Store::open`] this cannot make a store whole or not at all:
    /// storage whose first opening did not return is to be thrown away.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open_on_backend<M: Machine>(
        backend: impl StorageBackend,
        options: &Options,
        machine: &mut M,
    ) -> Result<(Self, Recovered), Error> {
        let path = Path::new("(backend)");
        let created = backend.len().map_err(|error| Error::io(path, "read", error))? == 0;
        let database = open_database(path, backend, options)?;
        if created {
            initialise(path, &database, options)?;
        }
        let (store, recovered) = recover::recover(path.to_path_buf(), None, database, machine)?;
        Ok((store, Recovered { created, ..recovered }))
    }

    /// A store in memory, for a host that keeps nothing: the same store, on bytes that go with the process.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open_in_memory<M: Machine>(
        options: &Options,
        machine: &mut M,
    ) -> Result<(Self, Recovered), Error> {
        Self::open_on_backend(InMemoryBackend::new(), options, machine)
    }

    /// Renames a store that will not open to `<name>.unreadable-<n>`, so that a new one can begin in its place, and
    /// returns the new name. Nothing is deleted; whether to do this is the host's decision, to be reported.
    ///
    /// # Errors
    /// [`Error`], when the folder does not allow it.
    pub fn set_aside(path: &Path) -> Result<PathBuf, Error> {
        file::set_aside(path)
    }

    /// A reader of what is committed; cheap to clone, any thread.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// The store's epoch, as of the last row.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.tail(|tail| tail.epoch)
    }

    /// Number of the last row; 0 when there is none yet.
    #[must_use]
    pub fn last_row(&self) -> u64 {
        self.tail(|tail| tail.last_row)
    }

    /// Engine time of the last row; [`Timestamp::EPOCH`] when there is none yet. The engine never goes below it.
    #[must_use]
    pub fn last_time(&self) -> Timestamp {
        self.last_time
    }

    /// Counts for telemetry.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics().clone()
    }

    /// The path it was opened at.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// An empty row, to come after the last one.
    pub(crate) fn next_row(&self) -> Pending {
        self.tail(|tail| Pending::new(tail.last_row + 1, tail.epoch, tail.heads))
    }

    /// Puts a row on disk. When this returns an error, what is on disk is not known.
    pub(crate) fn commit(&mut self, pending: &Pending) -> Result<(), Error> {
        let row = pending.seal(self.last_hash, &mut self.packer);
        let shared = &self.shared;
        // A row is refused here rather than by every reader after it, recovery among them.
        let bytes = row.stored.len().max(row.unpacked_bytes);
        if bytes > ROW_BYTES_MAX {
            return Err(Error::RowTooLarge { path: shared.path.clone(), row: row.number, bytes });
        }
        let took = timed(|| {
            shared.tables.write(&shared.path, "commit", |transaction| {
                transaction.open_table(LOG)?.insert(row.number, row.stored.as_slice())?;
                Ok(())
            })
        })?;
        shared.tail.write().unwrap_or_else(PoisonError::into_inner).extend(&row);
        shared.metrics().committed(&row, took);
        self.upkept.committed(&row);
        self.last_hash = row.hash;
        self.last_time = row.time;
        Ok(())
    }

    /// Closes the file. Readers get [`Error::Closed`] from then on.
    pub(crate) fn close(self) -> Result<(), Error> {
        self.shared.tables.close(&self.shared.path)
    }

    fn tail<T>(&self, look: impl FnOnce(&Tail) -> T) -> T {
        look(&self.shared.tail.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn reserving(path: &Path, file: &File, options: &Options) -> Result<ReservingFile, Error> {
    file.try_clone()
        .and_then(|file| ReservingFile::new(file, options.preallocate_bytes))
        .map_err(|error| Error::io(path, "reserve space", error))
}

/// Opens the database. redb answers some damage with a panic; a file that will not open must not end the process.
fn open_database(path: &Path, backend: impl StorageBackend, options: &Options) -> Result<Database, Error> {
    let opened = catch_unwind(AssertUnwindSafe(|| {
        Builder::new().set_cache_size(options.cache_bytes).create_with_backend(backend)
    }));
    match opened {
        Ok(Ok(database)) => Ok(database),
        // What begins as a redb file was checked before: it ends too early.
        Ok(Err(DatabaseError::Storage(StorageError::Io(error))))
            if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData) =>
        {
            Err(Error::Truncated { path: path.to_path_buf() })
        }
        Ok(Err(error)) => Err(Error::redb(path, "open the file", error)),
        Err(panic) => Err(Error::Damaged { path: path.to_path_buf(), reason: panic_text(panic.as_ref()) }),
    }
}

fn initialise(path: &Path, database: &Database, options: &Options) -> Result<(), Error> {
    tables::initialise(database, options.new_epoch)
        .map_err(|error| Error::redb(path, "make the tables", error))
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it did not say why".to_owned())
}

/// How long something took that went well.
#[expect(clippy::disallowed_methods, reason = "a measurement for telemetry; nothing is decided by it")]
fn timed<E>(work: impl FnOnce() -> Result<(), E>) -> Result<Duration, E> {
    let start = std::time::Instant::now();
    work()?;
    Ok(start.elapsed())
}
