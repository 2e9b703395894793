//! Random programs of everything a context offers, in random lives: whatever happens to the worker and to the power,
//! they arrive where an undisturbed life arrives, and every history is followed by the code that wrote it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use tidegate_model::chance::Chance;
use tidegate_model::event::Event;
use tidegate_model::id::{EventId, RunId};
use tidegate_model::payload::{Failure, RetryPolicy};

use super::workflows::{Double, MINUTE};
use crate::worker::testkit::{self, World};
use crate::worker::{Context, Either, Workflow, join, join_all, select};

/// What a program does next.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Op {
    Activity(i64),
    /// An activity that fails this often before it succeeds.
    Stubborn(u32),
    GiveUp(i64),
    Timer(u32),
    Signal,
    SignalWithin(u32),
    TrySignals,
    Beside(i64, u32),
    Several(Vec<i64>),
    SideEffect,
    Patch(u32),
    Memo(i64),
    Random,
    Child(Vec<Op>),
    LeaveChild(Vec<Op>),
    SignalOther,
    UntilUpdated(usize),
    ContinueAsNew,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Program {
    ops: Vec<Op>,
    done: Vec<String>,
}

struct Runs;
impl Workflow for Runs {
    const TYPE: &'static str = "runs";
    type Input = Program;
    type Output = Vec<String>;

    async fn run(cx: Context, program: Program) -> Result<Vec<String>, Failure> {
        let updates = Rc::new(RefCell::new(Vec::new()));
        let (seen, taken, inner) = (Rc::clone(&updates), Rc::clone(&updates), cx.clone());
        cx.on_query("updates", move |(): ()| seen.borrow().len());
        cx.on_update(
            "put",
            |n: &i64| if n % 3 == 0 { Err(Failure::application("no", "Test", true)) } else { Ok(()) },
            move |n: i64| {
                let (cx, updates) = (inner.clone(), Rc::clone(&taken));
                async move {
                    let doubled = cx.activity::<Double>(n).await?;
                    updates.borrow_mut().push(doubled);
                    Ok(updates.borrow().len())
                }
            },
        );
        let Program { ops, mut done } = program;
        let mut ops = ops.into_iter();
        let words = cx.signal::<i64>("word");
        while let Some(op) = ops.next() {
            if let Op::ContinueAsNew = op {
                while let Some(word) = words.try_recv() {
                    done.push(format!("{:?}", word?));
                }
                return cx.continue_as_new(Program { ops: ops.collect(), done });
            }
            let what = if let Op::UntilUpdated(count) = op {
                cx.wait_until(|| updates.borrow().len() >= count).await;
                "updated".to_owned()
            } else {
                carry_out(&cx, op).await?
            };
            done.push(what);
        }
        cx.wait_until(|| cx.all_handlers_finished()).await;
        Ok(done)
    }
}

async fn carry_out(cx: &Context, op: Op) -> Result<String, Failure> {
    let words = cx.signal::<i64>("word");
    let child_id = |cx: &Context| format!("{}/{}", cx.info().workflow_id, cx.history_length());
    Ok(match op {
        Op::Activity(n) => cx.activity::<Double>(n).await?.to_string(),
        Op::Stubborn(attempts) => {
            let policy = RetryPolicy { maximum_attempts: 3, ..RetryPolicy::default() };
            cx.activity::<Double>(-i64::from(attempts)).retry(policy).await.is_ok().to_string()
        }
        Op::GiveUp(n) => {
            let activity = cx.activity::<Double>(n).start();
            let timer = cx.timer(MINUTE);
            drop(timer);
            activity.cancel();
            activity.await.is_err().to_string()
        }
        Op::Timer(minutes) => {
            cx.timer(MINUTE * minutes).await;
            "timer".to_owned()
        }
        Op::Signal => words.recv().await?.to_string(),
        Op::SignalWithin(minutes) => match select(words.recv(), cx.timer(MINUTE * minutes)).await {
            Either::Left(word) => word?.to_string(),
            Either::Right(()) => "nothing".to_owned(),
        },
        Op::TrySignals => {
            let mut taken = Vec::new();
            while let Some(word) = words.try_recv() {
                taken.push(word?);
            }
            format!("{taken:?}")
        }
        Op::Beside(n, minutes) => {
            let (doubled, ()) = join(cx.activity::<Double>(n), cx.timer(MINUTE * minutes)).await;
            doubled?.to_string()
        }
        Op::Several(numbers) => {
            let doubled = join_all(numbers.into_iter().map(|n| cx.activity::<Double>(n))).await;
            format!("{:?}", doubled.into_iter().collect::<Result<Vec<_>, _>>()?)
        }
        Op::SideEffect => cx.side_effect("made", || MADE.replace(MADE.get() + 1)).to_string(),
        Op::Patch(id) => cx.patched(&format!("patch {id}")).to_string(),
        Op::Memo(n) => {
            cx.upsert_memo([("n", n.into())]);
            format!("{:?}", cx.memo::<i64>("n"))
        }
        // The run's id is another in another life, and its chance with it.
        Op::Random => (cx.random() == cx.random()).to_string(),
        Op::Child(ops) => {
            let id = child_id(cx);
            format!("{:?}", cx.child::<Runs>(id, Program { ops, done: Vec::new() }).await?)
        }
        Op::LeaveChild(ops) => {
            let child = cx.child::<Runs>(child_id(cx), Program { ops, done: Vec::new() }).start();
            child.started().await?;
            child.signal("word", &7).await.is_ok().to_string()
        }
        Op::SignalOther => cx.signal_workflow("nobody", "word", &1).await.is_ok().to_string(),
        Op::UntilUpdated(_) | Op::ContinueAsNew => unreachable!("the program itself does these"),
    })
}

thread_local! {
    static MADE: Cell<u32> = const { Cell::new(0) };
}

/// A program; within a child nothing that needs the outside.
fn program(chance: &mut Chance, length: u64, depth: u32) -> Vec<Op> {
    let inner = |chance: &mut Chance| program(chance, 3, depth + 1);
    (0..1 + below(chance, length))
        .map(|_| match (below(chance, if depth == 0 { 19 } else { 12 }), depth) {
            (0, _) => Op::Activity(5),
            (1, _) => Op::Stubborn(u32::try_from(below(chance, 5)).expect("below 5")),
            (2, _) => Op::GiveUp(1),
            (3, _) => Op::Timer(3),
            (4, _) => Op::TrySignals,
            (5, _) => Op::Beside(2, 2),
            (6, _) => Op::Several(vec![1, 2, 3]),
            (7, _) => Op::SideEffect,
            (8, _) => Op::Patch(u32::try_from(below(chance, 2)).expect("below 2")),
            (9, _) => Op::Memo(4),
            (10, _) => Op::Random,
            (11, _) => Op::SignalWithin(2),
            (12 | 13, _) => Op::Signal,
            (14, _) => Op::Child(inner(chance)),
            (15, _) => Op::LeaveChild(inner(chance)),
            (16, _) => Op::SignalOther,
            (17, _) => Op::UntilUpdated(1),
            _ => Op::ContinueAsNew,
        })
        .collect()
}

fn below(chance: &mut Chance, bound: u64) -> u64 {
    chance.next_u64() % bound
}

/// What happens in a life, in order.
#[derive(Debug, Clone, Copy)]
enum Happens {
    Signal(u64),
    Update(u64),
    Query,
    Passes(u64),
    Restarts(usize),
    PowerCut(u64),
}

fn life(chance: &mut Chance) -> Vec<Happens> {
    let happens = |n| match below(chance, 9) {
        0..=2 => Happens::Signal(n),
        3 => Happens::Update(n),
        4 => Happens::Query,
        5 | 6 => Happens::Passes(1 + below(chance, 5)),
        7 => Happens::Restarts([0, 1, 100][usize::try_from(below(chance, 3)).expect("below 3")]),
        _ => Happens::PowerCut(below(chance, 4)),
    };
    (0..25).map(happens).collect()
}

fn world() -> World {
    World::new().workflow::<Runs>().attempts::<Double>(|attempt, n| {
        let fails = n < 0 && u64::from(attempt.task().attempt) <= n.unsigned_abs();
        Some(if fails { Err(Failure::application("not yet", "Test", false)) } else { Ok(2 * n) })
    })
}

/// Lives it, undisturbed or not, and gives what came of the program.
fn live(world: &mut World, ops: &[Op], life: &[Happens], disturbed: bool) -> Result<Vec<String>, Failure> {
    MADE.set(0);
    let input = Program { ops: ops.to_vec(), done: Vec::new() };
    if world.run_of("p").is_none() {
        world.start::<Runs>("p", &input);
    }
    world.settle();
    for happens in life {
        match *happens {
            Happens::Signal(n) => drop(world.signal("p", "word", &n, &n.to_string())),
            Happens::Update(n) => drop(world.update("p", "put", &n, &n.to_string())),
            Happens::Query => drop(world.query::<usize>("p", "updates", &())),
            Happens::Passes(minutes) => world.advance(MINUTE * u32::try_from(minutes).expect("a few")),
            Happens::Restarts(cached) if disturbed => world.restart_worker(cached, true),
            // What a step recorded is lost with it, and so is not acknowledged: only whole lives are compared.
            Happens::PowerCut(0) if disturbed => world.crash_after(world.steps()),
            Happens::Restarts(_) | Happens::PowerCut(_) => {}
        }
        world.settle();
    }
    finish(world, 1_000);
    let run = world.runs()[0];
    world.outcome(run).unwrap_or_else(|| panic!("open: {:?} {:?}", ops, world.faults()))
}

/// Gives it whatever it still waits for.
fn finish(world: &mut World, from: i64) {
    for n in from..from + 40 {
        drop(world.signal("p", "word", &n, &n.to_string()));
        drop(world.update("p", "put", &(3 * n + 1), &n.to_string()));
        world.advance(10 * MINUTE);
    }
}

#[test]
fn a_program_arrives_where_an_undisturbed_life_arrives() {
    let mut kinds = BTreeMap::<&str, usize>::new();
    for seed in 0..40 {
        let mut chance = Chance::new(seed);
        let (ops, life) = (program(&mut chance, 9, 0), life(&mut chance));
        let mut quiet = world();
        let expected = live(&mut quiet, &ops, &life, false);
        let mut disturbed = world();
        let outcome = live(&mut disturbed, &ops, &life, true);
        assert_eq!(outcome, expected, "seed {seed}: {ops:?} {life:?}");
        for (world, whose) in [(&quiet, "quiet"), (&disturbed, "disturbed")] {
            assert_eq!(world.faults(), [""; 0], "seed {seed}, {whose}: {ops:?}");
            for run in world.runs() {
                let history = world.history(run);
                testkit::replay::<Runs>(history).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
            }
        }
        let types = |world: &World, run: &RunId| world.event_types(*run);
        for name in quiet.runs().iter().flat_map(|run| types(&quiet, run)) {
            *kinds.entry(name).or_default() += 1;
        }
    }
    // A generator that never got there would show nothing.
    for name in [
        "ActivityTaskCompleted",
        "ActivityTaskFailed",
        "TimerFired",
        "TimerCanceled",
        "MarkerRecorded",
        "WorkflowExecutionSignaled",
        "WorkflowExecutionUpdateCompleted",
        "WorkflowPropertiesModified",
        "ChildWorkflowExecutionCompleted",
        "ExternalWorkflowExecutionSignaled",
        "SignalExternalWorkflowExecutionFailed",
        "WorkflowExecutionContinuedAsNew",
    ] {
        assert!(kinds.contains_key(name), "no program had {name}");
    }
}

#[test]
fn a_power_cut_after_any_step_leads_no_program_astray() {
    for seed in 0..6 {
        let mut chance = Chance::new(1_000 + seed);
        let (ops, life) = (program(&mut chance, 6, 0), life(&mut chance));
        let mut undisturbed = world();
        drop(live(&mut undisturbed, &ops, &life, false));
        let steps = undisturbed.steps();
        for _ in 0..8 {
            let cut = usize::try_from(below(&mut chance, steps as u64)).expect("an index");
            let mut world = world();
            drop(live(&mut world, &ops, &life, false));
            world.crash_after(cut);
            // It goes on to an end, whatever of its life was lost; another end, where signals were.
            let outcome = live(&mut world, &ops, &life, true);
            assert_eq!(world.faults(), [""; 0], "seed {seed}, step {cut}: {ops:?}");
            drop(outcome);
            for run in world.runs() {
                testkit::replay::<Runs>(world.history(run))
                    .unwrap_or_else(|fault| panic!("seed {seed}, step {cut}: {fault}"));
            }
        }
    }
}

#[test]
fn a_run_that_is_reset_goes_on_from_any_of_its_workflow_tasks() {
    let mut resets = 0;
    for seed in 0..12 {
        let mut chance = Chance::new(2_000 + seed);
        let (ops, life) = (program(&mut chance, 6, 0), life(&mut chance));
        let mut lived = world();
        drop(live(&mut lived, &ops, &life, false));
        let last = lived.run_of("p").expect("it was started");
        let events = (1..).zip(lived.history(last).iter().flat_map(|batch| &batch.events));
        let is_end = |event: &Event| matches!(event, Event::WorkflowTaskCompleted { .. });
        let ends: Vec<EventId> = events.filter(|(_, event)| is_end(event)).map(|(id, _)| id).collect();
        for end in ends.into_iter().take(4) {
            let mut world = world();
            drop(live(&mut world, &ops, &life, false));
            // The engine refuses a point behind which children were begun.
            let Ok(run) = world.reset("p", end) else { continue };
            resets += 1;
            finish(&mut world, 5_000);
            assert_eq!(world.faults(), [""; 0], "seed {seed}, event {end}: {ops:?}");
            assert!(world.outcome::<Vec<String>>(run).is_some(), "seed {seed}, event {end}: {ops:?}");
            testkit::replay::<Runs>(world.history(run))
                .unwrap_or_else(|fault| panic!("seed {seed}, event {end}: {fault}"));
        }
    }
    assert!(resets > 20, "{resets}");
}
