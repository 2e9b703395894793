//! Local activities on the worker itself: its runtime, its threads and its clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tidegate_model::event::Event;
use tidegate_model::payload::{Failure, RetryPolicy};
use tokio::sync::Notify;

use super::host::{Service, begin, worker};
use super::workflows::{Double, Note};
use crate::worker::{ActivityContext, Context, Options, ShadowReplay, Workflow, join};

struct Local;
impl Workflow for Local {
    const TYPE: &'static str = "local";
    type Input = i64;
    type Output = i64;

    async fn run(cx: Context, n: i64) -> Result<i64, Failure> {
        let quick = RetryPolicy { initial_interval: Duration::from_millis(1), ..RetryPolicy::default() };
        let note = cx.local_activity::<Note>("n".to_owned()).retry(quick);
        let (noted, doubled) = join(note, cx.local_activity::<Double>(n)).await;
        noted?;
        doubled
    }
}

#[tokio::test]
async fn local_activities_run_beside_each_other_and_panics_are_tried_again() {
    let service = Service::new();
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let fails = worker().workflow::<Local>().activity::<Note>(move |cx: ActivityContext, _: String| {
        let attempt = counted.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            assert_eq!(cx.task().attempt, attempt);
            assert_eq!(cx.idempotency_key(), format!("{}/0/1", cx.task().token.run_id));
            assert!(attempt > 2, "attempt {attempt} is not good enough");
            Ok(())
        }
    });
    let options = Options { shadow_replay: ShadowReplay::Always, activities_max: 1, ..Options::default() };
    let running = begin(fails.options(options), &service).await;
    let run = service.start::<Local>("a", "4").await;
    assert_eq!(service.result(run).await, "8");
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
    running.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_task_that_takes_longer_than_its_time_is_renewed() {
    let service = Service::new();
    let go = Arc::new(Notify::new());
    let goes = Arc::clone(&go);
    let waits = worker().workflow::<Local>().activity::<Note>(move |_: ActivityContext, _: String| {
        let goes = Arc::clone(&goes);
        async move {
            goes.notified().await;
            Ok(())
        }
    });
    let running = begin(waits, &service).await;
    let run = service.start_with_tasks_of::<Local>("a", "4", Duration::from_secs(1)).await;
    // Nothing else answers the task while the activity waits.
    service.first(run, |event| matches!(event, Event::WorkflowTaskCompleted { .. })).await;
    go.notify_one();
    assert_eq!(service.result(run).await, "8");
    running.stop(Duration::from_secs(5)).await;
}
