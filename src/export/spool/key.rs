//! The key of a spool, and the keys of its segments.

use std::fmt;
use std::io;
use std::path::Path;

use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::export::spool::error::SpoolError;
use crate::key_file::{KEY_LENGTH, SecretKey};

/// Octets of the salt of a segment.
pub(super) const SALT_LENGTH: usize = 32;
/// Octets by which a key knows its segments.
pub(super) const VERIFIER_LENGTH: usize = 16;
/// Octets that sealing adds to a record.
pub(super) const TAG_LENGTH: usize = 16;

/// What all segments of a spool are encrypted under.
#[derive(Debug)]
pub(super) struct Key(SecretKey);

impl Key {
    /// A key that ends with the process.
    pub(super) fn random() -> Result<Self, SpoolError> {
        Ok(Self(SecretKey::random()?))
    }

    /// The key in `path`, which is created if it is not there.
    pub(super) fn from_file(path: &Path) -> Result<Self, SpoolError> {
        Ok(Self(SecretKey::from_file(path)?))
    }

    /// The key of the segment with this salt and these words about itself, and the octets by which
    /// the segment is known to be under this key.
    ///
    /// Segments never share a key, so that the index of a record is enough for a nonce: it is used
    /// once in its segment, whatever crashed before (RFC 5869 for the derivation).
    pub(super) fn of_segment(&self, salt: &[u8; SALT_LENGTH], about: &[&[u8]]) -> SegmentKey {
        let mut derived = Zeroizing::new([0; KEY_LENGTH + VERIFIER_LENGTH]);
        self.0.derive(salt, about, derived.as_mut_slice());
        let (key, verifier) = derived.split_at(KEY_LENGTH);
        let key = UnboundKey::new(&aead::CHACHA20_POLY1305, key)
            .expect("the length of the key is that of the algorithm");
        let mut octets = [0; VERIFIER_LENGTH];
        octets.copy_from_slice(verifier);
        SegmentKey { key: LessSafeKey::new(key), verifier: octets }
    }
}

/// A salt for a new segment.
pub(super) fn salt() -> io::Result<[u8; SALT_LENGTH]> {
    let mut salt = [0; SALT_LENGTH];
    SystemRandom::new()
        .fill(&mut salt)
        .map_err(|_| io::Error::other("the system gave no random octets"))?;
    Ok(salt)
}

/// What one segment is encrypted under (ChaCha20-Poly1305, RFC 8439).
pub(super) struct SegmentKey {
    key: LessSafeKey,
    verifier: [u8; VERIFIER_LENGTH],
}

impl SegmentKey {
    /// Not secret; two keys have the same by a chance of 2⁻¹²⁸ only.
    pub(super) fn verifier(&self) -> [u8; VERIFIER_LENGTH] {
        self.verifier
    }

    /// Encrypts `sets` in place; the tag proves them and `header`.
    pub(super) fn seal(
        &self,
        index: u32,
        header: &[u8],
        sets: &mut [u8],
    ) -> io::Result<[u8; TAG_LENGTH]> {
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce(index), Aad::from(header), sets)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "too long to encrypt"))?;
        let mut octets = [0; TAG_LENGTH];
        octets.copy_from_slice(tag.as_ref());
        Ok(octets)
    }

    /// Decrypts what [`Self::seal`] made, tag at the end; `None` if a bit of it is another.
    pub(super) fn open(&self, index: u32, header: &[u8], mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let length = self
            .key
            .open_in_place(nonce(index), Aad::from(header), &mut sealed)
            .ok()
            .map(|plain| plain.len())?;
        sealed.truncate(length);
        Some(sealed)
    }
}

impl fmt::Debug for SegmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SegmentKey(..)")
    }
}

fn nonce(index: u32) -> Nonce {
    let mut octets = [0; aead::NONCE_LEN];
    if let Some(last) = octets.last_chunk_mut() {
        *last = index.to_be_bytes();
    }
    Nonce::assume_unique_for_key(octets)
}
