//! Bytes the disk writes for a reading, at group sizes from one to a thousand.
//!
//! The disk's own counter is read, so nothing else may write to it: give a folder on a disk of its own.

use std::time::Duration;

use anyhow::ensure;

use crate::Bench;
use crate::figures::Sheet;
use crate::ingest::{Reckoning, all_stored, started};
use crate::machine::Disk;
use crate::publisher::{self, Form, Load};

/// Messages handed over together, the pause after them, and how many in all.
const PACES: [(u64, Duration, u64); 4] = [
    (1, Duration::from_millis(2), 2_000),
    (20, Duration::from_millis(10), 20_000),
    (200, Duration::from_millis(20), 100_000),
    (2_000, Duration::from_millis(50), 400_000),
];

/// Measures and prints.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<()> {
    let disk = Disk::of(bench.path())?;
    for (together, pause, messages) in PACES {
        let mut sheet = Sheet::default();
        for round in 0..bench.rounds {
            let name = format!("wear-{together}-{round}");
            let site = bench.site(&name, &[])?;
            site.link.cut();
            let broker = site.start_broker()?;
            let agent = started(&site)?;
            let quiet = disk.written()?;
            std::thread::sleep(Duration::from_secs(1));
            let before = disk.written()?;
            ensure!(
                before - quiet < 1_000_000,
                "the disk is not quiet: {} bytes in a second",
                before - quiet
            );
            let from = Reckoning::of(&site, &agent, &broker)?;
            let load = Load { form: Form::Ours, session: 1, messages, pace: Some((together, pause)) };
            publisher::finish(publisher::start(&site, load))?;
            all_stored(&site, messages)?;
            let written = disk.written()? - before;
            let to = Reckoning::of(&site, &agent, &broker)?;
            let readings = messages as f64;
            let payload: usize = (0..messages).map(|number| load.form.message(1, number).1.len()).sum();
            sheet.take("readings in a commit", readings / (to.commits - from.commits) as f64);
            sheet.take("payload bytes a reading", payload as f64 / readings);
            sheet.take("row bytes a reading", (to.row_bytes - from.row_bytes) as f64 / readings);
            sheet.take("disk bytes a reading", written as f64 / readings);
            sheet.take("disk bytes a payload byte", written as f64 / payload as f64);
            sheet.take("disk bytes a commit", written as f64 / (to.commits - from.commits) as f64);
            drop((agent, broker));
            bench.clear(&name)?;
        }
        sheet.print(&format!("flash bytes, {together} readings every {} ms", pause.as_millis()));
    }
    Ok(())
}
