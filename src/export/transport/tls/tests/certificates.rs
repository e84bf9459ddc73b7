//! Authorities and certificates, as good and as bad as tests need them.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

/// Who vouches for others.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a certificate says.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) common_name: &'a str,
    pub(crate) names: &'a [&'a str],
    pub(crate) addresses: &'a [&'a str],
    /// First and last year.
    pub(crate) years: (i32, i32),
    pub(crate) purpose: ExtendedKeyUsagePurpose,
    pub(crate) is_authority: bool,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority") }
    }

    pub(crate) fn issue(&self, wanted: &Wanted<'_>) -> Identity {
        let key = KeyPair::generate().expect("a key can be made");
        let certificate =
            wanted.params().signed_by(&key, &self.issuer).expect("a certificate can be issued");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// In PEM form.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes the certificate of the authority.
    pub(crate) fn write(&self, directory: &Path, name: &str) -> PathBuf {
        write(&directory.join(name), &self.pem())
    }
}

impl Identity {
    /// One for which nobody else vouches.
    pub(crate) fn self_signed(wanted: &Wanted<'_>) -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = wanted.params().self_signed(&key).expect("a certificate can be issued");
        Self { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Writes certificate and key.
    pub(crate) fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let certificate = write(&directory.join(format!("{name}.crt")), &self.certificate);
        let key = directory.join(format!("{name}.key"));
        write(&key, &self.key);
        set_mode(&key, 0o600);
        (certificate, key)
    }
}

/// Sets the mode of a file.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the file is our own");
}

fn write(path: &Path, text: &str) -> PathBuf {
    fs::write(path, text).expect("the directory is our own");
    path.to_owned()
}

impl Wanted<'_> {
    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, self.common_name);
        let names = self
            .names
            .iter()
            .map(|&name| SanType::DnsName(name.try_into().expect("the name is plain")));
        let addresses = self.addresses.iter().map(|address| {
            SanType::IpAddress(address.parse::<IpAddr>().expect("it is an address"))
        });
        params.subject_alt_names = names.chain(addresses).collect();
        params.not_before = date_time_ymd(self.years.0, 1, 1);
        params.not_after = date_time_ymd(self.years.1, 1, 1);
        params.extended_key_usages = vec![self.purpose.clone()];
        if self.is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
    }
}

/// A Collector that is as it should be.
pub(crate) const COLLECTOR: Wanted<'_> = Wanted {
    common_name: "a collector",
    names: &["collector.example"],
    addresses: &[],
    years: (2020, 2100),
    purpose: ExtendedKeyUsagePurpose::ServerAuth,
    is_authority: false,
};

/// An Exporter that is as it should be.
pub(crate) const EXPORTER: Wanted<'_> = Wanted {
    common_name: "an exporter",
    names: &["probe.example"],
    purpose: ExtendedKeyUsagePurpose::ClientAuth,
    ..COLLECTOR
};
