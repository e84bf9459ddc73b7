//! What the program says and writes, on captures: every subcommand as users run it.
//!
//! `cargo test --test cli`; as root with `-- --include-ignored --test-threads=1`.

mod captures;
mod config;
mod files;
mod manifest;
mod plan;
mod privacy;
mod replay;
mod selection;
mod show;
mod support_bundle;
mod top;
mod verify;
mod wipe;

#[path = "../support/generate.rs"]
mod generate;
#[path = "../support/netns.rs"]
mod netns;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/receiver.rs"]
mod receiver;
#[path = "../support/run.rs"]
mod run;
#[path = "../support/captures.rs"]
mod shared;
#[path = "../support/strict.rs"]
mod strict;
