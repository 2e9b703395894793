//! The order in which runs are listed. Follows from the runs, and is never stored.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use tidegate_model::id::{Namespace, RunId};
use tidegate_model::time::Timestamp;

use crate::request::{ListToken, RunSummary};
use crate::run::Run;

/// Where a run stands: open ones first, then by close, then by start, the latest first. Runs that agree in both stand
/// in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The end of time for an open run.
    close: Reverse<Timestamp>,
    start: Reverse<Timestamp>,
    pub(crate) run_id: RunId,
}

impl Place {
    fn of(close: Option<Timestamp>, start: Timestamp, run_id: RunId) -> Self {
        Self { close: Reverse(close.unwrap_or(Timestamp::MAX)), start: Reverse(start), run_id }
    }

    pub(crate) fn of_open(run: &Run) -> Self {
        Self::of(None, run.head.start_time, run.head.run_id)
    }

    pub(crate) fn of_closed(summary: &RunSummary) -> Self {
        Self::of(summary.close_time, summary.start_time, summary.run_id)
    }

    pub(crate) fn of_token(token: &ListToken) -> Self {
        Self::of(token.close_time, token.start_time, token.run_id)
    }

    pub(crate) fn token(&self) -> ListToken {
        ListToken { close_time: self.close_time(), start_time: self.start.0, run_id: self.run_id }
    }

    pub(crate) fn close_time(&self) -> Option<Timestamp> {
        (self.close.0 < Timestamp::MAX).then_some(self.close.0)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    places: BTreeMap<Namespace, BTreeSet<Place>>,
}

impl Listing {
    pub(crate) fn put(&mut self, namespace: &Namespace, place: Place) {
        match self.places.get_mut(namespace) {
            Some(places) => places.insert(place),
            None => self.places.entry(namespace.clone()).or_default().insert(place),
        };
    }

    pub(crate) fn take(&mut self, namespace: &Namespace, place: Place) {
        if let Some(places) = self.places.get_mut(namespace) {
            places.remove(&place);
            if places.is_empty() {
                self.places.remove(namespace);
            }
        }
    }

    /// The namespaces that have runs.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.places.keys()
    }

    /// The runs of a namespace, from the one behind a place.
    pub(crate) fn of(
        &self,
        namespace: &Namespace,
        behind: Option<Place>,
    ) -> impl DoubleEndedIterator<Item = Place> {
        let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
        let places = self.places.get(namespace);
        places.into_iter().flat_map(move |places| places.range((from, Bound::Unbounded)).copied())
    }

    /// How many runs a namespace has.
    pub(crate) fn count(&self, namespace: &Namespace) -> usize {
        self.places.get(namespace).map_or(0, BTreeSet::len)
    }

    /// The runs of all namespaces in one order, from the one behind a place.
    pub(crate) fn of_all(&self, behind: Option<Place>) -> impl Iterator<Item = Place> {
        let mut heads: Vec<_> =
            self.namespaces().map(|namespace| self.of(namespace, behind).peekable()).collect();
        std::iter::from_fn(move || {
            let first = heads.iter_mut().filter_map(|places| places.peek().copied()).min()?;
            heads.iter_mut().find_map(|places| places.next_if_eq(&first))
        })
    }
}
