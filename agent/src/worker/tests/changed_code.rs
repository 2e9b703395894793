//! Code that was changed under an open run is found out, whatever was changed; and the run waits for better code.

use std::marker::PhantomData;

use tidegate_engine::{Reply, Request, RunStatus};
use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::id::{Namespace, WorkflowId};
use tidegate_model::payload::Failure;

use super::workflows::{Double, MINUTE, Note};
use crate::worker::testkit::World;
use crate::worker::{CodeVersion, Context, Workflow, join};

/// What differs between the releases of one workflow.
trait Release: 'static {
    fn body(cx: Context) -> impl Future<Output = Result<(), Failure>>;
}

struct Released<R>(PhantomData<R>);
impl<R: Release> Workflow for Released<R> {
    const TYPE: &'static str = "released";
    type Input = ();
    type Output = String;

    async fn run(cx: Context, (): ()) -> Result<String, Failure> {
        R::body(cx.clone()).await?;
        cx.signal::<()>("end").recv().await?;
        Ok("ended".to_owned())
    }
}

macro_rules! releases {
    ($($name:ident: |$cx:ident| $body:expr;)*) => {$(
        struct $name;
        impl Release for $name {
            async fn body($cx: Context) -> Result<(), Failure> {
                $body;
                Ok(())
            }
        }
    )*};
}

releases! {
    Original: |cx| { cx.activity::<Double>(1).await?; cx.activity::<Note>("n".to_owned()).await?; cx.timer(MINUTE).await };
    OtherActivity: |cx| { cx.activity::<Note>("n".to_owned()).await?; cx.activity::<Note>("n".to_owned()).await?; cx.timer(MINUTE).await };
    OtherOrder: |cx| { cx.timer(MINUTE).await; cx.activity::<Double>(1).await?; cx.activity::<Note>("n".to_owned()).await? };
    OtherInput: |cx| { cx.activity::<Double>(2).await?; cx.activity::<Note>("n".to_owned()).await?; cx.timer(MINUTE).await };
    Fewer: |cx| { cx.activity::<Double>(1).await?; cx.timer(MINUTE).await };
    FewerAtTheEnd: |cx| { cx.activity::<Double>(1).await?; cx.activity::<Note>("n".to_owned()).await? };
    More: |cx| {
        let note = cx.activity::<Note>("n".to_owned());
        join(cx.activity::<Double>(1), note).await.0?;
        cx.activity::<Note>("n".to_owned()).await?;
        cx.timer(MINUTE).await
    };
    Ended: |cx| { cx.activity::<Double>(1).await?; Err(Failure::application("enough", "Test", true))? };
    LongerTimer: |cx| { cx.activity::<Double>(1).await?; cx.activity::<Note>("n".to_owned()).await?; cx.timer(2 * MINUTE).await };
}

fn world<R: Release>(world: World) -> World {
    world.workflow::<Released<R>>()
}

/// Lives a while with the original code, goes on with another, and looks at what is said.
#[track_caller]
fn check<R: Release>(expected: &str) {
    let fresh = World::new().activity::<Double>(|n| Ok(2 * n)).activity::<Note>(|_| Ok(()));
    let mut world = world::<Original>(fresh);
    let run = world.start::<Released<Original>>("a", &());
    world.run(run, 5 * MINUTE);
    assert_eq!(world.faults(), [""; 0]);

    let mut changed = self::world::<R>(world);
    changed.signal("a", "end", &(), "1").expect("open");
    changed.settle();
    let fault = changed.faults().first().expect("the change is found out").clone();
    assert!(fault.contains(expected), "{fault}");
    let failed = changed.history(run).iter().flat_map(|batch| &batch.events).any(|event| {
        matches!(event, Event::WorkflowTaskFailed { cause, .. } if *cause == WorkflowTaskFailedCause::NonDeterministicError)
    });
    assert!(failed, "the task has failed");
    let describe = Request::DescribeWorkflowExecution {
        namespace: Namespace::new("default").expect("a name"),
        workflow_id: WorkflowId::new("a").expect("an id"),
        run_id: None,
    };
    let Ok(Reply::Described(described)) = changed.call(describe) else { panic!("the run is known") };
    assert_eq!(described.summary.status, RunStatus::Running, "the run is blocked, not failed");

    let mut mended = self::world::<Original>(changed);
    mended.run(run, 60 * MINUTE);
    assert_eq!(mended.outcome(run), Some(Ok("ended".to_owned())), "with the old code back it goes on");
}

#[test]
fn another_activity() {
    check::<OtherActivity>("event 5 of the history is activity double 1 on tests with input");
    check::<OtherActivity>("but the code asks for activity note 1 with input");
}

#[test]
fn another_order() {
    check::<OtherOrder>("but the code asks for timer 1");
}

#[test]
fn another_input() {
    check::<OtherInput>("but the code asks for activity double 1 with input");
}

#[test]
fn a_command_missing() {
    check::<Fewer>("is activity note 2 on tests");
    check::<FewerAtTheEnd>("is timer 1, but the code asks for nothing more");
}

#[test]
fn a_command_too_many() {
    check::<More>("is ActivityTaskStarted, but the code asks for activity note 2");
}

#[test]
fn an_end_where_there_was_none() {
    check::<Ended>("but the code asks for failure \"enough\"");
}

#[test]
fn another_duration_is_no_disagreement() {
    let fresh = World::new().activity::<Double>(|n| Ok(2 * n)).activity::<Note>(|_| Ok(()));
    let mut world = world::<Original>(fresh);
    let run = world.start::<Released<Original>>("a", &());
    world.settle();
    let mut changed = self::world::<LongerTimer>(world);
    changed.signal("a", "end", &(), "1").expect("open");
    changed.run(run, 60 * MINUTE);
    assert_eq!(changed.outcome(run), Some(Ok("ended".to_owned())));
    assert_eq!(changed.faults(), [""; 0]);
}

#[test]
fn a_disagreement_says_which_build_wrote_the_history() {
    let world = || {
        let fresh = World::new().activity::<Double>(|n| Ok(2 * n)).activity::<Note>(|_| Ok(()));
        let mut world = self::world::<Original>(fresh.build_id("1.0"));
        let run = world.start::<Released<Original>>("a", &());
        world.run(run, 5 * MINUTE);
        (world, run)
    };
    let builds = |world: &World, run| -> Vec<String> {
        let said = world.history(run).iter().flat_map(|batch| &batch.events).filter_map(|event| {
            let Event::WorkflowTaskCompleted { sdk_metadata, .. } = event else { return None };
            sdk_metadata.as_ref().and_then(CodeVersion::of_payload)
        });
        said.map(|version| version.to_string()).collect()
    };
    let (raised, run) = world();
    assert_eq!(builds(&raised, run), ["build \"1.0\""], "said once, over several turns");
    let mut raised = self::world::<OtherInput>(raised.build_id("1.1"));
    raised.signal("a", "end", &(), "1").expect("open");
    raised.settle();
    let fault = &raised.faults()[0];
    let expected = "(the history was written by build \"1.0\", and this is build \"1.1\")";
    assert!(fault.contains(expected), "{fault}");
    let mut mended = self::world::<LongerTimer>(raised.build_id("1.2"));
    mended.run(run, 60 * MINUTE);
    assert_eq!(mended.outcome(run), Some(Ok("ended".to_owned())));
    assert_eq!(builds(&mended, run), ["build \"1.0\"", "build \"1.2\""]);

    let (same, _) = world();
    let mut same = self::world::<OtherInput>(same);
    same.signal("a", "end", &(), "1").expect("open");
    same.settle();
    assert!(
        same.faults()[0].contains("(both are build \"1.0\", so the code depends on"),
        "{}",
        same.faults()[0]
    );
}
