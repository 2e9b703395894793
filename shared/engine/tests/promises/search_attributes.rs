//! What runs are found by.

use std::collections::BTreeMap;

use tidegate_engine::{Command, IndexedValueType, Refusal, Reply, Request};
use tidegate_model::event::{Event, WorkflowTaskFailedCause};
use tidegate_model::payload::Header;

use crate::scene::{Scene, header, json, namespace, start};

const DEFAULT: &str = "default";

fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.add_attributes(
        DEFAULT,
        &[
            ("Ward", IndexedValueType::Keyword),
            ("Tags", IndexedValueType::KeywordList),
            ("Note", IndexedValueType::Text),
            ("Beds", IndexedValueType::Int),
        ],
    );
    scene
}

fn values(attributes: &Header) -> BTreeMap<&str, &str> {
    attributes
        .iter()
        .map(|(name, payload)| {
            (name.as_str(), std::str::from_utf8(&payload.data).expect("the values are texts"))
        })
        .collect()
}

fn upsert(entries: &[(&str, &str)]) -> Command {
    Command::UpsertWorkflowSearchAttributes { search_attributes: header(entries) }
}

#[test]
fn rule_45_an_unknown_attribute_is_refused_at_a_start() {
    let mut scene = scene();
    let check = |scene: &mut Scene, entries: &[(&str, &str)], message: &str| {
        let mut wanted = start(DEFAULT, "w");
        wanted.search_attributes = header(entries);
        assert_eq!(scene.try_start(wanted), Err(Refusal::InvalidArgument(message.to_owned())));
    };
    check(
        &mut scene,
        &[("Wards", "\"a\"")],
        "no mapping defined for search attribute Wards; did you mean Ward?",
    );
    check(
        &mut scene,
        &[("Beds", "\"twelve\"")],
        "invalid value for search attribute Beds of type Int: \"twelve\" is not a JSON number without a fraction, \
         of 64 bits",
    );
    check(&mut scene, &[("RunId", "\"a\"")], "RunId attribute can't be set in SearchAttributes");
    assert_eq!(scene.list(DEFAULT, ""), "");
}

#[test]
fn rule_45_an_unknown_attribute_fails_the_workflow_task_that_upserts_it() {
    let mut scene = scene();
    let run_id = scene.start(DEFAULT, "w");
    let refusal = scene.command(DEFAULT, "w", upsert(&[("Ward", "\"a\""), ("Floor", "1")]));
    let message = "BadSearchAttributes: no mapping defined for search attribute Floor";
    assert_eq!(refusal, Err(Refusal::InvalidArgument(message.to_owned())));
    let failed = scene.world.histories[&run_id].iter().flat_map(|batch| &batch.events).any(|event| {
        matches!(event, Event::WorkflowTaskFailed { cause: WorkflowTaskFailedCause::BadSearchAttributes, .. })
    });
    assert!(failed, "the workflow task fails");
    let described = scene.describe(DEFAULT, "w", None).expect("it goes on");
    assert!(described.summary.search_attributes.is_empty(), "nothing of the command is done");
}

#[test]
fn rule_45_attributes_are_set_changed_and_taken_away() {
    let mut scene = scene();
    let mut wanted = start(DEFAULT, "w");
    wanted.search_attributes =
        header(&[("Ward", "\"west\""), ("Tags", "[\"a\",\"b\"]"), ("Note", "[]"), ("Beds", "[4]")]);
    let run_id = scene.try_start(wanted).expect("all is known");
    let shown = |scene: &mut Scene| {
        let described = scene.describe(DEFAULT, "w", Some(run_id)).expect("it is there");
        described.summary.search_attributes
    };
    let at_first = shown(&mut scene);
    assert_eq!(
        values(&at_first),
        BTreeMap::from([("Ward", "\"west\""), ("Tags", "[\"a\",\"b\"]"), ("Beds", "[4]")])
    );
    for (name, kind) in [("Ward", "Keyword"), ("Tags", "KeywordList"), ("Beds", "Int")] {
        assert_eq!(
            at_first[name].metadata["type"].as_slice(),
            kind.as_bytes(),
            "an SDK knows it by its type"
        );
    }
    assert_eq!(scene.list(DEFAULT, "Ward = 'west' AND Tags = 'b' AND Beds = 4 AND Note IS NULL"), "w");

    let changes = upsert(&[("Ward", "\"east\""), ("Tags", "null"), ("Note", "\"all quiet\"")]);
    assert_eq!(scene.command(DEFAULT, "w", changes), Ok(Reply::Done));
    let changed = BTreeMap::from([("Ward", "\"east\""), ("Note", "\"all quiet\""), ("Beds", "[4]")]);
    assert_eq!(values(&shown(&mut scene)), changed);
    assert_eq!(scene.list(DEFAULT, "Ward = 'west' OR Tags IN ('a', 'b')"), "");
    scene.signal(DEFAULT, "w");
    scene.finish(DEFAULT, "w");
    scene.world.crash();
    assert_eq!(values(&shown(&mut scene)), changed, "a closed run is found by what it had");
    assert_eq!(scene.list(DEFAULT, "Note = 'quiet' AND ExecutionStatus = 'Completed'"), "w");
}

#[test]
fn the_memo_is_changed_by_the_workflow() {
    let mut scene = scene();
    let mut wanted = start(DEFAULT, "w");
    wanted.memo = header(&[("a", "1"), ("b", "2")]);
    scene.try_start(wanted).expect("a start");
    let modify = Command::ModifyWorkflowProperties { upserted_memo: header(&[("a", "null"), ("c", "3")]) };
    assert_eq!(scene.command(DEFAULT, "w", modify), Ok(Reply::Done));
    scene.world.crash();
    let described = scene.describe(DEFAULT, "w", None).expect("it is there");
    assert_eq!(described.summary.memo, header(&[("b", "2"), ("c", "3")]));
}

#[test]
fn a_command_that_names_nothing_is_a_bad_one() {
    let mut scene = scene();
    scene.start(DEFAULT, "w");
    let refusal = scene.command(DEFAULT, "w", upsert(&[]));
    let message = "BadSearchAttributes: the command names no search attribute";
    assert_eq!(refusal, Err(Refusal::InvalidArgument(message.to_owned())));
    let modify = Command::ModifyWorkflowProperties { upserted_memo: Header::new() };
    let refusal = scene.command(DEFAULT, "w", modify);
    let message = "BadModifyWorkflowPropertiesAttributes: the command names no entry of the memo";
    assert_eq!(refusal, Err(Refusal::InvalidArgument(message.to_owned())));
}

#[test]
fn attributes_are_listed_with_those_of_the_system() {
    let mut scene = scene();
    let list = Request::ListSearchAttributes { namespace: namespace(DEFAULT) };
    let Ok(Reply::SearchAttributes { custom, system }) = scene.ask(list) else { panic!("a list") };
    let names: Vec<&str> = custom.keys().map(String::as_str).collect();
    assert_eq!(names, ["Beds", "Note", "Tags", "Ward"]);
    for name in ["WorkflowId", "ExecutionStatus", "TemporalScheduledById", "BuildIds"] {
        assert!(system.contains_key(name), "{name}");
    }
}

#[test]
fn adding_attributes_again_changes_nothing_and_leaves_no_record() {
    let mut scene = scene();
    let records = scene.world.records.len();
    scene.add_attributes(DEFAULT, &[("Ward", IndexedValueType::Keyword)]);
    assert_eq!(scene.world.records.len(), records);
    scene.world.crash();
    assert_eq!(scene.list(DEFAULT, "Ward IS NULL"), "", "the attribute is known after a crash");
}

#[test]
fn a_removed_attribute_is_unknown_until_it_comes_back() {
    let mut scene = scene();
    let mut wanted = start(DEFAULT, "w");
    wanted.search_attributes = Header::from([(String::from("Ward"), json("\"west\""))]);
    scene.try_start(wanted.clone()).expect("it is known");
    let remove = Request::RemoveSearchAttributes {
        namespace: namespace(DEFAULT),
        names: vec![String::from("Ward"), String::from("Never")],
    };
    assert_eq!(scene.ask(remove), Ok(Reply::Done));
    let refusal = scene.page(Some(DEFAULT), "Ward = 'west'", 10, None);
    assert!(matches!(refusal, Err(Refusal::InvalidArgument(_))), "{refusal:?}");
    assert!(matches!(scene.try_start(wanted), Err(Refusal::InvalidArgument(_))));
    scene.add_attributes(DEFAULT, &[("Ward", IndexedValueType::Keyword)]);
    assert_eq!(scene.list(DEFAULT, "Ward = 'west'"), "w");
}

#[test]
fn attributes_of_one_namespace_are_unknown_in_another() {
    let mut scene = scene();
    scene.register("hall", None);
    let mut wanted = start("hall", "w");
    wanted.search_attributes = header(&[("Ward", "\"west\"")]);
    assert!(matches!(scene.try_start(wanted), Err(Refusal::InvalidArgument(_))));
    scene.add_attributes("hall", &[("Ward", IndexedValueType::Int)]);
    let mut wanted = start("hall", "w");
    wanted.search_attributes = header(&[("Ward", "7")]);
    scene.try_start(wanted).expect("there it is a number");
    assert_eq!(scene.list("hall", "Ward > 6"), "w");
    assert_eq!(scene.list(DEFAULT, "Ward = 'west'"), "");
}
