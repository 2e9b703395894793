//! A publisher that is faster than any sensor: QoS 1, a thousand messages under way, small JSON readings.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, anyhow};
use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, PublishOptions, QoS};
use tidegate_tests::site::Site;

use crate::DEVICE;

/// Messages under way at once.
const IN_FLIGHT: u16 = 1_000;
/// Sources the readings come from, in turn.
pub(crate) const SOURCES: u64 = 10;

/// Numbers of one waveform.
const WAVE_VALUES: u64 = 50;

/// A pipeline that reads the plain topics and never decides.
pub(crate) const PLAIN_PIPELINE: (&str, &str) = (
    "plain.toml",
    r#"
name = "plain"
[[source]]
topic = "ward/{bed}/HR"
source = "ward/{bed}"
channel = "HR"
value = "/value"
unit = "/unit"
time = "/time"
[window]
length = "1m"
time = "gateway"
[condition]
when = "max > 1000.0"
[[step]]
name = "never"
kind = "publish"
topic = "alarm/{source}"
payload = "{max}"
"#,
);

/// What the messages look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Our own topic and payload, with an identity; each is confirmed to its source besides the PUBACK.
    Ours,
    /// A topic of the integrator's that a pipeline reads, without an identity.
    Plain,
    /// Our own again, a waveform of [`WAVE_VALUES`] numbers in each: what fills a disk.
    Wave,
}

impl Form {
    /// Topic and payload of message `number` of a session.
    pub(crate) fn message(self, session: u64, number: u64) -> (String, String) {
        let bed = number % SOURCES;
        let value = 60.0 + noise(number) as f64 / 100.0;
        let time = 1_795_000_000_000 + number * 7 + noise(number) % 7;
        let identity = || format!(r#""q":{{"b":{session},"n":{}}}"#, number / SOURCES);
        match self {
            Self::Ours => (
                format!("tidegate/{DEVICE}/reading/ward/bed-{bed}/HR"),
                format!(r#"{{"v":{value},"u":"/min","t":{time},{}}}"#, identity()),
            ),
            Self::Plain => {
                (format!("ward/bed-{bed}/HR"), format!(r#"{{"value":{value},"unit":"/min","time":{time}}}"#))
            }
            Self::Wave => {
                let values: Vec<String> = (0..WAVE_VALUES)
                    .map(|at| (noise(number * WAVE_VALUES + at) as f64 / 1_000.0).to_string())
                    .collect();
                (
                    format!("tidegate/{DEVICE}/reading/ward/bed-{bed}/ECG"),
                    format!(r#"{{"v":[{}],"u":"mV","t":{time},{}}}"#, values.join(","), identity()),
                )
            }
        }
    }
}

/// Values and stamps differ as a sensor's do: ten bits of noise.
fn noise(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54
}

/// What to publish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// In which form.
    pub(crate) form: Form,
    /// The session of the identities; different for each load on one store.
    pub(crate) session: u64,
    /// How many.
    pub(crate) messages: u64,
    /// Messages handed over together, and the pause after them; as fast as it goes without.
    pub(crate) pace: Option<(u64, Duration)>,
}

/// Publishes all of it from a thread of its own, which ends when the broker has acknowledged everything.
pub(crate) fn start(site: &Site, load: Load) -> JoinHandle<anyhow::Result<()>> {
    let address = site.broker_address();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut options = MqttOptions::new(
                format!("publisher-{}", load.session),
                (address.ip().to_string(), address.port()),
            );
            options.set_inflight(IN_FLIGHT).set_max_request_batch(256).set_read_batch_size(256);
            let (client, mut connection) =
                AsyncClient::builder(options).capacity(usize::from(IN_FLIGHT)).build();
            let feeding = tokio::spawn(feed(client, load));
            let mut acknowledged = 0;
            while acknowledged < load.messages {
                match connection.poll().await.context("the publisher's connection")? {
                    Event::Incoming(Incoming::PubAck(_)) => acknowledged += 1,
                    Event::Incoming(_) | Event::Outgoing(_) => {}
                }
            }
            feeding.await.context("the publisher's feed")?.map(drop)
        })
    })
}

async fn feed(client: AsyncClient, load: Load) -> anyhow::Result<AsyncClient> {
    for number in 0..load.messages {
        let (topic, payload) = load.form.message(load.session, number);
        client
            .publish(topic, payload, PublishOptions::new(QoS::AtLeastOnce))
            .await
            .map_err(|error| anyhow!("the publisher's queue: {error}"))?;
        if let Some((together, pause)) = load.pace
            && (number + 1) % together == 0
        {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(client)
}

/// Waits for a publisher's end.
pub(crate) fn finish(publisher: JoinHandle<anyhow::Result<()>>) -> anyhow::Result<()> {
    publisher.join().map_err(|_| anyhow!("the publisher panicked"))?
}
