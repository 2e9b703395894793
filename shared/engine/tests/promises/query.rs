//! Queries: direct, along with a workflow task, on closed runs; they leave no trace.

use tidegate_model::limits::{BUFFERED_QUERIES_MAX, QUERIES_WAITING_MAX};

use crate::script::{Stage, check};

#[test]
fn rule_35_a_query_is_a_task_of_its_own_when_there_is_no_workflow_task_and_one_has_completed() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > query w status as bob
        > poll q
        alice: query status of w, whole
        > answer status fine
        ok
        bob: answered fine
        > answer status again
        not found: query task not found, or already expired
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        > deadline
        nothing
        ",
    );
}

#[test]
fn a_query_that_comes_before_the_first_workflow_task_goes_along_with_it() {
    check(
        "
        > start w
        started
        > query w status as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3, asks status
        > complete w answers=status/fine:
        ok
        bob: answered fine
        ",
    );
}

#[test]
fn rule_35_a_query_behind_an_event_sees_it_by_going_along_with_the_task_that_brings_it() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > signal w go
        signaled, event 5
        > query w status as bob
        > query w progress as carol
        > poll q
        alice: task of w, attempt 1, whole 1-7, asks progress, asks status
        > complete w answers=status/fine,progress/failed: timer t 9s
        ok
        bob: answered fine
        carol: query failed: no such query
        ",
    );
}

#[test]
fn a_query_that_comes_while_the_task_is_out_is_direct_when_that_completes_and_nothing_is_new() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > query w status as bob
        > poll q
        > complete w:
        ok
        alice: query status of w, whole
        > answer status fine
        ok
        bob: answered fine
        ",
    );
}

#[test]
fn a_query_that_comes_while_the_task_is_out_goes_along_with_the_next_when_something_is_new() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > signal w go
        signaled, waits
        > query w status as bob
        > poll q
        > complete w:
        ok
        alice: task of w, attempt 1, whole 1-7, asks status
        > complete w answers=status/fine:
        ok
        bob: answered fine
        ",
    );
}

#[test]
fn rule_36_a_sticky_query_comes_without_history_and_falls_back_to_the_normal_queue_with_all_of_it() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll alice-sticky as alice
        > complete w sticky=alice-sticky sticky-timeout=4s: timer t 20s
        ok
        > query w status as bob
        alice: query status of w, cached
        > poll q as carol
        > wait 3s
        > deadline
        in 1s: a sticky query goes to the normal queue
        > wait 1s
        carol: query status of w, whole
        > answer status fine
        ok
        bob: answered fine
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(t)
        ",
    );
}

#[test]
fn a_query_passes_over_a_sticky_queue_nobody_polls() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll alice-sticky as alice
        > complete w sticky=alice-sticky:
        ok
        > abandon alice
        > wait 10s
        > query w status as bob
        > poll q as carol
        carol: query status of w, whole
        ",
    );
}

#[test]
fn what_a_worker_that_shuts_down_was_asked_another_is_asked() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll alice-sticky as alice
        > complete w sticky=alice-sticky:
        ok
        > query w status as bob
        alice: query status of w, cached
        > poll q as carol
        > shutdown alice
        ok
        carol: query status of w, whole
        > answer status fine
        ok
        bob: answered fine
        ",
    );
}

#[test]
fn a_query_that_waits_for_a_sticky_worker_moves_when_the_run_is_untied_from_it() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll alice-sticky as alice
        > complete w sticky=alice-sticky:
        ok
        > abandon alice
        > query w status as bob
        > poll q as carol
        > shutdown alice
        ok
        carol: query status of w, whole
        ",
    );
}

#[test]
fn rule_35_a_closed_run_answers_queries_at_its_own_task_queue() {
    check(
        "
        > start w queue=left
        started
        > poll left
        alice: task of w, attempt 1, whole 1-3
        > complete w: finish
        ok
        > query w status as bob
        > poll left
        alice: query status of w, whole
        > answer status done
        ok
        bob: answered done
        > query w status unless=closed as bob
        bob: rejected, it is Completed
        > query w status unless=unclean as bob
        ",
    );
}

#[test]
fn a_query_of_a_run_that_closed_otherwise_than_by_completing_can_be_declined() {
    check(
        "
        > start w
        started
        > query w status unless=unclean as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3, asks status
        > complete w answers=status/bad: fail oops
        ok
        bob: answered bad
        > query w status unless=unclean as bob
        bob: rejected, it is Failed
        ",
    );
}

#[test]
fn a_query_that_was_waiting_when_its_run_closed_is_still_answered() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > query w status as bob
        > complete w: finish
        ok
        > poll q
        alice: query status of w, whole
        > answer status done
        ok
        bob: answered done
        ",
    );
}

#[test]
fn rule_35_queries_of_a_workflow_whose_task_keeps_failing_are_refused() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > fail w
        ok
        > query w status as bob
        > poll q
        alice: task of w, attempt 2, whole 1-6, transient, asks status
        > wait 10s
        bob: not ready: Unable to query workflow due to Workflow Task in failed state.
        > query w status as bob
        bob: not ready: Unable to query workflow due to Workflow Task in failed state.
        ",
    );
}

#[test]
fn a_query_to_nobody_is_not_found() {
    check(
        "
        > query w status as bob
        bob: not found: workflow execution not found: w
        ",
    );
}

#[test]
fn a_query_nobody_answers_is_refused_after_thirty_seconds_with_a_word_about_workers() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > query w status as bob
        > wait 30s
        bob: failed precondition: no poller seen for task queue recently, worker may be down
        > query w status as bob
        > poll q
        alice: query status of w, whole
        > wait 25s
        > poll q
        > wait 5s
        bob: failed precondition: the query was not answered within 30 s
        > answer status late
        not found: query task not found, or already expired
        ",
    );
}

#[test]
fn a_query_whose_asker_has_gone_is_forgotten() {
    check(
        "
        > start w
        started
        > query w status as bob
        > abandon bob
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > query w status as bob
        > abandon bob
        > deadline
        nothing
        ",
    );
}

#[test]
fn queries_are_gone_with_the_process_and_their_answers_are_strangers_to_the_next() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > query w status as bob
        > poll q
        alice: query status of w, whole
        > crash
        > deadline
        nothing
        > query w progress as bob
        > answer status fine
        not found: query task not found, or already expired
        ",
    );
}

#[test]
fn an_answer_that_is_too_large_fails_the_query_and_nothing_else() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > query w status as bob
        > poll q
        alice: query status of w, whole
        > answer status size=3000000
        ok
        bob: query failed: query result has 3000000 bytes; QUERY_RESULT_BYTES_MAX is 2097152
        > query w status size=600000 as bob
        bob: invalid: query arguments has 600000 bytes; PAYLOAD_BYTES_MAX is 524288
        ",
    );
}

#[test]
fn queries_that_wait_for_a_workflow_task_are_bounded_for_each_run() {
    let mut stage = Stage::new();
    stage.run("start w");
    stage.run("start v");
    for _ in 0..BUFFERED_QUERIES_MAX {
        assert_eq!(stage.run("query w status as bob"), Vec::<String>::new());
    }
    assert_eq!(stage.run("query w status as bob"), ["bob: exhausted: BUFFERED_QUERIES_MAX"]);
    assert_eq!(stage.run("query v status as bob"), Vec::<String>::new());
}

#[test]
fn queries_that_wait_are_bounded_over_all_runs() {
    let mut stage = Stage::new();
    for line in ["start w", "poll q", "complete w: finish"] {
        stage.run(line);
    }
    for _ in 0..QUERIES_WAITING_MAX {
        assert_eq!(stage.run("query w status as bob"), Vec::<String>::new());
    }
    assert_eq!(stage.run("query w status as bob"), ["bob: exhausted: QUERIES_WAITING_MAX"]);
}
