//! Children: how they start, end, and what becomes of them with their parent.

use tidegate_model::event::{Event, ParentClosePolicy, WorkflowIdReusePolicy};
use tidegate_model::payload::{Failure, FailureInfo, RetryPolicy};

use super::workflows::MINUTE;
use crate::worker::testkit::{self, World};
use crate::worker::{Context, Workflow, join_all};

/// Does as it is told: `wait` for a signal or a request to cancel, `fail`, or give the text back.
struct Child;
impl Workflow for Child {
    const TYPE: &'static str = "child";
    type Input = String;
    type Output = String;

    async fn run(cx: Context, order: String) -> Result<String, Failure> {
        match order.as_str() {
            "wait" => match crate::worker::select(cx.cancelled(), cx.signal::<String>("go").recv()).await {
                crate::worker::Either::Left(_) => Err(cx.canceled()),
                crate::worker::Either::Right(word) => word,
            },
            "fail" => Err(Failure::application("the child cannot", "Unable", true)),
            "try" if cx.info().attempt < 3 => Err(Failure::application("not yet", "Unable", false)),
            "try" => Ok(format!("attempt {}", cx.info().attempt)),
            _ => {
                let parent = cx.info().parent.clone().expect("it was started by a parent");
                Ok(format!("{order} of {}", parent.workflow_id))
            }
        }
    }
}

struct Parent;
impl Workflow for Parent {
    const TYPE: &'static str = "parent";
    type Input = Vec<String>;
    type Output = Vec<String>;

    async fn run(cx: Context, orders: Vec<String>) -> Result<Vec<String>, Failure> {
        let child = |(n, order): (usize, String)| cx.child::<Child>(format!("child {n}"), order);
        join_all(orders.into_iter().enumerate().map(child)).await.into_iter().collect()
    }
}

fn world() -> World {
    World::new().workflow::<Child>()
}

#[test]
fn children_run_beside_each_other_and_give_their_results_in_the_order_asked_for() {
    let mut world = world().workflow::<Parent>();
    let run = world.start::<Parent>("p", &["wait", "b"]);
    world.settle();
    assert_eq!(world.outcome::<Vec<String>>(run), None);
    let waits = world.run_of("child 0").expect("it was started");
    let done = world.run_of("child 1").expect("it was started");
    assert_eq!(world.outcome(done), Some(Ok("b of p".to_owned())));
    world.signal("child 0", "go", &"a", "1").expect("it is open");
    world.settle();
    assert_eq!(world.outcome(waits), Some(Ok("a".to_owned())));
    assert_eq!(world.outcome(run), Some(Ok(vec!["a".to_owned(), "b of p".to_owned()])));
    let types = world.event_types(run);
    for expected in [
        "StartChildWorkflowExecutionInitiated",
        "ChildWorkflowExecutionStarted",
        "ChildWorkflowExecutionCompleted",
    ] {
        assert_eq!(types.iter().filter(|name| **name == expected).count(), 2, "{expected}");
    }
    testkit::replay::<Parent>(world.history(run)).expect("the code wrote it");
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn a_child_that_fails_tells_its_parent_which_and_why() {
    let mut world = world().workflow::<Parent>();
    let run = world.start::<Parent>("p", &["fail"]);
    world.settle();
    let failure = world.outcome::<Vec<String>>(run).expect("closed").expect_err("its child has failed");
    let FailureInfo::ChildWorkflow { child, workflow_type, .. } = &failure.info else {
        panic!("not a child's failure: {failure:?}")
    };
    assert_eq!((child.workflow_id.as_str(), workflow_type.as_str()), ("child 0", "child"));
    assert_eq!(failure.cause.expect("it has one").message, "the child cannot");
}

/// One child with options: what its parent learns of its start, and what of its end.
struct Careful;
impl Workflow for Careful {
    const TYPE: &'static str = "careful";
    type Input = String;
    type Output = (bool, Result<String, String>);

    async fn run(cx: Context, order: String) -> Result<Self::Output, Failure> {
        let child = cx
            .child::<Child>("only", order)
            .retry(RetryPolicy { initial_interval: MINUTE, maximum_attempts: 3, ..RetryPolicy::default() })
            .reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
            .run_timeout(10 * MINUTE)
            .memo([("from", "careful".into())])
            .start();
        let started = child.started().await.is_ok();
        Ok((started, child.await.map_err(|failure| failure.message)))
    }
}

#[test]
fn an_id_that_is_taken_fails_the_start_and_not_the_parent() {
    let mut world = world().workflow::<Careful>();
    let first = world.start::<Careful>("a", &"x");
    world.settle();
    assert_eq!(world.outcome(first), Some(Ok((true, Ok::<_, String>("x of a".to_owned())))));
    assert!(world.describe("only").summary.memo.contains_key("from"));
    let second = world.start::<Careful>("b", &"x");
    world.settle();
    let (started, end): (bool, Result<String, String>) =
        world.outcome(second).expect("closed").expect("completed");
    assert_eq!((started, end), (false, Err("child only was not started: its id is taken".to_owned())));
    assert!(world.event_types(second).contains(&"StartChildWorkflowExecutionFailed"));
}

#[test]
fn a_child_with_a_retry_policy_is_tried_again_behind_its_parents_back() {
    let mut world = world().workflow::<Careful>();
    let run = world.start::<Careful>("a", &"try");
    world.run(run, 10 * MINUTE);
    assert_eq!(world.outcome(run), Some(Ok((true, Ok::<_, String>("attempt 3".to_owned())))));
    assert_eq!(world.runs().len(), 4, "the parent and three runs of the child");
}

#[test]
fn a_child_that_takes_too_long_times_out() {
    let mut world = world().workflow::<Careful>();
    let run = world.start::<Careful>("a", &"wait");
    world.run(run, 60 * MINUTE);
    let (started, end): (bool, Result<String, String>) =
        world.outcome(run).expect("closed").expect("completed");
    assert!(started && end.expect_err("nobody signals").contains("took too long"));
}

/// Starts a child under each policy, and ends when it is told.
struct Leaves;
impl Workflow for Leaves {
    const TYPE: &'static str = "leaves";
    type Input = ();
    type Output = ();

    async fn run(cx: Context, (): ()) -> Result<(), Failure> {
        for (id, policy) in [
            ("terminated", ParentClosePolicy::Terminate),
            ("abandoned", ParentClosePolicy::Abandon),
            ("cancelled", ParentClosePolicy::RequestCancel),
        ] {
            let child = cx.child::<Child>(id, "wait".to_owned()).parent_close_policy(policy).start();
            child.started().await?;
        }
        cx.signal::<()>("end").recv().await
    }
}

#[test]
fn the_parent_close_policy_says_what_becomes_of_a_child() {
    let mut world = world().workflow::<Leaves>();
    let run = world.start::<Leaves>("p", &());
    world.settle();
    world.signal("p", "end", &(), "1").expect("open");
    world.settle();
    assert_eq!(world.outcome(run), Some(Ok(())));
    let last = |id: &str| {
        let run = world.run_of(id).expect("it was started");
        world.event_types(run).last().copied().expect("it has a history")
    };
    assert_eq!(last("terminated"), "WorkflowExecutionTerminated");
    assert_eq!(last("cancelled"), "WorkflowExecutionCanceled");
    let abandoned = world.run_of("abandoned").expect("it was started");
    assert_eq!(world.outcome::<String>(abandoned), None, "it goes on");
    assert_eq!(world.faults(), [""; 0]);
}

/// Asks its child to cancel: `now` in the turn that started it, or when it runs; or signals it.
struct Strict;
impl Workflow for Strict {
    const TYPE: &'static str = "strict";
    type Input = String;
    type Output = String;

    async fn run(cx: Context, when: String) -> Result<String, Failure> {
        let child = cx.child::<Child>("c", "wait".to_owned()).start();
        if when != "now" {
            child.started().await?;
        }
        if when == "signal" {
            child.signal("go", &"signalled").await?;
        } else {
            child.cancel();
        }
        match child.await {
            Ok(word) => Ok(word),
            Err(failure) => Ok(format!("cancelled: {}", is_cancellation(&failure))),
        }
    }
}

fn is_cancellation(failure: &Failure) -> bool {
    matches!(failure.info, FailureInfo::Canceled { .. })
        || failure.cause.as_deref().is_some_and(is_cancellation)
}

#[test]
fn a_child_is_signalled_and_asked_to_cancel_by_its_parent() {
    for (when, expected, children) in
        [("now", "cancelled: true", 0), ("later", "cancelled: true", 1), ("signal", "signalled", 1)]
    {
        let mut world = world().workflow::<Strict>();
        let run = world.start::<Strict>("p", &when);
        world.settle();
        assert_eq!(world.outcome(run), Some(Ok(expected.to_owned())), "{when}");
        assert_eq!(world.runs().len(), 1 + children, "{when}");
        testkit::replay::<Strict>(world.history(run)).expect("the code wrote it");
        assert_eq!(world.faults(), [""; 0], "{when}");
    }
}

#[test]
fn a_crash_after_any_step_starts_no_child_twice() {
    let live = |world: &mut World| {
        let run = world.start::<Parent>("p", &["a", "wait"]);
        world.settle();
        drop(world.signal("child 1", "go", &"b", "1"));
        world.run(run, 10 * MINUTE);
        world.outcome::<Vec<String>>(run)
    };
    let expected = Some(Ok(vec!["a of p".to_owned(), "b".to_owned()]));
    let mut undisturbed = world().workflow::<Parent>();
    assert_eq!(live(&mut undisturbed), expected);
    for crash in 0..undisturbed.steps() {
        let mut world = world().workflow::<Parent>();
        live(&mut world);
        world.crash_after(crash);
        assert_eq!(live(&mut world), expected, "crash after step {crash}");
        assert_eq!(world.runs().len(), 3, "crash after step {crash}");
        assert_eq!(world.faults(), [""; 0], "crash after step {crash}");
    }
}

struct Teller;
impl Workflow for Teller {
    const TYPE: &'static str = "teller";
    type Input = String;
    type Output = Vec<String>;

    async fn run(cx: Context, to: String) -> Result<Vec<String>, Failure> {
        let words = |result: Result<(), Failure>| {
            result.map_or_else(|failure| failure.message, |()| "done".to_owned())
        };
        let signalled = words(cx.signal_workflow(&to, "go", &"told").await);
        let cancelled = words(cx.cancel_workflow(&to, "enough").await);
        Ok(vec![signalled, cancelled])
    }
}

#[test]
fn another_execution_is_signalled_and_cancelled_by_its_id() {
    let mut world = world().workflow::<Teller>().workflow::<Patient>();
    let patient = world.start::<Patient>("patient", &());
    world.settle();
    let run = world.start::<Teller>("t", &"patient");
    world.settle();
    assert_eq!(world.outcome(run), Some(Ok(vec!["done".to_owned(), "done".to_owned()])));
    assert_eq!(world.outcome(patient), Some(Ok(("told".to_owned(), "enough".to_owned()))));
    let sender = world.history(patient).iter().flat_map(|batch| &batch.events).find_map(|event| {
        if let Event::WorkflowExecutionSignaled { external, .. } = event { external.clone() } else { None }
    });
    assert_eq!(sender.expect("a workflow sent it").workflow_id.as_str(), "t");
    testkit::replay::<Teller>(world.history(run)).expect("the code wrote it");
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn an_execution_that_is_not_there_is_a_failure_the_code_can_judge() {
    let mut world = world().workflow::<Teller>();
    let run = world.start::<Teller>("t", &"nobody");
    world.settle();
    let words: Vec<String> = world.outcome(run).expect("closed").expect("completed");
    assert_eq!(words, ["execution nobody was not reached: no run of it is open"; 2]);
}

/// Waits for a signal, then for a request to cancel, and gives both.
struct Patient;
impl Workflow for Patient {
    const TYPE: &'static str = "patient";
    type Input = ();
    type Output = (String, String);

    async fn run(cx: Context, (): ()) -> Result<(String, String), Failure> {
        Ok((cx.signal("go").recv().await?, cx.cancelled().await))
    }
}
