//! What the probe tells of itself, as options records (RFC 7011 §4).

use std::time::Duration;

use crate::time::Timestamp;

/// What does not change while a run lasts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    /// `meteringProcessId` (IE 143).
    pub metering_process: u32,
    /// `flowActiveTimeout` (IE 36).
    pub active_timeout: Duration,
    /// `flowIdleTimeout` (IE 37).
    pub idle_timeout: Duration,
    /// `systemInitTimeMilliseconds` (IE 160): when metering began; unknown in a replay.
    pub started: Option<Timestamp>,
    /// Observation Points that are known from the start.
    pub interfaces: Vec<Interface>,
}

/// An Observation Point.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Interface {
    /// `ingressInterface` (IE 10).
    pub index: u32,
    /// `interfaceName` (IE 82).
    pub name: String,
    /// `interfaceDescription` (IE 83).
    pub description: String,
}

/// What workers count and the Exporting Process reports.
#[derive(Debug, Default)]
pub struct MeteringCounters {}
