//! Faults planted around a sound engine, to see that the comparison notices them: in programs written by hand, where one
//! sees why; and in random ones, which must come upon each within a few seeds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tidegate_model::chance::Chance;
use tidegate_reference::faults::{self, Fault};
use tidegate_reference::{Crash, Difference, InMemory, Op, Sides, planted, random};

/// Random programs within which a fault must be noticed.
const SEEDS: u64 = 150;

/// How a program goes with a fault in what comes back from the disk. A process that does not come back is a difference
/// too.
fn run(program: &[Op], fault: Option<Fault>) -> Result<(), Difference> {
    let mut sides = Sides::new(InMemory::default());
    sides.host.on_recovery = fault;
    catch_unwind(AssertUnwindSafe(|| program.iter().try_for_each(|op| sides.run(op))))
        .unwrap_or_else(|_| Err(String::from("the process does not come back")))
}

/// The program is sound without the fault, and found out with it.
#[track_caller]
fn notices(program: &[Op], fault: Fault) {
    assert_eq!(run(program, None), Ok(()), "the program is sound");
    assert!(run(program, Some(fault)).is_err(), "nobody notices");
}

/// Random programs find the fault out, by one of these checks.
#[track_caller]
fn random_programs_notice(fault: Fault, checks: &[&str]) {
    let mut found = Vec::new();
    for seed in 1..=SEEDS {
        let program = random(&mut Chance::new(seed), crate::LENGTH);
        if let Err(difference) = run(&program, Some(fault)) {
            if checks.iter().any(|check| difference.starts_with(check)) {
                return;
            }
            found.push(difference);
        }
    }
    panic!("not by {checks:?} within {SEEDS} programs, but: {found:#?}");
}

#[test]
fn an_answer_that_is_given_before_the_commit_is_noticed() {
    let early = |program: &[Op]| {
        let mut sides = Sides::new(InMemory::default());
        sides.answers_too_early = true;
        program.iter().try_for_each(|op| sides.run(op))
    };
    let program = [Op::Lost(planted::start_asked(0))];
    assert_eq!(run(&program, None), Ok(()));
    assert!(early(&program).is_err(), "nobody notices");
    let is_found = |seed| early(&random(&mut Chance::new(seed), crate::LENGTH)).is_err();
    assert!((1..=SEEDS).any(is_found), "no random program notices");
}

#[test]
fn a_timer_that_is_dropped_is_noticed() {
    let program = [
        planted::start(0),
        planted::poll(),
        planted::timer(4),
        Op::Crash(Crash::Records),
        Op::Wait { seconds: 5 },
    ];
    notices(&program, faults::timers_are_dropped);
    random_programs_notice(faults::timers_are_dropped, &["history of"]);
}

#[test]
fn a_signal_whose_id_is_forgotten_is_noticed() {
    let program = [planted::start(0), planted::signal(0), Op::Crash(Crash::Records), planted::signal(0)];
    notices(&program, faults::signals_are_not_recognised);
    random_programs_notice(faults::signals_are_not_recognised, &["answers"]);
}

#[test]
fn a_start_whose_id_is_forgotten_is_noticed() {
    let program = [planted::start(0), Op::Crash(Crash::Records), planted::start(0)];
    notices(&program, faults::starts_are_not_recognised);
    random_programs_notice(faults::starts_are_not_recognised, &["answers"]);
}

#[test]
fn an_outcome_that_is_forgotten_is_noticed() {
    let program = [
        planted::start(0),
        planted::poll(),
        planted::nothing(),
        planted::update(0),
        planted::poll(),
        planted::accept_and_respond(),
        Op::Crash(Crash::Records),
        planted::poll_update(0),
    ];
    notices(&program, faults::outcomes_are_forgotten);
    random_programs_notice(faults::outcomes_are_forgotten, &["answers"]);
}

#[test]
fn an_action_of_a_schedule_that_is_taken_twice_is_noticed() {
    let program = [
        planted::schedule(),
        Op::Wait { seconds: 8 },
        Op::Crash(Crash::Records),
        Op::Wait { seconds: 8 },
        planted::describe_schedule(),
    ];
    notices(&program, faults::schedules_act_twice);
    random_programs_notice(faults::schedules_act_twice, &["answers", "there should not be a run"]);
}

#[test]
fn what_an_activity_reported_and_a_crash_forgets_is_noticed() {
    let program = [
        planted::start(0),
        planted::poll(),
        planted::activity(2),
        planted::poll_activity(),
        planted::heartbeat(),
        Op::Crash(Crash::Records),
        planted::activity_failed(),
        Op::Wait { seconds: 2 },
        planted::poll_activity(),
    ];
    notices(&program, faults::heartbeats_are_forgotten);
    random_programs_notice(faults::heartbeats_are_forgotten, &["answers"]);
}

#[test]
fn an_open_run_that_retention_takes_is_noticed() {
    let program = [
        planted::start(0),
        planted::terminate(0),
        planted::start(1),
        Op::Wait { seconds: 6 * 3_600 },
        Op::Crash(Crash::Records),
        planted::describe(1),
    ];
    notices(&program, faults::retention_takes_an_open_run);
    random_programs_notice(faults::retention_takes_an_open_run, &["run "]);
}

#[test]
fn a_workflow_task_that_is_lost_is_noticed() {
    let program = [planted::start(0), Op::Crash(Crash::Records), planted::poll(), Op::Wait { seconds: 1 }];
    notices(&program, faults::workflow_tasks_are_forgotten);
}

#[test]
fn a_child_that_is_started_twice_is_noticed() {
    let program = [planted::start(0), planted::poll(), planted::child(5), Op::Crash(Crash::Records)];
    notices(&program, faults::children_are_started_twice);
}

#[test]
fn a_parent_that_is_never_told_is_noticed() {
    let program = [
        planted::start(0),
        planted::poll(),
        planted::child(5),
        planted::terminate(5),
        Op::Crash(Crash::Records),
        planted::poll(),
    ];
    notices(&program, faults::parents_are_never_told);
}

#[test]
fn an_attempt_that_is_forgotten_is_noticed() {
    let program = [
        planted::start(0),
        planted::poll(),
        planted::activity(1),
        planted::poll_activity(),
        Op::Crash(Crash::Records),
        Op::Wait { seconds: 1 },
        planted::activity_done(),
    ];
    notices(&program, faults::attempts_are_forgotten);
    random_programs_notice(faults::attempts_are_forgotten, &["answers"]);
}
