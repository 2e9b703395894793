//! Limits: each has a name, and something happens when it is reached.

use std::time::Duration;

use tidegate_engine::{Effect, Engine, Input, Refusal, Reply, Request, Settings, StartWorkflow, Ticket};
use tidegate_model::chance::Chance;
use tidegate_model::event::Event;
use tidegate_model::id::{Namespace, TaskQueue, WorkflowId};
use tidegate_model::limits::{
    CLOSED_RUNS_KEPT_MAX, FAILURE_BYTES_MAX, HISTORY_EVENTS_MAX, ID_BYTES_MAX, OPEN_RUNS_MAX,
    POLLS_WAITING_MAX, SIGNALS_PER_RUN_MAX,
};
use tidegate_model::time::Timestamp;

use crate::script::{Stage, check};
use crate::world::decided;

#[test]
fn what_is_too_large_to_start_with_is_refused_by_the_limits_name() {
    check(
        "
        > start w size=524289
        invalid: workflow input has 524289 bytes; PAYLOAD_BYTES_MAX is 524288
        > start w size=524288
        started
        > signal w go size=524289
        invalid: signal input has 524289 bytes; PAYLOAD_BYTES_MAX is 524288
        ",
    );
}

#[test]
fn an_id_that_is_too_long_is_refused_by_the_limits_name() {
    let mut stage = Stage::new();
    stage.run("start w");
    let long = "x".repeat(ID_BYTES_MAX + 1);
    assert_eq!(
        stage.run(&format!("signal w {long}")),
        ["invalid: signal name has 1001 bytes; ID_BYTES_MAX is 1000"]
    );
    let reply = stage.run(&format!("signal w go request={long}"));
    assert_eq!(reply, ["invalid: request id has 1001 bytes; ID_BYTES_MAX is 1000"]);
    let reply = stage.run(&format!("start v request={long}"));
    assert_eq!(reply, ["invalid: request id has 1001 bytes; ID_BYTES_MAX is 1000"]);
    let reply = stage.run(&format!("poll q as {long}"));
    assert_eq!(reply, [format!("{long}: invalid: identity has 1001 bytes; ID_BYTES_MAX is 1000")]);
    assert_eq!(stage.run("poll q"), ["alice: task of w, attempt 1, whole 1-3"]);
    let reply = stage.run(&format!("complete w: timer {long} 1s"));
    assert_eq!(reply, ["invalid: BadStartTimerAttributes: timer id has 1001 bytes; ID_BYTES_MAX is 1000"]);
}

#[test]
fn rule_42_a_command_with_too_large_a_payload_ends_the_run_and_tells_the_worker() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a size=524289
        invalid: BadScheduleActivityAttributes: activity input has 524289 bytes; PAYLOAD_BYTES_MAX is 524288
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(BadScheduleActivityAttributes), 5 WorkflowExecutionTerminated
        > start x queue=other
        started
        > poll other
        alice: task of x, attempt 1, whole 1-3
        > complete x: finish size=524289
        invalid: BadCompleteWorkflowExecutionAttributes: result has 524289 bytes; PAYLOAD_BYTES_MAX is 524288
        ",
    );
}

#[test]
fn commands_that_are_too_large_together_fail_the_task() {
    let mut stage = Stage::new();
    for line in ["start w", "poll q"] {
        stage.run(line);
    }
    let commands: Vec<String> = (0..5).map(|n| format!("activity a{n} size=500000")).collect();
    let reply = stage.run(&format!("complete w: {}", commands.join("; ")));
    assert!(reply[0].contains("COMMANDS_BYTES_MAX is 2097152"), "{reply:?}");
    assert!(stage.run("describe w")[0].contains("4 events, 0 activities"));
}

#[test]
fn rule_42_a_result_that_is_too_large_fails_the_activity_and_not_the_worker() {
    check(
        "
        > start w
        started
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a
        ok
        > poll activity q
        alice: activity a of w, attempt 1
        > done a size=524289
        ok
        > history w
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 ActivityTaskScheduled(a)
        6 ActivityTaskStarted(5, attempt 1), 7 ActivityTaskFailed(5, 6, NonRetryableFailure), 8 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn a_failure_that_is_too_large_for_an_event_is_cut() {
    let mut stage = Stage::new();
    for line in
        ["start w", "poll q", "complete w: activity a", "poll activity q", "failed a final size=600000"]
    {
        stage.run(line);
    }
    let last = stage.world.histories[&stage.run_id("w")].last().expect("there is the end").clone();
    let Event::ActivityTaskFailed { failure, .. } = &last.events[1] else { panic!("it failed") };
    let cut = failure.cause.as_ref().expect("what is left of it");
    assert_eq!(
        (failure.message.as_str(), cut.message.len()),
        ("Failure exceeds size limit.", FAILURE_BYTES_MAX)
    );
}

#[test]
fn a_run_has_so_many_activities_and_timers_open_and_no_more() {
    let mut stage = Stage::new();
    for line in ["start w", "start x queue=other", "poll q", "poll other"] {
        stage.run(line);
    }
    let commands =
        |what: &str, count: usize| (0..count).map(|n| format!("{what}{n} 1m")).collect::<Vec<_>>().join("; ");
    let reply = stage.run(&format!("complete w: {}", commands("timer t", 2_001)));
    assert_eq!(reply, ["invalid: PendingTimersLimitExceeded: PENDING_TIMERS_MAX is 2000"]);
    let reply = stage.run(&format!("complete x: {}", commands("activity a", 2_001)));
    assert_eq!(reply, ["invalid: PendingActivitiesLimitExceeded: PENDING_ACTIVITIES_MAX is 2000"]);
    stage.run("poll q");
    assert_eq!(stage.run(&format!("complete w: {}", commands("timer t", 2_000))), ["ok"]);
    stage.run("signal w go");
    stage.run("poll q");
    let reply = stage.run("complete w: cancel t7; timer again 1m");
    assert_eq!(reply, ["ok"], "a timer that is cancelled makes room");
}

#[test]
fn rule_41_a_history_that_is_too_long_ends_the_run_with_the_limits_name() {
    let mut stage = Stage::new();
    stage.run("start w");
    let commands = vec!["timer t 1m; cancel t"; 2_000].join("; ");
    let mut suggested = Vec::new();
    while stage.run("list") == ["w Running"] {
        stage.run("signal w more");
        stage.run("poll q");
        stage.run(&format!("complete w: {commands}"));
    }
    assert_eq!(stage.run("list"), ["w Terminated"]);
    let history = &stage.world.histories[&stage.run_id("w")];
    let events: Vec<&Event> = history.iter().flat_map(|batch| &batch.events).collect();
    let Some(Event::WorkflowExecutionTerminated { reason, .. }) = events.last() else { panic!("it ended") };
    assert!(reason.starts_with("limit HISTORY_EVENTS_MAX is reached"), "{reason}");
    assert!(events.len() as u64 > HISTORY_EVENTS_MAX);
    for (id, event) in (1_usize..).zip(events) {
        if let Event::WorkflowTaskStarted { suggest_continue_as_new, .. } = event {
            suggested.push((id, *suggest_continue_as_new));
        }
    }
    assert!(suggested.iter().all(|(id, suggested)| *suggested == (*id > 4_096)), "{suggested:?}");
    assert_eq!(stage.run("signal w more"), ["not found: workflow execution already completed"]);
    assert_eq!(stage.run("deadline"), ["nothing"]);
}

#[test]
fn a_history_of_too_many_bytes_ends_the_run_even_while_its_task_is_out() {
    let mut stage = Stage::new();
    for line in ["start w", "poll q"] {
        stage.run(line);
    }
    let mut signals = 0;
    while stage.run("list") == ["w Running"] {
        stage.run("signal w more size=520000");
        stage.run("poll q");
        signals += 1;
    }
    assert!((30..40).contains(&signals), "{signals}");
    let history = stage.run("history w");
    let last = history.last().expect("there is the end");
    assert!(last.ends_with("WorkflowExecutionTerminated"), "{last}");
    assert_eq!(stage.run("deadline")[0], "in 60s: a poll has waited long enough");
}

#[test]
fn a_run_takes_so_many_signals_and_no_more() {
    let mut stage = Stage::new();
    stage.world.is_crowded = true;
    stage.run("start w");
    for _ in 0..SIGNALS_PER_RUN_MAX {
        stage.run("signal w s");
    }
    let refusal = stage.run("signal w s");
    assert_eq!(refusal, ["invalid: run of w has had 10000 signals; that is SIGNALS_PER_RUN_MAX"]);
}

#[test]
fn the_run_that_closed_first_is_forgotten_first() {
    let mut stage = Stage::new();
    stage.world.is_crowded = true;
    for n in 0..=CLOSED_RUNS_KEPT_MAX {
        stage.run(&format!("start w{n} request=r{n}"));
        stage.run("poll q");
        stage.run(&format!("complete w{n}: finish"));
    }
    assert_eq!(stage.run("describe w0"), ["not found: workflow execution not found: w0"]);
    assert!(stage.run("describe w1")[0].starts_with("Completed"));
    assert_eq!(stage.run("start w1 request=r1"), ["started before"]);
    assert_eq!(stage.run("start w0 request=r0"), ["started"]);
    stage.run("crash");
    assert!(stage.run("describe w1")[0].starts_with("Completed"));
}

#[test]
fn so_many_runs_are_open_and_no_more() {
    let (mut engine, mut chance) = (Engine::new(), Chance::new(1));
    let mut start = |n: usize| {
        let request = Request::StartWorkflowExecution(minimal_start(&format!("w{n}")));
        let input = Input::Request { ticket: Ticket(1), request };
        let decided =
            decided(&mut engine, Timestamp::EPOCH, &mut chance, |engine, step| engine.handle(step, input));
        let [Effect::Reply { reply, .. }] = &decided.effects[..] else { panic!("one reply to one start") };
        reply.clone()
    };
    for n in 0..OPEN_RUNS_MAX {
        assert!(start(n).is_ok());
    }
    let message = String::from("100000 runs are open");
    assert_eq!(start(OPEN_RUNS_MAX), Err(Refusal::ResourceExhausted { limit: "OPEN_RUNS_MAX", message }));
    assert!(matches!(start(0), Err(Refusal::AlreadyStarted { .. })), "the limit hides no better reason");
}

fn minimal_start(workflow_id: &str) -> StartWorkflow {
    StartWorkflow::new(
        Namespace::new("default").expect("a namespace"),
        WorkflowId::new(workflow_id).expect("a workflow id"),
        String::from("greet"),
        TaskQueue::new("q").expect("a queue"),
    )
}

#[test]
fn so_many_polls_wait_and_no_more() {
    let mut stage = Stage::new();
    stage.world.is_crowded = true;
    let poll = || Request::PollActivityTaskQueue {
        namespace: Namespace::new("default").expect("a namespace"),
        task_queue: TaskQueue::new("q").expect("a queue"),
        identity: String::from("alice"),
        worker_instance_key: String::new(),
    };
    for _ in 0..POLLS_WAITING_MAX {
        assert_eq!(stage.world.request(poll()).1, []);
    }
    let (ticket, replies) = stage.world.request(poll());
    let message = String::from("10000 polls are waiting");
    assert_eq!(replies, [(ticket, Err(Refusal::ResourceExhausted { limit: "POLLS_WAITING_MAX", message }))]);
    let answered = stage.world.wait(Duration::from_secs(60));
    assert_eq!(answered.len(), POLLS_WAITING_MAX);
    assert!(answered.iter().all(|(_, reply)| *reply == Ok(Reply::ActivityTask(None))));
}

#[test]
fn two_thousand_last_attempts_that_end_at_once_fit_the_wire() {
    let mut stage = Stage::new();
    stage.world.is_crowded = true;
    for line in ["start w", "poll q"] {
        stage.run(line);
    }
    let commands: Vec<String> =
        (0..2_000).map(|n| format!("activity a{n} attempts=2 first=1s timeout=90s")).collect();
    assert_eq!(stage.run(&format!("complete w: {}", commands.join("; "))), ["ok"]);
    for n in 0..2_000 {
        stage.run("poll activity q");
        stage.run(&format!("failed a{n} size=3000"));
    }
    stage.run("wait 1s");
    for _ in 0..2_000 {
        stage.run("poll activity q");
    }
    stage.world.is_crowded = false;
    stage.run("off 1d");
    assert!(stage.run("describe w")[0].contains("0 activities, 0 timers, task attempt 1"));
}

#[test]
fn rule_41_limits_are_what_the_settings_say() {
    let settings = Settings {
        payload_bytes_max: 100,
        history_events_max: 40,
        history_events_suggest: 6,
        pending_activities_max: 2,
        pending_timers_max: 1,
        signals_per_run_max: 3,
        ..Settings::default()
    };
    let mut stage = Stage::new();
    stage.world.engine = Engine::new().with_settings(settings);
    let mut said = Vec::new();
    for line in [
        "start w size=101",
        "start w",
        "poll q",
        "complete w: timer a 1m; timer b 1m",
        "poll q",
        "complete w: activity a; activity b; activity c",
        "wait 10s",
        "poll q",
        "complete w: activity a; timer t 1m",
        "signal w one",
        "signal w two size=101",
        "signal w two",
        "signal w three",
        "signal w four",
    ] {
        said.extend(stage.run(line).into_iter().filter(|reply| reply.starts_with("invalid")));
    }
    assert_eq!(
        said,
        [
            "invalid: workflow input has 101 bytes; PAYLOAD_BYTES_MAX is 100",
            "invalid: PendingTimersLimitExceeded: PENDING_TIMERS_MAX is 1",
            "invalid: PendingActivitiesLimitExceeded: PENDING_ACTIVITIES_MAX is 2",
            "invalid: signal input has 101 bytes; PAYLOAD_BYTES_MAX is 100",
            "invalid: run of w has had 3 signals; that is SIGNALS_PER_RUN_MAX",
        ]
    );
    while stage.run("list") == ["w Running"] {
        stage.run("poll q");
        stage.run("complete w force:");
    }
    let events: Vec<&Event> =
        stage.world.histories[&stage.run_id("w")].iter().flat_map(|batch| &batch.events).collect();
    assert!(matches!(events.last(), Some(Event::WorkflowExecutionTerminated { .. })));
    assert!((40..45).contains(&events.len()), "{}", events.len());
    for (id, event) in (1_usize..).zip(events) {
        if let Event::WorkflowTaskStarted { suggest_continue_as_new, .. } = event {
            assert_eq!(*suggest_continue_as_new, id > 6, "event {id}");
        }
    }
}
