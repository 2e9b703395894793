//! A connection that sends acknowledgements together.
//!
//! The library flushes after each acknowledgement it is given, a system call and a packet of four bytes each time, and
//! a group commit acknowledges hundreds. Here such a flush keeps the bytes until the library comes back to read, which
//! it does as soon as no acknowledgement waits any more. Everything else is flushed when it says so.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Kept at most before it is sent anyway.
const CORKED_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct Cork<S> {
    stream: S,
    waiting: Vec<u8>,
    /// How much of `waiting` is written.
    written: usize,
    /// `waiting` holds acknowledgements and nothing else.
    only_acks: bool,
}

impl<S: AsyncWrite + Unpin> Cork<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, waiting: Vec::new(), written: 0, only_acks: true }
    }

    fn poll_uncork(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.waiting.len() {
            let rest = self.waiting.get(self.written..).expect("written counts bytes of waiting");
            let bytes = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if bytes == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += bytes;
        }
        self.waiting.clear();
        self.written = 0;
        self.only_acks = true;
        Poll::Ready(Ok(()))
    }
}

/// PUBACK (MQTT 3.1.1 §3.4), any number of them.
fn is_acks(bytes: &[u8]) -> bool {
    let (packets, rest) = bytes.as_chunks::<4>();
    rest.is_empty() && packets.iter().all(|packet| packet.starts_with(&[0x40, 0x02]))
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cork<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.waiting.len() >= CORKED_BYTES_MAX {
            ready!(self.poll_uncork(cx))?;
        }
        self.only_acks &= is_acks(bytes);
        self.waiting.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.only_acks && self.waiting.len() < CORKED_BYTES_MAX {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_uncork(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_uncork(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Cork<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Pending is no reason not to read: the waker is registered, and the rest goes when it is woken.
        if let Poll::Ready(Err(error)) = self.poll_uncork(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const ACK: [u8; 4] = [0x40, 0x02, 0x00, 0x07];
    const PING: [u8; 2] = [0xc0, 0x00];

    /// What the other side has by now.
    async fn arrived(peer: &mut tokio::io::DuplexStream) -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        match tokio::time::timeout(Duration::ZERO, peer.read(&mut bytes)).await {
            Ok(read) => bytes.truncate(read.expect("the stream is open")),
            Err(_) => bytes.clear(),
        }
        bytes
    }

    #[tokio::test]
    async fn acknowledgements_wait_until_the_next_read() {
        let (stream, mut peer) = duplex(1024);
        let mut cork = Cork::new(stream);
        for _ in 0..3 {
            cork.write_all(&ACK).await.expect("written");
            cork.flush().await.expect("flushed");
        }
        assert!(arrived(&mut peer).await.is_empty());
        peer.write_all(&PING).await.expect("written");
        let mut read = [0; 2];
        cork.read_exact(&mut read).await.expect("read");
        assert_eq!(read, PING);
        assert_eq!(arrived(&mut peer).await, ACK.repeat(3));
    }

    #[tokio::test]
    async fn everything_else_goes_at_once_and_takes_them_along() {
        let (stream, mut peer) = duplex(1024);
        let mut cork = Cork::new(stream);
        cork.write_all(&ACK).await.expect("written");
        cork.flush().await.expect("flushed");
        cork.write_all(&PING).await.expect("written");
        cork.flush().await.expect("flushed");
        assert_eq!(arrived(&mut peer).await, [&ACK[..], &PING[..]].concat());
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let (stream, mut peer) = duplex(4 * CORKED_BYTES_MAX);
        let mut cork = Cork::new(stream);
        for _ in 0..=CORKED_BYTES_MAX / ACK.len() {
            cork.write_all(&ACK).await.expect("written");
            cork.flush().await.expect("flushed");
        }
        assert!(!arrived(&mut peer).await.is_empty());
        assert!(cork.waiting.len() <= CORKED_BYTES_MAX);
    }
}
