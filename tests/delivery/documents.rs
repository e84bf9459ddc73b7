//! The manual pages and completions of an installation.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::packaging;
use crate::program::run;

#[test]
fn each_command_has_a_page_that_troff_takes_without_a_warning() {
    let folder = written();
    let mut expected: BTreeSet<_> = commands().map(|it| format!("flowtap-{it}.1")).collect();
    expected.extend(["flowtap.1", "flowtap.toml.5"].map(str::to_owned));
    let pages = files(&folder.path().join("man"));
    let names: BTreeSet<_> = pages.iter().map(|path| name(path)).collect();
    assert_eq!(names, expected);
    for page in &pages {
        let output = Command::new("groff")
            .args(["-ww", "-K", "utf8", "-man", "-Tutf8"])
            .arg(page)
            .output()
            .expect("groff is installed (scripts/test installs it)");
        let warnings = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && warnings.is_empty(), "{}: {warnings}", page.display());
    }
}

#[test]
fn a_page_tells_all_that_the_help_of_its_command_tells() {
    let folder = written();
    for name in commands() {
        let page = folder.path().join(format!("man/flowtap-{name}.1"));
        let text = printed(&page);
        let help = Command::new(env!("CARGO_BIN_EXE_flowtap")).args([&name, "--help"]).output();
        let help = String::from_utf8(help.expect("the program runs").stdout).expect("UTF-8");
        let words = |text: &str| -> BTreeSet<String> {
            let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
            words.filter(|word| word.starts_with("--")).map(str::to_owned).collect()
        };
        let missing: Vec<_> = words(&help).difference(&words(&text)).cloned().collect();
        assert!(missing.is_empty(), "{name}: {missing:?}\n{text}");
        for part in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "EXIT STATUS", "SEE ALSO"] {
            assert!(text.lines().any(|line| line == part), "{name} has no {part}");
        }
        let knows_files = help.contains("--config") || name == "check";
        assert_eq!(text.lines().any(|line| line == "FILES"), knows_files, "{name}");
    }
}

#[test]
fn the_page_of_the_configuration_has_every_key() {
    let folder = written();
    let text = printed(&folder.path().join("man/flowtap.toml.5"));
    let default = run(Command::new(env!("CARGO_BIN_EXE_flowtap")).arg("config"));
    let mut keys = 0;
    for line in default.lines() {
        let bare = line.trim_start_matches('#');
        let is_key = bare.split_once(" = ").is_some_and(|(key, _)| !key.contains([' ', '`', ',']));
        if is_key || bare.starts_with('[') {
            keys += 1;
            let is_there = text.lines().any(|it| it.trim() == line || it.trim() == bare);
            // One that is longer than a line is broken.
            assert!(is_there || line.len() > 60, "{line} is not in\n{text}");
        }
    }
    assert!(keys > 40, "{keys}");
}

#[test]
fn the_same_source_gives_the_same_octets() {
    let (one, other) = (written(), written());
    for part in ["man", "completions"] {
        let octets = |folder: &Path| -> Vec<_> {
            files(&folder.join(part)).iter().map(|path| fs::read(path).expect("ours")).collect()
        };
        assert_eq!(octets(one.path()), octets(other.path()));
    }
}

#[test]
fn bash_completes_commands_options_and_their_values() {
    let folder = written();
    let completed = |line: &str| {
        let script = format!(
            "source {}; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _flowtap flowtap \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
             echo \"${{COMPREPLY[@]}}\"",
            folder.path().join("completions/flowtap.bash").display()
        );
        run(Command::new("bash").args(["-c", &script])).trim().to_owned()
    };
    assert_eq!(completed("flowtap cap"), "capture");
    assert_eq!(completed("flowtap capture --spool-k"), "--spool-key");
    assert_eq!(completed("flowtap capture --backend lib"), "libpcap");
    assert_eq!(files(&folder.path().join("completions")).len(), 3);
}

fn written() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    packaging::write(folder.path(), "2026-01-31").expect("they can be written");
    folder
}

/// As `flowtap --help` lists them.
fn commands() -> impl Iterator<Item = String> {
    let help = run(Command::new(env!("CARGO_BIN_EXE_flowtap")).arg("--help"));
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("  "));
    // A line that goes on another one begins further to the right.
    let lines = lines.filter(|line| line.as_bytes().get(2).is_some_and(|octet| *octet != b' '));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    let names: Vec<_> = names.filter(|name| *name != "help").map(str::to_owned).collect();
    assert!(names.len() > 5, "{help}");
    names.into_iter()
}

/// As a reader sees it, without the marks of a terminal.
fn printed(page: &Path) -> String {
    let mut groff = Command::new("groff");
    groff.args(["-K", "utf8", "-man", "-Tascii", "-P-cbou", "-rHY=0"]).arg(page);
    run(&mut groff)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("it is ours");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("it is ours").path()).collect();
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
