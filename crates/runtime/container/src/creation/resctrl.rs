//! Putting the child into its class of service (`Documentation/filesystems/resctrl.rst` of the kernel).

use crate::plan::{Class, class};
use rustix::process::Pid;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::IntelRdt;

/// Changes the class of a container that is there: its schemata are written anew, and its first process is in it (again).
///
/// `root` is where resctrl is mounted.
///
/// # Errors
/// `Invalid` for lines that are none, else as the kernel answers.
pub fn change_class(rdt: &IntelRdt, id: &str, root: &Path, process: Pid) -> Result<()> {
    enter(&class(rdt, id, root)?, process, &mut Vec::new())
}

/// Makes the class where that is asked for, writes its schemata, and puts the process into it and its monitoring group.
/// What was made goes to `made`, in the order in which it is to be removed.
pub(super) fn enter(class: &Class, process: Pid, made: &mut Vec<PathBuf>) -> Result<()> {
    let directory = &class.directory;
    if class.may_be_made {
        make(directory, made)?;
    } else if !directory.is_dir() {
        return Err(
            Error::new(Kind::NotFound, "enter resctrl class", directory.display())
                .because("it does not exist")
                .hint("a closID without schemata names a class that exists already"),
        );
    }
    if !class.schemata.is_empty() {
        write(&directory.join("schemata"), &class.schemata)?;
    }
    let number = process.as_raw_nonzero().to_string();
    write(&directory.join("tasks"), &number)?;
    if let Some(monitor) = &class.monitor {
        make(monitor, made)?;
        write(&monitor.join("tasks"), &number)?;
    }
    Ok(())
}

fn make(directory: &Path, made: &mut Vec<PathBuf>) -> Result<()> {
    match fs::create_dir(directory) {
        Ok(()) => made.insert(0, directory.to_owned()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        Err(e) => {
            return Err(Error::os("make resctrl group", directory.display(), e)
                .hint("the processor has few classes: ENOSPC means that all are taken"));
        }
    }
    Ok(())
}

/// One write, as the kernel takes a file's lines together or not at all.
fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).op("write", file.display())
}
