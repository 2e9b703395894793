//! Reading queries.

use std::fmt;

use proptest::prelude::*;

use super::*;

/// The form that is read back as the same tree.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(condition) = &self.condition {
            write!(f, "{condition}")?;
        }
        match (&self.condition, &self.group_by) {
            (Some(_), Some(name)) => write!(f, " GROUP BY {name}"),
            (None, Some(name)) => write!(f, "GROUP BY {name}"),
            (_, None) => Ok(()),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = |condition: &Condition, is_plain: bool| {
            if is_plain { condition.to_string() } else { format!("({condition})") }
        };
        match self {
            Self::All(all) => {
                let parts = all.iter().map(|one| within(one, matches!(one, Self::Not(_) | Self::Test(..))));
                f.write_str(&parts.collect::<Vec<_>>().join(" AND "))
            }
            Self::Any(any) => {
                let parts = any.iter().map(|one| within(one, !matches!(one, Self::Any(_))));
                f.write_str(&parts.collect::<Vec<_>>().join(" OR "))
            }
            Self::Not(one) => {
                write!(f, "NOT {}", within(one, matches!(**one, Self::Not(_) | Self::Test(..))))
            }
            Self::Test(name, test) => write!(f, "{name} {test}"),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.text.replace('`', "``"))
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare(comparison, value) => write!(f, "{} {value}", comparison.text()),
            Self::In(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "IN ({})", values.join(", "))
            }
            Self::Between(low, high) => write!(f, "BETWEEN {low} AND {high}"),
            Self::StartsWith(value) => write!(f, "STARTS_WITH {value}"),
            Self::IsNull => f.write_str("IS NULL"),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.written {
            Written::Text(text) => write!(f, "'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
            Written::Int(number) => write!(f, "{number}"),
            Written::Float(number) => write!(f, "{number:e}"),
            Written::Bool(value) => write!(f, "{value}"),
        }
    }
}

#[test]
fn a_query_is_read_as_sql_reads_it() {
    let check = |text: &str, meant: &str| match Query::parse(text) {
        Ok(query) => assert_eq!(query.to_string(), meant, "{text}"),
        Err(error) => panic!("{text}\n{error}"),
    };
    check("", "");
    check(" \n\t", "");
    check("WorkflowId = 'a'", "`WorkflowId` = 'a'");
    check("WorkflowId=\"a'b\"", "`WorkflowId` = 'a''b'");
    check(r"WorkflowId = 'it''s \'here\' \\ \%'", r"`WorkflowId` = 'it''s ''here'' \\ %'");
    check("`my-attribute ``1` >= -5", "`my-attribute ``1` >= -5");
    check("a<>1", "NOT `a` = 1");
    check("a != 'x' or b = 'y'", "NOT `a` = 'x' OR `b` = 'y'");
    check("a = 1 OR b = 2 AND c = 3", "`a` = 1 OR `b` = 2 AND `c` = 3");
    check("(a = 1 OR b = 2) AND c = 3", "(`a` = 1 OR `b` = 2) AND `c` = 3");
    check("NOT a = 1 AND b = 2", "NOT `a` = 1 AND `b` = 2");
    check("not (a = 1 and b = 2)", "NOT (`a` = 1 AND `b` = 2)");
    check("((a = 1))", "`a` = 1");
    check("a in ('x' , 'y')", "`a` IN ('x', 'y')");
    check("a NOT IN (1,2)", "NOT `a` IN (1, 2)");
    check("a BETWEEN 1 AND 2 AND b = 3", "`a` BETWEEN 1 AND 2 AND `b` = 3");
    check("a not between 1.5 and 2e3", "NOT `a` BETWEEN 1.5e0 AND 2e3");
    check("a STARTS_WITH 'x'", "`a` STARTS_WITH 'x'");
    check("a not starts_with 'x'", "NOT `a` STARTS_WITH 'x'");
    check("a IS NULL OR a is not null", "`a` IS NULL OR NOT `a` IS NULL");
    check("a = TRUE and b = false", "`a` = true AND `b` = false");
    check("GROUP BY ExecutionStatus", "GROUP BY `ExecutionStatus`");
    check("a = 1 group by b", "`a` = 1 GROUP BY `b`");
    check("größe = 9223372036854775808", "`größe` = 9.223372036854776e18");
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    let check = |text: &str, message: &str| {
        let error = Query::parse(text).expect_err(text);
        assert_eq!(error.to_string(), format!("invalid query: {message}"), "{text}");
    };
    let operators = "=, !=, <, <=, >, >=, IN, BETWEEN, STARTS_WITH or IS";
    check("WorkflowId", &format!("expected {operators}, found the end (at character 11)"));
    check("WorkflowId 'a'", &format!("expected {operators}, found \"a\" (at character 12)"));
    check("WorkflowId = a", "expected a value, found `a`; a text stands in quotes: 'a' (at character 14)");
    check(
        "a =",
        "expected a value: a text in quotes, a number, true or false, found the end (at character 4)",
    );
    check("a = NULL", "nothing compares with NULL; use IS NULL or IS NOT NULL (at character 5)");
    check("a = 'b", "the ' that opens here is not closed (at character 5)");
    check("a = 'b\\'", "the ' that opens here is not closed (at character 5)");
    check(
        "StartTime > 2026-11-23T00:00:00Z",
        "2026-11-23T00:00:00Z is no number; a text, a time or a duration stands in quotes (at character 13)",
    );
    check("a = 1e999", "1e999 is no number; a text, a time or a duration stands in quotes (at character 5)");
    check("a = 1 b = 2", "expected AND, OR, GROUP BY or the end, found `b` (at character 7)");
    check("(a = 1", "expected ')', found the end (at character 7)");
    check("a = 1)", "expected AND, OR, GROUP BY or the end, found ')' (at character 6)");
    check(
        "a IN ()",
        "expected a value: a text in quotes, a number, true or false, found ')' (at character 7)",
    );
    check("a IN 'x'", "expected '(', found \"x\" (at character 6)");
    check("a BETWEEN 1 OR 2", "expected AND, found OR (at character 13)");
    check("a NOT = 1", "expected IN, BETWEEN or STARTS_WITH, found '=' (at character 7)");
    check("a IS 'x'", "expected NULL, found \"x\" (at character 6)");
    check("= 1", "expected the name of a search attribute, found '=' (at character 1)");
    check("'a' = 1", "expected the name of a search attribute, found \"a\" (at character 1)");
    check("a = 1; b", "';' begins no word of a query (at character 6)");
    check("ä = 'ö' ö", "expected AND, OR, GROUP BY or the end, found `ö` (at character 9)");
    check(
        "a LIKE 'x%'",
        "operation is not supported: operator 'LIKE'; STARTS_WITH finds a beginning (at character 3)",
    );
    check("order by StartTime", "operation is not supported: 'ORDER BY' clause (at character 1)");
    check("a = 1 ORDER BY StartTime", "operation is not supported: 'ORDER BY' clause (at character 7)");
    check("a = 1 LIMIT 5", "operation is not supported: 'LIMIT' clause (at character 7)");
    check(
        "GROUP BY a, b",
        "operation is not supported: 'GROUP BY' clause supports only a single field (at character 11)",
    );
    check("GROUP a", "expected BY, found `a` (at character 7)");
}

#[test]
fn a_query_is_bounded_in_bytes_depth_and_conditions() {
    let limit = |text: &str| Query::parse(text).err().map(|error| error.to_string()).unwrap_or_default();
    let nested = |depth: usize| format!("{}a = 1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(limit(&nested(VISIBILITY_QUERY_DEPTH_MAX - 1)), "");
    assert!(limit(&nested(VISIBILITY_QUERY_DEPTH_MAX)).contains("VISIBILITY_QUERY_DEPTH_MAX"));
    assert!(limit(&format!("{}a = 1", "NOT ".repeat(10_000))).contains("VISIBILITY_QUERY_DEPTH_MAX"));
    let wide = |count: usize| vec!["a = 1"; count].join(" OR ");
    assert_eq!(limit(&wide(VISIBILITY_QUERY_CONDITIONS_MAX)), "");
    assert!(limit(&wide(VISIBILITY_QUERY_CONDITIONS_MAX + 1)).contains("VISIBILITY_QUERY_CONDITIONS_MAX"));
    let long = |bytes: usize| format!("a = '{}'", "x".repeat(bytes - 6));
    assert_eq!(limit(&long(VISIBILITY_QUERY_BYTES_MAX)), "");
    assert!(limit(&long(VISIBILITY_QUERY_BYTES_MAX + 1)).contains("VISIBILITY_QUERY_BYTES_MAX"));
}

fn literal() -> impl Strategy<Value = Literal> {
    let written = prop_oneof![
        ".{0,6}".prop_map(Written::Text),
        any::<i64>().prop_map(Written::Int),
        proptest::num::f64::NORMAL.prop_map(Written::Float),
        any::<bool>().prop_map(Written::Bool),
    ];
    written.prop_map(|written| Literal { at: 0, written })
}

fn test() -> impl Strategy<Value = Condition> {
    let comparison = prop_oneof![
        Just(Comparison::Equal),
        Just(Comparison::Less),
        Just(Comparison::LessOrEqual),
        Just(Comparison::Greater),
        Just(Comparison::GreaterOrEqual),
    ];
    let test = prop_oneof![
        (comparison, literal()).prop_map(|(comparison, value)| Test::Compare(comparison, value)),
        prop::collection::vec(literal(), 1..4).prop_map(Test::In),
        (literal(), literal()).prop_map(|(low, high)| Test::Between(low, high)),
        literal().prop_map(Test::StartsWith),
        Just(Test::IsNull),
    ];
    (".{0,6}", test).prop_map(|(text, test)| Condition::Test(Name { at: 0, text }, test))
}

fn query() -> impl Strategy<Value = Query> {
    let condition = test().prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::All),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::Any),
            inner.prop_map(|one| Condition::Not(Box::new(one))),
        ]
    });
    let group_by = prop::option::of(".{0,6}".prop_map(|text| Name { at: 0, text }));
    (prop::option::of(condition), group_by).prop_map(|(condition, group_by)| Query { condition, group_by })
}

proptest! {
    #[test]
    fn a_printed_query_is_read_back_as_the_same(query in query()) {
        let text = query.to_string();
        prop_assert_eq!(Query::parse(&text), Ok(query), "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        if let Ok(query) = Query::parse(&text) {
            prop_assert_eq!(Query::parse(&query.to_string()), Ok(query));
        }
    }

    #[test]
    fn no_sequence_of_words_makes_the_reader_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "a", "`b`", "'c'", "\"d\"", "1", "-2.5", "(", ")", ",", "=", "!=", "<", ">=", "AND", "OR", "NOT",
                "IN", "BETWEEN", "STARTS_WITH", "IS", "NULL", "TRUE", "GROUP", "BY", "ORDER", "LIMIT", "LIKE", "'",
                "\\", "`", ";", "é",
            ]),
            0..12,
        )
    ) {
        if let Ok(query) = Query::parse(&words.join(" ")) {
            prop_assert_eq!(Query::parse(&query.to_string()), Ok(query));
        }
    }
}
