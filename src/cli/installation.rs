//! Where an installation by the unit of the project keeps things, and what its options say.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::cli::args::{Arguments, Capture, Command};
use crate::cli::config::{self, ConfigError, Effective};

/// The configuration of the probes.
pub(super) const CONFIGURATION_FILE: &str = "/etc/flowtap/flowtap.toml";
/// Options that override it (see `probe-config/flowtap.env`).
pub(super) const ENVIRONMENT_FILE: &str = "/etc/flowtap/flowtap.env";
/// The directory of the probe (see `systemd/flowtap.service`), in which it is started.
pub(super) const STATE_DIRECTORY: &str = "/var/lib/flowtap";

/// Who runs it (see `systemd/flowtap.service`).
pub(super) const UNIT_USER: &str = "flowtap";
/// Directories that the unit makes for that user.
pub(super) const UNIT_DIRECTORIES: [&str; 3] =
    ["/run/flowtap", STATE_DIRECTORY, "/var/log/flowtap"];

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

/// The arguments of the probe of the unit with these options.
pub(super) fn command_line(options: &[String]) -> Vec<OsString> {
    // One of the options is not needed to know what the others mean.
    let front = ["flowtap", "capture", "--interface", "all"];
    front.into_iter().chain(options.iter().map(String::as_str)).map(OsString::from).collect()
}

/// What these options mean, if they are what the program takes. What is wrong with them is not told:
/// it would repeat them.
pub(super) fn capture_of(options: &[String]) -> Option<Capture> {
    let matches = Arguments::command().try_get_matches_from(command_line(options)).ok()?;
    match Arguments::from_arg_matches(&matches).ok()?.command {
        Command::Capture(capture) => {
            config::merged(capture, &command_line(options)).ok().map(|(capture, _)| capture)
        }
        _ => None,
    }
}

/// What the configuration file says, if there is one.
///
/// # Errors
///
/// What is wrong with it: for whoever may read what it says.
pub(super) fn configured(file: &Path) -> Option<Result<Effective, ConfigError>> {
    file.symlink_metadata().ok().map(|_| config::of_file(file))
}

#[cfg(test)]
mod tests {
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
}
