//! The other end: asks a probe of this host how it is.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use httparse::Status as Parsed;

use crate::telemetry::address::Address;
use crate::telemetry::listener::connect;
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
            let stream = TcpStream::connect_timeout(address, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            converse(stream, PATIENCE)
        }
        Address::Unix(path) => {
            let stream = connect(path, Some(PATIENCE))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            converse(stream, PATIENCE)
        }
    }
}

/// Asks, and takes the answer as far as it has come within `patience`, however often something does.
fn converse(mut stream: impl Read + Write, patience: Duration) -> io::Result<Vec<u8>> {
    let until = now() + patience;
    stream.write_all(b"GET /status.json HTTP/1.0\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut part = vec![0; PART];
    while answer.len() < LARGEST {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => answer.extend(part.iter().take(count)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
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
    fn only_an_answer_that_all_is_well_has_a_content() {
        assert_eq!(content(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n{}"), Ok(&b"{}"[..]));
        for octets in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 404 Not Found\r\n\r\n{}", "SSH-2.0-x"] {
            assert!(content(octets.as_bytes()).is_err(), "{octets:?}");
        }
    }
}
