//! Queries and updates of runs that begin late and are followed by others.

use crate::script::check;

#[test]
fn rule_37_an_update_the_workflow_has_not_seen_goes_on_in_the_run_that_continues_it() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > wait 2s
        > update w u as bob
        > update w u run=w as carol
        > ask-update w u wait=completed as dave
        > complete w: again
        ok
        carol: not found: workflow execution already completed
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings u
        > update w u as erin
        > complete w: accept u; respond u done
        ok
        bob: completed, done
        dave: completed, done
        erin: completed, done
        ",
    );
}

#[test]
fn an_update_the_workflow_accepted_fails_with_the_run_though_another_continues_it() {
    check(
        "
        > start w
        started
        > update w u as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings u
        > complete w: accept u; again
        ok
        bob: failed, Workflow Update failed because the Workflow completed before the Update completed.
        ",
    );
}

#[test]
fn termination_aborts_updates_and_forgets_a_speculative_task() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > update w u as bob
        > poll q
        alice: task of w, attempt 1, whole 1-6, speculative, brings u
        > terminate w
        ok
        bob: not found: workflow update was aborted by closing workflow
        > complete w: accept u
        not found: workflow execution already completed
        > deadline
        nothing
        ",
    );
}

#[test]
fn rule_25_an_update_does_not_wait_for_the_first_workflow_tasks_time() {
    check(
        "
        > start w delay=60s
        started
        > update w u as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3, speculative, brings u
        > complete w: reject u
        ok, back to 0
        bob: failed, not so
        > update w v as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3, speculative, brings v
        > complete w: accept v; respond v done
        ok
        bob: completed, done
        > deadline
        nothing
        ",
    );
}

#[test]
fn a_speculative_task_that_is_out_when_the_first_workflow_task_is_due_is_that() {
    check(
        "
        > start w delay=5s
        started
        > update w u as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3, speculative, brings u
        > wait 5s
        > complete w: reject u
        ok
        bob: failed, not so
        > history w
        1 WorkflowExecutionStarted
        2 WorkflowTaskScheduled(q), 3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        ",
    );
}

#[test]
fn rule_35_a_query_waits_for_the_first_workflow_task_where_that_comes_in_time() {
    check(
        "
        > start w delay=60s
        started
        > query w status as bob
        bob: not ready: Workflow task is not scheduled yet.
        > wait 31s
        > query w status as bob
        > poll q
        > wait 29s
        alice: task of w, attempt 1, whole 1-3, asks status
        ",
    );
}
