//! Workers that ended in good order, remembered for a while. Several threads of a worker poll, and learn of its end one
//! after the other: a poll that comes late would take a task nobody does, or hold the worker up until it is answered.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_model::id::Namespace;
use tidegate_model::limits::{WORKERS_RETIRED_MAX, WORKERS_RETIRED_SECONDS_MAX};
use tidegate_model::time::Timestamp;

/// Until when each is remembered, by the namespace and the key of its polls. Known to this process alone.
#[derive(Debug, Default)]
pub(crate) struct Retired(BTreeMap<(Namespace, String), Timestamp>);

impl Retired {
    /// A worker ends now. One without a key cannot be told from others, and is not remembered.
    pub(crate) fn put(&mut self, now: Timestamp, namespace: Namespace, worker_instance_key: &str) {
        if worker_instance_key.is_empty() {
            return;
        }
        self.0.retain(|_, until| now < *until);
        let until = now + Duration::from_secs(WORKERS_RETIRED_SECONDS_MAX);
        self.0.insert((namespace, worker_instance_key.to_owned()), until);
        if self.0.len() > WORKERS_RETIRED_MAX {
            let oldest = self.0.iter().min_by_key(|(_, until)| **until).map(|(key, _)| key.clone());
            self.0.remove(&oldest.expect("there are more than none"));
        }
    }

    /// Whether this worker has ended.
    pub(crate) fn has(&self, now: Timestamp, namespace: &Namespace, worker_instance_key: &str) -> bool {
        if worker_instance_key.is_empty() || self.0.is_empty() {
            return false;
        }
        let key = (namespace.clone(), worker_instance_key.to_owned());
        self.0.get(&key).is_some_and(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_remembered_and_the_oldest_is_forgotten_first() {
        let mut retired = Retired::default();
        let namespace = Namespace::new("ward").expect("a namespace");
        let begin = Timestamp::from_micros(0);
        let at = |number: usize| begin + Duration::from_millis(number.try_into().expect("a small number"));
        for number in 0..=WORKERS_RETIRED_MAX {
            retired.put(at(number), namespace.clone(), &format!("worker {number}"));
        }
        assert!(!retired.has(at(0), &namespace, "worker 0"));
        assert!(retired.has(at(0), &namespace, "worker 1"));
        assert!(retired.has(at(0), &namespace, &format!("worker {WORKERS_RETIRED_MAX}")));
    }
}
