//! What a request may carry. A refusal says the limit's name.
//!
//! These are the caller's mistakes, and would be mistakes again: `INVALID_ARGUMENT`, where "resource exhausted" would
//! make an SDK try again for ever.

use tidegate_model::limits::{ID_BYTES_MAX, NAME_BYTES_MAX};
use tidegate_model::payload::{Header, Payload};

use crate::request::Refusal;
use crate::settings::Settings;

/// Something in a request, or in a command, is wrong; in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong(pub(crate) String);

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Self {
        Self::InvalidArgument(wrong.0)
    }
}

/// A text that identifies something; may be empty.
pub(crate) fn id(what: &str, text: &str) -> Result<(), Wrong> {
    within(what, text.len(), "ID_BYTES_MAX", ID_BYTES_MAX)
}

/// A text that identifies something and must be there.
pub(crate) fn required_id(what: &str, text: &str) -> Result<(), Wrong> {
    if text.is_empty() { Err(Wrong(format!("{what} is empty"))) } else { id(what, text) }
}

/// The name of a function.
pub(crate) fn required_name(what: &str, text: &str) -> Result<(), Wrong> {
    if text.is_empty() {
        return Err(Wrong(format!("{what} is empty")));
    }
    within(what, text.len(), "NAME_BYTES_MAX", NAME_BYTES_MAX)
}

/// Arguments or results, counted together.
pub(crate) fn payloads(what: &str, payloads: &[Payload], settings: &Settings) -> Result<(), Wrong> {
    let bytes = payloads.iter().map(Payload::size).sum();
    blob(what, bytes, settings)
}

/// Named payloads, counted together.
pub(crate) fn header(what: &str, header: &Header, settings: &Settings) -> Result<(), Wrong> {
    let bytes = header.iter().map(|(name, payload)| name.len() + payload.size()).sum();
    blob(what, bytes, settings)
}

/// Anything else that is kept as it came: a failure, a memo.
pub(crate) fn blob(what: &str, bytes: usize, settings: &Settings) -> Result<(), Wrong> {
    within(what, bytes, "PAYLOAD_BYTES_MAX", settings.payload_bytes_max)
}

pub(crate) fn within(what: &str, bytes: usize, name: &str, max: usize) -> Result<(), Wrong> {
    if bytes > max { Err(Wrong(format!("{what} has {bytes} bytes; {name} is {max}"))) } else { Ok(()) }
}
