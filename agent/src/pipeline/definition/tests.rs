//! Pipeline files, right and wrong.

use std::fs;
use std::path::Path;

use super::*;
use crate::decode;

const RIGHT: &str = r#"name = "ward"
[[source]]
topic = "ward/+/HR"
source = "{1}/{2}"
channel = "{3}"
value = "/value"
time = "/time"
[window]
length = "60s"
time = "source"
[condition]
when = "mean > 120.0 && count >= 3"
[[step]]
kind = "publish"
topic = "alarm/{source}"
"#;

#[track_caller]
fn right(text: &str) -> Definition {
    Definition::parse("p.toml", text).unwrap_or_else(|wrong| {
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        panic!("{}", wrong.join("\n"))
    })
}

/// The mistakes in `RIGHT` after `from` is replaced by `to`.
#[track_caller]
fn check(from: &str, to: &str, expected: &[&str]) {
    assert_eq!(RIGHT.matches(from).count(), 1, "{from:?} stands there once");
    let wrong = Definition::parse("p.toml", &RIGHT.replace(from, to)).expect_err("a mistake");
    let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    assert_eq!(wrong, expected);
}

#[test]
fn every_example_is_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/pipelines");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).expect("the examples' folder") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a text file");
        names.push(right(&text).name().to_owned());
        assert_eq!(path.file_stem().and_then(|stem| stem.to_str()), names.last().map(String::as_str));
    }
    assert!(names.len() >= 2, "{names:?}");
}

#[test]
fn the_example_in_the_documentation_is_right() {
    let document = include_str!("../../../../docs/pipelines.md");
    let examples: Vec<&str> =
        document.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!examples.is_empty());
    examples.into_iter().for_each(|example| drop(right(example)));
}

#[test]
fn a_right_file_says_what_it_collects() {
    let definition = right(RIGHT);
    assert_eq!((definition.name(), definition.digest().len()), ("ward", 16));
    assert_ne!(definition.digest(), right(&format!("{RIGHT}\n")).digest(), "each text has its own");
    let rules = definition.rules();
    let reading =
        decode::decode(&rules[0], "ward/bed-12/HR", br#"{"value": 5, "time": "x"}"#).expect("a reading");
    assert_eq!((reading.source.as_str(), reading.channel.as_str()), ("ward/bed-12", "HR"));
    assert!(definition.takes(&reading.source, &reading.channel));
}

#[test]
fn levels_may_have_names() {
    let named = RIGHT.replace("ward/+/HR", "ward/{bed}/HR").replace("{1}/{2}", "icu/{bed}");
    let rule = right(&named).rules().remove(0);
    assert_eq!((rule.filter.as_str(), rule.source.to_string().as_str()), ("ward/+/HR", "icu/{2}"));
}

#[test]
fn a_source_without_a_topic_takes_readings_that_name_themselves() {
    let definition = right(
        "name = 'a'\n[[source]]\nsource = 'ward/+'\nchannel = 'HR'\n[window]\nlength = '1m'\ntime = 'gateway'",
    );
    assert!(definition.rules().is_empty());
    let takes = |source: &str, channel: &str| {
        definition.takes(&source.parse().expect("a source"), &channel.parse().expect("a channel"))
    };
    assert!(takes("ward/bed-12", "HR"));
    assert!(!takes("ward/bed-12/left", "HR") && !takes("ward/bed-12", "SpO2") && !takes("icu/bed-12", "HR"));
}

#[test]
fn a_key_that_is_not_there_is_named_with_the_nearest_right_one() {
    check(
        "topic = \"ward/+/HR\"",
        "topik = \"ward/+/HR\"",
        &[
            "p.toml:2:1: key `source[1].topic`: it is missing; write topic = \"ward/+/HR\"",
            "p.toml:3:1: key `source[1].topik`: there is no such key; did you mean `topic`?",
        ],
    );
    check(
        "[window]",
        "[windov]",
        &[
            "p.toml:8:2: key `windov`: there is no such key; did you mean `window`?",
            "p.toml:11:1: key `condition`: there is no window it could be about; add [window] with length = \"60s\"",
            "p.toml:13:1: key `step`: there is no window it could be about; add [window] with length = \"60s\"",
        ],
    );
    check(
        "kind = \"publish\"\n",
        "kind = \"publish\"\nqoz = 1\n",
        &["p.toml:15:1: key `step[1].qoz`: there is no such key; did you mean `qos`?"],
    );
    check(
        "when =",
        "weather =",
        &[
            "p.toml:11:1: key `condition.when`: it is missing; write when = \"mean > 120 && count >= 3\"",
            "p.toml:12:1: key `condition.weather`: there is no such key; it can be `when`",
        ],
    );
}

#[test]
fn several_mistakes_are_told_at_once_from_the_top_down() {
    let text = "name = 'no spaces'\n[[source]]\ntopic = 'ward/#/HR'\nsource = 'a'\nchannel = 'b'\nvalue = 'value'\n\
                [window]\nlength = '60'\ntime = 'sauce'\n[condition]\nwhen = 'maen > 1'\n[[step]]\nkind = 'wait'\nsignal = 's'\n";
    let wrong = Definition::parse("p.toml", text).expect_err("mistakes");
    let places: Vec<(usize, &str)> = wrong.iter().map(|wrong| (wrong.line, wrong.key.as_str())).collect();
    assert_eq!(
        places,
        [
            (1, "name"),
            (3, "source[1].topic"),
            (8, "window.length"),
            (9, "window.time"),
            (11, "condition.when"),
            (12, "step[1].timeout"),
        ]
    );
}

#[test]
fn wrong_values_say_what_would_be_right() {
    check(
        "\"60s\"",
        "60",
        &["p.toml:9:10: key `window.length`: it is a whole number; it should be text in quotes"],
    );
    check(
        "\"60s\"",
        "\"60\"",
        &[
            "p.toml:9:10: key `window.length`: \"60\" is not a length of time; write whole numbers with ms, s, m, h or d, as in \
         \"60s\" or \"1h 30m\"",
        ],
    );
    check(
        "\"60s\"",
        "\"10ms\"",
        &["p.toml:9:10: key `window.length`: \"10ms\" is out of bounds; between 1s and 366d"],
    );
    check(
        "time = \"source\"",
        "time = \"sourc\"",
        &["p.toml:10:8: key `window.time`: it cannot be \"sourc\"; did you mean `source`?"],
    );
    check(
        "\"/value\"",
        "\"value\"",
        &[
            "p.toml:6:9: key `source[1].value`: \"value\" is not a JSON pointer: it begins with '/', as in \"/value\"; as in \
         value = \"/value\"",
        ],
    );
    check(
        "\"{1}/{2}\"",
        "\"{1}/{bet}\"",
        &[
            "p.toml:4:10: key `source[1].source`: there is no level `bet`; name one, as in topic = \"ward/{bed}/HR\", or \
         write its number, as in {1}",
        ],
    );
    check(
        "\"{3}\"",
        "\"{4}\"",
        &[
            "p.toml:3:9: key `source[1].topic`: {4} asks for level 4, but ward/+/HR has 3; mend whichever of them is wrong",
        ],
    );
    check(
        "time = \"/time\"\n",
        "",
        &[
            "p.toml:7:1: key `window`: the window counts by the sources' time, and source 1 says nothing of it; write time = \
         \"/time\" in the source, or time = \"gateway\" in the window",
        ],
    );
    check(
        "value = \"/value\"",
        "value = \"/value\"\nunit = \"bpm\"",
        &[
            "p.toml:7:8: key `source[1].unit`: \"bpm\" is not a JSON pointer; a pointer is written \"/unit\", a fixed unit { \
         fixed = \"bpm\" }",
        ],
    );
    check(
        "value = \"/value\"",
        "value = \"/value\"\nformat = \"xml\"",
        &["p.toml:7:10: key `source[1].format`: it cannot be \"xml\"; it can be `json` or `cbor`"],
    );
    check(
        "\"mean > 120.0 && count >= 3\"",
        "\"maen > 120.0\"",
        &[
            "p.toml:12:8: key `condition.when`: there is no variable `maen`; did you mean `mean`? There are `count`, `missing`, \
         `late`, `min`, `max`, `mean`, `seconds`, `source` or `channel`",
        ],
    );
    check(
        "alarm/{source}",
        "alarm/{sorce}",
        &[
            "p.toml:15:9: key `step[1].topic`: there is no value `sorce`; did you mean `source`? There are `pipeline`, \
         `definition`, `source`, `channel`, `start`, `end`, `count`, `missing`, `late`, `min`, `max`, `mean` or `run`",
        ],
    );
    check(
        "alarm/{source}",
        "alarm/#",
        &["p.toml:15:9: key `step[1].topic`: nothing can be published to \"alarm/#\"; leave out '+' and '#'"],
    );
    check(
        "\"publish\"",
        "\"publsh\"",
        &["p.toml:14:8: key `step[1].kind`: it cannot be \"publsh\"; did you mean `publish`?"],
    );
    check(
        "topic = \"alarm/{source}\"",
        "topic = \"a\"\nqos = 2",
        &["p.toml:16:7: key `step[1].qos`: 2 is out of bounds; from 0 to 1"],
    );
    check(
        "topic = \"alarm/{source}\"",
        "topic = \"a\"\npayload = { a = nan }",
        &["p.toml:16:11: key `step[1].payload`: nan has no form in JSON; write a finite number"],
    );
    check(
        "topic = \"alarm/{source}\"",
        "topic = \"a\"\nretry = { attempts = -1, initial = \"0s\" }",
        &[
            "p.toml:16:22: key `step[1].retry.attempts`: -1 is out of bounds; from 0 to 1000000",
            "p.toml:16:36: key `step[1].retry.initial`: \"0s\" is out of bounds; between 10ms and 1d",
        ],
    );
}

#[test]
fn a_request_that_cannot_be_sent_is_refused_before_it_is_tried() {
    let http = |url: &str| format!("kind = \"http\"\nurl = \"{url}\"");
    let from = "kind = \"publish\"\ntopic = \"alarm/{source}\"";
    check(
        from,
        &http("https://example.org/a"),
        &[
            "p.toml:15:7: key `step[1].url`: https cannot be spoken yet; TLS comes with a later release: post to a proxy on \
         this machine by http:// meanwhile",
        ],
    );
    check(
        from,
        &http("nowhere"),
        &["p.toml:15:7: key `step[1].url`: \"nowhere\" is not a URL: relative URL without a base; as in \
         \"http://127.0.0.1:8080/alarms\""],
    );
    check(
        from,
        &format!("{}\nheaders = {{ Idempotency-Key = \"1\" }}", http("http://10.0.0.2/a")),
        &[
            "p.toml:16:11: key `step[1].headers`: headers.Idempotency-Key: Idempotency-Key is set by the agent; leave it out",
        ],
    );
    right(&RIGHT.replace(from, &http("http://192.168.1.5:8123/{source}?mean={mean}")));
}

#[test]
fn two_steps_of_one_name_are_told_apart() {
    let twice = format!("{RIGHT}name = \"a\"\n[[step]]\nkind = \"publish\"\ntopic = \"b\"\nname = \"a\"\n");
    let wrong = Definition::parse("p.toml", &twice).expect_err("one name");
    assert_eq!(
        wrong[0].to_string(),
        "p.toml:17:1: key `step[2].name`: another step has the name \"a\"; give each step its own"
    );
}

#[test]
fn what_is_not_toml_names_the_line() {
    let wrong = Definition::parse("p.toml", "name = \"a\"\n[[source\n").expect_err("not TOML");
    assert!(wrong[0].to_string().starts_with("p.toml:2:"), "{}", wrong[0]);
    let wrong = Definition::parse("p.toml", "").expect_err("nothing");
    assert_eq!(wrong.len(), 2, "a name and a source are missing");
    let wrong = Definition::parse("p.toml", &"#".repeat(70_000)).expect_err("too large");
    assert!(wrong[0].to_string().contains("PIPELINE_BYTES_MAX"), "{}", wrong[0]);
}

#[test]
fn a_file_full_of_mistakes_is_told_of_the_first() {
    let text: String = (0..100).map(|n| format!("key-{n} = 1\n")).collect();
    let wrong = Definition::parse("p.toml", &text).expect_err("mistakes");
    assert_eq!(wrong.len(), tidegate_model::limits::DIAGNOSTICS_MAX);
}

#[test]
fn a_mutilated_file_never_panics() {
    let mut chance = tidegate_model::chance::Chance::new(9);
    let below = |chance: &mut tidegate_model::chance::Chance, bound: usize| {
        usize::try_from(chance.below(bound as u64)).expect("below a usize")
    };
    for _ in 0..2_000 {
        let mut text: Vec<char> = RIGHT.chars().collect();
        for _ in 0..=below(&mut chance, 6) {
            let at = below(&mut chance, text.len());
            let other = ['{', '}', '"', '[', ']', '=', '\n', '/', '+', '#', 'é', '1', '.', ' '];
            match below(&mut chance, 3) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, other[below(&mut chance, other.len())]),
                _ => text[at] = other[below(&mut chance, other.len())],
            }
        }
        let text: String = text.into_iter().collect();
        if let Err(wrong) = Definition::parse("p.toml", &text) {
            assert!(!wrong.is_empty(), "a refusal says why: {text}");
        }
    }
}
