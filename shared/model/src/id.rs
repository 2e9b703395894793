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
                        message: format!("{} {text:?} has the character {wrong:?}; {}", $what, $rule),
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
    /// The caller's idempotency key for a signal: the same id is applied once.
    SignalId, "a signal id", limits::ID_BYTES_MAX, printable, "control characters are not allowed"
);

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
                let invalid = || InvalidId { message: format!("{text:?} is not {}: 32 hexadecimal digits are", $what) };
                let mut digits = String::with_capacity(32);
                digits.extend(text.chars().filter(|&c| c != '-'));
                if digits.len() != 32 {
                    return Err(invalid());
                }
                u128::from_str_radix(&digits, 16).map(Self).map_err(|_| invalid())
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
    /// One run of a workflow execution. UUID version 7 where the engine makes it.
    RunId, "a run id"
);

/// Position of an event in its run's history: dense, from 1, assigned when the event is flushed.
pub type EventId = u64;
