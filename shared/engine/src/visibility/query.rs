//! The text of a list filter as a tree: Temporal's grammar, the `WHERE` clause of an SQL query without the word.
//!
//! ```text
//! query     = [ any ] [ "GROUP" "BY" name ]
//! any       = all { "OR" all }
//! all       = one { "AND" one }
//! one       = "NOT" one | "(" any ")" | name test
//! test      = ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
//!           | [ "NOT" ] "IN" "(" value { "," value } ")"
//!           | [ "NOT" ] "BETWEEN" value "AND" value
//!           | [ "NOT" ] "STARTS_WITH" value
//!           | "IS" [ "NOT" ] "NULL"
//! ```
//!
//! It knows no attribute and no type: what a name means, and whether a test suits it, is decided in `filter`.

use tidegate_model::limits::{
    VISIBILITY_QUERY_BYTES_MAX, VISIBILITY_QUERY_CONDITIONS_MAX, VISIBILITY_QUERY_DEPTH_MAX,
};

use super::token::{Keyword, Symbol, Token, tokens};

/// Why a query is not understood, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid query: {message} (at character {at})")]
pub(crate) struct QueryError {
    /// Of the query, from 1.
    at: usize,
    message: String,
}

impl QueryError {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    /// `None` accepts everything.
    pub(super) condition: Option<Condition>,
    pub(super) group_by: Option<Name>,
}

/// What is asked of an execution. A test that is negated in the text (`!=`, `NOT IN`, `IS NOT NULL`) is a [`Not`]
/// here, which means the same.
///
/// [`Not`]: Condition::Not
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Test(Name, Test),
}

/// The name of a search attribute.
#[derive(Debug, Clone)]
pub(super) struct Name {
    pub(super) at: usize,
    pub(super) text: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Compare(Comparison, Literal),
    In(Vec<Literal>),
    Between(Literal, Literal),
    StartsWith(Literal),
    IsNull,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub(super) fn text(self) -> &'static str {
        let symbol = match self {
            Self::Equal => Symbol::Equal,
            Self::Less => Symbol::Less,
            Self::LessOrEqual => Symbol::LessOrEqual,
            Self::Greater => Symbol::Greater,
            Self::GreaterOrEqual => Symbol::GreaterOrEqual,
        };
        symbol.text()
    }
}

/// A value as it is written.
#[derive(Debug, Clone)]
pub(super) struct Literal {
    pub(super) at: usize,
    pub(super) written: Written,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Written {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
}

/// Where a word stands is for messages; it makes no difference otherwise.
impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Query {
    /// Reads a query. The empty one accepts everything.
    ///
    /// # Errors
    /// Where it stops making sense, what could stand there, and what does; or the limit it goes beyond.
    pub(crate) fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > VISIBILITY_QUERY_BYTES_MAX {
            let message = format!(
                "it has {} bytes; VISIBILITY_QUERY_BYTES_MAX is {VISIBILITY_QUERY_BYTES_MAX}",
                text.len()
            );
            return Err(QueryError::new(1, message));
        }
        Parser { tokens: tokens(text)?, next: 0, depth: 0, tests: 0 }.query()
    }
}

struct Parser {
    /// The last is the end.
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
    tests: usize,
}

impl Parser {
    fn query(mut self) -> Result<Query, QueryError> {
        let has_condition = !matches!(
            self.peek(),
            Token::End | Token::Keyword(Keyword::Group | Keyword::Order | Keyword::Limit)
        );
        let condition = if has_condition { Some(self.any()?) } else { None };
        let group_by = if self.takes(Keyword::Group) {
            self.expect(&Token::Keyword(Keyword::By))?;
            Some(self.name()?)
        } else {
            None
        };
        match self.peek() {
            Token::End => Ok(Query { condition, group_by }),
            Token::Symbol(Symbol::Comma) if group_by.is_some() => {
                Err(self.unsupported("'GROUP BY' clause supports only a single field"))
            }
            Token::Keyword(Keyword::Order) => Err(self.unsupported("'ORDER BY' clause")),
            Token::Keyword(Keyword::Limit) => Err(self.unsupported("'LIMIT' clause")),
            Token::Keyword(_)
            | Token::Name(_)
            | Token::Text(_)
            | Token::Int(_)
            | Token::Float(_)
            | Token::Symbol(_) => Err(self.unexpected(if condition.is_some() && group_by.is_none() {
                "AND, OR, GROUP BY or the end"
            } else {
                "the end"
            })),
        }
    }

    fn any(&mut self) -> Result<Condition, QueryError> {
        let first = self.all()?;
        self.chain(first, Keyword::Or, Self::all, Condition::Any)
    }

    fn all(&mut self) -> Result<Condition, QueryError> {
        let first = self.one()?;
        self.chain(first, Keyword::And, Self::one, Condition::All)
    }

    fn chain(
        &mut self,
        first: Condition,
        link: Keyword,
        next: fn(&mut Self) -> Result<Condition, QueryError>,
        joined: fn(Vec<Condition>) -> Condition,
    ) -> Result<Condition, QueryError> {
        let mut conditions = vec![first];
        while self.takes(link) {
            conditions.push(next(self)?);
        }
        Ok(if conditions.len() > 1 { joined(conditions) } else { conditions.remove(0) })
    }

    fn one(&mut self) -> Result<Condition, QueryError> {
        let at = self.at();
        self.depth += 1;
        if self.depth > VISIBILITY_QUERY_DEPTH_MAX {
            let message = format!(
                "it is nested more than VISIBILITY_QUERY_DEPTH_MAX, {VISIBILITY_QUERY_DEPTH_MAX}, deep"
            );
            return Err(QueryError::new(at, message));
        }
        let one = if self.takes(Keyword::Not) {
            Condition::Not(Box::new(self.one()?))
        } else if self.takes_symbol(Symbol::Open) {
            let inner = self.any()?;
            self.expect(&Token::Symbol(Symbol::Close))?;
            inner
        } else {
            self.tested()?
        };
        self.depth -= 1;
        Ok(one)
    }

    fn tested(&mut self) -> Result<Condition, QueryError> {
        let name = self.name()?;
        self.tests += 1;
        if self.tests > VISIBILITY_QUERY_CONDITIONS_MAX {
            let message = format!(
                "it has more than VISIBILITY_QUERY_CONDITIONS_MAX, {VISIBILITY_QUERY_CONDITIONS_MAX}, conditions"
            );
            return Err(QueryError::new(name.at, message));
        }
        if self.takes(Keyword::Is) {
            let is_negated = self.takes(Keyword::Not);
            self.expect(&Token::Keyword(Keyword::Null))?;
            return Ok(condition(name, Test::IsNull, is_negated));
        }
        if let Some((comparison, is_negated)) = self.comparison() {
            let value = self.value()?;
            return Ok(condition(name, Test::Compare(comparison, value), is_negated));
        }
        let is_negated = self.takes(Keyword::Not);
        let test = if self.takes(Keyword::In) {
            Test::In(self.list()?)
        } else if self.takes(Keyword::Between) {
            let low = self.value()?;
            self.expect(&Token::Keyword(Keyword::And))?;
            Test::Between(low, self.value()?)
        } else if self.takes(Keyword::StartsWith) {
            Test::StartsWith(self.value()?)
        } else if *self.peek() == Token::Keyword(Keyword::Like) {
            return Err(self.unsupported("operator 'LIKE'; STARTS_WITH finds a beginning"));
        } else if is_negated {
            return Err(self.unexpected("IN, BETWEEN or STARTS_WITH"));
        } else {
            return Err(self.unexpected("=, !=, <, <=, >, >=, IN, BETWEEN, STARTS_WITH or IS"));
        };
        Ok(condition(name, test, is_negated))
    }

    /// And whether it is negated.
    fn comparison(&mut self) -> Option<(Comparison, bool)> {
        let Token::Symbol(symbol) = self.peek() else { return None };
        let comparison = match symbol {
            Symbol::Equal => (Comparison::Equal, false),
            Symbol::NotEqual => (Comparison::Equal, true),
            Symbol::Less => (Comparison::Less, false),
            Symbol::LessOrEqual => (Comparison::LessOrEqual, false),
            Symbol::Greater => (Comparison::Greater, false),
            Symbol::GreaterOrEqual => (Comparison::GreaterOrEqual, false),
            Symbol::Open | Symbol::Close | Symbol::Comma => return None,
        };
        self.next += 1;
        Some(comparison)
    }

    fn list(&mut self) -> Result<Vec<Literal>, QueryError> {
        self.expect(&Token::Symbol(Symbol::Open))?;
        let mut values = vec![self.value()?];
        while self.takes_symbol(Symbol::Comma) {
            values.push(self.value()?);
        }
        self.expect(&Token::Symbol(Symbol::Close))?;
        Ok(values)
    }

    fn value(&mut self) -> Result<Literal, QueryError> {
        let at = self.at();
        let written = match self.peek() {
            Token::Text(text) => Written::Text(text.clone()),
            Token::Int(number) => Written::Int(*number),
            Token::Float(number) => Written::Float(*number),
            Token::Keyword(Keyword::True) => Written::Bool(true),
            Token::Keyword(Keyword::False) => Written::Bool(false),
            Token::Keyword(Keyword::Null) => {
                return Err(QueryError::new(at, "nothing compares with NULL; use IS NULL or IS NOT NULL"));
            }
            Token::Name(name) => {
                let message = format!("expected a value, found `{name}`; a text stands in quotes: '{name}'");
                return Err(QueryError::new(at, message));
            }
            Token::Keyword(_) | Token::Symbol(_) | Token::End => {
                return Err(self.unexpected("a value: a text in quotes, a number, true or false"));
            }
        };
        self.next += 1;
        Ok(Literal { at, written })
    }

    fn name(&mut self) -> Result<Name, QueryError> {
        let at = self.at();
        match self.peek() {
            Token::Name(text) => {
                let name = Name { at, text: text.clone() };
                self.next += 1;
                Ok(name)
            }
            Token::Keyword(_)
            | Token::Text(_)
            | Token::Int(_)
            | Token::Float(_)
            | Token::Symbol(_)
            | Token::End => Err(self.unexpected("the name of a search attribute")),
        }
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    fn at(&self) -> usize {
        self.tokens[self.next].0
    }

    fn takes(&mut self, keyword: Keyword) -> bool {
        self.takes_token(&Token::Keyword(keyword))
    }

    fn takes_symbol(&mut self, symbol: Symbol) -> bool {
        self.takes_token(&Token::Symbol(symbol))
    }

    /// Never asked for the end, behind which there is nothing.
    fn takes_token(&mut self, token: &Token) -> bool {
        let is_next = self.peek() == token;
        self.next += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, token: &Token) -> Result<(), QueryError> {
        if self.takes_token(token) { Ok(()) } else { Err(self.unexpected(&token.to_string())) }
    }

    fn unexpected(&self, expected: &str) -> QueryError {
        QueryError::new(self.at(), format!("expected {expected}, found {}", self.peek()))
    }

    /// Temporal's words.
    fn unsupported(&self, what: &str) -> QueryError {
        QueryError::new(self.at(), format!("operation is not supported: {what}"))
    }
}

fn condition(name: Name, test: Test, is_negated: bool) -> Condition {
    let condition = Condition::Test(name, test);
    if is_negated { Condition::Not(Box::new(condition)) } else { condition }
}

#[cfg(test)]
mod tests;
