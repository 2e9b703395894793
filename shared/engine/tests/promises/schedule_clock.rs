//! Schedules mean the clock on the wall, which may be wrong, unknown, or set while the engine runs.

use std::time::Duration;

use tidegate_engine::{Effect, Engine, Input, Record, Reply, Request, Step, Ticket};
use tidegate_model::chance::Chance;
use tidegate_model::event::Event;
use tidegate_model::id::BootId;
use tidegate_model::time::{ClockState, Stamp, Timestamp};

use crate::schedule_stage::{create, namespace, schedule_id};

/// An engine on a gateway whose wall clock is another than its own time.
struct Gateway {
    engine: Engine,
    /// Engine time, and where it begins: 2026-01-01T00:00:00Z.
    now: Timestamp,
    wall: Timestamp,
    state: ClockState,
    chance: Chance,
    started: Vec<String>,
    steps: usize,
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time of this file")
}

impl Gateway {
    fn new(state: ClockState, wall: &str) -> Self {
        Self {
            engine: Engine::new(),
            now: at("2026-01-01T00:00:00Z"),
            wall: at(wall),
            state,
            chance: Chance::new(7),
            started: Vec::new(),
            steps: 0,
        }
    }

    fn step(&mut self, decide: impl FnOnce(&mut Engine, &mut Step<'_>)) -> Vec<Effect> {
        let stamp = Stamp {
            boot: BootId::from_u128(1),
            boottime_ns: 1,
            wall: self.wall,
            state: self.state,
            error_us: None,
        };
        let (mut records, mut effects) = (Vec::new(), Vec::new());
        let step = &mut Step {
            now: self.now,
            stamp,
            chance: &mut self.chance,
            records: &mut records,
            effects: &mut effects,
        };
        decide(&mut self.engine, step);
        self.steps += 1;
        let started = records.iter().filter_map(|record| match record {
            Record::History(batch)
                if matches!(batch.events.first(), Some(Event::WorkflowExecutionStarted(_))) =>
            {
                Some(batch.workflow_id.to_string())
            }
            Record::History(_) | Record::State(_) => None,
        });
        self.started.extend(started);
        effects
    }

    fn ask(&mut self, request: Request) -> Reply {
        let input = Input::Request { ticket: Ticket(1), request };
        let effects = self.step(|engine, step| engine.handle(step, input));
        self.do_what_is_due();
        let Some(Effect::Reply { reply, .. }) = effects.into_iter().next() else {
            panic!("there is a reply")
        };
        reply.expect("nothing is refused here")
    }

    fn do_what_is_due(&mut self) {
        while self.engine.next_deadline().is_some_and(|(at, _)| at <= self.now) {
            self.step(Engine::handle_deadline);
        }
    }

    /// Both clocks go on.
    fn wait(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some((at, _)) = self.engine.next_deadline().filter(|(at, _)| *at <= until) {
            let at = at.max(self.now);
            self.wall = self.wall + at.saturating_since(self.now);
            self.now = at;
            self.do_what_is_due();
        }
        self.wall = self.wall + until.saturating_since(self.now);
        self.now = until;
    }

    /// Somebody sets the clock on the wall.
    fn set(&mut self, state: ClockState, wall: &str) {
        self.state = state;
        self.wall = at(wall);
    }

    fn taken(&mut self) -> Vec<String> {
        std::mem::take(&mut self.started)
    }

    fn missed(&mut self) -> u64 {
        let described =
            self.ask(Request::DescribeSchedule { namespace: namespace(), schedule_id: schedule_id() });
        let Reply::ScheduleDescribed(described) = described else { panic!("a description") };
        described.info.missed_catchup_window
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_schedule_goes_by_the_wall_and_not_by_the_engines_time() {
    let mut gateway = Gateway::new(ClockState::Synchronised, "2026-05-01T10:30:00Z");
    gateway.ask(create("every=1h overlap=all"));
    gateway.wait(HOUR / 2);
    assert_eq!(gateway.taken(), ["w-2026-05-01T11:00:00Z"]);
    gateway.wait(HOUR);
    assert_eq!(gateway.taken(), ["w-2026-05-01T12:00:00Z"]);
}

#[test]
fn while_nobody_has_set_the_clock_schedules_wait_and_then_catch_up() {
    let mut gateway = Gateway::new(ClockState::Synchronised, "2026-05-01T10:30:00Z");
    gateway.ask(create("every=1h overlap=all catch-up=2h"));
    // A boot without a battery: the engine's time goes on from where it was, the wall shows 1970.
    gateway.set(ClockState::Unset, "1970-01-01T00:00:00Z");
    gateway.wait(3 * HOUR);
    assert_eq!(gateway.taken(), [] as [&str; 0]);
    // Found out within a minute of the clock being set, although nothing else happens.
    gateway.set(ClockState::Synchronised, "2026-05-01T18:10:00Z");
    gateway.wait(Duration::from_secs(60));
    assert_eq!(gateway.taken(), ["w-2026-05-01T17:00:00Z", "w-2026-05-01T18:00:00Z"]);
    assert_eq!(gateway.missed(), 6, "from 11 to 16 o'clock");
}

#[test]
fn a_clock_that_leaps_ahead_lets_the_catch_up_window_decide() {
    let mut gateway = Gateway::new(ClockState::Holdover, "2026-05-01T10:30:00Z");
    gateway.ask(create("every=1h overlap=skip"));
    gateway.set(ClockState::Synchronised, "2026-05-04T10:30:00Z");
    gateway.wait(Duration::from_secs(60));
    assert_eq!(gateway.taken(), ["w-2026-05-01T11:00:00Z"], "the first runs, and the others overlap with it");
    gateway.wait(HOUR);
    assert_eq!(gateway.taken(), [] as [&str; 0]);
}

#[test]
fn a_clock_that_is_set_back_a_little_lets_no_time_come_twice() {
    let mut gateway = Gateway::new(ClockState::Synchronised, "2026-05-01T10:30:00Z");
    gateway.ask(create("every=10m overlap=all"));
    gateway.wait(HOUR / 2);
    assert_eq!(gateway.taken().len(), 3);
    gateway.set(ClockState::Synchronised, "2026-05-01T10:45:00Z");
    gateway.wait(HOUR / 2);
    assert_eq!(gateway.taken(), ["w-2026-05-01T11:10:00Z"]);
}

#[test]
fn a_clock_that_was_years_ahead_does_not_silence_a_schedule() {
    let mut gateway = Gateway::new(ClockState::Holdover, "2031-05-01T10:30:00Z");
    gateway.ask(create("every=1h overlap=all"));
    gateway.wait(HOUR);
    assert_eq!(gateway.taken(), ["w-2031-05-01T11:00:00Z"]);
    gateway.set(ClockState::Synchronised, "2026-05-01T10:30:00Z");
    gateway.wait(HOUR);
    assert_eq!(gateway.taken(), ["w-2026-05-01T11:00:00Z"]);
}

#[test]
fn a_schedule_with_nothing_to_do_wakes_the_host_once_an_hour_and_a_doubtful_clock_once_a_minute() {
    for (state, steps) in
        [(ClockState::Synchronised, 24), (ClockState::Holdover, 24 * 60), (ClockState::Unset, 24 * 60)]
    {
        let mut gateway = Gateway::new(state, "2026-05-01T10:30:00Z");
        gateway.ask(create("cron=0_0_1_1_*"));
        gateway.steps = 0;
        gateway.wait(24 * HOUR);
        assert_eq!(gateway.steps, steps, "{state:?}");
    }
}
