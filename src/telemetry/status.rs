//! What `/status.json` says: the one document that page, terminal and metrics are made of.
//!
//! Nothing in it is of a single communication. Interfaces have the names that the system gives them,
//! targets their place among the targets.

use serde::{Deserialize, Serialize};

use crate::telemetry::day::Day;
use crate::telemetry::health::Health;
use crate::telemetry::history::History;

/// A probe at one moment.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Status {
    /// Version of flowtap.
    pub version: String,
    /// Now, in seconds since 1970.
    pub now: u64,
    /// When metering began, in seconds since 1970.
    pub started: u64,
    /// Whether the probe is well.
    pub health: Health,
    /// When the configuration in effect came into effect, in seconds since 1970.
    pub configured: u64,
    /// Another configuration was asked for since, and refused.
    pub configuration_refused: bool,
    /// What is received now.
    pub rates: Rates,
    /// The interfaces.
    pub interfaces: Vec<Interface>,
    /// The books.
    pub ledger: Ledger,
    /// The Flow Cache.
    pub cache: Cache,
    /// How late records leave.
    pub expiry: Expiry,
    /// What the traffic tells of mirror and box.
    pub symptoms: Symptoms,
    /// The checks of the doctor that are made while packets are captured.
    pub checks: Vec<Checked>,
    /// The traffic as a whole (requirement U2).
    pub distributions: Distributions,
    /// Where records go: of what it was given and has got, the newest are shown when they are ten.
    pub targets: Vec<Target>,
    /// What the process has given up.
    pub confinement: Confinement,
    /// Connections to this endpoint by what became of them.
    pub connections: Vec<Count>,
    /// The last day, in sums.
    pub day: Day,
    /// The last hour.
    pub history: History,
}

/// Over the last few seconds, a second.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Rates {
    /// Frames received.
    pub packets: u64,
    /// Bits on the wire received.
    pub bits: u64,
    /// Frames dropped.
    pub drops: u64,
    /// Flow Records that left the cache.
    pub records: u64,
}

/// An interface under observation.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Which traffic it carries, if its operator says so: `ingress` or `egress`.
    pub direction: Option<String>,
    /// What its operator says of it.
    pub description: Option<String>,
    /// Frames are captured.
    pub up: bool,
    /// What is the matter with it, if anything.
    pub trouble: Option<String>,
    /// Where payload is cut off, in words.
    pub payload: String,
    /// The kernel cuts payload off.
    pub payload_cut_in_kernel: bool,
    /// Frames received.
    pub packets: u64,
    /// Their octets on the wire.
    pub octets: u64,
    /// Frames received a second.
    pub packets_per_second: u64,
    /// Bits on the wire received a second.
    pub bits_per_second: u64,
    /// Frames that the kernel dropped for lack of room.
    pub kernel_dropped_packets: u64,
    /// Frames that it lost itself, as far as it says.
    pub interface_dropped_packets: u64,
}

/// The books, as in the summary of a run; what was exported is shown in steps, and so stays behind.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields of the ledger, which says what they are")]
pub struct Ledger {
    pub received_packets: u64,
    pub received_octets: u64,
    pub metered_packets: u64,
    pub metered_octets: u64,
    pub ignored_packets: Vec<Count>,
    pub ignored_octets: u64,
    pub filtered_packets: u64,
    pub filtered_octets: u64,
    pub kernel_dropped_packets: u64,
    pub interface_dropped_packets: u64,
    pub packet_anomalies: Vec<Count>,
    pub ip_option_packets: u64,
    pub exported_flows: u64,
    pub exported_packets: u64,
    pub exported_octets: u64,
    pub expired: Vec<Count>,
    pub clock_steps: u64,
}

/// The Flow Cache.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Cache {
    /// Flows in it.
    pub flows: u64,
    /// The most there were.
    pub peak: u64,
    /// The most there can be.
    pub maximum: u64,
    /// Flows that have begun.
    pub begun: u64,
}

/// What flow records tell of mirror and box.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Symptoms {
    /// Flow records with a packet longer than the MTU of their interface: something merges packets.
    pub long_packet_flows: u64,
    /// TCP connections that were under way.
    pub tcp_flows: u64,
    /// Those of them of which one direction only was seen.
    pub one_direction_tcp_flows: u64,
    /// Packets from or to a Collector of the probe, seen where it observes.
    pub collector_packets: u64,
}

/// A check of the doctor.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Checked {
    /// Its name, as in the report of the doctor.
    pub check: String,
    /// There is something to put right, or was in the last minutes.
    pub trouble: bool,
}

/// How late records left: behind the timeout that let them leave.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Expiry {
    /// Records by lateness, each bound in seconds with those within it and not within the one before;
    /// the last bound is none.
    pub late: Vec<(Option<f64>, u64)>,
    /// How late they were together, in seconds.
    pub sum_seconds: f64,
}

/// The traffic as a whole.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Distributions {
    /// Frames by octets on the wire; a class is named by its largest.
    pub sizes: Vec<Count>,
    /// Flow Records by protocol.
    pub protocols: Vec<Share>,
    /// TCP by service.
    pub tcp: Vec<Share>,
    /// UDP by service.
    pub udp: Vec<Share>,
    /// Packets that were fragments.
    pub fragments: u64,
    /// Flows that are shown together at least.
    pub fewest_flows: u64,
}

/// A count, by name.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Count {
    /// Of what.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// A part of the traffic, by name.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Share {
    /// Of what.
    pub name: String,
    /// Flows that have ended.
    pub flows: u64,
    /// Packets, both directions.
    pub packets: u64,
    /// Octets of IP, both directions.
    pub octets: u64,
}

/// Where records go.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Target {
    /// Its place among the targets.
    pub label: String,
    /// Its transport, or what else it is.
    pub kind: String,
    /// What is disclosed to it, in words.
    pub disclosure: String,
    /// The levels of that, one for each member that has another: `as-is`, `obfuscated`, `statistical`.
    pub levels: Vec<String>,
    /// Data Records that it was given.
    pub given_flows: u64,
    /// Those of an earlier run.
    pub recovered_flows: u64,
    /// Those that reached it.
    pub sent_flows: u64,
    /// Those that wait in memory, written to a session or not.
    pub queued_flows: u64,
    /// Of those that wait, in memory or on disk: those that were written to the session and are not
    /// known to have been read, as [RFC 7011] has no acknowledgement.
    ///
    /// [RFC 7011]: https://www.rfc-editor.org/rfc/rfc7011
    pub unconfirmed_flows: u64,
    /// The others of those that wait, in memory or on disk: they were not written yet.
    pub waiting_flows: u64,
    /// Those that were lost, by reason.
    pub lost_flows: Vec<Count>,
    /// Messages sent.
    pub messages: u64,
    /// Their octets.
    pub message_octets: u64,
    /// Octets of these in files, compressed where they are; `None` for what is no file.
    pub file_octets: Option<u64>,
    /// Transport Sessions opened.
    pub sessions: u64,
    /// Attempts that failed.
    pub failed_connects: u64,
    /// Whether there is a session; `None` for what has none, such as files.
    pub connected: Option<bool>,
    /// What was sent of late was refused, which ends no session over UDP.
    #[serde(default)]
    pub refused: bool,
    /// For how many seconds there is none.
    pub away_seconds: Option<u64>,
    /// Which member of a failover group is in use.
    pub member: Option<usize>,
    /// When records were last known to have arrived, in seconds since 1970.
    pub last_success: Option<u64>,
    /// When records were last written to a session, in seconds since 1970.
    pub last_written: Option<u64>,
    /// Nothing more is written to it.
    pub failed: bool,
    /// How full the memory for what waits is; `None` for what is no collector.
    pub queue: Option<Queue>,
    /// What waits on disk.
    pub spool: Option<Spool>,
    /// Until when its certificates are good.
    pub certificates: Vec<Certificate>,
}

/// Until when a certificate that a target takes is good.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Certificate {
    /// `own`, or `authorities` whom we trust.
    pub of: String,
    /// Its last second, in seconds since 1970; of several the first.
    pub not_after: u64,
}

/// What waits in memory and was not given to a session.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Queue {
    /// Octets.
    pub octets: u64,
    /// Octets at most.
    pub maximum_octets: u64,
}

/// What waits on disk.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Spool {
    /// Data Records.
    pub flows: u64,
    /// Octets.
    pub octets: u64,
    /// Octets at most, as configured.
    pub maximum_octets: u64,
    /// Octets that there can be: what there are and what is free on the disk, if that is less.
    pub limit_octets: u64,
}

/// What the process has given up.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Confinement {
    /// Whether it is confined.
    pub on: bool,
    /// The same in words.
    pub text: String,
    /// Each part, and whether it is in force.
    pub parts: Vec<Part>,
}

/// A part of confinement.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Part {
    /// Which one.
    pub name: String,
    /// `in_force`, `partly` or `missing`.
    pub state: String,
}

impl Interface {
    /// Which traffic it carries and what its operator says of it, if anything.
    pub fn about(&self) -> Option<String> {
        let said: Vec<_> = [&self.direction, &self.description].into_iter().flatten().collect();
        (!said.is_empty()).then(|| said.into_iter().cloned().collect::<Vec<_>>().join(": "))
    }
}

impl Target {
    /// Data Records that were lost, for whatever reason.
    pub fn lost(&self) -> u64 {
        self.lost_flows.iter().map(|lost| lost.count).sum()
    }
}
