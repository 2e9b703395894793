//! What a person reads when the file is wrong, word for word.

use super::*;

use serde::Deserialize;

#[derive(Debug, Deserialize, PartialEq)]
struct Settings {
    data_dir: String,
    broker: Broker,
    #[serde(default)]
    log: Log,
    #[serde(default)]
    sources: Vec<Source>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Broker {
    host: String,
    #[serde(default = "mqtt_port")]
    port: std::num::NonZeroU16,
    #[serde(default)]
    keep_alive: Duration,
    username: Option<String>,
    #[serde(default)]
    clean: bool,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
struct Log {
    #[serde(default)]
    level: Level,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Level {
    Debug,
    #[default]
    Info,
    Warn,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Source {
    filter: String,
}

fn mqtt_port() -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(1883).expect("not zero")
}

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let variables = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    parse(text, Path::new("agent.toml"), "TIDEGATE", variables)
}

#[track_caller]
fn check(text: &str, variables: &[(&str, &str)], message: &str) {
    let error = read(text, variables).expect_err("a wrong file");
    assert_eq!(error.to_string(), message);
}

const RIGHT: &str = "data_dir = '/var/lib/x'\n[broker]\nhost = 'localhost'\n";

#[test]
fn a_right_file_is_read() {
    let settings = read(RIGHT, &[]).expect("right");
    assert_eq!((settings.data_dir.as_str(), settings.broker.port.get()), ("/var/lib/x", 1883));
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_right_one() {
    check(
        "data_dir = 'x'\n[broker]\nhost = 'a'\n  prot = 1883\n",
        &[],
        "agent.toml:4:3: there is no key `broker.prot`; did you mean `broker.port`?",
    );
    check(
        "dat_dir = 'x'\n[broker]\nhost = 'a'",
        &[],
        "agent.toml:1:1: there is no key `dat_dir`; did you mean `data_dir`?",
    );
    check(
        &format!("{RIGHT}zzz = 1"),
        &[],
        "agent.toml:4:1: there is no key `broker.zzz`; known here: host, port, keep_alive, username, clean",
    );
    check(
        &format!("{RIGHT}[[sources]]\nfilter = 'a'\n[[sources]]\nfilter = 'b'\nfilters = 'c'\n"),
        &[],
        "agent.toml:8:1: there is no key `sources[2].filters`; did you mean `sources[2].filter`?",
    );
}

#[test]
fn a_wrong_type_says_what_would_be_right() {
    check(
        "data_dir = 'x'\n[broker]\nhost = 'a'\nport = 'mqtt'\n",
        &[],
        "agent.toml:4:8: `broker.port` is \"mqtt\"; expected a whole number from 1 to 65535",
    );
    check(
        "data_dir = 7\n[broker]\nhost = 'a'\n",
        &[],
        "agent.toml:1:12: `data_dir` is 7; expected text in quotes",
    );
    check("broker = 3\ndata_dir = 'x'", &[], "agent.toml:1:10: `broker` is 3; expected a table");
    check(
        &format!("{RIGHT}clean = 'yes'"),
        &[],
        "agent.toml:4:9: `broker.clean` is \"yes\"; expected true or false",
    );
}

#[test]
fn a_number_out_of_range_says_the_range() {
    for wrong in ["0", "70000", "-1"] {
        check(
            &format!("{RIGHT}port = {wrong}"),
            &[],
            &format!("agent.toml:4:8: `broker.port` is {wrong}; expected a whole number from 1 to 65535"),
        );
    }
}

#[test]
fn a_missing_key_is_named_with_both_ways_to_set_it() {
    check(
        "data_dir = 'x'\n[broker]\nport = 1",
        &[],
        "agent.toml:2:1: `broker.host` is missing; set it there, or by TIDEGATE_BROKER__HOST",
    );
    check(
        "[broker]\nhost = 'a'",
        &[],
        "agent.toml:1:1: `data_dir` is missing; set it there, or by TIDEGATE_DATA_DIR",
    );
}

#[test]
fn a_wrong_choice_lists_the_right_ones() {
    check(
        &format!("{RIGHT}[log]\nlevel = 'wran'"),
        &[],
        "agent.toml:5:9: `log.level` is \"wran\"; did you mean \"warn\"? It can be \"debug\", \"info\", \"warn\"",
    );
}

#[test]
fn a_wrong_quantity_keeps_its_place() {
    check(
        &format!("{RIGHT}keep_alive = '30 sec'"),
        &[],
        "agent.toml:4:14: `broker.keep_alive`: \"30 sec\" is not a length of time; write whole numbers with ms, s, m, h \
         or d, as in \"10s\" or \"1h 30m\"",
    );
}

#[test]
fn what_is_not_toml_names_the_line() {
    let error = read("data_dir = 'x'\n[broker\n", &[]).expect_err("not TOML").to_string();
    assert!(error.starts_with("agent.toml:2:8: not TOML: "), "{error}");
}

#[test]
fn the_environment_wins_over_the_file() {
    let variables = [
        ("TIDEGATE_BROKER__HOST", "10.0.0.2"),
        ("TIDEGATE_BROKER__PORT", "8883"),
        ("TIDEGATE_BROKER__KEEP_ALIVE", "5s"),
        ("TIDEGATE_BROKER__USERNAME", "17"),
        ("TIDEGATE_BROKER__CLEAN", "true"),
        ("TIDEGATE_LOG__LEVEL", "debug"),
        ("TIDEGATE_SOURCES", "[{filter = 'a/#'}]"),
        ("TIDEGATE_BRIDGE_LISTEN", "is the bridge's"),
        ("TIDEGATES", "are something else"),
    ];
    let settings = read(RIGHT, &variables).expect("right");
    let broker = Broker {
        host: "10.0.0.2".to_owned(),
        port: std::num::NonZeroU16::new(8883).expect("not zero"),
        keep_alive: Duration::from_secs(5),
        username: Some("17".to_owned()),
        clean: true,
    };
    assert_eq!(settings.broker, broker);
    assert_eq!(settings.log.level, Level::Debug);
    assert_eq!(settings.sources, [Source { filter: "a/#".to_owned() }]);
}

#[test]
fn a_variable_can_set_what_the_file_leaves_out() {
    let settings = read("data_dir = 'x'", &[("TIDEGATE_BROKER__HOST", "a")]).expect("right");
    assert_eq!(settings.broker.host, "a");
}

#[test]
fn a_variable_no_key_answers_to_is_an_error() {
    check(
        RIGHT,
        &[("TIDEGATE_BROKER__HOTS", "a")],
        "TIDEGATE_BROKER__HOTS: there is no key `broker.hots`; did you mean `TIDEGATE_BROKER__HOST`?",
    );
    check(
        RIGHT,
        &[("TIDEGATE_BROKER_HOST", "a")],
        "TIDEGATE_BROKER_HOST: there is no key `broker_host`; did you mean `TIDEGATE_BROKER`?",
    );
    check(
        RIGHT,
        &[("TIDEGATE_BROKER__PORT", "mqtt")],
        "TIDEGATE_BROKER__PORT: `broker.port` is \"mqtt\"; expected a whole number from 1 to 65535",
    );
    check(
        RIGHT,
        &[("TIDEGATE_DATA_DIR__X", "a")],
        "TIDEGATE_DATA_DIR__X: `data_dir`: what it is part of is set as a whole elsewhere; set one or the other",
    );
}

#[test]
fn a_missing_file_says_how_to_make_one() {
    let path = Path::new("/nonexistent/agent.toml");
    let error = load::<Settings>(path, "TIDEGATE").expect_err("no file");
    assert_eq!(
        error.to_string(),
        "/nonexistent/agent.toml: there is no such file; copy config/agent.toml there, in which every key is explained, \
         and edit it"
    );
}

#[test]
fn random_text_never_panics() {
    let mut state = 1_u64;
    for _ in 0..2_000 {
        let text: String = (0..40)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let alphabet = b"[]{}=.,'\"\n #abz019-+_:\\\xc3";
                char::from(alphabet[usize::try_from(state >> 33).unwrap_or(0) % alphabet.len()])
            })
            .collect();
        assert!(read(&text, &[]).is_err(), "{text:?} cannot hold a host");
    }
}
