//! From the broker's events to the gateway. When the gateway cannot keep up, this waits, and so does the broker.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;

use super::metrics::Counts;
use crate::client::Client;
use crate::gateway::Input;
use crate::ingest::{Delivered, Intake};
use crate::mqtt::{AckToken, Arrived, MqttEvent};

/// Feeds the gateway until the broker's client ends.
pub(super) async fn feed(
    mut events: mpsc::Receiver<MqttEvent>,
    intake: Intake,
    client: Client<AckToken>,
    counts: Arc<Counts>,
) {
    while let Some(event) = events.recv().await {
        match event {
            MqttEvent::Connected { session_present } => {
                counts.connects.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(session_present, "broker is connected");
            }
            // The client has said so already, with the remedy.
            MqttEvent::Disconnected { reason } => tracing::debug!(reason, "broker is gone"),
            MqttEvent::Arrived(arrived) => {
                counts.messages.fetch_add(arrived.len() as u64, Ordering::Relaxed);
                let messages = arrived.into_iter().map(|message| read(&intake, message)).collect();
                if client.send(Input::Messages(messages)).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn read(intake: &Intake, message: Arrived) -> crate::gateway::Message<AckToken> {
    let delivered = Delivered {
        topic: &message.topic,
        payload: &message.payload,
        payload_bytes: message.payload_bytes,
        received: message.received,
        redelivered: message.duplicate,
    };
    intake.read(&delivered, message.ack)
}
