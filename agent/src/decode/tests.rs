//! Payloads in, readings or sentences out.

use std::path::Path;

use serde_json::json;
use tidegate_model::chance::Chance;

use super::*;

fn rule(text: serde_json::Value) -> Rule {
    let rule: Rule = serde_json::from_value(text).expect("a rule");
    rule.check().expect("its parts fit");
    rule
}

fn ward(format: &str) -> Rule {
    rule(json!({
        "filter": "ward/+/+", "source": "{1}/{2}", "channel": "{3}", "format": format,
        "value": "/value", "time": "/time", "unit": { "pointer": "/unit" },
    }))
}

/// A rule for nothing but a value.
fn value_only(pointer: &str, format: &str) -> Rule {
    rule(json!({ "filter": "#", "source": "s", "channel": "c", "format": format, "value": pointer }))
}

#[track_caller]
fn check_value(payload: &str, expected: Value) {
    let reading = decode(&value_only("/v", "json"), "t", payload.as_bytes()).expect("a reading");
    assert_eq!(reading.value, expected, "{payload}");
}

#[track_caller]
fn check_fault(rule: &Rule, payload: &[u8], expected: &str) {
    let fault = decode(rule, "t", payload).expect_err("no reading");
    assert_eq!(fault.to_string(), expected);
}

fn cbor(value: &impl Serialize) -> Vec<u8> {
    serde_cbor::to_vec(value).expect("CBOR")
}

#[test]
fn a_message_becomes_a_reading_named_by_its_topic() {
    let payload = br#"{"time": "2896-10-10T00:31:25.894Z", "value": 72.5, "unit": "bpm"}"#;
    let reading = decode(&ward("json"), "ward/bed-12/HR", payload).expect("a reading");
    let expected = Reading {
        source: "ward/bed-12".parse().expect("a source"),
        channel: "HR".parse().expect("a channel"),
        value: Value::Number(72.5),
        unit: "bpm".to_owned(),
        source_stamp: Some(SourceStamp::Text("2896-10-10T00:31:25.894Z".to_owned())),
        identity: None,
        received_ns: 0,
        quality: Quality::Good,
    };
    assert_eq!(reading, expected);
    let same = json!({ "time": "2896-10-10T00:31:25.894Z", "value": 72.5, "unit": "bpm" });
    assert_eq!(decode(&ward("cbor"), "ward/bed-12/HR", &cbor(&same)).expect("a reading"), expected);
}

#[test]
fn every_kind_of_value_is_kept_as_it_is() {
    check_value(r#"{"v": 7}"#, Value::Int(7));
    check_value(r#"{"v": -0.1}"#, Value::Number(-0.1));
    check_value(r#"{"v": true}"#, Value::Bool(true));
    check_value(r#"{"v": "open"}"#, Value::Text("open".to_owned()));
    check_value(r#"{"v": null}"#, Value::Missing);
    check_value(r#"{"v": [1, 2.5, -3]}"#, Value::Vector(vec![1.0, 2.5, -3.0]));
    check_value(r#"{"v": 18446744073709551615}"#, Value::Number(18_446_744_073_709_551_615.0));
    // Parsed to the nearest binary number, not to one beside it.
    check_value(r#"{"v": 2.638344616030823e-256}"#, Value::Number(2.638_344_616_030_823e-256));
}

#[test]
fn stamps_are_kept_in_the_form_they_came_in() {
    let rule = rule(json!({
        "filter": "#", "source": "s", "channel": "c", "format": "json", "value": "/v", "time": "/t",
    }));
    let check = |stamp: &str, expected: Option<SourceStamp>| {
        let payload = format!(r#"{{"v": 1, "t": {stamp}}}"#);
        let reading = decode(&rule, "t", payload.as_bytes()).expect("a reading");
        assert_eq!(reading.source_stamp, expected, "{stamp}");
    };
    check("0", Some(SourceStamp::Int(0)));
    check("-5", Some(SourceStamp::Int(-5)));
    check("1754571280.572", Some(SourceStamp::Number(1_754_571_280.572)));
    check(r#""1970-01-01T00:00:03""#, Some(SourceStamp::Text("1970-01-01T00:00:03".to_owned())));
    check(r#""2896-10-10T00:31:25.894Z""#, Some(SourceStamp::Text("2896-10-10T00:31:25.894Z".to_owned())));
    check("null", None);
}

#[test]
fn pointers_find_their_way_as_rfc_6901_says() {
    let payload = json!({
        "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "m~n": 8, "nested": {"7": {"x": 9}},
    });
    let check = |pointer: &str, expected: Value| {
        for (format, payload) in [("json", payload.to_string().into_bytes()), ("cbor", cbor(&payload))] {
            let reading = decode(&value_only(pointer, format), "t", &payload).expect("a reading");
            assert_eq!(reading.value, expected, "{pointer} in {format}");
        }
    };
    check("/foo/0", Value::Text("bar".to_owned()));
    check("/", Value::Int(0));
    check("/a~1b", Value::Int(1));
    check("/c%d", Value::Int(2));
    check("/m~0n", Value::Int(8));
    check("/nested/7/x", Value::Int(9));
    let whole = decode(&value_only("", "json"), "t", b"12").expect("a reading");
    assert_eq!(whole.value, Value::Int(12));
    for (text, reason) in [
        ("value", "it begins with '/', as in \"/value\""),
        ("/a~b", "'~' is written ~0 and a '/' in a key ~1"),
        ("/a~", "'~' is written ~0 and a '/' in a key ~1"),
    ] {
        let error = text.parse::<Pointer>().expect_err("no pointer");
        assert_eq!(error.to_string(), format!("{text:?} is not a JSON pointer: {reason}"));
    }
}

#[test]
fn a_whole_number_key_of_cbor_is_found_by_its_digits() {
    // {1: {-2: 42}, [0]: 0, 1.5: 0}
    let payload = [0xa3, 0x01, 0xa1, 0x21, 0x18, 0x2a, 0x81, 0x00, 0x00, 0xf9, 0x3e, 0x00, 0x00];
    let reading = decode(&value_only("/1/-2", "cbor"), "t", &payload).expect("a reading");
    assert_eq!(reading.value, Value::Int(42));
}

#[test]
fn a_redelivery_can_be_recognised_by_session_and_sequence() {
    let identify = |session: serde_json::Value| {
        let rule = rule(json!({
            "filter": "#", "source": "s", "channel": "c", "format": "json", "value": "/v",
            "session": "/boot", "sequence": "/n",
        }));
        let payload = json!({ "v": 1, "boot": session, "n": 17 }).to_string();
        decode(&rule, "t", payload.as_bytes()).map(|reading| reading.identity)
    };
    assert_eq!(identify(json!(4)), Ok(Some(Identity { session: 4, seq: 17 })));
    let named = identify(json!("c3f2-boot")).expect("a reading").expect("an identity");
    assert_eq!(Ok(Some(named)), identify(json!("c3f2-boot")));
    assert_ne!(Ok(Some(named)), identify(json!("c3f3-boot")));
    assert_eq!(
        identify(json!(-1)).expect_err("no session").to_string(),
        "session: at \"/boot\" is a number, expected a whole number, 0 or more, or text"
    );
}

#[test]
fn what_is_no_reading_says_why() {
    let json = value_only("/v", "json");
    let cbor_rule = value_only("/v", "cbor");
    check_fault(&json, b"", "the payload is empty");
    check_fault(
        &json,
        &vec![b' '; 10_000_000],
        "the payload has more than 262144 bytes; send less at a time",
    );
    check_fault(&json, b"{\"v\": \"\xff\"}", "the payload is not UTF-8 text: byte 7 is wrong; is it CBOR?");
    check_fault(&json, b"{}", "value: there is nothing at \"/v\" in the payload");
    check_fault(
        &json,
        br#"{"v": {"a": 1}}"#,
        "value: at \"/v\" is an object, expected a number, true, false, text or a list",
    );
    check_fault(&json, br#"{"v": [1, "a"]}"#, "value: at \"/v\" is text, expected a list of numbers");
    check_fault(
        &json,
        b"{\"v\": NaN}",
        "the payload is not understood as JSON: expected value at line 1 column 7",
    );
    let nan = [0xa1, 0x61, b'v', 0xf9, 0x7e, 0x00];
    check_fault(&cbor_rule, &nan, "value: NaN is not a finite number; a source without a value sends null");
    let infinite = [0xa1, 0x61, b'v', 0x81, 0xf9, 0x7c, 0x00];
    check_fault(
        &cbor_rule,
        &infinite,
        "value: inf is not a finite number; a source without a value sends null",
    );
    let bytes = [0xa1, 0x61, b'v', 0x41, 0x00];
    check_fault(
        &cbor_rule,
        &bytes,
        "value: at \"/v\" is bytes, expected a number, true, false, text or a list",
    );
    let long = json!({ "v": "x".repeat(1_025) }).to_string();
    check_fault(&json, long.as_bytes(), "value: the text has 1025 bytes, at most 1024 are kept");
    let wave = json!({ "v": vec![0; 4_097] }).to_string();
    check_fault(&json, wave.as_bytes(), "value: the list has 4097 numbers, at most 4096 make one reading");
}

#[test]
fn deep_nesting_is_refused_in_both_formats() {
    for depth in [200, 100_000] {
        check_fault(
            &value_only("/v", "json"),
            "[".repeat(depth).as_bytes(),
            "the payload is nested deeper than 128 levels",
        );
        check_fault(
            &value_only("/v", "cbor"),
            &vec![0x81; depth],
            "the payload is nested deeper than 128 levels",
        );
    }
}

#[test]
fn a_length_that_lies_costs_nothing() {
    for claim in [0x5b_u8, 0x7b, 0x9b, 0xbb] {
        let payload = [&[claim][..], &u64::MAX.to_be_bytes()].concat();
        assert!(decode(&value_only("/v", "cbor"), "t", &payload).is_err());
    }
}

#[test]
fn a_topic_that_names_nothing_is_a_fault() {
    let check = |topic: &str, reason: &str| {
        let fault = decode(&ward("json"), topic, br#"{"time": null, "value": 1, "unit": null}"#)
            .expect_err("no name");
        assert_eq!(fault.to_string(), format!("the topic does not name a reading: {reason}"));
    };
    check("ward/bed-12", "\"{3}\" asks for level 3 of \"ward/bed-12\"");
    check("ward/bed-12/", "a channel must have 1 to 255 bytes, not 0");
}

#[test]
fn a_rule_whose_parts_do_not_fit_says_so() {
    let check = |change: fn(&mut Rule), message: &str| {
        let mut rule = ward("json");
        change(&mut rule);
        assert_eq!(rule.check(), Err(message.to_owned()));
    };
    check(
        |rule| rule.filter = "ward/#/x".to_owned(),
        "\"ward/#/x\" is not an MQTT topic filter; '+' stands for one level, '#' for all that follow and only last",
    );
    check(|rule| rule.filter = "ward/+".to_owned(), "{3} asks for level 3, but ward/+ has 2");
    check(
        |rule| rule.session = "/boot".parse().ok(),
        "a session without a sequence identifies nothing; add the sequence",
    );
    for (text, reason) in [
        ("", "it is empty"),
        ("{0}", "levels are numbered from 1, as in \"{1}\""),
        ("{bed}", "levels are numbered from 1, as in \"{1}\""),
        ("{1", "a '{' has its '}', as in \"{1}\""),
        ("1}", "a '{' has its '}', as in \"{1}\""),
    ] {
        let error = text.parse::<Template>().expect_err("no template");
        assert_eq!(error.to_string(), format!("{text:?} is not a name template: {reason}"));
    }
}

#[test]
fn our_own_form_is_read_in_json_and_in_cbor() {
    let topic = "tidegate/gw-1/reading/ward/bed-12/HR";
    let payload = json!({ "v": 72, "u": "bpm", "t": 1_754_571_280_u64, "q": { "b": 3, "n": 9 } });
    let expected = Reading {
        source: "ward/bed-12".parse().expect("a source"),
        channel: "HR".parse().expect("a channel"),
        value: Value::Int(72),
        unit: "bpm".to_owned(),
        source_stamp: Some(SourceStamp::Int(1_754_571_280)),
        identity: Some(Identity { session: 3, seq: 9 }),
        received_ns: 0,
        quality: Quality::Good,
    };
    assert_eq!(decode_ours(topic, payload.to_string().as_bytes()), Ok(expected.clone()));
    assert_eq!(decode_ours(topic, format!("\n {payload}").as_bytes()), Ok(expected.clone()));
    assert_eq!(decode_ours(topic, &cbor(&payload)), Ok(expected));
    let missing = decode_ours(topic, br#"{"v": null}"#).expect("a reading");
    assert_eq!((missing.value, missing.identity), (Value::Missing, None));
}

#[test]
fn our_own_form_has_the_same_bounds() {
    let topic = "tidegate/gw-1/reading/s/c";
    let check = |payload: &[u8], message: &str| {
        let fault = decode_ours(topic, payload).expect_err("no reading");
        assert!(fault.to_string().contains(message), "{fault}");
    };
    check(b"", "the payload is empty");
    check(b"{}", "missing field `v`");
    check(b"{\"v\": [[1]]}", "not understood as JSON");
    check(&[0xa1, 0x61, b'v', 0xf9, 0x7e, 0x00], "NaN is not a finite number");
    check(json!({ "v": "x".repeat(2_000) }).to_string().as_bytes(), "the text has 2000 bytes");
    let fault = decode_ours("tidegate/gw-1/status", b"online").expect_err("no reading");
    assert!(fault.to_string().contains("is not a topic for readings"), "{fault}");
}

#[test]
fn random_bytes_never_panic() {
    let rules = [ward("json"), ward("cbor")];
    let mut chance = Chance::new(1);
    let seeds: [Vec<u8>; 3] = [
        br#"{"time": "2026-01-01T00:00:00Z", "value": [1.5, 2], "unit": "mV"}"#.to_vec(),
        cbor(&json!({ "time": 1, "value": [1.5, 2], "unit": "mV" })),
        cbor(&json!({ "v": 1.5, "u": "mV", "t": 1, "q": { "b": 1, "n": 2 } })),
    ];
    for _ in 0..20_000 {
        let mut payload = match chance.below(4) {
            0 => (0..chance.below(64)).map(|_| chance.next_u64().to_le_bytes()[0]).collect(),
            seed => seeds[usize::try_from(seed - 1).expect("below 3")].clone(),
        };
        for _ in 0..chance.below(4) {
            let at = usize::try_from(chance.below(payload.len() as u64)).expect("an index");
            if let Some(byte) = payload.get_mut(at) {
                *byte = chance.next_u64().to_le_bytes()[0];
            }
        }
        for rule in &rules {
            drop(decode(rule, "ward/bed-12/HR", &payload));
        }
        drop(decode_ours("tidegate/gw-1/reading/s/c", &payload));
    }
}

/// One line of a recording.
#[derive(Deserialize)]
struct Recorded {
    topic: String,
    payload: serde_json::Value,
}

/// Decodes a recording whole; counts readings with a number and readings without a value.
fn decode_recording(name: &str, rule: &Rule) -> Option<(usize, usize)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(std::env::var_os("CI").is_none(), "{} is missing", path.display());
        println!("skipped: {} is missing", path.display());
        return None;
    };
    let mut counts = (0, 0);
    for line in text.lines() {
        let recorded: Recorded = serde_json::from_str(line).expect("a recorded message");
        let reading = decode(rule, &recorded.topic, recorded.payload.to_string().as_bytes())
            .unwrap_or_else(|fault| panic!("{line}: {fault}"));
        match reading.value {
            Value::Missing => counts.1 += 1,
            Value::Int(_) | Value::Number(_) => counts.0 += 1,
            Value::Bool(_) | Value::Text(_) | Value::Vector(_) => panic!("{line}: not a number"),
        }
    }
    Some(counts)
}

#[test]
fn a_recorded_ward_decodes_whole() {
    if let Some((numbers, missing)) = decode_recording("vitals/ward-s00001.jsonl", &ward("json")) {
        assert!(numbers > 10_000 && missing > 0, "{numbers} with a value, {missing} without");
    }
}

#[test]
fn a_recorded_year_of_weather_decodes_whole() {
    let weather = rule(json!({
        "filter": "home/+/+", "source": "{1}/{2}", "channel": "{3}", "format": "json",
        "value": "/temp", "time": "/date", "unit": { "pointer": "/unit" },
    }));
    if let Some((numbers, missing)) = decode_recording("home/outdoor-temperature.jsonl", &weather) {
        assert_eq!((numbers, missing), (8_759, 0));
    }
}
