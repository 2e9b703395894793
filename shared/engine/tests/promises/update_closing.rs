//! What becomes of updates when their run closes; limits; a start with an update.

use tidegate_engine::Settings;
use tidegate_model::event::Event;
use tidegate_model::limits::{
    UPDATE_OUTCOMES_BYTES_MAX, UPDATE_OUTCOMES_OF_CLOSED_BYTES_MAX, UPDATES_ADMITTED_BYTES_MAX,
    UPDATES_IN_FLIGHT_MAX,
};

use crate::script::{Stage, check};

#[test]
fn rule_37_the_close_of_a_run_fails_updates_it_accepted_and_aborts_the_others() {
    check(
        "
        > start w
        started
        > update w u as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings u
        > complete w: accept u; timer t 9s
        ok
        > signal w go
        signaled, event 7
        > poll q
        alice: task of w, attempt 1, whole 1-9
        > update w v as carol
        > complete w: finish
        ok
        bob: failed, Workflow Update failed because the Workflow completed before the Update completed.
        carol: not found: workflow update was aborted by closing workflow
        > crash
        > ask-update w u as bob
        bob: failed, Workflow Update failed because the Workflow completed before the Update completed.
        > ask-update w v as carol
        carol: not found: update \"v\" not found
        > update w x as dave
        dave: not found: workflow execution already completed
        ",
    );
}

#[test]
fn an_update_accepted_and_not_completed_by_the_task_that_closes_the_run_fails_with_it() {
    check(
        "
        > start w
        started
        > update w u wait=accepted as bob
        > update w v as carol
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings u, brings v
        > complete w: accept u; accept v; respond v done; finish
        ok
        bob: failed, Workflow Update failed because the Workflow completed before the Update completed.
        carol: completed, done
        > update w v as carol
        carol: completed, done
        ",
    );
}

#[test]
fn messages_behind_the_last_event_of_a_run_come_to_nothing_but_rejections() {
    check(
        "
        > start w
        started
        > update w u as bob
        > update w v as carol
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings u, brings v
        > complete w: accept u loose; reject v; finish
        ok
        carol: failed, not so
        bob: not found: workflow update was aborted by closing workflow
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 WorkflowExecutionCompleted
        ",
    );
}

#[test]
fn an_update_of_a_named_run_or_chain_is_of_no_other() {
    check(
        "
        > start w request=one
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: finish
        ok
        > update w u run=w as bob
        bob: not found: workflow execution already completed
        > start v
        started
        > update w u chain=v as bob
        bob: not found: workflow execution not found
        ",
    );
}

#[test]
fn rule_37_updates_under_way_are_bounded_for_each_run() {
    let mut stage = Stage::new();
    stage.run("start w");
    for n in 0..UPDATES_IN_FLIGHT_MAX {
        assert_eq!(stage.run(&format!("update w u{n} as bob")), Vec::<String>::new());
    }
    assert_eq!(stage.run("update w more as bob"), ["bob: exhausted: UPDATES_IN_FLIGHT_MAX"]);
    // One that is known is no further one.
    assert_eq!(stage.run("update w u0 as bob"), Vec::<String>::new());
    let accepted: Vec<String> = (0..UPDATES_IN_FLIGHT_MAX).map(|n| format!("accept u{n}")).collect();
    stage.run("poll q");
    stage.run(&format!("complete w: {}", accepted.join("; ")));
    assert_eq!(stage.run("update w more as bob"), ["bob: exhausted: UPDATES_IN_FLIGHT_MAX"]);
}

#[test]
fn updates_of_a_run_are_bounded_and_it_is_told_to_continue_as_new_before() {
    let mut stage = Stage::new();
    stage.world.set_settings(Settings { updates_per_run_max: 3, ..Settings::default() });
    stage.run("start w");
    for n in 0..3 {
        stage.run(&format!("update w u{n} as bob"));
        stage.run("poll q");
        stage.run(&format!("complete w: accept u{n}; respond u{n} done"));
    }
    let refused = stage.run("update w u3 as bob");
    assert!(refused[0].starts_with("bob: failed precondition: The limit on the total number"), "{refused:?}");
    assert_eq!(stage.run("update w u1 as bob"), ["bob: completed, done"]);
    for line in ["signal w go", "poll q"] {
        stage.run(line);
    }
    let events = stage.world.histories[&stage.run_id("w")].iter().flat_map(|batch| &batch.events);
    let suggested = events.filter_map(|event| {
        let Event::WorkflowTaskStarted { suggest_continue_as_new, .. } = event else { return None };
        Some(*suggest_continue_as_new)
    });
    assert_eq!(suggested.collect::<Vec<bool>>(), [false, false, false, true]);
}

#[test]
fn updates_that_no_workflow_has_let_in_are_bounded_by_their_bytes() {
    let mut stage = Stage::new();
    stage.world.is_crowded = true;
    let size = 500_000;
    let fit = UPDATES_ADMITTED_BYTES_MAX / size;
    for n in 0..=fit {
        stage.run(&format!("start w{n}"));
    }
    for n in 0..fit {
        assert_eq!(stage.run(&format!("update w{n} u size={size} as bob")), Vec::<String>::new());
    }
    let refused = stage.run(&format!("update w{fit} u size={size} as bob"));
    assert_eq!(refused, ["bob: exhausted: UPDATES_ADMITTED_BYTES_MAX"]);
    let oversized = stage.run("update w0 v size=600000 as bob");
    assert_eq!(oversized, ["bob: invalid: update arguments has 600000 bytes; PAYLOAD_BYTES_MAX is 524288"]);
}

#[test]
fn outcomes_that_are_not_kept_are_left_to_the_history() {
    let mut stage = Stage::new();
    stage.run("start w");
    let size = UPDATE_OUTCOMES_BYTES_MAX - 1_000;
    for (update, size) in [("first", size), ("second", size)] {
        stage.run(&format!("update w {update} as bob"));
        stage.run("poll q");
        stage.run(&format!("complete w: accept {update}; respond {update} size={size}"));
    }
    assert_eq!(stage.run("ask-update w first as bob"), ["bob: completed, see history"]);
    assert!(stage.run("ask-update w second as bob")[0].starts_with("bob: completed, xxx"));
    let history = &stage.world.histories[&stage.run_id("w")];
    assert!(tidegate_engine::outcome_in_history(history, "first").is_some());
    assert_eq!(tidegate_engine::outcome_in_history(history, "third"), None);
    stage.run("update w third as bob");
    stage.run("poll q");
    stage.run("complete w: accept third; finish");
    assert!(size > UPDATE_OUTCOMES_OF_CLOSED_BYTES_MAX);
    assert_eq!(stage.run("ask-update w second as bob"), ["bob: completed, see history"]);
    let failed =
        "bob: failed, Workflow Update failed because the Workflow completed before the Update completed.";
    assert_eq!(stage.run("ask-update w third as bob"), [failed]);
    let history = &stage.world.histories[&stage.run_id("w")];
    assert!(tidegate_engine::outcome_in_history(history, "third").is_some(), "it failed with its run");
}

#[test]
fn a_start_with_an_update_starts_a_run_whose_first_task_brings_it() {
    check(
        "
        > start-update w u as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings u
        > complete w: accept u; respond u done
        ok
        bob: completed, done, in a run that was started
        > start-update w u as bob
        bob: completed, done, in a run that was open
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 WorkflowExecutionUpdateAccepted(u), 6 WorkflowExecutionUpdateCompleted(u, 5)
        ",
    );
}

#[test]
fn a_start_with_an_update_joins_an_open_run_where_its_policy_its_request_or_its_update_say_so() {
    check(
        "
        > start w request=one
        started
        > start-update w u request=two as bob
        bob: start refused: already started by \"one\"
        > start-update w u join request=two as bob
        > start-update w v request=one as carol
        > start-update w u request=three as dave
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings u, brings v
        > complete w: accept u; respond u done; reject v
        ok
        carol: failed, not so, in a run that was open
        bob: completed, done, in a run that was open
        dave: completed, done, in a run that was open
        ",
    );
}

#[test]
fn a_start_with_an_update_that_finds_only_a_closed_run_starts_another_unless_the_update_was_completed_there()
{
    check(
        "
        > start-update w u request=one as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings u
        > complete w: accept u; respond u done; finish
        ok
        bob: completed, done, in a run that was started
        > start-update w u request=two as bob
        bob: completed, done, in a run that was open
        > start-update w v request=three as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings v
        > complete w: accept v; finish
        ok
        bob: failed, Workflow Update failed because the Workflow completed before the Update completed., in a run that was started
        > start-update w v request=four as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings v
        ",
    );
}

#[test]
fn a_start_with_an_update_of_a_run_that_closes_first_starts_another_once() {
    check(
        "
        > start w request=one
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > start-update w u join request=two as bob
        > poll q
        > complete w: finish
        ok
        alice: task of w, attempt 1, whole 1-3, brings u
        > complete w: accept u; respond u done
        ok
        bob: completed, done, in a run that was started
        ",
    );
}

#[test]
fn what_is_wrong_with_the_update_of_a_start_is_said_before_anything_is_started() {
    check(
        "
        > start-update w u size=600000 as bob
        bob: update refused: invalid: update arguments has 600000 bytes; PAYLOAD_BYTES_MAX is 524288
        > describe w
        not found: workflow execution not found: w
        ",
    );
}
