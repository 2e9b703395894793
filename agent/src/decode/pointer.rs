//! JSON pointers (RFC 6901), which find their way in CBOR as well.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where in a payload something is: `/value`, `/data/0/t`; the empty pointer is the whole payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pointer {
    text: String,
    /// The steps of `text`, unescaped.
    tokens: Vec<String>,
}

/// Why a text is not a pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a JSON pointer: {reason}")]
pub struct InvalidPointer {
    text: String,
    reason: &'static str,
}

impl Pointer {
    /// The steps from the whole payload down.
    pub(super) fn tokens(&self) -> &[String] {
        &self.tokens
    }
}

impl FromStr for Pointer {
    type Err = InvalidPointer;

    fn from_str(text: &str) -> Result<Self, InvalidPointer> {
        let invalid = |reason| InvalidPointer { text: text.to_owned(), reason };
        if text.is_empty() {
            return Ok(Self { text: String::new(), tokens: Vec::new() });
        }
        let steps = text.strip_prefix('/').ok_or_else(|| invalid("it begins with '/', as in \"/value\""))?;
        let tokens = steps
            .split('/')
            .map(|step| unescape(step).ok_or_else(|| invalid("'~' is written ~0 and a '/' in a key ~1")))
            .collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), tokens })
    }
}

/// RFC 6901 §4: `~1` is `/` and `~0` is `~`, in that order; any other `~` is an error.
fn unescape(step: &str) -> Option<String> {
    let after_tildes = step.split('~').skip(1);
    let right = after_tildes.into_iter().all(|rest| rest.starts_with(['0', '1']));
    right.then(|| step.replace("~1", "/").replace("~0", "~"))
}

impl TryFrom<String> for Pointer {
    type Error = InvalidPointer;
    fn try_from(text: String) -> Result<Self, InvalidPointer> {
        text.parse()
    }
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.text
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
