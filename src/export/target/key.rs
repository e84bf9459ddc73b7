//! The keys of options: their names, and which kinds of target have them.

use crate::export::target::error::OptionError;
use crate::export::target::nearest::nearest;

/// Kinds of target that have options.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Udp,
    Tcp,
    Tls,
    Sctp,
    File,
    Json,
}

/// What can be said about a target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum OptionKey {
    Profile,
    Biflow,
    Time,
    TemplateRefresh,
    OptionsRefresh,
    Mtu,
    Source,
    ObservationDomain,
    Reconnect,
    Rate,
    Ca,
    Cert,
    Key,
    Name,
    Peer,
    Rotate,
    Size,
    Compress,
    Privacy,
    Addresses,
    Own,
    OwnAddresses,
    Prefix4,
    Prefix6,
    PseudonymKey,
    PseudonymRotation,
    Macs,
    Ports,
    TimeStep,
    Interval,
    K,
    Net,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp:",
            Self::Tcp => "tcp:",
            Self::Tls => "tls:",
            Self::Sctp => "sctp:",
            Self::File => "file:",
            Self::Json => "json:",
        }
    }

    fn keys(self) -> impl Iterator<Item = OptionKey> {
        OptionKey::ALL.into_iter().filter(move |key| key.applies(self).is_ok())
    }
}

impl OptionKey {
    const ALL: [Self; 32] = [
        Self::Profile,
        Self::Biflow,
        Self::Time,
        Self::TemplateRefresh,
        Self::OptionsRefresh,
        Self::Mtu,
        Self::Source,
        Self::ObservationDomain,
        Self::Reconnect,
        Self::Rate,
        Self::Ca,
        Self::Cert,
        Self::Key,
        Self::Name,
        Self::Peer,
        Self::Rotate,
        Self::Size,
        Self::Compress,
        Self::Privacy,
        Self::Addresses,
        Self::Own,
        Self::OwnAddresses,
        Self::Prefix4,
        Self::Prefix6,
        Self::PseudonymKey,
        Self::PseudonymRotation,
        Self::Macs,
        Self::Ports,
        Self::TimeStep,
        Self::Interval,
        Self::K,
        Self::Net,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Biflow => "biflow",
            Self::Time => "time",
            Self::TemplateRefresh => "template_refresh",
            Self::OptionsRefresh => "options_refresh",
            Self::Mtu => "mtu",
            Self::Source => "source",
            Self::ObservationDomain => "observation_domain",
            Self::Reconnect => "reconnect",
            Self::Rate => "rate",
            Self::Ca => "ca",
            Self::Cert => "cert",
            Self::Key => "key",
            Self::Name => "name",
            Self::Peer => "peer",
            Self::Rotate => "rotate",
            Self::Size => "size",
            Self::Compress => "compress",
            Self::Privacy => "privacy",
            Self::Addresses => "addresses",
            Self::Own => "own",
            Self::OwnAddresses => "own_addresses",
            Self::Prefix4 => "prefix4",
            Self::Prefix6 => "prefix6",
            Self::PseudonymKey => "pseudonym_key",
            Self::PseudonymRotation => "pseudonym_rotation",
            Self::Macs => "macs",
            Self::Ports => "ports",
            Self::TimeStep => "time_step",
            Self::Interval => "interval",
            Self::K => "k",
            Self::Net => "net",
        }
    }

    /// As [`Self::read`], but no key twice that has one value.
    pub(super) fn read_once(
        name: &str,
        kind: Kind,
        seen: &mut Vec<Self>,
    ) -> Result<Self, OptionError> {
        let key = Self::read(name, kind)?;
        if seen.contains(&key) && !matches!(key, Self::Peer | Self::Own | Self::Net) {
            return Err(OptionError::Repeated(key.name()));
        }
        seen.push(key);
        Ok(key)
    }

    /// The key with this name, for a target of this kind.
    fn read(name: &str, kind: Kind) -> Result<Self, OptionError> {
        let Some(key) = Self::ALL.into_iter().find(|key| key.name() == name) else {
            let hint = match nearest(name, kind.keys().map(Self::name)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => {
                    let all: Vec<_> = kind.keys().map(Self::name).collect();
                    format!("{} has {}", kind.name(), all.join(", "))
                }
            };
            return Err(OptionError::Unknown { key: name.to_owned(), hint });
        };
        key.check(kind).map(|()| key)
    }

    /// Whether targets of this kind have it.
    pub(super) fn check(self, kind: Kind) -> Result<(), OptionError> {
        let (key, kind_name) = (self.name(), kind.name());
        self.applies(kind).map_err(|hint| OptionError::Inapplicable { key, kind: kind_name, hint })
    }

    /// `Err` says why targets of this kind do not have it.
    const fn applies(self, kind: Kind) -> Result<(), &'static str> {
        match (self, kind) {
            (
                Self::Privacy
                | Self::Addresses
                | Self::Own
                | Self::OwnAddresses
                | Self::Prefix4
                | Self::Prefix6
                | Self::PseudonymKey
                | Self::PseudonymRotation
                | Self::Macs
                | Self::Ports
                | Self::TimeStep
                | Self::Interval
                | Self::K
                | Self::Net,
                _,
            ) => Ok(()),
            (_, Kind::Json) => Err("it is for collectors and files"),
            (Self::Profile | Self::Biflow | Self::Time | Self::ObservationDomain, _) => Ok(()),
            (Self::Rotate | Self::Size | Self::Compress, Kind::File) => Ok(()),
            (Self::Rotate | Self::Size | Self::Compress, _) => Err("it is for file:"),
            (_, Kind::File) => Err("it is for collectors"),
            (Self::TemplateRefresh, Kind::Udp) => Ok(()),
            (Self::TemplateRefresh, _) => {
                Err("templates are sent once in each session of this transport; leave it out")
            }
            (Self::Mtu, Kind::Udp) => Ok(()),
            (Self::Mtu, _) => Err("this transport divides by itself; leave it out"),
            (Self::Reconnect, Kind::Udp) => Err("udp: has no connection; leave it out"),
            (Self::Ca | Self::Cert | Self::Key | Self::Name | Self::Peer, Kind::Tls) => Ok(()),
            (Self::Ca | Self::Cert | Self::Key | Self::Name | Self::Peer, _) => {
                Err("it is for tls:")
            }
            (Self::OptionsRefresh | Self::Source | Self::Reconnect | Self::Rate, _) => Ok(()),
        }
    }
}

/// Every key, as URLs have it.
#[cfg(test)]
pub(crate) fn option_names() -> impl Iterator<Item = &'static str> {
    OptionKey::ALL.into_iter().map(OptionKey::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_name_of_its_own_and_a_kind_that_has_it() {
        let kinds = [Kind::Udp, Kind::Tcp, Kind::Tls, Kind::Sctp, Kind::File, Kind::Json];
        let mut names = Vec::new();
        for key in OptionKey::ALL {
            assert!(kinds.iter().any(|kind| key.applies(*kind).is_ok()), "{key:?}");
            assert!(!names.contains(&key.name()));
            names.push(key.name());
        }
    }
}
