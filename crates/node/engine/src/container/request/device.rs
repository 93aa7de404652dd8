//! Devices as `--device` writes them.

use super::invalid;
use std::path::{Path, PathBuf};
use tare_error::Result;

/// One device of the host, or a directory of them, given to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRequest {
    /// On the host; absolute.
    pub source: PathBuf,
    /// Inside; absolute.
    pub target: PathBuf,
    /// Any of `r`, `w` and `m`.
    pub access: String,
}

impl DeviceRequest {
    /// Reads `/dev/x`, `/dev/x:/dev/y`, `/dev/x:rw`, `/dev/x:/dev/y:rwm`.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn parse(text: &str) -> Result<DeviceRequest> {
        let how = "a device is PATH, PATH:PATH_INSIDE or PATH:PATH_INSIDE:rwm";
        let parts: Vec<&str> = text.split(':').collect();
        let access = |s: &str| {
            let each_once = "rwm".chars().all(|c| s.matches(c).count() <= 1);
            !s.is_empty() && each_once && s.chars().all(|c| "rwm".contains(c))
        };
        let (source, target, rights) = match parts.as_slice() {
            [source] => (*source, *source, "rwm"),
            [source, rights] if access(rights) => (*source, *source, *rights),
            [source, target] => (*source, *target, "rwm"),
            [source, target, rights] if access(rights) => (*source, *target, *rights),
            _ => return Err(invalid("device", text, "that is not a device").hint(how)),
        };
        let plain = |p: &str| {
            let path = Path::new(p);
            path.is_absolute() && !path.components().any(|c| c == std::path::Component::ParentDir)
        };
        if !plain(source) || !plain(target) {
            return Err(invalid("device", text, "its paths must be absolute").hint(how));
        }
        Ok(DeviceRequest {
            source: source.into(),
            target: target.into(),
            access: rights.to_owned(),
        })
    }
}
