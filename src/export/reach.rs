//! Whether a Collector can be reached: a session with it, by the code that exports, and no record.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use crate::export::clock::{Clock, SystemClock};
use crate::export::config::Config;
use crate::export::ending::Ending;
use crate::export::error::ExportError;
use crate::export::target::{Collector, Transport};
use crate::export::transport::{self, Patience, SendError, Session, Settings};
use crate::ipfix::message::MESSAGE_HEADER_LENGTH;
use crate::time::Timestamp;

/// Opens a session with `collector`, as an export would, and closes it again.
///
/// Over UDP nobody ever says that something has arrived; what can come back is that nobody listens. So a
/// Message without a Set (RFC 7011 §3: "zero or more") is sent, and that is waited for.
///
/// # Errors
///
/// As an export would fail.
pub fn reach(collector: &Collector) -> Result<(), ExportError> {
    let config = Config::default();
    let settings = Settings { connect_timeout: CONNECT_TIMEOUT, ..Settings::new(&config) };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let target = collector.address().to_string();
    let mut session =
        transport::connect(collector, &settings, &clock).map_err(|error| error.of(&target))?;
    let stays = if collector.transport == Transport::Udp {
        answers(session.as_mut(), clock.as_ref())
    } else {
        // One that does not want our certificate says so only now (RFC 8446 §4.4.2).
        clock.sleep(ANSWER_TIME);
        session.look()
    };
    let failed = |source| ExportError::Connect { target: target.clone(), source };
    stays.map_err(failed)?;
    // How it takes the end is none of the question.
    let _ = session.close(CLOSE_PATIENCE, clock.as_ref());
    Ok(())
}

/// Addresses of a Collector, as far as its name gives any now.
pub fn addresses(collector: &Collector) -> Vec<(IpAddr, u16)> {
    let addresses = (collector.host.as_str(), collector.port).to_socket_addrs();
    addresses.map_or_else(|_| Vec::new(), |them| them.map(|it| (it.ip(), it.port())).collect())
}

/// Whether nobody says that nobody listens.
fn answers(session: &mut dyn Session, clock: &dyn Clock) -> io::Result<()> {
    let message = empty_message(clock.wall());
    let ending = Ending::default();
    let patience =
        Patience { running: CLOSE_PATIENCE, over: CLOSE_PATIENCE, ending: &ending, clock };
    // Twice: the answer to the first is told to the second.
    for _ in 0..2 {
        match session.send(&message, patience) {
            Ok(()) | Err(SendError::TooLarge) => {}
            Err(SendError::NotSent(error) | SendError::Broken(error)) => return Err(error),
        }
        clock.sleep(ANSWER_TIME);
        session.look()?;
        if let Some(error) = session.trouble() {
            return Err(error);
        }
    }
    Ok(())
}

/// RFC 7011 §3.1: version, length, Export Time, Sequence Number, Observation Domain ID.
fn empty_message(now: Timestamp) -> Vec<u8> {
    let seconds = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
    let length = u16::try_from(MESSAGE_HEADER_LENGTH).unwrap_or_default();
    let mut message = 10_u16.to_be_bytes().to_vec();
    message.extend(length.to_be_bytes());
    for word in [seconds, 0, 0] {
        message.extend(word.to_be_bytes());
    }
    message
}

/// Who waits for a doctor waits less long than an export does.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A round trip of a path that is long.
const ANSWER_TIME: Duration = Duration::from_millis(300);
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    fn on(transport: Transport, port: u16) -> Collector {
        Collector::new(transport, "127.0.0.1", port)
    }

    #[test]
    fn who_listens_is_reached_and_who_does_not_is_not() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        reach(&on(Transport::Udp, port)).unwrap();
        let mut message = [0; 64];
        assert_eq!(udp.recv(&mut message).unwrap(), 16);
        // RFC 7011 §3.1: version 10, 16 octets.
        assert_eq!(message[..4], [0, 10, 0, 16]);
        drop(udp);
        let error = reach(&on(Transport::Udp, port)).unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");

        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        reach(&on(Transport::Tcp, port)).unwrap();
        drop(tcp);
        let error = reach(&on(Transport::Tcp, port)).unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
