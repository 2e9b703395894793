//! Between Temporal's messages and the model's types.
//!
//! [`outward`] says everything the model holds. [`inward`] checks: a value that makes no sense is an [`Invalid`] that
//! names its field, and reaches nobody. Event and command have modules of their own (`event`, `command`).

pub(crate) mod cause;
pub(crate) mod inward;
pub(crate) mod outward;
pub(crate) mod sdk_metadata;
#[cfg(test)]
mod tests;

use std::fmt;

/// A field that does not hold what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    /// The field's path, what is wrong and what would be right.
    #[error("{0}")]
    Field(String),
    /// The text can be the name of no namespace, so there is none of that name.
    #[error("namespace {0} is not found")]
    NoSuchNamespace(String),
}

impl Invalid {
    /// `field` is the path of the field as a caller writes it, `why` what is wrong and what would be right.
    pub(crate) fn new(field: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::Field(format!("{field}: {why}"))
    }
}
