//! TLS of the listener: rustls with ring, from PEM that the host has read.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{Error, RootCertStore, ServerConfig};

/// A certificate with its key, and whose clients are let in.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
}

/// Why PEM does not make a TLS listener.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTls {
    /// Not a chain of certificates.
    #[error("the certificate is not PEM with at least one CERTIFICATE section")]
    Certificate(#[source] pem::Error),
    /// No certificate in it.
    #[error("the certificate has no CERTIFICATE section")]
    NoCertificate,
    /// Not a key.
    #[error("the key is not PEM with a PRIVATE KEY section (PKCS#8, PKCS#1 or SEC1)")]
    Key(#[source] pem::Error),
    /// Key and certificate do not belong together, or are of a kind that is not supported.
    #[error("the certificate and its key cannot be used together")]
    Pair(#[source] Error),
    /// Not certificates.
    #[error("the clients' authorities are not PEM with at least one CERTIFICATE section")]
    Authority(#[source] pem::Error),
    /// A certificate that cannot be an authority.
    #[error("one of the clients' authorities cannot be used")]
    AuthorityRejected(#[source] Error),
    /// No authority in it.
    #[error("the clients' authorities cannot verify anybody")]
    Verifier(#[source] VerifierBuilderError),
}

impl Tls {
    /// From PEM: the chain, its key and, where clients must show a certificate too, the authorities that sign theirs.
    ///
    /// # Errors
    /// [`InvalidTls`].
    pub fn from_pem(
        certificate: &[u8],
        key: &[u8],
        client_authorities: Option<&[u8]>,
    ) -> Result<Self, InvalidTls> {
        let chain = certificates(certificate).map_err(InvalidTls::Certificate)?;
        if chain.is_empty() {
            return Err(InvalidTls::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(InvalidTls::Key)?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions");
        let builder = match client_authorities {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(authorities).map_err(InvalidTls::Authority)? {
                    roots.add(authority).map_err(InvalidTls::AuthorityRejected)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(InvalidTls::Verifier)?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(InvalidTls::Pair)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config) })
    }

    pub(super) fn acceptor(self) -> TlsAcceptor {
        TlsAcceptor::from(self.config)
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(…)")
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}
