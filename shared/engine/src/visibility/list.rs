//! Lists and counts.
//!
//! A page goes through the runs in their order from where the last one ended, and stops when it is full. What a filter
//! leaves out is looked at where it lies and never copied.

use std::collections::BTreeMap;

use tidegate_model::id::{Namespace, WorkflowId};
use tidegate_model::limits::LIST_RUNS_MAX;

use crate::engine::Engine;
use crate::request::{CountGroup, ListWorkflows, Refusal, Reply, RunStatus, RunSummary};
use crate::run::Run;
use crate::search_attributes::AttributeTypes;

use super::Known;
use super::filter::{Filter, Row};
use super::listing::Place;
use super::query::{Query, QueryError};

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        Self::InvalidArgument(error.to_string())
    }
}

impl Engine {
    pub(crate) fn list(&self, list: &ListWorkflows) -> Result<Reply, Refusal> {
        let filter = self.filter(list.namespace.as_ref(), &list.query)?;
        let page_size = list.page_size.clamp(1, LIST_RUNS_MAX);
        let behind = list.page_token.as_ref().map(Place::of_token);
        let places: Box<dyn Iterator<Item = Place>> = match &list.namespace {
            None => Box::new(self.listing.of_all(behind)),
            Some(namespace) => match filter.workflow_id() {
                Some(workflow_id) => Box::new(self.places_of(namespace, workflow_id, behind).into_iter()),
                None => Box::new(self.listing.of(namespace, behind)),
            },
        };
        let mut found = places.filter_map(|place| {
            let known = self.known(place)?;
            filter.accepts(&known.row()).then_some((place, known))
        });
        let mut runs = Vec::new();
        let mut next = None;
        for (place, known) in found.by_ref().take(page_size) {
            runs.push(known.summary());
            next = Some(place.token());
        }
        // The last page says so, which spares the caller an empty one.
        let next = next.filter(|_| runs.len() == page_size && found.next().is_some());
        Ok(Reply::Listed { runs, next })
    }

    pub(crate) fn count(&self, namespace: &Namespace, query: &str) -> Result<Reply, Refusal> {
        let filter = self.filter(Some(namespace), query)?;
        let known: Box<dyn Iterator<Item = Known<'_>>> = match filter.workflow_id() {
            Some(workflow_id) => {
                let places = self.places_of(namespace, workflow_id, None);
                Box::new(places.into_iter().filter_map(|place| self.known(place)))
            }
            None => Box::new(self.all_of(namespace)),
        };
        let mut count = 0;
        let mut groups = BTreeMap::<_, CountGroup>::new();
        for known in known {
            if !filter.accepts(&known.row()) {
                continue;
            }
            count += 1;
            if filter.groups_by_status() {
                let status = known.status();
                groups.entry(status.name()).or_insert(CountGroup { status, count: 0 }).count += 1;
            }
        }
        Ok(Reply::Counted { count, groups: groups.into_values().collect() })
    }

    /// The runs of a namespace in no order: they are gone through where they lie, which is faster than by their places.
    fn all_of<'a>(&'a self, namespace: &'a Namespace) -> impl Iterator<Item = Known<'a>> {
        let open = self.open_newest_first().filter(move |run| run.head.namespace == *namespace);
        let closed = self.closed.oldest_first().filter(move |closed| closed.summary.namespace == *namespace);
        open.map(Known::Open).chain(closed.map(Known::Closed))
    }

    /// Over all namespaces, custom attributes are those of `default`: two may have one of the same name and another
    /// type.
    pub(crate) fn filter(&self, namespace: Option<&Namespace>, query: &str) -> Result<Filter, Refusal> {
        let entry = match namespace {
            Some(namespace) => self.namespaces.get(namespace)?,
            None => self.namespaces.default_entry(),
        };
        let types: &AttributeTypes = &entry.attributes;
        Ok(Filter::new(&Query::parse(query)?, types)?)
    }

    /// The runs of one execution, without a look at any other.
    fn places_of(&self, namespace: &Namespace, workflow_id: &str, behind: Option<Place>) -> Vec<Place> {
        let Ok(workflow_id) = WorkflowId::new(workflow_id) else { return Vec::new() };
        let open = self.current(namespace, &workflow_id).map(Place::of_open);
        let closed = self.closed.of(namespace, &workflow_id).map(|closed| Place::of_closed(&closed.summary));
        let mut places: Vec<Place> = open
            .into_iter()
            .chain(closed)
            .filter(|place| behind.is_none_or(|behind| *place > behind))
            .collect();
        places.sort_unstable();
        places
    }

    fn known(&self, place: Place) -> Option<Known<'_>> {
        match place.close_time() {
            None => self.run_if_open(place.run_id).map(Known::Open),
            Some(_) => self.closed.get(place.run_id).map(Known::Closed),
        }
    }
}

impl Known<'_> {
    fn status(&self) -> RunStatus {
        match self {
            Self::Open(run) => run.status,
            Self::Closed(closed) => closed.summary.status,
        }
    }

    fn summary(&self) -> RunSummary {
        match self {
            Self::Open(run) => run.summary(),
            Self::Closed(closed) => closed.summary.clone(),
        }
    }

    fn row(&self) -> Row<'_> {
        match self {
            Self::Open(run) => row_of_open(run),
            Self::Closed(closed) => row_of_closed(&closed.summary),
        }
    }
}

fn row_of_open(run: &Run) -> Row<'_> {
    let Run { head, started, shown, .. } = run;
    Row {
        workflow_id: head.workflow_id.as_str(),
        run_id: head.run_id,
        workflow_type: &head.workflow_type,
        task_queue: head.task_queue.as_str(),
        status: run.status,
        start_time: head.start_time,
        execution_time: run.execution_time(),
        close_time: None,
        history_length: run.history_length(),
        history_size_bytes: run.history_bytes,
        state_transition_count: shown.state_transitions,
        parent: started.parent.as_ref().map(|parent| (parent.workflow_id.as_str(), parent.run_id)),
        root: started.root.as_ref().map_or((head.workflow_id.as_str(), head.run_id), |root| {
            (root.workflow_id.as_str(), root.run_id.unwrap_or(head.run_id))
        }),
        search_attributes: &shown.search_attributes,
    }
}

fn row_of_closed(summary: &RunSummary) -> Row<'_> {
    Row {
        workflow_id: summary.workflow_id.as_str(),
        run_id: summary.run_id,
        workflow_type: &summary.workflow_type,
        task_queue: summary.task_queue.as_str(),
        status: summary.status,
        start_time: summary.start_time,
        execution_time: summary.execution_time,
        close_time: summary.close_time,
        history_length: summary.history_length,
        history_size_bytes: summary.history_size_bytes,
        state_transition_count: summary.state_transitions,
        parent: summary.parent.as_ref().map(|parent| (parent.workflow_id.as_str(), parent.run_id)),
        root: summary.root.as_ref().map_or((summary.workflow_id.as_str(), summary.run_id), |root| {
            (root.workflow_id.as_str(), root.run_id.unwrap_or(summary.run_id))
        }),
        search_attributes: &summary.search_attributes,
    }
}
