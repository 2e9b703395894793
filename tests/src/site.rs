//! One site as real processes in one folder: a broker, a gateway, the bridge, sensors, and the link between gateway
//! and bridge. The end-to-end tests and the demo drive it; nothing in it is simulated.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::link::Link;
use crate::mosquitto;

/// How to start each program: the program and its first arguments.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `tidegate`.
    pub agent: Vec<OsString>,
    /// `tidegate-bridge`.
    pub bridge: Vec<OsString>,
    /// `host_sensor`.
    pub sensor: Vec<OsString>,
    /// A broker, to which a port and a folder are given.
    pub broker: Broker,
}

/// Which broker.
#[derive(Debug, Clone)]
pub enum Broker {
    /// mosquitto, with the settings file we ship.
    Mosquitto(PathBuf),
    /// A program that takes `--port N` and listens there.
    Program(Vec<OsString>),
}

/// A process of the site. Killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program; what it prints goes to `<folder>/<name>.log`, after what is there already.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        name: &'static str,
        folder: &Path,
        program: &[OsString],
        arguments: &[OsString],
    ) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).context("the log of a process")?;
        let (path, first) = program.split_first().context("a program has a name")?;
        let child = clean(path)
            .args(first)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("the log of a process")?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("failed to start {name} ({})", path.display()))?;
        Ok(Self { name, child, log })
    }

    /// Pulls its plug: SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// When it had ended before.
    pub fn kill(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.ended()? {
            bail!("{} had ended before it was killed: {status}\n{}", self.name, self.said());
        }
        self.child.kill().context("SIGKILL")?;
        self.child.wait().context("waiting for a killed process")?;
        Ok(())
    }

    /// Asks it to stop (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// When it has not stopped within `patience`.
    pub fn stop(mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).context("SIGTERM")?;
        let since = Instant::now();
        while since.elapsed() < patience {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("{} did not stop within {patience:?}\n{}", self.name, self.said())
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child.try_wait().context("asking for a process")
    }

    /// Its number, for what the kernel says of it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file with everything it printed.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The end of what it printed.
    #[must_use]
    pub fn said(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The site.
#[derive(Debug)]
pub struct Site {
    /// Where everything is.
    pub folder: PathBuf,
    /// The gateway's name.
    pub device: String,
    /// The link from the gateway to the bridge.
    pub link: Link,
    programs: Programs,
    broker_port: u16,
    bridge_devices: SocketAddr,
    bridge_operator: SocketAddr,
}

impl Site {
    /// Prepares a site: ports, folders and configuration. Starts nothing yet. `pipelines` are names and texts of
    /// pipeline files.
    ///
    /// # Errors
    /// When the folder cannot be written, or there are no ports.
    pub fn prepare(
        folder: &Path,
        programs: Programs,
        device: &str,
        pipelines: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder.join("pipelines")).context("the site's folder")?;
        let folder = folder.canonicalize().context("the site's folder")?;
        for (name, text) in pipelines {
            fs::write(folder.join("pipelines").join(name), text).context("a pipeline file")?;
        }
        let bridge_devices = free_address()?;
        let site = Self {
            device: device.to_owned(),
            link: Link::to(bridge_devices)?,
            programs,
            broker_port: free_address()?.port(),
            bridge_devices,
            bridge_operator: free_address()?,
            folder,
        };
        fs::write(site.agent_config(), site.agent_settings())?;
        fs::write(site.bridge_config(), site.bridge_settings())?;
        Ok(site)
    }

    fn agent_settings(&self) -> String {
        let Self { device, broker_port, .. } = self;
        let uplink = self.link.address();
        format!(
            "data_dir = \"agent-data\"\n\
             [device]\nid = \"{device}\"\n\
             [broker]\nhost = \"127.0.0.1\"\nport = {broker_port}\nreconnect_max = \"2s\"\n\
             [pipelines]\ndir = \"pipelines\"\n\
             [uplink]\nurl = \"http://{uplink}\"\ntimeout = \"10s\"\nretry_max = \"2s\"\n"
        )
    }

    fn bridge_settings(&self) -> String {
        let Self { bridge_devices, bridge_operator, .. } = self;
        format!(
            "data_dir = \"bridge-data\"\n\
             [listen]\ndevices = \"{bridge_devices}\"\noperator = \"{bridge_operator}\"\n"
        )
    }

    /// The gateway's configuration file.
    #[must_use]
    pub fn agent_config(&self) -> PathBuf {
        self.folder.join("agent.toml")
    }

    /// The bridge's configuration file.
    #[must_use]
    pub fn bridge_config(&self) -> PathBuf {
        self.folder.join("bridge.toml")
    }

    /// The folder of the gateway's store.
    #[must_use]
    pub fn agent_data(&self) -> PathBuf {
        self.folder.join("agent-data")
    }

    /// The folder of the bridge's store.
    #[must_use]
    pub fn bridge_data(&self) -> PathBuf {
        self.folder.join("bridge-data")
    }

    /// Where the broker listens.
    #[must_use]
    pub fn broker_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.broker_port).into()
    }

    /// Where the bridge listens for devices, without the link.
    #[must_use]
    pub fn devices_address(&self) -> SocketAddr {
        self.bridge_devices
    }

    /// Where the operator API listens.
    #[must_use]
    pub fn operator_address(&self) -> SocketAddr {
        self.bridge_operator
    }

    /// Starts the broker and waits until it listens.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_broker(&self) -> anyhow::Result<Process> {
        let mut broker = match &self.programs.broker {
            Broker::Mosquitto(program) => {
                let state = self.folder.join("broker-data");
                fs::create_dir_all(&state)?;
                let settings = self.folder.join("mosquitto.conf");
                fs::write(&settings, mosquitto::settings(&state, self.broker_port, ""))?;
                let arguments = ["-c".into(), settings.into_os_string()];
                Process::start("broker", &self.folder, &[program.clone().into_os_string()], &arguments)?
            }
            Broker::Program(program) => {
                let arguments = ["--port".into(), self.broker_port.to_string().into()];
                Process::start("broker", &self.folder, program, &arguments)?
            }
        };
        let address = self.broker_address();
        wait_for(&mut broker, "listens", || Ok(TcpStream::connect(address).is_ok()))?;
        Ok(broker)
    }

    /// Starts the bridge and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_bridge(&self) -> anyhow::Result<Process> {
        let arguments = ["run".into(), "-c".into(), self.bridge_config().into_os_string()];
        let mut bridge = Process::start("bridge", &self.folder, &self.programs.bridge, &arguments)?;
        wait_for(&mut bridge, "answers", || Ok(self.operator("/healthz").is_ok()))?;
        Ok(bridge)
    }

    /// Starts the agent and waits until it answers on its socket.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_agent(&self) -> anyhow::Result<Process> {
        let arguments = ["run".into(), "-c".into(), self.agent_config().into_os_string()];
        let mut agent = Process::start("agent", &self.folder, &self.programs.agent, &arguments)?;
        wait_for(&mut agent, "answers", || Ok(self.agent("/v1/status").is_ok()))?;
        Ok(agent)
    }

    /// Starts sensors; `arguments` are those of `host_sensor`, broker and device are added.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn start_sensor(&self, arguments: &[&str]) -> anyhow::Result<Process> {
        let mut all: Vec<OsString> = vec![
            "--broker".into(),
            self.broker_address().to_string().into(),
            "--device".into(),
            self.device.clone().into(),
            "--json".into(),
        ];
        all.extend(arguments.iter().map(OsString::from));
        Process::start("sensor", &self.folder, &self.programs.sensor, &all)
    }

    /// Asks the gateway on its control socket.
    ///
    /// # Errors
    /// When it does not answer, or says no.
    pub fn agent(&self, route: &str) -> anyhow::Result<Value> {
        let socket = self.agent_data().join("control.sock");
        blocking(async {
            let http = reqwest::Client::builder().unix_socket(socket.as_path()).build()?;
            answer(http.get(format!("http://agent{route}"))).await
        })
    }

    /// Asks the bridge's operator API.
    ///
    /// # Errors
    /// When it does not answer, or says no.
    pub fn operator(&self, route: &str) -> anyhow::Result<Value> {
        let url = format!("http://{}{route}", self.bridge_operator);
        blocking(async { answer(reqwest::Client::builder().no_proxy().build()?.get(url)).await })
    }

    /// What the bridge holds of the gateway's latest epoch, a lane by its name.
    ///
    /// # Errors
    /// When the bridge does not answer or does not know the gateway.
    pub fn lane(&self, name: &str) -> anyhow::Result<Value> {
        let device = self.operator(&format!("/api/v1/devices/{}", self.device))?;
        let lanes = device["epochs"][0]["lanes"].as_array().cloned().unwrap_or_default();
        lanes.into_iter().find(|lane| lane["lane"] == name).context("the bridge knows the lane")
    }

    /// Readings the bridge has of the latest epoch; 0 while it does not know the gateway.
    #[must_use]
    pub fn readings_in_the_cloud(&self) -> u64 {
        self.lane("samples").ok().and_then(|lane| lane["complete_through"].as_u64()).unwrap_or(0)
    }

    /// Every reading the bridge has of an epoch, or of the latest.
    ///
    /// # Errors
    /// When the bridge does not answer.
    pub fn exported(&self, epoch: Option<&str>) -> anyhow::Result<Vec<Value>> {
        let query = epoch.map(|epoch| format!("?epoch={epoch}")).unwrap_or_default();
        let url = format!("http://{}/api/v1/devices/{}/samples{query}", self.bridge_operator, self.device);
        let text = blocking(async {
            let http = reqwest::Client::builder().no_proxy().build()?;
            Ok(http.get(url).send().await?.error_for_status()?.text().await?)
        })?;
        text.lines().map(|line| serde_json::from_str(line).context("a line of the export")).collect()
    }

    /// Publishes one message at QoS 1, as any client would.
    ///
    /// # Errors
    /// When `mosquitto_pub` is missing, or the broker does not take it.
    pub fn publish(&self, topic: &str, payload: &[u8]) -> anyhow::Result<()> {
        let file = self.folder.join("payload");
        fs::write(&file, payload)?;
        let port = self.broker_port.to_string();
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-f"]).arg(&file);
        let output = command.output().context("mosquitto_pub: apt-get install mosquitto-clients")?;
        ensure!(output.status.success(), "mosquitto_pub: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Runs a command of the agent's or the bridge's program to its end and gives what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn command(&self, which: Which, arguments: &[&str]) -> anyhow::Result<String> {
        let program = match which {
            Which::Agent => &self.programs.agent,
            Which::Bridge => &self.programs.bridge,
        };
        let (path, first) = program.split_first().context("a program has a name")?;
        let output = clean(path)
            .args(first)
            .args(arguments)
            .current_dir(&self.folder)
            .output()
            .context("a command")?;
        ensure!(
            output.status.success(),
            "{arguments:?} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// A command without the variables that the programs read: this test's own would be taken for settings.
fn clean(program: &OsString) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIDEGATE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Whose command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// `tidegate`.
    Agent,
    /// `tidegate-bridge`.
    Bridge,
}

/// Waits until `check` says yes, as long as the process lives.
///
/// # Errors
/// When the process ends first, or 30 s pass.
pub fn wait_for(
    process: &mut Process,
    what: &str,
    mut check: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let since = Instant::now();
    loop {
        if check()? {
            return Ok(());
        }
        if let Some(status) = process.ended()? {
            bail!("{} ended ({status}) before it {what}:\n{}", process.name, process.said());
        }
        ensure!(
            since.elapsed() < Duration::from_secs(30),
            "{} is up, but not so that it {what}:\n{}",
            process.name,
            process.said()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An address that nothing listened on a moment ago.
///
/// # Errors
/// When there is none.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

async fn answer(request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
    let response = request.timeout(Duration::from_secs(10)).send().await?;
    let status = response.status();
    let body = response.text().await?;
    ensure!(status.is_success(), "{status}: {body}");
    Ok(serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

fn blocking<T>(question: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(question)
}
