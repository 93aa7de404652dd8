//! Tar archives made by hand, so that they can be as wrong as an attacker's.
#![allow(dead_code, reason = "several test programs share this file, each uses a part")]

/// An archive in the making.
#[derive(Clone, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    /// Where whole entries end, extensions belonging to what follows them.
    pub(crate) boundaries: Vec<usize>,
}

/// The fields of one header.
#[derive(Clone)]
pub(crate) struct Header {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) mtime: u64,
    /// The size field, raw, where it is not the length of the data.
    pub(crate) size: Option<Vec<u8>>,
    pub(crate) major: u64,
    pub(crate) minor: u64,
}

impl Header {
    pub(crate) fn new(kind: u8, name: impl AsRef<[u8]>) -> Header {
        Header {
            name: name.as_ref().to_vec(),
            kind,
            link: Vec::new(),
            mode: if kind == b'5' { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            mtime: 1_500_000_000,
            size: None,
            major: 0,
            minor: 0,
        }
    }

    pub(crate) fn link(mut self, target: impl AsRef<[u8]>) -> Header {
        self.link = target.as_ref().to_vec();
        self
    }

    pub(crate) fn mode(mut self, mode: u32) -> Header {
        self.mode = mode;
        self
    }

    pub(crate) fn owner(mut self, uid: u64, gid: u64) -> Header {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    pub(crate) fn device(mut self, major: u64, minor: u64) -> Header {
        (self.major, self.minor) = (major, minor);
        self
    }

    pub(crate) fn size(mut self, field: &[u8]) -> Header {
        self.size = Some(field.to_vec());
        self
    }

    /// The block, with its check sum.
    pub(crate) fn block(&self, data: usize) -> [u8; 512] {
        let mut b = [0_u8; 512];
        let mut put = |at: usize, field: &[u8]| b[at..at + field.len()].copy_from_slice(field);
        put(0, &self.name);
        put(100, &octal(u64::from(self.mode), 8));
        put(108, &octal(self.uid, 8));
        put(116, &octal(self.gid, 8));
        put(124, &self.size.clone().unwrap_or_else(|| octal(data as u64, 12)));
        put(136, &octal(self.mtime, 12));
        put(156, &[self.kind]);
        put(157, &self.link);
        put(257, b"ustar\x0000");
        put(329, &octal(self.major, 8));
        put(337, &octal(self.minor, 8));
        seal(&mut b);
        b
    }
}

/// Writes the check sum.
pub(crate) fn seal(b: &mut [u8; 512]) {
    b[148..156].fill(b' ');
    let sum: u64 = b.iter().map(|&byte| u64::from(byte)).sum();
    b[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn octal(value: u64, width: usize) -> Vec<u8> {
    let text = format!("{value:0digits$o}\0", digits = width - 1);
    if text.len() == width {
        return text.into_bytes();
    }
    let mut field = vec![0_u8; width];
    field[0] = 0x80;
    field[width - 8.min(width - 1)..].copy_from_slice(&value.to_be_bytes()[8 - 8.min(width - 1)..]);
    field
}

impl Archive {
    pub(crate) fn new() -> Archive {
        Archive::default()
    }

    /// A header with its data, padded.
    pub(crate) fn entry(mut self, header: &Header, data: &[u8]) -> Archive {
        self.bytes.extend_from_slice(&header.block(data.len()));
        self.bytes.extend_from_slice(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        if !b"xgLK".contains(&header.kind) {
            self.boundaries.push(self.bytes.len());
        }
        self
    }

    pub(crate) fn file(self, name: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Archive {
        self.entry(&Header::new(b'0', name), data.as_ref())
    }

    pub(crate) fn dir(self, name: impl AsRef<[u8]>) -> Archive {
        self.entry(&Header::new(b'5', name), b"")
    }

    pub(crate) fn symlink(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Archive {
        self.entry(&Header::new(b'2', name).link(target), b"")
    }

    pub(crate) fn link(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Archive {
        self.entry(&Header::new(b'1', name).link(target), b"")
    }

    /// An extended header for the next entry.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Archive {
        let mut body = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length.to_string().len() + rest != length {
                length += 1;
            }
            body.extend_from_slice(format!("{length} {key}=").as_bytes());
            body.extend_from_slice(value);
            body.push(b'\n');
        }
        self.entry(&Header::new(b'x', "pax"), &body)
    }

    /// Bytes as they are.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Archive {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Without the end mark.
    pub(crate) fn open_end(self) -> Vec<u8> {
        self.bytes
    }

    /// With the end mark.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }
}
