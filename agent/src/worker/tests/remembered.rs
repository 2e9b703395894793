//! What a run writes into its history to go by later: side effects, patches, memo, search attributes, the next run.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::json;
use tidegate_engine::{IndexedValueType, ListWorkflows, Reply, Request};
use tidegate_model::event::Event;
use tidegate_model::id::{Namespace, RunId};
use tidegate_model::payload::Failure;

use super::workflows::{MINUTE, Note};
use crate::worker::testkit::{self, World};
use crate::worker::{Context, Workflow};

thread_local! {
    static MADE: Cell<u32> = const { Cell::new(0) };
}

struct Draws;
impl Workflow for Draws {
    const TYPE: &'static str = "draws";
    type Input = ();
    type Output = Vec<u32>;

    async fn run(cx: Context, (): ()) -> Result<Vec<u32>, Failure> {
        let make = || MADE.replace(MADE.get() + 1);
        let mut drawn = vec![cx.side_effect("draw", make), cx.side_effect("draw", make)];
        cx.timer(MINUTE).await;
        drawn.push(cx.side_effect("draw", make));
        cx.activity::<Note>(format!("{drawn:?}")).await?;
        Ok(drawn)
    }
}

#[test]
fn a_side_effect_is_made_once_and_read_from_the_history_ever_after() {
    MADE.set(7);
    let mut world = World::new().workflow::<Draws>().activity::<Note>(|_| Ok(()));
    let run = world.start::<Draws>("a", &());
    world.settle();
    assert_eq!(MADE.get(), 9, "the shadow replay has made none");
    world.restart_worker(0, true);
    world.run(run, 10 * MINUTE);
    assert_eq!(world.outcome(run), Some(Ok(vec![7, 8, 9])));
    assert_eq!(MADE.get(), 10);
    testkit::replay::<Draws>(world.history(run)).expect("the code wrote it");
    assert_eq!(MADE.get(), 10);
    assert_eq!(world.faults(), [""; 0]);
}

struct DrawsMore;
impl Workflow for DrawsMore {
    const TYPE: &'static str = "draws";
    type Input = ();
    type Output = u32;

    async fn run(cx: Context, (): ()) -> Result<u32, Failure> {
        let drawn = cx.side_effect("another", || 1);
        cx.timer(MINUTE).await;
        Ok(drawn)
    }
}

#[test]
fn a_side_effect_the_history_does_not_have_is_found_out() {
    let mut world = World::new().workflow::<Draws>().activity::<Note>(|_| Ok(()));
    let run = world.start::<Draws>("a", &());
    world.settle();
    let fault = testkit::replay::<DrawsMore>(world.history(run)).expect_err("there is none of that name");
    assert!(fault.contains("asks for side effect \"another\", which its history does not have"), "{fault}");
}

/// Three releases of one workflow: before a patch, with it, and after its old side is gone.
struct Before;
struct Patched;
struct After;

/// Two rounds, each with a note; the patched one takes another word for it.
macro_rules! release {
    ($name:ident, |$cx:ident| $word:expr) => {
        impl Workflow for $name {
            const TYPE: &'static str = "rounds";
            type Input = ();
            type Output = Vec<String>;

            async fn run($cx: Context, (): ()) -> Result<Vec<String>, Failure> {
                let mut words = Vec::new();
                for _ in 0..2 {
                    let word: &str = $word;
                    $cx.activity::<Note>(word.to_owned()).await?;
                    words.push(word.to_owned());
                    $cx.signal::<()>("on").recv().await?;
                }
                Ok(words)
            }
        }
    };
}

release!(Before, |cx| "old");
release!(Patched, |cx| if cx.patched("word") { "new" } else { "old" });
release!(After, |cx| "new");

fn rounds() -> World {
    World::new().activity::<Note>(|_| Ok(()))
}

#[track_caller]
fn finish(world: &mut World, id: &str, run: RunId, expected: [&str; 2]) {
    for request in ["1", "2"] {
        drop(world.signal(id, "on", &(), request));
        world.settle();
    }
    assert_eq!(world.outcome(run), Some(Ok(expected.map(str::to_owned).to_vec())), "{id}");
}

fn patches(world: &World, run: RunId) -> usize {
    let is_patch =
        |event: &&Event| matches!(event, Event::MarkerRecorded { marker_name, .. } if marker_name == "patch");
    world.history(run).iter().flat_map(|batch| &batch.events).filter(is_patch).count()
}

/// The ids of the executions a filter finds.
fn found(world: &mut World, query: &str) -> Vec<String> {
    let list = Request::ListWorkflowExecutions(ListWorkflows {
        namespace: Some(Namespace::new("default").expect("a name")),
        query: query.to_owned(),
        page_size: 10,
        page_token: None,
    });
    let Ok(Reply::Listed { runs, .. }) = world.call(list) else { panic!("{query} is a filter") };
    runs.into_iter().map(|run| run.workflow_id.to_string()).collect()
}

#[test]
fn a_run_that_went_by_under_the_old_code_stays_with_it_and_a_new_one_takes_the_new() {
    let mut world = rounds().workflow::<Before>();
    let old = world.start::<Before>("old", &());
    world.settle();
    let mut world = world.workflow::<Patched>();
    let new = world.start::<Patched>("new", &());
    world.settle();
    // The answer holds for the whole run: also where the old run asks for the first time.
    finish(&mut world, "old", old, ["old", "old"]);
    finish(&mut world, "new", new, ["new", "new"]);
    assert_eq!((patches(&world, old), patches(&world, new)), (0, 1), "one marker, however often it is asked");
    assert_eq!(found(&mut world, "TemporalChangeVersion = 'word'"), ["new"]);
    assert_eq!(found(&mut world, "TemporalChangeVersion IS NULL"), ["old"]);
    testkit::replay::<Patched>(world.history(old)).expect("the old side is there");
    testkit::replay::<Patched>(world.history(new)).expect("the code wrote it");
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn when_the_old_side_is_gone_runs_with_the_marker_go_on_and_runs_without_are_found_out() {
    let mut world = rounds().workflow::<Before>();
    let old = world.start::<Before>("old", &());
    world.settle();
    let mut world = world.workflow::<Patched>();
    let new = world.start::<Patched>("new", &());
    world.settle();
    let mut world = world.workflow::<After>();
    finish(&mut world, "new", new, ["new", "new"]);
    assert_eq!(world.faults(), [""; 0]);
    drop(world.signal("old", "on", &(), "1"));
    world.settle();
    assert!(world.faults()[0].contains("event 5 of the history is activity note 1"), "{}", world.faults()[0]);
    assert_eq!(world.outcome::<Vec<String>>(old), None, "it waits for better code");
}

/// A release with two patches, and one that has lost the first.
struct Twice;
struct Once;
release!(Twice, |cx| if cx.patched("first") && cx.patched("word") { "new" } else { "old" });
release!(Once, |cx| if cx.patched("word") { "new" } else { "old" });

#[test]
fn one_patch_of_several_can_go() {
    let mut world = rounds().workflow::<Twice>();
    let run = world.start::<Twice>("a", &());
    world.settle();
    assert_eq!(found(&mut world, "TemporalChangeVersion = 'first'"), ["a"]);
    let mut world = world.workflow::<Once>();
    finish(&mut world, "a", run, ["new", "new"]);
    testkit::replay::<Once>(world.history(run)).expect("what the first wrote is passed over");
    testkit::replay::<After>(world.history(run)).expect("and so is what both wrote");
    assert_eq!(world.faults(), [""; 0]);
}

struct Shown;
impl Workflow for Shown {
    const TYPE: &'static str = "shown";
    type Input = u32;
    type Output = (String, u32, Option<String>, RunId);

    async fn run(cx: Context, round: u32) -> Result<Self::Output, Failure> {
        if round == 0 {
            cx.upsert_search_attributes([("Bed", json!("12")), ("Severity", json!(3))]);
            cx.upsert_memo([("seen", json!(true)), ("note", json!("first"))]);
            cx.timer(MINUTE).await;
            cx.upsert_search_attributes([("Severity", json!(4))]);
            cx.upsert_memo([("note", json!(null))]);
            return cx.continue_as_new(1);
        }
        let bed = cx.search_attribute("Bed").unwrap_or_default();
        let severity = cx.search_attribute("Severity").unwrap_or_default();
        assert_eq!(cx.memo::<bool>("seen"), Some(true));
        Ok((bed, severity, cx.memo("note"), cx.info().first_execution_run_id))
    }
}

#[test]
fn what_a_run_is_found_by_and_remembered_with_goes_on_into_the_next_run() {
    let mut world = World::new()
        .search_attribute("Bed", IndexedValueType::Keyword)
        .search_attribute("Severity", IndexedValueType::Int)
        .workflow::<Shown>();
    let run = world.start::<Shown>("a", &0);
    world.settle();
    let shown = world.describe("a").summary;
    assert_eq!(shown.search_attributes["Severity"].data.as_slice(), b"3");
    assert_eq!(shown.memo["note"].data.as_slice(), b"\"first\"");
    world.run(run, 10 * MINUTE);
    assert_eq!(world.outcome(run), Some(Ok(("12".to_owned(), 4, None::<String>, run))));
    let shown = world.describe("a").summary;
    assert_eq!(shown.search_attributes["Bed"].data.as_slice(), b"\"12\"");
    assert_eq!(shown.memo.keys().collect::<Vec<_>>(), ["seen"]);
    assert_ne!(shown.run_id, run);
    testkit::replay::<Shown>(world.history(run)).expect("the code wrote it");
    assert_eq!(world.faults(), [""; 0]);
}

struct Drains;
impl Workflow for Drains {
    const TYPE: &'static str = "drains";
    type Input = Vec<u32>;
    type Output = Vec<u32>;

    async fn run(cx: Context, mut seen: Vec<u32>) -> Result<Vec<u32>, Failure> {
        let numbers = cx.signal::<u32>("number");
        while seen.len() < 6 {
            seen.push(numbers.recv().await?);
            if seen.len() == 2 {
                // What has come is taken along: what is left behind is lost.
                while let Some(number) = numbers.try_recv() {
                    seen.push(number?);
                }
                return cx.continue_as_new(seen);
            }
        }
        Ok(seen)
    }
}

#[test]
fn signals_are_received_in_the_order_they_came_and_none_is_lost_on_the_way_to_the_next_run() {
    let mut world = World::new().workflow::<Drains>();
    let run = world.start::<Drains>("a", &Vec::<u32>::new());
    for number in 1..=4 {
        world.signal("a", "number", &number, &number.to_string()).expect("open");
    }
    let task = world.poll_workflow().expect("the first");
    // It comes while the code decides to go on as a new run: the code is asked again.
    world.signal("a", "number", &5, "5").expect("open");
    world.answer(&task);
    world.settle();
    world.signal("a", "number", &6, "6").expect("open");
    world.signal("a", "number", &6, "6").expect("a repetition counts once");
    // Runs do not follow each other faster than one a second.
    world.run(run, MINUTE);
    assert_eq!(world.outcome(run), Some(Ok(vec![1, 2, 3, 4, 5, 6])));
    for run in world.runs() {
        testkit::replay::<Drains>(world.history(run)).expect("the code wrote it");
    }
    assert_eq!(world.faults(), [""; 0]);
}

/// Goes on as a new run when its history asks for it.
struct Endless;
impl Workflow for Endless {
    const TYPE: &'static str = "endless";
    type Input = u64;
    type Output = (u64, u64);

    async fn run(cx: Context, before: u64) -> Result<(u64, u64), Failure> {
        if before > 0 {
            return Ok((before, cx.history_length()));
        }
        while !cx.is_continue_as_new_suggested() {
            cx.timer(MINUTE).await;
        }
        cx.continue_as_new(cx.history_length())
    }
}

#[test]
fn the_code_is_told_when_its_history_is_long_enough() {
    let mut world = World::new().workflow::<Endless>();
    world.restart_worker(10, false);
    let run = world.start::<Endless>("a", &0);
    world.run(run, 2_000 * MINUTE);
    let (before, after): (u64, u64) = world.outcome(run).expect("closed").expect("completed");
    assert!(before >= tidegate_engine::Settings::default().history_events_suggest, "{before}");
    assert_eq!(after, 3);
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn a_handler_of_an_update_is_waited_for() {
    let mut world = World::new().workflow::<Waits>().activity::<Note>(|_| Ok(()));
    let run = world.start::<Waits>("a", &());
    let update = world.update("a", "note", &"x", "1");
    world.settle();
    assert_eq!(world.outcome::<u32>(run), None, "the handler is at work");
    world.signal("a", "end", &(), "1").expect("open");
    world.advance(5 * MINUTE);
    assert!(matches!(world.updated::<u32>(&update), Some(Ok(Ok(1)))));
    assert_eq!(world.outcome(run), Some(Ok(1)));
}

struct Waits;
impl Workflow for Waits {
    const TYPE: &'static str = "waits";
    type Input = ();
    type Output = u32;

    async fn run(cx: Context, (): ()) -> Result<u32, Failure> {
        let noted = Rc::new(Cell::new(0));
        let (inner, counter) = (cx.clone(), Rc::clone(&noted));
        cx.on_update(
            "note",
            |_: &String| Ok(()),
            move |word: String| {
                let (cx, noted) = (inner.clone(), Rc::clone(&counter));
                async move {
                    cx.timer(MINUTE).await;
                    cx.activity::<Note>(word).await?;
                    noted.set(noted.get() + 1);
                    Ok(noted.get())
                }
            },
        );
        cx.signal::<()>("end").recv().await?;
        cx.wait_until(|| cx.all_handlers_finished()).await;
        Ok(noted.get())
    }
}
