//! How fast the engine decides, in memory: runs of one activity, a thousand open at a time.
//!
//! `cargo run --release -p tidegate-engine --example engine_bench [runs]`

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tidegate_engine::{
    ActivityTaskToken, Command, Effect, Engine, Input, Record, Reply, Request, ScheduleActivity,
    StartWorkflow, Step, Ticket, WorkflowTaskCompletion, WorkflowTaskToken,
};
use tidegate_model::chance::Chance;
use tidegate_model::codec;
use tidegate_model::id::{BootId, Namespace, TaskQueue, WorkflowId};
use tidegate_model::payload::Payload;
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
    ExitCode::SUCCESS
}

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
