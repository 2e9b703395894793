//! The program itself: what it says when it cannot run, how it stops, and its command line.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tidegate_model::chance::Chance;
use tidegate_model::codec::{self, Kind};
use tidegate_model::lane::Lane;

use crate::device::Device;
use crate::running::{Running, copy_files};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tidegate-bridge");

fn program(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().expect("the program is there")
}

#[track_caller]
fn fails_saying(output: &Output, expected: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it succeeded, saying {said}");
    for part in expected {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
}

/// A settings file in a folder; `listen` is put into its section.
fn settings(folder: &Path, listen: &str) -> String {
    let path = folder.join("bridge.toml");
    let text = format!(
        "data_dir = {:?}\n[listen]\n{listen}\n[store]\npreallocate = \"1MiB\"\n",
        folder.join("data").to_str().expect("text")
    );
    std::fs::write(&path, text).expect("the folder takes a file");
    path.to_str().expect("text").to_owned()
}

const FREE: &str = "devices = '127.0.0.1:0'\noperator = '127.0.0.1:0'";

#[test]
fn a_settings_file_is_checked_without_running() {
    let folder = TempDir::new().expect("a folder");
    let right = settings(folder.path(), FREE);
    assert!(program(&["run", "-c", &right, "--check"]).status.success());
    let wrong = settings(folder.path(), "device = '127.0.0.1:0'");
    fails_saying(&program(&["run", "-c", &wrong, "--check"]), &["bridge.toml:3", "device", "devices"]);
    fails_saying(&program(&["run", "-c", "/nowhere/bridge.toml"]), &["/nowhere/bridge.toml"]);
}

#[test]
fn systemd_is_told_when_the_bridge_serves() {
    let folder = TempDir::new().expect("a folder");
    let config = settings(folder.path(), FREE);
    let socket = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&socket).expect("a socket");
    systemd.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
    let mut bridge = Command::new(PROGRAM)
        .args(["run", "-c", &config])
        .env("NOTIFY_SOCKET", &socket)
        .stdout(Stdio::null())
        .spawn()
        .expect("the program is there");
    let mut said = [0; 64];
    let length = systemd.recv(&mut said).expect("the bridge says that it is ready");
    assert_eq!(&said[..length], b"READY=1\n");
    bridge.kill().expect("it runs");
    bridge.wait().expect("it ends");
}

#[test]
fn an_address_open_to_others_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let config = settings(folder.path(), "devices = '0.0.0.0:7410'\noperator = '127.0.0.1:0'");
    let said = ["TLS is not available in this release", "listen.devices", "127.0.0.1:7410"];
    fails_saying(&program(&["run", "-c", &config, "--check"]), &said);
    fails_saying(&program(&["run", "-c", &config]), &said);
}

#[test]
fn a_port_in_use_is_named_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it has one");
    let folder = TempDir::new().expect("a folder");
    let config = settings(folder.path(), &format!("devices = '127.0.0.1:0'\noperator = '{address}'"));
    fails_saying(
        &program(&["run", "-c", &config]),
        &["listen.operator", &address.to_string(), "another process has it"],
    );
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named_with_its_key() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("data"), "a file").expect("the folder takes a file");
    let config = settings(folder.path(), FREE);
    fails_saying(&program(&["run", "-c", &config]), &["data_dir", "choose a folder"]);
}

#[test]
fn a_store_that_is_none_is_left_alone_and_named() {
    let folder = TempDir::new().expect("a folder");
    std::fs::create_dir(folder.path().join("data")).expect("a folder in it");
    let store = folder.path().join("data/bridge.redb");
    std::fs::write(&store, vec![7; 8_192]).expect("a file in it");
    let config = settings(folder.path(), FREE);
    fails_saying(&program(&["run", "-c", &config]), &["data_dir", "bridge.redb"]);
    assert_eq!(std::fs::read(&store).expect("it is still there"), vec![7; 8_192]);
}

/// A bridge in a process of its own.
struct Process {
    child: Child,
    devices: SocketAddr,
    said: BufReader<ChildStdout>,
}

impl Process {
    /// Starts a command that becomes the program, and waits until it says where it listens.
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut said = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        while !line.contains("listening") {
            line.clear();
            assert_ne!(said.read_line(&mut line).expect("text"), 0, "it ended before it listened");
        }
        let address = |key: &str| {
            let word = line.split_whitespace().find_map(|word| word.strip_prefix(key));
            word.expect("it says where it listens").parse().expect("an address")
        };
        Self { devices: address("devices="), said, child }
    }

    /// Waits for its end, and gives what it said last on both of its outputs.
    fn end(mut self) -> (ExitStatus, String, String) {
        let mut out = String::new();
        self.said.read_to_string(&mut out).expect("text");
        let output = self.child.wait_with_output().expect("it ends");
        (output.status, out, String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn told_to_stop_it_stops_in_order() {
    let folder = TempDir::new().expect("a folder");
    let config = settings(folder.path(), FREE);
    let process = Process::start(Command::new(PROGRAM).args(["run", "-c", &config]));
    let pid = process.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there").success());
    let (status, out, _) = process.end();
    assert!(status.success(), "{out}");
    assert!(out.contains("stopped"), "{out}");
}

#[tokio::test]
async fn a_commit_that_fails_ends_the_process_and_loses_nothing_acknowledged() {
    let folder = TempDir::new().expect("a folder");
    let config = settings(folder.path(), FREE);
    // The file may not grow beyond 4 MiB: the system answers writes with an error, as a full disk does.
    let limited = format!("trap '' XFSZ; ulimit -f 8192; exec {PROGRAM} run -c {config}");
    let process = Process::start(Command::new("sh").args(["-c", &limited]));
    let mut device = Device::new(1);
    let client = reqwest::Client::new();
    let url = |path: &str| format!("http://{}{path}", process.devices);
    let hello = codec::encode(Kind::Hello, &device.hello());
    client.post(url("/v1/devices/gw-1/hello")).body(hello).send().await.expect("it answers");
    let mut acknowledged = 0;
    loop {
        // Bytes that do not compress, so that the file fills up.
        let mut chance = Chance::new(acknowledged);
        let noise: Vec<u8> = (0..16_384).flat_map(|_| chance.next_u64().to_be_bytes()).collect();
        device.write_bytes(Lane::Samples, 1, noise);
        let body = codec::encode(Kind::Batch, &device.batch(Lane::Samples, acknowledged));
        let sent = client.post(url(&device.lane_path(Lane::Samples))).body(body).send().await;
        match sent {
            Ok(response) if response.status() == 200 => acknowledged += 1,
            Ok(response) => {
                break assert_eq!(response.status(), 429, "what became of it is not known: come again");
            }
            Err(_) => break,
        }
    }
    let (status, _, err) = process.end();
    assert!(!status.success() && err.contains("a commit to the store failed"), "{err}");
    assert!(acknowledged > 0, "it took something before");

    let kept = TempDir::new().expect("a folder");
    copy_files(&folder.path().join("data"), kept.path());
    let recovered = Running::on(kept).await;
    let ack = device.say_hello(&recovered).await.lanes[2].ack;
    assert!(ack >= acknowledged, "{ack} items are left of {acknowledged} acknowledged");
    recovered.stop().await;
}

#[test]
fn a_command_without_a_bridge_says_what_to_do() {
    let free =
        TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port").to_string();
    fails_saying(
        &program(&["device", "list", "--operator", &free]),
        &["no bridge answers at", "tidegate-bridge run"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_show_what_the_bridge_knows() {
    let bridge = Running::new().await;
    let mut device = Device::new(1);
    device.write_readings(3);
    device.write_run();
    device.write_window();
    device.say_hello(&bridge).await;
    for lane in Lane::ALL {
        device.send(&bridge, lane, 0).await.ack();
    }
    let operator = bridge.addresses.operator.to_string();
    let ask = async |args: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(args.split(' ')).args(["--operator", &operator]);
        let asked = tokio::task::spawn_blocking(move || command.output()).await;
        let output = asked.expect("no panic").expect("the program is there");
        assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        let is_json = args.contains("--json") || args.starts_with("sample");
        assert!(
            is_json || text.lines().all(|line| line.chars().count() <= 80),
            "wider than 80 columns:\n{text}"
        );
        text
    };
    assert!(ask("device list").await.contains("gw-1"));
    assert!(ask("device show gw-1").await.contains("COMPLETE THROUGH"));
    assert!(ask("workflow list gw-1 --status completed").await.contains("pipeline/hr/ward/bed-12"));
    assert!(ask("workflow show gw-1 pipeline/hr/ward/bed-12").await.contains("WorkflowExecutionCompleted"));
    assert!(ask("window list gw-1").await.contains("91.50"));
    assert!(ask("dead-letter list gw-1").await.contains("No dead letters."));
    assert_eq!(ask("sample export gw-1 --after 1").await.lines().count(), 2);
    assert!(ask("signal gw-1 patrol go --id s-1 --expires 10m --input {\"a\":1}").await.contains("waiting"));
    assert!(ask("signal list gw-1").await.contains("s-1"));
    assert!(ask("signal show gw-1 s-1").await.contains("Expires"));
    let json: serde_json::Value = serde_json::from_str(&ask("device list --json").await).expect("JSON");
    assert_eq!(json["devices"][0]["lanes"][2]["complete_through"], 3);

    let device_side = async {
        let signal = device.poll(&bridge, 0, 30).await.signals.remove(0);
        let mut device = device.clone();
        device.write_receipt(&signal);
        device.send(&bridge, Lane::Control, 1).await.ack()
    };
    let (shown, _) =
        tokio::join!(ask("signal gw-1 patrol go --id s-1 --input {\"a\":1} --wait"), device_side);
    assert!(shown.contains("applied, as event 9"), "{shown}");
    bridge.stop().await;
}
