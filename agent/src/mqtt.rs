//! The session with the broker. The one module that names the MQTT library; no type of it leaves.
//!
//! What holds: a message is acknowledged (PUBACK) when [`MqttHandle::acknowledge`] is called and not before; what was
//! not acknowledged is delivered again after a reconnect, because the session at the broker outlives the connection; a
//! message of ours is sent until the broker has acknowledged it, over any number of reconnects, also where the broker
//! has lost the session. Who takes the events must not wait for a publish in between: a full event channel stops the
//! session from reading, and with it the acknowledgement the publish waits for.

mod backoff;
mod cork;
mod handle;
mod pace;
mod session;
mod trouble;

use std::time::Duration;

use rumqttc::ManualAck;
use tidegate_model::id::DeviceId;
use tidegate_model::limits;
use tidegate_model::time::Stamp;
use tokio::sync::mpsc;

use crate::clock::Clock;

pub use handle::{MqttHandle, PublishError};

/// Events waiting to be taken. Full: the session stops reading, and the broker keeps the rest.
pub const EVENTS_WAITING_MAX: usize = 16;
/// Messages in one [`MqttEvent::Arrived`].
pub const ARRIVED_MESSAGES_MAX: usize = 128;
/// Bytes of payload in one [`MqttEvent::Arrived`], after which it closes. With the two bounds above, messages in
/// memory take 20 MiB at most, besides what the library has read and not handed on: [`ARRIVED_MESSAGES_MAX`] packets.
pub const ARRIVED_BYTES_MAX: usize = 1024 * 1024;
/// Messages of ours on their way to an acknowledgement. More wait in [`MqttHandle::publish`].
pub const PUBLISHES_IN_FLIGHT_MAX: u16 = 100;

/// How to reach the broker, and as whom.
#[derive(Debug, Clone)]
pub struct MqttSettings {
    /// The gateway, for the topic of its status.
    pub device: DeviceId,
    /// Name or address of the broker.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Name of the session at the broker.
    pub client_id: String,
    /// User and password; anonymous without.
    pub credentials: Option<Credentials>,
    /// Silence after which either side takes the connection for dead, in whole seconds.
    pub keep_alive: Duration,
    /// The longest pause between two attempts to connect. The first is within a second.
    pub reconnect_max: Duration,
}

/// Who the agent is towards the broker.
#[derive(Clone)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The password; some brokers know users without.
    pub password: Option<String>,
}

// A password in no log.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// What happened at the broker.
#[derive(Debug)]
pub enum MqttEvent {
    /// The session is up.
    Connected {
        /// The broker still had it: our subscriptions, and what came while we were away.
        session_present: bool,
    },
    /// The session is down, or still cannot be had for another reason than before. It is tried again.
    Disconnected {
        /// In words, with what to do about it.
        reason: String,
    },
    /// Messages, in the order of their arrival; at least one.
    Arrived(Vec<Arrived>),
}

/// One message.
#[derive(Debug, PartialEq)]
pub struct Arrived {
    /// Where it was published.
    pub topic: String,
    /// Its bytes; of a payload beyond [`limits::MQTT_PAYLOAD_BYTES_MAX`], just enough that it is seen to be too large.
    pub payload: Vec<u8>,
    /// How many bytes it had.
    pub payload_bytes: usize,
    /// The clocks when it was read from the connection. Messages read together have one stamp.
    pub received: Stamp,
    /// The broker says that it may have delivered this before.
    pub duplicate: bool,
    /// The broker had it in store for whoever subscribes.
    pub retained: bool,
    /// By which it is acknowledged.
    pub ack: AckToken,
}

/// Acknowledges one message, within the connection it arrived in. Without one, the broker delivers it again after the
/// next reconnect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckToken {
    connection: u64,
    /// None where the publisher asked for no acknowledgement (QoS 0).
    ack: Option<ManualAck>,
}

/// What is promised of a message of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qos {
    /// Sent, at most once; done when it is written to the connection.
    AtMostOnce,
    /// Sent until the broker acknowledges it; it may arrive twice.
    AtLeastOnce,
}

/// Opens the session and keeps it open. Nothing here fails: a broker that is down, refuses, or is none at all is
/// reported (one warning per reason, with a remedy) and tried again.
///
/// The session ends with [`MqttHandle::stop`], or without a goodbye when the receiver is dropped. Call it inside a tokio
/// runtime.
#[must_use]
pub fn start(settings: MqttSettings, clock: Clock) -> (MqttHandle, mpsc::Receiver<MqttEvent>) {
    session::start(settings, clock)
}

const _: () = assert!(limits::MQTT_PAYLOAD_BYTES_MAX < ARRIVED_BYTES_MAX, "one message must fit a batch");
