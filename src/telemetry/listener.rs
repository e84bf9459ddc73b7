//! The listening socket, TCP or Unix, and those accepted from it: nothing here ever waits.

use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::telemetry::address::Address;
use crate::telemetry::client::connect;

/// A socket that clients connect to.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp {
        socket: TcpListener,
        /// By which names it is called ([`Listener::knows`]); any if `None`.
        own: Option<IpAddr>,
    },
    Unix {
        socket: UnixListener,
        path: PathBuf,
    },
}

impl Listener {
    /// Listens at `address`; `None` where there is nothing to listen to.
    pub(super) fn bind(address: &Address) -> io::Result<Option<Self>> {
        let listener = match address {
            Address::Off => return Ok(None),
            Address::Tcp { address, exposed } => {
                let socket = TcpListener::bind(address)?;
                socket.set_nonblocking(true)?;
                Self::Tcp { socket, own: (!exposed).then_some(address.ip()) }
            }
            Address::Unix(path) => {
                make_way(path)?;
                let socket = UnixListener::bind(path)?;
                // For the owner and its group, whatever the mask.
                fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
                socket.set_nonblocking(true)?;
                Self::Unix { socket, path: path.clone() }
            }
        };
        Ok(Some(listener))
    }

    /// `address` with the port that was got.
    pub(super) fn place(&self, address: &Address) -> Address {
        match (self, address) {
            (Self::Tcp { socket, .. }, Address::Tcp { address, exposed }) => {
                let address = socket.local_addr().unwrap_or(*address);
                Address::Tcp { address, exposed: *exposed }
            }
            _ => address.clone(),
        }
    }

    /// The next client; `None` if nobody waits.
    pub(super) fn accept(&self) -> io::Result<Option<Stream>> {
        let accepted = match self {
            Self::Tcp { socket, .. } => socket.accept().map(|(stream, _)| Stream::Tcp(stream)),
            Self::Unix { socket, .. } => socket.accept().map(|(stream, _)| Stream::Unix(stream)),
        };
        match accepted {
            Ok(stream) => {
                stream.set_nonblocking()?;
                Ok(Some(stream))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a client that asks for this `host` (RFC 9110 §7.2) means us. At a loopback address a
    /// name that is not of the loopback was made by somebody else to point here (DNS rebinding): the
    /// client is then a browser that lets a stranger's page read what we say.
    pub(super) fn knows(&self, host: &str) -> bool {
        let Self::Tcp { own: Some(own), .. } = self else { return true };
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, _port)) => name,
            None => host.split_once(':').map_or(host, |(name, _port)| name),
        };
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip == *own)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp { socket, .. } => socket.as_fd(),
            Self::Unix { socket, .. } => socket.as_fd(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix { path, .. } = self {
            // If it cannot be removed any more, the next start does.
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes the socket of a run that was killed; one that somebody listens at is not ours to remove, nor is
/// what is no socket.
fn make_way(path: &Path) -> io::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        let what = format!("{} is there and is no socket", path.display());
        return Err(io::Error::new(ErrorKind::AlreadyExists, what));
    }
    // Who hangs has no place for us in its queue, and listens all the same.
    let is_dead =
        connect(path, None).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
    if is_dead { fs::remove_file(path) } else { Ok(()) }
}

/// A connection.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(true),
            Self::Unix(stream) => stream.set_nonblocking(true),
        }
    }

    /// Reads what there is; `None` if that is nothing as yet.
    pub(super) fn read(&mut self, octets: &mut [u8]) -> io::Result<Option<usize>> {
        ready(match self {
            Self::Tcp(stream) => stream.read(octets),
            Self::Unix(stream) => stream.read(octets),
        })
    }

    /// Writes what fits; `None` if that is nothing as yet.
    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<Option<usize>> {
        ready(match self {
            Self::Tcp(stream) => stream.write(octets),
            Self::Unix(stream) => stream.write(octets),
        })
    }

    /// Nothing will be written any more.
    pub(super) fn end(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

fn ready(outcome: io::Result<usize>) -> io::Result<Option<usize>> {
    match outcome {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socket2::{Domain, SockAddr, Socket, Type};

    use super::*;

    #[test]
    fn a_name_that_points_here_by_somebody_elses_doing_is_not_ours() {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap().unwrap();
        for host in ["127.0.0.1:9739", "localhost", "LocalHost:1", "[::1]:9739", "127.0.0.2"] {
            assert!(listener.knows(host), "{host}");
        }
        for host in ["evil.example:9739", "", "192.0.2.1", "127.0.0.1.evil.example", "[::2]"] {
            assert!(!listener.knows(host), "{host}");
        }
    }

    #[test]
    fn a_port_that_nobody_asked_for_is_told() {
        let asked: Address = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(&asked).unwrap().unwrap();
        let Address::Tcp { address, exposed: false } = listener.place(&asked) else {
            panic!("it is at {:?}", listener.place(&asked))
        };
        assert_ne!(address.port(), 0);
        TcpStream::connect(address).unwrap();
    }

    #[test]
    fn a_socket_in_use_is_left_alone_and_a_dead_one_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let address = Address::Unix(path.clone());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "it was left over");
        let listener = Listener::bind(&address).unwrap().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert_eq!(Listener::bind(&address).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "a file").unwrap();
        let made = std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap();
        assert!(made.success());
        std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
        for name in ["file", "fifo", "link", ""] {
            let error = Listener::bind(&Address::Unix(path(name))).unwrap_err();
            assert_ne!(error.kind(), ErrorKind::AddrInUse, "nobody says that it is another probe");
            let said = format!("{} is there and is no socket", path(name).display());
            assert_eq!(error.to_string(), said);
        }
        assert_eq!(fs::read(path("file")).unwrap(), b"a file");
        assert!(fs::symlink_metadata(path("fifo")).unwrap().file_type().is_fifo());
    }

    #[test]
    fn who_hangs_keeps_its_socket_and_stops_nobody_who_starts_or_asks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        // Nobody accepts, and the queue is full.
        let hung = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        hung.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        hung.listen(0).unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = connect(&path, None) {
            waiting.push(stream);
            assert!(waiting.len() < 100, "the queue has no end");
        }
        let (done, wait) = std::sync::mpsc::channel();
        let address = Address::Unix(path.clone());
        std::thread::spawn(move || {
            let started = Listener::bind(&address).map(|_| ()).map_err(|error| error.kind());
            let patience = Some(Duration::from_millis(50));
            let Address::Unix(path) = address else { return };
            let asked = connect(&path, patience).map(|_| ()).map_err(|error| error.kind());
            let _ = done.send((started, asked));
        });
        let ends = wait.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!(ends, (Err(ErrorKind::AddrInUse), Err(ErrorKind::WouldBlock)));
        assert!(path.exists());
    }
}
