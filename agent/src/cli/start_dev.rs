//! `tidegate start-dev`, with the flags of Temporal's development server.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Subcommand;
use tidegate_model::id::Namespace;

use crate::run::Native;
use crate::run::dev::{self, DevServer};

/// `tidegate server`.
#[derive(Debug, Subcommand)]
pub(super) enum Server {
    /// See `tidegate start-dev`.
    StartDev(StartDev),
}

#[derive(Debug, clap::Args)]
pub(super) struct StartDev {
    /// Where to listen; only addresses of this machine.
    #[arg(long, default_value = "127.0.0.1")]
    ip: IpAddr,
    /// Port of the API; 0 for one that is free.
    #[arg(short, long, default_value_t = 7233)]
    port: u16,
    /// File to keep everything in; without, it is gone when the server ends.
    #[arg(short = 'f', long)]
    db_filename: Option<PathBuf>,
    /// Namespaces to begin with, besides `default`; may be given several times.
    #[arg(short, long)]
    namespace: Vec<Namespace>,
    /// Without a web page. There is none, so it is always so.
    #[arg(long)]
    headless: bool,
    /// Where the web page would be.
    #[arg(long, hide = true)]
    ui_port: Option<u16>,
    /// A search attribute to begin with, as NAME=TYPE; may be given several times.
    #[arg(long, value_name = "NAME=TYPE")]
    search_attribute: Vec<String>,
    /// A limit, as KEY=VALUE under Temporal's name for it (limit.historyCount.error=1000); may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    dynamic_config_value: Vec<String>,
    /// The least important thing that is logged: debug, info, warn, error, never.
    #[arg(long, default_value = "warn")]
    log_level: String,
    /// How it is logged: text or json.
    #[arg(long, default_value = "text")]
    log_format: String,
}

/// Runs the server until it is told to stop.
pub(super) fn run(server: StartDev, natives: Vec<Native>) -> anyhow::Result<()> {
    let log = dev::log_settings(&server.log_level, &server.log_format)?;
    let server = DevServer {
        ip: server.ip,
        port: server.port,
        db_filename: server.db_filename,
        namespaces: server.namespace,
        search_attributes: server.search_attribute,
        dynamic_config: server.dynamic_config_value,
        log,
    };
    dev::main(server, natives)
}
