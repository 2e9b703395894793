//! Load on any server that speaks Temporal's API, with one Rust SDK worker: load ADDRESS [ADDRESS …] [--scenario NAME]
//!
//! Scenarios have the names the field's load tools give them. With several addresses the same load goes to each, turn
//! by turn, and the figures stand side by side with their ratios, so that a noisy machine disturbs all alike.

mod figures;
mod scenarios;
mod workflows;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions};
use temporalio_sdk::{Runtime, Worker, WorkerOptions};

use figures::Figures;
use scenarios::{SCENARIOS, Scenario};
use workflows::Load;

struct Wish {
    addresses: Vec<String>,
    scenarios: Vec<&'static Scenario>,
    rounds: usize,
    scale: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let wish = Wish::from_arguments(std::env::args().skip(1))?;
    let mut servers = Vec::new();
    for address in &wish.addresses {
        servers.push(Server::connect(address).await.with_context(|| format!("{address} does not answer"))?);
    }
    println!("{}", figures::HEADER);
    for scenario in &wish.scenarios {
        let mut all: Vec<Figures> = servers.iter().map(|_| Figures::default()).collect();
        for round in 0..wish.rounds {
            for (server, figures) in servers.iter().zip(&mut all) {
                let label = format!("{}-{round}", scenario.name);
                figures.add(server.run(scenario, &label, wish.scale).await?);
            }
        }
        for (address, figures) in wish.addresses.iter().zip(&all) {
            println!("{}", figures.line(scenario.name, address, all.first()));
        }
    }
    Ok(())
}

impl Wish {
    fn from_arguments(arguments: impl Iterator<Item = String>) -> Result<Self> {
        const USAGE: &str = "usage: load ADDRESS [ADDRESS …] [--scenario NAME]… [--rounds N] [--scale F]";
        let mut wish = Self { addresses: Vec::new(), scenarios: Vec::new(), rounds: 3, scale: 1.0 };
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value; {USAGE}"));
            match argument.as_str() {
                "--scenario" => {
                    let name = value()?;
                    let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
                    let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
                    wish.scenarios
                        .push(found.with_context(|| format!("no scenario {name:?}; there are {names:?}"))?);
                }
                "--rounds" => wish.rounds = value()?.parse().context("--rounds is a whole number")?,
                "--scale" => wish.scale = value()?.parse().context("--scale is a number")?,
                flag if flag.starts_with('-') => bail!("{flag} is not known; {USAGE}"),
                _ => wish.addresses.push(argument),
            }
        }
        ensure!(!wish.addresses.is_empty(), USAGE);
        if wish.scenarios.is_empty() {
            wish.scenarios = SCENARIOS.iter().collect();
        }
        Ok(wish)
    }
}

/// A server under load, and how to reach it.
pub struct Server {
    pub client: Client,
    pub task_queue: String,
    runtime: Runtime,
}

impl Server {
    async fn connect(address: &str) -> Result<Self> {
        let runtime = Runtime::from_current_tokio(Default::default())?;
        let target = format!("http://{address}").parse::<temporalio_client::Url>()?;
        let connection = Connection::connect(ConnectionOptions::new(target).build()).await?;
        let client = Client::new(connection, ClientOptions::new("default").build())?;
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(Self { client, task_queue: format!("load-{}", since.as_millis()), runtime })
    }

    /// One round, with a worker of its own.
    async fn run(&self, scenario: &Scenario, label: &str, scale: f64) -> Result<Figures> {
        let load = Load::default();
        let options = WorkerOptions::new(self.task_queue.clone()).register_activities(load.clone());
        let options = workflows::with_all!(options).build();
        let mut worker = Worker::new(&self.runtime, self.client.clone(), options)?;
        let stop = worker.shutdown_handle();
        let mut running = std::pin::pin!(worker.run());
        let figures = tokio::select! {
            ended = &mut running => bail!("the worker ended by itself: {ended:?}"),
            figures = tokio::time::timeout(
                Duration::from_secs(600),
                (scenario.run)(self, &load, label, scale),
            ) => figures.context("a round of ten minutes is not going to end")??,
        };
        stop();
        running.await?;
        Ok(figures)
    }
}
