//! The home of the user, from the container's own list of users (passwd(5)): what `HOME` is where the configuration does
//! not say. runc and crun do so, and engines leave it to them. Nothing here allocates; see [`crate::child`].

use crate::child::{Child, Done};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{FileType, OFlags, ResolveFlags, fstat};
use rustix::io::Errno;
use std::ffi::CStr;
use tare_mount::open_in_root;

/// How much of the list is read.
const LARGEST: usize = 1 << 20;

/// What comes before the path.
const NAME: &[u8; 5] = b"HOME=";

/// The longest variable, with its end.
const LONGEST: usize = 1024;

/// The variable, once it is known.
pub(crate) struct Home {
    text: [u8; LONGEST],
    is_known: bool,
}

impl Default for Home {
    fn default() -> Home {
        Home {
            text: [0; LONGEST],
            is_known: false,
        }
    }
}

impl Home {
    /// `HOME=…`; none where nobody looked.
    pub(super) fn variable(&self) -> Option<&CStr> {
        let text = CStr::from_bytes_until_nul(&self.text).ok();
        text.filter(|_| self.is_known)
    }

    /// Takes the home that was found, or `/`: a user may be unknown, or have none, or one of unreasonable length.
    fn set(&mut self, found: Option<&[u8]>) {
        let path = found.filter(|path| !path.is_empty()).unwrap_or(b"/");
        self.text = [0; LONGEST];
        let bytes = NAME.iter().chain(path);
        self.text.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        self.is_known = true;
    }
}

impl Child<'_> {
    /// A list that is missing, or no file, or cannot be read, is an empty one.
    pub(super) fn look_up_home(&mut self, uid: u32) -> Done {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let list = open_in_root(self.root()?, c"/etc/passwd", flags, ResolveFlags::empty())
            .and_then(|file| Ok((fstat(&file)?, file)));
        let mut search = Search::of(uid);
        if let Ok((found, file)) = &list
            && FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
        {
            search.read(file.as_fd());
        }
        self.home.set(search.found());
        Ok(())
    }
}

/// Where in the list a search is.
struct Search {
    uid: u32,
    /// The number of colons before this place in the line.
    field: usize,
    /// The third field so far; none where it is no number.
    number: Option<u32>,
    has_digits: bool,
    /// The sixth field so far.
    path: [u8; LONGEST - NAME.len() - 1],
    length: usize,
    is_found: bool,
}

impl Search {
    fn of(uid: u32) -> Search {
        Search {
            uid,
            field: 0,
            number: Some(0),
            has_digits: false,
            path: [0; LONGEST - NAME.len() - 1],
            length: 0,
            is_found: false,
        }
    }

    fn read(&mut self, file: BorrowedFd<'_>) {
        let mut buffer = [0; 4096];
        let mut all = 0;
        while all < LARGEST {
            match rustix::io::read(file, &mut buffer) {
                Ok(length @ 1..) => {
                    all += length;
                    self.take(buffer.get(..length).unwrap_or_default());
                    if self.is_found {
                        return;
                    }
                }
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => break,
            }
        }
        // The last line may have no end.
        self.take(b"\n");
    }

    /// Goes on through the list; stops behind the line of the user.
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match (byte, self.field) {
                _ if self.is_found => return,
                (b'\n', _) => self.end_line(),
                (b':', _) => self.field += 1,
                (digit @ b'0'..=b'9', 2) => {
                    self.has_digits = true;
                    let digit = u32::from(digit - b'0');
                    self.number = self.number.and_then(|n| n.checked_mul(10)?.checked_add(digit));
                }
                (_, 2) => self.number = None,
                (_, 5) => {
                    if let Some(place) = self.path.get_mut(self.length) {
                        *place = *byte;
                    }
                    self.length += 1;
                }
                _ => {}
            }
        }
    }

    fn end_line(&mut self) {
        self.is_found = self.field >= 5 && self.has_digits && self.number == Some(self.uid);
        if !self.is_found {
            *self = Search::of(self.uid);
        }
    }

    fn found(&self) -> Option<&[u8]> {
        self.path.get(..self.length).filter(|_| self.is_found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_by_number() {
        let list = b"root:x:0:0:root:/root:/bin/sh\n\n# none\nshort:x:7\nodd:x:+8:8::/eight:\nempty:x:9:9:::\n\
            huge:x:99999999999:1::/huge:\nfirst:x:10:1::/first:\nsecond:x:10:1::/second:\nlast:x:4294967295:1:,:/last";
        let long = [b"a:x:5:5::/".as_slice(), &[b'n'; 2000], b":\n"].concat();
        for (uid, text, expected) in [
            (0, list.as_slice(), "HOME=/root"),
            (7, list, "HOME=/"),
            (8, list, "HOME=/"),
            (9, list, "HOME=/"),
            (10, list, "HOME=/first"),
            (u32::MAX, list, "HOME=/last"),
            (3, list, "HOME=/"),
            (0, b"", "HOME=/"),
            (0, b"a::::::", "HOME=/"),
            (5, &long, "HOME=/"),
        ] {
            // However it is cut into pieces.
            for size in [1, 7, 4096] {
                let mut search = Search::of(uid);
                text.chunks(size).for_each(|piece| search.take(piece));
                search.take(b"\n");
                let mut home = Home::default();
                assert_eq!(home.variable(), None);
                home.set(search.found());
                let said = home.variable().and_then(|text| text.to_str().ok());
                assert_eq!(said, Some(expected), "{uid}");
            }
        }
    }
}
