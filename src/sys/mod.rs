//! The only unsafe code of the probe: sockets, mmap, rings, memory advice, prefetch.

pub mod memory;
pub mod transport;
