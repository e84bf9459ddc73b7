//! What the Metering Process is asked to do.

use std::time::Duration;

/// Cache parameters, named after RFC 6728 §4.3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Config {
    /// `activeTimeout`: a Flow that goes on is exported in slices of this length; 0 makes each packet
    /// a slice.
    pub active_timeout: Duration,
    /// `idleTimeout`: a Flow without packets for so long is over; 0 makes each packet a Flow
    /// (RFC 5470 §5.1.1).
    pub idle_timeout: Duration,
    /// `maxFlows`: Flows the cache holds at most. At least 1.
    pub max_flows: usize,
    /// One record for both directions (RFC 5103), or one for each.
    pub biflow: bool,
    /// Whether the outermost VLAN id is part of the Flow Key.
    pub vlan_key: bool,
    /// Where the numbers that need not repeat come from.
    pub seed: Seed,
    /// Workers that will share the cache live; more workers get more shards, so that they seldom
    /// meet. A replay leaves it at 1: the shards decide the order of the records, which must not
    /// depend on the number of workers.
    pub live_workers: usize,
}

/// Where hash keys and Flow ids start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seed {
    /// The same in every run: a replay gives the same output each time.
    Fixed,
    /// Different in every run: nobody can aim packets at one bucket of the hash table, and
    /// `flowId`s of two runs do not meet. Holds the first `flowId`.
    Random {
        /// First `flowId` (IE 148) of this run.
        first_flow_id: u64,
    },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            active_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(15),
            max_flows: 1_000_000,
            biflow: true,
            vlan_key: true,
            seed: Seed::Fixed,
            live_workers: 1,
        }
    }
}
