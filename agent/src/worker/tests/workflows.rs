//! What workflow code can do.

use std::time::Duration;

use tidegate_model::payload::{Failure, FailureInfo, RetryPolicy, RetryState};
use tidegate_model::time::Timestamp;

use crate::worker::testkit::World;
use crate::worker::{Activity, Context, Either, Workflow, join, join_all, select, select_all};

pub(super) struct Double;
impl Activity for Double {
    const TYPE: &'static str = "double";
    type Input = i64;
    type Output = i64;
}

pub(super) struct Note;
impl Activity for Note {
    const TYPE: &'static str = "note";
    type Input = String;
    type Output = ();
}

pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// A workflow with a bit of everything: what several tests lead through crashes and evictions.
pub(super) struct Everything;
impl Workflow for Everything {
    const TYPE: &'static str = "everything";
    type Input = i64;
    type Output = (i64, String, u64, Vec<Timestamp>);

    async fn run(cx: Context, input: i64) -> Result<Self::Output, Failure> {
        let words = cx.signal::<String>("word");
        let mut times = vec![cx.now()];
        let doubled = cx.activity::<Double>(input).await?;
        times.push(cx.now());
        let first = words.recv().await?;
        let (both, chance) = (join(cx.activity::<Double>(doubled), cx.timer(MINUTE)).await.0?, cx.random());
        times.push(cx.now());
        let second = match select(words.recv(), cx.timer(10 * MINUTE)).await {
            Either::Left(word) => word?,
            Either::Right(()) => "nothing".to_owned(),
        };
        cx.activity::<Note>(format!("{first} {second}")).await?;
        times.push(cx.now());
        Ok((both, format!("{first} {second}"), chance, times))
    }
}

pub(super) fn world() -> World {
    World::new().workflow::<Everything>().activity::<Double>(|n| Ok(2 * n)).activity::<Note>(|_| Ok(()))
}

#[test]
fn a_workflow_runs_to_its_end() {
    let mut world = world();
    let run = world.start::<Everything>("a", &3);
    world.signal("a", "word", &"hello", "1").expect("open");
    world.signal("a", "word", &"world", "2").expect("open");
    world.run(run, 60 * MINUTE);
    let (both, words, _, times) =
        world.outcome::<<Everything as Workflow>::Output>(run).expect("closed").expect("completed");
    assert_eq!((both, words.as_str()), (12, "hello world"));
    assert!(times.is_sorted() && times[2].saturating_since(times[1]) == MINUTE, "{times:?}");
    assert_eq!(world.faults(), [""; 0]);
    let types = world.event_types(run);
    assert_eq!(types.iter().filter(|name| **name == "ActivityTaskScheduled").count(), 3);
    assert_eq!(
        types.iter().filter(|name| **name == "TimerCanceled").count(),
        0,
        "the signal was there before"
    );
    assert_eq!(types.last(), Some(&"WorkflowExecutionCompleted"));
}

struct Wait;
impl Workflow for Wait {
    const TYPE: &'static str = "wait";
    type Input = u64;
    type Output = Option<u32>;

    async fn run(cx: Context, minutes: u64) -> Result<Option<u32>, Failure> {
        let signal = cx.signal::<u32>("go");
        match select(signal.recv(), cx.timer(Duration::from_secs(60 * minutes))).await {
            Either::Left(value) => value.map(Some),
            Either::Right(()) => Ok(None),
        }
    }
}

#[test]
fn a_signal_before_the_time_wins_and_cancels_the_timer() {
    let mut world = World::new().workflow::<Wait>();
    let run = world.start::<Wait>("a", &5);
    world.advance(MINUTE);
    world.signal("a", "go", &7, "1").expect("open");
    world.settle();
    assert_eq!(world.outcome(run), Some(Ok(Some(7))));
    assert!(world.event_types(run).contains(&"TimerCanceled"));
}

#[test]
fn the_time_before_a_signal_wins() {
    let mut world = World::new().workflow::<Wait>();
    let run = world.start::<Wait>("a", &5);
    world.advance(6 * MINUTE);
    assert_eq!(world.outcome(run), Some(Ok(None::<u32>)));
    assert!(world.signal("a", "go", &7, "1").is_err(), "the run has closed");
}

#[test]
fn a_signal_that_comes_before_anyone_waits_is_kept() {
    let mut world = World::new().workflow::<Wait>();
    let run = world.start::<Wait>("a", &5);
    world.signal("a", "go", &7, "1").expect("open, although no task was answered yet");
    world.settle();
    assert_eq!(world.outcome(run), Some(Ok(Some(7))));
    let types = world.event_types(run);
    assert!(
        !types.contains(&"TimerStarted"),
        "a timer given up in the turn that started it leaves no trace: {types:?}"
    );
}

#[test]
fn of_two_things_in_one_turn_the_one_that_happened_first_wins() {
    // The worker is away while the timer fires and the signal follows: one task brings both.
    let mut world = World::new().workflow::<Wait>();
    let run = world.start::<Wait>("a", &5);
    world.settle();
    world.pass(6 * MINUTE);
    world.signal("a", "go", &7, "1").expect("open");
    world.settle();
    assert_eq!(world.outcome(run), Some(Ok(None::<u32>)));

    // And the other way round, where the timer that lost had fired already: there is nothing to cancel.
    let run = world.start::<Wait>("b", &5);
    world.settle();
    world.signal("b", "go", &8, "1").expect("open");
    world.pass(6 * MINUTE);
    world.settle();
    assert_eq!(world.outcome(run), Some(Ok(Some(8))));
    assert_eq!(world.faults(), [""; 0]);
    assert!(!world.event_types(run).contains(&"TimerCanceled"));
}

#[test]
fn a_signal_that_comes_while_the_end_is_being_decided_is_not_lost() {
    let mut world = World::new().workflow::<Wait>();
    let run = world.start::<Wait>("a", &5);
    world.settle();
    world.pass(6 * MINUTE);
    let task = world.poll_workflow().expect("the timer has fired");
    world.signal("a", "go", &7, "1").expect("open");
    world.answer(&task);
    // The engine refuses to end a run over an event its code has not seen; the code sees it, and ends the run.
    assert_eq!(world.outcome::<Option<u32>>(run), None);
    world.settle();
    assert_eq!(world.outcome(run), Some(Ok(None::<u32>)));
    assert!(world.event_types(run).contains(&"WorkflowExecutionSignaled"));
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn a_signal_that_cannot_be_read_is_the_workflows_to_judge() {
    let mut world = World::new().workflow::<Wait>();
    let run = world.start::<Wait>("a", &5);
    world.signal("a", "go", &"not a number", "1").expect("open");
    world.settle();
    let failure = world.outcome::<Option<u32>>(run).expect("closed").expect_err("the workflow passes it on");
    assert!(failure.message.starts_with("signal \"go\" is not what was expected: "), "{}", failure.message);
}

struct Doubles;
impl Workflow for Doubles {
    const TYPE: &'static str = "doubles";
    type Input = Vec<i64>;
    type Output = Vec<i64>;

    async fn run(cx: Context, input: Vec<i64>) -> Result<Vec<i64>, Failure> {
        join_all(input.into_iter().map(|n| cx.activity::<Double>(n))).await.into_iter().collect()
    }
}

#[test]
fn activities_beside_each_other_are_asked_for_in_one_turn() {
    let mut world = World::new().workflow::<Doubles>().activity::<Double>(|n| Ok(2 * n));
    let run = world.start::<Doubles>("a", &[1, 2, 3]);
    world.settle();
    assert_eq!(world.outcome(run), Some(Ok(vec![2, 4, 6])));
    let types = world.event_types(run);
    let first = types.iter().position(|name| *name == "ActivityTaskScheduled").expect("there are three");
    assert_eq!(types[first..first + 3], ["ActivityTaskScheduled"; 3]);
}

struct Fastest;
impl Workflow for Fastest {
    const TYPE: &'static str = "fastest";
    type Input = Vec<u32>;
    type Output = usize;

    async fn run(cx: Context, minutes: Vec<u32>) -> Result<usize, Failure> {
        Ok(select_all(minutes.into_iter().map(|minutes| cx.timer(MINUTE * minutes))).await.0)
    }
}

#[test]
fn of_several_the_first_wins_and_the_others_are_cancelled() {
    let mut world = World::new().workflow::<Fastest>();
    let run = world.start::<Fastest>("a", &[3, 1, 2, 1]);
    world.run(run, 5 * MINUTE);
    assert_eq!(world.outcome(run), Some(Ok(1)), "of two at one time the one that was asked for first");
    let cancelled = world.event_types(run).into_iter().filter(|name| *name == "TimerCanceled").count();
    assert!(cancelled >= 2, "{cancelled}");
    assert_eq!(world.faults(), [""; 0]);
}

struct Stubborn;
impl Workflow for Stubborn {
    const TYPE: &'static str = "stubborn";
    type Input = u32;
    type Output = String;

    async fn run(cx: Context, attempts: u32) -> Result<String, Failure> {
        let policy = RetryPolicy { maximum_attempts: attempts, ..RetryPolicy::default() };
        let failure = cx.activity::<Double>(1).retry(policy).await.expect_err("the script always fails");
        let FailureInfo::Activity { activity_type, retry_state, .. } = &failure.info else {
            return Err(Failure::application("not an activity's failure", "Test", true));
        };
        let cause = failure.cause.as_ref().map(|cause| cause.message.clone()).unwrap_or_default();
        Ok(format!("{activity_type} {cause} {}", *retry_state == RetryState::MaximumAttemptsReached))
    }
}

#[test]
fn an_activity_that_fails_for_good_says_which_and_why() {
    let mut attempts = 0;
    let mut world = World::new().workflow::<Stubborn>().activity::<Double>(move |_| {
        attempts += 1;
        Err(Failure::application(format!("no {attempts}"), "Test", false))
    });
    let run = world.start::<Stubborn>("a", &3);
    world.run(run, 60 * MINUTE);
    assert_eq!(world.outcome(run), Some(Ok("double no 3 true".to_owned())));
}

struct Chance;
impl Workflow for Chance {
    const TYPE: &'static str = "chance";
    type Input = ();
    type Output = (u64, u64);

    async fn run(cx: Context, (): ()) -> Result<(u64, u64), Failure> {
        let first = cx.random();
        cx.timer(MINUTE).await;
        Ok((first, cx.random()))
    }
}

#[test]
fn chance_is_the_same_in_a_replay_and_another_in_another_run() {
    let mut world = World::new().workflow::<Chance>();
    let (a, b) = (world.start::<Chance>("a", &()), world.start::<Chance>("b", &()));
    world.settle();
    world.restart_worker(0, true);
    world.advance(2 * MINUTE);
    let outcome = |run| world.outcome::<(u64, u64)>(run).expect("closed").expect("completed");
    assert_ne!(outcome(a), outcome(b));
    assert_ne!(outcome(a).0, outcome(a).1);
    assert_eq!(world.faults(), [""; 0]);
}
