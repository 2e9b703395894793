//! A sensor on your laptop: `host_sensor --broker 127.0.0.1:1883 --source ward/bed-12 --count 1000`.
//!
//! Exits with 0 when every reading it took is acknowledged, with 1 when some are not.

use std::process::ExitCode;

use clap::Parser;
use tidegate_firmware_examples::host::{self, Options, Report};
use tokio::sync::watch;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.send_replace(true);
        }
    });
    let report = host::run(&options, stopped, |report| {
        if options.progress {
            print(&options, report);
        }
    })
    .await?;
    print(&options, &report);
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn print(options: &Options, report: &Report) {
    println!("{}", if options.json { report.to_json() } else { report.to_text() });
}
