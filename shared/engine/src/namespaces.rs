//! Namespaces: which there are, what is known of each, and the rules by which they come and go.
//!
//! Executions of one namespace are invisible from another: each may have its own of the same workflow id.

mod requests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidegate_model::id::{Namespace, NamespaceId};
use tidegate_model::limits::{
    DURATION_SECONDS_MAX, NAMESPACE_DATA_BYTES_MAX, NAMESPACES_MAX, RETENTION_SECONDS_MIN,
};
use tidegate_model::time::Timestamp;

use crate::bounds::{self, Wrong};
use crate::request::{NamespaceChange, NamespaceInfo, NamespaceState, Refusal};
use crate::search_attributes::AttributeTypes;

/// The namespace there is without anybody registering it.
pub(crate) const DEFAULT: &str = "default";

/// A namespace with its search attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) info: NamespaceInfo,
    #[serde(default)]
    pub(crate) attributes: AttributeTypes,
}

/// All namespaces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Namespaces {
    entries: BTreeMap<Namespace, Entry>,
}

impl Default for Namespaces {
    fn default() -> Self {
        let name = Namespace::new(DEFAULT).expect("a name of letters");
        let info = NamespaceInfo {
            name: name.clone(),
            // Every host's own: there is nothing to draw it from before the first record.
            id: NamespaceId::from_u128(1),
            state: NamespaceState::Registered,
            description: String::new(),
            owner_email: String::new(),
            data: BTreeMap::new(),
            retention: None,
            payload_bytes_max: None,
            created: Timestamp::EPOCH,
            updated: Timestamp::EPOCH,
        };
        let entry = Entry { info, attributes: AttributeTypes::default() };
        Self { entries: BTreeMap::from([(name, entry)]) }
    }
}

impl Namespaces {
    /// Whether nobody has changed anything.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// A namespace that is not deleted.
    pub(crate) fn get(&self, name: &Namespace) -> Result<&Entry, Refusal> {
        self.entries
            .get(name)
            .filter(|entry| entry.info.state != NamespaceState::Deleted)
            .ok_or_else(|| Refusal::NamespaceNotFound(name.clone()))
    }

    /// The one there always is.
    pub(crate) fn default_entry(&self) -> &Entry {
        let name = Namespace::new(DEFAULT).expect("a name of letters");
        self.entries.get(&name).expect("it is there from the beginning and is never deleted")
    }

    /// The search attributes of a namespace, deleted or not: its runs may still have a word to say.
    pub(crate) fn attributes_of(&self, name: &Namespace) -> &AttributeTypes {
        static NONE: AttributeTypes = AttributeTypes::new();
        self.entries.get(name).map_or(&NONE, |entry| &entry.attributes)
    }

    /// Those that are not deleted, by name, from the one after `after`.
    pub(crate) fn listed(&self, after: Option<&Namespace>) -> impl Iterator<Item = &Entry> {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let entries = self.entries.range((from, std::ops::Bound::Unbounded)).map(|(_, entry)| entry);
        entries.filter(|entry| entry.info.state != NamespaceState::Deleted)
    }

    /// Those whose executions are still to be removed.
    pub(crate) fn deleted(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| entry.info.state == NamespaceState::Deleted)
    }

    /// What a namespace would be.
    pub(crate) fn check_register(
        &self,
        name: Namespace,
        id: NamespaceId,
        wanted: NamespaceChange,
        now: Timestamp,
    ) -> Result<NamespaceInfo, Refusal> {
        match self.entries.get(&name) {
            Some(entry) if entry.info.state == NamespaceState::Deleted => {
                return Err(Refusal::FailedPrecondition(format!(
                    "namespace {name} is being deleted; its name is free when its executions are gone"
                )));
            }
            Some(_) => return Err(Refusal::NamespaceAlreadyExists(name)),
            None => {}
        }
        if self.entries.len() >= NAMESPACES_MAX {
            let message = format!("there are {NAMESPACES_MAX} namespaces");
            return Err(Refusal::ResourceExhausted { limit: "NAMESPACES_MAX", message });
        }
        if wanted.state.is_some_and(|state| state != NamespaceState::Registered) {
            return Err(Wrong(String::from("a namespace is registered in the state Registered")).into());
        }
        let NamespaceChange { description, owner_email, data, retention, state: _ } = wanted;
        let info = NamespaceInfo {
            name,
            id,
            state: NamespaceState::Registered,
            description: description.unwrap_or_default(),
            owner_email: owner_email.unwrap_or_default(),
            data,
            retention,
            payload_bytes_max: None,
            created: now,
            updated: now,
        };
        check(&info)?;
        Ok(info)
    }

    /// What a namespace would become.
    pub(crate) fn check_update(
        &self,
        name: &Namespace,
        wanted: NamespaceChange,
        now: Timestamp,
    ) -> Result<NamespaceInfo, Refusal> {
        let mut info = self.get(name)?.info.clone();
        let NamespaceChange { description, owner_email, data, retention, state } = wanted;
        if let Some(description) = description {
            info.description = description;
        }
        if let Some(owner_email) = owner_email {
            info.owner_email = owner_email;
        }
        info.data.extend(data);
        info.retention = retention.or(info.retention);
        match (info.state, state) {
            (_, None) => {}
            (from, Some(to)) if from == to => {}
            (NamespaceState::Registered, Some(NamespaceState::Deprecated)) => {
                info.state = NamespaceState::Deprecated;
            }
            (_, Some(NamespaceState::Deleted)) => {
                let message = "Invalid namespace state update: a namespace is deleted with DeleteNamespace.";
                return Err(Wrong(String::from(message)).into());
            }
            (_, Some(NamespaceState::Registered | NamespaceState::Deprecated)) => {
                let message = "Invalid namespace state update: a deprecated namespace stays deprecated.";
                return Err(Wrong(String::from(message)).into());
            }
        }
        info.updated = now;
        check(&info)?;
        Ok(info)
    }

    /// What a namespace would be while its executions are removed.
    pub(crate) fn check_delete(&self, name: &Namespace, now: Timestamp) -> Result<NamespaceInfo, Refusal> {
        let info = self.get(name)?.info.clone();
        if name.as_str() == DEFAULT {
            return Err(
                Wrong(format!("the namespace {DEFAULT} cannot be deleted: there is always one")).into()
            );
        }
        Ok(NamespaceInfo { state: NamespaceState::Deleted, updated: now, ..info })
    }

    /// Takes a namespace as it was decided to be.
    fn put(&mut self, info: NamespaceInfo) {
        match self.entries.get_mut(&info.name) {
            Some(entry) => entry.info = info,
            None => {
                let entry = Entry { attributes: AttributeTypes::default(), info };
                self.entries.insert(entry.info.name.clone(), entry);
            }
        }
    }
}

fn check(info: &NamespaceInfo) -> Result<(), Wrong> {
    let data: usize = info.data.iter().map(|(key, value)| key.len() + value.len()).sum();
    let bytes = data + info.description.len() + info.owner_email.len();
    bounds::within(
        "description, owner and data of the namespace",
        bytes,
        "NAMESPACE_DATA_BYTES_MAX",
        NAMESPACE_DATA_BYTES_MAX,
    )?;
    let range = RETENTION_SECONDS_MIN..=DURATION_SECONDS_MAX;
    match info.retention.map(|retention| retention.as_secs()) {
        Some(seconds) if !range.contains(&seconds) => Err(Wrong(format!(
            "A valid retention period is not set on request: it is {seconds} s; RETENTION_SECONDS_MIN is \
             {RETENTION_SECONDS_MIN}, DURATION_SECONDS_MAX {DURATION_SECONDS_MAX}"
        ))),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
