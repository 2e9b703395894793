//! What can be asked about namespaces and their search attributes.

use std::collections::BTreeMap;

use tidegate_model::id::Namespace;
use tidegate_model::limits::NAMESPACES_LISTED_MAX;

use crate::engine::{Engine, Step};
use crate::record::{NamespaceRecord, Record, StateChange};
use crate::request::{IndexedValueType, NamespaceChange, NamespaceInfo, NamespaceRef, Refusal, Reply};
use crate::search_attributes::AttributeTypes;

use super::{Entry, Namespaces};

impl Engine {
    pub(crate) fn register_namespace(
        &mut self,
        step: &mut Step<'_>,
        name: Namespace,
        wanted: NamespaceChange,
    ) -> Result<Reply, Refusal> {
        let id = step.chance.namespace_id(step.now);
        let info = self.namespaces.check_register(name, id, wanted, step.now)?;
        Ok(self.save_namespace(step, info))
    }

    pub(crate) fn update_namespace(
        &mut self,
        step: &mut Step<'_>,
        name: &Namespace,
        change: NamespaceChange,
    ) -> Result<Reply, Refusal> {
        let info = self.namespaces.check_update(name, change, step.now)?;
        Ok(self.save_namespace(step, info))
    }

    /// Its executions go by and by: see `visibility::retention`.
    pub(crate) fn delete_namespace(
        &mut self,
        step: &mut Step<'_>,
        which: &NamespaceRef,
    ) -> Result<Reply, Refusal> {
        let name = self.namespaces.named(which)?.info.name.clone();
        let info = self.namespaces.check_delete(&name, step.now)?;
        Ok(self.save_namespace(step, info))
    }

    pub(crate) fn describe_namespace(&self, which: &NamespaceRef) -> Result<Reply, Refusal> {
        let info = self.namespaces.named(which)?.info.clone();
        Ok(Reply::Namespace(Box::new(self.completed(info))))
    }

    pub(crate) fn list_namespaces(&self, page_size: usize, after: Option<&Namespace>) -> Reply {
        let page_size = page_size.clamp(1, NAMESPACES_LISTED_MAX);
        let mut listed = self.namespaces.listed(after).map(|entry| self.completed(entry.info.clone()));
        let namespaces: Vec<_> = listed.by_ref().take(page_size).collect();
        let has_more = listed.next().is_some();
        let next = namespaces.last().filter(|_| has_more).map(|info| info.name.clone());
        Reply::Namespaces { namespaces, next }
    }

    pub(crate) fn add_search_attributes(
        &mut self,
        step: &mut Step<'_>,
        namespace: Namespace,
        wanted: &BTreeMap<String, IndexedValueType>,
    ) -> Result<Reply, Refusal> {
        let attributes = self.namespaces.get(&namespace)?.attributes.check_add(wanted)?;
        if !attributes.is_empty() {
            self.record(step, NamespaceRecord::AttributesAdded { namespace, attributes });
        }
        Ok(Reply::Done)
    }

    pub(crate) fn remove_search_attributes(
        &mut self,
        step: &mut Step<'_>,
        namespace: Namespace,
        unwanted: &[String],
    ) -> Result<Reply, Refusal> {
        let names = self.namespaces.get(&namespace)?.attributes.check_remove(unwanted)?;
        if !names.is_empty() {
            self.record(step, NamespaceRecord::AttributesRemoved { namespace, names });
        }
        Ok(Reply::Done)
    }

    pub(crate) fn list_search_attributes(&self, namespace: &Namespace) -> Result<Reply, Refusal> {
        let custom = self.namespaces.get(namespace)?.attributes.custom().clone();
        let system = AttributeTypes::system().map(|(name, kind)| (name.to_owned(), kind)).collect();
        Ok(Reply::SearchAttributes { custom, system })
    }

    fn save_namespace(&mut self, step: &mut Step<'_>, info: NamespaceInfo) -> Reply {
        self.record(step, NamespaceRecord::Saved(info.clone()));
        Reply::Namespace(Box::new(self.completed(info)))
    }

    fn record(&mut self, step: &mut Step<'_>, record: NamespaceRecord) {
        self.commit(step, Record::State(StateChange::Namespace(record)));
    }

    /// With what holds where the namespace itself says nothing.
    fn completed(&self, info: NamespaceInfo) -> NamespaceInfo {
        NamespaceInfo {
            retention: info.retention.or(Some(self.settings.retention)),
            payload_bytes_max: Some(self.settings.payload_bytes_max),
            ..info
        }
    }
}

impl Namespaces {
    /// A namespace that is not deleted.
    fn named(&self, which: &NamespaceRef) -> Result<&Entry, Refusal> {
        match which {
            NamespaceRef::Name(name) => self.get(name),
            NamespaceRef::Id(id) => self
                .listed(None)
                .find(|entry| entry.info.id == *id)
                .ok_or_else(|| Refusal::NotFound(format!("namespace not found: id {id}"))),
        }
    }

    /// Takes a record into the registry.
    pub(crate) fn apply(&mut self, record: &NamespaceRecord) {
        match record {
            NamespaceRecord::Saved(info) => self.put(info.clone()),
            NamespaceRecord::Forgotten { name } => {
                self.entries.remove(name);
            }
            NamespaceRecord::AttributesAdded { namespace, attributes } => {
                if let Some(entry) = self.entries.get_mut(namespace) {
                    entry.attributes.add(attributes);
                }
            }
            NamespaceRecord::AttributesRemoved { namespace, names } => {
                if let Some(entry) = self.entries.get_mut(namespace) {
                    entry.attributes.remove(names);
                }
            }
        }
    }
}
