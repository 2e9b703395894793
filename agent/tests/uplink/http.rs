//! HTTP/1.1 by hand, because a server that behaves cannot cut a reply in half.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    /// Path and query.
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

/// What to do with a request once its head is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intake {
    /// Read all of it.
    All,
    /// Close the connection, the body unread.
    Close,
    /// Read half of the body, and no more for ever.
    Stall,
}

/// What to do with a request that was read.
#[derive(Debug)]
pub(crate) enum Action {
    /// Answer.
    Reply { status: u16, retry_after: Option<u64>, body: Vec<u8> },
    /// Say nothing, and close the connection.
    Close,
    /// Send the first half of an answer, and close the connection.
    Truncate(Vec<u8>),
}

/// Somebody who answers requests.
pub(crate) trait Answer: Send + Sync + 'static {
    /// The head is there.
    fn intake(&self, path: &str) -> Intake;
    /// All of it is there.
    fn answer(&self, request: Request) -> impl Future<Output = Action> + Send;
}

/// A server on a free port of this machine. Gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    _connections: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(answers: Arc<impl Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let answers = Arc::clone(&answers);
                // Whatever breaks a connection is the client's to notice.
                connections.spawn(async move { drop(serve(stream, &*answers).await) });
            }
        });
        Self { address, _connections: tasks }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(mut stream: TcpStream, answers: &impl Answer) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap_or(0);
        let intake = answers.intake(&path);
        let wanted = match intake {
            Intake::Close => return Ok(()),
            Intake::Stall => end + length / 2,
            Intake::All => end + length,
        };
        while buffer.len() < wanted {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        if intake == Intake::Stall {
            std::future::pending::<()>().await;
        }
        let body = buffer[end..wanted].to_vec();
        buffer.drain(..wanted);
        match answers.answer(Request { path, body }).await {
            Action::Reply { status, retry_after, body } => {
                let retry = retry_after.map(|s| format!("retry-after: {s}\r\n")).unwrap_or_default();
                let head = format!("HTTP/1.1 {status} -\r\n{retry}content-length: {}\r\n\r\n", body.len());
                stream.write_all(&[head.as_bytes(), &body].concat()).await?;
            }
            Action::Close => return Ok(()),
            Action::Truncate(body) => {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(&[head.as_bytes(), &body[..body.len() / 2]].concat()).await?;
                return Ok(());
            }
        }
    }
}
