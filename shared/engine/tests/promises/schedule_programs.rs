//! Random programs over one schedule, beside a model of it: after every happening both show the same, and processes that
//! begin anew at that point, from a snapshot and from all records, decide the same.
//!
//! The model is as plain as can be: it asks of every second whether it is a time, and keeps everything in lists.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use tidegate_engine::{
    Backfill, Command, CreateSchedule, Engine, IntervalSpec, OverlapPolicy, PatchSchedule, Refusal, Reply,
    Request, RunStatus, Schedule, SchedulePatch, SchedulePolicies, ScheduleSpec, ScheduleState,
    ScheduledWorkflow, TriggerImmediately, UpdateSchedule, WorkflowTaskCompletion,
};
use tidegate_model::id::{TaskQueue, WorkflowId};
use tidegate_model::payload::{Failure, Header, Payload};
use tidegate_model::time::Timestamp;

use crate::schedule_stage::{namespace, poll, schedule_id};
use crate::world::{World, decided, replay};

/// Something that can happen.
#[derive(Debug, Clone)]
enum Happening {
    Create(Wanted),
    Update(Wanted),
    Delete,
    Trigger {
        overlap: Option<OverlapPolicy>,
    },
    /// Of a stretch of time that nothing else is about.
    Backfill {
        minutes: i64,
        overlap: Option<OverlapPolicy>,
    },
    Pause,
    Unpause,
    /// A worker takes the next task there is, and ends its run.
    Close {
        fails: bool,
    },
    Wait {
        seconds: u64,
    },
    PowerOff {
        minutes: u64,
    },
    Crash,
}

/// A schedule, in the small.
#[derive(Debug, Clone)]
struct Wanted {
    every_minutes: i64,
    overlap: OverlapPolicy,
    window_minutes: i64,
    pause_on_failure: bool,
    actions: Option<u64>,
}

fn overlap() -> impl Strategy<Value = OverlapPolicy> {
    prop::sample::select(vec![
        OverlapPolicy::Skip,
        OverlapPolicy::BufferOne,
        OverlapPolicy::BufferAll,
        OverlapPolicy::CancelOther,
        OverlapPolicy::TerminateOther,
        OverlapPolicy::AllowAll,
    ])
}

fn wanted() -> impl Strategy<Value = Wanted> {
    (1..4_i64, overlap(), 1..8_i64, any::<bool>(), prop::option::weighted(0.3, 0..4_u64)).prop_map(
        |(every_minutes, overlap, window_minutes, pause_on_failure, actions)| Wanted {
            every_minutes,
            overlap,
            window_minutes,
            pause_on_failure,
            actions,
        },
    )
}

fn happening() -> impl Strategy<Value = Happening> {
    let own = || prop::option::of(overlap());
    prop_oneof![
        2 => wanted().prop_map(Happening::Create),
        2 => wanted().prop_map(Happening::Update),
        1 => Just(Happening::Delete),
        3 => own().prop_map(|overlap| Happening::Trigger { overlap }),
        2 => (0..8_i64, own()).prop_map(|(minutes, overlap)| Happening::Backfill { minutes, overlap }),
        1 => Just(Happening::Pause),
        2 => Just(Happening::Unpause),
        8 => any::<bool>().prop_map(|fails| Happening::Close { fails }),
        8 => (1..200_u64).prop_map(|seconds| Happening::Wait { seconds }),
        2 => (1..9_u64).prop_map(|minutes| Happening::PowerOff { minutes }),
        1 => Just(Happening::Crash),
    ]
}

/// A schedule, as plain as can be. Times are in seconds since 1970.
#[derive(Debug, Clone)]
struct Model {
    wanted: Wanted,
    paused: bool,
    left: Option<u64>,
    updated: i64,
    dealt_with: i64,
    waiting: VecDeque<Waiting>,
    /// The one that others wait for, by its time.
    running: Option<i64>,
    taken: u64,
    skipped: u64,
    missed: u64,
    recent: VecDeque<(i64, RunStatus)>,
}

#[derive(Debug, Clone)]
struct Waiting {
    time: i64,
    overlap: Option<OverlapPolicy>,
    manual: bool,
}

impl Model {
    fn new(wanted: Wanted, now: i64) -> Self {
        Self {
            left: wanted.actions,
            wanted,
            paused: false,
            updated: 0,
            dealt_with: now,
            waiting: VecDeque::new(),
            running: None,
            taken: 0,
            skipped: 0,
            missed: 0,
            recent: VecDeque::new(),
        }
    }

    fn can_act(&self) -> bool {
        !self.paused && self.left != Some(0)
    }

    /// Time passes second by second.
    fn wait(&mut self, from: i64, to: i64) {
        for now in from + 1..=to {
            self.come(now);
        }
    }

    /// What is due comes at once.
    fn come(&mut self, now: i64) {
        if !self.can_act() {
            return;
        }
        let came: Vec<i64> = (self.dealt_with + 1..=now)
            .filter(|second| second % (self.wanted.every_minutes * 60) == 0)
            .collect();
        for time in &came {
            self.dealt_with = *time;
            if *time < self.updated {
                continue;
            }
            if now - time > self.wanted.window_minutes * 60 {
                self.missed += 1;
            } else {
                self.waiting.push_back(Waiting { time: *time, overlap: None, manual: false });
            }
        }
        if !came.is_empty() {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        let all = std::mem::take(&mut self.waiting);
        let mut may_start: Vec<Waiting> = all.into();
        loop {
            let (mut stay, mut next, mut beside, mut skipped) = (VecDeque::new(), None, Vec::new(), 0);
            let mut terminates = false;
            for action in may_start.iter().cloned() {
                let policy = action.overlap.unwrap_or(self.wanted.overlap);
                if policy == OverlapPolicy::AllowAll {
                    beside.push(action);
                } else if self.running.is_none() && next.is_none() {
                    next = Some(action);
                } else if makes_way(policy) && self.running.is_some() {
                    terminates |= policy == OverlapPolicy::TerminateOther;
                    stay.push_back(action);
                } else if makes_way(policy) {
                    next = Some(action);
                    skipped += 1;
                } else if policy == OverlapPolicy::BufferAll
                    || policy == OverlapPolicy::BufferOne && stay.is_empty()
                {
                    stay.push_back(action);
                } else {
                    skipped += 1;
                }
            }
            let starts: Vec<(Waiting, bool)> = beside
                .into_iter()
                .map(|action| (action, true))
                .chain(next.map(|action| (action, false)))
                .collect();
            let mut left = if self.can_act() { self.left.unwrap_or(u64::MAX) } else { 0 };
            let refused = starts.iter().find(|(action, _)| {
                let is_refused = !action.manual && left == 0;
                left = left.saturating_sub(u64::from(!action.manual));
                is_refused
            });
            if let Some((refused, _)) = refused {
                may_start.retain(|action| action.time != refused.time || action.manual);
                continue;
            }
            self.waiting = stay;
            self.skipped += skipped;
            for (action, is_beside) in starts {
                self.start(&action, is_beside);
            }
            if let Some(running) = self.running.filter(|_| terminates) {
                self.closed(running, RunStatus::Terminated);
            }
            return;
        }
    }

    fn start(&mut self, action: &Waiting, is_beside: bool) {
        if !action.manual {
            self.left = self.left.map(|left| left - 1);
        }
        self.taken += 1;
        self.recent.push_back((action.time, RunStatus::Running));
        if self.recent.len() > 10 {
            self.recent.pop_front();
        }
        if !is_beside {
            self.running = Some(action.time);
        }
    }

    fn closed(&mut self, time: i64, status: RunStatus) {
        for (_, recent) in self.recent.iter_mut().filter(|(recent, _)| *recent == time) {
            *recent = status;
        }
        if self.running == Some(time) {
            self.running = None;
            self.paused |= status == RunStatus::Failed && self.wanted.pause_on_failure;
            self.let_go();
        }
    }

    /// Time that passed while nothing could be done.
    fn pass_idle_time(&mut self, now: i64) {
        if !self.can_act() {
            self.dealt_with = self.dealt_with.max(now);
        }
    }

    fn shown(&self) -> Shown {
        Shown {
            taken: self.taken,
            skipped: self.skipped,
            missed: self.missed,
            dropped: 0,
            waiting: self.waiting.len() as u64,
            running: self.running.map(id_of).into_iter().collect(),
            recent: self.recent.iter().map(|(time, status)| (id_of(*time), *status)).collect(),
            paused: self.paused,
            left: self.left,
        }
    }
}

/// What is compared.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    taken: u64,
    skipped: u64,
    missed: u64,
    dropped: u64,
    waiting: u64,
    running: Vec<String>,
    recent: Vec<(String, RunStatus)>,
    paused: bool,
    left: Option<u64>,
}

/// Whether whatever runs is to make way.
fn makes_way(policy: OverlapPolicy) -> bool {
    policy == OverlapPolicy::CancelOther || policy == OverlapPolicy::TerminateOther
}

fn id_of(time: i64) -> String {
    let text = Timestamp::from_micros(time * 1_000_000).to_string();
    format!("w-{}Z", text.split_once('.').expect("milliseconds").0)
}

/// A world with one schedule, and what is known of it outside the engine.
struct Random {
    world: World,
    model: Option<Model>,
    /// For times that are nobody else's: those of triggers and backfills.
    unused: i64,
    crashes_always: bool,
}

impl Random {
    fn new(crashes_always: bool) -> Self {
        // 2030-01-01T00:00:00Z.
        Self { world: World::new(7), model: None, unused: 1_893_456_000, crashes_always }
    }

    fn now(&self) -> i64 {
        self.world.now.as_micros() / 1_000_000
    }

    fn happen(&mut self, happening: &Happening) {
        let now = self.now();
        match happening {
            Happening::Create(wanted) => {
                let is_new = self.model.is_none();
                let reply = self.ask(Request::CreateSchedule(Box::new(CreateSchedule {
                    namespace: namespace(),
                    schedule_id: schedule_id(),
                    schedule: schedule(wanted),
                    initial_patch: None,
                    identity: String::new(),
                    request_id: String::new(),
                    memo: Header::new(),
                    search_attributes: Header::new(),
                })));
                assert_eq!(reply.is_ok(), is_new);
                if is_new {
                    self.model = Some(Model::new(wanted.clone(), now));
                }
            }
            Happening::Update(wanted) => {
                let reply = self.ask(Request::UpdateSchedule(Box::new(UpdateSchedule {
                    namespace: namespace(),
                    schedule_id: schedule_id(),
                    schedule: schedule(wanted),
                    conflict_token: None,
                    identity: String::new(),
                    request_id: String::new(),
                    search_attributes: None,
                    memo: None,
                })));
                self.expect_done(reply, |model| {
                    model.pass_idle_time(now);
                    model.left = wanted.actions;
                    model.wanted = wanted.clone();
                    model.paused = false;
                    model.updated = now;
                    model.let_go();
                });
            }
            Happening::Delete => {
                let reply = self.ask(Request::DeleteSchedule {
                    namespace: namespace(),
                    schedule_id: schedule_id(),
                    identity: String::new(),
                });
                self.expect_done(reply, |_| {});
                self.model = None;
            }
            Happening::Trigger { overlap } => {
                let time = self.unused;
                let trigger = TriggerImmediately {
                    overlap_policy: *overlap,
                    scheduled_time: Some(Timestamp::from_micros(time * 1_000_000)),
                };
                let patch = SchedulePatch { trigger_immediately: Some(trigger), ..SchedulePatch::default() };
                let reply = self.patch(patch);
                self.expect_done(reply, |model| {
                    model.waiting.push_back(Waiting { time, overlap: *overlap, manual: true });
                    model.let_go();
                });
            }
            Happening::Backfill { minutes, overlap } => {
                let (start, end) = (self.unused, self.unused + minutes * 60);
                let at = |time: i64| Timestamp::from_micros(time * 1_000_000);
                let backfill =
                    Backfill { start_time: at(start), end_time: at(end), overlap_policy: *overlap };
                let patch = SchedulePatch { backfill_request: vec![backfill], ..SchedulePatch::default() };
                let reply = self.patch(patch);
                self.expect_done(reply, |model| {
                    let every = model.wanted.every_minutes * 60;
                    for time in (start..=end).filter(|second| second % every == 0) {
                        model.waiting.push_back(Waiting { time, overlap: *overlap, manual: true });
                    }
                    model.let_go();
                });
            }
            Happening::Pause | Happening::Unpause => {
                let paused = matches!(happening, Happening::Pause);
                let notes = String::from("notes");
                let patch = if paused {
                    SchedulePatch { pause: notes, ..SchedulePatch::default() }
                } else {
                    SchedulePatch { unpause: notes, ..SchedulePatch::default() }
                };
                let reply = self.patch(patch);
                self.expect_done(reply, |model| {
                    model.pass_idle_time(now);
                    model.paused = paused;
                    model.let_go();
                });
            }
            Happening::Close { fails } => self.close(*fails),
            Happening::Wait { seconds } => self.wait(*seconds),
            Happening::PowerOff { minutes } => {
                drop(self.world.power_off(Duration::from_secs(minutes * 60)));
                let now = self.now();
                if let Some(model) = &mut self.model {
                    model.come(now);
                }
            }
            Happening::Crash => self.world.crash(),
        }
        self.unused += 86_400;
        // Time enough for what goes at a pace.
        self.wait(5);
        if self.crashes_always {
            self.world.crash();
        }
        self.compare();
    }

    fn wait(&mut self, seconds: u64) {
        let from = self.now();
        drop(self.world.wait(Duration::from_secs(seconds)));
        let to = self.now();
        if let Some(model) = &mut self.model {
            model.wait(from, to);
        }
    }

    fn close(&mut self, fails: bool) {
        let (ticket, replies) = self.world.request(poll());
        let Some((_, Ok(Reply::WorkflowTask(Some(task))))) = replies.into_iter().next() else {
            drop(self.world.abandon(ticket));
            return;
        };
        let (command, status) = if fails {
            let failure = Failure::application("no", "No", true);
            (Command::FailWorkflowExecution { failure }, RunStatus::Failed)
        } else {
            (Command::CompleteWorkflowExecution { result: vec![Payload::json("1")] }, RunStatus::Completed)
        };
        let id = task.workflow_id.to_string();
        let completion = WorkflowTaskCompletion::new(task.token.clone(), vec![command], String::new());
        self.ask(Request::RespondWorkflowTaskCompleted(Box::new(completion))).expect("the task is out");
        if let Some(model) = &mut self.model {
            let known = model.recent.iter().map(|(time, _)| *time).chain(model.running);
            if let Some(time) = known.clone().find(|time| id_of(*time) == id) {
                model.closed(time, status);
            }
        }
    }

    fn patch(&mut self, patch: SchedulePatch) -> Result<Reply, Refusal> {
        self.ask(Request::PatchSchedule(Box::new(PatchSchedule {
            namespace: namespace(),
            schedule_id: schedule_id(),
            patch,
            identity: String::new(),
            request_id: String::new(),
        })))
    }

    fn ask(&mut self, request: Request) -> Result<Reply, Refusal> {
        let (own, replies) = self.world.request(request);
        replies.into_iter().find(|(ticket, _)| *ticket == own).expect("it is answered at once").1
    }

    /// Done, if there is a schedule; then the model does it too.
    fn expect_done(&mut self, reply: Result<Reply, Refusal>, change: impl FnOnce(&mut Model)) {
        match &mut self.model {
            Some(model) => {
                assert_eq!(reply, Ok(Reply::Done));
                change(model);
            }
            None => assert!(matches!(reply, Err(Refusal::NotFound(_))), "{reply:?}"),
        }
    }

    fn compare(&mut self) {
        let describe = Request::DescribeSchedule { namespace: namespace(), schedule_id: schedule_id() };
        let described = match self.ask(describe) {
            Ok(Reply::ScheduleDescribed(described)) => Some(described),
            Ok(other) => panic!("a description is not {other:?}"),
            Err(_) => None,
        };
        let shown = described.map(|described| Shown {
            taken: described.info.action_count,
            skipped: described.info.overlap_skipped,
            missed: described.info.missed_catchup_window,
            dropped: described.info.buffer_dropped,
            waiting: described.info.buffer_size,
            running: described.info.running_workflows.iter().map(|(id, _)| id.to_string()).collect(),
            recent: described
                .info
                .recent_actions
                .iter()
                .map(|action| (action.workflow_id.to_string(), action.status))
                .collect(),
            paused: described.schedule.state.paused,
            left: Some(described.schedule.state.remaining_actions)
                .filter(|_| described.schedule.state.limited_actions),
        });
        assert_eq!(shown, self.model.as_ref().map(Model::shown));
        self.compare_fresh_processes();
    }

    /// Two processes that begin here decide the same a while later.
    fn compare_fresh_processes(&self) {
        let world = &self.world;
        let engines = [
            Engine::restore(&world.engine.snapshot()).expect("an engine reads its own snapshot"),
            replay(Engine::new(), &world.records),
        ];
        let [a, b] = engines.map(|mut engine| {
            let mut chance = world.chance.clone();
            let later = world.now + Duration::from_secs(1_000);
            let due = decided(&mut engine, later, &mut chance, Engine::handle_deadline);
            (due, engine.snapshot(), engine.next_deadline())
        });
        assert_eq!(a, b, "from a snapshot and from all records");
    }
}

fn schedule(wanted: &Wanted) -> Schedule {
    let minutes = |minutes: i64| Duration::from_secs(u64::try_from(minutes * 60).expect("positive"));
    Schedule {
        spec: ScheduleSpec {
            interval: vec![IntervalSpec { interval: minutes(wanted.every_minutes), phase: None }],
            ..ScheduleSpec::default()
        },
        action: Box::new(ScheduledWorkflow::new(
            WorkflowId::new("w").expect("a workflow id"),
            "report",
            TaskQueue::new("q").expect("a queue"),
        )),
        policies: SchedulePolicies {
            overlap_policy: wanted.overlap,
            catchup_window: Some(minutes(wanted.window_minutes)),
            pause_on_failure: wanted.pause_on_failure,
            keep_original_workflow_id: false,
        },
        state: ScheduleState {
            limited_actions: wanted.actions.is_some(),
            remaining_actions: wanted.actions.unwrap_or(0),
            ..ScheduleState::default()
        },
    }
}

/// A few for everyday; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(24), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_schedule_does_what_its_model_does_and_a_crash_changes_nothing(
        first in wanted(),
        happenings in prop::collection::vec(happening(), 1..50),
        crashes_always in any::<bool>(),
    ) {
        let mut random = Random::new(crashes_always);
        random.happen(&Happening::Create(first));
        for happening in &happenings {
            random.happen(happening);
        }
    }
}
