//! Secret keys of 32 octets, and the files that hold them.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::hkdf;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::regular_file;

/// Octets of a key.
pub const KEY_LENGTH: usize = 32;

/// A key, wiped from memory when dropped.
pub struct SecretKey(Zeroizing<[u8; KEY_LENGTH]>);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file cannot be made or read.
    #[error("cannot use the key file {}: {source}", path.display())]
    File {
        /// The key file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// It is not a file of one key.
    #[error(
        "the key file {} must hold exactly {KEY_LENGTH} octets, or twice as many hexadecimal digits",
        path.display()
    )]
    Content {
        /// The key file.
        path: PathBuf,
    },
    /// Others than the owner may read or write it.
    #[error(
        "the key file {} is open to other users (mode {mode:04o}): it must be 0600 or 0400",
        path.display()
    )]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The system gave no random octets.
    #[error("the system gave no random octets for a key")]
    Random,
}

impl SecretKey {
    /// A key that ends with the process.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Random`].
    pub fn random() -> Result<Self, KeyFileError> {
        let mut octets = Zeroizing::new([0; KEY_LENGTH]);
        SystemRandom::new().fill(octets.as_mut_slice()).map_err(|_| KeyFileError::Random)?;
        Ok(Self(octets))
    }

    /// The key in `path`, which is created if it is not there: as 32 octets, or written as 64
    /// hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`]. A key that others may read protects nothing and is refused, as is a file of
    /// anything else: to overwrite it could destroy what somebody needs.
    pub fn from_file(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |source| KeyFileError::File { path: path.to_owned(), source };
        if let Some(key) = Self::existing(path)? {
            return Ok(key);
        }
        create(path, &Self::random()?).map_err(failed)?;
        // Another thread or process may have been first: what is there counts.
        Self::read(&regular_file::open(path).map_err(failed)?, path)
    }

    /// The key in `path`, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Self::from_file`].
    pub fn existing(path: &Path) -> Result<Option<Self>, KeyFileError> {
        match regular_file::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(KeyFileError::File { path: path.to_owned(), source }),
            Ok(file) => Self::read(&file, path).map(Some),
        }
    }

    fn read(file: &File, path: &Path) -> Result<Self, KeyFileError> {
        let failed = |source| KeyFileError::File { path: path.to_owned(), source };
        let wrong = || KeyFileError::Content { path: path.to_owned() };
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
        }
        // All at once and in one place: no half of a key stays behind in memory.
        let mut content = Zeroizing::new(Vec::with_capacity(LONGEST_FILE + 1));
        file.take(LONGEST_FILE as u64 + 1).read_to_end(&mut content).map_err(failed)?;
        Self::from_content(&content).ok_or_else(wrong)
    }

    fn from_content(content: &[u8]) -> Option<Self> {
        if let Ok(octets) = content.try_into() {
            return Some(Self(Zeroizing::new(octets)));
        }
        let digits = content.strip_suffix(b"\n").unwrap_or(content);
        if digits.len() != 2 * KEY_LENGTH {
            return None;
        }
        let mut octets = Zeroizing::new([0; KEY_LENGTH]);
        for (octet, digits) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            for &digit in digits {
                let value = char::from(digit).to_digit(16)?;
                *octet = *octet << 4 | u8::try_from(value).ok()?;
            }
        }
        Some(Self(octets))
    }

    /// A key for a test whose result is known.
    #[cfg(test)]
    pub(crate) fn of(octets: [u8; KEY_LENGTH]) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// The key itself.
    pub fn octets(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }

    /// Fills `derived` with what this key and these public words give, and no other key or words
    /// (RFC 5869, with SHA-256).
    ///
    /// # Panics
    ///
    /// If more than the 8160 octets are asked for that there are.
    pub fn derive(&self, salt: &[u8], about: &[&[u8]], derived: &mut [u8]) {
        hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
            .extract(self.0.as_slice())
            .expand(about, Length(derived.len()))
            .and_then(|material| material.fill(derived))
            .expect("callers ask for less than the 8160 octets that HKDF-SHA256 gives");
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// Publishes a whole key file or none: a second process must never read half a key.
fn create(path: &Path, key: &SecretKey) -> io::Result<()> {
    let mut suffix = [0; 8];
    SystemRandom::new()
        .fill(&mut suffix)
        .map_err(|_| io::Error::other("the system gave no random octets"))?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{:016x}", u64::from_be_bytes(suffix)));
    let temporary = PathBuf::from(name);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
    let linked = written.and_then(|mut file| {
        file.write_all(key.octets())?;
        file.sync_all()?;
        fs::hard_link(&temporary, path)
    });
    let _ = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Whether a file of so many octets can be that of a key.
pub const fn is_key_file_length(octets: u64) -> bool {
    matches!(octets, 32 | 64 | 65)
}

/// Whether `name` is what a file of a key named `key` is called until it is whole.
pub fn is_unfinished_key_file(name: &str, key: &str) -> bool {
    name.strip_prefix(key).and_then(|rest| rest.strip_prefix('.')).is_some_and(|number| {
        number.len() == 16 && number.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// How many octets HKDF is asked for.
#[derive(Clone, Copy, Debug)]
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Digits and the end of their line.
const LONGEST_FILE: usize = 2 * KEY_LENGTH + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_key_is_known_by_its_name_and_a_whole_one_by_its_length() {
        assert!(is_unfinished_key_file("spool.key.00ff00ff00ff00ff", "spool.key"));
        for name in ["spool.key", "spool.key.backup", "spool.key.00FF00ff00ff00ff", "other.key.1"] {
            assert!(!is_unfinished_key_file(name, "spool.key"), "{name}");
        }
        let digits = "00".repeat(KEY_LENGTH) + "\n";
        for content in [&[7; KEY_LENGTH][..], digits.as_bytes(), digits.trim_end().as_bytes()] {
            assert!(SecretKey::from_content(content).is_some());
            assert!(is_key_file_length(content.len() as u64));
        }
        for length in [0, 31, 33, 63, 66] {
            assert!(!is_key_file_length(length), "{length}");
        }
    }

    #[test]
    fn a_key_is_octets_or_digits() {
        let octets: [u8; KEY_LENGTH] = std::array::from_fn(|n| u8::try_from(8 * n).unwrap() | 3);
        let digits: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let key = |content: &[u8]| SecretKey::from_content(content).map(|key| *key.octets());
        for content in [digits.clone(), digits.to_uppercase(), format!("{digits}\n")] {
            assert_eq!(key(content.as_bytes()), Some(octets), "{content}");
        }
        assert_eq!(key(&octets), Some(octets));
        for content in [&digits[1..], &format!("{digits}\n\n"), &digits.replace('3', "x"), "", "\n"]
        {
            assert_eq!(key(content.as_bytes()), None, "{content:?}");
        }
    }

    #[test]
    fn derived_keys_depend_on_every_word() {
        let key = SecretKey::of([7; KEY_LENGTH]);
        let derive = |salt: &[u8], about: &[&[u8]]| {
            let mut derived = [0; 48];
            key.derive(salt, about, &mut derived);
            derived
        };
        let one = derive(b"salt", &[b"one"]);
        assert_eq!(derive(b"salt", &[b"one"]), one);
        assert_ne!(derive(b"salt", &[b"two"]), one);
        assert_ne!(derive(b"other", &[b"one"]), one);
    }

    #[test]
    fn the_key_is_in_no_debug_output() {
        assert_eq!(format!("{:?}", SecretKey::of([0x41; KEY_LENGTH])), "SecretKey(..)");
    }
}
