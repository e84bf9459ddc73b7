//! Other numbers for Flows.
//!
//! `flowId` counts Flows from the start of the run: it tells in which order they began, whatever is
//! left of the times, and it is the same in what another target gets as it is.

use std::fmt;

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Block};

use crate::key_file::SecretKey;

/// A permutation of all numbers of 64 bits: a Feistel network whose rounds are AES-128 (Luby and
/// Rackoff 1988: four are enough).
pub(super) struct FlowIds(Aes128);

impl FlowIds {
    /// The permutation for a key, and for what else may tell two of them apart.
    pub(super) fn new(key: &SecretKey, about: &[u8]) -> Self {
        let mut derived = zeroize::Zeroizing::new([0; 16]);
        key.derive(b"flowtap flowId", &[about], derived.as_mut_slice());
        Self(Aes128::new_from_slice(derived.as_slice()).expect("sixteen octets"))
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the number")]
    pub(super) fn permuted(&self, id: u64) -> u64 {
        let (mut left, mut right) = ((id >> 32) as u32, id as u32);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.round(round, right));
        }
        u64::from(left) << 32 | u64::from(right)
    }

    fn round(&self, round: u8, half: u32) -> u32 {
        let mut block = Block::default();
        for (octet, input) in block.iter_mut().zip([round].into_iter().chain(half.to_be_bytes())) {
            *octet = input;
        }
        self.0.encrypt_block(&mut block);
        block.iter().take(4).fold(0, |number, &octet| number << 8 | u32::from(octet))
    }
}

impl fmt::Debug for FlowIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlowIds(..)")
    }
}

const ROUNDS: u8 = 4;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_flow_keeps_one_number_that_no_other_has() {
        let key = SecretKey::of([9; 32]);
        let ids = FlowIds::new(&key, b"");
        let first = 1_700_000_000_000_000_000;
        let permuted: Vec<_> = (first..first + 10_000).map(|id| ids.permuted(id)).collect();
        assert_eq!(permuted.iter().collect::<HashSet<_>>().len(), permuted.len());
        assert_eq!(FlowIds::new(&key, b"").permuted(first), permuted[0]);
        assert_ne!(FlowIds::new(&key, b"later").permuted(first), permuted[0]);
        // The order is gone: about every second one is less than the one before.
        let down = permuted.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert!((4_500..5_500).contains(&down), "{down}");
    }
}
