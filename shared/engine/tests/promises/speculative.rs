//! The speculative workflow task: there is one only for updates, and it becomes a real one when anything else happens.

use crate::script::{Stage, check};

#[test]
fn an_event_that_arrives_while_a_speculative_task_is_out_makes_it_a_real_one_under_the_ids_it_was_shown_with()
{
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
        > wait 1s
        > signal w go
        signaled, waits
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowTaskScheduled(q), 6 WorkflowTaskStarted
        > deadline
        in 9s: a workflow task times out
        > crash
        > complete w: accept u given; respond u done
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowTaskScheduled(q), 6 WorkflowTaskStarted
        7 WorkflowTaskCompleted, 8 WorkflowExecutionUpdateAccepted(u), 9 WorkflowExecutionUpdateCompleted(u, 8), 10 WorkflowExecutionSignaled(go), 11 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn the_workflows_own_time_is_the_one_a_speculative_task_was_shown_with() {
    let mut stage = Stage::new();
    for line in ["start w", "poll q", "complete w:", "update w u as bob", "wait 2s", "poll q"] {
        stage.run(line);
    }
    let told = stage.world.now;
    for line in ["wait 3s", "complete w: accept u"] {
        stage.run(line);
    }
    let histories = &stage.world.histories[&stage.run_id("w")];
    let pair = histories.iter().find(|batch| batch.first_event_id == 5).expect("the pair is a batch");
    assert_eq!((pair.event_time, pair.events.len()), (told, 2));
}

#[test]
fn a_rejection_on_a_speculative_task_that_became_real_is_recorded_as_its_completion() {
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
        > signal w go
        signaled, waits
        > complete w: reject u
        ok
        bob: failed, not so
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowTaskScheduled(q), 6 WorkflowTaskStarted
        7 WorkflowTaskCompleted, 8 WorkflowExecutionSignaled(go), 9 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn an_event_before_a_speculative_task_is_taken_makes_room_for_a_real_one_that_brings_the_update() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > update w u as bob
        > signal w go
        signaled, event 5
        > poll q
        alice: task of w, attempt 1, whole 1-7, brings u
        > complete w: reject u
        ok
        bob: failed, not so
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowExecutionSignaled(go), 6 WorkflowTaskScheduled(q)
        7 WorkflowTaskStarted
        8 WorkflowTaskCompleted
        ",
    );
}

#[test]
fn commands_of_a_speculative_task_are_carried_out_though_its_update_is_rejected() {
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
        > complete w: reject u; timer t 9s
        ok
        bob: failed, not so
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowTaskScheduled(q), 6 WorkflowTaskStarted
        7 WorkflowTaskCompleted, 8 TimerStarted(t)
        ",
    );
}

#[test]
fn a_speculative_task_without_an_answer_times_out_on_record_and_is_tried_again_with_its_update() {
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
        > deadline
        in 10s: a speculative workflow task has waited or been out for too long
        > wait 10s
        > poll q
        alice: task of w, attempt 2, whole 1-9, transient, brings u
        > complete w: accept u; respond u done
        ok
        bob: completed, done
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowTaskScheduled(q), 6 WorkflowTaskStarted
        7 WorkflowTaskTimedOut(StartToClose)
        8 WorkflowTaskScheduled(q, attempt 2), 9 WorkflowTaskStarted
        10 WorkflowTaskCompleted, 11 WorkflowExecutionUpdateAccepted(u), 12 WorkflowExecutionUpdateCompleted(u, 11)
        ",
    );
}

#[test]
fn a_worker_that_fails_a_speculative_task_fails_it_on_record() {
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
        > fail w
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowTaskScheduled(q), 6 WorkflowTaskStarted
        7 WorkflowTaskFailed(WorkflowWorkerUnhandledFailure)
        > poll q
        alice: task of w, attempt 2, whole 1-9, transient, brings u
        ",
    );
}

#[test]
fn a_speculative_task_goes_to_the_sticky_worker_and_from_there_to_the_normal_queue_without_a_trace() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll alice-sticky
        > complete w sticky=alice-sticky sticky-timeout=4s: timer t 60s
        ok
        > update w u as bob
        alice: task of w, attempt 1, since 4-7, speculative, brings u
        > poll alice-sticky
        > complete w sticky=alice-sticky sticky-timeout=4s: reject u
        ok, back to 3
        bob: failed, not so
        > abandon alice
        > update w v as bob
        > poll q as carol
        > deadline
        in 4s: a speculative workflow task has waited or been out for too long
        > wait 4s
        carol: task of w, attempt 1, whole 1-7, speculative, brings v
        > complete w: accept v as carol
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(t)
        6 WorkflowTaskScheduled(q), 7 WorkflowTaskStarted
        8 WorkflowTaskCompleted, 9 WorkflowExecutionUpdateAccepted(v)
        ",
    );
}

#[test]
fn a_worker_that_shuts_down_loses_its_speculative_task_without_a_trace() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll alice-sticky
        > complete w sticky=alice-sticky:
        ok
        > update w u as bob
        alice: task of w, attempt 1, since 4-6, speculative, brings u
        > poll q as carol
        > shutdown alice
        ok
        carol: task of w, attempt 1, whole 1-6, speculative, brings u
        > complete w~1: accept u
        not found: Workflow task not found.
        > complete w as carol: reject u
        ok, back to 3
        bob: failed, not so
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        ",
    );
}

#[test]
fn queries_go_along_with_a_speculative_task() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w:
        ok
        > update w u as bob
        > query w status as carol
        > poll q
        alice: task of w, attempt 1, whole 1-6, speculative, brings u, asks status
        > query w progress as dave
        > complete w answers=status/fine: reject u
        ok, back to 3
        bob: failed, not so
        carol: answered fine
        > poll q
        alice: query progress of w, whole
        ",
    );
}

#[test]
fn a_speculative_task_that_showed_many_events_is_recorded_though_nothing_came_of_it() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer a 60s; timer b 60s; timer c 60s; timer d 60s; timer e 60s; timer f 60s; timer g 60s; timer h 60s; timer i 60s; timer j 60s
        ok
        > update w u as bob
        > poll q
        alice: task of w, attempt 1, whole 1-16, speculative, brings u
        > complete w: reject u
        ok, back to 3
        bob: failed, not so
        > start v queue=other
        started
        > poll other
        alice: task of v, attempt 1, whole 1-3
        > complete v: timer a 60s; timer b 60s; timer c 60s; timer d 60s; timer e 60s; timer f 60s; timer g 60s; timer h 60s; timer i 60s; timer j 60s; timer k 60s
        ok
        > update v u as bob
        > poll other
        alice: task of v, attempt 1, whole 1-17, speculative, brings u
        > complete v: reject u
        ok
        bob: failed, not so
        > describe v
        Running, 18 events, 0 activities, 11 timers, task attempt 0
        ",
    );
}

#[test]
fn rule_5_a_workflow_that_would_close_while_a_speculative_task_is_out_sees_first_what_came() {
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
        > signal w go
        signaled, waits
        > complete w: accept u; respond u done; finish
        invalid: UnhandledCommand
        bob: not ready: Unable to perform workflow execution update due to unexpected workflow task failure.
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowTaskScheduled(q), 6 WorkflowTaskStarted
        7 WorkflowTaskFailed(UnhandledCommand), 8 WorkflowExecutionSignaled(go), 9 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn a_timer_that_fires_while_a_speculative_task_is_out_waits_for_it() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: timer t 5s
        ok
        > update w u as bob
        > poll q
        alice: task of w, attempt 1, whole 1-7, speculative, brings u
        > wait 5s
        > complete w: accept u; cancel t; respond u done
        ok
        bob: completed, done
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 TimerStarted(t)
        6 WorkflowTaskScheduled(q), 7 WorkflowTaskStarted
        8 WorkflowTaskCompleted, 9 WorkflowExecutionUpdateAccepted(u), 10 TimerCanceled(t, 5), 11 WorkflowExecutionUpdateCompleted(u, 9)
        ",
    );
}

#[test]
fn what_only_this_process_knows_leaves_the_sticky_queue_of_a_worker_that_retires() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > poll alice-sticky key=k
        > complete w sticky=alice-sticky:
        ok
        > abandon alice
        > query w status as bob
        > update w u as bob
        > poll q as carol
        > poll q as dave
        > retire k sticky=alice-sticky
        ok
        carol: task of w, attempt 1, whole 1-6, speculative, brings u
        dave: query status of w, whole
        ",
    );
}

#[test]
fn a_worker_that_asks_for_time_keeps_its_update_and_is_not_given_it_again() {
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
        > update w v as carol
        > complete w sticky=s force return:
        ok, next task of w, attempt 1, since 7-9, brings v
        > complete w sticky=s: accept u; respond u done; reject v
        ok
        carol: failed, not so
        bob: completed, done
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowTaskScheduled(q), 6 WorkflowTaskStarted
        7 WorkflowTaskCompleted, 8 WorkflowTaskScheduled(s)
        9 WorkflowTaskStarted
        10 WorkflowTaskCompleted, 11 WorkflowExecutionUpdateAccepted(u), 12 WorkflowExecutionUpdateCompleted(u, 11)
        ",
    );
}

#[test]
fn an_update_a_worker_kept_is_given_again_when_its_task_fails() {
    check(
        "
        > start w
        started
        > update w u as bob
        > poll q
        alice: task of w, attempt 1, whole 1-3, brings u
        > complete w force return:
        ok, next task of w, attempt 1, whole 1-6
        > fail w
        ok
        > poll q
        alice: task of w, attempt 2, whole 1-9, transient, brings u
        ",
    );
}
