//! Every example of the README and of the help, which manual pages repeat: run as it stands there.
//!
//! They run in a network and a root of their own: interfaces `eth1` and `eth2` with real packets on them,
//! collectors under the names of the examples, certificates made by the README's own lines. What is run by
//! another test stands in [`ELSEWHERE`], with its proof; an example that nobody runs fails here.
//!
//! `cargo test --test live examples:: -- --include-ignored`, as root.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong in a helper fails the test that called it"
)]

mod service;
mod shown;
mod stage;
mod text;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::netns::inside;
use crate::program::run;
use crate::run::FLOWTAP;

use stage::Stage;
use text::{ROOT, blocks, commands, examples_of_the_help, read};

/// Commands that other tests run: how they begin, the file that runs them, and what in it does.
const ELSEWHERE: [(&str, &str, &str); 11] = [
    ("scripts/quickstart ", "scripts/test", "scripts/quickstart >"),
    ("scripts/test ", ".ci/run", "scripts/test"),
    ("scripts/package && sudo apt install", "scripts/test-package", "dpkg --install /1.deb"),
    ("sudo scripts/install ", "scripts/install", "change_the_system"),
    (
        "sudo systemctl enable --now flowtap-interface@eth1 flowtap",
        "scripts/test-service",
        "systemctl start flowtap",
    ),
    ("systemctl status flowtap", "scripts/test-service", "value StatusText"),
    ("journalctl ", "tests/delivery/service/journal.rs", "-p warning -x FLOWTAP_TARGET="),
    ("scripts/bench live", "scripts/bench", "live"),
    ("scripts/bench instructions", "scripts/bench", "instructions"),
    ("scripts/bench ", "scripts/test", "scripts/bench --smoke"),
    ("cargo bench", "scripts/test", "cargo test --locked --benches"),
];

/// Blocks that show what is printed: how they begin, and who compares it.
type Shown = fn(&Stage, &str);
const OUTPUTS: [(&str, Shown); 6] = [
    ("looked at eth1", Stage::doctor_says_so),
    ("$ flowtap plan ", |_, _| ()), // tests/cli/plan.rs: octet by octet
    ("flowtap: flowtap.toml:7:16: ", Stage::error_is_told_so),
    ("{\"time\":", Stage::log_says_so),
    ("received = metered", Stage::books_say_so),
    ("given + recovered = ", Stage::books_say_so),
];

#[test]
fn every_command_that_is_named_is_one_with_these_options() {
    let program = flowtap::cli::command();
    let mut found = 0;
    let probe_config = fs::read_dir(Path::new(ROOT).join("probe-config")).unwrap();
    let probe_config = probe_config.map(|it| it.unwrap().path().display().to_string());
    let files = ["README.md", "SECURITY.md", "CHANGELOG.md", "benches/README.md"];
    for file in files.map(str::to_owned).into_iter().chain(probe_config) {
        let text = read(&file);
        let spans = text.split('`').skip(1).step_by(2);
        for span in spans.filter_map(|span| span.trim_start().strip_prefix("flowtap ")) {
            let mut words = span.split_whitespace();
            let Some(name) = words.next().filter(|it| it.chars().all(|c| c.is_ascii_lowercase()))
            else {
                continue;
            };
            let Some(command) = program.find_subcommand(name) else {
                panic!("{file}: there is no flowtap {name}");
            };
            for option in words.filter_map(|word| word.strip_prefix("--")) {
                let option = option.split(['=', ')', ';', '\'']).next().unwrap();
                let is_known = command.get_arguments().any(|it| it.get_long() == Some(option));
                assert!(is_known || option == "help", "{file}: flowtap {name} has no --{option}");
            }
            found += 1;
        }
    }
    assert!(found > 20, "{found}");
}

#[test]
fn pictures_are_there_have_words_and_are_small() {
    let readme = read("README.md");
    let mut pictures = BTreeSet::new();
    for part in readme
        .split("](")
        .skip(1)
        .chain(readme.split("src=\"").skip(1))
        .chain(readme.split("srcset=\"").skip(1))
    {
        let path = part.split([')', '"']).next().unwrap();
        if path.ends_with(".webp") {
            pictures.insert(path.to_owned());
        }
    }
    assert_eq!(pictures.len(), 4, "{pictures:?}");
    for path in &pictures {
        let octets = fs::read(Path::new(ROOT).join(path)).unwrap();
        assert_eq!((&octets[..4], &octets[8..12]), (&b"RIFF"[..], &b"WEBP"[..]), "{path}");
        assert!(octets.len() < 150_000, "{path}");
    }
    assert!(!readme.contains("![](") && !readme.contains("alt=\"\""));
}

#[test]
fn links_lead_to_what_is_there() {
    let readme = read("README.md");
    let anchor = |title: &str| -> String {
        let kept = title.chars().filter(|c| c.is_alphanumeric() || [' ', '-'].contains(c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    let titles: BTreeSet<_> = readme
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect();
    for part in readme.split("](").skip(1) {
        let link = part.split(')').next().unwrap();
        if let Some(title) = link.strip_prefix('#') {
            assert!(titles.contains(title), "#{title}: {titles:?}");
        } else if !link.starts_with("http") {
            assert!(Path::new(ROOT).join(link).exists(), "{link}");
        }
    }
}

#[test]
fn the_memory_of_a_flow_is_what_it_is_told_to_be() {
    // In a process of its own; 100,000 flows of one packet each, and as many packets of one flow.
    let folder = tempfile::tempdir().unwrap();
    let peak = |flows: u32| -> u64 {
        let path = folder.path().join("flows.pcap");
        fs::write(&path, one_packet_flows(flows)).unwrap();
        let arguments = ["-c", PEAK_MEMORY, FLOWTAP, "replay", "--export", "null:", "--quiet"];
        // A cache that is full, but for what the shards have by chance more and less.
        let most = format!("--max-flows={FLOWS}");
        let python = &mut Command::new("/usr/bin/python3");
        run(python.args(arguments).args([&most]).arg(&path)).trim().parse::<u64>().unwrap() * 1024
    };
    let taken = (peak(FLOWS) - peak(1)) / u64::from(FLOWS);
    let told = flowtap::flow::OCTETS_PER_FLOW as u64;
    // A few pages of either run are for something else.
    assert!((told - 30..told + 30).contains(&taken), "{taken} octets a flow, {told} told");
}

const FLOWS: u32 = 100_000;

const PEAK_MEMORY: &str = "
import ctypes, resource, subprocess, sys
# PR_SET_THP_DISABLE: huge pages, of which one begins in each table, would be counted whole.
assert ctypes.CDLL(None).prctl(41, 1, 0, 0, 0) == 0
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
";

/// A capture of raw IPv4 (link type 101): UDP without payload, `flows` keys in turn.
fn one_packet_flows(flows: u32) -> Vec<u8> {
    let mut octets =
        [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 65_535, 101].map(u32::to_le_bytes).concat();
    octets[4..8].copy_from_slice(&[2, 0, 4, 0]);
    for number in 0..FLOWS {
        octets.extend([1, 0, 28, 28].map(u32::to_le_bytes).concat());
        octets.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        octets.extend((number % flows).to_be_bytes());
        octets.extend([0, 8, 0, 0]);
    }
    octets
}

#[test]
#[ignore = "needs root"]
fn every_example_runs_as_it_stands() {
    inside("examples::every_example_runs_as_it_stands", || {
        let mut stage = Stage::new();
        let readme = blocks(&read("README.md"));
        assert!(readme.len() > 25);
        let mut used = BTreeSet::new();
        for block in &readme {
            match block.language.as_str() {
                "sh" => {
                    for command in commands(&block.text) {
                        let elsewhere = ELSEWHERE.iter().find(|it| command.starts_with(it.0));
                        if let Some((begin, file, proof)) = elsewhere {
                            assert!(read(file).contains(proof), "{file} does not run {begin}");
                            used.insert(*begin);
                        }
                        // Which of both ways to take the package, a manager runs, or measures.
                        if elsewhere.is_none() {
                            stage.run(&command);
                        } else if command.contains("systemctl enable") {
                            stage.start_as_the_unit_does();
                        }
                    }
                }
                "toml" => stage.put_configuration(&block.before, &block.text),
                _ => {
                    let output = OUTPUTS.iter().find(|(begin, _)| block.text.starts_with(begin));
                    let (_, check) = output.unwrap_or_else(|| panic!("nobody compares {block:?}"));
                    check(&stage, &block.text);
                }
            }
        }
        assert_eq!(used.len(), ELSEWHERE.len(), "some are not in the README any more: {used:?}");
        stage.end_captures();
        for command in examples_of_the_help() {
            stage.run(&command);
        }
        stage.finish();
    });
}
