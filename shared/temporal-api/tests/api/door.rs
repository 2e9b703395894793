//! Who is let in, and what happens to who is not.

use axum::Router;
use axum::routing::get;
use prost::Message as _;
use tidegate_temporal_api::proto::errordetails::PermissionDeniedFailure;
use tidegate_temporal_api::proto::google::rpc;
use tidegate_temporal_api::proto::health::{HealthCheckRequest, HealthCheckResponse};
use tidegate_temporal_api::{ApiKey, ServeError, Settings, Tls, check};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::{Code, Request, Status};

use crate::caller::Caller;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const KEY: &str = "correct-horse-battery";

async fn health(caller: &Caller, request: Request<HealthCheckRequest>) -> Result<i32, Status> {
    caller.call::<HealthCheckRequest, HealthCheckResponse>(CHECK, request).await.map(|answer| answer.status)
}

fn health_of(service: &str) -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest { service: service.to_owned() })
}

fn guarded() -> Settings {
    Settings { api_key: Some(ApiKey::new(KEY).expect("long enough")), ..Settings::default() }
}

async fn plain_http(caller: &Caller, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(caller.address).await.expect("the server listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer in text");
    answer
}

#[tokio::test]
async fn health_is_told_of_every_service_and_of_no_other() {
    let caller = Caller::new().await.compressing();
    for service in [
        "",
        "temporal.api.workflowservice.v1.WorkflowService",
        "temporal.api.operatorservice.v1.OperatorService",
    ] {
        assert_eq!(health(&caller, health_of(service)).await.expect(service), 1);
    }
    let unknown = health(&caller, health_of("temporal.api.adminservice.v1.AdminService")).await;
    assert_eq!(unknown.expect_err("not served").code(), Code::NotFound);
}

#[tokio::test]
async fn a_method_that_is_not_served_is_named() {
    let caller = Caller::new().await;
    let check = async |path, words: &str| {
        let status = caller.call::<(), ()>(path, ()).await.expect_err("not served");
        assert_eq!((status.code(), status.message()), (Code::Unimplemented, words));
    };
    check(
        "/temporal.api.workflowservice.v1.WorkflowService/DescribeWorkerDeployment",
        "unknown method DescribeWorkerDeployment for service temporal.api.workflowservice.v1.WorkflowService",
    )
    .await;
    check("/no.such.Service/Do", "unknown method Do for service no.such.Service").await;
}

#[tokio::test]
async fn a_request_without_the_key_is_refused_with_typed_details() {
    let caller = Caller::with(guarded()).await;
    let check = async |authorization: Option<&str>| {
        let mut request = health_of("");
        if let Some(value) = authorization {
            request.metadata_mut().insert("authorization", value.parse().expect("ASCII"));
        }
        health(&caller, request).await
    };
    for wrong in
        [None, Some("Bearer wrong-horse-battery"), Some(KEY), Some("Bearer"), Some("Basic abcdefghijk")]
    {
        let status = check(wrong).await.expect_err("no key");
        assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "Request unauthorized."));
        let details = rpc::Status::decode(status.details()).expect("a google.rpc.Status");
        assert_eq!(details.code, Code::PermissionDenied as i32);
        let [detail] = details.details.as_slice() else { panic!("one detail") };
        assert_eq!(
            detail.type_url,
            "type.googleapis.com/temporal.api.errordetails.v1.PermissionDeniedFailure"
        );
        let detail = PermissionDeniedFailure::decode(detail.value.as_slice()).expect("of that type");
        assert_eq!(detail.reason, "the API key is missing or wrong");
    }
    assert_eq!(check(Some(&format!("Bearer {KEY}"))).await.expect("the key"), 1);
    assert_eq!(check(Some(&format!("bearer {KEY}"))).await.expect("the key"), 1);
}

#[tokio::test]
async fn routes_of_the_host_stand_beside_the_methods_and_behind_the_same_key() {
    let routes = || Router::new().route("/hello", get(async || "there"));
    let open = Caller::with(Settings { routes: routes(), ..Settings::default() }).await;
    let answer = plain_http(&open, "/hello", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("there"), "{answer}");
    let closed = Caller::with(Settings { routes: routes(), ..guarded() }).await;
    let answer = plain_http(&closed, "/hello", "").await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let answer = plain_http(&closed, "/hello", &format!("authorization: Bearer {KEY}\r\n")).await;
    assert!(answer.ends_with("there"), "{answer}");
}

#[test]
fn an_address_that_others_reach_wants_a_key_or_tls() {
    let open = "0.0.0.0:7233".parse().expect("an address");
    let error = check(open, &Settings::default()).expect_err("open to everybody");
    assert!(matches!(error, ServeError::Unprotected { .. }));
    assert!(error.to_string().contains("set an API key or TLS"), "{error}");
    check(open, &guarded()).expect("guarded by a key");
    check("127.0.0.1:7233".parse().expect("an address"), &Settings::default()).expect("loopback");
    check("[::1]:7233".parse().expect("an address"), &Settings::default()).expect("loopback");
}

#[test]
fn a_key_that_could_be_guessed_or_not_be_sent_is_refused() {
    for wrong in ["", "short", "with a space in it and long", "währungsreserve-1234"] {
        let words = ApiKey::new(wrong).expect_err(wrong).to_string();
        assert!(words.starts_with("an API key has at least 16 visible ASCII characters"), "{words}");
    }
}

#[test]
fn what_is_no_certificate_is_told_apart_from_what_is_no_key() {
    let words = |certificate: &[u8]| match Tls::from_pem(certificate, b"", None) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("not PEM"),
    };
    assert_eq!(words(b""), "the certificate has no CERTIFICATE section");
    let certificate = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    assert!(words(certificate).starts_with("the key is not PEM"));
}

// Of these tests alone, good for a hundred years; nobody else has cause to trust them.
const CERTIFICATE: &[u8] = include_bytes!("tls/certificate.pem");
const CERTIFICATE_KEY: &[u8] = include_bytes!("tls/key.pem");

/// One request over TLS, in HTTP/1.1.
async fn over_tls(caller: &Caller, path: &str) -> String {
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CERTIFICATE).expect("PEM")).expect("it can be trusted");
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let stream = TcpStream::connect(caller.address).await.expect("the server listens");
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = connector.connect(name, stream).await.expect("the certificate is trusted");
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer in text");
    answer
}

#[tokio::test]
async fn a_listener_with_a_certificate_speaks_tls_and_nothing_else() {
    let tls = Tls::from_pem(CERTIFICATE, CERTIFICATE_KEY, None).expect("they belong together");
    let routes = Router::new().route("/hello", get(async || "there"));
    let caller = Caller::with(Settings { tls: Some(tls), routes, ..Settings::default() }).await;
    let answer = over_tls(&caller, "/hello").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("there"), "{answer}");
    let mut stream = TcpStream::connect(caller.address).await.expect("the server listens");
    stream.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("it is taken");
    let mut answer = Vec::new();
    // A reset is as good as an end: nothing is said in the clear either way.
    drop(stream.read_to_end(&mut answer).await);
    assert!(!String::from_utf8_lossy(&answer).contains("there"));
}

#[test]
fn clients_that_must_show_a_certificate_need_an_authority() {
    Tls::from_pem(CERTIFICATE, CERTIFICATE_KEY, Some(CERTIFICATE)).expect("an authority");
    let words = match Tls::from_pem(CERTIFICATE, CERTIFICATE_KEY, Some(b"")) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("nobody could be let in"),
    };
    assert_eq!(words, "the clients' authorities cannot verify anybody");
}
