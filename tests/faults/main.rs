//! What goes wrong between a probe and its Collectors, brought about on purpose: Collectors that are
//! killed, stalled, late or cut off, probes that are killed, disks that are full, gone or damaged.
//!
//! Everywhere the same has to hold: what a Collector has stored is right to the octet, what is not
//! there is counted, and the books balance. Tests that are a row of RFC 5471 begin with its number in
//! our list.
//!
//! `cargo test --test faults -- --ignored --test-threads=1 --nocapture`; as root all of it, otherwise
//! those that need no network or file system of their own.

mod cuts;
mod groups;
mod load;
mod probes;
mod restarts;
mod spools;
mod stalls;
mod stress;
mod udp;

#[path = "../support/collectors.rs"]
mod collectors;
#[path = "../support/netns.rs"]
mod netns;
