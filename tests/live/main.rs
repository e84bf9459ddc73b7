//! Live capture in network namespaces: what the probe counts, what it may do, and what it tells meanwhile.
//!
//! `cargo test --test live -- --include-ignored --test-threads=1`, as root.

mod canary;
mod capture;
mod confine;
mod doctor;
mod examples;
mod ledger;
mod log_secrecy;
mod probe_config;
mod reload;
mod telemetry;
mod truncation;
mod under_load;

#[path = "../support/frames.rs"]
mod frames;
#[path = "../support/lab.rs"]
mod lab;
#[path = "../support/netns.rs"]
mod netns;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/receiver.rs"]
mod receiver;
#[path = "../support/run.rs"]
mod run;
#[path = "../support/stackings.rs"]
mod stackings;
#[path = "../support/strict.rs"]
mod strict;
