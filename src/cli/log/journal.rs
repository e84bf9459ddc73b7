//! The native protocol of the journal (systemd.io/JOURNAL_NATIVE_PROTOCOL): fields in a datagram.
//!
//! The socket is connected before the process confines itself and written to ever after, as that of the
//! service manager is: no system call in use but write(2). What a datagram cannot take would go by a
//! file in memory; texts are bounded so that none is needed.

use std::env;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use tracing::Level;

use crate::cli::log::entry::Entry;

/// Where the journal listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// Whether standard error goes to the journal: `JOURNAL_STREAM` has the numbers of its device and inode
/// (systemd.exec(5)). One that is inherited while standard error goes elsewhere says nothing.
pub(super) fn is_standard_error() -> bool {
    let Some(stream) = env::var_os("JOURNAL_STREAM") else { return false };
    let standard_error = io::stderr().as_fd().try_clone_to_owned().map(File::from);
    standard_error.is_ok_and(|file| is_stream(stream.to_str(), &file))
}

fn is_stream(stream: Option<&str>, file: &File) -> bool {
    let numbers = stream.and_then(|stream| stream.split_once(':'));
    let Some((device, inode)) = numbers else { return false };
    let is = |text: &str, number| text.parse::<u64>().is_ok_and(|it| it == number);
    file.metadata().is_ok_and(|file| is(device, file.dev()) && is(inode, file.ino()))
}

/// Connects to the journal.
///
/// # Errors
///
/// Those of the socket.
pub(super) fn connect(path: impl AsRef<Path>) -> io::Result<File> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    // Nobody here is to wait for a journal that is busy with itself.
    socket.set_write_timeout(Some(Duration::from_secs(1)))?;
    Ok(File::from(OwnedFd::from(socket)))
}

/// The entry as a datagram.
pub(super) fn datagram(entry: &Entry) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(512);
    let mut put = |name: &str, value: &dyn fmt::Display| {
        field(&mut datagram, name, &value.to_string());
    };
    put("MESSAGE", &entry.told());
    put("PRIORITY", &priority(entry.level));
    put("SYSLOG_IDENTIFIER", &"flowtap");
    if let Some(kind) = entry.kind() {
        put("MESSAGE_ID", &kind.id);
    }
    if let (Some(file), Some(line)) = (entry.file, entry.line) {
        put("CODE_FILE", &file);
        put("CODE_LINE", &line);
    }
    put("FLOWTAP_EVENT", &entry.event);
    put("FLOWTAP_COMPONENT", &entry.component);
    for (name, value) in &entry.fields {
        put(&name_of(name), value);
    }
    if let Some((count, seconds)) = entry.repeats {
        put("FLOWTAP_REPEATS", &count);
        put("FLOWTAP_REPEATS_SECONDS", &seconds);
    }
    datagram
}

/// The name of a field of ours in the journal.
pub(super) fn name_of(field: &str) -> String {
    format!("FLOWTAP_{}", field.to_ascii_uppercase())
}

/// A value that has a line feed in it goes with its length, as 64 bits, little-endian.
fn field(datagram: &mut Vec<u8>, name: &str, value: &str) {
    datagram.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        datagram.push(b'\n');
        datagram.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        datagram.push(b'=');
    }
    datagram.extend_from_slice(value.as_bytes());
    datagram.push(b'\n');
}

/// As syslog(3) has it.
pub(super) fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::cli::log::entry::Value;
    use crate::cli::log::logger::testing::{Written, entry};
    use crate::cli::log::output::{Form, Output};

    #[test]
    fn an_entry_is_a_datagram_with_a_field_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let lines = Written::default();
        let form = Form::Journal(connect(&path).unwrap());
        let mut output = Output::to(form, Box::new(lines.clone()));
        let fields = vec![
            ("target", Value::Text("tcp://c:4739".to_owned())),
            ("records", Value::Number(5)),
            ("reason", Value::Text("two\nlines".to_owned())),
        ];
        output.write(&Entry { fields, repeats: Some((41, 60)), ..entry("session-restored") });
        let mut octets = [0; 2048];
        let length = journal.recv(&mut octets).unwrap();
        let expected = [
            &b"MESSAGE=all is well (and 41 more of these in 60 s)\nPRIORITY=4\nSYSLOG_IDENTIFIER=flowtap\n"[..],
            format!("MESSAGE_ID={}\n", entry("session-restored").kind().unwrap().id).as_bytes(),
            b"CODE_FILE=src/x.rs\nCODE_LINE=7\nFLOWTAP_EVENT=session-restored\nFLOWTAP_COMPONENT=export\n",
            b"FLOWTAP_TARGET=tcp://c:4739\nFLOWTAP_RECORDS=5\n",
            b"FLOWTAP_REASON\n\x09\0\0\0\0\0\0\0two\nlines\n",
            b"FLOWTAP_REPEATS=41\nFLOWTAP_REPEATS_SECONDS=60\n",
        ]
        .concat();
        assert_eq!(String::from_utf8_lossy(&octets[..length]), String::from_utf8_lossy(&expected));
        assert_eq!(lines.text(), "");

        // A journal that is gone does not swallow anything.
        drop(journal);
        output.write(&entry("session-restored"));
        assert_eq!(lines.text(), "<4>all is well\n");
    }

    #[test]
    fn the_largest_entry_that_can_be_is_one_datagram() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let text = "x".repeat(4100);
        let fields = (0..12).map(|_| ("reason", Value::Text(text.clone()))).collect();
        let datagram = datagram(&Entry { fields, message: text, ..entry("run-failed") });
        File::from(OwnedFd::from(ours)).write_all(&datagram).unwrap();
        let mut received = vec![0; 1 << 18];
        assert_eq!(theirs.recv(&mut received).unwrap(), datagram.len());
    }

    #[test]
    fn standard_error_is_the_journal_if_device_and_inode_say_so() {
        let file = tempfile::tempfile().unwrap();
        let (device, inode) = file.metadata().map(|it| (it.dev(), it.ino())).unwrap();
        assert!(is_stream(Some(&format!("{device}:{inode}")), &file));
        for other in
            [format!("{device}:{}", inode + 1), format!("{inode}:{device}x"), String::new()]
        {
            assert!(!is_stream(Some(&other), &file), "{other}");
        }
        assert!(!is_stream(None, &file));
    }
}
