//! The words of a list filter, with where each stands.

use super::query::QueryError;

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// In any case.
    Keyword(Keyword),
    /// Bare, or in backticks.
    Name(String),
    /// In single or double quotes.
    Text(String),
    Int(i64),
    Float(f64),
    Symbol(Symbol),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    And,
    Or,
    Not,
    In,
    Between,
    StartsWith,
    Is,
    Null,
    True,
    False,
    Like,
    Group,
    Order,
    Limit,
    By,
}

const KEYWORDS: [(&str, Keyword); 15] = [
    ("AND", Keyword::And),
    ("OR", Keyword::Or),
    ("NOT", Keyword::Not),
    ("IN", Keyword::In),
    ("BETWEEN", Keyword::Between),
    ("STARTS_WITH", Keyword::StartsWith),
    ("IS", Keyword::Is),
    ("NULL", Keyword::Null),
    ("TRUE", Keyword::True),
    ("FALSE", Keyword::False),
    ("LIKE", Keyword::Like),
    ("GROUP", Keyword::Group),
    ("ORDER", Keyword::Order),
    ("LIMIT", Keyword::Limit),
    ("BY", Keyword::By),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbol {
    Open,
    Close,
    Comma,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Symbol {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Open => "(",
            Self::Close => ")",
            Self::Comma => ",",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keyword(keyword) => {
                let (text, _) =
                    KEYWORDS.iter().find(|(_, known)| known == keyword).expect("the table has every keyword");
                f.write_str(text)
            }
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Symbol(symbol) => write!(f, "'{}'", symbol.text()),
            Self::End => f.write_str("the end"),
        }
    }
}

/// Cuts a text into words. The last is [`Token::End`]. With each stands the number of its first character, from 1.
///
/// # Errors
/// A quote that is not closed, a number that is none, a character that begins no word.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, QueryError> {
    let mut reader = Reader { rest: text, at: 1 };
    let mut tokens = Vec::new();
    loop {
        reader.take_while(char::is_whitespace);
        let at = reader.at;
        let token = reader.token()?;
        let is_end = token == Token::End;
        tokens.push((at, token));
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn token(&mut self) -> Result<Token, QueryError> {
        let at = self.at;
        let mut ahead = self.rest.chars();
        let Some(first) = ahead.next() else { return Ok(Token::End) };
        let second = ahead.next();
        match first {
            '\'' | '"' | '`' => {
                self.next();
                let text = self.quoted(at, first)?;
                Ok(if first == '`' { Token::Name(text) } else { Token::Text(text) })
            }
            '+' | '-' | '.' | '0'..='9' if begins_number(first, second) => self.number(),
            '_' | '@' => Ok(self.word()),
            letter if letter.is_alphabetic() => Ok(self.word()),
            _ => self.symbol(first, second),
        }
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        self.rest = chars.as_str();
        self.at += 1;
        Some(next)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.at += taken.chars().count();
        taken
    }

    fn word(&mut self) -> Token {
        let word = self.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '@' | '$' | '.'));
        match KEYWORDS.iter().find(|(text, _)| text.eq_ignore_ascii_case(word)) {
            Some((_, keyword)) => Token::Keyword(*keyword),
            None => Token::Name(word.to_owned()),
        }
    }

    /// Up to the closing quote. It stands for itself where it is doubled or follows a backslash, as in MySQL, whose
    /// rules Temporal's are.
    fn quoted(&mut self, at: usize, quote: char) -> Result<String, QueryError> {
        let mut text = String::new();
        let open = || QueryError::new(at, format!("the {quote} that opens here is not closed"));
        loop {
            let next = self.next().ok_or_else(open)?;
            if next == quote {
                if !self.rest.starts_with(quote) {
                    return Ok(text);
                }
                self.next();
                text.push(quote);
            } else if next == '\\' && quote != '`' {
                text.push(match self.next().ok_or_else(open)? {
                    '0' => '\0',
                    'b' => '\u{8}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'Z' => '\u{1a}',
                    other => other,
                });
            } else {
                text.push(next);
            }
        }
    }

    /// All that could belong to a number or a time, so that a time without quotes is recognised as one.
    fn number(&mut self) -> Result<Token, QueryError> {
        let at = self.at;
        let number = self.take_while(|c| c.is_alphanumeric() || matches!(c, '+' | '-' | '.' | '_' | ':'));
        if let Ok(int) = number.parse() {
            return Ok(Token::Int(int));
        }
        let float = number.parse().ok().filter(|float: &f64| float.is_finite());
        float.map(Token::Float).ok_or_else(|| {
            QueryError::new(
                at,
                format!("{number} is no number; a text, a time or a duration stands in quotes"),
            )
        })
    }

    fn symbol(&mut self, first: char, second: Option<char>) -> Result<Token, QueryError> {
        let at = self.at;
        let (symbol, length) = match (first, second) {
            ('!', Some('=')) | ('<', Some('>')) => (Symbol::NotEqual, 2),
            ('<', Some('=')) => (Symbol::LessOrEqual, 2),
            ('>', Some('=')) => (Symbol::GreaterOrEqual, 2),
            ('<', _) => (Symbol::Less, 1),
            ('>', _) => (Symbol::Greater, 1),
            ('=', _) => (Symbol::Equal, 1),
            ('(', _) => (Symbol::Open, 1),
            (')', _) => (Symbol::Close, 1),
            (',', _) => (Symbol::Comma, 1),
            _ => return Err(QueryError::new(at, format!("{first:?} begins no word of a query"))),
        };
        for _ in 0..length {
            self.next();
        }
        Ok(Token::Symbol(symbol))
    }
}

fn begins_number(first: char, second: Option<char>) -> bool {
    first.is_ascii_digit() || second.is_some_and(|second| second == '.' || second.is_ascii_digit())
}
