//! Runs that follow each other: continue-as-new, retries, cron, and the time-outs that lead there.

use crate::script::check;

#[test]
fn rule_26_continue_as_new_begins_another_run_in_the_same_transition() {
    check(
        "
        > start w execution-timeout=1m run-timeout=20s memo=kept
        started
        > wait 5s
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 50s; again input=2 memo=said
        ok
        > name second w
        Running
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(t), 6 WorkflowExecutionContinuedAsNew
        > history second
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        > began second
        as new, continues w, first w, run 20s, execution 60s, left 55s, input 2, memo said
        > list
        w Running, w ContinuedAsNew
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: again queue=other run-timeout=2m task-timeout=5s
        ok
        > name third w
        Running
        > began third
        as new, continues second, first w, backoff 1s, run 60s, execution 60s, left 55s, task 5s
        > wait 1s
        > poll other
        alice: task of w, attempt 1, whole 1-3
        ",
    );
}

#[test]
fn rule_26_a_run_that_continues_as_new_within_a_second_is_made_to_wait() {
    check(
        "
        > start w
        started
        > wait 300ms
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: again
        ok
        > name second w
        Running
        > began second
        as new, continues w, first w, backoff 700ms
        > poll q
        > wait 700ms
        alice: task of w, attempt 1, whole 1-3
        > complete w: again backoff=400ms
        ok
        > name third w
        Running
        > began third
        as new, continues second, first w, backoff 1s
        > wait 1s
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > wait 800ms
        > complete w: again backoff=400ms
        ok
        > name fourth w
        Running
        > began fourth
        as new, continues third, first w, backoff 400ms
        ",
    );
}

/// What has not been seen is not left behind.
#[test]
fn rule_26_a_run_with_something_waiting_does_not_continue_as_new_over_it() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > signal w go
        signaled, waits
        > complete w: again
        invalid: UnhandledCommand
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(UnhandledCommand), 5 WorkflowExecutionSignaled(go), 6 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn a_continuation_that_says_something_wrong_fails_the_task() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: again cron=61_*_*_*_*
        invalid: BadContinueAsNewAttributes: cron_schedule \"61 * * * *\": minute: \"61\" is not in the range 0 to 59
        > wait 1s
        > poll q
        alice: task of w, attempt 2, whole 1-6, transient
        > complete w: again attempts=2 times=0.5
        invalid: BadContinueAsNewAttributes: the retry policy's coefficient is 0.5; it must be at least 1
        > list
        w Running
        ",
    );
}

#[test]
fn rule_23_a_failed_run_is_tried_again_in_a_new_run_of_its_chain() {
    check(
        "
        > start w attempts=3 first=2s size=3 header=trace memo=m
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: fail oops
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 WorkflowExecutionFailed(InProgress, and again)
        > name second w
        Running
        > began second
        retry, attempt 2, continues w, first w, backoff 2s, input xxx, failure oops, memo m, header trace
        > history second
        1 WorkflowExecutionStarted
        > wait 2s
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: fail again
        ok
        > name third w
        Running
        > began third
        retry, attempt 3, continues second, first w, backoff 4s, input xxx, failure again, memo m, header trace
        > wait 4s
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: fail enough
        ok
        > history third
        1 WorkflowExecutionStarted
        2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 WorkflowExecutionFailed(MaximumAttemptsReached)
        > list
        w Failed, w Failed, w Failed
        ",
    );
}

#[test]
fn rule_23_a_failure_that_is_final_by_its_kind_is_not_tried_again() {
    check(
        "
        > start w never=Oops
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: fail oops
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 WorkflowExecutionFailed(NonRetryableFailure)
        ",
    );
}

/// Retry first, then cron. Rule 27: what was missed is left out.
#[test]
fn rule_23_a_cron_run_begins_again_at_its_next_time_and_tries_again_first() {
    check(
        "
        > start w cron=*/10_*_*_*_* attempts=2 first=5s
        started
        > began w
        cron, backoff 600s
        > history w
        1 WorkflowExecutionStarted
        > wait 10m
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: finish size=2
        ok
        > history w
        1 WorkflowExecutionStarted
        2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 WorkflowExecutionCompleted(and again)
        > name second w
        Running
        > began second
        cron, continues w, first w, backoff 600s, last result xx
        > wait 10m
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > wait 5s
        > complete w: fail oops
        ok
        > name third w
        Running
        > began third
        retry, attempt 2, continues second, first w, backoff 5s, last result xx, failure oops
        > wait 5s
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > wait 45m
        > poll q
        alice: task of w, attempt 2, whole 1-6, transient
        > complete w: fail again
        ok
        > name fourth w
        Running
        > began fourth
        cron, continues third, first w, backoff 290s, last result xx, failure again
        ",
    );
}

#[test]
fn rule_27_a_cron_run_never_overlaps_with_itself() {
    check(
        "
        > start w cron=@every_10s
        started
        > wait 10s
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 25s
        ok
        > off 25s
        > list
        w Running
        > poll q
        alice: task of w, attempt 1, whole 1-8
        > complete w: finish
        ok
        > name second w
        Running
        > began second
        cron, continues w, first w, backoff 5s
        ",
    );
}

#[test]
fn a_cancelled_or_terminated_cron_run_is_the_last() {
    check(
        "
        > start w cron=@every_10s attempts=5
        started
        > ask-cancel w
        ok
        > poll q
        alice: task of w, attempt 1, whole 1-4
        > complete w: end-cancelled
        ok
        > list
        w Canceled
        > wait 1ms
        > start v cron=@every_10s attempts=5
        started
        > terminate v
        ok
        > list
        v Terminated, w Canceled
        > deadline
        nothing
        ",
    );
}

#[test]
fn rule_24_a_run_that_takes_too_long_is_tried_again_and_a_chain_that_does_is_over() {
    check(
        "
        > start w run-timeout=5s execution-timeout=12s first=1s
        started
        > began w
        run 5s, execution 12s, left 12s, task 5s
        > deadline
        in 5s: a run times out
        > wait 5s
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowExecutionTimedOut(InProgress, and again)
        > name second w
        Running
        > began second
        retry, attempt 2, continues w, first w, backoff 1s, run 5s, execution 12s, left 7s, task 5s, failure workflow timeout
        > wait 6s
        > history second
        1 WorkflowExecutionStarted
        2 WorkflowTaskScheduled(q)
        3 WorkflowExecutionTimedOut(Timeout)
        > list
        w TimedOut, w TimedOut
        ",
    );
}

/// The time-out of a chain does not wait for that of a run.
#[test]
fn rule_24_the_chain_is_over_when_its_time_is_whatever_its_run_has_left() {
    check(
        "
        > start w execution-timeout=10s cron=@every_4s
        started
        > wait 4s
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: finish
        ok
        > wait 4s
        > name second w
        Running
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > wait 2s
        > history second
        1 WorkflowExecutionStarted
        2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(ForceCloseCommand), 5 WorkflowExecutionTimedOut(Timeout)
        > list
        w TimedOut, w Completed
        ",
    );
}

/// And rule 40.
#[test]
fn rule_24_a_time_out_ends_a_run_whose_task_is_out_and_keeps_what_waited() {
    check(
        "
        > start w run-timeout=3s
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > signal w go
        signaled, waits
        > wait 3s
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(ForceCloseCommand), 5 WorkflowExecutionSignaled(go), 6 WorkflowExecutionTimedOut(RetryPolicyNotSet)
        > complete w: finish
        not found: workflow execution already completed
        ",
    );
}

#[test]
fn after_a_month_without_power_a_cron_schedule_has_one_run_due_and_no_backlog() {
    check(
        "
        > wait 90s
        > start w cron=0_*_*_*_*
        started
        > start v cron=0_*_*_*_* run-timeout=10m
        started
        > off 30d
        > history w
        1 WorkflowExecutionStarted
        2 WorkflowTaskScheduled(q)
        > history v
        1 WorkflowExecutionStarted
        2 WorkflowExecutionTimedOut(RetryPolicyNotSet, and again)
        > name second v
        Running
        > began second
        cron, continues v, first v, backoff 3510s, run 600s, failure workflow timeout
        > poll q
        alice: task of w, attempt 1, whole 1-3
        ",
    );
}

#[test]
fn a_chain_goes_on_where_the_process_ended() {
    check(
        "
        > start w attempts=2 first=3s
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: fail oops
        ok
        > crash
        > deadline
        in 3s: a run's first workflow task is due
        > off 3s
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: finish
        ok
        > list
        w Completed, w Failed
        ",
    );
}
