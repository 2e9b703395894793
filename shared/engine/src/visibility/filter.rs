//! A query whose names and types are settled, and whether a run meets it.
//!
//! Tests are three-valued as in SQL: what compares with a value that is not there is neither true nor false, and only
//! what is true is listed. Tests of texts and of lists of keywords are the exception: where there is nothing, nothing
//! is found, and that is false.

use std::borrow::Cow;
use std::cmp::Ordering;

use tidegate_model::id::RunId;
use tidegate_model::payload::Header;
use tidegate_model::time::Timestamp;

use crate::request::{IndexedValueType, RunStatus};
use crate::search_attributes::{AttributeTypes, NAMESPACE_DIVISION, Scalar, decode, meant};

use super::column::Column;
use super::duration::nanoseconds;
use super::query::{Comparison, Condition, Literal, Name, Query, QueryError, Test, Written};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    condition: Option<Meaning>,
    groups_by_status: bool,
    /// Runs of a division are left out.
    hides_divisions: bool,
}

/// What a run is asked about: borrowed, so that what is filtered out costs no copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) workflow_id: &'a str,
    pub(crate) run_id: RunId,
    pub(crate) workflow_type: &'a str,
    pub(crate) task_queue: &'a str,
    pub(crate) status: RunStatus,
    pub(crate) start_time: Timestamp,
    pub(crate) execution_time: Timestamp,
    pub(crate) close_time: Option<Timestamp>,
    pub(crate) history_length: u64,
    pub(crate) history_size_bytes: u64,
    pub(crate) state_transition_count: u64,
    pub(crate) parent: Option<(&'a str, RunId)>,
    pub(crate) root: (&'a str, RunId),
    pub(crate) search_attributes: &'a Header,
}

#[derive(Debug, Clone)]
enum Meaning {
    All(Vec<Meaning>),
    Any(Vec<Meaning>),
    Not(Box<Meaning>),
    Test(Column, Check),
}

#[derive(Debug, Clone)]
enum Check {
    Compare(Comparison, Scalar<'static>),
    /// In order.
    In(Vec<Scalar<'static>>),
    Between(Scalar<'static>, Scalar<'static>),
    StartsWith(String),
    IsNull,
    /// Any word of these, in small letters.
    Words(Vec<String>),
}

/// Temporal's `WorkflowExecutionStatus`, by number.
const STATUSES: [&str; 9] = [
    "Unspecified",
    "Running",
    "Completed",
    "Failed",
    "Canceled",
    "Terminated",
    "ContinuedAsNew",
    "TimedOut",
    "Paused",
];

impl Filter {
    /// Settles what a query means in a namespace.
    ///
    /// # Errors
    /// A name that is not known, with the one probably meant; a test or a value that does not suit the type.
    pub(crate) fn new(query: &Query, types: &AttributeTypes) -> Result<Self, QueryError> {
        if let Some(name) = &query.group_by {
            let column = column(name, types)?;
            if column != Column::ExecutionStatus {
                let message = format!(
                    "operation is not supported: 'GROUP BY' clause is not supported for search attribute {}, \
                     only for ExecutionStatus",
                    name.text
                );
                return Err(QueryError::new(name.at, message));
            }
        }
        let condition = query.condition.as_ref().map(|condition| settle(condition, types)).transpose()?;
        Ok(Self {
            hides_divisions: !condition.as_ref().is_some_and(Meaning::names_division),
            condition,
            groups_by_status: query.group_by.is_some(),
        })
    }

    /// Whether runs are to be counted by status.
    pub(crate) fn groups_by_status(&self) -> bool {
        self.groups_by_status
    }

    /// The execution whose runs are all it can find.
    pub(super) fn workflow_id(&self) -> Option<&str> {
        match self.condition.as_ref()? {
            Meaning::All(meanings) => meanings.iter().find_map(Meaning::only_workflow_id),
            meaning @ (Meaning::Any(_) | Meaning::Not(_) | Meaning::Test(..)) => meaning.only_workflow_id(),
        }
    }

    /// Whether a run is what the query asks for.
    pub(crate) fn accepts(&self, row: &Row<'_>) -> bool {
        let is_met = self.condition.as_ref().is_none_or(|condition| condition.of(row) == Some(true));
        is_met && !(self.hides_divisions && row.search_attributes.contains_key(NAMESPACE_DIVISION))
    }
}

fn settle(condition: &Condition, types: &AttributeTypes) -> Result<Meaning, QueryError> {
    let each = |conditions: &[Condition]| {
        conditions.iter().map(|condition| settle(condition, types)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match condition {
        Condition::All(conditions) => Meaning::All(each(conditions)?),
        Condition::Any(conditions) => Meaning::Any(each(conditions)?),
        Condition::Not(condition) => Meaning::Not(Box::new(settle(condition, types)?)),
        Condition::Test(name, test) => {
            let column = column(name, types)?;
            let check = check(name, &column, test)?;
            Meaning::Test(column, check)
        }
    })
}

fn column(name: &Name, types: &AttributeTypes) -> Result<Column, QueryError> {
    Column::named(&name.text, types).map_err(|message| QueryError::new(name.at, message))
}

fn check(name: &Name, column: &Column, test: &Test) -> Result<Check, QueryError> {
    let kind = column.kind();
    let unsupported = |operator: &str, instead: &str| {
        let kind = kind.name();
        let message = format!(
            "operation is not supported: operator '{operator}' not supported for {kind} type search attribute '{}'; \
             use {instead}",
            name.text
        );
        Err(QueryError::new(name.at, message))
    };
    let value = |literal: &Literal| value(literal, name, column);
    match (test, kind) {
        (Test::IsNull, _) => Ok(Check::IsNull),
        (Test::Compare(Comparison::Equal, literal), IndexedValueType::Text) => words(literal, name),
        (Test::In(_), IndexedValueType::Text) => unsupported("IN", "= or !="),
        (Test::Compare(Comparison::Equal, literal), _) => {
            Ok(Check::Compare(Comparison::Equal, value(literal)?))
        }
        (Test::Compare(comparison, _), IndexedValueType::Text) => unsupported(comparison.text(), "= or !="),
        (Test::Compare(comparison, _), IndexedValueType::KeywordList) => {
            unsupported(comparison.text(), "=, !=, IN or NOT IN")
        }
        (Test::Compare(comparison, literal), _) => Ok(Check::Compare(*comparison, value(literal)?)),
        (Test::In(literals), _) => {
            let mut values = literals.iter().map(value).collect::<Result<Vec<_>, _>>()?;
            values.sort_by(|one, other| one.compare(other).unwrap_or(Ordering::Equal));
            Ok(Check::In(values))
        }
        (
            Test::Between(..),
            IndexedValueType::Text | IndexedValueType::Bool | IndexedValueType::KeywordList,
        ) => unsupported("BETWEEN", "= or !="),
        (Test::Between(low, high), _) => Ok(Check::Between(value(low)?, value(high)?)),
        (Test::StartsWith(literal), IndexedValueType::Keyword) if *column != Column::ExecutionStatus => {
            match &literal.written {
                Written::Text(text) => Ok(Check::StartsWith(text.clone())),
                Written::Int(_) | Written::Float(_) | Written::Bool(_) => {
                    let message = "expected a text in quotes after STARTS_WITH";
                    Err(QueryError::new(literal.at, message))
                }
            }
        }
        (Test::StartsWith(_), _) => unsupported("STARTS_WITH", "= or !="),
    }
}

fn words(literal: &Literal, name: &Name) -> Result<Check, QueryError> {
    let text = match &literal.written {
        Written::Text(text) => text,
        Written::Int(_) | Written::Float(_) | Written::Bool(_) => {
            return Err(unsuited(literal, name, IndexedValueType::Text, "a text in quotes"));
        }
    };
    let words: Vec<String> = words_of(text).collect();
    if words.is_empty() {
        return Err(unsuited(literal, name, IndexedValueType::Text, "a text with at least one word"));
    }
    Ok(Check::Words(words))
}

fn value(literal: &Literal, name: &Name, column: &Column) -> Result<Scalar<'static>, QueryError> {
    match column {
        Column::ExecutionStatus => return status(literal),
        Column::ExecutionDuration => {
            let wanted = "a duration ('1h30m' or '01:30:00') or a number of nanoseconds";
            let nanos = match &literal.written {
                Written::Text(text) => nanoseconds(text),
                Written::Int(nanos) => Some(*nanos),
                Written::Float(_) | Written::Bool(_) => None,
            };
            return nanos
                .map(Scalar::Int)
                .ok_or_else(|| unsuited(literal, name, IndexedValueType::Int, wanted));
        }
        Column::WorkflowId
        | Column::RunId
        | Column::WorkflowType
        | Column::TaskQueue
        | Column::StartTime
        | Column::ExecutionTime
        | Column::CloseTime
        | Column::HistoryLength
        | Column::HistorySizeBytes
        | Column::StateTransitionCount
        | Column::ParentWorkflowId
        | Column::ParentRunId
        | Column::RootWorkflowId
        | Column::RootRunId
        | Column::Carried(..) => {}
    }
    let kind = column.kind();
    let (value, wanted) = match (kind, &literal.written) {
        (
            IndexedValueType::Text | IndexedValueType::Keyword | IndexedValueType::KeywordList,
            Written::Text(text),
        ) => return Ok(Scalar::Text(Cow::Owned(text.clone()))),
        (IndexedValueType::Text | IndexedValueType::Keyword | IndexedValueType::KeywordList, _) => {
            (None, "a text in quotes")
        }
        (IndexedValueType::Int | IndexedValueType::Double, Written::Int(number)) => {
            (Some(Scalar::Int(*number)), "a number")
        }
        (IndexedValueType::Int | IndexedValueType::Double, Written::Float(number)) => {
            (Some(Scalar::Double(*number)), "a number")
        }
        (IndexedValueType::Int | IndexedValueType::Double, _) => (None, "a number"),
        (IndexedValueType::Bool, Written::Bool(value)) => (Some(Scalar::Bool(*value)), "true or false"),
        (IndexedValueType::Bool, _) => (None, "true or false"),
        (IndexedValueType::Datetime, written) => {
            // Cut to what is stored; a time that was read from a list is found again.
            let time = match written {
                Written::Text(text) => text.parse().ok(),
                Written::Int(nanos) => Some(Timestamp::from_micros(nanos.div_euclid(1_000))),
                Written::Float(_) | Written::Bool(_) => None,
            };
            let wanted = "a time such as '2026-11-23T18:40:31Z', or nanoseconds since 1970";
            (time.map(Scalar::Time), wanted)
        }
    };
    value.ok_or_else(|| unsuited(literal, name, kind, wanted))
}

fn status(literal: &Literal) -> Result<Scalar<'static>, QueryError> {
    let known = |text: &str| {
        STATUSES.iter().position(|status| {
            *status == text
                || text
                    .strip_prefix("WORKFLOW_EXECUTION_STATUS_")
                    .is_some_and(|rest| rest.replace('_', "").eq_ignore_ascii_case(status))
        })
    };
    let (number, found, meant) = match &literal.written {
        Written::Text(text) => {
            (known(text), format!("{text:?}"), meant(text, STATUSES.iter().copied().skip(1)))
        }
        Written::Int(number) => {
            let number_known = usize::try_from(*number).ok().filter(|number| *number < STATUSES.len());
            (number_known, number.to_string(), String::new())
        }
        Written::Float(number) => (None, number.to_string(), String::new()),
        Written::Bool(value) => (None, value.to_string(), String::new()),
    };
    match number.and_then(|number| i64::try_from(number).ok()) {
        Some(number) => Ok(Scalar::Int(number)),
        None => Err(QueryError::new(literal.at, format!("invalid ExecutionStatus value {found}{meant}"))),
    }
}

fn unsuited(literal: &Literal, name: &Name, kind: IndexedValueType, wanted: &str) -> QueryError {
    let found = match &literal.written {
        Written::Text(text) => format!("{text:?}"),
        Written::Int(number) => number.to_string(),
        Written::Float(number) => number.to_string(),
        Written::Bool(value) => value.to_string(),
    };
    let message =
        format!("search attribute {} of type {} wants {wanted}, not {found}", name.text, kind.name());
    QueryError::new(literal.at, message)
}

impl Meaning {
    /// `None` where it is unknown.
    fn of(&self, row: &Row<'_>) -> Option<bool> {
        match self {
            Self::All(meanings) => decided(meanings, row, false),
            Self::Any(meanings) => decided(meanings, row, true),
            Self::Not(meaning) => meaning.of(row).map(|is_met| !is_met),
            Self::Test(column, check) => check.of(&values(column, row), column.kind()),
        }
    }

    fn only_workflow_id(&self) -> Option<&str> {
        match self {
            Self::Test(Column::WorkflowId, Check::Compare(Comparison::Equal, Scalar::Text(text))) => {
                Some(text)
            }
            Self::Test(..) | Self::All(_) | Self::Any(_) | Self::Not(_) => None,
        }
    }

    fn names_division(&self) -> bool {
        match self {
            Self::All(meanings) | Self::Any(meanings) => meanings.iter().any(Self::names_division),
            Self::Not(meaning) => meaning.names_division(),
            Self::Test(Column::Carried(name, _), _) => name == NAMESPACE_DIVISION,
            Self::Test(_, _) => false,
        }
    }
}

/// One that is `decisive` decides; otherwise one that is unknown makes the whole unknown.
fn decided(meanings: &[Meaning], row: &Row<'_>, decisive: bool) -> Option<bool> {
    let mut outcome = Some(!decisive);
    for meaning in meanings {
        match meaning.of(row) {
            Some(is_met) if is_met == decisive => return Some(decisive),
            Some(_) => {}
            None => outcome = None,
        }
    }
    outcome
}

/// What a run has in a column.
enum Values<'a> {
    None,
    One(Scalar<'a>),
    Many(Vec<Scalar<'a>>),
}

fn values<'a>(column: &Column, row: &Row<'a>) -> Values<'a> {
    let text = |text: &'a str| Values::One(Scalar::Text(Cow::Borrowed(text)));
    let run = |run_id: RunId| Values::One(Scalar::Text(Cow::Owned(run_id.to_string())));
    let time = |time: Timestamp| Values::One(Scalar::Time(time));
    let count = |count: u64| Values::One(Scalar::Int(i64::try_from(count).unwrap_or(i64::MAX)));
    match column {
        Column::WorkflowId => text(row.workflow_id),
        Column::RunId => run(row.run_id),
        Column::WorkflowType => text(row.workflow_type),
        Column::TaskQueue => text(row.task_queue),
        Column::ExecutionStatus => {
            let number = STATUSES.iter().position(|status| *status == row.status.name());
            count(number.expect("Temporal knows every status") as u64)
        }
        Column::StartTime => time(row.start_time),
        Column::ExecutionTime => time(row.execution_time),
        Column::CloseTime => row.close_time.map_or(Values::None, time),
        Column::ExecutionDuration => row.close_time.map_or(Values::None, |close_time| {
            let nanos = close_time.saturating_since(row.execution_time).as_nanos();
            Values::One(Scalar::Int(i64::try_from(nanos).unwrap_or(i64::MAX)))
        }),
        Column::HistoryLength => count(row.history_length),
        Column::HistorySizeBytes => count(row.history_size_bytes),
        Column::StateTransitionCount => count(row.state_transition_count),
        Column::ParentWorkflowId => row.parent.map_or(Values::None, |(workflow_id, _)| text(workflow_id)),
        Column::ParentRunId => row.parent.map_or(Values::None, |(_, run_id)| run(run_id)),
        Column::RootWorkflowId => text(row.root.0),
        Column::RootRunId => run(row.root.1),
        Column::Carried(name, kind) => {
            // A value that was written under another type is not there.
            let decoded = row.search_attributes.get(name).and_then(|payload| decode(payload, *kind).ok());
            decoded.filter(|values| !values.is_empty()).map_or(Values::None, Values::Many)
        }
    }
}

impl Check {
    fn of(&self, values: &Values<'_>, kind: IndexedValueType) -> Option<bool> {
        let values = match values {
            Values::None if matches!(self, Self::IsNull) => return Some(true),
            Values::None => {
                let is_found_by_content =
                    matches!(kind, IndexedValueType::Text | IndexedValueType::KeywordList);
                return is_found_by_content.then_some(false);
            }
            Values::One(value) => std::slice::from_ref(value),
            Values::Many(values) => values.as_slice(),
        };
        Some(values.iter().any(|value| self.is_met_by(value)))
    }

    fn is_met_by(&self, value: &Scalar<'_>) -> bool {
        let compared = |other: &Scalar<'_>| value.compare(other);
        match self {
            Self::Compare(Comparison::Equal, other) => compared(other) == Some(Ordering::Equal),
            Self::Compare(Comparison::Less, other) => compared(other).is_some_and(Ordering::is_lt),
            Self::Compare(Comparison::LessOrEqual, other) => compared(other).is_some_and(Ordering::is_le),
            Self::Compare(Comparison::Greater, other) => compared(other).is_some_and(Ordering::is_gt),
            Self::Compare(Comparison::GreaterOrEqual, other) => compared(other).is_some_and(Ordering::is_ge),
            Self::In(others) => {
                others.binary_search_by(|other| other.compare(value).unwrap_or(Ordering::Less)).is_ok()
            }
            Self::Between(low, high) => {
                compared(low).is_some_and(Ordering::is_ge) && compared(high).is_some_and(Ordering::is_le)
            }
            Self::StartsWith(prefix) => {
                matches!(value, Scalar::Text(text) if text.starts_with(prefix.as_str()))
            }
            Self::IsNull => false,
            Self::Words(words) => {
                matches!(value, Scalar::Text(text) if words_of(text).any(|word| words.contains(&word)))
            }
        }
    }
}

/// The words of a text, in small letters.
fn words_of(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests;
