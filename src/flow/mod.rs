//! The Metering Process behind decode: packets into Flows, Flows into Flow Records.
//!
//! [`FlowCache`] holds the locks; the shards behind them are plain state that knows of packets and
//! a clock and of nothing else. Expiry follows RFC 5470 §5.1.1.

mod cache;
mod config;
mod entry;
mod fragments;
mod icmp;
mod index;
mod key;
mod record;
mod shard;
mod timers;

pub use cache::{Batch, FlowCache, Sweep, Turn};
pub use config::{Config, Seed};
pub use record::{Direction, FlowEndReason, FlowRecord};

#[cfg(test)]
mod tests;
