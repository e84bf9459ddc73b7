//! `file:` targets as users write them: rotation, compression, and files that others read.

use crate::generate;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::run;
use crate::run::{Summary, flowtap, replay, sample};

#[test]
fn rotated_files_hold_together_what_one_file_holds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = |name: &str| format!("file:{}", folder.path().join(name).display());
    let one = target("one.ipfix");
    let many = target("%Y/%m-%d/%s.ipfix?rotate=10s");
    let packed = target("packed.ipfix?rotate=10s&size=64Ki&compress=zstd");
    let capture = capture(folder.path());
    let summary = replay_slices(&capture, &[&one, &many, &packed]);

    let whole = shown(&folder.path().join("one.ipfix"));
    assert_eq!(whole.len() as u64, summary.count("exported_flows"));
    let all = files(folder.path());
    let with = |end: &str| -> Vec<&PathBuf> {
        all.iter().filter(|path| path.to_string_lossy().ends_with(end)).collect()
    };
    let many: Vec<_> =
        with(".ipfix").into_iter().filter(|path| !path.ends_with("one.ipfix")).collect();
    assert!(many.len() >= 3, "{many:?}");
    for path in &many {
        let start = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        assert!(start.parse::<u64>().is_ok_and(|start| start % 10 == 0), "{start}");
        assert_eq!(path.strip_prefix(folder.path()).map(|path| path.components().count()), Ok(3));
    }
    let packed = with("0Z.ipfix.zst");
    assert_eq!(packed.len(), many.len(), "{all:?}");
    for part in [many, with(".ipfix.zst")] {
        let mut records: Vec<String> = part.iter().flat_map(|path| shown(path)).collect();
        let mut expected = whole.clone();
        records.sort();
        expected.sort();
        assert_eq!(records, expected);
    }
}

#[test]
fn a_mistake_in_a_target_ends_the_run_before_it_begins() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, hint) in [("a%!?rotate=5m", "no name pattern"), ("none/a?size=1M", "No such file")] {
        let target = format!("file:{}", folder.path().join(name).display());
        let ended =
            flowtap(["replay", &sample().display().to_string(), "--export", &target]).with(2);
        assert!(ended.stderr.contains(hint), "{}", ended.stderr);
    }
    assert!(files(folder.path()).is_empty());
}

#[test]
#[ignore = "needs libfixbuf-tools and tshark"]
fn others_read_every_rotated_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = format!("file:{}?rotate=10s", folder.path().join("%s.ipfix").display());
    let capture = capture(folder.path());
    let summary = replay_slices(&capture, &[&target]);
    fs::remove_file(capture).expect("the capture is there");
    let files = files(folder.path());
    assert!(files.len() >= 3, "{files:?}");
    let mut found = (0, 0, 0);
    for file in &files {
        let dump = run(Command::new("ipfixDump").arg("--in").arg(file).arg("--data"));
        assert!(!dump.contains("out of sequence"), "{dump}");
        let sum = |names: [&str; 2]| -> u64 {
            let fields = dump.lines().filter_map(|line| line.split_once(" : "));
            fields
                .filter(|(name, _)| {
                    names.iter().any(|wanted| name.ends_with(&format!(" {wanted}")))
                })
                .map(|(_, value)| value.trim().parse::<u64>().expect("a number"))
                .sum()
        };
        // One in every record of a flow, and in no options record.
        found.0 += dump.lines().filter(|line| line.contains(" flowEndReason : ")).count() as u64;
        found.1 += sum(["packetDeltaCount", "reversePacketDeltaCount"]);
        found.2 += sum(["octetDeltaCount", "reverseOctetDeltaCount"]);
        // RFC 5655 §8.1.2 and §8.1.3, by name.
        for name in ["minFlowStartMilliseconds", "maxFlowEndMilliseconds", "minExportSeconds"] {
            assert!(dump.contains(name), "{name}: {dump}");
        }
        let tshark = |more: [&str; 2]| run(Command::new("tshark").arg("-nr").arg(file).args(more));
        assert_eq!(tshark(["-Y", "_ws.expert.severity >= \"warning\""]), "");
        assert_eq!(tshark(["-Y", "!cflow"]), "", "nothing but messages");
    }
    assert_eq!(found, sums(&summary));
}

/// A capture of half a minute that is read in several blocks: records leave at the end of each.
fn capture(folder: &Path) -> PathBuf {
    let path = folder.join("made.pcap");
    generate::conversations(&path, 200, 300);
    path
}

/// Replays it with slices of two seconds, by one worker, so that records come in between.
fn replay_slices(capture: &Path, targets: &[&str]) -> Summary {
    let mut arguments = vec!["--active-timeout", "2s", "--workers", "1"];
    arguments.extend(targets.iter().flat_map(|target| ["--export", target]));
    replay(capture, &arguments)
}

fn sums(summary: &Summary) -> (u64, u64, u64) {
    (
        summary.count("exported_flows"),
        summary.count("exported_packets"),
        summary.count("exported_octets"),
    )
}

/// The records of flows in a file, as `flowtap show` writes them.
fn shown(file: &Path) -> Vec<String> {
    let path = file.display().to_string();
    let ended = flowtap(["show", &path, "--format", "json"]).well();
    let is_flow = |line: &&str| !line.contains("optionsTemplateId");
    ended.text().lines().filter(is_flow).map(str::to_owned).collect()
}

/// Every file below `folder`, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("its entries").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
