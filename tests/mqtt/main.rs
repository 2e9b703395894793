//! The agent's broker session against a real mosquitto, through kills, restarts and refusals.

use std::collections::BTreeSet;
use std::time::Duration;

use tempfile::TempDir;
use tidegate::clock::Clock;
use tidegate::mqtt::{Arrived, Credentials, MqttEvent, MqttHandle, MqttSettings, PublishError, Qos};
use tidegate_model::time::Timestamp;
use tidegate_tests::mosquitto::{Mosquitto, free_port, password_file};
use tokio::sync::mpsc;

/// Longest to wait for something that must happen; only a broken session takes it.
const PATIENCE: Duration = Duration::from_secs(60);

/// One end of a conversation.
struct Client {
    handle: MqttHandle,
    events: mpsc::Receiver<MqttEvent>,
}

fn settings(port: u16, name: &str) -> MqttSettings {
    MqttSettings {
        device: name.parse().expect("a device id"),
        host: "127.0.0.1".to_owned(),
        port,
        client_id: format!("tidegate-{name}"),
        credentials: None,
        keep_alive: Duration::from_secs(30),
        reconnect_max: Duration::from_secs(1),
    }
}

impl Client {
    fn start(settings: MqttSettings) -> Self {
        let clock = Clock::open(Timestamp::EPOCH).expect("Linux names its boot");
        let (handle, events) = tidegate::mqtt::start(settings, clock);
        Self { handle, events }
    }

    /// A connected client that listens to `filter`.
    async fn listening(port: u16, name: &str, filter: &str) -> Self {
        let mut client = Self::start(settings(port, name));
        client.handle.subscribe([filter.to_owned()]);
        client.connected().await;
        client.subscribed().await;
        client
    }

    async fn next(&mut self) -> MqttEvent {
        tokio::time::timeout(PATIENCE, self.events.recv())
            .await
            .expect("an event comes")
            .expect("the session goes on")
    }

    async fn connected(&mut self) -> bool {
        loop {
            match self.next().await {
                MqttEvent::Connected { session_present } => return session_present,
                MqttEvent::Disconnected { .. } | MqttEvent::Arrived(_) => {}
            }
        }
    }

    async fn disconnected(&mut self) -> String {
        loop {
            match self.next().await {
                MqttEvent::Disconnected { reason } => return reason,
                MqttEvent::Connected { .. } | MqttEvent::Arrived(_) => {}
            }
        }
    }

    async fn arrived(&mut self, count: usize) -> Vec<Arrived> {
        let mut messages = Vec::new();
        while messages.len() < count {
            match self.next().await {
                MqttEvent::Arrived(more) => messages.extend(more),
                MqttEvent::Connected { .. } | MqttEvent::Disconnected { .. } => {}
            }
        }
        messages
    }

    async fn subscribed(&self) {
        tokio::time::timeout(PATIENCE, self.handle.subscribed()).await.expect("confirmed");
    }

    async fn publish(&self, topic: &str, payload: &[u8]) {
        let published = self.handle.publish(topic, payload.to_vec(), Qos::AtLeastOnce, false);
        tokio::time::timeout(PATIENCE, published).await.expect("acknowledged").expect("published");
    }
}

fn texts(messages: &[Arrived]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(&message.payload).into_owned()).collect()
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder for the broker")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_acknowledged_comes_again_and_nothing_else() {
    let dir = folder();
    let Some(broker) = Mosquitto::start(dir.path(), free_port()) else { return };
    let sensor = Client::listening(broker.port(), "sensor", "nothing").await;
    let mut agent = Client::listening(broker.port(), "agent", "ward/#").await;
    for number in 0..10 {
        sensor.publish("ward/bed", number.to_string().as_bytes()).await;
    }
    let messages = agent.arrived(10).await;
    assert!(messages.iter().all(|message| !message.duplicate && message.topic == "ward/bed"));
    let (even, odd): (Vec<_>, Vec<_>) =
        messages.into_iter().partition(|message| message.payload.last().is_some_and(|digit| digit % 2 == 0));
    agent.handle.acknowledge(even.into_iter().map(|message| message.ack).collect());
    // An acknowledgement goes out before what is sent after it.
    agent.publish("order/of/events", b"").await;
    // Killed: the task is dropped where it stands, and no goodbye is said.
    drop(agent.events);
    drop(sensor);

    let mut again = Client::start(settings(broker.port(), "agent"));
    assert!(again.connected().await, "the broker kept the session");
    let messages = again.arrived(5).await;
    assert_eq!(texts(&messages), texts(&odd));
    again.handle.acknowledge(messages.into_iter().map(|message| message.ack).collect());
    // Tokens of the first connection mean nothing in the second.
    again.handle.acknowledge(odd.into_iter().map(|message| message.ack).collect());
    again.publish("ward/bed", b"last").await;
    assert_eq!(texts(&again.arrived(1).await), ["last"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_come_before_the_subscription_is_confirmed_are_taken() {
    let dir = folder();
    let Some(broker) = Mosquitto::start(dir.path(), free_port()) else { return };
    let sensor = Client::listening(broker.port(), "sensor", "nothing").await;
    let agent = Client::listening(broker.port(), "agent", "ward/#").await;
    agent.handle.stop().await;
    // Far more than the broker has in flight: without taking the first, the rest would never come.
    let expected: BTreeSet<String> = (0..5_000).map(|number| number.to_string()).collect();
    for number in &expected {
        sensor.publish("ward/bed", number.as_bytes()).await;
    }
    let mut again = Client::start(settings(broker.port(), "agent"));
    again.handle.subscribe(["ward/#".to_owned()]);
    let mut seen = BTreeSet::new();
    while seen.len() < expected.len() {
        let messages = again.arrived(1).await;
        seen.extend(texts(&messages));
        again.handle.acknowledge(messages.into_iter().map(|message| message.ack).collect());
    }
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_lost_the_session_gets_our_messages_again() {
    let dir = folder();
    let Some(mut broker) = Mosquitto::start(dir.path(), free_port()) else { return };
    let mut agent = Client::listening(broker.port(), "agent", "nothing").await;
    broker.kill();
    broker.forget();
    agent.disconnected().await;
    let sending: Vec<_> = (0..50)
        .map(|number| {
            let handle = agent.handle.clone();
            tokio::spawn(async move {
                handle.publish("alarm", number.to_string().into_bytes(), Qos::AtLeastOnce, false).await
            })
        })
        .collect();
    // Two more lives of the broker without a memory, before one in which somebody listens.
    broker.restart();
    assert!(!agent.connected().await);
    for sent in sending {
        tokio::time::timeout(PATIENCE, sent)
            .await
            .expect("acknowledged")
            .expect("no panic")
            .expect("published");
    }
    let mut nurse = Client::listening(broker.port(), "nurse", "alarm").await;
    let again = tokio::spawn({
        let handle = agent.handle.clone();
        async move {
            for number in 0..200 {
                handle
                    .publish("alarm", format!("late {number}").into_bytes(), Qos::AtLeastOnce, false)
                    .await?;
            }
            Ok::<(), PublishError>(())
        }
    });
    nurse.arrived(20).await;
    broker.kill();
    broker.forget();
    broker.restart();
    tokio::time::timeout(PATIENCE, again).await.expect("acknowledged").expect("no panic").expect("published");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_down_at_first_is_found_when_it_comes() {
    let dir = folder();
    let port = free_port();
    let mut agent = Client::start(settings(port, "agent"));
    agent.handle.subscribe(["ward/#".to_owned()]);
    let reason = agent.disconnected().await;
    assert_eq!(
        reason,
        format!("nothing listens at 127.0.0.1:{port}; is the broker running, and broker.port right?")
    );
    let Some(broker) = Mosquitto::start(dir.path(), port) else { return };
    assert!(!agent.connected().await);
    agent.subscribed().await;
    agent.publish("ward/bed", b"1").await;
    assert_eq!(texts(&agent.arrived(1).await), ["1"]);
    drop(broker);
    agent.disconnected().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_refuses_is_tried_until_it_does_not() {
    let dir = folder();
    std::fs::create_dir_all(dir.path()).expect("a folder");
    let passwords = password_file(dir.path(), "tidegate", "right");
    let secure = format!("allow_anonymous false\npassword_file {}", passwords.display());
    let Some(broker) = Mosquitto::start_with(dir.path(), free_port(), &secure) else { return };
    let at = format!("the broker at 127.0.0.1:{} refuses the agent", broker.port());

    let mut nobody = Client::start(settings(broker.port(), "nobody"));
    assert_eq!(
        nobody.disconnected().await,
        format!("{at}: it takes nobody without a password; set broker.username and broker.password_file")
    );
    let known = |password: &str| {
        let credentials =
            Credentials { username: "tidegate".to_owned(), password: Some(password.to_owned()) };
        MqttSettings { credentials: Some(credentials), ..settings(broker.port(), "agent") }
    };
    let mut wrong = Client::start(known("wrong"));
    assert_eq!(
        wrong.disconnected().await,
        format!(
            "{at}: not authorised; check broker.username, broker.password_file and the broker's access list"
        )
    );
    let mut right = Client::start(known("right"));
    assert!(!right.connected().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_broker_is_named_as_such() {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let port = listener.local_addr().expect("an address").port();
    let web_server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    });
    let mut agent = Client::start(settings(port, "agent"));
    let reason = agent.disconnected().await;
    assert!(
        reason.contains("does not speak MQTT 3.1.1") || reason.contains("hung up instead of answering"),
        "{reason}"
    );
    web_server.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_megabytes_arrive_cut_and_the_session_goes_on() {
    let dir = folder();
    let Some(broker) = Mosquitto::start(dir.path(), free_port()) else { return };
    let mut agent = Client::listening(broker.port(), "agent", "ward/#").await;
    // Our own client does not send so much.
    let file = dir.path().join("large");
    std::fs::write(&file, vec![b'x'; 10_000_000]).expect("a large file");
    let sent = std::process::Command::new("mosquitto_pub")
        .args(["-p", &broker.port().to_string(), "-q", "1", "-t", "ward/large", "-f"])
        .arg(&file)
        .status();
    let Ok(status) = sent else {
        assert!(
            std::env::var_os("CI").is_none(),
            "mosquitto_pub is not installed: apt-get install mosquitto-clients"
        );
        println!("skipped: mosquitto_pub is not installed");
        return;
    };
    assert!(status.success());
    let large = agent.arrived(1).await.remove(0);
    assert_eq!((large.payload_bytes, large.payload.len()), (10_000_000, 256 * 1024 + 1));
    agent.handle.acknowledge(vec![large.ack]);
    agent.publish("ward/small", b"1").await;
    assert_eq!(texts(&agent.arrived(1).await), ["1"]);
    let too_much = agent.handle.publish("ward/large", vec![0; 256 * 1024 + 1], Qos::AtLeastOnce, false).await;
    assert_eq!(too_much, Err(PublishError::TooLarge { bytes: 256 * 1024 + 1 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_are_not_wanted_do_not_come() {
    let dir = folder();
    let Some(broker) = Mosquitto::start(dir.path(), free_port()) else { return };
    let mut agent = Client::listening(broker.port(), "agent", "ward/#").await;
    agent.publish("home/lamp", b"not asked for").await;
    agent.publish("ward/bed", b"1").await;
    assert_eq!(texts(&agent.arrived(1).await), ["1"]);
    agent.handle.subscribe(["home/#".to_owned()]);
    agent.subscribed().await;
    agent.publish("ward/bed", b"not wanted any more").await;
    agent.publish("home/lamp", b"2").await;
    assert_eq!(texts(&agent.arrived(1).await), ["2"]);
    for wrong in ["", "ward/#", "+/bed"] {
        let refused = agent.handle.publish(wrong, Vec::new(), Qos::AtLeastOnce, false).await;
        assert_eq!(refused, Err(PublishError::InvalidTopic { topic: wrong.to_owned() }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_says_online_and_offline_whichever_way_the_agent_goes() {
    let dir = folder();
    let Some(broker) = Mosquitto::start(dir.path(), free_port()) else { return };
    let mut watcher = Client::listening(broker.port(), "watcher", "tidegate/agent/status").await;
    let mut agent = Client::start(settings(broker.port(), "agent"));
    agent.connected().await;
    assert_eq!(texts(&watcher.arrived(1).await), ["online"]);
    agent.handle.stop().await;
    assert_eq!(texts(&watcher.arrived(1).await), ["offline"]);
    assert_eq!(
        agent.handle.publish("ward", Vec::new(), Qos::AtLeastOnce, false).await,
        Err(PublishError::Stopped)
    );

    let mut agent = Client::start(settings(broker.port(), "agent"));
    agent.connected().await;
    assert_eq!(texts(&watcher.arrived(1).await), ["online"]);
    // Nobody takes its events: it ends without a goodbye, and the broker speaks for it.
    drop(agent);
    let poke = Client::start(settings(broker.port(), "poke"));
    poke.handle.publish("tidegate/agent/poke", Vec::new(), Qos::AtLeastOnce, false).await.expect("published");
    // A late comer is told, too.
    let mut late = Client::start(settings(broker.port(), "late"));
    late.handle.subscribe(["tidegate/agent/status".to_owned()]);
    let status = late.arrived(1).await.remove(0);
    assert!(status.retained);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_cannot_connect_ends_when_told() {
    let agent = Client::start(settings(free_port(), "agent"));
    let waiting = tokio::spawn({
        let handle = agent.handle.clone();
        async move { handle.publish("ward", Vec::new(), Qos::AtLeastOnce, false).await }
    });
    tokio::task::yield_now().await;
    tokio::time::timeout(PATIENCE, agent.handle.stop()).await.expect("it ends");
    let outcome =
        tokio::time::timeout(PATIENCE, waiting).await.expect("nobody waits for ever").expect("no panic");
    assert_eq!(outcome, Err(PublishError::Stopped));
}
