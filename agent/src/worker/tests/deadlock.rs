//! Code that does not come back: it is named, its task fails, and the other runs go on.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::limits::STUCK_THREADS_PER_TYPE_MAX;
use tidegate_model::payload::Failure;

use super::host::{Service, begin, worker};
use crate::worker::{Context, Options, Workflow};

/// What the code blocks on until a test opens it.
static OPEN: Mutex<bool> = Mutex::new(false);
static CHANGED: Condvar = Condvar::new();

fn gate() -> MutexGuard<'static, bool> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Blocks;
impl Workflow for Blocks {
    const TYPE: &'static str = "blocks";
    type Input = u32;
    type Output = u32;

    async fn run(cx: Context, n: u32) -> Result<u32, Failure> {
        cx.timer(Duration::from_millis(1)).await;
        drop(CHANGED.wait_while(gate(), |open| !*open).unwrap_or_else(PoisonError::into_inner));
        Ok(n)
    }
}

#[tokio::test]
async fn code_that_blocks_is_named_and_left_behind_and_the_others_go_on() {
    let service = Service::new();
    // Long enough for honest code on a busy machine, short enough to wait for.
    let options = Options { deadlock_timeout: Duration::from_millis(300), ..Options::default() };
    let running = begin(worker().workflow::<Blocks>().options(options), &service).await;
    let health = running.health();

    let mut blocked = Vec::new();
    for n in 0..=STUCK_THREADS_PER_TYPE_MAX {
        let run = service.start::<Blocks>(&format!("blocks {n}"), &n.to_string()).await;
        let failed = service.first(run, |event| matches!(event, Event::WorkflowTaskFailed { .. })).await;
        let Event::WorkflowTaskFailed { cause, failure, .. } = failed else { panic!("it was looked for") };
        assert_eq!(cause, WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure);
        let expected = if n < STUCK_THREADS_PER_TYPE_MAX {
            "did not come back within 300ms of event 6"
        } else {
            "2 runs of workflow type \"blocks\" have not come back (limit STUCK_THREADS_PER_TYPE_MAX)"
        };
        assert!(failure.message.contains(expected), "{}", failure.message);
        assert_eq!(health.blocked(run).expect("it is told of").kind, "PotentialDeadlock");
        blocked.push((n, run));
    }
    // The thread they shared a worker with is gone; theirs is another.
    let sum = service.start::<super::host::Sum>("sum", "1").await;
    assert_eq!(service.result(sum).await, "6");
    let counts = health.counts();
    assert_eq!((counts.stuck_threads, counts.blocked_runs), (2, 3));
    assert!(counts.turns >= 3 && counts.faults["PotentialDeadlock"] >= 3, "{counts:?}");

    *gate() = true;
    CHANGED.notify_all();
    while health.counts().stuck_threads > 0 {
        tokio::task::yield_now().await;
    }
    // The next attempts are due after a pause.
    service.skip(Duration::from_secs(60));
    for (n, run) in blocked {
        assert_eq!(service.result(run).await, n.to_string());
    }
    let counts = health.counts();
    assert_eq!((counts.stuck_threads, counts.blocked_runs), (0, 0));
    running.stop(Duration::from_secs(5)).await;
}
