//! `http.post`: done when the other side answers with success. Plain HTTP, so only to this machine and its local network;
//! TLS comes with a later release.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use serde::{Deserialize, Serialize};
use tidegate_model::limits::{HTTP_ANSWER_BYTES_MAX, HTTP_ANSWER_KEPT_BYTES_MAX};
use tidegate_model::payload::Failure;

use super::SetUpError;
use crate::worker::{Activity, ActivityContext, Handler};

/// By which the other side recognises a repetition (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The activity type.
#[derive(Debug)]
pub struct HttpPost;

impl Activity for HttpPost {
    const TYPE: &'static str = "http.post";
    type Input = HttpRequest;
    type Output = HttpAnswer;
}

/// What to post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// Where; see [`check_url`].
    pub url: String,
    /// Further headers. A `Content-Type` among them wins over the one below.
    pub headers: Vec<(String, String)>,
    /// What the body is.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// How it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// 200 to 299.
    pub status: u16,
    /// The beginning of the answer, as text.
    pub body: String,
}

/// What is wrong with a request, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{wrong}; {remedy}")]
pub struct Problem {
    /// What is wrong.
    pub wrong: String,
    /// What would be right.
    pub remedy: String,
}

fn problem(wrong: impl Into<String>, remedy: impl Into<String>) -> Problem {
    Problem { wrong: wrong.into(), remedy: remedy.into() }
}

/// Whether requests can go there: `http`, to this machine or its local network.
///
/// # Errors
/// [`Problem`].
pub fn check_url(text: &str) -> Result<(), Problem> {
    parse_url(text).map(drop)
}

fn parse_url(text: &str) -> Result<Url, Problem> {
    let example = "as in \"http://127.0.0.1:8080/alarms\"";
    let url =
        Url::parse(text).map_err(|error| problem(format!("{text:?} is not a URL: {error}"), example))?;
    match url.scheme() {
        "http" => {}
        "https" => {
            let remedy =
                "TLS comes with a later release: post to a proxy on this machine by http:// meanwhile";
            return Err(problem("https cannot be spoken yet", remedy));
        }
        other => return Err(problem(format!("{other:?} is no way to post"), example)),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(problem("a password in a URL ends up in histories", "send it as a header"));
    }
    let host = url.host_str().unwrap_or_default();
    if !is_local(host) {
        let remedy = "it can go to this machine or its local network (an address of 10/8, 172.16/12, 192.168/16, a name \
                      without dots, or one that ends in .local, .lan, .home.arpa or .internal)";
        return Err(problem(format!("without TLS nothing is sent to {host:?}"), remedy));
    }
    Ok(url)
}

fn is_local(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    match literal.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => is_local_v6(address),
        Err(_) => {
            let name = host.trim_end_matches('.');
            !name.contains('.')
                || [".local", ".lan", ".home.arpa", ".internal", ".localhost"]
                    .iter()
                    .any(|end| name.ends_with(end))
        }
    }
}

fn is_local_v6(address: Ipv6Addr) -> bool {
    address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
}

/// Whether a header can be sent.
///
/// # Errors
/// [`Problem`].
pub fn check_header(name: &str, value: &str) -> Result<(), Problem> {
    header(name, value).map(drop)
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Problem> {
    let parsed = HeaderName::from_str(name)
        .map_err(|_| problem(format!("{name:?} is not a header's name"), "use letters, digits and '-'"))?;
    if parsed == IDEMPOTENCY_KEY {
        return Err(problem("Idempotency-Key is set by the agent", "leave it out"));
    }
    let value = HeaderValue::from_str(value)
        .map_err(|_| problem("a header's value has no control characters", "take them out"))?;
    Ok((parsed, value))
}

/// Posts.
pub(super) struct Poster {
    client: Client,
}

impl Poster {
    pub(super) fn new() -> Result<Self, SetUpError> {
        // A redirect could lead off the local network, and a proxy of the environment is off it already. The time an
        // attempt may take is the activity's own.
        let client = Client::builder().redirect(redirect::Policy::none()).no_proxy().build()?;
        Ok(Self { client })
    }

    async fn post(&self, cx: &ActivityContext, request: HttpRequest) -> Result<HttpAnswer, Failure> {
        let never = |problem: Problem| Failure::application(problem.to_string(), "InvalidRequest", true);
        let url = parse_url(&request.url).map_err(never)?;
        let mut headers = HeaderMap::new();
        let (name, value) = header(CONTENT_TYPE.as_str(), &request.content_type).map_err(never)?;
        headers.insert(name, value);
        for (name, value) in &request.headers {
            let (name, value) = header(name, value).map_err(never)?;
            headers.insert(name, value);
        }
        let key = HeaderValue::from_str(&cx.idempotency_key()).expect("ids are plain text");
        headers.insert(IDEMPOTENCY_KEY, key);
        let sent = self.client.post(url).headers(headers).body(request.body).send().await;
        let response = sent.map_err(|error| Failure::application(unreached(&error), "Network", false))?;
        let status = response.status();
        let body = beginning(response).await;
        if status.is_success() {
            return Ok(HttpAnswer { status: status.as_u16(), body });
        }
        let message = format!("answered with {status}: {body}");
        Err(Failure::application(message, "HttpStatus", !is_worth_another_try(status)))
    }
}

impl Handler<HttpPost> for Poster {
    async fn handle(&self, cx: ActivityContext, request: HttpRequest) -> Result<HttpAnswer, Failure> {
        self.post(&cx, request).await
    }
}

/// 408, 429 and 5xx say "later"; the rest says "never like this".
fn is_worth_another_try(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

/// The error with its causes: reqwest's own text does not say what happened.
fn unreached(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The beginning of an answer. What breaks off or does not end says no less for that.
async fn beginning(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < HTTP_ANSWER_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    text.truncate(text.floor_char_boundary(HTTP_ANSWER_KEPT_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests;
