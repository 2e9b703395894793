//! A ward: watches a patient after a drug was given, joins what several sources say, and finds somebody who comes.

// region: adverse-reaction
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate::worker::{Activity, ActivityContext, Context, Either, Workflow, select};
use tidegate_model::payload::Failure;

const MINUTE: Duration = Duration::from_secs(60);
/// How long after the dose it is watched.
const WATCH: Duration = Duration::from_secs(4 * 3_600);
/// Two signs within this time, by the stamps of their sources, belong together.
const TOGETHER_SECONDS: u64 = 600;
/// Who is called, in which order, and how long each has to say that they come.
const CALLED: [(&str, Duration); 3] = [
    ("nurse", Duration::from_secs(120)),
    ("physician", Duration::from_secs(300)),
    ("emergency team", MINUTE),
];

/// Calls somebody to a bed.
pub(crate) struct Page;

impl Activity for Page {
    const TYPE: &'static str = "page";
    type Input = Call;
    type Output = ();
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) whom: String,
    pub(crate) bed: String,
    pub(crate) why: Vec<Sign>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Dose {
    pub(crate) bed: String,
    pub(crate) drug: String,
}

/// Something out of the ordinary: from a monitor's pipeline, the laboratory, or a person who looked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sign {
    pub(crate) source: String,
    pub(crate) finding: String,
    /// By the source's own clock, in seconds.
    pub(crate) at: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The signs that were taken for a reaction; empty when there was none.
    pub(crate) reaction: Vec<Sign>,
    /// Who came; `None` when nobody said so.
    pub(crate) came: Option<String>,
    /// How many had to be called.
    pub(crate) called: usize,
}

pub(crate) struct AdverseReaction;

impl Workflow for AdverseReaction {
    const TYPE: &'static str = "adverse-reaction";
    type Input = Dose;
    type Output = Report;

    async fn run(cx: Context, dose: Dose) -> Result<Report, Failure> {
        let monitors = cx.signal::<Sign>("sign");
        let people = cx.signal::<Sign>("observation");
        let mut end = cx.timer(WATCH);
        let mut signs: Vec<Sign> = Vec::new();
        let reaction = loop {
            let sign = match select(select(monitors.recv(), people.recv()), &mut end).await {
                Either::Left(Either::Left(sign) | Either::Right(sign)) => sign,
                Either::Right(()) => return Ok(Report { reaction: Vec::new(), came: None, called: 0 }),
            };
            // What cannot be read is its sender's mistake; the watch goes on.
            let Ok(sign) = sign else { continue };
            // One source may err. Another that says so within ten minutes is believed, late or early.
            let other = signs
                .iter()
                .find(|other| other.source != sign.source && other.at.abs_diff(sign.at) <= TOGETHER_SECONDS);
            if let Some(other) = other {
                break vec![other.clone(), sign];
            }
            signs.push(sign);
        };
        escalate(&cx, &dose, reaction).await
    }
}

/// Calls one after the other until somebody says that they come.
async fn escalate(cx: &Context, dose: &Dose, reaction: Vec<Sign>) -> Result<Report, Failure> {
    cx.upsert_memo([("reaction", true.into())]);
    let coming = cx.signal::<String>("coming");
    for (called, (whom, patience)) in (1..).zip(CALLED) {
        let call = Call { whom: whom.to_owned(), bed: dose.bed.clone(), why: reaction.clone() };
        // The pager may be down: then the next one is called when this one's time is over.
        let paged = cx.activity::<Page>(call).start_to_close(MINUTE / 6).schedule_to_close(patience).start();
        let answer = cx.timeout(patience, coming.recv()).await;
        paged.cancel();
        if let Ok(who) = answer {
            return Ok(Report { reaction, came: Some(who?), called });
        }
    }
    Ok(Report { reaction, came: None, called: CALLED.len() })
}
// endregion

/// Carries out [`Page`]: in this example, in the agent's log.
pub(crate) async fn page(_: ActivityContext, call: Call) -> Result<(), Failure> {
    tracing::warn!(whom = call.whom, bed = call.bed, signs = call.why.len(), "somebody is called");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    // region: adverse-reaction-test
    use tidegate::worker::testkit::World;

    fn sign(source: &str, at: u64) -> Sign {
        Sign { source: source.to_owned(), finding: "out of range".to_owned(), at }
    }

    /// A watched patient, and those who were called.
    fn ward() -> (World, Rc<RefCell<Vec<String>>>) {
        let called = Rc::new(RefCell::new(Vec::new()));
        let pager = Rc::clone(&called);
        let world = World::new().workflow::<AdverseReaction>().activity::<Page>(move |call| {
            pager.borrow_mut().push(call.whom);
            Ok(())
        });
        (world, called)
    }

    fn dose() -> Dose {
        Dose { bed: "12".to_owned(), drug: "amoxicillin".to_owned() }
    }

    #[test]
    fn two_sources_within_ten_minutes_call_the_nurse_and_then_the_physician() {
        let (mut world, called) = ward();
        let run = world.start::<AdverseReaction>("dose/12/1", &dose());
        // The monitor's sign comes through at once, the nurse's entry an hour late: their stamps lie close.
        world.signal("dose/12/1", "sign", &sign("heart rate", 1_000), "1").expect("it is open");
        world.advance(60 * MINUTE);
        assert!(called.borrow().is_empty(), "one source may err");
        world.signal("dose/12/1", "observation", &sign("nurse", 1_500), "2").expect("it is open");
        world.advance(3 * MINUTE);
        assert_eq!(*called.borrow(), ["nurse", "physician"]);

        world.signal("dose/12/1", "coming", &"Dr. Weber", "3").expect("it is open");
        world.settle();
        let report: Report = world.outcome(run).expect("closed").expect("completed");
        assert_eq!((report.came.as_deref(), report.called), (Some("Dr. Weber"), 2));
        assert_eq!(report.reaction.len(), 2);
        assert_eq!(world.faults(), [""; 0]);
    }
    // endregion

    #[test]
    fn signs_of_one_source_or_far_apart_call_nobody() {
        let (mut world, called) = ward();
        let run = world.start::<AdverseReaction>("dose/12/1", &dose());
        for (n, sign) in [sign("SpO2", 1_000), sign("SpO2", 1_100), sign("pulse", 9_000)].iter().enumerate() {
            world.signal("dose/12/1", "sign", sign, &n.to_string()).expect("it is open");
        }
        world.signal("dose/12/1", "sign", &"not a sign", "x").expect("it is open");
        world.run(run, 5 * 60 * MINUTE);
        let report: Report = world.outcome(run).expect("closed").expect("completed");
        assert_eq!((report.reaction.len(), report.called), (0, 0));
        assert!(called.borrow().is_empty());
    }

    #[test]
    fn a_pager_that_is_down_and_people_who_do_not_come_are_reported() {
        let (world, _) = ward();
        let mut world = world.activity::<Page>(|_| Err(Failure::application("no network", "Pager", false)));
        let run = world.start::<AdverseReaction>("dose/12/1", &dose());
        for (source, id) in [("pulse", "1"), ("SpO2", "2")] {
            world.signal("dose/12/1", "sign", &sign(source, 1_000), id).expect("it is open");
        }
        world.run(run, 60 * MINUTE);
        let report: Report = world.outcome(run).expect("closed").expect("completed");
        assert_eq!((report.came, report.called), (None, 3));
        assert_eq!(world.faults(), [""; 0]);
    }
}
