//! Which boot of the machine this is: state in the run folder is void under another.

use std::fmt;
use std::sync::OnceLock;
use tare_error::{Context, Error, Kind, Result};

/// Where the kernel tells (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The id of one boot of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootId(String);

impl BootId {
    /// The id of the running kernel's boot. It is asked for once: no process outlives its boot.
    ///
    /// # Errors
    /// Where `/proc` is not mounted.
    pub fn current() -> Result<BootId> {
        static ASKED: OnceLock<BootId> = OnceLock::new();
        if let Some(known) = ASKED.get() {
            return Ok(known.clone());
        }
        let text = crate::read(BOOT_ID, 64).op("read", BOOT_ID)?;
        let told = BootId::parse(&String::from_utf8_lossy(&text))?;
        Ok(ASKED.get_or_init(|| told).clone())
    }

    /// Reads an id written by the kernel or by [`fmt::Display`].
    ///
    /// # Errors
    /// `Corrupt` where it is not 36 hexadecimal digits and dashes.
    pub fn parse(text: &str) -> Result<BootId> {
        let text = text.trim_end();
        if text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
            return Ok(BootId(text.to_owned()));
        }
        Err(Error::new(Kind::Corrupt, "read boot id", text.escape_debug()))
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_id_is_read_and_stable() {
        let id = BootId::current().unwrap();
        assert_eq!(BootId::parse(&format!("{id}\n")).unwrap(), id);
        assert!(BootId::parse("").is_err());
        assert!(BootId::parse(&"x".repeat(36)).is_err());
    }
}
