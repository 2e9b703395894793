//! The promise to a sensor: what was acknowledged to it is in the cloud, exactly once, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Context;
use serde_json::Value;

/// A reading as its source names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The source.
    pub source: String,
    /// The channel.
    pub channel: String,
    /// The source's session.
    pub session: u64,
    /// The number in the session of the channel.
    pub seq: u64,
}

impl Key {
    /// The key of a line of the bridge's export.
    ///
    /// # Errors
    /// When the line has no identity: a checker cannot tell such readings apart.
    pub fn of_exported(line: &Value) -> anyhow::Result<Self> {
        let text =
            |name: &str| line[name].as_str().with_context(|| format!("{name} of {line}")).map(str::to_owned);
        let number = |name: &str| {
            line["identity"][name].as_u64().with_context(|| format!("identity.{name} of {line}"))
        };
        Ok(Self {
            source: text("source")?,
            channel: text("channel")?,
            session: number("b")?,
            seq: number("n")?,
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}:{}", self.source, self.channel, self.session, self.seq)
    }
}

/// What sensors published, and what of it was acknowledged to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    published: BTreeSet<Key>,
    acknowledged: BTreeSet<Key>,
}

impl Ledger {
    /// Takes in the final report of a `host_sensor --json`.
    ///
    /// # Errors
    /// When it is not one.
    pub fn add_report(&mut self, report: &Value) -> anyhow::Result<()> {
        for sent in report["channels"].as_array().with_context(|| format!("channels of {report}"))? {
            let text = |name: &str| sent[name].as_str().with_context(|| format!("{name} of {sent}"));
            let number = |name: &str| sent[name].as_u64().with_context(|| format!("{name} of {sent}"));
            let (source, channel, session) = (text("source")?, text("channel")?, number("session")?);
            let (through, acknowledged) = (number("through")?, number("acknowledged")?);
            for seq in 1..=through {
                let key = Key { source: source.to_owned(), channel: channel.to_owned(), session, seq };
                if seq <= acknowledged {
                    self.acknowledged.insert(key.clone());
                }
                self.published.insert(key);
            }
        }
        Ok(())
    }

    /// Readings that were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// Compares with what the cloud gives back.
    #[must_use]
    pub fn check(&self, exported: impl IntoIterator<Item = Key>) -> Verdict {
        let mut times: BTreeMap<Key, u64> = BTreeMap::new();
        for key in exported {
            *times.entry(key).or_default() += 1;
        }
        Verdict {
            checked: self.acknowledged.len(),
            lost: self.acknowledged.iter().filter(|key| !times.contains_key(key)).cloned().collect(),
            duplicated: times.iter().filter(|&(_, &times)| times > 1).map(|(key, _)| key.clone()).collect(),
            unexpected: times.into_keys().filter(|key| !self.published.contains(key)).collect(),
        }
    }
}

/// What a checker found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Readings that had to be there.
    pub checked: usize,
    /// Acknowledged, and not there.
    pub lost: Vec<Key>,
    /// There more than once.
    pub duplicated: Vec<Key>,
    /// There, and never published.
    pub unexpected: Vec<Key>,
}

impl Verdict {
    /// Whether the promise was kept for at least one reading: a check of nothing proves nothing.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.checked > 0 && self.lost.is_empty() && self.duplicated.is_empty() && self.unexpected.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        write!(f, "{} acknowledged", self.checked)?;
        for (what, keys) in
            [("lost", &self.lost), ("duplicated", &self.duplicated), ("unexpected", &self.unexpected)]
        {
            write!(f, ", {} {what}", keys.len())?;
            for (at, key) in keys.iter().take(SHOWN).enumerate() {
                write!(f, "{}{key}", if at == 0 { " (" } else { ", " })?;
            }
            if !keys.is_empty() {
                f.write_str(if keys.len() > SHOWN { ", …)" } else { ")" })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Ten readings published, eight acknowledged.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        let channel =
            json!({"source": "bed", "channel": "HR", "session": 7, "through": 10, "acknowledged": 8});
        ledger.add_report(&json!({"channels": [channel]})).expect("a report");
        ledger
    }

    fn exported(numbers: impl IntoIterator<Item = u64>) -> Vec<Key> {
        let line =
            |seq| json!({"source": "bed", "channel": "HR", "value": 70, "identity": {"b": 7, "n": seq}});
        numbers.into_iter().map(|seq| Key::of_exported(&line(seq)).expect("a line of an export")).collect()
    }

    /// Checks an export and compares the numbers found lost, duplicated and unexpected.
    fn check(numbers: &[u64], lost: &[u64], duplicated: &[u64], unexpected: &[u64]) -> Verdict {
        let verdict = ledger().check(exported(numbers.iter().copied()));
        let seqs = |keys: &[Key]| keys.iter().map(|key| key.seq).collect::<Vec<_>>();
        assert_eq!(seqs(&verdict.lost), lost);
        assert_eq!(seqs(&verdict.duplicated), duplicated);
        assert_eq!(seqs(&verdict.unexpected), unexpected);
        verdict
    }

    #[test]
    fn what_was_published_and_not_acknowledged_may_be_there_or_not() {
        assert!(check(&[1, 2, 3, 4, 5, 6, 7, 8], &[], &[], &[]).is_kept());
        assert!(check(&[10, 8, 7, 6, 5, 4, 3, 2, 1], &[], &[], &[]).is_kept());
    }

    #[test]
    fn a_reading_that_is_lost_is_found() {
        let verdict = check(&[1, 2, 3, 5, 6, 7, 8, 9], &[4], &[], &[]);
        assert!(!verdict.is_kept());
        assert_eq!(verdict.to_string(), "8 acknowledged, 1 lost (bed/HR 7:4), 0 duplicated, 0 unexpected");
    }

    #[test]
    fn a_reading_that_is_there_twice_is_found() {
        assert!(!check(&[1, 2, 2, 3, 4, 5, 6, 7, 8, 10, 10], &[], &[2, 10], &[]).is_kept());
    }

    #[test]
    fn a_reading_that_nobody_published_is_found() {
        assert!(!check(&[1, 2, 3, 4, 5, 6, 7, 8, 11], &[], &[], &[11]).is_kept());
    }

    #[test]
    fn another_session_is_another_reading() {
        let mut found = exported(1..=8);
        found[2].session = 6;
        let verdict = ledger().check(found);
        assert_eq!((verdict.lost.len(), verdict.unexpected.len()), (1, 1));
    }

    #[test]
    fn a_check_of_nothing_is_not_a_promise_kept() {
        assert!(!Ledger::default().check([]).is_kept());
    }

    #[test]
    fn an_export_without_identity_is_refused() {
        let line = json!({"source": "bed", "channel": "HR", "value": 70});
        assert!(Key::of_exported(&line).is_err());
    }
}
