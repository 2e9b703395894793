//! Identities. Each is a type of its own, so that a run cannot be passed for a device.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits;

/// Why a text cannot be an id: which kind, what is wrong and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId {
    message: String,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for InvalidId {}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:expr, $allowed:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks and takes a text.
            ///
            /// # Errors
            /// [`InvalidId`] when the text is empty, too long, or has a character the id may not have.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let allowed: fn(char) -> bool = $allowed;
                if text.is_empty() || text.len() > $max {
                    return Err(InvalidId {
                        message: format!("{} must have 1 to {} bytes, not {}", $what, $max, text.len()),
                    });
                }
                if let Some(wrong) = text.chars().find(|&c| !allowed(c)) {
                    return Err(InvalidId {
                        message: format!("{} {} has the character {wrong:?}; {}", $what, shortened(&text), $rule),
                    });
                }
                Ok(Self(text))
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn plain_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn printable(c: char) -> bool {
    !c.is_control()
}

fn topic_level(c: char) -> bool {
    !c.is_control() && !matches!(c, '+' | '#')
}

text_id!(
    /// A gateway, as the bridge knows it: one level of a topic and of a URL.
    DeviceId, "a device id", limits::DEVICE_ID_BYTES_MAX, plain_name, "use letters, digits, '-', '_' and '.'"
);
text_id!(
    /// What a reading comes from: a sensor, a bed, a meter. May have topic levels (`ward/bed-12`).
    SourceId, "a source", limits::NAME_BYTES_MAX, topic_level, "'+', '#' and control characters cannot stand in a topic"
);
text_id!(
    /// Which quantity of a source a reading is (`HR`, `temperature`).
    Channel, "a channel", limits::NAME_BYTES_MAX, topic_level, "'+', '#' and control characters cannot stand in a topic"
);
text_id!(
    /// The identity a caller gives a workflow execution; at most one run of it is open at a time.
    WorkflowId, "a workflow id", limits::ID_BYTES_MAX, printable, "control characters are not allowed"
);
text_id!(
    /// A task queue that workers poll.
    TaskQueue, "a task queue", limits::ID_BYTES_MAX, printable, "control characters are not allowed"
);
text_id!(
    /// A namespace of workflow executions.
    Namespace, "a namespace", limits::ID_BYTES_MAX, plain_name, "use letters, digits, '-', '_' and '.'"
);
text_id!(
    /// A schedule of a namespace. With the prefix under which others know it (`temporal-sys-scheduler:`) it fits a
    /// workflow id.
    ScheduleId, "a schedule id", limits::SCHEDULE_ID_BYTES_MAX, printable, "control characters are not allowed"
);
text_id!(
    /// The caller's idempotency key for a signal: the same id is applied once.
    SignalId, "a signal id", limits::ID_BYTES_MAX, printable, "control characters are not allowed"
);

/// A text in quotes, as much of it as a message should repeat.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// Takes the number as it is.
            #[must_use]
            pub const fn from_u128(value: u128) -> Self {
                Self(value)
            }

            /// The number.
            #[must_use]
            pub const fn as_u128(self) -> u128 {
                self.0
            }
        }

        // The canonical UUID text form (RFC 9562 §4), which is what Temporal's tools expect to see.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let v = self.0;
                write!(
                    f,
                    "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
                    v >> 96,
                    (v >> 80) & 0xffff,
                    (v >> 64) & 0xffff,
                    (v >> 48) & 0xffff,
                    v & 0xffff_ffff_ffff
                )
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId { message: format!("{} is 32 hexadecimal digits, not {}", $what, shortened(text)) };
                let mut digits = 0;
                let mut value = 0;
                for digit in text.chars().filter(|&c| c != '-') {
                    digits += 1;
                    let digit = digit.to_digit(16).filter(|_| digits <= 32).ok_or_else(invalid)?;
                    value = (value << 4) | u128::from(digit);
                }
                if digits == 32 { Ok(Self(value)) } else { Err(invalid()) }
            }
        }

        // Sixteen bytes, big-endian: half the size of the text, and byte order is number order.
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0.to_be_bytes())
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "{}: sixteen bytes or 32 hexadecimal digits", $what)
                    }
                    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<$name, E> {
                        let bytes: [u8; 16] =
                            bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
                        Ok($name(u128::from_be_bytes(bytes)))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(Visitor)
                } else {
                    deserializer.deserialize_bytes(Visitor)
                }
            }
        }
    };
}

random_id!(
    /// A store's identity: random, made with the file. A replaced or restored store has another, so that a cursor
    /// never outlives what it points to.
    Epoch, "an epoch"
);
random_id!(
    /// One boot of a machine, as the kernel names it (`/proc/sys/kernel/random/boot_id`).
    BootId, "a boot id"
);
random_id!(
    /// A namespace as it was registered once: one that is deleted and registered again under its name has another.
    NamespaceId, "a namespace id"
);
random_id!(
    /// One run of a workflow execution. UUID version 7 where the engine makes it.
    RunId, "a run id"
);

/// Position of an event in its run's history: dense, from 1, assigned when the event is flushed.
pub type EventId = u64;

/// An execution of any namespace, or one run of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Execution {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its id.
    pub workflow_id: WorkflowId,
    /// The run; `None` is the one that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_id_of_the_wrong_length_says_how_long_it_may_be() {
        let check = |result: Result<(), InvalidId>, expected: &str| {
            assert_eq!(result.expect_err("too short or too long").to_string(), expected);
        };
        check(DeviceId::new("").map(drop), "a device id must have 1 to 64 bytes, not 0");
        check(DeviceId::new("x".repeat(65)).map(drop), "a device id must have 1 to 64 bytes, not 65");
        check(SourceId::new("x".repeat(256)).map(drop), "a source must have 1 to 255 bytes, not 256");
        check(
            WorkflowId::new("ü".repeat(501)).map(drop),
            "a workflow id must have 1 to 1000 bytes, not 1002",
        );
        for (id, longest) in
            [(DeviceId::new("x".repeat(64)).map(drop), 64), (DeviceId::new("x").map(drop), 1)]
        {
            assert_eq!(id, Ok(()), "{longest} bytes are allowed");
        }
    }

    #[test]
    fn an_id_with_a_wrong_character_names_it_and_says_what_is_right() {
        let check = |result: Result<(), InvalidId>, expected: &str| {
            assert_eq!(result.expect_err("a wrong character").to_string(), expected);
        };
        check(
            DeviceId::new("gw/1").map(drop),
            "a device id \"gw/1\" has the character '/'; use letters, digits, '-', '_' and '.'",
        );
        check(
            Channel::new("HR+").map(drop),
            "a channel \"HR+\" has the character '+'; '+', '#' and control characters cannot stand in a topic",
        );
        check(
            SignalId::new("a\nb").map(drop),
            "a signal id \"a\\nb\" has the character '\\n'; control characters are not allowed",
        );
        assert!(Namespace::new("wärme").is_err());
        assert!(TaskQueue::new("Wärme 1").is_ok());
    }

    #[test]
    fn a_message_repeats_only_the_beginning_of_a_long_text() {
        let long = "ö".repeat(400) + "\u{7}";
        let message = WorkflowId::new(long).expect_err("a bell is no text").to_string();
        assert!(message.len() < 300 && message.contains('…'), "{message}");
    }

    #[test]
    fn a_random_id_reads_its_own_text_and_no_other() {
        let run = RunId::from_u128(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        assert_eq!(run.to_string(), "01234567-89ab-cdef-0011-223344556677");
        assert_eq!("0123456789ABCDEF0011223344556677".parse(), Ok(run));
        for wrong in
            ["", "01234567", "+123456789abcdef0011223344556677", "01234567-89ab-cdef-0011-2233445566778", "ö"]
        {
            let message = wrong.parse::<RunId>().expect_err("not 32 digits").to_string();
            assert_eq!(message, format!("a run id is 32 hexadecimal digits, not {wrong:?}"));
        }
    }

    #[test]
    fn an_id_that_arrives_in_bytes_is_checked_as_one_that_is_typed() {
        let arrive = |text: &str| crate::codec::from_cbor::<DeviceId>(&crate::codec::to_cbor(&text));
        assert!(arrive("gw-1").is_ok());
        assert!(arrive("gw 1").is_err());
        assert!(
            crate::codec::from_cbor::<RunId>(&crate::codec::to_cbor(&serde_bytes::Bytes::new(&[0; 15])))
                .is_err()
        );
    }
}
