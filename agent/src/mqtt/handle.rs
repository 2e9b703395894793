//! What the rest of the agent asks of the session.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rumqttc::{
    AsyncClient, PublishNotice, PublishNoticeError, PublishOptions, QoS, SubscribeFilterInput,
    SubscribeReasonCode,
};
use tidegate_model::limits;
use tidegate_model::topic::{self, Topic};
use tokio::sync::{Semaphore, oneshot, watch};
use tracing::{debug, warn};

use super::{AckToken, MqttSettings, PUBLISHES_IN_FLIGHT_MAX, Qos};

/// How long [`MqttHandle::stop`] waits for the broker, at each of its steps.
const FAREWELL: Duration = Duration::from_secs(1);

/// The session. Clones are the same session; dropping them ends nothing.
#[derive(Debug, Clone)]
pub struct MqttHandle {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: MqttSettings,
    client: AsyncClient,
    connection: Mutex<Connection>,
    filters: Mutex<Filters>,
    publishes: Arc<Semaphore>,
    subscriptions: watch::Sender<Subscriptions>,
    pub(super) stop: watch::Sender<Stop>,
}

/// How far the session's end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Running,
    Wanted,
    Ended,
}

/// Connections of this process, so that an acknowledgement meant for one is never sent in another: there, the same
/// packet id may stand for another message.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

#[derive(Debug, Default)]
struct Connection {
    number: u64,
    up: bool,
}

/// Whether the broker knows what we want to hear.
#[derive(Debug, Default)]
struct Subscriptions {
    /// All of them are sent, in this connection.
    sent: bool,
    /// Changes it has not confirmed.
    unconfirmed: usize,
}

#[derive(Debug, Default)]
struct Filters {
    wanted: BTreeSet<String>,
    /// No longer wanted, and the broker may still have them in our session.
    unwanted: BTreeSet<String>,
}

/// Why a message was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Nothing can be published there.
    #[error("{topic:?} is not a topic to publish to: 1 to 65535 bytes, without '+' and '#'")]
    InvalidTopic {
        /// The topic.
        topic: String,
    },
    /// No broker is set up to take it.
    #[error("the message has {bytes} bytes, at most {} are sent", limits::MQTT_PAYLOAD_BYTES_MAX)]
    TooLarge {
        /// How many it has.
        bytes: usize,
    },
    /// At most once, and that once failed.
    #[error("the connection failed before the message was written")]
    NotSent,
    /// The session is ending.
    #[error("the broker session is stopping")]
    Stopped,
}

impl MqttHandle {
    pub(super) fn new(settings: MqttSettings, client: AsyncClient) -> Self {
        let (stop, _) = watch::channel(Stop::Running);
        let shared = Shared {
            settings,
            client,
            connection: Mutex::default(),
            filters: Mutex::default(),
            subscriptions: watch::Sender::default(),
            publishes: Arc::new(Semaphore::new(usize::from(PUBLISHES_IN_FLIGHT_MAX))),
            stop,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Acknowledges messages to the broker. Tokens of a former connection are dropped: the broker delivers those
    /// messages again, and whoever takes them recognises them. Does not wait.
    pub fn acknowledge(&self, tokens: Vec<AckToken>) {
        // Held until all are handed over: see `disconnected`.
        let connection = locked(&self.shared.connection);
        if !connection.up {
            return;
        }
        let current = tokens.into_iter().filter(|token| token.connection == connection.number);
        for ack in current.filter_map(|token| token.ack) {
            if self.shared.client.try_manual_ack(ack).is_err() {
                // The session has ended; its successor gets the messages again.
                return;
            }
        }
    }

    /// Publishes a message. Returns when the broker has acknowledged it (QoS 1), however many reconnects that takes,
    /// or when it is written (QoS 0). Dropping the future does not take back a message that is on its way.
    ///
    /// # Errors
    /// [`PublishError`]. For QoS 1 that means: it never will be, or the session ends before it is known.
    pub async fn publish(
        &self,
        topic: &str,
        payload: Vec<u8>,
        qos: Qos,
        retain: bool,
    ) -> Result<(), PublishError> {
        let is_topic =
            !topic.is_empty() && topic.len() <= usize::from(u16::MAX) && !topic.contains(['+', '#', '\0']);
        if !is_topic {
            return Err(PublishError::InvalidTopic { topic: topic.to_owned() });
        }
        if payload.len() > limits::MQTT_PAYLOAD_BYTES_MAX {
            return Err(PublishError::TooLarge { bytes: payload.len() });
        }
        let permit =
            Arc::clone(&self.shared.publishes).acquire_owned().await.map_err(|_| PublishError::Stopped)?;
        let (done, outcome) = oneshot::channel();
        let handle = self.clone();
        let topic = topic.to_owned();
        // A task of its own holds the permit until the message's fate is known: a caller who gives up does not make
        // room for another message while the first still waits for the broker.
        tokio::spawn(async move {
            let result = handle.publish_until_acknowledged(&topic, &payload, qos, retain).await;
            drop(permit);
            // The caller may have gone.
            drop(done.send(result));
        });
        outcome.await.unwrap_or(Err(PublishError::Stopped))
    }

    async fn publish_until_acknowledged(
        &self,
        topic: &str,
        payload: &[u8],
        qos: Qos,
        retain: bool,
    ) -> Result<(), PublishError> {
        let mut stop = self.shared.stop.subscribe();
        loop {
            let notice = self.hand_over(topic, payload, qos, retain)?;
            let outcome = tokio::select! {
                outcome = notice.wait_completion_async() => outcome,
                // What the library had not taken yet stays in a queue that nobody reads.
                _ = stop.wait_for(|stop| *stop == Stop::Ended) => return Err(PublishError::Stopped),
            };
            match outcome {
                Ok(()) => return Ok(()),
                // The broker came back without our session, and the library let go of the message.
                Err(PublishNoticeError::SessionReset) => {
                    debug!(topic, "sent again: the broker has lost the session")
                }
                Err(PublishNoticeError::Recv) => return Err(PublishError::Stopped),
                Err(PublishNoticeError::Qos0NotFlushed | PublishNoticeError::SessionPersistence(_)) => {
                    return Err(PublishError::NotSent);
                }
                Err(_) => return Err(PublishError::NotSent),
            }
        }
    }

    fn hand_over(
        &self,
        topic: &str,
        payload: &[u8],
        qos: Qos,
        retain: bool,
    ) -> Result<PublishNotice, PublishError> {
        let qos = match qos {
            Qos::AtMostOnce => QoS::AtMostOnce,
            Qos::AtLeastOnce => QoS::AtLeastOnce,
        };
        let options = PublishOptions::new(qos).retain(retain);
        self.shared.client.try_publish_tracked(topic, payload, options).map_err(|_| PublishError::Stopped)
    }

    /// These filters and no others, from now on and after every reconnect, with QoS 1.
    pub fn subscribe(&self, filters: impl IntoIterator<Item = String>) {
        let wanted: BTreeSet<String> =
            filters.into_iter().filter(|filter| topic::is_filter(filter)).collect();
        let mut known = locked(&self.shared.filters);
        let added: Vec<String> = wanted.difference(&known.wanted).cloned().collect();
        let removed: Vec<String> = known.wanted.difference(&wanted).cloned().collect();
        known.unwanted.retain(|filter| !wanted.contains(filter));
        known.unwanted.extend(removed.iter().cloned());
        known.wanted = wanted;
        if locked(&self.shared.connection).up {
            self.send_unsubscribe(removed);
            self.send_subscribe(added);
        }
    }

    /// Returns when the broker has confirmed every change of [`Self::subscribe`] so far.
    pub async fn subscribed(&self) {
        let mut subscriptions = self.shared.subscriptions.subscribe();
        // The sender is in `self`: there is no error.
        drop(subscriptions.wait_for(|state| state.sent && state.unconfirmed == 0).await);
    }

    /// Whether the broker has confirmed every change of [`Self::subscribe`] so far.
    #[must_use]
    pub fn is_subscribed(&self) -> bool {
        let state = self.shared.subscriptions.borrow();
        state.sent && state.unconfirmed == 0
    }

    /// Says goodbye and ends the session. The broker keeps it, with what arrives meanwhile, for the next start.
    /// Returns within a few seconds, whatever the broker does.
    pub async fn stop(&self) {
        let mut ended = self.shared.stop.subscribe();
        if self.is_connected() {
            let status = self.status_topic();
            let farewell = self.publish(&status, b"offline".to_vec(), Qos::AtLeastOnce, true);
            if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
                debug!("the broker did not take the farewell in time");
            }
            if self.shared.client.try_disconnect_with_timeout(FAREWELL).is_ok() {
                let goodbye = ended.wait_for(|stop| *stop == Stop::Ended);
                if tokio::time::timeout(FAREWELL, goodbye).await.is_err() {
                    debug!("the broker did not let go in time");
                }
            }
        }
        self.shared.stop.send_if_modified(|stop| {
            let running = *stop == Stop::Running;
            if running {
                *stop = Stop::Wanted;
            }
            running
        });
        self.shared.publishes.close();
        // The session's task waits for nothing once an end is wanted. An error says that it is gone already.
        drop(ended.wait_for(|stop| *stop == Stop::Ended).await);
    }

    /// Whether the session is up.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        locked(&self.shared.connection).up
    }

    /// The session is up: begins a connection, and says again what the broker may not know.
    pub(super) fn connected(&self) -> u64 {
        let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        *locked(&self.shared.connection) = Connection { number, up: true };
        let online = PublishOptions::at_least_once().retained();
        let mut filters = locked(&self.shared.filters);
        let unwanted = std::mem::take(&mut filters.unwanted);
        self.send_unsubscribe(unwanted.into_iter().collect());
        self.send_subscribe(filters.wanted.iter().cloned().collect());
        self.shared.subscriptions.send_modify(|subscriptions| subscriptions.sent = true);
        if self.shared.client.try_publish(self.status_topic(), "online", online).is_err() {
            debug!("the session ended while it began");
        }
        number
    }

    /// The session is down: from here on no acknowledgement is handed to the library, until [`Self::connected`].
    pub(super) fn disconnected(&self) {
        locked(&self.shared.connection).up = false;
        self.shared.subscriptions.send_modify(|subscriptions| subscriptions.sent = false);
    }

    pub(super) fn token(&self, connection: u64, message: &rumqttc::Publish) -> AckToken {
        AckToken { connection, ack: self.shared.client.prepare_ack(message) }
    }

    pub(super) fn status_topic(&self) -> String {
        Topic::Status { device: self.shared.settings.device.clone() }.to_string()
    }

    fn send_subscribe(&self, filters: Vec<String>) {
        if filters.is_empty() {
            return;
        }
        let wanted = filters.iter().map(|filter| SubscribeFilterInput::new(filter, QoS::AtLeastOnce));
        let Ok(notice) = self.shared.client.try_subscribe_many_tracked(wanted) else { return };
        let unconfirmed = self.unconfirmed();
        tokio::spawn(async move {
            // Without an answer there is a new connection, and with it a new subscription.
            let codes = notice.wait_async().await.map(|answer| answer.return_codes).unwrap_or_default();
            for (filter, code) in filters.iter().zip(codes) {
                match code {
                    SubscribeReasonCode::Success(_) => {}
                    SubscribeReasonCode::Failure => {
                        warn!(
                            filter,
                            "the broker refuses the subscription; allow it in the broker's access list"
                        );
                    }
                }
            }
            drop(unconfirmed);
        });
    }

    fn send_unsubscribe(&self, filters: Vec<String>) {
        if filters.is_empty() {
            return;
        }
        let Ok(notice) = self.shared.client.try_unsubscribe_many_tracked(filters) else { return };
        let unconfirmed = self.unconfirmed();
        tokio::spawn(async move {
            // Without an answer, the broker may go on to send what is no longer wanted: it is taken all the same.
            drop(notice.wait_async().await);
            drop(unconfirmed);
        });
    }

    fn unconfirmed(&self) -> Unconfirmed {
        self.shared.subscriptions.send_modify(|subscriptions| subscriptions.unconfirmed += 1);
        Unconfirmed(Arc::clone(&self.shared))
    }
}

/// A change of subscriptions the broker has yet to confirm.
struct Unconfirmed(Arc<Shared>);

impl Drop for Unconfirmed {
    fn drop(&mut self) {
        self.0.subscriptions.send_modify(|subscriptions| subscriptions.unconfirmed -= 1);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
