//! What a supervisor found odd: a few lines in its pod's directory, bounded, for whoever looks for a reason.

use crate::pod::{Entry, PodDir};
use std::fs::File;
use std::io::Write;

/// How much is written in a supervisor's life.
const MOST: usize = 16 * 1024;

/// An append-only, bounded file of lines; made with the first line.
#[derive(Debug)]
pub(crate) struct Journal {
    pod: PodDir,
    file: Option<File>,
    written: usize,
}

impl Journal {
    pub(crate) fn new(pod: PodDir) -> Journal {
        Journal {
            pod,
            file: None,
            written: 0,
        }
    }

    /// Adds a line; where that is not possible there is nobody to tell.
    pub(crate) fn note(&mut self, line: impl std::fmt::Display) {
        let line = format!("{line}\n");
        if self.written + line.len() > MOST {
            return;
        }
        if self.file.is_none() {
            let mut options = File::options();
            options.create(true).append(true);
            self.file = options.open(self.pod.file(Entry::Log)).ok();
        }
        if let Some(file) = &mut self.file {
            self.written += line.len();
            let _ = file.write_all(line.as_bytes());
        }
    }

    /// The folder that it is in.
    pub(crate) fn pod(&self) -> &PodDir {
        &self.pod
    }
}
