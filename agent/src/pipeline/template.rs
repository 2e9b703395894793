//! Texts and bodies with places to be filled from a window: `"alarm/{source}"`, `{ mean = "{mean}" }`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidegate_model::reading::WindowSummary;
use toml::de::DeValue;

use super::reader::unknown;

/// What a place can be filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    Pipeline,
    Definition,
    Source,
    Channel,
    Start,
    End,
    Count,
    Missing,
    Late,
    Min,
    Max,
    Mean,
    Run,
}

const VARIABLES: [(&str, Variable); 13] = [
    ("pipeline", Variable::Pipeline),
    ("definition", Variable::Definition),
    ("source", Variable::Source),
    ("channel", Variable::Channel),
    ("start", Variable::Start),
    ("end", Variable::End),
    ("count", Variable::Count),
    ("missing", Variable::Missing),
    ("late", Variable::Late),
    ("min", Variable::Min),
    ("max", Variable::Max),
    ("mean", Variable::Mean),
    ("run", Variable::Run),
];

/// What the places are filled from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'v> {
    pub(super) window: &'v WindowSummary,
    pub(super) run: &'v str,
}

impl Values<'_> {
    fn value(&self, variable: Variable) -> Value {
        let window = self.window;
        match variable {
            Variable::Pipeline => window.pipeline.as_str().into(),
            Variable::Definition => window.definition.as_str().into(),
            Variable::Source => window.source.as_str().into(),
            Variable::Channel => window.channel.as_str().into(),
            Variable::Start => window.start.to_string().into(),
            Variable::End => window.end.to_string().into(),
            Variable::Count => window.count.into(),
            Variable::Missing => window.missing.into(),
            Variable::Late => window.late.into(),
            Variable::Min => window.min.into(),
            Variable::Max => window.max.into(),
            Variable::Mean => window.mean.into(),
            Variable::Run => self.run.into(),
        }
    }
}

/// A text with places in braces; a brace itself is written twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Place(Variable),
}

/// Why a text is not a template: what is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InvalidTemplate {
    pub(super) wrong: String,
    pub(super) remedy: String,
}

impl fmt::Display for InvalidTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.wrong, self.remedy)
    }
}

impl Template {
    /// The text, filled. A value that is absent is `null`.
    pub(super) fn fill(&self, values: Values<'_>) -> String {
        self.fill_with(values, |text| text)
    }

    /// The text, filled; what stands in a place is changed by `escape` first.
    pub(super) fn fill_with(&self, values: Values<'_>, escape: impl Fn(String) -> String) -> String {
        let mut text = String::with_capacity(self.text.len());
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Place(variable) => text.push_str(&escape(match values.value(*variable) {
                    Value::String(value) => value,
                    value @ (Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::Array(_)
                    | Value::Object(_)) => value.to_string(),
                })),
            }
        }
        text
    }

    /// The text with `stand_in` in each place, to see whether its form can be right.
    pub(super) fn with_stand_in(&self, stand_in: &str) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Literal(literal) => literal.as_str(),
            Part::Place(_) => stand_in,
        });
        parts.collect()
    }

    /// The value itself where the text is nothing but a place, else the filled text.
    fn json(&self, values: Values<'_>) -> Value {
        match self.parts.as_slice() {
            [Part::Place(variable)] => values.value(*variable),
            _ => Value::String(self.fill(values)),
        }
    }
}

impl FromStr for Template {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        let unbalanced = |brace: char| InvalidTemplate {
            wrong: format!("a `{brace}` stands alone"),
            remedy: format!("a place is written {{mean}}, and a brace itself twice: {brace}{brace}"),
        };
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            literal.push_str(&rest[..brace]);
            let after = &rest[brace + 1..];
            let kind = if rest[brace..].starts_with('{') { '{' } else { '}' };
            if let Some(after) = after.strip_prefix(kind) {
                literal.push(kind);
                rest = after;
                continue;
            }
            let (name, after) = Some(after)
                .filter(|_| kind == '{')
                .and_then(|after| after.split_once('}'))
                .ok_or_else(|| unbalanced(kind))?;
            let found = VARIABLES.iter().find(|(known, _)| *known == name);
            let (_, variable) = found.ok_or_else(|| {
                let known: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
                let (wrong, remedy) = unknown("value", name, &known);
                InvalidTemplate { wrong, remedy }
            })?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Place(*variable));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
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

/// What a message or a request carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Body {
    /// The window's summary as JSON.
    Summary,
    /// A text.
    Text(Template),
    /// JSON, made from a TOML table or list.
    Json(Node),
}

/// JSON whose texts are templates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Node {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number; finite.
    Number(f64),
    /// A text, or the value of its one place.
    Text(Template),
    /// A list.
    List(Vec<Node>),
    /// An object.
    Map(BTreeMap<String, Node>),
}

impl Body {
    /// The body a TOML value describes.
    pub(super) fn read(value: &DeValue<'_>) -> Result<Self, InvalidTemplate> {
        match value {
            DeValue::String(text) => Ok(Self::Text(text.parse()?)),
            DeValue::Table(_)
            | DeValue::Array(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => Ok(Self::Json(node(value)?)),
        }
    }

    /// What to send.
    pub(super) fn fill(&self, values: Values<'_>) -> String {
        match self {
            Self::Summary => {
                let all =
                    VARIABLES.iter().map(|(name, variable)| ((*name).to_owned(), values.value(*variable)));
                Value::Object(all.collect()).to_string()
            }
            Self::Text(template) => template.fill(values),
            Self::Json(node) => node.fill(values).to_string(),
        }
    }

    /// What it is, for the receiver of a request.
    pub(super) fn content_type(&self) -> &'static str {
        match self {
            Self::Summary | Self::Json(_) => "application/json",
            Self::Text(_) => "text/plain; charset=utf-8",
        }
    }
}

impl Node {
    fn fill(&self, values: Values<'_>) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => (*value).into(),
            Self::Number(value) => (*value).into(),
            Self::Text(template) => template.json(values),
            Self::List(nodes) => nodes.iter().map(|node| node.fill(values)).collect(),
            Self::Map(nodes) => nodes.iter().map(|(key, node)| (key.clone(), node.fill(values))).collect(),
        }
    }
}

fn node(value: &DeValue<'_>) -> Result<Node, InvalidTemplate> {
    let no_json = |what: &str, remedy: &str| InvalidTemplate {
        wrong: format!("{what} has no form in JSON"),
        remedy: remedy.to_owned(),
    };
    Ok(match value {
        DeValue::Boolean(value) => Node::Bool(*value),
        DeValue::String(text) => Node::Text(text.parse()?),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map(Node::Int)
            .map_err(|_| no_json(&integer.to_string(), "write a smaller number"))?,
        DeValue::Float(float) => float
            .as_str()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .map(Node::Number)
            .ok_or_else(|| no_json(float.as_str(), "write a finite number"))?,
        DeValue::Datetime(date) => return Err(no_json(&date.to_string(), "put it in quotes")),
        DeValue::Array(array) => {
            Node::List(array.iter().map(|element| node(element.get_ref())).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => Node::Map(
            table
                .iter()
                .map(|(key, value)| Ok((key.get_ref().to_string(), node(value.get_ref())?)))
                .collect::<Result<_, _>>()?,
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::windows::tests::summary;

    fn values(window: &WindowSummary) -> Values<'_> {
        Values { window, run: "7" }
    }

    #[test]
    fn places_are_filled_and_doubled_braces_stay() {
        let window = summary();
        let check = |template: &str, expected: &str| {
            let template: Template = template.parse().expect("a template");
            assert_eq!(template.fill(values(&window)), expected);
        };
        check("alarm/{source}/{channel}", "alarm/ward/bed-12/HR");
        check("{{\"mean\": {mean}}}", "{\"mean\": 131.5}");
        check("{count} of {missing}, {min} {run}", "3 of 1, null 7");
        check("", "");
    }

    #[test]
    fn a_wrong_place_names_the_nearest_right_one() {
        let check = |template: &str, expected: &str| {
            let error = template.parse::<Template>().expect_err("wrong");
            assert!(error.to_string().starts_with(expected), "{error}");
        };
        check("{maen}", "there is no value `maen`; did you mean `mean`?");
        check("{zzzzzz}", "there is no value `zzzzzz`; there are `pipeline`, ");
        check("a { b", "a `{` stands alone; ");
        check("a } b", "a `}` stands alone; ");
    }

    #[test]
    fn a_table_becomes_json_with_values_of_their_own_type() {
        let text = "bed = '{source}'\nmean = '{mean}'\nmin = '{min}'\nlist = [1, 2.5, true, 'n {count}']";
        let value = DeValue::Table(toml::de::DeTable::parse(text).expect("TOML").into_inner());
        let body = Body::read(&value).expect("a body");
        let window = summary();
        assert_eq!(
            body.fill(values(&window)),
            r#"{"bed":"ward/bed-12","list":[1,2.5,true,"n 3"],"mean":131.5,"min":null}"#
        );
        let kept = serde_json::to_string(&body).expect("JSON");
        assert_eq!(serde_json::from_str::<Body>(&kept).expect("reads back"), body);
    }
}
