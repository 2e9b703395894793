//! Requests that arrive twice, late, or in another order than they were sent; and answers that never arrive.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::ensure;

#[test]
fn whole_conversations_sent_again_in_reverse_change_nothing() {
    crate::run(&[], |site| {
        let _broker = site.start_broker()?;
        let _bridge = site.start_bridge()?;
        site.link.record();
        let _agent = site.start_agent()?;
        let first = crate::outlast(site.start_sensor(&["--rate", "500", "--count", "500"])?)?;
        crate::drained(site)?;

        let recorded = site.link.recorded();
        ensure!(recorded.len() > 1, "the agent holds several connections");
        let mut answered = 0;
        for conversation in recorded.iter().rev() {
            let mut stream = TcpStream::connect(site.devices_address())?;
            stream.set_read_timeout(Some(Duration::from_millis(300)))?;
            stream.write_all(conversation)?;
            // A long poll among them holds its answer; what counts is what the bridge makes of the batches.
            let mut answers = Vec::new();
            drop(stream.read_to_end(&mut answers));
            answered += usize::from(!answers.is_empty());
        }
        ensure!(answered > 0, "the bridge answers");
        crate::check_exactly_once(site, std::slice::from_ref(&first))?;
        let second = crate::outlast(site.start_sensor(&["--rate", "500", "--count", "500"])?)?;
        crate::drained(site)?;
        crate::check_exactly_once(site, &[first, second])
    });
}

#[test]
fn a_batch_whose_answer_was_lost_is_sent_again_and_counted_once() {
    crate::run(&[], |site| {
        let _broker = site.start_broker()?;
        let _bridge = site.start_bridge()?;
        let _agent = site.start_agent()?;
        let sensor = site.start_sensor(&["--rate", "300"])?;
        crate::until("readings flow", || Ok(site.readings_in_the_cloud() > 50))?;
        for _ in 0..8 {
            site.link.lose_answers(true);
            std::thread::sleep(Duration::from_millis(250));
            site.link.lose_answers(false);
            std::thread::sleep(Duration::from_millis(250));
        }
        let report = crate::finish(sensor)?;
        crate::drained(site)?;
        let lane = site.lane("samples")?;
        ensure!(lane["duplicates_skipped"].as_u64() > Some(0), "some batch came twice: {lane}");
        crate::check_exactly_once(site, &[report])
    });
}
