//! From inside: what must fail is tried, in a thread that was started after the fence was raised, and
//! beside it what must not fail.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixListener;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use flowtap::confine::{self, Files, Network, Policy, Reopens};
use flowtap::export::{Needs, Target};
use nix::errno::Errno;
use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use nix::sys::ptrace;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use nix::unistd::{Pid, Uid, chroot, setuid};
use tempfile::TempDir;

/// Each attempt, and what has to become of it: `ok`, the name of an error, or of a signal.
///
/// The policy is that of a capture to one Collector over TCP, by address, and into files.
const EXPECTED: &[(&str, &str)] = &[
    // Files.
    ("read_shadow", "EACCES"),
    ("read_passwd", "EACCES"),
    ("list_root", "EACCES"),
    ("read_own_memory", "EACCES"),
    ("write_outside", "EACCES"),
    ("truncate_outside", "EACCES"),
    ("remove_outside", "EACCES"),
    ("link_out", "EACCES"),
    ("rename_out", "EACCES"),
    ("symlink_inside", "EPERM"),
    ("socket_file_inside", "EPERM"),
    ("write_inside", "ok"),
    ("rename_inside", "ok"),
    ("remove_inside", "ok"),
    ("read_counters", "ok"),
    ("ask_for_the_clock", "ok"),
    // Programs and processes.
    ("start_a_program", "EPERM"),
    ("become_a_program", "SIGSYS"),
    ("trace_the_parent", "SIGSYS"),
    ("be_traced", "SIGSYS"),
    ("signal_the_parent", "EPERM"),
    ("mount", "SIGSYS"),
    ("chroot", "SIGSYS"),
    ("new_namespace", "SIGSYS"),
    ("become_root", "EPERM"),
    ("raise_a_limit", "EPERM"),
    ("be_dumped_again", "EPERM"),
    ("start_a_thread", "ok"),
    // Sockets.
    ("packet_socket", "EPERM"),
    ("raw_socket", "EPERM"),
    ("unix_socket", "EPERM"),
    ("netlink_socket", "EPERM"),
    ("vsock_socket", "EPERM"),
    ("datagram_socket", "EPERM"),
    ("listen", "EACCES"),
    ("connect_elsewhere", "EACCES"),
    ("connect_to_the_collector", "ok"),
];

#[test]
fn what_a_capture_does_not_do_cannot_be_done() {
    for (attempt, expected) in EXPECTED {
        assert_eq!(&child(attempt, "no-reopen"), expected, "{attempt}");
    }
}

#[test]
#[ignore = "needs root"]
fn to_open_an_interface_again_takes_one_kind_of_socket_and_no_other() {
    for (attempt, expected) in [
        ("packet_socket", "ok"),
        ("raw_socket", "EPERM"),
        ("netlink_socket", "EPERM"),
        ("unix_socket", "EPERM"),
        ("read_shadow", "EACCES"),
        ("become_root", "EPERM"),
    ] {
        assert_eq!(child(attempt, "reopen"), expected, "{attempt}");
    }
}

#[test]
fn a_resolver_gets_its_sockets_and_no_secrets() {
    for (attempt, expected) in [
        ("read_resolver_configuration", "ok"),
        ("read_shadow", "EACCES"),
        ("datagram_socket", "ok"),
        ("unix_socket", "ok"),
        ("raw_socket", "EPERM"),
        ("packet_socket", "EPERM"),
        ("resolve", "ok"),
        ("connect_elsewhere", "EACCES"),
        ("become_a_program", "SIGSYS"),
    ] {
        assert_eq!(child(attempt, "names"), expected, "{attempt}");
    }
}

/// Runs one attempt in a process of its own and returns what became of it.
fn child(attempt: &str, policy: &str) -> String {
    let folder = TempDir::new().expect("a temporary folder");
    for name in ["inside", "outside"] {
        fs::create_dir(folder.path().join(name)).expect("the folder is our own");
        fs::write(folder.path().join(name).join("there"), "something")
            .expect("the folder is our own");
    }
    let collector = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = collector.local_addr().expect("it is bound").port().to_string();
    let output = Command::new(env::current_exe().expect("a test knows its own binary"))
        .args(["--exact", "confine::attempts::child_of_the_attempts", "--ignored", "--nocapture"])
        .env(ATTEMPT, format!("{attempt} {policy} {port} {}", folder.path().display()))
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    drop(collector);
    let told = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    let outcome = told.lines().find_map(|line| line.split_once("outcome: "));
    match (output.status.signal(), outcome) {
        (Some(libc_sigsys), None) if libc_sigsys == nix::sys::signal::Signal::SIGSYS as i32 => {
            assert!(told.contains("confined"), "{attempt}: before the attempt: {told}{said}");
            "SIGSYS".to_owned()
        }
        (None, Some((_, outcome))) => outcome.trim().to_owned(),
        (signal, _) => panic!("{attempt}: signal {signal:?}: {told}\n{said}"),
    }
}

/// The process in which an attempt is made.
#[test]
#[ignore = "started by the tests above"]
fn child_of_the_attempts() {
    let order = env::var(ATTEMPT).expect("started by another test");
    let [attempt, policy, port, folder] = order.split(' ').collect::<Vec<_>>()[..] else {
        panic!("not an order: {order}");
    };
    let (folder, parent) = (PathBuf::from(folder), Pid::parent());
    let reopens = (policy == "reopen").then_some(Reopens::PacketSocket);
    let host = if policy == "names" { "localhost" } else { "127.0.0.1" };
    let targets = [
        format!("tcp://{host}:{port}").parse::<Target>().unwrap(),
        format!("file:{}/a.ipfix", folder.join("inside").display()).parse().unwrap(),
    ];
    let Needs { mut read, written, udp, tcp_ports, sctp_ports, binds, resolves } =
        Needs::of(&targets, None);
    read.extend(["/sys/class/net", "/sys/devices"].map(PathBuf::from));
    if resolves {
        read.extend(confine::resolver_files(Uid::effective().is_root()));
    }
    let files = Files { read, write: written, remove: BTreeSet::new() };
    let network = Network { udp, tcp_ports, sctp_ports, binds, resolves, answers: false };
    let privileges = confine::give_up_privileges(None, reopens).unwrap();
    let fence = confine::raise_fence(&Policy { reopens, looks: true, network, files }).unwrap();
    let confinement = confine::Confinement::On { privileges, fence };
    assert!(confinement.lacks().is_empty(), "this kernel cannot be tested on: {confinement}");
    println!("confined");

    let (attempt, port) = (attempt.to_owned(), port.parse().unwrap());
    let outcome = thread::spawn(move || r#try(&attempt, &folder, port, parent)).join().unwrap();
    let outcome = match outcome {
        Ok(()) => "ok".to_owned(),
        Err(error) => match error.raw_os_error() {
            Some(number) => format!("{:?}", Errno::from_raw(number)),
            None => error.to_string(),
        },
    };
    println!("outcome: {outcome}");
}

fn r#try(attempt: &str, folder: &Path, port: u16, parent: Pid) -> io::Result<()> {
    let (inside, outside) = (folder.join("inside"), folder.join("outside"));
    let open = |family, kind, protocol: Option<SockProtocol>| {
        socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol).map(drop).map_err(io::Error::from)
    };
    match attempt {
        "read_shadow" => fs::read("/etc/shadow").map(drop),
        "ask_for_the_clock" => flowtap::sys::kernel_clock::kernel_clock().map(drop),
        "read_passwd" => fs::read("/etc/passwd").map(drop),
        "list_root" => fs::read_dir("/").map(drop),
        "read_own_memory" => File::open("/proc/self/mem").map(drop),
        "write_outside" => fs::write(outside.join("new"), "x"),
        "truncate_outside" => {
            OpenOptions::new().write(true).truncate(true).open(outside.join("there")).map(drop)
        }
        "remove_outside" => fs::remove_file(outside.join("there")),
        "link_out" => fs::hard_link(inside.join("there"), outside.join("link")).map_err(denied),
        "rename_out" => fs::rename(inside.join("there"), outside.join("moved")).map_err(denied),
        "symlink_inside" => std::os::unix::fs::symlink("/etc/shadow", inside.join("link")),
        "socket_file_inside" => UnixListener::bind(inside.join("socket")).map(drop),
        "write_inside" => fs::write(inside.join("new"), "x"),
        "rename_inside" => fs::rename(inside.join("there"), inside.join("moved")),
        "remove_inside" => fs::remove_file(inside.join("there")),
        "read_counters" => fs::read("/sys/class/net/lo/statistics/rx_missed_errors").map(drop),
        "read_resolver_configuration" => fs::read("/etc/nsswitch.conf").map(drop),
        "start_a_program" => Command::new("/bin/true").status().map(drop),
        "become_a_program" => Err(Command::new("/bin/true").exec()),
        "trace_the_parent" => ptrace::attach(parent).map_err(io::Error::from),
        "be_traced" => ptrace::traceme().map_err(io::Error::from),
        "signal_the_parent" => nix::sys::signal::kill(parent, None).map_err(io::Error::from),
        "mount" => {
            let none = None::<&str>;
            nix::mount::mount(none, &inside, Some("tmpfs"), MsFlags::empty(), none)
                .map_err(io::Error::from)
        }
        "chroot" => chroot(&inside).map_err(io::Error::from),
        "new_namespace" => nix::sched::unshare(CloneFlags::CLONE_NEWUSER).map_err(Into::into),
        "become_root" => setuid(Uid::from_raw(0)).map_err(io::Error::from),
        "raise_a_limit" => setrlimit(Resource::RLIMIT_CORE, 1, 1).map_err(io::Error::from),
        "be_dumped_again" => nix::sys::prctl::set_dumpable(true).map_err(io::Error::from),
        "start_a_thread" => thread::Builder::new()
            .name("another".into())
            .spawn(|| ())
            .map(|t| t.join().expect("it does nothing")),
        "packet_socket" => open(AddressFamily::Packet, SockType::Raw, None),
        "raw_socket" => open(AddressFamily::Inet, SockType::Raw, Some(SockProtocol::Icmp)),
        "unix_socket" => open(AddressFamily::Unix, SockType::Stream, None),
        "netlink_socket" => {
            open(AddressFamily::Netlink, SockType::Raw, Some(SockProtocol::NetlinkNetFilter))
        }
        "vsock_socket" => open(AddressFamily::Vsock, SockType::Stream, None),
        "datagram_socket" => UdpSocket::bind("127.0.0.1:0").map(drop),
        "listen" => TcpListener::bind("127.0.0.1:0").map(drop),
        "connect_elsewhere" => TcpStream::connect(("127.0.0.1", port ^ 1)).map(drop),
        "connect_to_the_collector" => {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.write_all(b"a Message")
        }
        "resolve" => {
            let mut found = std::net::ToSocketAddrs::to_socket_addrs(&("localhost", port))?;
            found.next().map(drop).ok_or_else(|| io::Error::other("no address"))
        }
        other => panic!("no such attempt: {other}"),
    }
}

/// Between two directories Landlock says EXDEV, so that programs copy, and are refused that.
fn denied(error: io::Error) -> io::Error {
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::EXDEV => Errno::EACCES.into(),
        _ => error,
    }
}

/// Tells the child what to try.
const ATTEMPT: &str = "FLOWTAP_TEST_ATTEMPT";
