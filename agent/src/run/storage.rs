//! The store's folder and file: made, opened, and set aside when it cannot be read.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use anyhow::{Context, ensure};
use tidegate_log::{Error, Machine, Options, Store};
use tidegate_model::id::Epoch;

use crate::config::Config;

const FILE: &str = "tidegate.redb";

/// Makes the data folder, for its owner alone.
///
/// # Errors
/// Names the key and the remedy.
pub(super) fn prepare_folder(path: &Path) -> anyhow::Result<()> {
    let remedy = || {
        format!(
            "data_dir: {} cannot be used; it must be a folder that the agent may write to",
            path.display()
        )
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(remedy)?;
    ensure!(std::fs::metadata(path).with_context(remedy)?.mode() & 0o700 == 0o700, remedy());
    Ok(())
}

/// Opens the store. A file that cannot be read is set aside, and a new one begun under a new epoch: a gateway that
/// only crashed and restarted would record nothing at all.
///
/// # Errors
/// Whatever a person must see to first: another agent, another program's file, a full disk.
pub(super) fn open<M: Machine>(config: &Config, machine: &mut M) -> anyhow::Result<Store> {
    let path = config.data_dir.join(FILE);
    let options = Options {
        cache_bytes: usize::try_from(config.store.cache.get()).unwrap_or(usize::MAX),
        preallocate_bytes: config.store.preallocate.get(),
        new_epoch: new_epoch()?,
    };
    let before = machine.snapshot();
    let (store, recovered) = match Store::open(&path, &options, machine) {
        Ok(opened) => opened,
        Err(error) if is_unreadable(&error) => {
            let aside = Store::set_aside(&path)?;
            tracing::error!(
                error = &error as &dyn std::error::Error,
                kept = %aside.display(),
                "the store cannot be read; it is kept for salvage, and a new one begins under a new epoch"
            );
            machine.restore(&before).context("an empty state")?;
            Store::open(&path, &options, machine)?
        }
        Err(error) => return Err(error.into()),
    };
    tracing::info!(
        epoch = %store.epoch(),
        created = recovered.created,
        snapshot_row = recovered.snapshot_row,
        rows_replayed = recovered.rows_replayed,
        "store is open"
    );
    Ok(store)
}

/// A random epoch.
///
/// # Errors
/// When the system gives no random numbers.
pub(super) fn new_epoch() -> anyhow::Result<Epoch> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(anyhow::Error::new).context("the system gives no random numbers")?;
    Ok(Epoch::from_u128(u128::from_be_bytes(bytes)))
}

/// Whether the bytes are there and make no sense: nothing that a person could do makes them readable in place.
fn is_unreadable(error: &Error) -> bool {
    matches!(
        error,
        Error::Empty { .. }
            | Error::Truncated { .. }
            | Error::Damaged { .. }
            | Error::CorruptRow { .. }
            | Error::NoSnapshot { .. }
    )
}
