//! HTTP to the bridge: one request, one answer, everything bounded. The only place that knows reqwest.

use std::fmt;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, redirect};
use serde::de::DeserializeOwned;
use tidegate_model::codec::{self, Kind};
use tidegate_model::id::Epoch;
use tidegate_model::lane::Lane;
use tidegate_model::limits::WIRE_BYTES_MAX;
use tidegate_model::replication::{BatchReply, Downlink, Hello, HelloReply, Refusal};
use tidegate_model::signal::SignalSeq;

use super::{Patience, Settings};

/// What is added to the time a poll may take, for the way there and back.
const POLL_MARGIN: Duration = Duration::from_secs(10);
/// What an envelope travels as.
const ENVELOPE: &str = "application/vnd.tidegate.envelope";

/// Why the bridge's address is not one, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Encrypted, which this release does not do.
    #[error(
        "{url}: https:// comes with a later release; use http:// to a bridge on this machine, or through a tunnel"
    )]
    Tls {
        /// The address.
        url: String,
    },
    /// Something else.
    #[error("{url:?} is not the address of a bridge ({reason}); http://host:port is")]
    NotHttp {
        /// The address.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

/// Why there is no answer that could be used.
#[derive(Debug)]
pub(super) enum Failure {
    /// The bridge says no.
    Refused(Refusal),
    /// Something in between says wait.
    Busy(Option<Duration>),
    /// Something in between says it is too large.
    TooLarge,
    /// No answer in time.
    TimedOut(String),
    /// No answer, or none that is understood: whether the request arrived is unknown.
    Lost(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Refusal::OutOfOrder { expected }) => {
                write!(f, "the bridge expects {} from item {}", expected.lane.name(), expected.ack + 1)
            }
            Self::Refused(Refusal::Stale) => f.write_str("the bridge took the hello for an old one"),
            Self::Refused(Refusal::UnknownEpoch) => f.write_str("the bridge does not know this epoch"),
            Self::Refused(Refusal::BrokenChain { expected }) => {
                write!(f, "the bridge has other {} up to item {}", expected.lane.name(), expected.ack)
            }
            Self::Refused(Refusal::TooLarge { limit_bytes }) => {
                write!(f, "the bridge takes {limit_bytes} bytes at most")
            }
            Self::Refused(Refusal::Busy { .. }) | Self::Busy(_) => f.write_str("the bridge is busy"),
            Self::Refused(Refusal::Malformed { reason }) => write!(f, "the bridge refused it: {reason}"),
            Self::TooLarge => f.write_str("something on the way takes no message of this size"),
            Self::TimedOut(what) => write!(f, "no answer in time: {what}"),
            Self::Lost(what) => f.write_str(what),
        }
    }
}

/// The way to the bridge.
#[derive(Debug)]
pub(super) struct Wire {
    client: Client,
    base: String,
    patience: Patience,
}

impl Wire {
    pub(super) fn new(settings: &Settings) -> Result<Self, InvalidUrl> {
        let url = || settings.url.clone();
        let parsed = Url::parse(&settings.url)
            .map_err(|error| InvalidUrl::NotHttp { url: url(), reason: error.to_string() })?;
        match parsed.scheme() {
            "http" => {}
            "https" => return Err(InvalidUrl::Tls { url: url() }),
            other => {
                return Err(InvalidUrl::NotHttp { url: url(), reason: format!("{other}:// is not spoken") });
            }
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(InvalidUrl::NotHttp { url: url(), reason: "it ends with a question".to_owned() });
        }
        let base = format!("{}/v1/devices/{}", parsed.as_str().trim_end_matches('/'), settings.device);
        Ok(Self { client: client(&settings.patience), base, patience: settings.patience })
    }

    pub(super) async fn hello(&self, hello: &Hello) -> Result<HelloReply, Failure> {
        let request =
            self.client.post(format!("{}/hello", self.base)).body(codec::encode(Kind::Hello, hello));
        exchange(request.timeout(self.patience.exchange), Kind::HelloReply).await
    }

    /// Sends a sealed batch.
    pub(super) async fn batch(&self, epoch: Epoch, lane: Lane, sealed: &[u8]) -> Result<BatchReply, Failure> {
        let url = format!("{}/epochs/{epoch}/lanes/{}", self.base, lane.number());
        let request = self.client.post(url).body(sealed.to_vec());
        exchange(request.timeout(self.patience.exchange), Kind::BatchReply).await
    }

    /// Waits for signals after `after`.
    pub(super) async fn poll(&self, after: SignalSeq) -> Result<Downlink, Failure> {
        let wait = self.patience.poll.as_secs();
        let request = self.client.get(format!("{}/downlink?after={after}&wait={wait}", self.base));
        exchange(request.timeout(self.patience.poll + POLL_MARGIN), Kind::Downlink).await
    }
}

/// The client, and the one place where a connection gets its security.
fn client(patience: &Patience) -> Client {
    Client::builder()
        .http1_only()
        .tcp_nodelay(true)
        .no_proxy()
        // A redirected POST would send readings to whoever answers in a captive network.
        .redirect(redirect::Policy::none())
        .connect_timeout(patience.connect)
        .build()
        .expect("nothing in these settings can be refused: no certificate, no proxy, no resolver of our own")
}

async fn exchange<T: DeserializeOwned>(request: RequestBuilder, kind: Kind) -> Result<T, Failure> {
    let response = request.header(CONTENT_TYPE, ENVELOPE).send().await.map_err(lost)?;
    let status = response.status();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let body = read(response).await?;
    if status == StatusCode::OK {
        return codec::decode(kind, &body, WIRE_BYTES_MAX)
            .map_err(|error| Failure::Lost(format!("an answer that is not understood: {error}")));
    }
    if let Ok(refusal) = codec::decode(Kind::Refusal, &body, WIRE_BYTES_MAX) {
        return Err(Failure::Refused(refusal));
    }
    // Not the bridge, then, but something in front of it.
    Err(match status {
        StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Failure::Busy(retry_after),
        other => Failure::Lost(format!("HTTP {other}, and not from a Tidegate bridge")),
    })
}

/// The body, as long as it is no longer than any answer may be.
async fn read(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(lost)? {
        if body.len() + piece.len() > WIRE_BYTES_MAX {
            return Err(Failure::Lost(format!("an answer of more than {WIRE_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The whole chain of causes: reqwest's own words only say that it did not work.
fn lost(error: reqwest::Error) -> Failure {
    let timed_out = error.is_timeout();
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    if timed_out { Failure::TimedOut(words) } else { Failure::Lost(words) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::id::{BootId, DeviceId};

    #[test]
    fn an_address_that_cannot_be_used_is_refused_with_what_would_be_right() {
        let check = |url: &str, expected: &str| {
            let refused = Wire::new(&settings(url)).map(drop).expect_err(url).to_string();
            assert_eq!(refused, expected);
        };
        check(
            "https://bridge:8443",
            "https://bridge:8443: https:// comes with a later release; use http:// to a bridge on this machine, or \
             through a tunnel",
        );
        check(
            "bridge:8080",
            "\"bridge:8080\" is not the address of a bridge (bridge:// is not spoken); http://host:port is",
        );
        check("", "\"\" is not the address of a bridge (relative URL without a base); http://host:port is");
    }

    #[test]
    fn a_path_before_v1_is_kept() {
        let base = |url: &str| Wire::new(&settings(url)).expect(url).base;
        assert_eq!(base("http://127.0.0.1:8080"), "http://127.0.0.1:8080/v1/devices/gw-1");
        assert_eq!(base("http://127.0.0.1:8080/tide/"), "http://127.0.0.1:8080/tide/v1/devices/gw-1");
    }

    fn settings(url: &str) -> Settings {
        Settings {
            url: url.to_owned(),
            device: DeviceId::new("gw-1").expect("a plain name"),
            boot: BootId::from_u128(1),
            agent_version: "0.0.0".to_owned(),
            seed: 1,
            patience: Patience::default(),
        }
    }
}
