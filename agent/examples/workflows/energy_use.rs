//! A smart home: learns what a household uses in each hour of the day, and says when it uses much more.

// region: energy-use
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate::worker::{Activity, ActivityContext, Context, Either, Workflow, select};
use tidegate_model::payload::Failure;

const HOUR: Duration = Duration::from_secs(3_600);

/// Reads how many watt-hours the meter has counted.
pub(crate) struct ReadMeter;

impl Activity for ReadMeter {
    const TYPE: &'static str = "read-meter";
    type Input = String;
    type Output = f64;
}

/// Tells the household something.
pub(crate) struct Notify;

impl Activity for Notify {
    const TYPE: &'static str = "notify";
    type Input = String;
    type Output = ();
}

/// What is known of a household: the input of each run, and what it hands to the next.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Household {
    pub(crate) meter: String,
    /// How many times the usual is too much.
    pub(crate) tolerance: f64,
    /// Watt-hours of each hour of the day, as a moving mean of those that were seen.
    #[serde(default)]
    pub(crate) usual: BTreeMap<u32, f64>,
}

impl Household {
    /// Takes one hour into account. `Some` is the usual, where this was far more.
    fn learn(&mut self, hour: u32, used: f64) -> Option<f64> {
        let usual = self.usual.entry(hour).or_insert(used);
        let before = *usual;
        *usual += (used - before) / 7.0;
        (used > before * self.tolerance).then_some(before)
    }
}

pub(crate) struct EnergyUse;

impl Workflow for EnergyUse {
    const TYPE: &'static str = "energy-use";
    type Input = Household;
    type Output = ();

    async fn run(cx: Context, household: Household) -> Result<(), Failure> {
        let meter = household.meter.clone();
        let household = Rc::new(RefCell::new(household));
        let known = Rc::clone(&household);
        cx.on_query("usual", move |(): ()| known.borrow().usual.clone());
        let known = Rc::clone(&household);
        cx.on_update(
            "set-tolerance",
            |tolerance: &f64| match tolerance {
                1.1..=10.0 => Ok(()),
                _ => Err(Failure::application("a tolerance lies between 1.1 and 10", "OutOfRange", true)),
            },
            move |tolerance: f64| {
                let before = std::mem::replace(&mut known.borrow_mut().tolerance, tolerance);
                async move { Ok(before) }
            },
        );

        let moved_out = cx.signal::<()>("moved-out");
        let mut last = None;
        for hour in 0..=24 {
            // By the time of the start, so that slow readings do not add up.
            let due = cx.info().start_time + HOUR * hour;
            let wait = cx.timer(due.saturating_since(cx.now()));
            if let Either::Left(_) = select(moved_out.recv(), wait).await {
                return Ok(());
            }
            // A meter that is away for half an hour costs figures, not the workflow.
            let call = cx.activity::<ReadMeter>(meter.clone()).start_to_close(Duration::from_secs(10));
            let counted = call.schedule_to_close(HOUR / 2).await.ok();
            if let (Some(before), Some(counted)) = (last, counted) {
                let used = counted - before;
                let unusual = household.borrow_mut().learn(hour, used);
                if let Some(usual) = unusual {
                    cx.activity::<Notify>(format!("{used} Wh in an hour that usually takes {usual:.0}"))
                        .await?;
                }
            }
            last = counted;
        }
        // A day is enough for one history: what was learned goes on into the next.
        let household = household.borrow().clone();
        cx.continue_as_new(household)
    }
}
// endregion

// region: read-meter
/// Carries out [`ReadMeter`]: in this example the meter is simulated, and takes a kilowatt around the clock.
pub(crate) async fn read_meter(cx: ActivityContext, _meter: String) -> Result<f64, Failure> {
    let hours = cx.task().scheduled_time.as_millis() as f64 / 3_600_000.0;
    Ok(hours * 1_000.0)
}
// endregion

/// Carries out [`Notify`]: in this example, in the agent's log.
pub(crate) async fn notify(_: ActivityContext, words: String) -> Result<(), Failure> {
    tracing::info!(words, "the household is told");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    // region: energy-use-test
    use tidegate::worker::testkit::World;

    /// A house that uses 500 Wh an hour, and somewhere in the third day leaves the oven on.
    fn house(told: &Rc<RefCell<Vec<String>>>) -> World {
        let told = Rc::clone(told);
        let (mut counted, mut hours) = (0.0, 0);
        World::new()
            .workflow::<EnergyUse>()
            .activity::<ReadMeter>(move |_| {
                counted += if hours == 55 { 3_000.0 } else { 500.0 };
                hours += 1;
                Ok(counted)
            })
            .activity::<Notify>(move |words| {
                told.borrow_mut().push(words);
                Ok(())
            })
    }

    fn household() -> Household {
        Household { meter: "main".to_owned(), tolerance: 2.0, usual: BTreeMap::new() }
    }

    #[test]
    fn an_hour_far_above_the_usual_is_told_once() {
        let told = Rc::default();
        let mut world = house(&told);
        let run = world.start::<EnergyUse>("energy/house-7", &household());
        world.advance(4 * 24 * HOUR);
        assert_eq!(*told.borrow(), ["3000 Wh in an hour that usually takes 500"]);

        // Each day is a run of its own; what was learned went along.
        assert_eq!(world.runs().len(), 5);
        let usual: BTreeMap<u32, f64> = world.query("energy/house-7", "usual", &()).expect("it is open");
        assert_eq!(usual.len(), 24);

        world.signal("energy/house-7", "moved-out", &(), "1").expect("it is open");
        world.settle();
        assert_eq!(world.outcome(run), Some(Ok(())));
        assert_eq!(world.faults(), [""; 0]);
    }
    // endregion

    #[test]
    fn a_tolerance_out_of_range_is_rejected_and_leaves_no_trace() {
        let mut world = house(&Rc::default());
        let run = world.start::<EnergyUse>("energy/house-7", &household());
        world.advance(HOUR / 2);
        let before = world.event_types(run);
        let update = world.update("energy/house-7", "set-tolerance", &0.5, "1");
        world.settle();
        let outcome = world.updated::<f64>(&update).expect("it was answered").expect("the run is open");
        assert_eq!(outcome.expect_err("it is rejected").message, "a tolerance lies between 1.1 and 10");
        assert_eq!(world.event_types(run), before);

        let update = world.update("energy/house-7", "set-tolerance", &4.0, "2");
        world.settle();
        assert!(matches!(world.updated::<f64>(&update), Some(Ok(Ok(2.0)))));
    }

    #[test]
    fn a_meter_that_is_away_costs_figures_and_not_the_workflow() {
        let mut calls = 0;
        let mut world = house(&Rc::default()).activity::<ReadMeter>(move |_| {
            calls += 1;
            if (2..=30).contains(&calls) {
                return Err(Failure::application("no answer", "Unreachable", false));
            }
            Ok(f64::from(calls) * 500.0)
        });
        world.start::<EnergyUse>("energy/house-7", &household());
        world.advance(6 * HOUR + HOUR / 2);
        let usual: BTreeMap<u32, f64> = world.query("energy/house-7", "usual", &()).expect("it is open");
        assert_eq!(usual.keys().copied().collect::<Vec<_>>(), [3, 4, 5, 6], "nothing is known of two hours");
        assert_eq!(world.faults(), [""; 0]);
    }
}
