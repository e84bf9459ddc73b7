//! The files that an installation copies: the unit and its options.

use std::fs;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_options_of_the_service_are_options_of_the_program() {
    let path = Path::new(ROOT).join("probe-config/flowtap.env");
    let text = fs::read_to_string(path).expect("the file is part of the project");
    let options: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("FLOWTAP_OPTIONS=")).collect();
    let [options] = options[..] else { panic!("one line of options: {options:?}") };

    let output = Command::new(env!("CARGO_BIN_EXE_flowtap"))
        .args(["capture", "--interface", "no-such-link"])
        .args(options.split_whitespace())
        .output()
        .expect("the program runs");

    // Status 1: the command line was understood, and only the interface is not there.
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("no-such-link"), "{error}");
}

#[test]
#[ignore = "needs systemd-analyze"]
fn the_unit_leaves_the_probe_little_to_do_but_its_work() {
    // Exposure in tenths, from 0 (locked in) to 100: a unit without any hardening has 96.
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20", "--no-pager"])
        .arg(Path::new(ROOT).join("systemd/flowtap@.service"))
        .output()
        .expect("systemd-analyze runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
