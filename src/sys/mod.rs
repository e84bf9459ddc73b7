//! The only unsafe code of the probe: sockets, mmap, rings, large tables, memory advice, prefetch, files.

#[cfg(target_os = "linux")]
pub mod block;

#[cfg(target_os = "linux")]
pub mod block_ring;

#[cfg(target_os = "linux")]
mod bus_error;

pub mod disk;

#[cfg(target_os = "linux")]
pub mod ethtool;

pub mod file_mapping;

#[cfg(target_os = "linux")]
pub mod kernel_clock;

pub mod link;

#[cfg(target_os = "linux")]
pub mod mapping;

pub mod lanes;
pub mod memory;

#[cfg(target_os = "linux")]
pub mod packet_socket;

#[cfg(target_os = "linux")]
pub mod pcap_protocol;

pub mod readiness;

pub mod rename;

#[cfg(target_os = "linux")]
pub mod seccomp;

pub mod table;

pub mod transport;

pub mod write_out;
