//! Types and values of search attributes.

use super::*;

fn types() -> AttributeTypes {
    let mut types = AttributeTypes::default();
    types.add(&IndexedValueType::ALL.into_iter().map(|kind| (kind.name().to_lowercase(), kind)).collect());
    types
}

fn json(text: &str) -> Payload {
    Payload::json(text.as_bytes().to_vec())
}

fn null() -> Payload {
    let mut payload = Payload::default();
    payload.metadata.insert(String::from("encoding"), ByteBuf::from(b"binary/null".to_vec()));
    payload
}

fn named(name: &str, kind: IndexedValueType) -> BTreeMap<String, IndexedValueType> {
    BTreeMap::from([(name.to_owned(), kind)])
}

#[test]
fn a_value_is_read_by_the_type_the_namespace_says() {
    let check = |kind: IndexedValueType, text: &str, values: &[Scalar<'static>]| {
        assert_eq!(decode(&json(text), kind).as_deref(), Ok(values), "{text}");
    };
    let text = |text: &'static str| Scalar::Text(Cow::Borrowed(text));
    check(IndexedValueType::Keyword, "\"a\"", &[text("a")]);
    check(IndexedValueType::Keyword, "[\"a\"]", &[text("a")]);
    check(IndexedValueType::Text, "\"a b\"", &[text("a b")]);
    check(IndexedValueType::KeywordList, "[\"a\",\"b\"]", &[text("a"), text("b")]);
    check(IndexedValueType::Int, "-9223372036854775808", &[Scalar::Int(i64::MIN)]);
    check(IndexedValueType::Int, "[1, 2]", &[Scalar::Int(1), Scalar::Int(2)]);
    check(IndexedValueType::Double, "1", &[Scalar::Double(1.0)]);
    check(IndexedValueType::Double, "456.78", &[Scalar::Double(456.78)]);
    check(IndexedValueType::Bool, "false", &[Scalar::Bool(false)]);
    let time = Timestamp::from_micros(1_049_490_428_000_000);
    check(IndexedValueType::Datetime, "\"2003-04-05T06:07:08+09:00\"", &[Scalar::Time(time)]);
    for kind in IndexedValueType::ALL {
        check(kind, "null", &[]);
        check(kind, " [ ] ", &[]);
        assert_eq!(decode(&null(), kind), Ok(Vec::new()));
    }
}

#[test]
fn a_value_of_another_type_is_refused_with_what_would_be_right() {
    let check = |kind: IndexedValueType, text: &str, reason: &str| {
        assert_eq!(decode(&json(text), kind), Err(String::from(reason)), "{text}");
    };
    check(IndexedValueType::Keyword, "1", "1 is not a JSON string");
    check(IndexedValueType::Keyword, "[\"a\",null]", "null is not a JSON string");
    check(IndexedValueType::KeywordList, "\"a\"", "\"a\" is not a JSON list of strings");
    check(IndexedValueType::Int, "1.5", "1.5 is not a JSON number without a fraction, of 64 bits");
    check(IndexedValueType::Int, "\"1\"", "\"1\" is not a JSON number without a fraction, of 64 bits");
    check(
        IndexedValueType::Int,
        "18446744073709551615",
        "18446744073709551615 is not a JSON number without a fraction, of 64 bits",
    );
    check(IndexedValueType::Double, "true", "true is not a JSON number");
    check(IndexedValueType::Bool, "0", "0 is not true or false");
    check(
        IndexedValueType::Datetime,
        "\"2003-04-05\"",
        "\"2003-04-05\" is not a JSON string such as \"2026-11-23T18:40:31Z\"",
    );
    check(IndexedValueType::Keyword, "{\"a\":1}", "{\"a\":1} is not a JSON string");
    assert!(decode(&json("{"), IndexedValueType::Keyword).is_err());
    assert!(decode(&json(&"[".repeat(2_000)), IndexedValueType::Keyword).is_err());
    assert_eq!(
        decode(&Payload::default(), IndexedValueType::Keyword),
        Err(String::from("it has no encoding, which must be json/plain"))
    );
}

#[test]
fn numbers_are_compared_without_rounding() {
    let check = |int: i64, double: f64, order: Ordering| {
        assert_eq!(Scalar::Int(int).compare(&Scalar::Double(double)), Some(order), "{int} {double}");
        assert_eq!(Scalar::Double(double).compare(&Scalar::Int(int)), Some(order.reverse()));
    };
    check(1, 1.0, Ordering::Equal);
    check(1, 1.5, Ordering::Less);
    check(-1, -1.5, Ordering::Greater);
    check(9_007_199_254_740_993, 9_007_199_254_740_992.0, Ordering::Greater);
    check(i64::MAX, 9_223_372_036_854_775_808.0, Ordering::Less);
    check(i64::MIN, -9_223_372_036_854_775_808.0, Ordering::Equal);
    check(i64::MIN, -1e300, Ordering::Greater);
    assert_eq!(Scalar::Int(1).compare(&Scalar::Double(f64::NAN)), None);
    assert_eq!(Scalar::Int(1).compare(&Scalar::Bool(true)), None);
}

#[test]
fn rule_45_attributes_are_typed_and_unknown_ones_are_refused() {
    let check = |name: &str, value: Payload, message: &str| {
        let attributes = Header::from([(name.to_owned(), value)]);
        match types().check(&attributes) {
            Ok(checked) => {
                assert_eq!("", message, "{name} is taken");
                let kind = types().carried(name).expect("what is taken is known");
                assert_eq!(
                    checked[name].metadata.get("type").map(|t| t.as_slice()),
                    Some(kind.name().as_bytes())
                );
                assert_eq!(checked[name].data, attributes[name].data, "the value stays as it is");
            }
            Err(Wrong(refusal)) => assert_eq!(refusal, message),
        }
    };
    check("keyword", json("\"a\""), "");
    check("keywordlist", json("[]"), "");
    check("int", null(), "");
    check("TemporalChangeVersion", json("[\"a-1\"]"), "");
    check("BuildIds", json("[\"a\"]"), "");
    check(
        "keywords",
        json("\"a\""),
        "no mapping defined for search attribute keywords; did you mean keyword?",
    );
    check("quite-another-one", json("1"), "no mapping defined for search attribute quite-another-one");
    check("WorkflowId", json("\"a\""), "WorkflowId attribute can't be set in SearchAttributes");
    check(
        "int",
        json("\"a\""),
        "invalid value for search attribute int of type Int: \"a\" is not a JSON number without a fraction, of 64 bits",
    );
}

#[test]
fn attributes_set_at_once_are_bounded_in_number_and_bytes() {
    let mut types = AttributeTypes::default();
    let names: Vec<String> = (0..SEARCH_ATTRIBUTES_MAX).map(|number| format!("k{number:03}")).collect();
    types.add(&names.iter().map(|name| (name.clone(), IndexedValueType::Keyword)).collect());
    let text = |bytes: usize| json(&format!("\"{}\"", "x".repeat(bytes - 2)));
    let refusal =
        |attributes: &Header| types.check(attributes).err().map(|wrong| wrong.0).unwrap_or_default();
    let each = |bytes: usize| names.iter().map(|name| (name.clone(), text(bytes))).collect::<Header>();

    assert_eq!(refusal(&each(10)), "");
    let mut more = each(10);
    more.insert(String::from("TemporalChangeVersion"), json("[]"));
    assert!(refusal(&more).contains("SEARCH_ATTRIBUTES_MAX"));
    let one = |bytes: usize| Header::from([(names[0].clone(), text(bytes))]);
    assert_eq!(refusal(&one(SEARCH_ATTRIBUTE_BYTES_MAX)), "");
    assert!(refusal(&one(SEARCH_ATTRIBUTE_BYTES_MAX + 1)).contains("SEARCH_ATTRIBUTE_BYTES_MAX"));
    assert!(refusal(&each(SEARCH_ATTRIBUTES_BYTES_MAX / 100)).contains("SEARCH_ATTRIBUTES_BYTES_MAX"));
}

#[test]
fn an_empty_value_takes_an_attribute_away() {
    let mut attributes = Header::from([
        (String::from("a"), json("1")),
        (String::from("b"), json("2")),
        (String::from("c"), json("3")),
        (String::from("d"), json("4")),
    ]);
    let changes = Header::from([
        (String::from("a"), json("null")),
        (String::from("b"), json(" [ ]")),
        (String::from("c"), null()),
        (String::from("e"), json("[5]")),
        (String::from("f"), json("[]")),
    ]);
    upsert(&mut attributes, &changes);
    let left = Header::from([(String::from("d"), json("4")), (String::from("e"), json("[5]"))]);
    assert_eq!(attributes, left);
}

#[test]
fn an_attribute_is_added_once_and_keeps_its_type() {
    let mut types = AttributeTypes::default();
    let ward = named("Ward", IndexedValueType::Keyword);
    let added = types.check_add(&ward).expect("a name of its own");
    assert_eq!(added, ward);
    types.add(&added);
    assert_eq!(types.check_add(&ward), Ok(BTreeMap::new()), "adding it again changes nothing");
    let refusal = types.check_add(&named("Ward", IndexedValueType::Int)).expect_err("its type is another");
    assert_eq!(
        refusal.0,
        "Search attribute Ward already exists, with type Keyword and not Int; remove it first."
    );
    let removed = types.check_remove(&[String::from("Ward"), String::from("never there")]);
    types.remove(&removed.expect("both may be removed"));
    assert_eq!(types, AttributeTypes::default());
}

#[test]
fn a_name_of_the_system_is_neither_added_nor_removed() {
    let types = AttributeTypes::default();
    for name in ["WorkflowId", "BuildIds", "TemporalAnything", "Memo"] {
        let refusal = types.check_add(&named(name, IndexedValueType::Keyword)).expect_err("it is reserved");
        assert_eq!(refusal.0, format!("Search attribute {name} is reserved by system."));
    }
    for name in ["", "a`b", "a\nb"] {
        assert!(types.check_add(&named(name, IndexedValueType::Keyword)).is_err(), "{name:?}");
    }
    let refusal = types.check_remove(&[String::from("RunId")]).expect_err("it is the system's");
    assert_eq!(refusal.0, "Unable to remove non-custom search attributes: RunId.");
    assert!(types.check_add(&BTreeMap::new()).is_err() && types.check_remove(&[]).is_err());
}

#[test]
fn custom_attributes_are_bounded_in_number_and_name() {
    let mut types = AttributeTypes::default();
    let many = |count: usize| {
        (0..count).map(|number| (format!("k{number}"), IndexedValueType::Int)).collect::<BTreeMap<_, _>>()
    };
    types.add(&types.check_add(&many(SEARCH_ATTRIBUTES_PER_NAMESPACE_MAX)).expect("as many as there may be"));
    let refusal = types.check_add(&named("one-more", IndexedValueType::Int)).expect_err("one too many");
    assert!(refusal.0.contains("SEARCH_ATTRIBUTES_PER_NAMESPACE_MAX"), "{refusal}");
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    let refusal = types.check_add(&named(&long, IndexedValueType::Int)).expect_err("too long");
    assert!(refusal.0.contains("NAME_BYTES_MAX"), "{refusal}");
}

#[test]
fn every_type_has_its_number_and_name() {
    for kind in IndexedValueType::ALL {
        assert_eq!(IndexedValueType::from_number(kind.number()), Some(kind));
    }
    assert_eq!(IndexedValueType::from_number(0), None);
    assert_eq!(IndexedValueType::from_number(8), None);
}
