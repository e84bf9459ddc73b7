//! What a confined process cannot do: seen from outside on the program, tried from inside by a child
//! that confines itself as the program does.
//!
//! `cargo test --test confine -- --include-ignored --test-threads=1`, as root.

#![cfg(target_os = "linux")]

#[path = "confine/attempts.rs"]
mod attempts;
#[path = "support/netns.rs"]
mod netns;
#[path = "confine/old_kernels.rs"]
mod old_kernels;
#[path = "support/program.rs"]
mod program;
#[path = "confine/programs.rs"]
mod programs;
#[path = "confine/renewal.rs"]
mod renewal;
#[path = "support/run.rs"]
mod run;
