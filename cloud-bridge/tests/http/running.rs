//! A bridge in this process, on free ports and a folder of its own.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tidegate_bridge::{Addresses, Bridge, Config, Error};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::device::Answered;

/// A bridge that serves.
pub(crate) struct Running {
    pub(crate) folder: TempDir,
    pub(crate) addresses: Addresses,
    client: reqwest::Client,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), Error>>,
}

impl Running {
    /// On a folder with nothing in it.
    pub(crate) async fn new() -> Self {
        Self::on(TempDir::new().expect("a folder")).await
    }

    pub(crate) async fn on(folder: TempDir) -> Self {
        let bridge = Bridge::start(Config::in_folder(folder.path())).await.expect("the bridge starts");
        let addresses = bridge.addresses().expect("it has addresses");
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(bridge.serve(async move { drop(stopped.await) }));
        Self { folder, addresses, client: reqwest::Client::new(), stop, served }
    }

    /// Stops in order and gives the folder back.
    pub(crate) async fn stop(self) -> TempDir {
        let Self { folder, stop, served, client, .. } = self;
        drop(client);
        stop.send(()).expect("it serves");
        served.await.expect("no panic").expect("it stops in order");
        folder
    }

    /// What a power cut would leave of the folder at this moment, nothing being written.
    pub(crate) fn copy(&self) -> TempDir {
        let copy = TempDir::new().expect("a folder");
        copy_files(self.folder.path(), copy.path());
        copy
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answered {
        let url = format!("http://{}{path}", self.addresses.devices);
        let request = headers
            .iter()
            .fold(self.client.post(url).body(body), |request, (name, value)| request.header(*name, *value));
        answered(request).await
    }

    pub(crate) async fn fetch(&self, path: &str) -> Answered {
        answered(self.client.get(format!("http://{}{path}", self.addresses.devices))).await
    }

    /// An operator's question: status and JSON.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let (status, text) = self.get_text(path).await;
        (status, serde_json::from_str(&text).expect("JSON"))
    }

    pub(crate) async fn get_text(&self, path: &str) -> (u16, String) {
        let answer = answered(self.client.get(format!("http://{}{path}", self.addresses.operator))).await;
        (answer.status, String::from_utf8(answer.body).expect("text"))
    }

    pub(crate) async fn order(&self, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("http://{}{path}", self.addresses.operator);
        let answer = answered(self.client.post(url).json(body)).await;
        (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
    }
}

async fn answered(request: reqwest::RequestBuilder) -> Answered {
    let response = request.send().await.expect("the bridge answers");
    let status = response.status().as_u16();
    Answered { status, body: response.bytes().await.expect("the whole body").to_vec() }
}

pub(crate) fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("the folder is there") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}
