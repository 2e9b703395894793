//! Activities answered by the workflow's name for them.

use crate::script::check;

#[test]
fn an_activity_is_completed_failed_cancelled_and_heard_of_by_its_id() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a; activity b attempts=1; activity c
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > poll activity q
        alice: activity b of w, attempt 1
        > poll activity q
        alice: activity c of w, attempt 1
        > beat w/a size=3
        go on
        > done w/a
        ok
        > failed w/b no
        ok
        > signal w stop
        signaled, event 13
        > poll q
        alice: task of w, attempt 1, whole 1-14
        > complete w: unask 7
        ok
        > beat w/c
        cancel
        > canceled w/c
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a), 6 ActivityTaskScheduled(b), 7 ActivityTaskScheduled(c)
        8 ActivityTaskStarted(5, attempt 1), 9 ActivityTaskCompleted(5, 8), 10 WorkflowTaskScheduled(q)
        11 ActivityTaskStarted(6, attempt 1), 12 ActivityTaskFailed(6, 11, MaximumAttemptsReached)
        13 WorkflowExecutionSignaled(stop)
        14 WorkflowTaskStarted
        15 WorkflowTaskCompleted, 16 ActivityTaskCancelRequested(7)
        17 ActivityTaskStarted(7, attempt 1), 18 ActivityTaskCanceled(7, 17, 16), 19 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn a_result_may_come_before_any_worker() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a
        ok
        > failed w/a no
        not found: invalid activityID or activity already timed out or invoking workflow is completed
        > beat w/a
        not found: invalid activityID or activity already timed out or invoking workflow is completed
        > done w/a as somebody
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 ActivityTaskStarted(5, attempt 1), 7 ActivityTaskCompleted(5, 6), 8 WorkflowTaskScheduled(q)
        > poll activity q
        ",
    );
}

#[test]
fn an_id_that_is_not_open_is_not_found() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a
        ok
        > done w/b
        not found: cannot find pending activity with ActivityID b, check workflow execution history for more details
        > done v/a
        not found: workflow execution not found: v
        > done w/
        invalid: activity id is empty
        ",
    );
}
