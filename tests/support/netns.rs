//! Network namespaces for tests: made, entered and removed by ip(8), so that no test needs unsafe
//! code, and none sees or touches the interfaces of the machine.

use std::env;
use std::fs;
use std::process::Command;

/// Runs `body` in a network namespace of its own, in a process of its own.
///
/// `test` is the path of the calling test: the child process is this test binary, told to run that
/// test only, and `body` runs in the child.
pub(crate) fn inside(test: &str, body: impl FnOnce()) {
    if env::var_os(MARK).is_some() {
        // Interfaces would talk of themselves over IPv6 and be counted.
        for scope in ["all", "default"] {
            let setting = format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6");
            // Without IPv6 in the kernel there is nothing to disable.
            let _ = fs::write(setting, "1");
        }
        body();
        return;
    }
    let namespace = Namespace::new(test);
    let output = Command::new("ip")
        .args(["netns", "exec", &namespace.name])
        .arg(env::current_exe().expect("a test knows its own binary"))
        .args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .expect("ip(8) is installed");
    let told = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    // A misspelt name would run no test at all, successfully.
    let passed = output.status.success() && told.contains("1 passed");
    assert!(passed, "inside {}:\n{told}\n{complaints}", namespace.name);
}

/// Runs `ip` with the words of `line` and expects it to succeed.
pub(crate) fn ip(line: &str) {
    let output =
        Command::new("ip").args(line.split_whitespace()).output().expect("ip(8) is installed");
    assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes a cable: two virtual interfaces, what is sent on one is received by the other, both up.
pub(crate) fn cable(one: &str, other: &str) {
    ip(&format!("link add name {one} type veth peer name {other}"));
    ip(&format!("link set dev {one} up"));
    ip(&format!("link set dev {other} up"));
}

/// Removed when dropped.
struct Namespace {
    name: String,
}

impl Namespace {
    fn new(test: &str) -> Self {
        let name = format!("flowtap-{}-{test}", std::process::id());
        ip(&format!("netns add {name}"));
        Self { name }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Not `ip`: a failure here must not hide the one that may be under way.
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).output();
    }
}

/// Set in the environment of the child process.
const MARK: &str = "FLOWTAP_TEST_INSIDE_NAMESPACE";
