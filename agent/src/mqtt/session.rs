//! The task that keeps the session: connects, reads, hands on, and waits before it connects again.

use std::time::Duration;

use rumqttc::{
    AckMode, AsyncClient, Broker, ConnectionError, Event, EventLoop, Incoming, LastWill, MqttOptions,
    NetworkOptions, Publish, QoS,
};
use tidegate_model::limits;
use tidegate_model::time::Stamp;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use super::backoff::Backoff;
use super::cork::Cork;
use super::handle::{MqttHandle, Stop};
use super::pace::{GATHER, Pace};
use super::trouble::{self, Troubles};
use super::{ARRIVED_BYTES_MAX, ARRIVED_MESSAGES_MAX, Arrived, EVENTS_WAITING_MAX, MqttEvent, MqttSettings};
use crate::clock::Clock;

/// A connection that lasts this long is a good one, and the next failure the first again.
const STABLE: Duration = Duration::from_secs(10);
/// For the TCP connection and the broker's first answer.
const CONNECT_SECONDS_MAX: u64 = 5;
/// Acknowledgements the library takes from its queue at a time.
const REQUESTS_AT_A_TIME: usize = 256;

pub(super) fn start(settings: MqttSettings, clock: Clock) -> (MqttHandle, mpsc::Receiver<MqttEvent>) {
    let (events_in, events) = mpsc::channel(EVENTS_WAITING_MAX);
    let longest = settings.reconnect_max;
    // Not bounded by the library, which would refuse acknowledgements when full: there is at most one for each
    // message handed out, and publishes are bounded by the handle.
    let (client, library) = AsyncClient::builder(options(&settings)).unbounded().build();
    let handle = MqttHandle::new(settings, client);
    let seed = getrandom::u64().unwrap_or(0);
    let session = Session {
        stop: handle.shared.stop.subscribe(),
        handle: handle.clone(),
        library,
        clock,
        events: events_in,
        backoff: Backoff::new(seed, longest),
        troubles: Troubles::default(),
        pace: Pace::default(),
        up: None,
    };
    tokio::spawn(session.run());
    (handle, events)
}

fn options(settings: &MqttSettings) -> MqttOptions {
    let mut options =
        MqttOptions::new(settings.client_id.clone(), Broker::tcp(settings.host.clone(), settings.port));
    let keep_alive = u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX);
    let status = tidegate_model::topic::Topic::Status { device: settings.device.clone() };
    options
        .set_keep_alive(keep_alive)
        .set_clean_session(false)
        .set_ack_mode(AckMode::Manual)
        .set_max_packet_size(limits::MQTT_PACKET_BYTES_MAX, limits::MQTT_PACKET_BYTES_MAX)
        .set_inflight(super::PUBLISHES_IN_FLIGHT_MAX)
        .set_max_request_batch(REQUESTS_AT_A_TIME)
        .set_read_batch_size(ARRIVED_MESSAGES_MAX)
        .set_last_will(LastWill::new(status.to_string(), "offline", QoS::AtLeastOnce, true))
        .set_socket_connector(|host, network| async move {
            rumqttc::default_socket_connect(host, network).await.map(Cork::new)
        });
    match &settings.credentials {
        Some(credentials) => match &credentials.password {
            Some(password) => options.set_credentials(credentials.username.clone(), password.clone()),
            None => options.set_username(credentials.username.clone()),
        },
        None => options.clear_auth(),
    };
    options
}

struct Session {
    handle: MqttHandle,
    library: EventLoop,
    clock: Clock,
    events: mpsc::Sender<MqttEvent>,
    backoff: Backoff,
    troubles: Troubles,
    pace: Pace,
    stop: watch::Receiver<Stop>,
    /// The connection's number, and the boot time since when it is up.
    up: Option<(u64, u64)>,
}

/// The session has ended, or nobody takes its events any more.
struct Ended;

impl Session {
    async fn run(mut self) {
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(CONNECT_SECONDS_MAX);
        self.library.set_network_options(network);
        while self.turn().await.is_ok() {}
        self.handle.disconnected();
        // What the library still holds ends with it, and with that every publish that waits.
        drop(self.library);
        self.handle.shared.stop.send_replace(Stop::Ended);
    }

    async fn turn(&mut self) -> Result<(), Ended> {
        // Dropping the library's future loses what it was about to write: that happens at the end and nowhere else.
        let polled = tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop != Stop::Running) => return Err(Ended),
            () = self.events.closed() => return Err(Ended),
            polled = self.library.poll() => polled,
        };
        match polled {
            Ok(first) => self.take(first).await,
            Err(ConnectionError::RequestsDone) => Err(Ended),
            Err(error) => self.reconnect(&error).await,
        }
    }

    /// One read brings many packets; the library hands out one and keeps the others here.
    async fn take(&mut self, first: Event) -> Result<(), Ended> {
        let received = self.clock.stamp();
        let mut batch = Batch::default();
        let mut next = Some(first);
        while let Some(event) = next {
            match event {
                Event::Incoming(Incoming::Publish(message)) => {
                    let (connection, _) = self.up.expect("messages come in a connection");
                    batch.push(self.arrived(connection, &message, received));
                    if batch.is_full() {
                        self.tell(MqttEvent::Arrived(std::mem::take(&mut batch).messages)).await?;
                    }
                }
                Event::Incoming(Incoming::ConnAck(answer)) => {
                    let MqttSettings { host, port, client_id, .. } = &self.handle.shared.settings;
                    info!(broker = %format_args!("{host}:{port}"), client_id, session = answer.session_present, "connected");
                    self.troubles.clear();
                    self.up = Some((self.handle.connected(), received.boottime_ns));
                    self.tell(MqttEvent::Connected { session_present: answer.session_present }).await?;
                }
                Event::Incoming(_) | Event::Outgoing(_) => {}
            }
            next = self.library.state.events.pop_front();
        }
        let read = batch.messages.len();
        if read == 0 {
            return Ok(());
        }
        self.tell(MqttEvent::Arrived(batch.messages)).await?;
        if self.pace.gathers(received.boottime_ns, read) {
            self.pause(GATHER).await?;
        }
        Ok(())
    }

    fn arrived(&self, connection: u64, message: &Publish, received: Stamp) -> Arrived {
        let kept = message.payload.len().min(limits::MQTT_PAYLOAD_BYTES_MAX + 1);
        Arrived {
            topic: String::from_utf8_lossy(&message.topic).into_owned(),
            payload: message.payload.get(..kept).unwrap_or_default().to_vec(),
            payload_bytes: message.payload.len(),
            received,
            duplicate: message.dup,
            retained: message.retain,
            ack: self.handle.token(connection, message),
        }
    }

    async fn reconnect(&mut self, error: &ConnectionError) -> Result<(), Ended> {
        let now_ns = self.clock.stamp().boottime_ns;
        self.handle.disconnected();
        // The library has dropped the acknowledgements of the old connection that waited when it failed. Between then
        // and the line above, others may have come; in the next connection they would be errors, or worse.
        self.library.clean();
        // Messages it read before it failed, and did not hand out: they belong to the old connection and come again.
        self.library.state.events.clear();
        let was_up = self.up.take();
        if was_up.is_some_and(|(_, since_ns)| Duration::from_nanos(now_ns.saturating_sub(since_ns)) >= STABLE)
        {
            self.backoff.reset();
        }
        let reason = trouble::explain(error, was_up.is_some(), &self.handle.shared.settings);
        let news = self.troubles.is_news(&reason, now_ns);
        if news {
            warn!("{reason}");
        } else {
            debug!("{reason}");
        }
        if news || was_up.is_some() {
            self.tell(MqttEvent::Disconnected { reason }).await?;
        }
        let pause = self.backoff.next();
        self.pause(pause).await
    }

    async fn pause(&mut self, length: Duration) -> Result<(), Ended> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the back-off between attempts, and the pause between reads"
        )]
        let slept = tokio::time::sleep(length);
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop != Stop::Running) => Err(Ended),
            () = slept => Ok(()),
        }
    }

    /// Waits until there is room: meanwhile nothing is read, and the broker keeps what it has.
    async fn tell(&mut self, event: MqttEvent) -> Result<(), Ended> {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop != Stop::Running) => Err(Ended),
            sent = self.events.send(event) => sent.map_err(|_| Ended),
        }
    }
}

#[derive(Default)]
struct Batch {
    messages: Vec<Arrived>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, message: Arrived) {
        self.bytes += message.payload.len();
        self.messages.push(message);
    }

    fn is_full(&self) -> bool {
        self.messages.len() >= ARRIVED_MESSAGES_MAX || self.bytes >= ARRIVED_BYTES_MAX
    }
}
