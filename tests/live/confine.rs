//! What a confined process cannot do: seen from outside on the program, tried from inside by a child
//! that confines itself as the program does.
//!
//! `cargo test --test live confine:: -- --include-ignored --test-threads=1`, as root.

#![cfg(target_os = "linux")]

mod attempts;
mod old_kernels;
mod programs;
mod renewal;
