//! What the probe tells of itself, as options records (RFC 7011 §4).

mod metering;
mod text;

pub use metering::{Facts, Ignored, Interface, Metering, MeteringCounters, ObservationPoints};
