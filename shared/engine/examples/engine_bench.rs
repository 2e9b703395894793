//! How fast the engine decides, in memory: runs of one activity, a thousand open at a time. Then what a decision costs
//! beside 10² to 10⁵ open runs, and in a run of 10² to 10⁵ events: each against the smallest of the same run.
//!
//! `cargo run --release -p tidegate-engine --example engine_bench [runs]`

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tidegate_engine::{
    ActivityTaskToken, Command, Effect, Engine, Input, Record, Reply, Request, ScheduleActivity, Settings,
    StartWorkflow, Step, Ticket, WorkflowTaskCompletion, WorkflowTaskToken,
};
use tidegate_model::chance::Chance;
use tidegate_model::codec;
use tidegate_model::id::{BootId, Namespace, TaskQueue, WorkflowId};
use tidegate_model::payload::{Header, Payload};
use tidegate_model::time::{ClockState, Stamp, Timestamp};

const OPEN_RUNS: usize = 1_000;

fn main() -> ExitCode {
    let runs = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse());
    let Ok(runs) = runs else {
        report("usage: engine_bench [runs]");
        return ExitCode::FAILURE;
    };
    let mut bench = Bench::new();
    let begun = now();
    for first in (0..runs).step_by(OPEN_RUNS) {
        bench.run_together(first..runs.min(first + OPEN_RUNS));
    }
    let elapsed = begun.elapsed();
    let per_second = |count: usize| count as f64 / elapsed.as_secs_f64();
    report(&format!("runs               {:>12.0} /s", per_second(runs)));
    report(&format!("transitions        {:>12.0} /s", per_second(bench.transitions)));
    report(&format!("requests           {:>12.0} /s", per_second(bench.requests)));
    report(&format!(
        "records            {:>12.1} bytes a run, {} a run",
        bench.bytes_a_run, bench.records_a_run
    ));
    report(&format!("snapshot           {:>12.1} bytes an open run", bench.snapshot_bytes_a_run));
    report(&format!(
        "snapshot taken in  {:>12.1} ms for {OPEN_RUNS} runs",
        bench.snapshot_time.as_secs_f64() * 1e3
    ));
    sizes();
    ExitCode::SUCCESS
}

/// Decides the same beside ever more, so that what grows with the size shows.
fn sizes() {
    const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];
    const ROUNDS: usize = 5;
    let mut beside_runs = Vec::new();
    let mut beside_events = Vec::new();
    for size in SIZES {
        let mut bench = Bench::unbounded();
        bench.open(size);
        // One round is not counted: it pays for what the maps had not grown to yet.
        beside_runs.push((0..=ROUNDS).skip(1).map(|_| bench.time_runs()).min().unwrap_or_default());
        let mut bench = Bench::unbounded();
        bench.lengthen(size);
        beside_events.push((0..=ROUNDS).skip(1).map(|_| bench.time_signals()).min().unwrap_or_default());
    }
    for (what, times) in [("beside open runs", &beside_runs), ("in a run of events", &beside_events)] {
        for (size, time) in SIZES.iter().zip(times) {
            let ratio = time.as_secs_f64() / times[0].as_secs_f64();
            let micros = time.as_secs_f64() * 1e6;
            report(&format!("{what:<18} {size:>8} {micros:>10.2} µs a request, ratio {ratio:.2}"));
        }
    }
}

/// Runs, or signals, that are timed at once.
const TIMED: usize = 500;

struct Bench {
    engine: Engine,
    chance: Chance,
    records: Vec<Record>,
    effects: Vec<Effect>,
    transitions: usize,
    requests: usize,
    bytes_a_run: f64,
    records_a_run: usize,
    snapshot_bytes_a_run: f64,
    snapshot_time: Duration,
}

impl Bench {
    fn new() -> Self {
        Self {
            engine: Engine::new(),
            chance: Chance::new(1),
            records: Vec::new(),
            effects: Vec::new(),
            transitions: 0,
            requests: 0,
            bytes_a_run: 0.0,
            records_a_run: 0,
            snapshot_bytes_a_run: 0.0,
            snapshot_time: Duration::ZERO,
        }
    }

    /// Without a limit on how long a history may be, nor on how many are open.
    fn unbounded() -> Self {
        let settings = Settings {
            history_events_max: u64::MAX,
            history_bytes_max: u64::MAX,
            signals_per_run_max: u64::MAX,
            open_runs_max: usize::MAX,
            ..Settings::default()
        };
        Self { engine: Engine::new().with_settings(settings), ..Self::new() }
    }

    /// Opens runs that stay open: each waits for an activity that nobody polls for.
    fn open(&mut self, runs: usize) {
        for n in 0..runs {
            let mut start = start(n);
            start.workflow_id = WorkflowId::new(format!("open/{n}")).expect("a workflow id");
            start.request_id = format!("open-{n}");
            self.ask(Request::StartWorkflowExecution(start));
            let token = self.poll_workflow();
            let activity = ScheduleActivity { task_queue: Some(idle_queue()), ..activity() };
            self.complete(token, Command::ScheduleActivityTask(activity));
            self.records.clear();
        }
    }

    /// Time of a request while runs are taken from start to end.
    fn time_runs(&mut self) -> Duration {
        let (begun, before) = (now(), self.requests);
        self.run_together(before..before + TIMED);
        begun.elapsed() / u32::try_from(self.requests - before).expect("a few thousand")
    }

    /// Signals one run until its history has so many events.
    fn lengthen(&mut self, events: usize) {
        self.ask(Request::StartWorkflowExecution(start(0)));
        for _ in 0..events / 4 {
            self.signal_and_answer();
        }
    }

    /// Time of a request while one run is signalled and answers.
    fn time_signals(&mut self) -> Duration {
        let (begun, before) = (now(), self.requests);
        for _ in 0..TIMED {
            self.signal_and_answer();
        }
        begun.elapsed() / u32::try_from(self.requests - before).expect("a few thousand")
    }

    /// Three requests, four events.
    fn signal_and_answer(&mut self) {
        self.ask(Request::SignalWorkflowExecution {
            namespace: namespace(),
            workflow_id: start(0).workflow_id,
            run_id: None,
            signal_name: String::from("value"),
            input: vec![Payload::json("21.5")],
            identity: String::from("bench"),
            request_id: String::new(),
            header: Header::new(),
        });
        let token = self.poll_workflow();
        let completion = WorkflowTaskCompletion::new(token, Vec::new(), "bench");
        self.ask(Request::RespondWorkflowTaskCompleted(Box::new(completion)));
        self.records.clear();
    }

    /// Takes runs from start to end, side by side.
    fn run_together(&mut self, runs: std::ops::Range<usize>) {
        let count = runs.len();
        for n in runs {
            self.ask(Request::StartWorkflowExecution(start(n)));
        }
        for _ in 0..count {
            let token = self.poll_workflow();
            self.complete(token, Command::ScheduleActivityTask(activity()));
        }
        if self.records_a_run == 0 {
            self.weigh_the_open(count);
        }
        for _ in 0..count {
            let token = self.poll_activity();
            let result = vec![Payload::json("21.5")];
            self.ask(Request::RespondActivityTaskCompleted {
                task: token.into(),
                result,
                identity: String::from("bench"),
            });
        }
        for _ in 0..count {
            let token = self.poll_workflow();
            self.complete(token, Command::CompleteWorkflowExecution { result: Vec::new() });
        }
        if self.records_a_run == 0 {
            let bytes: usize = self.records.iter().map(|record| codec::to_cbor(record).len()).sum();
            self.bytes_a_run = bytes as f64 / count as f64;
            self.records_a_run = self.records.len() / count;
        }
        self.transitions += self.records.len();
        self.records.clear();
    }

    fn weigh_the_open(&mut self, count: usize) {
        let begun = now();
        let bytes = self.engine.snapshot().len();
        self.snapshot_time = begun.elapsed();
        self.snapshot_bytes_a_run = bytes as f64 / count as f64;
    }

    fn poll_workflow(&mut self) -> WorkflowTaskToken {
        let (namespace, task_queue) = (namespace(), queue());
        let identity = String::from("bench");
        let reply = self.ask(Request::PollWorkflowTaskQueue {
            namespace,
            task_queue,
            identity,
            worker_instance_key: String::new(),
        });
        let Reply::WorkflowTask(Some(task)) = reply else { unreachable!("every run has a task here") };
        task.token
    }

    fn poll_activity(&mut self) -> ActivityTaskToken {
        let (namespace, task_queue) = (namespace(), queue());
        let identity = String::from("bench");
        let reply = self.ask(Request::PollActivityTaskQueue {
            namespace,
            task_queue,
            identity,
            worker_instance_key: String::new(),
        });
        let Reply::ActivityTask(Some(task)) = reply else { unreachable!("every run has an activity here") };
        task.token
    }

    fn complete(&mut self, token: WorkflowTaskToken, command: Command) {
        let completion = WorkflowTaskCompletion::new(token, vec![command], "bench");
        self.ask(Request::RespondWorkflowTaskCompleted(Box::new(completion)));
    }

    fn ask(&mut self, request: Request) -> Reply {
        self.requests += 1;
        let now = Timestamp::from_micros(1_767_225_600_000_000 + self.requests as i64);
        let mut step = Step {
            now,
            stamp: stamp(now),
            chance: &mut self.chance,
            records: &mut self.records,
            effects: &mut self.effects,
        };
        self.engine.handle(&mut step, Input::Request { ticket: Ticket(1), request });
        match self.effects.pop() {
            Some(Effect::Reply { reply: Ok(reply), .. }) => reply,
            other => unreachable!("every request is granted at once, not {other:?}"),
        }
    }
}

fn start(n: usize) -> StartWorkflow {
    StartWorkflow {
        input: vec![Payload::json(r#"{"source":"ward/bed-12","channel":"HR"}"#)],
        identity: String::from("bench"),
        request_id: format!("request-{n}"),
        ..StartWorkflow::new(
            namespace(),
            WorkflowId::new(format!("bench/{n}")).expect("a workflow id"),
            String::from("bench"),
            queue(),
        )
    }
}

fn activity() -> ScheduleActivity {
    ScheduleActivity {
        input: vec![Payload::json(r#"{"topic":"alarm/ward/bed-12"}"#)],
        ..ScheduleActivity::new("1", "publish", Duration::from_secs(30))
    }
}

fn namespace() -> Namespace {
    Namespace::new("default").expect("a namespace")
}

fn queue() -> TaskQueue {
    TaskQueue::new("bench").expect("a queue")
}

fn idle_queue() -> TaskQueue {
    TaskQueue::new("idle").expect("a queue")
}

fn stamp(now: Timestamp) -> Stamp {
    Stamp {
        boot: BootId::from_u128(1),
        boottime_ns: 1,
        wall: now,
        state: ClockState::Synchronised,
        error_us: Some(500),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time; the engine itself is given its own"
)]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::print_stdout, reason = "the result of a benchmark is what it prints")]
fn report(line: &str) {
    println!("{line}");
}
