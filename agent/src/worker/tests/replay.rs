//! A run goes on wherever it was left, and arrives at the same end.

use std::time::Duration;

use tidegate_model::event::Event;
use tidegate_model::payload::Failure;

use super::workflows::{Everything, MINUTE, world};
use crate::worker::testkit::{self, World};
use crate::worker::{Context, Workflow};

type Output = <Everything as Workflow>::Output;

/// The script of a life: the same signals at the same times, whoever does the work.
fn live(world: &mut World) -> Output {
    let run = world.start::<Everything>("a", &3);
    world.settle();
    // A signal whose run has closed, or that was recorded before a crash, changes nothing.
    drop(world.signal("a", "word", &"hello", "1"));
    world.run(run, 2 * MINUTE);
    drop(world.signal("a", "word", &"world", "2"));
    world.run(run, 60 * MINUTE);
    world.outcome(run).unwrap_or_else(|| panic!("open: {:?}", world.event_types(run))).expect("completed")
}

#[test]
fn a_crash_after_any_step_leads_to_the_same_end() {
    let mut undisturbed = world();
    let (doubled, words, chance, _) = live(&mut undisturbed);
    let steps = undisturbed.steps();
    assert!(steps > 15, "a life of {steps} steps shows little");
    for crash in 0..steps {
        let mut world = world();
        live(&mut world);
        world.crash_after(crash);
        let end = live(&mut world);
        assert_eq!((end.0, end.1.as_str()), (doubled, words.as_str()), "crash after step {crash}");
        assert_eq!(world.faults(), [""; 0], "crash after step {crash}");
        // The run's id is drawn at the first step, and its chance follows from it.
        assert!(crash == 0 || end.2 == chance, "crash after step {crash}");
    }
}

#[test]
fn a_worker_that_keeps_nothing_in_memory_writes_the_same_history() {
    let kinds = |world: &mut World| {
        let run = world.start::<Everything>("a", &3);
        world.signal("a", "word", &"hello", "1").expect("open");
        world.run(run, 60 * MINUTE);
        world.event_types(run)
    };
    let mut forgetful = world();
    forgetful.restart_worker(0, false);
    assert_eq!(kinds(&mut forgetful), kinds(&mut world()));
}

#[test]
fn runs_that_give_way_to_others_in_memory_come_back_from_their_history() {
    let mut world = world();
    world.restart_worker(1, false);
    let runs: Vec<_> = ["a", "b", "c"].into_iter().map(|id| world.start::<Everything>(id, &5)).collect();
    for (id, request) in [("a", "1"), ("b", "2"), ("c", "3"), ("a", "4"), ("b", "5"), ("c", "6")] {
        world.settle();
        world.signal(id, "word", &request, request).expect("open");
    }
    for (run, words) in runs.into_iter().zip(["1 4", "2 5", "3 6"]) {
        world.run(run, 60 * MINUTE);
        let output: Output = world.outcome(run).expect("closed").expect("completed");
        assert_eq!(output.1, words);
    }
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn every_prefix_that_ends_with_a_task_is_followed_and_so_is_the_whole() {
    let mut world = world();
    live(&mut world);
    let run = world.runs()[0];
    let history = world.history(run).to_vec();
    testkit::replay::<Everything>(&history).expect("the code wrote it");
    let mut prefixes = 0;
    for end in 1..=history.len() {
        if matches!(history[end - 1].events.last(), Some(Event::WorkflowTaskStarted { .. })) {
            testkit::replay::<Everything>(&history[..end]).expect("the code wrote it");
            prefixes += 1;
        }
    }
    assert!(prefixes >= 5, "{prefixes}");
}

#[test]
fn a_history_with_a_hole_or_without_its_beginning_is_refused() {
    let mut world = world();
    live(&mut world);
    let history = world.history(world.runs()[0]).to_vec();
    let check = |history: &[_], expected: &str| {
        let error = testkit::replay::<Everything>(history).expect_err("it is not whole");
        assert!(error.contains(expected), "{error}");
    };
    let mut hole = history.clone();
    hole.remove(3);
    check(&hole, "is missing from the history");
    check(&history[1..], "does not begin with WorkflowExecutionStarted");
    check(&[], "empty");
}

struct Times;
impl Workflow for Times {
    const TYPE: &'static str = "times";
    type Input = ();
    type Output = ();

    async fn run(cx: Context, (): ()) -> Result<(), Failure> {
        let first = cx.now();
        cx.timer(MINUTE).await;
        // Compared by the replay: what is not the same again is another input.
        cx.activity::<super::workflows::Note>(format!("{first} {}", cx.now())).await
    }
}

#[test]
fn the_time_of_a_task_that_took_several_attempts_is_the_same_in_a_replay() {
    let mut world = World::new().workflow::<Times>().activity::<super::workflows::Note>(|_| Ok(()));
    let run = world.start::<Times>("a", &());
    // Nobody answers three attempts; the fourth, begun long after it was scheduled, is answered later still.
    for _ in 0..3 {
        world.poll_workflow().expect("an attempt");
        world.pass(Duration::from_secs(3_600));
    }
    let task = world.poll_workflow().expect("an attempt");
    assert!(task.attempt > 1);
    world.pass(Duration::from_secs(2));
    world.answer(&task);
    world.restart_worker(0, true);
    world.run(run, 600 * MINUTE);
    assert_eq!(world.outcome(run), Some(Ok(())));
    assert_eq!(world.faults(), [""; 0]);
}
