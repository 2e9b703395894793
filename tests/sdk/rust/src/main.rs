//! Conformance of a server with the Rust SDK: program ADDRESS NAMESPACE OUTPUT
//!
//! Prints `ok <step>` for each step. At READY-FOR-KILL the server may be killed and started again; a line on the
//! standard input (or its end) says that this is over. Histories are written to OUTPUT and replayed. The exit code is 0
//! if all was as it should be; otherwise the reason stands in the last lines.

mod activities;
mod workflows;
mod driver;
mod steps;
mod outage;
mod histories;

use std::path::Path;

use anyhow::{Context, Result, bail};

use driver::Driver;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, namespace, output] = arguments.as_slice() else {
        bail!("usage: program ADDRESS NAMESPACE OUTPUT");
    };
    let output = Path::new(output);
    let driver = Driver::connect(address, namespace).await?;
    steps::register_search_attributes(&driver).await?;
    let run = async {
        for (name, step) in steps::IN_ORDER {
            step(&driver).await.with_context(|| format!("step {name}"))?;
            ok(name);
        }
        outage::outlast(&driver, wait_for_kill(), ok).await?;
        ok(&format!("histories ({})", histories::save(&driver, output).await?));
        Ok(())
    };
    driver.with_worker(&driver.task_queue, run).await?;
    ok(&format!("replay ({})", histories::replay(output).await?));
    Ok(())
}

fn ok(step: &str) {
    println!("ok {step}");
}

async fn wait_for_kill() -> Result<()> {
    println!("READY-FOR-KILL");
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    Ok(())
}
