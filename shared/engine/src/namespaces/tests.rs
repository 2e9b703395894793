//! The rules of namespaces.

use std::time::Duration;

use super::*;
use crate::record::NamespaceRecord;

fn name(text: &str) -> Namespace {
    Namespace::new(text).expect("a name")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn register(namespaces: &mut Namespaces, text: &str) -> Result<NamespaceInfo, Refusal> {
    let id = NamespaceId::from_u128(7);
    let info = namespaces.check_register(name(text), id, NamespaceChange::default(), at(1))?;
    namespaces.put(info.clone());
    Ok(info)
}

fn wrong(outcome: Result<NamespaceInfo, Refusal>) -> String {
    match outcome {
        Err(Refusal::InvalidArgument(message)) => message,
        other => panic!("{other:?} is no mistake of the caller"),
    }
}

#[test]
fn there_is_a_default_namespace_from_the_beginning() {
    let namespaces = Namespaces::default();
    let default = &namespaces.get(&name(DEFAULT)).expect("it is there").info;
    assert_eq!(default.retention, None, "it keeps closed runs as long as the host is set to");
    let message = wrong(namespaces.check_delete(&name(DEFAULT), at(1)));
    assert_eq!(message, "the namespace default cannot be deleted: there is always one");
}

#[test]
fn a_namespace_is_registered_once() {
    let mut namespaces = Namespaces::default();
    assert_eq!(namespaces.get(&name("ward")), Err(Refusal::NamespaceNotFound(name("ward"))));
    let info = register(&mut namespaces, "ward").expect("it is new");
    assert_eq!(namespaces.get(&name("ward")).map(|entry| &entry.info), Ok(&info));
    assert_eq!(register(&mut namespaces, "ward"), Err(Refusal::NamespaceAlreadyExists(name("ward"))));
    let listed: Vec<&str> = namespaces.listed(None).map(|entry| entry.info.name.as_str()).collect();
    assert_eq!(listed, ["default", "ward"]);
    assert_eq!(namespaces.listed(Some(&name("default"))).count(), 1);
}

#[test]
fn an_update_changes_what_it_names_and_nothing_else() {
    let mut namespaces = Namespaces::default();
    let before = register(&mut namespaces, "ward").expect("it is new");
    let change = NamespaceChange {
        description: Some(String::from("beds")),
        data: BTreeMap::from([(String::from("a"), String::from("1"))]),
        ..NamespaceChange::default()
    };
    let info = namespaces.check_update(&name("ward"), change, at(5)).expect("it is there");
    namespaces.put(info);
    let change = NamespaceChange {
        data: BTreeMap::from([(String::from("b"), String::from("2"))]),
        retention: Some(Duration::from_secs(7_200)),
        state: Some(NamespaceState::Deprecated),
        ..NamespaceChange::default()
    };
    let after = namespaces.check_update(&name("ward"), change, at(6)).expect("it is there");
    let data = [("a", "1"), ("b", "2")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let expected = NamespaceInfo {
        description: String::from("beds"),
        data: BTreeMap::from(data),
        retention: Some(Duration::from_secs(7_200)),
        state: NamespaceState::Deprecated,
        updated: at(6),
        ..before
    };
    assert_eq!(after, expected);
    namespaces.put(after);
    for (state, reason) in [
        (NamespaceState::Registered, "a deprecated namespace stays deprecated."),
        (NamespaceState::Deleted, "a namespace is deleted with DeleteNamespace."),
    ] {
        let change = NamespaceChange { state: Some(state), ..NamespaceChange::default() };
        let message = wrong(namespaces.check_update(&name("ward"), change, at(7)));
        assert_eq!(message, format!("Invalid namespace state update: {reason}"));
    }
}

#[test]
fn an_update_keeps_the_search_attributes() {
    let mut namespaces = Namespaces::default();
    let kinds = BTreeMap::from([(String::from("a"), crate::request::IndexedValueType::Int)]);
    let info = register(&mut namespaces, "ward").expect("it is new");
    let added = NamespaceRecord::AttributesAdded { namespace: name("ward"), attributes: kinds.clone() };
    namespaces.apply(&added);
    namespaces.put(info);
    assert_eq!(namespaces.get(&name("ward")).expect("it is there").attributes.custom(), &kinds);
}

#[test]
fn a_deleted_namespace_is_gone_and_its_name_is_free_when_its_runs_are() {
    let mut namespaces = Namespaces::default();
    register(&mut namespaces, "ward").expect("it is new");
    let deleted = namespaces.check_delete(&name("ward"), at(9)).expect("it is there");
    namespaces.put(deleted);
    assert_eq!(namespaces.get(&name("ward")), Err(Refusal::NamespaceNotFound(name("ward"))));
    assert_eq!(namespaces.listed(None).count(), 1);
    assert_eq!(namespaces.deleted().count(), 1);
    assert!(matches!(register(&mut namespaces, "ward"), Err(Refusal::FailedPrecondition(_))));
    namespaces.apply(&NamespaceRecord::Forgotten { name: name("ward") });
    assert!(register(&mut namespaces, "ward").is_ok());
}

#[test]
fn retention_and_data_are_bounded() {
    let namespaces = Namespaces::default();
    let update = |change: NamespaceChange| namespaces.check_update(&name(DEFAULT), change, at(1));
    let retention = |seconds: u64| NamespaceChange {
        retention: Some(Duration::from_secs(seconds)),
        ..NamespaceChange::default()
    };
    assert!(update(retention(RETENTION_SECONDS_MIN)).is_ok());
    assert!(update(retention(DURATION_SECONDS_MAX)).is_ok());
    for seconds in [0, RETENTION_SECONDS_MIN - 1, DURATION_SECONDS_MAX + 1] {
        let message = wrong(update(retention(seconds)));
        assert!(message.starts_with("A valid retention period is not set on request"), "{message}");
    }
    let described =
        |bytes: usize| NamespaceChange { description: Some("x".repeat(bytes)), ..NamespaceChange::default() };
    assert!(update(described(NAMESPACE_DATA_BYTES_MAX)).is_ok());
    assert!(wrong(update(described(NAMESPACE_DATA_BYTES_MAX + 1))).contains("NAMESPACE_DATA_BYTES_MAX"));
}

#[test]
fn namespaces_are_bounded_in_number() {
    let mut namespaces = Namespaces::default();
    for number in 1..NAMESPACES_MAX {
        register(&mut namespaces, &format!("n{number}")).expect("there is room");
    }
    match register(&mut namespaces, "one-more") {
        Err(Refusal::ResourceExhausted { limit: "NAMESPACES_MAX", .. }) => {}
        other => panic!("{other:?}"),
    }
}
