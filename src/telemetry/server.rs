//! One thread that answers, and that nobody can keep busy: connections, their size, their time and
//! their number in a second are bounded, and what goes beyond is counted.

use std::io;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::telemetry::listener::{Listener, Stream};
use crate::telemetry::request::{self, Fault, LARGEST, Request};
use crate::telemetry::response::Response;

/// What became of a connection; of each exactly one of these, and when nothing can change it any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(usize)]
pub(super) enum Outcome {
    /// It was answered, and the system has taken all of the answer.
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
    /// With what becomes of it when all is written.
    Answering(Outcome),
    /// What became of it was counted. What the client still sends is read for a moment: closed before that, the connection
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
        for (place, is_ready) in ready.into_iter().enumerate() {
            let Some(connection) = self.connections.get_mut(place) else { break };
            let outcome = match is_ready {
                true => connection.advance(at, &self.listener, &self.outcomes, answer),
                false => None,
            };
            if let Some(outcome) = outcome.or_else(|| connection.expire(at)) {
                count(&mut self.outcomes, outcome);
            }
            self.bound_answers(at);
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
                State::Answering(_) => PollFlags::POLLOUT,
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
                // It went before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {
                    self.allowance -= 1;
                    count(&mut self.outcomes, Outcome::Broken);
                    continue;
                }
                // There are no descriptors: it still waits, and that passes.
                Err(error) => return Err(error),
            };
            self.allowance -= 1;
            if self.connections.len() >= MOST_CONNECTIONS {
                self.make_room(now);
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

    /// Lets one go: one that has its answer, or the one that was accepted first.
    fn make_room(&mut self, now: Instant) {
        let is_leaving = |connection: &Connection| connection.state == State::Leaving;
        let place = self.connections.iter().position(is_leaving).unwrap_or(0);
        if let Some(outcome) = self.connections.remove(place).evict(now) {
            count(&mut self.outcomes, outcome);
        }
    }

    /// Lets those go that have not taken their answer, the oldest first, until answers that wait are not
    /// too large together. One may be, alone.
    fn bound_answers(&mut self, now: Instant) {
        loop {
            let waiting = self.connections.iter().map(|it| it.answer.len()).filter(|it| *it > 0);
            if waiting.clone().sum::<usize>() <= LARGEST_ANSWERS || waiting.count() < 2 {
                return;
            }
            let unread = self.connections.iter_mut().filter(|it| !it.answer.is_empty());
            let outcome = unread.min_by_key(|it| it.until).and_then(|oldest| oldest.evict(now));
            if let Some(outcome) = outcome {
                count(&mut self.outcomes, outcome);
            }
        }
    }
}

impl Connection {
    /// Does what can be done at once; tells what became of it when that is settled.
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
                    self.state = State::Answering(outcome);
                    self.until = now + TIME_TO_ANSWER;
                    self.write(now, outcome)
                }
                Ok(false) => None,
                Err(_) => Some(self.end(Outcome::Broken, now)),
            },
            State::Answering(outcome) => self.write(now, outcome),
            State::Leaving => {
                self.received.clear();
                if self.read().is_err() || self.reads >= MOST_READS {
                    self.until = now;
                }
                None
            }
        }
    }

    /// It is let go at once, and nothing more can become of it.
    fn end(&mut self, outcome: Outcome, now: Instant) -> Outcome {
        self.leave(now);
        outcome
    }

    /// Nothing is written to it any more.
    fn leave(&mut self, until: Instant) {
        (self.state, self.until) = (State::Leaving, until);
        self.answer = Vec::new();
    }

    /// What is counted of a connection whose time is over, if nothing was.
    fn expire(&mut self, now: Instant) -> Option<Outcome> {
        let is_over = self.until <= now && self.state != State::Leaving;
        is_over.then(|| self.end(Outcome::TooSlow, now))
    }

    /// What is counted of a connection that makes room, if nothing was.
    fn evict(&mut self, now: Instant) -> Option<Outcome> {
        (self.state != State::Leaving).then(|| self.end(Outcome::Evicted, now))
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

    /// Writes what the system takes; tells `outcome` when that was the last of it.
    fn write(&mut self, now: Instant, outcome: Outcome) -> Option<Outcome> {
        while let Some(rest) = self.answer.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(Some(count)) => self.written += count,
                Ok(None) => return None,
                Err(_) => return Some(self.end(Outcome::Broken, now)),
            }
        }
        // Who has gone with the answer was answered.
        let is_there = self.stream.end().is_ok();
        self.leave(if is_there { now + TIME_TO_LEAVE } else { now });
        Some(outcome)
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

/// Connections at once: each has a buffer of a request, and its answer.
const MOST_CONNECTIONS: usize = 32;
/// Octets of answers that wait to be taken, together. The last hour of one interface is some 15 kB of it, so
/// those of a probe with a few are 100 kB, and with a hundred 2 MB.
const LARGEST_ANSWERS: usize = 8 << 20;
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
