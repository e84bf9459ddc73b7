//! What an installation adds to the program: the units, and what the program tells a service manager.
//!
//! `cargo test --test delivery service:: -- --include-ignored --test-threads=1`, as root.

#![cfg(target_os = "linux")]

mod interface;
mod journal;
mod notify;
mod unit;
