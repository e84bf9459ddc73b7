//! Values of flags, and their bounds.

use std::net::ToSocketAddrs as _;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::capture::live::MOST_WORKERS;
use crate::export::parse_size;
use crate::telemetry::{Address, AddressError, DEFAULT_PORT};

pub(super) fn max_flows(text: &str) -> Result<usize, String> {
    match text.replace('_', "").parse() {
        Ok(number @ 1..=MOST_FLOWS) => Ok(number),
        _ => Err(format!("must be between 1 and {MOST_FLOWS}")),
    }
}

pub(super) fn observation_domain(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("must be a number from 0 to {}", u32::MAX))
}

/// Octets, with `k`, `M`, `G` or `T` for powers of a thousand and `Ki` to `Ti` of 1,024.
pub(super) fn size(text: &str) -> Result<u64, String> {
    match parse_size(text) {
        Some(octets) if octets >= SMALLEST_SIZE => Ok(octets),
        Some(_) => Err("must be 1M or more".to_owned()),
        None => Err("not a size: use for example 64M or 10G".to_owned()),
    }
}

pub(super) fn age(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(age) if age < Duration::from_secs(1) => Err("must be 1s or more".to_owned()),
        Ok(age) => Ok(age),
        Err(error) => Err(error.to_string()),
    }
}

/// A time that silence may last; zero for ever.
pub(super) fn silence(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if !time.is_zero() && time < Duration::from_secs(1) => {
            Err("must be 1s or more, or 0s for ever".to_owned())
        }
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}

/// Where a probe answers, also as a browser has it.
pub(super) fn probe(text: &str) -> Result<Address, String> {
    let place = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let place = if text.starts_with("unix:") { text } else { place };
    match place.parse() {
        Ok(Address::Off) => Err("a probe without telemetry tells nothing".to_owned()),
        Ok(address) => Ok(address),
        Err(AddressError::Exposed(address)) => Err(format!(
            "{address} is not of this host, and what a probe tells is not encrypted; to ask it all the \
             same: exposed:{address}"
        )),
        Err(AddressError::Form) => named(place),
        Err(error) => Err(error.to_string()),
    }
}

/// A name of this host, as `localhost`; of its addresses the one that probes have by default.
fn named(place: &str) -> Result<Address, String> {
    let (name, port) = match place.rsplit_once(':').map(|(name, port)| (name, port.parse())) {
        Some((name, Ok(port))) => (name, port),
        Some((_, Err(_))) => return Err(AddressError::Form.to_string()),
        None => (place, DEFAULT_PORT),
    };
    let unknown = || format!("{}, and `{name}` is no name of one", AddressError::Form);
    let found: Vec<_> = (name, port).to_socket_addrs().map_err(|_| unknown())?.collect();
    let mut ours: Vec<_> = found.iter().filter(|it| it.ip().is_loopback()).collect();
    ours.sort_by_key(|it| it.is_ipv6());
    match (ours.first(), found.first()) {
        (Some(&&address), _) => Ok(Address::Tcp { address, exposed: false }),
        (None, Some(address)) => Err(format!(
            "`{name}` is not this host, and what a probe tells is not encrypted; to ask it all the \
             same: exposed:{address}"
        )),
        (None, None) => Err(unknown()),
    }
}

pub(super) fn survey_duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&duration) {
        Ok(duration)
    } else {
        Err("must be between 1s and 1h".to_owned())
    }
}

pub(super) fn positive(text: &str) -> Result<usize, String> {
    match text.replace('_', "").parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err("must be a number from 1".to_owned()),
    }
}

pub(super) fn workers(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse() {
        Ok(number @ 1..=MOST_WORKERS) => NonZeroUsize::new(number),
        _ => None,
    }
    .ok_or_else(|| {
        format!("must be a number from 1 to {MOST_WORKERS}: no more can share an interface")
    })
}

/// As [`Address::default`].
pub(super) const DEFAULT_PROBE: &str = "127.0.0.1:9739";
/// Less would hold no more than the Messages on their way.
const SMALLEST_SIZE: u64 = 1_000_000;
/// 128 million flows take some 24 GB: more is a slip of the keyboard.
const MOST_FLOWS: usize = 128_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_asked_by_address_by_name_and_as_a_browser_has_it() {
        for (text, place) in [
            ("127.0.0.1:9739", "127.0.0.1:9739"),
            ("http://127.0.0.1:9739/", "127.0.0.1:9739"),
            ("localhost:80", "127.0.0.1:80"),
            ("http://localhost/", DEFAULT_PROBE),
            ("[::1]:80", "[::1]:80"),
            ("exposed:192.0.2.1:9739", "exposed:192.0.2.1:9739"),
            ("unix:/run/flowtap/http", "unix:/run/flowtap/http"),
        ] {
            assert_eq!(probe(text).map(|it| it.to_string()).as_deref(), Ok(place), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused_in_the_words_of_who_asks() {
        let elsewhere = probe("192.0.2.1:9739").unwrap_err();
        assert!(
            elsewhere.ends_with("to ask it all the same: exposed:192.0.2.1:9739"),
            "{elsewhere}"
        );
        assert!(!elsewhere.contains("reached from outside"), "{elsewhere}");
        for text in ["", "no-such-name.invalid:80", "localhost:x", ":80"] {
            let error = probe(text).unwrap_err();
            assert!(error.starts_with("expected an address such as 127.0.0.1:9739"), "{error}");
        }
        assert!(probe("off").is_err());
    }

    #[test]
    fn silence_lasts_a_second_or_for_ever() {
        assert_eq!(silence("0s"), Ok(Duration::ZERO));
        assert_eq!(silence("1s"), Ok(Duration::from_secs(1)));
        assert!(silence("999ms").is_err() && silence("5").is_err());
    }
}
