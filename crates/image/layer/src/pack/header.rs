//! One entry's header: a ustar block (POSIX.1-1988), with a pax header before it (POSIX.1-2001) for what does not fit.

use std::io::Write as _;

/// What a header says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) name: Vec<u8>,
    /// The type flag.
    pub(super) kind: u8,
    /// Where a link leads.
    pub(super) link: Vec<u8>,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    /// Seconds since 1970.
    pub(super) mtime: i64,
    /// Major and minor number.
    pub(super) device: (u32, u32),
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Header {
    /// A mark: an empty file of root's, of no time.
    pub(super) fn mark(name: Vec<u8>) -> Header {
        Header {
            name,
            kind: b'0',
            link: Vec::new(),
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: 0,
            device: (0, 0),
            xattrs: Vec::new(),
        }
    }

    /// The blocks that stand before the entry's data.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let records = self.records();
        let mut bytes = Vec::with_capacity(512);
        if !records.is_empty() {
            let mut extension = Header::mark(b"PaxHeaders/entry".to_vec());
            (extension.kind, extension.size) = (b'x', records.len() as u64);
            bytes.extend_from_slice(&extension.block());
            bytes.extend_from_slice(&records);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
        bytes.extend_from_slice(&self.block());
        bytes
    }

    /// The pax records: what the block has no room for.
    fn records(&self) -> Vec<u8> {
        let mut records = Vec::new();
        let mut text = |key: &[u8], value: &[u8]| record(&mut records, key, value);
        if self.name.len() > 100 {
            text(b"path", &self.name);
        }
        if self.link.len() > 100 {
            text(b"linkpath", &self.link);
        }
        for (key, value, digits) in [
            (&b"uid"[..], u64::from(self.uid), 7),
            (b"gid", u64::from(self.gid), 7),
            (b"size", self.size, 11),
        ] {
            if value >= 1 << (3 * digits) {
                text(key, value.to_string().as_bytes());
            }
        }
        if !(0..1 << 33).contains(&self.mtime) {
            text(b"mtime", self.mtime.to_string().as_bytes());
        }
        for (name, value) in &self.xattrs {
            text(&[b"SCHILY.xattr.", &name[..]].concat(), value);
        }
        records
    }

    fn block(&self) -> [u8; 512] {
        let mut block = [0; 512];
        put(&mut block[..100], &self.name);
        octal(&mut block[100..108], u64::from(self.mode));
        octal(&mut block[108..116], u64::from(self.uid));
        octal(&mut block[116..124], u64::from(self.gid));
        octal(&mut block[124..136], self.size);
        octal(&mut block[136..148], u64::try_from(self.mtime).unwrap_or(0));
        block[156] = self.kind;
        put(&mut block[157..257], &self.link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        if matches!(self.kind, b'3' | b'4') {
            octal(&mut block[329..337], u64::from(self.device.0));
            octal(&mut block[337..345], u64::from(self.device.1));
        }
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|&b| u64::from(b)).sum();
        octal(&mut block[148..155], sum);
        block
    }
}

/// As much of the text as there is room for.
fn put(room: &mut [u8], text: &[u8]) {
    let length = text.len().min(room.len());
    room[..length].copy_from_slice(&text[..length]);
}

/// A number in octal digits and an end; one that is too long stands in a pax record and is nought here.
fn octal(room: &mut [u8], value: u64) {
    let digits = room.len() - 1;
    let value = if value < 1 << (3 * digits) { value } else { 0 };
    let mut text = Vec::with_capacity(12);
    // Writing into memory does not fail.
    let _ = write!(text, "{value:0digits$o}");
    put(&mut room[..digits], &text);
    room[digits] = 0;
}

/// One record, "LENGTH KEY=VALUE\n", in which the length counts its own digits.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    if length.to_string().len() > rest.to_string().len() {
        length += 1;
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::record;

    #[test]
    fn a_record_counts_its_own_digits() {
        for (value, expected) in [(1, "9 k="), (92, "99 k="), (93, "101 k="), (94, "102 k=")] {
            let mut records = Vec::new();
            record(&mut records, b"ke", &vec![b'x'; value]);
            let text = String::from_utf8(records.clone()).unwrap();
            let length: usize = text.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(length, records.len(), "{expected}");
        }
    }
}
