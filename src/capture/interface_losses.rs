//! Frames that an interface or its driver lost before the kernel had them.

use std::fs;
use std::path::Path;

/// What one interface lost since observation began, by its own counters.
#[derive(Debug, Default)]
pub(super) struct InterfaceLosses {
    /// Of earlier interfaces of that name, and of this one as far as it has been asked.
    total: u64,
    /// The interface that was asked last, and what its counters said.
    last: Option<(u32, u64)>,
}

impl InterfaceLosses {
    /// Asks interface `name` again and returns the losses since the first time.
    pub(super) fn refresh(&mut self, name: &str) -> u64 {
        if let Some((index, count)) = counters(Path::new("/sys/class/net"), name) {
            self.take_note(index, count);
        }
        self.total
    }

    fn take_note(&mut self, index: u32, count: u64) {
        self.total += match self.last {
            // The first time sets the zero.
            None => 0,
            // A counter that runs backwards was reset.
            Some((of, before)) if of == index => count.checked_sub(before).unwrap_or(count),
            // An interface made again counts from zero.
            Some(_) => count,
        };
        self.last = Some((index, count));
    }
}

/// The number of interface `name` and the sum of its loss counters.
///
/// `rx_dropped` is left out: it also counts frames that taps saw and no protocol wanted.
fn counters(interfaces: &Path, name: &str) -> Option<(u32, u64)> {
    let interface = interfaces.join(name);
    let index = read(&interface.join("ifindex"))?;
    let statistics = interface.join("statistics");
    let missed = read(&statistics.join("rx_missed_errors"))?;
    let overrun = read(&statistics.join("rx_fifo_errors"))?;
    Some((u32::try_from(index).ok()?, missed.saturating_add(overrun)))
}

fn read(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_counted_from_the_first_look_and_over_a_new_interface() {
        let mut losses = InterfaceLosses::default();
        for (index, count, total) in
            [(2, 100, 0), (2, 103, 3), (2, 103, 3), (5, 4, 7), (5, 6, 9), (5, 1, 10)]
        {
            losses.take_note(index, count);
            assert_eq!(losses.total, total, "after {count} of interface {index}");
        }
    }

    #[test]
    fn counters_are_read_from_the_files_of_the_interface() {
        let directory = tempfile::tempdir().unwrap();
        let statistics = directory.path().join("eth5/statistics");
        fs::create_dir_all(&statistics).unwrap();
        fs::write(directory.path().join("eth5/ifindex"), "7\n").unwrap();
        fs::write(statistics.join("rx_missed_errors"), "40\n").unwrap();
        assert_eq!(counters(directory.path(), "eth5"), None);
        fs::write(statistics.join("rx_fifo_errors"), "2\n").unwrap();
        assert_eq!(counters(directory.path(), "eth5"), Some((7, 42)));
    }
}
