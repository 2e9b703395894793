//! What Tidegate costs, measured on real processes: memory, sizes, durable readings a second, flash bytes, restarts.
//!
//! `cargo build --release --bins && target/release/bench [measure…]`. Figures and what they say: docs/benchmarks.md.
//! Nothing is asserted about time; a round whose counts do not match is an error.

mod figures;
mod ingest;
mod machine;
mod memory;
mod publisher;
mod raw;
mod restart;
mod wear;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use tidegate_tests::programs;
use tidegate_tests::site::Site;

use figures::say;

/// The gateway's name in every measure.
const DEVICE: &str = "bench";

/// Measures of Tidegate on this machine, as a report on standard output.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Options {
    /// What to measure; everything when nothing is named
    #[arg(value_enum)]
    measures: Vec<Measure>,
    /// How often each measure is taken
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Where the stores lie while they are measured, on the disk that is of interest [default: a temporary folder]
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Stripped sizes of the programs
    Size,
    /// Memory of the agent: idle, loaded, loaded with open runs
    Memory,
    /// Readings a second on disk before their PUBACK
    Ingest,
    /// The same from a broker's queue, without a publisher
    Drain,
    /// Bytes on the device for each reading
    Wear,
    /// From SIGKILL to serving, with a store of 200 MB
    Restart,
}

fn main() -> ExitCode {
    match measure(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> anyhow::Result<()> {
    let temporary = match &options.folder {
        Some(folder) => tempfile::Builder::new().prefix("bench-").tempdir_in(folder),
        None => tempfile::Builder::new().prefix("tidegate-bench-").tempdir(),
    };
    let bench = Bench { folder: temporary.context("a folder for the stores")?, rounds: options.rounds };
    let measures = match options.measures.as_slice() {
        [] => Measure::value_variants(),
        named => named,
    };
    for measure in measures {
        match measure {
            Measure::Size => sizes()?,
            Measure::Memory => memory::measure(&bench)?,
            Measure::Ingest => ingest::live(&bench)?,
            Measure::Drain => ingest::drain(&bench)?,
            Measure::Wear => wear::measure(&bench)?,
            Measure::Restart => restart::measure(&bench)?,
        }
    }
    Ok(())
}

/// What every measure needs: a place and a patience.
#[derive(Debug)]
struct Bench {
    folder: tempfile::TempDir,
    rounds: u32,
}

impl Bench {
    /// A site of its own for one round, so that rounds do not see each other's stores.
    fn site(&self, name: &str, pipelines: &[(&str, &str)]) -> anyhow::Result<Site> {
        Site::prepare(&self.path().join(name), programs::built()?, DEVICE, pipelines)
    }

    /// Throws a round's files away: disks are finite.
    fn clear(&self, name: &str) -> anyhow::Result<()> {
        std::fs::remove_dir_all(self.path().join(name)).context("clearing a round's folder")
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn sizes() -> anyhow::Result<()> {
    say("\nsize of the programs, stripped");
    let programs = programs::built()?;
    for program in [&programs.agent, &programs.bridge] {
        let path = Path::new(program.first().context("a program has a name")?);
        let bytes = std::fs::metadata(path)?.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        say(&format!("  {name:<20}{bytes:>12} bytes ({:.1} MB)", figures::mega(bytes)));
    }
    Ok(())
}
