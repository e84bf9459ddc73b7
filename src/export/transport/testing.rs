//! What tests of sessions share.

use std::env;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::export::clock::{Clock, SystemClock};
use crate::export::ending::Ending;
use crate::export::target::{Collector, Transport};
use crate::export::transport::connect::Settings;
use crate::export::transport::{Patience, Session};

pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

pub(super) fn settings() -> Settings {
    Settings {
        connect_timeout: Duration::from_millis(300),
        dead_after: Duration::from_secs(60),
        message_size: 16_384,
        udp_message_size: None,
        counting: None,
    }
}

pub(super) fn collector(transport: Transport, address: std::net::SocketAddr) -> Collector {
    Collector::new(transport, address.ip().to_string(), address.port())
}

/// What a session waits by.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ending: Ending,
    pub(super) running: Duration,
    pub(super) over: Duration,
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self {
            clock: clock(),
            ending: Ending::default(),
            running: Duration::from_secs(5),
            over: Duration::from_secs(5),
        }
    }

    pub(super) fn patience(&self) -> Patience<'_> {
        let Self { clock, ending, running, over } = self;
        Patience { running: *running, over: *over, ending, clock: &**clock }
    }
}

/// A Message of `length` octets, which begin with its number.
pub(super) fn message(number: u32, length: usize) -> Vec<u8> {
    let mut octets = vec![0x5a; length];
    octets[..4].copy_from_slice(&number.to_be_bytes());
    octets
}

/// Looks after a session until it has ended, for a few seconds at most.
pub(super) fn look_until_end(session: &mut dyn Session) -> std::io::Error {
    for _ in 0..10_000 {
        if let Err(error) = session.look() {
            return error;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("the session did not end");
}

/// Runs `body` in a network namespace of its own, in a process of its own, in which loopback is up.
///
/// `test` is the path of the calling test: the child process is this test binary, told to run that
/// test only. `lab` are commands of ip(8) that come before, with `{n}` for the name of the
/// namespace, and further namespaces of that name and a letter.
pub(super) fn inside(test: &str, lab: &[&str], body: impl FnOnce()) {
    if env::var_os(MARK).is_some() {
        ip("link set dev lo up");
        body();
        return;
    }
    // Several tests of one process are in namespaces at the same time.
    static LABS: AtomicU32 = AtomicU32::new(0);
    let name = format!("flowtap-{}-{}", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
    let namespaces = Namespaces(["", "r", "c"].map(|letter| format!("{name}{letter}")));
    for namespace in &namespaces.0 {
        ip(&format!("netns add {namespace}"));
    }
    for line in lab {
        ip(&line.replace("{n}", &name));
    }
    let output = Command::new("ip")
        .args(["netns", "exec", &name])
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    // A misspelt name would run no test at all, successfully.
    let passed = output.status.success() && told.contains("1 passed");
    assert!(passed, "inside {name}:\n{told}\n{complaints}");
}

/// Runs `ip` with the words of `line` and expects it to succeed.
pub(super) fn ip(line: &str) {
    let output = Command::new("ip").args(line.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Removed when dropped.
struct Namespaces([String; 3]);

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in &self.0 {
            // Not `ip`: a failure here must not hide the one that may be under way.
            let _ = Command::new("ip").args(["netns", "delete", name]).output();
        }
    }
}

/// Set in the environment of the child process.
const MARK: &str = "FLOWTAP_TEST_INSIDE_NAMESPACE";
