//! `mqtt.publish`: done when the broker has acknowledged the message.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tidegate_model::payload::Failure;
use tokio::sync::watch;

use crate::mqtt::{MqttHandle, PublishError, Qos};
use crate::worker::{Activity, ActivityContext, Handler};

/// The activity type.
#[derive(Debug)]
pub struct MqttPublish;

impl Activity for MqttPublish {
    const TYPE: &'static str = "mqtt.publish";
    type Input = MqttMessage;
    type Output = ();
}

/// What to publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MqttMessage {
    /// Where.
    pub topic: String,
    /// What; text, which JSON is too.
    pub payload: String,
    /// 0: at most once. 1: at least once.
    pub qos: u8,
    /// The broker keeps it for those who subscribe later.
    pub retain: bool,
}

type Outcome = Option<Result<(), PublishError>>;

/// Publishes through the agent's session with the broker.
pub(super) struct Publisher<B = MqttHandle> {
    broker: B,
    /// Messages on their way, by idempotency key. While the broker is away attempts time out one after the other; each
    /// waits for the message of the first, or the broker would get one of each when it is back.
    under_way: Arc<Mutex<BTreeMap<String, watch::Receiver<Outcome>>>>,
}

/// What takes messages: the agent's session, or a test's.
pub(super) trait Broker: Clone + Send + Sync + 'static {
    fn publish(&self, message: MqttMessage) -> impl Future<Output = Result<(), PublishError>> + Send;
}

impl Broker for MqttHandle {
    async fn publish(&self, message: MqttMessage) -> Result<(), PublishError> {
        let qos = if message.qos == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce };
        MqttHandle::publish(self, &message.topic, message.payload.into_bytes(), qos, message.retain).await
    }
}

impl<B: Broker> Publisher<B> {
    pub(super) fn new(broker: B) -> Self {
        Self { broker, under_way: Arc::default() }
    }

    /// The message's fate: of the one on its way under this key, or of this one.
    fn outcome(&self, key: String, message: MqttMessage) -> watch::Receiver<Outcome> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = under_way.get(&key) {
            return outcome.clone();
        }
        let (done, outcome) = watch::channel(None);
        under_way.insert(key.clone(), outcome.clone());
        let (broker, table) = (self.broker.clone(), Arc::clone(&self.under_way));
        // Not tied to the attempt, which may time out before the broker is back.
        tokio::spawn(async move {
            let result = broker.publish(message).await;
            table.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            done.send_replace(Some(result));
        });
        outcome
    }
}

impl<B: Broker> Handler<MqttPublish> for Publisher<B> {
    async fn handle(&self, cx: ActivityContext, message: MqttMessage) -> Result<(), Failure> {
        let mut outcome = self.outcome(cx.idempotency_key(), message);
        let result = match outcome.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or(Err(PublishError::Stopped)),
            Err(_) => Err(PublishError::Stopped),
        };
        result.map_err(|error| {
            let (kind, final_one) = match &error {
                PublishError::InvalidTopic { .. } => ("InvalidTopic", true),
                PublishError::TooLarge { .. } => ("TooLarge", true),
                PublishError::NotSent => ("NotSent", false),
                PublishError::Stopped => ("Stopped", false),
            };
            Failure::application(error.to_string(), kind, final_one)
        })
    }
}

#[cfg(test)]
mod tests;
