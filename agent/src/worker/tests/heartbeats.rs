//! Heartbeats: what the next attempt goes on from, how a silent attempt is found, and how it hears that it is to end.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tidegate_model::payload::{Failure, FailureInfo, RetryPolicy, TimeoutType};

use super::workflows::{Double, MINUTE};
use crate::worker::testkit::{self, World};
use crate::worker::{Context, Workflow};

const SECOND: Duration = Duration::from_secs(1);

struct Copies;
impl Workflow for Copies {
    const TYPE: &'static str = "copies";
    type Input = u32;
    type Output = i64;

    async fn run(cx: Context, attempts: u32) -> Result<i64, Failure> {
        let policy =
            RetryPolicy { initial_interval: SECOND, maximum_attempts: attempts, ..RetryPolicy::default() };
        let copy = cx.activity::<Double>(10).start_to_close(10 * MINUTE).heartbeat(5 * SECOND).retry(policy);
        copy.await
    }
}

#[test]
fn an_attempt_goes_on_from_what_the_one_before_it_last_reported() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&seen);
    let mut world = World::new().workflow::<Copies>().attempts::<Double>(move |attempt, of| {
        let begin = attempt.last_heartbeat::<i64>().unwrap_or(0);
        log.borrow_mut().push((attempt.task().attempt, begin));
        for done in begin + 1..=of {
            assert!(!attempt.heartbeat(&done), "nobody asks for an end");
            attempt.pass(4 * SECOND);
            match (attempt.task().attempt, done) {
                (1, 3) => return Some(Err(Failure::application("no power", "Test", false))),
                (2, 6) => return None,
                _ => {}
            }
        }
        Some(Ok(of))
    });
    let run = world.start::<Copies>("a", &0);
    world.run(run, 60 * MINUTE);
    assert_eq!(world.outcome(run), Some(Ok(10)));
    assert_eq!(*seen.borrow(), [(1, 0), (2, 3), (3, 6)], "each from where the former was");
    testkit::replay::<Copies>(world.history(run)).expect("the code wrote it");
    assert_eq!(world.faults(), [""; 0]);
}

#[test]
fn a_silent_attempt_times_out_by_its_heartbeat_and_says_how_far_it_came() {
    let mut world = World::new().workflow::<Copies>().attempts::<Double>(|attempt, _| {
        attempt.heartbeat(&3);
        None
    });
    let run = world.start::<Copies>("a", &1);
    world.run(run, 60 * MINUTE);
    let failure = world.outcome::<i64>(run).expect("closed").expect_err("nothing came of it");
    let cause = failure.cause.expect("an activity's failure has one");
    let FailureInfo::Timeout { timeout_type, last_heartbeat_details } = cause.info else {
        panic!("not a time-out: {}", cause.message)
    };
    assert_eq!(timeout_type, TimeoutType::Heartbeat);
    assert_eq!(last_heartbeat_details[0].data.as_slice(), b"3");
}

/// Starts an activity, gives it up when it is told to, and waits for what comes of it.
struct GivesUp;
impl Workflow for GivesUp {
    const TYPE: &'static str = "gives-up";
    type Input = ();
    type Output = bool;

    async fn run(cx: Context, (): ()) -> Result<bool, Failure> {
        let copy = cx.activity::<Double>(1).heartbeat(60 * SECOND).start();
        cx.timer(10 * SECOND).await;
        copy.cancel();
        let failure = copy.await.expect_err("it hears of it");
        Ok(failure.cause.is_some_and(|cause| matches!(cause.info, FailureInfo::Canceled { .. })))
    }
}

#[test]
fn an_activity_hears_by_its_heartbeat_that_it_is_cancelled() {
    let beats = Rc::new(RefCell::new(Vec::new()));
    let heard = Rc::clone(&beats);
    let mut world = World::new().workflow::<GivesUp>().attempts::<Double>(move |attempt, _| {
        heard.borrow_mut().push(attempt.heartbeat(&1));
        attempt.pass(11 * SECOND);
        attempt.answer_workflow_tasks();
        heard.borrow_mut().push(attempt.heartbeat(&2));
        Some(Err(attempt.canceled()))
    });
    let run = world.start::<GivesUp>("a", &());
    world.run(run, 10 * MINUTE);
    assert_eq!(world.outcome(run), Some(Ok(true)));
    assert_eq!(*beats.borrow(), [false, true]);
    assert!(world.event_types(run).contains(&"ActivityTaskCanceled"));
    assert_eq!(world.faults(), [""; 0]);
}
