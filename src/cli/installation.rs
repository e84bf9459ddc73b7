//! Where an installation by the unit of the project keeps things, and what its options say.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::cli::args::{Arguments, Capture, Command};

/// Options of the probes (see `probe-config/flowtap.env`).
pub(super) const ENVIRONMENT_FILE: &str = "/etc/flowtap/flowtap.env";
/// The directories of the probes, one for each interface (see `systemd/flowtap@.service`).
pub(super) const STATE_DIRECTORY: &str = "/var/lib/flowtap";

/// The words of `FLOWTAP_OPTIONS` in an environment file (systemd.exec(5)); none if it has none.
///
/// # Errors
///
/// Those of the file.
pub(super) fn options_in(file: &Path) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(file)?;
    let mut options = Vec::new();
    // As systemd does: the last assignment counts, and one pair of quotes around it goes.
    for value in text.lines().filter_map(|line| line.trim().strip_prefix("FLOWTAP_OPTIONS=")) {
        let value = value.trim();
        let unquoted = |quote| value.strip_prefix(quote).and_then(|it| it.strip_suffix(quote));
        let value = unquoted('"').or_else(|| unquoted('\'')).unwrap_or(value);
        options = value.split_whitespace().map(str::to_owned).collect();
    }
    Ok(options)
}

/// The arguments of a probe of the unit with these options.
pub(super) fn command_line(options: &[String]) -> Vec<OsString> {
    let front = ["flowtap", "capture", "--interface", "all"];
    front.into_iter().chain(options.iter().map(String::as_str)).map(OsString::from).collect()
}

/// What these options mean, if they are what the program takes. What is wrong with them is not told:
/// it would repeat them.
pub(super) fn capture_of(options: &[String]) -> Option<Capture> {
    let matches = Arguments::command().try_get_matches_from(command_line(options)).ok()?;
    match Arguments::from_arg_matches(&matches).ok()?.command {
        Command::Capture(capture) => Some(capture),
        _ => None,
    }
}

/// The directories of probes below `state`, and links to them: systemd keeps those of a unit with
/// `DynamicUser=` beside it, below `private` (systemd.exec(5)).
pub(super) fn instances(state: &Path) -> io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let private = match (state.parent(), state.file_name()) {
        (Some(parent), Some(name)) => parent.join("private").join(name),
        _ => state.join("private"),
    };
    let (mut directories, mut links) = (Vec::new(), Vec::new());
    for root in [state, &private] {
        let entries = match fs::read_dir(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let leads_to_private = || {
                let target = fs::canonicalize(&path).ok()?;
                Some(target.starts_with(fs::canonicalize(&private).ok()?))
            };
            if kind.is_dir() {
                directories.push(path);
            } else if kind.is_symlink() && leads_to_private() == Some(true) {
                links.push(path);
            }
        }
    }
    directories.sort();
    // Both roots are the same where one is a link to the other.
    directories.dedup_by_key(|path| fs::canonicalize(&*path).unwrap_or_else(|_| path.clone()));
    Ok((directories, links))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn options_are_read_as_systemd_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("flowtap.env");
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            options_in(&file).unwrap()
        };
        assert_eq!(read("# FLOWTAP_OPTIONS=--quiet\n"), [""; 0]);
        assert_eq!(read("FLOWTAP_OPTIONS=--a\n OTHER=x\nFLOWTAP_OPTIONS=--b  c\n"), ["--b", "c"]);
        assert_eq!(read("FLOWTAP_OPTIONS=\"--spool s\"\n"), ["--spool", "s"]);
        let options = read(include_str!("../../probe-config/flowtap.env"));
        assert!(capture_of(&options).is_some(), "{options:?}");
        assert!(capture_of(&["--no-such-option".to_owned()]).is_none());
    }

    #[test]
    fn directories_of_a_dynamic_user_are_found_behind_their_links() {
        let folder = tempfile::tempdir().unwrap();
        let (state, private) =
            (folder.path().join("flowtap"), folder.path().join("private/flowtap"));
        for path in [state.join("eth1"), private.join("eth2")] {
            fs::create_dir_all(path).unwrap();
        }
        symlink(private.join("eth2"), state.join("eth2")).unwrap();
        symlink("/etc", state.join("etc")).unwrap();
        let (directories, links) = instances(&state).unwrap();
        assert_eq!(directories, [state.join("eth1"), private.join("eth2")]);
        assert_eq!(links, [state.join("eth2")]);
        assert_eq!(instances(&folder.path().join("none")).unwrap(), (vec![], vec![]));
    }
}
