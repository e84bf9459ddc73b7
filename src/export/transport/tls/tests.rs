//! Sessions with Collectors of all kinds, over loopback.

mod certificates;
mod collector;
mod failures;
mod files;
mod names;
mod openssl;
mod sessions;

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use self::certificates::{Authority, COLLECTOR, EXPORTER, Identity};
use self::collector::Behaviour;
use super::handshake::provider;
use super::*;
use crate::export::SystemClock;
use crate::export::target::{TlsOptions, Transport};

/// One authority that everybody trusts, and an Exporter of it.
struct World {
    directory: TempDir,
    authority: Authority,
    options: TlsOptions,
    clock: Arc<dyn Clock>,
    run: Ending,
    settings: TlsSettings,
}

impl World {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let authority = Authority::new("the authority");
        let ca = authority.write(directory.path(), "authority.crt");
        let (cert, key) = authority.issue(&EXPORTER).write(directory.path(), "exporter");
        let options = TlsOptions {
            ca: Some(ca),
            cert: Some(cert),
            key: Some(key),
            name: Some("collector.example".to_owned()),
            peers: Vec::new(),
        };
        Self {
            directory,
            authority,
            options,
            clock: Arc::new(SystemClock::new()),
            run: Ending::default(),
            settings: TlsSettings {
                handshake_timeout: Duration::from_secs(5),
                confirmation: Duration::from_millis(100),
                renewal_interval: Duration::ZERO,
                dead_after: Duration::from_secs(60),
                message_size: 16_384,
            },
        }
    }

    /// A Collector as it should be.
    fn collector(&self) -> Behaviour {
        Behaviour::new(self.authority.issue(&COLLECTOR), &self.authority)
    }

    fn open(&self, address: SocketAddr) -> Result<TlsSession, TlsError> {
        let mut collector =
            Collector::new(Transport::Tls, address.ip().to_string(), address.port());
        collector.options.tls = self.options.clone();
        let stream = TcpStream::connect(address).unwrap();
        open(stream, &collector, self.settings, &self.clock)
    }

    /// The error, as one line, with which opening a session with this identity fails; and the
    /// Collector has nothing then.
    fn refusal_of(&self, identity: Identity) -> TlsError {
        let behaviour = Behaviour::new(identity, &self.authority);
        let (address, peer) = behaviour.read();
        let error = self.open(address).expect_err("nobody should export to this collector");
        let received = peer.join().unwrap();
        assert_eq!(received.octets, b"", "a collector that was refused got something");
        assert!(received.end.is_err());
        assert!(!error.to_string().contains('\n'));
        error
    }

    fn patience(&self) -> Patience<'_> {
        let second = Duration::from_secs(1);
        Patience { running: second, over: second, ending: &self.run, clock: &*self.clock }
    }

    fn send(&self, session: &mut TlsSession, message: &[u8]) -> io::Result<()> {
        session.send(message, self.patience()).map_err(|error| match error {
            SendError::Broken(error) => error,
            other => panic!("TLS has no such error: {other:?}"),
        })
    }

    fn close(&self, session: &mut TlsSession) -> io::Result<()> {
        session.close(Duration::from_secs(2), &*self.clock)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Looks after the session until `is_done`.
    fn look_until(
        &self,
        session: &mut TlsSession,
        is_done: impl Fn(&TlsSession) -> bool,
    ) -> io::Result<()> {
        for _ in 0..2_000 {
            session.look()?;
            if is_done(session) {
                return Ok(());
            }
            self.clock.sleep(Duration::from_millis(1));
        }
        panic!("it did not come in time");
    }
}

/// A Message of so many octets, each number of its own kind.
fn message(number: usize, octets: usize) -> Vec<u8> {
    (0..octets).map(|n| u8::try_from((n * 31 + number * 7) % 251).unwrap()).collect()
}
