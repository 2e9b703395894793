//! The tables of the file, and one consistent look at them.

use std::path::Path;
use std::sync::{PoisonError, RwLock};

use redb::{Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable};
use redb::{TableDefinition, WriteTransaction};
use tidegate_model::id::Epoch;

use super::error::Error;

/// What this release writes, and the only one it reads.
pub(super) const FORMAT: u64 = 1;

/// Row number → row. The truth.
pub(super) const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
/// Row number → the machine's state after that row. Derived.
pub(super) const SNAPSHOT: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("snapshot");
/// (Key, number of a row that has a record with it). Derived.
pub(super) const INDEX: TableDefinition<'_, (u128, u64), ()> = TableDefinition::new("index");
/// A few numbers by name.
pub(super) const META: TableDefinition<'_, &str, u128> = TableDefinition::new("meta");

/// Meta: [`FORMAT`].
const META_FORMAT: &str = "format";
/// Meta: the epoch the file was made with.
const META_EPOCH: &str = "epoch";
/// Meta: the row up to which the index is complete.
pub(super) const META_SETTLED: &str = "settled";
/// Meta: bytes of the rows held up to the settled one.
pub(super) const META_ROW_BYTES: &str = "row_bytes";

/// What the meta table says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meta {
    pub(super) first_epoch: Epoch,
    pub(super) settled: u64,
    pub(super) row_bytes: u64,
}

/// The open database. `None` once it is closed: readers may outlive the commit loop.
#[derive(Debug)]
pub(crate) struct Tables {
    database: RwLock<Option<Database>>,
}

impl Tables {
    pub(super) fn new(database: Database) -> Self {
        Self { database: RwLock::new(Some(database)) }
    }

    /// Looks at what is committed now.
    pub(crate) fn view(&self, path: &Path) -> Result<View, Error> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = guard.as_ref().ok_or_else(|| Error::Closed { path: path.to_path_buf() })?;
        let read = database.begin_read().map_err(|error| Error::redb(path, "read", error))?;
        let log = read.open_table(LOG).map_err(|error| Error::redb(path, "read", error))?;
        Ok(View { read, log })
    }

    /// Does `work` in one durable transaction: all of it is on disk afterwards, or an unknown part of nothing.
    pub(super) fn write(
        &self,
        path: &Path,
        doing: &'static str,
        work: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), Error> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = guard.as_ref().ok_or_else(|| Error::Closed { path: path.to_path_buf() })?;
        write(database, work).map_err(|error| Error::redb(path, doing, error))
    }

    /// Closes the file; readers get [`Error::Closed`] from then on.
    pub(super) fn close(&self, path: &Path) -> Result<(), Error> {
        let database = self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        match database {
            Some(database) => database.close().map_err(|error| Error::redb(path, "close the file", error)),
            None => Ok(()),
        }
    }
}

/// Quick-repair on each commit: it is the last one before a crash that decides whether a gigabyte is walked.
fn write(
    database: &Database,
    work: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    work(&transaction)?;
    transaction.commit()?;
    Ok(())
}

/// Makes the tables of a new file.
pub(super) fn initialise(database: &Database, epoch: Epoch) -> Result<(), redb::Error> {
    write(database, |transaction| {
        transaction.open_table(LOG)?;
        transaction.open_table(SNAPSHOT)?;
        transaction.open_table(INDEX)?;
        let mut meta = transaction.open_table(META)?;
        meta.insert(META_FORMAT, u128::from(FORMAT))?;
        meta.insert(META_EPOCH, epoch.as_u128())?;
        meta.insert(META_SETTLED, 0)?;
        meta.insert(META_ROW_BYTES, 0)?;
        Ok(())
    })
}

/// Checks that a file is a store of this release's format.
pub(super) fn meta(database: &Database, path: &Path) -> Result<Meta, Error> {
    let failed = |error: redb::Error| Error::redb(path, "read", error);
    let foreign = |what: &str| Error::Foreign { path: path.to_path_buf(), reason: what.to_owned() };
    let read = database.begin_read().map_err(|error| failed(error.into()))?;
    let table = match read.open_table(META) {
        Ok(table) => table,
        Err(redb::TableError::Storage(error)) => return Err(failed(error.into())),
        Err(_) => return Err(foreign("a redb database of another program")),
    };
    let number = |name: &'static str| -> Result<u128, Error> {
        let value = table.get(name).map_err(|error| failed(error.into()))?;
        value.map(|value| value.value()).ok_or_else(|| foreign("a redb database without our marks"))
    };
    let small = |name: &'static str| -> Result<u64, Error> {
        u64::try_from(number(name)?).map_err(|_| Error::Damaged {
            path: path.to_path_buf(),
            reason: format!("{name} in the meta table is out of range"),
        })
    };
    let format = small(META_FORMAT)?;
    if format != FORMAT {
        return Err(Error::Newer { path: path.to_path_buf(), found: format });
    }
    Ok(Meta {
        first_epoch: Epoch::from_u128(number(META_EPOCH)?),
        settled: small(META_SETTLED)?,
        row_bytes: small(META_ROW_BYTES)?,
    })
}

/// One consistent look at what is committed. Later commits do not show in it.
pub(crate) struct View {
    read: ReadTransaction,
    log: ReadOnlyTable<u64, &'static [u8]>,
}

impl View {
    /// The first row held; `None` when there is none.
    pub(crate) fn first_row(&self, path: &Path) -> Result<Option<u64>, Error> {
        let first = self.log.first().map_err(|error| Error::redb(path, "read", error))?;
        Ok(first.map(|(row, _)| row.value()))
    }

    /// The last row; `None` when there is none.
    pub(crate) fn last_row(&self, path: &Path) -> Result<Option<u64>, Error> {
        let last = self.log.last().map_err(|error| Error::redb(path, "read", error))?;
        Ok(last.map(|(row, _)| row.value()))
    }

    /// What `look` sees in the stored bytes of a row; `None` when the row is not held.
    pub(crate) fn row<T>(
        &self,
        path: &Path,
        row: u64,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, Error> {
        let stored = self.log.get(row).map_err(|error| Error::redb(path, "read", error))?;
        Ok(stored.map(|stored| look(stored.value())))
    }

    /// Rows that the index names for a key, in order.
    pub(crate) fn rows_of_key(&self, path: &Path, key: u128) -> Result<Vec<u64>, Error> {
        let failed = |error: redb::Error| Error::redb(path, "read", error);
        let index = self.read.open_table(INDEX).map_err(|error| failed(error.into()))?;
        let range = index.range((key, 0)..=(key, u64::MAX)).map_err(|error| failed(error.into()))?;
        range.map(|entry| entry.map(|(at, _)| at.value().1).map_err(|error| failed(error.into()))).collect()
    }

    /// Rows that have a snapshot, the newest first.
    pub(super) fn snapshot_rows(&self, path: &Path) -> Result<Vec<u64>, Error> {
        let failed = |error: redb::Error| Error::redb(path, "read", error);
        let table = self.read.open_table(SNAPSHOT).map_err(|error| failed(error.into()))?;
        let range = table.iter().map_err(|error| failed(error.into()))?;
        range
            .rev()
            .map(|entry| entry.map(|(row, _)| row.value()).map_err(|error| failed(error.into())))
            .collect()
    }

    /// What `look` sees in the stored bytes of a snapshot.
    pub(super) fn snapshot<T>(
        &self,
        path: &Path,
        row: u64,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, Error> {
        let failed = |error: redb::Error| Error::redb(path, "read", error);
        let table = self.read.open_table(SNAPSHOT).map_err(|error| failed(error.into()))?;
        let stored = table.get(row).map_err(|error| failed(error.into()))?;
        Ok(stored.map(|stored| look(stored.value())))
    }
}
