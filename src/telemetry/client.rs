//! The other end: asks a probe of this host how it is.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use httparse::Status as Parsed;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::telemetry::address::Address;
use crate::telemetry::now;
use crate::telemetry::status::Status;

/// Why a probe does not tell.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody answers.
    #[error("no probe answers at {address}: {source}")]
    Unreachable {
        /// Where.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// Something answers that is no probe, or one of another version.
    #[error("what answers at {address} is no probe of this version: {what}")]
    Answer {
        /// Where.
        address: Address,
        /// What is wrong with the answer.
        what: String,
    },
}

/// The status of the probe at `address`.
///
/// # Errors
///
/// [`ClientError`] when there is none.
pub fn status(address: &Address) -> Result<Status, ClientError> {
    let unreachable = |source| ClientError::Unreachable { address: address.clone(), source };
    let odd = |what: String| ClientError::Answer { address: address.clone(), what };
    let octets = exchange(address).map_err(unreachable)?;
    let content = content(&octets).map_err(|what| odd(what.to_owned()))?;
    serde_json::from_slice(content).map_err(|error| odd(error.to_string()))
}

fn exchange(address: &Address) -> io::Result<Vec<u8>> {
    match address {
        Address::Off => Err(io::Error::other("there is no telemetry")),
        Address::Tcp { address, .. } => {
            let stream = TcpStream::connect_timeout(address, PATIENCE);
            let stream = stream.map_err(|error| explained(error, PATIENCE))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            converse(stream, PATIENCE)
        }
        Address::Unix(path) => {
            let stream = connect(path, Some(PATIENCE)).map_err(|e| explained(e, PATIENCE))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            converse(stream, PATIENCE)
        }
    }
}

/// Connects to a socket; where as many wait as it lets, [`io::ErrorKind::WouldBlock`] after `patience`, or at
/// once without.
pub(super) fn connect(path: &Path, patience: Option<Duration>) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    match patience {
        // connect(2) waits for a place as long as a write may (unix(7) has no other way to bound it).
        Some(_) => socket.set_write_timeout(patience)?,
        None => socket.set_nonblocking(true)?,
    }
    socket.connect(&SockAddr::unix(path)?)?;
    socket.set_write_timeout(None)?;
    socket.set_nonblocking(false)?;
    Ok(socket.into())
}

/// What the system says of time that is up says nothing to people.
fn explained(error: io::Error, patience: Duration) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            let text = format!("it did not answer within {}", humantime::format_duration(patience));
            io::Error::new(io::ErrorKind::TimedOut, text)
        }
        _ => error,
    }
}

/// Asks, and takes the answer as far as it has come within `patience`, however often something does.
fn converse(mut stream: impl Read + Write, patience: Duration) -> io::Result<Vec<u8>> {
    let until = now() + patience;
    let explained = |error| explained(error, patience);
    stream.write_all(b"GET /status.json HTTP/1.0\r\n\r\n").map_err(explained)?;
    let mut answer = Vec::new();
    let mut part = vec![0; PART];
    while answer.len() < LARGEST {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => answer.extend(part.iter().take(count)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(explained(error)),
        }
        if now() > until {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it takes too long to answer"));
        }
    }
    Ok(answer)
}

/// What follows the head of an answer that says that all is well.
fn content(octets: &[u8]) -> Result<&[u8], &'static str> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(octets) {
        Ok(Parsed::Complete(length)) if response.code == Some(200) => {
            Ok(octets.get(length..).unwrap_or_default())
        }
        Ok(Parsed::Complete(_)) => Err("it refuses"),
        Ok(Parsed::Partial) => Err("it breaks off"),
        Err(_) => Err("it is no HTTP"),
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
/// An hour of 64 interfaces has less.
const LARGEST: usize = 16 << 20;
const PART: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;

    #[test]
    fn who_answers_without_end_is_not_waited_for() {
        let (here, mut there) = UnixStream::pair().unwrap();
        let drip = thread::spawn(move || {
            while there.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        });
        let error = converse(here, Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drip.join().unwrap();
    }

    #[test]
    fn who_says_nothing_is_told_so_in_words() {
        let (here, _there) = UnixStream::pair().unwrap();
        let patience = Duration::from_millis(100);
        here.set_read_timeout(Some(patience)).unwrap();
        let error = converse(here, patience).unwrap_err();
        assert_eq!(error.to_string(), "it did not answer within 100ms");
        let other = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(explained(other, patience).kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn who_lets_nobody_in_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        listener.listen(0).unwrap();
        let patience = Duration::from_millis(100);
        // A place or two there are, and nobody makes them free.
        let waiting: Vec<_> =
            std::iter::from_fn(|| connect(&path, Some(patience)).ok()).take(9).collect();
        assert!((1..9).contains(&waiting.len()), "{}", waiting.len());
        let begun = now();
        let error = explained(connect(&path, Some(patience)).unwrap_err(), patience);
        assert_eq!(error.to_string(), "it did not answer within 100ms");
        assert!(now() - begun < 20 * patience);
    }

    #[test]
    fn only_an_answer_that_all_is_well_has_a_content() {
        assert_eq!(content(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n{}"), Ok(&b"{}"[..]));
        for octets in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 404 Not Found\r\n\r\n{}", "SSH-2.0-x"] {
            assert!(content(octets.as_bytes()).is_err(), "{octets:?}");
        }
    }
}
