//! How to export.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::export::clock::{Clock, SystemClock};
use crate::export::counted::Counting;
use crate::export::notice::Observer;
use crate::export::options::Metering;
use crate::export::target::Target;

/// Settings of the Exporting Process.
#[derive(Clone, Debug)]
pub struct Config {
    /// Observation Domain ID of every Message (RFC 7011 §3.1).
    pub observation_domain: u32,
    /// Where every record goes.
    pub targets: Vec<Target>,
    /// Whether packets wait for us.
    pub pace: Pace,
    /// Both directions in one record (RFC 5103), or one record for each.
    pub biflow: bool,
    /// Batches that wait for one target at most; a batch is shared between targets.
    pub queue_batches: usize,
    /// Octets of encoded records that wait in memory for one Collector at most.
    pub queue_octets: usize,
    /// Where records wait for Collectors that are away; live only.
    pub spool: Option<SpoolConfig>,
    /// Live: how long a record may wait for its Message to fill.
    pub flush_timeout: Duration,
    /// How long [`Exporter::finish`](crate::export::Exporter::finish) waits for a Collector that
    /// takes nothing.
    pub drain_timeout: Duration,
    /// Live: how long it goes on sending to a Collector that does take something. With what comes
    /// before and after, it has to be less than a service manager waits, which is 90 s.
    pub drain_limit: Duration,
    /// Collectors over UDP.
    pub udp: UdpConfig,
    /// Collectors over TCP.
    pub tcp: TcpConfig,
    /// The Metering Process that we report of (RFC 7011 §4).
    pub metering: Metering,
    /// Real time.
    pub clock: Arc<dyn Clock>,
    /// Nothing leaves: what would is counted here.
    pub counting: Option<Counting>,
    /// Who hears of changes in the state of a target.
    pub observer: Observer,
}

/// Whether packets wait for us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// They do: a full queue is waited for, Export Time follows the clock of the capture, and no
    /// timer cuts a Message short, so that the same records make the same octets.
    Replay,
    /// They do not: a full queue loses records, which are counted; Export Time is the wall clock.
    Live,
}

/// Settings of the spool, where records wait on disk for Collectors that are away.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpoolConfig {
    /// Each target has a directory of its own below this one.
    pub directory: PathBuf,
    /// Octets on disk at most, for each target.
    pub maximum_octets: u64,
    /// What has waited longer than this is removed, and counted as lost.
    pub maximum_age: Duration,
    /// File of the key by which the spool survives a restart; created if it is not there. Without it
    /// the key is in memory only and what waits is lost with the process.
    pub key_file: Option<PathBuf>,
}

/// Settings of sessions over UDP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UdpConfig {
    /// RFC 7011 §8.4: Templates are sent again after this time (`templateRefreshTimeout`).
    pub template_refresh_timeout: Duration,
    /// And after so many Messages.
    pub template_refresh_messages: u32,
    /// RFC 7011 §10.3.3: octets of a Message at most; what the path takes when `None`, and never
    /// more than that.
    pub message_size: Option<usize>,
    /// Datagrams a second at most; 0 for no limit. Collectors have small socket buffers, and a
    /// replay is faster than any network.
    pub datagram_rate: u32,
    /// Datagrams in a row at most.
    pub datagram_burst: u32,
    /// Between two attempts to reach a Collector that the network said is not there, if records have
    /// another place to wait.
    pub retry_interval: Duration,
}

/// Settings of sessions over TCP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TcpConfig {
    /// Octets of a Message at most.
    pub message_size: usize,
    /// How long one attempt to connect to one address may take.
    pub connect_timeout: Duration,
    /// RFC 7011 §10.4.4: no two attempts to connect within this time.
    pub reconnect_interval: Duration,
    /// A session that takes nothing for so long is broken.
    pub stall_timeout: Duration,
}

impl Config {
    /// How long a Message may wait for more records, where time counts.
    pub(crate) fn flush_timer(&self) -> Option<Duration> {
        match self.pace {
            Pace::Replay => None,
            Pace::Live => Some(self.flush_timeout),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            observation_domain: 0,
            targets: Vec::new(),
            pace: Pace::Live,
            biflow: true,
            queue_batches: 256,
            queue_octets: 64 << 20,
            spool: None,
            flush_timeout: Duration::from_millis(500),
            drain_timeout: Duration::from_secs(5),
            drain_limit: Duration::from_secs(40),
            udp: UdpConfig::default(),
            tcp: TcpConfig::default(),
            metering: Metering::default(),
            clock: Arc::new(SystemClock::new()),
            counting: None,
            observer: Observer::default(),
        }
    }
}

impl Default for UdpConfig {
    fn default() -> Self {
        Self {
            template_refresh_timeout: Duration::from_secs(60),
            template_refresh_messages: 4096,
            message_size: None,
            datagram_rate: 20_000,
            datagram_burst: 64,
            retry_interval: Duration::from_secs(5),
        }
    }
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            message_size: 16_384,
            connect_timeout: Duration::from_secs(5),
            reconnect_interval: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(30),
        }
    }
}
