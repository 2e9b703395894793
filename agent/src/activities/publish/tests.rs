//! Publishing, with a broker that can be away.

use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, mpsc};

use super::*;
use crate::activities::tests::context;

/// Takes messages, and acknowledges each when the test says so.
#[derive(Clone)]
struct Fake {
    taken: mpsc::UnboundedSender<MqttMessage>,
    answers: Arc<AsyncMutex<mpsc::UnboundedReceiver<Result<(), PublishError>>>>,
}

impl Broker for Fake {
    async fn publish(&self, message: MqttMessage) -> Result<(), PublishError> {
        self.taken.send(message).expect("the test listens");
        self.answers.lock().await.recv().await.unwrap_or(Err(PublishError::Stopped))
    }
}

fn message() -> MqttMessage {
    MqttMessage { topic: "alarm".to_owned(), payload: "high".to_owned(), qos: 1, retain: false }
}

#[tokio::test(start_paused = true)]
async fn attempts_that_time_out_share_one_message() {
    let (taken, mut is_taken) = mpsc::unbounded_channel();
    let (answer, answers) = mpsc::unbounded_channel();
    let publisher = Publisher::new(Fake { taken, answers: Arc::new(AsyncMutex::new(answers)) });
    for attempt in 1..4 {
        let attempt = publisher.handle(context("7", attempt), message());
        tokio::time::timeout(Duration::from_secs(30), attempt).await.expect_err("the broker is away");
    }
    assert_eq!(is_taken.recv().await, Some(message()));
    answer.send(Ok(())).expect("the broker listens");
    publisher.handle(context("7", 4), message()).await.expect("it was acknowledged");
    assert!(is_taken.try_recv().is_err(), "the broker got one message");

    // Another activity is another message, and so is one after the first is done.
    answer.send(Ok(())).expect("the broker listens");
    publisher.handle(context("8", 1), message()).await.expect("acknowledged");
    assert!(is_taken.try_recv().is_ok());
}

#[tokio::test]
async fn what_can_never_be_published_is_not_tried_again() {
    let check = async |error: PublishError, expected: bool| {
        let (taken, _is_taken) = mpsc::unbounded_channel();
        let (answer, answers) = mpsc::unbounded_channel();
        answer.send(Err(error)).expect("the broker listens");
        let publisher = Publisher::new(Fake { taken, answers: Arc::new(AsyncMutex::new(answers)) });
        let failure = publisher.handle(context("7", 1), message()).await.expect_err("refused");
        let tidegate_model::payload::FailureInfo::Application { non_retryable, .. } = failure.info else {
            panic!("an application's failure: {failure:?}");
        };
        assert_eq!(non_retryable, expected, "{}", failure.message);
    };
    check(PublishError::InvalidTopic { topic: "#".to_owned() }, true).await;
    check(PublishError::TooLarge { bytes: 1 }, true).await;
    check(PublishError::NotSent, false).await;
    check(PublishError::Stopped, false).await;
}
