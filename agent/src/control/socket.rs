//! The socket itself: made by the agent, called by the command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Longest a call may take; a command line that waits longer looks dead.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What went wrong with the socket, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another agent has it.
    #[error("another agent is serving {}; stop it, or give this one another data_dir", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// It could not be made.
    #[error("failed to make the control socket {}", path.display())]
    Bind {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nobody answers.
    #[error(
        "no agent answers at {place}; is `tidegate run` up, with the same data_dir, or `tidegate start-dev`?"
    )]
    Unreachable {
        /// The socket or address.
        place: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The agent answers, and says no.
    #[error("{0}")]
    Refused(String),
    /// The agent answers something else.
    #[error("the agent's answer is not understood; are the agent and this command of one release?")]
    NotUnderstood(#[source] reqwest::Error),
}

/// Makes the socket, for its owner and group alone. A socket that a dead agent left is taken over; any other file is
/// left alone.
///
/// # Errors
/// [`SocketError::InUse`], [`SocketError::Bind`].
pub fn bind(path: &Path) -> Result<tokio::net::UnixListener, SocketError> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let failed = |source| SocketError::Bind { path: path.to_owned(), source };
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(SocketError::InUse { path: path.to_owned() });
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = tokio::net::UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
    Ok(listener)
}

/// Calls a running agent.
#[derive(Debug)]
pub struct Caller {
    place: String,
    base: String,
    api_key: Option<String>,
    http: reqwest::Client,
}

impl Caller {
    /// A caller of the agent behind a socket.
    ///
    /// # Errors
    /// [`SocketError::NotUnderstood`] when the HTTP client cannot be made.
    pub fn new(path: &Path) -> Result<Self, SocketError> {
        let client = reqwest::Client::builder().unix_socket(path);
        Self::build(client, path.display().to_string(), "http://agent".to_owned(), None)
    }

    /// A caller of an agent that serves Temporal's API at `address` (`host:port`), with its API key where it wants one.
    ///
    /// # Errors
    /// As above.
    pub fn of_address(address: &str, api_key: Option<String>) -> Result<Self, SocketError> {
        let client = reqwest::Client::builder();
        Self::build(client, address.to_owned(), format!("http://{address}"), api_key)
    }

    fn build(
        client: reqwest::ClientBuilder,
        place: String,
        base: String,
        api_key: Option<String>,
    ) -> Result<Self, SocketError> {
        let http = client.timeout(CALL_TIMEOUT).build().map_err(SocketError::NotUnderstood)?;
        Ok(Self { place, base, api_key, http })
    }

    /// `GET` with a query.
    ///
    /// # Errors
    /// All but the first two of [`SocketError`].
    pub async fn get<T: DeserializeOwned>(
        &self,
        route: &str,
        query: &[(&str, String)],
    ) -> Result<T, SocketError> {
        self.finish(self.http.get(format!("{}{route}", self.base)).query(query)).await
    }

    /// `POST` of JSON.
    ///
    /// # Errors
    /// All but the first two of [`SocketError`].
    pub async fn post<T: DeserializeOwned>(&self, route: &str, body: &Value) -> Result<T, SocketError> {
        self.finish(self.http.post(format!("{}{route}", self.base)).json(body)).await
    }

    async fn finish<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, SocketError> {
        let unreachable = |source| SocketError::Unreachable { place: self.place.clone(), source };
        let request = match &self.api_key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        let response = request.send().await.map_err(unreachable)?;
        if response.status().is_success() {
            return response.json().await.map_err(SocketError::NotUnderstood);
        }
        let body: Value = response.json().await.map_err(SocketError::NotUnderstood)?;
        let words = body.get("error").and_then(Value::as_str).unwrap_or("refused without a reason");
        Err(SocketError::Refused(words.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_a_dead_agent_left_is_taken_over_and_one_that_is_served_is_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("control.sock");
        drop(bind(&path).expect("it is made"));
        let served = bind(&path).expect("it is taken over");
        assert!(matches!(bind(&path), Err(SocketError::InUse { .. })));
        drop(served);
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("precious");
        std::fs::write(&path, "data").expect("the folder is ours");
        assert!(matches!(bind(&path), Err(SocketError::Bind { .. })));
        assert_eq!(std::fs::read_to_string(&path).expect("still there"), "data");
    }
}
