//! What goes wrong between a probe and its Collectors, brought about on purpose: Collectors that are
//! killed, stalled, late or cut off, probes that are killed, disks that are full, gone or damaged.
//!
//! Everywhere the same has to hold: what a Collector has stored is right to the octet, what is not
//! there is counted, and the books balance. Tests that are a row of RFC 5471 begin with its number in
//! our list.
//!
//! `cargo test --test faults -- --ignored --test-threads=1 --nocapture`; as root all of it, otherwise
//! those that need no network or file system of their own.

#[path = "support/collectors.rs"]
mod collectors;

#[path = "support/netns.rs"]
mod netns;

#[path = "faults/load.rs"]
mod load;

#[path = "faults/cuts.rs"]
mod cuts;

#[path = "faults/groups.rs"]
mod groups;

#[path = "faults/probes.rs"]
mod probes;

#[path = "faults/restarts.rs"]
mod restarts;

#[path = "faults/spools.rs"]
mod spools;

#[path = "faults/stalls.rs"]
mod stalls;

#[path = "faults/stress.rs"]
mod stress;

#[path = "faults/udp.rs"]
mod udp;
