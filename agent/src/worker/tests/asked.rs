//! Queries and updates: what others may ask of workflow code while it runs, and after.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tidegate_engine::Refusal;
use tidegate_model::payload::Failure;

use super::workflows::{Double, MINUTE};
use crate::worker::testkit::{self, World};
use crate::worker::{Context, Workflow};

/// A till: updates put money in, a query looks, and at ten it is full.
struct Till;
impl Workflow for Till {
    const TYPE: &'static str = "till";
    type Input = i64;
    type Output = Vec<i64>;

    async fn run(cx: Context, full: i64) -> Result<Vec<i64>, Failure> {
        let coins = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&coins);
        cx.on_query("sum", move |factor: i64| factor * seen.borrow().iter().sum::<i64>());
        let (into, inner) = (Rc::clone(&coins), cx.clone());
        cx.on_update(
            "put",
            |coin: &i64| match coin {
                1.. => Ok(()),
                _ => Err(Failure::application(format!("{coin} is no coin"), "NoCoin", true)),
            },
            move |coin: i64| {
                let (cx, coins) = (inner.clone(), Rc::clone(&into));
                async move {
                    let doubled = cx.activity::<Double>(coin).await?;
                    coins.borrow_mut().push(doubled);
                    Ok(coins.borrow().len())
                }
            },
        );
        cx.wait_until(|| coins.borrow().iter().sum::<i64>() >= full).await;
        let coins = coins.borrow().clone();
        Ok(coins)
    }
}

fn world() -> World {
    World::new().workflow::<Till>().activity::<Double>(|n| Ok(2 * n))
}

#[test]
fn a_query_sees_what_the_code_has_arrived_at_and_changes_nothing() {
    let mut world = world();
    let run = world.start::<Till>("a", &10);
    assert_eq!(world.query::<i64>("a", "sum", &1), Ok(0));
    let put = world.update("a", "put", &2, "1");
    world.settle();
    assert!(matches!(world.updated::<usize>(&put), Some(Ok(Ok(1)))));
    let events = world.event_types(run).len();
    assert_eq!(world.query::<i64>("a", "sum", &3), Ok(12));
    world.restart_worker(0, true);
    assert_eq!(world.query::<i64>("a", "sum", &3), Ok(12), "from the whole history");
    assert_eq!(world.event_types(run).len(), events);
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn a_closed_run_answers_queries() {
    let mut world = world();
    let run = world.start::<Till>("a", &4);
    world.update("a", "put", &2, "1");
    world.settle();
    assert_eq!(world.outcome(run), Some(Ok(vec![4])));
    assert_eq!(world.query::<i64>("a", "sum", &1), Ok(4));
}

#[test]
fn a_query_nobody_handles_or_that_cannot_be_read_says_so() {
    let mut world = world();
    world.start::<Till>("a", &10);
    world.settle();
    let check = |refusal: Refusal, expected: &str| {
        assert!(refusal.to_string().contains(expected), "{refusal}");
    };
    check(world.query::<i64>("a", "total", &1).expect_err("unknown"), "it has: sum");
    check(world.query::<i64>("a", "sum", &"x").expect_err("not a number"), "is not what query \"sum\" takes");
}

#[test]
fn an_update_that_is_rejected_leaves_no_trace() {
    let mut world = world();
    let run = world.start::<Till>("a", &10);
    world.settle();
    let before = world.event_types(run);
    let put = world.update("a", "put", &0, "1");
    world.settle();
    let Some(Ok(Err(failure))) = world.updated::<usize>(&put) else { panic!("it is rejected") };
    assert_eq!(failure.message, "0 is no coin");
    assert_eq!(world.event_types(run), before);

    let unknown = world.update("a", "take", &0, "2");
    world.settle();
    let Some(Ok(Err(failure))) = world.updated::<usize>(&unknown) else { panic!("it is rejected") };
    assert!(failure.message.ends_with("it has: put"), "{}", failure.message);
    assert_eq!(world.event_types(run), before);
    // And the run goes on as if nothing had been.
    world.update("a", "put", &5, "3");
    world.settle();
    assert_eq!(world.outcome(run), Some(Ok(vec![10])));
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn what_updates_wrote_is_followed_by_a_replay() {
    let mut world = world();
    let run = world.start::<Till>("a", &12);
    for (coin, id) in [(1, "1"), (2, "2"), (3, "3")] {
        world.update("a", "put", &coin, id);
    }
    world.run(run, MINUTE);
    assert_eq!(world.outcome(run), Some(Ok(vec![2, 4, 6])));
    testkit::replay::<Till>(world.history(run)).expect("the code wrote it");
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn a_crash_after_any_step_loses_no_update() {
    let live = |world: &mut World| {
        let run = world.start::<Till>("a", &12);
        for (coin, id) in [(1, "1"), (2, "2"), (3, "3")] {
            world.update("a", "put", &coin, id);
            world.settle();
        }
        world.run(run, 10 * MINUTE);
        // An activity that was in hand at the crash is given out again later, behind those that came after it.
        let mut coins = world.outcome::<Vec<i64>>(run)?.ok()?;
        coins.sort_unstable();
        Some(coins)
    };
    let mut undisturbed = world();
    assert_eq!(live(&mut undisturbed), Some(vec![2, 4, 6]));
    for crash in 0..undisturbed.steps() {
        let mut world = world();
        live(&mut world);
        world.crash_after(crash);
        assert_eq!(live(&mut world), Some(vec![2, 4, 6]), "crash after step {crash}");
        assert_eq!(world.faults(), [""; 0], "crash after step {crash}");
    }
}

struct Meddler;
impl Workflow for Meddler {
    const TYPE: &'static str = "meddler";
    type Input = ();
    type Output = ();

    async fn run(cx: Context, (): ()) -> Result<(), Failure> {
        let inner = cx.clone();
        cx.on_query("look", move |(): ()| drop(inner.timer(MINUTE)));
        let inner = cx.clone();
        cx.on_query("roll", move |(): ()| inner.random());
        cx.signal::<()>("end").recv().await
    }
}

#[test]
fn a_query_that_changes_something_is_refused_and_the_run_goes_on() {
    let mut world = World::new().workflow::<Meddler>();
    let run = world.start::<Meddler>("a", &());
    world.settle();
    for query in ["look", "roll"] {
        let refusal = world.query::<()>("a", query, &()).expect_err("it meddles");
        assert!(refusal.to_string().contains("the handler of a query may change nothing"), "{refusal}");
    }
    world.signal("a", "end", &(), "1").expect("open");
    world.settle();
    assert_eq!(world.outcome(run), Some(Ok(())));
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn a_query_that_comes_while_a_task_is_due_travels_with_it() {
    let mut world = world();
    world.start::<Till>("a", &100);
    world.settle();
    world.update("a", "put", &2, "1");
    world.settle();
    let turns = world.turns();
    world.pass(Duration::ZERO);
    // The worker is away for a moment. The signal makes a workflow task due; the query is answered by what the code has arrived at after it.
    world.signal("a", "nobody-listens", &(), "1").expect("open");
    assert_eq!(world.query::<i64>("a", "sum", &1), Ok(4));
    assert_eq!(world.turns(), turns + 1, "one task for both");
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn a_rejected_update_is_not_seen_by_a_replay_and_its_id_may_be_used_again() {
    let mut world = world();
    let run = world.start::<Till>("a", &10);
    for coin in [0, -1] {
        let put = world.update("a", "put", &coin, "same");
        world.settle();
        assert!(matches!(world.updated::<usize>(&put), Some(Ok(Err(_)))), "{coin} is no coin");
    }
    let put = world.update("a", "put", &5, "same");
    world.settle();
    assert!(matches!(world.updated::<usize>(&put), Some(Ok(Ok(1)))), "the id was never taken");
    assert_eq!(world.outcome(run), Some(Ok(vec![10])));
    testkit::replay::<Till>(world.history(run)).expect("the code wrote it");
    assert_eq!(world.faults(), [""; 0]);
}

struct Validates;
impl Workflow for Validates {
    const TYPE: &'static str = "validates";
    type Input = ();
    type Output = ();

    async fn run(cx: Context, (): ()) -> Result<(), Failure> {
        let inner = cx.clone();
        cx.on_update(
            "meddle",
            move |(): &()| {
                inner.upsert_memo([("seen", true.into())]);
                Ok(())
            },
            |(): ()| async { Ok(()) },
        );
        cx.signal::<()>("end").recv().await
    }
}

#[test]
fn a_validator_that_changes_something_blocks_the_run() {
    let mut world = World::new().workflow::<Validates>();
    let run = world.start::<Validates>("a", &());
    world.settle();
    let events = world.event_types(run).len();
    world.update("a", "meddle", &(), "1");
    world.settle();
    let fault = world.faults().first().expect("it is found out");
    assert!(fault.contains("the validator of an update may change nothing"), "{fault}");
    assert_eq!(world.outcome::<()>(run), None);
    assert!(world.event_types(run).len() >= events);
}
