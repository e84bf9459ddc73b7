//! flowtap: a passive network probe. Packets in, payload thrown away at once, IPFIX flows out.
//!
//! ```text
//!  Observation Points        Metering Process                                   Exporting Process
//!  ┌───────────────┐ frames ┌────────┐ Headers ┌───────────────────────┐ records ┌──────────────────┐
//!  │ capture       │───────▶│ decode │────────▶│ flow (lock-sharded)   │────────▶│ privacy, export  │──▶ collectors
//!  │ AF_PACKET     │        │ pure   │ plain   │ key, counters, timers │ batches │ ipfix encoder,   │    files
//!  │ libpcap, file │        │ values │ values  │ timeouts, eviction    │         │ sessions         │
//!  └───────────────┘        └────────┘         └───────────────────────┘         └──────────────────┘
//!         └────────────── one worker per core ─────────────┘                      own threads
//!                              ledger: every frame counted exactly once, end to end
//!              confine: before the first thread, the process gives up what it will not need
//! ```
//!
//! Modules stand below in the order of the data path. Imports point one way; `tests/layering.rs`
//! holds them to it.

pub mod time;

#[expect(unsafe_code, reason = "the only module that may: rings, mmap, memory advice, prefetch")]
pub mod sys;

pub mod frame;

pub mod capture;

pub mod decode;

pub mod flow;

pub mod ipfix;

pub mod regular_file;

pub mod key_file;

pub mod privacy;

pub mod export;

pub mod pipeline;

pub mod confine;

pub mod telemetry;

pub mod cli;
