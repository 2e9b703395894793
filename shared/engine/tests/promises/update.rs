//! Updates: admitted in memory, accepted and completed in history, rejected without a trace.

use crate::script::check;

#[test]
fn rule_13_an_update_of_an_idle_run_comes_with_a_speculative_task_that_is_recorded_when_it_is_accepted() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > update w u as bob
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        > poll q
        alice: task of w, attempt 1, whole 1-6, speculative, brings u
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        > complete w: accept u; timer t 9s; respond u done
        ok
        bob: completed, done
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowTaskScheduled(q), 6 WorkflowTaskStarted
        7 WorkflowTaskCompleted, 8 WorkflowExecutionUpdateAccepted(u), 9 TimerStarted(t), 10 WorkflowExecutionUpdateCompleted(u, 8)
        ",
    );
}

#[test]
fn rule_13_a_rejected_update_leaves_no_trace_and_takes_its_worker_back() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 60s
        ok
        > update w u as bob
        > poll q
        alice: task of w, attempt 1, whole 1-7, speculative, brings u
        > complete w: reject u
        ok, back to 3
        bob: failed, not so
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(t)
        > deadline
        in 60s: a timer fires
        > ask-update w u as bob
        bob: not found: update \"u\" not found
        > complete w:
        not found: Workflow task not found.
        ",
    );
}

#[test]
fn an_update_before_the_first_workflow_task_goes_along_with_that() {
    check(
        "
        > start w
        started
        > update w u wait=accepted as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings u
        > complete w: accept u; activity a
        ok
        bob: accepted
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 WorkflowExecutionUpdateAccepted(u), 6 ActivityTaskScheduled(a)
        ",
    );
}

#[test]
fn an_update_is_completed_by_a_later_task_than_the_one_that_accepted_it() {
    check(
        "
        > start w
        started
        > update w u as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings u
        > complete w: accept u; activity a
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > done a
        ok
        > crash
        > ask-update w u wait=accepted as carol
        carol: accepted
        > ask-update w u wait=completed as carol
        > poll q
        alice: task of w, attempt 1, whole 1-10
        > complete w: respond u failed
        ok
        carol: failed, broken
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 WorkflowExecutionUpdateAccepted(u), 6 ActivityTaskScheduled(a)
        7 ActivityTaskStarted(6, attempt 1), 8 ActivityTaskCompleted(6, 7), 9 WorkflowTaskScheduled(q)
        10 WorkflowTaskStarted
        11 WorkflowTaskCompleted, 12 WorkflowExecutionUpdateCompleted(u, 5)
        ",
    );
}

#[test]
fn messages_no_command_names_come_behind_all_commands() {
    check(
        "
        > start w
        started
        > update w u as bob
        > update w v as carol
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings u, brings v
        > complete w: accept u loose; accept v; timer t 9s; respond u done loose
        ok
        bob: completed, done
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 WorkflowExecutionUpdateAccepted(v), 6 TimerStarted(t), 7 WorkflowExecutionUpdateAccepted(u), 8 WorkflowExecutionUpdateCompleted(u, 7)
        ",
    );
}

#[test]
fn rule_37_an_update_is_known_by_its_id_within_the_run() {
    check(
        "
        > start w
        started
        > update w u as bob
        > update w u wait=accepted as carol
        > update w u wait=admitted as dave
        dave: admitted
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings u
        > update w u as erin
        > complete w: accept u; respond u done
        ok
        bob: completed, done
        carol: completed, done
        erin: completed, done
        > update w u as bob
        bob: completed, done
        > crash
        > update w u as bob
        bob: completed, done
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 WorkflowExecutionUpdateAccepted(u), 6 WorkflowExecutionUpdateCompleted(u, 5)
        ",
    );
}

#[test]
fn an_update_that_came_while_the_task_was_out_gets_a_speculative_task_of_its_own() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > update w u as bob
        > poll q
        > complete w:
        ok
        alice: task of w, attempt 1, whole 1-6, speculative, brings u
        > update w v as carol
        > poll q
        > complete w: accept u; respond u done
        ok
        bob: completed, done
        alice: task of w, attempt 1, whole 1-11, speculative, brings v
        > complete w: reject v
        ok, back to 6
        carol: failed, not so
        ",
    );
}

#[test]
fn rule_13_an_update_the_worker_says_nothing_of_is_rejected() {
    check(
        "
        > start w
        started
        > update w u as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings u
        > complete w: timer t 9s
        ok
        bob: failed, Workflow Update is rejected because it wasn't processed by worker. Probably, Workflow Update is not supported by the worker.
        > update w v as carol
        > poll q
        alice: task of w, attempt 1, whole 1-7, speculative, brings v
        > complete w:
        ok, back to 3
        carol: failed, Workflow Update is rejected because it wasn't processed by worker. Probably, Workflow Update is not supported by the worker.
        ",
    );
}

#[test]
fn rule_37_a_wait_for_an_update_ends_after_twenty_seconds_with_the_stage_reached() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > update w u as bob
        > deadline
        in 20s: a wait for an update is over
        > wait 20s
        bob: admitted
        > poll q
        alice: task of w, attempt 1, whole 1-6, speculative, brings u
        > complete w: accept u
        ok
        > update w u wait=completed as bob
        > wait 20s
        bob: accepted
        > ask-update w u as bob
        bob: accepted
        ",
    );
}

#[test]
fn a_restart_loses_updates_that_were_not_accepted_and_speculative_tasks() {
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
        > crash
        > deadline
        nothing
        > ask-update w u as bob
        bob: not found: update \"u\" not found
        > complete w: accept u; respond u done
        not found: Workflow task not found.
        > update w u as bob
        > poll q
        alice: task of w, attempt 1, whole 1-6, speculative, brings u
        > complete w~1: accept u; respond u late
        not found: Workflow task not found.
        > complete w: accept u; respond u done
        ok
        bob: completed, done
        ",
    );
}

#[test]
fn an_update_lost_in_a_restart_goes_on_where_the_worker_says_what_it_was_given() {
    check(
        "
        > start w
        started
        > update w u as bob
        > update w v as carol
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings u, brings v
        > crash
        > complete w: accept u given; respond u done; reject v
        ok
        > ask-update w u as bob
        bob: completed, done
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 WorkflowExecutionUpdateAccepted(u), 6 WorkflowExecutionUpdateCompleted(u, 5)
        ",
    );
}

#[test]
fn messages_that_do_not_fit_their_updates_fail_the_task() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: accept u
        invalid: BadUpdateWorkflowExecutionMessage: update u wasn't found on the server. This is most likely a transient error which will be resolved automatically by retries
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(BadUpdateWorkflowExecutionMessage)
        > start v queue=other
        started
        > update v u as bob
        > poll other
        alice: task of v, attempt 1, whole 1-3, brings u
        > complete v: respond u done
        invalid: BadUpdateWorkflowExecutionMessage: invalid state transition attempted for Update u: received Response message out of turn
        bob: not ready: Unable to perform workflow execution update due to unexpected workflow task failure.
        > start x queue=third
        started
        > update x u as bob
        > poll third
        alice: task of x, attempt 1, whole 1-3, brings u
        > complete x: accept u; accept u loose
        invalid: BadUpdateWorkflowExecutionMessage: invalid state transition attempted for Update u: received Acceptance message out of turn
        bob: not ready: Unable to perform workflow execution update due to unexpected workflow task failure.
        ",
    );
}

#[test]
fn no_message_of_a_task_has_an_effect_when_a_command_is_bad() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > update w u wait=accepted as bob
        > poll q
        alice: task of w, attempt 1, whole 1-6, speculative, brings u
        > complete w: accept u; cancel nothing
        invalid: BadCancelTimerAttributes: no timer \"nothing\" is open
        bob: not ready: Unable to perform workflow execution update due to unexpected workflow task failure.
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowTaskScheduled(q), 6 WorkflowTaskStarted
        7 WorkflowTaskFailed(BadCancelTimerAttributes)
        ",
    );
}

#[test]
fn updates_of_a_workflow_whose_task_keeps_failing_are_refused() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > fail w
        ok
        > poll q
        alice: task of w, attempt 2, whole 1-6, transient
        > wait 10s
        > update w u as bob
        bob: not ready: Unable to perform workflow execution update due to Workflow Task in failed state.
        ",
    );
}
