//! What workflow code writes into its history to read there again: side effects and patches, and what
//! local activities came to (`local_state`).

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_engine::Command;
use tidegate_model::id::EventId;
use tidegate_model::limits::SHOWN_PATCHES_BYTES_MAX;
use tidegate_model::payload::{Failure, Header, Payload, Payloads};

use super::state::Shared;
use super::workflow::{from_payloads, to_payloads};

/// Marker of a value that was made once.
const SIDE_EFFECT: &str = "side-effect";
/// Temporal's search attribute for the patches of a run.
pub(super) const CHANGE_VERSION: &str = "TemporalChangeVersion";
/// Marker of new code that was taken.
pub(super) const PATCH: &str = "patch";

/// A marker of a turn that was answered before.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Marker {
    pub(super) name: String,
    pub(super) details: BTreeMap<String, Payloads>,
    pub(super) failure: Option<Failure>,
    /// Where it stands in the history; absent where it is not there yet.
    pub(super) event_id: Option<EventId>,
}

/// The markers of a run.
#[derive(Debug, Default)]
pub(super) struct Markers {
    /// Those of the present turn, read ahead in the history; absent in a turn that is new.
    ahead: Option<VecDeque<Marker>>,
    /// What was said of each patch: the same for the whole run.
    patches: BTreeMap<String, bool>,
}

impl Markers {
    /// Another turn begins, with these markers if it was answered before.
    pub(super) fn begin_turn(&mut self, ahead: Option<Vec<Marker>>) {
        self.ahead = ahead.map(VecDeque::from);
    }

    /// The next marker of this kind and id in a turn that was answered before; `Err` when the turn is new.
    fn recall(&mut self, name: &str, id: &Payloads) -> Result<Option<Marker>, NewTurn> {
        let ahead = self.ahead.as_mut().ok_or(NewTurn)?;
        let at = ahead.iter().position(|marker| marker.name == name && marker.details.get("id") == Some(id));
        Ok(at.and_then(|at| ahead.remove(at)))
    }

    /// The next marker of this kind in a turn that was answered before.
    pub(super) fn next_of(&mut self, name: &str) -> Option<Marker> {
        let ahead = self.ahead.as_mut()?;
        let at = ahead.iter().position(|marker| marker.name == name)?;
        ahead.remove(at)
    }
}

struct NewTurn;

impl Shared {
    /// What was recorded for a side effect; `None` when it is to be made now.
    pub(super) fn recall_side_effect<T: DeserializeOwned>(&mut self, id: &str) -> Option<T> {
        match self.markers.recall(SIDE_EFFECT, &text(id)) {
            Err(NewTurn) => None,
            Ok(None) => {
                self.disagree(format!(
                    "the code asks for side effect {id:?}, which its history does not have"
                ));
                None
            }
            Ok(Some(marker)) => {
                let value = marker.details.get("value").cloned().unwrap_or_default();
                let read = from_payloads(&value);
                self.record(marker);
                read.inspect_err(|reason| {
                    let what =
                        format!("what side effect {id:?} recorded is not what the code expects: {reason}");
                    self.fail(what);
                })
                .ok()
            }
        }
    }

    /// Records what a side effect made. In a turn that was answered before there is no place for it.
    pub(super) fn record_side_effect<T: Serialize>(&mut self, id: &str, value: &T) {
        if self.fault.is_some() {
            return;
        }
        match to_payloads(value) {
            Ok(value) => {
                let details = BTreeMap::from([("id".to_owned(), text(id)), ("value".to_owned(), value)]);
                self.record_new(SIDE_EFFECT, details);
            }
            Err(reason) => self.fail(format!("the value of side effect {id:?} has no JSON form: {reason}")),
        }
    }

    /// Whether the run takes the new code.
    pub(super) fn patched(&mut self, id: &str) -> bool {
        if let Some(said) = self.markers.patches.get(id) {
            return *said;
        }
        let details = BTreeMap::from([("id".to_owned(), text(id))]);
        let takes = match self.markers.recall(PATCH, &text(id)) {
            Err(NewTurn) => true,
            Ok(marker) => marker.is_some(),
        };
        self.markers.patches.insert(id.to_owned(), takes);
        if takes {
            self.record_new(PATCH, details);
            self.show_patches();
        }
        takes
    }

    /// Has the run found by the new code it takes, so that it can be asked whether old code is still wanted.
    fn show_patches(&mut self) {
        let taken = self.markers.patches.iter().filter(|(_, takes)| **takes).map(|(id, _)| id.as_str());
        let list = serde_json::to_vec(&taken.collect::<Vec<_>>()).expect("texts have a JSON form");
        if list.len() <= SHOWN_PATCHES_BYTES_MAX {
            let search_attributes = Header::from([(CHANGE_VERSION.to_owned(), Payload::json(list))]);
            self.push(Command::UpsertWorkflowSearchAttributes { search_attributes });
        }
    }

    fn record_new(&mut self, name: &str, details: BTreeMap<String, Payloads>) {
        self.record(Marker { name: name.to_owned(), details, failure: None, event_id: None });
    }

    /// Asks for a marker at this place.
    pub(super) fn record(&mut self, Marker { name, details, failure, event_id: _ }: Marker) {
        self.push(Command::RecordMarker {
            marker_name: name,
            details,
            header: Header::new(),
            failure,
            user_metadata: None,
        });
    }
}

/// Whether these are a run's patches, and nothing else.
pub(super) fn is_change_version(search_attributes: &Header) -> bool {
    search_attributes.len() == 1 && search_attributes.contains_key(CHANGE_VERSION)
}

fn text(id: &str) -> Payloads {
    to_payloads(&id).expect("a string has a JSON form")
}
