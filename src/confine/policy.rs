//! What the process still has to be able to do.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// What the process still has to be able to do once it is confined.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Policy {
    /// Whether a lost interface is opened again, and how.
    pub reopens: Option<Reopens>,
    /// What is exported to.
    pub network: Network,
    /// What is read and written.
    pub files: Files,
}

/// By what means a lost interface is opened again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reopens {
    /// A packet socket of our own.
    PacketSocket,
    /// libpcap, which asks the system for more.
    Libpcap,
}

/// Sockets that are opened while the process runs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Network {
    /// Datagrams are sent.
    pub udp: bool,
    /// Ports that are connected to over TCP or TLS.
    pub tcp_ports: BTreeSet<u16>,
    /// Ports that are connected to over SCTP.
    pub sctp_ports: BTreeSet<u16>,
    /// Sockets are given a source address of ours.
    pub binds: bool,
    /// Names are resolved.
    pub resolves: bool,
    /// Who connects to a socket that listens already is answered.
    pub answers: bool,
}

/// Places in the file system. One that is a directory stands for all in and below it; one that is
/// not there is left out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Files {
    /// What is read.
    pub read: BTreeSet<PathBuf>,
    /// What is written: directories in which files come and go, and devices.
    pub write: BTreeSet<PathBuf>,
    /// Directories that a file may be removed from, and nothing else.
    pub remove: BTreeSet<PathBuf>,
}
