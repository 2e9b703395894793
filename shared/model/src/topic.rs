//! The MQTT topics Tidegate itself gives meaning to, both ways, and the matching of filters.
//!
//! Integrators' own topics are named in pipeline files; no other file builds a topic of ours by hand.
//!
//! ```
//! use tidegate_model::topic::Topic;
//! let topic: Topic = "tidegate/gw-1/reading/ward/bed-12/HR".parse().unwrap();
//! assert_eq!(topic.to_string(), "tidegate/gw-1/reading/ward/bed-12/HR");
//! ```

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use crate::id::{Channel, DeviceId, SourceId};

/// A topic of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// `tidegate/<device>/reading/<source…>/<channel>`: a sensor's reading. The source may have levels.
    Reading {
        /// The gateway it is meant for.
        device: DeviceId,
        /// Where it comes from.
        source: SourceId,
        /// Which quantity.
        channel: Channel,
    },
    /// `tidegate/<device>/ack/<source…>`: the gateway tells a source up to which reading it is on disk.
    Acknowledgement {
        /// The gateway that says so.
        device: DeviceId,
        /// The source it says it to.
        source: SourceId,
    },
    /// `tidegate/<device>/status`: `online` retained, `offline` as the will.
    Status {
        /// The gateway.
        device: DeviceId,
    },
}

/// Why a text is not a topic of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownTopic {
    topic: String,
}

impl fmt::Display for UnknownTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a Tidegate topic; those are tidegate/<device>/reading/<source>/<channel>, \
             tidegate/<device>/ack/<source> and tidegate/<device>/status",
            self.topic
        )
    }
}

impl core::error::Error for UnknownTopic {}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reading { device, source, channel } => {
                write!(f, "tidegate/{device}/reading/{source}/{channel}")
            }
            Self::Acknowledgement { device, source } => write!(f, "tidegate/{device}/ack/{source}"),
            Self::Status { device } => write!(f, "tidegate/{device}/status"),
        }
    }
}

impl FromStr for Topic {
    type Err = UnknownTopic;

    fn from_str(text: &str) -> Result<Self, UnknownTopic> {
        parse(text).ok_or_else(|| UnknownTopic { topic: text.to_string() })
    }
}

fn parse(text: &str) -> Option<Topic> {
    let rest = text.strip_prefix("tidegate/")?;
    let (device, rest) = rest.split_once('/')?;
    let device: DeviceId = device.parse().ok()?;
    if rest == "status" {
        return Some(Topic::Status { device });
    }
    if let Some(source) = rest.strip_prefix("ack/") {
        return Some(Topic::Acknowledgement { device, source: source.parse().ok()? });
    }
    let (source, channel) = rest.strip_prefix("reading/")?.rsplit_once('/')?;
    Some(Topic::Reading { device, source: source.parse().ok()?, channel: channel.parse().ok()? })
}

/// Whether `filter` (MQTT 3.1.1 §4.7: `+`, `#`) takes in `topic`. Topics that begin with `$` are not taken in by a
/// filter that begins with a wildcard.
#[must_use]
pub fn filter_matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    let mut filters = filter.split('/');
    loop {
        match (filters.next(), levels.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            (Some(_), _) | (None, Some(_)) => return false,
        }
    }
}

/// Whether a text is a filter by MQTT 3.1.1 §4.7.1: not empty, `#` alone and last, `+` alone in its level.
#[must_use]
pub fn is_filter(filter: &str) -> bool {
    let last = filter.split('/').count().saturating_sub(1);
    !filter.is_empty()
        && filter.len() <= usize::from(u16::MAX)
        && filter.split('/').enumerate().all(|(at, level)| match level {
            "#" => at == last,
            "+" => true,
            other => !other.contains(['+', '#', '\0']),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_standard_says() {
        let check = |filter: &str, topic: &str, expected: bool| {
            assert_eq!(filter_matches(filter, topic), expected, "{filter} against {topic}");
        };
        check("ward/+/HR", "ward/bed-12/HR", true);
        check("ward/+/HR", "ward/bed-12/x/HR", false);
        check("ward/#", "ward", true);
        check("ward/#", "ward/bed-12/HR", true);
        check("#", "$SYS/uptime", false);
        check("+/+", "/finance", true);
        check("+", "/finance", false);
        check("ward/bed-12", "ward/bed-12/HR", false);
    }

    #[test]
    fn a_wildcard_in_the_wrong_place_is_no_filter() {
        for wrong in ["", "ward#", "ward/#/HR", "ward/b+/HR"] {
            assert!(!is_filter(wrong), "{wrong}");
        }
        for right in ["#", "ward/+/HR", "ward/#", "/"] {
            assert!(is_filter(right), "{right}");
        }
    }

    #[test]
    fn every_topic_reads_back_as_written() {
        for text in ["tidegate/gw/reading/a/b/c", "tidegate/gw/ack/a/b", "tidegate/gw/status"] {
            let topic: Topic = text.parse().expect("a topic of ours");
            assert_eq!(topic.to_string(), text);
        }
        for text in ["tidegate/gw/reading/a", "tidegate/status", "ward/bed-12/HR", "tidegate/gw/reading//"] {
            assert!(text.parse::<Topic>().is_err(), "{text}");
        }
    }
}
