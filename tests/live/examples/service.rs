//! A command that goes on until it is told to end, and what it is given.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::program::{run, wait_until};
use crate::run::sample;

/// A command that goes on until it is told to end.
pub(super) struct Service {
    pub(super) command: String,
    pub(super) child: Child,
    pub(super) said: PathBuf,
    /// Whether it is to come to a good end.
    pub(super) ends_well: bool,
}

impl Service {
    #[track_caller]
    pub(super) fn wait_until_it_captures(&mut self) {
        for _ in 0..500 {
            let said = fs::read_to_string(&self.said).unwrap();
            if said.contains("capturing on") {
                return;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "{}: {said}", self.command);
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{} did not capture", self.command);
    }

    /// To all of its processes.
    pub(super) fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        killpg(group, signal).unwrap();
    }

    /// Ends it, and returns what it said.
    #[track_caller]
    pub(super) fn end(mut self) -> String {
        if self.child.try_wait().unwrap().is_none() {
            if self.command.starts_with("nfacctd ") {
                // It waits for ever for a plugin that was ended by another than itself.
                shell(&format!("kill -INT {}", self.child.id()));
            } else {
                self.signal(Signal::SIGTERM);
            }
        }
        self.wait()
    }

    #[track_caller]
    pub(super) fn wait(&mut self) -> String {
        let status = self.child.wait().unwrap();
        let said = [self.said.clone(), self.said.with_extension("out")];
        let said = said.map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
        let said = said.concat();
        assert!(!self.ends_well || status.success(), "{}: {status}: {said}", self.command);
        said
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

pub(super) fn shell(line: &str) -> String {
    run(Command::new("sh").args(["-ec", line]))
}

/// Waits until somebody listens at a port.
pub(super) fn listens(port: u16) {
    let asked = format!("ss --no-header --listening --numeric -tu 'sport = :{port}'");
    let is_there = || shell(&asked).lines().any(|line| !line.contains("192.0.2."));
    wait_until("its port", is_there);
}

pub(super) fn send_sample(interface: &str) {
    let mut capture = pcap::Capture::from_file(sample()).unwrap();
    let handle = pcap::Capture::from_device(interface).unwrap();
    let mut sender = handle.buffer_size(1 << 20).open().unwrap();
    while let Ok(packet) = capture.next_packet() {
        // Larger ones than a link takes are no frames of it.
        let _ = sender.sendpacket(packet.data);
    }
}
