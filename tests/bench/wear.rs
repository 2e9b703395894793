//! Bytes the disk writes for a reading, at group sizes from one to thousands, beside a file that grows by the same rows.
//!
//! The disk's own counter is read, so nothing else may write to it: give a folder on a disk of its own.

use std::time::Duration;

use anyhow::ensure;

use crate::Bench;
use crate::figures::Sheet;
use crate::ingest::{Reckoning, all_stored, started};
use crate::machine::Disk;
use crate::publisher::{self, Form, Load};
use crate::raw;

/// How readings come, in words and in figures.
const FEEDS: [(&str, Feed); 4] = [
    ("one every 2 ms", Feed::Live { together: 1, pause: Duration::from_millis(2), messages: 2_000 }),
    ("20 every 10 ms", Feed::Live { together: 20, pause: Duration::from_millis(10), messages: 20_000 }),
    ("200 every 20 ms", Feed::Live { together: 200, pause: Duration::from_millis(20), messages: 100_000 }),
    ("from the broker's queue", Feed::Queued { messages: 400_000 }),
];
/// Groups appended for comparison.
const RAW_GROUPS: u32 = 200;

#[derive(Debug, Clone, Copy)]
enum Feed {
    /// To an agent that runs, so many together and then a pause.
    Live { together: u64, pause: Duration, messages: u64 },
    /// To the broker, while the agent is away.
    Queued { messages: u64 },
}

/// Measures and prints.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<()> {
    let disk = Disk::of(bench.path())?;
    for (words, feed) in FEEDS {
        let mut sheet = Sheet::default();
        for _ in 0..bench.rounds {
            round(bench, &disk, feed, &mut sheet)?;
        }
        sheet.print(&format!("flash bytes, readings {words}"));
    }
    Ok(())
}

fn round(bench: &Bench, disk: &Disk, feed: Feed, sheet: &mut Sheet) -> anyhow::Result<()> {
    let site = bench.site("wear", &[])?;
    // Nobody answers at the other end: what the uplink writes of its progress would count, too.
    site.link.cut();
    let broker = site.start_broker()?;
    let mut agent = started(&site)?;
    let quiet = disk.written()?;
    std::thread::sleep(Duration::from_secs(1));
    let noise = disk.written()? - quiet;
    ensure!(noise < 1_000_000, "the disk is not quiet: {noise} bytes in a second");

    let (messages, pace) = match feed {
        Feed::Live { together, pause, messages } => (messages, Some((together, pause))),
        Feed::Queued { messages } => (messages, None),
    };
    let load = Load { form: Form::Ours, session: 1, messages, pace };
    // The counts of an agent that was started again begin at nothing.
    let (before, commits_before, row_bytes_before) = match feed {
        Feed::Live { .. } => {
            let from = Reckoning::of(&site, &agent, &broker)?;
            let before = disk.written()?;
            publisher::finish(publisher::start(&site, load))?;
            (before, from.commits, from.row_bytes)
        }
        Feed::Queued { .. } => {
            agent.stop(Duration::from_secs(10))?;
            publisher::finish(publisher::start(&site, load))?;
            let before = disk.written()?;
            agent = site.start_agent()?;
            (before, 0, 0)
        }
    };
    all_stored(&site, messages)?;
    let written = (disk.written()? - before) as f64;
    let to = Reckoning::of(&site, &agent, &broker)?;

    let readings = messages as f64;
    let commits = (to.commits - commits_before) as f64;
    let row_bytes = (to.row_bytes - row_bytes_before) as f64;
    let payload: usize = (0..messages).map(|number| load.form.message(1, number).1.len()).sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of one group")]
    let group_bytes = (row_bytes / commits) as usize;
    let before = disk.written()?;
    raw::groups_per_second(&site.folder, group_bytes, RAW_GROUPS)?;
    let raw_group = (disk.written()? - before) as f64 / f64::from(RAW_GROUPS);

    sheet.take("readings in a commit", readings / commits);
    sheet.take("payload bytes a reading", payload as f64 / readings);
    sheet.take("row bytes a reading", row_bytes / readings);
    sheet.take("disk bytes a reading", written / readings);
    sheet.take("disk bytes a payload byte", written / payload as f64);
    sheet.take("disk bytes a commit", written / commits);
    sheet.take("raw append of the row, disk bytes", raw_group);
    sheet.take("ratio to raw", written / commits / raw_group);
    drop((agent, broker));
    bench.clear("wear")
}
