//! One thread that answers, and that nobody can keep busy: connections, their size, their time and
//! their number in a second are bounded, and what goes beyond is counted.

use std::io;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::telemetry::listener::{Listener, Stream};
use crate::telemetry::request::{self, Fault, LARGEST, Request};
use crate::telemetry::response::Response;

/// What became of connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(usize)]
pub(super) enum Outcome {
    /// It was answered.
    Served,
    /// There is nothing at that path.
    NotFound,
    /// It wanted to do more than to read.
    Method,
    /// It meant another host.
    Host,
    /// It was no HTTP.
    Malformed,
    /// It was too large.
    TooLarge,
    /// It took too long to ask, or to take the answer.
    TooSlow,
    /// It had to make room for another one.
    Evicted,
    /// It went away.
    Broken,
}

impl Outcome {
    /// Every outcome.
    pub(super) const ALL: [Self; 9] = [
        Self::Served,
        Self::NotFound,
        Self::Method,
        Self::Host,
        Self::Malformed,
        Self::TooLarge,
        Self::TooSlow,
        Self::Evicted,
        Self::Broken,
    ];

    /// The name in metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::NotFound => "not_found",
            Self::Method => "method",
            Self::Host => "host",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Evicted => "evicted",
            Self::Broken => "broken",
        }
    }
}

/// Connections by what became of them, in the order of [`Outcome::ALL`].
pub(super) type Outcomes = [u64; Outcome::ALL.len()];

/// Answers to those who connect.
#[derive(Debug)]
pub(super) struct Server {
    listener: Listener,
    connections: Vec<Connection>,
    outcomes: Outcomes,
    /// Connections that may still be accepted before `renewed_at` is a second ago.
    allowance: u32,
    renewed_at: Instant,
}

#[derive(Debug)]
struct Connection {
    stream: Stream,
    received: Vec<u8>,
    answer: Vec<u8>,
    written: usize,
    state: State,
    until: Instant,
    /// How often it was read from: who sends octet by octet would have each parsed again.
    reads: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Asking,
    Answering,
    /// Answered. What the client still sends is read for a moment: closed before that, the connection
    /// would be reset, and the answer lost with it.
    Leaving,
}

impl Server {
    pub(super) fn new(listener: Listener, now: Instant) -> Self {
        Self {
            listener,
            connections: Vec::new(),
            outcomes: Default::default(),
            allowance: CONNECTIONS_A_SECOND,
            renewed_at: now,
        }
    }

    #[cfg(test)]
    pub(super) const fn outcomes(&self) -> &Outcomes {
        &self.outcomes
    }

    /// Waits for clients, for so long at most, and does for each what can be done at once.
    pub(super) fn serve(
        &mut self,
        patience: Duration,
        now: impl Fn() -> Instant,
        answer: &mut dyn FnMut(&Request, &Outcomes) -> Option<Response>,
    ) -> io::Result<()> {
        let at = now();
        if at.duration_since(self.renewed_at) >= Duration::from_secs(1) {
            (self.allowance, self.renewed_at) = (CONNECTIONS_A_SECOND, at);
        }
        let deadlines = self.connections.iter().map(|it| it.until.saturating_duration_since(at));
        let patience = deadlines.min().map_or(patience, |next| next.min(patience));
        let (accepts, ready) = self.wait(patience)?;
        let at = now();
        for (connection, is_ready) in self.connections.iter_mut().zip(ready) {
            let outcome = match is_ready {
                true => connection.advance(at, &self.listener, &self.outcomes, answer),
                false => None,
            };
            if let Some(outcome) = outcome.or_else(|| connection.expire(at)) {
                count(&mut self.outcomes, outcome);
            }
        }
        self.connections.retain(|connection| connection.until > at);
        if accepts {
            self.accept(at)?;
        }
        Ok(())
    }

    /// Whether somebody wants to connect, and who of those there are can be served.
    fn wait(&self, patience: Duration) -> io::Result<(bool, Vec<bool>)> {
        let mut descriptors = Vec::with_capacity(self.connections.len() + 1);
        for connection in &self.connections {
            let events = match connection.state {
                State::Answering => PollFlags::POLLOUT,
                State::Asking | State::Leaving => PollFlags::POLLIN,
            };
            descriptors.push(PollFd::new(connection.stream.as_fd(), events));
        }
        // Who comes when there were too many waits in the kernel, which does not take more than some.
        let events = if self.allowance > 0 { PollFlags::POLLIN } else { PollFlags::empty() };
        descriptors.push(PollFd::new(self.listener.as_fd(), events));
        let timeout = PollTimeout::try_from(patience + ROUNDING).unwrap_or(PollTimeout::ZERO);
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready: Vec<_> = descriptors.iter().map(|it| it.any().unwrap_or(false)).collect();
        let accepts = ready.pop().unwrap_or(false) && self.allowance > 0;
        Ok((accepts, ready))
    }

    fn accept(&mut self, now: Instant) -> io::Result<()> {
        while self.allowance > 0 {
            let stream = match self.listener.accept() {
                Ok(Some(stream)) => stream,
                Ok(None) => break,
                // It went before it was accepted; or there are no descriptors, which passes.
                Err(_) => {
                    self.allowance -= 1;
                    count(&mut self.outcomes, Outcome::Broken);
                    continue;
                }
            };
            self.allowance -= 1;
            if self.connections.len() >= MOST_CONNECTIONS {
                // The one that has had most of its time; it was accepted first.
                let _ = self.connections.remove(0);
                count(&mut self.outcomes, Outcome::Evicted);
            }
            self.connections.push(Connection {
                stream,
                received: Vec::new(),
                answer: Vec::new(),
                written: 0,
                state: State::Asking,
                until: now + TIME_TO_ASK,
                reads: 0,
            });
        }
        Ok(())
    }
}

impl Connection {
    /// Does what can be done at once; tells when it is settled what became of the request.
    fn advance(
        &mut self,
        now: Instant,
        listener: &Listener,
        outcomes: &Outcomes,
        answer: &mut dyn FnMut(&Request, &Outcomes) -> Option<Response>,
    ) -> Option<Outcome> {
        match self.state {
            State::Asking => match self.read() {
                Ok(true) => {
                    let parsed = match request::parse(&self.received) {
                        None if self.reads >= MOST_READS => Err(Fault::TooLarge),
                        parsed => parsed?,
                    };
                    self.reads = 0;
                    let (outcome, octets) = settle(parsed, listener, outcomes, answer);
                    self.answer = octets;
                    self.state = State::Answering;
                    self.until = now + TIME_TO_ANSWER;
                    self.write(now).err().map(|_| self.end(now)).or(Some(outcome))
                }
                Ok(false) => None,
                Err(_) => Some(self.end(now)),
            },
            // What became of it was counted.
            State::Answering => {
                if self.write(now).is_err() {
                    self.until = now;
                }
                None
            }
            State::Leaving => {
                self.received.clear();
                if self.read().is_err() || self.reads >= MOST_READS {
                    self.until = now;
                }
                None
            }
        }
    }

    fn end(&mut self, now: Instant) -> Outcome {
        self.until = now;
        Outcome::Broken
    }

    /// What is counted of a connection whose time is over.
    fn expire(&self, now: Instant) -> Option<Outcome> {
        (self.until <= now && self.state == State::Asking).then_some(Outcome::TooSlow)
    }

    /// Reads what there is, in bounds; `Ok(false)` if that is nothing, an error at the end.
    fn read(&mut self) -> io::Result<bool> {
        self.reads += 1;
        let start = self.received.len();
        self.received.resize(LARGEST, 0);
        let room = self.received.get_mut(start..).unwrap_or_default();
        let read = self.stream.read(room);
        self.received.truncate(start + read.as_ref().ok().copied().flatten().unwrap_or(0));
        match read? {
            Some(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(_) => Ok(true),
            None => Ok(false),
        }
    }

    fn write(&mut self, now: Instant) -> io::Result<()> {
        while let Some(rest) = self.answer.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest)? {
                Some(count) => self.written += count,
                None => return Ok(()),
            }
        }
        self.state = State::Leaving;
        // Who has gone with the answer, or with a part of it that was enough, was answered.
        let is_there = self.stream.end().is_ok();
        self.until = if is_there { now + TIME_TO_LEAVE } else { now };
        Ok(())
    }
}

fn settle(
    parsed: Result<Request, Fault>,
    listener: &Listener,
    outcomes: &Outcomes,
    answer: &mut dyn FnMut(&Request, &Outcomes) -> Option<Response>,
) -> (Outcome, Vec<u8>) {
    let request = match parsed {
        Ok(request) => request,
        Err(fault) => {
            let (outcome, status) = match fault {
                Fault::Malformed => (Outcome::Malformed, 400),
                Fault::TooLarge => (Outcome::TooLarge, 431),
                Fault::Method => (Outcome::Method, 405),
            };
            return (outcome, Response::error(status).into_octets(false));
        }
    };
    let is_head = request.is_head;
    if request.host.as_deref().is_some_and(|host| !listener.knows(host)) {
        return (Outcome::Host, Response::error(421).into_octets(is_head));
    }
    match answer(&request, outcomes) {
        Some(response) => (Outcome::Served, response.into_octets(is_head)),
        None => (Outcome::NotFound, Response::error(404).into_octets(is_head)),
    }
}

fn count(outcomes: &mut Outcomes, outcome: Outcome) {
    if let Some(count) = outcomes.get_mut(outcome as usize) {
        *count += 1;
    }
}

/// Connections at once: each has a buffer of a request, and of an answer of some 100 kB at most.
const MOST_CONNECTIONS: usize = 32;
/// A page that is watched makes one in two seconds, Prometheus one in fifteen.
const CONNECTIONS_A_SECOND: u32 = 100;
/// Of a request, and of what follows it.
const MOST_READS: u32 = 64;
const TIME_TO_ASK: Duration = Duration::from_secs(3);
const TIME_TO_ANSWER: Duration = Duration::from_secs(5);
const TIME_TO_LEAVE: Duration = Duration::from_secs(1);
/// poll(2) counts in milliseconds, and would wake just before the time otherwise, again and again.
const ROUNDING: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
