//! What captures say of the interfaces they were taken on.

/// An Observation Point as a capture describes it. Text is as it stands there: any octets.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DescribedInterface {
    /// The number that its frames carry.
    pub number: u32,
    /// `if_name`, as far as it is kept; empty if the capture has no name for it.
    pub name: Box<[u8]>,
    /// `if_description`, as far as it is kept; empty if there is none.
    pub description: Box<[u8]>,
}

impl DescribedInterface {
    /// Nothing but a number, which is all that a pcap file has.
    pub(super) fn unnamed(number: u32) -> Self {
        Self { number, ..Self::default() }
    }
}

/// The beginning of a text of the capture: more than any reader of ours shows, and little enough to
/// hold for many interfaces.
pub(super) fn beginning(text: &[u8]) -> Box<[u8]> {
    text.get(..LONGEST_TEXT).unwrap_or(text).into()
}

/// The interfaces described so far, in the order of the capture: a list that only grows.
#[derive(Debug, Default)]
pub(super) struct DescribedInterfaces(Vec<DescribedInterface>);

impl DescribedInterfaces {
    /// Appends `interface`, unless that would say again what is known: the files of one capture
    /// describe the same interfaces each.
    pub(super) fn append(&mut self, interface: DescribedInterface) {
        if self.0.len() >= MOST_DESCRIBED {
            return;
        }
        let known = self.0.iter().rev().find(|known| known.number == interface.number);
        if known != Some(&interface) {
            self.0.push(interface);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those from `start` up to `end`, as far as there are any.
    pub(super) fn range(&self, start: usize, end: usize) -> Vec<DescribedInterface> {
        self.0.get(start..end.min(self.0.len())).unwrap_or_default().to_vec()
    }
}

const LONGEST_TEXT: usize = 255;

/// Interfaces of a run whose description is kept; packets of others are metered all the same. A
/// capture may describe interfaces without end, and every one of them is told to every Collector.
pub(super) const MOST_DESCRIBED: usize = 4_096;
