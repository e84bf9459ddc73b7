//! What the README and the help say: blocks, and the commands in them.

use std::fs;
use std::path::Path;

use crate::run::flowtap;

pub(super) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

pub(super) fn read(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A block between fences: what stands before it, its language, its text.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) before: String,
    pub(super) language: String,
    pub(super) text: String,
}

pub(super) fn blocks(markdown: &str) -> Vec<Block> {
    let parts: Vec<_> = markdown.split("```").collect();
    assert_eq!(parts.len() % 2, 1, "every fence is closed");
    let pairs = parts.chunks_exact(2);
    pairs
        .map(|pair| {
            let (language, text) = pair[1].split_once('\n').unwrap();
            let before = pair[0].trim_end().lines().last().unwrap_or_default().to_owned();
            Block { before, language: language.to_owned(), text: text.to_owned() }
        })
        .collect()
}

/// The commands of a block; one that goes on over several lines is one.
pub(super) fn commands(text: &str) -> Vec<String> {
    let (mut commands, mut command) = (Vec::new(), String::new());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        command.push_str(line);
        command.push('\n');
        let is_loop = command.starts_with("for ") && line.trim() != "done";
        if !line.ends_with('\\') && !is_loop {
            commands.push(std::mem::take(&mut command));
        }
    }
    assert!(command.is_empty(), "a command has no end: {command}");
    commands
}

/// Of the help of each command, and so of its manual page.
pub(super) fn examples_of_the_help() -> Vec<String> {
    let help = |words: &[&str]| flowtap(words).well().text().to_owned();
    let main = help(&["--help"]);
    let names = main.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = names.take_while(|line| line.starts_with("  "));
    let names = names.filter(|line| !line.starts_with("   "));
    let names: Vec<_> = names.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 10, "{names:?}");
    let mut texts = vec![main.clone()];
    for name in names.into_iter().filter(|name| *name != "help") {
        let text = help(&[name, "--help"]);
        assert!(text.contains("\nExamples:\n"), "{name} has no examples");
        texts.push(text);
    }
    let examples = texts.iter().flat_map(|text| {
        let examples = text.split_once("\nExamples:\n").unwrap().1;
        let examples = examples.lines().take_while(|line| !line.is_empty());
        // What it is for stands below each, further to the right.
        let mut goes_on = false;
        let examples = examples.filter(move |line| {
            let is_command = goes_on || !line.starts_with("      ");
            goes_on = is_command && line.ends_with('\\');
            is_command
        });
        commands(&examples.map(|line| format!("{}\n", line.trim())).collect::<String>())
    });
    examples.collect()
}
