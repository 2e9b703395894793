//! The state as bytes. What follows from the runs is left out and built again.

use serde::{Deserialize, Serialize};
use tidegate_model::codec::{self, DecodeError};

use crate::child::Closings;
use crate::closed::ClosedRun;
use crate::engine::Engine;
use crate::namespaces::Namespaces;
use crate::run::Run;
use crate::scheduler::Scheduled;

#[derive(Serialize)]
struct Snapshot<'a> {
    open: Vec<&'a Run>,
    /// In the order they closed.
    closed: Vec<&'a ClosedRun>,
    #[serde(skip_serializing_if = "Namespaces::is_default")]
    namespaces: &'a Namespaces,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    schedules: Vec<&'a Scheduled>,
    #[serde(skip_serializing_if = "Closings::is_empty")]
    closings: &'a Closings,
}

#[derive(Deserialize)]
struct Restored {
    open: Vec<Run>,
    closed: Vec<ClosedRun>,
    #[serde(default)]
    namespaces: Namespaces,
    #[serde(default)]
    schedules: Vec<Scheduled>,
    #[serde(default)]
    closings: Closings,
}

impl Engine {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let open = self.open_newest_first().collect();
        let closed = self.closed.oldest_first().collect();
        let schedules = self.schedules.all().collect();
        let Self { namespaces, closings, .. } = self;
        codec::to_cbor(&Snapshot { open, closed, namespaces, schedules, closings })
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let restored: Restored = codec::from_cbor(bytes)?;
        let mut engine = Self::default();
        engine.namespaces = restored.namespaces;
        engine.index.put(restored.closings.entries());
        engine.closings = restored.closings;
        for run in restored.open {
            engine.index.put(run.entries());
            engine.insert(run);
        }
        for closed in restored.closed {
            engine.remember(closed);
        }
        for scheduled in restored.schedules {
            engine.schedules.restore(scheduled);
        }
        Ok(engine)
    }
}
