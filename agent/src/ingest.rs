//! From the broker's messages to the gateway's: each is decoded by every rule that wants it. Nothing is dropped here;
//! what no rule can read becomes a dead letter, and travels on like a reading.

use serde_bytes::ByteBuf;
use tidegate_model::id::DeviceId;
use tidegate_model::limits;
use tidegate_model::reading::DeadLetter;
use tidegate_model::time::Stamp;
use tidegate_model::topic;

use crate::decode::{self, DecodeFault, Rule};
use crate::gateway::Message;
use crate::samples::Arrival;

/// What the gateway listens to, and how it reads it.
#[derive(Debug, Clone)]
pub struct Intake {
    own: String,
    rules: Vec<Rule>,
}

/// A message as the broker's client hands it over.
#[derive(Debug)]
pub struct Delivered<'a> {
    /// Where it was published.
    pub topic: &'a str,
    /// What was published, or as much of it as was kept.
    pub payload: &'a [u8],
    /// How many bytes were published.
    pub payload_bytes: usize,
    /// The clocks at its arrival.
    pub received: Stamp,
    /// The broker says that it may have delivered this before.
    pub redelivered: bool,
}

impl Intake {
    /// The device's own reading topics, and what the pipelines' rules ask for.
    #[must_use]
    pub fn new(device: &DeviceId, rules: Vec<Rule>) -> Self {
        Self { own: format!("tidegate/{device}/reading/#"), rules }
    }

    /// The filters to subscribe to, each once.
    #[must_use]
    pub fn filters(&self) -> Vec<String> {
        let mut filters: Vec<String> =
            std::iter::once(&self.own).chain(self.rules.iter().map(|rule| &rule.filter)).cloned().collect();
        filters.sort();
        filters.dedup();
        filters
    }

    /// What is in a message. Two rules that read it alike make one reading.
    #[must_use]
    pub fn read<Token>(&self, message: &Delivered<'_>, token: Token) -> Message<Token> {
        let own = topic::filter_matches(&self.own, message.topic);
        let mut arrivals: Vec<Arrival> = Vec::new();
        let mut dead_letters: Vec<DeadLetter> = Vec::new();
        let mut take = |outcome: Result<_, DecodeFault>| match outcome {
            Ok(reading) => {
                let arrival =
                    Arrival { reading, received: message.received, redelivered: message.redelivered };
                if !arrivals.contains(&arrival) {
                    arrivals.push(arrival);
                }
            }
            Err(fault) => {
                if dead_letters.is_empty() {
                    dead_letters.push(dead_letter(message, fault.to_string()));
                }
            }
        };
        if own {
            take(decode::decode_ours(message.topic, message.payload));
        }
        let mut wanted = own;
        for rule in self.rules.iter().filter(|rule| topic::filter_matches(&rule.filter, message.topic)) {
            wanted = true;
            take(decode::decode(rule, message.topic, message.payload));
        }
        if !wanted {
            // The broker remembers the subscriptions of a persistent session, also those of a pipeline that is gone.
            let reason =
                "no pipeline in use reads this topic; the subscription is an earlier one's".to_owned();
            dead_letters.push(dead_letter(message, reason));
        }
        Message { arrivals, dead_letters, wants_confirmation: own, token }
    }
}

fn dead_letter(message: &Delivered<'_>, reason: String) -> DeadLetter {
    let kept = message.payload.len().min(limits::DEAD_LETTER_KEPT_BYTES_MAX);
    // A topic may have 64 KiB, and a reason may quote it.
    let cut = |text: &str| text[..text.floor_char_boundary(limits::DEAD_LETTER_KEPT_BYTES_MAX)].to_owned();
    DeadLetter {
        topic: cut(message.topic),
        reason: cut(&reason),
        payload: ByteBuf::from(message.payload[..kept].to_vec()),
        payload_bytes: message.payload_bytes as u64,
        received: message.received,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::id::BootId;
    use tidegate_model::time::{ClockState, Timestamp};

    fn read(topic: &str, payload: &[u8]) -> Message<u8> {
        let device: DeviceId = "gw".parse().expect("a device");
        let received = Stamp {
            boot: BootId::from_u128(1),
            boottime_ns: 5,
            wall: Timestamp::EPOCH,
            state: ClockState::Holdover,
            error_us: None,
        };
        let message =
            Delivered { topic, payload, payload_bytes: payload.len(), received, redelivered: false };
        Intake::new(&device, Vec::new()).read(&message, 7)
    }

    #[test]
    fn a_message_on_our_topic_is_one_reading_and_wants_to_be_confirmed() {
        let message = read("tidegate/gw/reading/bed/HR", br#"{"v":72.5}"#);
        assert_eq!((message.arrivals.len(), message.dead_letters.len()), (1, 0));
        assert!(message.wants_confirmation);
    }

    #[test]
    fn what_cannot_be_read_is_kept_with_its_reason_and_not_longer_than_it_may_be() {
        let payload = vec![b'x'; 5_000];
        let message = read("tidegate/gw/reading/bed/HR", &payload);
        let letter = &message.dead_letters[0];
        assert_eq!(letter.payload.len(), limits::DEAD_LETTER_KEPT_BYTES_MAX);
        assert_eq!(letter.payload_bytes, 5_000);
        assert!(!letter.reason.is_empty());
    }

    #[test]
    fn a_dead_letter_is_a_small_thing_however_long_its_topic() {
        let topic = format!("tidegate/gw/reading/{}", "ä".repeat(30_000));
        let letter = &read(&topic, b"1").dead_letters[0];
        assert!(topic.starts_with(&letter.topic));
        for text in [&letter.topic, &letter.reason] {
            assert!(text.len() <= limits::DEAD_LETTER_KEPT_BYTES_MAX, "{} bytes", text.len());
        }
    }

    #[test]
    fn a_topic_nobody_reads_is_not_lost_silently() {
        assert_eq!(read("other/topic", b"1").dead_letters.len(), 1);
    }
}
