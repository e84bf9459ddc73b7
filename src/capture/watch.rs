//! The life of an interface under observation: up, down, gone and back, each said once.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crate::capture::CaptureError;
use crate::capture::live::LiveConfig;
use crate::capture::live::Notice;
use crate::sys::link::Link;
use crate::sys::link::Links;
use crate::sys::link::names;

/// How an interface was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LinkState {
    /// There and up: frames are captured.
    Up,
    /// There, but down.
    Down,
    /// Not there, or another one of the same name that is not captured from yet.
    Gone,
}

/// Turns how an interface is found, time and again, into notices of what changed.
#[derive(Debug)]
pub(super) struct Watch {
    state: LinkState,
    refused: bool,
    /// Several workers see the same interface; one speaks of it.
    speaks: bool,
    /// An interface that is gone is looked for.
    waits: bool,
}

impl Watch {
    pub(super) const fn new(speaks: bool, waits: bool) -> Self {
        Self { state: LinkState::Up, refused: false, speaks, waits }
    }

    /// Of an interface that is not there as yet, and is waited for.
    pub(super) const fn of_absent(speaks: bool) -> Self {
        Self { state: LinkState::Gone, refused: false, speaks, waits: true }
    }

    /// Takes note that interface `name` is not there when capture begins.
    pub(super) fn absent(&self, name: &str, notices: &mut Vec<Notice>) {
        let there = names().join(", ");
        self.say(Notice::InterfaceAbsent { interface: name.into(), there }, notices);
    }

    /// Takes note that frames from interface `name`, which was not there before, carry this number.
    pub(super) fn numbered(&self, name: &str, index: u32, notices: &mut Vec<Notice>) {
        self.say(Notice::InterfaceNumbered { interface: name.into(), index }, notices);
    }

    /// Takes note of how interface `name` was found.
    pub(super) fn found(&mut self, name: &str, found: LinkState, notices: &mut Vec<Notice>) {
        let notice = match (self.state, found) {
            (LinkState::Up, LinkState::Down) => Notice::InterfaceDown(name.into()),
            (LinkState::Up | LinkState::Down, LinkState::Gone) => match self.waits {
                true => Notice::InterfaceGone(name.into()),
                false => Notice::InterfaceLost(name.into()),
            },
            (LinkState::Down | LinkState::Gone, LinkState::Up) => {
                Notice::InterfaceBack(name.into())
            }
            // One that returns is down at first; that is no news until it is up.
            (LinkState::Up, LinkState::Up)
            | (LinkState::Down, LinkState::Down)
            | (LinkState::Gone, LinkState::Down | LinkState::Gone) => return,
        };
        self.state = found;
        self.refused = false;
        self.say(notice, notices);
    }

    /// Takes note that interface `name` is there again but cannot be opened.
    pub(super) fn refused(&mut self, name: &str, error: &CaptureError, notices: &mut Vec<Notice>) {
        if !self.refused {
            self.refused = true;
            let what = match error {
                CaptureError::Interface { what, .. } => what.clone(),
                other => other.to_string(),
            };
            self.say(Notice::InterfaceRefused { interface: name.into(), what }, notices);
        }
    }

    fn say(&self, notice: Notice, notices: &mut Vec<Notice>) {
        if self.speaks {
            notices.push(notice);
        }
    }
}

/// What is left of the interfaces of all sources that were opened together, where none is opened
/// again.
#[derive(Debug)]
pub(super) struct Left {
    all: Arc<AtomicUsize>,
    /// Lost to this source.
    lost: usize,
}

impl Left {
    /// For `sources` that read `count` interfaces between them, each counted by every reader.
    pub(super) fn of(count: usize, sources: usize) -> Vec<Self> {
        let all = Arc::new(AtomicUsize::new(count));
        (0..sources).map(|_| Self { all: Arc::clone(&all), lost: 0 }).collect()
    }

    /// Takes note that `lost` interfaces are lost to this source; true, once and to one source, when
    /// that was the last one of all.
    pub(super) fn is_lost_with(&mut self, lost: usize) -> bool {
        let news = lost.saturating_sub(self.lost);
        self.lost += news;
        news > 0 && self.all.fetch_sub(news, Ordering::Relaxed) == news
    }
}

/// Looks `interface` up for the first time; `None` for one that is not there and is waited for.
pub(super) fn look_up(
    links: &Links,
    interface: &str,
    config: &LiveConfig,
) -> Result<Option<Link>, CaptureError> {
    let found = links.named(interface);
    if found.is_some() || config.awaits && config.reopen {
        return Ok(found);
    }
    let there = names().join(", ");
    let what = format!("no such interface (there are: {there})");
    Err(CaptureError::Interface { interface: interface.into(), what })
}

#[cfg(test)]
mod tests {
    use super::LinkState::*;
    use super::*;

    fn story(speaks: bool, found: &[LinkState]) -> Vec<Notice> {
        let mut watch = Watch::new(speaks, true);
        let mut notices = Vec::new();
        for &state in found {
            watch.found("eth7", state, &mut notices);
        }
        notices
    }

    #[test]
    fn each_change_is_said_once() {
        let name = || String::from("eth7");
        assert_eq!(story(true, &[Up, Up]), []);
        assert_eq!(
            story(true, &[Down, Down, Up, Up, Down]),
            [
                Notice::InterfaceDown(name()),
                Notice::InterfaceBack(name()),
                Notice::InterfaceDown(name())
            ]
        );
        assert_eq!(
            story(true, &[Down, Gone, Gone, Down, Gone, Down, Up]),
            [
                Notice::InterfaceDown(name()),
                Notice::InterfaceGone(name()),
                Notice::InterfaceBack(name())
            ]
        );
    }

    #[test]
    fn one_that_is_not_waited_for_is_lost() {
        let (mut watch, mut notices) = (Watch::new(true, false), Vec::new());
        for state in [Down, Gone, Gone] {
            watch.found("eth7", state, &mut notices);
        }
        let name = || String::from("eth7");
        assert_eq!(notices, [Notice::InterfaceDown(name()), Notice::InterfaceLost(name())]);
    }

    #[test]
    fn one_source_hears_that_the_last_interface_is_lost() {
        let [mut one, mut other] = <[Left; 2]>::try_from(Left::of(3, 2)).unwrap();
        assert!(!one.is_lost_with(0) && !one.is_lost_with(1) && !one.is_lost_with(1));
        assert!(!other.is_lost_with(1));
        assert!(one.is_lost_with(2));
        assert!(!one.is_lost_with(2) && !other.is_lost_with(1));
    }

    #[test]
    fn one_that_is_not_there_at_first_is_told_of_once_and_then_back() {
        let (mut watch, mut notices) = (Watch::of_absent(true), Vec::new());
        watch.absent("eth7", &mut notices);
        watch.found("eth7", Gone, &mut notices);
        watch.found("eth7", Down, &mut notices);
        watch.numbered("eth7", 9, &mut notices);
        watch.found("eth7", Up, &mut notices);
        let interface = || String::from("eth7");
        assert_eq!(
            notices,
            [
                Notice::InterfaceAbsent { interface: interface(), there: names().join(", ") },
                Notice::InterfaceNumbered { interface: interface(), index: 9 },
                Notice::InterfaceBack(interface()),
            ]
        );
    }

    #[test]
    fn who_does_not_open_again_does_not_wait_either() {
        let links = Links::open().unwrap();
        for (awaits, reopen) in [(false, true), (true, false), (true, true)] {
            let config = LiveConfig { awaits, reopen, ..LiveConfig::default() };
            let found = look_up(&links, "no-such-link", &config);
            assert_eq!(found.is_ok_and(|link| link.is_none()), awaits && reopen);
        }
    }

    #[test]
    fn of_several_workers_one_speaks() {
        assert_eq!(story(false, &[Down, Gone, Up]), []);
    }

    #[test]
    fn a_refusal_is_said_once_until_the_interface_has_been_back() {
        let mut watch = Watch::new(true, true);
        let mut notices = Vec::new();
        let error = CaptureError::Interface { interface: "eth7".into(), what: "no memory".into() };
        for _ in 0..2 {
            watch.found("eth7", Gone, &mut notices);
            watch.refused("eth7", &error, &mut notices);
            watch.refused("eth7", &error, &mut notices);
        }
        assert_eq!(notices.len(), 2, "{notices:?}");
        watch.found("eth7", Up, &mut notices);
        watch.found("eth7", Gone, &mut notices);
        watch.refused("eth7", &error, &mut notices);
        assert_eq!(notices.len(), 5, "{notices:?}");
    }
}
