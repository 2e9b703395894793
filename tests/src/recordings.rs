//! Recorded data of others, which is not part of the repository: `TIDEGATE_RECORDINGS`, or `../shared/data` beside it.

use std::path::{Path, PathBuf};

/// A recording by its path below the folder of recordings (`vitals/ward-s00001.jsonl`). `None`, with a line that says
/// so, where it is not there.
///
/// # Panics
/// In CI, where a recording that is missing would be a test that cannot fail.
#[must_use]
#[expect(clippy::print_stderr, reason = "whoever reads the test's output must see that it did not run")]
pub fn recording(path: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let file = std::env::var_os("TIDEGATE_RECORDINGS").map_or_else(beside, PathBuf::from).join(path);
    if file.exists() {
        return Some(file);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing; set TIDEGATE_RECORDINGS", file.display());
    eprintln!("skipped: {} is not there", file.display());
    None
}
