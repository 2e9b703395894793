//! Describe, list, count, and how long closed runs are remembered.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use tidegate_engine::{
    Command, Engine, PendingActivityState, QueryRejectCondition, QueryWorkflow, Refusal, Reply, Request,
    RunStatus, ScheduleActivity, Settings, WorkflowQuery,
};
use tidegate_model::event::Event;
use tidegate_model::id::RunId;
use tidegate_model::limits::LIST_RUNS_MAX;
use tidegate_model::payload::Failure;

use crate::scene::{Scene, header, names, namespace, start, workflow_id};
use crate::script::check;

const DEFAULT: &str = "default";

#[test]
fn open_runs_are_listed_before_closed_ones_the_newest_first() {
    check(
        "
        > start a
        started
        > wait 1s
        > start b
        started
        > wait 1s
        > start c
        started
        > wait 1s
        > start d
        started
        > poll q
        alice: task of a, attempt 1, whole 1-3
        > poll q
        alice: task of b, attempt 1, whole 1-3
        > complete b: finish
        ok
        > wait 1s
        > complete a: fail oops
        ok
        > list
        d Running, c Running, a Failed, b Completed
        > crash
        > list
        d Running, c Running, a Failed, b Completed
        > list 3
        d Running, c Running, a Failed
        ",
    );
}

#[test]
fn a_run_is_described_open_and_closed() {
    check(
        "
        > describe w
        not found: workflow execution not found: w
        > start w
        started
        > describe w
        Running, 2 events, 0 activities, 0 timers, task attempt 1
        > poll q
        alice: task of w, attempt 1, whole 1-3
        > complete w: activity a; timer t 1m
        ok
        > describe w
        Running, 6 events, 1 activities, 1 timers, task attempt 0
        > signal w stop
        signaled, event 7
        > poll q
        alice: task of w, attempt 1, whole 1-9
        > complete w: finish
        ok
        > describe w
        Completed, 11 events, 0 activities, 0 timers, task attempt 0
        ",
    );
}

#[test]
fn a_description_says_how_the_run_was_started_and_what_it_waits_for() {
    let mut scene = Scene::new();
    let mut wanted = start(DEFAULT, "w");
    wanted.workflow_run_timeout = Some(Duration::from_secs(600));
    wanted.workflow_task_timeout = Some(Duration::from_secs(7));
    wanted.request_id = String::from("r");
    wanted.memo = header(&[("site", "\"north\""), ("nothing", "null")]);
    let run_id = scene.try_start(wanted).expect("a start");
    let described = scene.describe(DEFAULT, "w", None).expect("it is there");
    assert_eq!(described.summary.memo, header(&[("site", "\"north\"")]));
    assert_eq!(described.summary.first_run_id, run_id);
    assert_eq!(described.workflow_run_timeout, Some(Duration::from_secs(600)));
    assert_eq!(described.workflow_task_timeout, Duration::from_secs(7));
    assert_eq!(described.start_request_id, "r");
    assert_eq!(described.pending_workflow_task, Some((scene.world.now, None)));

    let scheduled = scene.world.now;
    scene.wait(1);
    let activity = ScheduleActivity::new("a", "measure", Duration::from_secs(30));
    assert_eq!(scene.command(DEFAULT, "w", Command::ScheduleActivityTask(activity)), Ok(Reply::Done));
    let described = scene.describe(DEFAULT, "w", Some(run_id)).expect("it is there");
    assert_eq!(described.pending_workflow_task, None);
    let [pending] = &described.pending_activities[..] else { panic!("one activity is open") };
    assert_eq!((pending.activity_id.as_str(), pending.activity_type.as_str()), ("a", "measure"));
    assert_eq!((pending.state, pending.attempt), (PendingActivityState::Scheduled, 1));
    assert_eq!(pending.scheduled_time, scheduled + Duration::from_secs(1));
    assert_eq!(pending.last_started_time, None);

    scene.signal(DEFAULT, "w");
    scene.finish(DEFAULT, "w");
    scene.world.crash();
    let described = scene.describe(DEFAULT, "w", None).expect("it is remembered");
    assert_eq!(described.workflow_run_timeout, Some(Duration::from_secs(600)));
    assert_eq!(described.workflow_task_timeout, Duration::from_secs(7));
    assert_eq!(described.start_request_id, "r");
    assert_eq!(described.summary.memo, header(&[("site", "\"north\"")]));
    assert!(described.pending_activities.is_empty());
}

#[test]
fn each_closed_run_of_an_id_is_described_by_its_run_id() {
    let mut scene = Scene::new();
    let first = scene.run(DEFAULT, "w");
    let second = scene.run(DEFAULT, "w");
    let third = scene.start(DEFAULT, "w");
    let status = |scene: &mut Scene, run_id: Option<RunId>| {
        scene
            .describe(DEFAULT, "w", run_id)
            .map(|described| (described.summary.run_id, described.summary.status))
    };
    assert_eq!(status(&mut scene, None), Ok((third, RunStatus::Running)));
    assert_eq!(status(&mut scene, Some(first)), Ok((first, RunStatus::Completed)));
    assert_eq!(status(&mut scene, Some(second)), Ok((second, RunStatus::Completed)));
    scene.finish(DEFAULT, "w");
    assert_eq!(status(&mut scene, None), Ok((third, RunStatus::Completed)));
    assert!(matches!(status(&mut scene, Some(RunId::from_u128(1))), Err(Refusal::NotFound(_))));
}

#[test]
fn rule_43_a_list_is_never_behind() {
    let mut scene = Scene::new();
    let (running, completed) = ("ExecutionStatus = 'Running'", "ExecutionStatus = 'Completed'");
    assert_eq!(scene.list(DEFAULT, running), "");
    scene.start(DEFAULT, "w");
    assert_eq!((scene.list(DEFAULT, running), scene.list(DEFAULT, completed)), ("w".into(), String::new()));
    scene.finish(DEFAULT, "w");
    assert_eq!((scene.list(DEFAULT, running), scene.list(DEFAULT, completed)), (String::new(), "w".into()));
}

#[test]
fn rule_44_open_runs_come_first_then_the_last_to_close_then_the_last_to_start() {
    let mut scene = Scene::new();
    for workflow in ["a", "b", "c", "d", "e"] {
        scene.start(DEFAULT, workflow);
        scene.wait(1);
    }
    scene.finish(DEFAULT, "d");
    scene.finish(DEFAULT, "b");
    scene.wait(1);
    scene.finish(DEFAULT, "a");
    assert_eq!(scene.list(DEFAULT, ""), "e c a d b");
    let (runs, _) = scene.page(Some(DEFAULT), "", 10, None).expect("a list");
    for run in &runs {
        assert_eq!(run.execution_time, run.start_time, "nothing held up its first task");
        assert_eq!(
            run.close_time.is_none(),
            run.status == RunStatus::Running,
            "an open run has no close time"
        );
    }
}

#[test]
fn a_filter_finds_runs_by_what_they_are() {
    let mut scene = Scene::new();
    for (workflow, closes) in [("ward/bed-1", true), ("ward/bed-2", false), ("hall/lamp", false)] {
        scene.start(DEFAULT, workflow);
        if closes {
            scene.wait(90);
            scene.finish(DEFAULT, workflow);
        }
        scene.wait(1);
    }
    for (query, found) in [
        ("WorkflowId = 'ward/bed-1'", "ward/bed-1"),
        ("WorkflowId = 'ward/bed-1' AND ExecutionStatus = 'Running'", ""),
        ("WorkflowId = 'nobody'", ""),
        ("WorkflowId STARTS_WITH 'ward/'", "ward/bed-2 ward/bed-1"),
        ("WorkflowType = 'watch' AND NOT WorkflowId = 'hall/lamp'", "ward/bed-2 ward/bed-1"),
        ("CloseTime IS NULL", "hall/lamp ward/bed-2"),
        ("ExecutionDuration >= '1m30s' AND ExecutionDuration < '91s'", "ward/bed-1"),
        ("StartTime > '2026-01-01T00:01:00Z'", "hall/lamp ward/bed-2"),
        ("HistoryLength > 2", "ward/bed-1"),
        ("TaskQueue IN ('hall/lamp', 'ward/bed-1')", "hall/lamp ward/bed-1"),
    ] {
        assert_eq!(scene.list(DEFAULT, query), found, "{query}");
    }
    for run in ["ward/bed-2", "ward/bed-1"] {
        let run_id = scene.describe(DEFAULT, run, None).expect("it is there").summary.run_id;
        assert_eq!(scene.list(DEFAULT, &format!("RunId = '{run_id}'")), run);
        assert_eq!(scene.list(DEFAULT, &format!("RootRunId = '{run_id}'")), run);
    }
}

#[test]
fn runs_are_counted_altogether_and_by_status() {
    let mut scene = Scene::new();
    for number in 0..3 {
        scene.run(DEFAULT, &format!("done-{number}"));
    }
    scene.start(DEFAULT, "failing");
    let failure = Failure::application("oops", "Oops", true);
    assert!(scene.command(DEFAULT, "failing", Command::FailWorkflowExecution { failure }).is_ok());
    scene.start(DEFAULT, "open");
    assert_eq!(scene.count(DEFAULT, ""), "5");
    assert_eq!(scene.count(DEFAULT, "GROUP BY ExecutionStatus"), "5: Completed 3, Failed 1, Running 1");
    assert_eq!(
        scene.count(DEFAULT, "WorkflowId STARTS_WITH 'done' GROUP BY ExecutionStatus"),
        "3: Completed 3"
    );
    assert_eq!(scene.count(DEFAULT, "ExecutionStatus != 'Completed'"), "2");
    assert_eq!(scene.count(DEFAULT, "WorkflowId = 'nobody' GROUP BY ExecutionStatus"), "0");
}

#[test]
fn a_query_that_makes_no_sense_is_refused_with_its_place() {
    let mut scene = Scene::new();
    let refusal = scene.page(Some(DEFAULT), "WorkflowID = 'a'", 10, None).expect_err("there is no such name");
    let message = "invalid query: column name 'WorkflowID' is not a valid search attribute; did you mean \
                   WorkflowId? (at character 1)";
    assert_eq!(refusal, Refusal::InvalidArgument(message.to_owned()));
    let query = String::from("StartTime > 1 ORDER BY StartTime");
    let refusal = scene.ask(Request::CountWorkflowExecutions { namespace: namespace(DEFAULT), query });
    let message = "invalid query: operation is not supported: 'ORDER BY' clause (at character 15)";
    assert_eq!(refusal, Err(Refusal::InvalidArgument(message.to_owned())));
}

#[test]
fn pages_follow_each_other_and_the_last_one_says_so() {
    let mut scene = Scene::new();
    for number in 0..7 {
        scene.run(DEFAULT, &format!("w{number}"));
        scene.wait(1);
    }
    let mut pages = Vec::new();
    let mut token = None;
    loop {
        let (runs, next) = scene.page(Some(DEFAULT), "WorkflowId != 'w3'", 2, token).expect("a page");
        pages.push(names(&runs));
        // What was handed out before a crash is understood after it.
        scene.world.crash();
        let Some(next) = next else { break };
        token = Some(next);
    }
    assert_eq!(pages, ["w6 w5", "w4 w2", "w1 w0"]);
}

#[test]
fn a_page_has_at_least_one_run_and_at_most_as_many_as_there_may_be() {
    let mut scene = Scene::new();
    scene.world.is_crowded = true;
    for number in 0..=LIST_RUNS_MAX {
        scene.start(DEFAULT, &format!("w{number}"));
    }
    let mut page = |size: usize| scene.page(Some(DEFAULT), "", size, None).expect("a page").0.len();
    assert_eq!((page(0), page(5), page(usize::MAX)), (1, 5, LIST_RUNS_MAX));
}

#[test]
fn runs_of_all_namespaces_are_listed_in_one_order() {
    let mut scene = Scene::new();
    scene.register("ward", None);
    scene.register("hall", None);
    for (number, name) in ["ward", "hall", DEFAULT, "ward", "hall"].into_iter().enumerate() {
        scene.start(name, &format!("w{number}"));
        if number % 2 == 0 {
            scene.finish(name, &format!("w{number}"));
        }
        scene.wait(1);
    }
    let (runs, next) = scene.page(None, "", 3, None).expect("a page");
    assert_eq!(names(&runs), "w3 w1 w4");
    let (runs, next) = scene.page(None, "", 3, next).expect("the next page");
    assert_eq!((names(&runs), next), ("w2 w0".into(), None));
}

#[test]
fn rule_39_retention_counts_from_the_close() {
    let mut scene = Scene::new();
    scene.register("short", Some(1));
    scene.start("short", "slow");
    scene.run("short", "quick");
    scene.run(DEFAULT, "w");
    scene.wait(1_800);
    scene.finish("short", "slow");
    scene.wait(1_799);
    assert_eq!(scene.list("short", ""), "slow quick");
    scene.wait(1);
    assert_eq!(scene.list("short", ""), "slow", "an hour after its close");
    assert!(matches!(scene.describe("short", "quick", None), Err(Refusal::NotFound(_))));
    assert_eq!(scene.list(DEFAULT, ""), "w", "another namespace has another retention");
    scene.world.power_off(Duration::from_secs(3 * 86_400));
    assert_eq!((scene.list("short", ""), scene.list(DEFAULT, "")), (String::new(), String::new()));
    assert_eq!(scene.world.engine.next_deadline(), None);
}

#[test]
fn a_shorter_retention_holds_for_what_has_closed_before() {
    let mut scene = Scene::new();
    scene.run(DEFAULT, "w");
    scene.wait(7_200);
    let change = tidegate_engine::NamespaceChange {
        retention: Some(Duration::from_secs(3_600)),
        ..tidegate_engine::NamespaceChange::default()
    };
    let reply = scene.ask(Request::UpdateNamespace { name: namespace(DEFAULT), change });
    assert!(reply.is_ok(), "{reply:?}");
    assert_eq!(scene.list(DEFAULT, ""), "");
}

#[test]
fn so_many_closed_runs_are_kept_as_the_host_is_set_to() {
    let mut scene = Scene::new();
    scene.world.engine =
        Engine::new().with_settings(Settings { closed_runs_kept_max: 2, ..Settings::default() });
    for workflow in ["a", "b", "c"] {
        scene.run(DEFAULT, workflow);
        scene.wait(1);
    }
    assert_eq!(scene.list(DEFAULT, ""), "c b");
    scene.start(DEFAULT, "d");
    assert_eq!(scene.list(DEFAULT, ""), "d c b", "an open run takes no place");
}

fn delete(scene: &mut Scene, workflow: &str, run_id: Option<RunId>) -> Result<Reply, Refusal> {
    let (namespace, workflow_id) = (namespace(DEFAULT), workflow_id(workflow));
    scene.ask(Request::DeleteWorkflowExecution { namespace, workflow_id, run_id })
}

#[test]
fn an_open_run_that_is_deleted_is_terminated_and_gone() {
    let mut scene = Scene::new();
    let run_id = scene.start(DEFAULT, "w");
    scene.take_task(DEFAULT, "w");
    assert_eq!(delete(&mut scene, "w", None), Ok(Reply::Done));
    let last = scene.world.histories[&run_id].last().and_then(|batch| batch.events.last());
    assert!(matches!(last, Some(Event::WorkflowExecutionTerminated { .. })), "{last:?}");
    assert_eq!((scene.list(DEFAULT, ""), scene.count(DEFAULT, "")), (String::new(), "0".into()));
    assert!(matches!(scene.describe(DEFAULT, "w", Some(run_id)), Err(Refusal::NotFound(_))));
    assert!(matches!(delete(&mut scene, "w", None), Err(Refusal::NotFound(_))));
    assert_eq!(scene.world.engine.next_deadline(), None, "nothing of it is left");
}

/// A query that no worker has been asked, on its queue or on its way to the next workflow task.
#[test]
fn a_query_that_waits_when_its_run_is_deleted_is_refused_at_once() {
    for has_task in [false, true] {
        let mut scene = Scene::new();
        scene.start(DEFAULT, "w");
        let nothing = Command::ModifyWorkflowProperties { upserted_memo: header(&[("note", "1")]) };
        assert_eq!(scene.command(DEFAULT, "w", nothing), Ok(Reply::Done));
        if has_task {
            scene.signal(DEFAULT, "w");
        }
        let (asked, replies) = scene.world.request(Request::QueryWorkflow(Box::new(QueryWorkflow {
            namespace: namespace(DEFAULT),
            workflow_id: workflow_id("w"),
            run_id: None,
            query: WorkflowQuery {
                query_type: String::from("status"),
                args: Vec::new(),
                header: header(&[]),
            },
            reject_condition: QueryRejectCondition::None,
        })));
        assert_eq!(replies, [], "it waits");
        let (_, replies) = scene.world.request(Request::DeleteWorkflowExecution {
            namespace: namespace(DEFAULT),
            workflow_id: workflow_id("w"),
            run_id: None,
        });
        let answer = replies.iter().find(|(ticket, _)| *ticket == asked).map(|(_, answer)| answer);
        assert!(matches!(answer, Some(Err(Refusal::NotFound(_)))), "{answer:?}");
        assert_eq!(scene.world.engine.next_deadline(), None, "nothing of it is left");
    }
}

#[test]
fn one_closed_run_is_deleted_and_the_others_of_its_id_stay() {
    let mut scene = Scene::new();
    let first = scene.run(DEFAULT, "w");
    let second = scene.run(DEFAULT, "w");
    let third = scene.run(DEFAULT, "w");
    assert_eq!(delete(&mut scene, "w", Some(second)), Ok(Reply::Done));
    let runs = |scene: &mut Scene| -> BTreeSet<RunId> {
        let (runs, _) = scene.page(Some(DEFAULT), "WorkflowId = 'w'", 10, None).expect("a page");
        runs.iter().map(|run| run.run_id).collect()
    };
    assert_eq!(runs(&mut scene), BTreeSet::from([first, third]));
    assert_eq!(delete(&mut scene, "w", None), Ok(Reply::Done), "the last to have closed");
    assert_eq!(runs(&mut scene), BTreeSet::from([first]));
}

/// Something that happens while a list is read page by page.
#[derive(Debug, Clone)]
enum Meanwhile {
    Nothing,
    Start,
    /// One of those that started meanwhile.
    Close(u8),
    Crash,
}

fn meanwhile() -> impl Strategy<Value = Meanwhile> {
    prop_oneof![
        1 => Just(Meanwhile::Nothing),
        3 => Just(Meanwhile::Start),
        2 => (0..8_u8).prop_map(Meanwhile::Close),
        1 => Just(Meanwhile::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// What was there when the list began, and does not change, is on exactly one page.
    #[test]
    fn a_list_is_whole_whatever_starts_and_closes_between_its_pages(
        open in 0..6_usize,
        closed in 0..6_usize,
        page_size in 1..4_usize,
        meanwhile in prop::collection::vec((meanwhile(), 0..2_u64), 8),
    ) {
        let mut scene = Scene::new();
        for number in 0..closed {
            scene.run(DEFAULT, &format!("closed-{number}"));
        }
        for number in 0..open {
            scene.start(DEFAULT, &format!("open-{number}"));
        }
        let there: Vec<RunId> =
            scene.page(Some(DEFAULT), "", 100, None).expect("a page").0.iter().map(|run| run.run_id).collect();
        let mut started = Vec::new();
        let mut seen = Vec::new();
        let mut token = None;
        for (happening, seconds) in meanwhile.iter().cycle().take(100) {
            let (runs, next) = scene.page(Some(DEFAULT), "", page_size, token).expect("a page");
            seen.extend(runs.iter().map(|run| run.run_id).filter(|run_id| there.contains(run_id)));
            token = next;
            if token.is_none() {
                break;
            }
            scene.wait(*seconds);
            match happening {
                Meanwhile::Nothing => {}
                Meanwhile::Start => {
                    let workflow = format!("new-{}", started.len());
                    scene.start(DEFAULT, &workflow);
                    started.push(Some(workflow));
                }
                Meanwhile::Close(which) => {
                    let taken = started.get_mut(usize::from(*which)).and_then(Option::take);
                    if let Some(workflow) = taken {
                        scene.finish(DEFAULT, &workflow);
                    }
                }
                Meanwhile::Crash => scene.world.crash(),
            }
        }
        prop_assert_eq!(seen, there);
    }
}
