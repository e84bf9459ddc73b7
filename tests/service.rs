//! What an installation adds to the program: the units, and what the program tells a service manager.
//!
//! `cargo test --test service -- --include-ignored --test-threads=1`, as root.

#![cfg(target_os = "linux")]

#[path = "service/interface.rs"]
mod interface;
#[path = "support/netns.rs"]
mod netns;
#[path = "service/notify.rs"]
mod notify;
#[path = "support/program.rs"]
mod program;
#[path = "service/unit.rs"]
mod unit;
