//! The files that say who we are and whom we trust.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest::{Context, Digest, SHA256};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::error::{FileUse, TlsError};
use crate::export::target::TlsOptions;
use crate::regular_file;

/// Where the files are.
#[derive(Clone, Debug)]
pub(super) struct Files {
    authorities: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

/// What was in the files.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) authorities: Arc<RootCertStore>,
    pub(super) own: Arc<CertifiedKey>,
    /// Others than we and our group may read the private key.
    pub(super) key_is_exposed: bool,
    /// Of all that was read.
    digest: Digest,
}

/// By which a file that was replaced or written to can be told from what it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    device: u64,
    inode: u64,
    octets: u64,
    modified: (i64, i64),
}

/// The stamps of all files; `None` for one that is not there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stamps([Option<Stamp>; 3]);

impl Files {
    /// # Errors
    ///
    /// [`TlsError::NotGiven`] without a certificate and its key, [`TlsError::NoAuthorities`] where
    /// neither we nor the system name authorities.
    pub(super) fn of(options: &TlsOptions) -> Result<Self, TlsError> {
        let (certificate, key) = Self::own(options)?;
        let of_the_system =
            || SYSTEM_AUTHORITIES.iter().map(PathBuf::from).find(|path| path.exists());
        let authorities =
            options.ca.clone().or_else(of_the_system).ok_or(TlsError::NoAuthorities)?;
        Ok(Self { authorities, certificate, key })
    }

    /// Our certificate and its key. RFC 7011 §11.2: the Exporting Process authenticates itself, too.
    ///
    /// # Errors
    ///
    /// [`TlsError::NotGiven`].
    pub(super) fn own(options: &TlsOptions) -> Result<(PathBuf, PathBuf), TlsError> {
        let certificate = options.cert.clone().ok_or(TlsError::NotGiven { missing: "cert" })?;
        let key = options.key.clone().ok_or(TlsError::NotGiven { missing: "key" })?;
        Ok((certificate, key))
    }

    /// Where those we trust are from.
    pub(super) fn authorities(&self) -> &Path {
        &self.authorities
    }

    pub(super) fn key(&self) -> &Path {
        &self.key
    }

    /// All of them.
    pub(super) fn paths(&self) -> [&Path; 3] {
        [&self.authorities, &self.certificate, &self.key].map(PathBuf::as_path)
    }

    /// The files as they are now. Asked for before they are read, a change in between is seen later.
    pub(super) fn stamps(&self) -> Stamps {
        Stamps(self.paths().map(Stamp::of))
    }

    /// Reads everything.
    ///
    /// # Errors
    ///
    /// What is wrong with the first file that is of no use.
    pub(super) fn read(&self, provider: &CryptoProvider) -> Result<Credentials, TlsError> {
        let mut digest = Context::new(&SHA256);
        let mut read = |what, path: &Path| {
            let octets = regular_file::read(path, MOST_OCTETS)
                .map_err(|source| TlsError::File { what, path: path.to_owned(), source })?;
            digest.update(&(octets.len() as u64).to_be_bytes());
            digest.update(&octets);
            Ok(octets)
        };
        let authorities = read(FileUse::Authorities, &self.authorities)?;
        let certificate = read(FileUse::Certificate, &self.certificate)?;
        let key = read(FileUse::Key, &self.key)?;
        let key_is_exposed =
            fs::metadata(&self.key).is_ok_and(|metadata| metadata.mode() & READABLE_BY_OTHERS != 0);

        Ok(Credentials {
            authorities: Arc::new(self.parse_authorities(&authorities)?),
            own: Arc::new(self.parse_own(&certificate, &key, provider)?),
            key_is_exposed,
            digest: digest.finish(),
        })
    }

    fn parse_authorities(&self, octets: &[u8]) -> Result<RootCertStore, TlsError> {
        let mut store = RootCertStore::empty();
        let mut found = 0_usize;
        for certificate in self.certificates(FileUse::Authorities, &self.authorities, octets)? {
            found += 1;
            // One odd certificate in the list of a system is none of our business.
            let _ = store.add(certificate);
        }
        match (store.is_empty(), found) {
            (false, _) => Ok(store),
            (true, _) => Err(content(
                FileUse::Authorities,
                &self.authorities,
                format!("holds {found} certificates, none of which can be used"),
            )),
        }
    }

    fn parse_own(
        &self,
        certificate: &[u8],
        key: &[u8],
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, TlsError> {
        let chain = self.certificates(FileUse::Certificate, &self.certificate, certificate)?;
        let key = self.parse_key(key)?;
        CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::KeyMismatch { key: self.key.clone(), cert: self.certificate.clone() }
            }
            Error::InvalidCertificate(problem) => {
                content(FileUse::Certificate, &self.certificate, format!("is no use: {problem}"))
            }
            other => content(FileUse::Key, &self.key, format!("is no use: {other}")),
        })
    }

    fn parse_key(&self, octets: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
        let refuse = |problem: &str| content(FileUse::Key, &self.key, problem.to_owned());
        match PrivateKeyDer::from_pem_slice(octets) {
            Ok(key) => Ok(key),
            Err(pem::Error::NoItemsFound) if is_encrypted(octets) => Err(refuse(
                "is encrypted, and nobody is there to type the passphrase: store it decrypted",
            )),
            Err(pem::Error::NoItemsFound) => Err(refuse("holds no private key in PEM form")),
            Err(error) => Err(refuse(&format!("is damaged: {error}"))),
        }
    }

    /// All certificates of a file; at least one.
    fn certificates(
        &self,
        what: FileUse,
        path: &Path,
        octets: &[u8],
    ) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(octets)
            .collect::<Result<_, _>>()
            .map_err(|error| content(what, path, format!("is damaged: {error}")))?;
        if certificates.is_empty() {
            return Err(content(what, path, "holds no certificate in PEM form".to_owned()));
        }
        Ok(certificates)
    }
}

impl Credentials {
    /// Whether these files say the same as those.
    pub(super) fn is_same(&self, other: &Digest) -> bool {
        self.digest.as_ref() == other.as_ref()
    }

    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        // Behind links: `kubelet` and `certbot` change where they lead.
        let metadata: io::Result<_> = fs::metadata(path);
        let metadata = metadata.ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            octets: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

fn content(what: FileUse, path: &Path, problem: String) -> TlsError {
    TlsError::Content { what, path: path.to_owned(), problem }
}

/// PKCS #8 and the older form that OpenSSL has of its own.
fn is_encrypted(octets: &[u8]) -> bool {
    let marks: [&[u8]; 2] = [b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];
    marks.iter().any(|mark| octets.windows(mark.len()).any(|found| found == *mark))
}

/// Where systems keep the list of authorities: Debian, Ubuntu, Arch and Alpine; Fedora and RHEL;
/// SUSE; OpenBSD and macOS; FreeBSD.
const SYSTEM_AUTHORITIES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// A list of every authority there is has a quarter of a megabyte.
const MOST_OCTETS: u64 = 16_000_000;

/// The last octal digit of a mode.
const READABLE_BY_OTHERS: u32 = 0o004;
