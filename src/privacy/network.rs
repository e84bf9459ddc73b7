//! Networks, as they are written.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};

use crate::decode::IpVersion;

/// A network by its prefix, written `192.0.2.0/24` or `2001:db8::/32`; a single address is a network
/// of its own.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

/// Why a text is no [`Network`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Not an address and a length.
    #[error("`{0}` is no network: use one like 192.0.2.0/24 or 2001:db8::/32")]
    Text(String),
    /// More bits than the prefix has are set: one of the two is a mistake.
    #[error("`{text}` has bits behind its prefix: use {meant}")]
    HostBits {
        /// As given.
        text: String,
        /// The network that this address is in.
        meant: Network,
    },
}

impl Network {
    /// Which addresses it is of.
    pub const fn version(self) -> IpVersion {
        match self.address {
            IpAddr::V4(_) => IpVersion::V4,
            IpAddr::V6(_) => IpVersion::V6,
        }
    }

    /// Leading bits that its addresses share.
    pub const fn length(self) -> u8 {
        self.length
    }

    /// Its first address, from the highest bit on.
    pub(super) const fn bits(self) -> u128 {
        match self.address {
            IpAddr::V4(address) => (address.to_bits() as u128) << 96,
            IpAddr::V6(address) => address.to_bits(),
        }
    }

    fn first(self) -> Self {
        let bits = self.bits() & prefix_mask(self.length.into());
        let address = match self.address {
            IpAddr::V4(_) => {
                let [a, b, c, d, ..] = bits.to_be_bytes();
                IpAddr::from([a, b, c, d])
            }
            IpAddr::V6(_) => IpAddr::from(bits.to_be_bytes()),
        };
        Self { address, length: self.length }
    }
}

/// The `length` highest bits.
pub(super) const fn prefix_mask(length: u32) -> u128 {
    match u128::MAX.checked_shr(length) {
        Some(rest) => !rest,
        None => u128::MAX,
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError::Text(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => width,
            Some(length) if length.bytes().all(|octet| octet.is_ascii_digit()) => {
                length.parse().ok().filter(|&length| length <= width).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        let network = Self { address, length };
        let meant = network.first();
        if meant == network {
            Ok(network)
        } else {
            Err(NetworkError::HostBits { text: text.to_owned(), meant })
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, length } = self;
        write!(f, "{address}/{length}")
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_as_they_are_written() {
        for text in ["192.0.2.0/24", "0.0.0.0/0", "10.1.2.3/32", "2001:db8::/32", "::/0", "::1/128"]
        {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert_eq!("10.1.2.3".parse::<Network>().unwrap().to_string(), "10.1.2.3/32");
        assert_eq!("::1".parse::<Network>().unwrap().to_string(), "::1/128");
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_would_be_right() {
        for (text, hint) in [
            ("", "use one like"),
            ("10.0.0.0/", "use one like"),
            ("10.0.0.0/33", "use one like"),
            ("10.0.0.0/+8", "use one like"),
            ("::/129", "use one like"),
            ("eth0", "use one like"),
            ("10.0.0.1/8", "use 10.0.0.0/8"),
            ("2001:db8::1/32", "use 2001:db8::/32"),
        ] {
            let error = text.parse::<Network>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
