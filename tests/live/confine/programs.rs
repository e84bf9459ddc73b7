//! From outside: the program at work, in all of its threads, and as whom it writes.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::netns::{cable, inside, ip};
use crate::program::{Program, run, wait_until};
use crate::run::{FLOWTAP, flowtap, sample};

#[test]
#[ignore = "needs root"]
fn every_thread_of_a_capture_is_confined() {
    inside("confine::programs::every_thread_of_a_capture_is_confined", || {
        let _collectors = collectors();
        cable("tap0", "src0");
        for backend in ["af-packet", "libpcap"] {
            for (more, capabilities) in
                [(&[][..], NET_RAW), (&["--no-reopen"], 0), (&["--user", "nobody"], NET_RAW)]
            {
                let folder = open_folder();
                let mut arguments: Vec<&str> = vec!["-i", "tap0", "--backend", backend];
                arguments.extend(more);
                let mut capture = Capture::start(&folder, &arguments);
                let threads = capture.statuses(6);
                for status in &threads {
                    for set in ["CapInh", "CapBnd", "CapAmb"] {
                        assert_eq!(status.mask(set), 0, "{arguments:?}: {set}: {status:?}");
                    }
                    for set in ["CapPrm", "CapEff"] {
                        assert_eq!(status.mask(set), capabilities, "{arguments:?}: {set}");
                    }
                    assert_eq!(status.line("NoNewPrivs"), "1", "{status:?}");
                    assert_eq!(status.line("Seccomp"), "2", "{status:?}");
                    assert_eq!(status.line("Seccomp_filters"), "3", "{status:?}");
                    let user = if more.contains(&"nobody") { NOBODY } else { 0 };
                    let ids = [user; 4].map(|id| id.to_string()).join("\t");
                    assert_eq!(status.line("Uid"), ids, "real, effective, saved, file system");
                    if user != 0 {
                        assert!(!status.line("Groups").split(' ').any(|group| group == "0"));
                    }
                }
                let id = capture.program.id();
                let limits = fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
                let core = limits.lines().find(|line| line.starts_with("Max core file size"));
                let core: Vec<_> = core.unwrap().split_whitespace().skip(4).take(2).collect();
                assert_eq!(core, ["0", "0"], "{limits}");
                let log = capture.refused_calls();
                assert_eq!(log(), "", "of {arguments:?}");
                let said = capture.end("TERM", 0);
                assert_eq!(log(), "", "of {arguments:?}, at its end");
                assert!(said.contains("flowtap: confined: user "), "{said}");
                assert!(!said.contains("NOT in force"), "{said}");
                assert_eq!(said.contains("running as root"), !more.contains(&"nobody"), "{said}");
            }
        }
    });
}

#[test]
#[ignore = "needs root"]
fn another_user_writes_its_own_files_and_opens_lost_interfaces_again() {
    let test =
        "confine::programs::another_user_writes_its_own_files_and_opens_lost_interfaces_again";
    inside(test, || {
        let _collectors = collectors();
        for backend in ["af-packet", "libpcap"] {
            cable("tap0", "src0");
            let folder = open_folder();
            let arguments = ["-i", "tap0", "--backend", backend, "--user", "nobody"];
            let mut capture = Capture::start(&folder, &arguments);
            ip("link delete dev tap0");
            thread::sleep(Duration::from_millis(1500));
            cable("tap0", "src0");
            capture.program.wait_until("its packet socket", packet_socket_runs);
            thread::sleep(Duration::from_millis(700));
            let log = capture.refused_calls();
            let said = capture.end("TERM", 0);
            assert_eq!(log(), "");
            for words in ["tap0: is gone, waiting", "tap0: back, capturing again"] {
                assert!(said.contains(words), "{backend}: {said}");
            }
            let written: Vec<_> =
                fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(written.iter().any(|path| path.ends_with("summary")), "{written:?}");
            for path in &written {
                assert_eq!(path.metadata().unwrap().uid(), NOBODY, "{}", path.display());
            }
            let summary = fs::read_to_string(folder.path().join("summary")).unwrap();
            let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
            let confinement = &summary["confinement"];
            assert_eq!(confinement["user"], "nobody");
            assert_eq!(confinement["capabilities"], serde_json::json!(["CAP_NET_RAW"]));
            assert_eq!(confinement["parts"]["files"], "in_force");
            ip("link delete dev tap0");
        }
    });
}

#[test]
#[ignore = "needs root"]
fn a_telemetry_socket_is_the_users_who_the_probe_becomes_and_goes_with_it() {
    let test =
        "confine::programs::a_telemetry_socket_is_the_users_who_the_probe_becomes_and_goes_with_it";
    inside(test, || {
        let _collectors = collectors();
        cable("tap0", "src0");
        let (folder, roots) = (open_folder(), TempDir::new().unwrap());
        fs::set_permissions(roots.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        for (directory, is_left) in [(folder.path(), false), (roots.path(), true)] {
            let socket = directory.join("telemetry.sock");
            let place = format!("unix:{}", socket.display());
            let arguments = ["-i", "tap0", "--user", "nobody", "--telemetry", &place];
            let capture = Capture::start(&folder, &arguments);
            let metadata = fs::metadata(&socket).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (NOBODY, nogroup()));
            assert_eq!(metadata.mode() & 0o777, 0o660);
            // Another user, who is of its group, or is not.
            for (group, is_let_in) in [(nogroup(), true), (1, false)] {
                let mut ask = Command::new("setpriv");
                ask.args(["--reuid=1", &format!("--regid={group}"), "--clear-groups"]);
                ask.args(["curl", "--silent", "--max-time", "5", "--unix-socket"]);
                let asked = ask.arg(&socket).arg("http://probe/health").output().unwrap();
                let told = String::from_utf8_lossy(&asked.stdout);
                assert_eq!(told.contains("\"checks\""), is_let_in, "{told}");
            }
            let said = capture.end("TERM", 0);
            assert_eq!(socket.exists(), is_left, "{said}");
            let told = format!("{place} is left behind: this user cannot remove it");
            assert_eq!(said.contains(&told), is_left, "{said}");
            // It is in nobody's way.
            let capture = Capture::start(&folder, &arguments);
            assert_eq!(fs::metadata(&socket).unwrap().uid(), NOBODY);
            let said = capture.end("TERM", 0);
            assert!(!said.contains("no telemetry"), "{said}");
        }
    });
}

/// The group that nobody is of.
fn nogroup() -> u32 {
    run(Command::new("id").args(["--group", "nobody"])).trim().parse().expect("a number")
}

#[test]
#[ignore = "needs root"]
fn without_a_second_opening_the_last_lost_interface_ends_the_run() {
    let test = "confine::programs::without_a_second_opening_the_last_lost_interface_ends_the_run";
    inside(test, || {
        let _collectors = collectors();
        for backend in ["af-packet", "libpcap"] {
            cable("tap0", "src0");
            cable("tap1", "src1");
            let folder = open_folder();
            let arguments = ["-i", "tap0", "-i", "tap1", "--backend", backend, "--no-reopen"];
            let mut capture =
                Capture::start(&folder, &[&arguments[..], &["--workers", "2"]].concat());
            ip("link delete dev tap0");
            cable("tap0", "src0");
            thread::sleep(Duration::from_millis(1500));
            assert!(capture.program.is_running(), "there is another one");
            ip("link delete dev tap1");
            let said = capture.ended(1);
            for words in
                ["tap0: is gone, and is not opened again", "tap1: is gone, and is not opened again"]
            {
                assert!(said.contains(words), "{backend}: {said}");
            }
            assert!(!said.contains("back"), "{said}");
            assert!(said.contains("the books balance"), "{said}");
            assert!(said.contains("gone, and not to be opened again: start the probe"), "{said}");
            ip("link delete dev tap0");
        }
    });
}

#[test]
#[ignore = "needs root"]
fn a_place_that_the_user_cannot_write_is_told_before_capture_starts() {
    let test =
        "confine::programs::a_place_that_the_user_cannot_write_is_told_before_capture_starts";
    inside(test, || {
        cable("tap0", "src0");
        let folder = TempDir::new().unwrap();
        let path = folder.path().display().to_string();
        let target = format!("file:{path}/a.ipfix");
        let start = |more: &[&str]| {
            flowtap([&["capture", "-i", "tap0", "--duration", "1s"][..], more].concat())
        };
        let ended = start(&["--export", &target, "--user", "nobody"]).with(2);
        assert!(
            ended
                .stderr
                .contains(&format!(" flowtap: error: {path}: cannot be written by user nobody")),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        // What typing sudo at home comes to.
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let ended = start(&["--export", &target]).with(2);
        assert!(ended.stderr.contains("give --user nobody"), "{}", ended.stderr);
        let spool = format!("{path}/spool");
        let collector = ["--export", "tcp://192.0.2.1", "--spool", &spool];
        let ended = start(&collector).with(2);
        assert!(ended.stderr.contains("cannot make the spool directory"), "{}", ended.stderr);
        start(&["--export", &target, "--user", "nobody"]).well();

        let ended = start(&["--user", "nobody-of-that-name"]).with(2);
        assert!(ended.stderr.contains("no user"), "{}", ended.stderr);
    });
}

#[test]
#[ignore = "needs root"]
fn nobody_is_unconfined_without_having_read_it() {
    let folder = TempDir::new().unwrap();
    let summary = folder.path().join("summary");
    let capture = sample();
    let capture = capture.to_str().unwrap();
    let replay = ["replay", capture, "--export", "null:", "--unconfined", "--quiet", "--summary"];
    let ended = flowtap([&replay[..], &[summary.to_str().unwrap()]].concat()).well();
    assert!(ended.stderr.starts_with("flowtap: warning: UNCONFINED"), "{}", ended.stderr);
    let text = fs::read_to_string(&summary).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(summary["confinement"], serde_json::json!({ "on": false }));
}

#[test]
fn a_replay_is_confined_and_says_so_in_its_summary_only() {
    let folder = TempDir::new().unwrap();
    let (summary, flows) = (folder.path().join("summary"), folder.path().join("flows.ipfix"));
    let ended = flowtap([
        "replay".into(),
        sample(),
        "--export".into(),
        format!("file:{}", flows.display()).into(),
        "--summary".into(),
        summary.clone(),
    ])
    .well();
    assert!(!ended.stderr.contains("confined"), "{}", ended.stderr);
    let summary: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(summary).unwrap()).unwrap();
    let confinement = &summary["confinement"];
    assert_eq!(confinement["capabilities"], serde_json::json!([]));
    assert_eq!(confinement["lacks"], serde_json::json!([]));
    assert_eq!(
        confinement["places_written"],
        serde_json::json!([fs::canonicalize(folder.path()).unwrap()])
    );
}

/// Who takes what is sent, or lets it wait.
fn collectors() -> (TcpListener, UdpSocket) {
    ip("link set dev lo up");
    let tcp = TcpListener::bind("127.0.0.1:4739").expect("the port is free in here");
    (tcp, UdpSocket::bind("127.0.0.1:4739").expect("the port is free in here"))
}

/// A capture with a thread of each kind: workers, targets, sessions, and files that are closed.
struct Capture {
    program: Program,
    /// When it was started.
    since: f64,
}

impl Capture {
    /// Starts it and waits until it captures.
    fn start(folder: &TempDir, arguments: &[&str]) -> Self {
        let path = folder.path().display();
        let mut command = Command::new(FLOWTAP);
        command.arg("capture").args(arguments);
        command.args(["--export", "udp://127.0.0.1:4739", "--export", "tcp://127.0.0.1:4739"]);
        command.args(["--export".to_owned(), format!("file:{path}/flows-%H%M%S.ipfix?rotate=1s")]);
        command.args(["--spool".to_owned(), format!("{path}/spool")]);
        command.args(["--spool-key".to_owned(), format!("{path}/spool.key")]);
        command.args(["--summary".to_owned(), format!("{path}/summary")]);
        let since = uptime();
        let mut program = Program::start(&mut command);
        program.wait_until("its packet socket", packet_socket_runs);
        // A socket runs before frames are let in, and they are before workers are started.
        wait_until("its workers", || program.threads_named("flowtap") > 1);
        thread::sleep(Duration::from_millis(500));
        Self { program, since }
    }

    /// Asks what the kernel logged of system calls that the filter refused to this process; numbers
    /// of processes come again.
    fn refused_calls(&self) -> impl Fn() -> String + use<> {
        let (process, since) = (format!(" pid={} ", self.program.id()), self.since);
        move || {
            let log = run(&mut Command::new("dmesg"));
            let is_ours = |line: &&str| {
                let at = line.trim_start_matches(['[', ' ']).split(']').next();
                line.contains("type=1326")
                    && line.contains(&process)
                    && at.and_then(|at| at.parse().ok()).is_none_or(|at: f64| at >= since)
            };
            log.lines().filter(is_ours).collect::<Vec<_>>().join("\n")
        }
    }

    /// What the kernel says of each thread.
    fn statuses(&mut self, least: usize) -> Vec<Status> {
        let folder = format!("/proc/{}/task", self.program.id());
        let threads: Vec<_> = fs::read_dir(folder)
            .expect("the kernel tells")
            .map(|entry| Status::read(&entry.expect("the kernel tells").path().join("status")))
            .collect();
        assert!(threads.len() >= least, "{threads:?}");
        threads
    }

    fn end(self, signal: &str, status: i32) -> String {
        self.program.signal(signal);
        self.ended(status)
    }

    fn ended(self, expected: i32) -> String {
        let (status, said) = self.program.end();
        assert_eq!(status.code(), Some(expected), "{said}");
        said
    }
}

/// The lines of `/proc/PID/task/TID/status`, by name.
#[derive(Debug)]
struct Status(BTreeMap<String, String>);

impl Status {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("the kernel tells");
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        Self(lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
    }

    #[track_caller]
    fn line(&self, name: &str) -> &str {
        self.0.get(name).expect("the kernel tells")
    }

    fn mask(&self, name: &str) -> u64 {
        u64::from_str_radix(self.line(name), 16).expect("the kernel tells masks in hexadecimal")
    }
}

fn packet_socket_runs() -> bool {
    // sk RefCnt Type Proto Iface R Rmem User Inode
    let sockets = fs::read_to_string("/proc/net/packet").expect("the kernel tells");
    sockets.lines().skip(1).any(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        columns.get(4).is_some_and(|index| *index != "0") && columns.get(5) == Some(&"1")
    })
}

/// Seconds since the machine was started, by which the kernel dates its log.
fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").expect("the kernel tells");
    let seconds = text.split(' ').next().and_then(|seconds| seconds.parse().ok());
    seconds.expect("two numbers of seconds")
}

/// A folder that is of the user nobody, whom root may write for all the same.
fn open_folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("we are root");
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .expect("we are root");
    folder
}

const NET_RAW: u64 = 1 << 13;
const NOBODY: u32 = 65_534;
