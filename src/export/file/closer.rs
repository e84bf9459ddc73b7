//! Files get their names in a thread of their own.

use std::io;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::export::output::TemporaryFile;

/// Completes files one after the other: a disk may take seconds for what it has not written yet, and
/// records come meanwhile.
#[derive(Debug)]
pub(super) struct Closer {
    /// `None` once no file follows.
    files: Option<Sender<TemporaryFile>>,
    outcomes: Receiver<io::Result<PathBuf>>,
    thread: Option<JoinHandle<()>>,
}

impl Closer {
    pub(super) fn start() -> io::Result<Self> {
        let (files, to_complete) = bounded::<TemporaryFile>(1);
        let (tell, outcomes) = unbounded();
        let thread = thread::Builder::new().name("export-file".to_owned()).spawn(move || {
            for file in to_complete {
                // Nobody listens when the run was abandoned; the file is complete all the same.
                let _ = tell.send(file.complete());
            }
        })?;
        Ok(Self { files: Some(files), outcomes, thread: Some(thread) })
    }

    /// Completes `file`, later; waits when two files wait already.
    pub(super) fn complete(&self, file: TemporaryFile) -> io::Result<()> {
        match &self.files {
            Some(files) => match files.send(file) {
                Ok(()) => Ok(()),
                // The thread is gone, which only a defect can do.
                Err(unsent) => unsent.into_inner().complete().map(drop),
            },
            None => file.complete().map(drop),
        }
    }

    /// What went wrong since this was last asked.
    pub(super) fn failures(&self) -> impl Iterator<Item = io::Error> {
        self.outcomes.try_iter().filter_map(Result::err)
    }

    /// Waits until every file has its name.
    pub(super) fn finish(&mut self) {
        self.files = None;
        if let Some(thread) = self.thread.take() {
            // A panic is a defect that the panic hook has told of.
            let _ = thread.join();
        }
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.finish();
    }
}
