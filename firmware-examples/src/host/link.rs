//! The link of a host station: one MQTT connection. No rumqttc type leaves this file.

use std::cell::{Cell, RefCell};
use std::format;
use std::rc::Rc;
use std::string::{String, ToString};
use std::time::{Duration, Instant};
use std::vec::Vec;

use rumqttc::{
    AsyncClient, Event, EventLoop, Incoming, MqttOptions, Outgoing, PublishNotice, PublishOptions, QoS,
};
use tidegate_model::reading::Acknowledgement;
use tidegate_model::topic::Topic;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::station::{self, Message, Station};
use crate::tasks::{Link, LinkEvent};

use super::{Form, Options, Until};

/// Bound: a PUBACK and an acknowledgement for every message that can be under way. A full queue holds back the
/// connection, and so the broker.
const EVENTS_MAX: usize = 4_096;
const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(2);
/// How long a closing link waits for its DISCONNECT to be sent.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// What all links of the process have done.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) published: Cell<u64>,
    pub(super) pubacks: Cell<u64>,
    /// Why there is no connection, while there is none.
    pub(super) trouble: RefCell<Option<String>>,
}

/// A station's connection to the broker.
#[derive(Debug)]
pub(super) struct BrokerLink {
    client: AsyncClient,
    form: Form,
    events: mpsc::Receiver<LinkEvent>,
    /// Publishes whose PUBACK is awaited, in order. Bounded by the windows of the station's channels.
    underway: mpsc::UnboundedSender<(PublishNotice, Acknowledgement)>,
    started: Instant,
    tally: Rc<Tally>,
    connection: JoinHandle<()>,
    pubacks: JoinHandle<()>,
}

impl BrokerLink {
    /// Begins to connect. Must be called on a `LocalSet`.
    #[expect(clippy::disallowed_methods, reason = "the time since start is what a board's timer counts")]
    pub(super) fn open(options: &Options, station: &Station, tally: Rc<Tally>) -> Self {
        let name = station.name();
        let client_id = format!("sensor-{}-{}", name.source.as_str().replace('/', "-"), name.session);
        let mut mqtt = MqttOptions::new(client_id, (options.broker.host.as_str(), options.broker.port));
        mqtt.set_keep_alive(5);
        // The outbox is the session: after a reconnect everything unacknowledged is sent again from there.
        mqtt.set_clean_session(true);
        let underway_max = options.window_max.saturating_mul(station.reached().count()).max(1);
        mqtt.set_inflight(u16::try_from(underway_max).unwrap_or(u16::MAX));
        let (client, connection) = AsyncClient::builder(mqtt).capacity(underway_max).build();

        let (events_in, events) = mpsc::channel(EVENTS_MAX);
        let (underway, awaited) = mpsc::unbounded_channel();
        let acknowledgements = match options.until {
            Until::Gateway => Some(station.acknowledgement_topic()),
            Until::Broker => None,
        };
        let keeper = Keeper {
            client: client.clone(),
            acknowledgements,
            events: events_in.clone(),
            tally: Rc::clone(&tally),
        };
        Self {
            client,
            form: options.form,
            events,
            underway,
            started: Instant::now(),
            connection: tokio::task::spawn_local(keeper.keep_connected(connection)),
            pubacks: tokio::task::spawn_local(await_pubacks(
                awaited,
                options.until,
                events_in,
                Rc::clone(&tally),
            )),
            tally,
        }
    }

    /// Says goodbye to the broker, as far as it listens.
    pub(super) async fn close(mut self) {
        // Nobody listens to events any more; a full queue must not hold the connection's task back.
        self.events.close();
        let farewell = async {
            if self.client.disconnect().await.is_ok() {
                (&mut self.connection).await.ok();
            }
        };
        tokio::time::timeout(CLOSE_MAX, farewell).await.ok();
        self.connection.abort();
        self.pubacks.abort();
    }
}

impl Link for BrokerLink {
    async fn event(&mut self, wake_at: Option<Duration>) -> LinkEvent {
        let started = self.started;
        let wake = async {
            match wake_at {
                Some(at) => tokio::time::sleep_until((started + at).into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = self.events.recv() => event.unwrap_or(LinkEvent::Closed),
            () = wake => LinkEvent::Woken,
        }
    }

    fn hand_over(&mut self, message: &Message) -> bool {
        let (topic, payload) = on_the_wire(self.form, message);
        let options = PublishOptions::new(QoS::AtLeastOnce);
        let Ok(notice) = self.client.try_publish_tracked(topic, payload, options) else {
            return false;
        };
        self.tally.published.set(self.tally.published.get() + 1);
        let acknowledgement = Acknowledgement {
            channel: message.channel.clone(),
            session: message.identity.session,
            first: message.identity.seq,
            seq: message.identity.seq,
        };
        self.underway.send((notice, acknowledgement)).is_ok()
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Topic and payload of a message.
fn on_the_wire(form: Form, message: &Message) -> (String, Vec<u8>) {
    match form {
        Form::Json => (message.topic().to_string(), message.to_json()),
        Form::Cbor => (message.topic().to_string(), message.to_cbor()),
        Form::Plain => {
            let payload = &message.payload;
            let plain = serde_json::json!({
                "time": payload.source_stamp,
                "value": payload.value,
                "unit": payload.unit,
                "session": message.identity.session,
                "seq": message.identity.seq,
            });
            (format!("{}/{}", message.source, message.channel), plain.to_string().into_bytes())
        }
    }
}

/// Counts PUBACKs, and takes them for the gateway's word where that is what was asked for.
///
/// A publish whose connection broke gets no PUBACK, and neither does any later one of that connection; so those that
/// do arrive, in order, cover everything before them.
async fn await_pubacks(
    mut awaited: mpsc::UnboundedReceiver<(PublishNotice, Acknowledgement)>,
    until: Until,
    events: mpsc::Sender<LinkEvent>,
    tally: Rc<Tally>,
) {
    while let Some((notice, acknowledgement)) = awaited.recv().await {
        if notice.wait_async().await.is_err() {
            continue;
        }
        tally.pubacks.set(tally.pubacks.get() + 1);
        let event = match until {
            Until::Gateway => LinkEvent::Room,
            Until::Broker => LinkEvent::Acknowledged(acknowledgement),
        };
        if events.send(event).await.is_err() {
            return;
        }
    }
}

/// Keeps a connection going and says what happens on it.
#[derive(Debug)]
struct Keeper {
    client: AsyncClient,
    acknowledgements: Option<Topic>,
    events: mpsc::Sender<LinkEvent>,
    tally: Rc<Tally>,
}

impl Keeper {
    async fn keep_connected(self, mut connection: EventLoop) {
        let mut back_off = BACK_OFF_FIRST;
        loop {
            match connection.poll().await {
                Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                    back_off = BACK_OFF_FIRST;
                    self.tally.trouble.take();
                    self.connected().await;
                }
                // Only now does no acknowledgement go by unheard.
                Ok(Event::Incoming(Incoming::SubAck(_))) => self.tell(LinkEvent::Up).await,
                Ok(Event::Incoming(Incoming::Publish(publish))) => {
                    if let Some(acknowledgement) = station::acknowledgement(&publish.payload) {
                        self.tell(LinkEvent::Acknowledged(acknowledgement)).await;
                    }
                }
                Ok(Event::Outgoing(Outgoing::Disconnect)) => return,
                Ok(Event::Incoming(_) | Event::Outgoing(_)) => {}
                Err(error) => {
                    self.tally.trouble.replace(Some(error.to_string()));
                    self.tell(LinkEvent::Down).await;
                    tokio::time::sleep(back_off).await;
                    back_off = (back_off * 2).min(BACK_OFF_MAX);
                }
            }
        }
    }

    async fn connected(&self) {
        let Some(topic) = &self.acknowledgements else {
            return self.tell(LinkEvent::Up).await;
        };
        // The queue of requests may be full of what was handed over before; only polling empties it, so the
        // subscription waits for its place elsewhere.
        let (client, filter) = (self.client.clone(), topic.to_string());
        tokio::task::spawn_local(async move { client.subscribe(filter, QoS::AtLeastOnce).await.ok() });
    }

    /// A station that has closed its end wants to know nothing more.
    async fn tell(&self, event: LinkEvent) {
        self.events.send(event).await.ok();
    }
}
