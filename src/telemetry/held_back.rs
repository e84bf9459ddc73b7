//! Distributions that never show a single communication.
//!
//! A counter that is read every second and grows by one flow tells when that flow ended and how large
//! it was. So each class of a distribution is shown in steps of [`FEWEST`] flows at least: what is less
//! waits until others have come to it.

use crate::pipeline::{Departures, Services, Sums};

/// Distributions as they are shown.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    shown: Departures,
}

impl HeldBack {
    /// Shows what has become enough.
    pub(super) fn update(&mut self, counted: &Departures) {
        let Departures { protocols, tcp, udp, fragments: _, late: _, lateness: _, symptoms: _ } =
            counted;
        step(&mut self.shown.protocols, protocols);
        step(&mut self.shown.tcp, tcp);
        step(&mut self.shown.udp, udp);
    }

    /// By protocol.
    pub(super) const fn protocols(&self) -> &[Sums] {
        &self.shown.protocols
    }

    /// TCP by service.
    pub(super) const fn tcp(&self) -> &Services {
        &self.shown.tcp
    }

    /// UDP by service.
    pub(super) const fn udp(&self) -> &Services {
        &self.shown.udp
    }
}

fn step(shown: &mut [Sums], counted: &[Sums]) {
    for (shown, counted) in shown.iter_mut().zip(counted) {
        if counted.flows.saturating_sub(shown.flows) >= FEWEST {
            *shown = *counted;
        }
    }
}

/// Flows that are shown together.
pub(super) const FEWEST: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_step_is_smaller_than_ten_flows() {
        let mut held_back = HeldBack::default();
        let mut counted = Departures::default();
        let mut seen = vec![0];
        for flows in 1..=35_u64 {
            counted.tcp[3] = Sums { flows, packets: 7 * flows, octets: 100 * flows };
            counted.protocols[3] = counted.tcp[3];
            held_back.update(&counted);
            let shown = held_back.tcp()[3];
            assert_eq!(shown.octets, 100 * shown.flows, "octets do not go ahead of flows");
            assert_eq!(held_back.protocols()[3], shown);
            if seen.last() != Some(&shown.flows) {
                seen.push(shown.flows);
            }
        }
        assert_eq!(seen, [0, 10, 20, 30]);
    }

    #[test]
    fn slices_of_one_long_flow_are_not_shown() {
        let mut held_back = HeldBack::default();
        let mut counted = Departures::default();
        counted.udp[0] = Sums { flows: 1, packets: 1_000_000, octets: 1_000_000_000 };
        held_back.update(&counted);
        assert_eq!(held_back.udp()[0], Sums::default());
    }
}
