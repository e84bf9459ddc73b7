//! Until when certificates are good, for whoever has to renew them in time.

use std::fs;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::error::FileUse;
use crate::export::target::TlsOptions;
use crate::time::Timestamp;

/// Until when the certificates of a file are good (`notAfter`, RFC 5280 §4.1.2.5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateEnd {
    /// What the file is for.
    pub what: FileUse,
    /// Its path.
    pub path: PathBuf,
    /// Of our own, when the first of its chain ends; of authorities, when the last does: until then
    /// there is one to trust.
    pub not_after: Timestamp,
}

/// Of the files that these options name, as they are now. What cannot be read is told by who opens
/// sessions; the authorities of the system are renewed with it.
pub(crate) fn ends(options: &TlsOptions) -> Vec<CertificateEnd> {
    let own = options.cert.as_deref().and_then(|path| end(FileUse::Certificate, path));
    let authorities = options.ca.as_deref().and_then(|path| end(FileUse::Authorities, path));
    own.into_iter().chain(authorities).collect()
}

fn end(what: FileUse, path: &Path) -> Option<CertificateEnd> {
    let octets = fs::read(path).ok()?;
    let certificates = CertificateDer::pem_slice_iter(&octets).filter_map(Result::ok);
    let ends = certificates.filter_map(|certificate| not_after(&certificate));
    let not_after = if what == FileUse::Authorities { ends.max() } else { ends.min() }?;
    Some(CertificateEnd { what, path: path.to_owned(), not_after })
}

fn not_after(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let validity = certificate.tbs_certificate().validity();
    Some(Timestamp::EPOCH.saturating_add(validity.not_after.to_unix_duration()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate that ends in the first second of that year.
    fn ending(year: i32) -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(["probe".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        parameters.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn our_own_is_good_until_the_first_ends_and_authorities_until_the_last_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: String| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            Some(path)
        };
        let chain = [ending(2031), ending(2030)].concat();
        let options = TlsOptions {
            cert: file("own", chain.clone()),
            ca: file("authorities", chain),
            ..TlsOptions::default()
        };
        let seconds: Vec<_> =
            ends(&options).into_iter().map(|end| (end.what, end.not_after.as_secs())).collect();
        let (first, last) = (1_893_456_000, 1_924_992_000); // 2030-01-01, 2031-01-01
        assert_eq!(seconds, [(FileUse::Certificate, first), (FileUse::Authorities, last)]);
        let options = TlsOptions { cert: file("none", "nothing".to_owned()), ..Default::default() };
        assert_eq!(ends(&options), []);
    }
}
