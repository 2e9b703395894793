//! The gateway's effects, performed: the one place from which acknowledgements and answers leave.

use std::sync::Arc;

use tidegate_model::id::DeviceId;
use tidegate_model::limits;
use tidegate_model::reading::Acknowledgement;
use tidegate_model::topic::Topic;
use tokio::sync::mpsc;

use crate::client::Waiting;
use crate::gateway::Effect;
use crate::mqtt::{AckToken, MqttHandle, Qos};
use crate::samples::Progress;
use crate::uplink::Bell;

/// Performs effects in the commit thread; nothing in it waits.
pub(super) fn perform(
    device: DeviceId,
    broker: MqttHandle,
    bell: Bell,
    waiting: Arc<Waiting>,
) -> Box<dyn FnMut(Vec<Effect<AckToken>>) + Send> {
    let (confirmations, to_confirm) = mpsc::channel(limits::CONFIRMATIONS_WAITING_MAX);
    tokio::spawn(confirm(device, broker.clone(), to_confirm));
    Box::new(move |effects| {
        let mut ring = false;
        for effect in effects {
            match effect {
                Effect::Acknowledge(tokens) => broker.acknowledge(tokens),
                // A source that is not told sends again, and is told then.
                Effect::Confirm(progress) => drop(confirmations.try_send(progress)),
                Effect::Answer { ticket, answer } => waiting.answer(ticket, answer),
                Effect::Replicate => ring = true,
            }
        }
        if ring {
            bell.ring();
        }
    })
}

/// Tells sources which of their readings are on disk.
async fn confirm(device: DeviceId, broker: MqttHandle, mut waiting: mpsc::Receiver<Vec<Progress>>) {
    while let Some(progress) = waiting.recv().await {
        for Progress { source, channel, session, first, last } in progress {
            let topic = Topic::Acknowledgement { device: device.clone(), source }.to_string();
            let said = Acknowledgement { channel, session, first, seq: last };
            let payload = serde_json::to_vec(&said).expect("an acknowledgement has a JSON form");
            if let Err(error) = broker.publish(&topic, payload, Qos::AtMostOnce, false).await {
                tracing::debug!(topic, %error, "a source was not told; it will ask by sending again");
            }
        }
    }
}
