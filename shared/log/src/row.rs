//! Rows: what one group commit puts on disk, byte for byte as docs/storage.md says.

use tidegate_model::lane::Chain;

/// How far a lane has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneHead {
    /// Number of the next item; the first is 1.
    pub next: u64,
    /// The chain after the last record.
    pub chain: Chain,
}
