//! Values of flags, and their bounds.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::export::parse_size;
use crate::telemetry::Address;

pub(super) fn max_flows(text: &str) -> Result<usize, String> {
    let number: usize =
        text.replace('_', "").parse().map_err(|_| "not a number of flows".to_owned())?;
    if (1..=MOST_FLOWS).contains(&number) {
        Ok(number)
    } else {
        Err(format!("must be between 1 and {MOST_FLOWS}"))
    }
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
        Err(error) => Err(error.to_string()),
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
    .ok_or_else(|| format!("must be a number from 1 to {MOST_WORKERS}"))
}

/// As [`Address::default`].
pub(super) const DEFAULT_PROBE: &str = "127.0.0.1:9739";
/// Less would hold no more than the Messages on their way.
const SMALLEST_SIZE: u64 = 1_000_000;
/// Far above the processors of any machine; each worker has a thread and, live, a ring.
const MOST_WORKERS: usize = 512;
/// 128 million flows take some 24 GB: more is a slip of the keyboard.
const MOST_FLOWS: usize = 128_000_000;
