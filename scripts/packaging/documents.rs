//! Writes the manual pages and shell completions of flowtap, from the very definition by which it reads
//! its command line.
//!
//! `cargo run --example documents -- DIRECTORY DATE` makes `DIRECTORY/man/flowtap.1`, a page for each command and
//! `flowtap.toml.5`, and `DIRECTORY/completions/` with one file a shell. DATE stands at the foot of each page; there
//! is nothing of this machine or moment in them: the same source gives the same octets.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

fn main() -> anyhow::Result<()> {
    let words: Vec<_> = env::args().skip(1).collect();
    let [directory, date] = &words[..] else { anyhow::bail!("usage: documents DIRECTORY DATE") };
    Ok(write(&PathBuf::from(directory), date)?)
}

/// Writes all of it below `directory`.
///
/// # Errors
///
/// Those of the files.
pub(crate) fn write(directory: &Path, date: &str) -> io::Result<()> {
    let (pages, completions) = (directory.join("man"), directory.join("completions"));
    fs::create_dir_all(&pages)?;
    fs::create_dir_all(&completions)?;
    write_pages(&pages, date)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut flowtap::cli::command(), "flowtap", &completions)?;
    }
    Ok(())
}

/// One page for the program, and one for each of its commands.
fn write_pages(directory: &Path, date: &str) -> io::Result<()> {
    let mut program = flowtap::cli::command().disable_help_subcommand(true);
    program.build();
    let commands = [&program].into_iter().chain(program.get_subcommands());
    let commands: Vec<_> = commands.filter(|it| !it.is_hide_set()).collect();
    for command in &commands {
        let mut file = fs::File::create(directory.join(format!("{}.1", name(command))))?;
        write_page(command, date, &mut file)?;
        let others = commands.iter().map(|it| name(it)).filter(|it| *it != name(command));
        see_also(others).to_writer(&mut file)?;
    }
    let mut file = fs::File::create(directory.join("flowtap.toml.5"))?;
    configuration_page(date).to_writer(&mut file)
}

/// As its page is called.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn write_page(command: &Command, date: &str, file: &mut fs::File) -> io::Result<()> {
    let version = concat!("flowtap ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).title(name(command).to_uppercase());
    let man = man.date(date).source(version).manual("flowtap");
    man.render_title(file)?;
    man.render_name_section(file)?;
    man.render_synopsis_section(file)?;
    man.render_description_section(file)?;
    if command.get_arguments().any(|it| !it.is_hide_set()) {
        man.render_options_section(file)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(file)?;
    }
    notes(command).to_writer(file)?;
    files(command).to_writer(file)?;
    exit_status().to_writer(file)
}

/// What stands behind the options in `--help`, line by line as it is there: each part under its own title.
fn notes(command: &Command) -> Roff {
    let text = command.get_after_long_help().or_else(|| command.get_after_help());
    let mut roff = Roff::new();
    let Some(text) = text.map(ToString::to_string) else { return roff };
    let mut has_title = false;
    for part in text.split("\n\n") {
        let (first, rest) = part.split_once('\n').unwrap_or((part, ""));
        let lines = match first.strip_suffix(':').filter(|it| !it.starts_with(' ')) {
            Some(title) => {
                roff.control("SH", [title.to_uppercase().as_str()]);
                has_title = true;
                rest
            }
            // What is not moved in is about the whole command.
            None if !part.starts_with(' ') || !has_title => {
                roff.control("SH", ["NOTES"]);
                has_title = true;
                part
            }
            None => {
                roff.control("PP", []);
                part
            }
        };
        roff.control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff
}

/// The files that a command reads and writes where it is not told of others.
fn files(command: &Command) -> Roff {
    let mut roff = Roff::new();
    let knows = |option: &str| command.get_arguments().any(|it| it.get_long() == Some(option));
    let name = command.get_name();
    let mut files = Vec::new();
    if knows("config") || name == "check" {
        let what = if name == "capture" || name == "doctor" {
            "the configuration of the service, see flowtap.toml(5); read where --config names it"
        } else {
            "the configuration of the service, see flowtap.toml(5)"
        };
        files.push(("/etc/flowtap/flowtap.toml", what));
    }
    if knows("environment-file") || name == "capture" {
        files.push(("/etc/flowtap/flowtap.env", "options of the service that override it"));
    }
    if knows("state-directory") || name == "capture" {
        files.push(("/var/lib/flowtap", "working directory of the service: spool and keys"));
    }
    if files.is_empty() {
        return roff;
    }
    roff.control("SH", ["FILES"]);
    for (path, meaning) in files {
        roff.control("TP", []).text([bold(path)]).text([roman(meaning)]);
    }
    roff
}

fn exit_status() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in [
        ("0", "done"),
        ("1", "something failed on the way, or what was asked for is not so"),
        (
            "2",
            "the command line or the configuration is wrong, or what they name cannot be used (a key, a \
             certificate, a directory, a user): trying again does not help",
        ),
    ] {
        roff.control("TP", []).text([bold(status)]).text([roman(meaning)]);
    }
    roff
}

fn see_also<'a>(names: impl Iterator<Item = &'a str>) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for name in names {
        line.extend([bold(name), roman("(1), ")]);
    }
    line.extend([bold("flowtap.toml"), roman("(5)")]);
    roff.text(line);
    roff
}

/// The page of the configuration file: what `flowtap config` prints, key by key, which is made from the
/// table of keys by which the file is read.
fn configuration_page(date: &str) -> Roff {
    let mut roff = Roff::new();
    let version = concat!("flowtap ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["FLOWTAP.TOML", "5", date, version, "flowtap"]);
    roff.control("SH", ["NAME"]).text([roman("flowtap.toml - configuration of a flowtap probe")]);
    roff.control("SH", ["DESCRIPTION"]);
    let text = flowtap::cli::default_configuration();
    let mut parts = text.trim_end().split("\n\n");
    // Comments are sentences; what is moved in is shown as it is.
    let comment = |roff: &mut Roff, part: &str| {
        for line in part.lines().map(|line| line.trim_start_matches('#')) {
            match line.strip_prefix(' ').unwrap_or(line) {
                "" => roff.control("PP", []),
                shown if shown.starts_with(' ') => {
                    roff.control("nf", []).text([roman(shown)]).control("fi", [])
                }
                words => roff.text([roman(words)]),
            };
        }
    };
    let begins = |part: &str| part.lines().all(|line| line.starts_with('#') && !is_key(line));
    let mut next = parts.next();
    while let Some(part) = next.filter(|part| begins(part)) {
        comment(&mut roff, part);
        roff.control("PP", []);
        next = parts.next();
    }
    roff.control("SH", ["TABLES AND KEYS"]);
    for part in next.into_iter().chain(parts) {
        configuration_part(&mut roff, part);
    }
    roff.control("SH", ["FILES"]);
    let place = "/etc/flowtap/flowtap.toml";
    roff.control("TP", []).text([bold(place)]).text([roman("what flowtap.service reads")]);
    let ready = "/usr/share/doc/flowtap/examples";
    roff.control("TP", [])
        .text([bold(ready)])
        .text([roman("ready files: each says when to use it")]);
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for name in ["flowtap-config", "flowtap-check", "flowtap-capture", "flowtap-manifest"] {
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.extend([bold(name), roman("(1)")]);
    }
    roff.text(line);
    roff
}

/// A table of the file: its header as a title, and each key with what stands above it.
fn configuration_part(roff: &mut Roff, part: &str) {
    let mut above: Vec<&str> = Vec::new();
    for line in part.lines() {
        let bare = line.trim_start_matches('#');
        if is_key(line) {
            if bare.starts_with('[') {
                roff.control("SS", [bare]);
            } else {
                roff.control("TP", []).text([bold(line)]);
            }
            if above.is_empty() {
                // A key without a word of its own goes with the one before it.
                roff.control("br", []);
            }
            for words in above.drain(..) {
                roff.text([roman(words)]);
            }
        } else {
            above.push(bare.trim_start());
        }
    }
    for words in above {
        roff.text([roman(words)]);
    }
}

/// Whether a line is a key or a header, though it may be behind a `#`.
fn is_key(line: &str) -> bool {
    let bare = line.strip_prefix('#').unwrap_or(line);
    let begin = bare.split(" = ").next().unwrap_or_default();
    let is_name =
        |it: &str| !it.is_empty() && it.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    bare.starts_with('[') || bare.contains(" = ") && is_name(begin)
}
