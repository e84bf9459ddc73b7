//! What is delivered: what an installation puts where, the units, the manual pages, the bill of materials.
//!
//! `cargo test --test delivery -- --include-ignored --test-threads=1`, as root.

mod documents;
mod places;
mod service;
mod supply_chain;

#[path = "../support/netns.rs"]
mod netns;
#[path = "../../scripts/packaging/documents.rs"]
#[allow(dead_code, reason = "it is a program, too")]
mod packaging;
#[path = "../support/program.rs"]
mod program;
