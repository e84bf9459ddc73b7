//! What the probe tells of itself, as options records (RFC 7011 §4).
//!
//! [`metering`] is what the pipeline fills in, [`records`] what a Collector gets of it.

mod kind;
mod metering;
mod records;
#[cfg(test)]
mod tests;
mod text;

pub use metering::{
    ChangedTimeouts, Facts, Ignored, Interface, Metering, MeteringCounters, ObservationPoints,
    Selection,
};
pub(crate) use records::{Exported, Options, OptionsRecord};
