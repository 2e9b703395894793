//! A pipe: the flow is looked at again and again, and the valve is shut when water runs that nobody uses.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate::worker::{Activity, Context, Workflow};
use tidegate_model::payload::{Failure, RetryPolicy};

/// Reads how much flows, in litres an hour.
struct ReadFlow;

impl Activity for ReadFlow {
    const TYPE: &'static str = "read-flow";
    type Input = String;
    type Output = u32;
}

/// Shuts a valve.
struct ShutValve;

impl Activity for ShutValve {
    const TYPE: &'static str = "shut-valve";
    type Input = String;
    type Output = ();
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pipe {
    meter: String,
    valve: String,
}

struct LeakWatch;

// region: leak-watch
impl Workflow for LeakWatch {
    const TYPE: &'static str = "leak-watch";
    type Input = Pipe;
    type Output = ();

    async fn run(cx: Context, pipe: Pipe) -> Result<(), Failure> {
        let three = RetryPolicy { maximum_attempts: 3, ..RetryPolicy::default() };
        let mut flowing = 0;
        while !cx.is_continue_as_new_suggested() {
            // One event for each look at the meter, where an activity with its workflow task has six.
            let look = cx.local_activity::<ReadFlow>(pipe.meter.clone());
            let flow = look.start_to_close(Duration::from_secs(2)).retry(three.clone()).await.unwrap_or(0);
            flowing = if flow > 0 { flowing + 1 } else { 0 };
            if flowing == 60 {
                return cx.activity::<ShutValve>(pipe.valve).await;
            }
            cx.timer(Duration::from_secs(60)).await;
        }
        cx.continue_as_new(pipe)
    }
}
// endregion

// region: leak-watch-test
#[test]
fn the_valve_is_shut_after_an_hour_of_flow_and_a_meter_that_is_away_shuts_nothing() {
    use tidegate::worker::testkit::World;

    let mut minutes = 0;
    let mut world = World::new()
        .workflow::<LeakWatch>()
        .activity::<ReadFlow>(move |_| {
            minutes += 1;
            match minutes {
                // Away for a while: three attempts, seconds apart, and then nothing is known.
                30..33 => Err(Failure::application("the meter does not answer", "Bus", false)),
                _ => Ok(12),
            }
        })
        .activity::<ShutValve>(|_| Ok(()));
    let pipe = Pipe { meter: "cellar".to_owned(), valve: "main".to_owned() };
    let run = world.start::<LeakWatch>("leak/cellar", &pipe);
    world.advance(Duration::from_secs(80 * 60));
    assert_eq!(world.outcome::<()>(run), None, "half an hour before the gap, and not yet one after it");
    world.advance(Duration::from_secs(15 * 60));
    assert_eq!(world.outcome(run), Some(Ok(())));
    assert_eq!(world.faults(), [""; 0]);
}
// endregion
