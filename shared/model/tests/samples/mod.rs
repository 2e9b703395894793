//! One of everything that is stored or sent, under the name of its golden file.
//!
//! A variant that is added to an enum makes this file fail to compile until it has a sample.

mod events;
mod failures;
mod messages;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_model::codec::{self, DecodeError, Kind};
use tidegate_model::id::{BootId, Epoch, RunId};
use tidegate_model::limits::WIRE_BYTES_MAX;
use tidegate_model::time::{ClockState, Stamp, Timestamp};

/// Reads bytes and gives back what they say, encoded again.
pub(crate) type Reread = Box<dyn Fn(&[u8]) -> Result<Vec<u8>, DecodeError>>;

/// A value in its stored or sent form.
pub(crate) struct Sample {
    /// The golden file's name, without its extension.
    pub(crate) name: String,
    /// The form this release writes.
    pub(crate) bytes: Vec<u8>,
    /// Decodes and encodes again.
    pub(crate) reread: Reread,
    /// The envelope's kind, where the bytes are CBOR in one.
    pub(crate) kind: Option<Kind>,
}

/// All of them.
pub(crate) fn all() -> Vec<Sample> {
    let mut samples = events::samples();
    samples.extend(failures::samples());
    samples.extend(messages::samples());
    samples
}

/// A list with one sample of each variant, and its name. Missing a variant is a compile error; a sample of another
/// variant than it stands for is a failure.
macro_rules! one_of_each {
    ($type:ty { $($name:literal: $variant:pat => $sample:expr),+ $(,)? }) => {{
        #[deny(unreachable_patterns)]
        fn name(value: &$type) -> &'static str {
            match value { $($variant => $name),+ }
        }
        let all: Vec<(&'static str, $type)> = vec![$(($name, $sample)),+];
        for (expected, value) in &all {
            assert_eq!(name(value), *expected, "the sample is of another variant");
        }
        all
    }};
}
use one_of_each;

/// The values alone.
fn of<T>(named: Vec<(&'static str, T)>) -> Vec<T> {
    named.into_iter().map(|(_, value)| value).collect()
}

/// A value in bare CBOR, as records are.
fn cbor<T: Serialize + DeserializeOwned>(name: String, value: &T) -> Sample {
    let reread: Reread = Box::new(|bytes| codec::from_cbor::<T>(bytes).map(|value| codec::to_cbor(&value)));
    Sample { name, bytes: codec::to_cbor(value), reread, kind: None }
}

fn epoch() -> Epoch {
    Epoch::from_u128(0x0e0e_1111_2222_3333_4444_5555_6666_7777)
}

fn boot() -> BootId {
    BootId::from_u128(0xb007_0000_0000_0000_0000_0000_0000_0001)
}

fn run() -> RunId {
    RunId::from_u128(0x019a_b0c1_d2e3_7abc_8def_0123_4567_89ab)
}

fn stamp() -> Stamp {
    Stamp {
        boot: boot(),
        boottime_ns: 86_400_000_000_123,
        wall: Timestamp::from_micros(1_795_459_231_123_456),
        state: ClockState::Synchronised,
        error_us: Some(1_500),
    }
}
