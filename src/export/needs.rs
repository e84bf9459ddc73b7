//! What targets need of the system while they run, for whoever confines the process.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::export::config::SpoolConfig;
use crate::export::file;
use crate::export::output::written_place;
use crate::export::target::{Collector, JsonOutput, PrivacyOptions, Target, Transport};
use crate::export::transport::tls;

/// Files, ports and sockets that targets use again and again.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Needs {
    /// Files that are read, and directories in which they are replaced.
    pub read: BTreeSet<PathBuf>,
    /// Directories in which files are made and named, and devices.
    pub written: BTreeSet<PathBuf>,
    /// Messages are sent over UDP.
    pub udp: bool,
    /// Ports of Collectors over TCP and TLS.
    pub tcp_ports: BTreeSet<u16>,
    /// Ports of Collectors over SCTP.
    pub sctp_ports: BTreeSet<u16>,
    /// Sessions have a source address of ours.
    pub binds: bool,
    /// Collectors are named, and each session asks for their addresses.
    pub resolves: bool,
}

impl Needs {
    /// What these targets need.
    ///
    /// What is not there yet is left out, apart from the directory of the spool: to open the targets
    /// will tell what is wrong.
    pub fn of(targets: &[Target], spool: Option<&SpoolConfig>) -> Self {
        let mut needs = Self::default();
        for target in targets {
            match target {
                Target::File(target) => needs.written.extend(file::written_place(target)),
                Target::Json(json) => {
                    if let JsonOutput::File(path) = &json.output {
                        needs.written.extend(written_place(path));
                    }
                }
                Target::Collector(_) | Target::Group(_) => {
                    target.collectors().iter().for_each(|collector| needs.reach(collector));
                }
                Target::Null => {}
            }
            for PrivacyOptions { pseudonym_key, .. } in target.privacy() {
                needs.keep(pseudonym_key.as_deref());
            }
        }
        let reaches_anybody = targets.iter().any(|target| !target.collectors().is_empty());
        if let Some(spool) = spool.filter(|_| reaches_anybody) {
            needs.written.insert(spool.directory.clone());
            needs.keep(spool.key_file.as_deref());
        }
        needs
    }

    /// A key is read from its file; one that is not there is made.
    fn keep(&mut self, key: Option<&Path>) {
        let Some(key) = key else { return };
        if key.exists() {
            self.read.insert(key.to_owned());
        } else {
            self.written.extend(directory_of(key));
        }
    }

    fn reach(&mut self, collector: &Collector) {
        let Collector { transport, host, port, options } = collector;
        match transport {
            Transport::Udp => self.udp = true,
            Transport::Tcp | Transport::Tls => {
                self.tcp_ports.insert(*port);
            }
            Transport::Sctp => {
                self.sctp_ports.insert(*port);
            }
        }
        self.binds |= options.source.is_some();
        self.resolves |= host.parse::<IpAddr>().is_err();
        if *transport == Transport::Tls {
            for path in tls::files(&options.tls) {
                // A new file comes in by its name: beside the old one, or where a link then leads.
                self.read.extend(directory_of(&path));
                self.read.extend(fs::canonicalize(&path).ok().and_then(|path| directory_of(&path)));
            }
        }
    }
}

/// The directory that `path` is in.
pub(crate) fn directory_of(path: &Path) -> Option<PathBuf> {
    let directory = path.parent()?;
    Some(if directory.as_os_str().is_empty() { PathBuf::from(".") } else { directory.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(targets: &[&str], spool: Option<&SpoolConfig>) -> Needs {
        let targets: Vec<_> = targets.iter().map(|text| text.parse().unwrap()).collect();
        Needs::of(&targets, spool)
    }

    #[test]
    fn collectors_need_their_ports_and_nothing_else() {
        let found = needs(
            &["failover:tcp://192.0.2.1:4000,tcp://[2001:db8::1]:4001", "sctp://192.0.2.2"],
            None,
        );
        let expected =
            Needs { tcp_ports: [4000, 4001].into(), sctp_ports: [4739].into(), ..Needs::default() };
        assert_eq!(found, expected);
        let found = needs(&["udp://collector.example?source=192.0.2.9", "null:"], None);
        assert_eq!((found.udp, found.resolves, found.binds), (true, true, true));
        assert!(found.tcp_ports.is_empty());
        assert!(needs(&["tcp://[fe80::1%eth0]"], None).resolves, "a scope is looked up");
    }

    #[test]
    fn files_need_the_directory_they_are_named_in() {
        let directory = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(directory.path()).unwrap();
        let link = path.join("link");
        fs::create_dir(path.join("below")).unwrap();
        fs::write(path.join("below/real"), "").unwrap();
        std::os::unix::fs::symlink(path.join("below/real"), &link).unwrap();
        let written = |target: String| needs(&[&target], None).written;
        assert_eq!(written(format!("file:{}/a.ipfix", path.display())), [path.clone()].into());
        assert_eq!(written(format!("json:{}", link.display())), [path.join("below")].into());
        let pattern = format!("file:{}/%Y/%m/a.ipfix?rotate=1h", path.display());
        assert_eq!(written(pattern), [path.clone()].into());
        assert_eq!(written("file:a.ipfix".to_owned()), [PathBuf::from(".")].into());
        assert_eq!(written("json:/dev/null".to_owned()), [PathBuf::from("/dev/null")].into());
        for nothing in ["json:-", "file:/dev/stdout", "json:/not/there/at/all", "null:"] {
            assert_eq!(written(nothing.to_owned()), BTreeSet::new(), "{nothing}");
        }
    }

    #[test]
    fn certificates_are_read_where_they_are_and_where_links_lead() {
        let directory = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(directory.path()).unwrap();
        for name in ["live", "archive"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        fs::write(path.join("archive/cert1.pem"), "").unwrap();
        std::os::unix::fs::symlink("../archive/cert1.pem", path.join("live/cert.pem")).unwrap();
        let (live, key) = (path.join("live"), path.join("key.pem"));
        let target = format!(
            "tls://192.0.2.1?ca={0}/cert.pem&cert={0}/cert.pem&key={1}",
            live.display(),
            key.display()
        );
        let found = needs(&[&target], None);
        assert_eq!(found.read, [path.clone(), live, path.join("archive")].into());
        assert_eq!(found.tcp_ports, [4740].into());
    }

    #[test]
    fn a_spool_is_written_if_there_is_anything_to_wait_for() {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("key");
        let spool = SpoolConfig {
            directory: directory.path().join("spool"),
            maximum_octets: 1_000_000,
            maximum_age: std::time::Duration::from_secs(60),
            key_file: Some(key.clone()),
        };
        assert_eq!(needs(&["null:"], Some(&spool)), Needs::default());
        let found = needs(&["tcp://192.0.2.1"], Some(&spool));
        assert_eq!(found.written, [directory.path().to_owned(), spool.directory.clone()].into());
        fs::write(&key, "").unwrap();
        let found = needs(&["tcp://192.0.2.1"], Some(&spool));
        assert_eq!((found.written, found.read), ([spool.directory.clone()].into(), [key].into()));
    }
}
