//! The Metering Process behind decode: packets into Flows, Flows into Flow Records.
//!
//! [`FlowCache`] holds the locks; the shards behind them are plain state that knows of packets and
//! a clock and of nothing else. Expiry follows RFC 5470 §5.1.1.

mod batch;
mod cache;
mod config;
mod entry;
mod filter;
mod fragments;
mod icmp;
mod index;
mod key;
mod memory;
mod networks;
mod record;
mod shard;
mod timers;
mod turnstile;

pub use batch::Batch;
pub use cache::{FlowCache, Sweep};
pub use config::{Config, Seed};
pub use filter::PacketFilter;
pub use memory::{OCTETS_FOR_EXTRA, OCTETS_FOR_IPV6, OCTETS_PER_FLOW, most_octets};
pub use networks::{Network, NetworkError, Networks, masked};
pub use record::{Direction, FlowEndReason, FlowRecord};
pub use turnstile::Turn;

#[cfg(test)]
mod tests;
