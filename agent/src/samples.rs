//! Readings into blocks: each identity once, numbered densely. Deterministic; reads no clock, does no I/O.
//!
//! A redelivery is recognised by the source's own identity where it has one, and otherwise, when the broker says it
//! delivers again, by a stamp and value that were just seen. A reading that carries neither may appear twice after a
//! crash: at least once is all its source can have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tidegate_model::id::{Channel, SourceId};
use tidegate_model::limits;
use tidegate_model::reading::{Identity, Reading, ReadingBlock, SourceStamp, Value};
use tidegate_model::time::Stamp;

/// Which identities have been stored, and what tells a redelivery without one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    sessions: BTreeMap<SessionKey, Session>,
    /// Sessions by the reading that touched them last: the first gives way when there are too many.
    by_use: BTreeMap<u64, SessionKey>,
    recent: VecDeque<u64>,
    #[serde(skip)]
    recent_lookup: BTreeSet<u64>,
    next: u64,
}

/// Identities count within a session of one channel: a source may count each channel for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct SessionKey {
    source: SourceId,
    channel: Channel,
    session: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Session {
    seen: Seen,
    last_use: u64,
}

/// A reading that has arrived, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// The reading; its `received_ns` is filled in when it joins a block.
    pub reading: Reading,
    /// The clocks at its arrival.
    pub received: Stamp,
    /// The broker says that it may have delivered this before.
    pub redelivered: bool,
}

/// Which of a source's readings are on disk, without a hole between them: what the gateway tells the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The source.
    pub source: SourceId,
    /// The channel.
    pub channel: Channel,
    /// The source's session.
    pub session: u64,
    /// The first sequence number.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl Samples {
    /// Blocks of what is not stored yet, in order of arrival, to be appended and applied one after the other; and how
    /// many were recognised as stored before. A new block begins where the clocks stepped, and where one is as large as
    /// a batch of the uplink.
    #[must_use]
    pub fn admit(&self, arrivals: Vec<Arrival>, first: u64) -> (Vec<ReadingBlock>, u64) {
        let mut blocks: Vec<ReadingBlock> = Vec::new();
        let mut in_group: BTreeSet<(SourceId, Channel, Identity)> = BTreeSet::new();
        let mut contents: BTreeSet<u64> = BTreeSet::new();
        let mut duplicates = 0;
        let mut next = first;
        let mut block_bytes = 0;
        for Arrival { mut reading, received, redelivered } in arrivals {
            let known = match reading.identity {
                Some(identity) => {
                    self.has(&reading, identity)
                        || !in_group.insert((reading.source.clone(), reading.channel.clone(), identity))
                }
                None => {
                    let content = content_of(&reading);
                    let seen = content
                        .is_some_and(|hash| self.recent_lookup.contains(&hash) || contents.contains(&hash));
                    contents.extend(content);
                    redelivered && seen
                }
            };
            if known {
                duplicates += 1;
                continue;
            }
            let steady = blocks.last().is_some_and(|block| same_clocks(&block.stamp, &received));
            if !steady || block_bytes >= limits::BATCH_BYTES_MAX {
                block_bytes = 0;
                blocks.push(ReadingBlock { first: next, stamp: received, readings: Vec::new() });
            }
            let block = blocks.last_mut().expect("pushed just above when there was none");
            block_bytes += approximate_bytes(&reading);
            reading.received_ns = signed_difference(received.boottime_ns, block.stamp.boottime_ns);
            block.readings.push(reading);
            next += 1;
        }
        (blocks, duplicates)
    }

    /// Takes a block into the state.
    pub fn apply(&mut self, block: &ReadingBlock) {
        for (number, reading) in (block.first..).zip(&block.readings) {
            self.next = number + 1;
            match reading.identity {
                Some(identity) => self.mark(reading, identity, number),
                None => {
                    if let Some(hash) = content_of(reading) {
                        self.remember(hash);
                    }
                }
            }
        }
    }

    /// The unbroken run of readings on disk that a stored reading belongs to.
    #[must_use]
    pub fn progress(&self, reading: &Reading) -> Option<Progress> {
        let identity = reading.identity?;
        let (first, last) = self.sessions.get(&key_of(reading, identity))?.seen.unbroken(identity.seq)?;
        Some(Progress {
            source: reading.source.clone(),
            channel: reading.channel.clone(),
            session: identity.session,
            first,
            last,
        })
    }

    /// How many sessions are remembered.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Puts back what serde leaves out of a snapshot.
    pub fn restored(&mut self) {
        self.recent_lookup = self.recent.iter().copied().collect();
    }

    fn has(&self, reading: &Reading, identity: Identity) -> bool {
        self.sessions
            .get(&key_of(reading, identity))
            .is_some_and(|session| session.seen.contains(identity.seq))
    }

    fn mark(&mut self, reading: &Reading, identity: Identity, number: u64) {
        let key = key_of(reading, identity);
        let session = self
            .sessions
            .entry(key.clone())
            .or_insert_with(|| Session { seen: Seen::default(), last_use: number });
        session.seen.insert(identity.seq);
        self.by_use.remove(&session.last_use);
        session.last_use = number;
        self.by_use.insert(number, key);
        if self.sessions.len() > limits::DEDUP_SESSIONS_MAX
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.sessions.remove(&oldest);
        }
    }

    fn remember(&mut self, hash: u64) {
        if !self.recent_lookup.insert(hash) {
            return;
        }
        self.recent.push_back(hash);
        if self.recent.len() > limits::DEDUP_RECENT_MAX
            && let Some(oldest) = self.recent.pop_front()
        {
            self.recent_lookup.remove(&oldest);
        }
    }
}

fn key_of(reading: &Reading, identity: Identity) -> SessionKey {
    SessionKey { source: reading.source.clone(), channel: reading.channel.clone(), session: identity.session }
}

/// What tells a reading without an identity apart; nothing where the source did not even stamp it.
fn content_of(reading: &Reading) -> Option<u64> {
    let stamp = reading.source_stamp.as_ref()?;
    let bytes = tidegate_model::codec::to_cbor(&(&reading.source, &reading.channel, stamp, &reading.value));
    let digest = Sha256::digest(&bytes);
    let first: [u8; 8] = digest[..8].try_into().expect("a SHA-256 has 32 bytes");
    Some(u64::from_be_bytes(first))
}

/// About how many bytes a reading takes in a block, rather more than fewer.
fn approximate_bytes(reading: &Reading) -> usize {
    const NUMBERS_AND_NAMES_OF_FIELDS: usize = 96;
    const CBOR_NUMBER: usize = 9;
    let value = match &reading.value {
        Value::Bool(_) | Value::Int(_) | Value::Number(_) | Value::Missing => CBOR_NUMBER,
        Value::Text(text) => text.len(),
        Value::Vector(values) => values.len() * CBOR_NUMBER,
    };
    let stamp = match &reading.source_stamp {
        Some(SourceStamp::Text(text)) => text.len(),
        Some(SourceStamp::Int(_) | SourceStamp::Number(_)) | None => CBOR_NUMBER,
    };
    NUMBERS_AND_NAMES_OF_FIELDS
        + value
        + stamp
        + reading.unit.len()
        + reading.source.as_str().len()
        + reading.channel.as_str().len()
}

/// Whether two looks at the clocks belong to one undisturbed run of them: the wall clock moved with boot time, to
/// within what slewing does in a block's short life.
fn same_clocks(a: &Stamp, b: &Stamp) -> bool {
    const SLEW_MICROS: i64 = 1_000;
    let boot = signed_difference(b.boottime_ns, a.boottime_ns).div_euclid(1_000);
    let wall = b.wall.as_micros().saturating_sub(a.wall.as_micros());
    a.boot == b.boot
        && a.state == b.state
        && a.error_us == b.error_us
        && wall.saturating_sub(boot).abs() <= SLEW_MICROS
}

fn signed_difference(later: u64, earlier: u64) -> i64 {
    i64::try_from(i128::from(later) - i128::from(earlier)).unwrap_or(i64::MAX)
}

/// A set of sequence numbers as ranges. Dense sources need one range; a hole that is never filled costs one more,
/// and with too many of them the oldest hole is taken as filled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// Inclusive, ascending, with holes between them.
    ranges: Vec<(u64, u64)>,
    /// Below this, holes were taken as filled.
    #[serde(default)]
    filled_below: u64,
}

impl Seen {
    fn contains(&self, seq: u64) -> bool {
        self.around(seq).is_some()
    }

    /// The range that a number is in.
    fn around(&self, seq: u64) -> Option<(u64, u64)> {
        let at = self.ranges.partition_point(|&(_, end)| end < seq);
        self.ranges.get(at).copied().filter(|&(start, _)| start <= seq)
    }

    /// The numbers around a number of which all were stored: holes that were only taken as filled are not among them.
    fn unbroken(&self, seq: u64) -> Option<(u64, u64)> {
        let (start, end) = self.around(seq)?;
        if seq < self.filled_below { Some((seq, seq)) } else { Some((start.max(self.filled_below), end)) }
    }

    fn insert(&mut self, seq: u64) {
        let at = self.ranges.partition_point(|&(_, end)| end < seq);
        if self.ranges.get(at).is_some_and(|&(start, _)| start <= seq) {
            return;
        }
        let joins_left = at > 0 && self.ranges[at - 1].1.checked_add(1) == Some(seq);
        let joins_right = self.ranges.get(at).is_some_and(|&(start, _)| seq.checked_add(1) == Some(start));
        match (joins_left, joins_right) {
            (true, true) => {
                let (_, end) = self.ranges.remove(at);
                self.ranges[at - 1].1 = end;
            }
            (true, false) => self.ranges[at - 1].1 = seq,
            (false, true) => self.ranges[at].0 = seq,
            (false, false) => self.ranges.insert(at, (seq, seq)),
        }
        if self.ranges.len() > limits::DEDUP_HOLES_MAX {
            let (start, _) = self.ranges.remove(0);
            self.filled_below = self.ranges[0].0;
            self.ranges[0].0 = start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::id::BootId;
    use tidegate_model::lane::LaneRecord;
    use tidegate_model::reading::Quality;
    use tidegate_model::time::{ClockState, Timestamp};

    fn stamp(ns: u64, wall_us: i64) -> Stamp {
        Stamp {
            boot: BootId::from_u128(1),
            boottime_ns: ns,
            wall: Timestamp::from_micros(wall_us),
            state: ClockState::Holdover,
            error_us: None,
        }
    }

    fn arrival(session_seq: Option<(u64, u64)>, value: f64, redelivered: bool) -> Arrival {
        Arrival {
            reading: Reading {
                source: "bed".parse().expect("a source"),
                channel: "HR".parse().expect("a channel"),
                value: Value::Number(value),
                unit: String::new(),
                source_stamp: Some(SourceStamp::Int(7)),
                identity: session_seq.map(|(session, seq)| Identity { session, seq }),
                received_ns: 0,
                quality: Quality::Good,
            },
            received: stamp(1_000_000, 1_000),
            redelivered,
        }
    }

    /// Feeds groups of sequence numbers and gives, for each group, what was stored.
    fn check(groups: &[&[u64]], expected: &[&[u64]]) -> Samples {
        let mut samples = Samples::default();
        let mut first = 1;
        for (group, expected) in groups.iter().zip(expected) {
            let arrivals = group.iter().map(|&seq| arrival(Some((1, seq)), 1.0, false)).collect();
            let (blocks, duplicates) = samples.admit(arrivals, first);
            let stored: Vec<u64> = blocks
                .iter()
                .flat_map(|block| &block.readings)
                .filter_map(|reading| reading.identity.map(|identity| identity.seq))
                .collect();
            assert_eq!(&stored, expected, "of {group:?}");
            assert_eq!(duplicates as usize, group.len() - expected.len());
            for block in &blocks {
                samples.apply(block);
                first += block.readings.len() as u64;
            }
        }
        samples
    }

    #[test]
    fn an_identity_is_stored_once_within_and_across_groups() {
        check(&[&[1, 2, 2], &[2, 3], &[1, 2, 3]], &[&[1, 2], &[3], &[]]);
    }

    fn run_of(samples: &Samples, seq: u64) -> Option<(u64, u64)> {
        samples.progress(&arrival(Some((1, seq)), 1.0, false).reading).map(|run| (run.first, run.last))
    }

    #[test]
    fn a_reading_that_was_overtaken_is_not_taken_for_a_duplicate() {
        let samples = check(&[&[1, 2, 4, 5], &[3]], &[&[1, 2, 4, 5], &[3]]);
        assert_eq!(run_of(&samples, 3), Some((1, 5)));
    }

    #[test]
    fn what_is_confirmed_has_no_hole_in_it() {
        let samples = check(&[&[1, 2, 4]], &[&[1, 2, 4]]);
        assert_eq!(run_of(&samples, 2), Some((1, 2)));
        assert_eq!(run_of(&samples, 4), Some((4, 4)));
        assert_eq!(run_of(&samples, 3), None);
    }

    #[test]
    fn what_is_confirmed_has_no_hole_in_it_that_was_only_taken_as_filled() {
        let even: Vec<u64> = (0..limits::DEDUP_HOLES_MAX as u64 + 10).map(|number| number * 2).collect();
        let samples = check(&[&even], &[&even]);
        for seq in even {
            assert_eq!(run_of(&samples, seq), Some((seq, seq)));
        }
    }

    #[test]
    fn holes_are_bounded_and_the_oldest_is_taken_as_filled() {
        let mut seen = Seen::default();
        for seq in 0..u64::try_from(limits::DEDUP_HOLES_MAX).expect("small") + 10 {
            seen.insert(seq * 2);
        }
        assert_eq!(seen.ranges.len(), limits::DEDUP_HOLES_MAX);
        assert!(seen.contains(1), "the oldest hole gave way");
        assert!(!seen.contains(201), "a recent one did not");
    }

    #[test]
    fn without_an_identity_only_a_redelivery_of_the_same_stamp_and_value_is_dropped() {
        let mut samples = Samples::default();
        let (blocks, _) = samples.admit(vec![arrival(None, 1.0, false)], 1);
        samples.apply(&blocks[0]);
        let count = |redelivered, value| {
            let (blocks, _) = samples.admit(vec![arrival(None, value, redelivered)], 2);
            blocks.len()
        };
        assert_eq!(count(true, 1.0), 0);
        assert_eq!(count(true, 2.0), 1);
        assert_eq!(count(false, 1.0), 1, "a sensor may stamp two readings alike");
    }

    #[test]
    fn a_step_of_the_clock_begins_a_new_block_so_that_no_stamp_is_wrong() {
        let samples = Samples::default();
        let mut late = arrival(Some((1, 2)), 1.0, false);
        late.received = stamp(2_000_000, 9_000_000);
        let (blocks, _) = samples.admit(vec![arrival(Some((1, 1)), 1.0, false), late.clone()], 1);
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[1].first, 2);
        assert_eq!(blocks[1].received(0), Some(late.received));
    }

    #[test]
    fn a_block_is_no_larger_than_the_wire_takes_however_much_arrives_together() {
        let waveforms = (0..200).map(|seq| {
            let mut arrival = arrival(Some((1, seq)), 1.0, false);
            arrival.reading.value = Value::Vector(vec![0.1; limits::READING_VALUES_MAX]);
            arrival
        });
        let (blocks, _) = Samples::default().admit(waveforms.collect(), 1);
        let mut next = 1;
        for block in blocks {
            assert_eq!(block.first, next);
            next += block.readings.len() as u64;
            let bytes = tidegate_model::codec::to_cbor(&LaneRecord::Readings(block)).len();
            assert!(bytes < 2 * limits::BATCH_BYTES_MAX, "{bytes} bytes");
        }
        assert_eq!(next, 201, "and all of them are there");
    }

    #[test]
    fn a_snapshot_recognises_what_the_live_state_did() {
        let mut samples = check(&[&[1, 2, 4]], &[&[1, 2, 4]]);
        samples.apply(&ReadingBlock {
            first: 4,
            stamp: stamp(1, 1),
            readings: vec![arrival(None, 5.0, false).reading],
        });
        let bytes = tidegate_model::codec::to_cbor(&samples);
        let mut restored: Samples = tidegate_model::codec::from_cbor(&bytes).expect("a snapshot");
        restored.restored();
        assert_eq!(restored, samples);
    }
}
