//! What executions are found by: which search attributes a namespace has, of which types, and what a payload of one
//! says.
//!
//! The types are a namespace's own, not a payload's: what a worker wrote into the metadata is no more than a hint for
//! who reads it back.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::Value as Json;
use tidegate_model::limits::{
    NAME_BYTES_MAX, SEARCH_ATTRIBUTE_BYTES_MAX, SEARCH_ATTRIBUTES_BYTES_MAX, SEARCH_ATTRIBUTES_MAX,
    SEARCH_ATTRIBUTES_PER_NAMESPACE_MAX,
};
use tidegate_model::payload::{Header, Payload};
use tidegate_model::time::Timestamp;

use crate::bounds::{self, Wrong};
use crate::request::IndexedValueType;

/// What the server knows of every execution by itself. Nobody can set these.
const SYSTEM: [(&str, IndexedValueType); 16] = [
    ("WorkflowId", IndexedValueType::Keyword),
    ("RunId", IndexedValueType::Keyword),
    ("WorkflowType", IndexedValueType::Keyword),
    ("StartTime", IndexedValueType::Datetime),
    ("ExecutionTime", IndexedValueType::Datetime),
    ("CloseTime", IndexedValueType::Datetime),
    ("ExecutionStatus", IndexedValueType::Keyword),
    ("TaskQueue", IndexedValueType::Keyword),
    ("HistoryLength", IndexedValueType::Int),
    ("ExecutionDuration", IndexedValueType::Int),
    ("StateTransitionCount", IndexedValueType::Int),
    ("HistorySizeBytes", IndexedValueType::Int),
    ("ParentWorkflowId", IndexedValueType::Keyword),
    ("ParentRunId", IndexedValueType::Keyword),
    ("RootWorkflowId", IndexedValueType::Keyword),
    ("RootRunId", IndexedValueType::Keyword),
];

/// Attributes every namespace has beside its own, which SDKs and schedules set.
const PREDEFINED: [(&str, IndexedValueType); 11] = [
    ("TemporalChangeVersion", IndexedValueType::KeywordList),
    ("BinaryChecksums", IndexedValueType::KeywordList),
    ("BuildIds", IndexedValueType::KeywordList),
    ("BatcherNamespace", IndexedValueType::Keyword),
    ("BatcherUser", IndexedValueType::Keyword),
    ("TemporalScheduledStartTime", IndexedValueType::Datetime),
    (SCHEDULED_BY_ID, IndexedValueType::Keyword),
    ("TemporalSchedulePaused", IndexedValueType::Bool),
    (NAMESPACE_DIVISION, IndexedValueType::Keyword),
    ("TemporalPauseInfo", IndexedValueType::KeywordList),
    ("TemporalReportedProblems", IndexedValueType::KeywordList),
];

/// Names of fields elsewhere in Temporal, which an attribute may not have.
const RESERVED: [&str; 4] = ["NamespaceId", "Memo", "MemoEncoding", "VisibilityTaskKey"];

/// What begins like this belongs to the system.
pub(crate) const RESERVED_PREFIX: &str = "Temporal";
/// Set on whatever is not an ordinary workflow; a list leaves such executions out unless it asks for this.
pub(crate) const NAMESPACE_DIVISION: &str = "TemporalNamespaceDivision";
/// Set on what a schedule started.
pub(crate) const SCHEDULED_BY_ID: &str = "TemporalScheduledById";

/// The search attributes of one namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct AttributeTypes {
    custom: BTreeMap<String, IndexedValueType>,
}

impl AttributeTypes {
    pub(crate) const fn new() -> Self {
        Self { custom: BTreeMap::new() }
    }

    /// Those its users added.
    pub(crate) fn custom(&self) -> &BTreeMap<String, IndexedValueType> {
        &self.custom
    }

    /// Those every namespace has.
    pub(crate) fn system() -> impl Iterator<Item = (&'static str, IndexedValueType)> {
        SYSTEM.into_iter().chain(PREDEFINED)
    }

    /// The type of an attribute that executions carry with them: a custom or a predefined one.
    pub(crate) fn carried(&self, name: &str) -> Option<IndexedValueType> {
        let predefined = || PREDEFINED.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        self.custom.get(name).copied().or_else(predefined)
    }

    /// Which of these would be added: those that are not there.
    pub(crate) fn check_add(
        &self,
        wanted: &BTreeMap<String, IndexedValueType>,
    ) -> Result<BTreeMap<String, IndexedValueType>, Wrong> {
        if wanted.is_empty() {
            return Err(Wrong(String::from("SearchAttributes are not set on request.")));
        }
        let mut added = BTreeMap::new();
        for (name, kind) in wanted {
            check_name(name)?;
            match self.custom.get(name) {
                Some(known) if known == kind => {}
                Some(known) => {
                    let (known, kind) = (known.name(), kind.name());
                    return Err(Wrong(format!(
                        "Search attribute {name} already exists, with type {known} and not {kind}; remove it first."
                    )));
                }
                None => {
                    added.insert(name.clone(), *kind);
                }
            }
        }
        let count = self.custom.len() + added.len();
        if count > SEARCH_ATTRIBUTES_PER_NAMESPACE_MAX {
            return Err(Wrong(format!(
                "the namespace would have {count} custom search attributes; \
                 SEARCH_ATTRIBUTES_PER_NAMESPACE_MAX is {SEARCH_ATTRIBUTES_PER_NAMESPACE_MAX}"
            )));
        }
        Ok(added)
    }

    /// Which of these would be removed: those that are there.
    pub(crate) fn check_remove(&self, unwanted: &[String]) -> Result<BTreeSet<String>, Wrong> {
        if unwanted.is_empty() {
            return Err(Wrong(String::from("SearchAttributes are not set on request.")));
        }
        if let Some(name) = unwanted.iter().find(|name| Self::system().any(|(known, _)| known == **name)) {
            return Err(Wrong(format!("Unable to remove non-custom search attributes: {name}.")));
        }
        Ok(unwanted.iter().filter(|name| self.custom.contains_key(*name)).cloned().collect())
    }

    pub(crate) fn add(&mut self, added: &BTreeMap<String, IndexedValueType>) {
        self.custom.extend(added.iter().map(|(name, kind)| (name.clone(), *kind)));
    }

    pub(crate) fn remove(&mut self, removed: &BTreeSet<String>) {
        self.custom.retain(|name, _| !removed.contains(name));
    }

    /// Checks what a caller wants an execution to be found by. Gives it back with the types in the metadata, so that
    /// an SDK that reads it knows them.
    pub(crate) fn check(&self, attributes: &Header) -> Result<Header, Wrong> {
        if attributes.len() > SEARCH_ATTRIBUTES_MAX {
            return Err(Wrong(format!(
                "{} search attributes are set; SEARCH_ATTRIBUTES_MAX is {SEARCH_ATTRIBUTES_MAX}",
                attributes.len()
            )));
        }
        let mut checked = Header::new();
        let mut bytes = 0;
        for (name, payload) in attributes {
            let kind = self.settable(name)?;
            let what = format!("search attribute {name}");
            bounds::within(
                &what,
                payload.data.len(),
                "SEARCH_ATTRIBUTE_BYTES_MAX",
                SEARCH_ATTRIBUTE_BYTES_MAX,
            )?;
            bytes += name.len() + payload.size();
            decode(payload, kind).map_err(|reason| {
                Wrong(format!("invalid value for search attribute {name} of type {}: {reason}", kind.name()))
            })?;
            checked.insert(name.clone(), typed(payload, kind));
        }
        bounds::within(
            "search attributes",
            bytes,
            "SEARCH_ATTRIBUTES_BYTES_MAX",
            SEARCH_ATTRIBUTES_BYTES_MAX,
        )?;
        Ok(checked)
    }

    fn settable(&self, name: &str) -> Result<IndexedValueType, Wrong> {
        if SYSTEM.iter().any(|(system, _)| *system == name) {
            return Err(Wrong(format!("{name} attribute can't be set in SearchAttributes")));
        }
        self.carried(name).ok_or_else(|| {
            let known =
                self.custom.keys().map(String::as_str).chain(PREDEFINED.iter().map(|(name, _)| *name));
            // Temporal's words: callers look for them.
            Wrong(format!("no mapping defined for search attribute {name}{}", meant(name, known)))
        })
    }
}

/// Takes new values over old ones. An empty value takes the attribute away.
pub(crate) fn upsert(attributes: &mut Header, changes: &Header) {
    for (name, payload) in changes {
        if is_unset(payload) {
            attributes.remove(name);
        } else {
            attributes.insert(name.clone(), payload.clone());
        }
    }
}

/// Whether a payload says that there is no value: null, or an empty list.
pub(crate) fn is_unset(payload: &Payload) -> bool {
    match encoding(payload) {
        Some("binary/null") => true,
        Some("json/plain") => {
            let data = payload.data.trim_ascii();
            data == b"null" || data.strip_prefix(b"[").is_some_and(|rest| rest.trim_ascii() == b"]")
        }
        Some(_) | None => false,
    }
}

/// One value, borrowed where that is possible.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'a> {
    Text(Cow<'a, str>),
    Int(i64),
    Double(f64),
    Bool(bool),
    Time(Timestamp),
}

impl Scalar<'_> {
    /// How it stands to another; `None` where the two cannot be compared.
    pub(crate) fn compare(&self, other: &Scalar<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(one), Scalar::Text(other)) => Some(one.cmp(other)),
            (Self::Int(one), Scalar::Int(other)) => Some(one.cmp(other)),
            (Self::Double(one), Scalar::Double(other)) => one.partial_cmp(other),
            (Self::Int(one), Scalar::Double(other)) => compare_exactly(*one, *other),
            (Self::Double(one), Scalar::Int(other)) => compare_exactly(*other, *one).map(Ordering::reverse),
            (Self::Bool(one), Scalar::Bool(other)) => Some(one.cmp(other)),
            (Self::Time(one), Scalar::Time(other)) => Some(one.cmp(other)),
            (
                Self::Text(_) | Self::Int(_) | Self::Double(_) | Self::Bool(_) | Self::Time(_),
                Scalar::Text(_) | Scalar::Int(_) | Scalar::Double(_) | Scalar::Bool(_) | Scalar::Time(_),
            ) => None,
        }
    }
}

/// Without the rounding that a conversion to a double would bring beyond 2⁵³.
fn compare_exactly(int: i64, double: f64) -> Option<Ordering> {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        return None;
    }
    if double >= TWO_TO_63 {
        return Some(Ordering::Less);
    }
    if double < -TWO_TO_63 {
        return Some(Ordering::Greater);
    }
    #[expect(clippy::cast_possible_truncation, reason = "cut off on purpose, and within the range of i64")]
    let whole = double.trunc() as i64;
    Some(int.cmp(&whole).then_with(|| 0.0.partial_cmp(&double.fract()).unwrap_or(Ordering::Equal)))
}

/// What a payload says, if it is of this type: no value, one, or several. An attribute that is no list may still be
/// written as one; SDKs that know no types write all of them so.
///
/// # Errors
/// What is wrong and what would be right.
pub(crate) fn decode(payload: &Payload, kind: IndexedValueType) -> Result<Vec<Scalar<'static>>, String> {
    let not = |found: &str| format!("{found} is not {}", example(kind));
    match encoding(payload) {
        Some("json/plain") => {}
        Some("binary/null") => return Ok(Vec::new()),
        Some(other) => return Err(format!("its encoding is {other}, which must be json/plain")),
        None => return Err(String::from("it has no encoding, which must be json/plain")),
    }
    let json: Json = serde_json::from_slice(&payload.data).map_err(|error| format!("{error}"))?;
    match json {
        Json::Null => Ok(Vec::new()),
        Json::Array(list) => list
            .into_iter()
            .map(|value| {
                let found = value.to_string();
                scalar(value, kind).ok_or_else(|| not(&found))
            })
            .collect(),
        value @ (Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_)) => {
            let found = value.to_string();
            let is_list = kind == IndexedValueType::KeywordList;
            scalar(value, kind).filter(|_| !is_list).map(|value| vec![value]).ok_or_else(|| not(&found))
        }
    }
}

/// What a value of it is written as, for a message.
fn example(kind: IndexedValueType) -> &'static str {
    match kind {
        IndexedValueType::Text | IndexedValueType::Keyword => "a JSON string",
        IndexedValueType::Int => "a JSON number without a fraction, of 64 bits",
        IndexedValueType::Double => "a JSON number",
        IndexedValueType::Bool => "true or false",
        IndexedValueType::Datetime => "a JSON string such as \"2026-11-23T18:40:31Z\"",
        IndexedValueType::KeywordList => "a JSON list of strings",
    }
}

fn scalar(json: Json, kind: IndexedValueType) -> Option<Scalar<'static>> {
    match (kind, json) {
        (
            IndexedValueType::Text | IndexedValueType::Keyword | IndexedValueType::KeywordList,
            Json::String(text),
        ) => Some(Scalar::Text(Cow::Owned(text))),
        (IndexedValueType::Int, Json::Number(number)) => number.as_i64().map(Scalar::Int),
        (IndexedValueType::Double, Json::Number(number)) => number.as_f64().map(Scalar::Double),
        (IndexedValueType::Bool, Json::Bool(value)) => Some(Scalar::Bool(value)),
        (IndexedValueType::Datetime, Json::String(text)) => text.parse().ok().map(Scalar::Time),
        _ => None,
    }
}

/// The known name that was probably meant, as the end of a message.
pub(crate) fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    // Case is forgotten more often than a letter.
    let name = name.to_lowercase();
    let nearest = known.map(|known| (strsim::damerau_levenshtein(&name, &known.to_lowercase()), known)).min();
    match nearest {
        Some((distance, nearest)) if distance <= 1 + name.len() / 4 => format!("; did you mean {nearest}?"),
        Some(_) | None => String::new(),
    }
}

fn check_name(name: &str) -> Result<(), Wrong> {
    if name.is_empty() {
        return Err(Wrong(String::from("the name of a search attribute is empty")));
    }
    bounds::within("the name of a search attribute", name.len(), "NAME_BYTES_MAX", NAME_BYTES_MAX)?;
    if name.chars().any(|c| c == '`' || c.is_control()) {
        return Err(Wrong(format!(
            "the name of a search attribute has no backticks and no control characters, {name:?} has"
        )));
    }
    let is_reserved = name.starts_with(RESERVED_PREFIX)
        || RESERVED.contains(&name)
        || AttributeTypes::system().any(|(known, _)| known == name);
    if is_reserved {
        return Err(Wrong(format!("Search attribute {name} is reserved by system.")));
    }
    Ok(())
}

fn encoding(payload: &Payload) -> Option<&str> {
    std::str::from_utf8(payload.metadata.get("encoding")?).ok()
}

fn typed(payload: &Payload, kind: IndexedValueType) -> Payload {
    let mut payload = payload.clone();
    payload.metadata.insert(String::from("type"), ByteBuf::from(kind.name().as_bytes().to_vec()));
    payload
}

#[cfg(test)]
mod tests;
