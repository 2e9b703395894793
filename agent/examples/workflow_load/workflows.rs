//! Workflows that do as little as possible themselves, so that what is measured is the engine. They are those of the
//! load program for the SDK.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate::worker::{Activity, ActivityContext, Context, Worker, Workflow, join_all};
use tidegate_model::payload::Failure;

use crate::engine::{Host, namespace, task_queue};

pub(crate) const OUT_OF_ORDER: &str = OutOfOrder::TYPE;
/// Values a reactor is sent before it reacts.
const THRESHOLD: u64 = 20;
/// Signals of one workflow that come out of order.
const NUMBERS: u64 = 50;

/// Waits between the scheduling of each activity and its start, as the worker sees them.
#[derive(Clone, Default)]
pub(crate) struct Waits(Arc<Mutex<Vec<Duration>>>);

impl Waits {
    pub(crate) fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut self.0.lock().expect("nobody panics with it"))
    }
}

/// A worker that can all of it.
pub(crate) fn worker(waits: &Waits) -> Worker {
    let waits = waits.clone();
    let noop = move |cx: ActivityContext, _: ()| {
        let task = cx.task();
        let wait = task.started_time.saturating_since(task.current_attempt_scheduled_time);
        waits.0.lock().expect("nobody panics with it").push(wait);
        std::future::ready(Ok(()))
    };
    Worker::new(namespace(), task_queue(), "load")
        .workflow::<SingleNoop>()
        .workflow::<ManyActions>()
        .workflow::<Reactor>()
        .workflow::<Rabbit>()
        .workflow::<ManyTimers>()
        .workflow::<OutOfOrder>()
        .activity::<Noop>(noop)
}

/// One workflow of a scenario, from start to end.
pub(crate) async fn drive(host: &Host, scenario: &str, n: usize) -> anyhow::Result<()> {
    let id = format!("{scenario}-{n}");
    match scenario {
        "single-noop-activity" => host.start(SingleNoop::TYPE, &id, &()).await?,
        "many-actions" => host.start(ManyActions::TYPE, &id, &6_u32).await?,
        "reactor" => {
            host.start(Reactor::TYPE, &id, &THRESHOLD).await?;
            for _ in 0..THRESHOLD {
                host.signal(&id, "add", 1).await?;
            }
        }
        "rabbit" => host.start(Rabbit::TYPE, &id, &(3_u32, 3_u32)).await?,
        "many-timers" => host.start(ManyTimers::TYPE, &id, &100_u32).await?,
        "signals-out-of-order" => {
            host.start(OutOfOrder::TYPE, &id, &NUMBERS).await?;
            // A step that shares no divisor with the number of signals visits each once, far from its neighbours.
            for n in 0..NUMBERS {
                host.signal(&id, "number", n * 29 % NUMBERS).await?;
            }
        }
        other => anyhow::bail!("{other} is no scenario"),
    }
    host.until_closed(&id).await
}

struct Noop;

impl Activity for Noop {
    const TYPE: &'static str = "noop";
    type Input = ();
    type Output = ();
}

/// One activity that does nothing.
struct SingleNoop;

impl Workflow for SingleNoop {
    const TYPE: &'static str = "single-noop";
    type Input = ();
    type Output = ();

    async fn run(cx: Context, (): ()) -> Result<(), Failure> {
        cx.activity::<Noop>(()).await
    }
}

/// Many activities, in groups side by side.
struct ManyActions;

impl Workflow for ManyActions {
    const TYPE: &'static str = "many-actions";
    type Input = u32;
    type Output = ();

    async fn run(cx: Context, groups: u32) -> Result<(), Failure> {
        for _ in 0..groups {
            for done in join_all((0..5).map(|_| cx.activity::<Noop>(()))).await {
                done?;
            }
        }
        Ok(())
    }
}

/// Adds up what it is sent until a threshold is reached, then reacts.
struct Reactor;

impl Workflow for Reactor {
    const TYPE: &'static str = "reactor";
    type Input = u64;
    type Output = u64;

    async fn run(cx: Context, threshold: u64) -> Result<u64, Failure> {
        let values = cx.signal::<u64>("add");
        let mut sum = 0;
        while sum < threshold {
            sum += values.recv().await?;
        }
        cx.activity::<Noop>(()).await?;
        Ok(sum)
    }
}

/// A tree of children: each has `breadth` of its own, `depth` deep.
struct Rabbit;

impl Workflow for Rabbit {
    const TYPE: &'static str = "rabbit";
    type Input = (u32, u32);
    type Output = u64;

    async fn run(cx: Context, (depth, breadth): (u32, u32)) -> Result<u64, Failure> {
        if depth == 0 {
            return Ok(1);
        }
        let me = cx.info().workflow_id.clone();
        let children = (0..breadth)
            .map(|child| cx.child::<Rabbit>(format!("{me}/{child}"), (depth - 1, breadth)))
            .collect::<Vec<_>>();
        let mut descendants = 1;
        for child in join_all(children).await {
            descendants += child?;
        }
        Ok(descendants)
    }
}

/// Timers side by side, of a second at most.
struct ManyTimers;

impl Workflow for ManyTimers {
    const TYPE: &'static str = "many-timers";
    type Input = u32;
    type Output = ();

    async fn run(cx: Context, timers: u32) -> Result<(), Failure> {
        join_all((0..timers).map(|n| cx.timer(Duration::from_millis(u64::from(n % 10) * 100 + 1)))).await;
        Ok(())
    }
}

/// Takes numbered signals in whatever order they come, and ends when it has all of them.
struct OutOfOrder;

impl Workflow for OutOfOrder {
    const TYPE: &'static str = "out-of-order";
    type Input = u64;
    type Output = u64;

    async fn run(cx: Context, numbers: u64) -> Result<u64, Failure> {
        let incoming = cx.signal::<u64>("number");
        let (mut missing_from, mut ahead) = (0, BTreeSet::new());
        while missing_from < numbers {
            ahead.insert(incoming.recv().await?);
            while ahead.remove(&missing_from) {
                missing_from += 1;
            }
        }
        Ok(missing_from)
    }
}
