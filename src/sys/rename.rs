//! A rename that takes no name from another file.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Gives the file at `from` the name `to`, unless something has that name already.
///
/// One step where the file system can do it. Where it cannot, an empty file claims the name first,
/// so that nothing is overwritten there either.
///
/// # Errors
///
/// [`io::ErrorKind::AlreadyExists`] if the name is taken, and what else the file system says.
pub fn rename_to_free_name(from: &Path, to: &Path) -> io::Result<()> {
    match rename_at_once(from, to) {
        Err(error) if is_unsupported(&error) => {}
        outcome => return outcome,
    }
    drop(File::create_new(to)?);
    fs::rename(from, to).inspect_err(|_| {
        // The claim was ours; what the rename said is what matters.
        let _ = fs::remove_file(to);
    })
}

#[cfg(target_os = "linux")]
fn rename_at_once(from: &Path, to: &Path) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;

    let from = CString::new(from.as_os_str().as_bytes())?;
    let to = CString::new(to.as_os_str().as_bytes())?;
    // SAFETY: both names are live strings that end with a zero, and the call keeps neither.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn rename_at_once(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// renameat2(2): EINVAL of a file system that does not know the flag, ENOSYS of an old kernel.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS))
        || error.kind() == io::ErrorKind::Unsupported
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_stays_with_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        let error = rename_to_free_name(&from, &to).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(
            (fs::read(&from).unwrap(), fs::read(&to).unwrap()),
            (b"new".into(), b"old".into())
        );

        fs::remove_file(&to).unwrap();
        rename_to_free_name(&from, &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"new");
        assert!(!from.exists());
    }

    #[test]
    fn a_missing_file_leaves_no_name_behind() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        assert_eq!(rename_to_free_name(&from, &to).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!to.exists());
    }
}
