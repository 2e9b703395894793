//! A real mosquitto with the settings we ship, on a port of its own, that can be killed and brought back.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The shipped settings; tests change where it listens and where it stores, and nothing else.
const SHIPPED: &str = include_str!("../../config/mosquitto.conf");

/// Longest a broker takes to begin or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A broker process. Killed when it is dropped.
#[derive(Debug)]
pub struct Mosquitto {
    program: PathBuf,
    dir: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Mosquitto {
    /// Starts a broker that keeps its files in `dir`. `None`, with a line that says so, where mosquitto is not
    /// installed; in CI that is a failure.
    ///
    /// # Panics
    /// When it does not start, or in CI is not there.
    pub fn start(dir: &Path, port: u16) -> Option<Self> {
        Self::start_with(dir, port, "")
    }

    /// The same, with lines added to its settings.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_with(dir: &Path, port: u16, added: &str) -> Option<Self> {
        let Some(program) = installed() else {
            assert!(
                std::env::var_os("CI").is_none(),
                "mosquitto is not installed: apt-get install mosquitto"
            );
            skipped();
            return None;
        };
        std::fs::create_dir_all(dir).expect("the broker's folder can be made");
        std::fs::write(dir.join("mosquitto.conf"), settings(dir, port, added))
            .expect("its settings can be written");
        let mut broker = Self { program, dir: dir.to_owned(), port, process: None };
        broker.restart();
        Some(broker)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// SIGKILL: what it had not written is gone.
    ///
    /// # Panics
    /// When the process cannot be waited for.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // An error says that it has ended already.
            drop(process.kill());
            process.wait().expect("a child can be waited for");
        }
    }

    /// SIGTERM: it writes what it has, and ends.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self) {
        if let Some(process) = &mut self.process {
            let terminate = Command::new("kill").arg("-TERM").arg(process.id().to_string()).status();
            assert!(terminate.is_ok_and(|status| status.success()), "mosquitto can be told to end");
            process.wait().expect("a child can be waited for");
            self.process = None;
        }
    }

    /// Begins again on the same port with what is stored; ends first if it runs.
    ///
    /// # Panics
    /// When it does not listen within a while.
    pub fn restart(&mut self) {
        self.stop();
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("mosquitto.log"))
            .expect("its log can be opened");
        let process = Command::new(&self.program)
            .arg("-c")
            .arg(self.dir.join("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mosquitto can be started");
        self.process = Some(process);
        self.wait_until_it_listens();
    }

    /// Deletes what it has stored: sessions, queues, retained messages. For while it is down.
    ///
    /// # Panics
    /// When it runs.
    pub fn forget(&mut self) {
        assert!(self.process.is_none(), "a running broker would write it again");
        // Not there: it had stored nothing.
        drop(std::fs::remove_file(self.dir.join("mosquitto.db")));
    }

    fn wait_until_it_listens(&mut self) {
        // A broker says nowhere but on its port that it listens.
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            let log = || std::fs::read_to_string(self.dir.join("mosquitto.log")).unwrap_or_default();
            assert!(ended.is_none(), "mosquitto ended: {}", log());
            assert!(begun.elapsed() < PATIENCE, "mosquitto does not listen on {}: {}", self.port, log());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A loopback port nobody listens on.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

/// A password file as `password_file` wants it, with one user.
///
/// # Panics
/// When `mosquitto_passwd` fails.
pub fn password_file(dir: &Path, user: &str, password: &str) -> PathBuf {
    let path = dir.join("passwords");
    let mut file = std::fs::File::create(&path).expect("a file can be made");
    writeln!(file, "{user}:{password}").expect("it can be written");
    let hashed = Command::new("mosquitto_passwd").arg("-U").arg(&path).status();
    assert!(hashed.is_ok_and(|status| status.success()), "mosquitto_passwd hashes the password");
    path
}

#[expect(clippy::print_stdout, reason = "whoever reads the test's output must see that nothing was tested")]
fn skipped() {
    println!("skipped: mosquitto is not installed (apt-get install mosquitto)");
}

/// mosquitto, where the system has it.
#[must_use]
pub fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian has it where only root's PATH looks.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join("mosquitto")).find(|program| program.is_file())
}

/// The settings we ship, for a broker on this port with its files in `dir`, and lines added to them.
pub(crate) fn settings(dir: &Path, port: u16, added: &str) -> String {
    let folder = dir.display();
    let own = |line: &str| match line.split(' ').next() {
        Some("listener") => format!("listener {port} 127.0.0.1"),
        Some("persistence_location") => format!("persistence_location {folder}/"),
        Some("allow_anonymous") if added.contains("allow_anonymous") => String::new(),
        Some("autosave_interval") if added.contains("autosave_interval") => String::new(),
        Some(_) | None => line.to_owned(),
    };
    // Started by root it would become another user, to whom the folder does not belong.
    let shipped: Vec<String> = SHIPPED.lines().map(own).collect();
    let user = if rustix::process::geteuid().is_root() { "user root\n" } else { "" };
    format!("{}\n{user}{added}\n", shipped.join("\n"))
}
