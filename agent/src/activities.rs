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

/// Gives a worker all activities; publishing only where there is a broker.
///
/// # Errors
/// [`SetUpError`].
pub fn register(worker: Worker, broker: Option<MqttHandle>) -> Result<Worker, SetUpError> {
    let worker = worker.activity::<HttpPost>(http::Poster::new()?);
    Ok(match broker {
        Some(broker) => worker.activity::<MqttPublish>(publish::Publisher::new(broker)),
        None => worker,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidegate_engine::{ActivityTask, ActivityTaskToken};
    use tidegate_model::id::RunId;
    use tidegate_model::payload::Header;
    use tidegate_model::time::Timestamp;

    use crate::worker::ActivityContext;

    /// What an attempt of an activity is told.
    pub(super) fn context(activity_id: &str, attempt: u32) -> ActivityContext {
        ActivityContext::of(ActivityTask {
            token: ActivityTaskToken { run_id: RunId::from_u128(9), scheduled_event_id: 5, attempt },
            namespace: "default".parse().expect("a namespace"),
            workflow_id: "run".parse().expect("an id"),
            workflow_type: "test".to_owned(),
            activity_id: activity_id.to_owned(),
            activity_type: "test".to_owned(),
            input: Vec::new(),
            header: Header::new(),
            attempt,
            heartbeat_details: Vec::new(),
            schedule_to_close_timeout: Duration::ZERO,
            start_to_close_timeout: Duration::from_secs(30),
            heartbeat_timeout: Duration::ZERO,
            retry_policy: tidegate_model::payload::RetryPolicy::default(),
            priority: None,
            scheduled_time: Timestamp::EPOCH,
            current_attempt_scheduled_time: Timestamp::EPOCH,
            started_time: Timestamp::EPOCH,
        })
    }
}
