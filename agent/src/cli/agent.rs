//! Which agent a command asks, and how its answer is wanted: flags that every such command has.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::Config;
use crate::control::Caller;

/// Where a configuration is expected, and where `tidegate start-dev` is.
const CONFIG: &str = "/etc/tidegate/agent.toml";
const DEV_ADDRESS: &str = "127.0.0.1:7233";

/// How an answer is printed, as Temporal's command line calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

/// See the module.
#[derive(Debug, clap::Args)]
pub(super) struct Agent {
    /// Host and port of an agent that serves Temporal's API. Without this, --socket and --config it is the agent of
    /// /etc/tidegate/agent.toml or, where there is no such file, 127.0.0.1:7233.
    #[arg(long, conflicts_with_all = ["config", "socket"])]
    address: Option<String>,
    /// The API key it wants.
    #[arg(long, requires = "address")]
    api_key: Option<String>,
    /// The agent's configuration, which says where its control socket is.
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// The control socket itself.
    #[arg(long, conflicts_with = "config")]
    socket: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// How to print the answer.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

impl Agent {
    pub(super) fn caller(&self) -> anyhow::Result<Caller> {
        if let Some(address) = &self.address {
            return Ok(Caller::of_address(address, self.api_key.clone())?);
        }
        if let Some(socket) = &self.socket {
            return Ok(Caller::new(socket)?);
        }
        let config = match &self.config {
            Some(config) => config.clone(),
            None if PathBuf::from(CONFIG).exists() => PathBuf::from(CONFIG),
            None => return Ok(Caller::of_address(DEV_ADDRESS, None)?),
        };
        Ok(Caller::new(&Config::load(&config)?.control_socket())?)
    }

    pub(super) fn wants_json(&self) -> bool {
        self.json || self.output == Output::Json
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        route: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<T> {
        Ok(self.caller()?.get(route, query).await?)
    }

    pub(super) async fn post(&self, route: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(self.caller()?.post(route, body).await?)
    }
}
