//! A FIFO (fifo(7)), which cannot be opened to be written to before somebody reads it.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::export::ending::Ending;

/// A FIFO that is opened as soon as somebody reads it. So who reads it may come later than the probe; what is
/// expected of the records until then is what is expected of any target that is slow.
#[derive(Debug)]
pub(super) struct Pipe {
    path: PathBuf,
    file: Option<File>,
    /// Of the run; without one a reader is waited for as long as it takes.
    ending: Option<Arc<Ending>>,
}

impl Pipe {
    /// Opens the near end, if there is somebody at the far one already.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: near_end(path)?, ending: None })
    }

    pub(super) fn wait_until(&mut self, ending: Arc<Ending>) {
        self.ending = Some(ending);
    }

    /// The near end, once there is somebody at the far one.
    pub(super) fn reader(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.wait()?,
        };
        Ok(self.file.insert(file))
    }

    fn wait(&self) -> io::Result<File> {
        let Some(ending) = &self.ending else {
            return File::options().write(true).open(&self.path);
        };
        loop {
            if let Some(file) = near_end(&self.path)? {
                return Ok(file);
            }
            if ending.wait(PATIENCE) {
                return Err(io::Error::new(io::ErrorKind::NotConnected, "nobody reads it"));
            }
        }
    }
}

/// The near end; `None` without a reader.
fn near_end(path: &Path) -> io::Result<Option<File>> {
    match File::options().write(true).custom_flags(libc::O_NONBLOCK).open(path) {
        Ok(file) => {
            // A reader that is slow is waited for.
            fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
            Ok(Some(file))
        }
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How often it is looked whether somebody has come.
const PATIENCE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::process::Command;
    use std::thread;

    use super::*;

    #[test]
    fn a_reader_may_come_later_and_is_not_waited_for_when_the_run_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let ending = Arc::<Ending>::default();
        let mut pipe = Pipe::open(&path).unwrap();
        pipe.wait_until(Arc::clone(&ending));
        let reader = thread::spawn({
            let path = path.clone();
            move || {
                thread::sleep(3 * PATIENCE);
                let mut file = File::open(path).unwrap();
                thread::sleep(3 * PATIENCE);
                let mut octets = Vec::new();
                file.read_to_end(&mut octets).unwrap();
                octets.len()
            }
        });
        // More than it holds: the rest waits.
        pipe.reader().unwrap().write_all(&[0; 200_000]).unwrap();
        drop(pipe);
        assert_eq!(reader.join().unwrap(), 200_000);

        let mut pipe = Pipe::open(&path).unwrap();
        pipe.wait_until(Arc::clone(&ending));
        let over = thread::spawn(move || {
            thread::sleep(3 * PATIENCE);
            ending.finish();
        });
        assert_eq!(pipe.reader().unwrap_err().kind(), io::ErrorKind::NotConnected);
        over.join().unwrap();
    }
}
