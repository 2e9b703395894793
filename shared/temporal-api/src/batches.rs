//! What is known of batches: as long as the process lives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tidegate_model::id::Namespace;
use tidegate_model::limits::{API_BATCHES_KEPT_MAX, API_BATCHES_RUNNING_MAX};
use tonic::Status;

use crate::proto::enums::{BatchOperationState, BatchOperationType};
use crate::refusal;

/// A batch's namespace, and its id there.
pub(crate) type Key = (Namespace, String);

/// The batches of this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batches(Arc<Mutex<BTreeMap<Key, Batch>>>);

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) kind: BatchOperationType,
    pub(crate) reason: String,
    pub(crate) query: String,
    pub(crate) identity: String,
    pub(crate) state: BatchOperationState,
    pub(crate) is_stopping: bool,
    pub(crate) total: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) started: SystemTime,
    pub(crate) closed: Option<SystemTime>,
}

impl Batches {
    /// All there are.
    pub(crate) fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Batch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a batch; the oldest of those that have ended gives way.
    pub(crate) fn enter(&self, key: Key, batch: Batch) -> Result<(), Status> {
        let mut all = self.all();
        if all.contains_key(&key) {
            return Err(Status::already_exists(format!("batch operation {:?} exists already", key.1)));
        }
        if all.values().filter(|batch| batch.closed.is_none()).count() >= API_BATCHES_RUNNING_MAX {
            return Err(refusal::too_many("as many batch operations are under way as may be"));
        }
        if all.len() >= API_BATCHES_KEPT_MAX {
            let ended = all.iter().filter_map(|(key, batch)| Some((batch.closed?, key.clone())));
            if let Some((_, oldest)) = ended.min() {
                all.remove(&oldest);
            }
        }
        all.insert(key, batch);
        Ok(())
    }

    /// Changes a batch that is known.
    pub(crate) fn change(&self, key: &Key, change: impl FnOnce(&mut Batch)) {
        if let Some(batch) = self.all().get_mut(key) {
            change(batch);
        }
    }

    /// Whether a batch is to end before its next execution.
    pub(crate) fn is_stopping(&self, key: &Key) -> bool {
        self.all().get(key).is_none_or(|batch| batch.is_stopping)
    }
}
