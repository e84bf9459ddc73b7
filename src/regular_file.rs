//! Regular files, opened and read without waiting for anybody.
//!
//! What a name leads to may have been changed since it was written into a configuration, and that is read again
//! while packets wait: a pipe that nobody writes to would be waited for, and a device may have no end.

use std::fs::{self, File, FileType};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Opens the regular file at `path` for reading.
///
/// # Errors
///
/// Those of the system, and [`io::ErrorKind::InvalidInput`] for what is no regular file.
pub fn open(path: &Path) -> io::Result<File> {
    // To open some devices has effects of its own.
    check(fs::metadata(path)?.file_type())?;
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    // It may be another one by now.
    check(file.metadata()?.file_type())?;
    Ok(file)
}

/// Reads the regular file at `path`, of `most` octets at most.
///
/// # Errors
///
/// Those of [`open`], and [`io::ErrorKind::FileTooLarge`].
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    // Its length may be told wrong, and it may grow.
    open(path)?.take(most.saturating_add(1)).read_to_end(&mut octets)?;
    if octets.len() as u64 > most {
        let text = format!("it is larger than {} MB", most / 1_000_000);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(octets)
}

fn check(found: FileType) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    let what = match () {
        () if found.is_dir() => "a directory",
        () if found.is_fifo() => "a FIFO",
        () if found.is_socket() => "a socket",
        () => "a device",
    };
    let text = format!("it is {what} and has to be a regular file");
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_and_waited_for_by_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        std::os::unix::fs::symlink(path("pipe"), path("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        for (path, what) in [
            (path("pipe"), "a FIFO"),
            (path("link"), "a FIFO"),
            (path("socket"), "a socket"),
            (folder.path().to_owned(), "a directory"),
            ("/dev/zero".into(), "a device"),
        ] {
            let error = read(&path, 10).unwrap_err().to_string();
            assert_eq!(error, format!("it is {what} and has to be a regular file"));
        }
        assert_eq!(open(&path("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_is_read_up_to_its_bound_and_no_further() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        File::create(&path).unwrap().set_len(3_000_000).unwrap();
        assert_eq!(read(&path, 3_000_000).unwrap().len(), 3_000_000);
        let error = read(&path, 2_999_999).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(error.to_string(), "it is larger than 2 MB");
        // Its length is told as nothing.
        assert!(!read(Path::new("/proc/self/status"), 1_000_000).unwrap().is_empty());
    }
}
