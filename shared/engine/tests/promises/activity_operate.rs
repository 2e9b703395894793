//! Activities that somebody outside pauses, lets go on, resets or re-tunes.

use crate::script::check;

#[test]
fn a_paused_activity_is_neither_handed_out_nor_timed_out() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a start=5s all=60s
        ok
        > pause w a request=p as operator
        ok
        > pause w a request=p
        ok
        > pause w a request=other
        failed precondition: activity is already paused
        > poll activity q as bob
        > wait 30s
        > crash
        > activities w
        a Paused, attempt 1, paused by operator for maintenance
        > poll activity q as bob
        > unpause w a
        ok
        bob: activity a of w, attempt 1
        > wait 30s
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 ActivityTaskStarted(5, attempt 1), 7 ActivityTaskTimedOut(5, 6, Timeout), 8 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn an_attempt_that_is_out_learns_of_a_pause_and_a_reset_from_its_heartbeat() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a first=1s timeout=30s
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > failed a once
        ok
        > wait 1s
        > poll activity q
        alice: activity a of w, attempt 2
        > pause w a
        ok
        > beat a size=5
        pause
        > failed a stopped
        ok
        > activities w
        a Paused, attempt 3, after stopped, heard 0ns ago: 5 bytes, paused by alice for maintenance
        > unpause w a
        ok
        > poll activity q
        alice: activity a of w, attempt 3, told 5 bytes
        > renew w a heartbeat
        ok
        > beat a size=6
        reset
        > activities w
        a Started, attempt 1, after stopped, heard 0ns ago: 6 bytes
        > failed a stopped
        ok
        > wait 1s
        > poll activity q
        alice: activity a of w, attempt 2
        > wait 1s
        ",
    );
}

#[test]
fn a_reset_begins_anew_at_once() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a first=10s attempts=3
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > failed a once size=3
        ok
        > wait 10s
        > poll activity q
        alice: activity a of w, attempt 2
        > failed a twice progress=8
        ok
        > activities w
        a Scheduled, attempt 3, again in 20s, after twice, heard 0ns ago: 8 bytes
        > renew w a heartbeat
        ok
        > activities w
        a Scheduled, attempt 1
        > poll activity q
        alice: activity a of w, attempt 1
        ",
    );
}

#[test]
fn what_goes_on_may_begin_anew_and_a_reset_may_leave_it_paused() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a first=10s; activity b
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > failed a once progress=7
        ok
        > pause w type=greet
        ok
        > renew w all keep-paused
        ok
        > activities w
        a Paused, attempt 1, heard 0ns ago: 7 bytes, paused by alice for maintenance
        b Paused, attempt 1, paused by alice for maintenance
        > unpause w a attempts heartbeat jitter=5s
        ok
        > wait 5s
        > poll activity q
        alice: activity a of w, attempt 1
        > poll activity q
        > unpause w all
        ok
        alice: activity b of w, attempt 1
        ",
    );
}

#[test]
fn options_change_how_what_is_open_is_tried() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a first=10s timeout=30s
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > failed a once
        ok
        > tune w a first=4s queue=gpu timeout=5s beat=9s priority=1
        on gpu, no in all, no to start, 5s each, 5s of silence, first 4s, priority 1
        > activities w
        a Scheduled, attempt 2, again in 4s, after once
        > wait 4s
        > poll activity q
        > poll activity gpu as bob
        bob: activity a of w, attempt 2
        > deadline
        in 5s: an attempt of an activity times out
        > crash
        > wait 5s
        > tune w a restore
        on q, no in all, no to start, 30s each, no of silence, first 10s, priority 0
        > tune w a restore timeout=1s
        invalid: the original options are to be restored and others to be set: one of the two
        > tune w a longest=1s
        invalid: the retry policy's longest interval 1s is shorter than its first 10s
        > activities w
        a Scheduled, attempt 3, again in 20s, after activity StartToClose timeout
        ",
    );
}

#[test]
fn nothing_is_done_to_what_is_not_open() {
    check(
        "
        > start w
        started
        > pause w a
        not found: Can't find pending activity with such ID. Invalid activityID or activity already completed
        > renew w type=greet
        not found: Can't find pending activity with such ID. Invalid activityID or activity already completed
        > tune w all timeout=1s
        not found: Can't find pending activity with such ID. Invalid activityID or activity already completed
        > unpause v a
        not found: workflow execution not found: v
        ",
    );
}

#[test]
fn a_paused_activity_can_be_cancelled_and_completed() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a; activity b
        ok
        > pause w all
        ok
        > done w/b
        ok
        > poll q
        alice: task of w, attempt 1, whole 1-10
        > complete w: unask 5
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a), 6 ActivityTaskScheduled(b)
        7 ActivityTaskStarted(6, attempt 1), 8 ActivityTaskCompleted(6, 7), 9 WorkflowTaskScheduled(q)
        10 WorkflowTaskStarted
        11 WorkflowTaskCompleted, 12 ActivityTaskCancelRequested(5), 13 ActivityTaskCanceled(5, 0, 12), 14 WorkflowTaskScheduled(q)
        ",
    );
}
