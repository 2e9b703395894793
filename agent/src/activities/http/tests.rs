//! Posting, to a server of the test's own.

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use tidegate_model::payload::FailureInfo;
use tokio::sync::mpsc;

use super::*;
use crate::activities::tests::context;

/// A server that answers `/<status>` with that status, and what it was asked.
async fn server() -> (String, mpsc::UnboundedReceiver<(Option<String>, String)>) {
    let (asked, is_asked) = mpsc::unbounded_channel();
    let answer = move |request: Request| {
        let asked = asked.clone();
        async move {
            let key =
                request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
            let path = request.uri().path().trim_start_matches('/').to_owned();
            let body = axum::body::to_bytes(request.into_body(), 1_000).await.expect("a small body");
            asked.send((key, String::from_utf8_lossy(&body).into_owned())).expect("the test listens");
            let status = path.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
            let text = if path == "long" { "x".repeat(1_000_000) } else { format!("about {path}") };
            (status.unwrap_or(StatusCode::OK), [("location", "/200")], text).into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    (format!("http://{address}"), is_asked)
}

fn request(url: String) -> HttpRequest {
    HttpRequest {
        url,
        headers: vec![("X-Ward".to_owned(), "7".to_owned())],
        content_type: "application/json".to_owned(),
        body: "{}".to_owned(),
    }
}

async fn post(url: String) -> Result<HttpAnswer, Failure> {
    Poster::new().expect("a client").handle(context("7", 2), request(url)).await
}

/// Whether a failure may be tried again, and its words.
fn judged(failure: Failure) -> (bool, String) {
    let FailureInfo::Application { non_retryable, .. } = failure.info else {
        panic!("an application's failure: {failure:?}");
    };
    (!non_retryable, failure.message)
}

#[tokio::test]
async fn an_answer_of_success_is_the_result_and_the_other_side_knows_who_asked() {
    let (url, mut asked) = server().await;
    let answer = post(format!("{url}/201")).await.expect("success");
    assert_eq!(answer, HttpAnswer { status: 201, body: "about 201".to_owned() });
    let key = "00000000-0000-0000-0000-000000000009/5/7".to_owned();
    assert_eq!(asked.recv().await, Some((Some(key), "{}".to_owned())));
}

#[tokio::test]
async fn later_is_tried_again_and_never_is_not() {
    let (url, _asked) = server().await;
    for (status, again) in [
        (500, true),
        (503, true),
        (408, true),
        (429, true),
        (400, false),
        (404, false),
        (410, false),
        (302, false),
    ] {
        let failure = post(format!("{url}/{status}")).await.expect_err("no success");
        let (retried, message) = judged(failure);
        assert_eq!(retried, again, "{message}");
        assert!(message.starts_with(&format!("answered with {status}")), "{message}");
    }
}

#[tokio::test]
async fn nobody_there_is_tried_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let (retried, message) = judged(post(format!("http://{address}/")).await.expect_err("nobody listens"));
    assert!(retried && message.to_lowercase().contains("refused"), "{message}");
}

#[tokio::test]
async fn a_long_answer_is_cut() {
    let (url, _asked) = server().await;
    let answer = post(format!("{url}/long")).await.expect("success");
    assert_eq!(answer.body.len(), HTTP_ANSWER_KEPT_BYTES_MAX);
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_tried_again() {
    for url in ["https://127.0.0.1/", "http://example.org/", "http://8.8.8.8/", "nowhere"] {
        let (retried, message) = judged(post(url.to_owned()).await.expect_err("refused"));
        assert!(!retried, "{message}");
    }
}

#[test]
fn without_tls_only_the_local_network_is_reached() {
    for right in [
        "http://127.0.0.1:8080/a",
        "http://localhost/",
        "http://[::1]/",
        "http://10.1.2.3/",
        "http://192.168.1.5/x?y=1",
        "http://[fd00::1]/",
        "http://homeassistant.local:8123/",
        "http://server/",
    ] {
        assert_eq!(check_url(right), Ok(()), "{right}");
    }
    for (wrong, expected) in [
        ("https://localhost/", "TLS comes with a later release"),
        ("http://example.org/", "nothing is sent to \"example.org\""),
        ("http://8.8.8.8/", "nothing is sent to \"8.8.8.8\""),
        ("http://local.example.org/", "nothing is sent to"),
        ("http://user:secret@localhost/", "ends up in histories"),
        ("ftp://localhost/", "is no way to post"),
        ("", "is not a URL"),
    ] {
        let problem = check_url(wrong).expect_err(wrong).to_string();
        assert!(problem.contains(expected), "{problem}");
    }
}
