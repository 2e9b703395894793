//! Task queues: who goes first, and what a person sees of them.

use crate::script::check;

#[test]
fn the_more_urgent_task_goes_first_and_of_one_priority_the_older() {
    check(
        "
        > start middle
        started
        > wait 1s
        > start later
        started
        > wait 1s
        > start last priority=5
        started
        > start urgent priority=1
        started
        > start beyond priority=9
        started
        > crash
        > poll q
        alice: task of urgent, attempt 1, whole 1-3
        > poll q
        alice: task of middle, attempt 1, whole 1-3
        > poll q
        alice: task of later, attempt 1, whole 1-3
        > poll q
        alice: task of last, attempt 1, whole 1-3
        > poll q
        alice: task of beyond, attempt 1, whole 1-3
        ",
    );
}

#[test]
fn an_activity_has_its_own_priority_or_its_workflows() {
    check(
        "
        > start w priority=4
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity as-workflow; activity urgent priority=2; activity least priority=5
        ok
        > poll activity q
        alice: activity urgent of w, attempt 1
        > poll activity q
        alice: activity as-workflow of w, attempt 1
        > poll activity q
        alice: activity least of w, attempt 1
        ",
    );
}

#[test]
fn an_urgent_task_in_its_back_off_holds_up_nobody() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity urgent priority=1 first=10s; activity other
        ok
        > poll activity q
        alice: activity urgent of w, attempt 1
        > failed urgent once
        ok
        > poll activity q
        alice: activity other of w, attempt 1
        > poll activity q
        > wait 10s
        alice: activity urgent of w, attempt 2
        ",
    );
}

#[test]
fn a_queue_says_what_waits_there_and_who_polls() {
    check(
        "
        > queue q
        0 tasks, the oldest 0ns old, 0.00 come and 0.00 go a second; []
        > start v
        started
        > wait 3s
        > start w
        started
        > wait 4s
        > queue q
        2 tasks, the oldest 7s old, 0.07 come and 0.00 go a second; []
        > poll q as bob
        bob: task of v, attempt 1, whole 1-3
        > wait 1s
        > poll other as carol
        > poll activity q as dave
        > queue q
        1 tasks, the oldest 5s old, 0.07 come and 0.03 go a second; [bob 1s ago]
        > queue activity q
        0 tasks, the oldest 0ns old, 0.00 come and 0.00 go a second; [dave 0ns ago]
        > wait 30s
        > queue q
        2 tasks, the oldest 35s old, 0.03 come and 0.00 go a second; [bob 31s ago]
        > wait 5m
        carol: nothing
        dave: nothing
        > queue q
        2 tasks, the oldest 335s old, 0.00 come and 0.00 go a second; []
        > queue activity q
        0 tasks, the oldest 0ns old, 0.00 come and 0.00 go a second; []
        > crash
        > queue q
        2 tasks, the oldest 335s old, 0.00 come and 0.00 go a second; []
        ",
    );
}

#[test]
fn a_task_in_its_back_off_is_no_backlog() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a first=10s
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > failed a once
        ok
        > queue activity q
        0 tasks, the oldest 0ns old, 0.03 come and 0.03 go a second; [alice 0ns ago]
        > wait 11s
        > queue activity q
        1 tasks, the oldest 1s old, 0.07 come and 0.03 go a second; [alice 11s ago]
        ",
    );
}

#[test]
fn a_queue_whose_worker_has_ended_shows_nobody_who_polls_it() {
    check(
        "
        > poll s key=one as alice
        > retire one sticky=s
        ok
        alice: nothing
        > queue s
        0 tasks, the oldest 0ns old, 0.00 come and 0.00 go a second; []
        ",
    );
}
