//! What the standards ask of messages, files and sessions, and what collectors and readers of others find
//! in them.
//!
//! `cargo test --test standards -- --include-ignored --test-threads=1`, as root.

mod conformance;
mod interop;
mod interop_export;
mod profiles;
mod rfc5471;
mod show_interop;

#[path = "../support/generate.rs"]
mod generate;
#[expect(dead_code, reason = "shared by several test files, each of which uses a part")]
#[path = "../support/netns.rs"]
mod netns;
#[path = "../support/peers.rs"]
mod peers;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/receiver.rs"]
mod receiver;
#[path = "../support/records.rs"]
mod records;
#[path = "../support/replayed.rs"]
mod replayed;
#[path = "../support/run.rs"]
mod run;
#[path = "../support/strict.rs"]
mod strict;
#[path = "../support/wire.rs"]
mod wire;
