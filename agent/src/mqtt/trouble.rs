//! What is wrong with the connection, in one line with a remedy, and how often that is said.

use rumqttc::mqttbytes;
use rumqttc::{ConnectReturnCode, ConnectionError, StateError};
use std::io::{self, ErrorKind};
use std::time::Duration;
use tidegate_model::limits;

use super::MqttSettings;

/// A reason that does not change is said again after this.
const SAID_AGAIN: Duration = Duration::from_secs(600);

/// Says each reason once, and again after a while.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    last: Option<(String, u64)>,
}

impl Troubles {
    /// Whether `reason` is worth saying at this boot time.
    pub(super) fn is_news(&mut self, reason: &str, boottime_ns: u64) -> bool {
        let known = self.last.as_ref().is_some_and(|(last, said_ns)| {
            last == reason && Duration::from_nanos(boottime_ns.saturating_sub(*said_ns)) < SAID_AGAIN
        });
        if !known {
            self.last = Some((reason.to_owned(), boottime_ns));
        }
        !known
    }

    /// The session is up: whatever comes next is news.
    pub(super) fn clear(&mut self) {
        self.last = None;
    }
}

/// Why there is no connection; `was_up` when there had been one.
pub(super) fn explain(error: &ConnectionError, was_up: bool, settings: &MqttSettings) -> String {
    let MqttSettings { host, port, client_id, .. } = settings;
    let at = format!("{host}:{port}");
    let not_mqtt = || {
        format!(
            "what answers at {at} does not speak MQTT 3.1.1; is broker.port another service's, or one for TLS?"
        )
    };
    let closed = || {
        if was_up {
            format!(
                "the broker closed the connection; if that repeats, another client may use the name {client_id:?}: \
                 give each its own broker.client_id"
            )
        } else {
            format!(
                "the server at {at} hung up instead of answering; is it an MQTT broker, and broker.port right?"
            )
        }
    };
    match error {
        ConnectionError::ConnectionRefused(code) => refused(*code, settings),
        ConnectionError::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
            format!("nothing listens at {at}; is the broker running, and broker.port right?")
        }
        ConnectionError::Io(error) if error.kind() == ErrorKind::InvalidData => not_mqtt(),
        ConnectionError::Io(error) if hung_up(error) => closed(),
        ConnectionError::Io(error) => {
            format!("the broker at {at} cannot be reached ({error}); check broker.host and the network")
        }
        ConnectionError::NetworkTimeout => {
            format!("no answer from {at}; is it an MQTT broker, and does a firewall let it through?")
        }
        ConnectionError::NotConnAck(_) => not_mqtt(),
        ConnectionError::MqttState(StateError::Deserialization(
            mqttbytes::Error::PayloadSizeLimitExceeded(bytes),
        )) if was_up => {
            format!(
                "the broker sent a packet of {bytes} bytes, more than the {} taken; lower message_size_limit in its \
                 settings, and clear the message",
                limits::MQTT_PACKET_BYTES_MAX
            )
        }
        ConnectionError::MqttState(StateError::Deserialization(mqttbytes::Error::Io(_)))
        | ConnectionError::MqttState(StateError::Io(_) | StateError::ConnectionAborted) => closed(),
        ConnectionError::MqttState(StateError::Deserialization(_)) if !was_up => not_mqtt(),
        ConnectionError::MqttState(StateError::AwaitPingResp) => {
            format!("the broker at {at} has fallen silent; it is taken for dead")
        }
        ConnectionError::FlushTimeout => {
            format!("the broker at {at} takes nothing any more; is it overloaded?")
        }
        ConnectionError::MqttState(_)
        | ConnectionError::DisconnectTimeout
        | ConnectionError::SessionStateMismatch { .. }
        | ConnectionError::SessionStore(_)
        | ConnectionError::SessionRestore(_)
        | ConnectionError::BrokerTransportMismatch
        | ConnectionError::RequestsDone => format!("the connection to {at} failed: {error}"),
        // The library may name more reasons one day.
        _ => format!("the connection to {at} failed: {error}"),
    }
}

fn hung_up(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

fn refused(code: ConnectReturnCode, settings: &MqttSettings) -> String {
    let client_id = &settings.client_id;
    let remedy = match code {
        ConnectReturnCode::BadUserNamePassword => {
            "user or password is wrong; check broker.username and broker.password_file".to_owned()
        }
        // Mosquitto says this of a wrong password, too.
        ConnectReturnCode::NotAuthorized if settings.credentials.is_some() => {
            "not authorised; check broker.username, broker.password_file and the broker's access list"
                .to_owned()
        }
        ConnectReturnCode::NotAuthorized => {
            "it takes nobody without a password; set broker.username and broker.password_file".to_owned()
        }
        ConnectReturnCode::BadClientId => {
            format!("it does not take the name {client_id:?}; set another broker.client_id")
        }
        ConnectReturnCode::ServiceUnavailable => "it is not available now; see its own log".to_owned(),
        ConnectReturnCode::RefusedProtocolVersion => "it does not speak MQTT 3.1.1; update it".to_owned(),
        ConnectReturnCode::Success => "it said yes and hung up; see its own log".to_owned(),
    };
    format!("the broker at {}:{} refuses the agent: {remedy}", settings.host, settings.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> MqttSettings {
        MqttSettings {
            device: "gw".parse().expect("a device id"),
            host: "broker".to_owned(),
            port: 1883,
            client_id: "tidegate-gw".to_owned(),
            credentials: None,
            keep_alive: Duration::from_secs(30),
            reconnect_max: Duration::from_secs(60),
        }
    }

    #[test]
    fn each_refusal_names_its_remedy() {
        let check = |code, remedy: &str| {
            let reason = explain(&ConnectionError::ConnectionRefused(code), false, &settings());
            assert_eq!(reason, format!("the broker at broker:1883 refuses the agent: {remedy}"));
        };
        check(
            ConnectReturnCode::BadUserNamePassword,
            "user or password is wrong; check broker.username and broker.password_file",
        );
        check(
            ConnectReturnCode::NotAuthorized,
            "it takes nobody without a password; set broker.username and broker.password_file",
        );
        check(
            ConnectReturnCode::BadClientId,
            "it does not take the name \"tidegate-gw\"; set another broker.client_id",
        );
        check(ConnectReturnCode::ServiceUnavailable, "it is not available now; see its own log");
    }

    #[test]
    fn a_reason_is_said_once_and_again_after_a_while() {
        let mut troubles = Troubles::default();
        let minutes = |minutes: u64| minutes * 60 * 1_000_000_000;
        assert!(troubles.is_news("down", 0));
        assert!(!troubles.is_news("down", minutes(9)));
        assert!(troubles.is_news("down", minutes(10)));
        assert!(troubles.is_news("refused", minutes(11)));
        troubles.clear();
        assert!(troubles.is_news("refused", minutes(11)));
    }
}
