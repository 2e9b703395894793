//! A saga over devices: steps that follow each other, and are taken back in reverse when one of them fails.

// region: device-saga
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate::worker::{Activity, ActivityContext, ActivityFuture, Context, Either, Workflow, select};
use tidegate_model::payload::{Failure, RetryPolicy};

/// Brings a device into a state. Must be idempotent, as the state is: open is open.
pub(crate) struct Operate;

impl Activity for Operate {
    const TYPE: &'static str = "operate";
    type Input = Operation;
    type Output = ();
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Operation {
    pub(crate) device: String,
    pub(crate) state: String,
}

/// One step, and the state that takes it back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) device: String,
    pub(crate) to: String,
    pub(crate) back: String,
}

pub(crate) struct DeviceSaga;

impl Workflow for DeviceSaga {
    const TYPE: &'static str = "device-saga";
    type Input = Vec<Step>;
    type Output = ();

    async fn run(cx: Context, steps: Vec<Step>) -> Result<(), Failure> {
        let mut begun = Vec::new();
        let mut outcome = Ok(());
        for step in steps {
            let mut operate = operate_on(&cx, &step.device, &step.to, 3);
            // Begun is begun: an attempt that failed may have moved the device.
            begun.push(step);
            outcome = match select(cx.cancelled(), &mut operate).await {
                Either::Left(_) => {
                    // Nothing is taken back while it may still be done.
                    operate.cancel();
                    drop(operate.await);
                    Err(cx.canceled())
                }
                Either::Right(outcome) => outcome,
            };
            if outcome.is_err() {
                break;
            }
        }
        if outcome.is_err() {
            for step in begun.iter().rev() {
                // Without end: a plant that is half switched over is worse than one that waits.
                operate_on(&cx, &step.device, &step.back, 0).await?;
            }
        }
        outcome
    }
}

/// Asks for an operation; 0 attempts is without end.
fn operate_on(cx: &Context, device: &str, state: &str, attempts: u32) -> ActivityFuture<()> {
    let operation = Operation { device: device.to_owned(), state: state.to_owned() };
    let policy = RetryPolicy { maximum_attempts: attempts, ..RetryPolicy::default() };
    cx.activity::<Operate>(operation).start_to_close(Duration::from_secs(30)).retry(policy).start()
}
// endregion

// region: operate
/// Carries out [`Operate`]: in this example a drive that takes a while, and reports how far it is.
pub(crate) async fn operate(cx: ActivityContext, operation: Operation) -> Result<(), Failure> {
    let done = cx.last_heartbeat::<u32>().ok().flatten().unwrap_or(0);
    for percent in done..=100 {
        if cx.heartbeat(&percent).await {
            return Err(cx.canceled());
        }
    }
    tracing::info!(device = operation.device, state = operation.state, "the device is where it should be");
    Ok(())
}
// endregion

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    // region: device-saga-test
    use tidegate::worker::testkit::World;

    fn step(device: &str, to: &str, back: &str) -> Step {
        Step { device: device.to_owned(), to: to.to_owned(), back: back.to_owned() }
    }

    /// Over to the reserve pump.
    fn switch_over() -> [Step; 3] {
        [
            step("main valve", "shut", "open"),
            step("reserve pump", "on", "off"),
            step("reserve valve", "open", "shut"),
        ]
    }

    /// A plant in which an operation does what `obeys` says, and what was done in it.
    fn plant(mut obeys: impl FnMut(&Operation) -> bool + 'static) -> (World, Rc<RefCell<Vec<String>>>) {
        let done = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&done);
        let world = World::new().workflow::<DeviceSaga>().activity::<Operate>(move |operation| {
            if !obeys(&operation) {
                return Err(Failure::application("it does not move", "Stuck", false));
            }
            log.borrow_mut().push(format!("{} {}", operation.device, operation.state));
            Ok(())
        });
        (world, done)
    }

    #[test]
    fn when_a_step_fails_all_begun_are_taken_back_in_reverse() {
        // The reserve pump does not start, and goes off only when it was asked for a while.
        let mut patience = 5;
        let (mut world, done) = plant(move |operation| {
            patience -= i32::from(operation.state == "off");
            operation.device != "reserve pump" || (operation.state == "off" && patience < 0)
        });
        let run = world.start::<DeviceSaga>("switch-over/1", &switch_over());
        world.run(run, Duration::from_secs(3_600));
        let failure = world.outcome::<()>(run).expect("closed").expect_err("the saga has failed");
        assert_eq!(failure.cause.expect("an activity's failure has one").message, "it does not move");
        assert_eq!(*done.borrow(), ["main valve shut", "reserve pump off", "main valve open"]);
        assert_eq!(world.faults(), [""; 0]);
    }
    // endregion

    #[test]
    fn steps_that_succeed_stay() {
        let (mut world, done) = plant(|_| true);
        let run = world.start::<DeviceSaga>("switch-over/1", &switch_over());
        world.run(run, Duration::from_secs(60));
        assert_eq!(world.outcome(run), Some(Ok(())));
        assert_eq!(*done.borrow(), ["main valve shut", "reserve pump on", "reserve valve open"]);
    }

    #[test]
    fn a_saga_that_is_cancelled_takes_back_what_it_began_and_closes_as_cancelled() {
        let (mut world, done) = plant(|operation| operation.state != "on");
        let run = world.start::<DeviceSaga>("switch-over/1", &switch_over());
        world.settle();
        world.cancel("switch-over/1", "not today", "1").expect("it is open");
        world.run(run, Duration::from_secs(3_600));
        assert_eq!(world.event_types(run).last(), Some(&"WorkflowExecutionCanceled"));
        assert_eq!(*done.borrow(), ["main valve shut", "reserve pump off", "main valve open"]);
        assert_eq!(world.faults(), [""; 0]);
    }

    #[test]
    fn a_power_cut_at_any_point_leaves_no_plant_half_switched() {
        let live = |world: &mut World| {
            let run = world.start::<DeviceSaga>("switch-over/1", &switch_over());
            world.run(run, Duration::from_secs(3_600));
            assert!(world.outcome::<()>(run).expect("closed").is_err());
            assert_eq!(world.faults(), [""; 0]);
        };
        let stuck = |operation: &Operation| operation.device != "reserve valve" || operation.state == "shut";
        let (mut undisturbed, _) = plant(stuck);
        live(&mut undisturbed);
        for crash in 0..undisturbed.steps() {
            let (mut world, done) = plant(stuck);
            live(&mut world);
            world.crash_after(crash);
            live(&mut world);
            let last = |device: &str| {
                let done = done.borrow();
                done.iter().rev().find(|done| done.starts_with(device)).cloned()
            };
            assert_eq!(last("main valve"), Some("main valve open".to_owned()), "crash after step {crash}");
            assert_eq!(last("reserve pump"), Some("reserve pump off".to_owned()), "crash after step {crash}");
        }
    }
}
