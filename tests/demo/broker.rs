//! The built-in broker, for machines without mosquitto: rumqttd, in memory. Good for a demo; a gateway wants a broker
//! that keeps its sessions over a restart.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::screen;

#[derive(Debug, Parser)]
#[command(name = "demo role broker")]
struct Options {
    /// Where to listen, on loopback.
    #[arg(long)]
    port: u16,
}

/// Runs it until it is killed.
pub(crate) fn main(arguments: &[OsString]) -> ExitCode {
    let name = OsString::from("broker");
    match serve(&Options::parse_from(std::iter::once(&name).chain(arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen::failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options) -> anyhow::Result<()> {
    let config = toml::from_str(&settings(options.port)).context("the built-in broker's settings")?;
    rumqttd::Broker::new(config).start().context("the built-in broker")
}

fn settings(port: u16) -> String {
    format!(
        r#"
        id = 0
        [router]
        id = 0
        max_connections = 100
        max_outgoing_packet_count = 200
        max_segment_size = 10485760
        max_segment_count = 10
        [v4.1]
        name = "demo"
        listen = "127.0.0.1:{port}"
        next_connection_delay_ms = 1
        [v4.1.connections]
        connection_timeout_ms = 60000
        max_payload_size = 262144
        max_inflight_count = 100
        dynamic_filters = true
        "#
    )
}
