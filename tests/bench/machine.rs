//! What the kernel says of a process and of a disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// Memory a process takes, in bytes: proportional set size, where a page that several share counts in parts.
pub(crate) fn pss(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let kib: u64 = text
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("{path} names no Pss"))?;
    Ok(kib * 1024)
}

/// Processor time a process has taken, in seconds, to the kernel's hundredth.
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    // The name in parentheses may hold anything; user and system time are the 12th and 13th field after it.
    let (_, rest) = text.rsplit_once(')').with_context(|| format!("{path} has another form"))?;
    let ticks: Vec<f64> =
        rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    ensure!(ticks.len() == 2, "{path} has another form");
    Ok((ticks[0] + ticks[1]) / 100.0)
}

/// The disk a folder lies on.
#[derive(Debug)]
pub(crate) struct Disk {
    stat: PathBuf,
}

impl Disk {
    /// Finds it.
    pub(crate) fn of(folder: &Path) -> anyhow::Result<Self> {
        let device = fs::metadata(folder)?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let stat = PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat"));
        ensure!(stat.is_file(), "{} lies on no block device ({major}:{minor})", folder.display());
        Ok(Self { stat })
    }

    /// Bytes written to it since the system started, after everything that waits has been written.
    pub(crate) fn written(&self) -> anyhow::Result<u64> {
        ensure!(Command::new("sync").status()?.success(), "sync failed");
        let text = fs::read_to_string(&self.stat)?;
        let sectors: u64 = text
            .split_whitespace()
            .nth(6)
            .and_then(|field| field.parse().ok())
            .with_context(|| format!("{} has another form", self.stat.display()))?;
        // The kernel counts in sectors of 512 bytes, whatever the disk's own are.
        Ok(sectors * 512)
    }
}

/// Bytes of the disk a folder's files take.
pub(crate) fn allocated(folder: &Path) -> anyhow::Result<u64> {
    let mut blocks = 0;
    for entry in fs::read_dir(folder)? {
        let known = entry?.metadata()?;
        if known.is_file() {
            blocks += known.blocks();
        }
    }
    Ok(blocks * 512)
}

/// Empties the page cache, so that the next start reads from the disk. Says whether it was allowed.
pub(crate) fn drop_caches() -> anyhow::Result<bool> {
    ensure!(Command::new("sync").status()?.success(), "sync failed");
    Ok(fs::write("/proc/sys/vm/drop_caches", "3").is_ok())
}
