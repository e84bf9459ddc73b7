//! What the process still has to be able to do.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What the process still has to be able to do once it is confined.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Policy {
    /// Whether a lost interface is opened again, and how.
    pub reopens: Option<Reopens>,
    /// Machine and interfaces are looked at while packets are captured: the clock, what drivers do.
    pub looks: bool,
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

impl Policy {
    /// What `other` needs and this does not give, in words; nothing if a process that is confined to
    /// this can do all of it.
    pub fn lacks(&self, other: &Self) -> Vec<String> {
        let mut lacks = Vec::new();
        let (ours, theirs) = (&self.network, &other.network);
        let lack = |lacks: &mut Vec<_>, is_lacking: bool, what: String| {
            if is_lacking {
                lacks.push(what);
            }
        };
        lack(&mut lacks, theirs.udp && !ours.udp && !ours.resolves, "to send over UDP".to_owned());
        lack(
            &mut lacks,
            theirs.resolves && !ours.resolves,
            "to resolve the names of hosts".to_owned(),
        );
        lack(&mut lacks, theirs.binds && !ours.binds, "to have a source address".to_owned());
        let dns = ours.resolves.then_some(53);
        for port in theirs.tcp_ports.iter().filter(|port| dns != Some(**port)) {
            lack(
                &mut lacks,
                !ours.tcp_ports.contains(port),
                format!("to connect to TCP port {port}"),
            );
        }
        for port in theirs.sctp_ports.difference(&ours.sctp_ports) {
            lack(&mut lacks, true, format!("to connect to SCTP port {port}"));
        }
        let (ours, theirs) = (&self.files, &other.files);
        for path in &theirs.write {
            lack(
                &mut lacks,
                !is_below(path, &ours.write),
                format!("to write in {}", path.display()),
            );
        }
        if other.network.resolves && !self.network.resolves {
            return lacks; // and with it, all the files that this takes
        }
        for path in &theirs.read {
            let is_given = is_below(path, &ours.read) || is_below(path, &ours.write);
            lack(&mut lacks, !is_given, format!("to read {}", path.display()));
        }
        lacks
    }
}

/// Whether what is at `path` is one of `places`, or below one; what is not there needs nothing.
fn is_below(path: &Path, places: &BTreeSet<PathBuf>) -> bool {
    let Ok(path) = fs::canonicalize(path) else { return !path.exists() };
    let mut places = places.iter().filter_map(|place| fs::canonicalize(place).ok());
    places.any(|place| path.starts_with(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_told_and_what_is_given_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, beside) = (folder.path().join("a/b"), folder.path().join("ab"));
        fs::create_dir_all(&inside).unwrap();
        fs::create_dir(&beside).unwrap();
        let policy = |write: &Path, ports: &[u16], udp| Policy {
            network: Network {
                udp,
                tcp_ports: ports.iter().copied().collect(),
                ..Network::default()
            },
            files: Files { write: [write.to_owned()].into(), ..Files::default() },
            ..Policy::default()
        };
        let given = policy(&folder.path().join("a"), &[4739, 4740], true);
        assert_eq!(given.lacks(&given), [""; 0]);
        assert_eq!(given.lacks(&policy(&inside, &[4740], false)), [""; 0]);
        let expected =
            ["to connect to TCP port 9995".to_owned(), format!("to write in {}", beside.display())];
        assert_eq!(given.lacks(&policy(&beside, &[9995], true)), expected);
        let reads = Files { read: [inside.join("none"), beside].into(), ..Files::default() };
        let reads = Policy { files: reads, ..Policy::default() };
        assert_eq!(given.lacks(&reads).len(), 1, "what is not there needs nothing");
        assert_eq!(policy(&inside, &[], false).lacks(&given).len(), 4);
    }
}
