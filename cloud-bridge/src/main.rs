//! The `tidegate-bridge` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidegate_bridge::cli::main(std::env::args_os())
}
