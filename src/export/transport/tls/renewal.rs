//! Notices that the files of a running session were replaced.

use std::time::Duration;

use ring::digest::Digest;
use rustls::crypto::CryptoProvider;

use super::credentials::{Files, Stamps};
use super::error::TlsError;

/// Looks at the files from time to time.
#[derive(Debug)]
pub(super) struct Renewal {
    files: Files,
    /// Of what the session goes by.
    digest: Digest,
    /// The files that say this.
    stamps: Stamps,
    interval: Duration,
    next_look: Duration,
    /// Files that are no use.
    failing: Option<Stamps>,
    /// That was said.
    noticed: bool,
    wanted: bool,
}

impl Renewal {
    pub(super) fn new(
        files: Files,
        digest: Digest,
        stamps: Stamps,
        interval: Duration,
        now: Duration,
    ) -> Self {
        Self {
            files,
            digest,
            stamps,
            interval,
            next_look: now + interval,
            failing: None,
            noticed: false,
            wanted: false,
        }
    }

    /// There are other certificates than those of the session, and they can be used.
    pub(super) const fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Looks, if it is time to. Returns what is wrong with new files, once.
    pub(super) fn look(&mut self, now: Duration, provider: &CryptoProvider) -> Option<TlsError> {
        if self.wanted || now < self.next_look {
            return None;
        }
        self.next_look = now + self.interval;
        let stamps = self.files.stamps();
        if stamps == self.stamps {
            return None;
        }
        match self.files.read(provider) {
            Ok(credentials) => {
                self.wanted = !credentials.is_same(&self.digest);
                self.stamps = stamps;
                self.failing = None;
                None
            }
            // Certificate and key are two files, so between one and the other they do not match.
            Err(_) if self.failing != Some(stamps) => {
                self.failing = Some(stamps);
                self.noticed = false;
                None
            }
            Err(error) if !self.noticed => {
                self.noticed = true;
                Some(error)
            }
            Err(_) => None,
        }
    }
}
