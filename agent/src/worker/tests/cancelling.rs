//! Activities with all their time-outs, asked to end before they are done.

use std::time::Duration;

use tidegate_model::event::Event;
use tidegate_model::payload::{Failure, FailureInfo};

use super::workflows::{Double, MINUTE};
use crate::worker::testkit::World;
use crate::worker::{Context, Elapsed, Workflow};

struct Hurried;
impl Workflow for Hurried {
    const TYPE: &'static str = "hurried";
    type Input = u64;
    type Output = String;

    async fn run(cx: Context, wait: u64) -> Result<String, Failure> {
        let call = cx.activity::<Double>(1).schedule_to_close(MINUTE).heartbeat(Duration::from_secs(5));
        let activity = call.schedule_to_start(MINUTE / 2).start();
        if wait > 0 {
            cx.timer(Duration::from_secs(wait)).await;
        }
        activity.cancel();
        let failure = match activity.await {
            Ok(result) => return Ok(format!("done: {result}")),
            Err(failure) => failure,
        };
        let cancelled = |failure: &Failure| matches!(failure.info, FailureInfo::Canceled { .. });
        let is_cancelled = cancelled(&failure) || failure.cause.as_deref().is_some_and(cancelled);
        Ok(format!("cancelled: {is_cancelled}"))
    }
}

#[test]
fn an_activity_cancelled_in_the_turn_that_asked_for_it_is_not_scheduled() {
    let mut world = World::new().workflow::<Hurried>();
    let run = world.start::<Hurried>("a", &0);
    world.settle();
    assert_eq!(world.outcome(run), Some(Ok("cancelled: true".to_owned())));
    assert!(!world.event_types(run).contains(&"ActivityTaskScheduled"));
}

#[test]
fn an_activity_no_worker_has_is_cancelled_at_once() {
    let mut world = World::new().workflow::<Hurried>();
    let run = world.start::<Hurried>("a", &10);
    let task = world.poll_workflow().expect("the first");
    world.answer(&task);
    world.pass(11 * Duration::from_secs(1));
    let task = world.poll_workflow().expect("the timer has fired");
    world.answer(&task);
    world.restart_worker(0, true);
    let task = world.poll_workflow().expect("the activity was cancelled");
    world.answer(&task);
    assert_eq!(world.outcome(run), Some(Ok("cancelled: true".to_owned())));
    assert_eq!(world.faults(), [""; 0]);
    let types = world.event_types(run);
    assert!(
        types.contains(&"ActivityTaskCancelRequested") && types.contains(&"ActivityTaskCanceled"),
        "{types:?}"
    );
}

#[test]
fn an_activity_carries_the_time_outs_it_was_given() {
    let mut world = World::new().workflow::<Hurried>().activity::<Double>(|n| Ok(2 * n));
    let run = world.start::<Hurried>("a", &10);
    world.run(run, MINUTE);
    assert_eq!(world.outcome(run), Some(Ok("done: 2".to_owned())));
    let mut events = world.history(run).iter().flat_map(|batch| &batch.events);
    let scheduled = events.find_map(|event| {
        if let Event::ActivityTaskScheduled(scheduled) = event { Some(scheduled) } else { None }
    });
    let scheduled = scheduled.expect("it was");
    assert_eq!(scheduled.schedule_to_close_timeout, Some(MINUTE));
    assert_eq!(scheduled.schedule_to_start_timeout, Some(MINUTE / 2));
    assert_eq!(scheduled.heartbeat_timeout, Some(Duration::from_secs(5)));
}

struct Patience;
impl Workflow for Patience {
    const TYPE: &'static str = "patience";
    type Input = u64;
    type Output = u32;

    async fn run(cx: Context, minutes: u64) -> Result<u32, Failure> {
        let go = cx.signal::<u32>("go");
        cx.timeout(Duration::from_secs(60 * minutes), go.recv()).await?
    }
}

#[test]
fn a_time_that_is_over_first_is_a_time_out_failure() {
    let mut world = World::new().workflow::<Patience>();
    let (late, early) = (world.start::<Patience>("a", &1), world.start::<Patience>("b", &1));
    world.settle();
    world.signal("b", "go", &7, "1").expect("open");
    world.advance(2 * MINUTE);
    let failure = world.outcome::<u32>(late).expect("closed").expect_err("nothing came");
    assert_eq!(failure.message, Elapsed(MINUTE).to_string());
    assert!(matches!(failure.info, FailureInfo::Timeout { .. }));
    assert_eq!(world.outcome(early), Some(Ok(7)));
}

struct Patrol;
impl Workflow for Patrol {
    const TYPE: &'static str = "patrol";
    type Input = u32;
    type Output = String;

    async fn run(cx: Context, round: u32) -> Result<String, Failure> {
        match cx.timeout(MINUTE, cx.cancelled()).await {
            Ok(_) => Err(cx.canceled()),
            Err(_) if round < 3 => cx.continue_as_new(round + 1),
            Err(_) => Ok(format!("{round} rounds")),
        }
    }
}

#[test]
fn a_run_that_follows_a_request_to_cancel_closes_as_cancelled() {
    let mut world = World::new().workflow::<Patrol>();
    let run = world.start::<Patrol>("a", &1);
    world.settle();
    world.cancel("a", "enough", "1").expect("open");
    world.settle();
    assert_eq!(world.event_types(run).last(), Some(&"WorkflowExecutionCanceled"));
    crate::worker::testkit::replay::<Patrol>(world.history(run)).expect("the code wrote it");
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn a_run_goes_on_as_a_new_one() {
    let mut world = World::new().workflow::<Patrol>();
    world.start::<Patrol>("a", &1);
    world.advance(10 * MINUTE);
    let runs = world.runs();
    assert_eq!(runs.len(), 3);
    let ends: Vec<_> = runs.iter().filter_map(|run| world.event_types(*run).last().copied()).collect();
    let on = "WorkflowExecutionContinuedAsNew";
    assert_eq!(ends.iter().filter(|end| **end == on).count(), 2, "{ends:?}");
    assert!(ends.contains(&"WorkflowExecutionCompleted"), "{ends:?}");
    for run in runs {
        crate::worker::testkit::replay::<Patrol>(world.history(run)).expect("the code wrote it");
    }
    assert_eq!(world.faults(), [""; 0]);
}
