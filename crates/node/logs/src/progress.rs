//! What of the spools is written: one small record in the run folder, rewritten in place before each write to the log.
//!
//! A write of it is within one page, so that it is there whole or not at all when its writer is killed. The record that
//! precedes a write says of which bytes, with which time and at which length of which file: whoever comes next makes the same
//! bytes again, sees how many of them are in the file, and writes the others.

use crate::compose::Closing;
use crate::folder::Stream;
use crate::moment::Moment;
use rustix::fd::OwnedFd;
use rustix::io::Errno;

/// The form of this record.
const VERSION: u64 = 1;
const WORDS: usize = 16;

/// What is written, and what is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// How much of each spool, from its beginning, is in the log.
    pub(crate) done: [u64; 2],
    /// How many marks of each stream are dealt with (a non-blocking log).
    pub(crate) marks: [u64; 2],
    pub(crate) intent: Option<Intent>,
}

/// A write that is made, and perhaps not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) stream: Stream,
    /// Whether it is the line about a gap, and not of the spool.
    pub(crate) of_gap: bool,
    /// Where the part of the spool ends that begins at what is done.
    pub(crate) to: u64,
    pub(crate) closing: Closing,
    pub(crate) time: Moment,
    pub(crate) place: Place,
}

/// Where a write began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) length: u64,
}

impl Progress {
    /// Reads it; a new file says that nothing is written.
    pub(crate) fn load(file: &OwnedFd) -> Result<Progress, Errno> {
        let mut bytes = [0; WORDS * 8];
        let found = rustix::io::pread(file, &mut bytes, 0)?;
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        let [
            version,
            done0,
            done1,
            marks0,
            marks1,
            kind,
            stream,
            to,
            closing,
            seconds,
            nanoseconds,
            device,
            inode,
            length,
            ..,
        ] = words;
        if found < bytes.len() || version != VERSION {
            return Ok(Progress::default());
        }
        let intent = Intent {
            stream: if stream == 0 {
                Stream::Stdout
            } else {
                Stream::Stderr
            },
            of_gap: kind == 2,
            to,
            closing: Closing::of_number(closing),
            time: Moment {
                seconds: seconds.cast_signed(),
                nanoseconds: u32::try_from(nanoseconds).unwrap_or(0),
            },
            place: Place {
                device,
                inode,
                length,
            },
        };
        Ok(Progress {
            done: [done0, done1],
            marks: [marks0, marks1],
            intent: (kind > 0).then_some(intent),
        })
    }

    /// Writes it.
    pub(crate) fn save(&self, file: &OwnedFd) -> Result<(), Errno> {
        let mut words = [0; WORDS];
        let [done0, done1] = self.done;
        let [marks0, marks1] = self.marks;
        let kind = self.intent.map_or(0, |intent| 1 + u64::from(intent.of_gap));
        let settled = [VERSION, done0, done1, marks0, marks1, kind];
        let intent = self.intent.map(|intent| {
            let place = intent.place;
            [
                intent.stream.place() as u64,
                intent.to,
                intent.closing.number(),
                intent.time.seconds.cast_unsigned(),
                u64::from(intent.time.nanoseconds),
                place.device,
                place.inode,
                place.length,
            ]
        });
        let all = settled.into_iter().chain(intent.into_iter().flatten());
        words.iter_mut().zip(all).for_each(|(word, value)| *word = value);
        let mut bytes = [0; WORDS * 8];
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        match rustix::io::pwrite(file, &bytes, 0)? {
            written if written == bytes.len() => Ok(()),
            _ => Err(Errno::NOSPC),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back() {
        let path = std::env::temp_dir().join(format!("tare-logs-progress-{}", std::process::id()));
        let file: OwnedFd = std::fs::File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&path)
            .unwrap()
            .into();
        assert_eq!(Progress::load(&file).unwrap(), Progress::default());
        let mut progress = Progress {
            done: [1, u64::MAX],
            marks: [3, 4],
            intent: Some(Intent {
                stream: Stream::Stderr,
                of_gap: true,
                to: 7,
                closing: Closing::Gap,
                time: Moment {
                    seconds: 8,
                    nanoseconds: 9,
                },
                place: Place {
                    device: 10,
                    inode: 11,
                    length: 12,
                },
            }),
        };
        progress.save(&file).unwrap();
        assert_eq!(Progress::load(&file).unwrap(), progress);
        progress.intent = None;
        progress.save(&file).unwrap();
        assert_eq!(Progress::load(&file).unwrap(), progress);
        std::fs::remove_file(path).unwrap();
    }
}
