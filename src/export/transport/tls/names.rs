//! What a certificate says of its owner, and whether that is who we look for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, DnsName, ServerName};
use rustls::server::ParsedCertificate;
use x509_cert::certificate::Version;
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::name::{DirectoryString, GeneralName};
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};
use x509_cert::name::Name;
use x509_cert::{Certificate, TbsCertificate};

/// Who a Collector has to be (RFC 7011 §11.3).
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// The reference identifier.
    pub(super) name: ServerName<'static>,
    /// The only Collectors that may be exported to; any if empty.
    pub(super) peers: Vec<String>,
}

impl Expected {
    /// Takes `text`, a host name or an address, for the reference identifier.
    ///
    /// `None` if no certificate could be for it.
    pub(super) fn new(text: &str, peers: &[String]) -> Option<Self> {
        // Neither the zone of a link-local address nor the dot of the root is part of a name.
        let address = text.split_once('%').map_or(text, |(address, _)| address);
        let name = match address.parse::<IpAddr>() {
            Ok(address) => ServerName::IpAddress(address.into()),
            Err(_) => ServerName::try_from(without_root(text).to_owned()).ok()?,
        };
        Some(Self { name, peers: peers.to_vec() })
    }

    /// Whether the certificate has the name it has to have.
    ///
    /// RFC 7011 §11.3: DNS-ID, or CN-ID; RFC 6125 §6.4.4: a Common Name counts only where the
    /// certificate has no name of the kinds made for it.
    pub(super) fn is_name_of(
        &self,
        certificate: &ParsedCertificate<'_>,
        subject: Option<&Subject>,
    ) -> bool {
        if verify_server_name(certificate, &self.name).is_ok() {
            return true;
        }
        let (Some(subject), ServerName::DnsName(name)) = (subject, &self.name) else {
            return false;
        };
        !subject.has_alternative
            && subject.common_name.as_deref().is_some_and(|presented| matches(presented, name))
    }

    /// Whether the certificate is of a Collector that is on the list, by DNS-ID, address or Common
    /// Name (RFC 7011 §11.3).
    ///
    /// This comes on top of [`Self::is_name_of`], so a Common Name counts here also beside a
    /// DNS-ID, as the standard has it.
    pub(super) fn is_listed(
        &self,
        certificate: &ParsedCertificate<'_>,
        subject: Option<&Subject>,
    ) -> bool {
        let common_name = subject.and_then(|subject| subject.common_name.as_deref());
        self.peers.is_empty()
            || self.peers.iter().any(|peer| {
                ServerName::try_from(without_root(peer))
                    .is_ok_and(|name| verify_server_name(certificate, &name).is_ok())
                    || common_name.is_some_and(|name| name.eq_ignore_ascii_case(peer))
            })
    }
}

/// What is to be known of a certificate besides its being valid.
#[derive(Clone, Debug, Default)]
pub(super) struct Subject {
    /// The Common Name, if there is exactly one.
    common_name: Option<String>,
    /// There is a subjectAltName extension.
    has_alternative: bool,
    /// Its host names and addresses.
    alternative: Vec<String>,
    /// Who issued it.
    pub(super) issuer: String,
    /// Its issuer is itself.
    pub(super) is_self_issued: bool,
    /// It says that it may issue others.
    pub(super) is_authority: bool,
    /// It is of X.509 before version 3, which has no room for names of hosts.
    pub(super) is_old: bool,
}

impl Subject {
    /// `None` when this certificate cannot be read so far.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let certificate = certificate.tbs_certificate();
        let extensions = certificate.extensions();
        let constraints = certificate.get_extension::<BasicConstraints>();
        Some(Self {
            common_name: common_name(certificate.subject()),
            has_alternative: extensions
                .is_some_and(|all| all.iter().any(|one| one.extn_id == SUBJECT_ALTERNATIVE_NAME)),
            alternative: alternative_names(certificate),
            issuer: common_name(certificate.issuer())
                .unwrap_or_else(|| certificate.issuer().to_string())
                .chars()
                .take(LONGEST_SHOWN)
                .map(printable)
                .collect(),
            is_self_issued: certificate.issuer() == certificate.subject(),
            is_authority: constraints.is_ok_and(|found| found.is_some_and(|(_, found)| found.ca)),
            is_old: certificate.version() != Version::V3,
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.alternative[..], &self.common_name) {
            ([], None) => f.write_str("nobody by name"),
            ([], Some(name)) => write!(f, "`{}` (Common Name)", shown(name)),
            (names, _) => {
                for (n, name) in names.iter().take(MOST_SHOWN).enumerate() {
                    write!(f, "{}`{}`", if n == 0 { "" } else { ", " }, shown(name))?;
                }
                match names.len().saturating_sub(MOST_SHOWN) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
        }
    }
}

fn common_name(name: &Name) -> Option<String> {
    let mut names = name.iter().filter(|part| part.oid == COMMON_NAME);
    let only = names.next()?;
    match names.next() {
        // RFC 6125 §2.3.1: nobody could tell which one is meant.
        Some(_) => None,
        None => Some(only.value.decode_as::<DirectoryString>().ok()?.value().into_owned()),
    }
}

fn alternative_names(certificate: &TbsCertificate) -> Vec<String> {
    let Ok(Some((_, SubjectAltName(names)))) = certificate.get_extension::<SubjectAltName>() else {
        return Vec::new();
    };
    names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
            GeneralName::IpAddress(address) => {
                let octets = address.as_bytes();
                let v4 =
                    <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).to_string());
                let v6 =
                    <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).to_string());
                v4.or(v6).ok()
            }
            _ => None,
        })
        .collect()
}

/// Whether a Common Name is `reference`, or a wildcard for it by the rules that also hold for a
/// DNS-ID: one whole label, the first, below at least two others (RFC 6125 §6.4.3).
fn matches(presented: &str, reference: &DnsName<'_>) -> bool {
    let reference = reference.as_ref();
    match presented.strip_prefix("*.") {
        None => presented.eq_ignore_ascii_case(reference),
        Some(parent) => {
            parent.contains('.')
                && reference
                    .split_once('.')
                    .is_some_and(|(_, found)| found.eq_ignore_ascii_case(parent))
        }
    }
}

fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// A name as it may stand in a line of a log: the peer chose it.
fn shown(name: &str) -> String {
    name.chars().take(LONGEST_SHOWN).map(printable).collect()
}

fn printable(c: char) -> char {
    if c.is_control() || c == '`' { '?' } else { c }
}

/// `id-at-commonName`.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// `id-ce-subjectAltName`.
const SUBJECT_ALTERNATIVE_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// Characters of a name in a message.
const LONGEST_SHOWN: usize = 64;

/// Names in a message.
const MOST_SHOWN: usize = 4;
