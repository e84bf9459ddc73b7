//! The Collectors of a target, in order of preference, and when each may be tried.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::export::clock::Clock;
use crate::export::target::{Collector, Transport};
use crate::export::transport::{self, ConnectError, Session, Settings};

/// One Collector, or several of which one is in use.
#[derive(Debug)]
pub(super) struct Members {
    members: Vec<Member>,
    active: usize,
    clock: Arc<dyn Clock>,
}

/// A new session.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) session: Box<dyn Session>,
    pub(super) is_datagrams: bool,
}

#[derive(Debug)]
struct Member {
    collector: Collector,
    settings: Settings,
    /// RFC 7011 §10.4.4: no two attempts to connect within this time.
    interval: Duration,
    /// When the next attempt may be made.
    due: Duration,
}

impl Members {
    /// Collectors with their settings and reconnect intervals.
    pub(super) fn new(
        members: impl IntoIterator<Item = (Collector, Settings, Duration)>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let due = clock.monotonic();
        let members = members
            .into_iter()
            .map(|(collector, settings, interval)| Member { collector, settings, interval, due })
            .collect();
        Self { members, active: 0, clock }
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// The number of the one in use.
    pub(super) const fn active(&self) -> usize {
        self.active
    }

    /// The one in use is `active`, after all.
    pub(super) const fn set_active(&mut self, active: usize) {
        self.active = active;
    }

    /// Whether a session with the one in use might be opened now.
    pub(super) fn active_is_due(&self) -> bool {
        let now = self.clock.monotonic();
        self.members.get(self.active).is_some_and(|member| member.due <= now)
    }

    /// How long until an attempt may be made.
    pub(super) fn wait(&self) -> Duration {
        let due = self.members.iter().map(|member| member.due).min().unwrap_or_default();
        due.saturating_sub(self.clock.monotonic())
    }

    /// Tries every Collector whose time it is, in order of preference.
    pub(super) fn open(&mut self) -> Result<Opened, ConnectError> {
        self.try_first(self.members.len()).unwrap_or_else(|| {
            Err(ConnectError::Connect(std::io::ErrorKind::AddrNotAvailable.into()))
        })
    }

    /// Tries those that are preferred to the one in use, each in its time.
    pub(super) fn open_preferred(&mut self) -> Option<Opened> {
        if self.active == 0 { None } else { self.try_first(self.active)?.ok() }
    }

    /// `None` if it was nobody's time.
    fn try_first(&mut self, count: usize) -> Option<Result<Opened, ConnectError>> {
        let now = self.clock.monotonic();
        let mut failed = Vec::new();
        for (number, member) in self.members.iter_mut().enumerate().take(count) {
            if member.due > now {
                continue;
            }
            member.due = now.saturating_add(with_jitter(member.interval));
            match transport::connect(&member.collector, &member.settings, &self.clock) {
                Ok(session) => {
                    self.active = number;
                    let is_datagrams = member.collector.transport == Transport::Udp;
                    return Some(Ok(Opened { session, is_datagrams }));
                }
                Err(error) => failed.push((member.collector.address().to_string(), error)),
            }
        }
        // Of one alone the name is that of the target.
        match (failed.pop(), failed.is_empty()) {
            (None, _) => None,
            (Some((_, only)), true) => Some(Err(only)),
            (Some(last), false) => {
                failed.push(last);
                Some(Err(ConnectError::Members(failed)))
            }
        }
    }
}

/// Probes that lost the same Collector at the same moment do not come back at the same moment. Never
/// less than `interval`, which is a limit.
fn with_jitter(interval: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) % JITTER_STEPS;
    let step = interval / JITTER_PART / u32::try_from(JITTER_STEPS).unwrap_or(u32::MAX);
    interval + step * u32::try_from(random).unwrap_or(0)
}

/// The jitter is at most this part of the interval.
const JITTER_PART: u32 = 4;
const JITTER_STEPS: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::clock::SystemClock;
    use crate::export::config::Config;

    #[test]
    fn of_a_group_it_is_told_what_became_of_each_member() {
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (first, second) = (free(), free());
        let opened = |urls: &[String]| {
            let settings = Settings::new(&Config::default());
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
            let members = urls.iter().map(|url| {
                let target: crate::export::Target = url.parse().unwrap();
                (target.collectors()[0].clone(), settings.clone(), Duration::from_secs(1))
            });
            Members::new(members, clock).open().unwrap_err().of("group").to_string()
        };
        let urls = [first, second].map(|address| format!("tcp://{address}"));
        let told = opened(&urls);
        let both = format!("group: no member can be reached: tcp://{first}: cannot connect: ");
        assert!(told.starts_with(&both), "{told}");
        assert!(told.contains(&format!("; tcp://{second}: cannot connect: ")), "{told}");
        let told = opened(&urls[..1]);
        assert!(told.starts_with("group: cannot connect: "), "{told}");
    }
}
