//! The time of events.

use std::time::Duration;

use tidegate_model::time::Timestamp;

use crate::script::Stage;

/// Of all batches of a run, in order.
fn times(stage: &Stage, run: &str) -> Vec<Timestamp> {
    stage.world.histories[&stage.run_id(run)].iter().map(|batch| batch.event_time).collect()
}

#[test]
fn rule_47_event_time_never_goes_back_within_a_run_though_the_hosts_time_does() {
    let mut stage = Stage::new();
    for line in ["start w run-timeout=60s", "poll q", "complete w: timer t 20s", "wait 10s", "signal w a"] {
        stage.run(line);
    }
    stage.world.now = stage.world.now - Duration::from_secs(8);
    for line in ["signal w b", "ask-cancel w", "wait 10s", "poll q", "complete w: finish"] {
        stage.run(line);
    }
    let times = times(&stage, "w");
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(times[3], times[4], "what happened in the time that was set back bears the last time seen");
}

#[test]
fn rule_47_a_run_that_follows_begins_no_earlier_than_the_one_before_it_ended() {
    let mut stage = Stage::new();
    for line in ["start w", "wait 5s", "poll q"] {
        stage.run(line);
    }
    stage.world.now = stage.world.now - Duration::from_secs(3);
    stage.run("complete w: again");
    stage.run("name second w");
    let (ended, began) = (times(&stage, "w"), times(&stage, "second"));
    assert!(ended.last() <= began.first(), "{ended:?} {began:?}");
}
