//! Conditions in CEL, the Common Expression Language. No type of the `cel` crate leaves this file.
//!
//! Of CEL a condition may use what a window has a use for: comparison, arithmetic, logic, `? :`, `in` with a list, and
//! tests on texts. Macros (`all`, `exists` …) are out, because they nest into loops without a bound; without them a
//! condition takes time in proportion to its text. Every number is a double, so that `mean > 120` and `mean * 2` work as
//! they read.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};
use cel::parser::PrattParser;
use cel::{Context, Env, Value};
use serde::{Deserialize, Serialize};
use tidegate_model::limits::{CONDITION_BYTES_MAX, CONDITION_DEPTH_MAX};
use tidegate_model::reading::WindowSummary;

use super::reader::unknown;

/// What a condition can speak of.
const VARIABLES: [&str; 9] =
    ["count", "missing", "late", "min", "max", "mean", "seconds", "source", "channel"];
/// What it can call.
const FUNCTIONS: [&str; 3] = ["startsWith", "endsWith", "contains"];
const OPERATORS: [&str; 15] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::NEGATE,
    operators::ADD,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
];

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::default().with_stdlib()));

/// A condition on a window, compiled.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Condition {
    text: String,
    expression: Arc<IdedExpr>,
}

/// Why a text is not a condition: what is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{wrong}; {remedy}")]
pub(super) struct InvalidCondition {
    pub(super) wrong: String,
    pub(super) remedy: String,
}

impl InvalidCondition {
    fn new(wrong: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { wrong: wrong.into(), remedy: remedy.into() }
    }
}

impl Condition {
    /// Compiles a condition and tries it out, so that what can be known to be wrong is known before a window closes.
    pub(super) fn compile(text: &str) -> Result<Self, InvalidCondition> {
        if text.len() > CONDITION_BYTES_MAX {
            let wrong = format!("the condition has {} bytes", text.len());
            return Err(InvalidCondition::new(
                wrong,
                format!("at most {CONDITION_BYTES_MAX} (CONDITION_BYTES_MAX)"),
            ));
        }
        if text.trim().is_empty() {
            return Err(InvalidCondition::new("the condition is empty", EXAMPLE));
        }
        let mut expression = parse(text)?;
        restrict(&mut expression, 1)?;
        let condition = Self { text: text.to_owned(), expression: Arc::new(expression) };
        condition.try_out()?;
        Ok(condition)
    }

    /// Whether the condition holds for a window.
    ///
    /// # Errors
    /// In words: why it has no answer, mostly because a value it speaks of is absent.
    pub(super) fn evaluate(&self, window: &WindowSummary) -> Result<bool, String> {
        let value = self.value(window)?;
        let Value::Bool(holds) = value else {
            return Err(format!("the condition is {}, neither true nor false", kind(&value)));
        };
        Ok(holds)
    }

    fn value(&self, window: &WindowSummary) -> Result<Value, String> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        let number = |value: Option<f64>| value.map_or(Value::Null, Value::Float);
        #[expect(clippy::cast_precision_loss, reason = "a window has fewer than 2^53 readings")]
        let count = |count: u64| Value::Float(count as f64);
        context.add_variable_from_value("count", count(window.count));
        context.add_variable_from_value("missing", count(window.missing));
        context.add_variable_from_value("late", count(window.late));
        context.add_variable_from_value("min", number(window.min));
        context.add_variable_from_value("max", number(window.max));
        context.add_variable_from_value("mean", number(window.mean));
        let seconds = window.end.saturating_since(window.start).as_secs_f64();
        context.add_variable_from_value("seconds", Value::Float(seconds));
        context.add_variable_from_value("source", window.source.as_str());
        context.add_variable_from_value("channel", window.channel.as_str());
        // The crate promises not to panic; a gateway's commit loop does not rest on that promise.
        let evaluated = catch_unwind(AssertUnwindSafe(|| Value::resolve(&self.expression, &context)));
        match evaluated {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) if window.count == 0 => {
                Err("min, max and mean have no value, because no reading in the window has a number"
                    .to_owned())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the evaluation panicked".to_owned()),
        }
    }

    /// Tries it on windows that differ enough for a condition that can be true or false to be one of them once.
    fn try_out(&self) -> Result<(), InvalidCondition> {
        let mut first = None;
        for window in trial_windows() {
            let wrong = match self.value(&window) {
                Ok(Value::Bool(_)) => return Ok(()),
                Ok(other) => format!("it is {}, neither true nor false", kind(&other)),
                Err(reason) => reason,
            };
            first.get_or_insert(wrong);
        }
        Err(InvalidCondition::new(first.unwrap_or_default(), format!("compare it with something, {EXAMPLE}")))
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl TryFrom<String> for Condition {
    type Error = InvalidCondition;
    fn try_from(text: String) -> Result<Self, InvalidCondition> {
        Self::compile(&text)
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> Self {
        condition.text
    }
}

const EXAMPLE: &str = "as in \"mean > 120.0 && count >= 3\"";

fn parse(text: &str) -> Result<IdedExpr, InvalidCondition> {
    let depth = u16::try_from(CONDITION_DEPTH_MAX).expect("a small limit");
    let parsed = catch_unwind(|| PrattParser::new().max_recursion_depth(depth).parse(text));
    let errors = match parsed {
        Ok(Ok(expression)) => return Ok(expression),
        Ok(Err(errors)) => errors,
        Err(_) => return Err(InvalidCondition::new("the condition is not understood", EXAMPLE)),
    };
    let first = errors.errors.into_iter().next();
    let reason = first.map_or_else(String::new, |error| {
        let reason = error.msg.trim_start_matches("Syntax error: ").to_owned();
        if error.pos.1 > 0 { format!("{reason} (character {})", error.pos.1) } else { reason }
    });
    Err(InvalidCondition::new(format!("the condition is not CEL: {reason}"), EXAMPLE))
}

/// Refuses what a condition may not use, and makes every number a double.
fn restrict(expression: &mut IdedExpr, depth: usize) -> Result<(), InvalidCondition> {
    if depth > CONDITION_DEPTH_MAX {
        let remedy = format!("at most {CONDITION_DEPTH_MAX} levels (CONDITION_DEPTH_MAX)");
        return Err(InvalidCondition::new("the condition is nested too deep", remedy));
    }
    let refused = |what: &str| {
        let can = "it can compare, calculate, use && || ! ?: and in, and test texts with startsWith, endsWith, contains";
        Err(InvalidCondition::new(format!("a condition cannot use {what}"), can))
    };
    match &mut expression.expr {
        Expr::Literal(literal) => {
            #[expect(
                clippy::cast_precision_loss,
                reason = "numbers of a condition are doubles, as documented"
            )]
            let double = match literal {
                LiteralValue::Int(int) => Some(*int.inner() as f64),
                LiteralValue::UInt(int) => Some(*int.inner() as f64),
                LiteralValue::Boolean(_)
                | LiteralValue::Bytes(_)
                | LiteralValue::Double(_)
                | LiteralValue::Null
                | LiteralValue::String(_) => None,
            };
            if let Some(double) = double {
                *literal = LiteralValue::Double(double.into());
            }
            Ok(())
        }
        Expr::Ident(name) if VARIABLES.contains(&name.as_str()) => Ok(()),
        Expr::Ident(name) => {
            let (wrong, remedy) = unknown("variable", name, &VARIABLES);
            Err(InvalidCondition::new(wrong, remedy))
        }
        Expr::Call(call) => {
            let name = call.func_name.as_str();
            let is_operator = OPERATORS.contains(&name) || name == operators::IN;
            if name == operators::MODULO {
                return refused("%, because its numbers are not whole");
            }
            if !is_operator && !FUNCTIONS.contains(&name) {
                let (wrong, remedy) = unknown("function", name, &FUNCTIONS);
                return Err(InvalidCondition::new(wrong, remedy));
            }
            let target = call.target.iter_mut().map(|target| &mut **target);
            target.chain(&mut call.args).try_for_each(|part| restrict(part, depth + 1))
        }
        Expr::List(list) => list.elements.iter_mut().try_for_each(|part| restrict(part, depth + 1)),
        Expr::Comprehension(_) => refused("macros such as all and exists"),
        Expr::Select(select) => refused(&format!("the field .{}", select.field)),
        Expr::Map(_) | Expr::Struct(_) => refused("braces"),
        Expr::Unspecified => refused("nothing at all"),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => "a number",
        Value::String(_) => "a text",
        Value::Bool(_) => "true or false",
        Value::Null => "nothing",
        Value::List(_) => "a list",
        Value::Map(_) | Value::Function(..) | Value::Bytes(_) | Value::Opaque(_) | Value::Struct(_) => {
            "something else"
        }
    }
}

fn trial_windows() -> impl Iterator<Item = WindowSummary> {
    use tidegate_model::id::{Channel, SourceId};
    use tidegate_model::time::Timestamp;
    let counts: BTreeSet<u64> = [0, 1, 2, 60].into();
    counts.into_iter().rev().map(|count| {
        let value = |value: f64| (count > 0).then_some(value);
        WindowSummary {
            pipeline: "trial".to_owned(),
            definition: String::new(),
            source: SourceId::new("source").expect("a source by its form"),
            channel: Channel::new("channel").expect("a channel by its form"),
            start: Timestamp::EPOCH,
            end: Timestamp::from_micros(60_000_000),
            count,
            missing: 1,
            min: value(1.5),
            max: value(3.5),
            mean: value(2.5),
            first_reading: 1,
            last_reading: 61,
            condition: None,
            condition_error: None,
            late: 0,
            cut_short: false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::windows::tests::summary;

    /// On a window of 3 readings with mean 131.5 and without min.
    #[track_caller]
    fn check(condition: &str, expected: bool) {
        let condition = Condition::compile(condition).expect("a condition");
        assert_eq!(condition.evaluate(&summary()), Ok(expected));
    }

    #[test]
    fn numbers_compare_and_calculate_whatever_they_are_written_as() {
        check("mean > 120.0 && count >= 3", true);
        check("mean > 120", true);
        check("count == 3", true);
        check("count == 3.0", true);
        check("mean * 2 > 263", false);
        check("(mean - 100) / 2 < 16 || missing > 10", true);
        check("-mean < -131", true);
        check("seconds == 60", true);
    }

    #[test]
    fn texts_are_tested() {
        check("source == 'ward/bed-12'", true);
        check("source.startsWith('ward/') && !source.endsWith('13')", true);
        check("channel in ['HR', 'PULSE']", true);
        check("channel in ['SpO2']", false);
        check("source.contains('bed') ? mean > 1 : false", true);
    }

    #[test]
    fn a_value_that_is_absent_gives_no_answer_unless_another_settles_it() {
        let condition = Condition::compile("min < 50").expect("a condition");
        assert!(condition.evaluate(&summary()).is_err());
        check("min == null", true);
        check("min < 50 || count == 3", true);
        check("min < 50 && count == 4", false);
        let mut empty = summary();
        (empty.count, empty.mean) = (0, None);
        let error =
            Condition::compile("mean > 120").expect("a condition").evaluate(&empty).expect_err("no mean");
        assert!(error.contains("no reading in the window has a number"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_known_before_a_window_closes() {
        let check = |condition: &str, expected: &str| {
            let error = Condition::compile(condition).expect_err(condition).to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        check(
            "maen > 120",
            "there is no variable `maen`; did you mean `mean`? There are `count`, `missing`,",
        );
        check("temperature > 3", "there is no variable `temperature`; there are `count`");
        check("mean", "it is a number, neither true nor false; compare it");
        check("source", "it is a text, neither true nor false");
        check("mean > ", "the condition is not CEL: ");
        check("mean >> 3", "the condition is not CEL: ");
        check("", "the condition is empty");
        check(
            "mean > 'high'",
            "found no matching overload for '_>_' applied to '(double, string)'; compare it",
        );
        check("abs(mean) > 3", "there is no function `abs`; ");
        check("source.startWith('a')", "there is no function `startWith`; did you mean `startsWith`?");
        check("[1, 2].exists(x, x > 1)", "a condition cannot use macros");
        check("source.length > 3", "a condition cannot use the field .length");
        check("{'a': 1} == {'a': 1}", "a condition cannot use braces");
        check("count % 2 == 0", "a condition cannot use %");
        check(&"(".repeat(400), "the condition is not CEL: ");
        check(&format!("{}true", "!".repeat(999)), "");
        check(&format!("mean > {}", "1".repeat(1_000)), "the condition has 1007 bytes; at most 1000");
    }

    #[test]
    fn a_long_condition_is_no_deep_one() {
        let condition = vec!["count > 1"; 70].join(" && ");
        check(&condition, true);
        let sum = vec!["1"; 20].join(" + ");
        check(&format!("{sum} == 20"), true);
    }

    #[test]
    fn random_text_never_panics() {
        let mut chance = tidegate_model::chance::Chance::new(5);
        let words = [
            "mean", "count", ">", "(", ")", "&&", "1", "'a'", "[", "]", ".", "?", ":", "in", "!", "{", "}",
            "é", "\\", "x",
        ];
        for _ in 0..5_000 {
            let length = 1 + chance.below(12);
            let text: Vec<&str> =
                (0..length).map(|_| words[usize::try_from(chance.below(20)).expect("below 20")]).collect();
            if let Ok(condition) = Condition::compile(&text.join(" ")) {
                drop(condition.evaluate(&summary()));
            }
        }
    }
}
