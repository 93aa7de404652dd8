//! Lists of processors and memory nodes as systemd takes them: bits, the lowest first.

/// The highest number taken: kernels are built for at most 8,192 processors.
const NUMBER_MAX: usize = 8191;

/// `1,3-5` as bytes, without zero bytes at the end. Blanks around a part and empty parts are passed over, as runc does.
pub(super) fn bits(list: &str) -> Result<Vec<u8>, &'static str> {
    let mut bits = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err("a range in the list ends before it begins");
        }
        for n in first..=last {
            if bits.len() <= n / 8 {
                bits.resize(n / 8 + 1, 0);
            }
            if let Some(byte) = bits.get_mut(n / 8) {
                *byte |= 1 << (n % 8);
            }
        }
    }
    match bits.is_empty() {
        true => Err("the list is empty"),
        false => Ok(bits),
    }
}

fn number(text: &str) -> Result<usize, &'static str> {
    let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = is_plain.then(|| text.parse().ok()).flatten();
    number
        .filter(|n| *n <= NUMBER_MAX)
        .ok_or("the list has something other than numbers and ranges in it, as in 0-3,7")
}

#[cfg(test)]
mod tests {
    use super::bits;

    #[test]
    fn lists() {
        for (list, expected) in [
            ("0", &[0x01][..]),
            ("1", &[0x02]),
            ("0-1", &[0x03]),
            ("0,1", &[0x03]),
            (",0,1,", &[0x03]),
            ("0-3", &[0x0f]),
            ("0,1,2-3", &[0x0f]),
            ("4-7", &[0xf0]),
            ("0-7", &[0xff]),
            ("0-15", &[0xff, 0xff]),
            ("16", &[0, 0, 1]),
            ("0-3,32-33", &[0x0f, 0, 0, 0, 3]),
            (" 1 , 3-4 ", &[0x1a]),
        ] {
            assert_eq!(bits(list).unwrap(), expected, "{list}");
        }
        for bad in [
            "",
            ",",
            "-",
            "1-",
            "-1",
            "3-1",
            "a",
            "1-2-3",
            "0 1",
            "8192",
            "0-99999999999999999999",
            "+1",
        ] {
            assert!(bits(bad).is_err(), "{bad}");
        }
    }
}
