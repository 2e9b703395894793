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
    lose_answers: AtomicBool,
    recording: AtomicBool,
    /// What went towards the target, a connection each.
    recorded: Mutex<Vec<Vec<u8>>>,
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
            lose_answers: AtomicBool::new(false),
            recording: AtomicBool::new(false),
            recorded: Mutex::default(),
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

    /// Lets requests through and breaks the connection when the answer comes.
    pub fn lose_answers(&self, lose: bool) {
        self.shared.lose_answers.store(lose, Ordering::SeqCst);
    }

    /// Keeps what goes towards the target from here on.
    pub fn record(&self) {
        self.shared.recording.store(true, Ordering::SeqCst);
    }

    /// What went towards the target, a connection each.
    #[must_use]
    pub fn recorded(&self) -> Vec<Vec<u8>> {
        self.shared.recorded.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        let recording = self.recording.load(Ordering::SeqCst).then(|| {
            let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
            recorded.push(Vec::new());
            recorded.len() - 1
        });
        let (Ok(near_again), Ok(far_again)) = (near.try_clone(), far.try_clone()) else { return };
        let (there, back) = (Arc::clone(self), Arc::clone(self));
        thread::spawn(move || there.pump(near, far, &Way::There { recording }));
        thread::spawn(move || back.pump(far_again, near_again, &Way::Back));
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream, way: &Way) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            match way {
                Way::Back if self.lose_answers.load(Ordering::SeqCst) => break,
                Way::There { recording: Some(at) } => {
                    let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
                    recorded[*at].extend_from_slice(&buffer[..count]);
                }
                Way::There { recording: None } | Way::Back => {}
            }
            if self.cut.load(Ordering::SeqCst) || to.write_all(&buffer[..count]).is_err() {
                break;
            }
            self.carried_bytes.fetch_add(count as u64, Ordering::Relaxed);
        }
        drop(from.shutdown(Shutdown::Both));
        drop(to.shutdown(Shutdown::Both));
    }
}

/// Towards the target, or back from it.
enum Way {
    There { recording: Option<usize> },
    Back,
}
