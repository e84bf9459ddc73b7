//! The key of a spool, and the keys of its segments.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::export::spool::error::SpoolError;

/// Octets of the key of a spool.
pub(super) const KEY_LENGTH: usize = 32;
/// Octets of the salt of a segment.
pub(super) const SALT_LENGTH: usize = 32;
/// Octets by which a key knows its segments.
pub(super) const VERIFIER_LENGTH: usize = 16;
/// Octets that sealing adds to a record.
pub(super) const TAG_LENGTH: usize = 16;

/// What all segments of a spool are encrypted under; wiped from memory when dropped.
pub(super) struct Key(Zeroizing<[u8; KEY_LENGTH]>);

impl Key {
    /// A key that ends with the process.
    pub(super) fn random() -> Result<Self, SpoolError> {
        let mut octets = Zeroizing::new([0; KEY_LENGTH]);
        SystemRandom::new().fill(octets.as_mut_slice()).map_err(|_| SpoolError::Random)?;
        Ok(Self(octets))
    }

    /// The key in `path`, which is created if it is not there.
    ///
    /// A key that others may read protects nothing and is refused, as is a file of another length:
    /// to overwrite it could destroy what somebody needs.
    pub(super) fn from_file(path: &Path) -> Result<Self, SpoolError> {
        let failed = |source| SpoolError::KeyFile { path: path.to_owned(), source };
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(path, &Self::random()?).map_err(failed)?;
                // Another thread or process may have been first: what is there counts.
                Self::read(&File::open(path).map_err(failed)?, path)
            }
            Err(error) => Err(failed(error)),
            Ok(file) => Self::read(&file, path),
        }
    }

    fn read(mut file: &File, path: &Path) -> Result<Self, SpoolError> {
        let failed = |source| SpoolError::KeyFile { path: path.to_owned(), source };
        let wrong_length = || SpoolError::KeyLength { path: path.to_owned(), expected: KEY_LENGTH };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(wrong_length());
        }
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SpoolError::KeyExposed { path: path.to_owned(), mode });
        }
        if metadata.len() != KEY_LENGTH as u64 {
            return Err(wrong_length());
        }
        let mut octets = Zeroizing::new([0; KEY_LENGTH]);
        file.read_exact(octets.as_mut_slice()).map_err(failed)?;
        Ok(Self(octets))
    }

    /// The key of the segment with this salt and these words about itself, and the octets by which
    /// the segment is known to be under this key.
    ///
    /// Segments never share a key, so that the index of a record is enough for a nonce: it is used
    /// once in its segment, whatever crashed before (RFC 5869 for the derivation).
    pub(super) fn of_segment(&self, salt: &[u8; SALT_LENGTH], about: &[&[u8]]) -> SegmentKey {
        let mut derived = Zeroizing::new([0; KEY_LENGTH + VERIFIER_LENGTH]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
            .extract(self.0.as_slice())
            .expand(about, Length(KEY_LENGTH + VERIFIER_LENGTH))
            .and_then(|material| material.fill(derived.as_mut_slice()))
            .expect("48 octets are fewer than the 8160 that HKDF-SHA256 gives");
        let (key, verifier) = derived.split_at(KEY_LENGTH);
        let key = UnboundKey::new(&aead::CHACHA20_POLY1305, key)
            .expect("the length of the key is that of the algorithm");
        let mut octets = [0; VERIFIER_LENGTH];
        octets.copy_from_slice(verifier);
        SegmentKey { key: LessSafeKey::new(key), verifier: octets }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
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

/// Publishes a whole key file or none: a second process must never read half a key.
fn create(path: &Path, key: &Key) -> io::Result<()> {
    let mut suffix = [0; 8];
    SystemRandom::new()
        .fill(&mut suffix)
        .map_err(|_| io::Error::other("the system gave no random octets"))?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{:016x}", u64::from_be_bytes(suffix)));
    let temporary = PathBuf::from(name);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
    let linked = written.and_then(|mut file| {
        file.write_all(key.0.as_slice())?;
        file.sync_all()?;
        fs::hard_link(&temporary, path)
    });
    let _ = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// How many octets HKDF is asked for.
#[derive(Clone, Copy, Debug)]
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
