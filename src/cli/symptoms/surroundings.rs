//! What the doctor asks of machine and interfaces, asked again and again while packets are captured: by
//! its own judgements, and with what a confined process may ask.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::doctor::interface::{self, Interface, Losses};
use crate::cli::doctor::{export, look, machine, traffic};
use crate::cli::finding::{Finding, Verdict};
use crate::cli::stacking;
use crate::export::Watch;
use crate::pipeline::{Page, Received};
use crate::sys::disk;
use crate::sys::ethtool::{Ethtool, Offloads};

/// The machine and the interfaces under observation.
#[derive(Debug)]
pub(in crate::cli) struct Surroundings {
    /// Opened while sockets of its kind could be.
    ethtool: Option<Ethtool>,
    interfaces: Vec<Observed>,
    spool: Option<PathBuf>,
}

/// An interface, as it was at the last look.
#[derive(Debug)]
struct Observed {
    name: String,
    /// When capture began.
    offloads: Offloads,
    losses: Losses,
    packets: u64,
}

impl Surroundings {
    /// To be opened before the process is confined, in the network namespace of the interfaces.
    pub(in crate::cli) fn open(names: &[String], spool: Option<PathBuf>) -> Self {
        let ethtool = Ethtool::open().ok();
        let observed = |name: &String| Observed {
            name: name.clone(),
            offloads: ethtool.as_ref().map(|it| it.offloads(name)).unwrap_or_default(),
            losses: look::losses(name),
            packets: 0,
        };
        Self { interfaces: names.iter().map(observed).collect(), ethtool, spool }
    }

    /// What is found now; `since` is the time since the last look.
    pub(super) fn look(
        &mut self,
        page: &Page,
        targets: &[&Watch],
        since: Duration,
    ) -> Vec<Finding> {
        let mut findings = vec![machine::clock(look::clock())];
        findings.extend(self.room(targets));
        let names: Vec<_> = self.interfaces.iter().map(|it| it.name.clone()).collect();
        findings.extend(stacking::findings(&names));
        let ethtool = self.ethtool.as_ref();
        findings.extend(self.interfaces.iter_mut().flat_map(|it| it.look(ethtool, page, since)));
        findings
    }

    /// Whether the spool can become as large as it may.
    fn room(&self, targets: &[&Watch]) -> Option<Finding> {
        let directory = self.spool.as_deref()?;
        let spools = targets.iter().filter_map(|watch| watch.state().spool);
        let left: u64 = spools.map(|it| it.maximum_octets.saturating_sub(it.octets)).sum();
        Some(export::room_to_grow(directory, disk::free_octets(directory), left))
    }
}

impl Observed {
    fn look(&mut self, ethtool: Option<&Ethtool>, page: &Page, since: Duration) -> Vec<Finding> {
        let now = Interface {
            name: self.name.clone(),
            offloads: ethtool.map(|it| it.offloads(&self.name)).unwrap_or_default(),
            ring: ethtool.and_then(|it| it.receive_ring(&self.name).ok()),
            losses: look::losses(&self.name),
            ..Interface::default()
        };
        let received = self.received(page);
        let packets = received.saturating_sub(self.packets);
        let lost = traffic::since(self.losses, now.losses);
        (self.losses, self.packets) = (now.losses, received);
        let findings = [
            interface::offloads(&now),
            self.vlan_stripping(&now),
            traffic::losses(&now.name, lost, Losses::default(), now.ring),
            traffic::ring(&now.name, now.ring, traffic::rate(packets, since), lost.missed),
        ];
        findings.map(|finding| finding.of(&self.name)).into()
    }

    /// That tags are told beside the frame is no trouble; that somebody else sets up the interface is.
    fn vlan_stripping(&self, now: &Interface) -> Finding {
        let finding = interface::vlan_stripping(now);
        if self.offloads.vlan_stripping != Some(false) || finding.verdict != Verdict::Note {
            return finding;
        }
        let text = format!("{}, which it did not when capture began", finding.finding);
        Finding::new(finding.check, Verdict::Warning, text)
            .fixed_by(format!("ethtool -K {} rxvlan off", self.name))
    }

    fn received(&self, page: &Page) -> u64 {
        let Some(index) = look::index(&self.name) else { return self.packets };
        let of =
            |(number, received): &(u32, Received)| (*number == index).then_some(received.packets);
        page.points.iter().find_map(of).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::finding::Check;

    #[test]
    fn tags_that_are_taken_out_are_trouble_where_they_were_not_when_capture_began() {
        let look = |before, now| {
            let with = |vlan_stripping| Offloads { vlan_stripping, ..Offloads::default() };
            let observed = Observed {
                name: "eth1".to_owned(),
                offloads: with(before),
                losses: Losses::default(),
                packets: 0,
            };
            let now = Interface { offloads: with(now), ..Interface::default() };
            observed.vlan_stripping(&now)
        };
        let changed = look(Some(false), Some(true));
        assert_eq!((changed.check, changed.verdict), (Check::VlanStripping, Verdict::Warning));
        assert_eq!(changed.fix.as_deref(), Some("ethtool -K eth1 rxvlan off"));
        assert_eq!(look(Some(true), Some(true)).verdict, Verdict::Note);
        assert_eq!(look(None, Some(true)).verdict, Verdict::Note);
        assert_eq!(look(Some(false), Some(false)).verdict, Verdict::Ok);
        assert_eq!(look(Some(false), None).verdict, Verdict::Unknown);
    }

    #[test]
    fn an_interface_is_judged_by_what_came_since_the_last_look() {
        let mut surroundings = Surroundings::open(&["lo".to_owned()], None);
        let index = look::index("lo").unwrap();
        let page = |packets| Page {
            points: vec![(index, Received { packets, octets: 0 })],
            ..Page::default()
        };
        let verdict = |findings: &[Finding], check| {
            findings.iter().find(|it| it.check == check).map(|it| it.verdict)
        };
        for packets in [7, 9] {
            let found = surroundings.look(&page(packets), &[], Duration::from_secs(1));
            assert_eq!(surroundings.interfaces[0].packets, packets);
            // Whoever else uses it, nothing is lost on it, and it has no ring.
            assert_eq!(verdict(&found, Check::InterfaceDrops), Some(Verdict::Ok));
            assert_eq!(verdict(&found, Check::ReceiveRing), Some(Verdict::Unknown));
            assert!(verdict(&found, Check::Clock).is_some());
            assert_eq!(verdict(&found, Check::SpoolDisk), None, "there is no spool");
        }
    }
}
