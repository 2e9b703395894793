//! Two releases of one workflow, and the runs that live through the change.

use std::time::Duration;

use tidegate::worker::{Activity, Context, Workflow};
use tidegate_model::payload::Failure;

const HOUR: Duration = Duration::from_secs(3_600);

struct SetHeater;

impl Activity for SetHeater {
    const TYPE: &'static str = "set-heater";
    type Input = u32;
    type Output = ();
}

struct Release1;

impl Workflow for Release1 {
    const TYPE: &'static str = "morning";
    type Input = ();
    type Output = ();

    async fn run(cx: Context, (): ()) -> Result<(), Failure> {
        cx.timer(HOUR).await;
        cx.activity::<SetHeater>(21).await?;
        cx.signal::<()>("leaves").recv().await
    }
}

struct Release2;

// region: patched
impl Workflow for Release2 {
    const TYPE: &'static str = "morning";
    type Input = ();
    type Output = ();

    async fn run(cx: Context, (): ()) -> Result<(), Failure> {
        cx.timer(HOUR).await;
        if cx.patched("warm-up-slowly") {
            cx.activity::<SetHeater>(18).await?;
            cx.timer(HOUR / 2).await;
        }
        cx.activity::<SetHeater>(21).await?;
        cx.signal::<()>("leaves").recv().await
    }
}
// endregion

// region: patched-test
#[test]
fn runs_that_were_heated_stay_so_and_those_that_wait_take_the_new_way() {
    use tidegate::worker::testkit::World;

    let mut world = World::new().workflow::<Release1>().activity::<SetHeater>(|_| Ok(()));
    let heated = world.start::<Release1>("heated", &());
    world.advance(HOUR);
    let waits = world.start::<Release1>("waits", &());
    world.settle();

    let mut world = world.workflow::<Release2>();
    world.advance(3 * HOUR);
    for id in ["heated", "waits"] {
        world.signal(id, "leaves", &(), "1").expect("it is open");
    }
    world.settle();
    let heater = |run| world.event_types(run).iter().filter(|name| **name == "ActivityTaskScheduled").count();
    assert_eq!((heater(heated), heater(waits)), (1, 2));
    assert_eq!(world.faults(), [""; 0]);
}
// endregion
