//! Writes the manual pages and shell completions of flowtap, from the very definition by which it reads
//! its command line.
//!
//! `cargo run --example documents -- DIRECTORY DATE` makes `DIRECTORY/man/flowtap.1` and a page for each
//! command, and `DIRECTORY/completions/` with one file a shell. DATE stands at the foot of each page; there
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
    Ok(())
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
    examples(command).to_writer(file)?;
    exit_status().to_writer(file)
}

/// What stands behind the options in `--help`, line by line as it is there.
fn examples(command: &Command) -> Roff {
    let text = command.get_after_long_help().or_else(|| command.get_after_help());
    let mut roff = Roff::new();
    let Some(text) = text.map(ToString::to_string) else { return roff };
    roff.control("SH", ["NOTES AND EXAMPLES"]).control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff
}

fn exit_status() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in [
        ("0", "done"),
        ("1", "something failed on the way, or what was asked for is not so"),
        ("2", "the command line or the configuration is wrong"),
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
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.extend([bold(name), roman("(1)")]);
    }
    roff.text(line);
    roff
}
