//! The import walls of the design, as a test: who may name whom inside the crate.
//!
//! The scan is of tokens, not of lines: comments and literals do not count, and neither groups
//! (`use crate::{a, b::c}`) nor `super::super::` nor `$crate` get around it.

#![expect(clippy::indexing_slicing, reason = "a wrong position in our own sources fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every entry of `src/` and what it may name with `crate::`, in the order of the data path.
///
/// A new arrow is a reviewed edit of this table, never an import that slips in.
const MAY_USE: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("sys", &[]),
    ("frame", &["time"]),
    ("capture", &["frame", "time", "sys"]),
    ("decode", &["frame", "time"]),       // knows nothing of flow
    ("flow", &["decode", "time", "sys"]), // knows nothing of export
    ("ipfix", &[]),                       // knows nothing of flows
    ("regular_file", &[]),                // knows nothing of what is in one
    ("key_file", &["regular_file"]),
    // Knows no target: what leaves, and in which form, is one thing and where it goes another.
    ("privacy", &["flow", "decode", "ipfix", "time", "key_file"]),
    ("export", &["flow", "decode", "ipfix", "privacy", "regular_file", "key_file", "time", "sys"]),
    ("pipeline", &["time", "sys", "frame", "capture", "decode", "flow", "ipfix", "export"]),
    ("confine", &["sys"]), // knows nothing of what it confines
    // Looks on: what it names it reads, and nothing names it but who starts it.
    (
        "telemetry",
        &["time", "capture", "decode", "flow", "privacy", "export", "pipeline", "confine"],
    ),
    (
        "cli",
        &[
            "time",
            "sys",
            "capture",
            "decode",
            "flow",
            "ipfix",
            "privacy",
            "regular_file",
            "key_file",
            "export",
            "pipeline",
            "confine",
            "telemetry",
        ],
    ),
    ("main", &["cli", "pipeline"]),
];

/// Where a frame, and with it payload, may be named at all (the first wall of the design).
const MAY_SEE_FRAMES: &[&str] = &["capture", "decode", "pipeline"];

#[test]
fn every_module_has_its_row_in_the_table() {
    let rows: BTreeSet<_> = MAY_USE.iter().map(|&(module, _)| module.to_owned()).collect();
    let found: BTreeSet<_> = sources().iter().map(|source| source.module().to_owned()).collect();
    let found: BTreeSet<_> = found.into_iter().filter(|module| module != "lib").collect();
    assert_eq!(found, rows, "src/ and the table must name the same modules");
    assert_eq!(MAY_USE.len(), rows.len(), "a module stands in the table twice");
    for (module, used) in MAY_USE {
        for name in *used {
            assert!(rows.contains(*name), "{module} may use {name}, which does not exist");
        }
    }
}

#[test]
fn imports_follow_the_arrows() {
    let mut faults = Vec::new();
    for source in sources() {
        let scan = source.scan();
        faults.extend(scan.faults.iter().map(|fault| source.fault(fault)));
        let module = source.module();
        if module == "lib" {
            continue; // declares the modules; what it re-exports is none of theirs
        }
        let allowed =
            MAY_USE.iter().find(|(row, _)| *row == module).map_or(&[][..], |(_, allowed)| allowed);
        for Reference { target, line } in &scan.references {
            if target != module && !allowed.contains(&target.as_str()) {
                faults.push(format!("{}:{line}: {module} may not use {target}", source.shown()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_arrows_have_no_cycle() {
    // Each row may use rows above it only; the order of the table is the order of the data path.
    for (position, (module, used)) in MAY_USE.iter().enumerate() {
        let above: Vec<_> = MAY_USE.iter().take(position).map(|&(name, _)| name).collect();
        for name in *used {
            assert!(above.contains(name), "{module} may use {name}, which does not stand above it");
        }
    }
}

#[test]
fn frames_are_named_where_payload_may_be_and_nowhere_else() {
    for (module, used) in MAY_USE {
        assert!(
            !used.contains(&"frame") || MAY_SEE_FRAMES.contains(module),
            "{module} must not see frames"
        );
    }
    // A re-export would be a door in the wall.
    for source in sources() {
        let lines = source.scan().public_frame_imports;
        assert!(lines.is_empty(), "{}:{lines:?}: crate::frame imported publicly", source.shown());
    }
}

/// What is said is written in one place, and of nothing that could hold an observed address.
#[test]
fn logging_stays_in_one_folder_that_knows_nothing_of_flows() {
    let log = ["cli", "log"];
    let (inside, outside): (Vec<_>, Vec<_>) = sources()
        .into_iter()
        .partition(|source| source.module_path().starts_with(&log.map(Into::into)));
    assert!(inside.len() > 5, "the folder was not found");
    for source in outside {
        for token in tokens(&source.text) {
            assert_ne!(token.text, "tracing", "{}:{}: use cli::log", source.shown(), token.line);
        }
    }
    for source in inside {
        for Reference { target, line } in source.scan().references {
            let may = ["capture", "cli", "confine", "export", "pipeline", "telemetry"];
            assert!(may.contains(&target.as_str()), "{}:{line}: {target}", source.shown());
        }
    }
}

#[test]
fn unsafe_stays_in_sys() {
    for source in sources() {
        if source.module() == "sys" {
            continue;
        }
        for token in tokens(&source.text) {
            assert_ne!(token.text, "unsafe", "{}:{}: unsafe code", source.shown(), token.line);
            assert!(
                token.text != "unsafe_code" || source.module() == "lib",
                "{}:{}: only src/lib.rs says where unsafe code may be",
                source.shown(),
                token.line
            );
        }
    }
    let library = sources().into_iter().find(|source| source.module() == "lib").unwrap();
    let exceptions = tokens(&library.text).iter().filter(|t| t.text == "unsafe_code").count();
    assert_eq!(exceptions, 1, "one module may hold unsafe code: sys");
}

/// One file under `src/`.
struct Source {
    /// Path from `src/` on.
    path: PathBuf,
    text: String,
}

impl Source {
    /// The top-level module it belongs to (`lib` and `main` for the two roots).
    fn module(&self) -> &str {
        let first =
            self.path.iter().next().and_then(|name| name.to_str()).expect("file names are plain");
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Its module path from the crate root: `flow/record.rs` is `flow::record`.
    fn module_path(&self) -> Vec<String> {
        let mut path: Vec<String> = self
            .path
            .with_extension("")
            .iter()
            .map(|part| part.to_str().expect("file names are plain").to_owned())
            .collect();
        let last = path.last().map(String::as_str);
        if last == Some("mod") || (path.len() == 1 && matches!(last, Some("lib" | "main"))) {
            path.pop();
        }
        path
    }

    fn shown(&self) -> String {
        format!("src/{}", self.path.display())
    }

    fn fault(&self, (line, fault): &(usize, String)) -> String {
        format!("{}:{line}: {fault}", self.shown())
    }

    fn scan(&self) -> Scan {
        scan(&tokens(&self.text), self.module_path(), self.module() == "main")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be listed") {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("sources are text");
                sources.push(Source {
                    path: path.strip_prefix(&root).expect("found below").into(),
                    text,
                });
            }
        }
    }
    assert!(sources.len() > MAY_USE.len(), "src/ was not found");
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

/// What one file names.
#[derive(Default)]
struct Scan {
    /// Top-level modules named from the crate root.
    references: Vec<Reference>,
    /// Lines of `pub use crate::frame…`.
    public_frame_imports: Vec<usize>,
    /// Ways to name a module that this scan could not follow, and which are therefore forbidden.
    faults: Vec<(usize, String)>,
}

#[derive(Debug, Eq, PartialEq)]
struct Reference {
    target: String,
    line: usize,
}

/// Finds every path that starts at the crate root, however it gets there.
fn scan(tokens: &[Token], mut module: Vec<String>, is_binary: bool) -> Scan {
    let mut found = Scan::default();
    // For each open brace, whether it opened an inline module.
    let mut braces = Vec::new();
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |at| text(at));
        match token.text.as_str() {
            "{" => {
                let is_module = at >= 2 && text(at - 2) == "mod";
                if is_module {
                    module.push(before.to_owned());
                }
                braces.push(is_module);
            }
            "}" => module.truncate(module.len() - usize::from(braces.pop() == Some(true))),
            "include" if text(at + 1) == "!" => {
                found.faults.push((token.line, "include! hides what a module names".to_owned()));
            }
            "path" if before == "[" && text(at + 1) == "=" => {
                found.faults.push((token.line, "#[path] hides where a module lives".to_owned()));
            }
            // `pub(crate)` and `pub(super)` name no path.
            "crate" | "super" if before == "(" && text(at + 1) == ")" => {}
            // `extern crate` brings in another crate, or this one by another name.
            "crate" if before == "extern" => {
                found.faults.push((token.line, "extern crate".to_owned()));
            }
            "crate" => from_root(tokens, at, &mut found),
            "flowtap" if text(at + 1) == "::" && before != "::" => {
                if is_binary {
                    from_root(tokens, at, &mut found);
                } else {
                    found.faults.push((token.line, "the crate by its own name".to_owned()));
                }
            }
            // The first `super` of a path; `self::super::…` is the same path.
            "super" if before != "::" || text(at.saturating_sub(2)) == "self" => {
                let mut last = at;
                let mut depth = 1;
                while text(last + 1) == "::" && text(last + 2) == "super" {
                    last += 2;
                    depth += 1;
                }
                if depth >= module.len() {
                    from_root(tokens, last, &mut found);
                } else if text(last + 1) == "::" && group(tokens, last + 2).contains(&"super") {
                    found.faults.push((token.line, "super inside a group".to_owned()));
                }
            }
            _ => {}
        }
    }
    found
}

/// The words between the brace at `at` and its partner; nothing when there is no brace.
fn group(tokens: &[Token], at: usize) -> Vec<&str> {
    let mut depth = 0;
    let mut words = Vec::new();
    for token in &tokens[at.min(tokens.len())..] {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            word => words.push(word),
        }
        if depth == 0 {
            break;
        }
    }
    words
}

/// Notes what follows the crate root, whose name stands at `at`.
fn from_root(tokens: &[Token], at: usize, found: &mut Scan) {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let line = tokens[at].line;
    let first_new = found.references.len();
    match (text(at + 1), text(at + 2)) {
        ("::", "{") => {
            let mut depth = 0;
            for (position, token) in tokens.iter().enumerate().skip(at + 2) {
                match token.text.as_str() {
                    "{" => depth += 1,
                    "}" if depth == 1 => break,
                    "}" => depth -= 1,
                    _ => {}
                }
                if depth == 1 && matches!(token.text.as_str(), "{" | ",") {
                    let next = text(position + 1);
                    if is_name(next) && next != "self" {
                        let line = tokens[position + 1].line;
                        found.references.push(Reference { target: next.to_owned(), line });
                    } else if next != "}" {
                        found.faults.push((line, format!("{next} of the crate root in a group")));
                    }
                }
            }
        }
        ("::", name) if is_name(name) => {
            found.references.push(Reference { target: name.to_owned(), line });
        }
        _ => found.faults.push((line, "the crate root as a whole".to_owned())),
    }
    if found.references[first_new..].iter().any(|reference| reference.target == "frame")
        && is_public_import(tokens, at)
    {
        found.public_frame_imports.push(line);
    }
}

/// Whether the path at `at` stands in a `pub use`, whatever its scope: `pub(crate) use` as well.
fn is_public_import(tokens: &[Token], at: usize) -> bool {
    let start = tokens[..at].iter().rposition(|token| matches!(token.text.as_str(), ";" | "}"));
    let statement = &tokens[start.map_or(0, |start| start + 1)..at];
    let Some(import) = statement.iter().rposition(|token| token.text == "use") else {
        return false;
    };
    import > 0
        && (statement[import - 1].text == "pub"
            || (statement[import - 1].text == ")"
                && statement[..import].iter().any(|token| token.text == "pub")))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[derive(Clone, Debug)]
struct Token {
    text: String,
    line: usize,
}

/// Names, numbers and punctuation of Rust source; comments, literals and lifetimes left out.
fn tokens(source: &str) -> Vec<Token> {
    let characters: Vec<char> = source.chars().collect();
    let get = |at: usize| characters.get(at).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < characters.len() {
        let start = at;
        match (get(at), get(at + 1)) {
            ('/', '/') => {
                while at < characters.len() && get(at) != '\n' {
                    at += 1;
                }
            }
            ('/', '*') => {
                let mut depth = 0;
                loop {
                    match (get(at), get(at + 1)) {
                        ('/', '*') => (depth, at) = (depth + 1, at + 2),
                        ('*', '/') => (depth, at) = (depth - 1, at + 2),
                        _ => at += 1,
                    }
                    if depth == 0 || at >= characters.len() {
                        break;
                    }
                }
            }
            ('"', _) => at = string_end(&get, at, characters.len()),
            // A character literal ends with a quote; a lifetime does not.
            ('\'', '\\') => {
                at += 3; // the escaped character may itself be a quote
                while at < characters.len() && get(at) != '\'' {
                    at += 1;
                }
                at += 1;
            }
            ('\'', _) if get(at + 2) == '\'' => at += 3,
            ('\'', _) => {
                at += 1;
                while get(at).is_alphanumeric() || get(at) == '_' {
                    at += 1;
                }
            }
            (':', ':') => {
                at += 2;
                tokens.push(Token { text: "::".to_owned(), line });
            }
            (c, _) if c.is_alphanumeric() || c == '_' => {
                while get(at).is_alphanumeric() || get(at) == '_' {
                    at += 1;
                }
                let word: String = characters[start..at].iter().collect();
                let raw = matches!(word.as_str(), "r" | "br" | "cr");
                let hashes = (at..).take_while(|&at| get(at) == '#').count();
                if raw && get(at + hashes) == '"' {
                    at += hashes + 1;
                    let closes =
                        |at: usize| get(at) == '"' && (1..=hashes).all(|n| get(at + n) == '#');
                    while at < characters.len() && !closes(at) {
                        at += 1;
                    }
                    at += 1 + hashes;
                } else if word == "r" && hashes == 1 && is_name(&get(at + 1).to_string()) {
                    at += 1; // r#name: the name follows as a word of its own
                } else if matches!(word.as_str(), "b" | "c") && get(at) == '"' {
                    at = string_end(&get, at, characters.len());
                } else {
                    tokens.push(Token { text: word, line });
                }
            }
            (c, _) => {
                at += 1;
                if !c.is_whitespace() {
                    tokens.push(Token { text: c.to_string(), line });
                }
            }
        }
        line += characters[start..at.min(characters.len())].iter().filter(|&&c| c == '\n').count();
    }
    tokens
}

/// Where the string literal whose quote stands at `at` is over.
fn string_end(get: &impl Fn(usize) -> char, at: usize, end: usize) -> usize {
    let mut at = at + 1;
    while at < end && get(at) != '"' {
        at += if get(at) == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The scan itself, on source made to get around it.
mod scanner {
    use super::{scan, tokens};

    fn names(source: &str, module: &[&str]) -> Vec<String> {
        let module = module.iter().map(|&name| name.to_owned()).collect();
        let found = scan(&tokens(source), module, false);
        assert_eq!(found.faults, []);
        found.references.into_iter().map(|reference| reference.target).collect()
    }

    fn faults(source: &str, module: &[&str]) -> usize {
        let module = module.iter().map(|&name| name.to_owned()).collect();
        scan(&tokens(source), module, false).faults.len()
    }

    #[test]
    fn comments_and_literals_name_nothing() {
        let source = r###"
            // crate::a
            /* crate::b /* crate::c */ crate::d */
            /// [`crate::e`]
            const X: &str = "crate::f \" crate::g";
            const Y: &str = r#"crate::h " crate::i"#;
            const Z: (char, &'static [u8], char) = ('"', b"crate::j", '\'');
            use crate::k;
        "###;
        assert_eq!(names(source, &["m"]), ["k"]);
    }

    #[test]
    fn groups_are_taken_apart_at_their_top_level_only() {
        let source = "use crate::{a::{x, y}, b, c::z as w,}; fn f(_: crate::d::T) {}";
        assert_eq!(names(source, &["m"]), ["a", "b", "c", "d"]);
    }

    #[test]
    fn super_counts_when_it_reaches_the_root() {
        assert_eq!(names("use super::a;", &["m"]), ["a"]);
        assert!(names("use super::a;", &["m", "n"]).is_empty());
        assert_eq!(names("use super::super::{a, b};", &["m", "n"]), ["a", "b"]);
        assert_eq!(names("mod t { use super::a; use super::super::b; }", &["m"]), ["b"]);
        assert_eq!(names("use self::super::a;", &["m"]), ["a"]);
        assert!(names("mod t { fn f() { super::g() } } use super::h;", &["m", "n"]).is_empty());
    }

    #[test]
    fn macros_and_raw_names_are_seen_and_visibility_is_not() {
        let source = "macro_rules! m { () => { $crate::a::f() } } use crate::r#b; pub(crate) fn g() {} pub(super) fn h() {}";
        assert_eq!(names(source, &["m"]), ["a", "b"]);
    }

    #[test]
    fn what_cannot_be_followed_is_a_fault() {
        assert_eq!(faults("use crate::*;", &["m"]), 1);
        assert_eq!(faults("use crate as c;", &["m"]), 1);
        assert_eq!(faults("use crate::{self as c, a};", &["m"]), 1);
        assert_eq!(faults("use super::*;", &["m"]), 1);
        assert_eq!(faults("mod t { use super::*; }", &["m"]), 0);
        assert_eq!(faults("use super::{a, super::b};", &["m", "n"]), 1);
        assert_eq!(faults("extern crate self as flowtap; use flowtap::a;", &["m"]), 2);
        assert_eq!(faults("#[path = \"x.rs\"] mod x; include!(\"y.rs\");", &["m"]), 2);
    }

    #[test]
    fn a_public_import_of_frames_is_seen_whatever_its_scope() {
        let lines =
            |source: &str| scan(&tokens(source), vec!["m".to_owned()], false).public_frame_imports;
        assert_eq!(lines("use crate::frame::Frame;\npub use crate::frame::Frame;"), [2]);
        assert_eq!(lines("pub(crate) use crate::{time, frame::Frame};"), [1]);
        assert!(
            lines("pub fn f(_: crate::frame::Frame<'_>) {} use crate::frame::Frame;").is_empty()
        );
    }
}
