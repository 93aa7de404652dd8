//! Errors in the words that engines look for.

use rustix::io::Errno;
use tare_error::{Error, Kind};

/// The words by which engines tell a command that is not there (exit code 127) from one that cannot be executed (126);
/// what we say follows them.
pub fn words_of_runc(error: &Error) -> String {
    let command = error.subject();
    let is = |errno: Errno| error.errno() == Some(errno.raw_os_error());
    let why = match error.kind() {
        Kind::CommandNotFound if command.contains('/') => {
            format!("stat {command}: no such file or directory")
        }
        Kind::CommandNotFound => "executable file not found in $PATH".to_owned(),
        Kind::CommandNotExecutable if is(Errno::NOEXEC) => "exec format error".to_owned(),
        // The command is there; what is to execute it is not.
        Kind::CommandNotExecutable if is(Errno::NOENT) || is(Errno::NOTDIR) => {
            return format!("exec {command}: no such file or directory: ");
        }
        Kind::CommandNotExecutable => "permission denied".to_owned(),
        _ => return String::new(),
    };
    format!("exec: {command:?}: {why}: ")
}
