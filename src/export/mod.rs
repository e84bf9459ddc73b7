//! The Exporting Process: Flow Records to collectors, files and people.
//!
//! Every target has a bounded queue, a thread, and sessions and sequence numbers of its own
//! (RFC 7011 §10); none waits for another. `mapping` is the one place that knows both Flow Records
//! and Information Elements.

mod account;
mod clock;
mod config;
mod encoder;
mod ending;
mod error;
mod exporter;
mod fields;
mod file;
mod json;
mod layout;
mod mapping;
mod output;
mod pacing;
mod sink;
mod target;
mod tcp;
mod udp;

#[cfg(test)]
pub(crate) mod testing;

pub use account::{Account, LossReason, Notice, Observer, TargetReport, Totals};
pub use clock::{Clock, SystemClock};
pub use config::{Config, Pace, TcpConfig, UdpConfig};
pub use error::ExportError;
pub use exporter::{Exporter, RecordBatch};
pub use json::each_data_record;
pub use sink::RecordSink;
pub use target::{Collector, DEFAULT_PORT, JsonOutput, Target, TargetError};
