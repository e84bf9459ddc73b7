//! Where telemetry is served: `--telemetry ADDRESS|unix:PATH|off`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where telemetry is served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// Nowhere.
    Off,
    /// At an address of this host.
    Tcp {
        /// Which one.
        address: SocketAddr,
        /// That others reach it was said explicitly.
        exposed: bool,
    },
    /// At a Unix socket.
    Unix(PathBuf),
}

/// What of an address is wrong.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    /// It has no form that we know.
    #[error("expected an address such as 127.0.0.1:{DEFAULT_PORT}, unix:PATH, or off")]
    Form,
    /// Others than this host would reach it.
    #[error(
        "{0} can be reached from outside of this host, by everybody, unencrypted; if that is what you \
         want, say exposed:{0}"
    )]
    Exposed(SocketAddr),
    /// A Unix socket without a path, or with one that is longer than systems take.
    #[error("expected unix:PATH with a path of 1 to {LONGEST_PATH} octets")]
    Path,
}

impl Default for Address {
    fn default() -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self::Tcp { address: SocketAddr::new(loopback, DEFAULT_PORT), exposed: false }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text == "off" {
            return Ok(Self::Off);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let is_usable = (1..=LONGEST_PATH).contains(&path.len()) && !path.contains('\0');
            return if is_usable { Ok(Self::Unix(path.into())) } else { Err(AddressError::Path) };
        }
        let (exposed, text) = match text.strip_prefix("exposed:") {
            Some(text) => (true, text),
            None => (false, text),
        };
        let address = text
            .parse::<SocketAddr>()
            .or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, DEFAULT_PORT)))
            .map_err(|_| AddressError::Form)?;
        if !exposed && !address.ip().is_loopback() {
            return Err(AddressError::Exposed(address));
        }
        Ok(Self::Tcp { address, exposed })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Tcp { address, exposed: false } => address.fmt(f),
            Self::Tcp { address, exposed: true } => write!(f, "exposed:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The port of IPFIX (4739) moved to where exporters of metrics live by custom (9100 to 9999), and out
/// of the way of ephemeral ports. That range is given away in full, so every port of it is also
/// somebody else's; on the loopback address of a probe that matters little.
pub const DEFAULT_PORT: u16 = 9739;

/// unix(7): 108 octets, with a zero at the end.
const LONGEST_PATH: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_understood_and_said_the_same_way() {
        for text in ["off", "127.0.0.1:9739", "[::1]:80", "unix:/run/x", "exposed:192.0.2.1:9"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("127.0.0.1".parse(), Ok(Address::default()));
        assert_eq!("::1".parse::<Address>().unwrap().to_string(), "[::1]:9739");
    }

    #[test]
    fn nobody_is_exposed_by_mistake() {
        for text in ["0.0.0.0:9739", "[::]:9739", "192.0.2.1", "[2001:db8::1]:80"] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(matches!(error, AddressError::Exposed(_)), "{text}");
            assert!(error.to_string().contains("exposed:"), "{error}");
            assert!(format!("exposed:{text}").parse::<Address>().is_ok());
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "on", "localhost", "127.0.0.1:", "127.0.0.1:70000", "exposed:"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Form), "{text}");
        }
        let long = format!("unix:{}", "x".repeat(108));
        for text in ["unix:", &long, "unix:a\0b"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Path));
        }
    }
}
