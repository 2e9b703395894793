//! Namespaces and what keeps them apart.

use tidegate_engine::{
    Engine, Input, NamespaceChange, NamespaceInfo, NamespaceRef, NamespaceState, Refusal, Reply, Request,
    RunStatus, Settings, Ticket,
};
use tidegate_model::event::Event;
use tidegate_model::id::{NamespaceId, TaskQueue};
use tidegate_model::limits::DEADLINES_PER_GROUP_MAX;
use tidegate_model::payload::{Header, Payloads};

use crate::scene::{Scene, namespace, start, workflow_id};

const DEFAULT: &str = "default";

fn described(scene: &mut Scene, which: NamespaceRef) -> Result<NamespaceInfo, Refusal> {
    let reply = scene.ask(Request::DescribeNamespace(which))?;
    let Reply::Namespace(info) = reply else { panic!("{reply:?} to a describe") };
    Ok(*info)
}

fn by_name(name: &str) -> NamespaceRef {
    NamespaceRef::Name(namespace(name))
}

#[test]
fn rule_48_two_namespaces_may_hold_the_same_workflow_id() {
    let mut scene = Scene::new();
    scene.register("ward", None);
    let ours = scene.start(DEFAULT, "w");
    let theirs = scene.start("ward", "w");
    assert_ne!(ours, theirs);
    scene.finish("ward", "w");
    let status = |scene: &mut Scene, name: &str| {
        let described = scene.describe(name, "w", None).expect("each has one");
        (described.summary.run_id, described.summary.status)
    };
    assert_eq!(status(&mut scene, DEFAULT), (ours, RunStatus::Running));
    assert_eq!(status(&mut scene, "ward"), (theirs, RunStatus::Completed));
    assert!(matches!(scene.describe(DEFAULT, "w", Some(theirs)), Err(Refusal::NotFound(_))));
    assert!(matches!(scene.describe("ward", "w", Some(ours)), Err(Refusal::NotFound(_))));
    assert_eq!((scene.list(DEFAULT, ""), scene.count("ward", "")), ("w".into(), "1".into()));
    scene.world.crash();
    assert_eq!(status(&mut scene, DEFAULT), (ours, RunStatus::Running));
    assert_eq!(status(&mut scene, "ward"), (theirs, RunStatus::Completed));
}

#[test]
fn a_request_in_a_namespace_nobody_registered_is_refused() {
    let mut scene = Scene::new();
    let (nowhere, workflow_id) = (namespace("nowhere"), workflow_id("w"));
    let task_queue = TaskQueue::new("q").expect("a queue");
    let requests = [
        Request::StartWorkflowExecution(start("nowhere", "w")),
        Request::SignalWorkflowExecution {
            namespace: nowhere.clone(),
            workflow_id: workflow_id.clone(),
            run_id: None,
            signal_name: String::from("go"),
            input: Payloads::new(),
            identity: String::new(),
            request_id: String::new(),
            header: Header::new(),
        },
        Request::PollWorkflowTaskQueue {
            namespace: nowhere.clone(),
            task_queue: task_queue.clone(),
            identity: String::new(),
            worker_instance_key: String::new(),
        },
        Request::PollActivityTaskQueue {
            namespace: nowhere.clone(),
            task_queue,
            identity: String::new(),
            worker_instance_key: String::new(),
        },
        Request::DescribeWorkflowExecution {
            namespace: nowhere.clone(),
            workflow_id: workflow_id.clone(),
            run_id: None,
        },
        Request::DeleteWorkflowExecution { namespace: nowhere.clone(), workflow_id, run_id: None },
        Request::CountWorkflowExecutions { namespace: nowhere.clone(), query: String::new() },
        Request::ListSearchAttributes { namespace: nowhere.clone() },
        Request::DescribeNamespace(by_name("nowhere")),
        Request::UpdateNamespace { name: nowhere.clone(), change: NamespaceChange::default() },
        Request::DeleteNamespace(by_name("nowhere")),
    ];
    for request in requests {
        let refusal = scene.ask(request.clone());
        assert_eq!(refusal, Err(Refusal::NamespaceNotFound(nowhere.clone())), "{request:?}");
    }
    let refusal = scene.page(Some("nowhere"), "", 10, None);
    assert_eq!(refusal, Err(Refusal::NamespaceNotFound(nowhere)));
    assert!(scene.world.records.is_empty());
}

#[test]
fn a_namespace_is_registered_described_updated_and_listed() {
    let mut scene = Scene::new();
    scene.register("ward", Some(24));
    let info = described(&mut scene, by_name("ward")).expect("it is there");
    assert_eq!((info.state, info.created), (NamespaceState::Registered, scene.world.now));
    assert_eq!(info.retention.map(|retention| retention.as_secs()), Some(86_400));
    assert_eq!(described(&mut scene, NamespaceRef::Id(info.id)), Ok(info.clone()));
    let nobody = described(&mut scene, NamespaceRef::Id(NamespaceId::from_u128(99)));
    assert!(matches!(nobody, Err(Refusal::NotFound(_))), "{nobody:?}");
    let wanted = NamespaceChange::default();
    let again = scene.ask(Request::RegisterNamespace { name: namespace("ward"), wanted });
    assert_eq!(again, Err(Refusal::NamespaceAlreadyExists(namespace("ward"))));

    scene.wait(5);
    let change = NamespaceChange { description: Some(String::from("beds")), ..NamespaceChange::default() };
    let reply = scene.ask(Request::UpdateNamespace { name: namespace("ward"), change });
    let expected = NamespaceInfo { description: String::from("beds"), updated: scene.world.now, ..info };
    assert_eq!(reply, Ok(Reply::Namespace(Box::new(expected.clone()))));
    scene.world.crash();
    assert_eq!(described(&mut scene, by_name("ward")), Ok(expected));
    let retention = described(&mut scene, by_name(DEFAULT)).expect("there always is one").retention;
    assert_eq!(retention.map(|retention| retention.as_secs()), Some(3 * 86_400), "as the host is set");
}

#[test]
fn namespaces_are_listed_by_name_page_by_page() {
    let mut scene = Scene::new();
    for name in ["hall", "ward", "attic"] {
        scene.register(name, None);
    }
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let Ok(Reply::Namespaces { namespaces, next }) =
            scene.ask(Request::ListNamespaces { page_size: 3, after })
        else {
            panic!("a list")
        };
        pages.push(namespaces.iter().map(|info| info.name.to_string()).collect::<Vec<_>>().join(" "));
        let Some(next) = next else { break };
        after = Some(next);
    }
    assert_eq!(pages, ["attic default hall", "ward"]);
}

#[test]
fn a_deleted_namespace_takes_its_runs_with_it_and_leaves_its_name() {
    let mut scene = Scene::new();
    scene.register("ward", None);
    let before = described(&mut scene, by_name("ward")).expect("it is there").id;
    let open = scene.start("ward", "open");
    scene.run("ward", "closed");
    scene.start(DEFAULT, "open");
    let reply = scene.ask(Request::DeleteNamespace(by_name("ward")));
    assert!(matches!(reply, Ok(Reply::Namespace(_))), "{reply:?}");
    assert!(matches!(described(&mut scene, by_name("ward")), Err(Refusal::NamespaceNotFound(_))));
    let last = scene.world.histories[&open].last().and_then(|batch| batch.events.last());
    assert!(matches!(last, Some(Event::WorkflowExecutionTerminated { .. })), "{last:?}");
    assert_eq!(scene.list(DEFAULT, ""), "open", "another namespace is left alone");

    scene.register("ward", None);
    assert_ne!(described(&mut scene, by_name("ward")).expect("it is there").id, before);
    assert_eq!(scene.list("ward", ""), "");
    let refusal = scene.ask(Request::DeleteNamespace(by_name(DEFAULT)));
    assert!(matches!(refusal, Err(Refusal::InvalidArgument(_))), "{refusal:?}");
}

#[test]
fn the_runs_of_a_deleted_namespace_go_by_and_by_also_over_a_crash() {
    let mut scene = Scene::new();
    scene.world.is_crowded = true;
    scene.register("ward", None);
    for number in 0..=DEADLINES_PER_GROUP_MAX {
        scene.start("ward", &format!("w{number}"));
    }
    // The request alone, without what is due after it.
    let request = Request::DeleteNamespace(by_name("ward"));
    let ticket = Ticket(1_000_000);
    scene.world.step(|engine, step| engine.handle(step, Input::Request { ticket, request }));
    assert_eq!(scene.world.engine.open_runs(), DEADLINES_PER_GROUP_MAX + 1);
    scene.world.crash();
    let wanted = NamespaceChange::default();
    let request = Request::RegisterNamespace { name: namespace("ward"), wanted: wanted.clone() };
    let mut refused = None;
    scene.world.step(|engine, step| {
        engine.handle(step, Input::Request { ticket, request });
        engine.handle_deadline(step);
        refused = step.effects.pop();
    });
    let refused = format!("{refused:?}");
    assert!(refused.contains("namespace ward is being deleted"), "{refused}");
    assert_eq!(scene.world.engine.open_runs(), 1, "a group's worth has gone");
    scene.world.crash();
    scene.wait(1);
    assert_eq!(scene.world.engine.open_runs(), 0);
    assert_eq!(scene.world.engine.next_deadline(), None);
    scene.register("ward", None);
}

#[test]
fn a_description_says_what_the_host_bounds_and_stores_none_of_it() {
    let mut scene = Scene::new();
    scene.world.engine =
        Engine::new().with_settings(Settings { payload_bytes_max: 100, ..Settings::default() });
    scene.register("ward", None);
    for name in [DEFAULT, "ward"] {
        let limit = described(&mut scene, by_name(name)).expect("it is there").payload_bytes_max;
        assert_eq!(limit, Some(100), "{name}");
    }
    // A host that is set otherwise does not hear the old one.
    scene.world.crash();
    let limit = described(&mut scene, by_name("ward")).expect("it is there").payload_bytes_max;
    assert_eq!(limit, Some(Settings::default().payload_bytes_max));
}
