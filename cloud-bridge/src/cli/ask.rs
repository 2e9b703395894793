//! Asking a bridge through its operator API.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::{Context, bail};
use reqwest::{Client, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::ErrorBody;

/// A bridge's operator API.
#[derive(Debug)]
pub(super) struct Operator {
    address: SocketAddr,
    client: Client,
}

/// Keys, and values where there are any.
pub(super) type Question<'a> = [(&'a str, Option<String>)];

impl Operator {
    pub(super) fn at(address: SocketAddr) -> anyhow::Result<Self> {
        // The bridge is on this machine: a proxy has no business in between.
        let client = Client::builder().no_proxy().build().context("no HTTP client can be made")?;
        Ok(Self { address, client })
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        question: &Question<'_>,
    ) -> anyhow::Result<T> {
        let response = self.send(self.client.get(self.url(path)).query(question)).await?;
        self.understood(response.json().await)
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let response = self.send(self.client.post(self.url(path)).json(body)).await?;
        self.understood(response.json().await)
    }

    /// Copies an answer as it comes.
    pub(super) async fn copy(
        &self,
        path: &str,
        question: &Question<'_>,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        let mut response = self.send(self.client.get(self.url(path)).query(question)).await?;
        while let Some(piece) =
            response.chunk().await.context("the bridge broke off; what was printed is right")?
        {
            out.write_all(&piece)?;
        }
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => bail!(
                "no bridge answers at {}; start one with \"tidegate-bridge run -c config/bridge.toml\", or say where \
                 it listens with --operator",
                self.address
            ),
            Err(error) => {
                return Err(error).with_context(|| format!("the bridge at {} did not answer", self.address));
            }
        };
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        match response.json::<ErrorBody>().await {
            Ok(body) => bail!("{}; {}", body.error, body.remedy),
            Err(_) => bail!("what listens at {} is no bridge: it answers {status}", self.address),
        }
    }

    fn understood<T>(&self, answer: reqwest::Result<T>) -> anyhow::Result<T> {
        answer.with_context(|| {
            format!(
                "what listens at {} answers in other words: is it a bridge of another release?",
                self.address
            )
        })
    }
}

/// A text as one segment of a path (RFC 3986 §2.3).
pub(super) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn an_id_of_any_characters_is_one_segment() {
        assert_eq!(encoded("pipeline/hr ü.1~2"), "pipeline%2Fhr%20%C3%BC.1~2");
    }
}
