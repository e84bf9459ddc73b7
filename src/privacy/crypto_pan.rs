//! Crypto-PAn: which bits of an address change (Xu, Fan, Ammar, Moon: "Prefix-Preserving IP Address
//! Anonymization", ICNP 2002).
//!
//! Whether a bit is inverted is a secret function of the bits before it. So two addresses share as
//! many leading bits after as before, and no two become one.

use std::fmt;
use std::ops::Range;

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Block};
use zeroize::Zeroizing;

use crate::key_file::KEY_LENGTH;
use crate::privacy::network::prefix_mask;

/// The secret function: AES-128 under the first half of a key, of a prefix that is filled up with
/// bits of a pad, which is the second half encrypted.
pub(super) struct CryptoPan {
    cipher: Aes128,
    pad: Zeroizing<u128>,
}

impl CryptoPan {
    pub(super) fn new(key: &[u8; KEY_LENGTH]) -> Self {
        let (cipher_key, pad) = key.split_at(KEY_LENGTH / 2);
        let cipher = Aes128::new_from_slice(cipher_key).expect("half of 32 octets are 16");
        let mut block = Block::default();
        block.copy_from_slice(pad);
        cipher.encrypt_block(&mut block);
        Self { cipher, pad: Zeroizing::new(u128::from_be_bytes(block.into())) }
    }

    /// Those of these bits of `address` that are inverted; bit 0 is the highest, and of an IPv4
    /// address the 32 highest count.
    pub(super) fn flips(&self, address: u128, bits: Range<u32>) -> u128 {
        // Of each block the bits that are known, and the pad behind them.
        let difference = address ^ *self.pad;
        let mut known = prefix_mask(bits.start);
        let mut flips = 0;
        let mut blocks = [Block::default(); AT_ONCE];
        let mut left = bits.len();
        while left > 0 {
            let blocks = blocks.get_mut(..left.min(AT_ONCE)).unwrap_or_default();
            for block in &mut *blocks {
                *block = (*self.pad ^ difference & known).to_be_bytes().into();
                known = known >> 1 | prefix_mask(1);
            }
            // Side by side: one after the other they take several times as long.
            self.cipher.encrypt_blocks(blocks);
            for block in &*blocks {
                flips = flips << 1 | u128::from(block.first().copied().unwrap_or_default() >> 7);
            }
            left -= blocks.len();
        }
        flips.checked_shl(u128::BITS - bits.end).unwrap_or(0)
    }
}

impl fmt::Debug for CryptoPan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CryptoPan(..)")
    }
}

/// Blocks that are encrypted side by side: as many as processors with the widest registers take.
const AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    /// The key of the sample that comes with the authors' own program.
    const SAMPLE_KEY: [u8; 32] = [
        21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16, 216, 152, 143, 131,
        121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2,
    ];

    /// Addresses of its `sample_trace_raw.dat` and `sample_trace_sanitized.dat`.
    const SAMPLE: [[&str; 2]; 24] = [
        ["128.11.68.132", "135.242.180.132"],
        ["129.118.74.4", "134.136.186.123"],
        ["130.132.252.244", "133.68.164.234"],
        ["141.223.7.43", "141.167.8.160"],
        ["141.233.145.108", "141.129.237.235"],
        ["152.163.225.39", "151.140.114.167"],
        ["156.29.3.236", "147.225.12.42"],
        ["165.247.96.84", "162.9.99.234"],
        ["166.107.77.190", "160.132.178.185"],
        ["192.102.249.13", "252.138.62.131"],
        ["192.215.32.125", "252.43.47.189"],
        ["193.150.244.223", "253.169.52.216"],
        ["195.205.63.100", "255.186.223.5"],
        ["198.200.171.101", "249.199.68.213"],
        ["207.33.151.131", "241.1.233.131"],
        ["209.85.249.6", "226.170.70.6"],
        ["216.35.217.178", "235.195.157.81"],
        ["24.0.250.221", "100.15.198.226"],
        ["24.94.26.44", "100.88.228.35"],
        ["38.15.67.68", "64.3.66.187"],
        ["4.3.88.225", "124.60.155.63"],
        ["63.97.7.140", "95.97.9.123"],
        ["64.39.15.238", "0.219.7.41"],
        ["10.185.25.118", "117.161.29.118"],
    ];

    #[test]
    fn ipv4_addresses_become_what_the_authors_program_makes_of_them() {
        let function = CryptoPan::new(&SAMPLE_KEY);
        for [address, pseudonym] in SAMPLE {
            assert_eq!(v4(&function, address), pseudonym, "{address}");
        }
        // That of the Python package yacryptopan.
        let function = CryptoPan::new(b"32-char-str-for-AES-key-and-pad.");
        assert_eq!(v4(&function, "192.0.2.1"), "192.0.125.244");
    }

    #[test]
    fn ipv6_addresses_become_what_other_programs_make_of_them() {
        // Those of the Go package cryptopan.
        let function = CryptoPan::new(&SAMPLE_KEY);
        for [address, pseudonym] in [
            ["::1", "78ff:f001:9fc0:20df:8380:b1f1:704:ed"],
            ["::2", "78ff:f001:9fc0:20df:8380:b1f1:704:ef"],
            ["::ffff", "78ff:f001:9fc0:20df:8380:b1f1:704:f838"],
            ["2001:db8::1", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e"],
            ["2001:db8::2", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1c"],
        ] {
            assert_eq!(v6(&function, address), pseudonym, "{address}");
        }
        let function = CryptoPan::new(b"32-char-str-for-AES-key-and-pad.");
        assert_eq!(v6(&function, "2001:db8::1"), "27fe:8bc7:fee:1e:1e1f:f0fe:f0e1:83fd");
    }

    #[test]
    fn parts_make_the_whole() {
        let function = CryptoPan::new(&SAMPLE_KEY);
        let address = 0x2001_0db8_1234_5678_9abc_def0_1122_3344;
        let whole = function.flips(address, 0..128);
        for cut in [0, 1, 7, 8, 9, 16, 48, 64, 127, 128] {
            let parts = function.flips(address, 0..cut) | function.flips(address, cut..128);
            assert_eq!(parts, whole, "{cut}");
            assert_eq!(function.flips(address, 0..cut) & !prefix_mask(cut), 0);
        }
    }

    fn v4(function: &CryptoPan, address: &str) -> String {
        let bits = u128::from(address.parse::<Ipv4Addr>().unwrap().to_bits()) << 96;
        let [a, b, c, d, ..] = (bits ^ function.flips(bits, 0..32)).to_be_bytes();
        Ipv4Addr::new(a, b, c, d).to_string()
    }

    fn v6(function: &CryptoPan, address: &str) -> String {
        let bits = address.parse::<Ipv6Addr>().unwrap().to_bits();
        Ipv6Addr::from_bits(bits ^ function.flips(bits, 0..128)).to_string()
    }
}
