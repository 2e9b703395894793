//! The two tasks of a sensor, for any executor: one measures, the other publishes.
//!
//! They are two because a link may keep its task waiting for seconds (a socket that dies without saying so), and a
//! sensor that waits with it misses measurements. The publishing task owns the outbox and never waits for the link
//! alone, so the channel between them stays short.

use core::future::Future;
use core::time::Duration;

use embassy_futures::select::{Either, select};
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_sync::channel::{Receiver, Sender};
use tidegate_model::reading::Acknowledgement;

use crate::deadband::Deadband;
use crate::station::{Message, Sample, Station};

/// What goes through the channel between the two tasks.
#[derive(Debug, Clone, PartialEq)]
pub enum Feed {
    /// A measurement worth sending.
    Sample(Sample),
    /// There will be no more. A board never says this; a recording does.
    End,
}

/// What measures. Waits for the moment of the next measurement, then takes it.
pub trait Driver {
    /// The time since the sensor started, and the measurement; `None` when there will be no more.
    fn next(&mut self) -> impl Future<Output = Option<(Duration, Sample)>>;
}

/// What carries messages to the gateway and acknowledgements back.
pub trait Link {
    /// Waits for the next thing to happen, or for the time since start to reach `wake_at`. Must lose nothing when its
    /// future is dropped half-way.
    fn event(&mut self, wake_at: Option<Duration>) -> impl Future<Output = LinkEvent>;

    /// Takes a message to send, without waiting. `false` when there is no room: an event will follow when there is.
    fn hand_over(&mut self, message: &Message) -> bool;

    /// The time since the sensor started.
    fn uptime(&self) -> Duration;
}

/// What happens on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// Connected, with nothing of ours under way.
    Up,
    /// The connection is lost, and perhaps what was on it.
    Down,
    /// The gateway has a channel's readings up to here on its disk.
    Acknowledged(Acknowledgement),
    /// There is room for further messages.
    Room,
    /// The time asked for has come.
    Woken,
    /// The link is closed for good, and nothing more will come of it.
    Closed,
}

/// Measures until the driver ends, and lets the publishing task have what passes the point's deadband.
///
/// # Panics
/// When a sample is of a point for which there is no deadband.
pub async fn sampling<M: RawMutex, const N: usize>(
    driver: &mut impl Driver,
    deadbands: &mut [Deadband],
    feed: Sender<'_, M, Feed, N>,
) {
    while let Some((now, sample)) = driver.next().await {
        let deadband =
            deadbands.get_mut(sample.point).expect("a station has a deadband for each of its points");
        if deadband.passes(now, &sample.value) {
            feed.send(Feed::Sample(sample)).await;
        }
    }
    feed.send(Feed::End).await;
}

/// Publishes until the feed has ended and the gateway has everything, or the link is closed for good.
pub async fn publishing<M: RawMutex, const N: usize>(
    station: &mut Station,
    feed: Receiver<'_, M, Feed, N>,
    link: &mut impl Link,
) {
    let mut ended = false;
    while !(ended && station.is_drained()) {
        match select(feed.receive(), link.event(station.deadline())).await {
            Either::First(Feed::Sample(sample)) => station.on_sample(sample),
            Either::First(Feed::End) => ended = true,
            Either::Second(LinkEvent::Up) => station.on_link_up(),
            Either::Second(LinkEvent::Down) => station.on_link_down(),
            Either::Second(LinkEvent::Acknowledged(acknowledgement)) => {
                station.on_acknowledged(link.uptime(), &acknowledgement);
            }
            Either::Second(LinkEvent::Woken) => station.on_deadline(link.uptime()),
            Either::Second(LinkEvent::Room) => {}
            Either::Second(LinkEvent::Closed) => return,
        }
        while let Some(message) = station.to_send() {
            if !link.hand_over(&message) {
                break;
            }
            station.mark_sent(link.uptime(), &message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Bounds;
    use crate::station::{Name, Point};
    use core::future::{pending, ready};
    use embassy_futures::{block_on, join::join};
    use embassy_sync::blocking_mutex::raw::NoopRawMutex;
    use embassy_sync::channel::Channel;
    use std::collections::VecDeque;
    use std::string::String;
    use std::vec;
    use std::vec::Vec;
    use tidegate_model::reading::Value;

    struct Measured(VecDeque<i64>);

    impl Driver for Measured {
        fn next(&mut self) -> impl Future<Output = Option<(Duration, Sample)>> {
            let value = self.0.pop_front().map(Value::Int);
            ready(value.map(|value| (Duration::ZERO, Sample { point: 0, value, stamp: None })))
        }
    }

    /// A gateway that confirms each reading, on a link that goes down once after `until_cut` messages, taking with it
    /// whatever was not confirmed. Time moves by one resend interval whenever there is nothing else to do.
    struct Cut {
        events: VecDeque<LinkEvent>,
        until_cut: usize,
        heard: Vec<u64>,
        room: usize,
        uptime: Duration,
    }

    impl Cut {
        fn after(messages: usize) -> Self {
            Self {
                events: VecDeque::from([LinkEvent::Up]),
                until_cut: messages,
                heard: Vec::new(),
                room: 3,
                uptime: Duration::ZERO,
            }
        }
    }

    impl Link for Cut {
        async fn event(&mut self, wake_at: Option<Duration>) -> LinkEvent {
            self.room = 3;
            match (self.events.pop_front(), wake_at) {
                (Some(event), _) => event,
                (None, Some(at)) => {
                    self.uptime = at;
                    LinkEvent::Woken
                }
                (None, None) => pending().await,
            }
        }

        fn hand_over(&mut self, message: &Message) -> bool {
            if self.room == 0 {
                self.events.push_back(LinkEvent::Room);
                return false;
            }
            self.room -= 1;
            self.heard.push(message.identity.seq);
            if self.heard.len() == self.until_cut {
                self.events = VecDeque::from([LinkEvent::Down, LinkEvent::Up]);
            } else {
                self.events.push_back(LinkEvent::Acknowledged(Acknowledgement {
                    channel: "rpm".parse().expect("a channel"),
                    session: message.identity.session,
                    first: message.identity.seq,
                    seq: message.identity.seq,
                }));
            }
            true
        }

        fn uptime(&self) -> Duration {
            self.uptime
        }
    }

    fn run(values: impl IntoIterator<Item = i64>, mut deadband: Deadband, mut link: Cut) -> (Station, Cut) {
        let name = Name {
            device: "gw-1".parse().expect("a device id"),
            source: "plant/pump".parse().expect("a source"),
            session: 1,
        };
        let points = vec![Point { channel: "rpm".parse().expect("a channel"), unit: String::new() }];
        let mut station = Station::new(name, points, Bounds::default());
        let mut driver = Measured(values.into_iter().collect());
        let channel = Channel::<NoopRawMutex, Feed, 2>::new();
        block_on(join(
            sampling(&mut driver, core::slice::from_mut(&mut deadband), channel.sender()),
            publishing(&mut station, channel.receiver(), &mut link),
        ));
        (station, link)
    }

    #[test]
    fn every_measurement_reaches_the_gateway_though_the_link_was_cut() {
        for cut in 1..=20 {
            let (station, link) = run(0..20, Deadband::open(), Cut::after(cut));
            let mut heard = link.heard;
            heard.sort_unstable();
            heard.dedup();
            assert!(heard.into_iter().eq(1..=20), "cut after {cut}");
            assert!(station.is_drained());
            assert_eq!(station.counts().dropped, 0);
        }
    }

    #[test]
    fn what_the_deadband_holds_back_is_not_numbered() {
        let deadband = Deadband::new(5.0, Duration::MAX);
        let (station, link) = run([100, 101, 102, 110, 111], deadband, Cut::after(usize::MAX));
        assert_eq!(link.heard, [1, 2]);
        assert_eq!(station.counts().sent, 2);
    }

    #[test]
    fn a_closed_link_ends_the_task_and_leaves_the_rest_in_the_outbox() {
        let mut link = Cut::after(usize::MAX);
        link.events = VecDeque::from([LinkEvent::Closed]);
        let (station, link) = run([1, 2], Deadband::open(), link);
        assert!(link.heard.is_empty());
        assert!(!station.is_drained());
    }
}
