//! Stickiness: a worker that has a run in its cache gets the next workflow tasks, with the new events only.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::event::HistoryBatch;
use tidegate_model::limits::{
    DURATION_SECONDS_MAX, STICKY_HISTORY_BYTES_MAX, STICKY_SCHEDULE_TO_START_SECONDS,
};

use crate::index::{Entry, Index};
use crate::request::{HistoryPart, StickyAttributes};
use crate::run::{Head, Run};
use crate::workers::Held;

/// A run's tie to a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sticky {
    pub(crate) attributes: StickyAttributes,
    /// Who answered the task that tied it.
    pub(crate) identity: String,
    /// The events after the started event of the last completed workflow task, while they are few enough.
    since: Option<Vec<HistoryBatch>>,
    since_bytes: usize,
}

impl Sticky {
    pub(crate) fn new(attributes: StickyAttributes, identity: String) -> Self {
        Self { attributes, identity, since: Some(Vec::new()), since_bytes: 0 }
    }

    /// A workflow task was completed: the worker knows all before that.
    pub(crate) fn forget(&mut self) {
        self.since = Some(Vec::new());
        self.since_bytes = 0;
    }

    pub(crate) fn remember(&mut self, batch: &HistoryBatch, bytes: usize) {
        self.since_bytes += bytes;
        if self.since_bytes > STICKY_HISTORY_BYTES_MAX {
            self.since = None;
        }
        if let Some(since) = &mut self.since {
            since.push(batch.clone());
        }
    }

    /// What a task on the sticky queue comes with.
    pub(crate) fn history(&self) -> HistoryPart {
        self.since.clone().map_or(HistoryPart::Whole, HistoryPart::Since)
    }

    pub(crate) fn entry(&self, head: &Head) -> Entry {
        Entry::Held(self.identity.clone(), head.run_id, Held::Sticky)
    }
}

impl Run {
    /// Ties the run to a worker, or to none.
    pub(crate) fn bind_sticky(&mut self, sticky: Option<Sticky>, index: &mut Index) {
        index.take(self.sticky.as_ref().map(|sticky| sticky.entry(&self.head)));
        self.sticky = sticky;
        index.put(self.sticky.as_ref().map(|sticky| sticky.entry(&self.head)));
    }
}

/// The attributes as they are used: a time-out of zero is the default, one beyond the cap is the cap.
pub(crate) fn completed(attributes: StickyAttributes) -> StickyAttributes {
    let wanted = attributes.schedule_to_start_timeout;
    let timeout =
        if wanted.is_zero() { Duration::from_secs(STICKY_SCHEDULE_TO_START_SECONDS) } else { wanted };
    StickyAttributes {
        schedule_to_start_timeout: timeout.min(Duration::from_secs(DURATION_SECONDS_MAX)),
        ..attributes
    }
}
