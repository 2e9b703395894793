//! What the built-in worker can do to the world: publish over MQTT, and post over HTTP.
//!
//! An activity may run again although it succeeded, after a crash between its effect and the record of it. So each tells
//! the world who it is, the same at every attempt.

mod publish;
mod http;

pub use http::{HttpAnswer, HttpPost, HttpRequest, Problem, check_header, check_url};
pub use publish::{MqttMessage, MqttPublish};

use crate::mqtt::MqttHandle;
use crate::worker::Worker;

/// Why the activities could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up the HTTP client")]
pub struct SetUpError(#[from] reqwest::Error);

/// Gives a worker all activities.
///
/// # Errors
/// [`SetUpError`].
pub fn register(worker: Worker, broker: MqttHandle) -> Result<Worker, SetUpError> {
    let publisher = publish::Publisher::new(broker);
    let poster = http::Poster::new()?;
    Ok(worker.activity::<MqttPublish>(publisher).activity::<HttpPost>(poster))
}
