//! The bridge is away for longer than a batch holds, and the link goes at any moment.

use anyhow::ensure;
use tidegate_model::limits;

#[test]
fn a_backlog_of_many_batches_drains_completely_and_in_order() {
    crate::run(&[], |site| {
        let _broker = site.start_broker()?;
        let _agent = site.start_agent()?;
        // Each commit is a record, so a backlog of more readings than a batch holds records is one of many batches
        // only if commits are small: the sensor is slow enough for that.
        let count = (limits::BATCH_RECORDS_MAX * 4).to_string();
        let sensor = site.start_sensor(&["--rate", "700", "--count", &count])?;
        let report = crate::outlast(sensor)?;
        ensure!(site.readings_in_the_cloud() == 0, "there is no bridge yet");
        let _bridge = site.start_bridge()?;
        crate::drained(site)?;
        let detail = site.agent("/v1/status")?["uplink_detail"].clone();
        ensure!(detail["batches"].as_u64() > Some(1), "more than one batch: {detail}");
        crate::check_exactly_once(site, &[report])
    });
}

#[test]
fn a_link_that_is_cut_again_and_again_loses_nothing_and_doubles_nothing() {
    crate::run(&[], |site| {
        let _broker = site.start_broker()?;
        let _bridge = site.start_bridge()?;
        let _agent = site.start_agent()?;
        let sensor = site.start_sensor(&["--rate", "400"])?;
        for cut in 0..12_u64 {
            std::thread::sleep(std::time::Duration::from_millis(150 + 37 * cut));
            site.link.cut();
            std::thread::sleep(std::time::Duration::from_millis(120));
            site.link.mend();
        }
        let report = crate::finish(sensor)?;
        crate::drained(site)?;
        crate::check_exactly_once(site, &[report])
    });
}
