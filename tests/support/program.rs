//! Other programs as children of a test: started, waited for, and ended by their own process id.

#![allow(dead_code, reason = "shared by several test files, each of which uses a part")]

use std::fs;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

/// A program in the background, killed should the test end before it does.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    child: Option<Child>,
}

impl Program {
    /// Starts it with its output piped.
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error} (scripts/test installs it)"));
        Self { name, child: Some(child) }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().expect("it was not ended yet").id()
    }

    /// How many of its threads have this name: all that were not given one have its own.
    pub(crate) fn threads_named(&self, name: &str) -> usize {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id()));
        let names = threads
            .into_iter()
            .flatten()
            .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("comm")).ok());
        names.filter(|found| found.trim_end() == name).count()
    }

    /// Waits until it and what it started have nothing to do: none of them wants a processor for half a second.
    #[track_caller]
    pub(crate) fn wait_until_idle(&mut self, processes: usize) {
        let id = self.id();
        let mut asleep = 0;
        self.wait_until("its rest", || {
            let family = family(id);
            let rests = family.len() >= processes && family.iter().all(|it| is_asleep(*it));
            asleep = if rests { asleep + 1 } else { 0 };
            asleep > 25
        });
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        let child = self.child.as_mut().expect("it was not ended yet");
        child.try_wait().expect("a child can be waited for").is_none()
    }

    /// Sends it a signal (`TERM`, `INT`).
    pub(crate) fn signal(&self, signal: &str) {
        // The shell's own `kill`: nothing to install.
        run(Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.id())]));
    }

    /// Waits for its end and returns what it said on both outputs.
    #[track_caller]
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let child = self.child.take().expect("it was not ended yet");
        let output = child.wait_with_output().expect("a child can be waited for");
        (output.status, both(&output))
    }

    /// Waits until `ready`, as long as it runs.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, mut ready: impl FnMut() -> bool) {
        for _ in 0..PATIENCE {
            if ready() {
                return;
            }
            if !self.is_running() {
                let child = self.child.take().expect("it was not ended yet");
                let output = child.wait_with_output().expect("a child can be waited for");
                panic!("{} ended before {what}: {}", self.name, both(&output));
            }
            thread::sleep(STEP);
        }
        panic!("{}: {what} did not come", self.name);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until `ready`, ten seconds at most.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    for _ in 0..PATIENCE {
        if ready() {
            return;
        }
        thread::sleep(STEP);
    }
    panic!("{what} did not come");
}

const STEP: Duration = Duration::from_millis(20);
const PATIENCE: u32 = 500;

/// Runs a program to its end and returns its standard output; fails with both outputs.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        panic!("{}: {error} (scripts/test installs it)", command.get_program().display())
    });
    assert!(output.status.success(), "{command:?}: {}", both(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A process and its children.
fn family(id: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    std::iter::once(id).chain(children).collect()
}

/// Whether it waits for something that is to come (proc(5)).
fn is_asleep(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
}

fn both(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr];
    texts.map(|text| String::from_utf8_lossy(text)).join("\n").trim().to_owned()
}
