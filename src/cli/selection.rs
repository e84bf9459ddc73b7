//! Whose packets are metered: networks from the command line and from files.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;

use crate::cli::UsageError;
use crate::cli::args::Selection;
use crate::cli::summary::grouped;
use crate::flow::{Network, NetworkError, Networks, PacketFilter};
use crate::regular_file;

/// The filter that is asked for, if any is.
pub(super) fn filter(selection: &Selection) -> anyhow::Result<Option<Arc<PacketFilter>>> {
    let Selection { exclude_net, exclude_net_file, only_net, only_net_file } = selection;
    let excluded = networks(exclude_net, exclude_net_file)?;
    let only = match (only_net.is_empty(), only_net_file.is_empty()) {
        (true, true) => None,
        _ => Some(networks(only_net, only_net_file)?),
    };
    if only.as_ref().is_some_and(Networks::is_empty) {
        bail!(UsageError("--only-net-file names no network: nothing would be metered".into()));
    }
    // An empty list of exclusions is one that nobody is on as yet.
    let filter = PacketFilter { excluded, only };
    Ok((!filter.is_open() || !exclude_net_file.is_empty()).then(|| Arc::new(filter)))
}

/// What a filter does, for the log: how many networks, and never which.
pub(super) fn told(filter: &PacketFilter) -> String {
    let count = |networks: &Networks| {
        let plural = if networks.len() == 1 { "" } else { "s" };
        format!("{} network{plural}", grouped(networks.len() as u64))
    };
    let excluded = count(&filter.excluded);
    match &filter.only {
        None => format!("packets of {excluded} are not metered"),
        Some(only) if filter.excluded.is_empty() => {
            format!("only packets of {} are metered", count(only))
        }
        Some(only) => {
            format!("only packets of {} are metered, and none of {excluded}", count(only))
        }
    }
}

/// The same in few words, for what has changed.
pub(super) fn told_shortly(filter: Option<&PacketFilter>) -> String {
    let Some(PacketFilter { excluded, only }) = filter else {
        return "networks (none is named any more)".to_owned();
    };
    let mut told = Vec::new();
    if let Some(only) = only {
        told.push(format!("{} kept to", grouped(only.len() as u64)));
    }
    if only.is_none() || !excluded.is_empty() {
        told.push(format!("{} left out", grouped(excluded.len() as u64)));
    }
    format!("networks ({})", told.join(", "))
}

/// A mistake in a list of networks. Who is on the list is not for everybody who may read the log: that is told where it
/// is, and who sits at the probe sees the rest ([`in_full`](super::in_full)).
#[derive(Debug, thiserror::Error)]
#[error("{place}: {}{SEEN_BY_CHECK}", error.without_address())]
pub(super) struct ListError {
    /// File and line.
    place: String,
    written: String,
    error: NetworkError,
}

impl ListError {
    pub(super) fn in_full(&self) -> String {
        let Self { place, written, error } = self;
        format!("{place}: `{written}` {error}")
    }
}

/// Where that is seen which is not told.
pub(super) const SEEN_BY_CHECK: &str = "; `flowtap check` shows it";

fn networks(given: &[Network], files: &[impl AsRef<Path>]) -> anyhow::Result<Networks> {
    let mut networks = given.to_vec();
    for path in files {
        read(path.as_ref(), &mut networks)?;
    }
    Ok(networks.into_iter().collect())
}

/// Appends the networks of a file: one a line, `#` begins a comment, blank lines count for nothing.
fn read(path: &Path, networks: &mut Vec<Network>) -> anyhow::Result<()> {
    let shown = path.display();
    let fault = |line: usize, fault: &str| UsageError(format!("{shown}:{line}: {fault}"));
    let text = regular_file::read(path, MOST_OCTETS)
        .map_err(|error| UsageError(format!("cannot read {shown}: {error}")))?;
    for (line, number) in text.split(|&octet| octet == b'\n').zip(1..) {
        let line = str::from_utf8(line).map_err(|_| fault(number, "is no text"))?;
        let written = line.split('#').next().unwrap_or_default().trim();
        if written.is_empty() {
            continue;
        }
        if networks.len() >= MOST_NETWORKS {
            let most = grouped(MOST_NETWORKS as u64);
            bail!(fault(number, &format!("more than {most} networks")));
        }
        let network = written.parse().map_err(|error| {
            let written: String = written.chars().take(MOST_SHOWN).collect();
            let (place, written) =
                (format!("{shown}:{number}"), written.escape_debug().to_string());
            ListError { place, written, error }
        })?;
        networks.push(network);
    }
    Ok(())
}

/// A little more than the routes of the whole Internet; some 60 octets each.
const MOST_NETWORKS: usize = 2_000_000;
const MOST_OCTETS: u64 = 128_000_000;
/// Longer than any network.
const MOST_SHOWN: usize = 50;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::cli::{exit, in_full};

    fn list(text: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guests.txt");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn selection(
        exclude: &[&str],
        exclude_file: Option<&Path>,
        only_file: Option<&Path>,
    ) -> Selection {
        Selection {
            exclude_net: exclude.iter().map(|text| text.parse().unwrap()).collect(),
            exclude_net_file: exclude_file.map(Path::to_owned).into_iter().collect(),
            only_net: Vec::new(),
            only_net_file: only_file.map(Path::to_owned).into_iter().collect(),
        }
    }

    fn read_error(text: &[u8]) -> String {
        let (_folder, path) = list(text);
        let error = filter(&selection(&[], Some(&path), None)).unwrap_err();
        assert!(exit::is_usage(&error), "exit status 2");
        in_full(&error)
    }

    #[test]
    fn nothing_asked_is_no_filter() {
        assert_eq!(filter(&selection(&[], None, None)).unwrap(), None);
    }

    #[test]
    fn a_file_has_a_network_a_line_comments_and_blank_lines() {
        let text = b"# guests\r\n192.0.2.0/24\n\n  2001:db8::/32  # the new ones\n10.0.0.1";
        let (_folder, path) = list(text);
        let filter = filter(&selection(&["10.9.0.0/16"], Some(&path), None)).unwrap().unwrap();
        let expected = ["10.9.0.0/16", "192.0.2.0/24", "2001:db8::/32", "10.0.0.1"];
        let expected: Networks =
            expected.iter().map(|text| text.parse::<Network>().unwrap()).collect();
        assert_eq!((&filter.excluded, &filter.only), (&expected, &None));
        assert_eq!(told(&filter), "packets of 4 networks are not metered");
        assert_eq!(told_shortly(Some(&filter)), "networks (4 left out)");
        let both = PacketFilter { excluded: expected.clone(), only: Some(expected) };
        assert_eq!(told_shortly(Some(&both)), "networks (4 kept to, 4 left out)");
        assert_eq!(told_shortly(None), "networks (none is named any more)");
    }

    #[test]
    fn errors_name_the_file_and_the_line() {
        let error = read_error(b"192.0.2.0/24\n# fine\n192.0.2.1/24\n");
        assert!(error.contains("guests.txt:3: `192.0.2.1/24` has bits set"), "{error}");
        assert!(error.ends_with("192.0.2.0/24"), "{error}");
        let error = read_error(b"guests\x1b[2J\n");
        assert!(error.contains(r"guests.txt:1: `guests\u{1b}[2J` is no address"), "{error}");
        let (_folder, path) = list(b"192.0.2.0/24\n192.0.2.77/24\n");
        let error = filter(&selection(&[], Some(&path), None)).unwrap_err();
        let told = "guests.txt:2: has bits set behind the prefix length; `flowtap check` shows it";
        assert!(error.to_string().ends_with(told), "{error}");
        assert!(read_error(b"192.0.2.0/24\n\xff\xfe\n").contains("guests.txt:2: is no text"));
        assert!(read_error(b"192.0.2.0/24,10.0.0.0/8").contains("guests.txt:1: `192.0.2.0/24,10"));
    }

    #[test]
    fn what_cannot_be_read_is_the_fault_of_the_command_line() {
        for path in ["/nonexistent/list", "/"] {
            let error = filter(&selection(&[], Some(Path::new(path)), None)).unwrap_err();
            assert!(error.is::<UsageError>() && error.to_string().contains(path), "{error}");
        }
        let endless = Path::new("/dev/zero");
        let error = filter(&selection(&[], Some(endless), None)).unwrap_err();
        assert!(error.to_string().contains("/dev/zero: it is a device"), "{error}");
    }

    #[test]
    fn more_networks_than_can_be_meant_are_refused() {
        let error = read_error(&b"10.0.0.1\n".repeat(MOST_NETWORKS + 1));
        assert!(error.ends_with(":2000001: more than 2,000,000 networks"), "{error}");
    }

    #[test]
    fn nobody_on_the_list_of_exclusions_is_a_filter_and_to_keep_to_nobody_is_refused() {
        let (_folder, path) = list(b"# nobody as yet\n");
        assert!(filter(&selection(&[], Some(&path), None)).unwrap().unwrap().is_open());
        let error = filter(&selection(&[], None, Some(&path))).unwrap_err();
        assert!(error.to_string().contains("nothing would be metered"), "{error}");
    }
}
