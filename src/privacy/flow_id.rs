//! Other numbers for Flows.
//!
//! `flowId` counts Flows from the start of the run: it tells in which order they began, whatever is
//! left of the times, and it is the same in what another target gets as it is.

use std::fmt;

use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
};
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

    pub(super) fn permuted(&self, id: u64) -> u64 {
        let mut number = id;
        self.0.encrypt_with_backend(Rounds { number: &mut number });
        number
    }
}

/// All rounds at once: to make the cipher ready takes longer than a round.
struct Rounds<'a> {
    number: &'a mut u64,
}

impl BlockSizeUser for Rounds<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Rounds<'_> {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the number")]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let (mut left, mut right) = ((*self.number >> 32) as u32, *self.number as u32);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ function(backend, round, right));
        }
        *self.number = u64::from(left) << 32 | u64::from(right);
    }
}

/// What a round adds to one half, by the other.
#[inline(always)]
fn function<B: BlockCipherEncBackend<BlockSize = U16>>(backend: &B, round: u8, half: u32) -> u32 {
    let input = u128::from(round) << 120 | u128::from(half) << 88;
    let mut block = Block::from(input.to_be_bytes());
    backend.encrypt_block_inplace(&mut block);
    block.iter().take(4).fold(0, |number, &octet| number << 8 | u32::from(octet))
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
