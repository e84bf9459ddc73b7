//! What the probe tells of itself, as options records (RFC 7011 §4).
//!
//! [`metering`] is what the pipeline fills in, [`records`] what a Collector gets of it.

#[allow(dead_code, reason = "used as soon as collectors are")]
mod kind;
#[allow(dead_code, reason = "used as soon as collectors are")]
mod metering;
#[allow(dead_code, reason = "used as soon as collectors are")]
mod records;
#[cfg(test)]
mod tests;
mod text;

pub use metering::{Facts, Ignored, Interface, Metering, MeteringCounters, ObservationPoints};
#[allow(unused_imports, reason = "used as soon as collectors are")]
pub(crate) use records::{Exported, Options, OptionsRecord};
