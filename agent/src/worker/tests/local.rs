//! Local activities, in virtual time.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use tidegate_model::event::Event;
use tidegate_model::id::RunId;
use tidegate_model::payload::{Failure, FailureInfo, RetryPolicy, RetryState, TimeoutType};

use super::workflows::{Double, MINUTE, Note};
use crate::worker::testkit::{self, World};
use crate::worker::{Context, Either, Workflow, join, select};

const SECOND: Duration = Duration::from_secs(1);

/// A workflow that is one function.
trait Body: 'static {
    async fn body(cx: Context) -> Result<String, Failure>;
}

struct Does<B>(PhantomData<B>);
impl<B: Body> Workflow for Does<B> {
    const TYPE: &'static str = "does";
    type Input = ();
    type Output = String;

    async fn run(cx: Context, (): ()) -> Result<String, Failure> {
        B::body(cx).await
    }
}

macro_rules! bodies {
    ($($name:ident: |$cx:ident| $body:expr;)*) => {$(
        struct $name;
        impl Body for $name {
            async fn body($cx: Context) -> Result<String, Failure> {
                $body
            }
        }
    )*};
}

fn policy(initial: Duration, attempts: u32) -> RetryPolicy {
    RetryPolicy { initial_interval: initial, maximum_attempts: attempts, ..RetryPolicy::default() }
}

fn no() -> Failure {
    Failure::application("no", "Test", false)
}

bodies! {
    Twice: |cx| {
        let doubled = cx.local_activity::<Double>(3).await?;
        cx.local_activity::<Note>(format!("{doubled}")).await?;
        cx.timer(MINUTE).await;
        Ok(cx.local_activity::<Double>(doubled).await?.to_string())
    };
    Tried: |cx| {
        let call = cx.local_activity::<Double>(3).retry(policy(SECOND, 4));
        match call.await {
            Ok(doubled) => Ok(doubled.to_string()),
            Err(failure) => Ok(format!("{failure:?}")),
        }
    };
    Patient: |cx| {
        let call = cx.local_activity::<Double>(3).retry(policy(MINUTE, 0)).schedule_to_close(60 * MINUTE);
        Ok(call.await?.to_string())
    };
    Hurried: |cx| {
        let call = cx.local_activity::<Double>(3).start_to_close(2 * SECOND).retry(policy(SECOND, 0));
        Err(call.schedule_to_close(10 * SECOND).await.expect_err("it falls silent"))
    };
    Stopped: |cx| {
        let double = cx.local_activity::<Double>(3).retry(policy(MINUTE, 0)).start();
        cx.signal::<()>("enough").recv().await?;
        double.cancel();
        let failure = double.await.expect_err("it was given up");
        Ok(failure.cause.expect("an activity's failure has one").message)
    };
    Raced: |cx| Ok(match select(cx.local_activity::<Double>(3), cx.signal::<()>("enough").recv()).await {
        Either::Left(doubled) => doubled?.to_string(),
        Either::Right(_) => "enough".to_owned(),
    });
    Both: |cx| {
        let slow = cx.local_activity::<Note>("slow".to_owned());
        let (slow, doubled) = join(slow, cx.local_activity::<Double>(3)).await;
        slow?;
        Ok(doubled?.to_string())
    };
}

fn world<B: Body>(world: World) -> World {
    world.workflow::<Does<B>>()
}

fn start<B: Body>(world: &mut World) -> RunId {
    world.start::<Does<B>>("a", &())
}

fn count(world: &World, run: RunId, name: &str) -> usize {
    world.event_types(run).into_iter().filter(|of| *of == name).count()
}

/// Doubles, and counts how often.
fn counted(world: World) -> (World, Rc<Cell<u32>>) {
    let times = Rc::new(Cell::new(0));
    let counter = Rc::clone(&times);
    let world = world
        .activity::<Double>(move |n| {
            counter.set(counter.get() + 1);
            Ok(2 * n)
        })
        .activity::<Note>(|_| Ok(()));
    (world, times)
}

#[test]
fn a_result_is_recorded_in_the_workflow_task_that_sees_it() {
    let (world, _) = counted(World::new());
    let mut world = self::world::<Twice>(world);
    let run = start::<Twice>(&mut world);
    world.run(run, 10 * MINUTE);
    assert_eq!(world.outcome(run), Some(Ok("12".to_owned())));
    assert_eq!(
        world.event_types(run),
        [
            "WorkflowExecutionStarted",
            "WorkflowTaskScheduled",
            "WorkflowTaskStarted",
            "WorkflowTaskCompleted",
            "MarkerRecorded",
            "MarkerRecorded",
            "TimerStarted",
            "TimerFired",
            "WorkflowTaskScheduled",
            "WorkflowTaskStarted",
            "WorkflowTaskCompleted",
            "MarkerRecorded",
            "WorkflowExecutionCompleted",
        ]
    );
    assert_eq!(world.faults(), [""; 0]);
    testkit::replay::<Does<Twice>>(world.history(run)).expect("the code wrote it");
}

#[test]
fn a_failure_that_is_final_is_recorded_and_tells_why() {
    let attempts = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&attempts);
    let mut world = world::<Tried>(World::new()).attempts::<Double>(move |attempt, _| {
        seen.borrow_mut().push(attempt.task().attempt);
        Some(Err(no()))
    });
    let run = start::<Tried>(&mut world);
    let began = world.now();
    world.run(run, 10 * MINUTE);
    assert_eq!(*attempts.borrow(), [1, 2, 3, 4]);
    assert_eq!(world.now().saturating_since(began), 7 * SECOND, "1 s, 2 s and 4 s between them");
    let said = world.outcome::<String>(run).expect("closed").expect("completed");
    assert!(said.contains("MaximumAttemptsReached") && said.contains("\"no\""), "{said}");
    let recorded = world.history(run).iter().flat_map(|batch| &batch.events).find_map(|event| {
        if let Event::MarkerRecorded { failure, .. } = event { failure.clone() } else { None }
    });
    let recorded = recorded.expect("the marker has the failure");
    assert!(matches!(
        recorded.info,
        FailureInfo::Activity { retry_state: RetryState::MaximumAttemptsReached, .. }
    ));
    assert_eq!(count(&world, run, "WorkflowTaskCompleted"), 1, "the pauses are short");
    testkit::replay::<Does<Tried>>(world.history(run)).expect("the code wrote it");
}

#[test]
fn a_pause_that_is_too_long_to_hold_a_task_for_becomes_a_timer() {
    let attempts = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&attempts);
    let mut world = world::<Patient>(World::new()).attempts::<Double>(move |attempt, n| {
        seen.borrow_mut().push(attempt.task().attempt);
        Some(if attempt.task().attempt < 3 { Err(no()) } else { Ok(2 * n) })
    });
    let run = start::<Patient>(&mut world);
    world.settle();
    assert_eq!((*attempts.borrow()).as_slice(), [1]);
    assert_eq!(count(&world, run, "TimerStarted"), 1, "the wait is in the history");
    world.restart_worker(0, true);
    world.run(run, 10 * MINUTE);
    assert_eq!(*attempts.borrow(), [1, 2, 3], "it goes on where it was, over a restart");
    assert_eq!(world.outcome(run), Some(Ok("6".to_owned())));
    assert_eq!((count(&world, run, "TimerFired"), count(&world, run, "MarkerRecorded")), (2, 3));
    assert_eq!(world.faults(), [""; 0]);
    testkit::replay::<Does<Patient>>(world.history(run)).expect("the code wrote it");
}

#[test]
fn the_task_is_renewed_for_as_long_as_it_takes() {
    let (world, _) = counted(World::new());
    let mut world = self::world::<Both>(world).attempts::<Note>(|attempt, _| {
        attempt.pass(30 * SECOND);
        Some(Ok(()))
    });
    let run = start::<Both>(&mut world);
    world.run(run, 10 * MINUTE);
    assert_eq!(world.outcome(run), Some(Ok("6".to_owned())));
    assert_eq!(count(&world, run, "WorkflowTaskTimedOut"), 0);
    assert_eq!(count(&world, run, "WorkflowTaskCompleted"), 4, "at 8, 16 and 24 seconds, and in the end");
    assert_eq!(world.faults(), [""; 0]);
    testkit::replay::<Does<Both>>(world.history(run)).expect("the code wrote it");
}

#[test]
fn a_worker_without_memory_renews_the_task_too() {
    let (world, times) = counted(World::new());
    let mut world = self::world::<Both>(world).attempts::<Note>(|attempt, _| {
        attempt.pass(30 * SECOND);
        Some(Ok(()))
    });
    world.restart_worker(0, true);
    let run = start::<Both>(&mut world);
    world.run(run, 10 * MINUTE);
    assert_eq!((world.outcome(run), times.get()), (Some(Ok("6".to_owned())), 1));
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn what_was_recorded_is_never_done_again() {
    let (world, times) = counted(World::new());
    let mut world = self::world::<Twice>(world);
    let run = start::<Twice>(&mut world);
    world.settle();
    assert_eq!(times.get(), 1);
    let steps = world.steps();
    world.crash_after(steps);
    world.run(run, 10 * MINUTE);
    assert_eq!((world.outcome(run), times.get()), (Some(Ok("12".to_owned())), 2));
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn a_crash_before_the_record_has_it_done_again_by_the_same_key() {
    let keys = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&keys);
    let (world, _) = counted(World::new());
    let mut world = self::world::<Twice>(world).attempts::<Double>(move |attempt, n| {
        let task = attempt.task();
        let key = (task.token.run_id, task.token.scheduled_event_id, task.activity_id.clone());
        seen.borrow_mut().push(key);
        Some(Ok(2 * n))
    });
    let run = start::<Twice>(&mut world);
    let before = world.steps();
    world.settle();
    let after = world.steps();
    assert!(after > before);
    // Each prefix of the log on which the first task is not answered yet.
    world.crash_after(after - 1);
    assert_eq!(count(&world, run, "MarkerRecorded"), 0, "the power went before the record");
    world.run(run, 10 * MINUTE);
    assert_eq!(world.outcome(run), Some(Ok("12".to_owned())));
    let key = |id: &str| (run, 0, id.to_owned());
    assert_eq!(*keys.borrow(), [key("1"), key("1"), key("3")]);
}

#[test]
fn an_attempt_and_all_of_them_have_their_time() {
    let mut world = world::<Hurried>(World::new()).attempts::<Double>(|_, _| None);
    let run = start::<Hurried>(&mut world);
    let began = world.now();
    world.run(run, 10 * MINUTE);
    let failure = world.outcome::<String>(run).expect("closed").expect_err("it falls silent");
    let cause = failure.cause.expect("an activity's failure has one");
    assert!(matches!(
        cause.info,
        FailureInfo::Timeout { timeout_type: TimeoutType::StartToClose | TimeoutType::ScheduleToClose, .. }
    ));
    let took = world.now().saturating_since(began);
    assert_eq!(took, 9 * SECOND, "attempts of 2 s with pauses of 1 s and 2 s; 4 s more would go beyond ten");
}

#[test]
fn one_that_is_given_up_ends_at_once_with_its_timer() {
    let mut world = world::<Stopped>(World::new()).activity::<Double>(|_| Err(no()));
    let run = start::<Stopped>(&mut world);
    world.settle();
    world.signal("a", "enough", &(), "1").expect("open");
    world.settle();
    assert_eq!(world.outcome(run), Some(Ok("the local activity was cancelled".to_owned())));
    assert_eq!(count(&world, run, "TimerCanceled"), 1);
    assert_eq!(world.faults(), [""; 0]);
    testkit::replay::<Does<Stopped>>(world.history(run)).expect("the code wrote it");
}

#[test]
fn one_that_is_dropped_holds_the_task_no_longer() {
    let mut world = world::<Raced>(World::new()).attempts::<Double>(|_, _| None);
    let run = start::<Raced>(&mut world);
    world.settle();
    world.signal("a", "enough", &(), "1").expect("open");
    world.advance(8 * SECOND);
    assert_eq!(world.outcome(run), Some(Ok("enough".to_owned())), "the renewed task brings the signal");
    assert_eq!(count(&world, run, "MarkerRecorded"), 0);
    assert_eq!(world.faults(), [""; 0]);
    testkit::replay::<Does<Raced>>(world.history(run)).expect("the code wrote it");
}

bodies! {
    Original: |cx| {
        cx.local_activity::<Double>(3).await?;
        cx.local_activity::<Note>("n".to_owned()).await?;
        cx.signal::<()>("end").recv().await?;
        Ok(String::new())
    };
    OtherOrder: |cx| {
        cx.local_activity::<Note>("n".to_owned()).await?;
        cx.local_activity::<Double>(3).await?;
        cx.signal::<()>("end").recv().await?;
        Ok(String::new())
    };
    OtherInput: |cx| {
        cx.local_activity::<Double>(4).await?;
        cx.signal::<()>("end").recv().await?;
        Ok(String::new())
    };
    Fewer: |cx| {
        cx.local_activity::<Double>(3).await?;
        cx.signal::<()>("end").recv().await?;
        Ok(String::new())
    };
    More: |cx| {
        cx.timer(MINUTE).await;
        cx.local_activity::<Double>(3).await?;
        Ok(String::new())
    };
    OtherRetries: |cx| {
        cx.local_activity::<Double>(3).retry(policy(MINUTE, 2)).start_to_close(SECOND).await?;
        cx.local_activity::<Note>("n".to_owned()).local_retry_threshold(SECOND).await?;
        cx.signal::<()>("end").recv().await?;
        Ok(String::new())
    };
}

#[test]
fn code_that_was_changed_is_found_out_and_durations_may_change() {
    let (world, _) = counted(World::new());
    let mut world = self::world::<Original>(world);
    let run = start::<Original>(&mut world);
    world.settle();
    let history = world.history(run);
    let fault = testkit::replay::<Does<OtherOrder>>(history).expect_err("another activity comes first");
    let (recorded, asked) = ("local activity double 1 with input", "asks for local activity note 1");
    assert!(fault.contains(recorded) && fault.contains(asked), "{fault}");
    let fault = testkit::replay::<Does<OtherInput>>(history).expect_err("it is asked something else");
    assert!(fault.contains("asks for local activity double 1 with input"), "{fault}");
    let fault = testkit::replay::<Does<Fewer>>(history).expect_err("one is missing");
    assert!(
        fault.contains("local activity note 2") && fault.contains("none of that id at this place"),
        "{fault}"
    );
    let fault = testkit::replay::<Does<More>>(history).expect_err("none was asked for by then");
    assert!(fault.contains("event 5 of the history is the outcome of local activity double 1"), "{fault}");
    testkit::replay::<Does<OtherRetries>>(history).expect("durations and retries may change");
}
