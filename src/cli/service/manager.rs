//! The notification protocol of systemd (sd_notify(3)): lines in datagrams to the socket that
//! `NOTIFY_SOCKET` names.
//!
//! The socket is connected before the process confines itself and written to ever after: so there is
//! nothing to open later, which Landlock would not allow for the abstract socket of another process, and
//! no system call in use but write(2). The crates for this protocol open it for each message.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use crate::cli::log;

/// Who started us and wants to be told, or nobody.
#[derive(Debug, Default)]
pub(in crate::cli) struct ServiceManager {
    socket: Option<File>,
    /// After so much silence we are ended.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that the environment names. One that cannot be reached is an error: it would wait in
    /// vain, and end us for that.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub(in crate::cli) fn of_environment() -> io::Result<Self> {
        Self::of(env::var_os)
    }

    pub(super) fn of(variable: impl Fn(&'static str) -> Option<OsString>) -> io::Result<Self> {
        let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(Self::default());
        };
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        // Meant for another process that we happen to have the environment of.
        let is_ours = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|&time| is_ours && time > 0);
        let socket = connect(&name)?;
        Ok(Self { socket: Some(socket), watchdog: watchdog.map(Duration::from_micros) })
    }

    /// Whether anybody is to be told.
    pub(in crate::cli) const fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// How often it is to be told: three times in the time after which silence is our end.
    pub(in crate::cli) fn interval(&self) -> Duration {
        self.watchdog
            .map_or(LONGEST_INTERVAL, |time| (time / 3).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL))
    }

    /// We capture; or after [`Self::reloading`], we go on with what was read.
    pub(in crate::cli) fn ready(&self, status: &str) {
        self.note("ready");
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// The configuration is being read again; [`Self::ready`] ends that, whatever came of it.
    pub(in crate::cli) fn reloading(&self) {
        self.note("reloading");
        match monotonic_microseconds() {
            // By which the manager tells this reload from an earlier one (Type=notify-reload).
            Some(time) => self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={time}")),
            None => self.tell("RELOADING=1"),
        }
    }

    /// We move.
    pub(in crate::cli) fn alive(&self, status: &str) {
        self.tell(&format!("WATCHDOG=1\nSTATUS={status}"));
    }

    /// How it goes.
    pub(in crate::cli) fn status(&self, status: &str) {
        self.tell(&format!("STATUS={status}"));
    }

    /// We are about to end, and still busy for a while.
    pub(in crate::cli) fn stopping(&self) {
        self.note("stopping");
        self.tell("STOPPING=1\nSTATUS=exporting what is left in the flow cache");
    }

    fn note(&self, state: &str) {
        if self.is_there() {
            log::manager_told(state);
        }
    }

    fn tell(&self, lines: &str) {
        if let Some(mut socket) = self.socket.as_ref() {
            // A manager that does not read is one that cannot be helped.
            let _ = socket.write_all(lines.as_bytes());
        }
    }
}

fn connect(name: &OsStr) -> io::Result<File> {
    let socket = UnixDatagram::unbound()?;
    match name.as_bytes().split_first() {
        Some((b'@', name)) => connect_abstract(&socket, name)?,
        Some((b'/', _)) => socket.connect(Path::new(name))?,
        _ => return Err(io::Error::new(io::ErrorKind::Unsupported, "not a Unix socket")),
    }
    // Nobody here is to wait for a manager that is busy with itself.
    socket.set_write_timeout(Some(Duration::from_secs(1)))?;
    // A datagram for each write(2).
    Ok(File::from(OwnedFd::from(socket)))
}

#[cfg(target_os = "linux")]
fn connect_abstract(socket: &UnixDatagram, name: &[u8]) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::SocketAddr;

    socket.connect_addr(&SocketAddr::from_abstract_name(name)?)
}

#[cfg(not(target_os = "linux"))]
fn connect_abstract(_: &UnixDatagram, _: &[u8]) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "abstract sockets are Linux's"))
}

#[cfg(target_os = "linux")]
fn monotonic_microseconds() -> Option<u64> {
    use nix::time::{ClockId, clock_gettime};

    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).ok()?;
    u64::try_from(Duration::from(time).as_micros()).ok()
}

#[cfg(not(target_os = "linux"))]
fn monotonic_microseconds() -> Option<u64> {
    None
}

/// The status is to be read by people: it need not be newer than this.
const LONGEST_INTERVAL: Duration = Duration::from_secs(10);
/// Workers show their books ten times a second: within less they may not seem to move.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::SocketAddr;

    use super::*;

    #[test]
    fn messages_are_datagrams_to_a_path_or_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("flowtap-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let sockets = [
            (UnixDatagram::bind(&path).unwrap(), path.into_os_string()),
            (UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}").into()),
        ];
        for (socket, name) in sockets {
            let manager =
                ServiceManager::of(|it| (it == "NOTIFY_SOCKET").then(|| name.clone())).unwrap();
            manager.ready("well");
            manager.reloading();
            manager.alive("well");
            manager.stopping();
            let received: Vec<_> = (0..4).map(|_| receive(&socket)).collect();
            assert_eq!(received[0], "READY=1\nSTATUS=well");
            let time = received[1].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
            assert!(time.parse::<u64>().unwrap() <= monotonic_microseconds().unwrap());
            assert_eq!(received[2], "WATCHDOG=1\nSTATUS=well");
            assert!(received[3].starts_with("STOPPING=1\n"));
        }
    }

    #[test]
    fn a_manager_that_is_not_there_is_an_error_and_none_at_all_is_not() {
        let manager = ServiceManager::of(|_| None).unwrap();
        assert!(!manager.is_there());
        manager.ready("nobody hears it");
        for name in ["/no/such/socket", "@no-such-socket-of-flowtap", "vsock:2:1"] {
            let of = ServiceManager::of(|it| (it == "NOTIFY_SOCKET").then(|| name.into()));
            assert!(of.is_err(), "{name}");
        }
    }

    #[test]
    fn the_watchdog_of_another_process_is_none_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _socket = UnixDatagram::bind(&path).unwrap();
        let interval = |id: u32, time: &'static str| {
            let of = ServiceManager::of(|it| match it {
                "NOTIFY_SOCKET" => Some(path.clone().into_os_string()),
                "WATCHDOG_PID" => Some(id.to_string().into()),
                "WATCHDOG_USEC" => Some(time.into()),
                _ => None,
            });
            of.unwrap().interval()
        };
        let us = std::process::id();
        assert_eq!(interval(us, "3000000"), Duration::from_secs(1));
        assert_eq!(interval(us, "300000000"), LONGEST_INTERVAL);
        assert_eq!(interval(us, "300000"), SHORTEST_INTERVAL);
        for (id, time) in [(us + 1, "3000000"), (us, "0"), (us, "soon")] {
            assert_eq!(interval(id, time), LONGEST_INTERVAL);
        }
    }

    fn receive(socket: &UnixDatagram) -> String {
        let mut octets = [0; 512];
        let length = socket.recv(&mut octets).unwrap();
        String::from_utf8_lossy(&octets[..length]).into_owned()
    }
}
