//! The Metering Process behind decode: packets into Flows, Flows into Flow Records.

mod record;

pub use record::{Direction, FlowEndReason, FlowRecord};
