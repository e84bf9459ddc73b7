//! The configuration file: what `flowtap check`, `config` and `manifest` say of it, and that a probe is
//! what its file says.

#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails the test that called it"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::run::flowtap;
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

#[test]
fn the_default_configuration_is_valid_and_what_is_in_effect_is_valid_again() {
    let folder = Folder::new();
    let printed = flowtap(["config"]).well();
    let file = folder.write("flowtap.toml", printed.text());
    let checked = flowtap(["check", &file]).well();
    assert!(checked.stderr.contains("no [[interface]]"), "{}", checked.stderr);
    let again = folder.write("again.toml", checked.text());
    assert_eq!(flowtap(["check", &again]).well().text(), checked.text());
    // Whoever has seen enough closes the pipe.
    assert!(printed.text().lines().all(|line| line.len() <= 100));
    for words in ["af-packet or libpcap", "inner or outer", "error, warn, info or debug"] {
        assert!(printed.text().contains(&format!("\n# {words}.\n")), "{words}");
    }
}

#[test]
fn the_example_of_the_readme_is_valid() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let folder = Folder::new();
    let checked = flowtap(["check", &folder.write("flowtap.toml", example)]).well();
    assert!(checked.text().contains("url = \"tls://collector.example.net:4740\""), "{example}");
    assert!(checked.text().contains("level = \"obfuscated\""), "it is of all: {example}");
}

#[test]
fn a_wrong_file_is_status_2_and_one_line_that_says_where_and_what() {
    let folder = Folder::new();
    let file = folder.write("flowtap.toml", "[meter]\n\nidle_timeout = \"soon\"\n");
    for arguments in [&["check", &file][..], &["capture", "--config", &file], &["manifest", &file]]
    {
        let ended = flowtap(arguments).with(2);
        let expected = format!("flowtap: {file}:3:16: `meter.idle_timeout`: `soon`: ");
        assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stdout.is_empty());
    }
    let ended = flowtap(["capture", "--config", "/nonexistent.toml"]).with(2);
    assert!(ended.stderr.contains("cannot read /nonexistent.toml"), "{}", ended.stderr);
    let empty = folder.write("empty.toml", "");
    for arguments in [&["capture"][..], &["capture", "--config", &empty]] {
        let ended = flowtap(arguments).with(2);
        assert!(ended.stderr.contains("[[interface]]"), "{}", ended.stderr);
    }
}

#[test]
fn what_only_this_machine_can_tell_is_noted_and_keys_are_not_printed() {
    let folder = Folder::new();
    let secret = folder.write("probe.key", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n");
    let text = format!(
        "[[interface]]\nname = 'no-such-link'\n[capture]\nfilter = 'port no-such-service'\n[confinement]\nuser = 'nobody-of-this-name'\n\
         [networks]\nexclude_files = ['/nonexistent/list']\n[spool]\ndirectory = '{secret}/spool'\n\
         [[collector]]\nurl = 'tls://collector.invalid'\ntls = {{ cert = '{secret}', key = '{secret}' }}\n\
         [[file]]\npath = '/nonexistent/flows'\n"
    );
    let file = folder.write("flowtap.toml", &text);
    let checked = flowtap(["check", &file]).well();
    for note in [
        "note: no-such-link: no such interface",
        "note: filter `port no-such-service`: unknown port",
        "note: --user nobody-of-this-name: ",
        "note: cannot read /nonexistent/list",
        "/probe.key/spool: Not a directory",
        "note: /nonexistent/flows: its directory",
        "note: tls://collector.invalid:4740: ",
    ] {
        assert!(checked.stderr.contains(note), "{note}: {}", checked.stderr);
    }
    assert!(checked.text().contains(&secret), "its path is told");
    for said in [checked.text(), &checked.stderr] {
        assert!(!said.contains("MIIEv") && !said.contains("BEGIN"), "{said}");
    }
}

#[test]
fn a_key_that_others_may_read_is_noted_and_a_directory_that_a_capture_makes_is_not() {
    let folder = Folder::new();
    let key = folder.write("pseudonym.key", &"0".repeat(32));
    let spool = folder.path("not/made/spool").display().to_string();
    let text = format!(
        "[[interface]]\nname = 'lo'\n[telemetry]\nlisten = 'unix:{key}.d/socket'\n\
         [spool]\ndirectory = '{spool}'\nkey = '{spool}/key'\n[[collector]]\nurl = 'tcp://192.0.2.1'\n\
         [collector.privacy]\nlevel = 'obfuscated'\npseudonym_key = '{key}'\n"
    );
    let file = folder.write("flowtap.toml", &text);
    let mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let checked = flowtap(["check", "--quiet", &file]).well();
    let notes: Vec<_> = checked.stderr.lines().collect();
    assert!(notes[0].contains("pseudonym.key is open to other users (mode 0644)"), "{notes:?}");
    assert!(notes[1].contains(".d/socket: its directory "), "{notes:?}");
    assert_eq!(notes.len(), 2, "{notes:?}");
    mode(0o600);
    fs::create_dir(format!("{key}.d")).unwrap();
    assert_eq!(flowtap(["check", "--quiet", "--strict", &file]).well().stderr, "");
    assert_eq!(fs::read(&key).unwrap().len(), 32);
    assert!(!folder.path("not").exists(), "a check makes nothing");
}

#[test]
#[ignore = "needs root"]
fn what_the_probes_user_may_not_read_is_noted_also_to_root() {
    let folder = Folder::new();
    let mode = |path: PathBuf, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(folder.path(""), 0o755);
    let key = folder.write("pseudonym.key", &"0".repeat(32));
    let list = folder.write("ours.txt", "10.0.0.0/8\n");
    let begin = "[[interface]]\nname = 'lo'\n[telemetry]\nlisten = 'off'\n";
    let text = format!(
        "{begin}[networks]\nonly_files = ['{list}']\n[[json]]\npath = '/dev/null'\n\
         [json.privacy]\nlevel = 'obfuscated'\npseudonym_key = '{key}'\n"
    );
    for path in ["pseudonym.key", "ours.txt"] {
        mode(folder.path(path), 0o600);
    }
    let file = folder.write("flowtap.toml", &text);
    let strict = ["check", "--quiet", "--strict", &file];
    assert_eq!(flowtap(strict).well().stderr, "", "root may");
    let by_file = folder.write("nobody.toml", &format!("{text}[confinement]\nuser = 'nobody'\n"));
    mode(folder.path("nobody.toml"), 0o600);
    let checks =
        [&[&strict[..], &["--user", "nobody"]].concat()[..], &["check", "--strict", &by_file]];
    for (place, arguments) in checks.into_iter().enumerate() {
        let checked = flowtap(arguments).with(1);
        for note in [
            &format!("note: cannot read {list}: Permission denied"),
            &format!("note: cannot use the key file {key}: Permission denied"),
            "is valid, looked at as user nobody; there are ",
        ] {
            assert!(checked.stderr.contains(note), "{note}: {}", checked.stderr);
        }
        let is_unreadable = checked.stderr.contains("it will not be read on SIGHUP");
        assert_eq!(is_unreadable, place == 1, "{}", checked.stderr);
    }
    flowtap(["check", &file, "--user", "nobody-of-this-name"]).with(2);
}

#[test]
fn what_a_capture_refuses_a_check_refuses_in_the_same_words() {
    let folder = Folder::new();
    let begin = "[[interface]]\nname = 'lo'\n[telemetry]\nlisten = 'off'\n";
    for (text, expected) in [
        ("[capture]\nfilter = 'not prot 22'\n", ":6:1: `capture.filter`: `not prot 22`: "),
        (
            "[[collector]]\nurl = 'tls://c.invalid'\n",
            ":5:1: `collector[0]`: tls://c.invalid:4740: ",
        ),
        ("[log]\nsummary = 'FILE'\n", ":6:1: `log.summary`: the ledger "),
    ] {
        let file = folder.path("flowtap.toml").display().to_string();
        fs::write(&file, begin.to_owned() + &text.replace("FILE", &file)).unwrap();
        let before = fs::read(&file).unwrap();
        let checked = flowtap(["check", &file]).with(2);
        assert!(checked.stderr.starts_with(&format!("flowtap: {file}{expected}")), "{checked:?}");
        assert!(checked.stdout.is_empty());
        let started = flowtap(["capture", "--config", &file]).with(2);
        assert!(started.stderr.ends_with(&checked.stderr), "{}", started.stderr);
        assert_eq!(fs::read(&file).unwrap(), before);
    }
    let ended = flowtap(["capture", "-i", "lo", "--export", "null:", "--filter", "and"]).with(2);
    assert!(ended.stderr.contains("--filter: `and`: "), "{}", ended.stderr);
}

#[test]
fn notes_are_a_failure_for_who_wants_none() {
    let folder = Folder::new();
    let noted = folder.write("noted.toml", "[export]\ntargets = ['null:']\n");
    flowtap(["check", &noted]).well();
    let strict = flowtap(["check", "--strict", "--quiet", &noted]).with(1);
    assert!(strict.stderr.contains("note: no [[interface]]"), "{}", strict.stderr);
    assert!(strict.stderr.contains("there is a note above, and --strict wants none"));
    assert!(strict.stdout.is_empty());
    // What is typed beside the file is part of it.
    let quiet = flowtap(["check", "--strict", "--quiet", &noted, "--", "-i", "lo"]).well();
    assert_eq!((quiet.text(), quiet.stderr.as_str()), ("", ""));
    flowtap(["check", &noted, "--", "--no-such-option"]).with(2);
}

#[test]
fn a_manifest_is_that_of_the_same_flags() {
    let folder = Folder::new();
    let file = folder.write(
        "flowtap.toml",
        "[[interface]]\nname = 'eth1'\n[meter]\nactive_timeout = '5m'\n[spool]\ndirectory = 's'\n\
         [[collector]]\nurl = 'tls://collector.example'\n[collector.privacy]\nlevel = 'obfuscated'\n",
    );
    let by_flags = [
        "manifest",
        "-i",
        "eth1",
        "--active-timeout=5m",
        "--spool=s",
        "--export=tls://collector.example?privacy=obfuscated",
    ];
    let by_flags = flowtap(by_flags).well();
    assert_eq!(flowtap(["manifest", &file]).well().text(), by_flags.text());
    assert_eq!(flowtap(["manifest", "--config", &file]).well().text(), by_flags.text());
    let json = flowtap(["manifest", &file, "--format", "json", "-i", "eth2"]).well();
    assert!(json.text().contains("eth2") && !json.text().contains("eth1"), "{}", json.text());
    flowtap(["manifest", &file, "--config", &file]).with(2);
}

#[test]
fn a_support_bundle_redacts_the_file() {
    let folder = Folder::new();
    let file = folder.write(
        "flowtap.toml",
        "[[interface]]\nname = 'eth-acme'\n[capture]\nfilter = 'host acme'\n[meter]\nmax_flows = 5000\n\
         [[collector]]\nurl = 'tls://acme.example'\nprofile = 'nfdump'\ntls = { ca = '/acme.pem' }\n",
    );
    let bundle = |file: &str| {
        let nowhere = folder.path("nowhere").display().to_string();
        let places = ["--environment-file", &nowhere, "--state-directory", &nowhere];
        let made = flowtap([&["support-bundle", "-", "--config", file], &places[..]].concat());
        String::from_utf8_lossy(&zstd::decode_all(&made.well().stdout[..]).unwrap()).into_owned()
    };
    let text = bundle(&file);
    for line in [
        "a configuration file with 1 interfaces and:\n",
        "--max-flows 5000\n",
        "--filter (left out)\n",
        "--export tls profile=nfdump ca=(left out)\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.contains("acme"), "{text}");
    let wrong = bundle(&folder.write("wrong.toml", "acme = 1\n"));
    assert!(wrong.contains("not valid: left out") && !wrong.contains("acme"), "{wrong}");
}
