//! Random programs of starts, closes, deletions, namespaces and time, against the obviously right version: a list of
//! runs that is searched from one end to the other.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tidegate_engine::{Command, NamespaceChange, NamespaceRef, Refusal, Reply, Request, RunStatus, Settings};
use tidegate_model::id::RunId;
use tidegate_model::limits::RETENTION_SECONDS;
use tidegate_model::payload::Failure;
use tidegate_model::time::Timestamp;

use crate::scene::{Scene, namespace, workflow_id};

/// Small, so that it is reached.
const CLOSED_RUNS_KEPT: usize = 5;
const NAMESPACES: [&str; 3] = ["default", "ward", "hall"];

#[derive(Debug, Clone)]
enum Happening {
    Register {
        name: usize,
        hours: Option<u64>,
    },
    Retention {
        name: usize,
        hours: u64,
    },
    DeleteNamespace {
        name: usize,
    },
    Start {
        name: usize,
        workflow: u8,
    },
    Finish {
        name: usize,
        workflow: u8,
        fails: bool,
    },
    /// The open run, or the last to have closed.
    Delete {
        name: usize,
        workflow: u8,
    },
    Wait {
        seconds: u64,
    },
    PowerOff {
        hours: u64,
    },
    Crash,
}

fn happening() -> impl Strategy<Value = Happening> {
    let name = 0..NAMESPACES.len();
    prop_oneof![
        2 => (name.clone(), prop::option::of(1..4_u64))
            .prop_map(|(name, hours)| Happening::Register { name, hours }),
        1 => (name.clone(), 1..4_u64).prop_map(|(name, hours)| Happening::Retention { name, hours }),
        1 => name.clone().prop_map(|name| Happening::DeleteNamespace { name }),
        8 => (name.clone(), 0..3_u8).prop_map(|(name, workflow)| Happening::Start { name, workflow }),
        6 => (name.clone(), 0..3_u8, any::<bool>())
            .prop_map(|(name, workflow, fails)| Happening::Finish { name, workflow, fails }),
        2 => (name, 0..3_u8).prop_map(|(name, workflow)| Happening::Delete { name, workflow }),
        3 => (0..4_000_u64).prop_map(|seconds| Happening::Wait { seconds }),
        1 => (1..5_u64).prop_map(|hours| Happening::PowerOff { hours }),
        1 => Just(Happening::Crash),
    ]
}

/// A run, as whoever started it would note it down.
#[derive(Debug, Clone)]
struct Noted {
    name: usize,
    workflow: u8,
    run_id: RunId,
    start: Timestamp,
    close: Option<Timestamp>,
    status: RunStatus,
}

/// The obviously right version.
#[derive(Default)]
struct Model {
    /// Those there are, with their retention.
    namespaces: BTreeMap<usize, Duration>,
    /// In the order they started; `closed` has the order they closed.
    runs: Vec<Noted>,
    closed: Vec<RunId>,
}

impl Model {
    fn open(&mut self, name: usize, workflow: u8) -> Option<&mut Noted> {
        self.runs.iter_mut().find(|run| run.name == name && run.workflow == workflow && run.close.is_none())
    }

    fn last_closed(&self, name: usize, workflow: u8) -> Option<RunId> {
        let of = |run_id: &&RunId| {
            self.runs.iter().any(|run| run.run_id == **run_id && run.name == name && run.workflow == workflow)
        };
        self.closed.iter().rev().find(of).copied()
    }

    fn forget(&mut self, gone: impl Fn(&Noted) -> bool) {
        self.runs.retain(|run| !gone(run));
        let runs = &self.runs;
        self.closed.retain(|run_id| runs.iter().any(|run| run.run_id == *run_id));
    }

    /// What goes by itself.
    fn settle(&mut self, now: Timestamp) {
        let namespaces = self.namespaces.clone();
        self.forget(|run| match (run.close, namespaces.get(&run.name)) {
            (_, None) => true,
            (Some(close), Some(retention)) => close + *retention <= now,
            (None, Some(_)) => false,
        });
        while self.closed.len() > CLOSED_RUNS_KEPT {
            let first = self.closed[0];
            self.forget(|run| run.run_id == first);
        }
    }

    /// In the order of a list.
    fn listed(&self, name: usize) -> Vec<&Noted> {
        let mut runs: Vec<&Noted> = self.runs.iter().filter(|run| run.name == name).collect();
        runs.sort_by(|one, other| {
            let key = |run: &Noted| (run.close.unwrap_or(Timestamp::MAX), run.start);
            key(other).cmp(&key(one)).then(one.run_id.cmp(&other.run_id))
        });
        runs
    }
}

fn settings() -> Settings {
    Settings { closed_runs_kept_max: CLOSED_RUNS_KEPT, ..Settings::default() }
}

fn crash(scene: &mut Scene) {
    scene.world.crash();
    scene.world.engine = std::mem::take(&mut scene.world.engine).with_settings(settings());
}

fn workflow(number: u8) -> String {
    format!("w{number}")
}

fn happen(scene: &mut Scene, model: &mut Model, happening: &Happening) {
    match happening {
        Happening::Register { name, hours } => {
            let retention = hours.map(|hours| Duration::from_secs(hours * 3_600));
            let wanted = NamespaceChange { retention, ..NamespaceChange::default() };
            let reply = scene.ask(Request::RegisterNamespace { name: namespace(NAMESPACES[*name]), wanted });
            if model.namespaces.contains_key(name) {
                assert_eq!(reply, Err(Refusal::NamespaceAlreadyExists(namespace(NAMESPACES[*name]))));
            } else {
                assert!(reply.is_ok(), "{reply:?}");
                model.namespaces.insert(*name, retention.unwrap_or(Duration::from_secs(RETENTION_SECONDS)));
            }
        }
        Happening::Retention { name, hours } => {
            let retention = Duration::from_secs(hours * 3_600);
            let change = NamespaceChange { retention: Some(retention), ..NamespaceChange::default() };
            let reply = scene.ask(Request::UpdateNamespace { name: namespace(NAMESPACES[*name]), change });
            assert_eq!(reply.is_ok(), model.namespaces.contains_key(name));
            if let Some(known) = model.namespaces.get_mut(name) {
                *known = retention;
            }
        }
        Happening::DeleteNamespace { name } => {
            let which = NamespaceRef::Name(namespace(NAMESPACES[*name]));
            let reply = scene.ask(Request::DeleteNamespace(which));
            let is_there = model.namespaces.contains_key(name) && NAMESPACES[*name] != "default";
            assert_eq!(reply.is_ok(), is_there, "{reply:?}");
            if is_there {
                model.namespaces.remove(name);
            }
        }
        Happening::Start { name, workflow: number } => {
            let start = crate::scene::start(NAMESPACES[*name], &workflow(*number));
            let reply = scene.try_start(start);
            let is_free = model.open(*name, *number).is_none() && model.namespaces.contains_key(name);
            assert_eq!(reply.is_ok(), is_free, "{reply:?}");
            if let Ok(run_id) = reply {
                model.runs.push(Noted {
                    name: *name,
                    workflow: *number,
                    run_id,
                    start: scene.world.now,
                    close: None,
                    status: RunStatus::Running,
                });
            }
        }
        Happening::Finish { name, workflow: number, fails } => {
            let now = scene.world.now;
            let Some(run) = model.open(*name, *number) else { return };
            run.close = Some(now);
            run.status = if *fails { RunStatus::Failed } else { RunStatus::Completed };
            let run_id = run.run_id;
            model.closed.push(run_id);
            if *fails {
                let failure = Failure::application("oops", "Oops", true);
                let fail = Command::FailWorkflowExecution { failure };
                assert_eq!(scene.command(NAMESPACES[*name], &workflow(*number), fail), Ok(Reply::Done));
            } else {
                scene.finish(NAMESPACES[*name], &workflow(*number));
            }
        }
        Happening::Delete { name, workflow: number } => {
            let reply = scene.ask(Request::DeleteWorkflowExecution {
                namespace: namespace(NAMESPACES[*name]),
                workflow_id: workflow_id(&workflow(*number)),
                run_id: None,
            });
            let open = model.open(*name, *number).map(|run| run.run_id);
            let meant = open.or_else(|| model.last_closed(*name, *number));
            assert_eq!(reply.is_ok(), meant.is_some(), "{reply:?}");
            model.forget(|run| Some(run.run_id) == meant);
        }
        Happening::Wait { seconds } => scene.wait(*seconds),
        Happening::PowerOff { hours } => {
            scene.world.power_off(Duration::from_secs(hours * 3_600));
            crash(scene);
        }
        Happening::Crash => crash(scene),
    }
}

/// What everybody can see is what the model has.
fn compare(scene: &mut Scene, model: &Model) {
    // Questions leave no records, so there is nothing to hold against a second engine.
    scene.world.is_crowded = true;
    for (name, text) in NAMESPACES.iter().enumerate() {
        if !model.namespaces.contains_key(&name) {
            let refusal = scene.page(Some(text), "", 10, None);
            assert_eq!(refusal, Err(Refusal::NamespaceNotFound(namespace(text))));
            continue;
        }
        let expected = model.listed(name);
        let (runs, next) = scene.page(Some(text), "", 100, None).expect("the namespace is there");
        assert_eq!(next, None);
        let shown: Vec<_> =
            runs.iter().map(|run| (run.run_id, run.status, run.start_time, run.close_time)).collect();
        let noted: Vec<_> =
            expected.iter().map(|run| (run.run_id, run.status, run.start, run.close)).collect();
        assert_eq!(shown, noted);
        let failed = expected.iter().filter(|run| run.status == RunStatus::Failed).count();
        assert_eq!(scene.count(text, "ExecutionStatus = 'Failed'"), failed.to_string());
        for number in 0..3 {
            let of_id: Vec<RunId> =
                expected.iter().filter(|run| run.workflow == number).map(|run| run.run_id).collect();
            let query = format!("WorkflowId = '{}'", workflow(number));
            let (runs, _) = scene.page(Some(text), &query, 100, None).expect("the namespace is there");
            assert_eq!(runs.iter().map(|run| run.run_id).collect::<Vec<_>>(), of_id);
            assert_eq!(scene.count(text, &query), of_id.len().to_string());
            let described = scene.describe(text, &workflow(number), None);
            assert_eq!(described.is_ok(), !of_id.is_empty(), "{described:?}");
        }
    }
    scene.world.is_crowded = false;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_to_be_seen_is_what_has_happened(happenings in prop::collection::vec(happening(), 1..40)) {
        let mut scene = Scene::new();
        let mut model = Model::default();
        model.namespaces.insert(0, Duration::from_secs(RETENTION_SECONDS));
        crash(&mut scene);
        for happening in &happenings {
            happen(&mut scene, &mut model, happening);
            model.settle(scene.world.now);
            compare(&mut scene, &model);
        }
    }
}
