//! Histories of former releases: what has run on gateways, kept to see that today's code still follows it.

// region: recorded
use tidegate::control::read_history;
use tidegate::worker::testkit;
use tidegate_model::id::Namespace;

use crate::device_saga::DeviceSaga;

#[test]
fn the_saga_of_release_1_is_still_followed() {
    // tidegate workflow show -w switch-over/1 --json > recorded/switch-over.json
    let namespace = Namespace::new("default").expect("a namespace by its form");
    let history =
        read_history(include_str!("recorded/switch-over.json"), &namespace).expect("it was exported");
    testkit::replay::<DeviceSaga>(&history).expect("a run of release 1 may be open on a gateway");
}
// endregion

#[test]
fn another_workflow_does_not_follow_it() {
    let namespace = Namespace::new("default").expect("a namespace by its form");
    let text = include_str!("recorded/switch-over.json").replace("operate", "move");
    let history = read_history(&text, &namespace).expect("it is a history");
    let fault = testkit::replay::<DeviceSaga>(&history).expect_err("another activity was asked for");
    assert!(fault.contains("event 5 of the history is activity move 1"), "{fault}");
}
