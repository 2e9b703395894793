//! Which runs a query finds.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidegate_model::payload::Payload;

use super::*;

/// A run with a bit of everything.
#[derive(Debug, Clone)]
struct Sample {
    workflow_id: String,
    status: RunStatus,
    start: Timestamp,
    close: Option<Timestamp>,
    length: u64,
    parent: Option<(String, RunId)>,
    attributes: Header,
}

const RUN: RunId = RunId::from_u128(0x0123_4567_89ab_7def_8011_2233_4455_6677);

fn sample() -> Sample {
    let json = |text: &str| Payload::json(text.as_bytes().to_vec());
    let attributes = [
        ("Ward", json("\"west-7\"")),
        ("Tags", json("[\"alarm\",\"night shift\"]")),
        ("Note", json("\"The pump, it STOPPED twice\"")),
        ("Beds", json("12")),
        ("Load", json("0.75")),
        ("Urgent", json("true")),
        ("Due", json("\"2026-11-23T18:40:31.5+02:00\"")),
        ("Broken", json("17")),
        ("TemporalScheduledById", json("\"nightly\"")),
    ];
    Sample {
        workflow_id: String::from("ward/bed-12"),
        status: RunStatus::Completed,
        start: "2026-11-23T10:00:00Z".parse().expect("a time"),
        close: Some("2026-11-23T11:30:00Z".parse().expect("a time")),
        length: 11,
        parent: None,
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

fn row(sample: &Sample) -> Row<'_> {
    Row {
        workflow_id: &sample.workflow_id,
        run_id: RUN,
        workflow_type: "watch",
        task_queue: "q",
        status: sample.status,
        start_time: sample.start,
        execution_time: sample.start,
        close_time: sample.close,
        history_length: sample.length,
        history_size_bytes: 2_048,
        state_transition_count: 5,
        parent: sample.parent.as_ref().map(|(workflow_id, run_id)| (workflow_id.as_str(), *run_id)),
        root: (&sample.workflow_id, RUN),
        search_attributes: &sample.attributes,
    }
}

fn types() -> AttributeTypes {
    let custom = [
        ("Ward", IndexedValueType::Keyword),
        ("Tags", IndexedValueType::KeywordList),
        ("Note", IndexedValueType::Text),
        ("Beds", IndexedValueType::Int),
        ("Load", IndexedValueType::Double),
        ("Urgent", IndexedValueType::Bool),
        ("Due", IndexedValueType::Datetime),
        ("Broken", IndexedValueType::Keyword),
        ("Missing", IndexedValueType::Keyword),
        ("NoTags", IndexedValueType::KeywordList),
        ("my attribute", IndexedValueType::Keyword),
    ];
    let mut types = AttributeTypes::default();
    types.add(&custom.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect::<BTreeMap<_, _>>());
    types
}

fn filter(text: &str) -> Result<Filter, QueryError> {
    Filter::new(&Query::parse(text)?, &types())
}

fn is_found(text: &str, sample: &Sample) -> bool {
    filter(text).unwrap_or_else(|error| panic!("{text}: {error}")).accepts(&row(sample))
}

#[test]
fn a_run_is_found_by_what_the_engine_knows_of_it() {
    assert!(is_found("", &sample()));
    for text in [
        "WorkflowId = 'ward/bed-12'",
        "WorkflowId STARTS_WITH 'ward/'",
        "WorkflowId > 'ward/bed-1' AND WorkflowId < 'ward/bed-2'",
        "WorkflowId BETWEEN 'ward/a' AND 'ward/z'",
        "RunId = '01234567-89ab-7def-8011-223344556677'",
        "RunId STARTS_WITH '01234567'",
        "WorkflowType IN ('watch', 'other') AND TaskQueue != 'r'",
        "ExecutionStatus = 'Completed' AND ExecutionStatus = 2 AND ExecutionStatus != 'Running'",
        "ExecutionStatus IN ('Failed', 'WORKFLOW_EXECUTION_STATUS_COMPLETED')",
        "StartTime = '2026-11-23T10:00:00Z' AND StartTime = '2026-11-23T12:00:00.0000001+02:00'",
        "StartTime = 1795428000000000000 AND ExecutionTime >= 1795427999999999999",
        "CloseTime BETWEEN '2026-11-23T11:00:00Z' AND '2026-11-23T12:00:00Z'",
        "ExecutionDuration = '1h30m' AND ExecutionDuration = '01:30:00' AND ExecutionDuration = 5400000000000",
        "ExecutionDuration > '1h' AND ExecutionDuration < '5400000000001'",
        "HistoryLength = 11 AND HistorySizeBytes > 2047.5 AND StateTransitionCount <= 5",
        "ParentWorkflowId IS NULL AND ParentRunId IS NULL",
        "RootWorkflowId = 'ward/bed-12' AND RootRunId = '01234567-89ab-7def-8011-223344556677'",
        "ScheduleId = 'nightly' AND TemporalScheduledById = 'nightly' AND ScheduledById = 'nightly'",
        "TemporalWorkflowId = 'ward/bed-12'",
    ] {
        assert!(is_found(text, &sample()), "{text}");
        assert!(!is_found(&format!("NOT ({text})"), &sample()), "NOT {text}");
    }
}

#[test]
fn a_run_is_found_by_the_attributes_it_carries() {
    for text in [
        "Ward = 'west-7' AND Ward STARTS_WITH 'west' AND Ward NOT IN ('east-1')",
        "Tags = 'alarm' AND Tags = 'night shift' AND Tags IN ('x', 'alarm') AND Tags != 'night'",
        "Note = 'stopped' AND Note = 'pump' AND Note = 'nothing or twice' AND Note != 'pum'",
        "Beds = 12 AND Beds > 11.5 AND Beds BETWEEN 12 AND 12 AND Beds IN (1, 12.0)",
        "Load = 0.75 AND Load < 1 AND Load NOT BETWEEN 1 AND 2",
        "Urgent = true AND Urgent != false",
        "Due = '2026-11-23T16:40:31.5Z' AND Due < '2026-11-23T18:40:31Z'",
        "`Ward` = 'west-7' AND `my attribute` IS NULL",
    ] {
        assert!(is_found(text, &sample()), "{text}");
    }
}

#[test]
fn what_is_not_there_is_neither_equal_nor_different() {
    for text in [
        "Missing = 'x'",
        "Missing != 'x'",
        "NOT Missing = 'x'",
        "Missing NOT IN ('x')",
        "Missing < 'x' OR Missing >= 'x'",
        "CloseTime < '2030-01-01T00:00:00Z'",
        "NOT (Missing = 'x' AND WorkflowType = 'watch')",
        "ExecutionDuration > 0",
    ] {
        assert!(!is_found(text, &Sample { close: None, ..sample() }), "{text}");
    }
    for text in [
        "Missing IS NULL",
        "NOT Missing IS NOT NULL",
        "Missing = 'x' OR WorkflowType = 'watch'",
        "NOT (Missing = 'x' AND WorkflowType = 'other')",
        "CloseTime IS NULL AND ExecutionDuration IS NULL",
        // Where there is nothing, nothing is found: no third value.
        "NoTags != 'x' AND NoTags NOT IN ('x') AND NOT NoTags = 'x'",
    ] {
        assert!(is_found(text, &Sample { close: None, ..sample() }), "{text}");
    }
}

#[test]
fn a_value_of_another_type_than_the_namespace_says_is_not_there() {
    assert!(is_found("Broken IS NULL", &sample()));
    assert!(!is_found("Broken = '17'", &sample()));
}

#[test]
fn what_is_no_ordinary_workflow_is_listed_when_its_division_is_asked_for() {
    let mut of_division = sample();
    let division = Payload::json(b"\"internal\"".to_vec());
    of_division.attributes.insert(String::from(NAMESPACE_DIVISION), division);
    assert!(!is_found("", &of_division));
    assert!(!is_found("WorkflowType = 'watch'", &of_division));
    assert!(is_found("TemporalNamespaceDivision = 'internal'", &of_division));
    assert!(is_found("NOT (NamespaceDivision IS NULL OR WorkflowType = 'other')", &of_division));
    assert!(is_found("TemporalNamespaceDivision IS NULL", &sample()));
}

#[test]
fn a_query_that_does_not_suit_the_types_is_refused_with_what_would() {
    let check = |text: &str, message: &str| {
        let error = filter(text).err().unwrap_or_else(|| panic!("{text} is taken")).to_string();
        assert_eq!(error, format!("invalid query: {message}"), "{text}");
    };
    let unsupported = "operation is not supported: operator";
    check(
        "WorkflowID = 'a'",
        "column name 'WorkflowID' is not a valid search attribute; did you mean WorkflowId? (at character 1)",
    );
    check(
        "Ward = 'a' AND Tag = 'b'",
        "column name 'Tag' is not a valid search attribute; did you mean Tags? (at character 16)",
    );
    check(
        "Ward = 'a' AND Quite_something_else = 'b'",
        "column name 'Quite_something_else' is not a valid search attribute (at character 16)",
    );
    check(
        "ExecutionStatus = 'Complete'",
        "invalid ExecutionStatus value \"Complete\"; did you mean Completed? (at character 19)",
    );
    check("ExecutionStatus = 9", "invalid ExecutionStatus value 9 (at character 19)");
    check("ExecutionStatus = -1", "invalid ExecutionStatus value -1 (at character 19)");
    check(
        "StartTime > 'yesterday'",
        "search attribute StartTime of type Datetime wants a time such as '2026-11-23T18:40:31Z', or nanoseconds \
         since 1970, not \"yesterday\" (at character 13)",
    );
    check(
        "ExecutionDuration > 'long'",
        "search attribute ExecutionDuration of type Int wants a duration ('1h30m' or '01:30:00') or a number of \
         nanoseconds, not \"long\" (at character 21)",
    );
    check("Beds = '12'", "search attribute Beds of type Int wants a number, not \"12\" (at character 8)");
    check(
        "Ward IN ('a', 1)",
        "search attribute Ward of type Keyword wants a text in quotes, not 1 (at character 15)",
    );
    check("Urgent = 1", "search attribute Urgent of type Bool wants true or false, not 1 (at character 10)");
    check("Ward STARTS_WITH 1", "expected a text in quotes after STARTS_WITH (at character 18)");
    check(
        "Note = ' .,'",
        "search attribute Note of type Text wants a text with at least one word, not \" .,\" (at character 8)",
    );
    check(
        "Tags > 'a'",
        &format!(
            "{unsupported} '>' not supported for KeywordList type search attribute 'Tags'; use =, !=, IN or NOT IN \
             (at character 1)"
        ),
    );
    check(
        "Note IN ('a')",
        &format!(
            "{unsupported} 'IN' not supported for Text type search attribute 'Note'; use = or != (at character 1)"
        ),
    );
    check(
        "Urgent BETWEEN true AND false",
        &format!(
            "{unsupported} 'BETWEEN' not supported for Bool type search attribute 'Urgent'; use = or != (at character 1)"
        ),
    );
    check(
        "ExecutionStatus STARTS_WITH 'R'",
        &format!(
            "{unsupported} 'STARTS_WITH' not supported for Keyword type search attribute 'ExecutionStatus'; use = or \
             != (at character 1)"
        ),
    );
    check(
        "GROUP BY WorkflowType",
        "operation is not supported: 'GROUP BY' clause is not supported for search attribute WorkflowType, only for \
         ExecutionStatus (at character 10)",
    );
    assert!(filter("Ward = 'a' GROUP BY ExecutionStatus").is_ok_and(|filter| filter.groups_by_status()));
}

/// A question as text, and what SQL says of it, worked out the plain way.
#[derive(Debug, Clone)]
enum Question {
    All(Vec<Question>),
    Any(Vec<Question>),
    Not(Box<Question>),
    Ward(Operator, u8),
    WardIn { is_negated: bool, list: Vec<u8> },
    WardBetween { is_negated: bool, low: u8, high: u8 },
    WardBegins { is_negated: bool, prefix: u8 },
    Beds(Operator, i8),
    Load(Operator, i8),
    Closed(Operator, i8),
    Tags { is_negated: bool, tags: Vec<u8> },
    Note { is_negated: bool, word: u8 },
    IsNull { is_negated: bool, column: &'static str },
}

#[derive(Debug, Clone, Copy)]
enum Operator {
    Equal,
    Different,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Operator {
    fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Different => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    fn holds<T: PartialOrd>(self, one: &T, other: &T) -> bool {
        match self {
            Self::Equal => one == other,
            Self::Different => one != other,
            Self::Less => one < other,
            Self::AtMost => one <= other,
            Self::Greater => one > other,
            Self::AtLeast => one >= other,
        }
    }
}

/// What a random run has, in plain values.
#[derive(Debug, Clone)]
struct Plain {
    ward: Option<u8>,
    beds: Option<i8>,
    load: Option<i8>,
    /// Minutes after the start.
    closed: Option<i8>,
    tags: Vec<u8>,
    note: Vec<u8>,
}

const START: &str = "2026-11-23T10:00:00Z";

fn ward(number: u8) -> String {
    format!("{}{}", char::from(b'a' + number / 3), char::from(b'a' + number % 3))
}

fn minutes(minutes: i8) -> Timestamp {
    let start: Timestamp = START.parse().expect("a time");
    Timestamp::from_micros(start.as_micros() + i64::from(minutes) * 60_000_000)
}

impl Question {
    fn text(&self) -> String {
        let not = |is_negated: bool| if is_negated { "NOT " } else { "" };
        let quoted = |list: &[u8]| {
            list.iter().map(|number| format!("'{}'", ward(*number))).collect::<Vec<_>>().join(", ")
        };
        let joined = |questions: &[Self], by: &str| {
            questions.iter().map(|question| format!("({})", question.text())).collect::<Vec<_>>().join(by)
        };
        match self {
            Self::All(questions) => joined(questions, " AND "),
            Self::Any(questions) => joined(questions, " or "),
            Self::Not(question) => format!("NOT ({})", question.text()),
            Self::Ward(operator, number) => format!("Ward {} '{}'", operator.text(), ward(*number)),
            Self::WardIn { is_negated, list } => format!("Ward {}IN ({})", not(*is_negated), quoted(list)),
            Self::WardBetween { is_negated, low, high } => {
                format!("Ward {}BETWEEN '{}' AND '{}'", not(*is_negated), ward(*low), ward(*high))
            }
            Self::WardBegins { is_negated, prefix } => {
                format!("Ward {}STARTS_WITH '{}'", not(*is_negated), char::from(b'a' + prefix))
            }
            Self::Beds(operator, number) => format!("Beds {} {number}", operator.text()),
            Self::Load(operator, number) => format!("Load {} {number}.5", operator.text()),
            Self::Closed(operator, number) => format!("CloseTime {} '{}'", operator.text(), minutes(*number)),
            Self::Tags { is_negated, tags } if tags.len() == 1 => {
                format!("Tags {} {}", if *is_negated { "!=" } else { "=" }, quoted(tags))
            }
            Self::Tags { is_negated, tags } => format!("Tags {}IN ({})", not(*is_negated), quoted(tags)),
            Self::Note { is_negated, word } => {
                format!("Note {} '{}'", if *is_negated { "!=" } else { "=" }, ward(*word).to_uppercase())
            }
            Self::IsNull { is_negated, column } => format!("{column} IS {}NULL", not(*is_negated)),
        }
    }

    fn answer(&self, run: &Plain) -> Option<bool> {
        match self {
            Self::All(questions) => {
                let answers: Vec<_> = questions.iter().map(|question| question.answer(run)).collect();
                if answers.contains(&Some(false)) {
                    Some(false)
                } else if answers.contains(&None) {
                    None
                } else {
                    Some(true)
                }
            }
            Self::Any(questions) => {
                let opposites =
                    questions.iter().map(|question| Self::Not(Box::new(question.clone()))).collect();
                Self::All(opposites).answer(run).map(|answer| !answer)
            }
            Self::Not(question) => question.answer(run).map(|answer| !answer),
            Self::Ward(operator, number) => run.ward.map(|ward| operator.holds(&ward, number)),
            Self::WardIn { is_negated, list } => run.ward.map(|ward| list.contains(&ward) != *is_negated),
            Self::WardBetween { is_negated, low, high } => {
                run.ward.map(|ward| (low <= &ward && &ward <= high) != *is_negated)
            }
            Self::WardBegins { is_negated, prefix } => {
                run.ward.map(|ward| (ward / 3 == *prefix) != *is_negated)
            }
            Self::Beds(operator, number) => run.beds.map(|beds| operator.holds(&beds, number)),
            Self::Load(operator, number) => {
                let wanted = if *number < 0 { f64::from(*number) - 0.5 } else { f64::from(*number) + 0.5 };
                run.load.map(|load| operator.holds(&(f64::from(load) / 2.0), &wanted))
            }
            Self::Closed(operator, number) => run.closed.map(|closed| operator.holds(&closed, number)),
            Self::Tags { is_negated, tags } => {
                Some(tags.iter().any(|tag| run.tags.contains(tag)) != *is_negated)
            }
            Self::Note { is_negated, word } => Some(run.note.contains(word) != *is_negated),
            Self::IsNull { is_negated, column } => {
                let is_null = match *column {
                    "Ward" => run.ward.is_none(),
                    "Beds" => run.beds.is_none(),
                    "CloseTime" => run.closed.is_none(),
                    "Tags" => run.tags.is_empty(),
                    other => panic!("{other} is not among the columns asked about"),
                };
                Some(is_null != *is_negated)
            }
        }
    }
}

fn plain_sample(run: &Plain) -> Sample {
    let json = |text: String| Payload::json(text.into_bytes());
    let mut attributes = Header::new();
    if let Some(number) = run.ward {
        attributes.insert(String::from("Ward"), json(format!("\"{}\"", ward(number))));
    }
    if let Some(beds) = run.beds {
        attributes.insert(String::from("Beds"), json(beds.to_string()));
    }
    if let Some(load) = run.load {
        attributes.insert(String::from("Load"), json(format!("{}", f64::from(load) / 2.0)));
    }
    let texts = |numbers: &[u8]| numbers.iter().map(|number| ward(*number)).collect::<Vec<_>>();
    attributes.insert(String::from("Tags"), json(format!("{:?}", texts(&run.tags))));
    attributes.insert(String::from("Note"), json(format!("{:?}", texts(&run.note).join("; "))));
    Sample { attributes, close: run.closed.map(minutes), ..sample() }
}

fn plain() -> impl Strategy<Value = Plain> {
    (
        prop::option::of(0_u8..9),
        prop::option::of(-3_i8..4),
        prop::option::of(-3_i8..4),
        prop::option::of(0_i8..4),
        prop::collection::vec(0_u8..9, 0..3),
        prop::collection::vec(0_u8..9, 1..4),
    )
        .prop_map(|(ward, beds, load, closed, tags, note)| Plain {
            ward,
            beds,
            load,
            closed,
            tags,
            note,
        })
}

fn question() -> impl Strategy<Value = Question> {
    let operator = || {
        prop_oneof![
            Just(Operator::Equal),
            Just(Operator::Different),
            Just(Operator::Less),
            Just(Operator::AtMost),
            Just(Operator::Greater),
            Just(Operator::AtLeast),
        ]
    };
    let negated = any::<bool>;
    let one = prop_oneof![
        (operator(), 0_u8..9).prop_map(|(operator, number)| Question::Ward(operator, number)),
        (negated(), prop::collection::vec(0_u8..9, 1..4))
            .prop_map(|(is_negated, list)| Question::WardIn { is_negated, list }),
        (negated(), 0_u8..9, 0_u8..9).prop_map(|(is_negated, low, high)| Question::WardBetween {
            is_negated,
            low,
            high
        }),
        (negated(), 0_u8..3).prop_map(|(is_negated, prefix)| Question::WardBegins { is_negated, prefix }),
        (operator(), -3_i8..4).prop_map(|(operator, number)| Question::Beds(operator, number)),
        (operator(), prop_oneof![-2_i8..0, 0_i8..2])
            .prop_map(|(operator, number)| Question::Load(operator, number)),
        (operator(), 0_i8..4).prop_map(|(operator, number)| Question::Closed(operator, number)),
        (negated(), prop::collection::vec(0_u8..9, 1..3))
            .prop_map(|(is_negated, tags)| Question::Tags { is_negated, tags }),
        (negated(), 0_u8..9).prop_map(|(is_negated, word)| Question::Note { is_negated, word }),
        (negated(), prop::sample::select(vec!["Ward", "Beds", "CloseTime", "Tags"]))
            .prop_map(|(is_negated, column)| Question::IsNull { is_negated, column }),
    ];
    one.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Question::All),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Question::Any),
            inner.prop_map(|question| Question::Not(Box::new(question))),
        ]
    })
}

proptest! {
    #[test]
    fn a_filter_finds_what_sql_would(question in question(), runs in prop::collection::vec(plain(), 1..6)) {
        let filter = filter(&question.text()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        for run in &runs {
            let sample = plain_sample(run);
            let is_expected = question.answer(run) == Some(true);
            prop_assert_eq!(filter.accepts(&row(&sample)), is_expected, "{} of {:?}", question.text(), run);
        }
    }
}
