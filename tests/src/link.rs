//! A network link that can be cut: a TCP relay on loopback between two real processes.
//!
//! While cut, connections that stand are closed and new ones are refused at once, as when a cable is pulled at the
//! far end of a modem that stays up.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A relay to one address. Lives as long as the process.
#[derive(Debug, Clone)]
pub struct Link {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    cut: AtomicBool,
    carried_bytes: AtomicU64,
    standing: Mutex<Vec<TcpStream>>,
}

impl Link {
    /// A link to `target`, listening on a free loopback port.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn to(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target,
            cut: AtomicBool::new(false),
            carried_bytes: AtomicU64::new(0),
            standing: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                accepting.carry(near);
            }
        });
        Ok(Self { address, shared })
    }

    /// Where to connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Pulls the cable.
    pub fn cut(&self) {
        self.shared.cut.store(true, Ordering::SeqCst);
        for stream in self.shared.standing.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // It may have been closed from the other end.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Plugs it in again.
    pub fn mend(&self) {
        self.shared.cut.store(false, Ordering::SeqCst);
    }

    /// Bytes carried so far, both ways.
    #[must_use]
    pub fn carried_bytes(&self) -> u64 {
        self.shared.carried_bytes.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn carry(self: &Arc<Self>, near: TcpStream) {
        if self.cut.load(Ordering::SeqCst) {
            return;
        }
        let Ok(far) = TcpStream::connect(self.target) else { return };
        let ends = [near.try_clone(), far.try_clone()];
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).extend(ends.into_iter().flatten());
        for (from, to) in [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))] {
            let (Ok(from), Ok(to)) = (from, to) else { return };
            let shared = Arc::clone(self);
            thread::spawn(move || shared.pump(from, to));
        }
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if self.cut.load(Ordering::SeqCst) || to.write_all(&buffer[..count]).is_err() {
                break;
            }
            self.carried_bytes.fetch_add(count as u64, Ordering::Relaxed);
        }
        drop(from.shutdown(Shutdown::Both));
        drop(to.shutdown(Shutdown::Both));
    }
}
