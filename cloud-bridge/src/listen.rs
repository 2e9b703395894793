//! Where listeners are made. The one place that decides who may connect: transport security belongs here.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is open to other machines.
    #[error(
        "TLS is not available in this release; listen.{key} = \"{address}\" would let anybody on the network in. \
         Use a loopback address, such as 127.0.0.1:{}", address.port()
    )]
    NotLoopback {
        /// The key of the configuration.
        key: &'static str,
        /// What it says.
        address: SocketAddr,
    },
    /// The system does not give the address.
    #[error("cannot listen on listen.{key} = \"{address}\"; {}", remedy(source))]
    Bind {
        /// The key of the configuration.
        key: &'static str,
        /// What it says.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// Whether this release may listen on an address. `key` is the key of the configuration it came from.
pub(crate) fn check(key: &'static str, address: SocketAddr) -> Result<(), Error> {
    if address.ip().is_loopback() { Ok(()) } else { Err(Error::NotLoopback { key, address }) }
}

/// Listens on an address that [`check`] finds right.
pub(crate) async fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    check(key, address)?;
    TcpListener::bind(address).await.map_err(|source| Error::Bind { key, address, source })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the system's error kinds are open-ended")]
fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => "another process has it: stop that one, or choose another port",
        io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a higher one",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        _ => "choose another address",
    }
}
