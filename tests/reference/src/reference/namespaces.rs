//! Namespaces and their search attributes.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_engine::{
    IndexedValueType, NamespaceChange, NamespaceInfo, NamespaceRef, NamespaceState, Refusal, Reply,
    StartWorkflow,
};
use tidegate_model::id::{Namespace, NamespaceId};
use tidegate_model::time::Timestamp;

use super::Reference;

const SHORTEST_RETENTION: Duration = Duration::from_secs(3_600);

#[derive(Clone)]
pub(super) struct Known {
    pub(super) info: NamespaceInfo,
    attributes: BTreeMap<String, IndexedValueType>,
}

pub(super) fn at_the_beginning() -> BTreeMap<Namespace, Known> {
    let name = Namespace::new("default").expect("a name of letters");
    let known = known(name.clone(), Timestamp::EPOCH);
    BTreeMap::from([(name, known)])
}

fn known(name: Namespace, now: Timestamp) -> Known {
    let info = NamespaceInfo {
        name,
        id: NamespaceId::from_u128(1),
        state: NamespaceState::Registered,
        description: String::new(),
        owner_email: String::new(),
        data: BTreeMap::new(),
        retention: None,
        payload_bytes_max: None,
        created: now,
        updated: now,
    };
    Known { info, attributes: BTreeMap::new() }
}

fn invalid<T>() -> Result<T, Refusal> {
    Err(Refusal::InvalidArgument(String::new()))
}

fn check(info: &NamespaceInfo) -> Result<(), Refusal> {
    if info.retention.is_some_and(|retention| retention < SHORTEST_RETENTION) { invalid() } else { Ok(()) }
}

impl Reference {
    fn namespace(&self, name: &Namespace) -> Result<&Known, Refusal> {
        let found = self.namespaces.get(name).filter(|known| known.info.state != NamespaceState::Deleted);
        found.ok_or_else(|| Refusal::NamespaceNotFound(name.clone()))
    }

    pub(super) fn namespace_exists(&self, name: &Namespace) -> Result<(), Refusal> {
        self.namespace(name).map(drop)
    }

    /// As it is shown: with the retention that holds.
    fn shown_namespace(&self, info: NamespaceInfo) -> NamespaceInfo {
        NamespaceInfo {
            retention: info.retention.or(Some(self.settings.retention)),
            payload_bytes_max: Some(self.settings.payload_bytes_max),
            ..info
        }
    }

    fn save(&mut self, info: NamespaceInfo) -> Reply {
        let now = self.now;
        let known = self.namespaces.entry(info.name.clone()).or_insert_with(|| known(info.name.clone(), now));
        known.info = info.clone();
        Reply::Namespace(Box::new(self.shown_namespace(info)))
    }

    pub(super) fn register_namespace(
        &mut self,
        name: Namespace,
        wanted: NamespaceChange,
    ) -> Result<Reply, Refusal> {
        match self.namespaces.get(&name).map(|known| known.info.state) {
            Some(NamespaceState::Deleted) => return Err(Refusal::FailedPrecondition(String::new())),
            Some(_) => return Err(Refusal::NamespaceAlreadyExists(name)),
            None => {}
        }
        let info = NamespaceInfo {
            description: wanted.description.unwrap_or_default(),
            owner_email: wanted.owner_email.unwrap_or_default(),
            data: wanted.data,
            retention: wanted.retention,
            ..known(name, self.now).info
        };
        check(&info)?;
        Ok(self.save(info))
    }

    pub(super) fn describe_namespace(&self, which: &NamespaceRef) -> Result<Reply, Refusal> {
        let info = match which {
            NamespaceRef::Name(name) => self.namespace(name)?.info.clone(),
            // Of all ids the programs know one, that of the namespace there always is.
            NamespaceRef::Id(id) if *id == NamespaceId::from_u128(1) => self
                .namespaces
                .values()
                .find(|known| known.info.name.as_str() == "default")
                .map_or_else(|| Err(Refusal::NotFound(String::new())), |known| Ok(known.info.clone()))?,
            NamespaceRef::Id(_) => return Err(Refusal::NotFound(String::new())),
        };
        Ok(Reply::Namespace(Box::new(self.shown_namespace(info))))
    }

    pub(super) fn list_namespaces(&self, page_size: usize, after: Option<&Namespace>) -> Reply {
        let all = self.namespaces.values().filter(|known| known.info.state != NamespaceState::Deleted);
        let behind = all.filter(|known| after.is_none_or(|after| known.info.name > *after));
        let mut namespaces: Vec<NamespaceInfo> =
            behind.map(|known| self.shown_namespace(known.info.clone())).collect();
        let has_more = namespaces.len() > page_size;
        namespaces.truncate(page_size);
        let next = namespaces.last().filter(|_| has_more).map(|info| info.name.clone());
        Reply::Namespaces { namespaces, next }
    }

    pub(super) fn update_namespace(
        &mut self,
        name: &Namespace,
        change: NamespaceChange,
    ) -> Result<Reply, Refusal> {
        let mut info = self.namespace(name)?.info.clone();
        info.description = change.description.unwrap_or(info.description);
        info.owner_email = change.owner_email.unwrap_or(info.owner_email);
        info.data.extend(change.data);
        info.retention = change.retention.or(info.retention);
        match (info.state, change.state) {
            (_, None) => {}
            (from, Some(to)) if from == to => {}
            (NamespaceState::Registered, Some(NamespaceState::Deprecated)) => {
                info.state = NamespaceState::Deprecated;
            }
            (_, Some(_)) => return invalid(),
        }
        info.updated = self.now;
        check(&info)?;
        Ok(self.save(info))
    }

    /// To everybody it is gone at once; its runs go by and by, and its schedules with it.
    pub(super) fn delete_namespace(&mut self, which: &NamespaceRef) -> Result<Reply, Refusal> {
        let NamespaceRef::Name(name) = which else { panic!("programs delete by name") };
        let info = self.namespace(name)?.info.clone();
        if name.as_str() == "default" {
            return invalid();
        }
        self.schedules.retain(|(namespace, _), _| namespace != name);
        Ok(self.save(NamespaceInfo { state: NamespaceState::Deleted, updated: self.now, ..info }))
    }

    /// A start whose own search attributes are words, with their types.
    pub(super) fn typed(&self, mut start: StartWorkflow) -> Result<StartWorkflow, Refusal> {
        let attributes = &self.namespace(&start.namespace)?.attributes;
        for (name, payload) in &mut start.search_attributes {
            if name.starts_with("Temporal") {
                continue;
            }
            match attributes.get(name) {
                Some(IndexedValueType::Keyword) => {
                    payload.metadata.insert(String::from("type"), b"Keyword".to_vec().into());
                }
                Some(_) | None => return invalid(),
            }
        }
        Ok(start)
    }

    fn attributes_mut(&mut self, name: &Namespace) -> &mut BTreeMap<String, IndexedValueType> {
        &mut self.namespaces.get_mut(name).expect("it was found to exist").attributes
    }

    pub(super) fn add_search_attributes(
        &mut self,
        namespace: &Namespace,
        wanted: BTreeMap<String, IndexedValueType>,
    ) -> Result<Reply, Refusal> {
        let there = self.attributes_mut(namespace);
        if wanted.iter().any(|(name, kind)| there.get(name).is_some_and(|known| known != kind)) {
            return invalid();
        }
        there.extend(wanted);
        Ok(Reply::Done)
    }

    pub(super) fn remove_search_attributes(
        &mut self,
        namespace: &Namespace,
        names: &[String],
    ) -> Result<Reply, Refusal> {
        self.attributes_mut(namespace).retain(|name, _| !names.contains(name));
        Ok(Reply::Done)
    }

    pub(super) fn list_search_attributes(&self, namespace: &Namespace) -> Result<Reply, Refusal> {
        let custom = self.namespace(namespace)?.attributes.clone();
        Ok(Reply::SearchAttributes { custom, system: BTreeMap::new() })
    }
}
