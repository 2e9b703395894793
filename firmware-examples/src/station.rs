//! One source and its channels: turns samples into numbered messages and keeps them until the gateway has them.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use tidegate_model::codec;
use tidegate_model::id::{Channel, DeviceId, SourceId};
use tidegate_model::reading::{Acknowledgement, Identity, ReadingPayload, SourceStamp, Value};
use tidegate_model::topic::Topic;

use crate::outbox::{Bounds, Outbox};

/// Who a station is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The gateway it speaks to.
    pub device: DeviceId,
    /// What it calls itself.
    pub source: SourceId,
    /// Which start of the sensor this is: greater after each, from a counter that survives a loss of power.
    pub session: u64,
}

/// One quantity a station measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Its channel.
    pub channel: Channel,
    /// Its unit (UCUM); empty when there is none.
    pub unit: String,
}

/// One measurement, on its way from the task that measures to the task that publishes.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Index of its [`Point`] in the station.
    pub point: usize,
    /// What was measured; [`Value::Missing`] when the sensor answered without a value.
    pub value: Value,
    /// The sensor's own stamp, where it has a clock.
    pub stamp: Option<SourceStamp>,
}

/// A reading, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Index of its [`Point`] in the station.
    pub point: usize,
    /// The gateway it is for.
    pub device: DeviceId,
    /// Where it comes from.
    pub source: SourceId,
    /// Which quantity.
    pub channel: Channel,
    /// Its number in the session of its channel.
    pub identity: Identity,
    /// What it says.
    pub payload: ReadingPayload,
}

impl Message {
    /// Where it goes.
    #[must_use]
    pub fn topic(&self) -> Topic {
        Topic::Reading {
            device: self.device.clone(),
            source: self.source.clone(),
            channel: self.channel.clone(),
        }
    }

    /// The payload as a small device sends it.
    #[must_use]
    pub fn to_cbor(&self) -> Vec<u8> {
        codec::to_cbor(&self.payload)
    }

    /// The payload for people who watch the broker.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.payload).expect("its keys are text, and serde_json writes the rest as it is")
    }
}

/// What a station has done so far, over all its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Readings sent at least once.
    pub sent: u64,
    /// Sendings after the first.
    pub resent: u64,
    /// Readings the gateway has on its disk.
    pub acknowledged: u64,
    /// Readings kept, for want of an acknowledgement.
    pub kept: u64,
    /// Samples that gave way to later ones, unsent.
    pub dropped: u64,
}

/// How far a channel has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached<'a> {
    /// The channel.
    pub channel: &'a Channel,
    /// Number of the last reading sent; 0 before the first.
    pub sent: u64,
    /// Number of the last reading that is acknowledged, as are all before it; 0 before the first.
    pub acknowledged: u64,
}

/// The deterministic half of a sensor: no clock, no link.
#[derive(Debug)]
pub struct Station {
    name: Name,
    lines: Vec<Line>,
    /// Which line is asked first for something to send: each in turn, so that a busy one does not silence the rest.
    turn: usize,
    online: bool,
}

#[derive(Debug)]
struct Line {
    point: Point,
    outbox: Outbox<Sample>,
}

impl Station {
    /// A station that has measured nothing yet and is not connected. The bounds are those of each channel.
    #[must_use]
    pub fn new(name: Name, points: Vec<Point>, bounds: Bounds) -> Self {
        let lines = points.into_iter().map(|point| Line { point, outbox: Outbox::new(bounds) }).collect();
        Self { name, lines, turn: 0, online: false }
    }

    /// Where the gateway's acknowledgements arrive.
    #[must_use]
    pub fn acknowledgement_topic(&self) -> Topic {
        Topic::Acknowledgement { device: self.name.device.clone(), source: self.name.source.clone() }
    }

    /// Takes a sample in.
    ///
    /// # Panics
    /// When the sample is of a point the station does not have: the driver and the station were wired wrongly.
    pub fn on_sample(&mut self, sample: Sample) {
        let line = self.lines.get_mut(sample.point).expect("a driver's samples are of the station's points");
        line.outbox.push(sample);
    }

    /// The link is there, with nothing of ours on it.
    pub fn on_link_up(&mut self) {
        self.online = true;
        for line in &mut self.lines {
            line.outbox.rewind();
        }
    }

    /// The link is gone.
    pub fn on_link_down(&mut self) {
        self.online = false;
    }

    /// The gateway has these of a channel's readings. Another session's acknowledgement changes nothing.
    pub fn on_acknowledged(&mut self, now: Duration, acknowledgement: &Acknowledgement) {
        if acknowledgement.session != self.name.session {
            return;
        }
        for line in self.lines.iter_mut().filter(|line| line.point.channel == acknowledgement.channel) {
            line.outbox.acknowledge(now, acknowledgement.first, acknowledgement.seq);
        }
    }

    /// Called when [`Station::deadline`] has come.
    pub fn on_deadline(&mut self, now: Duration) {
        for line in &mut self.lines {
            line.outbox.on_deadline(now);
        }
    }

    /// When the wait for an acknowledgement becomes too long.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        if self.online { self.lines.iter().filter_map(|line| line.outbox.deadline()).min() } else { None }
    }

    /// The next message to hand to the link; the same one until [`Station::mark_sent`].
    #[must_use]
    pub fn to_send(&self) -> Option<Message> {
        if !self.online {
            return None;
        }
        let (before, from) = self.lines.split_at(self.turn);
        from.iter().chain(before).find_map(|line| {
            let (seq, sample) = line.outbox.to_send()?;
            let identity = Identity { session: self.name.session, seq };
            Some(Message {
                point: sample.point,
                device: self.name.device.clone(),
                source: self.name.source.clone(),
                channel: line.point.channel.clone(),
                identity,
                payload: ReadingPayload {
                    value: sample.value.clone(),
                    unit: line.point.unit.clone(),
                    source_stamp: sample.stamp.clone(),
                    identity: Some(identity),
                },
            })
        })
    }

    /// The message [`Station::to_send`] gave is with the link.
    pub fn mark_sent(&mut self, now: Duration, message: &Message) {
        self.lines[message.point].outbox.mark_sent(now);
        self.turn = (message.point + 1) % self.lines.len();
    }

    /// Whether the gateway has everything (except for what was dropped).
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.lines.iter().all(|line| line.outbox.is_empty())
    }

    /// Who it is.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// How far each of its channels has come.
    pub fn reached(&self) -> impl Iterator<Item = Reached<'_>> {
        self.lines.iter().map(|Line { point, outbox }| Reached {
            channel: &point.channel,
            sent: outbox.last_number(),
            acknowledged: outbox.acknowledged(),
        })
    }

    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lines.iter().fold(Counts::default(), |counts, Line { outbox, .. }| Counts {
            sent: counts.sent + outbox.last_number(),
            resent: counts.resent + outbox.resent(),
            acknowledged: counts.acknowledged + outbox.acknowledged(),
            kept: counts.kept + outbox.len(),
            dropped: counts.dropped + outbox.dropped(),
        })
    }
}

/// An acknowledgement as it arrives, JSON or CBOR; `None` when it is neither.
#[must_use]
pub fn acknowledgement(payload: &[u8]) -> Option<Acknowledgement> {
    // A JSON object begins with '{', which no CBOR map does.
    if payload.first() == Some(&b'{') {
        serde_json::from_slice(payload).ok()
    } else {
        codec::from_cbor(payload).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec;

    const SECOND: Duration = Duration::from_secs(1);

    fn station() -> Station {
        let name = Name {
            device: "gw-1".parse().expect("a device id"),
            source: "ward/bed-12".parse().expect("a source"),
            session: 7,
        };
        let point = |channel: &str, unit: &str| Point {
            channel: channel.parse().expect("a channel"),
            unit: unit.to_string(),
        };
        let points = vec![point("HR", "/min"), point("temperature", "Cel")];
        Station::new(name, points, Bounds { kept_max: 4, window_max: 2, resend_after: 3 * SECOND })
    }

    fn sample(point: usize, value: i64) -> Sample {
        Sample { point, value: Value::Int(value), stamp: None }
    }

    fn confirmed(channel: &str, session: u64, seq: u64) -> Acknowledgement {
        Acknowledgement { channel: channel.parse().expect("a channel"), session, first: 1, seq }
    }

    /// Sends all that may be sent and gives point, number and value of each.
    fn send_all(station: &mut Station) -> Vec<(usize, u64, Value)> {
        let mut sent = Vec::new();
        while let Some(message) = station.to_send() {
            station.mark_sent(SECOND, &message);
            sent.push((message.point, message.identity.seq, message.payload.value));
        }
        sent
    }

    #[test]
    fn a_reading_is_published_on_its_topic_with_its_identity() {
        let mut station = station();
        station.on_link_up();
        station.on_sample(Sample { value: Value::Number(36.5), ..sample(1, 0) });
        let message = station.to_send().expect("one sample waits");
        assert_eq!(message.topic().to_string(), "tidegate/gw-1/reading/ward/bed-12/temperature");
        assert_eq!(message.to_json(), br#"{"v":36.5,"u":"Cel","q":{"b":7,"n":1}}"#);
        let back: ReadingPayload = codec::from_cbor(&message.to_cbor()).expect("CBOR of a payload");
        assert_eq!(back, message.payload);
    }

    #[test]
    fn a_sensor_without_a_value_says_so() {
        let mut station = station();
        station.on_link_up();
        station.on_sample(Sample { value: Value::Missing, ..sample(0, 0) });
        let message = station.to_send().expect("one sample waits");
        assert_eq!(message.to_json(), br#"{"v":null,"u":"/min","q":{"b":7,"n":1}}"#);
    }

    #[test]
    fn nothing_is_sent_while_the_link_is_down_and_nothing_is_lost() {
        let mut station = station();
        station.on_sample(sample(0, 70));
        assert_eq!(station.to_send(), None);
        assert_eq!(station.deadline(), None);
        station.on_link_up();
        assert_eq!(send_all(&mut station), [(0, 1, Value::Int(70))]);
    }

    #[test]
    fn channels_count_for_themselves_and_take_turns() {
        let mut station = station();
        station.on_link_up();
        for (point, value) in [(0, 70), (0, 71), (1, 36)] {
            station.on_sample(sample(point, value));
        }
        let sent = [(0, 1, Value::Int(70)), (1, 1, Value::Int(36)), (0, 2, Value::Int(71))];
        assert_eq!(send_all(&mut station), sent);
    }

    #[test]
    fn a_reconnect_sends_again_what_the_gateway_has_not_confirmed() {
        let mut station = station();
        station.on_link_up();
        station.on_sample(sample(0, 70));
        station.on_sample(sample(0, 71));
        send_all(&mut station);
        station.on_acknowledged(SECOND, &confirmed("HR", 7, 1));
        station.on_link_down();
        station.on_link_up();
        assert_eq!(send_all(&mut station), [(0, 2, Value::Int(71))]);
        assert_eq!(station.counts(), Counts { sent: 2, resent: 1, acknowledged: 1, kept: 1, dropped: 0 });
    }

    #[test]
    fn an_acknowledgement_is_for_one_session_of_one_channel() {
        let mut station = station();
        station.on_link_up();
        station.on_sample(sample(0, 70));
        send_all(&mut station);
        station.on_acknowledged(SECOND, &confirmed("HR", 6, 1));
        station.on_acknowledged(SECOND, &confirmed("temperature", 7, 1));
        assert!(!station.is_drained());
        station.on_acknowledged(SECOND, &confirmed("HR", 7, 1));
        assert!(station.is_drained());
    }

    #[test]
    fn acknowledgements_are_read_in_both_encodings() {
        let expected = confirmed("HR", 7, 40);
        assert_eq!(acknowledgement(br#"{"c":"HR","b":7,"f":1,"n":40}"#), Some(expected.clone()));
        assert_eq!(acknowledgement(&codec::to_cbor(&expected)), Some(expected));
        for wrong in [&b""[..], b"{", b"7", b"{\"b\":7,\"n\":1}", &[0xff, 0xff]] {
            assert_eq!(acknowledgement(wrong), None, "{wrong:?}");
        }
    }
}
