//! What the probe tells of itself: metrics, health and a page, to whoever asks from this host.
//!
//! | path | what |
//! |---|---|
//! | `/` | a page for people, which asks for `/status.json` again and again |
//! | `/status.json` | everything there is to see, and the last hour ([`Status`]) |
//! | `/metrics` | the same for Prometheus, as OpenMetrics |
//! | `/health` | 200 or 503, and why ([`Health`]) |
//!
//! The socket is opened before the process is confined, and one thread, started after that, answers.
//! It is the only one that looks at the books of a run from outside, once a second, and what it counts
//! of its clients is all that they can change. Nothing it says is of a single communication: what it holds
//! back for that, and what is exact, stands in `held_back.rs` and in SECURITY.md.

mod address;
pub mod client;
mod configuration;
mod day;
mod health;
mod held_back;
mod history;
mod interfaces;
mod listener;
mod metrics;
mod observer;
mod page;
mod request;
mod response;
mod server;
mod status;
mod troubles;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use address::{Address, AddressError, DEFAULT_PORT};
pub use configuration::Configuration;
pub use day::{Day, Minute, TargetDay};
pub use health::{Check, Health, SILENCE_FIX};
pub use history::{History, InterfaceHistory};
pub use interfaces::{Interfaces, Observed, Silence};
pub use observer::Subject;
pub use status::{
    Cache, Confinement, Count, Distributions, Expiry, Interface, Ledger, Part, Queue, Rates, Share,
    Spool, Status, Target,
};

pub use troubles::Troubles;

use crate::telemetry::listener::Listener;
use crate::telemetry::observer::Observer;
use crate::telemetry::request::Request;
use crate::telemetry::response::{JSON, METRICS, Response};
use crate::telemetry::server::{Outcomes, Server};
use crate::time::Timestamp;

/// A socket that nobody answers at as yet.
#[derive(Debug)]
pub struct Endpoint {
    listener: Listener,
    address: Address,
}

impl Endpoint {
    /// Opens the socket; `None` where there is to be none.
    ///
    /// # Errors
    ///
    /// Those of the system: the port is taken, or the address is not of this host.
    pub fn open(address: &Address) -> io::Result<Option<Self>> {
        let Some(listener) = Listener::bind(address)? else { return Ok(None) };
        let address = listener.place(address);
        Ok(Some(Self { listener, address }))
    }

    /// Where it is, with the port that the system chose if none was asked for.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Answers from now on, in a thread of its own, until what is returned is dropped.
    ///
    /// # Errors
    ///
    /// That of the system when it gives no thread.
    pub fn serve(self, subject: Subject) -> io::Result<Telemetry> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("telemetry".to_owned())
            .spawn(move || answer(self.listener, Observer::new(subject), &stopped))?;
        Ok(Telemetry { stop, thread: Some(thread) })
    }
}

/// The thread that answers.
#[derive(Debug)]
pub struct Telemetry {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A defect here is none of the run's.
            let _ = thread.join();
        }
    }
}

fn answer(listener: Listener, mut observer: Observer, stop: &AtomicBool) {
    let started = now();
    let mut server = Server::new(listener, started);
    let mut next = started;
    while !stop.load(Ordering::Relaxed) {
        let at = now();
        if at >= next {
            observer.look(wall_clock(), at.duration_since(started));
            next = at + LOOK_INTERVAL;
        }
        let patience = next.saturating_duration_since(at).min(STOP_INTERVAL);
        let mut respond =
            |request: &Request, outcomes: &Outcomes| respond(&request.path, &observer, outcomes);
        if server.serve(patience, now, &mut respond).is_err() {
            // Whatever it is, it must not keep a processor busy.
            thread::sleep(STOP_INTERVAL);
        }
    }
}

fn respond(path: &str, observer: &Observer, outcomes: &Outcomes) -> Option<Response> {
    let status = || {
        let connections = observer::connections(outcomes);
        Status { connections, ..observer.status().clone() }
    };
    Some(match path {
        "/" => page::response(),
        "/status.json" => json(200, &status()),
        "/metrics" => Response::new(200, METRICS, metrics::text(&status()).into_bytes()),
        "/health" => {
            let health = &observer.status().health;
            json(if health.healthy { 200 } else { 503 }, health)
        }
        _ => return None,
    })
}

fn json(status: u16, value: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(content) => Response::new(status, JSON, content),
        Err(_) => Response::error(500),
    }
}

#[expect(clippy::disallowed_methods, reason = "who looks at a run does so in real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "who looks at a run does so in real time")]
fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH.saturating_add(since_epoch)
}

/// How often the run is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long the thread does not notice that it is to end, at most.
const STOP_INTERVAL: Duration = Duration::from_millis(200);
