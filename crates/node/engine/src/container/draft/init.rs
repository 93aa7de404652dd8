//! A first process of ours (`tare-init`), which starts the one that was asked for: mounted where no file of the image is.

use super::mounts::mount;
use super::{Draft, Input};
use std::path::Path;
use tare_error::{Error, Kind, Result};

/// Where it is inside: in the file system of devices, which is made anew for each container.
const PATH: &str = "/dev/init";
/// Its name in the container's folder.
pub(in crate::container) const FILE: &str = "init";

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    if !input.request.process.init {
        return Ok(());
    }
    let mut asked = input.request.files.mounts.iter();
    if asked.any(|own| Path::new(PATH).starts_with(&own.target)) {
        return Err(Error::new(Kind::Invalid, "run with", "--init")
            .because("it lies in /dev, and another /dev is mounted there")
            .hint("mount that elsewhere, or have the image bring an init"));
    }
    draft.mounts.push(mount(
        PATH,
        "bind",
        input.folder.join(FILE),
        &["bind", "rprivate", "ro", "nosuid", "nodev"],
    ));
    draft.init = true;
    Ok(())
}

/// Program and arguments with it.
pub(super) fn before(arguments: &[String]) -> Vec<String> {
    let own = [PATH, "--"].map(str::to_owned);
    own.into_iter().chain(arguments.iter().cloned()).collect()
}

/// Program and arguments without it.
pub(in crate::container) fn after(arguments: &[String]) -> &[String] {
    match arguments {
        [init, dashes, rest @ ..] if init == PATH && dashes == "--" => rest,
        plain => plain,
    }
}
