//! Chance as an argument: a small generator that the edge seeds and the deterministic modules draw from.

use crate::id::{NamespaceId, RunId};
use crate::time::Timestamp;

/// SplitMix64 (Steele, Lea, Flood 2014). For ids and jitter, never for secrets.
#[derive(Debug, Clone)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// The same seed draws the same numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number, uniform over all of them.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0. The bias is below 2⁻³² for the small bounds it is used with.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("a 64-bit number times a 64-bit number, shifted by 64, has 64 bits")
    }

    /// A fresh run id: UUID version 7 (RFC 9562 §5.7) of `now`, so that runs sort by their start.
    pub fn run_id(&mut self, now: Timestamp) -> RunId {
        let millis = u128::try_from(now.as_millis().max(0)).expect("not negative") & 0xffff_ffff_ffff;
        let random = (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64());
        let version = 0x7 << 76;
        let variant = 0b10 << 62;
        let random_bits = random & !(0xffff_ffff_ffff_u128 << 80) & !(0xf << 76) & !(0b11 << 62);
        RunId::from_u128((millis << 80) | version | variant | random_bits)
    }

    /// A fresh namespace id: UUID version 7 of `now`, as a run id is.
    pub fn namespace_id(&mut self, now: Timestamp) -> NamespaceId {
        NamespaceId::from_u128(self.run_id(now).as_u128())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_run_id_is_a_version_7_uuid_and_sorts_by_time() {
        let mut chance = Chance::new(7);
        let early = chance.run_id(Timestamp::from_micros(1_000_000));
        let late = chance.run_id(Timestamp::from_micros(2_000_000));
        assert!(early < late);
        let text = early.to_string();
        assert_eq!(text.as_bytes()[14], b'7');
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }
}
