//! What workflow code must not do is found out at once, and costs a workflow task, never the run.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidegate_model::payload::Failure;

use super::workflows::{Double, MINUTE};
use crate::worker::testkit::World;
use crate::worker::{Context, Either, Workflow, select};

/// Starts `W` and looks at the first fault.
#[track_caller]
fn check<W: Workflow<Input = ()>>(expected: &str) -> World {
    let mut world = World::new().workflow::<W>().activity::<Double>(|n| Ok(2 * n));
    let run = world.start::<W>("a", &());
    world.run(run, MINUTE);
    let fault = world.faults().first().expect("it is found out");
    assert!(fault.contains(expected), "{fault}");
    assert_eq!(world.outcome::<()>(run), None, "the run is open");
    world
}

macro_rules! workflow {
    ($name:ident, |$cx:ident| $body:expr) => {
        struct $name;
        impl Workflow for $name {
            const TYPE: &'static str = "forbidden";
            type Input = ();
            type Output = ();
            async fn run($cx: Context, (): ()) -> Result<(), Failure> {
                $body;
                Ok(())
            }
        }
    };
}

workflow!(Panics, |cx| {
    cx.timer(Duration::from_secs(1)).await;
    assert!(cx.now().as_micros() == 0, "no bed in sight");
});
workflow!(Works, |cx| cx.timer(Duration::from_secs(1)).await);

#[test]
fn a_panic_fails_the_task_with_its_line_and_the_run_goes_on_with_better_code() {
    let mut world = check::<Panics>("no bed in sight");
    let fault = &world.faults()[0];
    assert!(fault.starts_with("panicked at ") && fault.contains("forbidden.rs:"), "{fault}");
    let run = world.runs()[0];
    world = world.workflow::<Works>();
    world.run(run, 600 * MINUTE);
    assert_eq!(world.outcome(run), Some(Ok(())));
}

workflow!(Sleeps, |_cx| {
    #[expect(clippy::disallowed_methods, reason = "this is the mistake to be found out")]
    tokio::time::sleep(Duration::from_secs(1)).await;
});

#[test]
fn the_runtimes_sleep_is_found_out_at_once() {
    check::<Sleeps>("the code uses the runtime, which a replay cannot repeat");
}

workflow!(Listens, |_cx| {
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || sender.send(()).is_ok());
    drop(receiver.await);
    std::future::pending::<()>().await;
});

#[test]
fn waiting_for_something_else_than_the_context_is_found_out_at_once() {
    check::<Listens>("that nothing in its history can ever bring it on");
}

thread_local! {
    static SENDER: RefCell<Option<tokio::sync::oneshot::Sender<()>>> = const { RefCell::new(None) };
}

workflow!(IsWoken, |cx| {
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    SENDER.set(Some(sender));
    match select(receiver, cx.timer(Duration::from_secs(1))).await {
        Either::Left(_) | Either::Right(()) => {}
    }
    cx.timer(Duration::from_secs(1)).await;
});

#[test]
fn being_woken_from_outside_is_found_out_with_the_next_event() {
    let mut world = World::new().workflow::<IsWoken>();
    world.restart_worker(10, false);
    let run = world.start::<IsWoken>("a", &());
    world.settle();
    SENDER.take().expect("the workflow left it").send(()).expect("the workflow listens");
    world.advance(Duration::from_secs(2));
    let fault = world.faults().first().expect("it is found out");
    assert!(fault.contains("woken by something other than its own context"), "{fault}");
    // The next attempt begins anew from the history, and nobody disturbs it.
    world.advance(MINUTE);
    assert_eq!(world.outcome(run), Some(Ok(())));
}

static COUNTER: AtomicU64 = AtomicU64::new(0);
workflow!(Counts, |cx| {
    let n = COUNTER.fetch_add(1, Ordering::Relaxed);
    cx.activity::<Double>(i64::try_from(n).expect("small")).await?;
});

#[test]
fn state_shared_between_runs_is_found_out_by_the_shadow_replay() {
    check::<Counts>("depends on something that is not in the history");
}

workflow!(Spins, |_cx| {
    std::future::poll_fn(|cx: &mut std::task::Context<'_>| {
        cx.waker().wake_by_ref();
        std::task::Poll::<()>::Pending
    })
    .await;
});

#[test]
fn code_that_wakes_itself_for_ever_is_stopped() {
    check::<Spins>("limit POLLS_PER_EVENT_MAX");
}

struct Picky;
impl Workflow for Picky {
    const TYPE: &'static str = "picky";
    type Input = u32;
    type Output = ();
    async fn run(cx: Context, _: u32) -> Result<(), Failure> {
        cx.activity::<Text>(1).await.map(drop)
    }
}

struct Text;
impl crate::worker::Activity for Text {
    const TYPE: &'static str = "double";
    type Input = i64;
    type Output = String;
}

#[test]
fn what_the_code_cannot_read_blocks_the_run_and_does_not_fail_it() {
    let mut world = World::new().workflow::<Picky>().activity::<Double>(|n| Ok(2 * n));
    let run = world.start::<Picky>("a", &"text");
    world.settle();
    assert!(world.faults()[0].starts_with("the input is not what workflow type \"picky\" takes: "));
    assert_eq!(world.outcome::<()>(run), None);

    let run = world.start::<Picky>("b", &1);
    world.settle();
    let fault = world.faults().last().expect("a result that is no text");
    assert!(fault.starts_with("the result of activity 1 is not what the code expects: "), "{fault}");
    assert_eq!(world.outcome::<()>(run), None);
}

#[test]
fn a_type_nobody_knows_is_named_beside_those_that_are() {
    let mut world = World::new().workflow::<Works>();
    let run = world.start::<Picky>("a", &1);
    world.settle();
    assert_eq!(world.faults()[0], "this worker has no workflow type \"picky\"; it has: forbidden");
    assert_eq!(world.outcome::<()>(run), None);
}

workflow!(Misnames, |cx| {
    cx.upsert_search_attributes([("NoSuchAttribute", 7.into())]);
    cx.timer(Duration::from_secs(1)).await;
});

#[test]
fn what_the_engine_does_not_take_blocks_the_run_and_says_why() {
    check::<Misnames>("the engine does not take what the code asks for: ");
    check::<Misnames>("NoSuchAttribute");
}
