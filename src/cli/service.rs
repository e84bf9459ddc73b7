//! What the service manager that started us wants to know: when we capture, that we move, how it goes.

mod manager;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::cli::log;
use crate::cli::reload::Reloader;
use crate::cli::summary::grouped;
use crate::pipeline::{Ledger, OpenBooks, Running, Watch};
use crate::telemetry::Interfaces;

pub(super) use manager::ServiceManager;

/// Keeps the service manager informed of a live run.
///
/// A keep-alive says that each worker has come round since the last one. Where one stands still there is
/// none, and the manager ends and starts the probe again after the time that the unit names
/// (`WatchdogSec=`).
#[derive(Debug)]
pub(super) struct Keeper<'a> {
    manager: &'a ServiceManager,
    books: &'a OpenBooks,
    /// Of the run.
    interfaces: &'a Interfaces,
    /// When the run was first looked at.
    began: Option<Instant>,
    is_ready: bool,
    /// Why the configuration that was asked for last is not in effect.
    refused: Option<String>,
    /// When the manager was last told, and the turns of the workers then.
    told: Option<(Instant, Vec<u64>)>,
    /// When this was done last.
    looked: Option<Instant>,
    complain: fn(usize, f64),
}

impl<'a> Keeper<'a> {
    /// Of a run that is about to begin; `complain` is told of workers that stand still.
    pub(super) fn new(
        manager: &'a ServiceManager,
        books: &'a OpenBooks,
        interfaces: &'a Interfaces,
        complain: fn(usize, f64),
    ) -> Self {
        Self {
            manager,
            books,
            interfaces,
            began: None,
            is_ready: false,
            refused: None,
            told: None,
            looked: None,
            complain,
        }
    }

    fn status(&self) -> String {
        let state = self.state();
        match &self.refused {
            // A status is one line.
            Some(reason) => {
                let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
                format!("configuration refused: {reason}; {state}, by the old one")
            }
            None => state,
        }
    }

    fn state(&self) -> String {
        let (well, troubled) = self.interfaces.told();
        let (well, troubled) = (well.join(", "), troubled.join(", "));
        let state = match (well.is_empty(), troubled.is_empty()) {
            (true, _) => format!("nothing is captured, {troubled}"),
            (false, true) => format!("capturing on {well}"),
            (false, false) => format!("capturing on {well}, but {troubled}"),
        };
        let Ledger { received_packets, drops, .. } = self.books.read().ledger;
        let [received, dropped] = [received_packets, drops.kernel + drops.interface].map(grouped);
        format!("{state}: {received} packets received, {dropped} dropped")
    }

    /// Tells the manager that we are there. An interface that is down is waited for a moment, and then
    /// it is its matter, not that of our start: whoever started us is not to wait for a cable.
    fn settle(&mut self, at: Instant) {
        let began = *self.began.get_or_insert(at);
        let (well, _) = self.interfaces.told();
        if !well.is_empty() || at.duration_since(began) >= GRACE {
            self.manager.ready(&self.status());
            self.is_ready = true;
            self.told = Some((at, self.books.turns()));
        }
    }

    /// The configuration is about to be read again.
    fn reloading(&self) {
        if self.is_ready {
            self.manager.reloading();
        }
    }

    /// It was, or `refused` says why not.
    fn reloaded(&mut self, refused: Option<String>) {
        self.refused = refused;
        if self.is_ready {
            self.manager.ready(&self.status());
        }
    }

    fn look(&mut self, at: Instant) {
        if !self.manager.is_there() {
            return;
        }
        let interval = self.manager.interval();
        // Where this thread stood still, as with the whole process or machine, so may have the workers; or the
        // turns that it saw last are of another time than it thinks. What they do is seen from now on.
        let stood_still =
            self.looked.replace(at).is_some_and(|last| at.duration_since(last) > interval);
        if !self.is_ready {
            return self.settle(at);
        }
        let Some((last, before)) = &self.told else { return };
        if at.duration_since(*last) < interval {
            return;
        }
        let turns = self.books.turns();
        let still: Vec<_> =
            (1_usize..).zip(before.iter().zip(&turns)).filter(|(_, (a, b))| a == b).collect();
        match still.first() {
            None => self.manager.alive(&self.status()),
            Some(_) if stood_still => {}
            Some(&(worker, _)) => {
                let seconds = at.duration_since(*last).as_secs_f64();
                self.manager.status(&format!("worker {worker} has not moved for {seconds:.1} s"));
                (self.complain)(worker, seconds);
            }
        }
        self.told = Some((at, turns));
    }
}

/// Follows a live run: reads its configuration again when told to, and keeps the manager informed.
#[derive(Debug)]
pub(super) struct Attendant<'a> {
    pub(super) keeper: Keeper<'a>,
    /// None without a configuration file.
    pub(super) reloader: Option<Reloader>,
    /// Set by a SIGHUP that ends the run.
    pub(super) hung_up: Arc<AtomicBool>,
}

impl Watch for Attendant<'_> {
    fn look(&mut self, running: &Running<'_>, at: Instant) {
        if let Some(reloader) = &mut self.reloader {
            if reloader.is_ordered() {
                self.keeper.reloading();
                if let Err(reason) = reloader.begin(running) {
                    self.keeper.reloaded(Some(reason));
                }
            }
            if let Some(answer) = reloader.end(running) {
                self.keeper.reloaded(answer.err());
            }
        }
        self.keeper.look(at);
        log::turn(at);
    }

    fn ending(&mut self) {
        if self.hung_up.load(Ordering::Relaxed) {
            log::hung_up();
        }
        self.keeper.manager.stopping();
        if let Some(reloader) = &mut self.reloader {
            reloader.give_up();
        }
    }
}

/// How long a start waits for an interface that is down.
const GRACE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::capture::live::{Cut, Notice};
    use crate::telemetry::Observed;

    #[test]
    fn a_keep_alive_needs_all_workers_to_have_moved() {
        let (_folder, socket, manager) = manager();
        let interfaces = interfaces(&[("eth1", Cut::InKernel)]);
        let books = OpenBooks::new(2);
        let mut keeper = Keeper::new(&manager, &books, &interfaces, |_, _| {});
        let turn = |worker, received, kernel| {
            books.write(worker, |page| {
                page.ledger.received_packets = received;
                page.ledger.drops.kernel = kernel;
            });
        };
        let start = any_instant();
        let after = |seconds| start + Duration::from_secs(seconds);
        keeper.look(start);
        turn(0, 1_000, 0);
        turn(1, 234, 5);
        keeper.look(after(1));
        keeper.look(after(2));
        turn(0, 2_000, 0);
        keeper.look(after(4));
        turn(0, 3_000, 0);
        turn(1, 235, 5);
        keeper.look(after(6));
        assert_eq!(
            received(&socket),
            [
                "READY=1\nSTATUS=capturing on eth1: 0 packets received, 0 dropped",
                "WATCHDOG=1\nSTATUS=capturing on eth1: 1,234 packets received, 5 dropped",
                "STATUS=worker 2 has not moved for 2.0 s",
                "WATCHDOG=1\nSTATUS=capturing on eth1: 3,235 packets received, 5 dropped",
            ]
        );
    }

    #[test]
    fn a_configuration_that_was_refused_is_in_the_status_until_one_is_not() {
        let (_folder, socket, manager) = manager();
        let interfaces = interfaces(&[("eth1", Cut::InKernel)]);
        let books = OpenBooks::new(1);
        let mut keeper = Keeper::new(&manager, &books, &interfaces, |_, _| {});
        keeper.look(any_instant());
        keeper.reloading();
        keeper.reloaded(Some("a.toml:2:1: `x` is\nno table".to_owned()));
        keeper.reloading();
        keeper.reloaded(None);
        let told = received(&socket);
        let well = "READY=1\nSTATUS=capturing on eth1: 0 packets received, 0 dropped";
        assert_eq!((told[0].as_str(), told[4].as_str()), (well, well));
        assert!(told[1].starts_with("RELOADING=1\n"), "{told:?}");
        assert_eq!(
            told[2],
            "READY=1\nSTATUS=configuration refused: a.toml:2:1: `x` is no table; capturing on eth1: \
             0 packets received, 0 dropped, by the old one"
        );
    }

    #[test]
    fn a_start_waits_a_moment_for_an_interface_that_is_down_and_not_for_ever() {
        for (up_after, ready_after) in [(3, 3), (60, 10)] {
            let (_folder, socket, manager) = manager();
            let interfaces = interfaces(&[("eth1", Cut::Waiting)]);
            let books = OpenBooks::new(1);
            let mut keeper = Keeper::new(&manager, &books, &interfaces, |_, _| {});
            let start = any_instant();
            for second in 0..12 {
                if second == up_after {
                    interfaces.note(&Notice::InterfaceBack("eth1".to_owned()));
                }
                keeper.look(start + Duration::from_secs(second));
                let is_ready = received(&socket).iter().any(|it| it.starts_with("READY=1"));
                assert_eq!(is_ready, second == ready_after, "after {second} s");
                books.write(0, |_| {});
            }
        }
    }

    #[test]
    fn after_a_standstill_of_its_own_nobody_is_accused_before_he_is_seen_again() {
        let (_folder, socket, manager) = manager();
        let interfaces = interfaces(&[("eth1", Cut::InKernel)]);
        let books = OpenBooks::new(1);
        let mut keeper = Keeper::new(&manager, &books, &interfaces, |_, _| {});
        let start = any_instant();
        // As when the machine slept for a while; then the worker really stands still.
        for second in [0, 20, 21, 22] {
            keeper.look(start + Duration::from_secs(second));
        }
        let told = received(&socket);
        assert!(told[0].starts_with("READY=1\n"), "{told:?}");
        assert_eq!(told[1..], ["STATUS=worker 1 has not moved for 2.0 s"]);
    }

    #[test]
    fn the_status_names_who_is_in_trouble_and_does_not_claim_to_capture_there() {
        let (_folder, socket, manager) = manager();
        let interfaces = interfaces(&[("eth1", Cut::InKernel), ("eth2", Cut::Waiting)]);
        let books = OpenBooks::new(1);
        let mut keeper = Keeper::new(&manager, &books, &interfaces, |_, _| {});
        let start = any_instant();
        let mut second = 0;
        let mut status = || {
            books.write(0, |_| {});
            keeper.look(start + Duration::from_secs(second));
            second += 2;
            received(&socket).remove(0)
        };
        let counts = "0 packets received, 0 dropped";
        let but = format!("READY=1\nSTATUS=capturing on eth1, but eth2 is down: {counts}");
        assert_eq!(status(), but);
        interfaces.note(&Notice::InterfaceDown("eth1".to_owned()));
        let none =
            format!("WATCHDOG=1\nSTATUS=nothing is captured, eth1 is down, eth2 is down: {counts}");
        assert_eq!(status(), none);
        for name in ["eth1", "eth2"] {
            interfaces.note(&Notice::InterfaceBack(name.to_owned()));
        }
        assert_eq!(status(), format!("WATCHDOG=1\nSTATUS=capturing on eth1, eth2: {counts}"));
    }

    fn interfaces(points: &[(&str, Cut)]) -> Interfaces {
        let observed = |(name, cut): &(&str, Cut)| Observed {
            index: 7,
            name: (*name).to_owned(),
            cut: cut.clone(),
            direction: None,
            description: None,
        };
        Interfaces::new(points.iter().map(observed), Duration::ZERO)
    }

    /// One that wants to hear of us each 2 s.
    fn manager() -> (tempfile::TempDir, UnixDatagram, ServiceManager) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let manager = ServiceManager::of(|name| match name {
            "NOTIFY_SOCKET" => Some(path.clone().into_os_string()),
            "WATCHDOG_USEC" => Some("6000000".into()),
            _ => None,
        });
        (folder, socket, manager.unwrap())
    }

    fn received(socket: &UnixDatagram) -> Vec<String> {
        let mut octets = [0; 512];
        let receive = || socket.recv(&mut octets).ok().map(|length| octets[..length].to_vec());
        let messages = std::iter::from_fn(receive);
        messages.map(|message| String::from_utf8(message).unwrap()).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do to count from")]
    fn any_instant() -> Instant {
        Instant::now()
    }
}
