//! What an installation puts where: by hand, and by either kind of package.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong in a helper fails the test that called it"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::packaging;
use crate::program::run;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn what_is_installed_by_hand_runs_and_is_removed_again_but_for_what_is_the_operators() {
    let machine = Machine::new();
    machine.script("install", &[]);
    let told = run(Command::new(machine.path("/usr/local/bin/flowtap")).arg("--version"));
    assert!(told.starts_with("flowtap "), "{told}");
    let unit = machine.read("/usr/local/lib/systemd/system/flowtap.service");
    assert!(unit.contains("ExecStart=/usr/local/bin/flowtap capture"), "{unit}");
    let unit = machine.read("/usr/local/lib/systemd/system/flowtap-interface@.service");
    assert!(unit.contains("=/usr/local/lib/flowtap/flowtap-interface prepare"), "{unit}");
    assert_eq!(machine.mode("/etc/flowtap/flowtap.toml"), 0o640);
    assert_eq!(machine.mode("/etc/flowtap"), 0o750);

    // Once more, as for another version: what the operator has written stays.
    fs::write(machine.path("/etc/flowtap/flowtap.toml"), "FLOWTAP_OPTIONS=mine\n").unwrap();
    let told = machine.script("install", &[]);
    assert!(told.contains("/etc/flowtap/flowtap.toml is kept as it is"), "{told}");

    fs::create_dir_all(machine.path("/var/lib/flowtap/spool")).unwrap();
    fs::write(machine.path("/var/lib/flowtap/spool.key"), "key").unwrap();
    fs::write(machine.path("/usr/local/bin/other"), "not ours").unwrap();
    let told = machine.script("uninstall", &[]);
    assert!(told.contains("kept: /etc/flowtap"), "{told}");
    let left = ["/etc/flowtap/flowtap.toml", "/usr/local/bin/other", "/var/lib/flowtap/spool.key"];
    assert_eq!(machine.files(), left.map(str::to_owned).into());
    assert_eq!(machine.read("/etc/flowtap/flowtap.toml"), "FLOWTAP_OPTIONS=mine\n");

    machine.script("install", &[]);
    let told = machine.script("uninstall", &["--purge"]);
    assert!(told.contains("/var/lib/flowtap, with all that is in it"), "{told}");
    assert_eq!(machine.files(), ["/usr/local/bin/other".to_owned()].into());
    let refused = machine.run("uninstall", &[]);
    assert!(!refused.status.success(), "nothing is installed any more");
}

#[test]
fn both_scripts_have_a_help_and_refuse_what_they_do_not_know() {
    let machine = Machine::new();
    for (name, option) in [("install", "--prefix DIR"), ("uninstall", "--purge")] {
        for word in ["--help", "-h"] {
            let told = machine.script(name, &[word]);
            assert!(told.contains(option) && !told.contains('#'), "{told}");
        }
        assert!(!machine.run(name, &["--hlep"]).status.success());
    }
    assert!(!machine.path("/usr").exists());
}

#[test]
fn a_list_of_installed_files_that_somebody_has_changed_removes_nothing() {
    let machine = Machine::new();
    machine.script("install", &[]);
    let list = machine.path("/usr/local/lib/flowtap/installed");
    let honest = fs::read_to_string(&list).unwrap();
    for line in ["/etc/passwd", "/usr/local/../../etc/passwd"] {
        fs::write(&list, format!("{honest}{line}\n")).unwrap();
        let before = machine.files();
        let refused = machine.run("uninstall", &[]);
        assert!(!refused.status.success());
        assert_eq!(machine.files(), before);
    }
}

#[test]
fn what_only_the_version_before_had_is_removed_by_the_next() {
    let machine = Machine::new();
    machine.script("install", &[]);
    let list = machine.path("/usr/local/lib/flowtap/installed");
    let now = fs::read_to_string(&list).unwrap();
    let old = "/usr/local/share/doc/flowtap/examples/of-old.toml";
    fs::write(machine.path(old), "of an earlier version").unwrap();
    fs::write(&list, format!("{old}\n{now}")).unwrap();
    let told = machine.script("install", &[]);
    assert!(told.contains(&format!("{old} is removed")), "{told}");
    assert!(!machine.path(old).exists());
    assert_eq!(fs::read_to_string(&list).unwrap(), now);
    // A list that is not ours removes nothing, and nothing is installed.
    fs::write(&list, format!("/etc/passwd\n{now}")).unwrap();
    fs::create_dir_all(machine.path("/etc")).unwrap();
    fs::write(machine.path("/etc/passwd"), "root").unwrap();
    assert!(!machine.run("install", &[]).status.success());
    assert_eq!(machine.read("/etc/passwd"), "root");
}

#[test]
fn a_prefix_is_one_that_units_and_the_list_can_hold() {
    let machine = Machine::new();
    for prefix in ["/opt/a&b", "/opt/a|b", "/opt/a b", "/opt/../usr", "opt", "/", "//", "", "/a\nb"]
    {
        for script in ["install", "uninstall"] {
            let refused = machine.run(script, &["--prefix", prefix]);
            let told = String::from_utf8_lossy(&refused.stderr);
            assert!(!refused.status.success() && told.contains("--prefix"), "{prefix:?}: {told}");
        }
    }
    assert!(!machine.path("/").exists(), "nothing was installed");
}

#[test]
fn systemd_finds_the_units_wherever_the_rest_is() {
    let machine = Machine::new();
    machine.script("install", &["--prefix", "/opt/net+1.0_x/"]);
    let unit = machine.read("/etc/systemd/system/flowtap.service");
    assert!(unit.contains("ExecStart=/opt/net+1.0_x/bin/flowtap capture"), "{unit}");
    let unit = machine.read("/etc/systemd/system/flowtap-interface@.service");
    assert!(unit.contains("=/opt/net+1.0_x/lib/flowtap/flowtap-interface restore"), "{unit}");
    assert!(machine.path("/etc/sysctl.d/90-flowtap.conf").exists());
    machine.script("install", &["--prefix", "/opt/net+1.0_x"]);
    machine.script("uninstall", &["--prefix", "/opt/net+1.0_x"]);
    assert_eq!(machine.files(), ["/etc/flowtap/flowtap.toml".to_owned()].into());

    // A unit that somebody else has written is no place for ours.
    let theirs = machine.path("/etc/systemd/system/flowtap.service");
    fs::write(&theirs, "theirs").unwrap();
    let refused = machine.run("install", &["--prefix", "/opt/net"]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains("flowtap.service is there"), "{told}");
    assert_eq!(fs::read_to_string(theirs).unwrap(), "theirs");
    assert!(!machine.path("/opt/net").exists());
}

#[test]
fn what_puts_interfaces_back_stays_until_all_of_them_are() {
    let machine = Machine::new();
    machine.script("install", &[]);
    let state = machine.path("/run/flowtap-interface/eth\\x2d1");
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("complete"), "").unwrap();
    fs::write(state.join("name"), "eth-1\n").unwrap();
    for _ in 0..2 {
        let refused = machine.run("uninstall", &[]);
        let told = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{told}");
        assert!(told.contains("not put back as it was: eth-1;"), "{told}");
        assert!(machine.path("/usr/local/lib/flowtap/flowtap-interface").exists());
        assert!(!machine.path("/usr/local/bin/flowtap").exists());
    }
    fs::remove_dir_all(machine.path("/run")).unwrap();
    machine.script("uninstall", &[]);
    assert_eq!(machine.files(), ["/etc/flowtap/flowtap.toml".to_owned()].into());
}

/// On a machine of its own, with a `systemctl` that says what it was told, and cannot start anything.
#[test]
#[ignore = "needs root and ethtool"]
fn an_installation_in_earnest_says_what_is_next_and_its_end_harms_nobody() {
    let machine = Machine::new();
    let own = machine.folder.path().join("own");
    fs::create_dir(&own).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "bash", "-euc", IN_EARNEST, "bash"]);
    command.arg(&own).arg(ROOT).arg(env!("CARGO_BIN_EXE_flowtap"));
    command.arg(machine.folder.path().join("documents")).env_remove("DESTDIR");
    let told = run(&mut command);
    let mut parts = told.split("\n### ").skip(1);
    let mut part = |name: &str| {
        let part = parts.next().unwrap_or_default();
        part.strip_prefix(name).unwrap_or_else(|| panic!("{name}: {told}")).to_owned()
    };
    let installed = part("install 1");
    assert!(installed.contains("==> Next"), "{installed}");
    assert!(installed.contains("flowtap.service does not run again"), "{installed}");
    assert!(installed.contains("systemctl try-restart flowtap.service"), "{installed}");
    // A list that somebody has changed: nothing is stopped either.
    let refused = part("changed 1");
    assert!(refused.contains("is not of scripts/install: /etc/passwd"), "{refused}");
    assert!(!refused.contains("systemctl"), "{refused}");
    let kept = part("broken 1");
    assert!(kept.contains("systemctl stop flowtap.service"), "{kept}");
    assert!(kept.contains("not put back as it was: tap0;"), "{kept}");
    let restored = part("mended 0");
    assert!(
        restored.contains("tap0: as it was") && restored.contains("192.0.2.1/24"),
        "{restored}"
    );
    assert_eq!(part("left").trim(), "");
}

/// Where it is, the project, the program, the documents.
const IN_EARNEST: &str = r#"
own=$1 project=$2 program=$3 documents=$4
{
    mount -t tmpfs tmpfs "$own"
    for place in etc usr var; do
        mkdir -p "$own/$place" "$own/work-$place"
        mount -t overlay overlay /$place \
            -o "lowerdir=/$place,upperdir=$own/$place,workdir=$own/work-$place"
    done
    mount -t tmpfs tmpfs /run
    # Of this network.
    mount -t sysfs sysfs /sys
    mkdir -p /run/systemd/system "$own/bin"
    # A setting of the whole machine.
    echo 1000000 >"$own/optmem_max"
    mount --bind "$own/optmem_max" /proc/sys/net/core/optmem_max
    printf '#!/bin/sh\necho "systemctl $*"\n[ "$1" != try-restart ]\n' >"$own/bin/systemctl"
    chmod 755 "$own/bin/systemctl"
    export PATH=$own/bin:$PATH
    ip link add tap0 type veth peer name src0
    ip address add 192.0.2.1/24 dev tap0
} >&2
# Says how it ended, and then what it said.
try() {
    local name=$1 status=0
    shift
    "$@" >"$own/said" 2>&1 || status=$?
    printf '\n### %s %s\n' "$name" "$status"
    cat "$own/said"
}
uninstall() { "$project/scripts/uninstall" && ip -o address show dev tap0; }
try install "$project/scripts/install" --program "$program" --documents "$documents"
list=/usr/local/lib/flowtap/installed
cp $list "$own/list"
echo /etc/passwd >>$list
try changed uninstall
cp "$own/list" $list
/usr/local/lib/flowtap/flowtap-interface prepare tap0 >&2
echo no-such-feature on >>/run/flowtap-interface/tap0/features
try broken uninstall
sed -i '/no-such/d' /run/flowtap-interface/tap0/features
try mended uninstall
printf '\n### left\n'
find "$own/usr/local" -type f
"#;

#[test]
fn packages_have_what_is_installed_by_hand() {
    let machine = Machine::new();
    machine.script("install", &["--prefix", "/usr"]);
    let mut by_hand = machine.modes();
    assert!(by_hand.remove("/usr/lib/flowtap/installed").is_some());
    for (kind, assets) in [("deb", deb()), ("rpm", rpm())] {
        let mut packaged = BTreeMap::new();
        for (source, destination, mode) in assets {
            for (path, name) in machine.sources(&source) {
                let into_directory = destination.ends_with('/');
                let to = if into_directory {
                    format!("{destination}{name}")
                } else {
                    destination.clone()
                };
                assert!(path.exists(), "{kind}: {source}");
                packaged.insert(format!("/{}", to.trim_start_matches('/')), mode);
            }
        }
        // Debian has a place of its own for this.
        let completions = packaged.remove("/usr/share/zsh/vendor-completions/_flowtap");
        if let Some(mode) = completions {
            packaged.insert("/usr/share/zsh/site-functions/_flowtap".to_owned(), mode);
        }
        assert_eq!(packaged, by_hand, "{kind}");
    }
}

/// A file system of its own, below which things are installed.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        packaging::write(&folder.path().join("documents"), "2026-01-31").unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("root").join(name.trim_start_matches('/'))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    #[track_caller]
    fn script(&self, name: &str, more: &[&str]) -> String {
        let output = self.run(name, more);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    fn run(&self, name: &str, more: &[&str]) -> Output {
        let mut command = Command::new(Path::new(ROOT).join("scripts").join(name));
        command.env("DESTDIR", self.folder.path().join("root"));
        if name == "install" {
            command.args(["--program", env!("CARGO_BIN_EXE_flowtap"), "--documents"]);
            command.arg(self.folder.path().join("documents"));
        }
        command.args(more).output().unwrap()
    }

    fn files(&self) -> BTreeSet<String> {
        self.modes().into_keys().collect()
    }

    fn modes(&self) -> BTreeMap<String, u32> {
        let root = self.folder.path().join("root");
        let (mut files, mut folders) = (BTreeMap::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = format!("/{}", path.strip_prefix(&root).unwrap().display());
                    let mode = self.mode(&name);
                    files.insert(name, mode);
                }
            }
        }
        files
    }

    /// What a source of a package stands for here, with the names of the files.
    fn sources(&self, source: &str) -> Vec<(PathBuf, String)> {
        let path = match source.strip_prefix("target/documents") {
            Some(rest) => self.folder.path().join("documents").join(rest.trim_start_matches('/')),
            None if source == "target/release/flowtap" => env!("CARGO_BIN_EXE_flowtap").into(),
            None => Path::new(ROOT).join(source),
        };
        let pattern = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some((front, back)) = pattern.split_once('*') else { return vec![(path, pattern)] };
        let entries = fs::read_dir(path.parent().unwrap()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        let names = names.filter(|name| name.starts_with(front) && name.ends_with(back));
        names.map(|name| (path.with_file_name(&name), name)).collect()
    }
}

/// Source, destination and mode of each asset of the package for Debian.
fn deb() -> Vec<(String, String, u32)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let asset = |asset: &Value| (text(&asset[0]), text(&asset[1]), octal(&asset[2]));
    metadata()["deb"]["assets"].as_array().unwrap().iter().map(asset).collect()
}

fn rpm() -> Vec<(String, String, u32)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let asset = |it: &Value| (text(&it["source"]), text(&it["dest"]), octal(&it["mode"]));
    metadata()["generate-rpm"]["assets"].as_array().unwrap().iter().map(asset).collect()
}

fn octal(value: &Value) -> u32 {
    u32::from_str_radix(value.as_str().unwrap(), 8).unwrap()
}

fn metadata() -> Value {
    let arguments = ["metadata", "--locked", "--no-deps", "--format-version", "1"];
    let told = run(Command::new(env!("CARGO")).args(arguments).current_dir(ROOT));
    let told: Value = serde_json::from_str(&told).unwrap();
    told["packages"][0]["metadata"].clone()
}
