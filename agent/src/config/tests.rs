//! The example is right, its comments tell the truth, and what is wrong is named.

use super::*;

fn read(text: &str) -> Result<Config, SettingsError> {
    let path = Path::new("agent.toml");
    let config: Config = tidegate_settings::parse(text, path, ENVIRONMENT_PREFIX, [])?;
    config.checked(path)
}

#[track_caller]
fn check(text: &str, message: &str) {
    let error = read(&format!("device.id = 'gw'\n{text}")).expect_err("a wrong configuration");
    assert_eq!(error.to_string(), message);
}

#[test]
fn the_example_is_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/agent.toml");
    let text = std::fs::read_to_string(path).expect("the example is there");
    assert_eq!(text, EXAMPLE);
    let config = read(&text).expect("the example is right");
    assert_eq!(config.client_id(), "tidegate-gateway-1");
    assert_eq!(config.control_socket(), Path::new("./data/control.sock"));
}

/// A line `#key = value` is a default, and becomes a setting when the `#` goes.
fn with_defaults_written_out() -> String {
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') && setting.contains(" = ") => setting.to_owned(),
        Some(_) | None => line.to_owned(),
    };
    EXAMPLE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_shows_every_key_and_its_default() {
    let shown = read(&with_defaults_written_out()).expect("the commented keys are right");
    let mut by_default = read(EXAMPLE).expect("the example is right");
    // These have no default to show, or one that is worked out; the example shows a possible value.
    let Broker { client_id, username, password_file, .. } = shown.broker.clone();
    assert!(client_id.is_some() && username.is_some() && password_file.is_some());
    by_default.broker = Broker { client_id, username, password_file, ..by_default.broker };
    by_default.control.socket.clone_from(&shown.control.socket);
    by_default.metrics.listen = shown.metrics.listen;
    by_default.temporal_api.clone_from(&shown.temporal_api);
    assert_eq!(by_default, shown);
}

#[test]
fn little_is_needed() {
    let config = read("device.id = 'gw'").expect("a small configuration");
    assert_eq!(config.data_dir, Path::new("/var/lib/tidegate"));
    assert_eq!((config.broker.host.as_str(), config.broker.port.get()), ("127.0.0.1", 1883));
    assert_eq!((config.uplink, config.pipelines.dir), (None, None));
}

#[test]
fn the_environment_wins() {
    let variables = [
        ("TIDEGATE_DEVICE__ID", "gw-7"),
        ("TIDEGATE_DATA_DIR", "/data"),
        ("TIDEGATE_UPLINK__URL", "http://[::1]:1"),
        ("TIDEGATE_STORE__CACHE", "8MiB"),
        ("TIDEGATE_LOG__FORMAT", "json"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config: Config =
        tidegate_settings::parse(EXAMPLE, Path::new("agent.toml"), ENVIRONMENT_PREFIX, variables)
            .expect("right");
    assert_eq!(config.device.id.as_str(), "gw-7");
    assert_eq!(config.control_socket(), Path::new("/data/control.sock"));
    assert_eq!(config.store.cache, Bytes::new(8 << 20));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.uplink.map(|uplink| uplink.url).as_deref(), Some("http://[::1]:1"));
}

#[test]
fn what_is_wrong_is_named_with_what_would_be_right() {
    check(
        "[broker]\nhots = 'a'",
        "agent.toml:3:1: there is no key `broker.hots`; did you mean `broker.host`?",
    );
    check(
        "[broker]\nhost = ''",
        "agent.toml: `broker.host`: is empty; the broker's name or address belongs here",
    );
    check(
        "[broker]\npassword_file = '/p'",
        "agent.toml: `broker.username`: is missing, but broker.password_file is there; a password has a user",
    );
    check(
        "[broker]\nkeep_alive = '1s'",
        "agent.toml: `broker.keep_alive`: lies outside 5s to 65535s, the range MQTT has room for",
    );
    check(
        "[broker]\n[log]\nformat = 'jurnald'",
        "agent.toml:4:10: `log.format` is \"jurnald\"; did you mean \"journald\"? It can be \"text\", \"json\", \
         \"journald\"",
    );
    check(
        "[broker]\n[uplink]\nurl = 'https://bridge.example'",
        "agent.toml: `uplink.url`: \"https://bridge.example\" is not the address of a bridge, as in \
         \"http://127.0.0.1:8480\"",
    );
    check(
        "[broker]\n[uplink]\nurl = 'http://10.0.0.1:8480'",
        "agent.toml: `uplink.url`: \"10.0.0.1\" is not this machine, and plain HTTP does not leave it; reach the \
         bridge through a tunnel",
    );
    check(
        "[broker]\n[store]\nquota = '16MiB'",
        "agent.toml: `store.quota`: is below 80MiB, what store.preallocate and four full commits take",
    );
    check(
        "[broker]\n[metrics]\nlisten = '0.0.0.0:9464'",
        "agent.toml: `metrics.listen`: 0.0.0.0:9464 can be reached from outside, without a password; use 127.0.0.1",
    );
    let deep = format!("data_dir = '/{}'\n[broker]", "x".repeat(120));
    check(
        &deep,
        "agent.toml: `control.socket`: is longer than the 107 bytes a socket's path may have; set a shorter one",
    );
    let error = read("[device]\nid = 'bed 12'\n[broker]").expect_err("a blank in an id");
    assert_eq!(
        error.to_string(),
        "agent.toml:2:6: `device.id`: a device id \"bed 12\" has the character ' '; use letters, digits, '-', '_' and \
         '.'"
    );
}

const UNIT: &str = include_str!("../../../packaging/tidegate.service");

#[test]
fn the_shipped_unit_sets_keys_that_exist() {
    let variables = UNIT
        .lines()
        .filter_map(|line| line.strip_prefix("Environment=")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config: Config =
        tidegate_settings::parse(EXAMPLE, Path::new("agent.toml"), ENVIRONMENT_PREFIX, variables)
            .expect("right");
    assert_eq!(config.data_dir, Path::new("/var/lib/tidegate"));
    assert_eq!(config.control_socket(), Path::new("/run/tidegate/control.sock"));
    assert_eq!(config.log.format, LogFormat::Journald);
}

#[test]
fn systemd_understands_the_shipped_units() {
    let dir = tempfile::tempdir().expect("a folder");
    let bridge = include_str!("../../../packaging/tidegate-bridge.service");
    for (name, unit) in [("tidegate.service", UNIT), ("tidegate-bridge.service", bridge)] {
        let path = dir.path().join(name);
        // It looks for the programs, too, and they are not installed here.
        let unit = unit
            .replace("/usr/bin/tidegate-bridge ", "/bin/true ")
            .replace("/usr/bin/tidegate ", "/bin/true ");
        std::fs::write(&path, unit).expect("a copy of the unit");
        let Ok(verified) = std::process::Command::new("systemd-analyze").arg("verify").arg(&path).output()
        else {
            println!("skipped: systemd-analyze is not installed");
            return;
        };
        let said = String::from_utf8_lossy(&verified.stderr);
        assert!(verified.status.success() && !said.contains(name), "{name}: {said}");
    }
}

#[test]
fn what_the_built_in_worker_is_told_is_checked() {
    let config = read("device.id = 'gw'\nworker.shadow_replay = 'always'").expect("it is a choice");
    assert_eq!(config.worker.shadow_replay, ShadowReplay::Always);
    check(
        "worker.deadlock_timeout = '10ms'",
        "agent.toml: `worker.deadlock_timeout`: is below 100ms, which honest code may take on a busy gateway",
    );
}
