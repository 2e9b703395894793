//! The uplink's host: what the uplink asks, the gateway decides.

use std::time::Duration;

use anyhow::Context;
use tidegate_log::Reader;
use tidegate_model::id::Epoch;
use tidegate_model::lane::{Chain, Lane};
use tidegate_model::signal::{DownlinkSignal, SignalSeq};
use tidegate_model::time::Stamp;

use super::storage;
use crate::client::Client;
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::Input;
use crate::mqtt::AckToken;
use crate::uplink::{self, Bell, Host, Patience, Settings, Stopped, Uplink};

/// Starts the uplink, where there is one.
///
/// # Errors
/// When the bridge's address is not one.
pub(super) fn start(
    config: &Config,
    clock: &Clock,
    reader: Reader,
    client: Client<AckToken>,
    bell: &Bell,
) -> anyhow::Result<Option<Uplink>> {
    let Some(uplink) = &config.uplink else {
        tracing::info!("no uplink is configured; nothing is replicated");
        return Ok(None);
    };
    let backoff_max = uplink.retry_max.get();
    let settings = Settings {
        url: uplink.url.clone(),
        device: config.device.id.clone(),
        boot: clock.stamp().boot,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: super::seed()?,
        patience: Patience {
            exchange: uplink.timeout.get(),
            backoff_min: Duration::from_secs(1).min(backoff_max),
            backoff_max,
            ..Patience::default()
        },
    };
    let host = GatewayHost { clock: clock.clone(), client };
    uplink::start(settings, reader, host, bell).map(Some).context("uplink.url")
}

struct GatewayHost {
    clock: Clock,
    client: Client<AckToken>,
}

impl Host for GatewayHost {
    fn stamp(&self) -> Stamp {
        self.clock.stamp()
    }

    async fn acked(&self, lane: Lane, item: u64, chain: Chain) -> Result<(), Stopped> {
        self.client.send(Input::Acked { lane, item, chain }).await.map_err(|_| Stopped)
    }

    async fn record(&self, signals: Vec<DownlinkSignal>) -> Result<SignalSeq, Stopped> {
        self.client.downlink(signals).await.map_err(|_| Stopped)
    }

    async fn begin_epoch(&self) -> Result<Epoch, Stopped> {
        let epoch = storage::new_epoch().map_err(|error| {
            tracing::error!(%error, "no new epoch can be begun");
            Stopped
        })?;
        self.client.begin_epoch(epoch).await.map_err(|_| Stopped)
    }
}
