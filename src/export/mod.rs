//! The Exporting Process: Flow Records to collectors, files and people.
//!
//! Every target has a bounded queue, a thread, and sessions and sequence numbers of its own
//! (RFC 7011 §10); none waits for another. `mapping` is the one place that knows both Flow Records
//! and Information Elements.

mod account;
mod body;
mod clock;
mod collector;
mod config;
mod counted;
mod disclosed;
mod ending;
mod error;
mod exporter;
mod fields;
mod file;
mod high_water;
mod json;
mod layout;
mod mapping;
mod needs;
mod notice;
mod options;
mod output;
mod pacing;
mod profile;
mod reach;
mod sink;
mod spool;
mod statistical;
mod target;
mod transport;
mod watch;

#[cfg(test)]
pub(crate) mod testing;

pub use account::{Account, Aggregation, LossReason, Sessions, TargetReport, Totals};
pub use clock::{Clock, StillClock, SystemClock};
pub use config::{Config, Pace, SpoolConfig, TcpConfig, UdpConfig};
pub use counted::{Counted, Counting};
pub use disclosed::Disclosed;
pub use error::{ExportError, is_unusable};
pub use exporter::{Exporter, Opened, Opener, RecordBatch, Replaced};
pub use high_water::{HighWater, NEARLY_FULL, is_nearly_full};
pub use json::each_data_record;
pub use needs::Needs;
pub(crate) use needs::directory_of;
pub use notice::{Notice, Observer};
pub use options::{
    ChangedTimeouts, Facts, Ignored, Interface, Metering, MeteringCounters, ObservationPoints,
    Selection,
};
pub(crate) use output::reader_has_left;
pub use profile::{
    InterfaceScope, Mapping, MappingError, OptionsDomain, OptionsRules, Profile, ProfileRules,
    Reason, Refresh, SamplingElements, TimeUnit, UnknownProfile,
};
pub use reach::{addresses, reach};
pub use sink::RecordSink;
pub use spool::{SpoolError, SpoolInventory, SpoolSegment, SpoolTarget, octets_in_spool};
#[cfg(test)]
pub(crate) use target::option_names;
pub use target::{
    Collector, CollectorOptions, DEFAULT_PORT, DEFAULT_TLS_PORT, FileTarget, Group, GroupMode,
    JsonOutput, JsonTarget, OptionError, PrivacyOptions, Target, TargetError, TlsOptions,
    Transport,
};
pub(crate) use target::{duration_text, nearest, number_range, parse_size, size_text};
pub use transport::tls::{CertificateEnd, FileUse, TlsError};
pub(crate) use transport::tls::{
    check as check_tls, check_options as check_tls_options, ends as certificate_ends,
};
pub use watch::{QueueState, SessionState, SpoolState, TargetState, Watch, Watches};
