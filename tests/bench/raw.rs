//! The least that durable can cost: a file that grows by one write and one fdatasync for each group.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// Groups a second when each is `bytes` long.
pub(crate) fn groups_per_second(folder: &Path, bytes: usize, groups: u32) -> anyhow::Result<f64> {
    let path = folder.join("raw");
    let mut file = File::create(&path)?;
    let group = noise(bytes);
    let since = Instant::now();
    for _ in 0..groups {
        file.write_all(&group)?;
        file.sync_data()?;
    }
    let took = since.elapsed().as_secs_f64();
    fs::remove_file(&path)?;
    Ok(f64::from(groups) / took)
}

/// Bytes that no layer below can make fewer.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state: u64 = 0x853C_49E6_748F_EA9B;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..bytes).map(step).collect()
}
