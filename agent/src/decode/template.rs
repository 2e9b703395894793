//! Names made from a topic: `"{1}/{2}"` of `ward/bed-12/HR` is `ward/bed-12`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tidegate_model::id::InvalidId;

use super::fault::DecodeFault;

/// Literal text and topic levels: `{1}` is the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// From 1.
    Level(usize),
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a name template: {reason}")]
pub struct InvalidTemplate {
    text: String,
    reason: &'static str,
}

impl Template {
    /// The name for a topic.
    pub(super) fn fill<Id: TryFrom<String, Error = InvalidId>>(
        &self,
        topic: &str,
    ) -> Result<Id, DecodeFault> {
        let mut name = String::with_capacity(self.text.len() + topic.len());
        for part in &self.parts {
            match part {
                Part::Literal(text) => name.push_str(text),
                Part::Level(level) => {
                    let found = topic.split('/').nth(level - 1).ok_or_else(|| DecodeFault::Topic {
                        reason: format!("{:?} asks for level {level} of {topic:?}", self.text),
                    })?;
                    name.push_str(found);
                }
            }
        }
        Id::try_from(name).map_err(|error| DecodeFault::Topic { reason: error.to_string() })
    }

    /// The deepest level it asks for.
    pub(super) fn last_level(&self) -> Option<usize> {
        self.parts
            .iter()
            .filter_map(|part| match part {
                Part::Literal(_) => None,
                Part::Level(level) => Some(*level),
            })
            .max()
    }
}

impl FromStr for Template {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        let invalid = |reason| InvalidTemplate { text: text.to_owned(), reason };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            let (literal, after) = rest.split_at(brace);
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            let (level, after) = after
                .strip_prefix('{')
                .and_then(|after| after.split_once('}'))
                .ok_or_else(|| invalid("a '{' has its '}', as in \"{1}\""))?;
            let level = level.parse().ok().filter(|&level| level >= 1);
            parts.push(Part::Level(
                level.ok_or_else(|| invalid("levels are numbered from 1, as in \"{1}\""))?,
            ));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        if parts.is_empty() {
            return Err(invalid("it is empty"));
        }
        Ok(Self { text: text.to_owned(), parts })
    }
}

impl TryFrom<String> for Template {
    type Error = InvalidTemplate;
    fn try_from(text: String) -> Result<Self, InvalidTemplate> {
        text.parse()
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.text
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
