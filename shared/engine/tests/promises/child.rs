//! Child workflows: their start, what their parent learns of their end, and what becomes of them when it ends first.

use std::time::Duration;

use tidegate_engine::{Engine, Input, Request, Settings, TerminateWorkflow, Ticket};
use tidegate_model::id::{Namespace, WorkflowId};
use tidegate_model::limits::{ERRANDS_PER_STEP_MAX, PENDING_CHILDREN_MAX};
use tidegate_model::payload::Payloads;

use crate::script::{Stage, check};

#[test]
fn rule_33_a_child_starts_behind_the_command_and_its_end_comes_back_as_an_event() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child c queue=cq; timer t 90s
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(c), 6 TimerStarted(t)
        7 ChildWorkflowExecutionStarted(c, 5), 8 WorkflowTaskScheduled(q)
        > name c c
        Running
        > history c
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(cq)
        > poll cq
        alice: task of c, attempt 1, whole 1-3
        > complete c: finish
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(c), 6 TimerStarted(t)
        7 ChildWorkflowExecutionStarted(c, 5), 8 WorkflowTaskScheduled(q)
        9 ChildWorkflowExecutionCompleted(c, 5, 7)
        > poll q
        alice: task of p, attempt 1, whole 1-10
        > complete p: finish
        ok
        ",
    );
}

#[test]
fn rule_33_each_way_a_child_can_end_is_an_event_of_its_own() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child a queue=a; child b queue=b; child c queue=c run-timeout=5s; child d
        ok
        > poll a
        alice: task of a, attempt 1, whole 1-3
        > complete a: fail broken
        ok
        > poll b
        alice: task of b, attempt 1, whole 1-3
        > complete b: end-cancelled
        ok
        > wait 5s
        > terminate d
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(a), 6 StartChildWorkflowExecutionInitiated(b), 7 StartChildWorkflowExecutionInitiated(c), 8 StartChildWorkflowExecutionInitiated(d)
        9 ChildWorkflowExecutionStarted(a, 5), 10 WorkflowTaskScheduled(q)
        11 ChildWorkflowExecutionStarted(b, 6)
        12 ChildWorkflowExecutionStarted(c, 7)
        13 ChildWorkflowExecutionStarted(d, 8)
        14 ChildWorkflowExecutionFailed(a, 5, 9, RetryPolicyNotSet)
        15 ChildWorkflowExecutionCanceled(b, 6, 11)
        16 ChildWorkflowExecutionTimedOut(c, 7, 12, RetryPolicyNotSet)
        17 ChildWorkflowExecutionTerminated(d, 8, 13)
        ",
    );
}

#[test]
fn rule_33_the_parent_learns_of_the_last_run_of_the_chain_only() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child c queue=cq attempts=2 first=3s
        ok
        > name first c
        Running
        > poll cq
        alice: task of c, attempt 1, whole 1-3
        > complete c: again attempts=2 first=3s
        ok
        > name second c
        Running
        > poll cq
        > wait 1s
        alice: task of c, attempt 1, whole 1-3
        > complete c: fail broken
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(c)
        6 ChildWorkflowExecutionStarted(c, 5), 7 WorkflowTaskScheduled(q)
        > wait 3s
        > poll cq
        alice: task of c, attempt 1, whole 1-3
        > complete c: fail broken
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(c)
        6 ChildWorkflowExecutionStarted(c, 5), 7 WorkflowTaskScheduled(q)
        8 ChildWorkflowExecutionFailed(c, 5, 6, MaximumAttemptsReached)
        ",
    );
}

#[test]
fn rule_33_a_start_and_an_end_that_wait_for_the_workflow_task_find_each_other_at_the_flush() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child a queue=aq
        ok
        > poll q
        alice: task of p, attempt 1, whole 1-8
        > poll aq
        alice: task of a, attempt 1, whole 1-3
        > complete a: finish
        ok
        > signal p go
        signaled, waits
        > complete p: child b queue=bq
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(a)
        6 ChildWorkflowExecutionStarted(a, 5), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskCompleted, 10 StartChildWorkflowExecutionInitiated(b), 11 WorkflowExecutionSignaled(go), 12 ChildWorkflowExecutionCompleted(a, 5, 6), 13 WorkflowTaskScheduled(q)
        14 ChildWorkflowExecutionStarted(b, 10)
        ",
    );
}

#[test]
fn rule_33_a_child_whose_id_is_in_use_does_not_start() {
    check(
        "
        > start taken queue=other
        started
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child taken; child p; child c queue=cq; child c queue=cq
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(taken), 6 StartChildWorkflowExecutionInitiated(p), 7 StartChildWorkflowExecutionInitiated(c), 8 StartChildWorkflowExecutionInitiated(c)
        9 StartChildWorkflowExecutionFailed(taken, 5, WorkflowAlreadyExists), 10 WorkflowTaskScheduled(q)
        11 StartChildWorkflowExecutionFailed(p, 6, WorkflowAlreadyExists)
        12 ChildWorkflowExecutionStarted(c, 7)
        13 StartChildWorkflowExecutionFailed(c, 8, WorkflowAlreadyExists)
        ",
    );
}

#[test]
fn rule_33_the_reuse_policy_of_a_child_looks_at_the_run_that_has_closed() {
    check(
        "
        > start done
        started
        > poll q
        alice: task of done, attempt 1, whole 1-3
        > complete done: finish
        ok
        > start broken
        started
        > poll q
        alice: task of broken, attempt 1, whole 1-3
        > complete broken: fail broken
        ok
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child done reuse=failed; child broken reuse=failed; child done reuse=never; child done
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(done), 6 StartChildWorkflowExecutionInitiated(broken), 7 StartChildWorkflowExecutionInitiated(done), 8 StartChildWorkflowExecutionInitiated(done)
        9 StartChildWorkflowExecutionFailed(done, 5, WorkflowAlreadyExists), 10 WorkflowTaskScheduled(q)
        11 ChildWorkflowExecutionStarted(broken, 6)
        12 StartChildWorkflowExecutionFailed(done, 7, WorkflowAlreadyExists)
        13 ChildWorkflowExecutionStarted(done, 8)
        ",
    );
}

#[test]
fn a_child_in_a_namespace_that_is_not_there_does_not_start() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child c in=nowhere
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(c)
        6 StartChildWorkflowExecutionFailed(c, 5, NamespaceNotFound), 7 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn rule_32_children_are_terminated_when_their_parent_closes_unless_their_policy_is_another() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child a queue=cq; child b queue=cq policy=abandon; child c queue=cq policy=cancel
        ok
        > name a a
        Running
        > name b b
        Running
        > name c c
        Running
        > poll q
        alice: task of p, attempt 1, whole 1-12
        > complete p: finish
        ok
        > history a
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(cq)
        3 WorkflowExecutionTerminated
        > history b
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(cq)
        > history c
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(cq)
        3 WorkflowExecutionCancelRequested(by p)
        ",
    );
}

#[test]
fn rule_32_the_policy_holds_whatever_closes_the_parent() {
    check(
        "
        > start fails queue=f
        started
        > poll f
        alice: task of fails, attempt 1, whole 1-3
        > complete fails: child a queue=cq
        ok
        > poll f
        alice: task of fails, attempt 1, whole 1-8
        > complete fails: fail broken
        ok
        > name a a
        Terminated
        > start expires queue=e run-timeout=5s
        started
        > poll e
        alice: task of expires, attempt 1, whole 1-3
        > complete expires: child b queue=cq
        ok
        > wait 5s
        > name b b
        Terminated
        > start killed queue=k
        started
        > poll k
        alice: task of killed, attempt 1, whole 1-3
        > complete killed: child c queue=cq
        ok
        > terminate killed
        ok
        > name c c
        Terminated
        > start stops queue=s
        started
        > poll s
        alice: task of stops, attempt 1, whole 1-3
        > complete stops: child d queue=cq
        ok
        > poll s
        alice: task of stops, attempt 1, whole 1-8
        > complete stops: end-cancelled
        ok
        > name d d
        Terminated
        ",
    );
}

#[test]
fn rule_26_a_child_does_not_outlive_the_run_that_began_it_even_when_that_continues_as_new() {
    // As Temporal's server does it, whatever is written about it: a child belongs to the run that began it.
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child a queue=cq; child b queue=cq policy=abandon
        ok
        > poll q
        alice: task of p, attempt 1, whole 1-10
        > complete p: again
        ok
        > name a a
        Terminated
        > name b b
        Running
        > poll cq
        alice: task of b, attempt 1, whole 1-3
        > complete b: finish
        ok
        > name p2 p
        Running
        > wait 1s
        > history p2
        1 WorkflowExecutionStarted
        2 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn rule_32_a_policy_reaches_the_run_that_a_child_has_continued_as() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child c queue=cq
        ok
        > poll cq
        alice: task of c, attempt 1, whole 1-3
        > complete c: again
        ok
        > poll q
        alice: task of p, attempt 1, whole 1-8
        > complete p: finish
        ok
        > name c c
        Terminated
        > history c
        1 WorkflowExecutionStarted
        2 WorkflowExecutionTerminated
        ",
    );
}

#[test]
fn rule_32_a_child_that_is_asked_to_cancel_twice_is_asked_once() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child c queue=cq policy=cancel
        ok
        > ask-cancel c
        ok
        > poll q
        alice: task of p, attempt 1, whole 1-8
        > complete p: finish
        ok
        > name c c
        Running
        > history c
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(cq)
        3 WorkflowExecutionCancelRequested
        ",
    );
}

#[test]
fn a_parent_that_closes_with_the_very_task_that_asks_for_a_child_starts_none() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child c policy=abandon; tell other go; finish
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(c), 6 SignalExternalWorkflowExecutionInitiated(other), 7 WorkflowExecutionCompleted
        > describe c
        not found: workflow execution not found: c
        ",
    );
}

#[test]
fn a_tree_is_taken_down_from_its_root() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child c queue=b
        ok
        > poll b
        alice: task of c, attempt 1, whole 1-3
        > complete c: child g queue=c
        ok
        > poll c
        alice: task of g, attempt 1, whole 1-3
        > complete g: child h queue=d
        ok
        > terminate p
        ok
        > name c c
        Terminated
        > name g g
        Terminated
        > name h h
        Terminated
        > history h
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(d)
        3 WorkflowExecutionTerminated
        ",
    );
}

#[test]
fn a_child_whose_parent_is_gone_tells_nobody() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child c queue=cq policy=abandon
        ok
        > terminate p
        ok
        > poll cq
        alice: task of c, attempt 1, whole 1-3
        > complete c: finish
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(c)
        6 ChildWorkflowExecutionStarted(c, 5), 7 WorkflowTaskScheduled(q)
        8 WorkflowExecutionTerminated
        > deadline
        nothing
        ",
    );
}

#[test]
fn a_fork_of_the_parent_knows_its_children_and_hears_of_their_ends() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child c queue=cq
        ok
        > poll q
        alice: task of p, attempt 1, whole 1-8
        > complete p: timer t 90s
        ok
        > reset p 9
        reset
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(c)
        6 ChildWorkflowExecutionStarted(c, 5), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskFailed(ResetWorkflow), 10 WorkflowTaskScheduled(q)
        > poll cq
        alice: task of c, attempt 1, whole 1-3
        > complete c: finish
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(c)
        6 ChildWorkflowExecutionStarted(c, 5), 7 WorkflowTaskScheduled(q)
        8 WorkflowTaskStarted
        9 WorkflowTaskFailed(ResetWorkflow), 10 WorkflowTaskScheduled(q)
        11 ChildWorkflowExecutionCompleted(c, 5, 6)
        ",
    );
}

#[test]
fn a_fork_from_before_the_child_was_known_to_run_takes_it_as_it_is() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > signal p go
        signaled, waits
        > complete p: child c queue=cq; timer t 9s
        ok
        > name c c
        Running
        > poll q
        alice: task of p, attempt 1, whole 1-10
        > complete p: timer u 90s
        ok
        > reset p 10 alone
        reset
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(c), 6 TimerStarted(t), 7 WorkflowExecutionSignaled(go), 8 WorkflowTaskScheduled(q)
        9 ChildWorkflowExecutionStarted(c, 5)
        10 WorkflowTaskStarted, 11 WorkflowTaskFailed(ResetWorkflow), 12 WorkflowTaskScheduled(q)
        > history c
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(cq)
        > poll cq
        alice: task of c, attempt 1, whole 1-3
        > complete c: finish
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(c), 6 TimerStarted(t), 7 WorkflowExecutionSignaled(go), 8 WorkflowTaskScheduled(q)
        9 ChildWorkflowExecutionStarted(c, 5)
        10 WorkflowTaskStarted, 11 WorkflowTaskFailed(ResetWorkflow), 12 WorkflowTaskScheduled(q)
        13 ChildWorkflowExecutionCompleted(c, 5, 9)
        ",
    );
}

#[test]
fn a_fork_of_the_child_tells_the_parent_in_its_place() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child c queue=cq
        ok
        > name c c
        Running
        > poll cq
        alice: task of c, attempt 1, whole 1-3
        > complete c: timer t 9s
        ok
        > reset c 4
        reset
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(c)
        6 ChildWorkflowExecutionStarted(c, 5), 7 WorkflowTaskScheduled(q)
        > poll cq
        alice: task of c, attempt 1, whole 1-6
        > complete c: finish
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated(c)
        6 ChildWorkflowExecutionStarted(c, 5), 7 WorkflowTaskScheduled(q)
        8 ChildWorkflowExecutionCompleted(c, 5, 6)
        ",
    );
}

#[test]
fn rule_7_a_child_that_is_asked_for_in_a_wrong_way_fails_the_task_and_not_the_workflow() {
    check(
        "
        > start p
        started
        > poll q
        alice: task of p, attempt 1, whole 1-3
        > complete p: child c size=3000000
        invalid: BadStartChildExecutionAttributes: workflow input has 3000000 bytes; PAYLOAD_BYTES_MAX is 524288
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(BadStartChildExecutionAttributes)
        > poll q
        alice: task of p, attempt 2, whole 1-6, transient
        > complete p: child c first=9s longest=1s
        invalid: BadStartChildExecutionAttributes: the retry policy's longest interval 1s is shorter than its first 9s
        > wait 20s
        > poll q
        alice: task of p, attempt 3, whole 1-6, transient
        > complete p: child c
        ok
        > history p
        1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled(q)
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed(BadStartChildExecutionAttributes)
        5 WorkflowTaskScheduled(q, attempt 3), 6 WorkflowTaskStarted
        7 WorkflowTaskCompleted, 8 StartChildWorkflowExecutionInitiated(c)
        9 ChildWorkflowExecutionStarted(c, 8), 10 WorkflowTaskScheduled(q)
        ",
    );
}

#[test]
fn a_run_has_only_so_many_children_at_once() {
    let mut stage = Stage::new();
    stage.run("start p");
    stage.run("poll q");
    let too_many = "child c queue=cq; ".repeat(PENDING_CHILDREN_MAX + 1);
    let lines = stage.run(&format!("complete p: {too_many}"));
    let refused = format!(
        "invalid: PendingChildWorkflowsLimitExceeded: PENDING_CHILDREN_MAX is {PENDING_CHILDREN_MAX}"
    );
    assert_eq!(lines, [refused]);
    assert_eq!(
        stage.run("history p").last().map(String::as_str),
        Some("4 WorkflowTaskFailed(PendingChildWorkflowsLimitExceeded)")
    );
}

#[test]
fn a_host_that_is_full_holds_a_workflow_up_that_wants_children_and_does_not_fail_it() {
    let mut stage = Stage::new();
    let settings = Settings { open_runs_max: 2, ..Settings::default() };
    stage.world.engine = Engine::new().with_settings(settings);
    stage.run("start p");
    stage.run("poll q");
    assert_eq!(
        stage.run("complete p: child a queue=cq; child b queue=cq"),
        ["invalid: PendingChildWorkflowsLimitExceeded: OPEN_RUNS_MAX is 2"]
    );
    stage.run("poll q");
    assert_eq!(stage.run("complete p: child a queue=cq"), ["ok"]);
    assert_eq!(stage.run("name a a"), ["Running"]);
}

/// A root with children, which have children.
fn tree(stage: &mut Stage, width: usize) {
    stage.world.is_crowded = true;
    let children =
        |of: &str| -> String { (0..width).map(|n| format!("child {of}-{n} queue=q{of}-{n}; ")).collect() };
    stage.run("start root");
    stage.run("poll q");
    stage.run(&format!("complete root: {}", children("c")));
    for n in 0..width {
        stage.run(&format!("poll qc-{n}"));
        assert_eq!(stage.run(&format!("complete c-{n}: {}", children(&format!("g-{n}")))), ["ok"]);
    }
    assert_eq!(stage.world.engine.open_runs(), 1 + width + width * width);
}

#[test]
fn a_tree_of_thousands_is_taken_down_in_steps_of_bounded_size() {
    let mut stage = Stage::new();
    tree(&mut stage, 40);
    let before = stage.world.steps.len();
    stage.run("terminate root");
    assert_eq!(stage.world.engine.open_runs(), 0);
    let steps = &stage.world.steps[before..];
    assert!(steps.len() > 1, "it takes more than one step, but took {steps:?}");
    // An errand is at most the end of a run, what its task leaves behind, and the word that it is done.
    let most = ERRANDS_PER_STEP_MAX * 3 + 1;
    assert!(steps.iter().all(|records| *records <= most), "at most {most} records a step: {steps:?}");
}

#[test]
fn a_power_cut_while_a_tree_is_taken_down_leaves_nobody_behind() {
    let mut stage = Stage::new();
    tree(&mut stage, 40);
    let Stage { world, .. } = &mut stage;
    let ticket = Ticket(0);
    let request = Request::TerminateWorkflowExecution(TerminateWorkflow {
        namespace: Namespace::new("default").expect("a namespace"),
        workflow_id: WorkflowId::new("root").expect("a workflow id"),
        run_id: None,
        first_execution_run_id: None,
        reason: String::from("enough"),
        details: Payloads::new(),
        identity: String::from("alice"),
    });
    world.step(|engine, step| engine.handle(step, Input::Request { ticket, request }));
    let left = world.engine.open_runs();
    assert!(left > 0, "the first step is not all of it");
    world.crash();
    assert_eq!(world.engine.open_runs(), left);
    world.wait(Duration::ZERO);
    assert_eq!(world.engine.open_runs(), 0);
}
