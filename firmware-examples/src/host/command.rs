//! The command around the sensors: arguments, signals, the report.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use std::{eprintln, println};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{Options, Report};

/// Runs the sensors with these arguments (the first is the program's name) until their readings are acknowledged, or
/// until SIGINT or SIGTERM, after which it still waits for the acknowledgements of what was sent.
///
/// Gives 0 when every reading taken is acknowledged, 1 when some are not.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let options = match Options::try_parse_from(arguments) {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
    match attend(&options) {
        Ok(report) if report.is_complete() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn attend(options: &Options) -> anyhow::Result<Report> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime")?;
    runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
        let run = super::run(options, stopped, |report| {
            if options.progress {
                print(options, report);
            }
        });
        tokio::pin!(run);
        let report = loop {
            tokio::select! {
                report = &mut run => break report?,
                _ = terminate.recv() => drop(stop.send_replace(true)),
                _ = interrupt.recv() => drop(stop.send_replace(true)),
            }
        };
        print(options, &report);
        Ok(report)
    })
}

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn print(options: &Options, report: &Report) {
    println!("{}", if options.json { report.to_json() } else { report.to_text() });
}

#[expect(clippy::print_stderr, reason = "where a command says what went wrong")]
fn complain(error: &anyhow::Error) {
    eprintln!("host_sensor: {error:#}");
}
